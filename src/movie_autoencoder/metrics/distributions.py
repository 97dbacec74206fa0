"""Metrics of distributions: proper scores, calibration, the prediction of errors, and coverage of intervals.

A score is proper when a forecaster gets the best expected score by stating the probabilities they believe in (Gneiting
and Raftery 2007). Coverage alone is not a score, since the whole scale covers everything: report it with the mean
width. Pure NumPy; this module knows no model and no file.
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

_LEAST = 1e-12  # a smaller probability counts as this, so that one impossible rating does not make the mean infinite


def negative_log_likelihood(probabilities: Floats, observed: IntArray) -> float:
    """Mean of minus the natural logarithm of the probability of the observed value, nats a rating.

    Args:
        probabilities: of each star value, shape ``(n, num_values)``.
        observed: index of the value that was observed, shape ``(n,)``.

    Example:
        >>> round(negative_log_likelihood(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0])), 4)
        1.0397
    """
    likelihoods = probabilities[np.arange(len(observed)), observed]
    return float(-np.log(np.maximum(likelihoods, _LEAST)).mean())


def crps(probabilities: Floats, values: Floats, ratings: FloatArray) -> float:
    """Mean continuous ranked probability score, rating points; for a certain prediction it is the absolute error.

    It integrates the squared difference between the cumulative distribution and that of the observed rating, a step.

    Args:
        probabilities: shape ``(n, num_values)``.
        values: the star values, ascending, shape ``(num_values,)``.
        ratings: what was observed, each one of the values, shape ``(n,)``.

    Example:
        >>> crps(np.array([[0.5, 0.0, 0.5]]), np.array([1.0, 2.0, 3.0]), np.array([1.0]))
        0.5
    """
    cumulative = np.cumsum(probabilities, axis=1)[:, :-1]
    step = np.asarray(ratings)[:, None] <= values[:-1] + 1e-6
    return float(((cumulative - step) ** 2 @ np.diff(values)).mean())


def brier(probabilities: Floats, happened: Mask) -> float:
    """Brier score: mean squared difference between the probability of an event and whether it happened.

    Example:
        >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
        0.125
    """
    return float(((probabilities - happened) ** 2).mean())


def auc(scores: FloatArray, happened: Mask) -> float | None:
    """Area under the ROC curve: the probability that an event scores higher than a non-event; ties count half.

    Args:
        scores: shape ``(n,)``; only their order matters.
        happened: whether each was an event, same shape.

    Returns:
        None when all or none were events.

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
    """Ratings with similar probabilities of an event, and how often it happened.

    Args:
        num_ratings: in the bin.
        chance: mean of the probabilities; ``evaluation.json`` has this name.
        frequency: fraction of the ratings where the event happened.
    """

    num_ratings: int
    chance: float
    frequency: float


def reliability(probabilities: Floats, happened: Mask, *, num_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """A reliability diagram: bins of equal size by probability, ascending.

    Example:
        >>> reliability(np.array([0.1, 0.9]), np.array([False, True]), num_bins=2)[1]
        ReliabilityBin(num_ratings=1, chance=0.9, frequency=1.0)
    """
    order = np.argsort(probabilities, kind="stable")
    return tuple(
        ReliabilityBin(len(part), float(probabilities[part].mean()), float(happened[part].mean()))
        for part in np.array_split(order, min(num_bins, len(order)))
    )


def calibration_error(probabilities: Floats, happened: Mask, *, num_bins: int = 10) -> float:
    """Mean distance of probability and frequency over the bins of a reliability diagram (Naeini et al. 2015).

    It is above 0 by chance alone: about the standard error of a frequency in a bin.

    Example:
        >>> round(calibration_error(np.array([0.1, 0.9]), np.array([False, True]), num_bins=2), 3)
        0.1
    """
    bins = reliability(probabilities, happened, num_bins=num_bins)
    return sum(one.num_ratings * abs(one.chance - one.frequency) for one in bins) / max(len(happened), 1)


def risk_coverage(uncertainty: FloatArray, errors: FloatArray, fractions: Sequence[float]) -> tuple[float, ...]:
    """RMSE of the most certain fraction of the predictions, for several fractions, rating points.

    Args:
        uncertainty: of each prediction, shape ``(n,)``; only its order matters.
        errors: prediction minus rating, same shape.
        fractions: above 0, at most 1.

    Example:
        >>> risk_coverage(np.array([0.1, 0.3, 0.2]), np.array([1.0, 3.0, 1.0]), [0.6, 1.0])
        (1.0, 1.9148542155126762)
    """
    squared = np.asarray(errors, dtype=np.float64)[np.argsort(uncertainty, kind="stable")] ** 2
    means = np.cumsum(squared) / np.arange(1, len(squared) + 1)
    lengths = (max(int(np.ceil(fraction * len(squared) - 1e-9)), 1) for fraction in fractions)
    return tuple(float(np.sqrt(means[length - 1])) for length in lengths)


@dataclass(frozen=True)
class Coverage:
    """How often intervals covered the rating.

    Args:
        num_ratings: how many intervals there were.
        share: fraction of the ratings that were covered, under the name that it has in ``evaluation.json``.
        standard_error: of the fraction, clustered by user and by item; None with fewer than two of either.
        mean_width: mean width of the intervals, rating points.
    """

    num_ratings: int
    share: float
    standard_error: float | None
    mean_width: float

    def p_value(self, level: float) -> float | None:
        """Two-sided p-value of the deviation from a level, by the normal distribution.

        Returns:
            None without a standard error.
        """
        if not self.standard_error:
            return None
        return erfc(abs(self.share - level) / self.standard_error / sqrt(2))


def coverage(covered: Mask, widths: FloatArray, users: IntArray, items: IntArray) -> Coverage:
    """How often intervals covered, with a standard error for ratings that correlate within users and within items.

    The variance is that clustered by user plus that clustered by item minus that without clusters (Cameron, Gelbach and
    Miller 2011), and at least the larger of the first two.

    Args:
        covered: True where the interval covered the rating, shape ``(n,)``.
        widths: of the intervals, rating points, same shape.
        users: user of each rating, integers, same shape.
        items: item of each rating, integers, same shape.

    Example:
        >>> users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> coverage(np.array([True, True, True, False]), np.ones(4), users, items).share
        0.75
    """
    fraction, number = float(covered.mean()), len(covered)
    rest = covered - fraction
    variances = []
    for group in (users, items):
        index, counts = np.unique(group, return_inverse=True, return_counts=True)[1:]
        if len(counts) > 1:
            sums = np.bincount(index, rest)
            variances.append(float(sums @ sums) * len(counts) / (len(counts) - 1))
    error = None
    if len(variances) == 2:
        error = float(np.sqrt(max(sum(variances) - float(rest @ rest), *variances))) / number
    return Coverage(number, fraction, error, float(np.mean(widths)))


def tenths(counts: IntArray) -> IntArray:
    """Ten groups of equal size by a count, 0 the lowest; equal counts may fall into two groups, in the given order.

    Example:
        >>> tenths(np.arange(20)[::-1])[:3]
        array([9, 9, 8])
    """
    group = np.empty(len(counts), dtype=np.int64)
    group[np.argsort(counts, kind="stable")] = np.arange(len(counts)) * 10 // max(len(counts), 1)
    return group


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for several tests, in the given order.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
