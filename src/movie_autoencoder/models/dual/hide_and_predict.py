"""Training and validation data of the dual autoencoder: hide-and-predict batches as Keras datasets.

Each batch hides a random fraction of the ratings from biases, residuals, counts and both encoders; the model predicts
the hidden ones (the objective of denoising autoencoders: Vincent et al. 2008). docs/models.md explains why nothing of a
hidden rating may enter the inputs.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...data.ratings import IntArray, Ratings, stable_order
from ...data.splits import HeldOut
from ..base import Table
from ..baselines import Biases, BiasSolver
from ..rating_network import Batch
from ..sparse import Cells, Tensor


class HidePredictDataset(keras.utils.PyDataset):
    """One full-batch step an epoch: inputs from the visible ratings, and the hidden ones as targets.

    The hidden cells of an epoch follow from seed and epoch alone. ``fit`` advances `epoch`; a second ``fit`` on the
    same dataset continues with new epochs.

    Args:
        ratings: the training ratings.
        hidden_fraction: fraction of the ratings hidden in a step.
        hidden_rows: fraction of users and of items of which more is hidden, at a rate drawn anew, up to everything.
        damping: damping of the biases, in ratings.
        seed: seed of what is hidden.
        epoch: number of the first epoch.

    Example:
        ``model.fit(HidePredictDataset(ratings, seed=1), epochs=200)``
    """

    def __init__(
        self,
        ratings: Ratings,
        *,
        hidden_fraction: float = 0.2,
        hidden_rows: float = 0.0,
        damping: float = 10.0,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        super().__init__()
        self.ratings = ratings
        self.hidden_fraction = hidden_fraction
        self.hidden_rows = hidden_rows
        self.damping = damping
        self.seed = seed
        self.epoch = epoch
        self._started = False
        self._biases = BiasSolver(ratings, damping)
        self._cells = Cells.of(ratings.user_index, ratings.item_index, ratings.num_users, ratings.num_items)
        self._penalty_fraction = tf.constant([np.float32(1) / np.float32(len(ratings))])
        self._latest: tuple[int, Batch] | None = None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Batch:
        epoch, latest = self.epoch, self._latest
        if latest is None or latest[0] != epoch:  # Keras asks for some batches twice
            self._latest = latest = (epoch, self.batch(epoch))
        return latest[1]

    def on_epoch_begin(self) -> None:
        """Counts epochs; called by ``fit``."""
        self.epoch += self._started
        self._started = True

    def hidden(self, epoch: int) -> IntArray:
        """Positions of the ratings hidden in an epoch, ascending; at least one is hidden and one is visible."""
        ratings = self.ratings
        rng = np.random.default_rng([self.seed, 3, epoch])
        chance: Any = np.float32(self.hidden_fraction)
        if self.hidden_rows:
            users, items = (
                np.where(rng.random(size) < self.hidden_rows, rng.random(size), 0.0).astype(np.float32)
                for size in (ratings.num_users, ratings.num_items)
            )
            chance = np.maximum(np.maximum(users[ratings.user_index], items[ratings.item_index]), chance)
        hidden = np.flatnonzero(rng.random(len(ratings), dtype=np.float32) < chance)
        if not 0 < len(hidden) < len(ratings):
            hidden = rng.integers(len(ratings), size=1)
        return hidden

    def biases(self, hidden: IntArray | None = None) -> Biases:
        """Damped biases of the visible ratings.

        Args:
            hidden: positions of the hidden ratings; none when left out.
        """
        return self._biases.solve(hidden)

    def batch(self, epoch: int) -> Batch:
        """The batch of an epoch.

        Args:
            epoch: its number, from 0.

        Returns:
            Inputs and targets. Of ``n`` training ratings, ``cells`` (user and item, sorted, shape ``(n, 2)``),
            ``cells_by_item`` (item and user, sorted, same shape), ``order`` (index in ``cells`` of each of
            ``cells_by_item``), ``residuals`` and ``implicit`` (shape ``(n,)``: rating points and 1; both 0 where
            hidden); ``user_counts`` and ``item_counts`` of the visible ratings; of the ``m`` hidden ones,
            ``decode_cells`` (shape ``(m, 2)``) and ``decode_order`` (the indices that sort them by item);
            ``penalty_fraction`` (1 over the number of ratings). The targets are the residuals at the hidden cells,
            shape ``(m,)``, rating points.
        """
        hidden = self.hidden(epoch)
        biases = self.biases(hidden)
        visible = np.ones(len(self.ratings), dtype=np.float32)
        visible[hidden] = 0.0
        residuals = biases.residuals(self.ratings)
        order = stable_order(self.ratings.item_index[hidden], self.ratings.num_items)
        inputs = self._inputs(residuals * visible, visible, biases)
        inputs |= {"decode_cells": tf.gather(self._cells.by_row, hidden), "decode_order": tf.constant(order)}
        return inputs, tf.constant(residuals[hidden])

    def held_out(self, held_out: HeldOut) -> HeldOutDataset:
        """Validation data for ``fit``: all training ratings are visible, and held-out ones are predicted.

        Args:
            held_out: such as ``split.held_out("validation")``; ratings of users or items without training ratings are
                left out.

        Raises:
            ValueError: no user and item of these ratings has training ratings.
        """
        return HeldOutDataset(self, held_out)

    def visible_inputs(self, biases: Biases) -> dict[str, Tensor]:
        """Inputs in which every rating is visible, without the cells to decode.

        In training a sum adds up a fraction ``1 - hidden_fraction`` of the ratings over the root of their number. The
        root of this fraction keeps the scale of the sums (rho in docs/models.md).
        """
        scale = np.float32(np.sqrt(1 - self.hidden_fraction))
        return self._inputs(scale * biases.residuals(self.ratings), np.full(len(self.ratings), scale), biases)

    def _inputs(self, residuals: Table, implicit: Table, biases: Biases) -> dict[str, Tensor]:
        return {
            "cells": self._cells.by_row,
            "cells_by_item": self._cells.by_column,
            "order": self._cells.order,
            "residuals": tf.constant(residuals),
            "implicit": tf.constant(implicit),
            "user_counts": tf.constant(biases.user_counts, tf.float32),
            "item_counts": tf.constant(biases.item_counts, tf.float32),
            "penalty_fraction": self._penalty_fraction,
        }


class HeldOutDataset(keras.utils.PyDataset):
    """Held-out ratings as one batch, predicted from all training ratings (see `HidePredictDataset.held_out`).

    Errors are in rating points, before predictions are clipped to the scale.

    Args:
        training: the dataset of the training ratings.
        held_out: the ratings to predict.

    Raises:
        ValueError: no user and item of these ratings has training ratings.
    """

    def __init__(self, training: HidePredictDataset, held_out: HeldOut) -> None:
        super().__init__()
        ratings = training.ratings
        users, items = ratings.locate_users(held_out.users), ratings.locate_items(held_out.items)
        known = np.flatnonzero((users >= 0) & (items >= 0))
        if not len(known):
            raise ValueError(
                f"None of the {len(held_out)} held-out ratings is of a user and an item with training ratings."
            )
        known = known[np.lexsort((items[known], users[known]))]
        users, items = users[known], items[known]
        biases = training.biases()
        cells = np.stack([users, items], axis=1).astype(np.int64)
        self._batch = (
            training.visible_inputs(biases)
            | {"decode_cells": tf.constant(cells), "decode_order": tf.constant(stable_order(items, ratings.num_items))},
            tf.constant(held_out.values[known] - biases.mean - biases.users[users] - biases.items[items], tf.float32),
        )

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Batch:
        return self._batch
