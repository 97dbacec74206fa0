"""Surprise: BaselineOnly, SVD, SVD++ and KNNBaseline, through its own trainset and predictions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import surprise
from job import Cells, Predict, main


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """One algorithm; unknown users and items get mean plus known biases, as Surprise predicts them."""
    by_user: dict[int, list[tuple[int, float]]] = defaultdict(list)
    by_item: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for user, item, value in zip(cells.users.tolist(), cells.items.tolist(), cells.values.tolist(), strict=True):
        by_user[user].append((item, value))
        by_item[item].append((user, value))
    rows, columns = ({index: index for index in range(size)} for size in (cells.num_users, cells.num_items))
    trainset = surprise.Trainset(
        by_user, by_item, cells.num_users, cells.num_items, len(cells.values), cells.bounds, rows, columns
    )
    words = dict(settings)
    kind = words.pop("algorithm")
    if kind in ("SVD", "SVDpp"):
        words["random_state"] = 0
    algorithm = getattr(surprise, kind)(verbose=False, **words)
    algorithm.fit(trainset)

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return np.array([algorithm.predict(user, item, clip=False).est for user, item in pairs])

    return predict


if __name__ == "__main__":
    main(fit, surprise.__version__)
