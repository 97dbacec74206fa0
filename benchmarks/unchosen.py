"""Predictions for items that nobody chose: RMSE and bias at random unrated cells, saved as results/unchosen-NAME.json.

    python benchmarks/peers/install.py surprise-cornac-myfm                # once: the peers' environment
    python benchmarks/unchosen.py                                          # eight selections of generated-30k
    python benchmarks/unchosen.py --data generated-300k+expected-1 --models dual-best,myfm-implicit
    python benchmarks/unchosen.py --pair NAME TRAIN RANDOM                 # files: RANDOM has ratings of random items

Models are fitted on 90 % of the ratings. *chosen* are the other 10 %, and *random* are ratings of random unrated cells.
Ours predicts these twice, as chosen and as random; chosen ratings are always predicted as chosen. Peers are tuned on a
split of the ratings, as for `compare.py`, which runs and caches all fits. Random cells tune and choose nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compare import (
    CACHE,
    HERE,
    OURS,
    TUNING_SEED,
    Array,
    Cache,
    Data,
    Unavailable,
    given_pair,
    machine,
    random_splits,
    rmse,
    score,
    tune,
)
from generate import is_preset, preset
from grids import PEERS

from movie_autoencoder import Ratings, read_ratings
from movie_autoencoder.models.baselines import fit_baselines
from movie_autoencoder.storage import write_text

SELECTIONS = (
    "none",
    *(f"{shape}-{strength}" for shape in ("affinity", "popularity", "expected") for strength in ("0.5", "1")),
)
DEFAULT = ("generated-30k", *(f"generated-30k+{one}" for one in SELECTIONS))
MODELS = ("dual-best", "dual-fast", "myfm-implicit", "myfm-ids", "lenskit-als", "surprise-baseline")
_DAMPING = 5.0  # of the biases that are shown beside


def figures(predictions: Array, values: Array) -> dict[str, float]:
    """RMSE and bias, rating points; a bias above 0 is a prediction that is too high."""
    return {"rmse": rmse(predictions, values), "bias": float(np.mean(predictions - values))}


def rows_of(name: str, arrays: dict[str, Array], values: Array, unrated: Array | None) -> dict[str, dict[str, Any]]:
    """Figures of one model, by the name of its row: of ours, two rows.

    Args:
        name: of the model.
        arrays: its predictions, as `compare.read_predictions` reads them.
        values: the held-out ratings.
        unrated: ratings of random cells; None where the held-out ratings are of random cells themselves.
    """
    ways = {"as chosen": ("predictions", "unrated"), "as random": ("random", "unrated_random")}
    if "random" not in arrays:
        ways = {"": ways["as chosen"]}
    rows = {}
    for way, (held_out, apart) in ways.items():
        row = {"random": figures(arrays[held_out], values) if unrated is None else figures(arrays[apart], unrated)}
        if unrated is not None:
            row["chosen"] = figures(arrays["predictions"], values)
        rows[f"{name} {way}".strip()] = row
    return rows


def measure(data: Data, models: Sequence[str], cache: Cache, threads: int) -> dict[str, Any]:
    """The result of one data set."""
    part, tuning = data.part(data.seeds[0]), data.part(TUNING_SEED)
    unrated = None if part.unrated is None else part.unrated.values
    rows: dict[str, dict[str, Any]] = {}
    for model in models:
        try:
            chosen = tune(model, tuning, cache, threads)[0]["chosen"] if model in PEERS else None
            arrays = score(model, part, chosen, cache, threads)[1]
        except Unavailable as reason:
            print(f"{data.name}: {model} is left out: {reason}", flush=True)
            continue
        rows |= rows_of(model, arrays, part.values, unrated)
    users, items = part.train.locate_users(part.pairs[0]), part.train.locate_items(part.pairs[1])
    for name, baseline in fit_baselines(part.train, _DAMPING).items():
        found, size = baseline.predict(users, items), len(part.values)
        rows |= rows_of(name, {"predictions": found[:size], "unrated": found[size:]}, part.values, unrated)
    return {
        "data": data.name,
        "machine": machine(threads),
        "models": rows,
        **({"oracle": data.oracle} if data.oracle else {}),
    }


def lines_of(result: dict[str, Any]) -> list[str]:
    """The printed table, the best at random cells first."""

    def shown(row: dict[str, Any], kind: str) -> str:
        return f"{row[kind]['rmse']:.4f} {row[kind]['bias']:+.3f}" if kind in row else ""

    models = result["models"]
    names = sorted(models, key=lambda name: models[name]["random"]["rmse"])
    head = f"{result['data']:<30}{'random':>16}{'chosen':>16}"
    return [
        head,
        *(f"{name:<30}{shown(models[name], 'random'):>16}{shown(models[name], 'chosen'):>16}" for name in names),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="NAME", help="generated data; repeatable")
    parser.add_argument("--pair", action="append", default=[], nargs=3, metavar=("NAME", "TRAIN", "RANDOM"))
    parser.add_argument("--models", default=",".join(MODELS), help="names separated by commas")
    parser.add_argument("--threads", type=int, default=2, help="threads of every process")
    options = parser.parse_args(arguments)
    models = options.models.split(",")
    if unknown := [model for model in models if model not in {*OURS, *PEERS}]:
        parser.error(f"There is no model {unknown[0]!r}. Models: {', '.join([*OURS, *PEERS])}.")
    names = options.data or (DEFAULT if not options.pair else ())
    if wrong := [name for name in names if not is_preset(name)]:
        parser.error(f"--data takes generated data, which have ratings of random cells. Received: {wrong[0]}.")
    sets = []
    for name in names:
        made = preset(name)
        sets.append(random_splits(name, made.ratings, 1, made=made))
    sets += [given_pair(name, *map(_ratings, files)) for name, *files in options.pair]
    words = sys.argv[1:] if arguments is None else arguments
    for data in sets:
        result = measure(data, models, Cache(CACHE / data.name), options.threads)
        result["command"] = " ".join(["python benchmarks/unchosen.py", *words])
        path = HERE / "results" / f"unchosen-{data.name}.json"
        write_text(path, json.dumps(result, indent=2) + "\n")
        print("", *lines_of(result), f"Saved to {path}", sep="\n", flush=True)


def _ratings(path: str) -> Ratings:
    return read_ratings(Path(path))


if __name__ == "__main__":
    main()
