"""Metrics of top-N lists: how many of a person's held-out items they find, and which items they are made of.

A list is a row of an array ``top`` of shape ``(num_users, k)``: columns of items, best first, -1 where the list is
shorter. Targets are a SciPy sparse matrix of shape ``(num_users, num_items)``: a stored entry is a target, its value
the rating, even when that is 0. Most functions return one value for each user, NaN for a user without one, so that
intervals can resample users; `mean` leaves such users out. Pure NumPy and SciPy; this module knows no model.

Recall follows Liang et al. (2018), "Variational autoencoders for collaborative filtering"; NDCG is that of Järvelin
and Kekäläinen (2002) with gains 0 and 1; novelty is the self-information of Zhou et al. (2010), "Solving the apparent
diversity-accuracy dilemma of recommender systems"; intra-list similarity is that of Ziegler et al. (2005), "Improving
recommendation lists through topic diversification". Coverage and the Gini index are those of Shani and Gunawardana
(2011), "Evaluating recommendation systems".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray
from .errors import MetricError, divide

Mask = npt.NDArray[np.bool_]

_MAX_NUMBERS = 1 << 22  # of summed columns held at a time: 32 MB


def top_items(scores: npt.NDArray[Any], k: int, *, excluded: Any = None) -> IntArray:
    """The items with the largest scores of each user, best first. Of equal scores the lower column comes first.

    Args:
        scores: shape ``(num_users, num_items)``; minus infinity for an item that must not be listed.
        k: length of the lists.
        excluded: items that must not be listed, a SciPy sparse matrix of the same shape whose stored values do not
            matter; none when left out.

    Returns:
        Columns, shape ``(num_users, k)``, int64; -1 where fewer than ``k`` items can be listed.

    Raises:
        MetricError: ``k`` below 1, a mask of another shape, or a score that is NaN.

    Example:
        >>> top_items(np.array([[0.5, 0.9, 0.5], [0.1, -np.inf, -np.inf]]), 2)
        array([[ 1,  0],
               [ 0, -1]])
    """
    if k < 1:
        raise MetricError(f"A list needs at least one item. Received: k={k}.")
    scores = np.array(scores, dtype=np.float64)
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0].tolist()
        raise MetricError(f"Scores must be numbers. Received: nan for user {row}, item {column}.")
    if excluded is not None:
        if excluded.shape != scores.shape:
            raise MetricError(
                f"Excluded items are a mask of the scores' shape {scores.shape}. Received: {excluded.shape}."
            )
        scores[_cells(excluded)] = -np.inf
    length = min(k, scores.shape[1])
    top = np.full((len(scores), k), -1, dtype=np.int64)
    if not scores.size:
        return top
    least = np.partition(scores, -length, axis=1)[:, -length, None]  # the smallest score of each list
    rows, columns = np.nonzero((scores >= least) & (scores > -np.inf))
    order = np.lexsort((-scores[rows, columns], rows))  # stable, so that columns ascend among equal scores
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(scores)))[rows]
    listed = rank < length
    top[rows[listed], rank[listed]] = columns[listed]
    return top


def hits(top: IntArray, targets: Any) -> Mask:
    """Which listed items are targets; shape ``(num_users, k)``.

    Raises:
        MetricError: another number of users, a column that the targets do not have, or an item twice in one list.

    Example:
        >>> from scipy import sparse
        >>> hits(np.array([[2, 0, -1]]), sparse.csr_array([[5.0, 4.0, 0.0]]))
        array([[False,  True, False]])
    """
    found: Mask = ~np.isnan(_ratings_of_hits(top, targets))
    return found


def recall(top: IntArray, targets: Any, k: int) -> FloatArray:
    """Recall at ``k`` of each user: hits among the first ``k`` items, divided by ``min(k, number of targets)``.

    The best list reaches 1 for everyone (Liang et al. 2018). Other authors divide by the number of targets, which is
    smaller for users with more than ``k`` of them.

    Args:
        top: lists of at least ``k`` items.
        targets: see the module.
        k: how many items of each list count.

    Returns:
        Shape ``(num_users,)``, from 0 to 1; NaN for a user without targets.

    Raises:
        MetricError: as `hits`, and lists shorter than ``k``.

    Example:
        >>> from scipy import sparse
        >>> recall(np.array([[2, 0], [0, 1]]), sparse.csr_array([[5, 4, 3], [0, 4, 0]]), 1)
        array([1., 0.])
    """
    found = hits(_first(top, k), targets)
    return divide(found.sum(axis=1).astype(np.float64), np.minimum(_num_targets(targets), k))


def ndcg(top: IntArray, targets: Any, k: int) -> FloatArray:
    """NDCG at ``k`` of each user: a hit at rank r, from 1, gains 1 / log2(r + 1), in relation to the best list.

    The best list has ``min(k, number of targets)`` hits at its head. Every target has the same gain, whatever its
    rating. Arguments, shape and exceptions as for `recall`.

    Example:
        >>> from scipy import sparse
        >>> ndcg(np.array([[2, 0, 1]]), sparse.csr_array([[5, 0, 0]]), 3).round(4)  # 1 / log2(3)
        array([0.6309])
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(_num_targets(targets), k)]
    return divide(hits(_first(top, k), targets) @ gains, best)


def reciprocal_rank(top: IntArray, targets: Any) -> FloatArray:
    """One over the rank of each user's first hit; 0 where the list has none. Shape and exceptions as for `hits`.

    Returns:
        Shape ``(num_users,)``, from 0 to 1; NaN for a user without targets.

    Example:
        >>> from scipy import sparse
        >>> reciprocal_rank(np.array([[2, 0], [2, 1]]), sparse.csr_array([[5, 0, 0], [4, 0, 0]]))
        array([0.5, 0. ])
    """
    found = hits(top, targets)
    first = np.where(found.any(axis=1), 1 / (found.argmax(axis=1) + 1), 0.0)
    values: FloatArray = np.where(_num_targets(targets) > 0, first, np.nan)
    return values


def rating_of_hits(top: IntArray, targets: Any, means: npt.NDArray[Any]) -> FloatArray:
    """Mean rating of each user's hits above the user's mean rating: whether the list finds what they like.

    Args:
        top: lists of items.
        targets: see the module.
        means: mean rating of each user, shape ``(num_users,)``, rating points.

    Returns:
        Shape ``(num_users,)``, rating points; NaN for a user without a hit.

    Example:
        >>> from scipy import sparse
        >>> rating_of_hits(np.array([[2, 0]]), sparse.csr_array([[5.0, 4.0, 0.0]]), np.array([3.5]))
        array([1.5])
    """
    ratings = _ratings_of_hits(top, targets)
    count = (~np.isnan(ratings)).sum(axis=1)
    above: FloatArray = divide(np.nansum(ratings, axis=1), count) - means
    return above


def coverage(top: IntArray, num_items: int) -> float:
    """Fraction of all items that are on at least one list.

    Example:
        >>> coverage(np.array([[2, 0], [2, -1]]), 4)
        0.5
    """
    return float(np.count_nonzero(exposure(top, num_items)) / num_items)


def gini(top: IntArray, num_items: int) -> float:
    """Gini index of exposure, the number of lists that each item is on: 0 when all items have the same, near 1 when
    one item is on every list and no other on any; NaN without a list.

    Example:
        >>> gini(np.array([[0, 1], [2, 3]]), 4), gini(np.array([[0], [0]]), 4)
        (0.0, 0.75)
    """
    shown = np.sort(exposure(top, num_items))
    weights = 2 * np.arange(1, num_items + 1) - num_items - 1
    return float(divide(np.array(weights @ shown, dtype=np.float64), np.array(num_items * shown.sum())))


def exposure(top: IntArray, num_items: int) -> IntArray:
    """Number of lists that each item is on, shape ``(num_items,)``."""
    return np.bincount(top[top >= 0], minlength=num_items)


def popularity(top: IntArray, item_counts: IntArray) -> FloatArray:
    """Mean number of training ratings of each list's items, shape ``(num_users,)``; NaN for an empty list.

    Args:
        top: lists of items.
        item_counts: number of training ratings of each item, shape ``(num_items,)``.

    Example:
        >>> popularity(np.array([[2, 0], [1, -1]]), np.array([10, 3, 20]))
        array([15.,  3.])
    """
    return _mean_of_items(top, item_counts.astype(np.float64))


def novelty(top: IntArray, item_counts: IntArray, num_users: int) -> FloatArray:
    """Mean self-information of each list's items, -log2 of the fraction of training users who rated them, bits.

    An item without training ratings counts as if it had one.

    Args:
        top: lists of items.
        item_counts: number of training ratings of each item, shape ``(num_items,)``.
        num_users: number of training users.

    Returns:
        Shape ``(num_users,)``: 0 where everyone has rated all of the list; NaN for an empty list.

    Example:
        >>> novelty(np.array([[0, 1], [1, -1]]), np.array([8, 2]), 8)
        array([1., 2.])
    """
    return _mean_of_items(top, np.log2(num_users / np.maximum(item_counts, 1)))


def intra_list_similarity(top: IntArray, chosen: Any, *, max_numbers: int = _MAX_NUMBERS) -> FloatArray:
    """Mean cosine of all pairs of each list's items, between their columns of who chose them.

    Only the columns of listed items are read, and no array has the size items x items.

    Args:
        top: lists of items.
        chosen: who rated which item in training, a SciPy sparse matrix whose columns are the items of the lists and
            whose stored values do not matter, such as ``Ratings.to_csr()``.
        max_numbers: numbers held at a time; it bounds memory and changes no figure.

    Returns:
        Shape ``(num_users,)``, from 0 to 1; NaN for a list of fewer than two items. An item that nobody chose is
        similar to none.

    Example:
        >>> from scipy import sparse
        >>> intra_list_similarity(np.array([[0, 1], [0, 2]]), sparse.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]))
        array([1., 0.])
    """
    from scipy import sparse

    listed, index = np.unique(top[top >= 0], return_inverse=True)
    columns = sparse.csc_array(chosen)[:, listed]
    counts = np.diff(columns.indptr)
    lengths = np.sqrt(np.maximum(counts, 1))
    values = 1 / np.repeat(lengths, counts)
    unit = sparse.csr_array((values, columns.indices, columns.indptr), shape=columns.shape[::-1])
    sizes = (top >= 0).sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    lists = sparse.csr_array((np.ones(len(index)), index, starts), shape=(len(top), len(listed)))
    squares = np.zeros(len(top))  # |sum of the unit columns|^2, the sum of the cosines of all pairs
    step = max(1, max_numbers // max(unit.shape[1], 1))
    for start in range(0, len(top), step):
        block = slice(start, start + step)
        squares[block] = (lists[block] @ unit).power(2).sum(axis=1)
    own: FloatArray = lists @ (counts > 0).astype(np.float64)  # the cosines of items with themselves
    similarity: FloatArray = divide(squares - own, sizes * (sizes - 1))
    return similarity


def mean(values: FloatArray) -> tuple[float, int]:
    """Mean over the users who have a value, and their number; NaN and 0 without any.

    Example:
        >>> mean(np.array([0.5, np.nan, 1.0]))
        (0.75, 2)
    """
    known = values[~np.isnan(values)]
    return (float(known.mean()) if len(known) else float("nan")), len(known)


def _cells(mask: Any) -> tuple[IntArray, IntArray]:
    """Rows and columns of the stored entries, stored zeros included."""
    rows = mask.tocsr()
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices


def _num_targets(targets: Any) -> IntArray:
    found: IntArray = np.diff(targets.tocsr().indptr).astype(np.int64)
    return found


def _first(top: IntArray, k: int) -> IntArray:
    if not 1 <= k <= top.shape[1]:
        raise MetricError(f"k must be from 1 to the length of the lists, {top.shape[1]}. Received: k={k}.")
    return top[:, :k]


def _ratings_of_hits(top: IntArray, targets: Any) -> FloatArray:
    """The rating of each listed item, NaN where it is no target; shape ``(num_users, k)``."""
    num_users, num_items = targets.shape
    if len(top) != num_users or (top >= num_items).any():
        raise MetricError(
            f"Lists must be of the targets' {num_users} users and {num_items} items. Received: {len(top)} lists, "
            f"largest column {top.max(initial=-1)}."
        )
    ordered = np.sort(top, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        row, column = np.argwhere(twice)[0].tolist()
        raise MetricError(f"A list names each item once. Received: item {ordered[row, column]} twice in list {row}.")
    rows, columns = _cells(targets)
    keys = rows.astype(np.int64) * num_items + columns
    order = np.argsort(keys, kind="stable")
    keys, ratings = keys[order], targets.tocsr().data[order].astype(np.float64)
    found = np.full(top.shape, np.nan)
    if len(keys):
        wanted = np.where(top >= 0, np.arange(num_users)[:, None] * num_items + top, -1)
        index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        same = keys[index] == wanted
        found[same] = ratings[index[same]]
    return found


def _mean_of_items(top: IntArray, values: FloatArray) -> FloatArray:
    listed = top >= 0
    return divide(np.where(listed, values[top], 0.0).sum(axis=1), listed.sum(axis=1))
