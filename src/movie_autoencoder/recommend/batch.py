"""Lists of many people at once, by matrix products in blocks of people."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ..choice import ChoiceModel, RankBy
from ..choice.ranking import SHORTLIST, shortlist
from ..data.ratings import FloatArray, IntArray, Ratings
from ..models.base import TrainedModel
from .errors import RecommenderError

_NUMBERS = 1 << 22  # values of all items held at a time, in each thread
_THREADS = 2  # most of the work is NumPy's, which runs beside itself


@dataclass(frozen=True, eq=False)
class Best:
    """The lists of some people.

    Args:
        rows: of the people, in their ratings.
        columns: of the items, best first, shape ``(num_users, k)``.
        values: what they are ordered by, same shape; NaN, and the rest is anything, where no item is left.
        predictions: not clipped, rating points, same shape.
        p_choose: chance that the person chooses each, same shape; NaN without a choice model.
    """

    rows: slice
    columns: IntArray
    values: FloatArray
    predictions: FloatArray
    p_choose: FloatArray


def best_of_blocks(
    model: TrainedModel,
    choice: ChoiceModel | None,
    ratings: Ratings,
    k: int,
    rank_by: RankBy,
    *,
    size: int = SHORTLIST,
    numbers: int = _NUMBERS,
) -> Iterator[Best]:
    """The best items for each person, without those that they have rated.

    Args:
        model: of ratings.
        choice: of choices; None without one.
        ratings: of the people, columns in the model's vocabulary.
        k: how many for each.
        rank_by: as for `choice.ranking.shortlist`.
        size: items of each person that the whole model predicts; at least ``k``.
        numbers: values held at a time; it bounds memory and changes no number.

    Yields:
        Lists of blocks of people, in order.

    Raises:
        RecommenderError: the model cannot encode people who were not among its training users.
    """
    from threadpoolctl import threadpool_limits

    step = max(1, numbers // len(model.items))

    def best(start: int) -> Best:
        rows = slice(start, min(start + step, ratings.num_users))
        return _best(model, choice, _block(ratings, rows), rows, k, rank_by, max(size, k))

    starts = iter(range(0, ratings.num_users, step))
    waiting: deque[Future[Best]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_THREADS) as threads:
        for start in starts:
            waiting.append(threads.submit(best, start))
            if len(waiting) > _THREADS:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


def _result(future: Future[Best]) -> Best:
    try:
        return future.result()
    except ValueError as error:
        raise RecommenderError(str(error)) from error


def _block(ratings: Ratings, rows: slice) -> Ratings:
    """The ratings of some consecutive people, all of them with a row, also those without any rating."""
    cells = slice(int(ratings.user_starts[rows.start]), int(ratings.user_starts[rows.stop]))
    return replace(
        ratings,
        user_index=ratings.user_index[cells] - np.int32(rows.start),
        item_index=ratings.item_index[cells],
        values=ratings.values[cells],
        user_ids=ratings.user_ids[rows],
        timestamps=None,
    )


def _best(
    model: TrainedModel, choice: ChoiceModel | None, ratings: Ratings, rows: slice, k: int, rank_by: RankBy, size: int
) -> Best:
    near = shortlist(model, choice, ratings, rank_by, size=size)
    order = np.argsort(-near.values, axis=1, kind="stable")[:, :k]
    shape = (ratings.num_users, k)
    columns = np.zeros(shape, dtype=np.int64)
    values, predictions, p_choose = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    count = order.shape[1]
    columns[:, :count] = np.take_along_axis(near.columns, order, axis=1)
    found = np.take_along_axis(near.values, order, axis=1)
    values[:, :count] = np.where(np.isneginf(found), np.nan, found)
    predictions[:, :count] = np.take_along_axis(near.predictions, order, axis=1)
    if choice is not None and near.scores is not None:
        p_choose[:, :count] = choice.probabilities(np.take_along_axis(near.scores, order, axis=1))
    return Best(rows, columns, values, predictions, p_choose)
