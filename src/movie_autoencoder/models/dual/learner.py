"""The dual autoencoder: two encoders, of a user's row and of an item's column, meet in a bilinear decoder.

    z_u = (sum_i e_ui A_i + sum_i C_i) / sqrt(n_u + 1) + c        over the items that user u rated
    w_i = (sum_u e_ui B_u + sum_u D_u) / sqrt(n_i + 1) + d        over the users who rated item i
    decoded(u, i) = <z_u, w_i> + <alpha, z_u> + <beta, w_i>       of the residual e_ui on damped biases

It is trained by hide and predict: each step hides a random share of the ratings from biases, residuals, counts and
both encoders, and descends on the squared error at the hidden cells. The features are those of "SVD++ flipped" (Koren
2008; Rendle et al. 2019, arXiv:1905.01395); the objective that of denoising autoencoders (Vincent et al. 2008).
docs/models.md derives it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...data.ratings import IntArray, Ratings, stable_order
from ..base import Arrays
from ..baselines import BiasSolver
from ..optimizer import Stepper
from ..sparse import Cells, Matrix, Tensor, compressed, inner_products, product, squared_error
from .settings import DualSettings
from .trained import DualWeights, TrainedDual

# By trial on validation parts; one rate fits 20 thousand ratings and 20 million, see `_step_eagerly`.
_LEARNING_RATES = {"adam": 0.01, "adamw": 0.01, "nadam": 0.01, "rmsprop": 0.005, "adagrad": 0.01}
_TABLE_SPREAD, _SHIFT_SPREAD = 0.05, 0.1  # standard deviations of the first weights; shifts start away from 0


def default_learning_rate(optimizer: str, ratings: Ratings) -> float:
    """A learning rate that works for an optimizer.

    Plain gradient steps are only stable below a bound set by the steepest direction: all rows of a table moving
    alike, which grows with the length of the rows that an average rating stands in.
    """
    if optimizer != "sgd":
        return _LEARNING_RATES[optimizer]
    crowds = [float(np.square(counts, dtype=np.float64).sum()) for counts in (ratings.user_counts, ratings.item_counts)]
    return len(ratings) / max(crowds)


class DualAutoencoder(keras.Model):
    """The network: four tables and four vectors, whose letters `DualWeights` lists.

    Args:
        num_users: rows of the tables B and D.
        num_items: rows of the tables A and C.
        latent_dim: numbers in a latent vector.
        seed: seed of the first weights.
    """

    def __init__(self, num_users: int, num_items: int, latent_dim: int, *, seed: int) -> None:
        super().__init__(name="dual")
        seeds = iter(np.random.default_rng([seed, 2]).integers(2**31, size=8).tolist())

        def weight(name: str, *shape: int, spread: float) -> keras.Variable:
            start = keras.initializers.RandomNormal(stddev=spread, seed=next(seeds)) if spread else "zeros"
            return self.add_weight(shape=shape, initializer=start, name=name)

        self.item_stars = weight("item_stars", num_items, latent_dim, spread=_TABLE_SPREAD)
        self.item_marks = weight("item_marks", num_items, latent_dim, spread=_TABLE_SPREAD)
        self.user_stars = weight("user_stars", num_users, latent_dim, spread=_TABLE_SPREAD)
        self.user_marks = weight("user_marks", num_users, latent_dim, spread=_TABLE_SPREAD)
        self.user_shift = weight("user_shift", latent_dim, spread=_SHIFT_SPREAD)
        self.item_shift = weight("item_shift", latent_dim, spread=_SHIFT_SPREAD)
        self.user_tilt = weight("user_tilt", latent_dim, spread=0)
        self.item_tilt = weight("item_tilt", latent_dim, spread=0)
        self.built = True

    @property
    def tables(self) -> list[keras.Variable]:
        """What is penalised; the shifts and tilts are free."""
        return [self.item_stars, self.item_marks, self.user_stars, self.user_marks]

    def encode(self, stars: Matrix, marks: Matrix, user_counts: Tensor, item_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Latent vectors from visible ratings.

        Args:
            stars: residuals of visible cells, shape ``(num_users, num_items)``.
            marks: 1 at visible cells, same shape.
            user_counts: number of visible ratings of each user, shape ``(num_users,)``.
            item_counts: likewise of each item, shape ``(num_items,)``.

        Returns:
            Of users, shape ``(num_users, latent_dim)``, and of items, shape ``(num_items, latent_dim)``.
        """
        users = product(stars, self.item_stars.value) + product(marks, self.item_marks.value)
        items = product(stars, self.user_stars.value, transpose=True)
        items += product(marks, self.user_marks.value, transpose=True)
        users = users * tf.math.rsqrt(user_counts + 1.0)[:, None] + self.user_shift
        return users, items * tf.math.rsqrt(item_counts + 1.0)[:, None] + self.item_shift

    def decode(self, users: Tensor, items: Tensor, cells: Cells) -> Tensor:
        """Residuals at given cells, shape ``(n,)``, from latent vectors of users and of items."""
        tilt = tf.gather(tf.linalg.matvec(items, self.item_tilt), cells.by_row[:, 1])
        return inner_products(cells, users, items + self.user_tilt) + tilt

    def call(self, inputs: dict[str, Any]) -> Tensor:
        """Encodes visible cells and decodes at the cells that are asked for.

        Args:
            inputs: ``cells`` (`Cells`), ``stars`` and ``marks`` (values there: residuals and 1, or 0 where hidden),
                ``user_counts`` and ``item_counts`` (visible ratings), ``asked`` (`Cells`, ``n`` of them).

        Returns:
            Residuals, shape ``(n,)``, rating points.
        """
        stars, marks = (compressed(inputs["cells"], inputs[name]) for name in ("stars", "marks"))
        users, items = self.encode(stars, marks, inputs["user_counts"], inputs["item_counts"])
        return self.decode(users, items, inputs["asked"])


class DualLearner:
    """Trains a `DualAutoencoder` on some ratings, one full-batch step an epoch.

    Each step's hidden cells follow from seed and epoch alone, so that a run that was interrupted goes on as if it had
    not been.

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
        self._seed = seed
        self._biases = BiasSolver(ratings, settings.damping)
        self.model = DualAutoencoder(ratings.num_users, ratings.num_items, settings.latent_dim, seed=seed)
        self._stepper = Stepper(self.model.trainable_variables, optimizer, average)
        self._cells = Cells.of(ratings.user_index, ratings.item_index, ratings.num_users, ratings.num_items)
        self._values = tf.constant(ratings.values)
        users, items, number = (tf.TensorSpec(shape) for shape in ([ratings.num_users], [ratings.num_items], []))
        hidden = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int32)]
        signature = [tf.TensorSpec([len(ratings)]), *hidden, number, users, items, users, items, number, number]
        self._step = tf.function(self._step_eagerly, autograph=False, input_signature=signature)

    def hidden(self, epoch: int) -> IntArray:
        """Positions of the cells hidden in an epoch, ascending; at least one is hidden and one is visible."""
        ratings, settings = self.ratings, self.settings
        rng = np.random.default_rng([self._seed, 3, epoch])
        chance: Any = np.float32(settings.hidden_fraction)
        if settings.hidden_rows:
            users, items = (
                np.where(rng.random(size) < settings.hidden_rows, rng.random(size), 0.0).astype(np.float32)
                for size in (ratings.num_users, ratings.num_items)
            )
            chance = np.maximum(np.maximum(users[ratings.user_index], items[ratings.item_index]), chance)
        hidden = np.flatnonzero(rng.random(len(ratings), dtype=np.float32) < chance)
        if not 0 < len(hidden) < len(ratings):
            hidden = rng.integers(len(ratings), size=1)
        return hidden

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One step; returns the mean squared error at its hidden cells, in squared rating points."""
        hidden = self.hidden(epoch)
        biases = self._biases.solve(hidden)
        order = stable_order(self.ratings.item_index[hidden], self.ratings.num_items)
        visible = np.ones(len(self.ratings), dtype=np.float32)
        visible[hidden] = 0.0
        numbers = (
            biases.mean,
            biases.users,
            biases.items,
            biases.user_counts,
            biases.item_counts,
            learning_rate,
            self.settings.l2,
        )
        error = self._step(
            tf.constant(visible),
            tf.constant(hidden, tf.int64),
            tf.constant(order),
            *(tf.constant(number, tf.float32) for number in numbers),
        )
        return float(error)

    def _step_eagerly(
        self,
        visible: Tensor,
        hidden: Tensor,
        order: Tensor,
        mean: Tensor,
        user_bias: Tensor,
        item_bias: Tensor,
        user_counts: Tensor,
        item_counts: Tensor,
        learning_rate: Tensor,
        l2: Tensor,
    ) -> Tensor:
        model, cells = self.model, self._cells
        residual = self._values - mean
        residual -= tf.gather(user_bias, cells.by_row[:, 0]) + tf.gather(item_bias, cells.by_row[:, 1])
        inputs = {
            "cells": cells,
            "stars": residual * visible,
            "marks": visible,
            "user_counts": user_counts,
            "item_counts": item_counts,
            "asked": Cells.given(tf.gather(cells.by_row, hidden), order, cells.shape),
        }
        num_hidden = tf.cast(tf.size(hidden), tf.float32)
        with tf.GradientTape() as tape:
            error = squared_error(model.call(inputs), tf.gather(residual, hidden)) / num_hidden
            penalty = tf.add_n([tf.reduce_sum(tf.square(table.value)) for table in model.tables])
            loss = error + l2 / len(self.ratings) * penalty
        variables = self._stepper.variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        # A table's row sees about 1/rows of the cells that the shared vectors see. Counting that in keeps gradients
        # far above Adam's epsilon on large data and lets plain SGD move tables and vectors at one rate.
        rows = [variable.shape[0] if len(variable.shape) == 2 else 1 for variable in variables]
        self._stepper.apply([gradient * float(n) for gradient, n in zip(gradients, rows, strict=True)], learning_rate)
        return error

    def trained(self) -> TrainedDual:
        """The model of the averaged weights, all training ratings visible, in NumPy."""
        names = [variable.name for variable in self._stepper.variables]
        new = {"stars": "residual_table", "marks": "implicit_table", "shift": "intercept", "tilt": "weights"}
        names = [f"{name[:5]}{new[name[5:]]}" for name in names]
        weights = DualWeights(**dict(zip(names, self._stepper.averaged(), strict=True)))
        settings = self.settings
        return TrainedDual.from_weights(
            weights,
            self.ratings,
            self._biases.solve(),
            damping=settings.damping,
            hidden_fraction=settings.hidden_fraction,
        )

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to go on exactly."""
        return self._stepper.state()

    def restore(self, state: Arrays) -> None:
        """Takes up a `state` of a learner with the same ratings and settings."""
        self._stepper.restore(state)
