"""The trained form of data without ratings: vectors of users and items, and no prediction.

What people choose is the matter of `choice.ChoiceModel`, which lies beside this model in a bundle. The vectors say
which items the same people choose: left and right singular vectors of the 0/1 matrix with columns of length 1. They
serve similar items and groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ...data.ratings import FloatArray, IntArray, Ratings
from ...data.scale import UNRATED, Scale
from ..base import Arrays, Encoded, Merge, ModelError, Table, TrainedModel, implicit_feedback
from ..person import PersonEncoder

NO_STARS = (
    "This model was trained on pairs of user and item without ratings, so there are no stars: it knows what people "
    'choose and not how they like it. Ask for lists instead, ranked by rank_by="choice".'
)
NUM_FACTORS = 32


@dataclass(frozen=True, eq=False)
class TrainedChoice(TrainedModel):
    """A model of pairs without ratings. It has vectors, and refuses `predict` and `reconstruct`.

    Args:
        mean, scale, users, items: as in the base class; 0, `UNRATED`, and sides without factors, whose ``latent`` are
            the vectors.
        norms: square root of the number of users who chose each item, shape ``(num_items,)``.
    """

    norms: Table
    name: ClassVar[str] = "choice"

    @classmethod
    def fit(cls, ratings: Ratings, *, num_factors: int = NUM_FACTORS, seed: int = 0) -> Self:
        """Computes the vectors of users and items.

        Args:
            ratings: only *which* items people rated counts.
            num_factors: length of the vectors; shorter where there are few users or items.
            seed: of the first vector of the Lanczos iteration.
        """
        from scipy.sparse.linalg import svds

        norms = np.sqrt(np.maximum(ratings.item_counts, 1)).astype(np.float32)
        matrix = ratings.to_csr((1 / norms)[ratings.item_index])
        size = min(num_factors, min(matrix.shape) - 1)
        start = np.random.default_rng([seed, 8]).standard_normal(min(matrix.shape)).astype(np.float32)
        _, singular, right = svds(matrix, k=size, v0=start)
        order = np.argsort(-singular)
        items = right[order].T * singular[order]
        return cls._of(np.asarray(matrix @ right[order].T), items, norms)

    @classmethod
    def _of(cls, users: FloatArray, items: FloatArray, norms: Table) -> Self:
        return cls(0.0, UNRATED, _side(users), _side(items), norms)

    def reconstruct(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Refuses.

        Raises:
            ModelError: always, since there are no ratings to learn from.
        """
        raise ModelError(NO_STARS)

    def person_encoder(self) -> PersonEncoder:
        """Refuses; see `reconstruct`."""
        raise ModelError(NO_STARS)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """Vectors of people from what they chose; see the base class."""
        chosen = implicit_feedback(ratings, seen)
        chosen.data = chosen.data / self.norms[chosen.indices]
        lengths = np.maximum(np.linalg.norm(self.items.latent, axis=0), 1e-12)
        return _side(np.asarray(chosen @ (self.items.latent / lengths)))

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """Refuses.

        Raises:
            ModelError: always; the choice model beside this one has a fixed set of items.
        """
        raise ModelError(
            "A model of pairs without ratings cannot take new items after training. Train again with their pairs."
        )

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedModel:
        """Refuses; see `fold_in_items`."""
        self.fold_in_items(ratings)
        return self

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {"users": self.users.latent, "items": self.items.latent, "norms": self.norms}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], scale: Scale) -> Self:
        """The model that gave these arrays."""
        return cls._of(arrays["users"], arrays["items"], arrays["norms"])


def _side(latent: FloatArray) -> Encoded:
    size = len(latent) + 1
    return Encoded(np.zeros((size, 0), np.float32), np.zeros(size, np.float32), latent.astype(np.float32, copy=False))
