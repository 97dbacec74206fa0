"""The data sets of GroupLens: MovieLens 100K, 1M, 10M, 20M, 25M, 32M and latest (https://grouplens.org/datasets).

Ratings: ``u.data`` and its splits (tab), ``ratings.dat`` (``::``) and ``ratings.csv``, which `table` reads.
Titles: ``u.item`` (``|``, Latin-1), ``movies.dat`` (``::``; Latin-1 in 1M, UTF-8 in 10M), ``movies.csv`` and
``links.csv`` (UTF-8).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

from ..catalogue import Catalogue
from ..scale import Scale
from .archive import Archive
from .columns import Columns, OnBadRows
from .delimited import COLONS, Layout, read_delimited
from .errors import SourceError, shown

# The flags of u.item, in the order of the file u.genre of MovieLens 100K.
GENRES_100K = tuple(
    (
        "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|"
        "Mystery|Romance|Sci-Fi|Thriller|War|Western"
    ).split("|")
)


def read_tabbed(archive: Archive, name: str, *, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """Ratings as in ``u.data``: user, item, rating, timestamp between tabs, no header."""
    layout = Layout("\t", _width(archive, name, "\t"), 0, 1, 2, 3, quoted=False)
    return read_delimited(archive.show(name), lambda: archive.open(name), layout, scale=scale, on_bad_rows=on_bad_rows)


def read_colons(archive: Archive, name: str, *, scale: Scale | None, on_bad_rows: OnBadRows) -> Columns:
    """Ratings as in ``ratings.dat``: UserID::MovieID::Rating::Timestamp, no header (without the timestamp, too)."""
    width = _width(archive, name, "::")
    layout = Layout("\t", width, 0, 1, 2, 3 if width > 3 else None, quoted=False, swap=COLONS)
    return read_delimited(archive.show(name), lambda: archive.open(name), layout, scale=scale, on_bad_rows=on_bad_rows)


def _width(archive: Archive, name: str, separator: str) -> int:
    """Number of fields in a row: 4, or 3 when the first rows have no timestamp."""
    lines = archive.read(name, 1 << 12).decode("utf-8", errors="replace").splitlines()[:5]
    return 3 if lines and all(line.count(separator) == 2 for line in lines if line.strip()) else 4


def read_movies_csv(archive: Archive, name: str, on_bad_rows: OnBadRows) -> Catalogue:
    """Titles as in ``movies.csv``, with the ids of ``links.csv`` when that is in the same folder."""
    movies = list(_csv_rows(archive, name, ("movieId", "title"), on_bad_rows))
    links: dict[str, dict[str, str]] = {}
    for beside in archive.named("links.csv", beside=name):
        links = {row["movieId"].strip(): row for row in _csv_rows(archive, beside, ("movieId", "imdbId"), on_bad_rows)}
    other = [links.get(row["movieId"].strip(), {}) for row in movies]
    return Catalogue.from_rows(
        [row["movieId"] for row in movies],
        [row["title"] for row in movies],
        genres=[row.get("genres") or "" for row in movies],
        imdb_ids=[row.get("imdbId") or "" for row in other],
        tmdb_ids=[row.get("tmdbId") or "" for row in other],
    )


def read_movies_dat(archive: Archive, name: str, on_bad_rows: OnBadRows) -> Catalogue:
    """Titles as in ``movies.dat``: MovieID::Title::Genres. A title may contain ``::``, so only the outer ones count."""

    def fields(line: str) -> tuple[str, str, str]:
        item_id, rest = line.split("::", 1)
        title, genres = rest.rsplit("::", 1)
        return item_id, title, genres

    return _from_lines(archive, name, fields, "MovieID::Title::Genres", on_bad_rows)


def read_u_item(archive: Archive, name: str, on_bad_rows: OnBadRows) -> Catalogue:
    """Titles as in ``u.item``: id, title, two dates, an address and 19 flags for genres between ``|``."""

    def fields(line: str) -> tuple[str, str, str]:
        item_id, rest = line.split("|", 1)
        title, _, _, _, *flags = rest.rsplit("|", 3 + len(GENRES_100K))
        if len(flags) != len(GENRES_100K) or set(flags) - {"0", "1"}:
            raise ValueError
        known = [genre for genre, flag in zip(GENRES_100K, flags, strict=True) if flag == "1"]
        return item_id, title, "|".join(genre for genre in known if genre != "unknown")

    return _from_lines(archive, name, fields, "id|title|date|date|address|19 flags of 0 or 1", on_bad_rows)


def decode(data: bytes) -> str:
    """Text in UTF-8 or else in Latin-1. Latin-1 with accents is almost never valid UTF-8, so there is no doubt."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _from_lines(
    archive: Archive, name: str, fields: Callable[[str], tuple[str, str, str]], form: str, on_bad_rows: OnBadRows
) -> Catalogue:
    rows: list[tuple[str, str, str]] = []
    for number, line in enumerate(io.StringIO(decode(archive.read(name)), newline=None), start=1):
        line = line.rstrip("\n")
        if not line.strip():
            continue
        try:
            rows.append(fields(line))
        except ValueError:
            if on_bad_rows == "error":
                raise _bad_line(archive.show(name), number, line, form) from None
    ids, titles, genres = zip(*rows, strict=True) if rows else ((), (), ())
    return Catalogue.from_rows(ids, titles, genres=genres)


def _csv_rows(archive: Archive, name: str, needed: tuple[str, ...], on_bad_rows: OnBadRows) -> Iterator[dict[str, str]]:
    reader = csv.reader(io.StringIO(decode(archive.read(name)), newline=""))
    header = [field.strip() for field in next(reader, [])]
    missing = [column for column in needed if column not in header]
    if missing:
        raise SourceError(
            archive.show(name),
            1,
            f"there is no column {missing[0]!r}",
            f"the header {','.join(needed)},…",
            "download the data set again, or take this file out of the folder (then there are no titles)",
        )
    try:
        for row in reader:
            if len(row) == len(header):
                yield dict(zip(header, row, strict=True))
            elif row and on_bad_rows == "error":
                raise _bad_line(archive.show(name), reader.line_num, ",".join(row), ",".join(header))
    except csv.Error as error:  # a quote that is not closed turns the rest of the file into one field
        raise _bad_line(archive.show(name), reader.line_num, str(error), ",".join(header)) from error


def _bad_line(file: str, number: int, line: str, form: str) -> SourceError:
    return SourceError(file, number, f"the line cannot be read: {shown(line)}", form, "correct or delete the line")
