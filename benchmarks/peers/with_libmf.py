"""LIBMF: parallel matrix factorization without biases, by its Python binding; unknown ids get the mean."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from job import Cells, Predict, main
from libmf import mf


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """`l2` is the penalty of both users and items."""
    words = dict(settings)
    penalty = words.pop("l2")
    model = mf.MF(nr_threads=cells.threads, quiet=True, lambda_p2=penalty, lambda_q2=penalty, **words)
    model.fit(np.column_stack([cells.users, cells.items, cells.values]).astype(np.float64))
    rows, columns = model.p_factors(), model.q_factors()  # the binding's own predict does not agree with its factors

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        product = np.einsum("nk,nk->n", rows[users], columns[items])
        return np.where((users >= 0) & (items >= 0), product, cells.values.mean())

    return predict


if __name__ == "__main__":
    main(fit, version("libmf"))
