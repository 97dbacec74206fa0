"""Columns of ratings from a table, and the exact check of every row.

Readers let Arrow convert whole columns first, which is fast. When that fails, or when a value is not plausible (a NaN,
an infinity, a rating outside the scale), they read the columns again as bytes, and `check_rows` finds the first bad row
or leaves the bad rows out. So the exact check costs nothing for a good file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..ratings import Coded, Ratings, Scale, Source
from .errors import SKIP_REMEDY, SourceError, shown

if TYPE_CHECKING:
    import pyarrow as pa

TimeKind = Literal["seconds", "number", "date", "zoned"]
OnBadRows = Literal["error", "skip"]
Locate = Callable[[int], tuple[str, int]]
"""From the number of a row, counted from 0, to its file and line."""

_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*$"
_MAX_ID_LENGTH = 400  # characters; NumPy stores each id in the width of the longest


@dataclass(frozen=True)
class Columns:
    """Parallel columns of checked ratings.

    Args:
        users: user ids, shape ``(n,)``.
        items: item ids, same shape.
        values: ratings, same shape, rating points; None for pairs without ratings.
        timestamps: seconds since 1970, same shape; None when unknown.
        num_rows: rows of the table.
        num_skipped: bad rows that were left out.
    """

    users: Coded
    items: Coded
    values: npt.NDArray[np.float32] | None
    timestamps: npt.NDArray[np.int64] | None
    num_rows: int
    num_skipped: int = 0

    def ratings(self, *, scale: Scale | None, format: str, path: str) -> Ratings:
        """The columns as `Ratings`.

        Args:
            scale: the ratings that can be given; detected when None. A scale without a step gets that of the values.
            format: name of the file family.
            path: the path as the user wrote it.
        """
        source = Source(format, path, self.num_rows, self.num_skipped)
        if self.values is None:
            return Ratings.from_pairs(self.users, self.items, timestamps=self.timestamps, source=source)
        return Ratings.from_columns(
            self.users,
            self.items,
            self.values,
            timestamps=self.timestamps,
            scale=scale and scale.with_step_of(self.values),
            source=source,
        )


def plausible(users: Coded, items: Coded, values: npt.NDArray[np.float32] | None, scale: Scale | None) -> bool:
    """Whether columns that Arrow converted need no exact check."""
    for ids in (users, items):
        text = ids.names.dtype.kind == "U"
        if text and (bool((ids.names == "").any()) or ids.names.dtype.itemsize > 4 * _MAX_ID_LENGTH):
            return False
    if values is None or not len(values):
        return True
    low, high = float(values.min()), float(values.max())  # a NaN makes both NaN
    return bool(np.isfinite(low) and np.isfinite(high)) and (scale is None or bool(scale.contains([low, high]).all()))


def coded(column: pa.ChunkedArray) -> Coded:
    """The ids in a column of text: integers when all are written as integers, else text.

    ``007`` is text, because as an integer it would equal ``7``.

    Args:
        column: text, or a dictionary of text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    names = pc.utf8_trim_whitespace(whole.dictionary.cast(pa.string()))
    index = whole.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    if len(names) and pc.all(pc.match_substring_regex(names, _INTEGER)).as_py():
        return Coded(index, names.cast(pa.int64()).to_numpy(zero_copy_only=False))
    return Coded(index, np.array(names.to_pylist(), dtype=str) if len(names) else np.empty(0, dtype="U1"))


def to_seconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Seconds since 1970 from a column of numbers, dates or timestamps.

    Numbers may also be milliseconds, microseconds or nanoseconds, which their size shows.
    """
    import pyarrow as pa

    if pa.types.is_temporal(column.type):
        zone = getattr(column.type, "tz", None)
        return np.asarray(column.cast(pa.timestamp("us", zone)).cast(pa.int64()).to_numpy() // 1_000_000)
    numbers = column.to_numpy()
    seconds = np.asarray(np.floor(numbers) if numbers.dtype.kind == "f" else numbers).astype(np.int64, copy=False)
    largest = max(abs(int(seconds.min())), abs(int(seconds.max()))) if len(seconds) else 0
    for limit in (10**11, 10**14, 10**17):  # 1e11 seconds would be the year 5138, so these are milliseconds, and so on
        if largest >= limit:
            seconds = seconds // 1000
    return seconds


def time_kind(examples: Iterable[str]) -> TimeKind:
    """How times are written, by some examples. Examples that are not a time come from bad rows and do not count."""
    kinds: set[TimeKind] = set()
    for text in examples:
        if _as_float(text) is not None:
            kinds.add("seconds" if text.strip().lstrip("+-").isdigit() else "number")
        elif _date(text.encode()) is not None:
            kinds.add("zoned" if re.search(r"\d(Z|[+-]\d\d:?\d\d)\s*$", text[10:]) else "date")
    return next((kind for kind in ("number", "seconds", "zoned") if kind in kinds), "date")


def check_rows(
    columns: tuple[pa.ChunkedArray, pa.ChunkedArray, pa.ChunkedArray | None, pa.ChunkedArray | None],
    *,
    kind: TimeKind | None,
    scale: Scale | None,
    on_bad_rows: OnBadRows,
    locate: Locate,
    absent_rows: npt.NDArray[np.int64] | None = None,
    short_rows: Sequence[int] = (),
    describe_short: Callable[[int], str] = str,
    unit: str = "line",
    file: str = "",
) -> Columns:
    """Checks every row by its text, and stops at the first bad row or leaves bad rows out.

    Args:
        columns: user, item, rating and time of each row, as bytes; None for a rating or a time that no row has.
        kind: how times are written.
        scale: the ratings that are allowed; None for any.
        on_bad_rows: ``"error"`` or ``"skip"``.
        locate: file and line of a row.
        absent_rows: rows that are not in ``columns``, counted from 0, ascending.
        short_rows: those of them that are bad because they have too few or too many fields; the others are blank.
        describe_short: what is wrong with such a row.
        unit: what the line of ``locate`` counts.
        file: the file in messages about all rows.

    Raises:
        SourceError: a row is bad (with ``"error"``), more rows are bad than good, or no row is left.
    """
    import pyarrow as pa

    users, items, ratings, times = columns
    num_rows = len(users) + len(short_rows)
    values = None if ratings is None else _numbers(ratings)
    good = _good_ids(users) & _good_ids(items)
    if values is not None:
        good &= np.isfinite(values)
        if scale is not None:
            good &= scale.contains(values)
    seconds = None
    if times is not None:
        seconds, readable = _times(times, kind or "seconds")
        good &= readable
    num_bad = int(len(good) - good.sum()) + len(short_rows)
    if num_bad and on_bad_rows == "error":
        bad = np.flatnonzero(~good)
        absent = np.array([], dtype=np.int64) if absent_rows is None else absent_rows
        first = int(np.delete(np.arange(len(users) + len(absent)), absent)[bad[0]]) if len(bad) else None
        if short_rows and (first is None or short_rows[0] < first):
            first = short_rows[0]
            text, allowed = describe_short(first), "the same fields in every row"
        else:
            row = int(bad[0])
            cells = [column[row].as_py() if column is not None else None for column in columns]
            text, allowed = _describe(cells, scale, None if times is None else (kind or "seconds"), ratings is not None)
        name, line = locate(first or 0)
        raise SourceError(name, line, text, allowed, f"correct or delete the {unit}, {SKIP_REMEDY}", unit=unit)
    if num_rows and 2 * num_bad > num_rows:
        raise SourceError(
            file,
            None,
            f"{num_bad:,} of {num_rows:,} rows are bad",
            "at least half of the rows good",
            'look at the first of them with on_bad_rows="error", and check the file and the names of its columns',
        )
    if num_bad == num_rows:
        raise SourceError(file, None, "there is no rating in it", "at least one row", "check that it is the right file")
    kept = pa.array(good)
    return Columns(
        coded(users.filter(kept).cast(pa.string())),
        coded(items.filter(kept).cast(pa.string())),
        None if values is None else values[good].astype(np.float32),
        None if seconds is None else seconds[good],
        num_rows,
        num_bad,
    )


def _good_ids(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """True for each id that is readable and not blank."""
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    good = np.array([_id_error(name) is None for name in encoded.dictionary.to_pylist()] + [False])
    return np.asarray(good[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _id_error(name: bytes | None) -> str | None:
    """What is wrong with an id, as the end of a sentence; None for a good one."""
    if name is None or not name.strip():
        return "is missing"
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return f"{shown(name)} is not UTF-8 text"
    return None if len(text) <= _MAX_ID_LENGTH else f"{shown(text)} is {len(text):,} characters long"


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Each cell as a number, NaN for a cell that is not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
    text = pc.if_else(fits, column, pa.scalar(b"nan", pa.binary())).cast(pa.string())
    return np.asarray(pc.utf8_trim_whitespace(text).cast(pa.float64()).to_numpy(), dtype=np.float64)


def _times(column: pa.ChunkedArray, kind: TimeKind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Seconds since 1970 of each cell, 0 when it cannot be read, and whether it can be read."""
    import pyarrow as pa

    if kind in ("seconds", "number"):
        numbers = _numbers(column)
        readable = np.isfinite(numbers) & (np.abs(numbers) < 9e18)
        seconds = to_seconds(pa.chunked_array([np.where(readable, numbers, 0.0)]))
        return seconds, readable
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    parsed = [_date(text) for text in encoded.dictionary.to_pylist()] + [None]
    index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = np.array([one is not None for one in parsed])
    return np.array([one or 0 for one in parsed], dtype=np.int64)[index], known[index]


def _date(text: bytes | None) -> int | None:
    try:
        moment = datetime.fromisoformat((text or b"").decode("utf-8").strip())
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _describe(cells: list[Any], scale: Scale | None, kind: TimeKind | None, rated: bool) -> tuple[str, str]:
    """What is wrong with a bad row, and what is allowed in its wrong cell."""
    user, item, rating, time = cells
    for name, cell in (("user id", user), ("item id", item)):
        error = _id_error(cell)
        if error:
            return f"the {name} {error}", f"an integer or UTF-8 text of at most {_MAX_ID_LENGTH} characters"
    if rated and (found := _rating_error(rating, scale)):
        return found
    dates = "an ISO 8601 date such as 2005-09-06 or 2005-09-06 12:30:00"
    allowed = "seconds since 1970" if kind in ("seconds", "number") else dates
    what = "is missing" if time is None or not time.strip() else f"{shown(time)} is not such a time"
    return f"the timestamp {what}", f"{allowed}; leave the column out with data.timestamp_column=-"


def _rating_error(rating: bytes | None, scale: Scale | None) -> tuple[str, str] | None:
    """What is wrong with a rating, and what is allowed; None for a good one."""
    span = f" from {scale.minimum:g} to {scale.maximum:g}" if scale else ""
    number = _as_float((rating or b"").decode("utf-8", errors="replace"))
    if rating is None or not rating.strip():
        return "the rating is missing", f"a finite number{span}"
    if number is None:
        return f"the rating {shown(rating)} is not a number", f"a finite number{span}"
    if not np.isfinite(number):
        return f"the rating {shown(rating)} is not finite", f"a finite number{span}"
    if scale is not None and not scale.contains(number):
        return f"the rating {shown(rating)} lies outside the scale {scale}", f"a number{span}, or set data.scale"
    return None


def _as_float(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
