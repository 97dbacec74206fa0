"""What is counted in training ratings: rating histograms, noise and biases of users and items.

People use the scale in their own ways: some never give half stars, some know only 1 and 5. Histograms of the ratings
of each user and each item show that. The noise of a user or item is the variance of its residuals on damped biases.
Nothing is fitted here: `likelihood` fits the few numbers that turn these statistics into probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import Scale
from ..models.base import Merge
from ..models.baselines import BiasSolver, fold_in_bias, residuals_on
from .distribution import star_values, value_index
from .intervals import Floats
from .similarity import Directions, item_directions, similar_counts

DAMPING = 5.0  # ratings of the mean of all that every user and item is given: in biases, means and histograms

_NOISE_DAMPING = 10.0  # ratings of average noise that every user and item is given
_NOISE_PASSES = 5  # alternating passes over the noise of users and items
_LEAST_VARIANCE = 1e-6  # of the residuals, in squared spans of the scale: without it, perfect biases divide by 0


@dataclass(frozen=True, eq=False)
class RatingHistograms:
    """How one side, the users or the items, was rated; the last row is the unknown user or item.

    Args:
        counts: number of ratings at each star value, shape ``(n + 1, num_values)``, float32.
        log_noise: log of the variance of the residuals relative to the average, shrunk, shape ``(n + 1,)``.
        bias: damped bias, shape ``(n + 1,)``, rating points.
        ratings: the users' single ratings, or None: similar items need them. Always None for items.
    """

    counts: npt.NDArray[np.float32]
    log_noise: Floats
    bias: Floats
    ratings: Ratings | None = None

    @classmethod
    def count(
        cls, index: IntArray, given: IntArray, num_values: int, noise: Floats, bias: FloatArray
    ) -> RatingHistograms:
        """Counts ratings by row and value; the unknown row has none, average noise and no bias.

        Args:
            index: row of each rating, shape ``(num_ratings,)``.
            given: index of the star value of each rating, same shape.
            num_values: how many values there are.
            noise: relative variance of each row, shape ``(n,)``.
            bias: of each row, same shape.
        """
        counts = np.zeros((len(bias) + 1, num_values), dtype=np.float32)
        cells = index * np.int64(num_values) + given
        counts[:-1] = np.bincount(cells, minlength=len(bias) * num_values).reshape(len(bias), num_values)
        return cls(counts, np.append(np.log(noise), 0.0), np.append(bias, 0.0))

    def merged(self, new: RatingHistograms, merge: Merge) -> RatingHistograms:
        """Rows of two sides as one side; the unknown row stays that of this one."""
        return RatingHistograms(
            merge.rows_and_unknown(self.counts, new.counts[:-1]),
            merge.rows_and_unknown(self.log_noise, new.log_noise[:-1]),
            merge.rows_and_unknown(self.bias, new.bias[:-1]),
        )


@dataclass(frozen=True, eq=False)
class RatingStatistics:
    """What `StarModel` knows of the training ratings. Build it with `RatingStatistics.count`.

    Args:
        scale: the ratings that can be given.
        mean: mean of the training ratings, rating points.
        deviation: standard deviation of the residuals on damped biases, rating points: the unit of all distances.
        frequencies: fraction of the training ratings at each star value, shape ``(num_values,)``.
        users: histograms of the training users.
        items: histograms of the training items.
        directions: of the items (`similarity.item_directions`), shape ``(num_items + 1, 32)``.
    """

    scale: Scale
    mean: float
    deviation: float
    frequencies: Floats
    users: RatingHistograms
    items: RatingHistograms
    directions: Directions

    @classmethod
    def count(cls, ratings: Ratings, *, keep_ratings: bool = True) -> RatingStatistics:
        """Counts in training ratings.

        Args:
            ratings: the training ratings.
            keep_ratings: keep them, so that ratings of similar items can be weighted up.
        """
        values, biases = star_values(ratings.scale), BiasSolver(ratings, DAMPING).solve()
        given, size = value_index(values, ratings.values), len(values)
        squared = np.square(biases.residuals(ratings, np.float64), dtype=np.float64)
        variance = max(float(squared.mean()), _LEAST_VARIANCE * ratings.scale.span**2)
        squared /= variance
        user_noise, item_noise = np.ones(ratings.num_users), np.ones(ratings.num_items)
        for _ in range(_NOISE_PASSES):  # the noise of a rating is the product of its user's and its item's
            user_noise = _shrunk_mean(squared / item_noise[ratings.item_index], ratings.user_index, ratings.user_counts)
            item_noise = _shrunk_mean(squared / user_noise[ratings.user_index], ratings.item_index, ratings.item_counts)
        users = RatingHistograms.count(ratings.user_index, given, size, user_noise, biases.users)
        return cls(
            scale=ratings.scale,
            mean=biases.mean,
            deviation=float(np.sqrt(variance)),
            frequencies=(np.bincount(given, minlength=size) + 1.0) / (len(ratings) + size),
            users=replace(users, ratings=ratings if keep_ratings else None),
            items=RatingHistograms.count(ratings.item_index, given, size, item_noise, biases.items),
            directions=item_directions(ratings),
        )

    @cached_property
    def values(self) -> Floats:
        """The star values, ascending, rating points."""
        return star_values(self.scale)

    @property
    def keeps_ratings(self) -> bool:
        """Whether the training ratings are at hand, as similar items need them."""
        return self.users.ratings is not None

    def fold_in(self, ratings: Ratings) -> RatingHistograms:
        """Histograms, noise and biases of people who were not trained on; those of the items stay as they are.

        Args:
            ratings: theirs, columns of the training items.
        """
        bias = fold_in_bias(ratings, self.mean, self.items.bias, DAMPING).astype(np.float64)
        squared = self._squared(ratings, bias, self.items.bias) / np.exp(self.items.log_noise[ratings.item_index])
        noise = _shrunk_mean(squared, ratings.user_index, ratings.user_counts)
        given = value_index(self.values, ratings.values)
        users = RatingHistograms.count(ratings.user_index, given, len(self.values), noise, bias)
        return replace(users, ratings=ratings if self.keeps_ratings else None)

    def with_items(self, ratings: Ratings, merge: Merge, everything: Ratings | None) -> RatingStatistics:
        """The same statistics with new items added; those of the users stay as they are.

        Args:
            ratings: of the new items by training users, rows of the training users.
            merge: index of the old and the new items in the union.
            everything: the training ratings with the new ones; read only where ratings are kept.
        """
        bias = fold_in_bias(ratings.transposed(), self.mean, self.users.bias, DAMPING).astype(np.float64)
        squared = self._squared(ratings, self.users.bias, bias) / np.exp(self.users.log_noise[ratings.user_index])
        noise = _shrunk_mean(squared, ratings.item_index, ratings.item_counts)
        given = value_index(self.values, ratings.values)
        items = RatingHistograms.count(ratings.item_index, given, len(self.values), noise, bias)
        return replace(
            self,
            users=replace(self.users, ratings=everything if self.keeps_ratings else None),
            items=self.items.merged(items, merge),
            # too few ratings to know who rates a new item: it is similar to none
            directions=merge.rows_and_unknown(self.directions, 0),
        )

    def smoothed(self, counts: npt.NDArray[np.floating]) -> Floats:
        """Relative frequencies of histograms, shrunk towards those of all training ratings; the shape of ``counts``."""
        damped = counts + DAMPING * self.frequencies
        return np.asarray(damped / damped.sum(axis=1, keepdims=True), dtype=np.float64)

    def similar_counts(self, histograms: RatingHistograms, users: IntArray, items: IntArray) -> Floats:
        """Each pair's user's ratings, weighted by the similarity of their items to the pair's, ``(n, num_values)``."""
        return similar_counts(histograms.ratings, self.directions, self.values, users, items)

    def _squared(self, ratings: Ratings, users: FloatArray, items: FloatArray) -> Floats:
        """Squared residuals on given biases, in units of the average variance, shape ``(num_ratings,)``."""
        residuals = residuals_on(ratings, self.mean, users, items, np.float64)
        return np.asarray((residuals / self.deviation) ** 2)


def _shrunk_mean(squared: Floats, index: IntArray, counts: IntArray) -> Floats:
    """Mean of each row's squared residuals, with a few of average size added, shape ``(n,)``."""
    return np.asarray((np.bincount(index, squared, len(counts)) + _NOISE_DAMPING) / (counts + _NOISE_DAMPING))
