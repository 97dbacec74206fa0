"""LensKit: biased matrix factorization by alternating least squares, through its prediction pipeline."""

from __future__ import annotations

from typing import Any

import lenskit
import numpy as np
import pandas as pd
from job import Cells, Predict, main
from lenskit.als import BiasedMFScorer
from lenskit.batch import predict as predict_batch
from lenskit.data import ItemListCollection, UserIDKey, from_interactions_df
from lenskit.pipeline import predict_pipeline
from lenskit.training import TrainingOptions


def fit(cells: Cells, settings: dict[str, Any]) -> Predict:
    """Fits the pipeline; its own fallback, damped biases, predicts unknown ids."""
    frame = pd.DataFrame({"user_id": cells.users, "item_id": cells.items, "rating": cells.values})
    pipeline = predict_pipeline(BiasedMFScorer(**settings), fallback=True)
    pipeline.train(from_interactions_df(frame), TrainingOptions(rng=0))

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        pairs = pd.DataFrame({"user_id": users, "item_id": items, "position": np.arange(len(users))})
        pairs.loc[pairs.item_id < 0, "item_id"] = (
            -1 - pairs.position[pairs.item_id < 0]
        )  # one unknown item is not another
        asked = ItemListCollection.from_df(pairs, key=UserIDKey)
        found = predict_batch(pipeline, asked, n_jobs=1).to_df().drop_duplicates(["user_id", "item_id"])
        merged = pairs.merge(found[["user_id", "item_id", "score"]], on=["user_id", "item_id"], how="left")
        return merged.sort_values("position").score.to_numpy(dtype=np.float64)

    return predict


if __name__ == "__main__":
    main(fit, lenskit.__version__)
