"""implicit: alternating least squares with its own fold-in, and BPR, which is fitted on everybody's fold-in too."""

from __future__ import annotations

from typing import Any

import implicit
import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from linear_rankers import ones
from ranking_job import Job, Rank, main
from scipy import sparse


def fit(job: Job, settings: dict[str, Any]) -> Rank:
    """Fits factors; BPR has no fold-in, so it gets the fold-in of new people with the training ratings."""
    chosen = dict(settings)
    model, of = chosen.pop("model"), chosen.pop("of")
    shared = {"random_state": 0, "num_threads": job.threads}
    if model == "bpr":
        bpr = BayesianPersonalizedRanking(**shared, **chosen)
        bpr.fit(sparse.csr_matrix(ones(job.everybody, of).astype(np.float32)), show_progress=False)
        rows = job.everybody_rows
        return lambda part: np.asarray(bpr.user_factors[rows[part]] @ bpr.item_factors.T)
    als = AlternatingLeastSquares(**shared, **chosen)
    als.fit(sparse.csr_matrix(ones(job.train, of).astype(np.float32)), show_progress=False)
    fold_in = sparse.csr_matrix(ones(job.fold_in, of).astype(np.float32))

    def rank(part: slice) -> Any:
        people = np.arange(part.stop - part.start)
        return als.recalculate_user(people, fold_in[part]) @ als.item_factors.T

    return rank


if __name__ == "__main__":
    main(fit, f"implicit {implicit.__version__}")
