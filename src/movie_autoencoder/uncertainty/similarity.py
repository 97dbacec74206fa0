"""Similar items: those that the same people rated, whatever they gave.

A person may use the scale in one way for some films and in another way for others. `similar_counts` is a person's
rating histogram for one item, in which each rating weighs by the similarity of its item to this one: the fourth power
of the cosine of the items' rows in a truncated singular value decomposition of the mask of observed cells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray, Ratings
from .distribution import value_index
from .intervals import Floats

Directions = npt.NDArray[np.float32]

_LATENT_DIM = 32  # of the decomposition
_OVERSAMPLING, _STEPS = 10, 5  # of its subspace iteration
_DAMPING = 10.0  # ratings added to each row and column before scaling, so that short ones do not dominate
_POWER = 4  # of the cosine


def item_directions(ratings: Ratings) -> Directions:
    """Unit vectors of the items; items that the same people rated have a large cosine.

    The mask of observed cells, each divided by the roots of its user's and its item's number of ratings, is decomposed
    by subspace iteration from random vectors (Halko, Martinsson and Tropp 2011), which always returns a result.

    Returns:
        Shape ``(num_items + 1, 32)``, float32; fewer columns in tiny data. The last row is the unknown item; it is
        zero, as is an item without ratings.
    """
    users, items = (1 / np.sqrt(counts + _DAMPING) for counts in (ratings.user_counts, ratings.item_counts))
    mask = ratings.to_csr((users[ratings.user_index] * items[ratings.item_index]).astype(np.float32))
    width = min(_LATENT_DIM + _OVERSAMPLING, ratings.num_users, ratings.num_items)
    basis = np.random.default_rng(0).normal(size=(ratings.num_items, width)).astype(np.float32)
    for _ in range(_STEPS):
        basis = np.linalg.qr(mask.T @ (mask @ basis))[0]
    _, weights, vectors = np.linalg.svd(mask @ basis, full_matrices=False)
    table = (basis @ vectors.T * weights)[:, :_LATENT_DIM]
    table = np.vstack([table, np.zeros((1, table.shape[1]))])
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.maximum(lengths, 1e-12), dtype=np.float32)


def similar_counts(
    ratings: Ratings | None, directions: Directions, values: Floats, users: IntArray, items: IntArray
) -> Floats:
    """Rating histograms of users, each rating weighted by the similarity of its item to the item of the pair.

    Args:
        ratings: the users' ratings, or None where they are not kept: all counts are then 0.
        directions: of the items (`item_directions`).
        values: the star values, ascending.
        users: row of each pair's user in ``ratings``, shape ``(n,)``; -1 for an unknown user.
        items: column of each pair's item, same shape; -1 for an unknown item.

    Returns:
        Shape ``(n, num_values)``.
    """
    table = np.zeros((len(users), len(values)))
    if ratings is None:
        return table
    order = np.argsort(users, kind="stable")
    owners, starts = np.unique(users[order], return_index=True)
    one_hot = np.eye(len(values), dtype=np.float32)
    for owner, rows in zip(owners.tolist(), np.split(order, starts[1:]), strict=True):
        if owner >= 0:
            cells = ratings.row(owner)
            cosines = directions[items[rows]] @ directions[ratings.item_index[cells]].T
            table[rows] = np.maximum(cosines, 0.0) ** _POWER @ one_hot[value_index(values, ratings.values[cells])]
    return table
