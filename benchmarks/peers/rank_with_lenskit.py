"""LensKit: implicit alternating least squares; new people from the items of a query."""

from __future__ import annotations

from typing import Any

import lenskit
import numpy as np
import pandas as pd
from lenskit.als import ImplicitMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.training import TrainingOptions
from linear_rankers import ones
from ranking_job import Job, Rank, main


def fit(job: Job, settings: dict[str, Any]) -> Rank:
    """Fits the scorer."""
    chosen = dict(settings)
    of = chosen.pop("of")
    cells = ones(job.train, of).tocoo()
    scorer = ImplicitMFScorer(**chosen)
    frame = pd.DataFrame({"user_id": cells.row, "item_id": cells.col})
    scorer.train(from_interactions_df(frame), TrainingOptions(rng=0))
    fold_in, items = ones(job.fold_in, of), ItemList(item_ids=np.arange(job.train.shape[1]))

    def rank(part: slice) -> np.ndarray:
        scores = []
        for person in range(part.start, part.stop):
            mine = fold_in.indices[fold_in.indptr[person] : fold_in.indptr[person + 1]]
            history = ItemList(item_ids=mine) if len(mine) else None
            found = scorer(RecQuery(user_id=-1 - person, history_items=history), items).scores()
            scores.append(np.zeros(len(items)) if found is None else np.asarray(found))
        return np.stack(scores)

    return rank


if __name__ == "__main__":
    main(fit, f"LensKit {lenskit.__version__}")
