"""One-person fold-in by both members with the neighbour correction, and the shares of the person's ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...data.ratings import IntArray
from ..dual.person import DualPerson, DualPersonEncoder
from ..neighbours import corrected, directions, neighbourhood, similarities
from ..person import EncodedPerson, Floats, PersonEncoder, Shares
from ..person_regression import RegressionPerson, RegressionPersonEncoder
from .weights import folded_weight

if TYPE_CHECKING:
    from .trained import TrainedEnsemble


class EnsemblePersonEncoder(PersonEncoder):
    """Encodes one person by plain arrays.

    Args:
        model: the trained model.
    """

    def __init__(self, model: TrainedEnsemble) -> None:
        self.model = model
        self.dual = DualPersonEncoder(model.dual)
        self.bayesian = RegressionPersonEncoder(model.bayesian.user_regression, model.bayesian.items, model.mean)
        offsets = np.stack([self.dual.offset, self.bayesian.offset], axis=1)
        self.table = np.concatenate([self.dual.factors, self.bayesian.design, offsets], axis=1)
        corrects = bool(model.weights.neighbours) and model.users.residuals is not None
        self.directions = directions(model.dual.items.latent) if corrects else None
        self.trust = model.items.similarity_trust

    def encode(self, items: IntArray, ratings: npt.ArrayLike, seen: IntArray | None = None) -> EnsemblePerson:
        """Encodes one person; see the base class."""
        one, other = self.dual.encode(items, ratings, seen), self.bayesian.encode(items, ratings, seen)
        weight = float(folded_weight(self.model.weights.dual, len(items)))
        return EnsemblePerson(self, items, one, other, weight)


@dataclass(frozen=True, eq=False)
class EnsemblePerson(EncodedPerson):
    """A person, encoded by both members.

    Args:
        encoder: that encoded the person.
        items: columns of the rated items, shape ``(n,)``.
        dual: as the dual autoencoder encodes the person.
        bayesian: as Bayesian matrix factorization does.
        weight: of the dual autoencoder, at training items.
    """

    encoder: EnsemblePersonEncoder
    items: IntArray
    dual: DualPerson
    bayesian: RegressionPerson
    weight: float

    def has_neighbours(self) -> bool:
        """Whether the neighbour correction applies to this person."""
        return self.encoder.directions is not None and len(self.items) > 0

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        """Raw predictions; see the base class."""
        if self.encoder.trust is None:
            found = self._blended(items)
        else:
            one, other = self.dual.reconstruct(items), self.bayesian.reconstruct(items)
            found = other + self._weight_at(items) * (one - other)
        if isinstance(items, slice) or not self.has_neighbours():
            return found
        _, means, weights = self._neighbours(items)
        bias = self.encoder.model.mean + self.dual.bias + self.encoder.dual.item_bias[items]
        return corrected(found, bias, means, weights)

    def _weight_at(self, items: IntArray | slice) -> float | Floats:
        """Weight of the dual autoencoder: less at items that were added after training."""
        trust = self.encoder.trust
        return self.weight if trust is None else np.asarray(self.weight * trust[:-1][items], dtype=np.float64)

    def _blended(self, items: IntArray | slice) -> Floats:
        """Both members in one product, where no item was added."""
        one, other, weight, rest = self.dual, self.bayesian, self.weight, 1 - self.weight
        vector = np.concatenate([weight * one.latent, rest * other.mean, (weight, rest)]).astype(np.float32)
        found = np.asarray(self.encoder.table[items] @ vector, dtype=np.float64)
        found += weight * one.constant + rest * self.encoder.model.mean
        return found

    def shares(self, items: IntArray) -> Shares:
        """The parts of the reconstructions; see the base class."""
        shares = self.dual.shares(items).blended(self.bayesian.shares(items), self._weight_at(items))
        if not self.has_neighbours():
            return shares
        parts, _, weights = self._neighbours(items)
        base = self.encoder.model.mean + self.encoder.dual.item_bias[items]
        # the person's bias cancels: parts add up to 1, and where nothing is similar the weight is 0
        own = Shares(base, self.dual.residuals[:, None] * parts, np.zeros_like(shares.implicit))
        return own.blended(shares, weights)

    def _neighbours(self, items: IntArray) -> tuple[Floats, Floats, Floats]:
        """The neighbour correction's parts, means and weights for items.

        Returns:
            The part of each rating in an item's mean residual, shape ``(n, m)``; these means and the weights of the
            correction, both of shape ``(m,)``.
        """
        table = self.encoder.directions
        if table is None:
            raise ValueError("This model has no neighbour correction.")
        similar = similarities(table[items], table[self.items]).astype(np.float64)
        means, confidence, sums = neighbourhood(similar, self.dual.residuals - self.dual.bias)
        if self.encoder.trust is not None:
            confidence = confidence * self.encoder.trust[items]
        weights = np.asarray(self.encoder.model.weights.neighbours * confidence)
        return (similar / sums[:, None]).T, means, weights
