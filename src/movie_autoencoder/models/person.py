"""One-person fold-in: the ratings of one person become predictions and the share of each rating in them.

`TrainedModel.fold_in` encodes many people with sparse matrices. One row is a handful of numbers, so plain arrays do it
in a fraction of a millisecond. This module has what every model offers, and the general way, `FoldInPersonEncoder`.
Faster ways, which also give shares:

* `dual.person`: by the encoder of the dual autoencoder;
* `person_regression`: by Bayesian linear regression, for Bayesian matrix factorization and ``--speed fast``;
* `ensemble.person`: by both, with the neighbour correction.

Given *which* items a person chose, a linear model's reconstruction is a sum: a base, and a share of each rating: what
its residual adds, and what having chosen the item adds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray, Ratings

if TYPE_CHECKING:
    from .base import TrainedModel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts of the reconstructions of ``m`` items, rating points: the base and all shares add up to them.

    Args:
        base: the reconstruction for anyone with as many ratings, shape ``(m,)``.
        residuals: share of each rating, by how far it differs from the expected one, shape ``(n, m)``.
        implicit: share of having chosen each item, rated ones first and then seen ones, shape ``(n + num_seen, m)``.
    """

    base: Floats
    residuals: Floats
    implicit: Floats

    def total(self) -> Floats:
        """The reconstruction, shape ``(m,)``."""
        total: Floats = self.base + self.residuals.sum(axis=0) + self.implicit.sum(axis=0)
        return total

    def blended(self, other: Shares, weight: float | Floats) -> Shares:
        """The weighted mean with another model's shares; ``weight`` of this one, shape ``()`` or ``(m,)``."""
        rest = 1 - weight
        return Shares(
            weight * self.base + rest * other.base,
            weight * self.residuals + rest * other.residuals,
            weight * self.implicit + rest * other.implicit,
        )


class EncodedPerson(ABC):
    """A person, encoded by a model."""

    @abstractmethod
    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        """Raw predictions at items of the model, all of them when left out; shape ``(m,)``, rating points.

        A model with a neighbour correction applies it where ``items`` are named, and not where all are asked for
        (`has_neighbours`).
        """

    def has_neighbours(self) -> bool:
        """Whether `reconstruct` of named items applies a correction that `reconstruct` of all items leaves out."""
        return False

    def shares(self, items: IntArray) -> Shares | None:
        """The parts of the reconstructions at some items; None where the model is not linear in the ratings."""
        return None


class PersonEncoder(ABC):
    """Encodes people for one model; made once, with the tables that every person needs."""

    @abstractmethod
    def encode(self, items: IntArray, ratings: npt.ArrayLike, seen: IntArray | None = None) -> EncodedPerson:
        """Encodes one person.

        Args:
            items: columns of the rated items, each once, shape ``(n,)``.
            ratings: on the model's scale, same shape.
            seen: columns of items that were chosen and not rated, none of them among ``items``.

        Example:
            ``model.person_encoder().encode(np.array([3]), [4.5]).reconstruct()`` predicts every item for someone who
            rated item 3 with 4.5 stars.
        """


class FoldInPersonEncoder(PersonEncoder):
    """The general way, for any model: folds one person in as `TrainedModel.fold_in` does many.

    Args:
        model: the trained model.
    """

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    def encode(self, items: IntArray, ratings: npt.ArrayLike, seen: IntArray | None = None) -> EncodedPerson:
        """Encodes one person; see the base class."""
        from scipy import sparse

        order = np.argsort(items)
        num_items = len(self.model.items)
        row = Ratings(
            np.zeros(len(items), dtype=np.int32),
            np.asarray(items, dtype=np.int32)[order],
            np.asarray(ratings, dtype=np.float32)[order],
            np.zeros(1, dtype=np.int64),
            np.arange(num_items),
            self.model.scale,
        )
        mask = None
        if seen is not None and len(seen):
            cells = (np.zeros(len(seen), dtype=np.int64), seen)
            mask = sparse.csr_array((np.ones(len(seen), dtype=np.float32), cells), shape=(1, num_items))
        return _FoldedInPerson(self.model, self.model.fold_in(row, seen=mask))


@dataclass(frozen=True, eq=False)
class _FoldedInPerson(EncodedPerson):
    model: TrainedModel
    encoded: Any

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        columns = np.arange(len(self.model.items))[items]
        found = self.model.reconstruct(np.zeros(len(columns), dtype=np.int64), columns, encoded_users=self.encoded)
        return np.asarray(found, dtype=np.float64)
