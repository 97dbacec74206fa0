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
from ..models.baselines import Biases, BiasSolver, fold_in_bias
from .distribution import star_values, value_index
from .intervals import Floats
from .similarity import Directions, item_directions, similar_counts

DAMPING = 5.0  # ratings of the mean of all that every user and item is given: in biases, means and histograms

_NOISE_DAMPING = 10.0  # ratings of average noise that every user and item is given
_NOISE_PASSES = 5  # alternating passes over the noise of users and items
_LEAST_VARIANCE = 1e-6  # of the residuals, in squared spans of the scale: without it, perfect biases divide by 0


@dataclass(frozen=True, eq=False)
class RatingHistograms:
    """How the users, or the items, were rated; the last row is the unknown user or item.

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
        residuals = biases.residuals(ratings)
        least = _LEAST_VARIANCE * ratings.scale.span**2
        variance = max(float(np.square(residuals, dtype=np.float64).mean()), least)
        squared = np.square(residuals, dtype=np.float64) / variance
        user_noise, item_noise = np.ones(ratings.num_users), np.ones(ratings.num_items)
        for _ in range(_NOISE_PASSES):  # the noise of a rating is the product of its user's and its item's
            user_noise = _shrunk_mean(squared / item_noise[ratings.item_index], ratings.user_index, ratings.user_counts)
            item_noise = _shrunk_mean(squared / user_noise[ratings.user_index], ratings.item_index, ratings.item_counts)
        return cls(
            scale=ratings.scale,
            mean=biases.mean,
            deviation=float(np.sqrt(variance)),
            frequencies=(np.bincount(given, minlength=size) + 1.0) / (len(ratings) + size),
            users=_histograms(
                _counts(ratings.user_index, given, (ratings.num_users, size)),
                user_noise,
                biases.users,
                ratings if keep_ratings else None,
            ),
            items=_histograms(_counts(ratings.item_index, given, (ratings.num_items, size)), item_noise, biases.items),
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
        return _histograms(
            self._counts_by(ratings, ratings.user_index, ratings.num_users),
            _shrunk_mean(squared, ratings.user_index, ratings.user_counts),
            bias,
            ratings if self.keeps_ratings else None,
        )

    def with_items(self, ratings: Ratings, merge: Merge, everything: Ratings | None) -> RatingStatistics:
        """The same statistics with new items added; those of the users stay as they are.

        Args:
            ratings: of the new items by training users, rows of the training users.
            merge: index of the old and the new items in the union.
            everything: the training ratings with the new ones; read only where ratings are kept.
        """
        bias = fold_in_bias(ratings.transposed(), self.mean, self.users.bias, DAMPING).astype(np.float64)
        squared = self._squared(ratings, self.users.bias, bias) / np.exp(self.users.log_noise[ratings.user_index])
        new, old = (
            _histograms(
                self._counts_by(ratings, ratings.item_index, ratings.num_items),
                _shrunk_mean(squared, ratings.item_index, ratings.item_counts),
                bias,
            ),
            self.items,
        )
        items = RatingHistograms(
            merge.rows_and_unknown(old.counts, new.counts[:-1]),
            merge.rows_and_unknown(old.log_noise, new.log_noise[:-1]),
            merge.rows_and_unknown(old.bias, new.bias[:-1]),
        )
        # a new item has too few ratings to know who rates it: it is similar to none
        directions = merge.rows_and_unknown(self.directions, 0)
        users = replace(self.users, ratings=everything) if self.keeps_ratings else self.users
        return replace(self, users=users, items=items, directions=directions)

    def smoothed(self, counts: npt.NDArray[np.floating]) -> Floats:
        """Relative frequencies of histograms, shrunk towards those of all training ratings; the shape of ``counts``."""
        damped = counts + DAMPING * self.frequencies
        return np.asarray(damped / damped.sum(axis=1, keepdims=True), dtype=np.float64)

    def similar_counts(self, histograms: RatingHistograms, users: IntArray, items: IntArray) -> Floats:
        """Each pair's user's ratings, weighted by the similarity of their items to the pair's, ``(n, num_values)``."""
        return similar_counts(histograms.ratings, self.directions, self.values, (users, items))

    def _squared(self, ratings: Ratings, users: FloatArray, items: FloatArray) -> Floats:
        """Squared residuals on given biases, in units of the average variance, shape ``(num_ratings,)``."""
        biases = Biases(self.mean, users, items, ratings.user_counts, ratings.item_counts)
        return np.asarray((biases.residuals(ratings) / self.deviation) ** 2)

    def _counts_by(self, ratings: Ratings, index: IntArray, size: int) -> npt.NDArray[np.float32]:
        return _counts(index, value_index(self.values, ratings.values), (size, len(self.values)))


def _shrunk_mean(squared: Floats, index: IntArray, counts: IntArray) -> Floats:
    """Mean of each row's squared residuals, with a few of average size added, shape ``(n,)``."""
    return np.asarray((np.bincount(index, squared, len(counts)) + _NOISE_DAMPING) / (counts + _NOISE_DAMPING))


def _counts(index: IntArray, given: npt.NDArray[np.int64], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Number of ratings of each row at each value, with a row of zeros for the unknown one."""
    table = np.zeros((shape[0] + 1, shape[1]), dtype=np.float32)
    table[:-1] = np.bincount(index * np.int64(shape[1]) + given, minlength=shape[0] * shape[1]).reshape(shape)
    return table


def _histograms(
    counts: npt.NDArray[np.float32], noise: Floats, bias: FloatArray, ratings: Ratings | None = None
) -> RatingHistograms:
    """With the unknown row, which has average noise and no bias."""
    return RatingHistograms(counts, np.append(np.log(noise), 0.0), np.append(bias, 0.0), ratings)
