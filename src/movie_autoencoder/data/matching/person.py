"""Person: a person's films as items of a catalogue, and the films of their file that did not match.

`match_person` never guesses. A film is matched, ambiguous (then it has candidates) or unmatched, and each is listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..catalogue import Catalogue
from ..scale import FloatArray, Scale
from ..sources import Entry, PersonalFile
from ..vocabulary import Ids
from .title_index import Match, TitleIndex
from .title_keys import key


@dataclass(frozen=True)
class Matched:
    """A film that matched an item.

    Args:
        item_id: id of the item.
        title: title of the item in the catalogue.
        year: year of the item in the catalogue; None when unknown.
        stars: rating on the scale of the model, rating points; None without a rating.
        kind: ``"rated"``, ``"watched"``, ``"liked"`` or ``"watchlist"``.
        source: file and line of the film, such as ``ratings.csv:12``.
    """

    item_id: int | str
    title: str
    year: int | None
    stars: float | None
    kind: str
    source: str


@dataclass(frozen=True)
class Candidate:
    """An item that an ambiguous film may be."""

    item_id: int | str
    title: str
    year: int | None


@dataclass(frozen=True)
class Ambiguous:
    """A film of a file that may be one of several items, or may be the one candidate.

    Args:
        entry: the film as it is in the file.
        stars: rating on the scale of the model, rating points; None without a rating.
        candidates: items that it may be, the likeliest first.
    """

    entry: Entry
    stars: float | None
    candidates: tuple[Candidate, ...]

    @property
    def title(self) -> str:
        return self.entry.title

    @property
    def year(self) -> int | None:
        return self.entry.year


@dataclass(frozen=True, eq=False)
class Person:
    """A person's films with the ids of a catalogue and on the scale of a model.

    Args:
        item_ids: rated items, each once, shape ``(n,)``.
        stars: rating of each, same shape, rating points.
        seen: items that were watched and have neither stars nor a heart, shape ``(num_seen,)``.
        liked: items with a heart and without stars, shape ``(num_liked,)``.
        watchlist: items to watch that are not rated, liked or seen, shape ``(num_watchlist,)``.
        matched: every film that matched.
        ambiguous: films that may be one of several items; they are in no array.
        unmatched: films that the catalogue does not have, with stars on the scale of the model.
        notes: sentences for people about how the file was read.
    """

    item_ids: Ids
    stars: FloatArray
    seen: Ids
    liked: Ids
    watchlist: Ids
    matched: tuple[Matched, ...] = ()
    ambiguous: tuple[Ambiguous, ...] = ()
    unmatched: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of_stars(
        cls,
        item_ids: npt.ArrayLike,
        stars: npt.ArrayLike,
        *,
        liked: npt.ArrayLike = (),
        seen: npt.ArrayLike = (),
        catalogue: Catalogue,
    ) -> Person:
        """A person from ids of a catalogue. Of two ratings of one item, the last is kept.

        Args:
            item_ids: ids of rated items, shape ``(n,)``.
            stars: rating of each on the scale of the model, same shape, rating points.
            liked: ids of items with a heart, shape ``(num_liked,)``.
            seen: ids of items that were watched, shape ``(num_seen,)``.
            catalogue: titles and years.

        Raises:
            ValueError: the catalogue does not have an id, the columns differ in length, or a rating is not finite.
        """
        ids, values = np.atleast_1d(np.asarray(item_ids)), np.atleast_1d(np.asarray(stars, dtype=np.float64))
        if ids.shape != values.shape or ids.ndim != 1:
            raise ValueError(f"Each item needs its stars. Received: {ids.size} items and {values.size} ratings.")
        if not np.isfinite(values).all():
            raise ValueError(f"Stars must be finite numbers. Received: {values[~np.isfinite(values)][0]}.")
        given: list[tuple[Any, float | None, str]] = [
            *zip(ids.tolist(), values.tolist(), ["rated"] * len(ids), strict=True),
            *((one, None, "liked") for one in np.atleast_1d(np.asarray(liked)).tolist()),
            *((one, None, "watched") for one in np.atleast_1d(np.asarray(seen)).tolist()),
        ]
        found = []
        for item_id, value, kind in given:
            if item_id not in catalogue:
                raise ValueError(
                    f"There is no item {item_id!r} in this catalogue of {len(catalogue):,}. Leave it out, or give "
                    "films by title."
                )
            found.append(_matched(catalogue, catalogue.row(item_id), value, kind, ""))
        return _person(found, catalogue)

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """The films by ``matched``, ``ambiguous`` and ``unmatched`` as plain values; ``from`` is a line of the file."""
        return {
            "matched": [
                {"item_id": one.item_id, "title": one.title, "year": one.year, "stars": one.stars, "from": one.source}
                for one in self.matched
            ],
            "ambiguous": [
                {
                    "title": one.title,
                    "year": one.year,
                    "stars": one.stars,
                    "candidates": [vars(candidate).copy() for candidate in one.candidates],
                    "from": one.entry.source,
                }
                for one in self.ambiguous
            ],
            "unmatched": [
                {"title": one.name, "year": one.year, "stars": one.stars, "from": one.source} for one in self.unmatched
            ],
        }


def match_person(file: PersonalFile, index: TitleIndex, scale: Scale) -> Person:
    """Matches the films of a person's file with the items of a catalogue.

    A film matches by its id at IMDb or The Movie Database when file and catalogue have it, by its id at MovieLens when
    the titles agree too, and else by title and year. When two films of a file match one item, the film with the year of
    the item keeps it and the other is ambiguous. When two lines are about one film, the last counts. Stars are mapped
    by `Scale.convert_in_proportion`.

    Args:
        file: what `sources.read_personal` read.
        index: titles of the catalogue.
        scale: the scale of the model.

    Example:
        >>> films = Catalogue.from_rows(["1", "2"], ["Alien (1979)", "Heat (1995)"])
        >>> entries = (Entry("Alien", 1979, 9.0, "rated"), Entry("Heat", 1986, 4.0, "rated"))
        >>> file = PersonalFile("imdb", Scale(1, 10, 1), entries, "ratings.csv")
        >>> ann = match_person(file, TitleIndex(films), Scale(0.5, 5, 0.5))
        >>> ann.item_ids.tolist(), ann.stars.tolist(), [one.title for one in ann.unmatched]
        ([1], [4.5], ['Heat'])
    """
    catalogue = index.catalogue
    by_row: dict[int, list[Entry]] = defaultdict(list)
    uncertain: list[tuple[Entry, tuple[int, ...]]] = []
    unmatched: list[Entry] = []
    for entry in file.entries:
        match = _match_entry(index, entry)
        if match.row >= 0:
            by_row[match.row].append(entry)
        elif match.candidates:
            uncertain.append((entry, match.candidates))
        else:
            unmatched.append(replace(entry, stars=_converted(entry, file.scale, scale)))
    found, repeated = [], 0
    for row, entries in by_row.items():
        year = int(catalogue.years[row])
        films = len(entries) > 1 and len({(key(one.title), one.year) for one in entries})
        if films > 1 and any(one.year == year for one in entries):
            uncertain += [(one, (row,)) for one in entries if one.year not in (year, None)]
            entries = [one for one in entries if one.year in (year, None)]
        for kind in ("rated", "liked", "watched", "watchlist"):
            if some := [one for one in entries if one.kind == kind]:
                value = _converted(some[-1], file.scale, scale)
                found.append(_matched(catalogue, row, value, kind, some[-1].source))
                repeated += len(some) - 1
                break
    order = {id(entry): number for number, entry in enumerate(file.entries)}
    uncertain.sort(key=lambda one: order[id(one[0])])
    notes = list(file.notes)
    if file.scale.maximum != scale.maximum and any(entry.stars is not None for entry in file.entries):
        name = file.name or "these ratings"
        notes.append(f"The stars of {name} were read on the scale {file.scale}, and converted to {scale}.")
    if repeated:
        notes.append(f"{repeated} {'line repeats' if repeated == 1 else 'lines repeat'} a film; the last one counts.")
    ambiguous = [
        Ambiguous(entry, _converted(entry, file.scale, scale), tuple(_candidate(catalogue, row) for row in rows))
        for entry, rows in uncertain
    ]
    return _person(found, catalogue, ambiguous, unmatched, notes)


def _converted(entry: Entry, scale: Scale, to: Scale) -> float | None:
    return None if entry.stars is None else float(scale.convert_in_proportion(entry.stars, to))


def _match_entry(index: TitleIndex, entry: Entry) -> Match:
    """The row of a catalogue that an entry means, by ids and then by title."""
    catalogue = index.catalogue
    row = catalogue.row_elsewhere(entry.imdb_id, entry.tmdb_id)
    if row < 0 and entry.item_id in catalogue and _titles_agree(index, entry):
        row = catalogue.row(entry.item_id)
    if row >= 0 or not entry.title:
        return Match(row)
    match = index.match(entry.title, entry.year)
    # An item with another id at IMDb is another film of the same title.
    rows = [
        one for one in (match.row, *match.candidates) if one >= 0 and not (entry.imdb_id and catalogue.imdb_ids[one])
    ]
    return Match(match.row) if match.row in rows else Match(-1, tuple(rows))


def _titles_agree(index: TitleIndex, entry: Entry) -> bool:
    """Whether the title of an entry fits the item with its MovieLens id, which can be another film elsewhere."""
    catalogue = index.catalogue
    known = catalogue.title(entry.item_id)
    if not known or not entry.title:
        return True
    match = index.match(entry.title, entry.year)
    return catalogue.row(entry.item_id) in (match.row, *match.candidates)


def _person(
    found: Sequence[Matched],
    catalogue: Catalogue,
    ambiguous: Sequence[Ambiguous] = (),
    unmatched: Sequence[Entry] = (),
    notes: Sequence[str] = (),
) -> Person:
    """A person with each film once: stars count before a heart, a heart before watching, and a later line first."""
    best: dict[str, Matched] = {}
    for kind in ("watchlist", "watched", "liked", "rated"):
        for one in found:
            if one.kind == kind:
                best.pop(str(one.item_id), None)
                best[str(one.item_id)] = one
    matched = tuple(one for one in found if best.get(str(one.item_id)) is one)

    def ids(kind: str) -> Ids:
        some = [one.item_id for one in matched if one.kind == kind]
        return np.array(some, dtype=catalogue.item_ids.dtype)

    stars = np.array([one.stars for one in matched if one.kind == "rated"], dtype=np.float64)
    return Person(
        ids("rated"),
        stars,
        ids("watched"),
        ids("liked"),
        ids("watchlist"),
        matched,
        tuple(ambiguous),
        tuple(unmatched),
        tuple(notes),
    )


def _matched(catalogue: Catalogue, row: int, stars: float | None, kind: str, source: str) -> Matched:
    one = _candidate(catalogue, row)
    return Matched(one.item_id, one.title, one.year, stars, kind, source)


def _candidate(catalogue: Catalogue, row: int) -> Candidate:
    year = int(catalogue.years[row])
    return Candidate(catalogue.item_ids[row].item(), str(catalogue.titles[row]), year if year > 0 else None)
