"""Metrics: errors of predictions (MSE, RMSE, MAE, bias), over all ratings or by group. Pure NumPy.

Every mean is a sum over ratings, divided once by the number of ratings; a mean of means says so in its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray


class MetricError(ValueError):
    """Arrays from which no error can be computed; the message says what was received."""


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums of errors by group. The properties divide them; the mean of an empty group is NaN.

    Args:
        counts: number of ratings of each group, shape ``(num_groups,)``.
        squared: sums of squared errors, same shape, squared rating points.
        absolute: sums of absolute errors, same shape, rating points.
        signed: sums of prediction minus rating, same shape, rating points.

    Example:
        >>> sums = error_sums([3, 5, 1], [4, 5, 3], groups=np.array([0, 0, 1]))
        >>> sums.mse, sums.mae, sums.total().mse
        (array([0.5, 4. ]), array([0.5, 2. ]), array([1.66666667]))
    """

    counts: IntArray
    squared: FloatArray
    absolute: FloatArray
    signed: FloatArray

    @property
    def mse(self) -> FloatArray:
        """Mean squared error of each group, squared rating points."""
        return divide(self.squared, self.counts)

    @property
    def rmse(self) -> FloatArray:
        """Root of the mean squared error of each group, rating points."""
        return np.sqrt(self.mse)

    @property
    def mae(self) -> FloatArray:
        """Mean absolute error of each group, rating points."""
        return divide(self.absolute, self.counts)

    @property
    def bias(self) -> FloatArray:
        """Mean of prediction minus rating of each group, rating points: above 0 where predictions are too high."""
        return divide(self.signed, self.counts)

    def total(self) -> ErrorSums:
        """The sums over all groups, as one group."""
        return ErrorSums(
            self.counts.sum(keepdims=True),
            self.squared.sum(keepdims=True),
            self.absolute.sum(keepdims=True),
            self.signed.sum(keepdims=True),
        )


def error_sums(
    predictions: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    mask: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    num_groups: int = 0,
) -> ErrorSums:
    """Sums of errors, by group or over all ratings.

    Args:
        predictions: predicted ratings, any shape.
        targets: the ratings, same shape.
        mask: True (or 1) at the ratings to include, same shape; all of them when left out.
        groups: group of each rating, integers from 0, same shape; one group when left out.
        num_groups: least number of groups, so that empty groups at the end are kept.

    Returns:
        Sums over the included ratings.

    Raises:
        MetricError: shapes that differ, no included rating, or a prediction or target that is not finite.

    Example:
        >>> error_sums([[1, 9], [2, 2]], [[2, 0], [2, 4]], mask=[[1, 0], [1, 1]]).squared
        array([5.])
    """
    predicted, actual = np.asarray(predictions, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    group = np.zeros(actual.shape, dtype=np.int64) if groups is None else np.asarray(groups)
    shapes = {predicted.shape, actual.shape, group.shape}
    if mask is not None:
        included = np.asarray(mask).astype(bool)
        shapes.add(included.shape)
    if len(shapes) > 1:
        raise MetricError(
            "Predictions, targets, mask and groups must have one shape. "
            f"Received: {', '.join(map(str, sorted(shapes)))}."
        )
    if mask is not None:
        predicted, actual, group = predicted[included], actual[included], group[included]
    if not actual.size:
        raise MetricError("There is no rating to average over. Include at least one rating.")
    error = (predicted - actual).ravel()
    if not np.isfinite(error).all():
        position = int(np.flatnonzero(~np.isfinite(error))[0])
        raise MetricError(
            f"Predictions and targets must be finite. Received: prediction {predicted.flat[position]}, "
            f"target {actual.flat[position]} at position {position}."
        )
    flat = group.ravel()
    size = max(int(flat.max()) + 1, num_groups)
    return ErrorSums(
        np.bincount(flat, minlength=size), *(_sums(flat, part, size) for part in (error * error, np.abs(error), error))
    )


def mse(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Mean squared error over the included ratings, squared rating points; arguments as for `error_sums`.

    Example:
        >>> mse([3, 5], [4, 5])
        0.5
    """
    return float(error_sums(predictions, targets, mask=mask).mse[0])


def rmse(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Root mean squared error, rating points; arguments as for `error_sums`.

    Example:
        >>> rmse([1, 5], [4, 1], mask=[1, 0])
        3.0
    """
    return float(error_sums(predictions, targets, mask=mask).rmse[0])


def mae(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Mean absolute error, rating points; arguments as for `error_sums`.

    Example:
        >>> mae([3, 5], [4, 5])
        0.5
    """
    return float(error_sums(predictions, targets, mask=mask).mae[0])


def mean_user_rmse(predictions: npt.ArrayLike, targets: npt.ArrayLike, users: npt.ArrayLike) -> float:
    """Mean over users of each user's own RMSE, rating points: every user has the same weight.

    Args:
        predictions: predicted ratings, shape ``(n,)``.
        targets: the ratings, same shape.
        users: user of each rating, ids or indices, same shape.

    Example:
        >>> mean_user_rmse([3, 5, 1], [4, 4, 3], users=[7, 7, 9])
        1.5
    """
    group = np.unique(np.asarray(users), return_inverse=True)[1]
    return float(error_sums(predictions, targets, groups=group).rmse.mean())


def _sums(groups: IntArray, values: FloatArray, size: int) -> FloatArray:
    return np.bincount(groups, values, size).astype(np.float64, copy=False)


def divide(sums: FloatArray, counts: npt.NDArray[Any]) -> FloatArray:
    """Sums over counts, NaN where the count is 0; shape of the sums."""
    quotient: FloatArray = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts != 0)
    return quotient
