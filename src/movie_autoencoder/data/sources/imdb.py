"""IMDb's export: ratings, or a list or watchlist, in today's columns or older ones. Films have their ``tt`` ids."""

from __future__ import annotations

import re

from ..ratings import Scale
from .entries import Entry, PersonalFile
from .errors import SourceError, shown
from .members import Table, plain

SCALE = Scale(1.0, 10.0, 1.0)
_RATING = ("Your Rating", "You rated")
_NO_FILM = ("series", "episode", "game", "podcast", "musicvideo")


def is_table(table: Table) -> bool:
    """Whether a table's columns are IMDb's."""
    return table.has("Const") and (table.has("Title") or table.first(*_RATING) is not None)


def read_table(table: Table, name: str) -> PersonalFile:
    """Reads an export: films with stars are rated, those without are a watchlist; what is no film is left out.

    Raises:
        SourceError: an id that is none, a rating outside 1 to 10, or no film at all.
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
        if any(word in plain(line.text("Title Type")) for word in _NO_FILM):
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
            "a row a film",
            "export your ratings again at imdb.com",
        )
    entries.sort(key=lambda entry: entry.stars is None)
    notes = (f"{left_out} series, episodes or games left out.",) if left_out else ()
    return PersonalFile("imdb", SCALE, tuple(entries), name, notes)
