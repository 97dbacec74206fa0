"""Small models, trained in a moment, for whatever uses a trained model."""

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


def fit_dual(ratings: Ratings, *, epochs: int = 100, latent_dim: int = 8) -> TrainedDual:
    """The dual autoencoder after a whole schedule."""
    settings = DualSettings(latent_dim, l2=10.0, hidden_fraction=0.2, hidden_rows=0.0, damping=5.0)
    learner = DualLearner(ratings, settings, optimizer="adam", average=0.95, seed=0)
    rate = default_learning_rate("adam", ratings)
    for epoch in range(epochs):
        learner.epoch(epoch, rate * scheduled("cosine", epoch / epochs))
    return learner.trained()


def fit_bayesian(ratings: Ratings, *, sweeps: int = 30) -> TrainedBayesian:
    """Bayesian matrix factorization of few sweeps."""
    learner = BayesianLearner(ratings, BayesianSettings(latent_dim=3, width=6, burn_in=sweeps // 3), seed=0)
    for sweep in range(sweeps):
        learner.epoch(sweep, 0.0)
    return learner.trained()


def fit_ensemble(
    ratings: Ratings, *, epochs: int = 5, latent_dim: int = 4, neighbours: float = 0.6
) -> TrainedEnsemble:
    """Both members after so many epochs at one learning rate, with given blend weights."""
    settings = DualSettings(latent_dim, l2=5.0, hidden_fraction=0.2, hidden_rows=0.0, damping=3.0)
    dual = DualLearner(ratings, settings, optimizer="adam", average=0.9, seed=0)
    bayesian = BayesianLearner(ratings, BayesianSettings(latent_dim=3, width=8, burn_in=1), seed=0)
    for epoch in range(epochs):
        dual.epoch(epoch, 0.02)
        bayesian.epoch(epoch, 0.0)
    weights = BlendWeights(0.4, neighbours=neighbours)
    return TrainedEnsemble.of(dual.trained(), bayesian.trained(), weights, ratings=ratings)
