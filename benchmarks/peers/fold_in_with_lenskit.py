"""LensKit's fold-in: users that its matrix factorization was not trained on, from the ratings in a query.

    python fold_in_with_lenskit.py FOLDER

FOLDER holds `cells.npz` (training ratings; fold-in ratings, with their position in their user's order; pairs to
predict, without their ratings; all by id) and `job.json` (settings, and numbers of fold-in ratings). The process writes
`predictions-NUMBER.npz` and `version.txt`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lenskit
import numpy as np
import pandas as pd
from lenskit.als import BiasedMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.pipeline import predict_pipeline
from lenskit.training import TrainingOptions


def main() -> None:
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "cells.npz", allow_pickle=False) as arrays:
        training = pd.DataFrame({name: arrays[f"training_{name}"] for name in ("user_id", "item_id", "rating")})
        given = pd.DataFrame({name: arrays[f"given_{name}"] for name in ("user_id", "item_id", "rating", "position")})
        asked = pd.DataFrame({name: arrays[f"asked_{name}"] for name in ("user_id", "item_id")})
        bounds = arrays["bounds"]
    pipeline = predict_pipeline(BiasedMFScorer(**job["settings"]), fallback=True)
    pipeline.train(from_interactions_df(training), TrainingOptions(rng=0))
    for number in job["numbers"]:
        stars = np.empty(len(asked))
        histories = dict(iter(given[given.position < number].groupby("user_id")))
        for user, cells in asked.groupby("user_id"):
            history = None  # LensKit would divide by the length of an empty list
            if user in histories:
                items, ratings = (histories[user][name].to_numpy() for name in ("item_id", "rating"))
                history = ItemList(item_ids=items, rating=ratings)
            query = RecQuery(user_id=user, history_items=history)
            found = pipeline.run("rating-predictor", query=query, items=ItemList(item_ids=cells.item_id.to_numpy()))
            stars[cells.index] = found.scores()
        if not np.isfinite(stars).all():
            sys.exit(f"{int((~np.isfinite(stars)).sum())} predictions with {number} ratings given are no numbers")
        np.savez(folder / f"predictions-{number}.npz", predictions=np.clip(stars, *bounds))
    (folder / "version.txt").write_text(lenskit.__version__)


if __name__ == "__main__":
    main()
