"""Rankers: what orders all items for a person. The run's own lists, and the baselines that stand beside them.

A ranker is a function from the ratings of a block of people, with the model's columns, to a score of every item for
each of them. It reads nothing else of these people, be they training users or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..data.ratings import IntArray, Ratings
from ..models.base import TrainedModel
from .linear_baseline import fit_linear_autoencoder

Ranker = Callable[[Ratings], npt.NDArray[Any]]

POPULARITY, LINEAR, RATING, CHOICE = "popularity", "linear_autoencoder", "rating", "choice"
BASELINES = (POPULARITY, LINEAR)
_SHORTLIST = 500  # items whose whole reconstruction orders them, as in a recommendation


def rankers_of(bundle: Bundle) -> dict[str, Ranker]:
    """The rankers of a bundle, by name: baselines first.

    The linear autoencoder needs the training ratings, so a bundle that was saved without them has none.
    """
    found = {POPULARITY: by_popularity(bundle.item_counts)}
    if bundle.ratings is not None:
        found[LINEAR] = fit_linear_autoencoder(bundle.ratings).scores
    found[RATING] = by_rating(bundle.model)
    choice = getattr(bundle, "choice", None)
    if choice is not None:
        found[CHOICE] = choice.scores
    return found


def by_popularity(item_counts: IntArray) -> Ranker:
    """The same order for everyone: by number of training ratings, shape ``(num_items,)``."""

    def scores(ratings: Ratings) -> npt.NDArray[Any]:
        return np.broadcast_to(item_counts.astype(np.float64), (ratings.num_users, len(item_counts)))

    return scores


def by_rating(model: TrainedModel, *, shortlist: int = _SHORTLIST) -> Ranker:
    """By predicted rating, not clipped. A recommendation orders items in the same two steps.

    Inner products of factors choose a shortlist of the items that the person has not rated, and the model's whole
    reconstruction orders it. The score of all other items is minus infinity.

    Args:
        model: folds the people in.
        shortlist: how many items are reconstructed for each person.
    """

    def scores(ratings: Ratings) -> npt.NDArray[Any]:
        encoded, items = model.fold_in(ratings), model.items
        rough = encoded.factors[:-1] @ items.factors[:-1].T + items.offset[:-1]
        rough[ratings.user_index, ratings.item_index] = -np.inf
        size = min(shortlist, rough.shape[1])
        near = np.argpartition(rough, -size, axis=1)[:, -size:]
        rows = np.repeat(np.arange(len(rough)), size)
        found = np.full(rough.shape, -np.inf)
        found[rows, near.ravel()] = model.reconstruct(rows, near.ravel(), encoded_users=encoded)
        return found

    return scores
