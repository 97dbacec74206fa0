"""`train --tensorboard DIR`: every epoch's loss and each validation error, as TensorBoard reads them."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from movie_autoencoder.config import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.tensorboard import MissingTensorBoard, ScalarLog
from movie_autoencoder.training import train


def value_of(event: Any) -> float:
    import tensorflow as tf

    return float(tf.make_ndarray(event.tensor_proto))


def test_the_events_are_the_history(planted: Ratings, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = Config().with_settings(["model.speed=fast", "training.epochs=4", "training.budget=0"])
    train(config, ratings=planted, out=tmp_path / "run", tensorboard=tmp_path / "events")
    with (tmp_path / "run" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert {line["stage"] for line in history} == {"trial 1", "refit"}
    for stage in ("trial 1", "refit"):
        events = accumulator.EventAccumulator(str(tmp_path / "events" / stage.replace(" ", "-")))
        events.Reload()
        lines = [line for line in history if line["stage"] == stage]
        found = {name: events.Tensors(name) for name in events.Tags()["tensors"]}
        losses = [value_of(one) for one in found["loss"]]
        assert losses == pytest.approx([float(line["loss"]) for line in lines], rel=1e-6)
        scored = [float(line["validation_rmse"]) for line in lines if line["validation_rmse"]]
        errors = [value_of(one) for one in found.get("validation RMSE", [])]
        assert errors == pytest.approx(scored, rel=1e-6)
        assert bool(scored) == (stage == "trial 1")


def test_without_tensorboard_the_message_has_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movie_autoencoder.models.tensorboard.find_spec", lambda name: None)
    assert importlib.util.find_spec("movie_autoencoder") is not None
    with pytest.raises(MissingTensorBoard, match=r"pip install -e \"\.\[tensorboard\]\""):
        ScalarLog(tmp_path)
