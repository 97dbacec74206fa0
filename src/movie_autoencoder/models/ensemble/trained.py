"""The trained ensemble: the dual autoencoder and Bayesian matrix factorization, averaged, with a neighbour correction.

    p = w * dual + (1 - w) * bayesian
    prediction = p + v * confidence * (bias + neighbours' mean residual - p)

Factors of both members stand side by side, so that the ensemble predicts, folds in and explains from one set of tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import FloatArray, IntArray, Ratings
from ...data.scale import Scale
from ..base import Arrays, Encoded, Merge, Table, TrainedModel, with_unknown
from ..bayesian.trained import TrainedBayesian
from ..dual.trained import TrainedDual
from ..neighbours import corrected, neighbour_means, session_means
from ..person import PersonEncoder
from .weights import BlendWeights, folded_weight


@dataclass(frozen=True, eq=False)
class EnsembleEncoded(Encoded):
    """One side encoded by both members of a `TrainedEnsemble`.

    Args:
        bias: damped biases, shape ``(n + 1,)``, rating points.
        members: the same side encoded by the dual autoencoder and by Bayesian matrix factorization.
        dual_weight: weight of the former for each row, beside trained rows of the other side, shape ``(n + 1,)``.
        residuals: of the people's ratings on the biases, CSR of shape ``(n, num_items)``; None for items, and where
            there is no neighbour correction.
        timestamps: when each of these ratings was given, seconds; None where the model is not aware of time.
        similarity_trust: how far each item's latent vector can be trusted to say what it is similar to, from 0 to 1,
            shape ``(n + 1,)``; None where all are training items, which can.
    """

    bias: Table
    members: tuple[Encoded, Encoded]
    dual_weight: Table
    residuals: Any = None
    timestamps: npt.NDArray[Any] | None = None
    similarity_trust: Table | None = None


@dataclass(frozen=True, eq=False)
class TrainedEnsemble(TrainedModel):
    """Both members averaged, the neighbour correction, and the session effect of a model that is aware of time.

    Build one with `TrainedEnsemble.of`.

    Args:
        dual: the dual autoencoder.
        bayesian: Bayesian matrix factorization.
        weights: of the blend.
    """

    users: EnsembleEncoded
    items: EnsembleEncoded
    dual: TrainedDual
    bayesian: TrainedBayesian
    weights: BlendWeights
    name: ClassVar[str] = "ensemble"

    @classmethod
    def of(
        cls,
        dual: TrainedDual,
        bayesian: TrainedBayesian,
        weights: BlendWeights,
        *,
        ratings: Ratings | None = None,
        time_aware: bool = False,
    ) -> TrainedEnsemble:
        """The ensemble of two models of the same ratings.

        Args:
            dual: the dual autoencoder.
            bayesian: Bayesian matrix factorization.
            weights: of the blend.
            ratings: the training ratings, which the corrections need; without them there are none.
            time_aware: keep the timestamps for the session effect.
        """
        residuals = None if ratings is None else ratings.to_csr(dual.biases(ratings).residuals(ratings))
        timestamps = ratings.timestamps if ratings is not None and time_aware else None
        return cls._assembled(dual, bayesian, weights, residuals, timestamps)

    @classmethod
    def _assembled(
        cls,
        dual: TrainedDual,
        bayesian: TrainedBayesian,
        weights: BlendWeights,
        residuals: Any,
        timestamps: npt.NDArray[Any] | None,
        similarity_trust: Table | None = None,
    ) -> TrainedEnsemble:
        weight = weights.dual
        users = _side_by_side(dual.users, bayesian.users, weight, weight, bias=dual.user_bias)
        users = replace(users, residuals=residuals, timestamps=timestamps)
        item_weight: float | Table = weight if similarity_trust is None else similarity_trust * np.float32(weight)
        items = _side_by_side(dual.items, bayesian.items, weight, item_weight, bias=dual.item_bias, of_items=True)
        items = replace(items, similarity_trust=similarity_trust)
        return cls(dual.mean, dual.scale, users, items, dual, bayesian, weights)

    def with_corrections(self, *, neighbours: float | None = None, session: float | None = None) -> TrainedEnsemble:
        """The same ensemble with other weights of its corrections."""
        given = {"neighbours": neighbours, "session": session}
        changed = {name: weight for name, weight in given.items() if weight is not None}
        return replace(self, weights=replace(self.weights, **changed))

    def members(self) -> Mapping[str, TrainedModel]:
        """Both members alone, and the ensemble without its neighbour correction."""
        alone: dict[str, TrainedModel] = {self.dual.name: self.dual, self.bayesian.name: self.bayesian}
        if self.weights.neighbours and self.users.residuals is not None:
            alone[f"{self.name} without neighbours"] = self.with_corrections(neighbours=0.0)
        return alone

    def describe(self) -> list[str]:
        """The blend weights, in words."""
        return [self.weights.describe()]

    def metadata(self) -> Mapping[str, Any]:
        """The blend weights."""
        return {"weights": self.weights.to_dict()}

    def reconstruct(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Raw predictions at cells, corrections included; see the base class."""
        side, other = encoded_users or self.users, encoded_items or self.items
        if not (isinstance(side, EnsembleEncoded) and isinstance(other, EnsembleEncoded)):
            raise TypeError("Users and items must have been encoded by this model.")
        found = super().reconstruct(users, items, encoded_users=encoded_users, encoded_items=encoded_items)
        weights, weight = self.weights, np.float32(self.weights.dual)
        both = np.flatnonzero((side.dual_weight != weight)[users] & (other.dual_weight != weight)[items])
        if len(both):
            found[both] = self._both_folded_in(side, other, users[both], items[both])
        if side.residuals is None:
            return found
        if weights.neighbours:
            latent = self.dual.items.latent
            means, confidence = neighbour_means(
                side.residuals, latent, other.latent[:, : latent.shape[1]], users, items
            )
            if other.similarity_trust is not None:
                confidence *= other.similarity_trust[items]
            bias = self.mean + side.bias[users] + other.bias[items]
            found = corrected(found, bias, means, weights.neighbours * confidence)
        if weights.session and times is not None and side.timestamps is not None:
            means, confidence = session_means(side.residuals, side.timestamps, users, times)
            found += weights.session * confidence * means
        return found

    def _both_folded_in(
        self, side: EnsembleEncoded, other: EnsembleEncoded, users: IntArray, items: IntArray
    ) -> FloatArray:
        """The blend where neither user nor item was trained on: there the factors of the two sides give it wrongly.

        Each side scales the dual weight as if the other were trained on, so that the factors are multiplied.
        """
        weight = side.dual_weight[users] * other.dual_weight[items] / np.float32(self.weights.dual)
        one, two = (
            member.reconstruct(users, items, encoded_users=row, encoded_items=column)
            for member, row, column in zip((self.dual, self.bayesian), side.members, other.members, strict=True)
        )
        return two + weight * (one - two)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> EnsembleEncoded:
        """New users, by both; the fewer ratings, the more weight has Bayesian matrix factorization."""
        one = self.dual.fold_in(ratings, seen=seen)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.user_weights
        kept = self.users.residuals is not None
        residuals = ratings.to_csr(self.dual.biases(ratings, bias).residuals(ratings)) if kept else None
        weight = _folded_weights(self.weights.dual, ratings.user_counts)
        other = self.bayesian.fold_in(ratings, seen=seen)
        side = _side_by_side(one, other, self.weights.dual, weight, bias=bias)
        timestamps = None if self.users.timestamps is None else ratings.timestamps
        return replace(side, residuals=residuals, timestamps=timestamps)

    def fold_in_items(self, ratings: Ratings) -> EnsembleEncoded:
        """New items, likewise."""
        one = self.dual.fold_in_items(ratings)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.item_weights
        weight = _folded_weights(self.weights.dual, ratings.item_counts)
        other = self.bayesian.fold_in_items(ratings)
        side = _side_by_side(one, other, self.weights.dual, weight, bias=bias, of_items=True)
        return replace(side, similarity_trust=weight / np.float32(self.weights.dual))

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedEnsemble:
        """With new items, encoded by both members and weighted as `fold_in_items` does.

        For users who rated them nothing changes at other items: those ratings are no neighbours.
        """
        from scipy import sparse

        old = self.items.similarity_trust
        if old is None:
            old = np.ones(len(self.items) + 1, dtype=np.float32)
        new = _folded_weights(self.weights.dual, ratings.item_counts) / np.float32(self.weights.dual)
        trust = merge.rows_and_unknown(old, new[:-1])
        residuals = self.users.residuals
        if residuals is not None:
            columns = merge.old[residuals.indices]
            shape = (residuals.shape[0], len(merge))
            residuals = sparse.csr_array((residuals.data, columns, residuals.indptr), shape=shape)
        dual, bayesian = self.dual.with_items(ratings, merge), self.bayesian.with_items(ratings, merge)
        return self._assembled(dual, bayesian, self.weights, residuals, self.users.timestamps, trust)

    def keras_model(self) -> Any:
        """The network of the dual autoencoder."""
        return self.dual.keras_model()

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person by plain arrays."""
        from .person import EnsemblePersonEncoder

        return EnsemblePersonEncoder(self)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays: Arrays = {
            **{f"dual/{name}": array for name, array in self.dual.to_arrays().items()},
            **{f"bayesian/{name}": array for name, array in self.bayesian.to_arrays().items()},
            "weights": np.array(astuple(self.weights)),
        }
        residuals = self.users.residuals
        if residuals is not None:
            arrays |= {f"residuals_{name}": getattr(residuals, name) for name in ("data", "indices", "indptr")}
        if self.users.timestamps is not None:
            arrays["timestamps"] = self.users.timestamps
        if self.items.similarity_trust is not None:
            arrays["similarity_trust"] = self.items.similarity_trust
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedEnsemble:
        """The model that gave these arrays."""
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {"dual": {}, "bayesian": {}}
        for key, array in arrays.items():
            part, _, name = key.partition("/")
            if name:
                parts[part][name] = array
        dual = TrainedDual.from_arrays(parts["dual"], scale)
        residuals = None
        if "residuals_data" in arrays:
            from scipy import sparse

            cells = tuple(arrays[f"residuals_{name}"] for name in ("data", "indices", "indptr"))
            residuals = sparse.csr_array(cells, shape=(len(dual.users), len(dual.items)))
        bayesian = TrainedBayesian.from_arrays(parts["bayesian"], scale)
        weights = BlendWeights(*arrays["weights"].tolist())
        return cls._assembled(
            dual, bayesian, weights, residuals, arrays.get("timestamps"), arrays.get("similarity_trust")
        )


def _folded_weights(weight: float, counts: npt.NDArray[Any]) -> Table:
    """The dual weight of each folded-in row, and of the unknown one; shape ``(n + 1,)``."""
    return np.append(folded_weight(weight, counts).astype(np.float32), np.float32(weight))


def _side_by_side(
    one: Encoded, other: Encoded, weight: float, row_weight: float | Table, *, bias: FloatArray, of_items: bool = False
) -> EnsembleEncoded:
    """One side of a blend whose dual weight is ``weight`` for training rows and ``row_weight`` for these.

    With p = p2 + w (p1 - p2) at every cell, factors stand side by side. Where w differs from ``weight``, the offsets of
    the *other* side need it too: for that there are two more columns, in one of which a side gives the difference of
    its own two offsets, and in the other its weights' excess over ``weight``; users and items the other way round.
    """
    w = np.broadcast_to(np.asarray(row_weight, dtype=np.float32), one.offset.shape)[:, None]
    root, rest_root = np.float32(np.sqrt(weight)), np.float32(np.sqrt(1 - weight))
    extra = [w - np.float32(weight), (one.offset - other.offset)[:, None]]
    if of_items:
        extra.reverse()
    factors = [w / root * one.factors, (1 - w) / rest_root * other.factors, *extra]
    return EnsembleEncoded(
        np.concatenate(factors, axis=1),
        w[:, 0] * one.offset + (1 - w[:, 0]) * other.offset,
        np.concatenate([one.latent, other.latent], axis=1),
        with_unknown(bias, 0.0),
        (one, other),
        np.ascontiguousarray(w[:, 0]),
    )
