"""Reporters that end training at a chosen moment, the numbers of a saved run, and ratings without content."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.training.progress import Reporter


class Interrupting(Reporter):
    """Presses Ctrl-C at an epoch of a stage, and keeps every line of text."""

    def __init__(self, stage: str = "", epoch: int = 0) -> None:
        self.stage, self.at = stage, epoch
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)

    def epoch(self, line: Any) -> None:
        if (line.stage, line.epoch) == (self.stage, self.at):
            self.end()

    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


class Crashing(Interrupting):
    """Fails at an epoch of a stage, so that nothing is saved after the last checkpoint."""

    def end(self) -> None:
        raise SystemError("gone")


def saved_numbers(run: Path) -> dict[str, np.ndarray]:
    """Every number of a run's model and of its star model."""
    bundle = load_bundle(run / "bundle")
    stars = {} if bundle.star_model is None else bundle.star_model.to_arrays()
    return bundle.model.to_arrays() | {f"stars {name}": array for name, array in stars.items()}


def assert_same_numbers(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    """Bit for bit."""
    assert first.keys() == second.keys()
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []


@dataclass(frozen=True)
class Size:
    """Ratings of which nothing but their number is known."""

    num_ratings: int
    num_users: int = 0
    num_items: int = 0

    def __len__(self) -> int:
        return self.num_ratings

    @classmethod
    def of(cls, num_ratings: int, num_users: int = 0, num_items: int = 0) -> Ratings:
        return cast(Ratings, cls(num_ratings, num_users, num_items))
