"""Errors of a model and its baselines over the same ratings: pooled, by group, and with intervals from shared draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.ratings import FloatArray, IntArray, Ratings, Scale
from ..metrics.errors import ErrorSums, bootstrap_rmse, error_sums, interval, share_improved, standard_errors

_MAX_LEVELS = 21  # a scale with more star values than this is shown in as many bins
_PREDICTION_BINS = 36


@dataclass(frozen=True)
class BaselineScore:
    """A baseline on the same ratings as the model.

    Args:
        mse: mean squared error, squared rating points.
        rmse: its root, rating points.
        mae: mean absolute error, rating points.
        rmse_ci95: 95 % interval of the RMSE, users drawn.
        difference: RMSE of the model minus RMSE of the baseline; below 0 the model is better.
        difference_ci95: its 95 % interval, users drawn, both predictors in the same draws.
        difference_ci95_items: the same, items drawn.
        users_improved: share of users whom the model serves better, ties counting half.
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
class GroupError:
    """Errors at some of the held-out ratings; None where there are none, or too few users.

    Args:
        label: what they have in common.
        num_ratings: how many they are.
        rmse: root of the mean squared error, rating points.
        mae: mean absolute error, rating points.
        bias: mean of prediction minus stars, rating points.
        standard_error: of the RMSE, clustered by user, rating points.
        baselines: RMSE of each baseline on them.
    """

    label: str
    num_ratings: int
    rmse: float | None
    mae: float | None
    bias: float | None
    standard_error: float | None
    baselines: Mapping[str, float | None]


@dataclass(frozen=True)
class Agreement:
    """Predictions against stars, as counts of ratings and as means in both directions.

    Args:
        stars: label of each star value (or bin of them).
        values: that star value (the middle of the bin), rating points.
        edges: ends of the bins of predictions, ascending, shape ``(num_bins + 1,)``.
        counts: ratings by star value and bin of the prediction, a list for each star value.
        mean_prediction: mean prediction at each star value; None where there is no rating.
        mean_stars: mean of the stars given at each bin of predictions; None where there is no rating.
    """

    stars: tuple[str, ...]
    values: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    mean_prediction: tuple[float | None, ...]
    mean_stars: tuple[float | None, ...]


@dataclass(frozen=True)
class Scores:
    """Errors over all the ratings; the fields are described at `Evaluation`."""

    mse: float
    rmse: float
    mae: float
    bias: float
    user_rmse: float
    rmse_ci95: tuple[float, float]
    baselines: Mapping[str, BaselineScore]


def score(predictions: Mapping[str, FloatArray], ratings: Ratings, *, resamples: int = 1000, seed: int = 0) -> Scores:
    """The errors of all predictors over the same ratings, with intervals from shared draws.

    Args:
        predictions: stars of each predictor at the cells of ``ratings``: the model first, then its baselines.
        ratings: the stars that were given.
        resamples: bootstrap samples behind each interval.
        seed: seed of the bootstrap.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2], [1, 2, 2], [4, 2, 3])
        >>> scores = score({"model": ratings.values + 0.5, "global_mean": np.full(3, 3.0)}, ratings)
        >>> scores.rmse, scores.mae, scores.baselines["global_mean"].mse.__round__(4)
        (0.5, 0.5, 0.6667)
    """
    users, items = (ratings.user_index, ratings.num_users), (ratings.item_index, ratings.num_items)
    by_user = {name: _sums_by(stars, ratings, *users) for name, stars in predictions.items()}
    by_item = {name: _sums_by(stars, ratings, *items) for name, stars in predictions.items()}
    draws = _draws(predictions, ratings, by_user, resamples, seed)
    item_draws = _draws(predictions, ratings, by_item, resamples, seed)
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
                users_improved=share_improved(ours.squared, by_user[name].squared, ours.counts),
            )
            for name in others
        },
    )


def _sums_by(stars: FloatArray, ratings: Ratings, groups: IntArray, num_groups: int) -> ErrorSums:
    return error_sums(stars, ratings.values, groups=groups, num_groups=num_groups)


def _draws(
    predictions: Mapping[str, FloatArray], ratings: Ratings, sums: Mapping[str, ErrorSums], resamples: int, seed: int
) -> dict[str, FloatArray]:
    """Bootstrap draws of clusters; of single ratings when all are of one cluster."""
    counts = next(iter(sums.values())).counts
    if np.count_nonzero(counts) > 1:
        return bootstrap_rmse({name: one.squared for name, one in sums.items()}, counts, resamples=resamples, seed=seed)
    squared = {name: (stars - ratings.values) ** 2 for name, stars in predictions.items()}
    if len(ratings) == 1:
        return {name: np.sqrt(one) for name, one in squared.items()}
    return bootstrap_rmse(squared, np.ones(len(ratings), dtype=np.int64), resamples=resamples, seed=seed)


@dataclass(frozen=True, eq=False)
class StarGroups:
    """Held-out ratings grouped by their stars: the group of each, and label and star value of each group."""

    group: IntArray
    labels: tuple[str, ...]
    values: FloatArray


def star_groups(stars: FloatArray, scale: Scale) -> StarGroups:
    """Groups ratings by their stars: one group a star value, or ten bins of a fine or continuous scale.

    Example:
        >>> groups = star_groups(np.array([1.0, 2.5]), Scale(1, 3, 0.5))
        >>> groups.group, groups.labels
        (array([0, 3]), ('1', '1.5', '2', '2.5', '3'))
    """
    levels = np.unique(np.concatenate([scale.levels, np.unique(stars)])) if scale.step else np.unique(stars)
    levels = levels[np.concatenate([[True], np.diff(levels) > 1e-4 * scale.span])]
    if len(levels) <= _MAX_LEVELS:
        halfway = (levels[:-1] + levels[1:]) / 2
        return StarGroups(np.searchsorted(halfway, stars), tuple(f"{level:g}" for level in levels), levels)
    edges = np.linspace(min(scale.minimum, stars.min()), max(scale.maximum, stars.max()), 11)
    labels = tuple(f"{low:.3g} to {high:.3g}" for low, high in zip(edges[:-1], edges[1:], strict=True))
    group = np.clip(np.searchsorted(edges, stars, side="right") - 1, 0, len(labels) - 1)
    return StarGroups(group, labels, (edges[:-1] + edges[1:]) / 2)


def group_errors(
    predictions: Mapping[str, FloatArray], ratings: Ratings, group: IntArray, labels: Sequence[str]
) -> tuple[GroupError, ...]:
    """Errors of the first predictor by group, the others' RMSE beside it."""
    size = len(labels)
    model, *others = predictions
    by_user = _sums_by(predictions[model], ratings, ratings.user_index * size + group, ratings.num_users * size)
    shape = (ratings.num_users, size)
    spread = standard_errors(by_user.squared.reshape(shape), by_user.counts.reshape(shape))
    sums = _sums_by(predictions[model], ratings, group, size)
    beside = {name: _sums_by(predictions[name], ratings, group, size).rmse for name in others}
    return tuple(
        GroupError(
            label,
            int(sums.counts[place]),
            _known(sums.rmse[place]),
            _known(sums.mae[place]),
            _known(sums.bias[place]),
            _known(spread[place]),
            {name: _known(rmse[place]) for name, rmse in beside.items()},
        )
        for place, label in enumerate(labels)
    )


def agreement(predictions: FloatArray, stars: FloatArray, scale: Scale, groups: StarGroups) -> Agreement:
    """Counts predictions against the stars given, in bins of predictions over the scale."""
    edges = np.linspace(scale.minimum, scale.maximum, _PREDICTION_BINS + 1)
    place = np.clip(np.searchsorted(edges, predictions, side="right") - 1, 0, _PREDICTION_BINS - 1)
    size = len(groups.labels)
    counts = np.bincount(groups.group * _PREDICTION_BINS + place, minlength=size * _PREDICTION_BINS)
    table = counts.reshape(size, _PREDICTION_BINS)
    return Agreement(
        stars=groups.labels,
        values=tuple(groups.values.tolist()),
        edges=tuple(edges.tolist()),
        counts=tuple(tuple(row) for row in table.tolist()),
        mean_prediction=_means(predictions, groups.group, table.sum(axis=1)),
        mean_stars=_means(stars, place, table.sum(axis=0)),
    )


def _means(values: FloatArray, groups: IntArray, counts: IntArray) -> tuple[float | None, ...]:
    sums = np.bincount(groups, values, len(counts))
    return tuple(float(total / count) if count else None for total, count in zip(sums, counts, strict=True))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
