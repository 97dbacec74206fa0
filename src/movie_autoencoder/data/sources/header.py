"""The header of a table: the layout of the text, and the role of each column."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .archive import Archive
from .errors import SourceError, shown

_SNIFFED_BYTES = 1 << 18  # bytes at the beginning that decide the layout

# Names are compared in lower case without spaces, dots, hyphens and underscores; the first that a table has counts.
KNOWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    role: tuple(names.split())
    for role, names in {
        "user": "userid user uid username customerid customer reviewerid reviewer memberid member accountid personid "
        "raterid rater critic u",
        "item": "movieid itemid item movie iid mid filmid film imdbid tconst tmdbid productid product asin isbn "
        "bookid animeid showid id title i",
        "rating": "rating ratings stars star score userrating bookrating overall reviewscore r",
        "timestamp": "timestamp time unixtime unixreviewtime ts date datetime ratedat ratingdate daterated createdat "
        "reviewdate tstamp t",
    }.items()
}


@dataclass(frozen=True)
class Header:
    """The layout of a text table, and its first rows.

    Args:
        names: names of the columns; ``"#1"``, ``"#2"``, … in a table without a header.
        delimiter: the character between fields.
        lines: number of lines before the first row.
        rows: fields of the first rows, as text.
        quoted: whether ``"`` quotes fields.
        multiline: whether a quoted field may hold line ends.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    rows: tuple[tuple[str, ...], ...]
    quoted: bool
    multiline: bool


def read_header(archive: Archive, name: str, columns: Mapping[str, str | None]) -> Header:
    """Reads the layout and the names of the columns from the beginning of a text.

    Args:
        archive: where the text is.
        name: its file.
        columns: column by role that the user named; positions such as ``"#1"`` mean that there is no header.

    Raises:
        SourceError: the file is empty or is not a text in UTF-8.
    """
    data = archive.read(name, _SNIFFED_BYTES)
    shown_name = archive.show(name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = data[: error.start].decode("utf-8-sig", errors="replace")
        if len(data) - error.start > 4 and "\n" not in text:  # more than a character cut in two at the end
            raise _no_text(shown_name, data) from None
    if "\0" in text:
        raise _no_text(shown_name, data)
    lines = text.splitlines()
    if len(data) == _SNIFFED_BYTES and len(lines) > 2:
        lines.pop()  # the last line may be incomplete
    blank = next((index for index, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise SourceError(
            shown_name, None, "the file is empty", "a header and at least one row", "check that this is the right file"
        )
    first = lines[blank]
    delimiter = max(",\t;|", key=lambda one: (len(_fields(first, one, True)), -",\t;|".index(one)))
    # Arrow reads more slowly when quoted fields may hold line ends, so this is on only when a row shows quotes.
    edge = re.escape(delimiter)
    in_quotes = re.compile(rf'(?m)(?:^|{edge}) ?"(?:[^"]|"")*" ?(?:{edge}|$)')
    multiline = in_quotes.search("\n".join(lines[blank + 1 :])) is not None
    # In a TSV, a single " more often means inches than a quote.
    quoted = delimiter == "," or multiline or in_quotes.search(first) is not None
    names = tuple(field.strip() for field in _fields(first, delimiter, quoted))
    rows = [tuple(_fields(line, delimiter, quoted)) for line in lines[blank + 1 : blank + 101] if line.strip()]
    if any(re.fullmatch(r"#\d+", column or "") for column in columns.values()):
        positions = tuple(f"#{position}" for position in range(1, len(names) + 1))
        return Header(positions, delimiter, blank, (names, *rows), quoted, multiline)
    return Header(names, delimiter, blank + 1, tuple(rows), quoted, multiline)


def choose_columns(names: Sequence[str], columns: Mapping[str, str | None], file: str) -> dict[str, str]:
    """Chooses a column for each role: the one that the user named, or else the first known name that the table has.

    Args:
        names: columns of the table.
        columns: column by role (user, item, rating, timestamp) that the user named; ``"-"`` leaves the timestamp or the
            rating out.
        file: the table in messages.

    Returns:
        Column by role, without ``"timestamp"`` when there is none, and without ``"rating"`` for pairs of user and item:
        a table whose only columns are those of user, item and time.

    Raises:
        SourceError: a column is missing.
        ValueError: ``columns`` has an unknown role.
    """
    unknown = set(columns) - set(KNOWN_COLUMNS)
    if unknown:
        raise ValueError(f"columns may name {', '.join(KNOWN_COLUMNS)}. Received: {', '.join(sorted(unknown))}.")
    plain = plain_names(names)
    chosen: dict[str, str] = {}
    for role, known in KNOWN_COLUMNS.items():
        wanted = columns.get(role)
        if wanted == "-" and role in ("rating", "timestamp"):
            continue
        found = wanted if wanted in names else None
        if not wanted:
            found = next((plain[one] for one in known if one in plain), None)
        if found:
            chosen[role] = found
        elif wanted or role not in ("rating", "timestamp"):
            raise _no_column(role, wanted, names, file)
    if "rating" not in chosen and columns.get("rating") != "-" and len(set(names) - set(chosen.values())):
        raise _no_column("rating", None, names, file)
    return chosen


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """The names of columns by the form in which they are compared: see `KNOWN_COLUMNS`."""
    return {re.sub(r"[\s_.\-]", "", name).lower(): name for name in reversed(names)}


def _no_column(role: str, wanted: str | None, names: Sequence[str], file: str) -> SourceError:
    listed = ", ".join(shown(name, 30) for name in names[:12]) + (", …" if len(names) > 12 else "")
    if len(names) > 1 and all(re.fullmatch(r"\s*-?[\d.]+\s*", name) for name in names):
        return SourceError(
            file,
            1,
            f"the first line is data and not a header ({listed})",
            "a line with the names of the columns",
            "add one, or give positions: --set data.user_column=#1 --set data.item_column=#2"
            + (" --set data.rating_column=#3" if len(names) > 2 else ""),
        )
    return SourceError(
        file,
        1,
        f"there is no {f'column {wanted!r}' if wanted else f'{role} column'}; the columns are {listed}",
        f"a {role} column named {', '.join(KNOWN_COLUMNS[role][:4])}, …" if not wanted else "one of these columns",
        f"give it that name, or in training say --set data.{role}_column=NAME"
        + ("; --set data.rating_column=- for pairs without ratings" if role == "rating" else ""),
    )


def _no_text(file: str, data: bytes) -> SourceError:
    return SourceError(
        file,
        1,
        f"this is not UTF-8 text (it begins with {data[:8]!r})",
        "CSV, TSV or Parquet, text in UTF-8",
        "save it as CSV in UTF-8, or check that this is the right file",
    )


def _fields(line: str, delimiter: str, quoted: bool) -> list[str]:
    if not quoted or len(line) > csv.field_size_limit():
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])
