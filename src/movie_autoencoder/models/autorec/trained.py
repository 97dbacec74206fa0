"""A trained classic autoencoder in NumPy: what a bundle holds and what is needed to use it, without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import FloatArray, Ratings, Scale
from ..base import Arrays, Encoded, Merge, Table, TrainedModel, with_unknown
from ..baselines import Biases, fold_in_bias
from ..person import PersonEncoder
from .rows import Rows, unit
from .settings import AutorecSettings


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
        cls,
        mean: float,
        scale: Scale,
        weights: AutorecWeights,
        settings: AutorecSettings,
        codes: Table,
        features: Table,
        row_bias: Table,
        column_bias: Table,
    ) -> TrainedAutorec:
        rows = _row_side(settings, codes, features, row_bias)
        points = np.float32(unit(scale))
        shift = weights.output_shift * points
        extra = [shift] if settings.residual else [shift - column_bias, np.full_like(shift, -1)]
        factors = np.concatenate([weights.output_table * points, np.stack(extra, axis=1)], axis=1)
        columns = Encoded(with_unknown(factors, 0.0), with_unknown(column_bias, 0.0), weights.output_table)
        users, items = (rows, columns) if settings.rows == "user" else (columns, rows)
        return cls(mean, scale, users, items, weights, settings)

    @property
    def encodes_people(self) -> bool:
        """Whether rows are users; a network of item rows has one input for each training user."""
        return self.settings.rows == "user"

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users' codes and factors: one pass through the encoder each.

        Args:
            ratings: as for every model.
            seen: ignored: this encoder has one input for rating and implicit feedback.

        Raises:
            ValueError: rows are items: such a network has one input for each training user and none for a new one.
        """
        settings = self.settings
        if not self.encodes_people:
            raise ValueError(
                "An autorec model with item rows has one input and one output for each training user, and "
                "none for a new user. Train with model.rows=user, or the dual model, to take in new users."
            )
        item_bias = self.items.offset[:-1]
        user_bias = fold_in_bias(ratings, self.mean, item_bias, settings.damping)
        biases = Biases(self.mean, user_bias, item_bias, ratings.user_counts, ratings.item_counts)
        rows = Rows.of(ratings, biases, self.scale, rows="user", residual=settings.residual)
        codes, features = _read_rows(self.weights, settings, rows)
        side = _row_side(settings, codes, features, user_bias)
        side.factors[:-1][ratings.user_counts == 0] = 0.0  # nothing is known of them
        return side

    def keras_model(self) -> Any:
        """The Keras network with these weights (docs/keras.md)."""
        from .network import AutorecAutoencoder

        return AutorecAutoencoder.from_trained(self)

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person at a time; see the base class.

        Raises:
            ValueError: rows are items.
        """
        if self.settings.rows != "user":
            raise ValueError(
                "This autorec model reads items' columns (model.rows=item), with one input for each training user: it "
                "predicts for those and cannot encode anyone else. To recommend and explain, train the dual model, or "
                "an autorec with --set model.rows=user."
            )
        return super().person_encoder()

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' codes and factors, where rows are items.

        Raises:
            ValueError: rows are users: such a network has one output for each training item and none for a new one.
        """
        settings = self.settings
        if settings.rows != "item":
            raise ValueError(
                "An autorec model with user rows has one input and one output for each training item, and "
                "none for a new item. Train with model.rows=item, or the dual model, to take in new items."
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
            "output_table": self.weights.output_table,
            "output_shift": self.weights.output_shift,
            "codes": rows.latent,
            "features": rows.factors[:-1, :width],
            "row_bias": rows.offset[:-1],
            "column_bias": columns.offset[:-1],
            "settings": np.array(json.dumps(asdict(self.settings))),
            "mean": np.array(self.mean),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedAutorec:
        """The model that gave these arrays."""
        settings = AutorecSettings.from_dict(json.loads(str(arrays["settings"])))
        layers = range(len(settings.hidden))
        weights = AutorecWeights(
            tuple(arrays[f"kernel_{layer}"] for layer in layers),
            tuple(arrays[f"shift_{layer}"] for layer in layers),
            arrays["output_table"],
            arrays["output_shift"],
        )
        return cls._assembled(
            float(arrays["mean"]),
            scale,
            weights,
            settings,
            arrays["codes"],
            arrays["features"],
            arrays["row_bias"],
            arrays["column_bias"],
        )


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
