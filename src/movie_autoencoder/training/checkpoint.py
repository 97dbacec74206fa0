"""The checkpoint of an unfinished run: its finished fits, the fit in progress, and the history, in one file.

``progress.npz`` is replaced in one step, so that a run can be killed at any moment and its last checkpoint is complete.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.ratings import Scale
from ..models.base import Arrays, TrainedModel
from ..models.registry import trained_model
from ..storage import load_arrays, save_arrays
from .errors import TrainingError

_FILE = "progress.npz"
_FORMAT = 2  # of the names of fits, models and arrays


class CheckpointError(TrainingError):
    """A checkpoint that cannot be continued: it is damaged, or of a run with other settings or data."""


@dataclass(frozen=True)
class State:
    """A fit in progress.

    Args:
        arrays: state of its learner.
        epochs: number of epochs done.
        seconds: time that these took.
        best_epoch: the epoch with the lowest validation RMSE so far; 0 without one.
        best_rmse: this RMSE, rating points; infinite without one.
    """

    arrays: Arrays
    epochs: int
    seconds: float
    best_epoch: int
    best_rmse: float


class Checkpoint:
    """The ``checkpoint/`` folder of a run.

    Args:
        folder: the folder.
        fingerprint: settings and checksums; a run can continue only a checkpoint with the same ones.

    Attributes:
        history: one entry for each epoch so far.
        resumed: whether there was a checkpoint to continue.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        self.folder = folder
        self.history: list[dict[str, Any]] = []
        self.resumed = False
        self._fingerprint = fingerprint
        self._finished: list[dict[str, Any]] = []
        self._current: dict[str, Any] | None = None
        self._arrays: Arrays = {}

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether an unfinished run left a checkpoint in a folder."""
        return (folder / _FILE).is_file()

    @classmethod
    def open(cls, folder: Path, fingerprint: dict[str, Any], *, resume: bool) -> Checkpoint:
        """The checkpoint in a folder.

        Args:
            folder: the folder.
            fingerprint: of the run that opens it.
            resume: continue the checkpoint in the folder; otherwise delete it and start an empty one.

        Raises:
            CheckpointError: the checkpoint is damaged, of another version, or of a run with other settings or data.
        """
        checkpoint = cls(folder, fingerprint)
        if not resume or not cls.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)
            checkpoint._write()  # a run that is killed before its first epoch can be resumed, too
            return checkpoint
        try:
            arrays = load_arrays(folder / _FILE)
            saved = json.loads(str(arrays.pop("progress")))
        except (ValueError, KeyError) as error:
            raise CheckpointError(
                f"{folder / _FILE}: damaged ({error}). Leave --resume out to train from the beginning."
            ) from None
        if saved.get("format") != _FORMAT:
            raise CheckpointError(
                f"{folder / _FILE}: written by another version, which cannot be continued. Leave --resume out to train "
                "from the beginning."
            )
        if differences := _differences(saved["fingerprint"], fingerprint):
            raise CheckpointError(
                f"The unfinished run in {folder.parent} has other settings: {differences}. Give the same settings, "
                "another --out, or leave --resume out to train from the beginning."
            )
        checkpoint.history = saved["history"]
        checkpoint._finished, checkpoint._current = saved["finished"], saved["current"]
        checkpoint._arrays = arrays
        checkpoint.resumed = True
        return checkpoint

    def describe(self) -> str:
        """What the run has done so far, in words."""
        finished = f"{len(self._finished)} fit{'' if len(self._finished) == 1 else 's'} finished"
        if self._current is None:
            return finished
        return f"{finished}, {self._current['stage']} after {self._current['epochs']} epochs"

    def finished(self, stage: str) -> dict[str, Any] | None:
        """Best epoch, validation RMSE and seconds of a finished fit; None if it is not finished."""
        return next((done for done in self._finished if done["stage"] == stage), None)

    def state(self, stage: str) -> State | None:
        """The state of the fit in progress; None if that is another fit."""
        current = self._current
        if current is None or current["stage"] != stage:
            return None
        best_rmse = float("inf") if current["best_rmse"] is None else current["best_rmse"]
        arrays = self._part("learner/")
        return State(arrays, current["epochs"], current["seconds"], current["best_epoch"], best_rmse)

    def best_model(self, stage: str, scale: Scale) -> TrainedModel | None:
        """The best model of a fit so far; None if it was not saved."""
        if self._current is not None and self._current["stage"] == stage:
            arrays = self._part("best/")
        elif self._model_path(stage).is_file():
            arrays = load_arrays(self._model_path(stage))
        else:
            return None
        return trained_model(str(arrays.pop("model"))).from_arrays(arrays, scale)

    def save(
        self,
        stage: str,
        learner: Arrays,
        best: TrainedModel | None,
        *,
        epochs: int,
        seconds: float,
        best_epoch: int,
        best_rmse: float,
    ) -> None:
        """Saves the fit in progress.

        Args:
            stage: name of the fit.
            learner: state of its learner.
            best: its best model so far.
            epochs: as in `State`.
            seconds: likewise.
            best_epoch: likewise.
            best_rmse: likewise.
        """
        self._current = {
            "stage": stage,
            "epochs": epochs,
            "seconds": seconds,
            "best_epoch": best_epoch,
            "best_rmse": best_rmse if np.isfinite(best_rmse) else None,
        }
        self._arrays = {f"learner/{name}": array for name, array in learner.items()}
        if best is not None:
            self._arrays |= {f"best/{name}": array for name, array in _model_arrays(best).items()}
        self._write()

    def finish(self, stage: str, best: TrainedModel, *, epoch: int, rmse: float, seconds: float, keep: bool) -> None:
        """Saves the outcome of a finished fit.

        Args:
            stage: name of the fit.
            best: its best model.
            epoch: best epoch.
            rmse: validation RMSE of the best epoch, rating points; infinite without a validation part.
            seconds: time of the fit.
            keep: save the model, too.
        """
        value = rmse if np.isfinite(rmse) else None
        if keep:
            save_arrays(self._model_path(stage), _model_arrays(best), compress=False)
        self._finished.append({"stage": stage, "epoch": epoch, "rmse": value, "seconds": seconds})
        self._current, self._arrays = None, {}
        self._write()

    def discard(self) -> None:
        """Deletes the folder, once the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, prefix: str) -> Arrays:
        """Arrays of the current fit whose names start with a prefix, which is left out."""
        return {name.removeprefix(prefix): array for name, array in self._arrays.items() if name.startswith(prefix)}

    def _model_path(self, stage: str) -> Path:
        return self.folder / f"{stage.replace(' ', '-')}.npz"

    def _write(self) -> None:
        progress = {
            "format": _FORMAT,
            "fingerprint": self._fingerprint,
            "history": self.history,
            "finished": self._finished,
            "current": self._current,
        }
        save_arrays(self.folder / _FILE, {"progress": np.array(json.dumps(progress)), **self._arrays}, compress=False)


def _model_arrays(model: TrainedModel) -> Arrays:
    return {"model": np.array(model.name), **model.to_arrays()}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs between two fingerprints, in words; empty if nothing does."""
    if old["config"] != new["config"]:
        return "; ".join(differing(old["config"], new["config"]))
    return next((f"the {name} differ" for name in ("data", "split") if old[name] != new[name]), "")


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The settings in which two configurations differ, each in words.

    Args:
        old: plain values by section (`Config.to_dict`).
        new: likewise.

    Example:
        >>> differing({"model": {"l2": 8.0}}, {"model": {"l2": 9.0}})
        ['model.l2 was 8.0, now 9.0']
    """
    rows = []
    for section in sorted({*old, *new}):
        before, after = old.get(section, {}), new.get(section, {})
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                rows.append(f"{section}.{key} was {before.get(key, 'left open')}, now {after.get(key, 'left open')}")
    return rows
