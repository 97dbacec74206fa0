"""The dual autoencoder as a family: which settings to try, how long to train, what a fit takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from ...config import Config, DualConfig
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner, ModelError, TrainedModel
from ..family import ModelFamily, Trial, TrialResult
from ..validation import Validation
from .settings import DualSettings
from .trained import TrainedDual

EPOCHS = 200
_LARGE_EPOCHS, _FIT_WORK = 100, 8e10  # a fit of more work is cut to so much, down to half the epochs
_L2, _HIDDEN_FRACTION, _LATENT_DIM = 15.0, 0.2, 32  # where the search starts, and the values without a search
_DAMPING = 10.0  # biases beside a latent model want more damping than biases alone
_MAX_TRIALS, _DEFAULT_TRIALS = 8, 5  # with a longer search; without
_SEARCH_WORK = 1.6e10  # of the trials after the first: about 20 s on two cores
_ROW_WORK = 10  # a row of the tables costs an epoch about as much as ten ratings
_BYTES_PER_RATING, _BYTES_PER_NUMBER = 420, 64  # of a number of the tables: weights, moments, copies


class DualFamily(ModelFamily):
    """The dual autoencoder alone (``model.speed=fast``)."""

    name = "dual"
    title = "dual autoencoder"
    size_setting = "model.latent_dim"
    config = DualConfig
    trained = TrainedDual

    def check(self, config: Config, ratings: Ratings, catalogue: Catalogue | None) -> None:
        """Refuses settings that only the ensemble reads; see the base class."""
        model = cast(DualConfig, config.model)
        if model.time_aware:
            raise ModelError(
                "model.time_aware reads the person's other ratings: it needs model.speed=best and bundle.ratings=true."
            )
        if model.side_information:
            raise ModelError(
                "model.side_information is read by Bayesian matrix factorization, which model.speed=fast leaves out. "
                "Leave one of them out."
            )

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """One open setting at a time, within the budget of work; see the base class."""
        model, epochs = cast(DualConfig, config.model), dual_epochs(ratings, config)
        if not results:
            return Trial(_first_settings(model), epochs)
        if not math.isfinite(results[0].rmse):
            return None  # without a validation part there is nothing to choose by
        tried = [(result.trial.settings, result.rmse) for result in results]
        candidate = _next_settings(model, tried, thorough=config.training.budget > 1)
        if candidate is None or len(tried) >= _MAX_TRIALS or not config.training.budget:
            return None
        spent = sum(_step_work(ratings, settings.latent_dim) * epochs for settings, _ in tried[1:])
        if spent + _step_work(ratings, candidate.latent_dim) * epochs > _SEARCH_WORK * config.training.budget:
            return None
        return Trial(candidate, epochs)

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """The Keras learner; see the base class."""
        from .learner import DualLearner, default_learning_rate

        training = config.training
        learner = DualLearner(
            ratings, trial.settings, optimizer=training.optimizer, average=training.average, seed=training.seed
        )
        return learner, training.learning_rate or default_learning_rate(training.optimizer, ratings)

    def assemble(
        self,
        models: Sequence[TrainedModel],
        config: Config,
        ratings: Ratings,
        *,
        validation: Validation | None = None,
        like: TrainedModel | None = None,
    ) -> TrainedModel:
        """The fitted model, with new rows folded in by regression; see the base class."""
        (alone,) = models
        return cast(TrainedDual, alone).with_regressions(ratings)

    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of a fit, bytes."""
        width = cast(DualConfig, config.model).latent_dim or 2 * _LATENT_DIM
        rows = ratings.num_users + ratings.num_items
        return float(_BYTES_PER_RATING * len(ratings) + _BYTES_PER_NUMBER * rows * width)

    def work(self, ratings: Ratings, config: Config) -> float:
        """Upper bound of the work of all trials and the refit."""
        width = cast(DualConfig, config.model).latent_dim or _LATENT_DIM
        one = _step_work(ratings, width) * dual_epochs(ratings, config)
        trials = (_MAX_TRIALS if config.training.budget > 1 else _DEFAULT_TRIALS) - 1
        return 2.0 * one + min(_SEARCH_WORK * config.training.budget, trials * one)


def dual_epochs(ratings: Ratings, config: Config) -> int:
    """Epochs of a fit, unless they are set: fewer from about 13 million ratings on.

    Half the epochs cost accuracy (docs/experiments.md) and save half the time; ``training.epochs=200`` has them all.
    """
    if config.training.epochs:
        return config.training.epochs
    affordable = _FIT_WORK / _step_work(ratings, cast(DualConfig, config.model).latent_dim or _LATENT_DIM)
    return int(min(max(affordable, _LARGE_EPOCHS), EPOCHS))


def _step_work(ratings: Ratings, width: int) -> float:
    return float(len(ratings) + _ROW_WORK * (ratings.num_users + ratings.num_items)) * width


def _first_settings(model: DualConfig) -> DualSettings:
    return DualSettings(
        latent_dim=_LATENT_DIM if model.latent_dim is None else model.latent_dim,
        l2=_L2 if model.l2 is None else model.l2,
        hidden_fraction=_HIDDEN_FRACTION if model.hidden_fraction is None else model.hidden_fraction,
        hidden_rows=model.hidden_rows,
        damping=_DAMPING if model.damping is None else model.damping,
    )


def _next_settings(
    model: DualConfig, tried: Sequence[tuple[DualSettings, float]], *, thorough: bool
) -> DualSettings | None:
    """The next candidate: penalty first, then hidden fraction, then what only a longer search tries.

    In the ensemble only the penalty matters: the other settings change its error by less than the choice of the split.
    """
    best = min(tried, key=lambda pair: pair[1])[0]
    seen = {settings for settings, _ in tried}
    candidates: list[DualSettings] = []
    if model.l2 is None:  # by factors of 2 while that helps
        candidates += [replace(best, l2=round(best.l2 * factor, 4)) for factor in (2.0, 0.5)]
    if model.hidden_fraction is None and (thorough or model.speed == "fast"):
        candidates += [replace(best, hidden_fraction=fraction) for fraction in (0.35, 0.1)]
    if model.l2 is None and thorough:  # between
        candidates += [replace(best, l2=round(best.l2 * factor, 4)) for factor in (2**0.5, 0.5**0.5)]
    if model.latent_dim is None and thorough:
        candidates += [
            replace(best, latent_dim=width) for width in (2 * best.latent_dim, best.latent_dim // 2) if width
        ]
    return next((candidate for candidate in candidates if candidate not in seen), None)
