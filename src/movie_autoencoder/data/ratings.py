"""Ratings: who gave which movie how many stars, as an immutable sparse matrix.

This module owns the vocabulary of users and items and the order of the cells. It reads no file (``sources`` does) and
knows no model. A cell is *observed* when it is stored here; a stored 0 is a rating.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .scale import FloatArray, Scale

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

IntArray = npt.NDArray[np.integer[Any]]
Ids = npt.NDArray[Any]  # int64, or fixed-width text


@dataclass(frozen=True)
class Coded:
    """A column of ids already numbered: ``names[index]`` is the column.

    Args:
        index: position in ``names`` of each row, shape ``(n,)``, int32.
        names: ids in any order, repeats and unused ones allowed, shape ``(num_names,)``.
    """

    index: npt.NDArray[np.int32]
    names: Ids

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Source:
    """Where ratings came from and what reading them met.

    Args:
        format: name of the file family, such as ``"movielens-1m"``.
        path: the path as it was given; empty when the ratings were made in memory.
        num_rows: data rows in the file, before anything was dropped.
        num_skipped: bad rows left out on request.
        num_duplicates: rows replaced by another rating of the same user and item.
    """

    format: str = "memory"
    path: str = ""
    num_rows: int = 0
    num_skipped: int = 0
    num_duplicates: int = 0


@dataclass(frozen=True, eq=False)
class Ratings:
    """An immutable sparse matrix of ratings, cells sorted by user and then by item.

    Build one with `Ratings.from_columns` or `Ratings.from_frame`; the constructor expects sorted, checked arrays.

    Args:
        user_index: row of each cell, shape ``(num_ratings,)``, int32, ascending.
        item_index: column of each cell, same shape, int32, ascending within a row.
        values: stars, same shape, float32, rating points.
        user_ids: the id of each row as in the file, shape ``(num_users,)``.
        item_ids: the id of each column as in the file, shape ``(num_items,)``.
        scale: the stars that can be given.
        timestamps: seconds since 1970 of each cell, int64, or None.
        source: where the ratings came from.
    """

    user_index: npt.NDArray[np.int32]
    item_index: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    user_ids: Ids
    item_ids: Ids
    scale: Scale
    timestamps: npt.NDArray[np.int64] | None = None
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        for array in (self.user_index, self.item_index, self.values, self.user_ids, self.item_ids, self.timestamps):
            if array is not None:
                array.setflags(write=False)

    @classmethod
    def from_columns(
        cls,
        users: npt.ArrayLike | Coded,
        items: npt.ArrayLike | Coded,
        values: npt.ArrayLike,
        *,
        timestamps: npt.ArrayLike | None = None,
        scale: Scale | None = None,
        source: Source | None = None,
    ) -> Ratings:
        """Ratings from parallel columns in any order.

        Of two ratings of one item by one user the later timestamp is kept, without timestamps the last one given;
        how many were replaced stands in ``ratings.source.num_duplicates``.

        Args:
            users: user ids, integers or text, shape ``(n,)``.
            items: item ids, likewise.
            values: stars, shape ``(n,)``.
            timestamps: seconds since 1970, shape ``(n,)``.
            scale: the stars that can be given; detected from the values when left out.
            source: where the columns came from.

        Raises:
            ValueError: columns of unequal length, no row, a value that is not finite or outside ``scale``.

        Example:
            >>> Ratings.from_columns(["ann", "bob", "ann"], [7, 7, 9], [4, 2, 5])
            Ratings(3 ratings, 2 users, 2 items, 75.0 % observed, scale 2 to 5 in steps of 1)
        """
        stars = np.ascontiguousarray(values, dtype=np.float32)
        user_index, user_ids = _factorize(users)
        item_index, item_ids = _factorize(items)
        times = None if timestamps is None else np.ascontiguousarray(timestamps, dtype=np.int64)
        lengths = {len(user_index), len(item_index), len(stars)} | ({len(times)} if times is not None else set())
        if len(lengths) != 1:
            raise ValueError(f"Columns of ratings must have one length. Received lengths: {sorted(lengths)}.")
        if not len(stars):
            raise ValueError("There is no rating. A data set needs at least one row.")
        if not np.isfinite(stars).all():
            row = int(np.flatnonzero(~np.isfinite(stars))[0])
            raise ValueError(f"Ratings must be finite numbers. Received: {stars[row]} in row {row} (counted from 0).")
        scale = scale or Scale.detect(stars)
        inside = scale.contains(stars)
        if not inside.all():
            row = int(np.flatnonzero(~inside)[0])
            raise ValueError(f"Rating {stars[row]:g} in row {row} (counted from 0) lies outside the scale {scale}.")
        order = _sorted_order(user_index, item_index, len(user_ids), len(item_ids))
        num_rows = len(stars)
        if order is not None:
            counts = np.bincount(user_index, minlength=len(user_ids))
            user_index = np.repeat(np.arange(len(user_ids), dtype=np.int32), counts)  # user_index[order], read in a row
            item_index, stars = item_index[order], stars[order]
            times = times[order] if times is not None else None
        keep = _latest(user_index, item_index, times)
        if keep is not None:
            user_index, item_index, stars = user_index[keep], item_index[keep], stars[keep]
            times = times[keep] if times is not None else None
        # The arrays become read-only, so they must not be the caller's.
        stars = stars.copy() if np.may_share_memory(stars, np.asarray(values)) else stars
        times = times.copy() if times is not None and np.may_share_memory(times, np.asarray(timestamps)) else times
        source = source or Source()
        source = replace(source, num_rows=source.num_rows or num_rows, num_duplicates=num_rows - len(stars))
        return cls(user_index, item_index, stars, user_ids, item_ids, scale, times, source)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user_id",
        item: str = "item_id",
        rating: str = "rating",
        timestamp: str | None = None,
        scale: Scale | None = None,
    ) -> Ratings:
        """Ratings from the named columns of a pandas DataFrame (`read_ratings` also recognises the usual names)."""
        missing = [name for name in (user, item, rating, timestamp) if name is not None and name not in frame.columns]
        if missing:
            columns = ", ".join(map(str, frame.columns))
            raise ValueError(f"The frame has no column {missing[0]!r}. Its columns: {columns}.")
        times = None if timestamp is None else frame[timestamp].to_numpy()
        return cls.from_columns(
            frame[user].to_numpy(),
            frame[item].to_numpy(),
            frame[rating].to_numpy(),
            timestamps=times,
            scale=scale,
            source=Source(format="frame"),
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @property
    def density(self) -> float:
        """Share of the cells of the matrix that are observed."""
        return len(self) / (self.num_users * self.num_items)

    @cached_property
    def user_counts(self) -> IntArray:
        """Number of ratings of each user, shape ``(num_users,)``."""
        return np.bincount(self.user_index, minlength=self.num_users)

    @cached_property
    def item_counts(self) -> IntArray:
        """Number of ratings of each item, shape ``(num_items,)``."""
        return np.bincount(self.item_index, minlength=self.num_items)

    @cached_property
    def user_starts(self) -> npt.NDArray[np.int64]:
        """First cell of each user, and ``num_ratings`` at the end: the row pointers of the CSR matrix."""
        return np.concatenate([[0], np.cumsum(self.user_counts)]).astype(np.int64)

    @cached_property
    def item_order(self) -> npt.NDArray[np.int32]:
        """The cells in the order of items and then users, shape ``(num_ratings,)``."""
        return stable_order(self.item_index, self.num_items)

    def to_csr(self, values: npt.NDArray[Any] | None = None) -> sparse.csr_array[Any, tuple[int, int]]:
        """A SciPy CSR matrix with one entry for each rating; an entry of 0 is stored like any other.

        Args:
            values: entry of each rating, in the order of the cells, shape ``(num_ratings,)``. When left out, every
                entry is 1 (float32): the mask of the observed cells.

        Returns:
            Shape ``(num_users, num_items)``, of the dtype of ``values``.

        Example:
            >>> Ratings.from_columns([1, 2], [7, 9], [4.0, 2.0]).to_csr().toarray().tolist()
            [[1.0, 0.0], [0.0, 1.0]]
        """
        from scipy import sparse

        entries = np.ones(len(self), dtype=np.float32) if values is None else values
        return sparse.csr_array((entries, self.item_index, self.user_starts), shape=(self.num_users, self.num_items))

    def row(self, user_index: int) -> slice:
        """The cells of one user."""
        return slice(int(self.user_starts[user_index]), int(self.user_starts[user_index + 1]))

    def take(self, cells: npt.ArrayLike) -> Ratings:
        """The ratings of some cells (positions, or a mask over cells), with only the users and items they mention.

        The scale is kept: what can be given does not depend on which ratings are looked at.
        """
        cells = np.asarray(cells)
        positions = np.flatnonzero(cells) if cells.dtype == bool else np.sort(cells)
        user_index, users = _compact(self.user_index[positions], self.num_users)
        item_index, items = _compact(self.item_index[positions], self.num_items)
        return Ratings(
            user_index,
            item_index,
            self.values[positions],
            self.user_ids[users],
            self.item_ids[items],
            self.scale,
            None if self.timestamps is None else self.timestamps[positions],
            self.source,
        )

    def transposed(self) -> Ratings:
        """The same ratings with users and items in each other's place."""
        order = self.item_order
        times = None if self.timestamps is None else self.timestamps[order]
        return Ratings(
            self.item_index[order],
            self.user_index[order],
            self.values[order],
            self.item_ids,
            self.user_ids,
            self.scale,
            times,
            self.source,
        )

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Row of each id, -1 where the user is unknown."""
        return locate(self.user_ids, user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Column of each id, -1 where the item is unknown."""
        return locate(self.item_ids, item_ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids and stars: equal for equal ratings, whatever file or order they came in."""
        sha = hashlib.sha256()
        for array in (self.user_index, self.item_index, self.values, self.user_ids, self.item_ids):
            text = array.dtype.kind == "U"  # its width depends on ids that may no longer be there
            sha.update(b"text" if text else str(array.dtype).encode())
            sha.update("\0".join(array.tolist()).encode() if text else np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def __repr__(self) -> str:
        return (
            f"Ratings({len(self):,} ratings, {self.num_users:,} users, {self.num_items:,} items, "
            f"{self.density:.1%} observed, scale {self.scale})".replace("%", " %")
        )


def stable_order(index: IntArray, size: int) -> npt.NDArray[np.int32]:
    """Positions that sort small integers (each in ``0 … size-1``), equal ones in their given order; linear time.

    A counting sort, borrowed from SciPy: the transpose of a matrix with one entry a row lists the rows by column.
    """
    from scipy import sparse

    count = len(index)
    rows = np.arange(count + 1, dtype=np.int32)
    one_hot = sparse.csr_array((np.ones(count, dtype=np.int8), index, rows), shape=(count, size))
    order: npt.NDArray[np.int32] = one_hot.tocsc().indices.astype(np.int32, copy=False)
    return order


def _factorize(ids: npt.ArrayLike | Coded) -> tuple[npt.NDArray[np.int32], Ids]:
    """Index of each id in the ascending list of distinct ids, and that list."""
    if isinstance(ids, Coded):
        used, present = _compact(ids.index, len(ids.names))
        rank, names = _factorize(ids.names[present])
        return rank[used], names
    array = np.asarray(ids)
    if array.dtype.kind == "f" and bool(np.all(np.mod(array, 1) == 0)):  # a table with gaps turns integers into these
        array = array.astype(np.int64)
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    if array.dtype.kind == "i" and len(array):
        low, high = int(array.min()), int(array.max())
        if high - low < max(4 * len(array), 1 << 20):  # a table of all possible ids is smaller than a sort
            seen = np.zeros(high - low + 1, dtype=bool)
            seen[array - low] = True
            index_of = np.cumsum(seen, dtype=np.int32) - 1
            return index_of[array - low].astype(np.int32), (np.flatnonzero(seen) + low).astype(np.int64)
    if array.dtype.kind not in "iU":
        if array.dtype.kind == "f":
            raise ValueError(f"Ids must be integers or text. Received numbers with fractions, such as {array[:1]}.")
        import pandas as pd

        codes, uniques = pd.factorize(array, sort=False)
        if bool((codes < 0).any()):
            row = int(np.flatnonzero(codes < 0)[0])
            raise ValueError(f"Ids must not be missing. Received: {array[row]!r} in row {row} (counted from 0).")
        if all(isinstance(name, int) and not isinstance(name, bool) for name in uniques):
            rank, names = _factorize(np.array(list(uniques), dtype=np.int64))
            return rank[codes], names
        names = np.array([str(name) for name in uniques])
        order = np.argsort(names, kind="stable")
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[codes], names[order]
    ids_sorted, index = np.unique(array, return_inverse=True)
    return index.astype(np.int32), ids_sorted.astype(np.int64) if array.dtype.kind == "i" else ids_sorted


def _sorted_order(users: IntArray, items: IntArray, num_users: int, num_items: int) -> npt.NDArray[np.int32] | None:
    """Positions that sort cells by user and then item, or None when they are sorted already."""
    step = np.diff(users)
    if bool(np.all((step > 0) | ((step == 0) & (np.diff(items) >= 0)))):
        return None
    by_item = stable_order(items, num_items)
    return by_item[stable_order(users[by_item], num_users)]


def _latest(users: IntArray, items: IntArray, times: IntArray | None) -> IntArray | None:
    """Of sorted cells, the one to keep of each (user, item): latest, else last; None when there are no duplicates."""
    same = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if not same.any():
        return None
    if times is None:  # the sort was stable: the last given stands last
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


def _compact(index: IntArray, size: int) -> tuple[npt.NDArray[np.int32], IntArray]:
    """The same cells numbered over the rows (or columns) that occur, and which those are."""
    present = np.zeros(size, dtype=bool)
    present[index] = True
    number = (np.cumsum(present) - 1).astype(np.int32)
    return number[index], np.flatnonzero(present)


def locate(vocabulary: Ids, ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Place of each id in an ascending vocabulary, -1 where it is unknown; numbers written as text are found too."""
    wanted = np.asarray(ids)
    if wanted.dtype.kind == "O":
        wanted = np.asarray([str(one) for one in wanted])
    if (vocabulary.dtype.kind == "U") != (wanted.dtype.kind == "U"):
        if vocabulary.dtype.kind == "U":
            wanted = wanted.astype(str)
        else:  # numbers as text: those that are written as the vocabulary writes them
            numbers = {str(one): position for position, one in enumerate(vocabulary.tolist())}
            return np.array([numbers.get(one, -1) for one in wanted.tolist()], dtype=np.int32)
    place = np.searchsorted(vocabulary, wanted)
    place[place == len(vocabulary)] = 0
    return np.where(vocabulary[place] == wanted, place, -1).astype(np.int32)


__all__: Sequence[str] = (
    "Coded",
    "FloatArray",
    "Ids",
    "IntArray",
    "Ratings",
    "Scale",
    "Source",
    "locate",
    "stable_order",
)
