"""Ratings: which user rated which item and how, as an immutable sparse matrix.

A *cell* is the index of an observed entry, and a stored 0 is a rating. `vocabulary` numbers users and items, and
`sources` reads files; this module does neither, and it knows no model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .scale import UNRATED, FloatArray, Scale
from .vocabulary import Coded, Ids, IntArray, compact, factorize, latest_cells, locate, sorted_order, stable_order

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse


@dataclass(frozen=True)
class Source:
    """Where ratings came from, and how many rows were left out.

    Args:
        format: name of the file family, such as ``"movielens-1m"``.
        path: the path as the user wrote it; empty for ratings that were made in memory.
        num_rows: data rows in the file, before any was left out.
        num_skipped: bad rows that were left out on request.
        num_duplicates: rows that another rating of the same user and item replaced.
    """

    format: str = "memory"
    path: str = ""
    num_rows: int = 0
    num_skipped: int = 0
    num_duplicates: int = 0


@dataclass(frozen=True, eq=False)
class Ratings:
    """An immutable sparse matrix of ratings, sorted by user and then by item.

    `Ratings.from_columns` and `Ratings.from_frame` build one from columns in any order. The constructor expects sorted
    and checked arrays, and makes them read-only.

    Pairs of user and item without ratings have the scale `UNRATED` and ones as values (`Ratings.from_pairs`). They say
    what people chose, and not how they liked it: `rated` is False.

    Args:
        user_index: row of each cell, shape ``(num_ratings,)``, int32, ascending.
        item_index: column of each cell, same shape, int32, ascending within a row.
        values: rating of each cell, same shape, float32, rating points.
        user_ids: id of each row as in the file, shape ``(num_users,)``, ascending.
        item_ids: id of each column as in the file, shape ``(num_items,)``, ascending.
        scale: the ratings that can be given.
        timestamps: time of each cell, same shape, int64, seconds since 1970; None when unknown.
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
        """Builds ratings from parallel columns in any order.

        When a user rated an item twice, the rating with the later timestamp is kept, or the last row without
        timestamps. ``ratings.source.num_duplicates`` counts the rows that were replaced.

        Args:
            users: user ids, integers or text, shape ``(n,)``.
            items: item ids, integers or text, same shape.
            values: ratings, same shape, rating points.
            timestamps: seconds since 1970, same shape; None when unknown.
            scale: the ratings that can be given; detected from ``values`` when left out.
            source: where the columns came from.

        Raises:
            ValueError: the columns differ in length or are empty, an id is missing, or a rating is not finite or
                outside ``scale``.

        Example:
            >>> Ratings.from_columns(["ann", "bob", "ann"], [7, 7, 9], [4, 2, 5])
            Ratings(3 ratings, 2 users, 2 items, 75.0 % observed, scale 2 to 5 in steps of 1)
        """
        given = np.ascontiguousarray(values, dtype=np.float32)
        user_index, user_ids = factorize(users)
        item_index, item_ids = factorize(items)
        times = None if timestamps is None else np.ascontiguousarray(timestamps, dtype=np.int64)
        lengths = {len(user_index), len(item_index), len(given)} | ({len(times)} if times is not None else set())
        if len(lengths) != 1:
            raise ValueError(f"Columns of ratings must have one length. Received lengths: {sorted(lengths)}.")
        if not len(given):
            raise ValueError("There is no rating. A data set needs at least one row.")
        if not np.isfinite(given).all():
            row = int(np.flatnonzero(~np.isfinite(given))[0])
            raise ValueError(f"Ratings must be finite numbers. Received: {given[row]} in row {row} (counted from 0).")
        scale = scale or Scale.detect(given)
        inside = scale.contains(given)
        if not inside.all():
            row = int(np.flatnonzero(~inside)[0])
            raise ValueError(f"Rating {given[row]:g} in row {row} (counted from 0) lies outside the scale {scale}.")
        order = sorted_order(user_index, item_index, len(user_ids), len(item_ids))
        num_rows = len(given)
        if order is not None:
            counts = np.bincount(user_index, minlength=len(user_ids))
            user_index = np.repeat(np.arange(len(user_ids), dtype=np.int32), counts)  # user_index[order], but faster
            item_index, given = item_index[order], given[order]
            times = times[order] if times is not None else None
        keep = latest_cells(user_index, item_index, times)
        if keep is not None:
            user_index, item_index, given = user_index[keep], item_index[keep], given[keep]
            times = times[keep] if times is not None else None
        # The constructor makes the arrays read-only, so they must not be the caller's.
        given = given.copy() if np.may_share_memory(given, np.asarray(values)) else given
        times = times.copy() if times is not None and np.may_share_memory(times, np.asarray(timestamps)) else times
        source = source or Source()
        source = replace(source, num_rows=source.num_rows or num_rows, num_duplicates=num_rows - len(given))
        return cls(user_index, item_index, given, user_ids, item_ids, scale, times, source)

    @classmethod
    def from_pairs(
        cls,
        users: npt.ArrayLike | Coded,
        items: npt.ArrayLike | Coded,
        *,
        timestamps: npt.ArrayLike | None = None,
        source: Source | None = None,
    ) -> Ratings:
        """Builds pairs of user and item without ratings from parallel columns; otherwise as `from_columns`.

        Example:
            >>> Ratings.from_pairs(["ann", "bob", "ann"], [7, 7, 9])
            Ratings(3 pairs without ratings, 2 users, 2 items, 75.0 % observed)
        """
        num_pairs = len(users.index) if isinstance(users, Coded) else len(np.asarray(users))
        values = np.ones(num_pairs, dtype=np.float32)
        return cls.from_columns(users, items, values, timestamps=timestamps, scale=UNRATED, source=source)

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
        """Builds ratings from named columns of a pandas DataFrame.

        `read_ratings` also takes a DataFrame, and recognises known column names itself.

        Args:
            frame: a row for each rating.
            user: name of the column of user ids.
            item: name of the column of item ids.
            rating: name of the column of ratings.
            timestamp: name of the column of seconds since 1970; None to leave time out.
            scale: the ratings that can be given; detected from the ratings when left out.

        Raises:
            ValueError: a column is missing, or `from_columns` refuses the columns.
        """
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
    def rated(self) -> bool:
        """Whether there are ratings; False for pairs of user and item without them."""
        return self.scale.rated

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @property
    def density(self) -> float:
        """Fraction of the matrix that is observed."""
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
        """First cell of each user and, at the end, ``num_ratings``, shape ``(num_users + 1,)``: CSR row pointers."""
        return np.concatenate([[0], np.cumsum(self.user_counts)]).astype(np.int64)

    @cached_property
    def item_order(self) -> npt.NDArray[np.int32]:
        """The cells sorted by item and then by user, shape ``(num_ratings,)``."""
        return stable_order(self.item_index, self.num_items)

    def row(self, user_index: int) -> slice:
        """The cells of one user."""
        return slice(int(self.user_starts[user_index]), int(self.user_starts[user_index + 1]))

    def take(self, cells: npt.ArrayLike) -> Ratings:
        """The ratings of some cells, with the users and items of these cells only.

        The scale stays, because the ratings that can be given do not depend on the ratings that are chosen.

        Args:
            cells: indices of cells in any order, shape ``(n,)``, or a mask over all cells, shape ``(num_ratings,)``.
        """
        cells = np.asarray(cells)
        chosen = np.flatnonzero(cells) if cells.dtype == bool else np.sort(cells)
        user_index, users = compact(self.user_index[chosen], self.num_users)
        item_index, items = compact(self.item_index[chosen], self.num_items)
        return Ratings(
            user_index,
            item_index,
            self.values[chosen],
            self.user_ids[users],
            self.item_ids[items],
            self.scale,
            None if self.timestamps is None else self.timestamps[chosen],
            self.source,
        )

    def pairs(self) -> Ratings:
        """The same pairs of user and item without their ratings."""
        return replace(self, values=np.ones(len(self), dtype=np.float32), scale=UNRATED) if self.rated else self

    def transposed(self) -> Ratings:
        """The same ratings with users and items exchanged."""
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

    def to_csr(self, values: npt.ArrayLike | None = None) -> sparse.csr_array:
        """A SciPy matrix with a value at each cell.

        Args:
            values: one value for each cell, shape ``(num_ratings,)``; ones in float32 when left out.

        Returns:
            A CSR array of shape ``(num_users, num_items)`` with sorted columns and memory of its own.

        Example:
            >>> ratings = Ratings.from_columns([1, 1, 2], [7, 8, 8], [4, 2, 5])
            >>> ratings.to_csr().toarray().tolist(), ratings.to_csr(ratings.values).toarray().tolist()
            ([[1.0, 1.0], [0.0, 1.0]], [[4.0, 2.0], [0.0, 5.0]])
        """
        from scipy import sparse

        data = np.ones(len(self), dtype=np.float32) if values is None else np.array(values)
        index = np.int32 if len(self) < 1 << 31 else np.int64
        # Everything is copied, because methods of SciPy such as `eliminate_zeros` write into the arrays.
        indices, starts = self.item_index.astype(index), self.user_starts.astype(index)
        return sparse.csr_array((data, indices, starts), shape=(self.num_users, self.num_items))

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Row of each id, -1 for an unknown user."""
        return locate(self.user_ids, user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Column of each id, -1 for an unknown item."""
        return locate(self.item_ids, item_ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids and ratings. Equal ratings have equal digests, whatever their file and order were."""
        sha = hashlib.sha256()
        for array in (self.user_index, self.item_index, self.values, self.user_ids, self.item_ids):
            text = array.dtype.kind == "U"  # the width of a text array may come from ids that are no longer used
            sha.update(b"text" if text else str(array.dtype).encode())
            sha.update("\0".join(array.tolist()).encode() if text else np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def __repr__(self) -> str:
        what, scale = ("ratings", f", scale {self.scale}") if self.rated else ("pairs without ratings", "")
        return (
            f"Ratings({len(self):,} {what}, {self.num_users:,} users, {self.num_items:,} items, "
            f"{self.density:.1%} observed{scale})".replace("%", " %")
        )


__all__ = ("Coded", "FloatArray", "Ids", "IntArray", "Ratings", "Scale", "Source", "locate", "stable_order")
