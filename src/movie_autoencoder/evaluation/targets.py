"""Targets: the ratings that an evaluation predicts, and the ratings that it shows to the encoder for them.

The two are disjoint, and this is checked here before anything is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..data.ratings import Ids, IntArray, Ratings
from ..data.scale import Scale
from ..data.splits import HeldOut, load_held_out
from ..models.base import in_vocabulary

Mask = npt.NDArray[np.bool_]


class EvaluationError(ValueError):
    """A run that cannot be scored; the message says why and what to do."""


@dataclass(frozen=True)
class Counts:
    """Numbers of ratings, users and items that are scored; `Evaluation` describes the fields."""

    num_ratings: int
    num_users: int
    num_items: int
    num_fallback: int
    num_cold_users: int
    num_cold_items: int
    num_fold_in_users: int
    num_overlap: int


@dataclass(frozen=True, eq=False)
class Targets:
    """The held-out ratings to predict.

    Args:
        ratings: the held-out ratings, with a vocabulary of their own.
        users: row of each rating's user, shape ``(n,)``: among the fold-in users in a split by user, else among the
            training users; -1 when the model knows nothing about the user.
        items: column of each rating's item among the training items, same shape; -1 when the item is unknown.
        fold_in: ratings of these users that the encoder is shown (a split by user), with the model's columns; or None.
        num_overlap: ratings left out because they are training ratings.
        description: which ratings these are, in words.
    """

    ratings: Ratings
    users: IntArray
    items: IntArray
    fold_in: Ratings | None
    num_overlap: int
    description: str

    @property
    def item_ids(self) -> Ids:
        """Item id of each rating, shape ``(n,)``."""
        return self.ratings.item_ids[self.ratings.item_index]

    def counts(self) -> Counts:
        """Numbers of ratings, users and items."""
        ratings, users, items = self.ratings, self.users, self.items
        return Counts(
            num_ratings=len(ratings),
            num_users=int(np.count_nonzero(ratings.user_counts)),
            num_items=int(np.count_nonzero(ratings.item_counts)),
            num_fallback=int(((users < 0) | (items < 0)).sum()),
            num_cold_users=len(np.unique(ratings.user_index[users < 0])),
            num_cold_items=len(np.unique(ratings.item_index[items < 0])),
            num_fold_in_users=0 if self.fold_in is None else len(np.unique(users[users >= 0])),
            num_overlap=self.num_overlap,
        )


def load_test_targets(bundle: Bundle, folder: Path | None) -> Targets:
    """The test part of a run's split.

    Args:
        bundle: the run's bundle.
        folder: the run's folder, which holds ``split.npz``; None for a bundle without a run.

    Raises:
        EvaluationError: no test part, the split of another training, or a test rating that was shown to the encoder.
    """
    if folder is None:
        raise EvaluationError(
            "A bundle without its run's folder has no test part. Pass the folder, or ratings to score."
        )
    path = folder / "split.npz"
    if not path.is_file() and bundle.metadata.get("extensions"):
        raise EvaluationError(
            f"{folder}: movies were added to this run after training, so it has no test part of its own. Score a file "
            "of held-out ratings with --ratings FILE, or evaluate the run before the movies were added."
        )
    if not path.is_file():
        raise EvaluationError(
            f"{path}: missing, so there is no test part to score. Train the run again, or pass --ratings FILE."
        )
    held_out = load_held_out(path, "test")
    if held_out.digest != bundle.metadata.get("split", {}).get("sha256", held_out.digest):
        raise EvaluationError(
            f"{path}: the split of another run than the bundle beside it: a run was stopped while it was written. "
            "Finish it with train.py --resume, or train again."
        )
    if not len(held_out):
        raise EvaluationError(
            f"{path}: the run was trained on everything (test fraction 0), so it has no test part. "
            "Score a file of held-out ratings with --ratings FILE, or train with --test-fraction 0.1."
        )
    ratings = _as_ratings(held_out, bundle.model.scale)
    items = bundle.locate_items(ratings.item_ids)[ratings.item_index]
    training_users = bundle.locate_users(ratings.user_ids)[ratings.user_index]
    _check_not_shown(path, bundle.ratings, ratings, training_users, items)
    if held_out.fold_in is None:
        return Targets(ratings, training_users, items, None, 0, "test part of the split")
    fold_in = in_vocabulary(held_out.fold_in, bundle.item_ids)
    rows = fold_in.locate_users(ratings.user_ids)
    rows = np.where(counts_at(fold_in.user_counts, rows) > 0, rows, -1)  # all their fold-in items may be unknown
    users = rows[ratings.user_index]
    _check_not_shown(path, fold_in, ratings, users, items)
    return Targets(ratings, users, items, fold_in, 0, "test part of the split by user")


def separate_targets(bundle: Bundle, ratings: Ratings) -> Targets:
    """Other ratings than the test part, without those that the model was trained on; pairs for a model of pairs.

    Raises:
        EvaluationError: all of them are training ratings.
    """
    ratings = ratings if bundle.model.scale.rated else ratings.pairs()
    users = bundle.locate_users(ratings.user_ids)[ratings.user_index]
    items = bundle.locate_items(ratings.item_ids)[ratings.item_index]
    description = f"ratings of {ratings.source.path}" if ratings.source.path else "separate ratings"
    if bundle.ratings is None:
        return Targets(ratings, users, items, None, 0, description)
    seen = is_observed(bundle.ratings, users, items)
    num_overlap = int(seen.sum())
    if num_overlap == len(ratings):
        raise EvaluationError(
            f"All {num_overlap:,} ratings to score are training ratings of this run, so nothing is left to score. "
            "Pass ratings that the model has not seen."
        )
    if num_overlap:
        ratings, users, items = ratings.take(~seen), users[~seen], items[~seen]
    return Targets(ratings, users, items, None, num_overlap, description)


def is_observed(ratings: Ratings, users: IntArray, items: IntArray, *, block_size: int = 1 << 20) -> Mask:
    """Which pairs of user and item have a rating.

    Args:
        ratings: the observed ratings.
        users: row of each pair, shape ``(n,)``; -1 for an unknown user.
        items: column of each pair, same shape; -1 for an unknown item.
        block_size: observed ratings looked through at a time, which bounds the memory.

    Returns:
        True where the pair has a rating, shape ``(n,)``.

    Example:
        >>> ratings = Ratings.from_columns([7, 8], [1, 2], [4, 3])
        >>> is_observed(ratings, np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]))
        array([ True, False,  True, False])
    """
    pairs = np.where((users >= 0) & (items >= 0), users.astype(np.int64) * ratings.num_items + items, -1)
    order = np.argsort(pairs, kind="stable")
    keys = pairs[order]
    found = np.zeros(len(keys), dtype=bool)
    for start in range(0, len(ratings), block_size):
        block = slice(start, start + block_size)
        observed = ratings.user_index[block].astype(np.int64) * ratings.num_items + ratings.item_index[block]
        inside = slice(*np.searchsorted(keys, [observed[0], observed[-1] + 1]))
        index = np.searchsorted(observed, keys[inside])
        found[inside] |= observed[np.minimum(index, len(observed) - 1)] == keys[inside]
    seen = np.empty_like(found)
    seen[order] = found
    return seen


def counts_at(counts: IntArray, index: IntArray) -> IntArray:
    """Counts at an index, 0 where the index is -1; shape of the index.

    Example:
        >>> counts_at(np.array([5, 7]), np.array([1, -1]))
        array([7, 0])
    """
    if not len(counts):
        return np.zeros(len(index), dtype=np.int64)
    return np.where(index >= 0, counts[index], 0)


def _as_ratings(held_out: HeldOut, scale: Scale) -> Ratings:
    """Held-out columns as ratings. Text ids become objects: hashing a million of them is much faster than sorting."""
    users, items = (ids.astype(object) if ids.dtype.kind == "U" else ids for ids in (held_out.users, held_out.items))
    return Ratings.from_columns(
        users, items, held_out.values, timestamps=held_out.times, scale=None if scale.rated else scale
    )


def _check_not_shown(path: Path, shown: Ratings | None, ratings: Ratings, users: IntArray, items: IntArray) -> None:
    if shown is None:
        return
    seen = is_observed(shown, users, items)
    if seen.any():
        first = int(np.flatnonzero(seen)[0])
        raise EvaluationError(
            f"{path}: {int(seen.sum()):,} of its {len(ratings):,} test ratings were shown to the encoder, such as user "
            f"{ratings.user_ids[ratings.user_index[first]]}, item {ratings.item_ids[ratings.item_index[first]]}. "
            "Split and bundle are not of one training: train the run again."
        )
