"""Vocabulary: ids of users and items as indices, and cells sorted by these indices in linear time.

A vocabulary is an ascending array of distinct ids. The index of an id is its position there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]
Ids = npt.NDArray[Any]  # int64, or fixed-width text


@dataclass(frozen=True)
class Coded:
    """A column of ids that is already numbered: ``names[index]`` is the column.

    Args:
        index: position in ``names`` of each row, shape ``(n,)``, int32.
        names: ids in any order, shape ``(num_names,)``; may have repeated and unused ids.
    """

    index: npt.NDArray[np.int32]
    names: Ids

    def __len__(self) -> int:
        return len(self.index)


def factorize(ids: npt.ArrayLike | Coded) -> tuple[npt.NDArray[np.int32], Ids]:
    """Numbers a column of ids.

    Args:
        ids: integers or text, shape ``(n,)``. Floats that are whole numbers count as integers.

    Returns:
        The index of each row, shape ``(n,)``, and the vocabulary, shape ``(num_ids,)``.

    Raises:
        ValueError: an id is missing or is a number with a fraction.

    Example:
        >>> index, vocabulary = factorize([30, 10, 30])
        >>> index.tolist(), vocabulary.tolist()
        ([1, 0, 1], [10, 30])
    """
    if isinstance(ids, Coded):
        used, present = compact(ids.index, len(ids.names))
        rank, names = factorize(ids.names[present])
        return rank[used], names
    array = np.asarray(ids)
    if array.dtype.kind == "f" and bool(np.all(np.mod(array, 1) == 0)):  # pandas turns integers with gaps into floats
        array = array.astype(np.int64)
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    if array.dtype.kind == "i" and len(array):
        low, high = int(array.min()), int(array.max())
        if high - low < max(4 * len(array), 1 << 20):  # a table of all possible ids is cheaper than sorting
            seen = np.zeros(high - low + 1, dtype=bool)
            seen[array - low] = True
            index_of = np.cumsum(seen, dtype=np.int32) - 1
            return index_of[array - low].astype(np.int32), (np.flatnonzero(seen) + low).astype(np.int64)
    if array.dtype.kind not in "iU":
        return _factorize_objects(array)
    ids_sorted, index = np.unique(array, return_inverse=True)
    return index.astype(np.int32), ids_sorted.astype(np.int64) if array.dtype.kind == "i" else ids_sorted


def _factorize_objects(array: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], Ids]:
    """`factorize` for Python objects: integers when all are integers, else their text."""
    if array.dtype.kind == "f":
        raise ValueError(f"Ids must be integers or text. Received numbers with fractions, such as {array[:1]}.")
    import pandas as pd

    codes, uniques = pd.factorize(array, sort=False)
    if bool((codes < 0).any()):
        row = int(np.flatnonzero(codes < 0)[0])
        raise ValueError(f"Ids must not be missing. Received: {array[row]!r} in row {row} (counted from 0).")
    if all(isinstance(name, int) and not isinstance(name, bool) for name in uniques):
        rank, names = factorize(np.array(list(uniques), dtype=np.int64))
        return rank[codes], names
    names = np.array([str(name) for name in uniques])
    order = np.argsort(names, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], names[order]


def locate(vocabulary: Ids, ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """The index of each id in a vocabulary, -1 for an unknown id.

    Integers that are written as text are found too, and text that is an integer likewise.

    Args:
        vocabulary: ascending, distinct ids, shape ``(num_ids,)``.
        ids: ids to find, shape ``(n,)``.

    Example:
        >>> locate(np.array([7, 9]), [9, 8]).tolist(), locate(np.array([7, 9]), ["9", "09"]).tolist()
        ([1, -1], [1, -1])
    """
    wanted = np.asarray(ids)
    if wanted.dtype.kind == "O":
        wanted = np.asarray([str(one) for one in wanted])
    if (vocabulary.dtype.kind == "U") != (wanted.dtype.kind == "U"):
        if vocabulary.dtype.kind == "U":
            wanted = wanted.astype(str)
        else:  # text finds an integer only in the integer's own spelling
            numbers = {str(one): index for index, one in enumerate(vocabulary.tolist())}
            return np.array([numbers.get(one, -1) for one in wanted.tolist()], dtype=np.int32)
    index = np.searchsorted(vocabulary, wanted)
    index[index == len(vocabulary)] = 0
    return np.where(vocabulary[index] == wanted, index, -1).astype(np.int32)


def compact(index: IntArray, size: int) -> tuple[npt.NDArray[np.int32], IntArray]:
    """Renumbers indices so that only those in use remain.

    Args:
        index: indices below ``size``, shape ``(n,)``.
        size: length of the vocabulary.

    Returns:
        The new index of each row, shape ``(n,)``, and the old indices in use, ascending, shape ``(num_used,)``.

    Example:
        >>> new, used = compact(np.array([5, 2, 5]), 8)
        >>> new.tolist(), used.tolist()
        ([1, 0, 1], [2, 5])
    """
    present = np.zeros(size, dtype=bool)
    present[index] = True
    number = (np.cumsum(present) - 1).astype(np.int32)
    return number[index], np.flatnonzero(present)


def stable_order(index: IntArray, size: int) -> npt.NDArray[np.int32]:
    """The positions that sort indices, equal ones in their given order, in linear time.

    This is a counting sort by SciPy: the transpose of a matrix with one entry a row lists the rows by column.

    Args:
        index: indices from 0 to ``size - 1``, shape ``(n,)``.
        size: length of the vocabulary.

    Returns:
        Positions in ``index``, shape ``(n,)``.
    """
    from scipy import sparse

    count = len(index)
    rows = np.arange(count + 1, dtype=np.int32)
    one_hot = sparse.csr_array((np.ones(count, dtype=np.int8), index, rows), shape=(count, size))
    order: npt.NDArray[np.int32] = one_hot.tocsc().indices.astype(np.int32, copy=False)
    return order


def sorted_order(users: IntArray, items: IntArray, num_users: int, num_items: int) -> npt.NDArray[np.int32] | None:
    """The positions that sort cells by user and then by item; None when the cells are already sorted."""
    step = np.diff(users)
    if bool(np.all((step > 0) | ((step == 0) & (np.diff(items) >= 0)))):
        return None
    by_item = stable_order(items, num_items)
    return by_item[stable_order(users[by_item], num_users)]


def latest_cells(users: IntArray, items: IntArray, times: IntArray | None) -> IntArray | None:
    """The cell to keep of each user and item: the latest, and of equally late ones the last.

    Args:
        users: user index of each cell, sorted by `sorted_order`, shape ``(n,)``.
        items: item index, same shape.
        times: seconds, same shape; None when unknown.

    Returns:
        The cells to keep, ascending; None when no cell occurs twice.
    """
    same = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if not same.any():
        return None
    if times is None:  # the sort was stable, so the last given is the last here
        return np.flatnonzero(np.append(~same, True))
    repeated = np.append(same, False)
    repeated[1:] |= same
    cells = np.flatnonzero(repeated)  # only these need sorting by time
    group = np.cumsum(np.append(True, ~same)[cells])
    order = np.lexsort((times[cells], group))
    last = np.append(np.diff(group[order]) > 0, True)
    keep = ~repeated
    keep[cells[order[last]]] = True
    return np.flatnonzero(keep)
