"""Finding: the path of the data set that the user means with a path, with the name of a data set, or with nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .archive import Archive
from .detection import ARCHIVES, SUFFIXES, TITLES, detect, suffix
from .errors import SourceError
from .header import read_header
from .sample import is_installed, provide_sample

BASE_URL = "https://files.grouplens.org/datasets/movielens"
MOVIELENS_NAMES = ("ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "ml-latest")
KNOWN_NAMES = (*MOVIELENS_NAMES, "sample")
_FOLDER_NAMES = {"ml-10m": ("ml-10M100K",)}  # what the archive unpacks to, where that is not its name
_ENDINGS = ("", ".zip")
_COMPANIONS = {
    *TITLES,
    "tags.csv",
    "tags.dat",
    "users.dat",
    "genome-scores.csv",
    "genome-tags.csv",
    "probe.txt",
    "qualifying.txt",
}
_TIMEOUT = 30.0  # seconds without a byte

Notify = Callable[[str], None]


def find_data(
    spec: str | Path | None = None,
    data_folder: Path = Path("data"),
    *,
    base_url: str = BASE_URL,
    notify: Notify | None = None,
) -> Path:
    """Finds the path of a data set.

    A path is used as it is. A name is looked up in the data folder first, and a known name that is not there is
    downloaded once. Without a name, it is the data set in the data folder, or the sample when the folder is empty.

    Args:
        spec: what the user typed; None or empty for nothing.
        data_folder: folder of the data sets.
        base_url: address from which MovieLens is downloaded.
        notify: called with a line of text before something that takes time.

    Returns:
        A path for `read_ratings`.

    Raises:
        SourceError: no data set is found, or two are, or a download failed. The message says what to do.
    """
    say = notify or (lambda line: None)
    if spec is None or not str(spec).strip():
        return _what_lies_there(data_folder, say)
    given = Path(spec).expanduser()
    if given.exists():
        return given
    name = str(spec)
    if name == "sample":
        return provide_sample(data_folder / "sample")
    on_disk = _named(name, data_folder)
    if on_disk is not None:
        return on_disk
    if name in MOVIELENS_NAMES:
        return download(name, data_folder, base_url=base_url, notify=say)
    raise SourceError(
        name,
        None,
        f"there is no such file or folder, and none in {data_folder}/",
        f"a file, a folder, a zip, or one of the names {', '.join(KNOWN_NAMES)}",
        f"check the spelling; relative paths start at {Path.cwd()}",
    )


def download(name: str, data_folder: Path, *, base_url: str = BASE_URL, notify: Notify | None = None) -> Path:
    """Downloads a MovieLens archive into the data folder and checks it against the MD5 that its publisher gives.

    The archive is not unpacked. It gets its name only after the check, so a file with that name is always whole.

    Args:
        name: one of `MOVIELENS_NAMES`.
        data_folder: folder of the data sets.
        base_url: address from which MovieLens is downloaded.
        notify: called with a line of text before the download.

    Returns:
        The path of the archive.

    Raises:
        SourceError: there is no network or no space, the connection broke, or the checksum differs.
    """
    url, target = f"{base_url}/{name}.zip", data_folder / f"{name}.zip"
    part = data_folder / f".{name}.zip.{os.getpid()}.part"
    try:
        published = _published_md5(url)
        data_folder.mkdir(parents=True, exist_ok=True)
        found = _fetch(url, part, notify or (lambda line: None), name)
        if found != published:
            raise SourceError(
                url,
                None,
                f"the download has the MD5 {found}, the publisher says {published}",
                "the publisher's file",
                f"try again, or download it by hand and put it into {target}",
            )
        os.replace(part, target)
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise SourceError(
            url,
            None,
            f"{name} is not on disk and cannot be downloaded ({reason})",
            "a connection to the publisher",
            f"download {url} where there is one and put it into {target}",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _published_md5(url: str) -> str:
    with urllib.request.urlopen(f"{url}.md5", timeout=_TIMEOUT) as answer:
        text = answer.read(4096).decode("ascii", errors="replace")
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if not found:
        raise ValueError(f"{url}.md5 holds no MD5 but {text[:60]!r}")
    return found[0].lower()


def _fetch(url: str, part: Path, say: Notify, name: str) -> str:
    """Downloads an address into a file and returns its MD5."""
    digest = hashlib.md5(usedforsecurity=False)  # the publisher's choice; it shows damage, and https prevents malice
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, part.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        free = shutil.disk_usage(part.parent).free
        if size > free:
            raise OSError(f"{size / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free")
        say(f"Downloading {name} ({size / 1e6:,.1f} MB) from {url}")
        while block := answer.read(1 << 20):
            digest.update(block)
            file.write(block)
        if size and file.tell() != size:
            raise OSError(f"the connection broke after {file.tell():,} of {size:,} bytes")
    return digest.hexdigest()


def _named(name: str, data_folder: Path) -> Path | None:
    """The data set of that name in the data folder, unpacked or as an archive; None when there is none."""
    if os.sep in name or name in (".", ".."):
        return None
    for stem in (name, *_FOLDER_NAMES.get(name, ())):
        for ending in _ENDINGS:
            path = data_folder / f"{stem}{ending}"
            if path.is_file() or (path.is_dir() and any(path.iterdir())):
                return path
    return None


def _what_lies_there(data_folder: Path, say: Notify) -> Path:
    """The one data set in the data folder, or else the sample."""
    found = _data_sets(data_folder) if data_folder.is_dir() else []
    own = [path for path in found if path.name != "sample"]  # the user's own data set comes before the sample
    if len(own) > 1:
        raise SourceError(
            data_folder,
            None,
            f"there are two data sets: {own[0]} and {own[1]}",
            "one data set",
            f"name the one you mean: --data {own[0]}",
        )
    if own:
        return own[0]
    if not is_installed() and not found:
        raise SourceError(
            data_folder,
            None,
            "there is no data set here",
            "one data set",
            '(1) install the sample: pip install -e ".[sample]"; (2) download MovieLens: '
            f"--data ml-latest-small; or (3) put a file of ratings into {data_folder}/, or name it: --data FILE",
        )
    if not found:
        say(f"No data set in {data_folder}/: using the sample of 100,004 MovieLens ratings.")
    return provide_sample(data_folder / "sample")


def _data_sets(data_folder: Path) -> list[Path]:
    """The folders, archives and single files in the data folder that hold ratings."""
    sets: dict[str, Path] = {}
    for path in sorted(data_folder.iterdir()):
        lower = path.name.lower()
        if path.name.startswith(".") or lower.startswith("readme") or lower.endswith((".md", ".md5")):
            continue
        if path.is_dir():
            if _holds_ratings(path):
                sets[path.name] = path
        elif lower in _COMPANIONS or re.fullmatch(r"u\.(item|user|genre|info|occupation)", lower):
            continue
        elif re.fullmatch(r"(combined_data_|mv_)\d+\.txt", lower):
            sets["netflix"] = data_folder  # several files, one data set
        elif path.stem not in sets and _holds_ratings(path):  # ml-1m.zip beside ml-1m/ is the same data set
            sets[path.name] = path
    unpacked = {stem for names in _FOLDER_NAMES.items() for stem in names[1] if stem in sets}
    return [path for name, path in sets.items() if not (name == "ml-10m.zip" and unpacked)]


def _holds_ratings(path: Path) -> bool:
    """Whether a path may be a data set. It may need names for its columns, and it may be damaged."""
    try:
        archive = Archive.at(path)
        if archive.kind == "file" and suffix(path.name) not in SUFFIXES:
            return False
        found = detect(archive)
        if found.format == "table" and suffix(found.names[0]) == ".txt":  # more often a note than a table
            return len(read_header(found.archive, found.names[0], {}).names) > 2
    except SourceError as error:
        return "two data sets" in error.value or path.name.lower().endswith(ARCHIVES)
    return True
