"""Small trained models for tests, made in a second."""

from __future__ import annotations

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.bayesian.learner import BayesianLearner
from movie_autoencoder.models.bayesian.settings import BayesianSettings
from movie_autoencoder.models.dual.learner import DualLearner
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble
from movie_autoencoder.models.ensemble.weights import BlendWeights


def small_ensemble(
    ratings: Ratings, *, epochs: int = 5, latent_dim: int = 4, weights: BlendWeights | None = None
) -> TrainedEnsemble:
    """An ensemble trained for a few epochs, with given weights."""
    dual = DualLearner(ratings, DualSettings(latent_dim, 5.0, 0.2, 0.0, 3.0), optimizer="adam", average=0.9, seed=0)
    bayesian = BayesianLearner(ratings, BayesianSettings(3, 8, 1), seed=0)
    for epoch in range(epochs):
        dual.epoch(epoch, 0.02)
        bayesian.epoch(epoch, 0.0)
    return TrainedEnsemble.of(dual.trained(), bayesian.trained(), weights or BlendWeights(0.4, 0.6), ratings=ratings)
