"""One person's films as they stand in a file of theirs: what the readers of exports give."""

from __future__ import annotations

from dataclasses import dataclass

from ..ratings import Scale


@dataclass(frozen=True)
class Entry:
    """One film of somebody's file.

    Args:
        title: as it stands there.
        year: of release, None where the file does not say.
        stars: on the file's own scale; None without a rating.
        kind: ``"rated"``, ``"watched"``, ``"liked"`` (a heart without stars) or ``"watchlist"``.
        item_id: id in MovieLens, ``""`` when the file has none.
        imdb_id: id at IMDb with its ``tt``, likewise.
        tmdb_id: id at The Movie Database, -1 likewise.
        source: where it stands, as ``ratings.csv:12`` (the header is line 1).
    """

    title: str
    year: int | None
    stars: float | None
    kind: str
    item_id: str = ""
    imdb_id: str = ""
    tmdb_id: int = -1
    source: str = ""

    @property
    def name(self) -> str:
        """What it is called where it is not known: its title, else the id that the file has."""
        return self.title or self.imdb_id or self.item_id or (f"tmdb {self.tmdb_id}" if self.tmdb_id > 0 else "")


@dataclass(frozen=True)
class PersonalFile:
    """Somebody's export, read.

    Args:
        format: ``"letterboxd"``, ``"imdb"``, ``"movielens"`` or ``"table"``.
        scale: of the stars.
        entries: films in the file's order, those with stars first.
        name: of the file, without its folder.
        notes: what was left out, as sentences for people.
    """

    format: str
    scale: Scale
    entries: tuple[Entry, ...]
    name: str
    notes: tuple[str, ...] = ()
