"""Choosing what the configuration leaves open: trials on the validation part, within a budget of work.

The budget counts work (ratings x latent_dim x epochs), never seconds, so that the same data and seed give the same
choice on any machine. The next trial follows from the results so far alone: a run that was interrupted goes on with
the trial it was in. docs/models.md says what the rules rest on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..config import AutorecConfig, Config, DualConfig
from ..data.ratings import Ratings
from ..models.baselines import DAMPINGS, damped_bias
from ..models.settings import AutorecSettings, BayesianSettings, DualSettings, Settings, settings_to_dict

DUAL_EPOCHS, AUTOREC_EPOCHS = 200, 60
_LARGE_EPOCHS, _FIT_WORK = 100, 8e10  # a fit of more work is cut to so much, down to half the steps
_SWEEPS, _BURN_IN = 100, 0.3  # of the sampled sibling's chains, and the share of them that does not count
_SAMPLED_DIMS, _SAMPLED_SHARE = (10, 24), 0.6  # of a draw, see `_sampled_dim`
_SAMPLED_WIDTH = 32  # of the mean over draws
_L2, _HIDDEN, _LATENT = 15.0, 0.2, 32  # where the search starts, and what stands when nothing is tried
_DAMPING = 10.0  # where biases stand beside a model of taste, more damping than they want alone pays
_TRIALS, _USUAL_TRIALS = 8, 5  # at most; without a longer search
_WORK = 1.6e10  # of the trials after the first: about 20 s on two cores
_SWEEP_WORK, _SWEEP_DIM = 120, 10  # a sweep of the chains, per rating; the same for each number of a draw
_SWEEP_ROWS = 5  # what a row costs a sweep, in ratings
_ROW_WORK = 10  # a row of the tables costs an epoch about as much as ten ratings


@dataclass(frozen=True)
class Trial:
    """One fit to try: its settings, and the length of its schedule in epochs."""

    settings: Settings
    epochs: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"settings": settings_to_dict(self.settings), "epochs": self.epochs}


class TrialResult(Protocol):
    """What the search needs to know of a trial that has run."""

    @property
    def trial(self) -> Trial: ...

    @property
    def rmse(self) -> float: ...


def choose_damping(ratings: Ratings, score: Any) -> float:
    """The damping of the biases with the smallest validation RMSE.

    Args:
        ratings: training ratings.
        score: RMSE of a trained model on the validation part; None without one: then a usual value.
    """
    if score is None:
        return 5.0
    return min(DAMPINGS, key=lambda damping: score(damped_bias(ratings, damping)))


def next_trial(config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]) -> Trial | None:
    """The fit to run next, or None when the search is over.

    Args:
        config: what is set stays; what is open is searched.
        ratings: training ratings.
        damping: damping chosen for the biases; autorec's, unless the configuration sets one.
        results: the trials so far, in their order.
    """
    model = config.model
    if isinstance(model, AutorecConfig):
        if results:
            return None  # its settings are given; only the number of epochs is chosen, within the one trial
        values = model.model_dump(exclude={"name"}) | {"damping": damping if model.damping is None else model.damping}
        return Trial(AutorecSettings(**values), config.training.epochs or AUTOREC_EPOCHS)
    epochs = dual_epochs(ratings, config)
    if not results:
        settings = DualSettings(
            latent_dim=_LATENT if model.latent_dim is None else model.latent_dim,
            l2=_L2 if model.l2 is None else model.l2,
            hidden_fraction=_HIDDEN if model.hidden_fraction is None else model.hidden_fraction,
            hidden_rows=model.hidden_rows,
            damping=_DAMPING if model.damping is None else model.damping,
        )
        return Trial(settings, epochs)
    if not math.isfinite(results[0].rmse):
        return None  # without a validation part there is nothing to choose by
    tried = [(result.trial.settings, result.rmse) for result in results]
    spent = sum(_work(ratings, settings, epochs) for settings, _ in tried[1:])
    candidate = _next_dual(model, tried, thorough=config.training.budget > 1)
    if candidate is None or len(tried) >= _TRIALS or not config.training.budget:
        return None
    if spent + _work(ratings, candidate, epochs) > _WORK * config.training.budget:
        return None
    return Trial(candidate, epochs)


def dual_epochs(ratings: Ratings, config: Config) -> int:
    """Steps of a fit of the dual autoencoder, unless they are set: fewer from about 13 million ratings on.

    Half the steps cost accuracy (docs/experiments.md) and save half the time; ``training.epochs=200`` has them all.
    """
    model = config.model
    if config.training.epochs or isinstance(model, AutorecConfig):
        return config.training.epochs or DUAL_EPOCHS
    affordable = _FIT_WORK / _step_work(ratings, model.latent_dim or _LATENT)
    return int(min(max(affordable, _LARGE_EPOCHS), DUAL_EPOCHS))


def bayesian_trial(config: Config, ratings: Ratings) -> Trial:
    """The fit of the sampled sibling: nothing of it is searched, since its priors are learnt with it.

    Its draws have the more numbers the more ratings a usual row has. A sweep of its chains stands for two steps of the
    dual autoencoder, so that ``training.epochs`` shortens both.
    """
    epochs = config.training.epochs
    sweeps = _SWEEPS if epochs is None else math.ceil(_SWEEPS * epochs / DUAL_EPOCHS)
    return Trial(BayesianSettings(_sampled_dim(ratings), _SAMPLED_WIDTH, int(_BURN_IN * sweeps)), sweeps)


def _sampled_dim(ratings: Ratings) -> int:
    usual_row = len(ratings) / math.sqrt(ratings.num_users * ratings.num_items)
    return min(max(round(_SAMPLED_SHARE * usual_row), _SAMPLED_DIMS[0]), _SAMPLED_DIMS[1])


def planned_work(ratings: Ratings, config: Config) -> float:
    """Upper bound of the work of all trials and the refit, in ratings x width x epochs."""
    if isinstance(config.model, AutorecConfig):
        return 2.0 * (config.training.epochs or AUTOREC_EPOCHS) * len(ratings) * config.model.hidden[0]
    width = config.model.latent_dim or _LATENT
    one = _step_work(ratings, width) * dual_epochs(ratings, config)
    trials = (_TRIALS if config.training.budget > 1 else _USUAL_TRIALS) - 1
    work = 2.0 * one + min(_WORK * config.training.budget, trials * one)
    if config.model.speed == "best":
        sweeps = bayesian_trial(config, ratings).epochs
        each = _SWEEP_WORK + _SWEEP_DIM * _sampled_dim(ratings)
        work += 2.0 * each * sweeps * (len(ratings) + _SWEEP_ROWS * (ratings.num_users + ratings.num_items))
    return work


def _work(ratings: Ratings, settings: Settings, epochs: int) -> float:
    width = settings.latent_dim if isinstance(settings, DualSettings) else 0
    return _step_work(ratings, width) * epochs


def _step_work(ratings: Ratings, width: int) -> float:
    return float(len(ratings) + _ROW_WORK * (ratings.num_users + ratings.num_items)) * width


def _next_dual(model: DualConfig, tried: Sequence[tuple[Settings, float]], *, thorough: bool) -> DualSettings | None:
    """One open setting at a time, the most telling first: penalty, hidden fraction, then what is for a longer search.

    Beside its sibling the penalty by and large is all that tells: the rest moves the average by less than splits do.
    """
    pairs = [(settings, rmse) for settings, rmse in tried if isinstance(settings, DualSettings)]
    best = min(pairs, key=lambda pair: pair[1])[0]
    seen = {settings for settings, _ in pairs}
    candidates: list[DualSettings] = []
    if model.l2 is None:  # walk by 2 while it helps
        candidates += [replace(best, l2=round(best.l2 * factor, 4)) for factor in (2.0, 0.5)]
    if model.hidden_fraction is None and (thorough or model.speed == "fast"):
        candidates += [replace(best, hidden_fraction=share) for share in (0.35, 0.1)]
    if model.l2 is None and thorough:  # look between
        candidates += [replace(best, l2=round(best.l2 * factor, 4)) for factor in (2**0.5, 0.5**0.5)]
    if model.latent_dim is None and thorough:
        candidates += [
            replace(best, latent_dim=width) for width in (2 * best.latent_dim, best.latent_dim // 2) if width
        ]
    return next((candidate for candidate in candidates if candidate not in seen), None)
