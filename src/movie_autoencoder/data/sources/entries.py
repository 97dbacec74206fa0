"""Entries: one person's films as they are in the person's file. The readers of exports return them."""

from __future__ import annotations

from dataclasses import dataclass

from ..scale import Scale


@dataclass(frozen=True)
class Entry:
    """One film of a person's file.

    Args:
        title: title as it is in the file.
        year: year of release; None when the file has none.
        stars: rating on the scale of the file; None without a rating.
        kind: ``"rated"``, ``"watched"``, ``"liked"`` (a heart without stars) or ``"watchlist"``.
        item_id: id in MovieLens; ``""`` when the file has none.
        imdb_id: id at IMDb with ``tt``; ``""`` when the file has none.
        tmdb_id: id at The Movie Database; -1 when the file has none.
        source: file and line, such as ``ratings.csv:12`` (the header is line 1).
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
        """What messages call the film: its title, or else the id that the file has."""
        return self.title or self.imdb_id or self.item_id or (f"tmdb {self.tmdb_id}" if self.tmdb_id > 0 else "")


@dataclass(frozen=True)
class PersonalFile:
    """One person's file.

    Args:
        format: ``"letterboxd"``, ``"imdb"``, ``"movielens"`` or ``"table"``.
        scale: scale of the stars in the file.
        entries: films in the order of the file, those with stars first.
        name: name of the file without its folder.
        notes: sentences for people about what was left out.
    """

    format: str
    scale: Scale
    entries: tuple[Entry, ...]
    name: str
    notes: tuple[str, ...] = ()
