"""The Keras side of both autoencoders: the loss at observed cells, the penalty and the scaled gradient step.

``fit`` and our trainer call the same `RatingNetwork.descend`; a model says what it penalizes and how its gradients are
scaled.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .base import Arrays
from .optimizer import MovingAverage
from .sparse import Tensor

Batch = tuple[dict[str, Tensor], Tensor]  # inputs and targets


def batch_signature(batch: Batch) -> Any:
    """The signature of a ``tf.function`` that takes batches such as this one, of any length."""
    return tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), batch)


class RatingNetwork(keras.Model):
    """A Keras model that is trained on ratings at given cells.

    A batch is ``(inputs, targets)``: ``inputs`` a dictionary of tensors, ``targets`` of shape ``(n,)`` for the ``n``
    cells that the model predicts. A subclass defines `tables`, `penalty_fraction` and `scale_gradients`.

    Args:
        l2: penalty on the squares of `tables`.
        name: of the model; the paths of its variables, by which checkpoints keep them, start with it.
    """

    reduction = "sum_over_batch_size"  # of the loss over the cells of a batch

    def __init__(self, *, l2: float, name: str, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.l2 = l2
        self.average: MovingAverage | None = None
        self.supports_jit = False  # XLA compiles no sparse kernel

    def ensure_built(self) -> None:
        """Creates the weights if there are none. The constructor leaves this open: a subclass may still add layers."""
        if not self.built:
            self.build()

    def get_build_config(self) -> dict[str, Any]:
        """Nothing: the arguments of the constructor determine all shapes."""
        return {"input_shape": None}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates the weights of a loaded model."""
        self.ensure_built()

    def summary(self, *arguments: Any, **options: Any) -> None:
        """As in Keras; also before the first call."""
        self.ensure_built()
        super().summary(*arguments, **options)

    @property
    def tables(self) -> list[keras.Variable]:
        """The weights that are penalized."""
        raise NotImplementedError

    def scale_gradients(self, gradients: list[Tensor], inputs: dict[str, Tensor]) -> list[Tensor]:
        """Gradients of the trainable variables, in their order, as the optimizer is given them.

        Args:
            gradients: of the loss.
            inputs: of the batch.
        """
        raise NotImplementedError

    def compile(  # noqa: A003
        self, optimizer: Any = "adam", loss: Any = None, loss_weights: Any = None, metrics: Any = None, **options: Any
    ) -> None:
        """As in Keras; without further arguments the loss is the squared error, and the metric is the RMSE."""
        loss = keras.losses.MeanSquaredError(reduction=self.reduction) if loss is None else loss
        metrics = [keras.metrics.RootMeanSquaredError(name="rmse")] if metrics is None else metrics
        self.ensure_built()
        super().compile(optimizer, loss, loss_weights, metrics, **options)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was; Keras leaves that to classes with their own `compile`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled loss at the cells of a batch, in training with the penalty."""
        # As columns: a Keras loss takes the mean over the last axis and weighs along the first.
        loss = super().compute_loss(x, y[:, None], y_pred[:, None], sample_weight, training)
        return loss + self.penalty(x) if training else loss

    def penalty(self, inputs: dict[str, Tensor]) -> Tensor:
        """The penalty in the loss of a batch: ``l2``, times the batch's fraction of it, times the squared tables."""
        squares = tf.add_n([tf.reduce_sum(tf.square(table.value)) for table in self.tables])
        return self.l2 * self.penalty_fraction(inputs) * squares

    def penalty_fraction(self, inputs: dict[str, Tensor]) -> Tensor:
        """Fraction of the penalty that a batch bears."""
        raise NotImplementedError

    def descend(self, x: dict[str, Tensor], y: Tensor, sample_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step of the optimizer on one batch.

        Args:
            x: inputs of the batch.
            y: targets, shape ``(n,)``.
            sample_weight: weights of the targets, same shape; equal ones when left out.

        Returns:
            Predictions before the step, shape ``(n,)``, and the loss.
        """
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
        self.apply_gradients(tape, loss, x)
        return y_pred, loss

    def apply_gradients(self, tape: tf.GradientTape, loss: Tensor, inputs: dict[str, Tensor]) -> None:
        """Gives scaled gradients to the optimizer and counts the new weights in the moving average, if there is one."""
        variables = self.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(self.scale_gradients(gradients, inputs), variables)
        if self.average is not None:
            self.average.update()

    def train_step(self, data: Any) -> Any:
        """One batch of ``fit``: `descend`, then Keras' metrics."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred, loss = self.descend(x, y, sample_weight)
        return self._results(x, y, y_pred, sample_weight, loss)

    def test_step(self, data: Any) -> Any:
        """One batch of ``evaluate``; its loss has no penalty."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        return self._results(x, y, y_pred, sample_weight, loss)

    def _results(self, x: Any, y: Tensor, y_pred: Tensor, sample_weight: Tensor | None, loss: Tensor) -> Any:
        for metric in self.metrics:
            if metric.name == "loss":  # a mean over ratings, not over batches
                metric.update_state(loss, sample_weight=tf.size(y))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def fit(self, x: Any = None, y: Any = None, *, shuffle: bool = False, **options: Any) -> keras.callbacks.History:
        """As in Keras, but batches keep their order: our datasets shuffle by their own seed."""
        return super().fit(x, y, shuffle=shuffle, **options)

    def training_state(self) -> Arrays:
        """Weights, optimizer state and moving average by the path of their variable, for a checkpoint."""
        return {name: np.asarray(variable) for name, variable in self._state_variables().items()}

    def restore_training_state(self, state: Arrays) -> None:
        """Continues from a `training_state` of the same model and optimizer.

        Raises:
            ValueError: the state has other variables.
        """
        variables = self._state_variables()
        if differing := sorted(variables.keys() ^ state.keys()):
            raise ValueError(
                f"This state belongs to another model or optimizer: {', '.join(differing[:4])} "
                f"{'is' if len(differing) == 1 else 'are'} not in both."
            )
        for name, variable in variables.items():
            variable.assign(state[name])

    def _state_variables(self) -> dict[str, Any]:
        own = {variable.path: variable for variable in [*self.weights, *self.optimizer.variables]}
        return own | ({} if self.average is None else self.average.state)
