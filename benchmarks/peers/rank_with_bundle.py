"""Our own lists: everybody's of a job from a saved bundle, in its own process, by each way to rank.

python rank_with_bundle.py FOLDER   # FOLDER/run is what train.py saved; FOLDER/fold_in.csv holds the people's ratings
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from movie_autoencoder import Recommender, __version__, read_ratings


def main() -> None:
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    recommender = Recommender.load(folder / "run")
    ratings = read_ratings(folder / "fold_in.csv")
    people = np.load(folder / "people.npy", allow_pickle=False)
    rows = ratings.locate_users(people)
    metadata = recommender.metadata
    runs = []
    for rank_by in job["rank_by"]:
        started = time.perf_counter()
        ids, scores = recommender.recommend_many(ratings, job["k"], rank_by=rank_by)
        lists = np.where(np.isnan(scores), -1, job_columns(folder, ids))[rows]
        np.save(folder / f"lists-{rank_by}.npy", lists.astype(np.int32))
        runs.append({"rank_seconds": time.perf_counter() - started})
    fits = metadata["fits"]
    refits = [fit["seconds"] for fit in fits if fit["stage"].startswith("refit")] or [fits[-1]["seconds"]]
    measured = {"version": __version__, "settings": metadata["settings"], "fit_seconds": sum(refits), "runs": runs}
    (folder / "measured.json").write_text(json.dumps(measured))


def job_columns(folder: Path, ids: np.ndarray) -> np.ndarray:
    """The job's column of each item id, same shape; -1 for an item without training ratings."""
    items = np.load(folder / "items.npy", allow_pickle=False)  # ascending
    ids = ids.astype(items.dtype)
    columns = np.searchsorted(items, ids).clip(max=len(items) - 1)
    return np.where(items[columns] == ids, columns, -1)


if __name__ == "__main__":
    main()
