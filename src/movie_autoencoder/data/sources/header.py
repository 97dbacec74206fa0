"""The header of a table: how a text is laid out, and which column plays which part."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import SourceError, shown
from .places import Place

_SNIFF = 1 << 18  # bytes looked at to learn how a text is laid out

# Names are compared in lower case without spaces, dots, hyphens and underscores; the first that a table has is taken.
KNOWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user": (
        "userid",
        "user",
        "uid",
        "username",
        "customerid",
        "customer",
        "reviewerid",
        "reviewer",
        "memberid",
        "member",
        "accountid",
        "personid",
        "raterid",
        "rater",
        "critic",
        "u",
    ),
    "item": (
        "movieid",
        "itemid",
        "item",
        "movie",
        "iid",
        "mid",
        "filmid",
        "film",
        "imdbid",
        "tconst",
        "tmdbid",
        "productid",
        "product",
        "asin",
        "isbn",
        "bookid",
        "animeid",
        "showid",
        "id",
        "title",
        "i",
    ),
    "rating": (
        "rating",
        "ratings",
        "stars",
        "star",
        "score",
        "userrating",
        "bookrating",
        "overall",
        "reviewscore",
        "r",
    ),
    "timestamp": (
        "timestamp",
        "time",
        "unixtime",
        "unixreviewtime",
        "ts",
        "date",
        "datetime",
        "ratedat",
        "ratingdate",
        "daterated",
        "createdat",
        "reviewdate",
        "tstamp",
        "t",
    ),
}


@dataclass(frozen=True)
class Header:
    """The first lines of a text table.

    Args:
        names: names of the columns; ``"#1"``, ``"#2"``, … in a table that has no header.
        delimiter: the byte between fields.
        lines: lines before the first row of data.
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


def read_header(place: Place, name: str, columns: Mapping[str, str | None]) -> Header:
    """Learns the delimiter and the names of the columns from the beginning of a text.

    Raises:
        SourceError: the text is empty or no text at all.
    """
    data = place.read(name, _SNIFF)
    shown_name = place.show(name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = data[: error.start].decode("utf-8-sig", errors="replace")
        if len(data) - error.start > 4 and "\n" not in text:  # not merely a character cut in two at the end
            raise _no_text(shown_name, data) from None
    if "\0" in text:
        raise _no_text(shown_name, data)
    lines = text.splitlines()
    if len(data) == _SNIFF and len(lines) > 2:
        lines.pop()  # the last one may be cut
    blank = next((index for index, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise SourceError(
            shown_name, None, "the file is empty", "a header and at least one row", "check that this is the right file"
        )
    first = lines[blank]
    delimiter = max(",\t;|", key=lambda one: (len(_fields(first, one, True)), -",\t;|".index(one)))
    # Line ends within quotes cost time to look for: so only where a row, not merely the header, shows quotes at all.
    edge = re.escape(delimiter)
    in_quotes = re.compile(rf'(?m)(?:^|{edge}) ?"(?:[^"]|"")*" ?(?:{edge}|$)')
    multiline = in_quotes.search("\n".join(lines[blank + 1 :])) is not None
    # In a TSV a lone " is more often an inch than a quote.
    quoted = delimiter == "," or multiline or in_quotes.search(first) is not None
    names = tuple(field.strip() for field in _fields(first, delimiter, quoted))
    rows = [tuple(_fields(line, delimiter, quoted)) for line in lines[blank + 1 : blank + 101] if line.strip()]
    if any(re.fullmatch(r"#\d+", column or "") for column in columns.values()):  # positions: there is no header
        places = tuple(f"#{place}" for place in range(1, len(names) + 1))
        return Header(places, delimiter, blank, (names, *rows), quoted, multiline)
    return Header(names, delimiter, blank + 1, tuple(rows), quoted, multiline)


def choose_columns(
    names: Sequence[str], columns: Mapping[str, str | None], file: str, *, example: Sequence[str]
) -> dict[str, str]:
    """The column that plays each role: the one that was named, else the first known name that the table has.

    Args:
        names: columns of the table.
        columns: column by role (user, item, rating, timestamp); ``"-"`` leaves the timestamp out.
        file: name of the table for messages.
        example: fields of the first row.

    Returns:
        Column by role; ``"timestamp"`` is missing when there is none.

    Raises:
        SourceError: a column is missing.
    """
    unknown = set(columns) - set(KNOWN_COLUMNS)
    if unknown:
        raise ValueError(f"columns may name {', '.join(KNOWN_COLUMNS)}. Received: {', '.join(sorted(unknown))}.")
    plain = plain_names(names)
    chosen: dict[str, str] = {}
    for role, known in KNOWN_COLUMNS.items():
        wanted = columns.get(role)
        if wanted == "-" and role == "timestamp":
            continue
        found = wanted if wanted in names else None
        if not wanted:
            found = next((plain[one] for one in known if one in plain), None)
        if found:
            chosen[role] = found
        elif wanted or role != "timestamp":
            raise _no_column(role, wanted, names, file, example)
    return chosen


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """Names of columns by what is compared: lower case, without spaces, dots, hyphens and underscores."""
    return {re.sub(r"[\s_.\-]", "", name).lower(): name for name in reversed(names)}


def _no_column(role: str, wanted: str | None, names: Sequence[str], file: str, example: Sequence[str]) -> SourceError:
    listed = ", ".join(shown(name, 30) for name in names[:12]) + (", …" if len(names) > 12 else "")
    if len(names) > 2 and all(re.fullmatch(r"\s*-?[\d.]+\s*", name) for name in names):
        return SourceError(
            file,
            1,
            f"the first line is no header but data ({listed})",
            "a line with the names of the columns",
            "add one, or give positions: --set data.user_column=#1 --set data.item_column=#2 "
            "--set data.rating_column=#3",
        )
    return SourceError(
        file,
        1,
        f"there is no {f'column {wanted!r}' if wanted else f'{role} column'}; the columns are {listed}",
        f"a {role} column named {', '.join(KNOWN_COLUMNS[role][:4])}, …" if not wanted else "one of these columns",
        f"give it that name, or in training say --set data.{role}_column=NAME",
    )


def _no_text(file: str, data: bytes) -> SourceError:
    return SourceError(
        file,
        1,
        f"this is no UTF-8 text (it begins with {data[:8]!r})",
        "CSV, TSV or Parquet, text in UTF-8",
        "save it as CSV in UTF-8, or check that this is the right file",
    )


def _fields(line: str, delimiter: str, quoted: bool) -> list[str]:
    if not quoted or len(line) > csv.field_size_limit():
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])
