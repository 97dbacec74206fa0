"""Trains the dual autoencoder, one full-batch step an epoch; what the trainer drives.

The step is that of ``model.fit`` (`RatingNetwork.descend`), without Keras' callbacks and data pipeline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ...data.ratings import Ratings
from ..base import Arrays
from ..optimizer import MovingAverage, make_optimizer
from ..rating_network import Batch, batch_signature
from ..sparse import Tensor, squared_error
from .hide_and_predict import HidePredictDataset
from .network import DualAutoencoder
from .settings import DualSettings
from .trained import TrainedDual

# By trial on validation parts; one rate fits 20 thousand ratings and 20 million, see `DualAutoencoder.scale_gradients`.
_LEARNING_RATES = {"adam": 0.01, "adamw": 0.01, "nadam": 0.01, "rmsprop": 0.005, "adagrad": 0.01}


def default_learning_rate(optimizer: str, ratings: Ratings) -> float:
    """A learning rate that works for an optimizer.

    Plain gradient steps are stable only below a bound, which the steepest direction sets: all rows of a table moving
    alike. It grows with the number of ratings in the row of an average rating.
    """
    if optimizer != "sgd":
        return _LEARNING_RATES[optimizer]
    squares = [
        float(np.square(counts, dtype=np.float64).sum()) for counts in (ratings.user_counts, ratings.item_counts)
    ]
    return len(ratings) / max(squares)


class DualLearner:
    """Trains a `DualAutoencoder` on ratings, one full-batch step an epoch.

    The hidden cells of a step follow from seed and epoch alone. So an interrupted run that is resumed ends at the same
    weights.

    Args:
        ratings: training ratings.
        settings: settings of this fit.
        optimizer: a name of the configuration.
        average: memory of the moving average of the weights.
        seed: seed of first weights and hiding.
    """

    def __init__(self, ratings: Ratings, settings: DualSettings, *, optimizer: str, average: float, seed: int) -> None:
        self.ratings = ratings
        self.settings = settings
        self.dataset = HidePredictDataset(
            ratings,
            hidden_fraction=settings.hidden_fraction,
            hidden_rows=settings.hidden_rows,
            damping=settings.damping,
            seed=seed,
        )
        self.model = DualAutoencoder(
            ratings.num_users, ratings.num_items, settings.latent_dim, l2=settings.l2, seed=seed
        )
        self.model.compile(make_optimizer(optimizer))
        self.model.optimizer.build(self.model.trainable_variables)
        self._average = self.model.average = MovingAverage(self.model.trainable_variables, average)
        self._step: Any = None

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One step; returns the mean squared error at its hidden cells, in squared rating points."""
        batch = self.dataset.batch(epoch)
        if self._step is None:
            self._step = tf.function(self._one_step, autograph=False, input_signature=[batch_signature(batch)])
        self.model.optimizer.learning_rate = learning_rate
        return float(self._step(batch))

    def _one_step(self, batch: Batch) -> Tensor:
        inputs, targets = batch
        predicted, _ = self.model.descend(inputs, targets)
        return squared_error(predicted, targets) / tf.cast(tf.size(targets), tf.float32)

    def trained(self) -> TrainedDual:
        """The model of the averaged weights, all training ratings visible, in NumPy."""
        return self.model.to_trained(self.dataset, self._average.values())

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to continue exactly."""
        return self.model.training_state()

    def restore(self, state: Arrays) -> None:
        """Continues from a `state` of a learner with the same ratings and settings."""
        self.model.restore_training_state(state)
