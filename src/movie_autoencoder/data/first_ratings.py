"""The first ratings of each user in a random order: what is known of people with few ratings."""

from __future__ import annotations

import numpy as np

from .ratings import IntArray, Ratings


def random_positions(ratings: Ratings, seed: int) -> IntArray:
    """Position of each rating in a random order of its user's ratings, from 0, shape ``(num_ratings,)``."""
    shuffled = np.lexsort((np.random.default_rng([seed, 6]).random(len(ratings)), ratings.user_index))
    position = np.empty(len(ratings), dtype=np.int64)
    position[shuffled] = np.arange(len(ratings)) - np.repeat(ratings.user_starts[:-1], ratings.user_counts)
    return position


def first_ratings(ratings: Ratings, position: IntArray, number: int) -> Ratings:
    """The first ratings of each row; all rows and columns stay.

    Args:
        ratings: of the rows, which may be users or items.
        position: position of each rating in its row's order (`random_positions`).
        number: number of ratings of each row; a row with fewer keeps all of them.
    """
    cells = np.flatnonzero(position < number)
    return Ratings(
        ratings.user_index[cells],
        ratings.item_index[cells],
        ratings.values[cells],
        ratings.user_ids,
        ratings.item_ids,
        ratings.scale,
        source=ratings.source,
    )


def of_users(ratings: Ratings, users: IntArray) -> Ratings:
    """The ratings of some users, whose rows are then 0, 1, …; all columns stay.

    Args:
        ratings: of everybody.
        users: their rows, ascending.
    """
    cells = np.flatnonzero(np.isin(ratings.user_index, users))
    return Ratings(
        np.searchsorted(users, ratings.user_index[cells]).astype(np.int32),
        ratings.item_index[cells],
        ratings.values[cells],
        ratings.user_ids[users],
        ratings.item_ids,
        ratings.scale,
        source=ratings.source,
    )
