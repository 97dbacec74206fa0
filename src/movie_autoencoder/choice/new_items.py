"""New items in a choice model, from the training users who chose them; nothing changes for the other items.

The weights of a new item are those of its regression on the others, (X'X + diag(gamma)) w = X'x, by conjugate
gradients, so that no item x item matrix is needed. With s = |x|^2 + gamma_new - (X'x)'w they also are the new column of
C (see `linear`): C_new = -w / s, by the inverse of a bordered matrix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..data.ratings import Ratings
from ..models.base import Merge
from .linear import LinearAutoencoder, LinearSettings, Table, penalties
from .model import ChoiceModel

_MAX_STEPS = 200
_TOLERANCE = 1e-5


def with_new_choices(model: ChoiceModel, new: Ratings, merge: Merge, training: Ratings | None) -> ChoiceModel:
    """The same model with new items.

    Args:
        model: the choice model.
        new: ratings of the new items by training users, rows of the training ratings.
        merge: the indices of old and new items.
        training: the training ratings; without them a new item has its popularity only.
    """
    num_users = new.num_users
    chosen = new.to_csr()
    popularity = merge.rows(model.popularity, np.bincount(new.item_index, minlength=new.num_items) / num_users)
    weights, remainders = _regressions(training, chosen, model.linear.settings)
    linear = _linear(model.linear, weights, remainders, chosen, merge)
    return replace(model, linear=linear, popularity=popularity.astype(np.float32))


def _regressions(training: Ratings | None, chosen: Any, settings: LinearSettings) -> tuple[Table, Table]:
    """Weights of the old items for each new one, shape ``(num_old, num_new)``, and s of each."""
    from scipy.sparse.linalg import LinearOperator, cg

    counts = np.asarray(chosen.sum(axis=0)).ravel()
    remainders = counts + penalties(counts, settings)
    if training is None:
        return np.zeros((0, chosen.shape[1]), dtype=np.float32), remainders.astype(np.float32)
    matrix = training.to_csr().astype(np.float64)
    gamma = penalties(np.asarray(matrix.sum(axis=0)).ravel(), settings)
    size = matrix.shape[1]
    operator = LinearOperator((size, size), matvec=lambda w: matrix.T @ (matrix @ w.ravel()) + gamma * w.ravel())
    targets = (matrix.T @ chosen.astype(np.float64)).toarray()
    weights = np.empty((size, chosen.shape[1]), dtype=np.float32)
    for column in range(chosen.shape[1]):
        found, _ = cg(operator, targets[:, column], rtol=_TOLERANCE, maxiter=_MAX_STEPS)
        weights[:, column] = found
        remainders[column] -= targets[:, column] @ found
    return weights, remainders.astype(np.float32)


def _linear(
    model: LinearAutoencoder, weights: Table, remainders: Table, chosen: Any, merge: Merge
) -> LinearAutoencoder:
    gamma = penalties(np.asarray(chosen.sum(axis=0)).ravel(), model.settings)
    out = np.maximum((1 - model.settings.relaxation) * remainders, gamma).astype(np.float32)
    all_out = merge.rows(model.out, out)
    num_old, num_new = len(model.out), len(out)
    column = weights / remainders if len(weights) else np.zeros((num_old, num_new), np.float32)
    if model.weights is not None:
        table = np.zeros((len(merge),) * 2, dtype=np.float32)
        table[np.ix_(merge.old, merge.old)] = model.weights
        table[np.ix_(merge.old, merge.new)] = column * out
        table[np.ix_(merge.new, merge.old)] = column.T * model.out
        return replace(model, weights=table, out=all_out)
    factors = model.required_factors()
    found = np.linalg.lstsq(factors.T, column, rcond=None)[0]
    return replace(model, factors=merge.rows(factors.T, found.T).T.copy(), out=all_out)
