"""Seconds and memory for reading a large file of ratings.

    python benchmarks/reading.py                     25 million rows of ratings.csv
    python benchmarks/reading.py --million 10 --format colons

Writes a file of random ratings (162,541 users, 62,423 movies, as in MovieLens 25M; seed 0), reads it with
`read_ratings`, and then as a raw table with pyarrow.csv, each in its own process. It prints seconds, peak memory of the
process, and the ratio of the times, and removes the file. Rows are in the order of users, as in MovieLens, except with
--shuffle.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

SRC = str(Path(__file__).resolve().parents[1] / "src")
READ = """
import json, resource, sys, time
sys.path.insert(0, {src!r})
begin = time.perf_counter()
{code}
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({{"seconds": seconds, "peak": peak, "found": found}}))
"""
OURS = "from movie_autoencoder.data.sources import read_ratings\nfound = repr(read_ratings({path!r}))"
RAW = "import pyarrow.csv\nfound = str(len(pyarrow.csv.read_csv({path!r}))) + ' rows'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", type=float, default=25, help="rows, in millions")
    parser.add_argument("--format", choices=("csv", "colons", "tabs"), default="csv", help="ratings.csv, ::, or u.data")
    parser.add_argument("--shuffle", action="store_true", help="rows in random order")
    parser.add_argument("--repeat", type=int, default=3, help="number of runs; the fastest counts")
    arguments = parser.parse_args()
    names = {"csv": "ratings.csv", "colons": "ratings.dat", "tabs": "u.data"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / names[arguments.format]
        write(path, int(arguments.million * 1e6), arguments.format, arguments.shuffle)
        print(f"{path.name}: {arguments.million:g} million rows, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {platform.machine()}")
        ours = fastest(OURS, path, arguments.repeat)
        print(f"read_ratings  {ours['seconds']:6.2f} s   peak {ours['peak'] / 1e9:.2f} GB   {ours['found']}")
        if arguments.format == "csv":
            raw = fastest(RAW, path, arguments.repeat)
            print(f"pyarrow.csv   {raw['seconds']:6.2f} s   peak {raw['peak'] / 1e9:.2f} GB   {raw['found']}")
            print(f"ratio         {ours['seconds'] / raw['seconds']:6.2f}")


def fastest(code: str, path: Path, repeat: int) -> dict:
    """Seconds and peak memory (bytes) of the fastest of several runs, each in a new process."""
    program = READ.format(src=SRC, code=code.format(path=str(path)))
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
        for _ in range(repeat)
    ]
    return min(runs, key=lambda run: run["seconds"])


def write(path: Path, num_rows: int, kind: str, shuffle: bool) -> None:
    """Writes random ratings in blocks, which needs little memory."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(0)
    users = np.sort(rng.integers(1, 162_542, num_rows, dtype=np.int32))
    if shuffle:
        rng.shuffle(users)
    names = ["userId", "movieId", "rating", "timestamp"]
    options = csv.WriteOptions(include_header=False, delimiter="\t" if kind == "tabs" else ",")
    with path.open("wb") as file:
        if kind == "csv":
            file.write(",".join(names).encode() + b"\n")
        for start in range(0, num_rows, 1_000_000):
            user = users[start : start + 1_000_000]
            popular = (62_423 * rng.random(len(user)) ** 3).astype(np.int64) * 3 + 1
            order = np.arange(len(user)) if shuffle else np.lexsort((popular, user))
            stars = rng.integers(1, 11, len(user)) / 2
            times = rng.integers(800_000_000, 1_600_000_000, len(user))
            block = pa.table([user[order], popular[order], stars if kind == "csv" else np.ceil(stars), times], names)
            sink = pa.BufferOutputStream()
            csv.write_csv(block, sink, options)
            data = sink.getvalue().to_pybytes()
            file.write(data.replace(b",", b"::") if kind == "colons" else data)


if __name__ == "__main__":
    main()
