"""Throughput and latency of the server: saved as benchmarks/results/load.json.

    python benchmarks/load.py RUN [--rate 600] [--seconds 60] [--connections 16] [--ratings 20]

Starts ``movie-autoencoder serve RUN`` on a free port of this machine, waits for its first answer, and sends ``POST
/api/recommend`` for people with 20 ratings each, at random among the most rated items. Requests are due at an even
rate, whether earlier ones have been answered or not, and the time of a request counts from when it was due, so that the
figures show a server that falls behind. With ``--rate 0`` each connection sends a request as soon as the last answer is
there. The status of every answer and the whole of one answer in fifty are checked. Server and client share the cores of
the machine; the client is one thread of raw sockets. Memory is the resident set of the server under this load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from movie_autoencoder import Recommender  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402

_PEOPLE = 500  # different requests
_WARM_SECONDS = 3.0  # of requests that do not count
_CHECKED = 50  # one answer in so many is checked completely


def requests(run: Path, ratings: int, port: int) -> tuple[list[bytes], int]:
    """Whole HTTP requests of different people, and the number of items of the model."""
    recommender = Recommender.load(run)
    rng = np.random.default_rng(0)
    known = recommender.item_ids[np.argsort(-recommender.item_counts)[:3000]]
    made = []
    for _ in range(_PEOPLE):
        items = rng.permutation(known)[:ratings].tolist()
        stars = rng.choice(recommender.scale.levels, len(items)).tolist()
        rated = [{"item_id": item, "stars": given} for item, given in zip(items, stars, strict=True)]
        body = json.dumps({"ratings": rated}).encode()
        head = (
            f"POST /api/recommend HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made, len(recommender.item_ids)


class Load:
    """Sends requests at a rate and records the time of each answer.

    Args:
        port: of the server, on this machine.
        made: the requests, sent in turn.
        rate: requests due in a second; 0 sends them as fast as answers come.
        seconds: duration, without the first seconds, which do not count.
        connections: number of open connections, and so the largest number of requests at the same time.
    """

    def __init__(self, port: int, made: list[bytes], rate: float, seconds: float, connections: int) -> None:
        self.took: list[float] = []
        self.errors = 0
        self.asked = 0
        self._port = port
        self._made = made
        self._rate = rate
        self._connections = connections
        self._next = 0
        self._start = time.perf_counter() + 0.2
        self._counts = self._start + _WARM_SECONDS
        self._end = self._counts + seconds

    async def run(self) -> None:
        """Sends requests on all connections until the time is over."""
        await asyncio.gather(*(self._ask() for _ in range(self._connections)))

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.sleep(max(0.0, self._start - time.perf_counter()))
        while True:
            number = self._next
            self._next += 1
            due = self._start + number / self._rate if self._rate else time.perf_counter()
            if due >= self._end:
                break
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            writer.write(self._made[number % len(self._made)])
            right = await self._answer(reader, number)
            self.asked += 1
            if due >= self._counts:
                self.took.append(time.perf_counter() - due)
                self.errors += not right
        writer.close()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader, number: int) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        start = head.lower().index(b"content-length: ") + 16
        body = await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
        right = head.startswith(b"HTTP/1.1 200 ")
        if right and number % _CHECKED == 0:
            right = len(json.loads(body)["recommendations"]) == 20
        return right


async def measure(load: Load, process: int) -> list[float]:
    """Runs the load; returns the memory of the server in MB, every five seconds that count."""
    memory = []

    async def watch() -> None:
        await asyncio.sleep(_WARM_SECONDS + 0.5)
        while True:
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            memory.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1))
            await asyncio.sleep(5)

    watching = asyncio.create_task(watch())
    await load.run()
    watching.cancel()
    return memory


def processor_seconds(process: int) -> float:
    """Processor time of all threads of a process so far, seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(run: Path, port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Starts a server; returns it and the seconds to its first answer."""
    command = [sys.executable, "-c", "from movie_autoencoder.cli.main import main; main()", "serve", str(run)]
    command += ["--port", str(port)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    asked = b"GET /api/model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    while time.perf_counter() < started + 30 and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(asked)
                if connection.recv(12) == b"HTTP/1.1 200":
                    return process, time.perf_counter() - started
        except OSError:
            time.sleep(0.01)
    process.kill()
    sys.exit("The server did not answer within 30 seconds.")


def main() -> None:
    """Reads the command line, serves, sends requests, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rate", type=float, default=600.0, help="requests due in a second; 0: as fast as possible")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--ratings", type=int, default=20, help="of each person")
    parser.add_argument("--name", default="load", help="name of the result file")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made, items = requests(options.run, options.ratings, port)
    process, first = serve(options.run, port)
    try:
        load = Load(port, made, options.rate, options.seconds, options.connections)
        used, busy = time.process_time(), processor_seconds(process.pid)
        memory = asyncio.run(measure(load, process.pid))
        used, busy = time.process_time() - used, processor_seconds(process.pid) - busy
    finally:
        process.terminate()
        process.wait()
    took = 1000 * np.array(load.took)
    figures: dict[str, Any] = {
        "items": items,
        "ratings_each": options.ratings,
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "first_answer_seconds": round(first, 2),
        "due_per_second": options.rate,
        "answered_per_second": round(len(took) / options.seconds, 1),
        "seconds": options.seconds,
        "connections": options.connections,
        "answers": len(took),
        "errors": load.errors,
        "milliseconds": {
            name: round(float(np.quantile(took, at)), 2)
            for name, at in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("most", 1.0))
        },
        "server_mb": memory,
        "processor_ms_each": {
            "server": round(1000 * busy / load.asked, 3),
            "client": round(1000 * used / load.asked, 3),
        },
    }
    write_json(ROOT / "benchmarks" / "results" / f"{options.name}.json", figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
