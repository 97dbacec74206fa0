"""Columns of ratings as they come from a table, and the exact check of every row.

Readers first try the fast way: let Arrow convert whole columns. Only when that fails, or what came out cannot be right
(a NaN, an infinity, a rating outside the scale), are the columns read again as plain bytes and handed to `check_rows`,
which finds the first bad row or leaves the bad ones out. So a good file pays nothing for the care.
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
"""From the number of a data row, counted from 0, to the file and the line in it."""

_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*$"
_LONGEST_ID = 400  # characters; fixed-width text of a million ids this long is all that memory bears


@dataclass(frozen=True)
class Columns:
    """Parallel columns of checked ratings, shape ``(n,)`` each; ``timestamps`` in seconds since 1970, or None."""

    users: Coded
    items: Coded
    values: npt.NDArray[np.float32]
    timestamps: npt.NDArray[np.int64] | None
    num_rows: int
    num_skipped: int = 0

    def ratings(self, *, scale: Scale | None, format: str, path: str) -> Ratings:
        """The columns as `Ratings`; a scale that was given without a step gets the step that the values show."""
        source = Source(format, path, self.num_rows, self.num_skipped)
        return Ratings.from_columns(
            self.users,
            self.items,
            self.values,
            timestamps=self.timestamps,
            scale=scale and scale.with_step_of(self.values),
            source=source,
        )


def plausible(users: Coded, items: Coded, values: npt.NDArray[np.float32], scale: Scale | None) -> bool:
    """True when columns that Arrow converted need no second look."""
    for ids in (users, items):
        text = ids.names.dtype.kind == "U"
        if text and (bool((ids.names == "").any()) or ids.names.dtype.itemsize > 4 * _LONGEST_ID):
            return False
    if not len(values):
        return True
    low, high = float(values.min()), float(values.max())  # NaN travels through both
    return bool(np.isfinite(low) and np.isfinite(high)) and (scale is None or bool(scale.contains([low, high]).all()))


def coded(column: pa.ChunkedArray) -> Coded:
    """Ids of a text (or dictionary of text) column: integers when every one is written as one, else text.

    ``007`` is text, since as a number it could not be told from ``7``.
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
    """Seconds since 1970 of a numeric, date or timestamp column; milliseconds and microseconds are recognised."""
    import pyarrow as pa

    if pa.types.is_temporal(column.type):
        zone = getattr(column.type, "tz", None)
        return np.asarray(column.cast(pa.timestamp("us", zone)).cast(pa.int64()).to_numpy() // 1_000_000)
    numbers = column.to_numpy()
    seconds = np.asarray(np.floor(numbers) if numbers.dtype.kind == "f" else numbers).astype(np.int64, copy=False)
    largest = max(abs(int(seconds.min())), abs(int(seconds.max()))) if len(seconds) else 0
    for limit in (10**11, 10**14, 10**17):  # 1e11 seconds would be the year 5138: so these are milliseconds, …
        if largest >= limit:
            seconds = seconds // 1000
    return seconds


def time_kind(examples: Iterable[str]) -> TimeKind:
    """How times are written, judged by the first few; what is no time at all (a bad row) has no say."""
    kinds: set[TimeKind] = set()
    for text in examples:
        if _as_float(text) is not None:
            kinds.add("seconds" if text.strip().lstrip("+-").isdigit() else "number")
        elif _date(text.encode()) is not None:
            kinds.add("zoned" if re.search(r"\d(Z|[+-]\d\d:?\d\d)\s*$", text[10:]) else "date")
    return next((kind for kind in ("number", "seconds", "zoned") if kind in kinds), "date")


def check_rows(
    columns: tuple[pa.ChunkedArray, pa.ChunkedArray, pa.ChunkedArray, pa.ChunkedArray | None],
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
    """Judges every row by its text; stops at the first bad one or leaves the bad ones out.

    Args:
        columns: user, item, rating and (or None) time of each row, as bytes.
        kind: how times are written.
        scale: the stars that are allowed, if that is set.
        on_bad_rows: ``"error"`` or ``"skip"``.
        locate: where a data row stands.
        absent_rows: numbers, counted from 0 and ascending, of data rows that are not in ``columns``.
        short_rows: those of them that are bad because they had too few or too many fields (the others were blank).
        describe_short: what is wrong with such a row.
        unit: what locate's number counts.
        file: the file's name for messages about the whole.

    Raises:
        SourceError: a bad row (unless skipping), more bad rows than good ones, or no row left.
    """
    import pyarrow as pa

    users, items, stars, times = columns
    num_rows = len(users) + len(short_rows)
    values = _numbers(stars)
    good = _good_ids(users) & _good_ids(items) & np.isfinite(values)
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
            text, allowed = _complaint(cells, scale, None if times is None else (kind or "seconds"))
        name, line = locate(first or 0)
        raise SourceError(name, line, text, allowed, f"correct or delete the {unit}, {SKIP_REMEDY}", unit=unit)
    if num_rows and 2 * num_bad > num_rows:
        raise SourceError(
            file,
            None,
            f"{num_bad:,} of {num_rows:,} rows are bad",
            "at least half of the rows good",
            'look at the first of them with on_bad_rows="error"; is this the right file, are these the right columns?',
        )
    if num_bad == num_rows:
        raise SourceError(file, None, "there is no rating in it", "at least one row", "check that it is the right file")
    kept = pa.array(good)
    return Columns(
        coded(users.filter(kept).cast(pa.string())),
        coded(items.filter(kept).cast(pa.string())),
        values[good].astype(np.float32),
        None if seconds is None else seconds[good],
        num_rows,
        num_bad,
    )


def _good_ids(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """True where an id is readable text that is not blank."""
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    good = np.array([_id_trouble(name) is None for name in encoded.dictionary.to_pylist()] + [False])
    return np.asarray(good[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _id_trouble(name: bytes | None) -> str | None:
    if name is None or not name.strip():
        return "is missing"
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return f"{shown(name)} is not UTF-8 text"
    return None if len(text) <= _LONGEST_ID else f"{shown(text)} is {len(text):,} characters long"


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Each cell as a number, NaN where it is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
    text = pc.if_else(fits, column, pa.scalar(b"nan", pa.binary())).cast(pa.string())
    return np.asarray(pc.utf8_trim_whitespace(text).cast(pa.float64()).to_numpy(), dtype=np.float64)


def _times(column: pa.ChunkedArray, kind: TimeKind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Seconds since 1970 of each cell (0 where unreadable), and where they are readable."""
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


def _complaint(cells: list[Any], scale: Scale | None, kind: TimeKind | None) -> tuple[str, str]:
    """What is wrong with one bad row, and what is allowed in the cell that is wrong."""
    user, item, star, time = cells
    for name, cell in (("user id", user), ("item id", item)):
        trouble = _id_trouble(cell)
        if trouble:
            return f"the {name} {trouble}", f"an integer or UTF-8 text of at most {_LONGEST_ID} characters"
    span = f" from {scale.minimum:g} to {scale.maximum:g}" if scale else ""
    number = _as_float((star or b"").decode("utf-8", errors="replace"))
    if star is None or not star.strip():
        return "the rating is missing", f"a finite number{span}"
    if number is None:
        return f"the rating {shown(star)} is not a number", f"a finite number{span}"
    if not np.isfinite(number):
        return f"the rating {shown(star)} is not finite", f"a finite number{span}"
    if scale is not None and not scale.contains(number):
        return f"the rating {shown(star)} lies outside the scale {scale}", f"a number{span}, or set data.scale"
    dates = "an ISO 8601 date such as 2005-09-06 or 2005-09-06 12:30:00"
    allowed = "seconds since 1970" if kind in ("seconds", "number") else dates
    what = "is missing" if time is None or not time.strip() else f"{shown(time)} is no such time"
    return f"the timestamp {what}", f"{allowed}; leave the column out with data.timestamp_column=-"


def _as_float(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
