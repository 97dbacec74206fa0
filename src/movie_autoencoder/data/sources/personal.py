"""One person's own films: an export of Letterboxd, IMDb or MovieLens.org, or a plain table.

A plain table has a column of titles, with the year in brackets or in a column of its own, or of ids, and a column of
stars. The highest stars in it show its scale: up to 5, up to 10, or up to 100.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path, PurePosixPath

from ..matching.title_keys import split_year
from ..scale import Scale
from . import imdb, letterboxd
from .archive import Archive
from .entries import Entry, PersonalFile
from .errors import SourceError, shown
from .limits import EXPORT_LIMITS, Limits
from .personal_table import Table, read_rows

PERSONAL_FORMATS = ("auto", "letterboxd", "imdb", "movielens", "table")
_TITLE = ("title", "name", "film", "movie", "film title", "movie title")
_STARS = ("stars", "rating", "ratings", "my rating", "your rating", "user rating", "star", "score", "rating10", "value")
_YEAR = ("year", "release year", "released")
_ITEM = ("movieId", "item_id", "movielens id")
_IMDB = ("imdbID", "tconst", "imdb")
_TMDB = ("tmdbID", "tmdb")
_USER = ("userId", "user", "user_id", "username")
_MAXIMA = (5.0, 10.0, 100.0)
_FORMS = (
    "a Letterboxd export (zip or ratings.csv), IMDb ratings, a MovieLens.org export, or a table with the header "
    "title,stars or movieId,rating"
)


def read_personal(
    path: str | os.PathLike[str], *, format: str = "auto", limits: Limits = EXPORT_LIMITS
) -> PersonalFile:
    """Reads one person's own films from a file, a zip or a folder.

    Args:
        path: an export of Letterboxd (zip, folder or one of its tables), of IMDb (ratings, list or watchlist) or of
            MovieLens.org, or a table of titles or ids with stars.
        format: ``"auto"``, ``"letterboxd"``, ``"imdb"``, ``"movielens"`` or ``"table"``.
        limits: how much may be read.

    Raises:
        SourceError: it cannot be read. The message says where, what is allowed and what to do.

    Example:
        ``read_personal("letterboxd-ann-2026-01-01-12-00-utc.zip").entries[0]`` is
        ``Entry(title='Alien', year=1979, stars=4.5, kind='rated', …, source='ratings.csv:2')``.
    """
    return _read(Archive.at(Path(path).expanduser(), limits), format)


def read_personal_bytes(
    name: str, data: bytes, *, format: str = "auto", limits: Limits = EXPORT_LIMITS
) -> PersonalFile:
    """Reads one person's own films from a file in memory, such as an upload, and writes nothing to disk.

    Args:
        name: name of the file. Folders in it are ignored.
        data: its bytes.
        format: as for `read_personal`.
        limits: how much may be read.

    Raises:
        SourceError: as for `read_personal`, and for a zip that is encrypted, too large, or made to do harm.
    """
    return _read(Archive.from_bytes(name, data, limits), format)


def _read(archive: Archive, format: str) -> PersonalFile:
    if format not in PERSONAL_FORMATS:
        raise ValueError(f"The format must be one of {', '.join(PERSONAL_FORMATS)}. Received: {format!r}.")
    if archive.kind != "file":
        folder = letterboxd.export_folder(archive)
        if folder is not None and format in ("auto", "letterboxd") and _is_letterboxd(archive, folder):
            return letterboxd.read_export(archive, folder)
        texts = [name for name in archive.names if name.lower().endswith((".csv", ".tsv", ".txt"))]
        if len(texts) != 1:
            raise SourceError(
                archive.label,
                None,
                f"it holds {len(texts)} tables, and none is one of Letterboxd's"
                if texts
                else "there is no table in it",
                _FORMS,
                "name the file with your films",
            )
        return _read_text(archive, texts[0], format)
    return _read_text(archive, archive.names[0], format)


def _is_letterboxd(archive: Archive, folder: str) -> bool:
    """Whether files with the names of Letterboxd's tables are Letterboxd's, and not MovieLens' ``ratings.csv``."""
    for name in letterboxd.TABLES:
        if f"{folder}{name}" in archive.names:
            header = next(read_rows(archive, f"{folder}{name}"), (1, []))[1]
            return Table(name, header, iter(())).has("Name", "Year")
    return False


def _read_text(archive: Archive, file: str, format: str) -> PersonalFile:
    where, name = archive.show(file), PurePosixPath(file).name
    rows = read_rows(archive, file)
    number, header = next(rows, (1, []))
    number, header = letterboxd.header_of_films(number, header, rows)
    table = Table(where, header, rows)
    if format in ("auto", "letterboxd") and letterboxd.is_table(table):
        return letterboxd.read_table(table, name)
    if format in ("auto", "imdb") and imdb.is_table(table):
        return imdb.read_table(table, name)
    if format in ("auto", "movielens") and table.has("movie_id", "rating", "title"):
        return _read_plain(table, name, "movielens")
    if format in ("letterboxd", "imdb", "movielens"):
        raise SourceError(
            where,
            number,
            f"the header is {shown(','.join(header))}",
            f"an export of {format}",
            ("leave the format out, or download the export again"),
        )
    return _read_plain(_plain_table(archive, file), name, "table")


def _plain_table(archive: Archive, file: str) -> Table:
    """A plain table with a header. One without gets the header ``title,stars`` or ``title,year,stars``."""
    where = archive.show(file)
    rows = read_rows(archive, file, strict=False)
    number, header = next(rows, (1, []))
    table = Table(where, header, iter(()))
    if table.first(*_TITLE, *_ITEM, *_IMDB, *_TMDB) is None:
        if len(header) not in (2, 3) or not _is_number(header[-1]) or _is_number(header[0]):
            raise SourceError(
                where,
                number,
                f"no column of titles is known in the header {shown(','.join(header))}",
                _FORMS,
                "give the columns these names",
            )
        rows = chain([(number, header)], rows)
        header = ["title", "stars"] if len(header) == 2 else ["title", "year", "stars"]
    width = len(header)
    if width == 2 and header[0].strip().lower() in _TITLE:
        rows = ((line, _rejoined(row)) for line, row in rows)
    return Table(where, header, rows)


def _rejoined(row: list[str]) -> list[str]:
    """Title and stars of a row whose title contains commas and is not quoted."""
    return [",".join(row[:-1]), row[-1]] if len(row) > 2 else row


def _read_plain(table: Table, name: str, format: str) -> PersonalFile:
    title, stars, year = table.first(*_TITLE), table.first(*_STARS), table.first(*_YEAR)
    item, imdb_id, tmdb_id = table.first(*_ITEM), table.first(*_IMDB), table.first(*_TMDB)
    user = table.first(*_USER)
    kind_without_stars = "watched" if stars is not None or "watched" in name.lower() else "watchlist"
    entries: list[Entry] = []
    users: set[str] = set()
    for line in table:
        users.add(line.text(user))
        if len(users) > 1:
            raise SourceError(
                table.where,
                line.number,
                "it holds the ratings of several people",
                "one person's films",
                "train on it with train.py --data, or give a file of one person",
            )
        value = line.stars(stars, 0, 10 if format == "table" and stars == "rating10" else _MAXIMA[-1])
        text, year_in_title = split_year(line.text(title))
        digits = line.text(imdb_id).removeprefix("tt")
        entries.append(
            Entry(
                text,
                line.year(year) or year_in_title,
                value,
                kind_without_stars if value is None else "rated",
                line.text(item),
                f"tt{digits.zfill(7)}" if digits.isascii() and digits.isdigit() else "",
                _whole(line.text(tmdb_id)),
                f"{name}:{line.number}",
            )
        )
        if not (text or entries[-1].item_id or entries[-1].imdb_id or entries[-1].tmdb_id > 0):
            raise SourceError(
                line.where, line.number, "there is neither a title nor an id", "a film in every row", "delete the line"
            )
    if not entries:
        raise SourceError(
            table.where, None, "there is no film below the header", "a row for each film", "add your films"
        )
    notes = []
    if all(entry.stars is None for entry in entries):
        notes.append(
            f"There are no stars in {name}: its films count as "
            f"{'seen' if kind_without_stars == 'watched' else 'a list'}."
        )
    scale = Scale(0.5, 5.0, 0.5) if format == "movielens" else _scale(entries, stars)
    for entry in entries:
        if entry.stars is not None and not scale.contains(entry.stars):
            raise SourceError(
                table.where,
                int(entry.source.rpartition(":")[2]),
                f"the rating is {entry.stars:g}",
                f"{scale}",
                "correct the line",
            )
    entries.sort(key=lambda entry: entry.stars is None)
    return PersonalFile(format, scale, tuple(entries), name, tuple(notes))


def _scale(entries: list[Entry], column: str | None) -> Scale:
    """The smallest known scale that holds the stars: 0.5 to 5, 1 to 10 or 0 to 100; from 0 when a 0 was given."""
    given = [entry.stars for entry in entries if entry.stars is not None]
    maximum = 10.0 if column == "rating10" else next(one for one in _MAXIMA if max(given, default=0.0) <= one)
    low, step = {5.0: (0.5, 0.5), 10.0: (1.0, 1.0), 100.0: (0.0, 1.0)}[maximum]
    whole = all((value / step).is_integer() for value in given)
    return Scale(min([low, *(0.0 for value in given if value < low)]), maximum, step if whole else 0.0)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _whole(text: str) -> int:
    text = text.removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
