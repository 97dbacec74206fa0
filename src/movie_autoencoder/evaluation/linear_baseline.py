"""The linear autoencoder of Steck (2019), "Embarrassingly shallow autoencoders for sparse data": a strong baseline for
lists, in closed form.

With X the matrix of who rated what, P = (X'X + l2 I)^-1, the score of item j for a person with the row x is
x_j - (x P)_j / P_jj: a linear map without a diagonal, so that no item speaks for itself. Where there are fewer users
than items the same numbers follow from a matrix of users x users, since P = (I - X' (X X' + l2 I)^-1 X) / l2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray, Ratings

Table = npt.NDArray[np.float64]

L2 = 200.0  # a usual strength, not tuned
MAX_ITEMS = 6_000  # a matrix of 288 MB, and near 10 seconds to invert it
_BLOCK = 512  # columns at a time


@dataclass(frozen=True, eq=False)
class LinearAutoencoder:
    """A fitted linear autoencoder; build one with `fit_linear_autoencoder`.

    Args:
        chosen: who rated what in training, only the columns of ``items``, CSR of ones.
        items: the columns that it knows, ascending; of all others the score is 0.
        inverse: P, shape ``(len(items), len(items))``, or with fewer users than items (X X' + l2 I)^-1.
        diagonal: of P, shape ``(len(items),)``.
        l2: the penalty.
    """

    chosen: Any
    items: IntArray
    inverse: Table
    diagonal: Table
    l2: float

    def scores(self, ratings: Ratings) -> Table:
        """Scores of all items for each person.

        Args:
            ratings: of the people, with the columns of the training ratings.

        Returns:
            Shape ``(num_users, num_items)``, larger for items that are more likely to be chosen.
        """
        shown = ratings.to_csr(np.ones(len(ratings)))
        known = shown[:, self.items]
        if len(self.inverse) == len(self.items):
            projected = known @ self.inverse
        else:
            projected = (known.toarray() - ((known @ self.chosen.T) @ self.inverse) @ self.chosen) / self.l2
        found: Table = np.zeros(shown.shape)
        found[:, self.items] = known.toarray() - projected / self.diagonal
        return found


def fit_linear_autoencoder(ratings: Ratings, *, l2: float = L2, max_items: int = MAX_ITEMS) -> LinearAutoencoder:
    """Fits the linear autoencoder to which items people rated, not to how they rated them.

    Args:
        ratings: the training ratings.
        l2: the penalty.
        max_items: with more users and more items than this, it knows only this number of items, the most rated ones.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2, 2, 3], [7, 8, 7, 8, 9], [4, 3, 5, 4, 2])
        >>> new = Ratings.from_columns([4, 5, 6], [7, 8, 9], [5, 5, 5])
        >>> fit_linear_autoencoder(ratings, l2=1.0).scores(new).round(2).tolist()
        [[0.0, 0.67, 0.0], [0.67, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    items = np.arange(ratings.num_items)
    if min(ratings.num_users, ratings.num_items) > max_items:
        items = np.sort(np.argsort(-ratings.item_counts, kind="stable")[:max_items])
    chosen = ratings.to_csr(np.ones(len(ratings)))[:, items]
    if len(items) <= ratings.num_users:
        inverse = _inverse(_gram(chosen.T.tocsr()), l2)
        return LinearAutoencoder(chosen, items, inverse, np.diag(inverse).copy(), l2)
    inverse = _inverse(_gram(chosen), l2)
    columns = chosen.T.tocsr()
    diagonal = np.empty(len(items))
    for start in range(0, len(items), _BLOCK):
        block = columns[start : start + _BLOCK]
        diagonal[start : start + _BLOCK] = (1 - block.multiply(block @ inverse).sum(axis=1)) / l2
    return LinearAutoencoder(chosen, items, inverse, diagonal, l2)


def _gram(rows: Any) -> Table:
    """Inner products of all rows, shape ``(num_rows, num_rows)``."""
    gram, columns = np.empty((rows.shape[0], rows.shape[0])), rows.T.tocsr()
    for start in range(0, len(gram), _BLOCK):
        gram[start : start + _BLOCK] = (rows[start : start + _BLOCK] @ columns).toarray()
    return gram


def _inverse(gram: Table, l2: float) -> Table:
    """(gram + l2 I)^-1 of a symmetric matrix, which is overwritten."""
    from scipy.linalg import lapack

    gram[np.diag_indices_from(gram)] += l2
    factor, failed = lapack.dpotrf(gram.T, lower=0, overwrite_a=1)
    inverse, also_failed = lapack.dpotri(factor, lower=0, overwrite_c=1)
    if failed or also_failed:
        raise np.linalg.LinAlgError(f"The matrix of a linear autoencoder with l2={l2:g} cannot be inverted.")
    for start in range(0, len(inverse), _BLOCK):  # only the upper triangle was computed
        block = slice(start, start + _BLOCK)
        inverse[block, block] = np.triu(inverse[block, block]) + np.triu(inverse[block, block], 1).T
        inverse[start + _BLOCK :, block] = inverse[block, start + _BLOCK :].T
    return np.ascontiguousarray(inverse)
