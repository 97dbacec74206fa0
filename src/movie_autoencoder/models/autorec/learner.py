"""The classic rating autoencoder: one row of the matrix in, through hidden layers, the whole row out.

    code(row)    = g(W_k ... g(W_1 row + b_1) ... + b_k)          row: the observed ratings of a user or of an item
    decoded(row) = V g(... code(row) ...) + o                     of every column; trained where it is observed

AutoRec (Sedhain et al. 2015) has one sigmoid layer and item rows; DeepRec (Kuchaiev and Ginsburg 2017,
arXiv:1708.01715) several selu layers, dropout on the code and dense re-feeding: f(f(row)) should be f(row) in every
column, also where nothing is observed. Rows are read in minibatches, sparse or dense; a matrix of all rows and all
columns is never made.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from ...data.ratings import Ratings
from ..base import Arrays
from ..baselines import BiasSolver
from ..optimizer import Stepper
from ..sparse import Cells, Matrix, Tensor, compressed, dense_matrix, inner_products, squared_error, times
from .rows import Rows, read, unit
from .settings import AutorecSettings
from .trained import AutorecWeights, TrainedAutorec

# By trial on validation parts.
_LEARNING_RATES = {"adam": 3e-3, "adamw": 3e-3, "nadam": 3e-3, "rmsprop": 2e-3, "adagrad": 0.02}
_STEEPNESS = {"sigmoid": 1, "tanh": 30, "relu": 30, "elu": 30, "swish": 30, "selu": 100, "linear": 400}
# Measured on two cores, 128 units, batches of 256: at 4.5 % observed both take 3.3 M ratings a second, at 1.7 % dense
# ones 1.0 and sparse ones 1.2, at 0.1 % 0.1 and 0.3.
_DENSE_FROM = 0.05


def default_learning_rate(optimizer: str, settings: AutorecSettings) -> float:
    """A learning rate that works for an optimizer.

    Plain gradient steps are only stable below a bound: the lower, the more activations add up in an output and the
    more layers there are, and lower for activations that are steep or have no ceiling and where outputs are fed back.
    """
    if optimizer != "sgd":
        return _LEARNING_RATES[optimizer]
    depth = len(settings.hidden) ** 2 * (4 if settings.refeeds else 1)
    return 0.4 / (settings.hidden[-1] * _STEEPNESS[settings.activation] * depth)


class AutorecAutoencoder(keras.Model):
    """The network: hidden layers around a code, and a linear output.

    The tables W_1 and V have a row for each column of the ratings, so that a rating touches one row of each.

    Args:
        num_columns: columns of a row: items when rows are users, users when rows are items.
        hidden: widths of the hidden layers; the middle one is the code (of an even number the later of the two).
        activation: of the hidden layers, a name that Keras knows.
        seed: seed of the first weights.
    """

    def __init__(self, num_columns: int, hidden: tuple[int, ...], activation: str, *, seed: int) -> None:
        super().__init__(name="autorec")
        seeds = iter(np.random.default_rng([seed, 2]).integers(2**31, size=len(hidden) + 1).tolist())
        start = keras.initializers.LecunNormal if activation == "selu" else keras.initializers.GlorotUniform
        self.activation = keras.activations.get(activation)
        self.code_layer = len(hidden) // 2
        self.kernels, self.shifts = [], []
        for layer, (fan_in, fan_out) in enumerate(zip((num_columns, *hidden), hidden, strict=False)):
            kernel = self.add_weight((fan_in, fan_out), initializer=start(seed=next(seeds)), name=f"kernel_{layer}")
            self.kernels.append(kernel)
            self.shifts.append(self.add_weight((fan_out,), initializer="zeros", name=f"shift_{layer}"))
        self.output_table = self.add_weight(
            (num_columns, hidden[-1]), initializer=start(seed=next(seeds)), name="output_table"
        )
        self.output_shift = self.add_weight((num_columns,), initializer="zeros", name="output_shift")
        self.built = True

    @property
    def tables(self) -> list[keras.Variable]:
        """What is penalised: every matrix; the shifts are free."""
        return [*self.kernels, self.output_table]

    def _through(self, inputs: Tensor, first: int, last: int) -> Tensor:
        for layer in range(first, last):
            inputs = self.activation(times(inputs, self.kernels[layer].value) + self.shifts[layer])
        return inputs

    def encode(self, rows: Matrix | Tensor) -> Tensor:
        """Codes of rows.

        Args:
            rows: from `observed.compressed` or `observed.dense_matrix`, shape ``(batch, num_columns)``.

        Returns:
            Shape ``(batch, code_dim)``.
        """
        return self._through(rows, 0, self.code_layer + 1)

    def decode(self, codes: Tensor, cells: Cells | None = None) -> Tensor:
        """Rows from codes.

        Args:
            codes: shape ``(batch, code_dim)``.
            cells: which outputs to evaluate; all when left out.

        Returns:
            Shape ``(n,)``; of whole rows ``(batch, num_columns)``.
        """
        features = self._through(codes, self.code_layer + 1, len(self.kernels))
        table = self.output_table.value
        if cells is None:
            return tf.linalg.matmul(features, table, transpose_b=True) + self.output_shift
        return inner_products(cells, features, table) + tf.gather(self.output_shift.value, cells.by_row[:, 1])

    def call(self, inputs: Tensor) -> Tensor:
        """Reconstructs whole rows (see `encode` and `decode`)."""
        return self.decode(self.encode(inputs))


class AutorecLearner:
    """Trains an `AutorecAutoencoder` on some ratings; an epoch is one pass over the rows in random order.

    Order, hidden ratings and dropout of an epoch follow from seed and epoch alone, so that a run that was interrupted
    goes on as if it had not been.

    Args:
        ratings: training ratings.
        settings: settings of this fit.
        optimizer: a name of the configuration.
        average: memory of the moving average of the weights.
        seed: seed of first weights, order, hiding and dropout.
        batch_size: rows of one step.
    """

    def __init__(
        self, ratings: Ratings, settings: AutorecSettings, *, optimizer: str, average: float, seed: int, batch_size: int
    ) -> None:
        self.ratings = ratings
        self.settings = settings
        self._seed = seed
        self._batch_size = batch_size
        self._biases = BiasSolver(ratings, settings.damping).solve()
        self._rows = Rows.of(ratings, self._biases, ratings.scale, rows=settings.rows, residual=settings.residual)
        num_columns = self._rows.num_columns
        self.dense = settings.kernel == "dense" or (settings.kernel == "auto" and ratings.density >= _DENSE_FROM)
        self.model = AutorecAutoencoder(num_columns, settings.hidden, settings.activation, seed=seed)
        self._stepper = Stepper(self.model.trainable_variables, optimizer, average)
        self._num_columns = tf.constant(num_columns, tf.int64)
        counts = np.bincount(self._rows.columns, minlength=num_columns)
        self._pace = tf.constant((len(ratings) / np.maximum(counts, len(self._rows) / batch_size)).astype(np.float32))
        signature = [
            tf.TensorSpec([None, 2], tf.int64),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None]),
            tf.TensorSpec([None]),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([]),
            tf.TensorSpec([2], tf.int32),
        ]
        self._step = tf.function(self._step_eagerly, autograph=False, input_signature=signature)

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One pass; the mean squared error over all ratings, each at its batch's step, in squared rating points."""
        rows, dropout = self._rows, self.settings.dropout
        rng = np.random.default_rng([self._seed, 3, epoch])
        order = rng.permutation(np.flatnonzero(np.diff(rows.starts)))
        inputs = rows.inputs
        if dropout:
            kept = rng.random(len(inputs), dtype=np.float32) >= dropout
            inputs = inputs * kept / np.float32(1 - dropout)
        starts = range(0, len(order), self._batch_size)
        seeds = rng.integers(2**31, size=(len(starts), 2), dtype=np.int32)
        total = 0.0
        for start, seed in zip(starts, seeds, strict=True):
            chosen = order[start : start + self._batch_size]
            cells, by_column, places = rows.batch(chosen)
            error = self._step(
                tf.constant(cells),
                tf.constant(by_column),
                tf.constant(inputs[places]),
                tf.constant(rows.targets[places]),
                tf.constant(len(chosen), tf.int64),
                tf.constant(learning_rate, tf.float32),
                tf.constant(seed),
            )
            total += float(error)
        return total / len(inputs) * unit(self.ratings.scale) ** 2

    def _dropped(self, codes: Tensor, seed: Tensor) -> Tensor:
        rate = self.settings.code_dropout
        return tf.nn.experimental.stateless_dropout(codes, rate, seed) if rate else codes

    def _step_eagerly(
        self,
        by_row: Tensor,
        by_column: Tensor,
        inputs: Tensor,
        targets: Tensor,
        num_rows: Tensor,
        learning_rate: Tensor,
        seed: Tensor,
    ) -> Tensor:
        model, settings = self.model, self.settings
        cells = Cells.given(by_row, by_column, tf.stack([num_rows, self._num_columns]))
        rows = (dense_matrix if self.dense else compressed)(cells, inputs)
        share = tf.cast(num_rows, tf.float32) / len(self._rows)
        per_batch = len(self.ratings) * min(1.0, self._batch_size / len(self._rows))
        with tf.GradientTape() as tape:
            codes = self._dropped(model.encode(rows), seed)
            predicted = tf.gather_nd(model.decode(codes), by_row) if self.dense else model.decode(codes, cells)
            error = squared_error(predicted, targets)
            penalty = tf.add_n([tf.reduce_sum(tf.square(table.value)) for table in model.tables])
            loss = (error + settings.l2 * share * penalty) / per_batch
        self._apply(tape, loss, learning_rate)
        for refeed in range(settings.refeeds):
            # The whole output is a row of which every cell is observed.
            target = tf.stop_gradient(model.decode(model.encode(rows)))
            rows = read(target, tf.cast(self._num_columns, tf.float32))
            with tf.GradientTape() as tape:
                again = model.decode(self._dropped(model.encode(rows), seed + refeed + 1))
                loss = tf.reduce_mean(tf.square(again - target))
            self._apply(tape, loss, learning_rate)
        return error

    def _apply(self, tape: Tensor, loss: Tensor, learning_rate: Tensor) -> None:
        model = self.model
        variables = self._stepper.variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        # As in the dual model, a table's row is pulled only by the ratings of its column; a column's gradient is put on
        # the footing of one that every row has rated, within the bound of one batch.
        scaled = []
        for variable, gradient in zip(variables, gradients, strict=True):
            gradient = tf.convert_to_tensor(gradient)
            if variable is model.kernels[0] or variable is model.output_table:
                gradient = gradient * self._pace[:, None]
            elif variable is model.output_shift:
                gradient = gradient * self._pace
            scaled.append(gradient)
        self._stepper.apply(scaled, learning_rate)

    def trained(self) -> TrainedAutorec:
        """The model of the averaged weights, every row encoded from all training ratings, in NumPy."""
        named = dict(zip([v.name for v in self._stepper.variables], self._stepper.averaged(), strict=True))
        layers = range(len(self.settings.hidden))
        weights = AutorecWeights(
            tuple(named[f"kernel_{layer}"] for layer in layers),
            tuple(named[f"shift_{layer}"] for layer in layers),
            named["output_table"],
            named["output_shift"],
        )
        return TrainedAutorec.from_weights(weights, self.ratings, self._biases, self.settings)

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to go on exactly."""
        return self._stepper.state()

    def restore(self, state: Arrays) -> None:
        """Takes up a `state` of a learner with the same ratings and settings."""
        self._stepper.restore(state)
