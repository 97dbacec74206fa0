"""The value of films without stars: watched films as implicit feedback, and hearts as ratings.

    python benchmarks/implicit_feedback.py [--data PATH|NAME] [--seeds N] [--first N] [--epochs N] [--out FILE]

For each seed, a tenth of the users is held out of training. Four fifths of each user's ratings are known, and the rest
is predicted; every row of a scenario predicts the same cells. In each scenario some of the known ratings lose their
stars, and three inputs are compared: these films are *dropped*, they are given as *seen* (`fold_in(…, seen=)`), or they
keep their *stars*. In the scenarios in which a person's best films lose their stars and keep a heart, several rules for
the rating behind a heart are compared too. Figures are means over the seeds; the standard error of a difference is that
of the mean of paired differences.

As in `fold_in.py`, whose two models these are, nothing is tuned. The rule for hearts and the scaling of seen films were
chosen on seeds 0 to 7, and the figures are from other seeds. The benchmark uses one processor thread and writes
benchmarks/results/implicit-feedback.json.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from compare import machine  # noqa: E402
from fold_in import trained  # noqa: E402

from movie_autoencoder import Config, read_ratings  # noqa: E402
from movie_autoencoder.data.ratings import Ratings  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402
from movie_autoencoder.data.splits import split_ratings  # noqa: E402
from movie_autoencoder.metrics.errors import rmse  # noqa: E402
from movie_autoencoder.models.base import in_vocabulary  # noqa: E402
from movie_autoencoder.models.baselines import DampedBias, choose_damping, damped_bias, imputed_hearts  # noqa: E402
from movie_autoencoder.models.startup import start_tensorflow  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Array = npt.NDArray[Any]
SPEEDS = ("dual-best", "dual-fast")
LOVED = 0.3  # fraction of each user's ratings, the best ones, that may have a heart


@dataclass(frozen=True)
class Known:
    """What is known of the held-out users in one scenario.

    Args:
        ratings: all their known ratings of training items, with the stars.
        bare: which of these lose their stars, shape ``(num_ratings,)``.
        starred: which keep their stars, same shape; the rest is not known at all.
    """

    ratings: Ratings
    bare: Array
    starred: Array

    def seen(self) -> Any:
        """The cells without stars, as a mask of shape ``(num_users, num_items)``."""
        mask = self.ratings.to_csr(self.bare.astype(np.float64))
        mask.eliminate_zeros()
        return mask

    def given(self, stars: Array | None = None) -> Ratings:
        """The ratings with stars.

        Args:
            stars: ratings for the cells without stars, shape ``(num_ratings,)``; None to leave these cells out.
        """
        cells = self.starred if stars is None else self.starred | self.bare
        values = self.ratings.values if stars is None else np.where(self.bare, stars, self.ratings.values)
        one = self.ratings
        return Ratings(
            one.user_index[cells],
            one.item_index[cells],
            values[cells].astype(np.float32),
            one.user_ids,
            one.item_ids,
            one.scale,
        )


def ranks(ratings: Ratings, by: Array) -> Array:
    """The rank of each rating among those of its user, ordered by ``by``, shape ``(num_ratings,)``."""
    order = np.lexsort((by, ratings.user_index))
    rank = np.empty(len(ratings), dtype=np.int64)
    rank[order] = np.arange(len(ratings)) - np.repeat(ratings.user_starts[:-1], ratings.user_counts)
    return rank


def fraction_bare(fraction: float) -> Callable[[Ratings, np.random.Generator], Known]:
    """A random fraction of the ratings loses its stars."""

    def drawn(ratings: Ratings, rng: np.random.Generator) -> Known:
        bare = rng.random(len(ratings)) < fraction
        return Known(ratings, bare, ~bare)

    return drawn


def number_starred(number: int) -> Callable[[Ratings, np.random.Generator], Known]:
    """A number of each user's ratings keeps its stars."""

    def drawn(ratings: Ratings, rng: np.random.Generator) -> Known:
        starred = ranks(ratings, rng.random(len(ratings))) < number
        return Known(ratings, ~starred, starred)

    return drawn


def fraction_loved(fraction: float) -> Callable[[Ratings, np.random.Generator], Known]:
    """A fraction of the best ratings keeps only a heart."""

    def drawn(ratings: Ratings, rng: np.random.Generator) -> Known:
        bare = loved(ratings, rng) & (rng.random(len(ratings)) < fraction)
        return Known(ratings, bare, ~bare)

    return drawn


def few_loved(hearts: int, stars: int) -> Callable[[Ratings, np.random.Generator], Known]:
    """A number of hearts on the best films and a number of ratings of others are all that is known of a user."""

    def drawn(ratings: Ratings, rng: np.random.Generator) -> Known:
        top = loved(ratings, rng)
        bare = top & (ranks(ratings, np.where(top, rng.random(len(ratings)), 2.0)) < hearts)
        starred = ~bare & (ranks(ratings, np.where(bare, 2.0, rng.random(len(ratings)))) < stars)
        return Known(ratings, bare, starred)

    return drawn


def loved(ratings: Ratings, rng: np.random.Generator) -> Array:
    """The best ratings of each user, as a mask; random ones of equal ratings."""
    rank = ranks(ratings, -ratings.values - 1e-3 * rng.random(len(ratings)))
    return np.asarray(rank + 0.5 < LOVED * ratings.user_counts[ratings.user_index])


SEEN = {
    "half without stars": fraction_bare(0.5),
    "nine tenths without stars": fraction_bare(0.9),
    "5 with stars, the rest without": number_starred(5),
    "all without stars": number_starred(0),
}
HEARTS = {
    "half of the loved with a heart only": fraction_loved(0.5),
    "all of the loved with a heart only": fraction_loved(1.0),
    "10 hearts, 5 stars": few_loved(10, 5),
    "5 hearts, no stars": few_loved(5, 0),
    "10 hearts, no stars": few_loved(10, 0),
}


def hearts_as(known: Known, training: Ratings, biases: DampedBias) -> dict[str, Array]:
    """The ratings that each rule gives for a heart, by the name of the rule, shape ``(num_ratings,)`` each."""
    ratings, scale = known.ratings, known.ratings.scale
    users = ratings.user_index
    number = np.bincount(users, known.starred, ratings.num_users)
    sums = np.bincount(users, ratings.values * known.starred, ratings.num_users)
    mean = ((sums + 2 * biases.mean) / (number + 2))[users]
    top = loved(training, np.random.default_rng(0))
    gap = [
        np.bincount(training.user_index, training.values * mask) / np.bincount(training.user_index, mask)
        for mask in (top, np.ones_like(top))
    ]
    imputed = np.zeros(len(ratings))
    for user in range(ratings.num_users):
        row = ratings.row(user)
        items, hearts, stars = ratings.item_index[row], known.bare[row], known.starred[row]
        imputed[row.start + np.flatnonzero(hearts)] = imputed_hearts(
            biases, items[stars], ratings.values[row][stars], items[hearts]
        )
    rules = {
        "4 stars": np.full(len(ratings), 4.0),
        "80th percentile of training stars": np.full(len(ratings), np.quantile(training.values, 0.8)),
        "person's mean + gap learnt in training": mean + float((gap[0] - gap[1]).mean()),
        "two thirds from the person's mean to the top": mean + 2 / 3 * (scale.maximum - mean),
        "`imputed_hearts`": imputed,
    }
    return {name: scale.clip(stars) for name, stars in rules.items()}


def within(predictions: Array, stars: Array, users: Array, num_users: int) -> float:
    """Mean correlation of ratings and predictions over the users with at least five scored ratings."""
    number = np.bincount(users, minlength=num_users)

    def centred(values: Array) -> Array:
        return np.asarray(values - (np.bincount(users, values, num_users) / np.maximum(number, 1))[users])

    one, other = centred(predictions), centred(stars.astype(np.float64))
    products, lengths, others = (np.bincount(users, some, num_users) for some in (one * other, one**2, other**2))
    enough = (number >= 5) & (others > 1e-9)
    return float(np.mean(products[enough] / np.sqrt(np.maximum(lengths[enough] * others[enough], 1e-12))))


def one_part(ratings: Ratings, seed: int, config: Config) -> dict[str, Any]:
    """RMSE and correlation for one draw of held-out users, by scenario, model and input."""
    split = split_ratings(ratings, by="user", validation_fraction=0.0, seed=seed)
    training, test = split.training_ratings, split.held_out("test")
    if test.fold_in is None:
        raise ValueError("no user was held out")
    people = in_vocabulary(test.fold_in, training.item_ids)
    users, items, stars = people.locate_users(test.users), training.locate_items(test.items), test.values
    models = trained(training, config)
    biases = damped_bias(training, choose_damping(training, None))
    found: dict[str, Any] = {}
    for name, scenario in (SEEN | HEARTS).items():
        known = scenario(people, np.random.default_rng([seed, 9]))
        plain, bare = known.given(), known.seen()
        inputs: dict[str, tuple[Ratings, Any]] = {
            "dropped": (plain, None),
            "seen": (plain, bare),
            "stars": (known.given(people.values), None),
        }
        if name in HEARTS:
            rules = hearts_as(known, training, biases)
            inputs |= {rule: (known.given(values), None) for rule, values in rules.items()}
        counts = [float(np.mean(np.bincount(people.user_index, cells))) for cells in (known.starred, known.bare)]
        found[name] = {"starred_per_user": counts[0], "bare_per_user": counts[1]}
        for speed in SPEEDS:
            found[name][speed] = {}
            for what, (given, seen) in inputs.items():
                predicted = models[speed].predict(users, items, encoded_users=models[speed].fold_in(given, seen=seen))
                figures = rmse(predicted, stars), within(predicted, stars, users, people.num_users)
                found[name][speed][what] = dict(zip(("rmse", "correlation"), figures, strict=True))
    return {"seed": seed, "num_users": people.num_users, "num_scored": len(stars), "scenarios": found}


def summary(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws, and differences to *dropped* with the standard error of their mean."""
    found: dict[str, Any] = {}
    for name, first in parts[0]["scenarios"].items():
        found[name] = {key: mean_of(parts, name, key) for key in ("starred_per_user", "bare_per_user")}
        for speed in SPEEDS:
            found[name][speed] = {}
            for what in first[speed]:
                figures = {}
                for figure in ("rmse", "correlation"):
                    table = np.array(
                        [[part["scenarios"][name][speed][one][figure] for one in (what, "dropped")] for part in parts]
                    )
                    rest = table[:, 0] - table[:, 1]
                    error = float(rest.std(ddof=1) / np.sqrt(len(rest))) if len(rest) > 1 else 0.0
                    figures[figure] = {
                        "mean": float(table[:, 0].mean()),
                        "difference": float(rest.mean()),
                        "standard_error": error,
                    }
                found[name][speed][what] = figures
    return found


def mean_of(parts: list[dict[str, Any]], name: str, key: str) -> float:
    return float(np.mean([part["scenarios"][name][key] for part in parts]))


def print_summary(found: dict[str, Any]) -> None:
    """A line for each input: RMSE and correlation, each with its difference to *dropped*."""
    for name, scenario in found.items():
        print(f"{name} ({scenario['starred_per_user']:.0f} with stars, {scenario['bare_per_user']:.0f} without)")
        for speed in SPEEDS:
            for what, figures in scenario[speed].items():
                print(
                    f"  {speed}  {what:<46}"
                    + "   ".join(
                        f"{one['mean']:.4f} {one['difference']:+.4f} +- {one['standard_error']:.4f}"
                        for one in figures.values()
                    )
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-latest-small", help="a file, folder, zip or known name")
    parser.add_argument("--seeds", type=int, default=8, help="draws of held-out users")
    parser.add_argument("--first", type=int, default=100, help="seed of the first draw")
    parser.add_argument("--epochs", type=int, help="length of the schedule, for a quick look")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "implicit-feedback.json")
    options = parser.parse_args()
    config = Config().with_settings([f"training.epochs={options.epochs}"] if options.epochs else [])
    start_tensorflow(1)
    ratings = read_ratings(find_data(options.data, ROOT / "data"))
    started, parts = time.perf_counter(), []
    for seed in range(options.first, options.first + options.seeds):
        parts.append(one_part(ratings, seed, config))
        print(f"seed {seed}, {time.perf_counter() - started:.0f} s", flush=True)
    found = summary(parts)
    print_summary(found)
    write_json(
        options.out,
        {
            "data": Path(options.data).name,
            "machine": machine(1),
            "seeds": options.seeds,
            "first": options.first,
            "scenarios": found,
            "parts": parts,
            "seconds": round(time.perf_counter() - started),
        },
    )
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
