"""Weight updates: a Keras optimizer by its name, and the moving average of the weights.

Both autoencoders train with these, so that every optimizer means the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

_OPTIMIZERS: dict[str, Any] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "sgd": lambda **options: keras.optimizers.SGD(momentum=0.9, **options),
}


def make_optimizer(name: str, learning_rate: float = 0.0) -> keras.optimizers.Optimizer:
    """The Keras optimizer that a configuration names.

    Args:
        name: a name of ``training.optimizer``.
        learning_rate: the first learning rate; a schedule may change it in every epoch.

    Example:
        ``model.compile(make_optimizer("adam", 0.01))``
    """
    # Named, since Keras would number optimizers of one process, and checkpoints keep their variables by path.
    return _OPTIMIZERS[name](learning_rate=learning_rate, name=name)


class MovingAverage:
    """An exponential moving average of variables (Polyak and Juditsky 1992).

    It starts as a plain mean: its memory grows with the steps up to ``memory``. So it is of use from the first step.

    Args:
        variables: what is averaged.
        memory: weight of the old average in a step; 0 keeps the last values.
    """

    def __init__(self, variables: Sequence[keras.Variable], memory: float) -> None:
        self.memory = memory
        self._variables = list(variables)
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._averages = [tf.Variable(variable.value, trainable=False) for variable in self._variables]

    def update(self) -> None:
        """Counts the variables' present values as one more step; may run inside a ``tf.function``."""
        self._steps.assign_add(1)
        steps = tf.cast(self._steps, tf.float32)
        memory = tf.minimum(self.memory, steps / (9.0 + steps)) if self.memory else 0.0
        for average, variable in zip(self._averages, self._variables, strict=True):
            average.assign(memory * average + (1.0 - memory) * variable.value)

    def exchange(self) -> None:
        """Swaps averages and variables; a second call swaps them back."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            present = variable.numpy()
            variable.assign(average)
            average.assign(present)

    def values(self) -> dict[str, npt.NDArray[np.float32]]:
        """The averages by the path of their variable."""
        return {v.path: average.numpy() for v, average in zip(self._variables, self._averages, strict=True)}

    @property
    def state(self) -> dict[str, tf.Variable]:
        """Own variables by name: what a checkpoint keeps."""
        averages = {f"average/{v.path}": average for v, average in zip(self._variables, self._averages, strict=True)}
        return {**averages, "average/steps": self._steps}
