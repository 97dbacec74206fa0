"""The layers of the classic autoencoder: hidden layers that read observed cells, and the linear output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ..sparse import Cells, Tensor, compressed, dense_matrix, inner_products_at, times


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class HiddenLayer(keras.layers.Layer):
    """A dense layer that also reads rows of which only some cells are observed.

    Args:
        units: numbers of an output row.
        activation: a name that Keras knows.
        dense: whether observed cells become a dense matrix (fast where many cells are observed) or a sparse one.
        seed: seed of the first kernel.
    """

    def __init__(self, units: int, activation: str, *, dense: bool = True, seed: int | None = None, **options: Any):
        super().__init__(**options)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.dense = dense
        self.seed = seed
        self.supports_jit = False

    def build(self, input_shape: Any) -> None:
        """Creates the weights for rows of ``input_shape[-1]`` columns."""
        start = kernel_initializer(self.activation, self.seed)
        self.kernel = self.add_weight((input_shape[-1], self.units), initializer=start, name="kernel")
        self.bias = self.add_weight((self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Tensor:
        """Activations, shape ``(rows, units)``.

        Args:
            inputs: a dense matrix, shape ``(rows, columns)``; or a dictionary of observed cells: ``cells`` (row and
                column, sorted, shape ``(n, 2)``, int64), ``order`` (the indices that sort them by column, shape
                ``(n,)``, int32), ``values`` (shape ``(n,)``) and ``num_rows`` (shape ``(1,)``, int64).
        """
        rows = inputs if tf.is_tensor(inputs) else self._rows(inputs)
        return self.activation(times(rows, self.kernel.value) + self.bias)

    def _rows(self, inputs: dict[str, Tensor]) -> Any:
        cells = observed_cells(inputs, self.kernel.shape[0])
        return (dense_matrix if self.dense else compressed)(cells, inputs["values"])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Shape ``(rows, units)``."""
        return input_shape[0], self.units

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        activation = keras.activations.serialize(self.activation)
        own = {"units": self.units, "activation": activation, "dense": self.dense, "seed": self.seed}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class HiddenLayers(keras.layers.Layer):
    """Hidden layers one after another: the encoder, or the decoder up to its last activations.

    Args:
        units: width of each layer.
        activation: of each layer, a name that Keras knows.
        dense: as for `HiddenLayer`; matters for the layer that reads observed cells.
        seeds: seed of each layer's first kernel.
        first: number of the first layer, for the layers' names.
    """

    def __init__(
        self,
        units: Sequence[int],
        activation: str,
        *,
        dense: bool = True,
        seeds: Sequence[int | None] = (),
        first: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units, self.activation, self.dense, self.first = tuple(units), activation, dense, first
        self.seeds = tuple(seeds) or (None,) * len(units)
        self.hidden = [
            HiddenLayer(width, activation, dense=dense, seed=seed, name=f"hidden_{first + number}")
            for number, (width, seed) in enumerate(zip(units, self.seeds, strict=True))
        ]
        self.supports_jit = False

    def build(self, input_shape: Any) -> None:
        """Creates the weights for rows of ``input_shape[-1]`` columns."""
        for layer in self.hidden:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Tensor:
        """Activations of the last layer; inputs as for `HiddenLayer.call`."""
        for layer in self.hidden:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Shape ``(rows, width of the last layer)``."""
        return input_shape[0], self.hidden[-1].units if self.hidden else input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        names = ("units", "activation", "dense", "seeds", "first")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class ColumnOutput(keras.layers.Layer):
    """The linear output: a value for each column, or for given cells only.

    The table has a row for each column of the ratings, so that a rating touches one row of it.

    Args:
        num_columns: columns of a row.
        activation: of the hidden layers; decides how the table is drawn.
        dense: whether values at given cells are taken from whole rows.
        seed: seed of the first table.
    """

    def __init__(
        self, num_columns: int, activation: str, *, dense: bool = True, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.num_columns = num_columns
        self.activation = activation
        self.dense = dense
        self.seed = seed
        self.supports_jit = False

    def build(self, input_shape: Any) -> None:
        """Creates the weights for features of ``input_shape[-1]`` numbers."""
        start = kernel_initializer(keras.activations.get(self.activation), self.seed)
        self.table = self.add_weight((self.num_columns, input_shape[-1]), initializer=start, name="table")
        self.bias = self.add_weight((self.num_columns,), initializer="zeros", name="bias")

    def call(self, features: Tensor, cells: Tensor | None = None, order: Tensor | None = None) -> Tensor:
        """Whole rows, shape ``(rows, num_columns)``; with ``cells`` the values there, shape ``(n,)``.

        Args:
            features: shape ``(rows, width)``.
            cells: row and column of each value, sorted, shape ``(n, 2)``, int64.
            order: the indices that sort the cells by column, shape ``(n,)``, int32.
        """
        if cells is None or self.dense:
            whole = tf.linalg.matmul(features, self.table.value, transpose_b=True) + self.bias
            return whole if cells is None else tf.gather_nd(whole, cells)
        num_rows = tf.shape(features, tf.int64)[:1]
        given = observed_cells({"cells": cells, "order": order, "num_rows": num_rows}, self.num_columns)
        return inner_products_at(given, features, self.table.value) + tf.gather(self.bias.value, cells[:, 1])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Shape of whole rows."""
        return input_shape[0], self.num_columns

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        names = ("num_columns", "activation", "dense", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def observed_cells(inputs: dict[str, Tensor], num_columns: int) -> Cells:
    """Cells of a batch of rows from the tensors that `HiddenLayer.call` describes."""
    shape = tf.stack([inputs["num_rows"][0], tf.constant(num_columns, tf.int64)])
    return Cells.given(inputs["cells"], inputs["order"], shape)


def kernel_initializer(activation: Any, seed: int | None) -> keras.initializers.Initializer:
    """The initializer of a kernel before an activation (LeCun's rule for selu, Glorot's for the others)."""
    selu = activation is keras.activations.selu
    return (keras.initializers.LecunNormal if selu else keras.initializers.GlorotUniform)(seed=seed)
