"""Distributions over the star values: how likely each value is, and what follows from that.

This module holds what people ask of a distribution: mean, standard deviation, probability of liking, probability of a
large error, intervals. `StarModel` makes distributions; `intervals` computes their intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray
from ..data.scale import Scale, like_threshold, one_point
from .intervals import SHORTEST_LEVEL, Floats, interval_ends, probability_at

_MOST_VALUES = 21  # a finer or continuous scale becomes a grid of so many values
_ROUNDING = 1e-9  # rating points; comparisons of values ignore such differences


def star_values(scale: Scale) -> Floats:
    """The star values of a scale: its own, or a grid of 21 where it has more of them or is continuous.

    A rating between two values of the grid counts as the nearer one.

    Example:
        >>> star_values(Scale(1, 5, 1)), len(star_values(Scale(0, 100, 0.1)))
        (array([1., 2., 3., 4., 5.]), 21)
    """
    levels = scale.levels
    if 0 < len(levels) <= _MOST_VALUES:
        return np.asarray(levels, dtype=np.float64)
    return np.linspace(scale.minimum, scale.maximum, _MOST_VALUES)


def value_index(values: Floats, ratings: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Index of the star value nearest to each rating.

    Args:
        values: the star values, ascending, in equal steps.
        ratings: rating points, any shape; those beyond the ends count as the end.

    Example:
        >>> value_index(star_values(Scale(1, 5, 1)), [1.0, 4.0, 7.0])
        array([0, 3, 4])
    """
    step = values[1] - values[0]
    index: npt.NDArray[np.int64] = np.rint((np.asarray(ratings, dtype=np.float64) - values[0]) / step).astype(np.int64)
    return np.clip(index, 0, len(values) - 1)


@dataclass(frozen=True, eq=False)
class StarDistribution:
    """The probability of each star value, for n ratings that nobody has given yet.

    Args:
        scale: the ratings that can be given.
        values: the star values, ascending, shape ``(num_values,)``, rating points.
        probabilities: of each value, shape ``(n, num_values)``; every row sums to 1.
        adjusted: the probability at which each interval covers at the levels of `intervals.LEVELS`, shape ``(n, 8)``.
        shortest_level: probability of the shortest interval, which sets the ratio of the two tails of all intervals.

    Example:
        >>> scale, levels = Scale(1, 3, 1), np.array([[0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98]])
        >>> found = StarDistribution(scale, star_values(scale), np.array([[0.1, 0.4, 0.5]]), levels)
        >>> found.mean.round(2), found.like_probability(3).round(2)
        (array([2.4]), array([0.5]))
    """

    scale: Scale
    values: Floats
    probabilities: Floats
    adjusted: Floats
    shortest_level: float = SHORTEST_LEVEL

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def mean(self) -> Floats:
        """Expected rating, shape ``(n,)``, rating points."""
        return self.probabilities @ self.values

    @property
    def standard_deviation(self) -> Floats:
        """Shape ``(n,)``, rating points."""
        return np.sqrt(np.maximum(self.probabilities @ self.values**2 - self.mean**2, 0.0))

    def like_probability(self, threshold: float | None = None) -> Floats:
        """Probability of a rating at or above a threshold, shape ``(n,)``.

        Args:
            threshold: rating points; `like_threshold` of the scale when left out.
        """
        least = like_threshold(self.scale) if threshold is None else threshold
        return np.asarray(self.probabilities[:, self.values >= least - _ROUNDING].sum(axis=1))

    def error_probability(self, predictions: FloatArray, more_than: float | None = None) -> Floats:
        """Probability that a prediction's error exceeds a distance, shape ``(n,)``.

        Args:
            predictions: shape ``(n,)``, rating points.
            more_than: the distance, rating points; `one_point` of the scale when left out.
        """
        distance = one_point(self.scale) if more_than is None else more_than
        far = np.abs(self.values - np.asarray(predictions)[:, None]) > distance + _ROUNDING
        return np.asarray(np.where(far, self.probabilities, 0.0).sum(axis=1))

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper ends of intervals that cover the rating with a given probability, each of shape ``(n,)``.

        Ends are real numbers: a value counts as a bin one step wide, and an end may lie anywhere in it. Coverage is
        adjusted on validation ratings, over all of them and along the numbers of ratings of user and item. The interval
        is one of this distribution, from which the probability of liking comes as well: where that is 0.95 or more, an
        interval of level 0.9 or less is no wider than the part of the scale that counts as liked.

        Args:
            level: fraction of the ratings to cover, above 0 and below 1.

        Raises:
            ValueError: another level.
        """
        if not 0 < level < 1:
            raise ValueError(f"The level of an interval must be above 0 and below 1. Received: level={level}.")
        probability = probability_at(self.adjusted, level)
        low, high = interval_ends(self.values, self.probabilities, probability, self.shortest_level)
        ends, whole = (self.scale.minimum, self.scale.maximum), probability >= 1
        return np.where(whole, ends[0], np.clip(low, *ends)), np.where(whole, ends[1], np.clip(high, *ends))
