"""Small trained models for tests, made in a second, and people folded into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from movie_autoencoder.data.ratings import IntArray, Ratings
from movie_autoencoder.models.base import Encoded, TrainedModel
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


def some_cells(ratings: Ratings, cells: npt.NDArray) -> Ratings:
    """The ratings of some cells, with all rows and columns kept and no times."""
    return replace(
        ratings,
        user_index=ratings.user_index[cells],
        item_index=ratings.item_index[cells],
        values=ratings.values[cells],
        timestamps=None,
    )


@dataclass(frozen=True)
class NewPerson:
    """Somebody to fold in.

    Args:
        items: columns of the rated items, in any order, shape ``(n,)``.
        ratings: shape ``(n,)``.
        seen: columns of items that were chosen and not rated.
    """

    items: IntArray
    ratings: npt.NDArray[np.float32]
    seen: IntArray


def new_person(num_items: int, count: int, num_seen: int = 0, *, seed: int = 0) -> NewPerson:
    """Somebody with random ratings, from 1 to 5, of random items."""
    rng = np.random.default_rng(seed)
    columns = rng.permutation(num_items)[: count + num_seen]
    return NewPerson(columns[:count], rng.integers(1, 6, count).astype(np.float32), columns[count:])


def fold_in_people(model: TrainedModel, ratings: Ratings, people: Sequence[NewPerson]) -> Encoded:
    """Folds people in all at once, in the vocabulary of ``ratings``."""
    rows = np.repeat(np.arange(len(people)), [len(one.items) for one in people])
    items, values = np.concatenate([one.items for one in people]), np.concatenate([one.ratings for one in people])
    order = np.lexsort((items, rows))
    new = Ratings(
        rows[order].astype(np.int32),
        items[order].astype(np.int32),
        values[order],
        np.arange(len(people)),
        ratings.item_ids,
        ratings.scale,
    )
    seen = np.concatenate([one.seen for one in people])
    seen_rows = np.repeat(np.arange(len(people)), [len(one.seen) for one in people])
    mask = sparse.csr_array((np.ones(len(seen)), (seen_rows, seen)), shape=(len(people), ratings.num_items))
    return model.fold_in(new, seen=mask if len(seen) else None)
