"""How well rows that training did not see are predicted, by how many of their ratings are folded in.

Rows are users or items. Every number of ratings is scored at the same held-out cells, none of which is ever given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..data.ratings import FloatArray, IntArray, Ratings
from ..metrics.errors import rmse
from ..models.base import TrainedModel
from .cells import Cells

NUM_GIVEN = (0, 1, 3, 5, 10, 20)
Side = Literal["user", "item"]


@dataclass(frozen=True)
class FoldInCurve:
    """Errors by the number of ratings that were folded in of each row, at the same cells for every number.

    Args:
        num_rows: users (or items) that are scored; each has as many ratings to give as the last number.
        num_ratings: held-out ratings scored, theirs.
        num_given: numbers of ratings folded in of each row, ascending.
        rmse: of each predictor, one for each number, rating points.
    """

    num_rows: int
    num_ratings: int
    num_given: tuple[int, ...]
    rmse: Mapping[str, tuple[float, ...]]


def drawn_order(ratings: Ratings, seed: int) -> IntArray:
    """Place of each rating in a random order of its user's, from 0 on, shape ``(num_ratings,)``."""
    shuffled = np.lexsort((np.random.default_rng([seed, 6]).random(len(ratings)), ratings.user_index))
    place = np.empty(len(ratings), dtype=np.int64)
    place[shuffled] = np.arange(len(ratings)) - np.repeat(ratings.user_starts[:-1], ratings.user_counts)
    return place


def predict_folded(
    model: TrainedModel, given: Ratings, rows: IntArray, columns: IntArray, *, side: Side = "user"
) -> FloatArray:
    """Stars at cells of rows that are folded in; a row without ratings is taken for a usual one.

    Args:
        model: trained without these rows.
        given: the ratings folded in. Its users are the new rows, be they users or (``side``) items; its columns are
            the other side in the model's vocabulary.
        rows: row of each cell in ``given``, shape ``(n,)``.
        columns: column of each cell, -1 where the model does not know it, same shape.
        side: what the new rows are.

    Returns:
        Shape ``(n,)``, clipped to the scale, rating points.
    """
    if side == "user":
        return model.predict(rows, columns, encoded_users=model.fold_in(given))
    return model.predict(columns, rows, encoded_items=model.fold_in_items(given.transposed()))


def first_given(ratings: Ratings, place: IntArray, number: int) -> Ratings:
    """The ratings whose place in their row's order is below a number; all rows and columns are kept."""
    cells = np.flatnonzero(place < number)
    return Ratings(
        ratings.user_index[cells],
        ratings.item_index[cells],
        ratings.values[cells],
        ratings.user_ids,
        ratings.item_ids,
        ratings.scale,
        source=ratings.source,
    )


def fold_in_curve(
    models: Mapping[str, TrainedModel],
    ratings: Ratings,
    place: IntArray,
    cells: tuple[IntArray, IntArray, FloatArray],
    *,
    num_given: Sequence[int] = NUM_GIVEN,
    side: Side = "user",
) -> FoldInCurve:
    """RMSE of each model by the number of ratings folded in.

    Args:
        models: by name, trained without these rows.
        ratings: what may be folded in, rows and columns as in `predict_folded`.
        place: place of each of them in its row's order (`drawn_order`).
        cells: what is scored: rows, columns (-1 unknown) and stars.
        num_given: how many are folded in of each row, ascending.
        side: what the rows are.

    Raises:
        ValueError: a scored cell is among those folded in.
    """
    rows, columns, stars = cells
    most = first_given(ratings, place, num_given[-1])
    shown = most.user_index.astype(np.int64) * most.num_items + most.item_index
    seen = np.isin(rows.astype(np.int64) * most.num_items + columns, shown) & (columns >= 0)
    if seen.any():
        raise ValueError(f"{int(seen.sum()):,} of {len(stars):,} scored ratings are among those folded in.")
    errors: dict[str, list[float]] = {name: [] for name in models}
    for number in num_given:
        given = first_given(ratings, place, number)
        for name, model in models.items():
            errors[name].append(rmse(stars, predict_folded(model, given, rows, columns, side=side)))
    return FoldInCurve(
        len(np.unique(rows)), len(stars), tuple(num_given), {name: tuple(values) for name, values in errors.items()}
    )


def curve_of_users(models: Mapping[str, TrainedModel], cells: Cells, *, seed: int) -> FoldInCurve | None:
    """The curve over the test users of a split by user who have enough fold-in ratings; None for any other split.

    It ends at the largest number that half of the users have. What they have beyond is scored, with the test ratings.
    """
    if cells.fold_in is None:
        return None
    counts = cells.fold_in.user_counts
    numbers = [number for number in NUM_GIVEN if 2 * np.count_nonzero(counts >= number) >= len(counts)]
    if len(numbers) < 2:
        return None
    place, enough = drawn_order(cells.fold_in, seed), counts >= numbers[-1]
    test = np.flatnonzero((cells.users >= 0) & enough[cells.users])
    beyond = np.flatnonzero((place >= numbers[-1]) & enough[cells.fold_in.user_index])
    scored = (
        np.concatenate([cells.users[test], cells.fold_in.user_index[beyond]]),
        np.concatenate([cells.items[test], cells.fold_in.item_index[beyond]]),
        np.concatenate([cells.ratings.values[test], cells.fold_in.values[beyond]]),
    )
    return fold_in_curve(models, cells.fold_in, place, scored, num_given=numbers)
