"""Small trained models for tests, made in a second."""

from __future__ import annotations

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.bayesian.learner import BayesianLearner
from movie_autoencoder.models.bayesian.settings import BayesianSettings
from movie_autoencoder.models.bayesian.trained import TrainedBayesian
from movie_autoencoder.models.dual.learner import DualLearner, default_learning_rate
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.models.dual.trained import TrainedDual
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble
from movie_autoencoder.models.ensemble.weights import BlendWeights
from movie_autoencoder.models.schedule import scheduled


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


def small_dual(ratings: Ratings, *, epochs: int = 100) -> TrainedDual:
    """The dual autoencoder after a schedule of so many epochs."""
    learner = DualLearner(ratings, DualSettings(8, 10.0, 0.2, 0.0, 5.0), optimizer="adam", average=0.95, seed=0)
    rate = default_learning_rate("adam", ratings)
    for epoch in range(epochs):
        learner.epoch(epoch, rate * scheduled("cosine", epoch / epochs))
    return learner.trained()


def small_bayesian(ratings: Ratings, *, sweeps: int = 30) -> TrainedBayesian:
    """Bayesian matrix factorization after so many sweeps of each chain."""
    learner = BayesianLearner(ratings, BayesianSettings(3, 6, sweeps // 3), seed=0)
    for sweep in range(sweeps):
        learner.epoch(sweep, 0.0)
    return learner.trained()
