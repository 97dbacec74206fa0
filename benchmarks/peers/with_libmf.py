"""LIBMF: parallel matrix factorisation without biases, by its Python binding; unknown ids get its mean."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from job import Cells, Predict, main
from libmf import mf


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """`l2` stands for the penalty on both sides."""
    words = dict(settings)
    penalty = words.pop("l2")
    model = mf.MF(nr_threads=cells.threads, quiet=True, lambda_p2=penalty, lambda_q2=penalty, **words)
    model.fit(np.column_stack([cells.users, cells.items, cells.values]).astype(np.float64))

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        known = (users >= 0) & (items >= 0)
        stars = np.full(len(users), float(cells.values.mean()))
        stars[known] = model.predict(np.column_stack([users[known], items[known]]))
        return stars

    return predict


if __name__ == "__main__":
    main(fit, version("libmf"))
