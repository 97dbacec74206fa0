"""IMDb's export of ratings, or of a list or watchlist, with today's columns or older ones. Films have ``tt`` ids."""

from __future__ import annotations

import re

from ..scale import Scale
from .entries import Entry, PersonalFile
from .errors import SourceError, shown
from .personal_table import Table, plain

SCALE = Scale(1.0, 10.0, 1.0)
_RATING = ("Your Rating", "You rated")
_NOT_FILMS = ("series", "episode", "game", "podcast", "musicvideo")


def is_table(table: Table) -> bool:
    """Whether a table has IMDb's columns."""
    return table.has("Const") and (table.has("Title") or table.first(*_RATING) is not None)


def read_table(table: Table, name: str) -> PersonalFile:
    """Reads an export. Films with stars are rated, films without are a watchlist, and series and games are left out.

    Args:
        table: the export.
        name: name of the file.

    Raises:
        SourceError: an id is not IMDb's, a rating is outside 1 to 10, or there is no film.
    """
    rating = table.first(*_RATING)
    entries, left_out = [], 0
    for line in table:
        const = line.text("Const")
        if not re.fullmatch(r"tt\d{5,10}", const):
            what = "a person" if const.startswith("nm") else shown(const)
            raise SourceError(
                line.where, line.number, f"the id is {what}", "an id such as tt0114709", "give a list of films"
            )
        if any(word in plain(line.text("Title Type")) for word in _NOT_FILMS):
            left_out += 1
            continue
        stars = line.stars(rating, SCALE.minimum, SCALE.maximum)
        entries.append(
            Entry(
                line.text("Title"),
                line.year("Year"),
                stars,
                "watchlist" if stars is None else "rated",
                imdb_id=f"tt{const[2:].zfill(7)}",
                source=f"{name}:{line.number}",
            )
        )
    if not entries:
        raise SourceError(
            table.where,
            None,
            f"there is no film in it{', only series' if left_out else ''}",
            "a row for each film",
            "export your ratings again at imdb.com",
        )
    entries.sort(key=lambda entry: entry.stars is None)
    notes = (f"{left_out} series, episodes or games left out.",) if left_out else ()
    return PersonalFile("imdb", SCALE, tuple(entries), name, notes)
