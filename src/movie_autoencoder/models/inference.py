"""The trained models in NumPy: what a bundle holds and what is needed to use it, without TensorFlow.

Each keeps its encoder's weights for folding in people it has not met, and turns into plain arrays and back. The
Keras models (`dual`, `autorec`) make these; tests hold both to the same output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..baselines import Biases, fold_in_bias
from ..ratings import FloatArray, IntArray, Ratings, Scale
from .contract import Arrays, Encoded, Merge, TrainedModel, chosen, with_unknown
from .neighbours import neighbour_means, sitting_means
from .posterior import Prior, TrainedSampled, cells_matrix, design_of
from .rows import Rows, unit
from .settings import AutorecSettings

Table = npt.NDArray[np.float32]


_FOLDED_DAMPING = 20.0  # ratings at which a folded row gets half of the dual model's share
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
            `TrainedBlend`, whose other member knows how little short rows say.
    """

    weights: DualWeights
    damping: float
    keep: float
    joining: TrainedSampled | None = None
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
        joining = TrainedSampled(
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

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        joining = {} if self.joining is None else self.joining.priors_to_arrays()
        return {
            **vars(self.weights), **{f"joining/{name}": array for name, array in joining.items()},
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
        sides = (
            Encoded(with_unknown(users, weights.user_shift), arrays["users_offset"], users),
            Encoded(with_unknown(items, weights.item_shift), arrays["items_offset"], items),
        )
        priors = {name.removeprefix("joining/"): array for name, array in arrays.items() if name.startswith("joining/")}
        joining = TrainedSampled.on_rows(priors, scale, *sides) if priors else None
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
    stars: Any, marks: Any, star_table: Table, mark_table: Table, shift: Table, keep: float,
    num_stars: IntArray | None = None,
) -> Table:  # fmt: skip
    """Latent vectors of rows; ``num_stars`` of each where marks are not just those of the stars."""
    counts = np.asarray(marks.sum(axis=1), dtype=np.float32)
    total = stars @ star_table
    if num_stars is not None:
        total *= np.sqrt((counts + 1) / (num_stars + 1), dtype=np.float32)[:, None]
    total += marks @ mark_table
    latent: Table = total * (np.float32(keep) / np.sqrt(counts + 1))[:, None] + shift
    return latent


@dataclass(frozen=True)
class AutorecWeights:
    """Weights of the classic autoencoder.

    Args:
        kernels: of the hidden layers, from the input on; the first has a row for each column of the ratings.
        shifts: what each hidden layer adds, shape ``(width,)``.
        output_table: shape ``(num_columns, last width)``.
        output_shift: shape ``(num_columns,)``.
    """

    kernels: tuple[Table, ...]
    shifts: tuple[Table, ...]
    output_table: Table
    output_shift: Table


_SELU = (1.0507009873554805, 1.6732632423543772)  # Klambauer et al. 2017, arXiv:1706.02515
_ACTIVATIONS: dict[str, Callable[[Table], Table]] = {
    "linear": lambda x: x,
    "sigmoid": lambda x: _sigmoid(x),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: np.float32(_SELU[0]) * np.where(x > 0, x, np.float32(_SELU[1]) * np.expm1(np.minimum(x, 0))),
    "swish": lambda x: x * _sigmoid(x),
}
_ROWS_AT_A_TIME = 4096


def _sigmoid(x: Table) -> Table:
    from scipy.special import expit

    stretched: Table = expit(x)
    return stretched


@dataclass(frozen=True, eq=False)
class TrainedAutorec(TrainedModel):
    """The classic autoencoder with its training rows encoded.

    Inside the network stars are measured in `rows.unit`. The side that rows are read from has the last activations as
    factors, the other side the output table. Offsets are always the damped biases, and what else the output adds stands
    in further columns of the factors; so the factors of whoever is unknown are 0, and the damped biases remain.

    Args:
        weights: encoder and decoder weights.
        settings: what it was trained with.
    """

    weights: AutorecWeights
    settings: AutorecSettings
    name: ClassVar[str] = "autorec"

    @classmethod
    def from_weights(
        cls, weights: AutorecWeights, ratings: Ratings, biases: Biases, settings: AutorecSettings
    ) -> TrainedAutorec:
        """Encodes every training row once, from all training ratings."""
        rows = Rows.of(ratings, biases, ratings.scale, rows=settings.rows, residual=settings.residual)
        codes, features = _read_rows(weights, settings, rows)
        row_bias, column_bias = (
            (biases.users, biases.items) if settings.rows == "user" else (biases.items, biases.users)
        )
        single = [bias.astype(np.float32) for bias in (row_bias, column_bias)]
        return cls._assembled(biases.mean, ratings.scale, weights, settings, codes, features, *single)

    @classmethod
    def _assembled(
        cls, mean: float, scale: Scale, weights: AutorecWeights, settings: AutorecSettings, codes: Table,
        features: Table, row_bias: Table, column_bias: Table,
    ) -> TrainedAutorec:  # fmt: skip
        rows = _row_side(settings, codes, features, row_bias)
        points = np.float32(unit(scale))
        shift = weights.output_shift * points
        extra = [shift] if settings.residual else [shift - column_bias, np.full_like(shift, -1)]
        factors = np.concatenate([weights.output_table * points, np.stack(extra, axis=1)], axis=1)
        columns = Encoded(with_unknown(factors, 0.0), with_unknown(column_bias, 0.0), weights.output_table)
        users, items = (rows, columns) if settings.rows == "user" else (columns, rows)
        return cls(mean, scale, users, items, weights, settings)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users' codes and factors: one pass through the encoder each.

        Args:
            ratings: as for every model.
            seen: left alone: a rating and its mark are one number in this encoder's input, so that a mark without a
                star has no place there.

        Raises:
            ValueError: rows are items: such a network has one input for each training user and none for a new one.
        """
        settings = self.settings
        if settings.rows != "user":
            raise ValueError(
                "An autorec model with item rows has one input and one output for each training user, so that new "
                "users have no place in it. Train with model.rows=user, or the dual model, to take in new users."
            )
        item_bias = self.items.offset[:-1]
        user_bias = fold_in_bias(ratings, self.mean, item_bias, settings.damping)
        biases = Biases(self.mean, user_bias, item_bias, ratings.user_counts, ratings.item_counts)
        rows = Rows.of(ratings, biases, self.scale, rows="user", residual=settings.residual)
        codes, features = _read_rows(self.weights, settings, rows)
        side = _row_side(settings, codes, features, user_bias)
        side.factors[:-1][ratings.user_counts == 0] = 0.0  # nothing is known of them
        return side

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' codes and factors, where rows are items.

        Raises:
            ValueError: rows are users: such a network has one output for each training item and none for a new one.
        """
        settings = self.settings
        if settings.rows != "item":
            raise ValueError(
                "An autorec model with user rows has one input and one output for each training item, so that new "
                "items have no place in it. Train with model.rows=item, or the dual model, to take in new items."
            )
        mirrored = TrainedAutorec(
            self.mean, self.scale, self.items, self.users, self.weights, replace(settings, rows="user")
        )
        return mirrored.fold_in(ratings.transposed())

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedAutorec:
        """With new items' codes and factors, where rows are items; raises as `fold_in_items` does."""
        return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)))

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        rows, columns = (self.users, self.items) if self.settings.rows == "user" else (self.items, self.users)
        width = self.weights.output_table.shape[1]
        return {
            **{f"kernel_{layer}": kernel for layer, kernel in enumerate(self.weights.kernels)},
            **{f"shift_{layer}": shift for layer, shift in enumerate(self.weights.shifts)},
            "output_table": self.weights.output_table, "output_shift": self.weights.output_shift,
            "codes": rows.latent, "features": rows.factors[:-1, :width],
            "row_bias": rows.offset[:-1], "column_bias": columns.offset[:-1],
            "settings": np.array(json.dumps(asdict(self.settings))), "mean": np.array(self.mean),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedAutorec:
        """The model that gave these arrays."""
        settings = AutorecSettings.from_dict(json.loads(str(arrays["settings"])))
        layers = range(len(settings.hidden))
        weights = AutorecWeights(
            tuple(arrays[f"kernel_{layer}"] for layer in layers), tuple(arrays[f"shift_{layer}"] for layer in layers),
            arrays["output_table"], arrays["output_shift"],
        )  # fmt: skip
        return cls._assembled(
            float(arrays["mean"]), scale, weights, settings, arrays["codes"], arrays["features"], arrays["row_bias"],
            arrays["column_bias"],
        )  # fmt: skip


def _row_side(settings: AutorecSettings, codes: Table, features: Table, bias: FloatArray) -> Encoded:
    """Factors of rows: the last activations, a 1 for the output shift and, without residuals, the bias to take back."""
    ones = np.ones(len(features), dtype=np.float32)
    extra = [ones] if settings.residual else [ones, bias.astype(np.float32)]
    factors = np.concatenate([features, np.stack(extra, axis=1)], axis=1)
    return Encoded(with_unknown(factors, 0.0), with_unknown(bias, 0.0), codes)


def _read_rows(weights: AutorecWeights, settings: AutorecSettings, rows: Rows) -> tuple[Table, Table]:
    """Codes and last activations of rows, some at a time."""
    from scipy import sparse

    activation = _ACTIVATIONS[settings.activation]
    widths = settings.hidden
    code_layer = len(widths) // 2
    codes = np.empty((len(rows), widths[code_layer]), dtype=np.float32)
    features = codes if code_layer == len(widths) - 1 else np.empty((len(rows), widths[-1]), dtype=np.float32)
    matrix = sparse.csr_array((rows.inputs, rows.columns, rows.starts), shape=(len(rows), rows.num_columns))
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        values: Any = matrix[part]
        for layer, (kernel, shift) in enumerate(zip(weights.kernels, weights.shifts, strict=True)):
            values = activation(values @ kernel + shift)
            if layer == code_layer:
                codes[part] = values
        features[part] = values
    return codes, features


@dataclass(frozen=True, eq=False)
class BlendEncoded(Encoded):
    """One side encoded by both members of a `TrainedBlend`.

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
class TrainedBlend(TrainedModel):
    """The dual autoencoder and its sampled sibling, averaged: factors side by side, so that it is one model in use.

    Beside what the factors say it leans towards the person's own stars at items alike (`neighbours`):

        p + lean * belief * (bias + neighbours' mean residual - p)

    and, where it is aware of time, adds ``sitting`` of the mean residual of the person's ratings of nearly that time.

    Args:
        dual: the one.
        sampled: the other.
        share: weight of ``dual``, above 0 and below 1; the sibling has the rest.
        lean: how far, from 0 (not at all) to 1.
        sitting: likewise; 0 in a model that is not aware of time.
    """

    users: BlendEncoded
    items: BlendEncoded
    dual: TrainedDual
    sampled: TrainedSampled
    share: float
    lean: float
    sitting: float
    name: ClassVar[str] = "dual and sampled"

    @classmethod
    def of(
        cls, dual: TrainedDual, sampled: TrainedSampled, share: float, *, lean: float = 0.0, sitting: float = 0.0,
        ratings: Ratings | None = None, time_aware: bool = False,
    ) -> TrainedBlend:  # fmt: skip
        """Averages two models of the same ratings, which neighbours need."""
        residuals = None if ratings is None else _residuals(dual, ratings, dual.user_bias)
        given = ratings.timestamps if ratings is not None and time_aware else None
        return cls._assembled(dual, sampled, (share, lean, sitting), residuals, given)

    @classmethod
    def _assembled(
        cls, dual: TrainedDual, sampled: TrainedSampled, weights: Sequence[float], residuals: Any,
        given: npt.NDArray[Any] | None, likeness: Table | None = None,
    ) -> TrainedBlend:  # fmt: skip
        share, lean, sitting = weights
        users = _averaged(dual.users, sampled.users, share, share, bias=dual.user_bias)
        users = replace(users, residuals=residuals, given=given)
        item_share: float | Table = share if likeness is None else likeness * np.float32(share)
        items = _averaged(dual.items, sampled.items, share, item_share, bias=dual.item_bias, of_items=True)
        items = replace(items, likeness=likeness)
        return cls(dual.mean, dual.scale, users, items, dual, sampled, share, lean, sitting)

    def reconstruct(
        self, users: IntArray, items: IntArray, *, readers: Encoded | None = None, columns: Encoded | None = None,
        times: IntArray | None = None,
    ) -> FloatArray:  # fmt: skip
        """Raw stars at given cells, as the base class says, neighbours included."""
        stars = super().reconstruct(users, items, readers=readers, columns=columns)
        side, other = readers or self.users, columns or self.items
        if not isinstance(side, BlendEncoded):
            return stars
        if not isinstance(other, BlendEncoded):
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

    def _of_folded(self, side: BlendEncoded, other: BlendEncoded, users: IntArray, items: IntArray) -> FloatArray:
        """The average where neither user nor item was trained on: the factors of the two sides then give it wrongly.

        Each takes its part of the share, as if the other were trained on, so that the parts are multiplied.
        """
        weight = side.share[users] * other.share[items] / np.float32(self.share)
        one, two = (
            member.reconstruct(users, items, readers=reader, columns=column)
            for member, reader, column in zip((self.dual, self.sampled), side.members, other.members, strict=True)
        )
        return two + weight * (one - two)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> BlendEncoded:
        """New users, by both; the fewer ratings, the more is left to the sibling, which knows how little they say."""
        one = self.dual.fold_in(ratings, seen=seen)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.user_tilt
        residuals = None if self.users.residuals is None else _residuals(self.dual, ratings, bias)
        share = _folded_shares(self.share, ratings.user_counts)
        side = _averaged(one, self.sampled.fold_in(ratings, seen=seen), self.share, share, bias=bias)
        return replace(side, residuals=residuals, given=None if self.users.given is None else ratings.timestamps)

    def fold_in_items(self, ratings: Ratings) -> BlendEncoded:
        """New items, likewise."""
        one = self.dual.fold_in_items(ratings)
        bias = one.offset[:-1] - one.latent @ self.dual.weights.item_tilt
        share = _folded_shares(self.share, ratings.item_counts)
        side = _averaged(one, self.sampled.fold_in_items(ratings), self.share, share, bias=bias, of_items=True)
        return replace(side, likeness=share / np.float32(self.share))

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedBlend:
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
        dual, sampled = self.dual.with_items(ratings, merge), self.sampled.with_items(ratings, merge)
        weights = (self.share, self.lean, self.sitting)
        return self._assembled(dual, sampled, weights, residuals, self.users.given, likeness)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays: Arrays = {
            **{f"dual/{name}": array for name, array in self.dual.to_arrays().items()},
            **{f"sampled/{name}": array for name, array in self.sampled.to_arrays().items()},
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
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedBlend:
        """The model that gave these arrays."""
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {"dual": {}, "sampled": {}}
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
        sampled = TrainedSampled.from_arrays(parts["sampled"], scale)
        return cls._assembled(
            dual, sampled, arrays["weights"].tolist(), residuals, arrays.get("given"), arrays.get("likeness")
        )


def _residuals(dual: TrainedDual, ratings: Ratings, user_bias: Table) -> Any:
    left = ratings.values - np.float32(dual.mean) - user_bias[ratings.user_index]
    left -= dual.item_bias.astype(np.float32)[ratings.item_index]
    return cells_matrix(ratings, left)


def folded_share(share: float, count: Any) -> Any:
    """Weight of ``dual`` for a folded row with so many ratings, or for each of many."""
    return share * count / (count + _FOLDED_DAMPING)


def _folded_shares(share: float, counts: npt.NDArray[Any]) -> Table:
    """The weights of all folded rows, and of whoever is unknown."""
    return np.append(folded_share(share, counts).astype(np.float32), np.float32(share))


def _averaged(
    one: Encoded, other: Encoded, share: float, weight: float | Table, *, bias: FloatArray, of_items: bool = False
) -> BlendEncoded:
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
    return BlendEncoded(
        np.concatenate(factors, axis=1),
        offset,
        latent,
        with_unknown(bias, 0.0),
        (one, other),
        np.ascontiguousarray(w[:, 0]),
    )


SavedModel = TrainedDual | TrainedAutorec | TrainedSampled | TrainedBlend
TRAINED_MODELS: dict[str, type[SavedModel]] = {
    kind.name: kind for kind in (TrainedDual, TrainedAutorec, TrainedSampled, TrainedBlend)
}
