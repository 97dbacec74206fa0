"""What the distributions of a run are worth: proper scores, foreseen errors, coverage, each beside a trivial baseline.

The baselines are what needs no model: the histogram of the user's own stars, the variance of residuals on biases by
user and item, and an interval of constant width around the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Scale
from ..metrics.distributions import (
    Coverage,
    ReliabilityBin,
    auc,
    brier,
    coverage,
    crps,
    holm,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    tenths,
)
from ..uncertainty import StarModel, like_threshold, one_point, value_index
from .cells import Cells

LEVEL = 0.9  # of the intervals that are scored
HISTOGRAM, VARIANCE = "user_histogram", "residual_variance"
_SHARES = tuple(round(share, 2) for share in np.arange(0.05, 1.001, 0.05).tolist())


@dataclass(frozen=True)
class DistributionScore:
    """Proper scores of one predictor's distributions; smaller is better.

    Args:
        nll: mean of minus the log of the chance of the stars given, nats a rating.
        crps: continuous ranked probability score, rating points.
        brier: of the chance of liking.
    """

    nll: float
    crps: float
    brier: float


@dataclass(frozen=True)
class IntervalGroup:
    """Intervals of a tenth of the ratings.

    Args:
        label: least and largest count in it.
        coverage: how often they covered.
        p_holm: of the deviation from the level, corrected for all groups and the whole; None where it has no error.
    """

    label: str
    coverage: Coverage
    p_holm: float | None


@dataclass(frozen=True)
class Uncertainty:
    """What a run's distributions over the stars are worth on held-out ratings.

    Args:
        like_threshold: stars from which on a rating counts as liked.
        far: rating points from which on an error counts as large.
        scores: proper scores of the model's distributions and of the users' histograms, by name.
        auc: chance that a large error was given a higher chance than a small one, by name: the model's chance of a
            large error, and the residual variance by user and item; None when no error is large, or every one.
        level: that the intervals are to cover.
        coverage: how often they did.
        p_value: of the deviation from the level, corrected with those of the groups.
        constant_width: intervals of one width around the predictions, cut to the scale, that cover as often.
        by_popularity: tenths of the ratings by the item's count.
        by_activity: tenths of the ratings by the user's count.
        reliability: chances of liking beside what came, in bins, by name.
        risk_shares: shares of the ratings, those whose predictions are most certain.
        risk: RMSE at those shares when the certainty is the model's, or the residual variance's, by name.
    """

    like_threshold: float
    far: float
    scores: Mapping[str, DistributionScore]
    auc: Mapping[str, float | None]
    level: float
    coverage: Coverage
    p_value: float | None
    constant_width: Coverage
    by_popularity: tuple[IntervalGroup, ...]
    by_activity: tuple[IntervalGroup, ...]
    reliability: Mapping[str, tuple[ReliabilityBin, ...]]
    risk_shares: tuple[float, ...]
    risk: Mapping[str, tuple[float, ...]]


def measure(
    name: str, stars: StarModel, predictions: FloatArray, cells: Cells, item_counts: IntArray, user_counts: IntArray
) -> Uncertainty:
    """Scores the distributions of a run at the cells that are evaluated.

    Args:
        name: of the model.
        stars: what makes distributions of its predictions.
        predictions: at the cells, on the scale.
        cells: what is scored.
        item_counts: training ratings of each cell's item.
        user_counts: ratings of each cell's user that the encoder read.
    """
    given = cells.ratings.values.astype(np.float64)
    histograms = None if cells.fold_in is None else stars.fold_in(cells.fold_in)
    distribution = stars.distribution(predictions, cells.users, cells.items, histograms=histograms)
    values, threshold, far = stars.values, like_threshold(stars.scale), one_point(stars.scale)
    histogram = stars.user_histogram(cells.users, histograms=histograms)
    variance = stars.residual_variance(cells.users, cells.items, histograms=histograms)
    places, liked = value_index(values, given), given >= threshold - 1e-6
    chances = {name: distribution.probabilities, HISTOGRAM: histogram.probabilities}
    liking = {name: distribution.like_probability(), HISTOGRAM: histogram.like_probability()}
    error, doubt = predictions - given, distribution.error_probability(predictions)
    large = np.abs(error) > far + 1e-6
    low, high = distribution.interval(LEVEL)
    covered = (given >= low - 1e-6) & (given <= high + 1e-6)
    owners = cells.ratings.user_index, cells.ratings.item_index
    whole, overall, (popularity, activity) = score_intervals(covered, high - low, owners, (item_counts, user_counts))
    return Uncertainty(
        like_threshold=threshold,
        far=far,
        scores={
            key: DistributionScore(
                negative_log_likelihood(chance, places), crps(chance, values, values[places]), brier(liking[key], liked)
            )
            for key, chance in chances.items()
        },
        auc={name: auc(doubt, large), VARIANCE: auc(variance, large)},
        level=LEVEL,
        coverage=whole,
        p_value=overall,
        constant_width=constant_width(predictions, error, whole.share, stars.scale, owners),
        by_popularity=popularity,
        by_activity=activity,
        reliability={key: reliability(chance, liked) for key, chance in liking.items()},
        risk_shares=_SHARES,
        risk={
            name: risk_coverage(distribution.standard_deviation, error, _SHARES),
            VARIANCE: risk_coverage(variance, error, _SHARES),
        },
    )


def score_intervals(
    covered: npt.NDArray[np.bool_], widths: FloatArray, owners: tuple[IntArray, IntArray], counts: Sequence[IntArray]
) -> tuple[Coverage, float | None, tuple[tuple[IntervalGroup, ...], ...]]:
    """Coverage of all intervals and of tenths by several counts, with p-values corrected for all of these together.

    Args:
        covered: True where the stars lay in the interval, shape ``(n,)``.
        widths: rating points, same shape.
        owners: user and item of each cell.
        counts: each parts the cells into tenths.
    """
    parts = [
        [np.flatnonzero(tenth == number) for number in np.unique(tenth)] for tenth in (tenths(one) for one in counts)
    ]
    cells = [np.arange(len(covered)), *(part for group in parts for part in group)]
    found = [coverage(covered[one], widths[one], owners[0][one], owners[1][one]) for one in cells]
    raw = [one.p_value(LEVEL) for one in found]
    known = iter(holm([p for p in raw if p is not None]))
    corrected = [None if p is None else next(known) for p in raw]
    rest = iter(zip(found[1:], corrected[1:], strict=True))
    groups = tuple(
        tuple(IntervalGroup(_label(count[part]), *next(rest)) for part in group)
        for count, group in zip(counts, parts, strict=True)
    )
    return found[0], corrected[0], groups


def constant_width(
    predictions: FloatArray, error: FloatArray, share: float, scale: Scale, owners: tuple[IntArray, IntArray]
) -> Coverage:
    """Intervals that reach as far from every prediction, cut to the scale, just far enough to cover a share."""
    size = np.abs(error)
    reach = float(np.quantile(size, share, method="inverted_cdf"))
    return coverage(size <= reach, scale.clip(predictions + reach) - scale.clip(predictions - reach), *owners)


def _label(counts: IntArray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
