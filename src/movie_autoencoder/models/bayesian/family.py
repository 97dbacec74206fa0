"""Bayesian matrix factorization as a family: one fit, whose settings follow from the size of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from ...config import Config, DualConfig
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner
from ..family import ModelFamily, Trial, TrialResult
from .settings import BayesianSettings
from .trained import TrainedBayesian

_SWEEPS, _BURN_IN = 100, 0.3  # of each chain, and the fraction of them that does not count
_EPOCHS_PER_SWEEP = 2  # of ``training.epochs``: a sweep stands for two epochs of the dual autoencoder
_DIMS, _DIM_PER_RATING = (10, 24), 0.6  # least and most numbers of a draw; numbers for each rating of an average row
_WIDTH = 32  # of the mean over draws
_SWEEP_WORK, _DIM_WORK = 120, 10  # of a sweep, per rating; the same for each number of a draw
_ROW_WORK = 5  # what a row costs a sweep, in ratings
_BYTES_PER_RATING, _BYTES_PER_ROW = 100, 5500


class BayesianFamily(ModelFamily):
    """Bayesian matrix factorization by Gibbs sampling, as a member of the ensemble."""

    name = "bayesian"
    title = "Bayesian matrix factorization"
    trained = TrainedBayesian

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """One fit without a search, since the priors are learnt with the rest; see the base class.

        The longer the average row, the more numbers has a draw. ``training.epochs`` shortens the chains, too.
        """
        if results:
            return None
        sweeps = _num_sweeps(config)
        settings = BayesianSettings(_draw_dim(ratings), _WIDTH, int(_BURN_IN * sweeps))
        return Trial(settings, sweeps, score_every=sweeps)  # more draws are never worse

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """The Gibbs sampler, which has no learning rate; see the base class."""
        from .learner import BayesianLearner

        features = None
        if catalogue is not None and cast(DualConfig, config.model).side_information:
            features = catalogue.align(ratings.item_ids).features()
        return BayesianLearner(ratings, trial.settings, seed=config.training.seed, item_features=features), 0.0

    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of a fit, bytes."""
        return float(_BYTES_PER_RATING * len(ratings) + _BYTES_PER_ROW * (ratings.num_users + ratings.num_items))

    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of the fit and its refit."""
        sweeps = _num_sweeps(config)
        per_rating = _SWEEP_WORK + _DIM_WORK * _draw_dim(ratings)
        return 2.0 * per_rating * sweeps * (len(ratings) + _ROW_WORK * (ratings.num_users + ratings.num_items))


def _num_sweeps(config: Config) -> int:
    """Sweeps of each chain: the usual number, or as many as ``training.epochs`` stands for."""
    epochs = config.training.epochs
    return _SWEEPS if epochs is None else math.ceil(epochs / _EPOCHS_PER_SWEEP)


def _draw_dim(ratings: Ratings) -> int:
    """Numbers in a latent vector of one draw: six tenths of the ratings of an average row, within bounds."""
    average_row = len(ratings) / math.sqrt(ratings.num_users * ratings.num_items)
    return min(max(round(_DIM_PER_RATING * average_row), _DIMS[0]), _DIMS[1])
