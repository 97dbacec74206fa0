"""Estimates of memory and time before training."""

from __future__ import annotations

import pytest
from training_runs import Size

from movie_autoencoder import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.training.estimates import Estimate, TooLargeError, check_fits, estimate, free_memory


def configured(*settings: str) -> Config:
    return Config().with_settings(settings)


def test_estimates_grow_with_data_and_settings(planted: Ratings) -> None:
    usual, fast = estimate(planted, Config()), estimate(planted, configured("model.speed=fast"))
    assert usual.fast_seconds == fast.seconds < usual.seconds and fast.memory <= usual.memory
    assert fast.fast_seconds is None and len(usual.lines()) == 1  # so short a time needs no advice
    large = Size.of(20_000_000, 138_000, 27_000)
    assert estimate(large, Config()).memory > 5 * usual.memory
    for more in ("model.latent_dim=256", "model.name=autorec"):
        assert estimate(large, configured(more)).memory != estimate(large, Config()).memory
    assert estimate(large, configured("training.epochs=20")).seconds < estimate(large, Config()).seconds
    wide = configured("model.name=autorec", "model.hidden=[512]")
    narrow = configured("model.name=autorec")
    assert estimate(large, wide).seconds > estimate(large, narrow).seconds
    assert estimate(large, wide).memory > estimate(large, narrow).memory
    by_user = configured("model.name=autorec", "model.rows=user")
    assert estimate(large, by_user).memory < estimate(large, narrow).memory  # a row has fewer inputs


def test_an_estimate_suggests_the_faster_setting_where_training_takes_long() -> None:
    short, long = Estimate(1.2e9, 40, 20), Estimate(8e9, 7200, 660)
    assert short.lines() == ["Estimate   1.2 GB of memory at the peak, about 40 s on two cores"]
    assert long.lines() == [
        "Estimate   8.0 GB of memory at the peak, about 2.0 h on two cores",
        "           --speed fast takes about 11 min",
    ]
    assert len(Estimate(8e9, 7200).lines()) == 1


def test_what_does_not_fit_into_memory_is_refused_with_the_setting_that_helps(planted: Ratings) -> None:
    for settings, helps in (([], r"model\.latent_dim"), (["model.name=autorec"], r"model\.hidden")):
        config = configured(*settings)
        needed = estimate(planted, config).memory
        check_fits(planted, config, free=needed + 1)
        with pytest.raises(TooLargeError, match=rf"GB are free\. .*smaller --set {helps}\.$"):
            check_fits(planted, config, free=needed - 1)


def test_free_memory_is_measured() -> None:
    free = free_memory()
    assert free is None or 0 <= free < 1e15
