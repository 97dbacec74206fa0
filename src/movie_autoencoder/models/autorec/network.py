"""The network of the classic rating autoencoder: one row of the matrix in, through hidden layers, the whole row out.

    code(row)    = g(W_k ... g(W_1 row + b_1) ... + b_k)          row: the observed ratings of a user or of an item
    decoded(row) = V g(... code(row) ...) + o                     of every column; trained where it is observed

AutoRec (Sedhain et al. 2015) has one sigmoid layer and item rows; DeepRec (Kuchaiev and Ginsburg 2017,
arXiv:1708.01715) several selu layers, dropout on the code and dense re-feeding: f(f(row)) should be f(row) in every
column, also where nothing is observed. `RowDataset` makes the inputs, in minibatches of rows; a matrix of all rows and
all columns is never made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..base import Table
from ..rating_network import RatingNetwork
from ..sparse import Tensor
from .dataset import RowDataset
from .layers import ColumnOutput, HiddenLayer, HiddenLayers
from .rows import read
from .settings import AutorecSettings
from .trained import AutorecWeights, TrainedAutorec


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class AutorecAutoencoder(RatingNetwork):
    """The classic rating autoencoder: hidden layers around a code, and a linear output.

    Args:
        num_rows: rows of the rating matrix.
        num_columns: columns of a row: items when rows are users, users when rows are items.
        hidden: widths of the hidden layers; the middle one is the code (of an even number the later of the two).
        activation: of the hidden layers, a name that Keras knows.
        code_dropout: fraction of the code hidden from the decoder in training.
        refeeds: further steps on a batch, in which the whole output is the input.
        l2: penalty on the squares of the tables.
        dense: whether a batch becomes a dense matrix (fast where many cells are observed) or a sparse one.
        seed: seed of the first weights.
        name: of the model.

    Example:
        ```python
        dataset = RowDataset(ratings, rows="item", batch_size=256)
        model = AutorecAutoencoder(dataset.num_rows, dataset.num_columns, (128,), "sigmoid", l2=20.0)
        model.compile(make_optimizer("adam", 0.003))
        model.fit(dataset, epochs=50)
        ```
    """

    reduction = "sum"  # a batch weighs as much as it has ratings

    def __init__(
        self,
        num_rows: int,
        num_columns: int,
        hidden: Sequence[int],
        activation: str,
        *,
        code_dropout: float = 0.0,
        refeeds: int = 0,
        l2: float = 0.0,
        dense: bool = True,
        seed: int = 0,
        name: str = "autorec",
        **options: Any,
    ) -> None:
        super().__init__(l2=l2, name=name, **options)
        self.num_rows, self.num_columns, self.hidden = num_rows, num_columns, tuple(hidden)
        self.activation, self.seed = activation, seed
        self._count = tf.constant(num_columns, tf.int64)
        self.code_dropout, self.refeeds, self.dense = code_dropout, refeeds, dense
        seeds = np.random.default_rng([seed, 2]).integers(2**31, size=len(hidden) + 1).tolist()
        middle = len(hidden) // 2 + 1
        self.encoder = HiddenLayers(hidden[:middle], activation, dense=dense, seeds=seeds[:middle], name="encoder")
        self.decoder = HiddenLayers(hidden[middle:], activation, seeds=seeds[middle:-1], first=middle, name="decoder")
        self.output_layer = ColumnOutput(num_columns, activation, dense=dense, seed=seeds[-1], name="output")

    @classmethod
    def from_trained(cls, trained: TrainedAutorec, **arguments: Any) -> AutorecAutoencoder:
        """The network with the weights of a trained model.

        Args:
            trained: the model of a bundle.
            arguments: arguments of the constructor in place of the trained model's settings.
        """
        weights, settings = trained.weights, trained.settings
        own = {"code_dropout": settings.code_dropout, "refeeds": settings.refeeds, "l2": settings.l2}
        rows = trained.users if settings.rows == "user" else trained.items
        network = cls(len(rows), len(weights.output_table), settings.hidden, settings.activation, **(own | arguments))
        network.ensure_built()
        for layer, kernel, bias in zip(network.hidden_layers, weights.kernels, weights.shifts, strict=True):
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
        network.output_layer.table.assign(weights.output_table)
        network.output_layer.bias.assign(weights.output_shift)
        return network

    def to_trained(
        self, dataset: RowDataset, values: Mapping[str, Table] | None = None, settings: AutorecSettings | None = None
    ) -> TrainedAutorec:
        """The NumPy form of this network, which a bundle holds, with every row encoded from all its ratings.

        Args:
            dataset: the training ratings, and how rows were made of them.
            values: of the weights by the path of their variable, such as averages; the present ones when left out.
            settings: that the trained model names; those of this network and dataset when left out.
        """
        values = {variable.path: variable.numpy() for variable in self.weights} if values is None else values
        weights = AutorecWeights(
            tuple(values[layer.kernel.path] for layer in self.hidden_layers),
            tuple(values[layer.bias.path] for layer in self.hidden_layers),
            values[self.output_layer.table.path],
            values[self.output_layer.bias.path],
        )
        settings = settings or AutorecSettings(
            rows=dataset.rows,
            hidden=self.hidden,
            activation=self.activation,
            dropout=dataset.dropout,
            code_dropout=self.code_dropout,
            l2=self.l2,
            residual=dataset.residual,
            refeeds=self.refeeds,
            damping=dataset.damping,
            kernel="dense" if self.dense else "sparse",
        )
        return TrainedAutorec.from_weights(weights, dataset.ratings, dataset.biases, settings)

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of all layers."""
        shape: Any = (None, self.num_columns)
        for layer in (self.encoder, self.decoder, self.output_layer):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    @property
    def hidden_layers(self) -> list[HiddenLayer]:
        """The hidden layers from the input on."""
        return [*self.encoder.hidden, *self.decoder.hidden]

    @property
    def tables(self) -> list[keras.Variable]:
        """The penalized weights: every matrix. The biases are free."""
        return [*(layer.kernel for layer in self.hidden_layers), self.output_layer.table]

    def penalty_fraction(self, inputs: dict[str, Tensor]) -> Tensor:
        """The batch's fraction of all rows."""
        return tf.cast(inputs["num_rows"][0], tf.float32) / self.num_rows

    def scale_gradients(self, gradients: list[Tensor], inputs: dict[str, Tensor]) -> list[Tensor]:
        """Multiplies the gradients of a column's weights as if every row had rated it, within the bound of one batch.

        As in the dual model, only the ratings of its column move a row of the first kernel or of the output table.
        """
        output, pace = self.output_layer, inputs["pace"]
        scaled = []
        for variable, gradient in zip(self.trainable_variables, gradients, strict=True):
            gradient = tf.convert_to_tensor(gradient)
            if variable is self.encoder.hidden[0].kernel or variable is output.table:
                gradient = gradient * pace[:, None]
            elif variable is output.bias:
                gradient = gradient * pace
            scaled.append(gradient)
        return scaled

    def compile(self, optimizer: Any = "adam", loss: Any = None, *arguments: Any, **options: Any) -> None:
        """As in Keras; the loss is a sum over the observed cells of a batch, which weighs as much as it has ratings.

        Raises:
            ValueError: a loss with another reduction.
        """
        if loss is not None and getattr(loss, "reduction", None) != self.reduction:
            raise ValueError(
                f"The loss is summed over observed cells. Give a keras.losses.Loss with reduction='sum', such as "
                f"keras.losses.Huber(reduction='sum'). Received: {loss!r}."
            )
        super().compile(optimizer, loss, *arguments, **options)

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled loss and the penalty for a rating of an average batch; in validation the mean of the loss."""
        total = super().compute_loss(x, y, y_pred, sample_weight, training)
        return total * x["loss_scale"][0] if training else total / tf.cast(tf.size(y), tf.float32)

    def descend(self, x: dict[str, Tensor], y: Tensor, sample_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step on a batch, and one more for each re-feeding; see the base class."""
        y_pred, loss = super().descend(x, y, sample_weight)
        rows: Any = x
        for refeed in range(self.refeeds):
            # The whole output is a row of which every cell is observed.
            target = tf.stop_gradient(self.decode(self.encode(rows)))
            rows = read(target, tf.cast(self._count, tf.float32))
            with tf.GradientTape() as tape:
                again = self.decode(self._drop(self.encode(rows), x["seed"] + refeed + 1))
                refeed_loss = tf.reduce_mean(tf.square(again - target))
            self.apply_gradients(tape, refeed_loss, x)
        return y_pred, loss

    def encode(self, rows: Any) -> Tensor:
        """Codes of rows, shape ``(rows, code_dim)``.

        Args:
            rows: a dense matrix, shape ``(rows, num_columns)``, or a dictionary as for `HiddenLayer.call`.
        """
        return self.encoder(rows)

    def decode(self, codes: Tensor, cells: Tensor | None = None, order: Tensor | None = None) -> Tensor:
        """Rows from codes.

        Args:
            codes: shape ``(rows, code_dim)``.
            cells: which outputs to evaluate, as for `ColumnOutput.call`; all when left out.
            order: the indices that sort these cells by column.

        Returns:
            Shape ``(n,)``; of whole rows ``(rows, num_columns)``.
        """
        features = self.decoder(codes)
        return self.output_layer(features) if cells is None else self.output_layer(features, cells=cells, order=order)

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        """Reconstructs rows.

        Args:
            inputs: a dense matrix, shape ``(rows, num_columns)``, or the dictionary of a batch of `RowDataset`.
            training: whether to hide a fraction of the code, by the batch's own seed.

        Returns:
            Of a matrix all cells, shape ``(rows, num_columns)``; of a batch its ``decode_cells``, shape ``(n,)``, or
            where it has none the observed cells. In units of the network (`rows.unit`).
        """
        if not isinstance(inputs, dict):
            return self.decode(self.encode(inputs))
        codes = self.encode({name: inputs[name] for name in ("cells", "order", "values", "num_rows")})
        if training:
            codes = self._drop(codes, inputs["seed"])
        cells, order = (inputs.get(f"decode_{name}", inputs[name]) for name in ("cells", "order"))
        return self.decode(codes, cells, order)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this model."""
        names = ("num_rows", "num_columns", "hidden", "activation", "code_dropout", "refeeds", "l2", "dense", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    def _drop(self, codes: Tensor, seed: Tensor) -> Tensor:
        return tf.nn.experimental.stateless_dropout(codes, self.code_dropout, seed) if self.code_dropout else codes
