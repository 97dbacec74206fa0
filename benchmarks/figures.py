"""Accuracy, seconds and memory for docs/benchmarks.md, from whole runs of the commands.

    python benchmarks/figures.py accuracy --data ml-latest-small [--seeds 5] [--model autorec] [--share 0.3]

The following train the fast model without --speed; `compare.py` measures both speeds and other libraries.

    python benchmarks/figures.py sample           # python train.py on the sample
    python benchmarks/figures.py million          # 1 million generated ratings, 6,000 x 3,700
    python benchmarks/figures.py million --speed best --runs 1 --name million-best
    python benchmarks/figures.py wide             # 2 million ratings over 200,000 x 100,000
    python benchmarks/figures.py steps            # a step at 1 and at 20 million ratings (138,000 x 27,000)
    python benchmarks/figures.py light            # import, --help, scoring 1 million held-out ratings

Every run is its own process. Seconds are wall time of the whole process; memory is its peak, as the operating system
counts it. Results are printed and written to benchmarks/results/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from generate import generate, write_csv  # noqa: E402

from movie_autoencoder import read_ratings  # noqa: E402
from movie_autoencoder.bundle import read_manifest  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402


def run(words: Sequence[object]) -> dict[str, float]:
    """Runs a command; returns wall seconds, processor seconds, and peak memory in GB."""
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, words))} ended with status {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gb": round(usage.ru_maxrss / 1e6, 2),
    }


def train(data: object, out: Path, *words: object) -> dict[str, Any]:
    """Runs ``train.py``; returns its seconds and memory, and figures from the bundle's metadata."""
    speed = [] if {"--model", "--config", "--speed"} & set(words) else ["--speed", "fast"]
    figures: dict[str, Any] = run([sys.executable, "train.py", "--data", data, "--out", out, "--quiet", *speed, *words])
    metadata = read_manifest(out / "bundle")["metadata"]
    return figures | {
        "fit_seconds": round(last_fits(metadata), 2),
        "num_fits": len(metadata["fits"]),
        "settings": metadata["settings"],
        "epochs": metadata["epochs"],
        "validation": metadata["validation"],
    }


def last_fits(metadata: dict[str, Any]) -> float:
    """Seconds of the fits of the saved model, without the hyperparameter search."""
    refits = [fit["seconds"] for fit in metadata["fits"] if fit["stage"].startswith("refit")]
    return float(sum(refits) if refits else metadata["fits"][-1]["seconds"])


def accuracy(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Test RMSE over seeds: each seed has its own split and validation part, refits, and is scored once."""
    data: object = find_data(options.data, ROOT / "data")
    if options.share < 1:
        ratings = read_ratings(str(data))
        rng = np.random.default_rng(2026)
        part = ratings.take(rng.permutation(len(ratings))[: round(len(ratings) * options.share)])
        data = folder / "part.csv"
        write_csv(part, Path(str(data)))
    words = ["--model", options.model] if options.model else []
    words += ["--config", options.config] if options.config else []
    rows = []
    for seed in range(options.seeds):
        out = folder / f"run{seed}"
        row = train(data, out, "--seed", seed, *words)
        command = [sys.executable, "evaluate.py", str(out), "--json", "--no-report"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        scored = json.loads(done.stdout)
        row |= {
            "seed": seed,
            "rmse": scored["rmse"],
            "mae": scored["mae"],
            "rmse_ci95": scored["rmse_ci95"],
            "damped_bias": scored["baselines"]["damped_bias"]["rmse"],
        }
        print(
            f"seed {seed}: RMSE {row['rmse']:.4f}, damped_bias {row['damped_bias']:.4f}, {row['seconds']:.0f} s",
            flush=True,
        )
        rows.append(row)
    errors, bias = (np.array([row[name] for row in rows]) for name in ("rmse", "damped_bias"))
    summary = {
        "rmse_mean": float(errors.mean()),
        "rmse_deviation": float(errors.std(ddof=1)) if len(rows) > 1 else 0.0,
        "below_damped_bias_mean": float((bias - errors).mean()),
        "below_damped_bias_least": float((bias - errors).min()),
    }
    print(
        f"mean {summary['rmse_mean']:.4f} ± {summary['rmse_deviation']:.4f} over {len(rows)} splits, "
        f"{summary['below_damped_bias_mean']:.4f} below damped_bias (least {summary['below_damped_bias_least']:.4f})"
    )
    return summary | {"runs": rows}


def sample(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """``python train.py`` on the sample, several times."""
    words = "--speed", options.speed
    return {"runs": [train("sample", folder / f"run{number}", *words) for number in range(options.runs)]}


def million(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """1 million ratings at the defaults."""
    write_csv(generate(1_000_000, 6_000, 3_700)[0], folder / "ratings.csv")
    words = "--speed", options.speed
    return {"runs": [train(folder / "ratings.csv", folder / f"run{number}", *words) for number in range(options.runs)]}


def wide(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """2 million ratings over a very wide and tall matrix."""
    write_csv(generate(2_000_000, 200_000, 100_000)[0], folder / "ratings.csv")
    return train(folder / "ratings.csv", folder / "run")


def steps(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Cost of a training step per rating at 1 and at 20 million ratings; peak of a whole run at 20 million."""
    sizes = {"million": (1_000_000, 6_000, 3_700), "twenty": (20_000_000, 138_000, 27_000)}
    figures: dict[str, Any] = {}
    for name, size in sizes.items():
        path = folder / f"{name}.csv"
        write_csv(generate(*size)[0], path)
        words = ["--set", "training.budget=0", "--epochs", options.epochs, "--validation-fraction", 0]
        figures[name] = train(path, folder / name, *words)
        history = np.genfromtxt(folder / name / "history.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
        pace = np.diff(history["seconds"])  # without validation the lines of the history are one step apart
        figures[name]["step_seconds"] = float(np.median(pace))
        figures[name]["ns_per_rating"] = float(np.median(pace)) / (0.9 * size[0]) * 1e9
    figures["ratio"] = figures["twenty"]["ns_per_rating"] / figures["million"]["ns_per_rating"]
    return figures


def light(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of importing, the help, and scoring."""
    figures: dict[str, Any] = {
        "import": [run([sys.executable, "-c", "import movie_autoencoder"]) for _ in range(options.runs)],
        "help": [run([Path(sys.executable).with_name("movie-autoencoder"), "--help"]) for _ in range(options.runs)],
    }
    write_csv(generate(11_000_000, 60_000, 15_000)[0], folder / "ratings.csv")
    words = ["--set", "training.budget=0", "--epochs", 3, "--set", "training.refit=false"]
    train(folder / "ratings.csv", folder / "run", *words)
    from movie_autoencoder.data.splits import load_held_out
    from movie_autoencoder.recommend.recommender import Recommender

    recommender, held_out = Recommender.load(folder / "run"), load_held_out(folder / "run" / "split.npz", "test")
    users, items = held_out.users[:1_000_000], held_out.items[:1_000_000]
    seconds = []
    for _ in range(options.runs):
        started = time.perf_counter()
        recommender.predict(users, items)
        seconds.append(round(time.perf_counter() - started, 3))
    return figures | {"scoring_a_million_seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "sample", "million", "wide", "steps", "light"])
    parser.add_argument("--data", default="ml-latest-small", help="accuracy: file, folder or known name")
    parser.add_argument("--model", help="accuracy: dual or autorec")
    parser.add_argument("--config", help="accuracy: a configuration file")
    parser.add_argument("--share", type=float, default=1.0, help="accuracy: random fraction of the ratings")
    parser.add_argument("--seeds", type=int, default=5, help="accuracy: splits")
    parser.add_argument("--runs", type=int, default=3, help="sample, million, light: repetitions")
    parser.add_argument("--epochs", type=int, default=8, help="steps: epochs timed")
    parser.add_argument("--speed", default="fast", choices=["fast", "best"], help="sample, million: which model")
    parser.add_argument("--name", help="name of the result file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = globals()[options.what](Path(folder), options)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    result = {"command": " ".join(["python benchmarks/figures.py", *sys.argv[1:]]), "machine": machine, **figures}
    path = ROOT / "benchmarks" / "results" / f"{options.name or options.what}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    if options.what != "accuracy":
        print(json.dumps(result, indent=2))
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB; written to {path}")


if __name__ == "__main__":
    main()
