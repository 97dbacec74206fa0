"""The Netflix Prize data in both layouts: ``training_set/mv_*.txt`` and Kaggle's ``combined_data_*.txt``.

Both consist of blocks, one for each item: a line ``ITEM:`` and then lines ``CustomerID,Rating,YYYY-MM-DD``. No other
line has a colon. So with two commas in place of each colon, the line of an item becomes a row without rating and date,
and Arrow reads the whole as one table at full speed. The item is then copied to the rows that follow.
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
from .archive import Archive
from .columns import Columns, OnBadRows, check_rows, coded, plausible, to_seconds
from .delimited import Layout, Opener, SkippedRows, as_bytes, convert, line_of_row
from .errors import SourceError, shown
from .movielens import decode

_LAYOUT = Layout(",", 3, 0, 0, 1, 2, kind="date", quoted=False, swap=(b":", b",,"), blanks=True)


def is_ratings_file(basename: str) -> bool:
    """Whether a name is one of those that Netflix and Kaggle gave the files of ratings."""
    return re.fullmatch(r"(mv_\d+|combined_data_\d+)\.txt", basename) is not None


def read_blocks(archive: Archive, names: Sequence[str], *, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """Reads the ratings of all files, in their order.

    Args:
        archive: where the files are.
        names: the files.
        scale: the ratings that are allowed; None for any.
        on_bad_rows: ``"error"`` stops at the first bad row; ``"skip"`` leaves bad rows out and counts them.

    Raises:
        SourceError: a row is bad, or a file does not begin with an item. The message names the file.
    """

    @contextmanager
    def opener() -> Iterator[BinaryIO]:
        with archive.open_each(names) as files:
            yield cast(BinaryIO, io.BufferedReader(_Joined(files), 1 << 22))

    return _fast(opener, scale) or _exact(archive, names, opener, scale, on_bad_rows)


def read_titles(archive: Archive, name: str, on_bad_rows: OnBadRows) -> Catalogue:
    """Titles as in ``movie_titles.txt``: MovieID,Year,Title. A title may contain commas, and a year may be NULL."""
    ids, years, titles = [], [], []
    for number, line in enumerate(io.StringIO(decode(archive.read(name)), newline=None), start=1):
        if not line.strip():
            continue
        fields = line.rstrip("\n").split(",", 2)
        if len(fields) == 3 and (fields[1].strip().isdigit() or fields[1].strip() == "NULL"):
            ids.append(fields[0])
            years.append(int(fields[1]) if fields[1].strip() != "NULL" else None)
            titles.append(fields[2].strip().removeprefix('"').removesuffix('"'))
        elif on_bad_rows == "error":
            raise SourceError(
                archive.show(name),
                number,
                f"the line cannot be read: {shown(line.strip())}",
                "MovieID,Year,Title",
                "correct or delete the line",
            )
    return Catalogue.from_rows(ids, titles, years=years)


def _fast(opener: Opener, scale: Scale | None) -> Columns | None:
    """Converts all blocks with Arrow in parallel; None when a row must be checked by itself."""
    import pyarrow as pa

    types = {0: pa.dictionary(pa.int32(), pa.string()), 1: pa.float32(), 2: pa.timestamp("us")}
    try:
        table = convert(opener, _LAYOUT, types, handler=None, threads=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    ids = coded(table["0"])
    is_item = table["1"].is_null().to_numpy()
    if not len(table) or not is_item[0] or is_item.all() or bool((is_item != table["2"].is_null().to_numpy()).any()):
        return None
    rows = ~is_item
    values = table["1"].to_numpy()[rows]
    seconds = to_seconds(table["2"].drop_null())
    del table
    users = Coded(ids.index[rows], ids.names)
    items = Coded((np.cumsum(is_item, dtype=np.int32) - 1)[rows], ids.names[ids.index[is_item]])
    return Columns(users, items, values, seconds, len(values)) if plausible(users, items, values, scale) else None


def _exact(
    archive: Archive, names: Sequence[str], opener: Opener, scale: Scale | None, on_bad_rows: OnBadRows
) -> Columns:
    """The same columns, with every row checked by its bytes."""
    import pyarrow as pa

    skipped = SkippedRows(_LAYOUT)
    table = as_bytes(str(archive.root), opener, _LAYOUT, range(3), skipped)
    ids, values, times = (table[name].to_numpy() for name in "012")
    is_item = (values == b"") & (times == b"")
    present = np.delete(np.arange(len(table) + len(skipped.absent)), skipped.absent)

    def locate(row: int) -> tuple[str, int]:
        for name in names:
            with archive.open(name) as stream:
                line, count = line_of_row(stream, row)
            if line is not None:
                return archive.show(name), line
            row -= count
        return str(archive.root), 0

    if not len(is_item) or not is_item[0]:
        name, line = locate(int(present[0]) if len(present) else 0)
        first = shown(ids[0] if len(ids) else b"")
        raise SourceError(
            name,
            line,
            f"the first line begins with {first} and names no movie",
            "a line such as 1: before its ratings",
            "check that this is a file of the Netflix Prize, or choose another format",
        )
    rows = ~is_item
    items = ids[is_item][(np.cumsum(is_item) - 1)[rows]]
    users, items, values, times = (
        pa.chunked_array([pa.array(column, pa.binary())]) for column in (ids[rows], items, values[rows], times[rows])
    )
    return check_rows(
        (users, items, values, times),
        kind="date",
        scale=scale,
        on_bad_rows=on_bad_rows,
        locate=locate,
        absent_rows=np.sort(np.concatenate([np.array(skipped.absent, dtype=np.int64), present[is_item]])),
        short_rows=skipped.rows,
        describe_short=skipped.describe,
        file=str(archive.root),
    )


class _Joined(io.RawIOBase):
    """Several streams as one, with a line end after each, because the last line of a file may have none."""

    def __init__(self, files: Iterator[tuple[str, BinaryIO]]) -> None:
        self._files = files
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stream is None:
            found = next(self._files, None)
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
