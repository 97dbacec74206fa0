"""From a MovieLens zip to a served page, timed: saved as benchmarks/results/zip-to-page.json.

    python benchmarks/zip_to_page.py [--ratings 25000000] [--users 162000] [--items 59000]
                                       [--speed fast] [--keep FOLDER]

The script generates a zip with the files of a MovieLens release (ratings.csv, movies.csv), trains on it with train.py,
and serves the page until it has answered one request for recommendations. Generating the zip is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from figures import run  # noqa: E402
from generate import generate, write_csv  # noqa: E402

from movie_autoencoder.bundle import read_manifest  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402


def write_zip(path: Path, num_ratings: int, num_users: int, num_items: int) -> int:
    """Writes a zip like a MovieLens release; returns its number of ratings."""
    ratings = generate(num_ratings, num_users, num_items, seed=0)[0]
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "ratings.csv"
        write_csv(ratings, csv)
        movies = ["movieId,title,genres"]
        movies += [f"{item},Film {item} ({1930 + item % 90}),Drama|Comedy" for item in ratings.item_ids.tolist()]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(csv, "ml-generated/ratings.csv")
            archive.writestr("ml-generated/movies.csv", "\n".join(movies) + "\n")
    return len(ratings)


def seconds_to_page(run_folder: Path) -> dict[str, float]:
    """Seconds from the start of the server to its page, and to its first recommendations."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "from movie_autoencoder.cli.main import main; main()"
    words = [sys.executable, "-c", command, "serve", str(run_folder), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    started = time.perf_counter()
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment)
    try:
        answer(f"http://127.0.0.1:{port}/", None, server)
        page = time.perf_counter() - started
        answer(f"http://127.0.0.1:{port}/api/recommend", {"ratings": [{"item_id": 1, "stars": 4.5}], "k": 10}, server)
        return {"page": round(page, 2), "recommendations": round(time.perf_counter() - started, 2)}
    finally:
        server.terminate()
        server.wait(20)


def answer(url: str, body: object, server: subprocess.Popen[bytes]) -> bytes:
    """The response of a server, once it has started."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return bytes(response.read())
        except urllib.error.URLError:
            if server.poll() is not None:
                sys.exit(f"the server ended with status {server.returncode}")
            time.sleep(0.05)


def main() -> None:
    """Reads the command line, measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=25_000_000)
    parser.add_argument("--users", type=int, default=162_000)
    parser.add_argument("--items", type=int, default=59_000)
    parser.add_argument("--speed", default="fast", choices=["fast", "best"])
    parser.add_argument("--keep", type=Path, help="folder for zip and run; an existing zip is used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        data, out = folder / "ml-generated.zip", folder / "run"
        if not data.is_file():
            print(f"{write_zip(data, options.ratings, options.users, options.items):,} ratings generated", flush=True)
        words = [sys.executable, "train.py", "--data", data, "--speed", options.speed, "--out", out, "--quiet"]
        training = run(words)
        served = seconds_to_page(out)
        metadata = read_manifest(out / "bundle")["metadata"]
        figures = {
            "data": {"ratings": options.ratings, "users": options.users, "items": options.items},
            "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
            "speed": options.speed,
            "training": training,
            "serving": served,
            "minutes": round((training["seconds"] + served["recommendations"]) / 60, 2),
            "validation": metadata.get("validation"),
            "bundle_mb": round(sum(file.stat().st_size for file in (out / "bundle").iterdir()) / 1e6, 1),
        }
    write_json(ROOT / "benchmarks" / "results" / "zip-to-page.json", figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
