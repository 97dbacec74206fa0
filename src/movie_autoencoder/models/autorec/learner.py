"""Trains the classic autoencoder, one pass over the rows an epoch; what the trainer drives.

The step is that of ``model.fit`` (`RatingNetwork.descend`), without Keras' callbacks and data pipeline.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ...data.ratings import Ratings
from ..base import Arrays
from ..optimizer import MovingAverage, make_optimizer
from ..rating_network import Batch, batch_signature
from ..sparse import Tensor, squared_error
from .dataset import RowDataset
from .network import AutorecAutoencoder
from .settings import AutorecSettings
from .trained import TrainedAutorec

# By trial on validation parts.
_LEARNING_RATES = {"adam": 3e-3, "adamw": 3e-3, "nadam": 3e-3, "rmsprop": 2e-3, "adagrad": 0.02}
_STEEPNESS = {"sigmoid": 1, "tanh": 30, "relu": 30, "elu": 30, "swish": 30, "selu": 100, "linear": 400}
# Measured on two cores, 128 units, batches of 256: at 4.5 % observed both take 3.3 M ratings a second, at 1.7 % dense
# ones 1.0 and sparse ones 1.2, at 0.1 % 0.1 and 0.3.
_DENSE_FROM = 0.05


def default_learning_rate(optimizer: str, settings: AutorecSettings) -> float:
    """A learning rate that works for an optimizer.

    Plain gradient steps are stable only below a bound. It is lower the more activations add up in an output and the
    more layers there are, and lower for activations that are steep or unbounded and where outputs are fed back.
    """
    if optimizer != "sgd":
        return _LEARNING_RATES[optimizer]
    depth = len(settings.hidden) ** 2 * (4 if settings.refeeds else 1)
    return 0.4 / (settings.hidden[-1] * _STEEPNESS[settings.activation] * depth)


class AutorecLearner:
    """Trains an `AutorecAutoencoder` on ratings; an epoch is one pass over the rows in random order.

    Order, hidden ratings and dropout of an epoch follow from seed and epoch alone. So an interrupted run that is
    resumed ends at the same weights.

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
        self.dataset = RowDataset(
            ratings,
            rows=settings.rows,
            residual=settings.residual,
            dropout=settings.dropout,
            damping=settings.damping,
            batch_size=batch_size,
            seed=seed,
        )
        self.model = AutorecAutoencoder(
            self.dataset.num_rows,
            self.dataset.num_columns,
            settings.hidden,
            settings.activation,
            code_dropout=settings.code_dropout,
            refeeds=settings.refeeds,
            l2=settings.l2,
            dense=settings.kernel == "dense" or (settings.kernel == "auto" and ratings.density >= _DENSE_FROM),
            seed=seed,
        )
        self.model.compile(make_optimizer(optimizer))
        self.model.optimizer.build(self.model.trainable_variables)
        self._average = self.model.average = MovingAverage(self.model.trainable_variables, average)
        self._step: Any = None

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One pass; the mean squared error over all ratings, each at its batch's step, in squared rating points."""
        self.model.optimizer.learning_rate = learning_rate
        total = 0.0
        for index in range(len(self.dataset)):
            batch = self.dataset.batch(epoch, index)
            if self._step is None:
                self._step = tf.function(self._one_step, autograph=False, input_signature=[batch_signature(batch)])
            total += float(self._step(batch))
        return total / len(self.ratings) * self.dataset.unit**2

    def _one_step(self, batch: Batch) -> Tensor:
        inputs, targets = batch
        predicted, _ = self.model.descend(inputs | self.dataset.constants, targets)
        return squared_error(predicted, targets)

    def trained(self) -> TrainedAutorec:
        """The model of the averaged weights, every row encoded from all training ratings, in NumPy."""
        return self.model.to_trained(self.dataset, self._average.values(), self.settings)

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to continue exactly."""
        return self.model.training_state()

    def restore(self, state: Arrays) -> None:
        """Continues from a `state` of a learner with the same ratings and settings."""
        self.model.restore_training_state(state)
