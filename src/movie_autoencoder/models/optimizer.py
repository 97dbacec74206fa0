"""How gradients become steps: a Keras optimizer by name, the learning rate's schedule, the weights' moving average.

Both autoencoders step through this, so every optimizer means the same in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .base import Arrays

_OPTIMIZERS: dict[str, Any] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "sgd": lambda learning_rate: keras.optimizers.SGD(learning_rate, momentum=0.9),
}


def scheduled(schedule: Literal["cosine", "constant"], done: float) -> float:
    """Factor of the learning rate when a share ``done`` of the schedule is behind: from 1 towards 0, or always 1."""
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0


class Stepper:
    """Applies gradients to variables and keeps a moving average of them.

    The average starts as a plain mean (its memory grows with the steps up to ``average``), so that it is of use from
    the first step on.

    Args:
        variables: what is trained.
        optimizer: a name of the configuration.
        average: memory of the moving average a step; 0 keeps the last weights.
    """

    def __init__(self, variables: Sequence[keras.Variable], optimizer: str, average: float) -> None:
        self.variables = list(variables)
        self._optimizer = _OPTIMIZERS[optimizer](learning_rate=0.0)
        self._optimizer.build(self.variables)
        self._average = average
        self._averaged = [tf.Variable(variable.value, trainable=False) for variable in self.variables]

    def apply(self, gradients: Sequence[Any], learning_rate: Any) -> None:
        """One step; to be called inside a ``tf.function``."""
        self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.apply(list(gradients), self.variables)
        taken = tf.cast(self._optimizer.iterations, tf.float32)
        memory = tf.minimum(self._average, taken / (9.0 + taken)) if self._average else 0.0
        for averaged, variable in zip(self._averaged, self.variables, strict=True):
            averaged.assign(memory * averaged + (1.0 - memory) * variable.value)

    def averaged(self) -> list[npt.NDArray[np.float32]]:
        """The averaged weights, in the order of the variables."""
        return [variable.numpy() for variable in self._averaged]

    def _state_variables(self) -> list[Any]:
        return [*self.variables, *self._optimizer.variables, *self._averaged]

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to go on exactly."""
        return {str(place): np.asarray(variable) for place, variable in enumerate(self._state_variables())}

    def restore(self, state: Arrays) -> None:
        """Takes up a `state` of the same variables and optimizer."""
        for place, variable in enumerate(self._state_variables()):
            variable.assign(state[str(place)])
