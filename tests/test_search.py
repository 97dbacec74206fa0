"""Which fits a family runs, in what order and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from training_runs import Size

from movie_autoencoder import Config, Scale
from movie_autoencoder.config import ModelConfig
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.autorec.family import AutorecFamily
from movie_autoencoder.models.bayesian.family import BayesianFamily
from movie_autoencoder.models.bayesian.settings import BayesianSettings
from movie_autoencoder.models.dual.family import DualFamily, dual_epochs
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.models.ensemble.family import EnsembleFamily
from movie_autoencoder.models.family import Trial
from movie_autoencoder.models.registry import family_of
from movie_autoencoder.training import train


@dataclass(frozen=True)
class Result:
    """A trial and its outcome."""

    trial: Trial
    rmse: float


def configured(*settings: str) -> Config:
    return Config().with_settings(settings)


# What is searched

_PENALTIES = [(15, 0.2, 32), (30, 0.2, 32), (60, 0.2, 32)]
_HIDDEN = [(30, 0.35, 32), (30, 0.1, 32)]
_FINE = [(42.4264, 0.2, 32), (21.2132, 0.2, 32), (30, 0.2, 64)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["model.speed=best"], _PENALTIES),
        (["model.speed=fast"], _PENALTIES + _HIDDEN),
        (["model.speed=best", "training.budget=2"], _PENALTIES + _HIDDEN + _FINE),
        (["model.speed=fast", "training.budget=2"], _PENALTIES + _HIDDEN + _FINE),
        (["model.speed=fast", "training.budget=0"], _PENALTIES[:1]),
        (["model.speed=fast", "model.l2=30"], [(30, 0.2, 32), *_HIDDEN]),
        (["model.speed=fast", "model.hidden_fraction=0.2"], _PENALTIES),
        (["model.l2=4", "model.hidden_fraction=0.3", "model.latent_dim=5", "training.budget=2"], [(4, 0.3, 5)]),
    ],
)
def test_the_search_of_the_dual_autoencoder_in_its_order(
    planted: Ratings, settings: list[str], expected: list[tuple[float, float, int]]
) -> None:
    """With an error that is smallest at a penalty of 30 and the other settings' first values."""
    config, family, results = configured(*settings), DualFamily(), list[Result]()
    while (trial := family.next_trial(config, planted, 5.0, results)) is not None:
        assert isinstance(trial.settings, DualSettings) and trial.epochs == 200
        off = trial.settings != replace(trial.settings, hidden_fraction=0.2, latent_dim=32)
        results.append(Result(trial, abs(math.log(trial.settings.l2 / 30)) + off))
    found = [result.trial.settings for result in results]
    assert [(one.l2, one.hidden_fraction, one.latent_dim) for one in found] == expected


def test_the_search_spends_no_more_than_its_budget_of_work(planted: Ratings) -> None:
    """The first trial is free; each further one of 20 epochs costs ratings and rows x latent_dim x epochs."""
    work = (len(planted) + 10 * (planted.num_users + planted.num_items)) * 32 * 20
    for trials in (0, 1, 2):
        budget = (trials + 0.5) * work / 1.6e10
        config = configured("training.epochs=20", f"training.budget={budget}", "model.speed=fast")
        results = list[Result]()
        while (trial := DualFamily().next_trial(config, planted, 5.0, results)) is not None:
            results.append(Result(trial, -len(results)))
        assert len(results) == 1 + trials


def test_without_a_validation_part_there_is_nothing_to_choose_by(planted: Ratings) -> None:
    family, config = DualFamily(), Config()
    first = family.next_trial(config, planted, 5.0, [])
    assert first is not None
    assert family.next_trial(config, planted, 5.0, [Result(first, math.inf)]) is None


@pytest.mark.slow
def test_a_run_with_open_settings_keeps_the_best_of_its_trials(planted: Ratings, tmp_path: Path) -> None:
    config = configured("model.speed=fast", "training.epochs=24", "model.latent_dim=4", "training.refit=false")
    result = train(config, ratings=planted, out=tmp_path)
    settings = [fit["settings"] for fit in result.fits]
    assert len(settings) >= 5 and len({str(one) for one in settings}) == len(settings)
    best = min(result.fits, key=lambda fit: fit["rmse"])
    assert result.validation["model"]["rmse"] == pytest.approx(best["rmse"])


# How long


@pytest.mark.parametrize(
    ("millions", "latent_dim", "epochs"),
    [(1, 32, 200), (12.4, 32, 200), (16.6, 32, 150), (25, 32, 100), (100, 32, 100), (16.6, 64, 100)],
)
def test_large_data_gets_fewer_epochs_down_to_half(millions: float, latent_dim: int, epochs: int) -> None:
    ratings = Size.of(round(millions * 1e6))
    assert dual_epochs(ratings, configured(f"model.latent_dim={latent_dim}")) == epochs
    assert dual_epochs(ratings, configured("training.epochs=7")) == 7


def test_rows_cost_as_much_as_ten_ratings() -> None:
    assert dual_epochs(Size.of(6_666_700, 600_000, 400_000), Config()) == dual_epochs(Size.of(16_666_700), Config())


@pytest.mark.parametrize(("each", "latent_dim"), [(2, 10), (25, 15), (40, 24), (50, 24)])
def test_a_draw_of_bayesian_matrix_factorization_is_wider_where_rows_are_longer(each: int, latent_dim: int) -> None:
    """60 users and items with so many ratings each: 6/10 of that, but at least 10 and at most 24."""
    users, shift = np.divmod(np.arange(60 * each), each)
    ratings = Ratings.from_columns(users, (users + shift) % 60, np.full(len(users), 3.0), scale=Scale(1, 5, 1))
    trial = BayesianFamily().next_trial(Config(), ratings, 5.0, [])
    assert trial is not None and trial.settings == BayesianSettings(latent_dim, 32, 30)
    assert (trial.epochs, trial.score_every) == (100, 100)
    shorter = BayesianFamily().next_trial(configured("training.epochs=21"), ratings, 5.0, [])
    assert shorter is not None and (shorter.epochs, shorter.settings.burn_in) == (11, 3)
    assert BayesianFamily().next_trial(Config(), ratings, 5.0, [Result(trial, 1.0)]) is None


def test_the_classic_autoencoder_takes_the_settings_of_the_configuration(planted: Ratings) -> None:
    config = configured("model.name=autorec", "model.hidden=[8, 4]")
    trial = AutorecFamily().next_trial(config, planted, 7.0, [])
    assert trial is not None and trial.epochs == 60
    assert (trial.settings.hidden, trial.settings.damping, trial.settings.rows) == ((8, 4), 7.0, "item")
    assert AutorecFamily().next_trial(config, planted, 7.0, [Result(trial, 1.0)]) is None


def test_a_configuration_names_its_family(planted: Ratings) -> None:
    for settings, family, members in (
        ([], EnsembleFamily, ["dual", "bayesian"]),
        (["model.speed=fast"], DualFamily, ["dual"]),
        (["model.name=autorec"], AutorecFamily, ["autorec"]),
    ):
        found = family_of(configured(*settings))
        assert type(found) is family and [one.name for one in found.members()] == members
    ensemble = EnsembleFamily()
    assert ensemble.next_trial(Config(), planted, 5.0, []) is None
    with pytest.raises(NotImplementedError, match="member by member"):
        ensemble.learner(planted, Trial(BayesianSettings(3, 6, 1), 1), Config(), None)
    with pytest.raises(ValueError, match=r"no model 'other'\. Known models: autorec, bayesian, choice, dual, ensemble"):
        family_of(replace_model(ModelConfig(name="other")))


def replace_model(model: ModelConfig) -> Config:
    return Config().model_copy(update={"model": model})
