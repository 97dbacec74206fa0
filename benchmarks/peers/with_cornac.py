"""Cornac: matrix factorization with biases, by stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import cornac
import numpy as np
from job import Cells, Predict, main, with_biases


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """MF with a seed, which runs on one thread; predictions are those of its `score`, for all pairs at once."""
    triples = (cells.users.astype(np.int64), cells.items.astype(np.int64), cells.values)
    rows, columns = ({index: index for index in range(size)} for size in (cells.num_users, cells.num_items))
    dataset = cornac.data.Dataset(cells.num_users, cells.num_items, rows, columns, triples, seed=0)
    model = cornac.models.MF(seed=0, use_bias=True, verbose=False, **settings).fit(dataset)

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        product = np.einsum("nk,nk->n", model.u_factors[users], model.i_factors[items])
        known = (users >= 0) & (items >= 0)
        biases = with_biases(float(model.global_mean), model.u_biases, model.i_biases, users, items)
        return biases + np.where(known, product, 0.0)

    return predict


if __name__ == "__main__":
    main(fit, cornac.__version__)
