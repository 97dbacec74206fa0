"""Ranked users: whose lists are scored, what is shown of them, and what their lists should find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.ratings import FloatArray, IntArray, Ratings
from .targets import Targets

NUM_RANKED = 5_000  # users whose lists are made; more add time and little precision


@dataclass(frozen=True, eq=False)
class RankedUsers:
    """The users whose lists are scored.

    Args:
        shown: their ratings that a ranker reads, with the model's columns.
        targets: their held-out ratings, a SciPy CSR matrix of the same rows and columns.
        num_drawn_from: users who could have a list.
        num_unknown_targets: held-out ratings that cannot be targets.
    """

    shown: Ratings
    targets: Any
    num_drawn_from: int
    num_unknown_targets: int

    @property
    def means(self) -> FloatArray:
        """Mean of each user's ratings, shown and held out, shape ``(num_users,)``, rating points."""
        rows, users = np.diff(self.targets.indptr), self.shown.num_users
        sums = np.bincount(self.shown.user_index, self.shown.values, users) + self.targets.sum(axis=1)
        means: FloatArray = sums / (self.shown.user_counts + rows)
        return means


def ranked_users(
    shown: Ratings | None, targets: Targets, *, num_ranked: int = NUM_RANKED, seed: int = 0
) -> RankedUsers | None:
    """The users who have a shown rating and a target that training knows, or a random sample of them.

    Args:
        shown: the ratings that may be shown, rows as in ``targets.users``, columns of the model.
        targets: the held-out ratings.
        num_ranked: largest number of users.
        seed: seed of the sample.

    Returns:
        None without such a user.
    """
    from scipy import sparse

    if shown is None or num_ranked < 1:
        return None
    known = np.flatnonzero((targets.users >= 0) & (targets.items >= 0))
    known = known[shown.user_counts[targets.users[known]] > 0]
    rows = np.unique(targets.users[known])
    if not len(rows):
        return None
    chosen = rows
    if len(rows) > num_ranked:
        chosen = np.sort(np.random.default_rng([seed, 7]).choice(rows, num_ranked, replace=False))
    cells = known[np.isin(targets.users[known], chosen)]
    index = np.searchsorted(chosen, targets.users[cells]), targets.items[cells]
    values = targets.ratings.values[cells].astype(np.float64)
    matrix = sparse.csr_array((values, index), shape=(len(chosen), shown.num_items))
    return RankedUsers(select_users(shown, chosen), matrix, len(rows), len(targets.users) - len(known))


def select_users(ratings: Ratings, rows: IntArray) -> Ratings:
    """The ratings of some users, in this order; all columns stay.

    Example:
        >>> ratings = Ratings.from_columns([1, 2, 2, 3], [7, 7, 8, 8], [4, 2, 5, 3])
        >>> select_users(ratings, np.array([1, 2])).to_csr().toarray().tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    counts = ratings.user_counts[rows]
    users = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
    first = np.cumsum(counts) - counts
    cells = np.arange(len(users)) - np.repeat(first - ratings.user_starts[rows], counts)
    return Ratings(
        users,
        ratings.item_index[cells],
        ratings.values[cells],
        ratings.user_ids[rows],
        ratings.item_ids,
        ratings.scale,
        None if ratings.timestamps is None else ratings.timestamps[cells],
        ratings.source,
    )
