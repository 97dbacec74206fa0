"""Fold-in curve: the error for users or items that training did not see, by their number of fold-in ratings.

Every number of fold-in ratings is scored at the same held-out ratings, and none of these is ever folded in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..data.first_ratings import first_ratings, random_positions
from ..data.ratings import FloatArray, IntArray, Ratings
from ..metrics.errors import rmse
from ..models.base import TrainedModel
from .targets import Targets

NUM_GIVEN = (0, 1, 3, 5, 10, 20)
Side = Literal["user", "item"]


@dataclass(frozen=True)
class FoldInCurve:
    """Errors by the number of fold-in ratings of each row, at the same held-out ratings for every number.

    Args:
        num_rows: number of users (or items); each has at least as many fold-in ratings as the last number.
        num_ratings: number of their held-out ratings.
        num_given: numbers of fold-in ratings of each row, ascending.
        rmse: RMSE of each predictor, one for each number, rating points.
    """

    num_rows: int
    num_ratings: int
    num_given: tuple[int, ...]
    rmse: Mapping[str, tuple[float, ...]]


def predict_folded(
    model: TrainedModel, fold_in: Ratings, rows: IntArray, columns: IntArray, *, side: Side = "user"
) -> FloatArray:
    """Predictions for rows that are folded in. A row without ratings gets the model's prior mean.

    Args:
        model: trained without these rows.
        fold_in: the ratings to fold in. Its users are the new rows, be they users or (``side``) items; its columns are
            the other side in the model's vocabulary.
        rows: row of each prediction in ``fold_in``, shape ``(n,)``.
        columns: column of each prediction, -1 where the model does not know it, same shape.
        side: what the new rows are.

    Returns:
        Shape ``(n,)``, clipped to the scale, rating points.
    """
    if side == "user":
        return model.predict(rows, columns, encoded_users=model.fold_in(fold_in))
    return model.predict(columns, rows, encoded_items=model.fold_in_items(fold_in.transposed()))


def fold_in_curve(
    models: Mapping[str, TrainedModel],
    ratings: Ratings,
    position: IntArray,
    scored: tuple[IntArray, IntArray, FloatArray],
    *,
    num_given: Sequence[int] = NUM_GIVEN,
    side: Side = "user",
) -> FoldInCurve:
    """RMSE of each model by the number of fold-in ratings.

    Args:
        models: by name, trained without these rows.
        ratings: the ratings that may be folded in, rows and columns as in `predict_folded`.
        position: position of each of them in its row's order (`random_positions`).
        scored: the held-out ratings: rows, columns (-1 unknown) and values.
        num_given: numbers of fold-in ratings of each row, ascending.
        side: what the rows are.

    Raises:
        ValueError: a held-out rating is among those folded in.
    """
    rows, columns, values = scored
    most = first_ratings(ratings, position, num_given[-1])
    shown = most.user_index.astype(np.int64) * most.num_items + most.item_index
    seen = np.isin(rows.astype(np.int64) * most.num_items + columns, shown) & (columns >= 0)
    if seen.any():
        raise ValueError(f"{int(seen.sum()):,} of {len(values):,} scored ratings are among those folded in.")
    errors: dict[str, list[float]] = {name: [] for name in models}
    for number in num_given:
        fold_in = first_ratings(ratings, position, number)
        for name, model in models.items():
            errors[name].append(rmse(values, predict_folded(model, fold_in, rows, columns, side=side)))
    return FoldInCurve(
        len(np.unique(rows)), len(values), tuple(num_given), {name: tuple(one) for name, one in errors.items()}
    )


def curve_of_users(models: Mapping[str, TrainedModel], targets: Targets, *, seed: int) -> FoldInCurve | None:
    """The curve over the test users of a split by user who have enough fold-in ratings.

    It ends at the largest number of fold-in ratings that half of the users have. Fold-in ratings beyond that number are
    scored together with the test ratings.

    Args:
        models: by name.
        targets: what is scored.
        seed: seed of the order in which ratings are folded in.

    Returns:
        None for any other split, and with too few fold-in ratings.
    """
    found = curve_ratings(targets, seed=seed)
    if found is None:
        return None
    ratings, position, scored, numbers = found
    return fold_in_curve(models, ratings, position, scored, num_given=numbers)


def curve_ratings(
    targets: Targets, *, seed: int
) -> tuple[Ratings, IntArray, tuple[IntArray, IntArray, FloatArray], list[int]] | None:
    """The ratings of the curve over test users: those to fold in, their positions, those to score, and the numbers.

    Args:
        targets: what is scored.
        seed: seed of the order in which ratings are folded in.

    Returns:
        The first three as `fold_in_curve` takes them; None where `curve_of_users` returns None.
    """
    if targets.fold_in is None:
        return None
    counts = targets.fold_in.user_counts
    numbers = [number for number in NUM_GIVEN if 2 * np.count_nonzero(counts >= number) >= len(counts)]
    if len(numbers) < 2:
        return None
    position, enough = random_positions(targets.fold_in, seed), counts >= numbers[-1]
    test = np.flatnonzero((targets.users >= 0) & enough[targets.users])
    beyond = np.flatnonzero((position >= numbers[-1]) & enough[targets.fold_in.user_index])
    scored = (
        np.concatenate([targets.users[test], targets.fold_in.user_index[beyond]]),
        np.concatenate([targets.items[test], targets.fold_in.item_index[beyond]]),
        np.concatenate([targets.ratings.values[test], targets.fold_in.values[beyond]]),
    )
    return targets.fold_in, position, scored, numbers
