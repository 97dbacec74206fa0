"""What every model offers: a learner that trains, and a trained model in NumPy that predicts.

Every trained model ends in an inner product: two tables of factors and two columns of offsets, one a side.

    reconstruction(u, i) = mean + offset_u + offset_i + <factors_u, factors_i>

The factors of one side are the codes (or last activations) of an encoder; those of the other are the decoder's
weights. Baselines are the same without factors. This module imports no TensorFlow: using a saved model needs none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, Ids, IntArray, Ratings
from ..data.scale import Scale
from .person import FoldInPersonEncoder, PersonEncoder

Arrays = dict[str, npt.NDArray[Any]]
Table = npt.NDArray[np.float32]

_BLOCK = 1 << 14  # cells decoded at a time: two gathered blocks of factors, which stay in the processor's cache


class ModelError(ValueError):
    """A configuration that a model cannot be trained with on this data; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """One side, users or items, encoded: all that the decoder needs of it.

    The last row stands for an unknown user or item, so that index -1 means just that.

    Args:
        factors: shape ``(n + 1, num_factors)``, float32.
        offset: shape ``(n + 1,)``, rating points, float32.
        latent: the compressed representation, shape ``(n, latent_dim)``.
    """

    factors: Table
    offset: Table
    latent: Table

    def __len__(self) -> int:
        return len(self.offset) - 1

    def design_rows(self) -> Table:
        """(x, b) of each row and of the unknown: factors and offset, shape ``(n + 1, num_factors + 1)``."""
        return np.column_stack([self.factors, self.offset])


@dataclass(frozen=True, eq=False)
class Merge:
    """The indices of two vocabularies' rows in their union, which ascends as they do.

    Args:
        old: index in the union of each row of the first, shape ``(num_old,)``.
        new: index in the union of each row of the second, shape ``(num_new,)``.
    """

    old: IntArray
    new: IntArray

    @classmethod
    def of(cls, old_ids: Ids, new_ids: Ids) -> tuple[Ids, Merge]:
        """The union of two ascending vocabularies without a common id, and the indices of their rows in it."""
        ids = np.union1d(old_ids, new_ids)
        return ids, cls(np.searchsorted(ids, old_ids), np.searchsorted(ids, new_ids))

    def __len__(self) -> int:
        return len(self.old) + len(self.new)

    def rows(self, old: npt.NDArray[Any], new: npt.ArrayLike) -> npt.NDArray[Any]:
        """The rows of two tables in the order of the union; ``new`` may be one value for all new rows."""
        table = np.empty((len(self), *old.shape[1:]), dtype=old.dtype)
        table[self.old], table[self.new] = old, new
        return table

    def rows_and_unknown(self, old: npt.NDArray[Any], new: npt.ArrayLike) -> npt.NDArray[Any]:
        """`rows` for a table whose last row, which stays last, stands for the unknown."""
        return np.concatenate([self.rows(old[:-1], new), old[-1:]])

    def encoded(self, old: Encoded, new: Encoded) -> Encoded:
        """Both vocabularies encoded as one side; the unknown row is the old side's."""
        return Encoded(
            self.rows_and_unknown(old.factors, new.factors[:-1]),
            self.rows_and_unknown(old.offset, new.offset[:-1]),
            self.rows(old.latent, new.latent),
        )


@dataclass(frozen=True, eq=False)
class TrainedModel(ABC):
    """A model ready to predict: training users and items encoded, the decoder folded into their factors.

    A subclass has a ``name`` of its own, under which the registry finds it and by which people are told of it.

    Args:
        mean: mean of the training ratings, rating points.
        scale: the ratings that can be given.
        users: the training users, in the order of the training ratings' ``user_ids``.
        items: the training items, in the order of ``item_ids``.
    """

    mean: float
    scale: Scale
    users: Encoded
    items: Encoded
    name: ClassVar[str]

    def reconstruct(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Raw predictions at cells, not clipped to the scale.

        Args:
            users: row of each cell's user in ``encoded_users``, shape ``(n,)``; -1 for an unknown user.
            items: row of each cell's item in ``encoded_items``, shape ``(n,)``; -1 for an unknown item.
            encoded_users: users folded in by `fold_in`; the training users when left out.
            encoded_items: items folded in by `fold_in_items`; the training items when left out.
            times: when each rating is given, seconds, shape ``(n,)``; read by models that are aware of time.

        Returns:
            Shape ``(n,)``, float64, rating points.
        """
        side, other = encoded_users or self.users, encoded_items or self.items
        predictions: FloatArray = self.mean + side.offset[users].astype(np.float64) + other.offset[items]
        if side.factors.shape[1]:
            predictions += inner_products(side.factors, users, other.factors, items)
        return predictions

    def predict(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Predictions at cells, clipped to the scale; arguments and shape as for `reconstruct`."""
        return self.scale.clip(
            self.reconstruct(users, items, encoded_users=encoded_users, encoded_items=encoded_items, times=times)
        )

    @property
    def encodes_people(self) -> bool:
        """Whether `fold_in` encodes people who were not trained on."""
        return True

    def members(self) -> Mapping[str, TrainedModel]:
        """The models that this one is made of, by name; empty for a model of one piece.

        Training and evaluation show a row of figures for each.
        """
        return {}

    def describe(self) -> list[str]:
        """What people should know of the fitted model beside its errors, one sentence each."""
        return []

    def metadata(self) -> Mapping[str, Any]:
        """What a bundle's metadata says of the fitted model: plain values by name."""
        return {}

    def keras_model(self) -> Any:
        """The Keras network with this model's weights; of an ensemble, its dual member's.

        Raises:
            ModelError: the model has no Keras network.
        """
        raise ModelError(f"A {self.name} model has no Keras network: it was not trained with Keras.")

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person at a time.

        Raises:
            ValueError: the model cannot encode people who were not trained on.
        """
        return FoldInPersonEncoder(self)

    @abstractmethod
    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """Encodes people from their ratings alone; no weight changes.

        Args:
            ratings: their ratings, columns in this model's vocabulary (`in_vocabulary`).
            seen: items that they chose without rating them, a SciPy sparse mask of shape ``(num_users, num_items)`` in
                the same rows and columns, whose stored values do not matter; a rated item counts once. Models that do
                not read *which* items somebody chose ignore it.

        Raises:
            ValueError: a mask of another shape, or a model that encodes its training users alone (`encodes_people`).
        """

    @abstractmethod
    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """Encodes new items from the ratings that training users gave them; no weight changes.

        Args:
            ratings: of the new items, rows in this model's vocabulary of users (`in_user_vocabulary`).
        """

    @abstractmethod
    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedModel:
        """The same model with new items among its own; nothing changes for other items and for its users.

        Args:
            ratings: as for `fold_in_items`, which encodes them.
            merge: the indices of old and new items.
        """

    @abstractmethod
    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> Self:
        """The model that gave these arrays."""


class Learner(Protocol):
    """A model in training. Given seed, ratings and settings, an epoch's work follows from its number alone."""

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """Trains for one epoch; returns its mean squared error in squared rating points."""

    def trained(self) -> TrainedModel:
        """The model of the averaged weights so far."""

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to continue exactly."""

    def restore(self, state: Arrays) -> None:
        """Restores a `state` of a learner with the same ratings and settings."""


def inner_products(left: Table, rows: IntArray, right: Table, columns: IntArray) -> Table:
    """<left[rows[n]], right[columns[n]]> for each n, from rows of two tables; shape ``(n,)``."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)  # take is much faster here than indexing
        found[block] = np.einsum("nk,nk->n", left.take(rows[block], axis=0), right.take(columns[block], axis=0))
    return found


def in_vocabulary(ratings: Ratings, item_ids: Ids) -> Ratings:
    """The same people's ratings with the columns of a model's vocabulary; drops ratings of unknown items.

    Raises:
        ValueError: the ids are numbers on one side and text on the other.
    """
    index = np.full(ratings.num_items, -1, dtype=np.int32)
    if item_ids.dtype.kind != ratings.item_ids.dtype.kind:
        raise ValueError("Item ids of these ratings and of the model differ in kind: one has numbers, the other text.")
    known = np.searchsorted(item_ids, ratings.item_ids)
    known[known == len(item_ids)] = 0
    found = item_ids[known] == ratings.item_ids
    index[found] = known[found]
    item_index = index[ratings.item_index]
    keep = item_index >= 0
    # both vocabularies ascend, so cells stay sorted
    return Ratings(
        ratings.user_index[keep],
        item_index[keep],
        ratings.values[keep],
        ratings.user_ids,
        item_ids,
        ratings.scale,
        None if ratings.timestamps is None else ratings.timestamps[keep],
        ratings.source,
    )


def in_user_vocabulary(ratings: Ratings, user_ids: Ids) -> Ratings:
    """The same items' ratings with the rows of a model's vocabulary; drops ratings by unknown users."""
    return in_vocabulary(ratings.transposed(), user_ids).transposed()


def implicit_feedback(ratings: Ratings, seen: Any = None) -> Any:
    """Which items each person chose, rated or seen: CSR of ones, shape ``(num_users, num_items)``, float32.

    Args:
        ratings: their ratings.
        seen: as for `TrainedModel.fold_in`.

    Raises:
        ValueError: a mask of another shape.
    """
    from scipy import sparse

    chosen = ratings.to_csr()
    if seen is None:
        return chosen
    if seen.shape != chosen.shape:
        raise ValueError(
            f"Seen items are a mask with the rows and columns of the ratings, {chosen.shape}. Received: {seen.shape}."
        )
    rest = sparse.csr_array(seen, dtype=np.float32, copy=True)
    rest.sum_duplicates()
    rest.data[:] = 1
    chosen = chosen + rest
    chosen.data[:] = 1
    return chosen


def with_unknown(table: npt.NDArray[Any], unknown: npt.ArrayLike) -> Table:
    """A table with one more row, for the unknown user or item."""
    last = np.broadcast_to(np.asarray(unknown, dtype=np.float32), (1, *table.shape[1:]))
    return np.concatenate([table.astype(np.float32, copy=False), last])
