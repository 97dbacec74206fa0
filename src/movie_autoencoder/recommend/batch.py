"""The best items for many people at once, by matrix products in blocks of people."""

from __future__ import annotations

import numpy as np

from ..data.ratings import FloatArray, IntArray, Ratings
from ..models.base import Encoded, TrainedModel

_NUMBERS = 1 << 24  # reconstructions held at a time


def best_columns(
    model: TrainedModel, ratings: Ratings, encoded: Encoded, k: int, shortlist: int
) -> tuple[IntArray, FloatArray]:
    """The ``k`` items with the largest predictions for each person, without those that they have rated.

    Two steps: inner products of factors choose the shortlist, and the model's whole reconstruction orders it.

    Args:
        model: the trained model.
        ratings: of the people, columns in the model's vocabulary.
        encoded: the same people, encoded.
        k: how many for each.
        shortlist: how many are reconstructed for each.

    Returns:
        Columns and reconstructions, both of shape ``(num_users, k)``, best first; the reconstruction is NaN, and the
        column any, where fewer than ``k`` items are left.
    """
    num_items = len(model.items)
    shortlist = min(max(shortlist, k), num_items)
    columns = np.zeros((ratings.num_users, k), dtype=np.int64)
    reconstructions = np.full((ratings.num_users, k), np.nan)
    step = max(1, _NUMBERS // num_items)
    for start in range(0, ratings.num_users, step):
        rows = np.arange(start, min(start + step, ratings.num_users))
        scores = encoded.factors[rows] @ model.items.factors[:-1].T
        scores += model.items.offset[:-1]
        cells = slice(ratings.user_starts[rows[0]], ratings.user_starts[rows[-1] + 1])
        scores[ratings.user_index[cells] - start, ratings.item_index[cells]] = -np.inf
        near = np.argpartition(scores, -shortlist, axis=1)[:, -shortlist:]
        users = np.repeat(rows, shortlist)
        raw = model.reconstruct(users, near.ravel(), encoded_users=encoded).reshape(near.shape)
        raw[np.isneginf(np.take_along_axis(scores, near, axis=1))] = -np.inf
        order = np.argsort(-raw, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(raw, order, axis=1)
        count = order.shape[1]
        columns[rows, :count] = np.take_along_axis(near, order, axis=1)
        reconstructions[rows, :count] = np.where(np.isneginf(found), np.nan, found)
    return columns, reconstructions
