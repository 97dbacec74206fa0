"""Scores: errors of the model and its baselines on the same ratings, with intervals from shared bootstrap samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..data.ratings import FloatArray, IntArray, Ratings
from ..metrics.comparison import bootstrap_rmse, fraction_improved, interval
from ..metrics.errors import ErrorSums, error_sums


@dataclass(frozen=True)
class BaselineScore:
    """A baseline on the same ratings as the model.

    Args:
        mse: mean squared error, squared rating points.
        rmse: root mean squared error, rating points.
        mae: mean absolute error, rating points.
        rmse_ci95: 95 % interval of the RMSE, users resampled.
        difference: RMSE of the model minus RMSE of the baseline; below 0 the model is better.
        difference_ci95: its 95 % interval, users resampled, both predictors in the same samples.
        difference_ci95_items: the same, items resampled.
        users_improved: fraction of users whose squared error is smaller with the model; ties count half.
    """

    mse: float
    rmse: float
    mae: float
    rmse_ci95: tuple[float, float]
    difference: float
    difference_ci95: tuple[float, float]
    difference_ci95_items: tuple[float, float]
    users_improved: float


@dataclass(frozen=True)
class Scores:
    """Errors of the model over all ratings, and its baselines; `Evaluation` describes the fields."""

    mse: float
    rmse: float
    mae: float
    bias: float
    user_rmse: float
    rmse_ci95: tuple[float, float]
    baselines: Mapping[str, BaselineScore]


def score(predictions: Mapping[str, FloatArray], ratings: Ratings, *, resamples: int = 1000, seed: int = 0) -> Scores:
    """Errors of all predictors on the same ratings, with intervals from shared bootstrap samples.

    Args:
        predictions: predictions of each predictor for ``ratings``: the model first, then its baselines.
        ratings: the held-out ratings.
        resamples: number of bootstrap samples behind each interval.
        seed: seed of the bootstrap.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2], [1, 2, 2], [4, 2, 3])
        >>> scores = score({"model": ratings.values + 0.5, "global_mean": np.full(3, 3.0)}, ratings)
        >>> scores.rmse, scores.mae, scores.baselines["global_mean"].mse.__round__(4)
        (0.5, 0.5, 0.6667)
    """
    users, items = (ratings.user_index, ratings.num_users), (ratings.item_index, ratings.num_items)
    by_user = {name: sums_by(one, ratings, *users) for name, one in predictions.items()}
    by_item = {name: sums_by(one, ratings, *items) for name, one in predictions.items()}
    draws = _bootstrap(predictions, ratings, by_user, resamples, seed)
    item_draws = _bootstrap(predictions, ratings, by_item, resamples, seed)
    totals = {name: sums.total() for name, sums in by_user.items()}
    model, *others = predictions
    ours = by_user[model]
    return Scores(
        mse=float(totals[model].mse[0]),
        rmse=float(totals[model].rmse[0]),
        mae=float(totals[model].mae[0]),
        bias=float(totals[model].bias[0]),
        user_rmse=float(np.nanmean(ours.rmse)),
        rmse_ci95=interval(draws[model]),
        baselines={
            name: BaselineScore(
                mse=float(totals[name].mse[0]),
                rmse=float(totals[name].rmse[0]),
                mae=float(totals[name].mae[0]),
                rmse_ci95=interval(draws[name]),
                difference=float(totals[model].rmse[0] - totals[name].rmse[0]),
                difference_ci95=interval(draws[model] - draws[name]),
                difference_ci95_items=interval(item_draws[model] - item_draws[name]),
                users_improved=fraction_improved(ours.squared, by_user[name].squared, ours.counts),
            )
            for name in others
        },
    )


def sums_by(predictions: FloatArray, ratings: Ratings, groups: IntArray, num_groups: int) -> ErrorSums:
    """Sums of errors by group of the ratings, empty groups included."""
    return error_sums(predictions, ratings.values, groups=groups, num_groups=num_groups)


def _bootstrap(
    predictions: Mapping[str, FloatArray], ratings: Ratings, sums: Mapping[str, ErrorSums], resamples: int, seed: int
) -> dict[str, FloatArray]:
    """RMSE in bootstrap samples of clusters, or of single ratings when all ratings are of one cluster."""
    counts = next(iter(sums.values())).counts
    if np.count_nonzero(counts) > 1:
        return bootstrap_rmse({name: one.squared for name, one in sums.items()}, counts, resamples=resamples, seed=seed)
    squared = {name: (one - ratings.values) ** 2 for name, one in predictions.items()}
    if len(ratings) == 1:
        return {name: np.sqrt(one) for name, one in squared.items()}
    return bootstrap_rmse(squared, np.ones(len(ratings), dtype=np.int64), resamples=resamples, seed=seed)
