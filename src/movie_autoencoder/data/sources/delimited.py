"""Ratings from delimited text (CSV, TSV, ``::``, Netflix blocks): fast for good text, exact for text with bad rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..scale import Scale
from .columns import Columns, OnBadRows, TimeKind, check_rows, coded, plausible, to_seconds
from .errors import SourceError, shown

if TYPE_CHECKING:
    import pyarrow as pa

COLONS = (b"::", b"\t")  # the delimiter of Arrow is a single byte


@dataclass(frozen=True)
class Layout:
    """The layout of a text.

    Args:
        delimiter: one byte between fields.
        width: number of fields in a row.
        user, item, rating, time: position of each field, counted from 0; ``rating`` and ``time`` are None where
            there is none.
        kind: how times are written.
        header_lines: number of lines before the first row.
        quoted: whether ``"`` quotes fields.
        multiline: whether a quoted field may hold line ends.
        decimal_point: ``"."`` or ``","``.
        swap: bytes to replace before anything else, and their replacement.
        blanks: whether an empty number or time is a missing value; else it is an error.
        block_bytes: size of the blocks that Arrow converts, bytes.
    """

    delimiter: str
    width: int
    user: int
    item: int
    rating: int | None
    time: int | None = None
    kind: TimeKind = "seconds"
    header_lines: int = 0
    quoted: bool = True
    multiline: bool = False
    decimal_point: str = "."
    swap: tuple[bytes, bytes] | None = None
    blanks: bool = False
    block_bytes: int = 4 << 20

    @property
    def fields(self) -> tuple[int, int, int | None, int | None]:
        """Positions of user, item, rating and time."""
        return self.user, self.item, self.rating, self.time


Opener = Callable[[], AbstractContextManager[BinaryIO]]


def read_delimited(
    name: str, opener: Opener, layout: Layout, *, scale: Scale | None = None, on_bad_rows: OnBadRows = "error"
) -> Columns:
    """Reads the ratings of one text.

    Args:
        name: the file in messages.
        opener: opens the bytes of the text; it may be called several times.
        layout: layout of the text.
        scale: the ratings that are allowed; None for any.
        on_bad_rows: ``"error"`` stops at the first bad row; ``"skip"`` leaves bad rows out and counts them.

    Raises:
        SourceError: a row is bad (with ``"error"``), more rows are bad than good, or no row is good.
    """
    return _fast(opener, layout, scale, on_bad_rows) or _exact(name, opener, layout, scale, on_bad_rows)


def _fast(opener: Opener, layout: Layout, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns | None:
    """Converts whole columns with Arrow in parallel; None when a row must be checked by itself."""
    import pyarrow as pa

    ids = pa.dictionary(pa.int32(), pa.string())  # half the memory of int64, and it keeps leading zeros
    times = {
        "seconds": pa.int64(),
        "number": pa.float64(),
        "date": pa.timestamp("us"),
        "zoned": pa.timestamp("us", "UTC"),
    }
    types = {layout.user: ids, layout.item: ids}
    if layout.rating is not None:
        types[layout.rating] = pa.float32()
    if layout.time is not None:
        types[layout.time] = times[layout.kind]
    skipped = SkippedRows(layout)
    try:
        table = convert(opener, layout, types, handler=skipped if on_bad_rows == "skip" else None, threads=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    num_rows = len(table) + skipped.count
    if not len(table) or 2 * skipped.count > num_rows:
        return None
    users, table = coded(table[str(layout.user)]), table.drop_columns([str(layout.user)])
    items, table = coded(table[str(layout.item)]), table.drop_columns([str(layout.item)])
    values = None if layout.rating is None else table[str(layout.rating)].to_numpy()
    if not plausible(users, items, values, scale):
        return None
    seconds = None if layout.time is None else to_seconds(table[str(layout.time)])
    return Columns(users, items, values, seconds, num_rows, skipped.count)


def _exact(name: str, opener: Opener, layout: Layout, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """The same columns, with every cell checked by its bytes."""
    positions = [position for position in layout.fields if position is not None]
    layout = replace(layout, multiline=layout.quoted)  # the first quotes may come after the lines that were sniffed
    skipped = SkippedRows(layout)
    table = as_bytes(name, opener, layout, positions, skipped)

    def column(position: int | None) -> Any:
        if position is None:
            return None
        cells = table[str(position)]
        if position == layout.rating and layout.decimal_point != ".":
            import pyarrow.compute as pc

            cells = pc.replace_substring(cells, layout.decimal_point, ".")
        return cells

    def locate(row: int) -> tuple[str, int]:
        with opener() as stream:
            line, _ = line_of_row(stream, row, header_lines=layout.header_lines, multiline=layout.multiline)
        return name, line or 0

    user, item, rating, time = (column(position) for position in layout.fields)
    return check_rows(
        (user, item, rating, time),
        kind=layout.kind,
        scale=scale,
        on_bad_rows=on_bad_rows,
        locate=locate,
        absent_rows=np.array(skipped.absent, dtype=np.int64),
        short_rows=skipped.rows,
        describe_short=skipped.describe,
        file=name,
    )


def as_bytes(name: str, opener: Opener, layout: Layout, positions: Iterable[int], skipped: SkippedRows) -> pa.Table:
    """Some fields of every row as bytes, rows in order. ``skipped`` collects the rows of a wrong width."""
    import pyarrow as pa

    try:
        return convert(opener, layout, dict.fromkeys(positions, pa.binary()), handler=skipped, threads=False)
    except pa.ArrowInvalid as error:  # a line longer than a block, for one
        raise SourceError(
            name,
            None,
            f"it cannot be split into rows and fields ({str(error).splitlines()[0]})",
            "one rating in each line, fields between commas, tabs or the like",
            "check that this is the right file",
        ) from error


class SkippedRows:
    """Arrow calls this for every row with too few or too many fields. Blank lines do not count as bad rows."""

    def __init__(self, layout: Layout) -> None:
        self.header_lines = layout.header_lines
        self.swap = layout.swap
        self.count = 0
        self.absent: list[int] = []
        self.rows: list[int] = []
        self.texts: dict[int, str] = {}

    def __call__(self, row: Any) -> str:
        blank = not row.text.strip()
        self.count += not blank
        if row.number is not None:  # Arrow counts rows only when it reads in one thread
            number = row.number - self.header_lines - 1
            self.absent.append(number)
            if blank:
                return "skip"
            self.rows.append(number)
            if len(self.texts) < 2:
                fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
                text = row.text.replace("\t", "::") if self.swap == COLONS else row.text
                self.texts[number] = f"the row has {fields} instead of {row.expected_columns}: {shown(text)}"
        return "skip"

    def describe(self, row: int) -> str:
        return self.texts[row]


def convert(
    opener: Opener, layout: Layout, types: Mapping[int, pa.DataType], *, handler: Any, threads: bool
) -> pa.Table:
    """Converts some fields of every row.

    Args:
        opener: opens the bytes of the text.
        layout: layout of the text.
        types: Arrow's type by the position of each wanted field.
        handler: called for rows of a wrong width; None makes them an error.
        threads: whether Arrow may use all processors; rows then reach ``handler`` in any order.

    Returns:
        A table whose columns are named by their position.
    """
    from pyarrow import csv

    with opener() as stream, stream:
        return csv.read_csv(
            _Swapped(stream, *layout.swap) if layout.swap else stream,
            read_options=csv.ReadOptions(
                use_threads=threads,
                block_size=layout.block_bytes,
                skip_rows=layout.header_lines,
                column_names=[str(position) for position in range(layout.width)],
            ),
            parse_options=csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quoted else False,
                newlines_in_values=layout.multiline,
                invalid_row_handler=handler,
            ),
            convert_options=csv.ConvertOptions(
                column_types={str(position): type_ for position, type_ in types.items()},
                include_columns=[str(position) for position in types],
                null_values=[""] if layout.blanks else [],
                strings_can_be_null=False,
                decimal_point=layout.decimal_point,
            ),
        )


class _Swapped(io.RawIOBase):
    """A stream in which ``new`` replaces every ``old``, block by block."""

    def __init__(self, stream: BinaryIO, old: bytes, new: bytes) -> None:
        self._stream, self._old, self._new = stream, old, new
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        data = (self._rest + block).replace(self._old, self._new)
        # The last bytes may be the beginning of an `old` that the next block completes.
        keep = len(self._old) - 1 if block else 0
        while keep and not (len(data) >= keep and self._old.startswith(data[-keep:])):
            keep -= 1
        self._rest = data[len(data) - keep :]
        data = data[: len(data) - keep]
        return data or (self.read(size) if block else b"")


def line_of_row(
    stream: BinaryIO, row: int, *, header_lines: int = 0, multiline: bool = False
) -> tuple[int | None, int]:
    """Finds the line on which a row begins.

    Rows are counted as Arrow counts them, without empty lines. This is a loop in Python, so it runs only for the
    message of an error.

    Args:
        stream: bytes of the text.
        row: number of the row, counted from 0.
        header_lines: number of lines before the first row.
        multiline: whether a quoted field may hold line ends.

    Returns:
        The line, the first being 1, and the number of rows up to it; None and the number of all rows when the text has
        fewer.
    """
    inside = False  # a quoted field that continues on the next line
    count = 0
    with io.TextIOWrapper(stream, encoding="latin-1", newline=None) as lines:
        for number, line in enumerate(lines, start=1):
            if number <= header_lines or (line == "\n" and not inside):
                continue
            if not inside:
                count += 1
                if count > row:
                    return number, count
            if multiline and line.count('"') % 2:
                inside = not inside
    return None, count
