"""One-person fold-in by the dual autoencoder's encoder, and the shares of the person's ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...data.ratings import IntArray
from ..base import Table
from ..person import EncodedPerson, Floats, PersonEncoder, Shares
from .encoder import latent_vectors

if TYPE_CHECKING:
    from .trained import TrainedDual


class DualPersonEncoder(PersonEncoder):
    """Encodes one person by plain arrays.

    Args:
        model: the trained model.
    """

    def __init__(self, model: TrainedDual) -> None:
        self.model = model
        self.item_bias: Floats = np.asarray(model.item_bias, dtype=np.float64)
        self.factors, self.offset = model.items.factors[:-1], model.items.offset[:-1]

    def encode(self, items: IntArray, ratings: npt.ArrayLike, seen: IntArray | None = None) -> DualPerson:
        """Encodes one person; see the base class."""
        model, weights = self.model, self.model.weights
        chosen = items if seen is None else np.concatenate([items, seen])
        residuals = np.asarray(ratings, dtype=np.float64) - model.mean - self.item_bias[items]
        damped_count = len(items) + model.damping
        bias = float(residuals.sum()) / damped_count
        residual_rows, implicit_rows = weights.item_residual_table[items], weights.item_implicit_table[chosen]
        latent = latent_vectors(
            (residuals - bias) @ residual_rows,
            implicit_rows.sum(axis=0),
            len(items),
            len(chosen),
            weights.user_intercept,
            model.rho,
        )
        return DualPerson(self, residuals, damped_count, bias, residual_rows, implicit_rows, latent)


@dataclass(frozen=True, eq=False)
class DualPerson(EncodedPerson):
    """A person, encoded.

    Args:
        encoder: that encoded the person.
        residuals: ratings less mean and item bias (not the person's), shape ``(n,)``, rating points.
        damped_count: number of ratings and the damping of the bias.
        bias: the person's, rating points.
        residual_rows: rows of the residual table of the rated items, shape ``(n, latent_dim)``, float32.
        implicit_rows: rows of the implicit table of the chosen items, shape ``(n + num_seen, latent_dim)``, float32.
        latent: the latent vector, shape ``(latent_dim,)``.
    """

    encoder: DualPersonEncoder
    residuals: Floats
    damped_count: float
    bias: float
    residual_rows: Table
    implicit_rows: Table
    latent: Floats

    @property
    def constant(self) -> float:
        """The constant added to every item's inner product and offset, rating points."""
        return self.encoder.model.mean + self.bias + float(self.latent @ self.encoder.model.weights.user_weights)

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        """Raw predictions; see the base class."""
        found: Floats = self.encoder.factors[items] @ self.latent
        return found + self.encoder.offset[items] + self.constant

    def shares(self, items: IntArray) -> Shares:
        """The parts of the reconstructions; see the base class."""
        encoder, weights, rho = self.encoder, self.encoder.model.weights, self.encoder.model.rho
        asked = (encoder.factors[items] + weights.user_weights).astype(np.float64)
        products = self.residual_rows @ asked.T
        scale = rho / np.sqrt(len(self.residual_rows) + 1)
        by_rating = 1 / self.damped_count + scale * (products - products.sum(axis=0) / self.damped_count)
        base = encoder.model.mean + encoder.offset[items] + asked @ weights.user_intercept
        implicit = rho / np.sqrt(len(self.implicit_rows) + 1) * (self.implicit_rows @ asked.T)
        return Shares(base, self.residuals[:, None] * by_rating, implicit)
