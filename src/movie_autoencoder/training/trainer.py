"""The trainer: runs fits one after another, keeps the best epoch of each on validation, survives interruptions.

It knows no model: families say which trials to run and make the learners. Every fit's outcome is kept in the
checkpoint, so that a run that was interrupted continues where it was and ends at the same weights.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..config import Config
from ..data.catalogue import Catalogue
from ..data.ratings import Ratings
from ..models.base import ModelError, TrainedModel
from ..models.family import ModelFamily, Trial
from ..models.schedule import scheduled
from ..models.tensorboard import ScalarLog
from ..models.validation import Validation
from .checkpoint import Checkpoint, CheckpointError
from .errors import Interrupted, TrainingError
from .progress import Reporter

_SCORES_PER_FIT = 20
_DIVERGED = 100.0  # a root mean squared error of so many scales is no longer training


@dataclass(frozen=True)
class Epoch:
    """One line of the history; loss in squared rating points, seconds since the fit began."""

    stage: str
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    validation_rmse: float | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """A finished fit: its trial, its best epoch on validation, and the model there (None where it was not kept)."""

    stage: str
    trial: Trial
    epoch: int
    rmse: float
    model: TrainedModel | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the bundle's metadata."""
        rmse = self.rmse if math.isfinite(self.rmse) else None
        return {"stage": self.stage, **self.trial.to_dict(), "epoch": self.epoch, "rmse": rmse, "seconds": self.seconds}


@dataclass
class Trainer:
    """Runs fits, each of which can be continued from the checkpoint.

    Args:
        config: every setting.
        checkpoint: of this run.
        report: told of progress.
        interrupted: asked between epochs whether to stop.
        catalogue: what is known of the items beside their ratings.
        log: of losses and validation errors, for TensorBoard.
        fits: every fit so far, in order.
    """

    config: Config
    checkpoint: Checkpoint
    report: Reporter
    interrupted: Callable[[], bool]
    catalogue: Catalogue | None = None
    log: ScalarLog | None = None
    fits: list[Fit] = field(default_factory=list)

    def search(self, family: ModelFamily, ratings: Ratings, damping: float, validation: Validation | None) -> list[Fit]:
        """The best fit of each member of a family, by validation RMSE over the member's trials.

        Args:
            family: of the model.
            ratings: training ratings.
            damping: of the biases with the smallest validation RMSE.
            validation: without it nothing is searched.
        """
        best = []
        for number, member in enumerate(family.members()):
            results: list[Fit] = []
            while (trial := member.next_trial(self.config, ratings, damping, results)) is not None:
                stage = f"trial {len(results) + 1}" if not number else f"{member.name} {len(results) + 1}"
                stage = stage if not number or results else member.name
                lowest = min((fit.rmse for fit in results), default=math.inf)
                results.append(self.fit(member, stage, ratings, trial, validation, best_so_far=lowest))
            if not results:
                raise ModelError(f"The model {member.name!r} proposes no fit: its next_trial returned None at once.")
            best.append(min(results, key=lambda fit: fit.rmse))
        return best

    def refit(self, family: ModelFamily, ratings: Ratings, best: list[Fit]) -> list[Fit]:
        """Each member trained again with its best settings, on more ratings, up to its best epoch."""
        stages = ["refit" if not number else f"refit {one.name}" for number, one in enumerate(family.members())]
        return [
            self.fit(member, stage, ratings, fit.trial, None, stop=fit.epoch)
            for member, stage, fit in zip(family.members(), stages, best, strict=True)
        ]

    def model_of(self, fit: Fit) -> TrainedModel:
        """The model of a fit, which the checkpoint must have kept."""
        if fit.model is None:
            raise CheckpointError(
                f"{self.checkpoint.folder}: the model of {fit.stage} is missing. Train anew without --resume."
            )
        return fit.model

    def fit(
        self,
        family: ModelFamily,
        stage: str,
        ratings: Ratings,
        trial: Trial,
        validation: Validation | None,
        *,
        stop: int = 0,
        best_so_far: float = math.inf,
    ) -> Fit:
        """Trains one model along its schedule, and keeps the best epoch on validation.

        Args:
            family: of the model.
            stage: the fit's name in history and checkpoint.
            ratings: training ratings.
            trial: settings and length of the schedule.
            validation: scores the model; without it the last epoch is the best.
            stop: epoch to stop after, in a schedule of full length; 0 for its end.
            best_so_far: validation RMSE that the model must be below to be kept in the checkpoint.
        """
        fit = self._restored(stage, trial, ratings) or self._run(
            family, stage, ratings, trial, validation, stop or trial.epochs, best_so_far
        )
        self.fits.append(fit)
        return fit

    def _restored(self, stage: str, trial: Trial, ratings: Ratings) -> Fit | None:
        """A fit that the checkpoint knows to be finished."""
        done = self.checkpoint.finished(stage)
        if done is None:
            return None
        rmse = math.inf if done["rmse"] is None else done["rmse"]
        model = self.checkpoint.best_model(stage, ratings.scale)
        return Fit(stage, trial, done["epoch"], rmse, model, done["seconds"])

    def _run(
        self,
        family: ModelFamily,
        stage: str,
        ratings: Ratings,
        trial: Trial,
        validation: Validation | None,
        last: int,
        best_so_far: float,
    ) -> Fit:
        training, checkpoint = self.config.training, self.checkpoint
        learner, learning_rate = family.learner(ratings, trial, self.config, self.catalogue)
        every = trial.score_every or max(1, trial.epochs // _SCORES_PER_FIT)
        first, seconds, best_epoch, best_rmse = 0, 0.0, 0, math.inf
        best: TrainedModel | None = None
        if (state := checkpoint.state(stage)) is not None:
            learner.restore(state.arrays)
            first, seconds, best_epoch, best_rmse = state.epochs, state.seconds, state.best_epoch, state.best_rmse
            best = checkpoint.best_model(stage, ratings.scale) if best_epoch else None
        self.report.start(stage, last, first, len(ratings), trial)
        started, bound = time.perf_counter() - seconds, (_DIVERGED * ratings.scale.span) ** 2
        for epoch in range(first, last):
            rate = learning_rate * scheduled(training.schedule, epoch / trial.epochs)
            loss = learner.epoch(epoch, rate)
            if not loss < bound:  # NaN included
                raise TrainingError(_diverged(stage, epoch, loss, rate, self.config))
            rmse = None
            if validation is not None and ((epoch + 1) % every == 0 or epoch + 1 == last):
                candidate = learner.trained()
                rmse = validation.rmse(candidate)
                if rmse < best_rmse:
                    best, best_rmse, best_epoch = candidate, rmse, epoch + 1
            line = Epoch(stage, epoch + 1, loss, rate, time.perf_counter() - started, rmse)
            self._record(line)
            if self.interrupted() or ((epoch + 1) % training.checkpoint_every == 0 and epoch + 1 < last):
                checkpoint.save(
                    stage,
                    learner.state(),
                    best,
                    epochs=epoch + 1,
                    seconds=line.seconds,
                    best_epoch=best_epoch,
                    best_rmse=best_rmse,
                )
                if self.interrupted():
                    raise Interrupted(stage)
        if best is None:
            best, best_epoch = learner.trained(), last
        seconds = time.perf_counter() - started
        keep = validation is None or best_rmse < best_so_far
        checkpoint.finish(stage, best, epoch=best_epoch, rmse=best_rmse, seconds=seconds, keep=keep)
        self.report.finish(stage, best_epoch, None if validation is None else best_rmse, seconds)
        return Fit(stage, trial, best_epoch, best_rmse, best, seconds)

    def _record(self, line: Epoch) -> None:
        """Keeps an epoch in the history, and tells the reporter and TensorBoard."""
        self.checkpoint.history.append(vars(line))
        self.report.epoch(line)
        if self.log is not None:
            self.log.scalar(line.stage, "loss", line.epoch, line.loss)
            if line.validation_rmse is not None:
                self.log.scalar(line.stage, "validation RMSE", line.epoch, line.validation_rmse)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C into a question that the trainer asks between epochs; a second one stops at once.

    Raises:
        Interrupted: at the end, after a Ctrl-C in the last epoch, about which nobody asked.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread hears signals
        return

    def remember(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield asked.is_set
        if asked.is_set():
            raise Interrupted("the last epoch")
    finally:
        signal.signal(signal.SIGINT, before)


def _diverged(stage: str, epoch: int, loss: float, rate: float, config: Config) -> str:
    what = "is not a finite number" if not math.isfinite(loss) else f"has grown to {loss:.3g}"
    return (
        f"The loss {what} in epoch {epoch + 1} of {stage}. The likely cause is a learning rate that is too large: it "
        f"was {rate:.3g} with {config.training.optimizer}. Try --set training.learning_rate={rate / 10:.2g}."
    )
