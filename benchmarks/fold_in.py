"""How well users and items that training did not see are predicted from few ratings: benchmarks/results/fold-in.json.

    python benchmarks/fold_in.py [--data PATH|NAME] [--seeds N] [--epochs N] [--out FILE]

For each seed and side a tenth of the rows with 25 ratings or more is kept out of training (at least 60 of them, where
there are). Of each, 0, 1, 3, 5, 10 and 20 ratings in a random order are folded in, and the ratings beyond the 20th are
predicted, the same for all. Beside our two speeds: `damped_bias` given the same ratings; our models trained with those
ratings included (10 and 20); for users, LensKit's fold-in, in the environment that benchmarks/peers/install.py makes.

Nothing is tuned, for speed: our settings are those that the search starts from, both blend weights are a half, the
damping of the biases is the default, and LensKit's settings are those that `compare.py` chose on ml-latest-small. One
processor thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from compare import machine  # noqa: E402
from peers.install import python_of  # noqa: E402

from movie_autoencoder import Config, read_ratings  # noqa: E402
from movie_autoencoder.data.first_ratings import random_positions  # noqa: E402
from movie_autoencoder.data.ratings import Ratings  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402
from movie_autoencoder.evaluation.fold_in_curve import NUM_GIVEN, fold_in_curve  # noqa: E402
from movie_autoencoder.metrics.errors import rmse  # noqa: E402
from movie_autoencoder.models.base import TrainedModel, in_vocabulary  # noqa: E402
from movie_autoencoder.models.baselines import choose_damping, damped_bias  # noqa: E402
from movie_autoencoder.models.bayesian.trained import TrainedBayesian  # noqa: E402
from movie_autoencoder.models.dual.family import DualFamily  # noqa: E402
from movie_autoencoder.models.dual.trained import TrainedDual  # noqa: E402
from movie_autoencoder.models.ensemble.family import EnsembleFamily  # noqa: E402
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble  # noqa: E402
from movie_autoencoder.models.ensemble.weights import BlendWeights  # noqa: E402
from movie_autoencoder.models.family import ModelFamily  # noqa: E402
from movie_autoencoder.models.schedule import scheduled  # noqa: E402
from movie_autoencoder.models.startup import start_tensorflow  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Array = npt.NDArray[Any]
SIDES = ("user", "item")
INCLUDED = (10, 20)  # ratings given for which models are also trained with them
LEAST, FRACTION, FEWEST = 25, 0.1, 60  # ratings of a row that may be kept out; fraction of such rows; not fewer
EVEN = 0.5  # weight of the dual autoencoder and of the neighbour correction: about what validation chooses
LENSKIT = {"embedding_size": 64, "epochs": 20, "regularization": 0.1}


@dataclass(frozen=True)
class Part:
    """One draw of rows that training does not see. Rows are users, whatever the side: items' ratings are transposed.

    Args:
        training: ratings of all other rows.
        held: ratings of the kept out rows.
        position: position of each in its row's order; ratings of columns that training does not know come last.
        known: which ratings are of columns that training knows.
    """

    training: Ratings
    held: Ratings
    position: Array
    known: Array

    @classmethod
    def drawn(cls, ratings: Ratings, seed: int) -> Part:
        """Draws rows (the users of ``ratings``), and the order of their ratings."""
        enough = np.flatnonzero(ratings.user_counts >= LEAST)
        number = min(max(FEWEST, round(FRACTION * len(enough))), len(enough) // 2)
        rows = np.random.default_rng([seed, 8]).permutation(enough)[:number]
        mask = np.isin(ratings.user_index, rows)
        training, held = ratings.take(~mask), ratings.take(mask)
        known = training.locate_items(held.item_ids)[held.item_index] >= 0
        most = NUM_GIVEN[-1]
        few = np.bincount(held.user_index, known, held.num_users) < most
        if few.any():  # too much of it is of columns that nobody else has
            held, known = held.take(~few[held.user_index]), known[~few[held.user_index]]
        position = random_positions(held, seed)
        order = np.lexsort((position + len(held) * ~known, held.user_index))
        position = np.empty(len(held), dtype=np.int64)
        position[order] = np.arange(len(held)) - np.repeat(held.user_starts[:-1], held.user_counts)
        return cls(training, held, position, known)

    @property
    def scored(self) -> Array:
        """Positions of the ratings to predict."""
        return np.flatnonzero(self.position >= NUM_GIVEN[-1])

    def including(self, number: int) -> Ratings:
        """Training ratings and the first ratings of each kept out row."""
        more = self.held.take(self.position < number)
        both = (self.training, more)
        return Ratings.from_columns(
            np.concatenate([one.user_ids[one.user_index] for one in both]),
            np.concatenate([one.item_ids[one.item_index] for one in both]),
            np.concatenate([one.values for one in both]),
            scale=self.training.scale,
        )


def trained(ratings: Ratings, config: Config) -> dict[str, TrainedModel]:
    """Our two speeds of one data set: both members of the ensemble with the first settings of the search."""
    damping = choose_damping(ratings, None)
    dual, bayesian = (one_fit(family, ratings, damping, config) for family in EnsembleFamily().members())
    weights = BlendWeights(EVEN, neighbours=EVEN)
    best = TrainedEnsemble.of(cast(TrainedDual, dual), cast(TrainedBayesian, bayesian), weights, ratings=ratings)
    return {"dual-best": best, "dual-fast": DualFamily().assemble([dual], config, ratings)}


def one_fit(family: ModelFamily, ratings: Ratings, damping: float, config: Config) -> TrainedModel:
    """The family's first trial, to the end of its schedule."""
    trial = family.next_trial(config, ratings, damping, [])
    if trial is None:
        raise ValueError(f"{family.name} has no trial.")
    learner, rate = family.learner(ratings, trial, config, None)
    for epoch in range(trial.epochs):
        learner.epoch(epoch, rate * scheduled(config.training.schedule, epoch / trial.epochs))
    return learner.trained()


def turned(ratings: Ratings, side: str) -> Ratings:
    """Rows as users, where rows are ``side``; the same again turns back."""
    return ratings if side == "user" else ratings.transposed()


def one_part(ratings: Ratings, side: str, seed: int, config: Config) -> dict[str, Any]:
    """Curves of one draw of rows: RMSE of each predictor at each number of ratings."""
    part = Part.drawn(turned(ratings, side), seed)
    training, held, scored = turned(part.training, side), part.held, part.scored
    models = trained(training, config)
    models["damped_bias"] = damped_bias(training, choose_damping(training, None))
    given = in_vocabulary(held.take(part.known), part.training.item_ids)  # cells keep their order
    columns = part.training.locate_items(held.item_ids)[held.item_index[scored]]
    rows = given.locate_users(held.user_ids)[held.user_index[scored]]
    curve = fold_in_curve(models, given, part.position[part.known], (rows, columns, held.values[scored]), side=side)
    errors: dict[str, list[float | None]] = {name: list(values) for name, values in curve.rmse.items()}
    for name in ("dual-best", "dual-fast"):
        errors[f"{name}, trained with them"] = [None] * len(NUM_GIVEN)
    for number in INCLUDED:
        more = part.including(number)
        rows = more.locate_users(held.user_ids)[held.user_index[scored]]
        columns = more.locate_items(held.item_ids)[held.item_index[scored]]
        pairs = (rows, columns) if side == "user" else (columns, rows)
        for name, model in trained(turned(more, side), config).items():
            error = rmse(model.predict(*pairs), held.values[scored])
            errors[f"{name}, trained with them"][NUM_GIVEN.index(number)] = error
    if side == "user":
        errors["lenskit-als"] = list(lenskit_curve(part))
    return {"seed": seed, "num_rows": curve.num_rows, "num_ratings": curve.num_ratings, "rmse": errors}


def lenskit_curve(part: Part) -> Sequence[float]:
    """RMSE of LensKit's fold-in by number of ratings given; it sees no rating that is scored."""
    held, scored = part.held, part.scored
    given = np.flatnonzero(part.position < NUM_GIVEN[-1])

    def columns(name: str, ratings: Ratings, cells: Array) -> dict[str, Array]:
        return {
            f"{name}_user_id": ratings.user_ids[ratings.user_index[cells]],
            f"{name}_item_id": ratings.item_ids[ratings.item_index[cells]],
        }

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "cells.npz",
            **columns("training", part.training, np.arange(len(part.training))),
            training_rating=part.training.values,
            **columns("given", held, given),
            given_rating=held.values[given],
            given_position=part.position[given],
            **columns("asked", held, scored),
            bounds=np.array([held.scale.minimum, held.scale.maximum]),
        )
        (folder / "job.json").write_text(json.dumps({"settings": LENSKIT, "numbers": NUM_GIVEN}))
        script = ROOT / "benchmarks" / "peers" / "fold_in_with_lenskit.py"
        subprocess.run([python_of("lenskit"), script, folder], check=True)
        predictions = [np.load(folder / f"predictions-{number}.npz")["predictions"] for number in NUM_GIVEN]
    return [rmse(one, held.values[scored]) for one in predictions]


def summary(splits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws, and the closed fraction of the gap between biases and training with the ratings."""
    means: dict[str, list[float | None]] = {}
    for name in splits[0]["rmse"]:
        values = zip(*(split["rmse"][name] for split in splits), strict=True)
        means[name] = [None if one[0] is None else float(np.mean(one)) for one in values]
    closed = {}
    for name in ("dual-best", "dual-fast"):
        closed[name] = {}
        for number in INCLUDED:
            at = NUM_GIVEN.index(number)
            bias, folded, full = (means[one][at] for one in ("damped_bias", name, f"{name}, trained with them"))
            if bias is None or folded is None or full is None:
                raise ValueError(f"{name}: no error with {number} ratings")
            closed[name][str(number)] = (bias - folded) / (bias - full)
    return {"mean_rmse": means, "gap_closed": closed, "splits": list(splits)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-latest-small", help="a file, folder, zip or known name")
    parser.add_argument("--seeds", type=int, default=4, help="draws of rows, seeds from 0")
    parser.add_argument("--epochs", type=int, help="length of the schedule, for a quick look")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "fold-in.json")
    options = parser.parse_args()
    config = Config().with_settings([f"training.epochs={options.epochs}"] if options.epochs else [])
    start_tensorflow(1)
    ratings = read_ratings(find_data(options.data, ROOT / "data"))
    started, found = time.perf_counter(), {}
    for side in SIDES:
        splits = []
        for seed in range(options.seeds):
            splits.append(one_part(ratings, side, seed, config))
            print(f"{side}s, seed {seed}, {time.perf_counter() - started:.0f} s", flush=True)
        found[side] = summary(splits)
        print_curves(side, found[side])
    write_json(
        options.out,
        {
            "data": Path(options.data).name,
            "machine": machine(1),
            "seeds": options.seeds,
            "num_given": list(NUM_GIVEN),
            "lenskit": LENSKIT,
            "sides": found,
            "seconds": round(time.perf_counter() - started),
        },
    )
    print(f"written to {options.out}")


def print_curves(side: str, found: dict[str, Any]) -> None:
    """The means as a table."""
    print(f"{'new ' + side + 's':<28}" + "".join(f"{number:8d}" for number in NUM_GIVEN))
    for name, errors in found["mean_rmse"].items():
        print(f"{name:<28}" + "".join(f"{'':8}" if one is None else f"{one:8.4f}" for one in errors))
    for name, fractions in found["gap_closed"].items():
        print(f"{name}: " + ", ".join(f"{100 * one:.0f} % of the gap closed at {at}" for at, one in fractions.items()))


if __name__ == "__main__":
    main()
