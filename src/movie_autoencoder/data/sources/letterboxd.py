"""Letterboxd's export: the zip, the folder that it unpacks to, or one of its tables.

It has no ids of other sites, so a film is identified by name and year. A film has the stars of ``ratings.csv``, or else
those of its latest diary entry or review. Films of ``watched.csv`` and ``likes/films.csv`` have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ..scale import Scale
from .archive import Archive
from .entries import Entry, PersonalFile
from .errors import SourceError
from .personal_table import Line, Table, read_rows

SCALE = Scale(0.5, 5.0, 0.5)
TABLES = ("ratings.csv", "diary.csv", "reviews.csv", "likes/films.csv", "watched.csv", "watchlist.csv")
_IGNORED_FOLDERS = {"deleted", "orphaned", "lists"}  # these are not films that the person has seen
_KINDS = {"likes/films.csv": "liked", "films.csv": "liked", "watchlist.csv": "watchlist"}
_Film = tuple[str, int | None]


def export_folder(archive: Archive) -> str | None:
    """Finds the folder with the tables of an export.

    Returns:
        The folder with a ``/`` at its end, ``""`` for the outermost one, or None when there are no tables.

    Raises:
        SourceError: there are two exports.
    """
    folders = set()
    for name in archive.names:
        parts = PurePosixPath(name).parts
        tail = "likes/films.csv" if parts[-2:] == ("likes", "films.csv") else parts[-1]
        if tail in TABLES and not _IGNORED_FOLDERS & set(parts):
            folders.add(name.removesuffix(tail))
    if not folders:
        return None
    depth = min(one.count("/") for one in folders)
    outermost = sorted(one for one in folders if one.count("/") == depth)
    if len(outermost) > 1:
        raise SourceError(
            archive.label,
            None,
            f"there are two exports, {outermost[0]} and {outermost[1]}",
            "one person's export",
            "name the one you mean",
        )
    return outermost[0]


def header_of_films(number: int, header: list[str], rows: Iterator[tuple[int, list[str]]]) -> tuple[int, list[str]]:
    """The line and cells of the header above the films; in an exported list, its name and description precede it.

    Args:
        number: first line of a table.
        header: its cells.
        rows: the rows after it; those up to the films are read from a list of Letterboxd's, and none otherwise.
    """
    if header and header[0].startswith("Letterboxd list export"):
        return next((row for row in rows if row[1][0] == "Position"), (number, header))
    return number, header


def is_table(table: Table) -> bool:
    """Whether a table has Letterboxd's columns."""
    return table.has("Name", "Letterboxd URI") or table.has("Name", "Year", "URL", "Description")


def read_export(archive: Archive, folder: str) -> PersonalFile:
    """Reads the tables of an export.

    Args:
        archive: where the export is.
        folder: what `export_folder` returned.

    Raises:
        SourceError: a table lacks a column, a rating is not one of Letterboxd's, or there is no film.
    """
    tables = {name: f"{folder}{name}" for name in TABLES if f"{folder}{name}" in archive.names}
    lines = {name: list(_lines(archive, file, name)) for name, file in tables.items()}
    entries = [
        entry for entry in (_entry(line, "rated", name) for line, name in _of(lines, "ratings.csv")) if entry.stars
    ]
    rated = {_film(entry) for entry in entries}
    latest: dict[_Film, tuple[str, Entry]] = {}
    for line, name in _of(lines, "diary.csv", "reviews.csv"):
        entry, moment = _entry(line, "rated", name), line.text("Watched Date") or line.text("Date")
        if entry.stars and _film(entry) not in rated and moment >= latest.get(_film(entry), ("", entry))[0]:
            latest[_film(entry)] = (moment, entry)
    entries += [entry for _, entry in latest.values()]
    known = rated | set(latest)
    for name in ("likes/films.csv", "watched.csv", "diary.csv", "watchlist.csv"):
        kind = _KINDS.get(name, "watched")
        for line, _ in _of(lines, name):
            entry = _entry(line, kind, name)
            if _film(entry) not in known:
                known.add(_film(entry))
                entries.append(entry)
    if not entries:
        raise SourceError(
            archive.label,
            None,
            "there is no film in this export",
            "ratings.csv with films in it",
            "download the export again after rating films at Letterboxd",
        )
    return PersonalFile("letterboxd", SCALE, tuple(entries), archive.label)


def read_table(table: Table, name: str) -> PersonalFile:
    """Reads a single table of an export. Its name shows what films without stars are."""
    kind = _KINDS.get(PurePosixPath(name).name.lower(), "watched")
    if not table.has("Letterboxd URI"):
        kind = "watchlist"  # an exported list
    latest: dict[_Film, tuple[str, Entry]] = {}
    for line in table:
        entry = _entry(line, kind, PurePosixPath(name).name)
        moment = line.text("Watched Date") or line.text("Date")
        before = latest.get(_film(entry))
        if before is None or before[1].stars is None or (entry.stars is not None and moment >= before[0]):
            latest[_film(entry)] = (moment, entry)
    entries = sorted((entry for _, entry in latest.values()), key=lambda entry: entry.stars is None)
    if not entries:
        raise SourceError(
            name, None, "there is no film in this table", "a row for each film", "download the export again"
        )
    return PersonalFile("letterboxd", SCALE, tuple(entries), name)


def _lines(archive: Archive, file: str, name: str) -> Iterator[Line]:
    rows = read_rows(archive, file)
    table = Table(archive.show(file), next(rows, (1, []))[1], rows)
    needed = ("Name", "Year", "Rating") if name == "ratings.csv" else ("Name", "Year")
    missing = [column for column in needed if not table.has(column)]
    if missing:
        raise SourceError(
            table.where,
            1,
            f"there is no column {missing[0]!r}",
            f"the header Date,{','.join(needed)},…",
            "give the export as Letterboxd made it",
        )
    return iter(table)


def _of(lines: dict[str, list[Line]], *names: str) -> Iterator[tuple[Line, str]]:
    return ((line, name) for name in names for line in lines.get(name, ()))


def _entry(line: Line, kind: str, name: str) -> Entry:
    stars = line.stars("Rating", SCALE.minimum, SCALE.maximum)
    title = line.text("Name")
    if not title:
        raise SourceError(line.where, line.number, "the film has no name", "a name in every row", "delete the line")
    return Entry(
        title, line.year("Year"), stars, "rated" if stars is not None else kind, source=f"{name}:{line.number}"
    )


def _film(entry: Entry) -> _Film:
    return entry.title.casefold(), entry.year
