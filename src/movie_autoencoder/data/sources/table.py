"""Ratings and titles from tables whose columns have known names: CSV, TSV, Parquet, and a pandas DataFrame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..catalogue import Catalogue
from ..scale import Scale
from .archive import Archive
from .columns import Columns, OnBadRows, check_rows, coded, plausible, time_kind, to_seconds
from .delimited import Layout, SkippedRows, convert, read_delimited
from .errors import SourceError
from .header import KNOWN_COLUMNS, choose_columns, plain_names, read_header

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TITLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "movietitle", "itemtitle", "name", "moviename", "itemname", "filmtitle"),
    "year": ("year", "releaseyear", "movieyear"),
    "genres": ("genres", "genre"),
    "imdb": ("imdbid", "tconst", "const"),
    "tmdb": ("tmdbid",),
}


def read_table(
    archive: Archive, name: str, *, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> tuple[Columns, str]:
    """Reads the ratings of a CSV, TSV or Parquet file.

    Args:
        archive: where the file is.
        name: its name.
        scale: the ratings that are allowed; None for any.
        columns: column by role that the user named.
        on_bad_rows: ``"error"`` stops at the first bad row; ``"skip"`` leaves bad rows out and counts them.

    Returns:
        The columns, and the name of the format.

    Raises:
        SourceError: a column is missing, a row is bad, or the file is damaged or empty.
    """
    start = archive.read(name, 4)
    if start == b"PAR1":
        return _read_parquet(archive, name, scale, columns, on_bad_rows), "parquet"
    header = read_header(archive, name, columns)
    chosen = choose_columns(header.names, columns, archive.show(name))
    if not header.rows:
        raise SourceError(
            archive.show(name),
            None,
            "there is a header but no rating",
            "at least one row",
            "check that this is the right file",
        )
    position = {role: header.names.index(column) for role, column in chosen.items()}
    time = position.get("timestamp")
    rating = position.get("rating")
    values = [] if rating is None else [row[rating] for row in header.rows if len(row) > rating]
    layout = Layout(
        header.delimiter,
        len(header.names),
        position["user"],
        position["item"],
        rating,
        time,
        kind="seconds" if time is None else time_kind(row[time] for row in header.rows if len(row) > time),
        header_lines=header.lines,
        quoted=header.quoted,
        multiline=header.multiline,
        decimal_point="," if any(re.fullmatch(r"\s*-?\d+,\d+\s*", value) for value in values) else ".",
    )
    read = read_delimited(archive.show(name), lambda: archive.open(name), layout, scale=scale, on_bad_rows=on_bad_rows)
    if header.names == ("userId", "movieId", "rating", "timestamp"):
        return read, "movielens-csv"
    return read, "tsv" if header.delimiter == "\t" else "csv"


def read_frame(
    frame: pd.DataFrame, *, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> Columns:
    """Reads the ratings of a DataFrame. Messages count its rows from 1, whatever its index is."""
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    chosen = choose_columns(names, columns, "DataFrame")
    arrays = {}
    for role, name in chosen.items():
        series = frame.iloc[:, names.index(name)]
        try:
            arrays[role] = pa.chunked_array([pa.Array.from_pandas(series)])
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column of mixed types is checked by its text
            texts = [None if _missing(one) else str(one) for one in series]
            arrays[role] = pa.chunked_array([pa.array(texts, pa.string())])
    return _from_arrow("DataFrame", arrays, scale, on_bad_rows)


def read_titles(archive: Archive, name: str, on_bad_rows: OnBadRows) -> Catalogue | None:
    """Titles from a table of titles, such as ``movies.parquet`` of the sample."""
    return titles_within(archive, name, {})


def column_names(archive: Archive, name: str, columns: Mapping[str, str | None]) -> Sequence[str]:
    """The names of the columns of a text or Parquet table."""
    if archive.read(name, 4) == b"PAR1":
        return list(_parquet(archive, name).schema_arrow.names)
    return read_header(archive, name, columns).names


def titles_within(archive: Archive, name: str, columns: Mapping[str, str | None]) -> Catalogue | None:
    """The titles, years, genres and links in a table, which may be a table of ratings; None when it has no titles."""
    import pyarrow as pa

    names = column_names(archive, name, columns)
    plain = plain_names(names)
    item = columns.get("item") or next((plain[one] for one in KNOWN_COLUMNS["item"] if one in plain), None)
    roles = {role: next((plain[one] for one in known if one in plain), None) for role, known in TITLE_COLUMNS.items()}
    if item not in names or roles["title"] in (None, item):
        return None
    wanted = [item, *(column for column in roles.values() if column is not None and column != item)]
    if archive.read(name, 4) == b"PAR1":
        read = _parquet(archive, name).read(columns=wanted)
    else:
        header = read_header(archive, name, columns)
        layout = Layout(
            header.delimiter,
            len(names),
            0,
            0,
            0,
            header_lines=header.lines,
            quoted=header.quoted,
            multiline=header.multiline,
        )
        positions = [header.names.index(column) for column in wanted]
        read = convert(
            lambda: archive.open(name),
            layout,
            dict.fromkeys(positions, pa.binary()),
            handler=SkippedRows(layout),
            threads=True,
        ).rename_columns(wanted)
    item_column = read[item].cast("string").dictionary_encode().unify_dictionaries().combine_chunks()
    last = np.zeros(len(item_column.dictionary), dtype=np.int64)
    last[item_column.indices.to_numpy()] = np.arange(len(item_column))  # of several rows for an item, the last counts
    rows = read.take(last)

    def texts(role: str) -> list[str] | None:
        column = roles[role]
        return None if column is None else ["" if one is None else _text(one) for one in rows[column].to_pylist()]

    years = texts("year")
    numbers = [int(year[:4]) if re.fullmatch(r"\d{4}(\.0)?", year) else None for year in years or []]
    return Catalogue.from_rows(
        [_text(one) for one in rows[item].to_pylist()],
        texts("title") or [],
        years=None if years is None else numbers,
        genres=texts("genres"),
        imdb_ids=texts("imdb"),
        tmdb_ids=texts("tmdb"),
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _missing(value: Any) -> bool:
    return value is None or value != value or str(value) == "<NA>"


def _read_parquet(
    archive: Archive, name: str, scale: Scale | None, columns: Mapping[str, str | None], on_bad_rows: OnBadRows
) -> Columns:
    import pyarrow as pa

    file = archive.show(name)
    table = _parquet(archive, name)
    chosen = choose_columns(table.schema_arrow.names, columns, file)
    try:
        read = table.read(columns=list(chosen.values()))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error
    return _from_arrow(file, {role: read[column] for role, column in chosen.items()}, scale, on_bad_rows)


def _parquet(archive: Archive, name: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    path = archive.path(name)
    try:
        return parquet.ParquetFile(path if path is not None else pa.BufferReader(archive.read(name)))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(archive.show(name), error) from error


def _damaged(file: str, error: Exception) -> SourceError:
    return SourceError(
        file,
        None,
        f"the Parquet file is damaged or incomplete ({error})",
        "a whole Parquet file",
        "download or write it again",
    )


def _from_arrow(file: str, arrays: dict[str, pa.ChunkedArray], scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    import pyarrow as pa

    if not len(arrays["user"]):
        raise SourceError(
            file, None, "there is no rating in it", "at least one row", "check that it is the right table"
        )
    try:
        return _fast(arrays, scale) or _exact(file, arrays, scale, on_bad_rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _exact(file, arrays, scale, on_bad_rows)


def _fast(arrays: dict[str, pa.ChunkedArray], scale: Scale | None) -> Columns | None:
    """Converts whole columns; None when a row must be checked by itself."""
    import pyarrow as pa

    if any(array.null_count for array in arrays.values()):
        return None
    time = arrays.get("timestamp")
    if time is not None and not (pa.types.is_temporal(time.type) or pa.types.is_integer(time.type)):
        return None
    users, items = (coded(_as_text(arrays[role])) for role in ("user", "item"))
    values = arrays["rating"].cast(pa.float32(), safe=False).to_numpy() if "rating" in arrays else None
    if not plausible(users, items, values, scale):
        return None
    return Columns(users, items, values, None if time is None else to_seconds(time), len(users.index))


def _exact(file: str, arrays: dict[str, pa.ChunkedArray], scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """The same columns, with every cell checked by its text."""
    import pyarrow as pa

    time = arrays.get("timestamp")
    if time is not None and pa.types.is_temporal(time.type):
        missing = time.is_null().to_numpy()
        seconds = np.zeros(len(time), dtype=np.int64)
        seconds[~missing] = to_seconds(time.drop_null())
        time = pa.chunked_array([pa.array(seconds, mask=missing)])
    cells = [
        None if array is None else _as_text(array).cast(pa.binary())
        for array in (arrays["user"], arrays["item"], arrays.get("rating"), time)
    ]
    kind = (
        "seconds"
        if time is None
        else time_kind(
            one.decode("utf-8", "replace") for one in cast("pa.ChunkedArray", cells[3])[:100].to_pylist() if one
        )
    )
    user, item, rating, moment = cells
    return check_rows(
        (cast("pa.ChunkedArray", user), cast("pa.ChunkedArray", item), rating, moment),
        kind=kind,
        scale=scale,
        on_bad_rows=on_bad_rows,
        locate=lambda row: (file, row + 1),
        unit="row",
        file=file,
    )


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of ids or numbers as dictionary or text, whole numbers without ``.0``."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        missing = np.isnan(numbers)
        present = numbers[~missing]
        if bool(np.all((np.floor(present) == present) & (np.abs(present) < 1e15))):  # integers with gaps
            whole = pa.array(np.where(missing, 0, numbers).astype(np.int64), mask=missing)
            return pa.chunked_array([whole.cast(pa.string())])
    if pa.types.is_integer(column.type):
        encoded = column.dictionary_encode().unify_dictionaries()
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(one.indices, one.dictionary.cast(pa.string())) for one in encoded.chunks]
        )
    return column.cast(pa.string())
