"""Which ratings are scored, and what the encoder may be shown for them; that the two are disjoint is checked here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, Ids, IntArray, Ratings
from ..data.splits import load_held_out
from ..models.base import in_vocabulary
from ..recommend.recommender import Recommender

_BLOCK = 1 << 20  # shown cells looked through at a time


class EvaluationError(ValueError):
    """A run that cannot be scored as asked; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Cells:
    """What is scored, before anything is predicted.

    Args:
        ratings: the held-out ratings, in a vocabulary of their own.
        users: row of each one's user, shape ``(n,)``: among the fold-in users where there are any, else among the
            training users; -1 when the model knows nothing of the user.
        items: column of each one's item among the training items, same shape; -1 when unknown.
        fold_in: what the encoder is shown of the users (a split by user), columns in the model's vocabulary, or None.
        num_overlap: ratings left out because they are training ratings.
        title: which ratings these are, in words.
    """

    ratings: Ratings
    users: IntArray
    items: IntArray
    fold_in: Ratings | None
    num_overlap: int
    title: str


def test_part(recommender: Recommender, folder: Path | None) -> Cells:
    """The test part of the run's split; that nothing of it was shown is checked, not assumed."""
    if folder is None:
        raise EvaluationError("This recommender comes from no run, so it has no test part. Pass ratings to score.")
    path = folder / "split.npz"
    if not path.is_file() and recommender.metadata.get("extensions"):
        raise EvaluationError(
            f"{folder}: movies were added to this run after training, so that it has no test part of its own. Score a "
            "file of held-out ratings with --ratings FILE, or evaluate the run that they were added to."
        )
    if not path.is_file():
        raise EvaluationError(
            f"{path}: missing, so there is no test part to score. Train the run again, or pass --ratings FILE."
        )
    held_out = load_held_out(path, "test")
    if held_out.digest != recommender.metadata.get("split", {}).get("sha256", held_out.digest):
        raise EvaluationError(
            f"{path}: the split of another run than the bundle beside it: a run was stopped while it was written. "
            "Finish it with train.py --resume, or train again."
        )
    if not len(held_out):
        raise EvaluationError(
            f"{path}: the run was trained on everything (test fraction 0), so it has no test part. "
            "Score a file of held-out ratings with --ratings FILE, or train with --test-fraction 0.1."
        )
    ratings = _as_ratings(held_out.users, held_out.items, held_out.values, held_out.times)
    items = recommender.locate_items(ratings.item_ids)[ratings.item_index]
    training_users = recommender.locate_users(ratings.user_ids)[ratings.user_index]
    _refuse_shown(path, recommender.ratings, ratings, training_users, items)
    if held_out.fold_in is None:
        return Cells(ratings, training_users, items, None, 0, "test part of the split")
    fold_in = in_vocabulary(held_out.fold_in, recommender.item_ids)
    rows = fold_in.locate_users(ratings.user_ids)
    rows = np.where(look_up(fold_in.user_counts, rows) > 0, rows, -1)  # of whom nothing is known, whoever they are
    users = rows[ratings.user_index]
    _refuse_shown(path, fold_in, ratings, users, items)
    return Cells(ratings, users, items, fold_in, 0, "test part of the split by user")


def separate_ratings(recommender: Recommender, ratings: Ratings) -> Cells:
    """Other ratings, without those that the model was trained on."""
    users = recommender.locate_users(ratings.user_ids)[ratings.user_index]
    items = recommender.locate_items(ratings.item_ids)[ratings.item_index]
    title = f"ratings of {ratings.source.path}" if ratings.source.path else "separate ratings"
    if recommender.ratings is None:
        return Cells(ratings, users, items, None, 0, title)
    seen = _among(recommender.ratings, users, items)
    num_overlap = int(seen.sum())
    if num_overlap == len(ratings):
        raise EvaluationError(
            f"All {num_overlap:,} ratings to score are training ratings of this run, so nothing is left to score. "
            "Pass ratings that the model has not seen."
        )
    if num_overlap:
        ratings, users, items = ratings.take(~seen), users[~seen], items[~seen]
    return Cells(ratings, users, items, None, num_overlap, title)


def _as_ratings(users: Ids, items: Ids, values: FloatArray, times: IntArray | None) -> Ratings:
    """Held-out columns as ratings; text goes by hashing, which for a million ids is much faster than by sorting."""
    users, items = (ids.astype(object) if ids.dtype.kind == "U" else ids for ids in (users, items))
    return Ratings.from_columns(users, items, values, timestamps=times)


def _refuse_shown(path: Path, shown: Ratings | None, ratings: Ratings, users: IntArray, items: IntArray) -> None:
    if shown is None:
        return
    seen = _among(shown, users, items)
    if seen.any():
        first = int(np.flatnonzero(seen)[0])
        raise EvaluationError(
            f"{path}: {int(seen.sum()):,} of its {len(ratings):,} test ratings were shown to the encoder, such as user "
            f"{ratings.user_ids[ratings.user_index[first]]}, item {ratings.item_ids[ratings.item_index[first]]}. "
            "Split and bundle are not of one training: train the run again."
        )


def _among(shown: Ratings, users: IntArray, items: IntArray) -> npt.NDArray[np.bool_]:
    """True at the cells (rows and columns of ``shown``, -1 unknown) that are observed there; blocks keep it small."""
    wanted = np.where((users >= 0) & (items >= 0), users.astype(np.int64) * shown.num_items + items, -1)
    order = np.argsort(wanted, kind="stable")
    keys = wanted[order]
    found = np.zeros(len(keys), dtype=bool)
    for start in range(0, len(shown), _BLOCK):
        block = slice(start, start + _BLOCK)
        present = shown.user_index[block].astype(np.int64) * shown.num_items + shown.item_index[block]
        near = slice(*np.searchsorted(keys, [present[0], present[-1] + 1]))
        place = np.searchsorted(present, keys[near])
        found[near] |= present[np.minimum(place, len(present) - 1)] == keys[near]
    seen = np.empty_like(found)
    seen[order] = found
    return seen


def look_up(counts: IntArray, index: IntArray) -> IntArray:
    """Counts at an index, 0 where it is -1."""
    if not len(counts):
        return np.zeros(len(index), dtype=np.int64)
    return np.where(index >= 0, counts[index], 0)
