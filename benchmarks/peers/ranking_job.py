"""The common part of every ranking peer's process: reads a job, fits, ranks, measures, writes.

    python rank_with_LIBRARY.py FOLDER

FOLDER holds `train.npz` and `fold_in.npz` (CSR of ratings; items in the same columns), `rows.npy` (row of each fold-in
person in training, -1 for a new one) and `job.json` (the settings to run one after another). No target is in it. The
process writes `lists-INDEX.npy` for each of them and, last, `measured.json`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ranking_splits import LISTED, Array, top
from scipy import sparse

BLOCK = 256  # people at a time


@dataclass(frozen=True)
class Job:
    """What a peer is fitted on.

    Args:
        train: ratings in training, CSR, shape ``(num_people, num_items)``.
        fold_in: ratings of the people to rank for, CSR.
        rows: their rows in training, shape ``(len(fold_in),)``; -1 is a new person.
        threads: number of processor threads.
    """

    train: Any
    fold_in: Any
    rows: Array
    threads: int

    @cached_property
    def everybody(self) -> Any:
        """Training people, then new people with their fold-in; for peers that rank only for people of their fit."""
        return sparse.vstack([self.train, self.fold_in[self.rows < 0]], format="csr")

    @cached_property
    def everybody_rows(self) -> Array:
        """Row of each person of the fold-in in `everybody`."""
        new = self.rows < 0
        return np.where(new, self.train.shape[0] + np.cumsum(new) - 1, self.rows)


# people of the fold-in, as a slice -> scores, shape (num_people, num_items)
Rank = Callable[[slice], Array]


def main(fit: Callable[[Job, dict[str, Any]], Rank], version: str) -> None:
    """Runs the job of the folder on the command line.

    Args:
        fit: fits one configuration and returns the function that scores.
        version: version of the library.
    """
    folder = Path(sys.argv[1])
    words = json.loads((folder / "job.json").read_text())
    train, fold_in = (sparse.csr_array(sparse.load_npz(folder / f"{name}.npz")) for name in ("train", "fold_in"))
    job = Job(train, fold_in, np.load(folder / "rows.npy", allow_pickle=False), words["threads"])
    measured = []
    for index, settings in enumerate(words["settings"]):
        started = time.perf_counter()
        rank = fit(job, settings)
        fitted = time.perf_counter()
        lists = []
        for start in range(0, fold_in.shape[0], BLOCK):
            part = slice(start, min(start + BLOCK, fold_in.shape[0]))
            lists.append(top(rank(part), fold_in[part], LISTED))
        done = time.perf_counter()
        np.save(folder / f"lists-{index}.npy", np.concatenate(lists))
        measured.append({"fit_seconds": fitted - started, "rank_seconds": done - fitted})
    (folder / "measured.json").write_text(json.dumps({"version": version, "runs": measured}))
