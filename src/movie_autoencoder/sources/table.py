"""Ratings from tables with recognisable columns: CSV, TSV, Parquet, and a pandas DataFrame in memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..catalogue import Catalogue
from ..ratings import Scale
from .columns import Columns, OnBadRows, check_rows, coded, plausible, time_kind, to_seconds
from .delimited import Layout, SkippedRows, convert, read_delimited
from .errors import SourceError, shown
from .places import Place

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".base", ".test", ".tab", ".parquet", ".pq")
_SNIFF = 1 << 18  # bytes looked at to learn how a text is laid out

# Names are compared in lower case without spaces, dots, hyphens and underscores; the first that a table has is taken.
KNOWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user": (
        "userid", "user", "uid", "username", "customerid", "customer", "reviewerid", "reviewer", "memberid", "member",
        "accountid", "personid", "raterid", "rater", "critic", "u",
    ),
    "item": (
        "movieid", "itemid", "item", "movie", "iid", "mid", "filmid", "film", "imdbid", "tconst", "tmdbid", "productid",
        "product", "asin", "isbn", "bookid", "animeid", "showid", "id", "title", "i",
    ),
    "rating": ("rating", "ratings", "stars", "star", "score", "userrating", "bookrating", "overall", "reviewscore", "r"),
    "timestamp": (
        "timestamp", "time", "unixtime", "unixreviewtime", "ts", "date", "datetime", "ratedat", "ratingdate",
        "daterated", "createdat", "reviewdate", "tstamp", "t",
    ),
}

TITLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "movietitle", "itemtitle", "name", "moviename", "itemname", "filmtitle"),
    "year": ("year", "releaseyear", "movieyear"),
    "genres": ("genres", "genre"),
    "imdb": ("imdbid", "tconst", "const"),
    "tmdb": ("tmdbid",),
}


@dataclass(frozen=True)
class Header:
    """The first lines of a text table.

    Args:
        names: names of the columns; ``"1"``, ``"2"``, … in a table that has no header.
        delimiter: the byte between fields.
        lines: lines before the first row of data.
        rows: fields of the first rows, as text.
        quoted: whether quotes occur.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    rows: tuple[tuple[str, ...], ...]
    quoted: bool


def read_table(
    place: Place, name: str, *, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> tuple[Columns, str]:
    """Reads the ratings in one CSV, TSV or Parquet file; also returns the name of its format."""
    start = place.read(name, 4)
    if start == b"PAR1":
        return _read_parquet(place, name, scale, columns, on_bad_rows), "parquet"
    header = read_header(place, name, columns)
    chosen = choose_columns(header.names, columns, place.show(name), example=header.rows[0] if header.rows else ())
    if not header.rows:
        raise SourceError(
            place.show(name), None, "there is a header but no rating", "at least one row", "check that this is the right file"
        )
    position = {role: header.names.index(column) for role, column in chosen.items()}
    time = position.get("timestamp")
    stars = [row[position["rating"]] for row in header.rows if len(row) > position["rating"]]
    layout = Layout(
        header.delimiter, len(header.names), position["user"], position["item"], position["rating"], time,
        kind="seconds" if time is None else time_kind(row[time] for row in header.rows if len(row) > time),
        header_lines=header.lines, quoted=header.quoted, multiline=header.quoted,
        decimal_point="," if header.delimiter != "," and any(re.fullmatch(r"\s*-?\d+,\d+\s*", star) for star in stars) else ".",
    )
    read = read_delimited(place.show(name), lambda: place.open(name), layout, scale=scale, on_bad_rows=on_bad_rows)
    return read, "tsv" if header.delimiter == "\t" else "csv"


def read_frame(
    frame: pd.DataFrame, *, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> Columns:
    """Reads the ratings in a DataFrame; rows in messages are counted from 1, whatever its index."""
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    chosen = choose_columns(names, columns, "DataFrame", example=())
    arrays = {}
    for role, name in chosen.items():
        series = frame.iloc[:, names.index(name)]
        try:
            arrays[role] = pa.chunked_array([pa.Array.from_pandas(series)])
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column of mixed types: judged by its text
            arrays[role] = pa.chunked_array([pa.array([None if _missing(one) else str(one) for one in series], pa.string())])
    return _from_arrow("DataFrame", arrays, scale, on_bad_rows)


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
    if len(data) == _SNIFF and len(lines) > 1:
        lines.pop()  # the last one may be cut
    blank = next((index for index, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise SourceError(shown_name, None, "the file is empty", "a header and at least one row", "check that this is the right file")
    quoted = '"' in text
    first = lines[blank]
    delimiter = max(",\t;|", key=lambda one: (len(_fields(first, one, quoted)), -",\t;|".index(one)))
    names = tuple(field.strip() for field in _fields(first, delimiter, quoted))
    rows = [tuple(_fields(line, delimiter, quoted)) for line in lines[blank + 1 : blank + 101] if line.strip()]
    given = [column for column in columns.values() if column]
    if given and all(column.isdigit() and column not in names for column in given):  # positions: there is no header
        return Header(tuple(str(place) for place in range(1, len(names) + 1)), delimiter, 0, (names, *rows), quoted)
    return Header(names, delimiter, blank + 1, tuple(rows), quoted)


def choose_columns(
    names: Sequence[str], columns: Mapping[str, str | None], file: str, *, example: Sequence[str]
) -> dict[str, str]:
    """The column that plays each role: the one that was named, else the first known name that the table has.

    Args:
        names: columns of the table.
        columns: column by role (user, item, rating, timestamp); ``"none"`` leaves the timestamp out.
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
    plain = _plain(names)
    chosen: dict[str, str] = {}
    for role, known in KNOWN_COLUMNS.items():
        wanted = columns.get(role)
        if wanted and wanted.lower() == "none" and role == "timestamp":
            continue
        found = (wanted if wanted in names else None) if wanted else next((plain[one] for one in known if one in plain), None)
        if found:
            chosen[role] = found
        elif wanted or role != "timestamp":
            raise _no_column(role, wanted, names, file, example)
    return chosen


def titles_within(place: Place, name: str, columns: Mapping[str, str | None]) -> Catalogue | None:
    """The titles (and years, genres, links) that stand in a table, be it one of ratings; None when it has none."""
    import pyarrow as pa

    if place.read(name, 4) == b"PAR1":
        names: Sequence[str] = _parquet(place, name).schema_arrow.names
    else:
        header = read_header(place, name, columns)
        names = header.names
    plain = _plain(names)
    item = columns.get("item") or next((plain[one] for one in KNOWN_COLUMNS["item"] if one in plain), None)
    roles = {role: next((plain[one] for one in known if one in plain), None) for role, known in TITLE_COLUMNS.items()}
    if item not in names or roles["title"] in (None, item):
        return None
    wanted = [item, *(column for column in roles.values() if column is not None and column != item)]
    if place.read(name, 4) == b"PAR1":
        read = _parquet(place, name).read(columns=wanted)
    else:
        layout = Layout(
            header.delimiter, len(names), 0, 0, 0, header_lines=header.lines, quoted=header.quoted, multiline=header.quoted
        )
        places = [header.names.index(column) for column in wanted]
        read = convert(
            lambda: place.open(name), layout, dict.fromkeys(places, pa.binary()), handler=SkippedRows(0), threads=True
        ).rename_columns(wanted)
    item_column = read[item].cast("string").dictionary_encode().unify_dictionaries().combine_chunks()
    last = np.zeros(len(item_column.dictionary), dtype=np.int64)
    last[item_column.indices.to_numpy()] = np.arange(len(item_column))  # of several rows for an item the last one stays
    rows = read.take(last)

    def texts(role: str) -> list[str] | None:
        column = roles[role]
        return None if column is None else ["" if one is None else _text(one) for one in rows[column].to_pylist()]

    years = texts("year")
    return Catalogue.from_rows(
        [_text(one) for one in rows[item].to_pylist()], texts("title") or [],
        years=None if years is None else [int(float(year)) if re.fullmatch(r"\d{4}(\.0)?", year) else None for year in years],
        genres=texts("genres"), imdb_ids=texts("imdb"), tmdb_ids=texts("tmdb"),
    )


def _plain(names: Sequence[str]) -> dict[str, str]:
    """Names of columns by what is compared: lower case, without spaces, dots, hyphens and underscores."""
    return {re.sub(r"[\s_.\-]", "", name).lower(): name for name in reversed(names)}


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _no_column(role: str, wanted: str | None, names: Sequence[str], file: str, example: Sequence[str]) -> SourceError:
    listed = ", ".join(shown(name, 30) for name in names[:12]) + (", …" if len(names) > 12 else "")
    if len(names) > 2 and all(re.fullmatch(r"\s*-?[\d.]+\s*", name) for name in names):
        return SourceError(
            file, 1, f"the first line is no header but data ({listed})", "a line with the names of the columns",
            "add one, or give positions: --set data.user_column=1 --set data.item_column=2 --set data.rating_column=3",
        )
    return SourceError(
        file, 1, f"there is no {f'column {wanted!r}' if wanted else f'{role} column'}; the columns are {listed}",
        f"a {role} column named {', '.join(KNOWN_COLUMNS[role][:4])}, …" if not wanted else "one of these columns",
        f"name it with --set data.{role}_column=NAME",
    )


def _no_text(file: str, data: bytes) -> SourceError:
    return SourceError(
        file, 1, f"this is no UTF-8 text (it begins with {data[:8]!r})", "CSV, TSV or Parquet, text in UTF-8",
        "save it as CSV in UTF-8, or check that this is the right file",
    )


def _fields(line: str, delimiter: str, quoted: bool) -> list[str]:
    if not quoted:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])


def _missing(value: Any) -> bool:
    return value is None or value != value or str(value) == "<NA>"


def _read_parquet(
    place: Place, name: str, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> Columns:
    import pyarrow as pa

    file = place.show(name)
    table = _parquet(place, name)
    chosen = choose_columns(table.schema_arrow.names, columns, file, example=())
    try:
        read = table.read(columns=list(chosen.values()))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error
    return _from_arrow(file, {role: read[column] for role, column in chosen.items()}, scale, on_bad_rows)


def _parquet(place: Place, name: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    path = place.path(name)
    try:
        return parquet.ParquetFile(path if path is not None else pa.BufferReader(place.read(name)))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(place.show(name), error) from error


def _damaged(file: str, error: Exception) -> SourceError:
    return SourceError(
        file, None, f"the Parquet file is damaged or incomplete ({error})", "a whole Parquet file", "download or write it again"
    )


def _from_arrow(
    file: str, arrays: dict[str, pa.ChunkedArray], scale: Scale | None, on_bad_rows: OnBadRows
) -> Columns:
    import pyarrow as pa

    if not len(arrays["user"]):
        raise SourceError(file, None, "there is no rating in it", "at least one row", "check that this is the right table")
    try:
        return _converted(arrays, scale) or _judged(file, arrays, scale, on_bad_rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _judged(file, arrays, scale, on_bad_rows)


def _converted(arrays: dict[str, pa.ChunkedArray], scale: Scale | None) -> Columns | None:
    """The columns converted whole; None when a row needs a second look."""
    import pyarrow as pa

    if any(array.null_count for array in arrays.values()):
        return None
    time = arrays.get("timestamp")
    if time is not None and not (pa.types.is_temporal(time.type) or pa.types.is_integer(time.type)):
        return None
    users, items = (coded(_as_text(arrays[role])) for role in ("user", "item"))
    values = arrays["rating"].cast(pa.float32(), safe=False).to_numpy()
    if not plausible(users, items, values, scale):
        return None
    return Columns(users, items, values, None if time is None else to_seconds(time), len(values))


def _judged(file: str, arrays: dict[str, pa.ChunkedArray], scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    import pyarrow as pa

    time = arrays.get("timestamp")
    if time is not None and pa.types.is_temporal(time.type):
        zoned = getattr(time.type, "tz", None)
        time = pa.chunked_array([to_seconds(time.fill_null(0))], pa.int64()) if not time.null_count else time
        time = time if not pa.types.is_temporal(time.type) else time.cast(pa.timestamp("s", zoned))
    cells = [
        None if array is None else _as_text(array).cast(pa.binary())
        for array in (arrays["user"], arrays["item"], arrays["rating"], time)
    ]
    kind = "seconds" if time is None else time_kind(
        one.decode("utf-8", "replace") for one in cast("pa.ChunkedArray", cells[3])[:100].to_pylist() if one
    )
    user, item, rating, moment = cells
    return check_rows(
        (user, item, rating, moment), kind=kind, scale=scale, on_bad_rows=on_bad_rows,
        locate=lambda row: (file, row + 1), unit="row", file=file,
    )


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of ids or numbers as dictionary or text; whole floats lose their ``.0``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        if bool(np.all(np.isnan(numbers) | (np.mod(numbers, 1) == 0))) and bool((np.abs(numbers[~np.isnan(numbers)]) < 1e15).all()):
            whole = pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(numbers))
            return pc.cast(pa.chunked_array([whole]), pa.string())
    if pa.types.is_integer(column.type):
        encoded = column.dictionary_encode().unify_dictionaries()
        chunks = [pa.DictionaryArray.from_arrays(one.indices, one.dictionary.cast(pa.string())) for one in encoded.chunks]
        return pa.chunked_array(chunks)
    return column.cast(pa.string())
