"""Progress of training for people: a live line in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from ..config import Config
from ..data.catalogue import Catalogue
from ..data.ratings import Ratings
from ..data.splits import Split
from ..models.family import Trial


class Reporter:
    """Is told what training does. This class writes nothing; subclasses do."""

    def say(self, text: str) -> None:
        """Writes a line of text."""

    def lines(self, texts: Iterable[str]) -> None:
        """Writes lines of text."""
        for text in texts:
            self.say(text)

    def data(self, path: Path, ratings: Ratings, catalogue: Catalogue | None, seconds: float) -> None:
        """Describes the ratings that were read.

        Args:
            path: of the data set.
            ratings: all of them.
            catalogue: titles of the items, or None.
            seconds: time of reading.
        """
        source = ratings.source
        titles = f", titles of {_titled(catalogue, ratings):,} items" if catalogue is not None else ", no titles"
        self.say(f"Data       {path} ({source.format}, read in {seconds:.1f} s{titles})")
        what = "ratings" if ratings.rated else "pairs"
        self.say(
            f"           {len(ratings):,} {what} by {ratings.num_users:,} users of {ratings.num_items:,} items, "
            f"{ratings.density:.2%} observed".replace("%", " %")
        )
        mean = f", mean {ratings.values.mean(dtype='f8'):.3f}" if ratings.rated else ""
        self.say(f"           scale {ratings.scale}{mean}")
        if source.num_duplicates:
            self.say(f"           {source.num_duplicates:,} rows replaced by later ones of the same user and item")
        if source.num_skipped:
            self.say(f"           {source.num_skipped:,} bad rows skipped")

    def split(self, split: Split) -> None:
        """Describes the parts that the ratings were split into."""
        shown = len(split.validation_fold_in) + len(split.test_fold_in)
        fold_in = f" ({shown:,} more are fold-in)" if shown else ""
        self.say(
            f"Split      by {split.by}, seed {split.seed}: {len(split.train):,} train, "
            f"{len(split.validation):,} validation, {len(split.test):,} test{fold_in}"
        )

    def settings(self, config: Config) -> None:
        """Writes the settings that are not left open; those that are searched follow with each trial."""
        values = config.to_dict()
        for title, section in (("Settings", "model"), ("", "training")):
            self.say(f"{title:<10} {section}: {', '.join(f'{key} {value}' for key, value in values[section].items())}")

    def start(self, stage: str, epochs: int, done: int, num_ratings: int, trial: Trial) -> None:
        """A fit starts, or continues.

        Args:
            stage: name of the fit.
            epochs: number of epochs after which it ends.
            done: number of epochs done before.
            num_ratings: number of training ratings.
            trial: settings of the fit.
        """

    def epoch(self, line: Any) -> None:
        """An epoch ends (`training.trainer.Epoch`)."""

    def finish(self, stage: str, best_epoch: int, rmse: float | None, seconds: float) -> None:
        """A fit ends.

        Args:
            stage: name of the fit.
            best_epoch: epoch with the lowest validation RMSE.
            rmse: this RMSE, rating points; None without a validation part.
            seconds: time of the fit.
        """

    def close(self) -> None:
        """Training ends, with or without an error; the terminal is left as it was."""


class LineReporter(Reporter):
    """Writes plain lines, a few for each fit: for files and pipes.

    Args:
        stream: where to; standard output when left out.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._stage, self._epochs, self._num_ratings = "", 0, 0
        self._validation = ""

    def say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def start(self, stage: str, epochs: int, done: int, num_ratings: int, trial: Trial) -> None:
        self._stage, self._epochs, self._num_ratings = stage, epochs, num_ratings
        self._validation = ""
        self.say(f"{stage.capitalize():<10} {_settings(trial)}")

    def epoch(self, line: Any) -> None:
        if line.validation_rmse is not None:
            self._validation = f"  validation RMSE {line.validation_rmse:.4f}"
        if line.epoch % max(1, self._epochs // 5) == 0 and line.epoch < self._epochs:
            self.say(f"           {self._progress(line)}")

    def finish(self, stage: str, best_epoch: int, rmse: float | None, seconds: float) -> None:
        self.say(f"           {_outcome(best_epoch, rmse, seconds)}")

    def _progress(self, line: Any) -> str:
        speed, left = self._pace(line)
        return f"epoch {line.epoch:>4}/{self._epochs}  loss {line.loss:.4f}{self._validation}  {speed}  {left} left"

    def _pace(self, line: Any) -> tuple[str, str]:
        """Ratings in a second, and the time left, in words."""
        pace = max(line.seconds / line.epoch, 1e-9)
        return f"{self._num_ratings / pace / 1e6:.1f} M ratings/s", f"{pace * (self._epochs - line.epoch):.0f} s"


class LiveReporter(LineReporter):
    """Rewrites one line of a terminal while a fit runs, with rich."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__(sys.stdout)
        self._console = Console(highlight=False)
        self._status: Any = None

    def start(self, stage: str, epochs: int, done: int, num_ratings: int, trial: Trial) -> None:
        super().start(stage, epochs, done, num_ratings, trial)
        self._status = self._console.status("           starting")
        self._status.start()

    def epoch(self, line: Any) -> None:
        if line.validation_rmse is not None:
            self._validation = f"  validation {line.validation_rmse:.4f}"
        speed, left = self._pace(line)  # short enough for one line of 80 columns
        self._status.update(
            f"{self._stage} {line.epoch}/{self._epochs}  loss {line.loss:.4f}{self._validation}  {speed}  {left}"
        )

    def finish(self, stage: str, best_epoch: int, rmse: float | None, seconds: float) -> None:
        self.close()
        super().finish(stage, best_epoch, rmse, seconds)

    def close(self) -> None:
        """Removes the live line."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def _titled(catalogue: Catalogue, ratings: Ratings) -> int:
    return int((catalogue.align(ratings.item_ids).titles != "").sum())


def _settings(trial: Trial) -> str:
    values = trial.to_dict()["settings"]
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _outcome(best_epoch: int, rmse: float | None, seconds: float) -> str:
    found = "" if rmse is None else f"validation RMSE {rmse:.4f} at epoch {best_epoch}, "
    return f"{found}{seconds:.1f} s"
