"""Uncertainty: scores of a run's rating distributions and prediction intervals, each with a simple baseline.

The baselines need no model: the histogram of the user's own ratings, the variance of residuals on biases by user and
item, and an interval of constant width around the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Scale
from ..data.scale import like_threshold, one_point
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
from ..uncertainty import StarModel, value_index
from .targets import Targets

LEVEL = 0.9  # of the prediction intervals
HISTOGRAM, VARIANCE = "user_histogram", "residual_variance"
_FRACTIONS = tuple(round(fraction, 2) for fraction in np.arange(0.05, 1.001, 0.05).tolist())


@dataclass(frozen=True)
class DistributionScore:
    """Proper scores of one predictor's distributions; smaller is better.

    Args:
        nll: mean negative log-likelihood of the ratings, nats per rating.
        crps: continuous ranked probability score, rating points.
        brier: Brier score of the probability of liking.
    """

    nll: float
    crps: float
    brier: float


@dataclass(frozen=True)
class IntervalGroup:
    """Prediction intervals of a tenth of the ratings.

    Args:
        label: least and largest count in the group.
        coverage: how often the intervals covered the rating.
        p_holm: p-value of the deviation from the level, corrected for all groups and the whole; None without a
            standard error.
    """

    label: str
    coverage: Coverage
    p_holm: float | None


@dataclass(frozen=True)
class Uncertainty:
    """Scores of a run's rating distributions on held-out ratings.

    Args:
        like_threshold: least rating that counts as liked.
        far: errors above this many rating points count as large.
        scores: proper scores of the model's distributions and of the users' histograms, by name.
        auc: area under the ROC curve for large errors, by name: of the model's probability of a large error, and of
            the residual variance by user and item; None when no error is large, or every error is.
        level: intended coverage of the intervals.
        coverage: coverage of the intervals.
        p_value: of the deviation from the level, corrected together with those of the groups.
        constant_width: intervals of one width around the predictions, clipped to the scale, with the same coverage.
        by_popularity: tenths of the ratings by the item's count.
        by_activity: tenths of the ratings by the user's count.
        reliability: probabilities of liking and frequencies, in bins, by name.
        risk_shares: fractions of the ratings, those with the most certain predictions.
        risk: RMSE at these fractions, ordered by the model's standard deviation or by the residual variance, by name.
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
    name: str,
    star_model: StarModel,
    predictions: FloatArray,
    targets: Targets,
    item_counts: IntArray,
    user_counts: IntArray,
) -> Uncertainty:
    """Scores the rating distributions of a run on the targets.

    Args:
        name: name of the model.
        star_model: makes distributions of its predictions.
        predictions: predictions of the targets, clipped to the scale, shape ``(n,)``, rating points.
        targets: the held-out ratings.
        item_counts: number of training ratings of each target's item, same shape.
        user_counts: number of ratings of each target's user that the encoder was shown, same shape.
    """
    ratings = targets.ratings.values.astype(np.float64)
    histograms = None if targets.fold_in is None else star_model.fold_in(targets.fold_in)
    distribution = star_model.distribution(predictions, targets.users, targets.items, histograms=histograms)
    values, threshold, far = star_model.values, like_threshold(star_model.scale), one_point(star_model.scale)
    histogram = star_model.user_histogram(targets.users, histograms=histograms)
    variance = star_model.residual_variance(targets.users, targets.items, histograms=histograms)
    index, liked = value_index(values, ratings), ratings >= threshold - 1e-6
    probabilities = {name: distribution.probabilities, HISTOGRAM: histogram.probabilities}
    liking = {name: distribution.like_probability(), HISTOGRAM: histogram.like_probability()}
    error, error_probability = predictions - ratings, distribution.error_probability(predictions)
    large = np.abs(error) > far + 1e-6
    low, high = distribution.interval(LEVEL)
    covered = (ratings >= low - 1e-6) & (ratings <= high + 1e-6)
    owners = targets.ratings.user_index, targets.ratings.item_index
    whole, overall, (popularity, activity) = score_intervals(covered, high - low, owners, (item_counts, user_counts))
    return Uncertainty(
        like_threshold=threshold,
        far=far,
        scores={
            key: DistributionScore(
                negative_log_likelihood(one, index), crps(one, values, values[index]), brier(liking[key], liked)
            )
            for key, one in probabilities.items()
        },
        auc={name: auc(error_probability, large), VARIANCE: auc(variance, large)},
        level=LEVEL,
        coverage=whole,
        p_value=overall,
        constant_width=constant_width(predictions, error, whole.share, star_model.scale, owners),
        by_popularity=popularity,
        by_activity=activity,
        reliability={key: reliability(one, liked) for key, one in liking.items()},
        risk_shares=_FRACTIONS,
        risk={
            name: risk_coverage(distribution.standard_deviation, error, _FRACTIONS),
            VARIANCE: risk_coverage(variance, error, _FRACTIONS),
        },
    )


def score_intervals(
    covered: npt.NDArray[np.bool_], widths: FloatArray, owners: tuple[IntArray, IntArray], counts: Sequence[IntArray]
) -> tuple[Coverage, float | None, tuple[tuple[IntervalGroup, ...], ...]]:
    """Coverage of all intervals, and of tenths by each of several counts.

    Args:
        covered: True where the interval covered the rating, shape ``(n,)``.
        widths: widths of the intervals, same shape, rating points.
        owners: user and item of each rating, integers, each of the same shape.
        counts: one array for each grouping, same shape; each divides the ratings into tenths.

    Returns:
        Coverage of all intervals, its p-value, and the groups of each count. All p-values are corrected together.
    """
    groupings = [
        [np.flatnonzero(tenth == number) for number in np.unique(tenth)] for tenth in (tenths(one) for one in counts)
    ]
    everything = [np.arange(len(covered)), *(part for grouping in groupings for part in grouping)]
    found = [coverage(covered[part], widths[part], owners[0][part], owners[1][part]) for part in everything]
    raw = [one.p_value(LEVEL) for one in found]
    known = iter(holm([p for p in raw if p is not None]))
    corrected = [None if p is None else next(known) for p in raw]
    rest = iter(zip(found[1:], corrected[1:], strict=True))
    groups = tuple(
        tuple(IntervalGroup(_label(count[part]), *next(rest)) for part in grouping)
        for count, grouping in zip(counts, groupings, strict=True)
    )
    return found[0], corrected[0], groups


def constant_width(
    predictions: FloatArray, error: FloatArray, fraction: float, scale: Scale, owners: tuple[IntArray, IntArray]
) -> Coverage:
    """Intervals of one width around all predictions, clipped to the scale, that cover a fraction of the ratings.

    Args:
        predictions: shape ``(n,)``, rating points.
        error: prediction minus rating, same shape.
        fraction: coverage to reach.
        scale: the scale of the ratings.
        owners: user and item of each rating, integers, each of the same shape.
    """
    size = np.abs(error)
    reach = float(np.quantile(size, fraction, method="inverted_cdf"))
    return coverage(size <= reach, scale.clip(predictions + reach) - scale.clip(predictions - reach), *owners)


def _label(counts: IntArray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
