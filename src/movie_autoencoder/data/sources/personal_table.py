"""Tables of one person's films: rows of CSV text with their lines, and cells by the names of their columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .archive import Archive
from .errors import SourceError, shown


def read_rows(archive: Archive, name: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Reads the rows of a CSV file, the header included and blank lines left out.

    Args:
        archive: where the file is.
        name: which file.
        strict: whether quotes in the wrong place are an error; else they are read as they are.

    Yields:
        The line on which each row begins, and the cells of the row.

    Raises:
        SourceError: the file is not a text or not a table, or has more rows than the archive's limits allow.
    """
    where, limits = archive.show(name), archive.limits
    text = _decode(archive.read(name))
    if "\0" in text:
        raise SourceError(where, None, "it is not a text", limits.content, "check that this is the right file")
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "{")):
        raise SourceError(
            where,
            None,
            f"it is not a table, it starts with {shown(start[:20])}",
            limits.content,
            "download the export itself, not a page about it",
        )
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = "," if "," in first and "\t" not in first else max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    line, count = 1, 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
                count += 1
                limits.check_rows(where, line, count)
            line = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(
            where,
            line,
            f"the line cannot be split into fields ({error})",
            'fields between commas, quoted by "',
            "download the file again, or close the quotes on that line",
        ) from error


def _decode(data: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or else in the code page of Western Windows, as in older downloads."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


class Table:
    """Rows below a header.

    Args:
        where: the file in messages.
        header: names of the columns. Case, spaces and signs in them do not count.
        rows: the line and the cells of each row.
    """

    def __init__(self, where: str, header: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> None:
        self.where = where
        self.header = [name.strip() for name in header]
        self._columns = {plain(name): column for column, name in reversed(list(enumerate(self.header)))}
        self._rows = rows

    def has(self, *names: str) -> bool:
        """Whether the table has all of these columns."""
        return all(plain(name) in self._columns for name in names)

    def first(self, *names: str) -> str | None:
        """The first of these columns that the table has; None when it has none."""
        return next((name for name in names if plain(name) in self._columns), None)

    def __iter__(self) -> Iterator[Line]:
        """The rows.

        Raises:
            SourceError: a row has too few or too many cells.
        """
        for number, row in self._rows:
            if len(row) != len(self.header):
                raise SourceError(
                    self.where,
                    number,
                    f"the row has {len(row)} fields instead of {len(self.header)}: {shown(','.join(row))}",
                    ",".join(self.header),
                    "correct the line; quote a field that holds a comma",
                )
            yield Line(self.where, number, {name: row[column].strip() for name, column in self._columns.items()})


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Args:
        where: the file in messages.
        number: line of the file, the first being 1.
        cells: text by the plain name of the column.
    """

    where: str
    number: int
    cells: dict[str, str]

    def text(self, column: str | None) -> str:
        """The text in a column, ``""`` when there is no such column."""
        return "" if column is None else self.cells.get(plain(column), "")

    def stars(self, column: str | None, low: float, high: float) -> float | None:
        """The stars in a column; None when it is empty.

        Raises:
            SourceError: the text is not a number from ``low`` to ``high``.
        """
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise SourceError(
                self.where,
                self.number,
                f"the rating is {shown(text)}",
                f"a number from {low:g} to {high:g}, or nothing",
                "correct the line",
            )
        return value

    def year(self, column: str | None) -> int | None:
        """The year in a column; None when it is empty.

        Raises:
            SourceError: the text is not a year.
        """
        text = self.text(column)
        if not text or text.lower() in ("null", "nan", "none", "n/a", "-"):
            return None
        if text[:4].isdigit() and text[:4].isascii() and (len(text) == 4 or text[4] in ".-–/ "):
            return int(text[:4])
        raise SourceError(
            self.where, self.number, f"the year is {shown(text)}", "four digits, or nothing", "correct the line"
        )


def plain(name: str) -> str:
    """The name of a column as names are compared: in lower case, letters and digits only."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
