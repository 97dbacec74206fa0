"""Our models and the peers on the same splits in one run: a table, saved as benchmarks/results/compare-NAME.json.

    python benchmarks/peers/install.py                             # once: the peers' environments
    python benchmarks/compare.py --data ml-latest-small            # everything, 10 splits; resumes where it stopped
    python benchmarks/compare.py --data ml-latest-small --share 0.3 --splits 5
    python benchmarks/compare.py --pair NAME TRAIN TEST            # files as they are, one split
    python benchmarks/compare.py --task ranking --data sample      # lists instead of ratings: compare_ranking.py

Every fit runs in its own process, all with the same number of threads. Peers are tuned once for each data set, on a
split that is not scored, and then stay fixed. docs/benchmarks.md describes what is measured and how.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
sys.path[:0] = [str(ROOT / "src"), str(HERE), str(HERE / "peers")]

from generate import Generated, is_preset, preset  # noqa: E402
from grids import PEERS  # noqa: E402
from install import complete, python_of  # noqa: E402

from movie_autoencoder import Ratings, Scale, read_ratings, split_ratings  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402
from movie_autoencoder.metrics.comparison import bootstrap_rmse, interval  # noqa: E402
from movie_autoencoder.metrics.distributions import holm  # noqa: E402
from movie_autoencoder.metrics.errors import error_sums  # noqa: E402
from movie_autoencoder.storage import save_arrays, write_json, write_text  # noqa: E402

OURS = {
    "dual-fast": ["--model", "dual", "--speed", "fast"],
    "dual-best": ["--model", "dual", "--speed", "best"],
    "autorec": ["--model", "autorec"],
}
BLEND = "best-peer-blend"
TUNING_SEED = 1000  # of the split that peers are tuned on; scored splits have the seeds 0, 1, 2, …
TIMED = 3  # seconds are medians over the first splits, so a quiet machine is needed only for these: --fresh --splits 3
RESAMPLES = 10_000
SECONDS = ("fit_seconds", "predict_seconds", "process_seconds")
CACHE = HERE / ".cache"
Array = npt.NDArray[Any]


class Unavailable(Exception):
    """A model that cannot run here; the message says why."""


@dataclass(frozen=True, eq=False)
class Part:
    """One split of a data set: the ratings that models are fitted on and those that they are scored on.

    Args:
        train: the training ratings.
        users: user id of each held-out rating, shape ``(n,)``.
        items: item id, same shape.
        values: the ratings, same shape; no model sees them.
        seed: seed of the split; our models train with the same seed.
        unrated: random pairs without a rating (generated data only), scored separately.
    """

    train: Ratings
    users: Array
    items: Array
    values: Array
    seed: int
    unrated: Ratings | None = None

    @property
    def pairs(self) -> tuple[Array, Array]:
        """User and item ids of every pair to predict: held-out ratings, then unrated pairs."""
        if self.unrated is None:
            return self.users, self.items
        users, items = self.unrated.user_ids[self.unrated.user_index], self.unrated.item_ids[self.unrated.item_index]
        return np.concatenate([self.users, users]), np.concatenate([self.items, items])

    @property
    def digest(self) -> str:
        """A checksum that changes with every training or held-out rating."""
        sha = hashlib.sha256(f"{self.train.digest} {self.train.scale} {self.seed}".encode())
        for array in (*self.pairs, self.values):
            sha.update("\0".join(map(str, array.tolist())).encode())
        return sha.hexdigest()


@dataclass(frozen=True)
class Data:
    """A data set by name, and its splits.

    Args:
        name: name of its result file.
        part: the split of a seed; `TUNING_SEED` gives the one that peers are tuned on.
        seeds: seeds of the scored splits.
        oracle: RMSE of the best possible predictions of ratings and of unrated pairs (generated data only).
    """

    name: str
    part: Callable[[int], Part]
    seeds: tuple[int, ...]
    oracle: dict[str, float] | None = None


def random_splits(
    name: str, ratings: Ratings, num_splits: int, share: float = 1.0, made: Generated | None = None
) -> Data:
    """Random 90/10 splits; with a share below 1, each of its own random fraction of the ratings.

    Args:
        name: name of the data set.
        ratings: all its ratings.
        num_splits: number of scored splits.
        share: fraction of the ratings in a split.
        made: the generator's result (generated data only).
    """

    def part(seed: int) -> Part:
        some = ratings
        if share < 1:
            order = np.random.default_rng([seed, 7]).permutation(len(ratings))
            some = ratings.take(order[: round(len(ratings) * share)])
        split = split_ratings(some, test_fraction=0.1, validation_fraction=0, seed=seed)
        held_out = split.held_out("test")
        return Part(split.training_ratings, held_out.users, held_out.items, held_out.values, seed, unrated)

    unrated = made.unrated if made else None
    oracle = {"rmse": made.oracle, "rmse_unrated": made.unrated_oracle} if made else None
    shown = name if share == 1 else f"{name}-{share:.0%}".replace("%", "pct")
    return Data(shown, part, tuple(range(num_splits)), oracle)


def given_pair(name: str, train: Ratings, test: Ratings) -> Data:
    """Two files as one split; peers are tuned on a split of the training file."""
    scale = Scale.detect(np.concatenate([train.values, test.values]))
    train = replace(train, scale=scale)
    scored = Part(train, test.user_ids[test.user_index], test.item_ids[test.item_index], test.values, 0)
    tuning = random_splits(name, train, 1)
    return Data(name, lambda seed: tuning.part(seed) if seed == TUNING_SEED else scored, (0,))


def run(words: Sequence[object], threads: int, log: Path) -> tuple[float, float]:
    """Runs a process.

    Returns:
        Wall seconds and peak memory in MB.

    Raises:
        Unavailable: it failed; the message ends with the last line that it printed.
    """
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "RAYON", "LK", "LK_BACKEND")
    environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in names}
    started = time.perf_counter()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [str(word) for word in words], stdout=printed, stderr=subprocess.STDOUT, cwd=ROOT, env=environment
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # after Ctrl-C no process stays behind
            process.kill()
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing was printed"]
        raise Unavailable(f"its process ended with status {process.returncode}: {last[0]}")
    return time.perf_counter() - started, usage.ru_maxrss / 1e3


def run_peer(
    model: str, part: Part, settings: Sequence[Mapping[str, Any]], threads: int
) -> tuple[dict[str, Any], list[dict[str, Array]]]:
    """One process of a peer that fits configurations one after another.

    Returns:
        Measurements, and for each configuration its arrays: predictions, and probabilities when the peer has them.

    Raises:
        Unavailable: its environment is missing, or it failed.
    """
    peer = PEERS[model]
    if not complete(peer.environment):
        raise Unavailable(f"its environment is missing: python benchmarks/peers/install.py {peer.environment}")
    train = part.train
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "cells.npz",
            users=train.user_index,
            items=train.item_index,
            values=train.values,
            num_users=train.num_users,
            num_items=train.num_items,
            levels=train.scale.levels,
            bounds=[train.scale.minimum, train.scale.maximum],
            test_users=train.locate_users(part.pairs[0]),
            test_items=train.locate_items(part.pairs[1]),
        )
        (folder / "job.json").write_text(json.dumps({"settings": list(settings), "threads": threads}))
        script = HERE / "peers" / peer.script
        seconds, peak = run([python_of(peer.environment), script, folder], threads, folder / "log.txt")
        measured = json.loads((folder / "measured.json").read_text())
        found = [read_predictions(folder / f"predictions-{index}.npz", part) for index in range(len(settings))]
    return measured | {"process_seconds": seconds, "peak_mb": peak}, found


@cache
def options_of_train() -> str:
    """What `train.py --help` prints."""
    return subprocess.run(
        [sys.executable, "train.py", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def words_of(model: str) -> list[str]:
    """The options of one of our models.

    Raises:
        Unavailable: `train.py` does not know them.
    """
    words = OURS[model]
    if "--speed" in words and "--speed" not in options_of_train():
        if model == "dual-best":
            raise Unavailable("train.py has no option --speed")
        return words[:2]
    return words


def run_ours(model: str, part: Part, threads: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """A whole `train.py` on a file of the training ratings, then a process that predicts from what it saved."""
    train, scale = part.train, part.train.scale
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_ratings(train, folder / "train.csv")
        np.savez(folder / "pairs.npz", users=part.pairs[0], items=part.pairs[1])
        step = f":{scale.step:g}" if scale.step else ""
        words = [
            "--data",
            folder / "train.csv",
            "--out",
            folder / "run",
            "--test-fraction",
            0,
            "--seed",
            part.seed,
            "--threads",
            threads,
            "--set",
            f"data.scale={scale.minimum:g}:{scale.maximum:g}{step}",
            *words_of(model),
            "--quiet",
        ]
        training, peak = run([sys.executable, "train.py", *words], threads, folder / "log.txt")
        predicting, _ = run([sys.executable, HERE / "peers" / "with_bundle.py", folder], threads, folder / "log.txt")
        measured = json.loads((folder / "measured.json").read_text())
        found = read_predictions(folder / "predictions-0.npz", part)
    return measured | {"process_seconds": training + predicting, "peak_mb": peak}, found


def read_predictions(path: Path, part: Part) -> dict[str, Array]:
    """The arrays of a process: predictions and probabilities of held-out ratings, predictions of unrated pairs.

    Ours are predicted twice: as chosen, and as random (`random` and `unrated_random`; see unchosen.py).
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: array[: len(part.values)] for name, array in arrays.items()}
        if part.unrated is not None:
            for name, own in (("unrated", "predictions"), ("unrated_random", "random")):
                if own in arrays:
                    found[name] = arrays[own][len(part.values) :]
        return found


def write_ratings(ratings: Ratings, path: Path) -> None:
    """Writes ids and ratings without times, as a CSV file."""
    import pyarrow as pa
    import pyarrow.csv as csv

    columns = {
        "userId": ratings.user_ids[ratings.user_index],
        "movieId": ratings.item_ids[ratings.item_index],
        "rating": ratings.values,
    }
    csv.write_csv(pa.table(columns), path)


def code_digest(paths: Sequence[Path]) -> str:
    """A checksum of Python code; comments, docstrings and layout do not change it."""
    sha = hashlib.sha256()
    for path in sorted(paths):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        sha.update(f"{path.name} {ast.dump(tree)}".encode())
    return sha.hexdigest()


@cache
def version_key(model: str) -> str:
    """A checksum of the code and the library versions that a model's predictions depend on."""
    if model in OURS:
        package = ROOT / "src" / "movie_autoencoder"
        apart = {package / name for name in ("adapters", "evaluation", "report")}  # training does not use these
        used = [path for path in package.rglob("*.py") if path.parent not in apart]
        return code_digest([*used, HERE / "peers" / "with_bundle.py"])
    peer = PEERS[model]
    folder = HERE / "peers"
    pins = (folder / f"{peer.environment}.txt").read_text()
    return code_digest([folder / "job.py", folder / peer.script]) + hashlib.sha256(pins.encode()).hexdigest()


class Cache:
    """Finished fits of one data set: predictions as .npz and measurements as .json, by a checksum of their inputs.

    Args:
        folder: folder of the files.
        fresh: models that are fitted again, once in this run.
        key: a checksum of what else the result of a model depends on; `version_key` when left out.
    """

    def __init__(self, folder: Path, fresh: Sequence[str] = (), key: Callable[[str], str] | None = None) -> None:
        self.folder = folder
        self.key = key or version_key
        self.fresh = set(fresh)
        self.made: set[Path] = set()

    def get(
        self, model: str, label: str, basis: Any, make: Callable[[], tuple[dict[str, Any], dict[str, Array]]]
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """The result of `make` for these inputs, from this run or an earlier one."""
        text = json.dumps([basis, self.key(model)], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = self.folder / model / f"{label}-{key}.json"
        if not path.is_file() or (model in self.fresh and path not in self.made):
            path.parent.mkdir(parents=True, exist_ok=True)
            measured, arrays = make()
            save_arrays(path.with_suffix(".npz"), arrays)
            write_json(path, measured)
            self.made.add(path)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays_read:
            return json.loads(path.read_text(encoding="utf-8")), dict(arrays_read)


def tune(model: str, part: Part, cache: Cache, threads: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """A peer's best configuration on the tuning split, the RMSE of every configuration, and its predictions there."""
    grid = PEERS[model].grid

    def make() -> tuple[dict[str, Any], dict[str, Array]]:
        measured, found = run_peer(model, part, grid, threads)
        errors = [rmse(one["predictions"], part.values) for one in found]
        best = int(np.argmin(errors))
        figures = [{"settings": settings, "rmse": error} for settings, error in zip(grid, errors, strict=True)]
        result = {"chosen": grid[best], "rmse": errors[best], "seconds": measured["process_seconds"], "grid": figures}
        return result, found[best] | {"users": part.users, "items": part.items, "values": part.values}

    return cache.get(model, "tuning", [part.digest, grid], make)


def score(
    model: str, part: Part, settings: Mapping[str, Any] | None, cache: Cache, threads: int
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Measurements and arrays of one model on one scored split."""

    def make() -> tuple[dict[str, Any], dict[str, Array]]:
        if settings is None:
            measured, found = run_ours(model, part, threads)
        else:
            measured, several = run_peer(model, part, [settings], threads)
            measured["settings"], found = dict(settings), several[0]
        measured |= measured.pop("runs")[0] | {"threads": threads}
        return measured, found | {"users": part.users, "items": part.items, "values": part.values}

    basis = [part.digest, settings if settings is not None else words_of(model)]
    return cache.get(model, f"split{part.seed}", basis, make)


def rmse(predictions: Array, values: Array) -> float:
    """Root mean squared error, rating points."""
    return float(np.sqrt(np.mean(np.square(predictions - values, dtype=np.float64))))


def nll(probabilities: Array, levels: Array, values: Array) -> float:
    """Mean negative log-likelihood of the ratings, nats per rating.

    Args:
        probabilities: shape ``(n, num_levels)``.
        levels: rating value of each column.
        values: the ratings, shape ``(n,)``.
    """
    column = np.abs(values[:, None] - levels).argmin(axis=1)
    return float(-np.log(np.maximum(probabilities[np.arange(len(values)), column], 1e-12)).mean())


def star_logs(probabilities: Array, part: Part, smoothing: Sequence[float]) -> Array:
    """The terms of our distribution over the rating values, for the probabilities of another model.

    Args:
        probabilities: of each held-out rating and rating value, shape ``(n, num_levels)``.
        part: the split, whose training ratings are counted.
        smoothing: number of average ratings added to the histograms of a user and of an item.

    Returns:
        Logarithms of the probabilities and of the histograms of the user, the item and all training ratings, shape
        ``(4, n, num_levels)``; an unknown user or item has the histogram of all ratings.
    """
    train, levels = part.train, part.train.scale.levels
    column = np.abs(train.values[:, None] - levels).argmin(axis=1)
    overall = (np.bincount(column, minlength=len(levels)) + 1.0) / (len(column) + len(levels))
    logs = [np.log(np.maximum(probabilities, 1e-12))]
    sides = (
        (train.user_index, train.num_users, train.locate_users(part.users), smoothing[0]),
        (train.item_index, train.num_items, train.locate_items(part.items), smoothing[1]),
    )
    for index, size, rows, added in sides:
        counts = np.zeros((size + 1, len(levels)))  # the last row, -1: unknown
        np.add.at(counts, (index, column), 1.0)
        smoothed = counts[rows] + added * overall
        logs.append(np.log(smoothed / smoothed.sum(axis=1, keepdims=True)))
    return np.stack([*logs, np.broadcast_to(np.log(overall), logs[0].shape)])


def with_histograms(probabilities: Array, part: Part, choice: Sequence[float]) -> Array:
    """Probabilities corrected by rating histograms, as ours are: p^a h_u^b h_i^c h^d, divided by their sum.

    Args:
        probabilities: as for `star_logs`.
        part: the split.
        choice: exponents a to d, and logarithms of the two smoothings; (1, 0, 0, 0, …) changes nothing.
    """
    logits: Array = np.tensordot(
        np.asarray(choice[:4]), star_logs(probabilities, part, np.exp(choice[4:]).tolist()), axes=1
    )
    corrected: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    corrected /= corrected.sum(axis=1, keepdims=True)
    return corrected


def fit_histograms(probabilities: Array, part: Part) -> list[float]:
    """The choice for `with_histograms` with the smallest NLL on a tuning split."""
    from scipy.optimize import minimize

    levels = part.train.scale.levels

    def loss(choice: Array) -> float:
        return nll(with_histograms(probabilities, part, choice.tolist()), levels, part.values)

    smoothing = (float(np.log(0.1)), float(np.log(1000.0)))
    bounds = [(-3.0, 3.0)] * 4 + [smoothing] * 2
    start = np.array([1.0, 0.5, 0.1, -0.5, np.log(10.0), np.log(10.0)])
    return [float(one) for one in minimize(loss, start, method="L-BFGS-B", bounds=bounds).x]


def best_blend(predictions: Mapping[str, Array], values: Array) -> tuple[str, str, float, float]:
    """The two predictors, and the weight of the first, whose weighted average has the smallest error.

    Returns:
        First, second, weight of the first in [0, 1], RMSE.
    """
    found = []
    names = sorted(predictions)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            gap = predictions[first] - predictions[second]
            size = float(np.square(gap).sum())
            weight = float(gap @ (values - predictions[second])) / size if size else 0.5
            weight = min(1.0, max(0.0, weight))
            error = rmse(weight * predictions[first] + (1 - weight) * predictions[second], values)
            found.append((first, second, weight, error))
    return min(found, key=lambda one: one[3])


def resampled_t(differences: Sequence[float], test_to_train: float) -> dict[str, float] | None:
    """The corrected resampled t-test (Nadeau and Bengio 2003): splits have common ratings, so differences correlate.

    Args:
        differences: difference of each split.
        test_to_train: number of held-out ratings per training rating.

    Returns:
        t and its two-sided p-value; None with fewer than two splits or without variance.
    """
    from scipy import stats

    count = len(differences)
    variance = float(np.var(differences, ddof=1)) if count > 1 else 0.0
    if not variance:
        return None
    t = float(np.mean(differences)) / np.sqrt((1 / count + test_to_train) * variance)
    return {"t": float(t), "p": float(2 * stats.t.sf(abs(t), count - 1))}


def differences(ours: str, predictions: Mapping[str, list[Array]], parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Our best model against every other one; below 0 in our favour. Users are resampled with all their ratings.

    Args:
        ours: name of our model.
        predictions: by model, for each split. Holm's correction counts all models.
        parts: the splits.
    """
    values = np.concatenate([part.values for part in parts])
    group = np.unique(np.concatenate([part.users for part in parts]), return_inverse=True)[1]
    sums = {name: error_sums(np.concatenate(found), values, groups=group) for name, found in predictions.items()}
    squared = {name: one.squared for name, one in sums.items()}
    draws = bootstrap_rmse(squared, sums[ours].counts, resamples=RESAMPLES)
    lines: list[dict[str, Any]] = []
    for name, found in predictions.items():
        if name == ours:
            continue
        drawn = draws[ours] - draws[name]
        tail = min(np.count_nonzero(drawn >= 0), np.count_nonzero(drawn <= 0))
        each = [
            rmse(mine, part.values) - rmse(theirs, part.values)
            for mine, theirs, part in zip(predictions[ours], found, parts, strict=True)
        ]
        ratio = statistics.mean(len(part.values) / len(part.train) for part in parts)
        lines.append(
            {
                "ours": ours,
                "model": name,
                "difference": float(np.mean(each)),
                "ci95": list(interval(drawn)),
                "p": min(1.0, 2 * (tail + 1) / (RESAMPLES + 1)),
                "splits_lower": sum(one < 0 for one in each),
                "resampled_t": resampled_t(each, ratio),
            }
        )
    for line, p in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p_holm"] = p
    return lines


def compare(
    data: Data, models: Sequence[str], cache: Cache, threads: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Tunes the peers, runs every model on every split, and returns the result to save."""
    tuning_part = data.part(TUNING_SEED)
    tuned: dict[str, dict[str, Any]] = {}
    guesses: dict[str, dict[str, Array]] = {}
    usable = []
    for model in models:
        try:
            if model in PEERS:
                tuned[model], guesses[model] = tune(model, tuning_part, cache, threads)
                say(f"{data.name}: {model} tuned: {tuned[model]['rmse']:.4f} with {tuned[model]['chosen']}")
            else:
                words_of(model)
            usable.append(model)
        except Unavailable as reason:
            say(f"{data.name}: {model} is left out: {reason}")
    parts: list[Part] = []
    results: dict[str, list[dict[str, Any]]] = {}
    predictions: dict[str, list[Array]] = {}
    probabilities: dict[str, list[Array]] = {}
    unrated: dict[str, list[float]] = {}
    biases: dict[str, list[float]] = {}
    for seed in data.seeds:
        part = data.part(seed)
        parts.append(part)
        for model in list(usable):
            settings = tuned[model]["chosen"] if model in tuned else None
            try:
                measured, arrays = score(model, part, settings, cache, threads)
            except Unavailable as reason:
                say(f"{data.name}: {model} is left out: {reason}")
                usable.remove(model)
                continue
            results.setdefault(model, []).append(measured)
            predictions.setdefault(model, []).append(arrays["predictions"])
            if part.unrated is not None:
                unrated.setdefault(model, []).append(rmse(arrays["unrated"], part.unrated.values))
                biases.setdefault(model, []).append(float(np.mean(arrays["unrated"] - part.unrated.values)))
            if "probabilities" in arrays:
                probabilities.setdefault(model, []).append(arrays["probabilities"])
            say(f"{data.name}: split {seed}: {model} {rmse(arrays['predictions'], part.values):.4f}")
    predictions = {model: predictions[model] for model in usable}
    table = {model: summary(results[model], tuned.get(model)) for model in usable}
    peers = {model: guesses[model]["predictions"] for model in usable if model in tuned}
    blended: dict[str, Any] | None = None
    if len(peers) > 1:
        first, second, weight, error = best_blend(peers, tuning_part.values)
        blended = {"models": [first, second], "weight": weight, "rmse": error}
        pairs = zip(predictions[first], predictions[second], strict=True)
        predictions[BLEND] = [weight * one + (1 - weight) * other for one, other in pairs]
        table[BLEND] = {
            **{key: table[first][key] + table[second][key] for key in SECONDS},
            "peak_mb": max(table[first]["peak_mb"], table[second]["peak_mb"]),
            "version": "",
            "settings": {"models": [first, second], "weight": weight},
        }
    for model, found in predictions.items():
        table[model]["rmse"] = [rmse(one, part.values) for one, part in zip(found, parts, strict=True)]
        table[model]["mae"] = [float(np.abs(one - part.values).mean()) for one, part in zip(found, parts, strict=True)]
        table[model]["nll"] = None
        if model in unrated:
            table[model]["rmse_unrated"], table[model]["bias_unrated"] = unrated[model], biases[model]
        levels = tuning_part.train.scale.levels
        if model in probabilities and probabilities[model][0].shape[1] == len(levels):  # ours are coarser above 21
            given = list(zip(probabilities[model], parts, strict=True))
            table[model]["nll"] = [nll(one, levels, part.values) for one, part in given]
            if model in guesses:
                choice = fit_histograms(guesses[model]["probabilities"], tuning_part)
                table[model]["nll_histogram"] = [
                    nll(with_histograms(one, part, choice), levels, part.values) for one, part in given
                ]
                table[model]["histogram"] = choice
    best = next((model for model in ("dual-best", "dual-fast", "autorec") if model in predictions), None)
    return {
        "data": data.name,
        "machine": machine(threads),
        "splits": list(data.seeds),
        "models": table,
        "differences": differences(best, predictions, parts) if best and len(predictions) > 1 else [],
        "tuning": {"seed": TUNING_SEED, **tuned, **({BLEND: blended} if blended else {})},
        "held_out": [len(part.values) for part in parts],
        **({"oracle": data.oracle} if data.oracle else {}),
    }


def summary(runs: Sequence[Mapping[str, Any]], tuning: Mapping[str, Any] | None) -> dict[str, Any]:
    """Seconds (medians over the first splits), memory, version and settings of one model; tuning counts as process."""
    searching = tuning["seconds"] if tuning else 0.0

    def median(name: str) -> float:
        return round(float(statistics.median(run[name] for run in runs[:TIMED])), 3)

    return {
        "fit_seconds": median("fit_seconds"),
        "predict_seconds": median("predict_seconds"),
        "process_seconds": round(median("process_seconds") + searching, 3),
        "peak_mb": round(max(run["peak_mb"] for run in runs[:TIMED])),
        "version": runs[0]["version"],
        "settings": runs[0]["settings"],
        "threads": runs[0]["threads"],
    }


def machine(threads: int) -> str:
    """The machine, in words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {threads} threads each"


def lines_of(result: Mapping[str, Any]) -> list[str]:
    """The printed table."""
    held_out = sum(result["held_out"])
    lines = [
        f"{result['data']}: {len(result['splits'])} splits, {held_out:,} held-out ratings; {result['machine']}",
        f"{'model':<22}{'RMSE':>17}{'MAE':>17}{'NLL':>8}{'fit s':>9}{'predict s':>11}{'process s':>11}{'MB':>7}  "
        "version",
    ]

    def mean_and_deviation(values: Sequence[float]) -> str:
        return f"{statistics.mean(values):.4f} ± {statistics.stdev(values) if len(values) > 1 else 0:.4f}"

    models = result["models"]
    for name in sorted(models, key=lambda name: statistics.mean(models[name]["rmse"])):
        one = models[name]
        nats = f"{statistics.mean(one['nll']):.3f}" if one["nll"] else ""
        lines.append(
            f"{name:<22}{mean_and_deviation(one['rmse']):>17}{mean_and_deviation(one['mae']):>17}{nats:>8}{one['fit_seconds']:>9.2f}"
            f"{one['predict_seconds']:>11.2f}{one['process_seconds']:>11.1f}{one['peak_mb']:>7.0f}  {one['version']}"
        )
        if "nll_histogram" in one:
            lines.append(f"{'  with histograms':<56}{statistics.mean(one['nll_histogram']):>8.3f}")
        if "rmse_unrated" in one:
            bias = f"  bias {statistics.mean(one['bias_unrated']):+.4f}" if "bias_unrated" in one else ""
            lines.append(f"{'  on unrated pairs':<22}{mean_and_deviation(one['rmse_unrated']):>17}{bias}")
    if "oracle" in result:
        lines.append("best possible: RMSE {rmse:.4f}, on unrated pairs {rmse_unrated:.4f}".format(**result["oracle"]))
    if result["differences"]:
        lines += [
            "",
            f"{result['differences'][0]['ours']} minus …    RMSE, 95 % interval (users resampled), Holm's p, "
            "splits lower, p of the corrected t-test over splits",
        ]
    for line in sorted(result["differences"], key=lambda line: -line["difference"]):
        low, high = line["ci95"]
        test = f"{line['resampled_t']['p']:.2g}" if line["resampled_t"] else "–"
        lines.append(
            f"{line['model']:<22}{line['difference']:+.4f} [{low:+.4f}, {high:+.4f}]  {line['p_holm']:.2g}  "
            f"{line['splits_lower']}/{len(result['splits'])}  {test}"
        )
    return lines


def name_of(spec: str) -> str:
    """The name of a data set's result: that of its file or folder."""
    path = Path(spec)
    return path.stem if path.is_file() else path.name


def ranking_models() -> list[str]:
    """Names of the models whose lists can be compared."""
    from compare_ranking import OURS as WAYS_TO_RANK
    from ranking_grids import RANKING_PEERS

    return [*WAYS_TO_RANK, *RANKING_PEERS]


def compare_rankings(
    parser: argparse.ArgumentParser, options: argparse.Namespace, models: Sequence[str], command: str
) -> None:
    """The task of ranking, which has a module of its own."""
    import compare_ranking

    try:
        compare_ranking.main(options, models, command)
    except ValueError as error:
        parser.error(str(error))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", action="append", default=[], metavar="NAME|PATH", help="repeatable; also generated-30k and so on"
    )
    parser.add_argument("--task", choices=["rating", "ranking"], default="rating", help="what is compared")
    parser.add_argument("--pair", action="append", default=[], nargs="+", metavar="[NAME] TRAIN TEST")
    parser.add_argument(
        "--strong", action="append", default=[], nargs="+", metavar="[NAME] TRAIN FOLD_IN TARGETS", help="ranking only"
    )
    parser.add_argument("--models", help="names separated by commas; all when left out")
    parser.add_argument("--splits", type=int, help="splits of each --data; 10, of ranking 5")
    parser.add_argument(
        "--share", type=float, default=1.0, help="random fraction of each --data, a new one for each split"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every process")
    parser.add_argument("--fresh", action="store_true", help="run the named models again, tuning included")
    parser.add_argument("--out", type=Path, help="file of the result, with one data set only")
    options = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python benchmarks/compare.py", *words])
    everything = ranking_models() if options.task == "ranking" else [*OURS, *PEERS]
    models = options.models.split(",") if options.models else everything
    if unknown := [model for model in models if model not in everything]:
        parser.error(f"There is no model {unknown[0]!r}. Models: {', '.join(everything)}.")
    if not options.data and not options.pair and not options.strong:
        parser.error("Give --data or --pair, or, for ranking, --strong.")
    if options.out and len(options.data) + len(options.pair) + len(options.strong) > 1:
        parser.error("--out needs exactly one data set.")
    if (options.splits is not None and options.splits < 1) or not 0 < options.share <= 1:
        parser.error("--splits is at least 1, and --share above 0 and at most 1.")
    if options.task == "ranking":
        if options.share < 1:
            parser.error("--share is for ratings only.")
        return compare_rankings(parser, options, models, command)
    if options.strong:
        parser.error("--strong is for --task ranking only.")
    if wrong := [pair for pair in options.pair if len(pair) != 3]:
        parser.error(f"--pair takes NAME TRAIN TEST. Received: {' '.join(wrong[0])}.")
    sets = []
    for spec in options.data:
        made = preset(spec) if is_preset(spec) else None
        ratings = made.ratings if made else read_ratings(find_data(spec, ROOT / "data"))
        sets.append(random_splits(name_of(spec), ratings, options.splits or 10, options.share, made))
    sets += [given_pair(name, read_ratings(train), read_ratings(test)) for name, train, test in options.pair]
    for data in sets:
        cache = Cache(CACHE / data.name, models if options.fresh else ())
        result = compare(data, models, cache, options.threads, lambda text: print(text, flush=True))
        result["command"] = command
        path = options.out or HERE / "results" / f"compare-{data.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(result, indent=2) + "\n")
        print("", *lines_of(result), f"Saved to {path}", sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nInterrupted. Finished fits are kept: the same command resumes.", file=sys.stderr)
        sys.exit(130)
