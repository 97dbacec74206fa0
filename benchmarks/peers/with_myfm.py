"""myFM: Bayesian factorization machines by Gibbs sampling: ids only, with both implicit sets, and as ordered probit.

Features are those of its own MovieLens examples: each id in its own block, with a column for unknown ids; with
`implicit` the set of items that the user rated and the set of users who rated the item, each divided by the square
root of its size, from training ratings only; one group of hyperparameters for each kind of feature.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import myfm
import numpy as np
from job import Cells, Predict, main
from scipy import sparse


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """Draws `draws` samples after `burn_in`; predictions are means over the samples."""
    rows = side(cells.users, cells.items, cells.num_users, cells.num_items, settings["implicit"])
    columns = side(cells.items, cells.users, cells.num_items, cells.num_users, settings["implicit"])
    groups = [
        *groups_of(cells.num_users, cells.num_items, settings["implicit"]),
        *groups_of(cells.num_items, cells.num_users, settings["implicit"]),
    ]
    kind = myfm.MyFMOrderedProbit if settings["probit"] else myfm.MyFMRegressor
    model = kind(rank=settings["rank"], random_seed=42)
    given = np.unique(cells.values)  # probit: classes are the values in the training ratings
    targets = np.searchsorted(given, cells.values) if settings["probit"] else cells.values
    blocks = [myfm.RelationBlock(cells.users + 1, rows), myfm.RelationBlock(cells.items + 1, columns)]
    model.fit(
        None,
        targets,
        blocks,
        n_iter=settings["burn_in"] + settings["draws"],
        n_kept_samples=settings["draws"],
        group_shapes=groups,
    )

    def predict(users: np.ndarray, items: np.ndarray) -> Any:
        pairs = [myfm.RelationBlock(users + 1, rows), myfm.RelationBlock(items + 1, columns)]
        if not settings["probit"]:
            return model.predict(None, pairs, n_workers=cells.threads)
        classes = model.predict_proba(None, pairs, n_workers=cells.threads)
        stars = classes @ given
        probabilities = np.zeros((len(users), len(cells.levels)))
        probabilities[:, np.abs(cells.levels[:, None] - given).argmin(axis=0)] = classes
        return stars, probabilities

    return predict


def side(owner: np.ndarray, partner: np.ndarray, size: int, partners: int, implicit: bool) -> sparse.csr_matrix:
    """Features of each user (or item): row 0 is for unknown ids, row 1 + index for the others."""
    ids = sparse.identity(size + 1, format="csr")
    if not implicit:
        return ids
    counts = np.bincount(owner, minlength=size)
    weights = 1 / np.sqrt(counts[owner])
    return sparse.hstack([ids, sparse.csr_matrix((weights, (owner + 1, partner)), shape=(size + 1, partners))], "csr")


def groups_of(size: int, partners: int, implicit: bool) -> list[int]:
    """Number of columns of each kind of feature in `side`."""
    return [size + 1, partners] if implicit else [size + 1]


if __name__ == "__main__":
    main(fit, version("myfm"))
