"""The common part of every peer's process: reads a job, fits, predicts, measures, writes.

    python with_LIBRARY.py FOLDER

FOLDER holds `cells.npz` (training ratings, and test pairs without their ratings, as indices of the training vocabulary,
-1 for an unknown id) and `job.json` (the settings to run one after another). The process writes `predictions-INDEX.npz`
for each of them and, last, `measured.json`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Cells:
    """The training ratings of a job.

    Args:
        users: row of each rating, shape (n,), below num_users.
        items: column, same shape, below num_items.
        values: the ratings, same shape, rating points.
        num_users: number of users; each has a rating.
        num_items: number of items; each has a rating.
        levels: every rating value, ascending; empty for a continuous scale.
        bounds: the ends of the scale.
        threads: number of processor threads.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    num_users: int
    num_items: int
    levels: np.ndarray
    bounds: tuple[float, float]
    threads: int


# (users, items) -> predictions, or predictions and the probability of each level; -1 is an unknown id
Predict = Callable[[np.ndarray, np.ndarray], "np.ndarray | tuple[np.ndarray, np.ndarray]"]


def main(fit: Callable[[Cells, dict[str, Any]], Predict], version: str) -> None:
    """Runs the job of the folder on the command line.

    Args:
        fit: fits one configuration and returns the function that predicts.
        version: version of the library.
    """
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "cells.npz", allow_pickle=False) as arrays:
        cells = Cells(
            arrays["users"],
            arrays["items"],
            arrays["values"].astype(np.float64),
            int(arrays["num_users"]),
            int(arrays["num_items"]),
            arrays["levels"],
            (float(arrays["bounds"][0]), float(arrays["bounds"][1])),
            job["threads"],
        )
        users, items = arrays["test_users"], arrays["test_items"]
    measured = []
    for index, settings in enumerate(job["settings"]):
        started = time.perf_counter()
        predict = fit(cells, settings)
        fitted = time.perf_counter()
        answer = predict(users, items)
        done = time.perf_counter()
        stars, probabilities = answer if isinstance(answer, tuple) else (answer, None)
        if not np.isfinite(stars).all():
            stars = np.where(np.isfinite(stars), stars, cells.values.mean())  # a diverged fit loses on validation
        found = {"predictions": np.clip(stars, *cells.bounds).astype(np.float64)}
        if probabilities is not None:
            found["probabilities"] = probabilities.astype(np.float64)
        np.savez(folder / f"predictions-{index}.npz", **found)
        measured.append({"fit_seconds": fitted - started, "predict_seconds": done - fitted})
    (folder / "measured.json").write_text(json.dumps({"version": version, "runs": measured}))


def with_biases(
    mean: float, user_bias: np.ndarray, item_bias: np.ndarray, users: np.ndarray, items: np.ndarray
) -> np.ndarray:
    """Mean plus the biases of known users and items, shape (n,)."""
    return mean + np.where(users >= 0, user_bias[users], 0.0) + np.where(items >= 0, item_bias[items], 0.0)
