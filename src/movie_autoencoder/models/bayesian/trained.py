"""Trained Bayesian matrix factorization in NumPy: the posterior mean as factors, with the priors of new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import IntArray, Ratings, Scale
from ..base import Arrays, Encoded, Merge, TrainedModel
from ..person import EncodedPerson, PersonEncoder, Shares
from ..regression import (
    _ROWS_AT_A_TIME,
    ROUNDS,
    Prior,
    _covariances,
    _pairs,
    _prior,
    _side,
    cells_matrix,
    design_of,
    mark_scale,
    posterior_means,
)

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrainedBayesian(TrainedModel):
    """Mean of a posterior, as factors of both sides, or another model's factors, which new rows join by a posterior.

    Args:
        user_prior: with which new users are folded in.
        item_prior: likewise new items.
        user_sureness: how much a rating by each training user says of a new item: the noise of a usual rating over
            that of this user's, with what is unknown of the user's factors and bias; shape ``(num_users,)``.
        item_sureness: likewise of ratings of each training item, for a new user; shape ``(num_items,)``.
        precision: of the noise of a usual rating, in 1 / squared rating points.
    """

    user_prior: Prior
    item_prior: Prior
    user_sureness: Table
    item_sureness: Table
    precision: float
    name: ClassVar[str] = "bayesian"

    @classmethod
    def assembled(
        cls,
        mean: float,
        scale: Scale,
        rows: Sequence[Table],
        priors: Sequence[Prior],
        sureness: Sequence[Table],
        precision: float,
    ) -> TrainedBayesian:
        """From (x, b) of every training user and (y, b) of every training item; users first in every pair."""
        sides = [_side(row, prior) for row, prior in zip(rows, priors, strict=True)]
        return cls(mean, scale, sides[0], sides[1], priors[0], priors[1], sureness[0], sureness[1], precision)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users' posterior means given the items' factors, each with a noise of their own; seen items move what
        is expected before any star."""
        return self._folded(ratings, self.user_prior, self.items, self.item_sureness, seen)

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' posterior means given the users' factors."""
        return self._folded(ratings.transposed(), self.item_prior, self.users, self.user_sureness)

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedBayesian:
        """With new items' posterior means; their marks say nothing, and their stars as much as is known of them."""
        prior, rated = self.item_prior, ratings.transposed()
        means, noise = self._posterior(rated, prior, self.users, self.user_sureness)
        table, inverse = design_of(self.users), np.linalg.inv(prior.covariance.astype(np.float64))
        weights, pairs = cells_matrix(rated, self.user_sureness[rated.item_index]), _pairs(table)
        reach = (table.T @ table / len(table)).astype(np.float64)  # second moment of what meets their factors
        spread = 1 / (self.precision * noise)
        for start in range(0, len(means), _ROWS_AT_A_TIME):
            part = slice(start, start + _ROWS_AT_A_TIME)
            covariance = _covariances(inverse, weights[part], pairs, noise[part] * self.precision)[0]
            spread[part] += np.einsum("nij,ij->n", covariance, reach)
        sureness = (1 / (self.precision * spread)).astype(np.float32)
        return replace(
            self,
            items=merge.encoded(self.items, _side(means, prior)),
            user_prior=replace(self.user_prior, marks=merge.rows(self.user_prior.marks, 0)),
            item_sureness=merge.rows(self.item_sureness, sureness),
        )

    def _folded(self, ratings: Ratings, prior: Prior, others: Encoded, sureness: Table, seen: Any = None) -> Encoded:
        return _side(self._posterior(ratings, prior, others, sureness, seen)[0], prior)

    def _posterior(
        self, ratings: Ratings, prior: Prior, others: Encoded, sureness: Table, seen: Any = None
    ) -> tuple[Table, npt.NDArray[np.float64]]:
        """Posterior means of rows, the users of ``ratings``, and the precision of each one's noise beside the usual."""
        left = ratings.values - np.float32(self.mean) - others.offset[ratings.item_index]
        stars = cells_matrix(ratings, left)
        table = design_of(others)
        expected, counts, freedom = prior.expected(ratings, seen), ratings.user_counts, float(prior.freedom)
        noise = np.ones(len(expected))
        for _ in range(ROUNDS):
            means, errors = posterior_means(prior, expected, stars, table, sureness, noise * self.precision)
            noise = (freedom + counts) / (freedom + self.precision * errors)
        return means, noise

    def person_encoder(self) -> PersonEncoder:
        """The short way of one person; see the base class."""
        return _BayesianPersonEncoder(self)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {
            "users": np.column_stack([self.users.factors[:-1], self.users.offset[:-1]]),
            "items": np.column_stack([self.items.factors[:-1], self.items.offset[:-1]]),
            **self.priors_to_arrays(),
        }

    def priors_to_arrays(self) -> Arrays:
        """The same without the rows, for `on_rows`."""
        return {
            "numbers": np.array([self.mean, self.precision]),
            "user_sureness": self.user_sureness,
            "item_sureness": self.item_sureness,
            **{f"user_prior_{name}": value for name, value in vars(self.user_prior).items()},
            **{f"item_prior_{name}": value for name, value in vars(self.item_prior).items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedBayesian:
        """The model that gave these arrays."""
        sides = [_side(arrays[f"{side}s"], _prior(arrays, side)) for side in ("user", "item")]
        return cls.on_rows(arrays, scale, *sides)

    @classmethod
    def on_rows(
        cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale, users: Encoded, items: Encoded
    ) -> TrainedBayesian:
        """The model that gave these arrays (`priors_to_arrays`), with its rows, which are another model's."""
        mean, precision = arrays["numbers"].tolist()
        priors = _prior(arrays, "user"), _prior(arrays, "item")
        return cls(
            mean, scale, users, items, priors[0], priors[1], arrays["user_sureness"], arrays["item_sureness"], precision
        )


class _BayesianPersonEncoder(PersonEncoder):
    def __init__(self, model: TrainedBayesian) -> None:
        self.model = model
        self.offset = model.items.offset[:-1]
        self.design = np.concatenate(
            [model.items.factors[:-1], np.ones((len(model.items), 1), dtype=np.float32)], axis=1
        )
        self.inverse = np.linalg.inv(model.user_prior.covariance.astype(np.float64))

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _BayesianPerson:
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
        return _BayesianPerson(self, rest, scale, mark_rows, tau * weighted, gram, tau, covariance, mean)


@dataclass(frozen=True, eq=False)
class _BayesianPerson(EncodedPerson):
    reader: _BayesianPersonEncoder
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
