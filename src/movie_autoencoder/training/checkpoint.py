"""What an unfinished run has done so far: finished fits, the fit it is in, and the history, saved as one.

``progress.npz`` is replaced in one move, so that whenever a run is killed its last checkpoint is whole.
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

_FILE = "progress.npz"


class CheckpointError(ValueError):
    """A checkpoint that cannot be taken up: damaged, or of a run with other settings or data."""


@dataclass(frozen=True)
class State:
    """A fit that was interrupted: its learner's arrays after ``epochs`` epochs, and the best epoch so far."""

    arrays: Arrays
    epochs: int
    seconds: float
    best_epoch: int
    best_rmse: float


class Checkpoint:
    """The ``checkpoint/`` folder of a run.

    Args:
        folder: where it is.
        fingerprint: settings and checksums that a run taking it up must share.
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
        """True when an unfinished run left something to resume."""
        return (folder / _FILE).is_file()

    @classmethod
    def open(cls, folder: Path, fingerprint: dict[str, Any], *, resume: bool) -> Checkpoint:
        """The checkpoint in a folder; an empty one when there is none or ``resume`` is False.

        Raises:
            CheckpointError: what lies there is damaged or of a run with other settings or data.
        """
        checkpoint = cls(folder, fingerprint)
        if not resume or not cls.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)
            checkpoint._write()  # from here on there is a run to resume
            return checkpoint
        try:
            arrays = load_arrays(folder / _FILE)
            kept = json.loads(str(arrays.pop("progress")))
        except (ValueError, KeyError) as error:
            raise CheckpointError(f"{folder / _FILE}: damaged ({error}). Leave --resume out to train anew.") from None
        if differences := _differences(kept["fingerprint"], fingerprint):
            raise CheckpointError(
                f"The unfinished run in {folder.parent} has other settings: {differences}. Give the same settings, "
                "another --out, or leave --resume out to train anew."
            )
        checkpoint.history, checkpoint._finished, checkpoint._current = (
            kept["history"],
            kept["finished"],
            kept["current"],
        )
        checkpoint._arrays = arrays
        checkpoint.resumed = True
        return checkpoint

    def describe(self) -> str:
        """What has been done, in words."""
        done = f"{len(self._finished)} fit{'' if len(self._finished) == 1 else 's'} finished"
        return (
            done
            if self._current is None
            else f"{done}, {self._current['stage']} after {self._current['epochs']} epochs"
        )

    def finished(self, stage: str) -> dict[str, Any] | None:
        """Best epoch, validation RMSE and seconds of a fit that is finished, else None."""
        return next((done for done in self._finished if done["stage"] == stage), None)

    def state(self, stage: str) -> State | None:
        """The state of the fit that was interrupted, when it is this one."""
        if self._current is None or self._current["stage"] != stage:
            return None
        arrays = {
            name.removeprefix("learner/"): array for name, array in self._arrays.items() if name.startswith("learner/")
        }
        current = self._current
        return State(
            arrays,
            current["epochs"],
            current["seconds"],
            current["best_epoch"],
            float("inf") if current["best_rmse"] is None else current["best_rmse"],
        )

    def best_model(self, stage: str, scale: Scale) -> TrainedModel | None:
        """The best model so far of a fit, or None when it was not kept."""
        if self._current is not None and self._current["stage"] == stage:
            arrays = {
                name.removeprefix("best/"): array for name, array in self._arrays.items() if name.startswith("best/")
            }
        else:
            path = self._model_path(stage)
            if not path.is_file():
                return None
            arrays = load_arrays(path)
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
        """Keeps a fit that goes on."""
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
        """Keeps a fit that has ended, and its model if ``keep``."""
        value = rmse if np.isfinite(rmse) else None
        if keep:
            save_arrays(self._model_path(stage), _model_arrays(best), compress=False)
        self._finished.append({"stage": stage, "epoch": epoch, "rmse": value, "seconds": seconds})
        self._current, self._arrays = None, {}
        self._write()

    def discard(self) -> None:
        """Removes the folder: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _model_path(self, stage: str) -> Path:
        return self.folder / f"{stage.replace(' ', '-')}.npz"

    def _write(self) -> None:
        progress = {
            "fingerprint": self._fingerprint,
            "history": self.history,
            "finished": self._finished,
            "current": self._current,
        }
        save_arrays(self.folder / _FILE, {"progress": np.array(json.dumps(progress)), **self._arrays}, compress=False)


def _model_arrays(model: Any) -> Arrays:
    return {"model": np.array(model.name), **model.to_arrays()}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    rows = [
        f"the {name} differ" for name in ("data", "split") if old[name] != new[name] and old["config"] == new["config"]
    ]
    return "; ".join([*differing(old["config"], new["config"]), *rows[:1]])


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The settings in which two configurations differ, each in words."""
    rows = []
    for section in sorted({*old, *new}):
        before, after = old.get(section, {}), new.get(section, {})
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                rows.append(f"{section}.{key} was {before.get(key, 'left open')}, now {after.get(key, 'left open')}")
    return rows
