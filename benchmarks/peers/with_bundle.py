"""Our own model: predicts the test ratings of a job from a saved bundle, in its own process.

python with_bundle.py FOLDER      # FOLDER/run is what train.py saved; FOLDER/pairs.npz holds users and items by id
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from movie_autoencoder import Recommender, __version__


def main() -> None:
    folder = Path(sys.argv[1])
    started = time.perf_counter()
    recommender = Recommender.load(folder / "run")
    with np.load(folder / "pairs.npz", allow_pickle=False) as pairs:
        users, items = pairs["users"], pairs["items"]
    found = {"predictions": np.asarray(recommender.predict(users, items), dtype=np.float64)}
    if recommender.bundle.selection is not None:
        found["random"] = np.asarray(recommender.predict(users, items, selection="random"), dtype=np.float64)
    if recommender.star_model is not None:
        found["probabilities"] = recommender.predict_distribution(users, items).probabilities
    np.savez(folder / "predictions-0.npz", **found)
    seconds = time.perf_counter() - started
    metadata = recommender.metadata
    fits = metadata["fits"]  # only the refits made the saved model; earlier fits belong to the search
    refits = [fit["seconds"] for fit in fits if fit["stage"].startswith("refit")] or [fits[-1]["seconds"]]
    (folder / "measured.json").write_text(
        json.dumps(
            {
                "version": __version__,
                "settings": metadata["settings"],
                "runs": [{"fit_seconds": sum(refits), "predict_seconds": seconds}],
            }
        )
    )


if __name__ == "__main__":
    main()
