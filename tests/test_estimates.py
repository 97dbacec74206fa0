"""Estimates of memory and time before training."""

from __future__ import annotations

from movie_autoencoder.config import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.training.estimates import Estimate, estimate


def test_a_long_training_is_announced_with_the_faster_option(planted: Ratings) -> None:
    best, fast = estimate(planted, Config()), estimate(planted, Config().with_settings(["model.speed=fast"]))
    assert best.fast_seconds == fast.seconds < best.seconds and fast.fast_seconds is None
    assert len(best.lines()) == 1  # so short a time needs no advice
    lines = Estimate(1e9, 2400.0, 600.0).lines()
    assert lines[0].endswith("about 40 min on two cores") and lines[1].strip() == "--speed fast takes about 10 min"
