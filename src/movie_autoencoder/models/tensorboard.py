"""Scalars for TensorBoard: the losses and validation errors that ``train.py --tensorboard DIR`` writes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any


class MissingTensorBoard(ImportError):
    """TensorBoard is needed and not installed; the message has the pip line."""


class ScalarLog:
    """Writes scalars as events that ``tensorboard --logdir DIR`` shows, one curve for each stage.

    Args:
        folder: where events are written; created when it is missing.

    Raises:
        MissingTensorBoard: TensorBoard is not installed; TensorFlow does not bring it.

    Example:
        ```python
        log = ScalarLog("runs/latest/tensorboard")
        log.scalar("trial 1", "loss", step=1, value=0.81)
        log.close()
        ```
    """

    def __init__(self, folder: str | Path) -> None:
        if find_spec("tensorboard") is None:
            raise MissingTensorBoard(
                "Writing events needs TensorBoard, which is not installed. Install it with: "
                'pip install -e ".[tensorboard]"'
            )
        self._folder = Path(folder)
        self._writers: dict[str, Any] = {}

    def scalar(self, stage: str, name: str, step: int, value: float) -> None:
        """Writes one point of a curve.

        Args:
            stage: the fit, such as ``"trial 1"``; a folder of its own, so that fits are curves of one chart.
            name: of the chart, such as ``"loss"``.
            step: where on the horizontal axis, such as the epoch.
            value: what is drawn.
        """
        import tensorflow as tf

        if stage not in self._writers:
            self._writers[stage] = tf.summary.create_file_writer(str(self._folder / stage.replace(" ", "-")))
        with self._writers[stage].as_default():
            tf.summary.scalar(name, value, step=step)

    def close(self) -> None:
        """Writes what is still in memory and closes the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
