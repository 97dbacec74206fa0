"""The ensemble: the dual autoencoder and Bayesian matrix factorization, averaged, with a neighbour correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings, Scale
from .base import Arrays, Encoded, Merge, TrainedModel, with_unknown
from .bayesian.trained import TrainedBayesian, _BayesianPerson, _BayesianPersonEncoder
from .dual.trained import TrainedDual, _DualPerson, _DualPersonEncoder, _residuals
from .neighbours import directions, likeness, neighbour_means, neighbourhood, sitting_means
from .person import EncodedPerson, PersonEncoder, Shares

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]

_FOLDED_DAMPING = 20.0  # ratings at which a folded row gets half of the dual model's share


@dataclass(frozen=True, eq=False)
class EnsembleEncoded(Encoded):
    """One side encoded by both members of a `TrainedEnsemble`.

    Args:
        bias: damped biases, shape ``(n + 1,)``, rating points.
        members: the same side encoded by the dual autoencoder and by its sibling.
        share: weight of the former for each row, beside rows of the other side that were trained on; ``(n + 1,)``.
        residuals: of the people's ratings on the biases, CSR of shape ``(n, num_items)``; None for items, and where
            neighbours are not looked at.
        given: when each of these ratings was given, seconds; None where the model is not aware of time.
        likeness: how far each item's latent vector can be trusted to say what it is like, from 0 to 1, shape
            ``(n + 1,)``; None where all are training items, which can.
    """

    bias: Table
    members: tuple[Encoded, Encoded]
    share: Table
    residuals: Any = None
    given: npt.NDArray[Any] | None = None
    likeness: Table | None = None


@dataclass(frozen=True, eq=False)
class TrainedEnsemble(TrainedModel):
    """The dual autoencoder and its bayesian sibling, averaged: factors side by side, so that it is one model in use.

    Beside what the factors say it leans towards the person's own stars at items alike (`neighbours`):

        p + lean * belief * (bias + neighbours' mean residual - p)

    and, where it is aware of time, adds ``sitting`` of the mean residual of the person's ratings of nearly that time.

    Args:
        dual: the one.
        bayesian: the other.
        share: weight of ``dual``, above 0 and below 1; the sibling has the rest.
        lean: how far, from 0 (not at all) to 1.
        sitting: likewise; 0 in a model that is not aware of time.
    """

    users: EnsembleEncoded
    items: EnsembleEncoded
    dual: TrainedDual
    bayesian: TrainedBayesian
    share: float
    lean: float
    sitting: float
    name: ClassVar[str] = "ensemble"

    @classmethod
    def of(
        cls,
        dual: TrainedDual,
        bayesian: TrainedBayesian,
        share: float,
        *,
        lean: float = 0.0,
        sitting: float = 0.0,
        ratings: Ratings | None = None,
        time_aware: bool = False,
    ) -> TrainedEnsemble:
        """Averages two models of the same ratings, which neighbours need."""
        residuals = None if ratings is None else _residuals(dual, ratings, dual.user_bias)
        given = ratings.timestamps if ratings is not None and time_aware else None
        return cls._assembled(dual, bayesian, (share, lean, sitting), residuals, given)

    @classmethod
    def _assembled(
        cls,
        dual: TrainedDual,
        bayesian: TrainedBayesian,
        weights: Sequence[float],
        residuals: Any,
        given: npt.NDArray[Any] | None,
        likeness: Table | None = None,
    ) -> TrainedEnsemble:
        share, lean, sitting = weights
        users = _averaged(dual.users, bayesian.users, share, share, bias=dual.user_bias)
        users = replace(users, residuals=residuals, given=given)
        item_share: float | Table = share if likeness is None else likeness * np.float32(share)
        items = _averaged(dual.items, bayesian.items, share, item_share, bias=dual.item_bias, of_items=True)
        items = replace(items, likeness=likeness)
        return cls(dual.mean, dual.scale, users, items, dual, bayesian, share, lean, sitting)

    def reconstruct(
        self,
        users: IntArray,
        items: IntArray,
        *,
        encoded_users: Encoded | None = None,
        encoded_items: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:
        """Raw stars at given cells, as the base class says, neighbours included."""
        stars = super().reconstruct(users, items, encoded_users=encoded_users, encoded_items=encoded_items)
        side, other = encoded_users or self.users, encoded_items or self.items
        if not isinstance(side, EnsembleEncoded):
            return stars
        if not isinstance(other, EnsembleEncoded):
            raise TypeError("Items must have been encoded by this model.")
        share = np.float32(self.share)
        both = np.flatnonzero((side.share != share)[users] & (other.share != share)[items])
        if len(both):
            stars[both] = self._of_folded(side, other, users[both], items[both])
        if side.residuals is None:
            return stars
        if self.lean:
            latent = self.dual.items.latent
            mean, belief = neighbour_means(side.residuals, latent, other.latent[:, : latent.shape[1]], users, items)
            if other.likeness is not None:
                belief *= other.likeness[items]
            stars += self.lean * belief * (self.mean + side.bias[users] + other.bias[items] + mean - stars)
        if self.sitting and times is not None and side.given is not None:
            mean, belief = sitting_means(side.residuals, side.given, users, times)
            stars += self.sitting * belief * mean
        return stars

    def _of_folded(self, side: EnsembleEncoded, other: EnsembleEncoded, users: IntArray, items: IntArray) -> FloatArray:
        """The average where neither user nor item was trained on: the factors of the two sides then give it wrongly.

        Each takes its part of the share, as if the other were trained on, so that the parts are multiplied.
        """
        weight = side.share[users] * other.share[items] / np.float32(self.share)
        one, two = (
            member.reconstruct(users, items, encoded_users=reader, encoded_items=column)
            for member, reader, column in zip((self.dual, self.bayesian), side.members, other.members, strict=True)
        )
        return two + weight * (one - two)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> EnsembleEncoded:
        """New users, by both; the fewer ratings, the more is left to the sibling, which knows how little they say."""
        one = self.dual.fold_in(ratings, seen=seen)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.user_tilt
        residuals = None if self.users.residuals is None else _residuals(self.dual, ratings, bias)
        share = _folded_shares(self.share, ratings.user_counts)
        side = _averaged(one, self.bayesian.fold_in(ratings, seen=seen), self.share, share, bias=bias)
        return replace(side, residuals=residuals, given=None if self.users.given is None else ratings.timestamps)

    def fold_in_items(self, ratings: Ratings) -> EnsembleEncoded:
        """New items, likewise."""
        one = self.dual.fold_in_items(ratings)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.item_tilt
        share = _folded_shares(self.share, ratings.item_counts)
        side = _averaged(one, self.bayesian.fold_in_items(ratings), self.share, share, bias=bias, of_items=True)
        return replace(side, likeness=share / np.float32(self.share))

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedEnsemble:
        """With new items, encoded by both and weighted as `fold_in_items` does.

        Those of its users who rated them are not led by that at other items: for them nothing changes.
        """
        from scipy import sparse

        old = self.items.likeness
        if old is None:
            old = np.ones(len(self.items) + 1, dtype=np.float32)
        new = _folded_shares(self.share, ratings.item_counts) / np.float32(self.share)
        likeness = merge.rows_and_unknown(old, new[:-1])
        residuals = self.users.residuals
        if residuals is not None:
            columns = merge.old[residuals.indices]
            shape = (residuals.shape[0], len(merge))
            residuals = sparse.csr_array((residuals.data, columns, residuals.indptr), shape=shape)
        dual, bayesian = self.dual.with_items(ratings, merge), self.bayesian.with_items(ratings, merge)
        weights = (self.share, self.lean, self.sitting)
        return self._assembled(dual, bayesian, weights, residuals, self.users.given, likeness)

    def members(self) -> dict[str, TrainedModel]:
        """The dual autoencoder and Bayesian matrix factorization alone, and both without the neighbour correction."""
        alone = {self.dual.name: self.dual, self.bayesian.name: self.bayesian}
        return {**alone, f"{self.name} without neighbours": replace(self, lean=0.0)} if self.lean else alone

    def person_encoder(self) -> PersonEncoder:
        """The short way of one person; see the base class."""
        return _EnsemblePersonEncoder(self)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays: Arrays = {
            **{f"dual/{name}": array for name, array in self.dual.to_arrays().items()},
            **{f"bayesian/{name}": array for name, array in self.bayesian.to_arrays().items()},
            "weights": np.array([self.share, self.lean, self.sitting]),
        }
        residuals = self.users.residuals
        if residuals is not None:
            arrays |= {f"residuals_{name}": getattr(residuals, name) for name in ("data", "indices", "indptr")}
        if self.users.given is not None:
            arrays["given"] = self.users.given
        if self.items.likeness is not None:
            arrays["likeness"] = self.items.likeness
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
        return cls._assembled(
            dual, bayesian, arrays["weights"].tolist(), residuals, arrays.get("given"), arrays.get("likeness")
        )


def folded_share(share: float, count: Any) -> Any:
    """Weight of ``dual`` for a folded row with so many ratings, or for each of many."""
    return share * count / (count + _FOLDED_DAMPING)


def _folded_shares(share: float, counts: npt.NDArray[Any]) -> Table:
    """The weights of all folded rows, and of whoever is unknown."""
    return np.append(folded_share(share, counts).astype(np.float32), np.float32(share))


def _averaged(
    one: Encoded, other: Encoded, share: float, weight: float | Table, *, bias: FloatArray, of_items: bool = False
) -> EnsembleEncoded:
    """One side of an average whose weight is ``share`` for training rows and ``weight`` for these.

    With p = p2 + w (p1 - p2) at every cell, factors stand side by side. Where w differs from ``share``, the offsets of
    the *other* side need it too: for that there are two more columns, in one of which a side gives the difference of
    its own two offsets, and in the other its weights' excess over ``share``; users and items the other way round.
    """
    w = np.broadcast_to(np.asarray(weight, dtype=np.float32), one.offset.shape)[:, None]
    share_root, rest_root = np.float32(np.sqrt(share)), np.float32(np.sqrt(1 - share))
    extra = [w - np.float32(share), (one.offset - other.offset)[:, None]]
    if of_items:
        extra.reverse()
    factors = [w / share_root * one.factors, (1 - w) / rest_root * other.factors, *extra]
    offset = w[:, 0] * one.offset + (1 - w[:, 0]) * other.offset
    latent = np.concatenate([one.latent, other.latent], axis=1)
    return EnsembleEncoded(
        np.concatenate(factors, axis=1),
        offset,
        latent,
        with_unknown(bias, 0.0),
        (one, other),
        np.ascontiguousarray(w[:, 0]),
    )


class _EnsemblePersonEncoder(PersonEncoder):
    def __init__(self, model: TrainedEnsemble) -> None:
        self.model = model
        self.dual, self.bayesian = _DualPersonEncoder(model.dual), _BayesianPersonEncoder(model.bayesian)
        offsets = np.stack([self.dual.offset, self.bayesian.offset], axis=1)
        self.table = np.concatenate([self.dual.table, self.bayesian.design, offsets], axis=1)
        looks = bool(model.lean) and model.users.residuals is not None
        self.directions = directions(model.dual.items.latent) if looks else None
        self.trust = model.items.likeness

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _EnsemblePerson:
        one, other = self.dual.read(items, stars, seen), self.bayesian.read(items, stars, seen)
        share = float(folded_share(self.model.share, len(items)))
        return _EnsemblePerson(self, items, one, other, share)


@dataclass(frozen=True, eq=False)
class _EnsemblePerson(EncodedPerson):
    reader: _EnsemblePersonEncoder
    items: IntArray
    dual: _DualPerson
    bayesian: _BayesianPerson
    share: float

    def leans(self) -> bool:
        return self.reader.directions is not None and len(self.items) > 0

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        if self.reader.trust is None:
            stars = self._of_trained(items)
        else:
            apart, other = self.dual.reconstruct(items), self.bayesian.reconstruct(items)
            stars = other + self._share(items) * (apart - other)
        if isinstance(items, slice) or not self.leans():
            return stars
        one = self.dual
        near, weight, lean = self._neighbourhood(items)
        mean = near @ (one.residuals - one.bias) / weight
        return stars + lean * (self.reader.model.mean + one.bias + self.reader.dual.bias[items] + mean - stars)

    def _share(self, items: IntArray | slice) -> float | Floats:
        """Weight of the dual model at items: less at those that were added after training."""
        trust = self.reader.trust
        return self.share if trust is None else np.asarray(self.share * trust[:-1][items], dtype=np.float64)

    def _of_trained(self, items: IntArray | slice) -> Floats:
        """Both members in one product, where no item was added."""
        one, other, share, rest = self.dual, self.bayesian, self.share, 1 - self.share
        vector = np.concatenate([share * one.latent, rest * other.mean, (share, rest)]).astype(np.float32)
        stars = np.asarray(self.reader.table[items] @ vector, dtype=np.float64)
        stars += share * one.constant + rest * self.reader.model.mean
        return stars

    def shares(self, items: IntArray) -> Shares:
        shares = self.dual.shares(items).mixed(self.bayesian.shares(items), self._share(items))
        if not self.leans():
            return shares
        one = self.dual
        near, weight, lean = self._neighbourhood(items)
        parts = (near / weight[:, None]).T
        by_star = (1 - parts.sum(axis=0)) / one.damped + parts
        anyone = self.reader.model.mean + self.reader.dual.bias[items]
        own = Shares(anyone, one.residuals[:, None] * by_star, np.zeros_like(shares.marks))
        return own.mixed(shares, lean)

    def _neighbourhood(self, items: IntArray) -> tuple[Floats, Floats, Floats]:
        """Likenesses ``(m, n)``, their sums, and how far to lean at each item."""
        table = self.reader.directions
        if table is None:
            raise ValueError("This model looks at no neighbours.")
        near = likeness(table[items], table[self.items]).astype(np.float64)
        weight, belief = neighbourhood(near)
        if self.reader.trust is not None:
            belief = belief * self.reader.trust[items]
        return near, np.asarray(weight), np.asarray(self.reader.model.lean * belief)
