"""Baselines: predictions without any model of taste; shown beside every result.

They are trained models without factors (`models.base`), so they predict through the same code and take the same
unknown users and items. `DampedBias` is also the fallback of the models that have no prediction for a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings, Scale
from .base import Arrays, Encoded, Merge, TrainedModel, with_unknown

if TYPE_CHECKING:
    from scipy import sparse

    from .validation import Validation

DAMPINGS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)
_HEART = 2 / 3  # of the way from what the biases expect to the most stars: what a heart stands for
_PASSES = 4  # alternating passes of the biases, always from 0: the same statistic in training and at prediction


@dataclass(frozen=True)
class Biases:
    """Biases of users and items, shrunk towards 0 where there are few ratings.

    Args:
        mean: mean rating, rating points.
        users: shape ``(num_users,)``, rating points.
        items: shape ``(num_items,)``, rating points.
        user_counts: number of ratings behind each user's bias.
        item_counts: likewise for items.
    """

    mean: float
    users: FloatArray
    items: FloatArray
    user_counts: npt.NDArray[Any]
    item_counts: npt.NDArray[Any]

    def residuals(self, ratings: Ratings, dtype: type[np.floating[Any]] = np.float32) -> npt.NDArray[Any]:
        """Residuals of the ratings: rating - mean - user bias - item bias.

        Args:
            ratings: rows and columns as in ``users`` and ``items``.
            dtype: of the biases in the difference, and of the result.

        Returns:
            Shape ``(num_ratings,)``, rating points.
        """
        return residuals_on(ratings, self.mean, self.users, self.items, dtype)


def residuals_on(
    ratings: Ratings, mean: float, users: FloatArray, items: FloatArray, dtype: type[np.floating[Any]] = np.float32
) -> npt.NDArray[Any]:
    """Residuals of ratings on given biases; see `Biases.residuals`.

    Args:
        ratings: rows and columns as in ``users`` and ``items``.
        mean: mean rating, rating points.
        users: shape ``(num_users,)``, rating points.
        items: shape ``(num_items,)``, rating points.
        dtype: of the biases in the difference, and of the result.
    """
    left = (ratings.values - np.float32(mean)).astype(dtype, copy=False)
    left -= users.astype(dtype, copy=False).take(ratings.user_index)  # take is faster here than indexing
    left -= items.astype(dtype, copy=False).take(ratings.item_index)
    return left


class BiasSolver:
    """Damped biases of ratings of which some cells are hidden, by a few alternating passes.

        b_i = sum(r - mean - b_u) / (n_i + damping)      b_u = sum(r - mean - b_i) / (n_u + damping)

    The sums run over visible cells only and the passes start from 0, never from an earlier solution, so that a hidden
    rating changes nothing. Each sum is the sum over all cells, by a sparse product, less the hidden ones: a pass costs
    O(ratings), with a small constant.

    Args:
        ratings: all the cells.
        damping: number of zero residuals added to each sum.
    """

    def __init__(self, ratings: Ratings, damping: float) -> None:
        self._ratings = ratings
        self._damping = damping
        values = ratings.values.astype(np.float64)
        self._total = float(values.sum())
        self._user_sums = np.bincount(ratings.user_index, values, ratings.num_users)
        self._item_sums = np.bincount(ratings.item_index, values, ratings.num_items)
        self._user_counts = ratings.user_counts.astype(np.float64)
        self._item_counts = ratings.item_counts.astype(np.float64)

    @cached_property
    def _mask(self) -> sparse.csr_array[Any, tuple[int, int]]:
        return self._ratings.to_csr()

    def solve(self, hidden: IntArray | None = None) -> Biases:
        """The biases of the visible cells.

        Args:
            hidden: positions of hidden cells; none when left out.
        """
        ratings = self._ratings
        user_counts, item_counts = self._user_counts, self._item_counts
        user_sums, item_sums, total, count = self._user_sums, self._item_sums, self._total, len(ratings)
        if hidden is not None:
            rows, columns = ratings.user_index[hidden], ratings.item_index[hidden]
            values = ratings.values[hidden].astype(np.float64)
            user_counts = user_counts - np.bincount(rows, minlength=ratings.num_users)
            item_counts = item_counts - np.bincount(columns, minlength=ratings.num_items)
            user_sums = user_sums - np.bincount(rows, values, ratings.num_users)
            item_sums = item_sums - np.bincount(columns, values, ratings.num_items)
            total, count = total - float(values.sum()), count - len(hidden)
        mean = total / max(count, 1)
        users, items = np.zeros(ratings.num_users), np.zeros(ratings.num_items)
        mask, transposed = self._mask, self._mask.T
        for _ in range(_PASSES):
            user_part = transposed @ users.astype(np.float32)
            if hidden is not None:
                user_part = user_part - np.bincount(columns, users[rows], ratings.num_items)
            items = (item_sums - mean * item_counts - user_part) / (item_counts + self._damping)
            item_part = mask @ items.astype(np.float32)
            if hidden is not None:
                item_part = item_part - np.bincount(rows, items[columns], ratings.num_users)
            users = (user_sums - mean * user_counts - item_part) / (user_counts + self._damping)
        return Biases(mean, users, items, user_counts, item_counts)


def fold_in_bias(ratings: Ratings, mean: float, items: FloatArray, damping: float) -> npt.NDArray[np.float32]:
    """Biases of new users by the damped formula, mean and item biases held: shape ``(num_users,)``."""
    rest = ratings.values - mean - items[ratings.item_index]
    sums = np.bincount(ratings.user_index, rest, ratings.num_users)
    return (sums / (ratings.user_counts + damping)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class DampedBias(TrainedModel):
    """Mean + user bias + item bias; the strongest predictor that knows nothing about taste.

    Args:
        damping: of the biases, in ratings.
    """

    damping: float
    name: ClassVar[str] = "damped_bias"

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users' biases, items held; what they saw says nothing of how generous they are."""
        return _side(fold_in_bias(ratings, self.mean, self.items.offset, self.damping))

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' biases, users held."""
        return _side(fold_in_bias(ratings.transposed(), self.mean, self.users.offset, self.damping))

    def with_items(self, ratings: Ratings, merge: Merge) -> DampedBias:
        """With new items' biases, users held."""
        return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)))

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return _arrays(self, self.damping)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> DampedBias:
        """The model that gave these arrays."""
        mean, damping = arrays["numbers"].tolist()
        return cls(mean, scale, _from_offset(arrays["users"]), _from_offset(arrays["items"]), damping)


def imputed_hearts(biases: DampedBias, items: IntArray, stars: npt.ArrayLike, liked: IntArray) -> FloatArray:
    """Ratings that hearts without ratings stand for.

    Two thirds of the way from what the biases expect of this person at this item to the maximum of the scale, less
    where hearts outnumber ratings: people give hearts to what they love most, so hearts alone say much of *which* films
    somebody prefers and nothing of how generous they are. By trial (docs/experiments.md,
    benchmarks/implicit_feedback.py): beside many ratings this keeps nine tenths of what the hidden ratings would add.

    Args:
        biases: the damped biases beside the model.
        items: columns of the person's rated items, shape ``(n,)``; -1 for an unknown item.
        stars: what was given there, rating points, same shape.
        liked: columns of the items with a heart and no stars, shape ``(m,)``, likewise.

    Returns:
        Shape ``(m,)``, rating points, on the scale but not on its steps.

    Example:
        Somebody without any star and with one heart, where the biases expect 3.5 of 5 stars: a weight of
        1 / (2 * 1), so 3.5 + 2 / 3 * 1 / 2 * 1.5 = 4 stars.
    """
    offset = biases.items.offset
    rest = np.asarray(stars, dtype=np.float64) - biases.mean - offset[items]
    user_bias = float(rest.sum()) / (len(rest) + biases.damping)
    expected = biases.scale.clip(biases.mean + user_bias + offset[liked].astype(np.float64))
    weight = min(1.0, (len(rest) + 1) / (2 * max(len(liked), 1)))
    return np.asarray(expected + _HEART * weight * (biases.scale.maximum - expected))


@dataclass(frozen=True, eq=False)
class ItemMean(TrainedModel):
    """An item's mean rating, the mean of all where it has none; with no item known, the global mean."""

    name: ClassVar[str] = "item_mean"

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """Every user is alike."""
        return _side(np.zeros(ratings.num_users, dtype=np.float32))

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' means; 0, the global mean, where there is no rating or no item is known."""
        if not self.items.offset.any():
            return _side(np.zeros(ratings.num_items, dtype=np.float32))
        return _side(_item_offsets(ratings, self.mean))

    def with_items(self, ratings: Ratings, merge: Merge) -> ItemMean:
        """With new items' means, likewise."""
        return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)))

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return _arrays(self, -1.0)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> ItemMean:
        """The model that gave these arrays."""
        mean = float(arrays["numbers"][0])
        return cls(mean, scale, _from_offset(arrays["users"]), _from_offset(arrays["items"]))


def _arrays(model: TrainedModel, damping: float) -> Arrays:
    return {"numbers": np.array([model.mean, damping]), "users": model.users.offset, "items": model.items.offset}


def _from_offset(offset: npt.NDArray[np.float32]) -> Encoded:
    empty = np.empty((len(offset), 0), dtype=np.float32)
    return Encoded(empty, offset, empty[:-1])


def _side(offset: FloatArray) -> Encoded:
    empty = np.empty((len(offset), 0), dtype=np.float32)
    return Encoded(with_unknown(empty, 0.0), with_unknown(offset, 0.0), empty)


def global_mean(ratings: Ratings) -> ItemMean:
    """The mean of all training ratings, for every cell."""
    mean = float(ratings.values.mean(dtype=np.float64))
    return ItemMean(mean, ratings.scale, _side(np.zeros(ratings.num_users)), _side(np.zeros(ratings.num_items)))


def item_mean(ratings: Ratings) -> ItemMean:
    """The mean of each item's training ratings."""
    mean = float(ratings.values.mean(dtype=np.float64))
    return ItemMean(mean, ratings.scale, _side(np.zeros(ratings.num_users)), _side(_item_offsets(ratings, mean)))


def _item_offsets(ratings: Ratings, mean: float) -> FloatArray:
    """Mean star of each item less the mean of all; 0 where it has none."""
    counts = ratings.item_counts
    sums = np.bincount(ratings.item_index, ratings.values, ratings.num_items)
    return np.where(counts > 0, sums / np.maximum(counts, 1) - mean, 0.0)


def damped_bias(ratings: Ratings, damping: float) -> DampedBias:
    """Damped biases of training ratings (Koren 2008, "Factorization meets the neighborhood", baseline estimates)."""
    biases = BiasSolver(ratings, damping).solve()
    return DampedBias(biases.mean, ratings.scale, _side(biases.users), _side(biases.items), damping)


def fit_baselines(ratings: Ratings, damping: float) -> dict[str, TrainedModel]:
    """The three baselines by name, on the ratings that the model beside them was trained on."""
    return {
        "global_mean": global_mean(ratings),
        "item_mean": item_mean(ratings),
        "damped_bias": damped_bias(ratings, damping),
    }


BASELINES: dict[str, type[TrainedModel]] = {"global_mean": ItemMean, "item_mean": ItemMean, "damped_bias": DampedBias}


def choose_damping(ratings: Ratings, validation: Validation | None) -> float:
    """The damping of the biases with the smallest validation RMSE of the biases alone.

    Args:
        ratings: training ratings.
        validation: without it 5 ratings.
    """
    if validation is None:
        return 5.0
    return min(DAMPINGS, key=lambda damping: validation.rmse(damped_bias(ratings, damping)))
