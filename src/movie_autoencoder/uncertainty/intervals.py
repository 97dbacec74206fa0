"""Prediction intervals: the shortest ones of a distribution, adjusted to cover as often as they claim.

A rating value counts as a bin one step wide around it, so that ends of intervals are real numbers. An interval leaves
out probability below and above it in the ratio in which the shortest interval does.

A fitted distribution is not perfect, so its intervals do not cover as often as they claim. Split conformal prediction
(Vovk, Gammerman and Shafer 2005) corrects that on held-out ratings. The *conformity score* of a rating is the smallest
probability whose interval covers it; the quantiles of the scores replace the nominal levels. Quantile regression on
the numbers of ratings of user and item makes the correction right for short and long rows too (Romano, Patterson and
Candès 2019; Gibbs, Cherian and Candès 2023).

The correction is bounded: an interval at a level leaves out at least half and at most twice the probability that the
level says. So interval and probability of liking never contradict each other, since both come from one distribution,
and a regression that is extrapolated never makes an interval of the whole scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray

Floats = npt.NDArray[np.float64]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)  # levels that are adjusted; between them, linear interpolation

# The shortest interval of this probability sets the ratio of the two tails. It is the most that an interval at level
# 0.9 may have: such an interval lies inside the shortest one of 0.95.
SHORTEST_LEVEL = 0.95
_OLDER_LEVEL = 0.9  # of bundles of older versions, whose adjustment of five columns has no bounds either
_MOST_FACTOR = 2.0  # by which the adjustment may multiply or divide the probability outside
_FEW = 10.0  # ratings
_PENALTY = 30.0  # on the squared slopes of the adjustment
_SMOOTHING = 0.003  # of the pinball loss around 0, a probability: L-BFGS needs a gradient everywhere
_BLOCK = 1 << 13  # distributions at a time: the search for the shortest interval tries every edge of every bin


@dataclass(frozen=True, eq=False)
class ConformalAdjustment:
    """The probability that an interval must have in a distribution to cover at each of `LEVELS`.

    Args:
        coefficients: one row a level: a constant and slopes on functions of the two numbers of ratings, ``(8, 6)``;
            ``(8, 5)`` in bundles of older versions.
    """

    coefficients: Floats

    @classmethod
    def fit(cls, scores: Floats, num_ratings: Floats, num_ordinary: int | None = None) -> ConformalAdjustment:
        """Quantile regression of conformity scores, one for each level.

        The regression gives the slopes. The constant is then moved so that the fraction of scores below is right at
        ordinary ratings, counting the next rating as one more.

        Args:
            scores: of ratings that the distributions were not fitted on, shape ``(n,)``.
            num_ratings: ratings of each one's user and item, shape ``(n, 2)``.
            num_ordinary: the first so many are ordinary validation ratings; the others are of people folded in from
                few ratings. All are ordinary when left out.
        """
        from scipy.optimize import minimize

        table, number = _regressors(num_ratings), len(scores) if num_ordinary is None else num_ordinary
        rows = []
        for level in LEVELS:

            def pinball(slopes: Floats, level: float = level) -> tuple[float, Floats]:
                rest = (scores - table @ slopes) / _SMOOTHING
                above = 1 / (1 + np.exp(-np.clip(rest, -500, 500)))
                loss = _SMOOTHING * float(((level - 1) * rest + np.logaddexp(0, rest)).sum())
                penalty = _PENALTY * float(slopes[1:] @ slopes[1:])
                return loss + penalty, table.T @ (1 - level - above) + 2 * _PENALTY * np.append(0.0, slopes[1:])

            start = np.append(np.quantile(scores, level), np.zeros(table.shape[1] - 1))
            slopes = minimize(pinball, start, jac=True, method="L-BFGS-B").x
            rest = np.sort((scores - table @ slopes)[:number])
            rank = int(np.ceil((number + 1) * level))
            if rank > number:  # too few scores to know this quantile: the interval is as wide as an adjusted one may be
                slopes = np.append(1.0, np.zeros(len(slopes) - 1))
            else:
                slopes[0] += rest[rank - 1]
            rows.append(slopes)
        return cls(np.array(rows))

    def probabilities(self, num_ratings: Floats) -> Floats:
        """Probability of the interval at each of `LEVELS`, ascending, shape ``(n, 8)``.

        It leaves out at least half and at most twice what the level says.
        """
        outside = 1 - np.array(LEVELS)
        adjusted = _regressors(num_ratings)[:, : self.coefficients.shape[1]] @ self.coefficients.T
        bounds = (0.0, 1.0) if self._older else (1 - _MOST_FACTOR * outside, 1 - outside / _MOST_FACTOR)
        return np.asarray(np.maximum.accumulate(np.clip(adjusted, *bounds), axis=1))

    @property
    def shortest_level(self) -> float:
        """Probability of the shortest interval that sets the ratio of the two tails."""
        return _OLDER_LEVEL if self._older else SHORTEST_LEVEL

    @property
    def _older(self) -> bool:
        return bool(self.coefficients.shape[1] == 5)


def few_weight(num_ratings: Floats) -> Floats:
    """How few ratings a user has: 1 for none, near 0 for many; the shape of ``num_ratings``.

    Example:
        >>> few_weight(np.array([0.0, 1.0, 10.0, 100.0])).round(3)
        array([1.   , 0.905, 0.368, 0.   ])
    """
    return np.asarray(np.exp(-num_ratings / _FEW))


def probability_at(adjusted: Floats, level: float) -> Floats:
    """Probability of an interval that covers at a level, interpolated between `LEVELS`, shape ``(n,)``.

    Args:
        adjusted: the probabilities at `LEVELS`, shape ``(n, 8)``.
        level: above 0 and below 1.

    Example:
        >>> probability_at(np.array([[0.52, 0.62, 0.73, 0.84, 0.88, 0.93, 0.97, 0.99]]), 0.75).round(3)
        array([0.785])
    """
    known = np.array([0.0, *LEVELS, 1.0])
    table = np.column_stack([np.zeros(len(adjusted)), adjusted, np.ones(len(adjusted))])
    left = int(np.searchsorted(known, level)) - 1
    weight = (level - known[left]) / (known[left + 1] - known[left])
    return np.asarray(table[:, left] * (1 - weight) + table[:, left + 1] * weight)


def interval_ends(
    values: Floats, distributions: Floats, probability: Floats, shortest_level: float = SHORTEST_LEVEL
) -> tuple[Floats, Floats]:
    """Both ends of the interval of each distribution that holds a given probability, each of shape ``(n,)``.

    Args:
        values: the rating values, ascending, in equal steps.
        distributions: probability of each value, shape ``(n, num_values)``.
        probability: of each interval, shape ``(n,)``.
        shortest_level: probability of the shortest interval that sets the ratio of the two tails.
    """
    tail = lower_tail(distributions, shortest_level)
    levels = np.stack([(1 - probability) * tail, 1 - (1 - probability) * (1 - tail)], axis=1)
    low, high = quantiles(values, distributions, levels).T
    return low, high


def conformity_scores(distributions: Floats, observed: IntArray) -> Floats:
    """The smallest probability at which each distribution's interval covers what was observed, shape ``(n,)``.

    Args:
        distributions: probability of each value, shape ``(n, num_values)``.
        observed: index of the value that was observed, shape ``(n,)``; the middle of its bin is to be covered.
    """
    rows, tail = np.arange(len(observed)), lower_tail(distributions)
    below = np.cumsum(distributions, axis=1)[rows, observed] - distributions[rows, observed] / 2
    with np.errstate(divide="ignore"):
        return np.asarray(1 - np.minimum(below / tail, (1 - below) / (1 - tail)))


def lower_tail(distributions: Floats, shortest_level: float = SHORTEST_LEVEL) -> Floats:
    """Fraction of the probability outside the shortest interval that lies below it, shape ``(n,)``.

    Example:
        >>> lower_tail(np.array([[0.02, 0.03, 0.05, 0.3, 0.6], [0.05, 0.1, 0.7, 0.1, 0.05]])).round(3)
        array([1. , 0.5])
    """
    blocks = (distributions[start : start + _BLOCK] for start in range(0, len(distributions), _BLOCK))
    tails = [_lower_tail(block, shortest_level) for block in blocks]
    return np.concatenate([np.empty(0), *tails])


def quantiles(values: Floats, distributions: Floats, levels: Floats) -> Floats:
    """Quantiles of distributions over bins one step wide.

    Args:
        values: the rating values, ascending, in equal steps: the middles of the bins.
        distributions: probability of each value, shape ``(n, num_values)``.
        levels: probabilities below the quantiles, shape ``(n, k)``.

    Returns:
        Shape ``(n, k)``, in the unit of ``values``.

    Example:
        >>> quantiles(np.array([1.0, 2.0, 3.0]), np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.75]]))
        array([[1. , 2.5]])
    """
    step = values[1] - values[0]
    return np.asarray(values[0] - step / 2 + step * _steps_to(distributions, _cumulative(distributions), levels))


def _lower_tail(distributions: Floats, level: float) -> Floats:
    """`lower_tail` of one block: the shortest interval starts or ends at the edge of a bin, so all edges are tried."""
    cumulative, edges = _cumulative(distributions), np.arange(distributions.shape[1] + 1.0)
    # first half: the edge is the lower end; second half: the upper end; shape (n, 2 * num_edges)
    starts = np.concatenate([cumulative, cumulative - level], axis=1)
    possible = (starts > -1e-12) & (starts + level < 1 + 1e-12)
    others = np.concatenate([cumulative + level, cumulative - level], axis=1)
    others = np.minimum(np.maximum(others, 0.0), 1.0)
    length = np.abs(_steps_to(distributions, cumulative, others) - np.tile(edges, 2))
    length = np.where(possible, length, np.inf)
    shortest = length.min(axis=1, keepdims=True)
    equal = length <= shortest + 1e-9  # equal lengths differ by rounding
    left_out = 1 - level
    below = np.minimum(np.maximum(starts, 0.0), left_out)
    first = below[np.arange(len(starts)), np.argmax(equal, axis=1)]
    # where both ends may move together, the interval in the middle: a symmetric distribution has a symmetric interval
    ends = np.where(equal, below, np.inf).min(axis=1), np.where(equal, below, -np.inf).max(axis=1)
    middle = np.where(np.isfinite(shortest[:, 0]), (ends[0] + ends[1]) / 2, first)
    low, high = _steps_to(distributions, cumulative, np.stack([middle, middle + level], axis=1)).T
    tail = np.where(high - low <= shortest[:, 0] + 1e-9, middle, first) / left_out
    return np.where(np.isfinite(shortest[:, 0]), tail, 0.5)


def _cumulative(distributions: Floats) -> Floats:
    """Probability below the lower edge of each bin, and 1 at the end, shape ``(n, num_values + 1)``."""
    table = np.zeros((len(distributions), distributions.shape[1] + 1))
    np.cumsum(distributions, axis=1, out=table[:, 1:])
    return table


def _steps_to(distributions: Floats, cumulative: Floats, levels: Floats) -> Floats:
    """Quantiles in steps from the lower edge of the first bin; the shape of ``levels``."""
    bins = (cumulative[:, None, 1:-1] < levels[:, :, None]).sum(axis=2)
    rows = np.arange(len(distributions))[:, None]
    part = (levels - cumulative[rows, bins]) / np.maximum(distributions[rows, bins], 1e-12)
    return np.asarray(bins + np.minimum(np.maximum(part, 0.0), 1.0))


def _regressors(num_ratings: Floats) -> Floats:
    """A constant, for each number of ratings its logarithm and one over its root, and `few_weight`, ``(n, 6)``."""
    numbers = np.log1p(num_ratings) - 4.0, 1 / np.sqrt(1 + num_ratings)
    return np.column_stack([np.ones(len(num_ratings)), *numbers, few_weight(num_ratings[:, 0])])
