"""Features: what the likelihood reads of pairs of a user and an item, from the statistics and a model's predictions."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ..data.ratings import FloatArray, IntArray
from .histograms import DAMPING, RatingHistograms, RatingStatistics
from .intervals import Floats, few_weight


@dataclass(frozen=True, eq=False)
class Features:
    """What the likelihood reads of n pairs of a user and an item. Build one with `Features.of`.

    Ratings and predictions are distances from the mean, in units of the statistics' ``deviation``.

    Args:
        values: the star values, shape ``(num_values,)``.
        frequencies: fraction of the training ratings at each, same shape.
        user_counts: rating histogram of the pair's user, shape ``(n, num_values)``.
        item_counts: of the pair's item, same shape.
        similar_counts: of the user again, each rating weighted by the similarity of its item, same shape.
        user_frequencies: smoothed relative frequencies of the user's ratings, same shape.
        predictions: shape ``(n,)``.
        few: how few ratings the user has (`intervals.few_weight`), shape ``(n,)``.
        location_regressors: 1, the prediction, the mean ratings of user and item, and the same times ``few``,
            ``(n, 8)``.
        sigma_regressors: 1, the log numbers of ratings and the log noises of user and item, the
            prediction and its square, and the same times ``few``, ``(n, 14)``.
        num_ratings: of user and item, ``(n, 2)``.
    """

    values: Floats
    frequencies: Floats
    user_counts: Floats
    item_counts: Floats
    similar_counts: Floats
    user_frequencies: Floats
    predictions: Floats
    few: Floats
    location_regressors: Floats
    sigma_regressors: Floats
    num_ratings: Floats

    @classmethod
    def of(
        cls,
        statistics: RatingStatistics,
        predictions: FloatArray,
        users: IntArray,
        items: IntArray,
        histograms: RatingHistograms | None = None,
    ) -> Features:
        """Features of pairs of a user and an item.

        Args:
            statistics: of the training ratings.
            predictions: of a model, shape ``(n,)``, rating points; clipped to the scale.
            users: row of each user in ``histograms``; -1 for an unknown user.
            items: column of each item; -1 for an unknown item.
            histograms: of the users; the training users when left out.
        """
        side = statistics.users if histograms is None else histograms
        values = (statistics.values - statistics.mean) / statistics.deviation
        user_counts, item_counts = (
            table.counts[index].astype(np.float64) for table, index in ((side, users), (statistics.items, items))
        )
        num_ratings = [counts.sum(axis=1) for counts in (user_counts, item_counts)]
        means = [
            counts @ values / (number + DAMPING)
            for counts, number in zip((user_counts, item_counts), num_ratings, strict=True)
        ]
        clipped = statistics.scale.clip(predictions)
        predicted = np.asarray((clipped - statistics.mean) / statistics.deviation, dtype=np.float64)
        ones = np.ones(len(predicted))
        # about 0 at 50 ratings, so that the slopes and the constant are nearly independent
        log_numbers = np.log1p(np.column_stack(num_ratings)) - 4.0
        few = few_weight(num_ratings[0])
        log_noises = side.log_noise[users], statistics.items.log_noise[items]
        return cls(
            values=values,
            frequencies=statistics.frequencies,
            user_counts=user_counts,
            item_counts=item_counts,
            similar_counts=statistics.similar_counts(side, users, items),
            user_frequencies=statistics.smoothed(user_counts),
            predictions=predicted,
            few=few,
            location_regressors=_with_few(np.column_stack([ones, predicted, *means]), few),
            sigma_regressors=_with_few(np.column_stack([ones, log_numbers, *log_noises, predicted, predicted**2]), few),
            num_ratings=np.column_stack(num_ratings),
        )

    def take(self, rows: IntArray) -> Features:
        """Features of some of the pairs."""
        return replace(
            self,
            user_counts=self.user_counts[rows],
            item_counts=self.item_counts[rows],
            similar_counts=self.similar_counts[rows],
            user_frequencies=self.user_frequencies[rows],
            predictions=self.predictions[rows],
            few=self.few[rows],
            location_regressors=self.location_regressors[rows],
            sigma_regressors=self.sigma_regressors[rows],
            num_ratings=self.num_ratings[rows],
        )

    def join(self, others: Features) -> Features:
        """Features of these pairs followed by those of others, which have the same statistics."""
        names = [one.name for one in fields(self) if one.name not in ("values", "frequencies")]
        return replace(self, **{name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in names})


def _with_few(table: Floats, few: Floats) -> Floats:
    """Regressors, and the same times ``few``: slopes that differ for people with few ratings."""
    return np.concatenate([table, few[:, None] * table], axis=1)
