"""Groups: errors by rating value, popularity of the item and activity of the user; predictions against ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings, Scale
from ..metrics.comparison import standard_errors
from .scores import sums_by

_MAX_LEVELS = 21  # ten bins replace the values of a scale with more values than this
_PREDICTION_BINS = 36
_COUNT_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True)
class GroupError:
    """Errors on one group of the held-out ratings; None without ratings, or with too few users.

    Args:
        label: what the ratings have in common.
        num_ratings: number of ratings.
        rmse: root mean squared error, rating points.
        mae: mean absolute error, rating points.
        bias: mean of prediction minus rating, rating points.
        standard_error: of the RMSE, clustered by user, rating points.
        baselines: RMSE of each baseline on the same ratings.
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
    """Predictions against ratings, as counts and as means in both directions.

    Args:
        stars: label of each rating value (or bin of values).
        values: that rating value (the middle of the bin), rating points.
        edges: ends of the bins of predictions, ascending, shape ``(num_bins + 1,)``.
        counts: number of ratings by rating value and bin of the prediction, a list for each rating value.
        mean_prediction: mean prediction at each rating value; None without ratings.
        mean_stars: mean rating in each bin of predictions; None without ratings.
    """

    stars: tuple[str, ...]
    values: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    mean_prediction: tuple[float | None, ...]
    mean_stars: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class ValueGroups:
    """Held-out ratings grouped by their value.

    Args:
        group: group of each rating, shape ``(n,)``.
        labels: label of each group.
        values: rating value of each group (the middle of a bin), rating points, shape ``(num_groups,)``.
    """

    group: IntArray
    labels: tuple[str, ...]
    values: FloatArray


def value_groups(ratings: FloatArray, scale: Scale) -> ValueGroups:
    """Groups ratings by value: one group for each value, or ten bins for a fine or continuous scale.

    Example:
        >>> groups = value_groups(np.array([1.0, 2.5]), Scale(1, 3, 0.5))
        >>> groups.group, groups.labels
        (array([0, 3]), ('1', '1.5', '2', '2.5', '3'))
    """
    levels = np.unique(np.concatenate([scale.levels, np.unique(ratings)])) if scale.step else np.unique(ratings)
    levels = levels[np.concatenate([[True], np.diff(levels) > 1e-4 * scale.span])]
    if len(levels) <= _MAX_LEVELS:
        halfway = (levels[:-1] + levels[1:]) / 2
        return ValueGroups(np.searchsorted(halfway, ratings), tuple(f"{level:g}" for level in levels), levels)
    edges = np.linspace(min(scale.minimum, ratings.min()), max(scale.maximum, ratings.max()), 11)
    labels = tuple(f"{low:.3g} to {high:.3g}" for low, high in zip(edges[:-1], edges[1:], strict=True))
    group = np.clip(np.searchsorted(edges, ratings, side="right") - 1, 0, len(labels) - 1)
    return ValueGroups(group, labels, (edges[:-1] + edges[1:]) / 2)


def count_bins(counts: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Bins of numbers of ratings with fixed edges (0, 1, 2-4, 5-9, 10-19, …), comparable between data sets.

    Returns:
        The bin of each count, shape ``(n,)``, and the labels of the bins, ascending, up to the largest bin that occurs.

    Example:
        >>> count_bins([0, 3, 4, 12])
        (array([0, 2, 2, 4]), ('0', '1', '2–4', '5–9', '10–19'))
    """
    edges = np.array(_COUNT_EDGES)
    bins = np.searchsorted(edges, np.asarray(counts), side="right") - 1
    return bins, tuple(_bin_label(index) for index in range(int(bins.max(initial=-1)) + 1))


def group_errors(
    predictions: Mapping[str, FloatArray], ratings: Ratings, group: IntArray, labels: Sequence[str]
) -> tuple[GroupError, ...]:
    """Errors of the model by group, with the RMSE of each baseline.

    Args:
        predictions: predictions for ``ratings`` by name: the model first, then its baselines.
        ratings: the held-out ratings.
        group: group of each rating, shape ``(n,)``.
        labels: label of each group.
    """
    size = len(labels)
    model, *others = predictions
    by_user = sums_by(predictions[model], ratings, ratings.user_index * size + group, ratings.num_users * size)
    shape = (ratings.num_users, size)
    errors = standard_errors(by_user.squared.reshape(shape), by_user.counts.reshape(shape))
    sums = sums_by(predictions[model], ratings, group, size)
    beside = {name: sums_by(predictions[name], ratings, group, size).rmse for name in others}
    return tuple(
        GroupError(
            label,
            int(sums.counts[index]),
            _finite(sums.rmse[index]),
            _finite(sums.mae[index]),
            _finite(sums.bias[index]),
            _finite(errors[index]),
            {name: _finite(rmse[index]) for name, rmse in beside.items()},
        )
        for index, label in enumerate(labels)
    )


def agreement(predictions: FloatArray, ratings: FloatArray, scale: Scale, groups: ValueGroups) -> Agreement:
    """Counts predictions, in bins over the scale, against rating values.

    Args:
        predictions: shape ``(n,)``, rating points.
        ratings: the held-out ratings, same shape, rating points.
        scale: the scale that predictions lie on.
        groups: what `value_groups` made of the ratings.
    """
    edges = np.linspace(scale.minimum, scale.maximum, _PREDICTION_BINS + 1)
    bins = np.clip(np.searchsorted(edges, predictions, side="right") - 1, 0, _PREDICTION_BINS - 1)
    size = len(groups.labels)
    counts = np.bincount(groups.group * _PREDICTION_BINS + bins, minlength=size * _PREDICTION_BINS)
    table = counts.reshape(size, _PREDICTION_BINS)
    return Agreement(
        stars=groups.labels,
        values=tuple(groups.values.tolist()),
        edges=tuple(edges.tolist()),
        counts=tuple(tuple(row) for row in table.tolist()),
        mean_prediction=_means(predictions, groups.group, table.sum(axis=1)),
        mean_stars=_means(ratings, bins, table.sum(axis=0)),
    )


def _means(values: FloatArray, groups: IntArray, counts: IntArray) -> tuple[float | None, ...]:
    sums = np.bincount(groups, values, len(counts))
    return tuple(float(total / count) if count else None for total, count in zip(sums, counts, strict=True))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _bin_label(index: int) -> str:
    low = _COUNT_EDGES[index]
    if index == len(_COUNT_EDGES) - 1:
        return f"{low:,} or more"
    high = _COUNT_EDGES[index + 1] - 1
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
