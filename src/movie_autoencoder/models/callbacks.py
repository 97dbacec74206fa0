"""Keras callbacks for the schedule and the moving average that ``train.py`` uses."""

from __future__ import annotations

from typing import Any

import keras

from .optimizer import MovingAverage
from .schedule import scheduled


class CosineSchedule(keras.callbacks.LearningRateScheduler):
    """Lowers the learning rate along half a cosine, one value for each epoch.

    Args:
        learning_rate: of the first epoch.
        epochs: length of the schedule.

    Example:
        ``model.fit(dataset, epochs=200, callbacks=[CosineSchedule(0.01, epochs=200)])``
    """

    def __init__(self, learning_rate: float, epochs: int) -> None:
        super().__init__(lambda epoch: learning_rate * scheduled("cosine", epoch / epochs))


class WeightAverage(keras.callbacks.Callback):
    """Averages the weights of a `RatingNetwork` over its steps, and leaves the averages in the model.

    Validation runs on the averages, as in ``train.py``. Put it before `EarlyStopping` and `ModelCheckpoint` in the list
    of callbacks: those then see the averages, too.

    Args:
        memory: weight of the old average in a step, as ``training.average``.
    """

    def __init__(self, memory: float) -> None:
        super().__init__()
        self.memory = memory
        self._averages_in_model = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts an average of its own for this fit."""
        self._averages_in_model = False
        self.model.average = MovingAverage(self.model.trainable_variables, self.memory)
        self.model.make_train_function(force=True)  # an earlier fit traced its steps without this average

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Continues from the last weights."""
        self._place(averages=False)

    def on_test_begin(self, logs: Any = None) -> None:
        """Validates the averages."""
        self._place(averages=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Shows the averages to the callbacks after this one."""
        self._place(averages=True)

    def on_train_end(self, logs: Any = None) -> None:
        """Ends the average; the model keeps what it holds."""
        self.model.average = None
        self.model.make_train_function(force=True)

    def _place(self, *, averages: bool) -> None:
        if self.model.average is not None and averages != self._averages_in_model:
            self.model.average.exchange()
            self._averages_in_model = averages
