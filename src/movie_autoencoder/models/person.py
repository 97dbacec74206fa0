"""One person encoded at once, and what their reconstruction is made of.

`TrainedModel.fold_in` encodes many people with sparse matrices; here one row is a handful of numbers, so plain arrays
do it in a fraction of a millisecond. Given *which* items a person rated, a linear model's reconstruction is a sum of a
base and a share of every rating: what its residual adds, and what having chosen the item adds.
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
    """What the reconstruction of ``m`` items is made of, in rating points; all of it adds up to the reconstruction.

    Args:
        base: what the model says of anyone who rated so many items, shape ``(m,)``.
        stars: share of each rating's stars, shape ``(n, m)``.
        marks: share of having chosen each item, rated ones first and then seen ones, shape ``(n + num_seen, m)``.
    """

    base: Floats
    stars: Floats
    marks: Floats

    def total(self) -> Floats:
        """The reconstruction, shape ``(m,)``."""
        total: Floats = self.base + self.stars.sum(axis=0) + self.marks.sum(axis=0)
        return total

    def mixed(self, other: Shares, weight: float | Floats) -> Shares:
        """``weight`` of this and the rest of another, weights of shape ``()`` or ``(m,)``."""
        rest = 1 - weight
        return Shares(
            weight * self.base + rest * other.base,
            weight * self.stars + rest * other.stars,
            weight * self.marks + rest * other.marks,
        )


class EncodedPerson(ABC):
    """A person, read by a model."""

    @abstractmethod
    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        """Raw stars at items of the model, all of them when left out; shape ``(m,)``, rating points.

        A model that leans towards the person's own stars at items alike does so here too, if items are named; of all
        items it gives what it has before it leans (`leans`).
        """

    def leans(self) -> bool:
        """Whether `reconstruct` of named items says more than of all."""
        return False

    def shares(self, items: IntArray) -> Shares | None:
        """What the reconstruction at some items is made of; None where the model is not linear in the stars."""
        return None


class PersonEncoder(ABC):
    """Reads people for one model; made once, with the tables that every reading needs."""

    @abstractmethod
    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> EncodedPerson:
        """Reads one person.

        Args:
            items: columns of the rated items, each once, shape ``(n,)``.
            stars: on the model's scale, same shape.
            seen: columns of items that were chosen and not given stars, none of them among ``items``.
        """


class FoldInPersonEncoder(PersonEncoder):
    """A model that is not linear in the stars, or has no taste: encoded as it encodes many."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> EncodedPerson:
        order = np.argsort(items)
        num_items = len(self.model.items)
        ratings = Ratings(
            np.zeros(len(items), dtype=np.int32),
            np.asarray(items, dtype=np.int32)[order],
            np.asarray(stars, dtype=np.float32)[order],
            np.zeros(1, dtype=np.int64),
            np.arange(num_items),
            self.model.scale,
        )
        return _FoldedInPerson(self.model, self.model.fold_in(ratings))


@dataclass(frozen=True, eq=False)
class _FoldedInPerson(EncodedPerson):
    model: TrainedModel
    encoded: Any

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        columns = np.arange(len(self.model.items))[items]
        stars = self.model.reconstruct(np.zeros(len(columns), dtype=np.int64), columns, encoded_users=self.encoded)
        return np.asarray(stars, dtype=np.float64)
