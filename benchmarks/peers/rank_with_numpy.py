"""Popularity, item neighbours and closed-form linear autoencoders: `linear_rankers.py` as a peer's process."""

from __future__ import annotations

from typing import Any

import numpy as np
from linear_rankers import RANKERS
from ranking_job import Job, Rank, main


def fit(job: Job, settings: dict[str, Any]) -> Rank:
    """Fits the ranker that the settings name."""
    chosen = dict(settings)
    ranker = RANKERS[chosen.pop("ranker")](job.train, **chosen)
    return lambda part: ranker(job.fold_in[part])


if __name__ == "__main__":
    main(fit, f"NumPy {np.__version__}")
