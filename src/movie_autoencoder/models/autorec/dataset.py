"""Training and validation data of the classic autoencoder: minibatches of rows as Keras datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...data.ratings import IntArray, Ratings, stable_order
from ...data.splits import HeldOut
from ..base import Table
from ..baselines import BiasSolver
from ..rating_network import Batch
from .rows import Rows, unit


@dataclass(frozen=True, eq=False)
class _Epoch:
    """The random state of one epoch: the order of the rows, the inputs after dropout, a seed for each batch."""

    number: int
    order: IntArray
    inputs: Table
    seeds: IntArray


class RowDataset(keras.utils.PyDataset):
    """Minibatches of rows in random order; an epoch is one pass over the rows with ratings.

    Order, hidden ratings and dropout seeds of an epoch follow from seed and epoch alone. ``fit`` advances `epoch`; a
    second ``fit`` on the same dataset continues with new epochs.

    Args:
        ratings: the training ratings.
        rows: ``"user"`` or ``"item"``.
        residual: train on what the damped biases leave over; otherwise on ratings less their mean.
        dropout: fraction of the observed ratings that is hidden from the encoder.
        damping: damping of the biases, in ratings.
        batch_size: rows of one step.
        seed: seed of order, hiding and dropout.
        epoch: number of the first epoch.

    Attributes:
        constants: inputs common to all batches: ``pace`` (factor of the gradients of each column, shape
            ``(num_columns,)``) and ``loss_scale`` (1 over the ratings of an average batch, shape ``(1,)``).

    Example:
        ``model.fit(RowDataset(ratings, rows="item", seed=1), epochs=50)``
    """

    def __init__(
        self,
        ratings: Ratings,
        *,
        rows: str = "user",
        residual: bool = True,
        dropout: float = 0.0,
        damping: float = 10.0,
        batch_size: int = 256,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        super().__init__()
        self.ratings = ratings
        self.rows = rows
        self.residual = residual
        self.dropout = dropout
        self.damping = damping
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch
        self.biases = BiasSolver(ratings, damping).solve()
        self.matrix = Rows.of(ratings, self.biases, ratings.scale, rows=rows, residual=residual)
        self._nonempty = np.flatnonzero(np.diff(self.matrix.starts))
        counts = np.bincount(self.matrix.columns, minlength=self.num_columns)
        per_batch = len(ratings) * min(1.0, batch_size / len(self.matrix))
        pace = len(ratings) / np.maximum(counts, len(self.matrix) / batch_size)
        self.constants = {
            "pace": tf.constant(pace.astype(np.float32)),
            "loss_scale": tf.constant([np.float32(1) / np.float32(per_batch)]),
        }
        self._started = False
        self._latest: _Epoch | None = None

    @property
    def num_rows(self) -> int:
        """Rows of the matrix, those without ratings included."""
        return len(self.matrix)

    @property
    def num_columns(self) -> int:
        """Columns of a row."""
        return self.matrix.num_columns

    @property
    def unit(self) -> float:
        """Rating points of one unit of the network, in which targets and errors are."""
        return unit(self.ratings.scale)

    def __len__(self) -> int:
        return -(-len(self._nonempty) // self.batch_size)

    def __getitem__(self, index: int) -> Batch:
        inputs, targets = self.batch(self.epoch, index)
        return inputs | self.constants, targets

    def on_epoch_begin(self) -> None:
        """Counts epochs; called by ``fit``."""
        self.epoch += self._started
        self._started = True

    def batch(self, epoch: int, index: int) -> Batch:
        """A batch of an epoch, without the `constants`, which are those of every batch.

        Args:
            epoch: its number, from 0.
            index: number of the batch in it.

        Returns:
            Inputs and targets of ``n`` observed cells: ``cells`` (row within the batch and column, sorted, shape
            ``(n, 2)``), ``order`` (the indices that sort them by column), ``values`` (what the encoder reads, 0 where
            dropout hides it), ``num_rows`` of the batch and ``seed`` (of the code's dropout). The targets, shape
            ``(n,)``, are in units of the network.
        """
        plan = self._plan(epoch)
        chosen = plan.order[index * self.batch_size : (index + 1) * self.batch_size]
        cells, order, positions = self.matrix.batch(chosen)
        inputs = {
            "cells": tf.constant(cells),
            "order": tf.constant(order),
            "values": tf.constant(plan.inputs[positions]),
            "num_rows": tf.constant([len(chosen)], tf.int64),
            "seed": tf.constant(plan.seeds[index]),
        }
        return inputs, tf.constant(self.matrix.targets[positions])

    def held_out(self, held_out: HeldOut) -> HeldOutRows:
        """Validation data for ``fit``: rows with all their training ratings, and the held-out ratings as targets.

        Args:
            held_out: such as ``split.held_out("validation")``; ratings of users or items without training ratings are
                left out.

        Raises:
            ValueError: no user and item of these ratings has training ratings.
        """
        return HeldOutRows(self, held_out)

    def _plan(self, epoch: int) -> _Epoch:
        plan = self._latest
        if plan is None or plan.number != epoch:
            rng = np.random.default_rng([self.seed, 3, epoch])
            order = rng.permutation(self._nonempty)
            inputs = self.matrix.inputs
            if self.dropout:
                kept = rng.random(len(inputs), dtype=np.float32) >= self.dropout
                inputs = inputs * kept / np.float32(1 - self.dropout)
            plan = _Epoch(epoch, order, inputs, rng.integers(2**31, size=(len(self), 2), dtype=np.int32))
            self._latest = plan
        return plan


class HeldOutRows(keras.utils.PyDataset):
    """Held-out ratings in batches of their rows (see `RowDataset.held_out`).

    Args:
        training: the dataset of the training ratings.
        held_out: the ratings to predict.

    Raises:
        ValueError: no user and item of these ratings has training ratings.
    """

    def __init__(self, training: RowDataset, held_out: HeldOut) -> None:
        super().__init__()
        self._training = training
        ratings, biases = training.ratings, training.biases
        users, items = ratings.locate_users(held_out.users), ratings.locate_items(held_out.items)
        known = np.flatnonzero((users >= 0) & (items >= 0))
        if not len(known):
            raise ValueError(
                f"None of the {len(held_out)} held-out ratings is of a user and an item with training ratings."
            )
        users, items = users[known], items[known]
        targets = held_out.values[known] - biases.mean
        if training.residual:
            targets = targets - biases.users[users] - biases.items[items]
        rows, columns = (users, items) if training.rows == "user" else (items, users)
        order = np.lexsort((columns, rows))
        self._cells, self._targets = np.stack([rows, columns], axis=1)[order].astype(np.int64), targets[order]
        self._rows = np.unique(rows)

    def __len__(self) -> int:
        return -(-len(self._rows) // self._training.batch_size)

    def __getitem__(self, index: int) -> Batch:
        training = self._training
        chosen = self._rows[index * training.batch_size : (index + 1) * training.batch_size]
        cells, order, positions = training.matrix.batch(chosen)
        held_out = slice(*np.searchsorted(self._cells[:, 0], [chosen[0], chosen[-1] + 1]))
        decoded = self._cells[held_out].copy()
        decoded[:, 0] = np.searchsorted(chosen, decoded[:, 0])
        inputs: dict[str, Any] = {
            "cells": cells,
            "order": order,
            "values": training.matrix.inputs[positions],
            "num_rows": np.array([len(chosen)]),
            "decode_cells": decoded,
            "decode_order": stable_order(decoded[:, 1].astype(np.int32), training.num_columns),
        }
        targets = (self._targets[held_out] / training.unit).astype(np.float32)
        return {name: tf.constant(array) for name, array in inputs.items()}, tf.constant(targets)
