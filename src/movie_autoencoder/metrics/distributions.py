"""Metrics of distributions: proper scores, how well errors are foreseen, and whether intervals hold what they say.

A score is proper when nobody can better it by saying other chances than those they believe in (Gneiting and Raftery
2007). Coverage is not a score: an interval that is always the whole scale covers everything; it stands beside the
mean width. Pure NumPy; this module knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEAST = 1e-12  # a smaller chance counts as this, so that one impossible star does not make everything infinite


def negative_log_likelihood(probabilities: Floats, places: IntArray) -> float:
    """Mean of minus the natural logarithm of the chance that the stars given had, nats a rating.

    Args:
        probabilities: chance of each star value, shape ``(n, num_values)``.
        places: column of the stars that were given, shape ``(n,)``.

    Example:
        >>> round(negative_log_likelihood(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0])), 4)
        1.0397
    """
    chances = probabilities[np.arange(len(places)), places]
    return float(-np.log(np.maximum(chances, _LEAST)).mean())


def crps(probabilities: Floats, values: Floats, stars: FloatArray) -> float:
    """Mean continuous ranked probability score, rating points; for a sure prediction it is the absolute error.

    The integral over all stars of the squared difference between the chance of at most so many stars and what came.

    Args:
        probabilities: shape ``(n, num_values)``.
        values: the star values, ascending, shape ``(num_values,)``.
        stars: what was given, each one of the values, shape ``(n,)``.

    Example:
        >>> crps(np.array([[0.5, 0.0, 0.5]]), np.array([1.0, 2.0, 3.0]), np.array([1.0]))
        0.5
    """
    at_most = np.cumsum(probabilities, axis=1)[:, :-1]
    came = np.asarray(stars)[:, None] <= values[:-1] + 1e-6
    return float(((at_most - came) ** 2 @ np.diff(values)).mean())


def brier(chances: Floats, happened: Mask) -> float:
    """Mean squared difference between the chance of an event and whether it happened.

    Example:
        >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
        0.125
    """
    return float(((chances - happened) ** 2).mean())


def auc(scores: FloatArray, happened: Mask) -> float | None:
    """Chance that a cell where the event happened has a higher score than one where it did not; ties count half.

    Returns:
        None when the event happened everywhere or nowhere.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
        0.875
    """
    inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    num_happened = int(np.count_nonzero(happened))
    others = len(scores) - num_happened
    if not num_happened or not others:
        return None
    return float((ranks[happened].sum() - num_happened * (num_happened + 1) / 2) / (num_happened * others))


@dataclass(frozen=True)
class ReliabilityBin:
    """Cells that were given a like chance of an event, and how often it happened.

    Args:
        num_ratings: how many they are.
        chance: mean of the chances.
        frequency: share at which the event happened.
    """

    num_ratings: int
    chance: float
    frequency: float


def reliability(chances: Floats, happened: Mask, *, num_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """A reliability diagram: cells in bins of equal number by their chance, ascending.

    Example:
        >>> reliability(np.array([0.1, 0.9]), np.array([False, True]), num_bins=2)[1]
        ReliabilityBin(num_ratings=1, chance=0.9, frequency=1.0)
    """
    order = np.argsort(chances, kind="stable")
    return tuple(
        ReliabilityBin(len(part), float(chances[part].mean()), float(happened[part].mean()))
        for part in np.array_split(order, min(num_bins, len(order)))
    )


def risk_coverage(uncertainty: FloatArray, errors: FloatArray, shares: Sequence[float]) -> tuple[float, ...]:
    """RMSE at the most certain share of the cells, for several shares, rating points.

    Args:
        uncertainty: of each cell, shape ``(n,)``; only its order matters.
        errors: prediction minus stars, same shape.
        shares: above 0, at most 1.

    Example:
        >>> risk_coverage(np.array([0.1, 0.3, 0.2]), np.array([1.0, 3.0, 1.0]), [0.6, 1.0])
        (1.0, 1.9148542155126762)
    """
    squared = np.asarray(errors, dtype=np.float64)[np.argsort(uncertainty, kind="stable")] ** 2
    means = np.cumsum(squared) / np.arange(1, len(squared) + 1)
    return tuple(float(np.sqrt(means[max(int(np.ceil(share * len(squared) - 1e-9)), 1) - 1])) for share in shares)


@dataclass(frozen=True)
class Coverage:
    """How often intervals covered the stars.

    Args:
        num_ratings: how many intervals there were.
        share: of the stars that were covered.
        standard_error: of the share, clustered by user and by item; None with fewer than two of either.
        mean_width: mean width of the intervals, rating points.
    """

    num_ratings: int
    share: float
    standard_error: float | None
    mean_width: float

    def p_value(self, level: float) -> float | None:
        """Chance of a deviation from the level as large as this one, both ways, by the normal distribution."""
        if not self.standard_error:
            return None
        return erfc(abs(self.share - level) / self.standard_error / sqrt(2))


def coverage(covered: Mask, widths: FloatArray, users: IntArray, items: IntArray) -> Coverage:
    """How often intervals covered, with a standard error for ratings that are alike within users and within items.

    The variance is that by users plus that by items less that by cells (Cameron, Gelbach and Miller 2011), and never
    below the larger of the first two.

    Args:
        covered: True where the stars lay in the interval, shape ``(n,)``.
        widths: of the intervals, rating points, same shape.
        users: user of each cell, integers, same shape.
        items: item of each cell, integers, same shape.

    Example:
        >>> users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> coverage(np.array([True, True, True, False]), np.ones(4), users, items).share
        0.75
    """
    share, number = float(covered.mean()), len(covered)
    rest = covered - share
    variances = []
    for group in (users, items):
        place, counts = np.unique(group, return_inverse=True, return_counts=True)[1:]
        if len(counts) > 1:
            sums = np.bincount(place, rest)
            variances.append(float(sums @ sums) * len(counts) / (len(counts) - 1))
    error = None
    if len(variances) == 2:
        error = float(np.sqrt(max(sum(variances) - float(rest @ rest), *variances))) / number
    return Coverage(number, share, error, float(np.mean(widths)))


def tenths(counts: IntArray) -> IntArray:
    """Ten groups of equal number by a count, 0 the lowest; equal counts may be parted, in the order given.

    Example:
        >>> tenths(np.arange(20)[::-1])[:3]
        array([9, 9, 8])
    """
    place = np.empty(len(counts), dtype=np.int64)
    place[np.argsort(counts, kind="stable")] = np.arange(len(counts)) * 10 // max(len(counts), 1)
    return place


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for several tests, in the given order.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
