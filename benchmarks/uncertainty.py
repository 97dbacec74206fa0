"""Scores the distributions over the star values, pooled over splits: benchmarks/results/uncertainty-NAME.json.

    python benchmarks/uncertainty.py --data ml-latest-small [--splits 10] [--share 0.3] [--set training.budget=0]

The benchmark trains every split twice: with the defaults, and without the refit, to predict the validation part. On
that part it fits a baseline for large errors: a logistic regression on simple features (prediction, its square, log
counts, residual variances of user and item). On the test part it compares the baseline with the model's own probability
of an error above one point.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from movie_autoencoder import Config, Recommender, read_ratings, train  # noqa: E402
from movie_autoencoder.data.ratings import Ratings  # noqa: E402
from movie_autoencoder.data.scale import like_threshold, one_point  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402
from movie_autoencoder.data.splits import load_held_out  # noqa: E402
from movie_autoencoder.evaluation.uncertainty import HISTOGRAM, LEVEL, VARIANCE, constant_width, score_intervals  # noqa: E402
from movie_autoencoder.metrics.distributions import auc, brier, crps, negative_log_likelihood  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402
from movie_autoencoder.uncertainty import StarModel, value_index  # noqa: E402

Array = npt.NDArray[Any]
LOGISTIC = "logistic"


def logistic(features: Array, happened: Array) -> Callable[[Array], Array]:
    """Fits a logistic regression with a small penalty; returns the function from features to log odds."""
    from scipy.optimize import minimize

    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9

    def table(features: Array) -> Array:
        return np.column_stack([np.ones(len(features)), (features - mean) / deviation])

    known = table(features)

    def loss(weights: Array) -> tuple[float, Array]:
        odds = known @ weights
        errors = 1 / (1 + np.exp(-odds)) - happened
        slopes = np.append(0.0, weights[1:])
        value = float(np.logaddexp(0, odds).sum() - odds[happened].sum() + slopes @ slopes)
        return value, known.T @ errors + 2 * slopes

    weights = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B").x
    return lambda features: table(features) @ weights


def star_model(run: Recommender) -> StarModel:
    """The run's star model; without a validation part there is none, and nothing to score."""
    if run.star_model is None:
        sys.exit("The run has no validation part, so it has no distributions. Set split.validation_fraction above 0.")
    return run.star_model


def simple_features(run: Recommender, users: Array, items: Array, predictions: Array) -> Array:
    """Features that anyone would try first, shape ``(n, 6)``."""
    stars = star_model(run)
    counts = [np.append(side, 0)[index] for side, index in ((run.user_counts, users), (run.item_counts, items))]
    noise = [stars.users.log_noise[users], stars.items.log_noise[items]]
    return np.column_stack([predictions, predictions**2, *(np.log1p(one) for one in counts), *noise])


def one_split(
    ratings: Ratings, seed: int, settings: list[str], folder: Path
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Scores of one split, and the columns that the pooled intervals need of each test rating."""
    runs = {}
    for refit in (False, True):
        words = [*settings, f"training.seed={seed}", f"training.refit={'true' if refit else 'false'}"]
        train(Config().with_settings(words), ratings=ratings, out=folder / f"refit-{refit}")
        runs[refit] = Recommender.load(folder / f"refit-{refit}")

    def held_out_part(run: Recommender, part: Any) -> tuple[Array, Array, Array, Array]:
        held_out = load_held_out(folder / "refit-True" / "split.npz", part)
        users, items = run.locate_users(held_out.users), run.locate_items(held_out.items)
        return users, items, held_out.values.astype(np.float64), run.model.predict(users, items)

    run, far, least = runs[True], one_point(ratings.scale), like_threshold(ratings.scale)
    users, items, given, predictions = held_out_part(runs[False], "validation")
    log_odds = logistic(
        simple_features(runs[False], users, items, predictions), np.abs(predictions - given) > far + 1e-6
    )
    users, items, given, predictions = held_out_part(run, "test")
    stars = star_model(run)
    distribution, histogram = stars.distribution(predictions, users, items), stars.user_histogram(users)
    large, liked = np.abs(predictions - given) > far + 1e-6, given >= least - 1e-6
    observed = value_index(stars.values, given)
    low, high = distribution.interval(LEVEL)
    uncertainties = {
        run.name: distribution.error_probability(predictions),
        VARIANCE: stars.residual_variance(users, items),
        LOGISTIC: log_odds(simple_features(run, users, items, predictions)),
    }
    both = {run.name: distribution, HISTOGRAM: histogram}
    scores = {
        "nll": {name: negative_log_likelihood(one.probabilities, observed) for name, one in both.items()},
        "crps": {name: crps(one.probabilities, stars.values, stars.values[observed]) for name, one in both.items()},
        "brier": {name: brier(one.like_probability(), liked) for name, one in both.items()},
        "auc": {name: auc(one, large) for name, one in uncertainties.items()},
        "rmse": {
            "prediction": float(np.sqrt(np.mean((predictions - given) ** 2))),
            "mean of the distribution": float(np.sqrt(np.mean((distribution.mean - given) ** 2))),
        },
        "large_errors": float(large.mean()),
        "coverage": float(((given >= low - 1e-6) & (given <= high + 1e-6)).mean()),
    }
    held_out = load_held_out(folder / "refit-True" / "split.npz", "test")
    return scores, {
        "covered": (given >= low - 1e-6) & (given <= high + 1e-6),
        "width": high - low,
        "predictions": predictions,
        "given": given,
        "users": ratings.locate_users(held_out.users),
        "items": ratings.locate_items(held_out.items),
        "user_counts": np.append(run.user_counts, 0)[users],
        "item_counts": np.append(run.item_counts, 0)[items],
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="ml-latest-small", help="a file, folder, zip or known name")
    options.add_argument("--splits", type=int, default=10, help="number of splits, seeds from 0")
    options.add_argument("--share", type=float, default=1.0, help="fraction of the ratings, drawn anew for each split")
    options.add_argument("--set", action="append", default=[], dest="settings", help="as for train.py")
    options.add_argument("--out", type=Path, help="file of the results")
    given = options.parse_args()
    whole = read_ratings(find_data(given.data))
    name = Path(given.data).name + (f"-{given.share:.0%}".replace("%", "pct") if given.share < 1 else "")
    out = given.out or ROOT / "benchmarks" / "results" / f"uncertainty-{name}.json"
    splits, pooled, started = [], [], time.perf_counter()
    for seed in range(given.splits):
        ratings = whole
        if given.share < 1:
            order = np.random.default_rng([seed, 7]).permutation(len(whole))
            ratings = whole.take(order[: round(len(whole) * given.share)])
        with tempfile.TemporaryDirectory() as folder:
            scores, columns = one_split(ratings, seed, given.settings, Path(folder))
        if given.share < 1:  # index in the whole data, so that a user is the same in every split
            for side, ids, locate in (
                ("users", ratings.user_ids, whole.locate_users),
                ("items", ratings.item_ids, whole.locate_items),
            ):
                columns[side] = locate(ids[columns[side]])
        splits.append(scores)
        pooled.append(columns)
        print(f"split {seed}", *(f"{key} {shown(value)}" for key, value in scores.items()), flush=True)
    columns = {key: np.concatenate([one[key] for one in pooled]) for key in pooled[0]}
    owners = columns["users"], columns["items"]
    coverage, p_value, (popularity, activity) = score_intervals(
        columns["covered"], columns["width"], owners, (columns["item_counts"], columns["user_counts"])
    )
    error = columns["predictions"] - columns["given"]
    constant = constant_width(columns["predictions"], error, coverage.share, whole.scale, owners)
    means = {
        key: {name: float(np.mean([split[key][name] for split in splits])) for name in splits[0][key]}
        if isinstance(splits[0][key], dict)
        else float(np.mean([split[key] for split in splits]))
        for key in splits[0]
    }
    write_json(
        out,
        {
            "data": name,
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "settings": given.settings,
            "seconds": round(time.perf_counter() - started, 1),
            "means": means,
            "splits": splits,
            "level": LEVEL,
            "coverage": asdict(coverage) | {"p_holm": p_value},
            "constant_width": asdict(constant),
            "by_popularity": [asdict(one) for one in popularity],
            "by_activity": [asdict(one) for one in activity],
        },
    )
    print("\nmean", *(f"{key} {shown(value)}" for key, value in means.items()), sep="\n  ")
    print(
        f"{100 * LEVEL:g} % intervals cover {100 * coverage.share:.2f} % ± {100 * (coverage.standard_error or 0):.2f} "
        f"(p {shown(p_value)}), mean width {coverage.mean_width:.3f}; constant width {constant.mean_width:.3f}, "
        f"covering {100 * constant.share:.2f} %"
    )
    for what, groups in (("popularity", popularity), ("activity", activity)):
        print(
            f"by {what}: "
            + ", ".join(
                f"{one.label} {100 * one.coverage.share:.1f} ± {100 * (one.coverage.standard_error or 0):.1f} "
                f"(p {one.p_holm if one.p_holm is None else round(one.p_holm, 2)})"
                for one in groups
            )
        )
    print(f"written to {out}")


def shown(value: Any) -> str:
    """A number, or several by name, with four digits."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
