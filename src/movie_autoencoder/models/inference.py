"""The trained models in NumPy: what a bundle holds and what is needed to use it, without TensorFlow.

Each keeps its encoder's weights for folding in people it has not met, and turns into plain arrays and back. The
Keras models (`dual`, `autorec`) make these; tests hold both to the same output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..baselines import Biases, fold_in_bias
from ..ratings import FloatArray, Ratings, Scale
from .contract import Arrays, Encoded, TrainedModel, with_unknown

Table = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DualWeights:
    """Weights of the dual autoencoder, in the letters of docs/models.md.

    Args:
        item_stars: A, read with each star of a user, shape ``(num_items, latent_dim)``.
        item_marks: C, read for each item that a user rated, same shape.
        user_stars: B, read with each star of an item, shape ``(num_users, latent_dim)``.
        user_marks: D, read for each user who rated an item, same shape.
        user_shift: c, the latent vector of a user without ratings, shape ``(latent_dim,)``.
        item_shift: d, likewise for items.
        user_tilt: alpha, what a latent vector says of a user's stars on any item.
        item_tilt: beta, likewise for items.
    """

    item_stars: Table
    item_marks: Table
    user_stars: Table
    user_marks: Table
    user_shift: Table
    item_shift: Table
    user_tilt: Table
    item_tilt: Table


@dataclass(frozen=True, eq=False)
class TrainedDual(TrainedModel):
    """The dual autoencoder with its training users and items encoded.

    Args:
        weights: encoder and decoder weights.
        damping: damping of the user biases, in ratings.
        keep: square root of the share of ratings that was visible in training: the scale of the encoders' sums
            once everything is visible (rho in docs/models.md).
    """

    weights: DualWeights
    damping: float
    keep: float
    name: ClassVar[str] = "dual"

    @classmethod
    def from_weights(
        cls, weights: DualWeights, ratings: Ratings, biases: Biases, *, damping: float, hidden_fraction: float
    ) -> TrainedDual:
        """Encodes every training user and item once, from all training ratings."""
        keep = float(np.sqrt(1 - hidden_fraction))
        stars, marks = _matrices(ratings, biases)
        latent = _encode(stars, marks, weights.item_stars, weights.item_marks, weights.user_shift, keep)
        columns = _encode(stars.T, marks.T, weights.user_stars, weights.user_marks, weights.item_shift, keep)
        users = _user_side(weights, latent, biases.users)
        items = Encoded(
            with_unknown(columns, weights.item_shift),
            with_unknown(biases.items + columns @ weights.item_tilt, weights.item_shift @ weights.item_tilt),
            columns,
        )
        return cls(biases.mean, ratings.scale, users, items, weights, damping, keep)

    @property
    def item_bias(self) -> FloatArray:
        """b_i of the training items, shape ``(num_items,)``."""
        return self.items.offset[:-1] - self.items.latent @ self.weights.item_tilt

    def fold_in(self, ratings: Ratings) -> Encoded:
        """Latent vectors of new users: one weighted sum over the item tables each."""
        item_bias = self.item_bias
        user_bias = fold_in_bias(ratings, self.mean, item_bias, self.damping)
        biases = Biases(self.mean, user_bias, item_bias, ratings.user_counts, ratings.item_counts)
        stars, marks = _matrices(ratings, biases)
        weights = self.weights
        latent = _encode(stars, marks, weights.item_stars, weights.item_marks, weights.user_shift, self.keep)
        return _user_side(weights, latent, user_bias)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {
            **vars(self.weights),
            "users_latent": self.users.latent, "users_offset": self.users.offset,
            "items_latent": self.items.latent, "items_offset": self.items.offset,
            "numbers": np.array([self.mean, self.damping, self.keep]),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedDual:
        """The model that gave these arrays."""
        weights = DualWeights(**{name: arrays[name] for name in DualWeights.__dataclass_fields__})
        users, items = arrays["users_latent"], arrays["items_latent"]
        mean, damping, keep = arrays["numbers"].tolist()
        return cls(
            mean, scale,
            Encoded(with_unknown(users, weights.user_shift), arrays["users_offset"], users),
            Encoded(with_unknown(items, weights.item_shift), arrays["items_offset"], items),
            weights, damping, keep,
        )  # fmt: skip


def _user_side(weights: DualWeights, latent: Table, bias: FloatArray) -> Encoded:
    return Encoded(
        with_unknown(latent, weights.user_shift),
        with_unknown(bias + latent @ weights.user_tilt, weights.user_shift @ weights.user_tilt),
        latent,
    )


def _matrices(ratings: Ratings, biases: Biases) -> tuple[Any, Any]:
    """Residuals of the ratings on the biases, and the mask, as CSR matrices of shape (num_users, num_items)."""
    from scipy import sparse

    residual = ratings.values - np.float32(biases.mean)
    residual -= biases.users.astype(np.float32)[ratings.user_index]
    residual -= biases.items.astype(np.float32)[ratings.item_index]
    structure = (ratings.item_index, ratings.user_starts)
    shape = (ratings.num_users, ratings.num_items)
    ones = np.ones(len(ratings), dtype=np.float32)
    return sparse.csr_array((residual, *structure), shape=shape), sparse.csr_array((ones, *structure), shape=shape)


def _encode(stars: Any, marks: Any, star_table: Table, mark_table: Table, shift: Table, keep: float) -> Table:
    counts = np.asarray(marks.sum(axis=1), dtype=np.float32)
    total = stars @ star_table
    total += marks @ mark_table
    latent: Table = total * (np.float32(keep) / np.sqrt(counts + 1))[:, None] + shift
    return latent


SavedModel = TrainedDual
TRAINED_MODELS: dict[str, type[SavedModel]] = {TrainedDual.name: TrainedDual}
