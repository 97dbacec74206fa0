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
from ..choice import RANK_BY, RankBy, rank_values
from ..data.ratings import IntArray, Ratings
from .linear_baseline import fit_linear_autoencoder

Ranker = Callable[[Ratings], npt.NDArray[Any]]

POPULARITY, LINEAR = "popularity", "linear_autoencoder"
RATING: RankBy = "rating"
CHOICE: RankBy = "choice"
BASELINES = (POPULARITY, LINEAR)


def rankers_of(bundle: Bundle) -> dict[str, Ranker]:
    """The rankers of a bundle, by name: baselines first.

    The linear autoencoder needs the training ratings, so a bundle that was saved without them has none. Lists by
    predicted rating need a model that encodes anyone from their ratings.
    """
    found = {POPULARITY: by_popularity(bundle.item_counts)}
    if bundle.ratings is not None:
        found[LINEAR] = fit_linear_autoencoder(bundle.ratings).scores
    rated = bundle.model.scale.rated and bundle.model.encodes_people
    orders = [order for order in RANK_BY if order == CHOICE or rated]
    for rank_by in orders if bundle.choice is not None else [RATING] * rated:
        found[rank_by] = by_model(bundle, rank_by)
    return found


def by_model(bundle: Bundle, rank_by: RankBy) -> Ranker:
    """The run's own order, as in a recommendation (`choice.rank_values`)."""
    return lambda ratings: rank_values(bundle.model, bundle.choice, ratings, rank_by)


def by_popularity(item_counts: IntArray) -> Ranker:
    """The same order for everyone: by number of training ratings, shape ``(num_items,)``."""

    def scores(ratings: Ratings) -> npt.NDArray[Any]:
        return np.broadcast_to(item_counts.astype(np.float64), (ratings.num_users, len(item_counts)))

    return scores
