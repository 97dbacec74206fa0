"""Splits: which ratings train a model, which choose its settings, and which test it.

Validation is part of what is not tested and may be used any number of times; only `evaluate` uses the test part. Each
cell has one role, so an encoder is never shown a rating that it is scored on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..storage import load_arrays, save_arrays
from .ratings import FloatArray, Ids, IntArray, Ratings
from .scale import UNRATED, Scale

Cells = npt.NDArray[np.int64]
By = Literal["rating", "user", "time"]


class SplitError(ValueError):
    """The data set cannot be split in the requested way. The message says why and what to do."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Ratings to predict, by id, and the fold-in ratings that an encoder may be shown.

    Args:
        users: user id of each held-out rating, shape ``(n,)``.
        items: item id, same shape.
        values: rating, same shape, rating points.
        fold_in: ratings of the held-out users in a split by user; None in other splits.
        digest: digest of the saved split; empty for a split in memory.
        times: time of each rating, same shape, seconds since 1970; None when unknown.
    """

    users: Ids
    items: Ids
    values: FloatArray
    fold_in: Ratings | None = None
    digest: str = ""
    times: IntArray | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Split:
    """The cells of one `Ratings`, each in at most one part.

    Args:
        ratings: the ratings that were split.
        train: cells that train, ascending.
        validation: held-out cells that choose settings, ascending.
        test: held-out cells that test the result, ascending.
        validation_fold_in: cells of validation users that an encoder is shown; empty unless the split is by user.
        test_fold_in: the same for test users.
        by: what was held out: single ratings, whole users, or the latest ratings.
        seed: seed of the random numbers.
    """

    ratings: Ratings
    train: Cells
    validation: Cells
    test: Cells
    validation_fold_in: Cells
    test_fold_in: Cells
    by: By
    seed: int

    @cached_property
    def training_ratings(self) -> Ratings:
        """The training part with its own vocabulary: users and items of held-out ratings alone are not in it."""
        return self.ratings.take(self.train)

    @cached_property
    def refit_ratings(self) -> Ratings:
        """All ratings but the test part: training, validation, and the fold-in ratings of validation users."""
        return self.ratings.take(np.concatenate([self.train, self.validation, self.validation_fold_in]))

    def held_out(self, part: Literal["validation", "test"]) -> HeldOut:
        """The ratings of one part to predict, with the fold-in ratings of its users."""
        cells = self.validation if part == "validation" else self.test
        fold_in = self.validation_fold_in if part == "validation" else self.test_fold_in
        ratings = self.ratings
        return HeldOut(
            ratings.user_ids[ratings.user_index[cells]],
            ratings.item_ids[ratings.item_index[cells]],
            ratings.values[cells],
            ratings.take(fold_in) if len(fold_in) else None,
            times=None if ratings.timestamps is None else ratings.timestamps[cells],
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ratings and of the role of each cell."""
        sha = hashlib.sha256(self.ratings.digest.encode())
        for cells in (self.train, self.validation, self.test, self.validation_fold_in, self.test_fold_in):
            sha.update(len(cells).to_bytes(8, "little"))
            sha.update(np.ascontiguousarray(cells).data)
        return sha.hexdigest()

    def save(self, path: Path) -> None:
        """Writes the held-out ratings with their ids, so that evaluation does not need the source file."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "by": np.array(self.by),
            "seed": np.array(self.seed),
            "digest": np.array(self.digest),
            "scale": np.array([self.ratings.scale.minimum, self.ratings.scale.maximum, self.ratings.scale.step]),
            "rated": np.array(self.ratings.rated),
        }
        for part in ("validation", "test"):
            held_out = self.held_out(part)
            arrays |= {f"{part}_{name}": getattr(held_out, name) for name in ("users", "items", "values")}
            if held_out.times is not None:
                arrays[f"{part}_times"] = held_out.times
            if held_out.fold_in is not None:
                if held_out.fold_in.timestamps is not None:
                    arrays[f"{part}_fold_in_times"] = held_out.fold_in.timestamps
                arrays |= {
                    f"{part}_fold_in_users": held_out.fold_in.user_ids[held_out.fold_in.user_index],
                    f"{part}_fold_in_items": held_out.fold_in.item_ids[held_out.fold_in.item_index],
                    f"{part}_fold_in_values": held_out.fold_in.values,
                }
        save_arrays(path, arrays)


def load_held_out(path: Path, part: Literal["validation", "test"]) -> HeldOut:
    """Reads one part of a split that `Split.save` wrote.

    Raises:
        ValueError: the file is damaged or is not a saved split. The message names it.
    """
    arrays = load_arrays(path)
    rated = bool(arrays.get("rated", True))  # earlier versions had ratings only
    try:
        fold_in = None
        if f"{part}_fold_in_values" in arrays:
            fold_in = Ratings.from_columns(
                arrays[f"{part}_fold_in_users"],
                arrays[f"{part}_fold_in_items"],
                arrays[f"{part}_fold_in_values"],
                scale=Scale(*arrays["scale"].tolist()) if rated else UNRATED,
                timestamps=arrays.get(f"{part}_fold_in_times"),
            )
        return HeldOut(
            arrays[f"{part}_users"],
            arrays[f"{part}_items"],
            arrays[f"{part}_values"],
            fold_in,
            str(arrays["digest"]),
            arrays.get(f"{part}_times"),
        )
    except KeyError as missing:
        raise ValueError(f"{path}: not a saved split: it lacks {missing}. Train the run again.") from None


def split_ratings(
    ratings: Ratings,
    *,
    by: By = "rating",
    test_fraction: float = 0.1,
    validation_fraction: float = 0.1,
    fold_in: int | None = None,
    seed: int = 0,
) -> Split:
    """Splits ratings into a training, a validation and a test part.

    By ``rating``, random ratings are held out. By ``user``, random users are held out (strong generalization, Liang et
    al. 2018, arXiv:1802.05814): some ratings of each are fold-in ratings for the encoder, and the others are held out.
    By ``time``, the latest ratings are the test part, and the latest of the rest are the validation part; ratings of
    the same second stay together, so these parts can be slightly smaller than requested.

    Args:
        ratings: the ratings to split.
        by: what is held out.
        test_fraction: fraction of the ratings in the test part; of the users in a split by user.
        validation_fraction: fraction of the rest in the validation part.
        fold_in: in a split by user, the number of fold-in ratings of each held-out user; 80 % when left out. At least
            one rating of each user is held out.
        seed: seed of the random numbers; equal seeds give equal splits.

    Raises:
        SplitError: a requested part would be empty, or the split is by ``time`` without timestamps.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2, 2], [1, 2, 1, 2], [1, 2, 3, 4])
        >>> split = split_ratings(ratings, test_fraction=0.25, validation_fraction=0.34)
        >>> len(split.train), len(split.validation), len(split.test)
        (2, 1, 1)
    """
    for name, value in (("test_fraction", test_fraction), ("validation_fraction", validation_fraction)):
        if not 0 <= value < 1:
            raise SplitError(f"{name} is a fraction of the ratings, at least 0 and below 1. Received: {value}.")
    rng = np.random.default_rng([seed, 1])
    none = np.empty(0, dtype=np.int64)
    validation_fold_in = test_fold_in = none
    if by == "user":
        order = rng.permutation(ratings.num_users)
        num_test = round(ratings.num_users * test_fraction)
        num_validation = round((ratings.num_users - num_test) * validation_fraction)
        test_fold_in, test = _fold_users(ratings, order[:num_test], fold_in, rng)
        validation_fold_in, validation = _fold_users(ratings, order[num_test : num_test + num_validation], fold_in, rng)
        training_users = np.zeros(ratings.num_users, dtype=bool)
        training_users[order[num_test + num_validation :]] = True
        train = np.flatnonzero(training_users[ratings.user_index])
    elif by == "time":
        if ratings.timestamps is None:
            raise SplitError(
                "A split by time needs a timestamp for each rating, and this data set has none. "
                "Split by rating or by user instead."
            )
        everything = np.arange(len(ratings), dtype=np.int64)
        rest, test = _cut(everything, ratings.timestamps, test_fraction)
        train, validation = _cut(rest, ratings.timestamps, validation_fraction)
    else:
        order = rng.permutation(len(ratings))
        num_test = round(len(ratings) * test_fraction)
        num_validation = round((len(ratings) - num_test) * validation_fraction)
        test = np.sort(order[:num_test])
        validation = np.sort(order[num_test : num_test + num_validation])
        train = np.sort(order[num_test + num_validation :])
    parts = {"training": len(train), "validation": len(validation), "test": len(test)}
    requested = {"training": True, "validation": validation_fraction > 0, "test": test_fraction > 0}
    if empty := [name for name, count in parts.items() if requested[name] and not count]:
        counts = ", ".join(f"{count} {name}" for name, count in parts.items())
        raise SplitError(
            f"The {empty[0]} part of the split by {by} is empty ({counts}, of {len(ratings)} ratings by "
            f"{ratings.num_users} users). Give more ratings, or other fractions."
        )
    return Split(ratings, train, validation, test, validation_fold_in, test_fold_in, by, seed)


def _fold_users(ratings: Ratings, users: Cells, fold_in: int | None, rng: np.random.Generator) -> tuple[Cells, Cells]:
    """The cells of some users: those that the encoder is shown, and those held out, at least one for each user."""
    chosen = np.zeros(ratings.num_users, dtype=bool)
    chosen[users] = True
    cells = np.flatnonzero(chosen[ratings.user_index])
    owner = ratings.user_index[cells]
    shuffled = np.lexsort((rng.random(len(cells)), owner))  # each user's cells in random order
    counts = ratings.user_counts[owner]
    first = np.searchsorted(owner, owner)
    rank = np.arange(len(cells)) - first
    num_shown = np.minimum(np.floor(0.8 * counts) if fold_in is None else fold_in, counts - 1)
    shown = rank < num_shown
    return np.sort(cells[shuffled[shown]]), np.sort(cells[shuffled[~shown]])


def _cut(cells: Cells, timestamps: npt.NDArray[np.int64], fraction: float) -> tuple[Cells, Cells]:
    """The earlier and the later cells; the later part has at most ``fraction`` of all."""
    if not fraction:
        return cells, cells[:0]
    times = np.sort(timestamps[cells])
    first = len(times) - round(len(times) * fraction)
    if first >= len(times):
        return cells, cells[:0]
    moment = times[first]
    if first and times[first - 1] == moment:  # ratings of one second stay together, in the earlier part
        moment += 1
    later = timestamps[cells] >= moment
    return cells[~later], cells[later]
