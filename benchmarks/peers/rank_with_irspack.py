"""irspack: SLIM, iALS as revisited (Rendle et al. 2022), RP3beta; new people through its own scores of cold users."""

from __future__ import annotations

from typing import Any

import irspack
import numpy as np
from linear_rankers import ones
from ranking_job import Job, Rank, main
from scipy import sparse


def fit(job: Job, settings: dict[str, Any]) -> Rank:
    """Fits a recommender; its fold-in is exact for item models, and a least-squares step for iALS."""
    chosen = dict(settings)
    recommender, of = getattr(irspack, chosen.pop("recommender")), chosen.pop("of")
    if "RP3" not in recommender.__name__:
        chosen["n_threads"] = job.threads
    fitted = recommender(sparse.csr_matrix(ones(job.train, of)), **chosen).learn()
    fold_in = sparse.csr_matrix(ones(job.fold_in, of))
    return lambda part: np.asarray(fitted.get_score_cold_user(fold_in[part]))


if __name__ == "__main__":
    main(fit, f"irspack {irspack.__version__}")
