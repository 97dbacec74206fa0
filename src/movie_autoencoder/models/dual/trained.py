"""A trained dual autoencoder in NumPy: what a bundle holds and what is needed to use it, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import FloatArray, IntArray, Ratings, Scale
from ..base import Arrays, Encoded, Merge, TrainedModel, chosen, with_unknown
from ..baselines import Biases, fold_in_bias
from ..bayesian.trained import TrainedBayesian
from ..person import EncodedPerson, PersonEncoder, Shares
from ..regression import Prior, cells_matrix, design_of

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]

_FOLDING_FREEDOM = 10.0  # ratings of prior on the noise of a row that joins the dual model's factors
_LEAST_NOISE = 0.01  # standard deviation of a usual rating's noise, in spans of the scale: something is always left


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

    def transposed(self) -> DualWeights:
        """Users and items in each other's place."""
        swap = {"item": "user", "user": "item"}
        return DualWeights(**{f"{swap[name[:4]]}{name[4:]}": table for name, table in vars(self).items()})


@dataclass(frozen=True, eq=False)
class TrainedDual(TrainedModel):
    """The dual autoencoder with its training users and items encoded.

    Args:
        weights: encoder and decoder weights.
        damping: damping of the user biases, in ratings.
        keep: square root of the share of ratings that was visible in training: the scale of the encoders' sums
            once everything is visible (rho in docs/models.md).
        joining: how new rows join these factors (`with_priors`); None where the encoders read them, as in a
            `TrainedEnsemble`, whose other member knows how little short rows say.
    """

    weights: DualWeights
    damping: float
    keep: float
    joining: TrainedBayesian | None = None
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

    def with_priors(self, ratings: Ratings) -> TrainedDual:
        """The same model, in which new rows join the factors of the training rows by Bayesian linear regression.

        The encoders were trained on rows with all their ratings and take a few for too much. So of a new row they
        read the marks alone, as its prior mean, about that of the training rows; covariance and noise are estimated,
        the latter as what biases leave over, since less is known of the other side's factors than they say. For
        training rows nothing changes.

        Args:
            ratings: the training ratings.
        """
        weights, sureness = self.weights, [np.ones(size, np.float32) for size in (len(self.users), len(self.items))]
        left = float(np.mean(np.square(_residuals(self, ratings, self.user_bias).data), dtype=np.float64))
        precision = 1 / max(left, (_LEAST_NOISE * self.scale.span) ** 2)
        sides = [
            (ratings, self.users, self.items, weights.item_marks, weights.user_tilt, sureness[1]),
            (ratings.transposed(), self.items, self.users, weights.user_marks, weights.item_tilt, sureness[0]),
        ]
        priors: list[Prior] = []
        for one, own, others, table, tilt, sure in sides:
            rows = np.column_stack([own.factors, own.offset])
            marks = np.float32(self.keep) * np.column_stack([table, table @ tilt])
            marks -= (one.item_counts / len(one)).astype(np.float32) @ marks
            usual = (one.user_counts / len(one)).astype(np.float32) @ rows[:-1]
            start = np.eye(len(usual), dtype=np.float32)
            prior = Prior(usual, marks, start, np.array(_FOLDING_FREEDOM), rows[-1])
            stars = cells_matrix(one, one.values - np.float32(self.mean) - others.offset[one.item_index])
            priors.append(prior.fitted(rows[:-1], stars, design_of(others), sure, precision))
        joining = TrainedBayesian(
            self.mean, self.scale, self.users, self.items, priors[0], priors[1], sureness[0], sureness[1], precision
        )
        return replace(self, joining=joining)

    @property
    def user_bias(self) -> Table:
        """b_u of the training users, shape ``(num_users,)``."""
        bias: Table = self.users.offset[:-1] - self.users.latent @ self.weights.user_tilt
        return bias

    @property
    def item_bias(self) -> FloatArray:
        """b_i of the training items, shape ``(num_items,)``."""
        return self.items.offset[:-1] - self.items.latent @ self.weights.item_tilt

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """Latent vectors of new users: a weighted sum over each of the item tables, or by the priors where it has them.

        Seen items are among the marks. Each sum is over the root of its own number of terms (plus 1), as in training,
        where the two are the same: by trial better than one root for both (docs/experiments.md).
        """
        if self.joining is not None:
            return self.joining.fold_in(ratings, seen=seen)
        item_bias = self.item_bias
        user_bias = fold_in_bias(ratings, self.mean, item_bias, self.damping)
        biases = Biases(self.mean, user_bias, item_bias, ratings.user_counts, ratings.item_counts)
        stars, marks = _matrices(ratings, biases, seen)
        weights = self.weights
        latent = _encode(
            stars, marks, weights.item_stars, weights.item_marks, weights.user_shift, self.keep, ratings.user_counts
        )
        return _user_side(weights, latent, user_bias)

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """Latent vectors of new items, likewise."""
        if self.joining is not None:
            return self.joining.fold_in_items(ratings)
        weights = self.weights.transposed()
        mirrored = TrainedDual(self.mean, self.scale, self.items, self.users, weights, self.damping, self.keep)
        return mirrored.fold_in(ratings.transposed())

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedDual:
        """With new items encoded; who gives them stars moves their own bias, and for more nothing has been learnt."""
        weights = self.weights
        weights = replace(
            weights, item_stars=merge.rows(weights.item_stars, 0), item_marks=merge.rows(weights.item_marks, 0)
        )
        if self.joining is None:
            return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)), weights=weights)
        joining = self.joining.with_items(ratings, merge)
        return replace(self, items=joining.items, weights=weights, joining=joining)

    def person_encoder(self) -> PersonEncoder:
        """The short way of one person; see the base class."""
        return _DualPersonEncoder(self) if self.joining is None else self.joining.person_encoder()

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        joining = {} if self.joining is None else self.joining.priors_to_arrays()
        return {
            **vars(self.weights),
            **{f"joining/{name}": array for name, array in joining.items()},
            "users_latent": self.users.latent,
            "users_offset": self.users.offset,
            "items_latent": self.items.latent,
            "items_offset": self.items.offset,
            "numbers": np.array([self.mean, self.damping, self.keep]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedDual:
        """The model that gave these arrays."""
        weights = DualWeights(**{name: arrays[name] for name in DualWeights.__dataclass_fields__})
        users, items = arrays["users_latent"], arrays["items_latent"]
        mean, damping, keep = arrays["numbers"].tolist()
        sides = (
            Encoded(with_unknown(users, weights.user_shift), arrays["users_offset"], users),
            Encoded(with_unknown(items, weights.item_shift), arrays["items_offset"], items),
        )
        priors = {name.removeprefix("joining/"): array for name, array in arrays.items() if name.startswith("joining/")}
        joining = TrainedBayesian.on_rows(priors, scale, *sides) if priors else None
        return cls(mean, scale, *sides, weights, damping, keep, joining)


def _user_side(weights: DualWeights, latent: Table, bias: FloatArray) -> Encoded:
    return Encoded(
        with_unknown(latent, weights.user_shift),
        with_unknown(bias + latent @ weights.user_tilt, weights.user_shift @ weights.user_tilt),
        latent,
    )


def _matrices(ratings: Ratings, biases: Biases, seen: Any = None) -> tuple[Any, Any]:
    """Residuals of the ratings on the biases, and the mask, as CSR matrices of shape (num_users, num_items)."""
    residual = ratings.values - np.float32(biases.mean)
    residual -= biases.users.astype(np.float32)[ratings.user_index]
    residual -= biases.items.astype(np.float32)[ratings.item_index]
    return cells_matrix(ratings, residual), chosen(ratings, seen)


def _encode(
    stars: Any,
    marks: Any,
    star_table: Table,
    mark_table: Table,
    shift: Table,
    keep: float,
    num_stars: IntArray | None = None,
) -> Table:
    """Latent vectors of rows; ``num_stars`` of each where marks are not just those of the stars."""
    counts = np.asarray(marks.sum(axis=1), dtype=np.float32)
    total = stars @ star_table
    if num_stars is not None:
        total *= np.sqrt((counts + 1) / (num_stars + 1), dtype=np.float32)[:, None]
    total += marks @ mark_table
    latent: Table = total * (np.float32(keep) / np.sqrt(counts + 1))[:, None] + shift
    return latent


def _residuals(dual: TrainedDual, ratings: Ratings, user_bias: Table) -> Any:
    left = ratings.values - np.float32(dual.mean) - user_bias[ratings.user_index]
    left -= dual.item_bias.astype(np.float32)[ratings.item_index]
    return cells_matrix(ratings, left)


class _DualPersonEncoder(PersonEncoder):
    def __init__(self, model: TrainedDual) -> None:
        self.model = model
        self.bias: Floats = np.asarray(model.item_bias, dtype=np.float64)
        self.table, self.offset = model.items.factors[:-1], model.items.offset[:-1]

    def read(self, items: IntArray, stars: npt.ArrayLike, seen: IntArray | None = None) -> _DualPerson:
        model, weights = self.model, self.model.weights
        marks = items if seen is None else np.concatenate([items, seen])
        residuals = np.asarray(stars, dtype=np.float64) - model.mean - self.bias[items]
        damped = len(items) + model.damping
        bias = float(residuals.sum()) / damped
        scale, mark_scale = (model.keep / float(np.sqrt(len(some) + 1)) for some in (items, marks))
        star_rows, mark_rows = weights.item_stars[items], weights.item_marks[marks]
        latent = scale * ((residuals - bias) @ star_rows) + mark_scale * mark_rows.sum(axis=0) + weights.user_shift
        return _DualPerson(self, residuals, damped, bias, scale, mark_scale, star_rows, mark_rows, latent)


@dataclass(frozen=True, eq=False)
class _DualPerson(EncodedPerson):
    reader: _DualPersonEncoder
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
