"""What every model offers: a learner that can be trained, stopped and taken up again, and a trained model in NumPy.

All our models end in an inner product, so that a trained one is two tables and two columns of offsets, one a side:

    reconstruction(u, i) = mean + offset_u + offset_i + <factors_u, factors_i>

The factors of one side are the codes (or last activations) of an encoder; those of the other are the decoder's
weights. Baselines are the same thing without factors. No TensorFlow here: a saved model is used without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, Ids, IntArray, Ratings, Scale
from .person import FoldInPersonEncoder, PersonEncoder

Arrays = dict[str, npt.NDArray[Any]]

_BLOCK = 1 << 14  # cells decoded at a time: two gathered blocks of factors, which stay in the processor's cache


def inner_products(
    left: npt.NDArray[np.float32], rows: IntArray, right: npt.NDArray[np.float32], columns: IntArray
) -> npt.NDArray[np.float32]:
    """Of rows of two tables, <left[rows[n]], right[columns[n]]> for each n, shape ``(n,)``."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)  # take is much faster here than indexing
        found[block] = np.einsum("nk,nk->n", left.take(rows[block], axis=0), right.take(columns[block], axis=0))
    return found


@dataclass(frozen=True, eq=False)
class Encoded:
    """One side, users or items, encoded: all that the decoder needs of it.

    The last row stands for whoever is unknown, so that index -1 means just that.

    Args:
        factors: shape ``(n + 1, num_factors)``, float32.
        offset: shape ``(n + 1,)``, rating points, float32.
        latent: the compressed representation, shape ``(n, latent_dim)``.
    """

    factors: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float32]
    latent: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offset) - 1


@dataclass(frozen=True, eq=False)
class Merge:
    """Where rows of two vocabularies stand in their union, which ascends as they do.

    Args:
        old: place of each row that was there, shape ``(num_old,)``.
        new: place of each row that is added, shape ``(num_new,)``.
    """

    old: IntArray
    new: IntArray

    @classmethod
    def of(cls, old_ids: Ids, new_ids: Ids) -> tuple[Ids, Merge]:
        """The union of two ascending vocabularies without a common id, and where their rows stand in it."""
        ids = np.union1d(old_ids, new_ids)
        return ids, cls(np.searchsorted(ids, old_ids), np.searchsorted(ids, new_ids))

    def __len__(self) -> int:
        return len(self.old) + len(self.new)

    def rows(self, old: npt.NDArray[Any], new: npt.ArrayLike) -> npt.NDArray[Any]:
        """The rows of two tables in the order of the union; ``new`` may be one value for all."""
        table = np.empty((len(self), *old.shape[1:]), dtype=old.dtype)
        table[self.old], table[self.new] = old, new
        return table

    def rows_and_unknown(self, old: npt.NDArray[Any], new: npt.ArrayLike) -> npt.NDArray[Any]:
        """The same for a table whose last row, which stays the last, is whoever is unknown."""
        return np.concatenate([self.rows(old[:-1], new), old[-1:]])

    def encoded(self, old: Encoded, new: Encoded) -> Encoded:
        """Both sides' rows as one side; whoever is unknown is so to the old one."""
        return Encoded(
            self.rows_and_unknown(old.factors, new.factors[:-1]),
            self.rows_and_unknown(old.offset, new.offset[:-1]),
            self.rows(old.latent, new.latent),
        )


@dataclass(frozen=True, eq=False)
class TrainedModel(ABC):
    """A model ready to reconstruct: training users and items encoded, the decoder folded into their factors.

    Args:
        mean: mean of the training ratings, rating points.
        scale: the stars that can be given.
        users: the training users, in the order of the training ratings' ``user_ids``.
        items: the training items, in the order of ``item_ids``.
    """

    mean: float
    scale: Scale
    users: Encoded
    items: Encoded
    name: ClassVar[str]

    def members(self) -> Mapping[str, TrainedModel]:
        """Models to show beneath this one, by name: what it is made of; empty for a model of one piece."""
        return {}

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person at a time, in a fraction of a millisecond where the model has a short way.

        Raises:
            ValueError: a model that cannot encode people who were not trained on.
        """
        return FoldInPersonEncoder(self)

    def reconstruct(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Raw stars at given cells, not clipped.

        Args:
            users: row of each cell in ``encoded_users``, shape ``(n,)``; -1 for an unknown user.
            items: row of each cell's item in ``encoded_items``, shape ``(n,)``; -1 for an unknown item.
            encoded_users: whose rows (`fold_in`); the training users when left out.
            encoded_items: which items (`fold_in_items`); the training items when left out.
            times: when each rating is given, seconds, shape ``(n,)``; read by models that are aware of time.

        Returns:
            Shape ``(n,)``, float64, rating points.
        """
        side, other = encoded_users or self.users, encoded_items or self.items
        stars: FloatArray = self.mean + side.offset[users].astype(np.float64) + other.offset[items]
        if side.factors.shape[1]:
            stars += inner_products(side.factors, users, other.factors, items)
        return stars

    def predict(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Stars at given cells, clipped to the scale; arguments and shape as for `reconstruct`."""
        return self.scale.clip(
            self.reconstruct(users, items, encoded_users=encoded_users, encoded_items=encoded_items, times=times)
        )

    @abstractmethod
    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """Encodes people from their ratings alone; nothing is learnt.

        Args:
            ratings: their ratings, columns in this model's vocabulary (`in_vocabulary`).
            seen: items that they chose and gave no stars, a SciPy sparse mask of shape ``(num_users, num_items)`` in
                the same rows and columns, whose stored values do not matter; an item that was given stars is counted
                once. Models that do not read *which* items somebody chose leave it alone.

        Raises:
            ValueError: a mask of another shape.
        """

    @abstractmethod
    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """Encodes new items from the ratings that training users gave them; nothing is learnt.

        Args:
            ratings: of the new items, rows in this model's vocabulary of users (`in_user_vocabulary`).
        """

    @abstractmethod
    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedModel:
        """The same model with new items among its own; for others' items and its users nothing changes.

        Args:
            ratings: as for `fold_in_items`, by which they are encoded.
            merge: where the old and the new items stand.
        """

    @abstractmethod
    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> Self:
        """The model that gave these arrays."""


def in_vocabulary(ratings: Ratings, item_ids: Ids) -> Ratings:
    """The same people's ratings with the columns of a model's vocabulary; ratings of unknown items are left out."""
    place = np.full(ratings.num_items, -1, dtype=np.int32)
    known = np.searchsorted(item_ids, ratings.item_ids) if item_ids.dtype.kind == ratings.item_ids.dtype.kind else None
    if known is None:
        raise ValueError("Item ids of these ratings and of the model differ in kind: one has numbers, the other text.")
    known[known == len(item_ids)] = 0
    found = item_ids[known] == ratings.item_ids
    place[found] = known[found]
    item_index = place[ratings.item_index]
    keep = item_index >= 0
    times = None if ratings.timestamps is None else ratings.timestamps[keep]
    # both vocabularies ascend, so cells stay sorted
    return Ratings(
        ratings.user_index[keep],
        item_index[keep],
        ratings.values[keep],
        ratings.user_ids,
        item_ids,
        ratings.scale,
        times,
        ratings.source,
    )


def in_user_vocabulary(ratings: Ratings, user_ids: Ids) -> Ratings:
    """The same items' ratings with the rows of a model's vocabulary; ratings by unknown users are left out."""
    return in_vocabulary(ratings.transposed(), user_ids).transposed()


def chosen(ratings: Ratings, seen: Any = None) -> Any:
    """Which items everybody chose, rated or seen: CSR of ones, shape ``(num_users, num_items)``, float32.

    Args:
        ratings: their ratings.
        seen: as for `TrainedModel.fold_in`.

    Raises:
        ValueError: a mask of another shape.
    """
    from scipy import sparse

    shape = (ratings.num_users, ratings.num_items)
    ones = np.ones(len(ratings), dtype=np.float32)
    marks = sparse.csr_array((ones, ratings.item_index, ratings.user_starts), shape=shape)
    if seen is None:
        return marks
    if seen.shape != shape:
        raise ValueError(
            f"Seen items are a mask with the rows and columns of the ratings, {shape}. Received: {seen.shape}."
        )
    rest = sparse.csr_array(seen, dtype=np.float32, copy=True)
    rest.sum_duplicates()  # as one entry a cell
    rest.data[:] = 1
    marks = marks + rest
    marks.data[:] = 1
    return marks


def with_unknown(table: npt.NDArray[Any], unknown: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """A table with one more row, for whoever is unknown."""
    last = np.broadcast_to(np.asarray(unknown, dtype=np.float32), (1, *table.shape[1:]))
    return np.concatenate([table.astype(np.float32, copy=False), last])


class Learner(Protocol):
    """A model in training. Given seed, ratings and settings, every epoch's work follows from its number alone."""

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """Trains for one epoch; returns its mean squared error in squared rating points."""

    def trained(self) -> TrainedModel:
        """The model of the averaged weights so far."""

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to go on exactly."""

    def restore(self, state: Arrays) -> None:
        """Takes up a `state` of a learner with the same ratings and settings."""
