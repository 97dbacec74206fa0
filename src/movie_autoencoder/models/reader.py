"""One person read at once, and what their reconstruction is made of.

`fold_in` encodes many people with sparse matrices; here one row is a handful of numbers, so plain arrays do it in a
fraction of a millisecond. Given *which* items a person rated, all our linear models are linear in the stars, so that a
reconstruction falls apart into a base and a share of every rating: the stars, and that the item was chosen at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..ratings import IntArray, Ratings
from .contract import TrainedModel
from .inference import TrainedBlend, TrainedDual, folded_share
from .neighbours import directions, likeness, neighbourhood
from .posterior import ROUNDS, TrainedSampled, mark_scale

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
            weight * self.base + rest * other.base, weight * self.stars + rest * other.stars,
            weight * self.marks + rest * other.marks,
        )  # fmt: skip


class Reading(ABC):
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


class PersonReader(ABC):
    """Reads people for one model; made once, with the tables that every reading needs."""

    @abstractmethod
    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> Reading:
        """Reads one person.

        Args:
            items: columns of the rated items, each once, shape ``(n,)``.
            stars: on the model's scale, same shape.
            seen: columns of items that were chosen and not given stars, none of them among ``items``.
        """


def person_reader(model: TrainedModel) -> PersonReader:
    """The reader for a trained model.

    Example:
        ``person_reader(model).read(np.array([3]), [4.5]).reconstruct()`` is everything for who gave item 3 4.5 stars.
    """
    if isinstance(model, TrainedBlend):
        return _BlendReader(model)
    if isinstance(model, TrainedDual):
        return _DualReader(model) if model.joining is None else _SampledReader(model.joining)
    return _SampledReader(model) if isinstance(model, TrainedSampled) else _AnyReader(model)


_NONE = np.empty(0, dtype=np.int64)


class _DualReader(PersonReader):
    def __init__(self, model: TrainedDual) -> None:
        self.model = model
        self.bias: Floats = np.asarray(model.item_bias, dtype=np.float64)
        self.table, self.offset = model.items.factors[:-1], model.items.offset[:-1]

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _DualReading:
        model, weights = self.model, self.model.weights
        marks = items if seen is None else np.concatenate([items, seen])
        residuals = np.asarray(stars, dtype=np.float64) - model.mean - self.bias[items]
        damped = len(items) + model.damping
        bias = float(residuals.sum()) / damped
        scale, mark_scale = (model.keep / float(np.sqrt(len(some) + 1)) for some in (items, marks))
        star_rows, mark_rows = weights.item_stars[items], weights.item_marks[marks]
        latent = scale * ((residuals - bias) @ star_rows) + mark_scale * mark_rows.sum(axis=0) + weights.user_shift
        return _DualReading(self, residuals, damped, bias, scale, mark_scale, star_rows, mark_rows, latent)


@dataclass(frozen=True, eq=False)
class _DualReading(Reading):
    reader: _DualReader
    residuals: Floats  # on mean and item bias, not on the person's
    damped: float
    bias: float
    scale: float  # of what the stars say
    mark_scale: float  # of what the choice of items says
    star_rows: Any  # as the encoder has them, float32
    mark_rows: Any
    latent: Floats

    @property
    def constant(self) -> float:
        return self.reader.model.mean + self.bias + float(self.latent @ self.reader.model.weights.user_tilt)

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        stars: Floats = self.reader.table[items] @ self.latent
        return stars + self.reader.offset[items] + self.constant

    def shares(self, items: IntArray) -> Shares:
        reader, weights = self.reader, self.reader.model.weights
        asked = (reader.table[items] + weights.user_tilt).astype(np.float64)
        pull = self.star_rows @ asked.T
        by_star = 1 / self.damped + self.scale * (pull - pull.sum(axis=0) / self.damped)
        base = reader.model.mean + reader.offset[items] + asked @ weights.user_shift
        return Shares(base, self.residuals[:, None] * by_star, self.mark_scale * (self.mark_rows @ asked.T))


class _SampledReader(PersonReader):
    def __init__(self, model: TrainedSampled) -> None:
        self.model = model
        self.offset = model.items.offset[:-1]
        self.design = np.concatenate(
            [model.items.factors[:-1], np.ones((len(model.items), 1), dtype=np.float32)], axis=1
        )
        self.inverse = np.linalg.inv(model.user_prior.covariance.astype(np.float64))

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _SampledReading:
        model, prior = self.model, self.model.user_prior
        marks = items if seen is None else np.concatenate([items, seen])
        scale = float(mark_scale(np.array(len(marks))))
        mark_rows = prior.marks[marks]
        rest = np.asarray(stars, dtype=np.float64) - model.mean - self.offset[items]
        rows = self.design[items].astype(np.float64)
        expected = prior.usual + scale * mark_rows.sum(axis=0, dtype=np.float64)
        weighted = rows * model.item_sureness[items, None]
        gram, projected = rows.T @ weighted, rest @ weighted
        squares = float(rest @ (model.item_sureness[items] * rest))
        freedom, precision = float(prior.freedom), model.precision
        noise, tau, covariance = 1.0, precision, self.inverse
        mean: Floats = np.asarray(expected, dtype=np.float64)
        for _ in range(ROUNDS):
            tau = noise * precision
            covariance = np.asarray(np.linalg.inv(self.inverse + tau * gram), dtype=np.float64)
            mean = np.asarray(expected + covariance @ (tau * (projected - gram @ expected)))
            errors = squares - 2 * mean @ projected + mean @ gram @ mean + float((covariance * gram).sum())
            noise = (freedom + len(items)) / (freedom + precision * max(float(errors), 0.0))
        return _SampledReading(self, rest, scale, mark_rows, tau * weighted, gram, tau, covariance, mean)


@dataclass(frozen=True, eq=False)
class _SampledReading(Reading):
    reader: _SampledReader
    rest: Floats  # stars less mean and item offset
    scale: float
    mark_rows: Any  # as the prior has them, float32
    weighted: Floats
    gram: Floats
    tau: float
    covariance: Floats
    mean: Floats

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        stars: Floats = self.reader.design[items] @ self.mean
        return stars + self.reader.offset[items] + self.reader.model.mean

    def shares(self, items: IntArray) -> Shares:
        asked = self.reader.design[items].astype(np.float64)
        pulled = asked @ self.covariance
        left = asked - self.tau * (pulled @ self.gram)  # of what was expected before any star
        base = self.reader.model.mean + self.reader.offset[items] + left @ self.reader.model.user_prior.usual
        stars = self.rest[:, None] * (self.weighted @ pulled.T)
        return Shares(base, stars, self.scale * (self.mark_rows @ left.T))


class _BlendReader(PersonReader):
    def __init__(self, model: TrainedBlend) -> None:
        self.model = model
        self.dual, self.sampled = _DualReader(model.dual), _SampledReader(model.sampled)
        offsets = np.stack([self.dual.offset, self.sampled.offset], axis=1)
        self.table = np.concatenate([self.dual.table, self.sampled.design, offsets], axis=1)
        looks = bool(model.lean) and model.users.residuals is not None
        self.directions = directions(model.dual.items.latent) if looks else None
        self.trust = model.items.likeness

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _BlendReading:
        one, other = self.dual.read(items, stars, seen), self.sampled.read(items, stars, seen)
        share = float(folded_share(self.model.share, len(items)))
        return _BlendReading(self, items, one, other, share)


@dataclass(frozen=True, eq=False)
class _BlendReading(Reading):
    reader: _BlendReader
    items: IntArray
    dual: _DualReading
    sampled: _SampledReading
    share: float

    def leans(self) -> bool:
        return self.reader.directions is not None and len(self.items) > 0

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        if self.reader.trust is None:
            stars = self._of_trained(items)
        else:
            apart, other = self.dual.reconstruct(items), self.sampled.reconstruct(items)
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
        one, other, share, rest = self.dual, self.sampled, self.share, 1 - self.share
        vector = np.concatenate([share * one.latent, rest * other.mean, (share, rest)]).astype(np.float32)
        stars = np.asarray(self.reader.table[items] @ vector, dtype=np.float64)
        stars += share * one.constant + rest * self.reader.model.mean
        return stars

    def shares(self, items: IntArray) -> Shares:
        shares = self.dual.shares(items).mixed(self.sampled.shares(items), self._share(items))
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


class _AnyReader(PersonReader):
    """A model that is not linear in the stars, or has no taste: encoded as it encodes many."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> Reading:
        order = np.argsort(items)
        num_items = len(self.model.items)
        ratings = Ratings(
            np.zeros(len(items), dtype=np.int32), np.asarray(items, dtype=np.int32)[order],
            np.asarray(stars, dtype=np.float32)[order], np.zeros(1, dtype=np.int64), np.arange(num_items),
            self.model.scale,
        )  # fmt: skip
        return _AnyReading(self.model, self.model.fold_in(ratings))


@dataclass(frozen=True, eq=False)
class _AnyReading(Reading):
    model: TrainedModel
    encoded: Any

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        columns = np.arange(len(self.model.items))[items]
        stars = self.model.reconstruct(np.zeros(len(columns), dtype=np.int64), columns, readers=self.encoded)
        return np.asarray(stars, dtype=np.float64)
