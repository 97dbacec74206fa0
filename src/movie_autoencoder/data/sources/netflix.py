"""The Netflix Prize data in both layouts: ``training_set/mv_*.txt`` and Kaggle's ``combined_data_*.txt``.

Both are blocks of one item: a line ``ITEM:`` and then lines ``CustomerID,Rating,YYYY-MM-DD``. A colon stands nowhere
else, so replacing each by two commas makes the line of an item a row like any other, without rating and date, and the
whole becomes a table that Arrow reads at full speed; the item is then carried forward.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np

from ..catalogue import Catalogue
from ..ratings import Coded, Scale
from .columns import Columns, OnBadRows, check_rows, coded, plausible, to_seconds
from .delimited import Layout, Opener, SkippedRows, as_bytes, convert, line_of_row
from .errors import SourceError, shown
from .movielens import decode
from .places import Place

_LAYOUT = Layout(",", 3, 0, 0, 1, 2, kind="date", quoted=False, swap=(b":", b",,"), blanks=True)


def is_ratings_file(basename: str) -> bool:
    """True for the names that Netflix and Kaggle gave the files of ratings."""
    return re.fullmatch(r"(mv_\d+|combined_data_\d+)\.txt", basename) is not None


def read_blocks(place: Place, names: Sequence[str], *, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """Reads the ratings of all files, in their order.

    Raises:
        SourceError: a bad row, naming the file that it is in; a file that does not begin with an item.
    """

    @contextmanager
    def opener() -> Iterator[BinaryIO]:
        with place.open_each(names) as members:
            yield cast(BinaryIO, io.BufferedReader(_Joined(members), 1 << 22))

    return _fast(opener, scale) or _exact(place, names, opener, scale, on_bad_rows)


def read_titles(place: Place, name: str, on_bad_rows: OnBadRows) -> Catalogue:
    """``movie_titles.txt`` (``.csv`` at Kaggle): MovieID,Year,Title; a title may hold commas, a year be NULL."""
    ids, years, titles = [], [], []
    for number, line in enumerate(io.StringIO(decode(place.read(name)), newline=None), start=1):
        if not line.strip():
            continue
        fields = line.rstrip("\n").split(",", 2)
        if len(fields) == 3 and (fields[1].strip().isdigit() or fields[1].strip() == "NULL"):
            ids.append(fields[0])
            years.append(int(fields[1]) if fields[1].strip() != "NULL" else None)
            titles.append(fields[2].strip().removeprefix('"').removesuffix('"'))
        elif on_bad_rows == "error":
            raise SourceError(
                place.show(name),
                number,
                f"the line cannot be read: {shown(line.strip())}",
                "MovieID,Year,Title",
                "correct or delete the line",
            )
    return Catalogue.from_rows(ids, titles, years=years)


def _fast(opener: Opener, scale: Scale | None) -> Columns | None:
    """All blocks converted by Arrow in parallel; None when a row needs a second look."""
    import pyarrow as pa

    types = {0: pa.dictionary(pa.int32(), pa.string()), 1: pa.float32(), 2: pa.timestamp("us")}
    try:
        table = convert(opener, _LAYOUT, types, handler=None, threads=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    ids = coded(table["0"])
    heads = table["1"].is_null().to_numpy()
    if not len(table) or not heads[0] or heads.all() or bool((heads != table["2"].is_null().to_numpy()).any()):
        return None
    rows = ~heads
    values = table["1"].to_numpy()[rows]
    seconds = to_seconds(table["2"].drop_null())
    del table
    users = Coded(ids.index[rows], ids.names)
    items = Coded((np.cumsum(heads, dtype=np.int32) - 1)[rows], ids.names[ids.index[heads]])
    return Columns(users, items, values, seconds, len(values)) if plausible(users, items, values, scale) else None


def _exact(place: Place, names: Sequence[str], opener: Opener, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """The same, every row judged by its bytes."""
    import pyarrow as pa

    skipped = SkippedRows(_LAYOUT)
    table = as_bytes(str(place.root), opener, _LAYOUT, range(3), skipped)
    ids, stars, times = (table[name].to_numpy() for name in "012")
    heads = (stars == b"") & (times == b"")
    present = np.delete(np.arange(len(table) + len(skipped.absent)), skipped.absent)

    def locate(row: int) -> tuple[str, int]:
        for name in names:
            with place.open(name) as stream:
                line, met = line_of_row(stream, row)
            if line is not None:
                return place.show(name), line
            row -= met
        return str(place.root), 0

    if not len(heads) or not heads[0]:
        name, line = locate(int(present[0]) if len(present) else 0)
        first = shown(ids[0] if len(ids) else b"")
        raise SourceError(
            name,
            line,
            f"the first line names no movie but is {first}",
            "a line such as 1: before its ratings",
            "check that this is a file of the Netflix Prize, or choose another format",
        )
    rows = ~heads
    items = ids[heads][(np.cumsum(heads) - 1)[rows]]
    users, items, stars, times = (
        pa.chunked_array([pa.array(column, pa.binary())]) for column in (ids[rows], items, stars[rows], times[rows])
    )
    return check_rows(
        (users, items, stars, times),
        kind="date",
        scale=scale,
        on_bad_rows=on_bad_rows,
        locate=locate,
        absent_rows=np.sort(np.concatenate([np.array(skipped.absent, dtype=np.int64), present[heads]])),
        short_rows=skipped.rows,
        describe_short=skipped.describe,
        file=str(place.root),
    )


class _Joined(io.RawIOBase):
    """Several streams as one, with a line end after each in case its last line has none."""

    def __init__(self, members: Iterator[tuple[str, BinaryIO]]) -> None:
        self._members = members
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stream is None:
            found = next(self._members, None)
            if found is None:
                return 0
            self._stream = found[1]
        count = len(data := self._stream.read(len(buffer)))
        if not count:
            self._stream.close()
            self._stream = None
            data, count = b"\n", 1
        buffer[:count] = data
        return count
