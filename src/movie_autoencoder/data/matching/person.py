"""Person: somebody's films in a bundle's own items and stars, and what of their file could not be placed.

`match_person` never guesses: a film is matched, ambiguous (then it comes with candidates) or unmatched, and every one
of these is listed. `join_people` makes such files further users of a data set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..catalogue import Catalogue
from ..ratings import Coded, FloatArray, Ids, Ratings, Scale
from ..sources import Entry, PersonalFile, SourceError, read_personal
from .title_index import Match, TitleIndex, key

_FEW = 10  # titles that a message lists


@dataclass(frozen=True)
class Matched:
    """A film that was found.

    Args:
        item_id: the bundle's id.
        title: as the bundle's catalogue has it.
        year: likewise.
        stars: on the bundle's scale; None without a rating.
        kind: ``"rated"``, ``"watched"``, ``"liked"`` or ``"watchlist"``.
        source: where it stands in the file, as ``ratings.csv:12``.
    """

    item_id: int | str
    title: str
    year: int | None
    stars: float | None
    kind: str
    source: str


@dataclass(frozen=True)
class Candidate:
    """A film that may be meant."""

    item_id: int | str
    title: str
    year: int | None


@dataclass(frozen=True)
class Ambiguous:
    """A film of a file that may be one of several, or perhaps the one.

    Args:
        entry: as it stands in the file.
        stars: on the bundle's scale; None without a rating.
        candidates: the likeliest first.
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
    """Somebody's films, in a bundle's ids and on its scale.

    Args:
        item_ids: rated items, each once, shape ``(n,)``.
        stars: their stars, shape ``(n,)``.
        seen: items watched without stars and heart.
        liked: items with a heart and no stars.
        watchlist: items to be watched, none of which is rated, liked or seen.
        matched: every film that was found.
        ambiguous: films of which it is not certain what they are; they count for nothing else.
        unmatched: films that the catalogue does not know, their stars on the bundle's scale too.
        notes: what else happened to the file, as sentences for people.
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
        """A person from ids already known; of two ratings of one item the last is kept.

        Args:
            item_ids: ids in the catalogue, shape ``(n,)``.
            stars: on the bundle's scale, same shape.
            liked: further items, with a heart.
            seen: further items, watched.
            catalogue: gives titles and years.

        Raises:
            ValueError: an id that the catalogue does not have, columns of unequal length, or stars that are not finite.
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
        """``matched``, ``ambiguous`` and ``unmatched`` as plain values, each film with the place it comes ``from``."""
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
    """Places somebody's films in a catalogue.

    By the id at IMDb or The Movie Database where file and catalogue have it, by the id at MovieLens where the titles
    agree too, else by title and year. Where two films of a file claim one item, the one with the item's very year has
    it, and the other is ambiguous; of two lines about one film the last counts. Stars are mapped by `convert_stars`.

    Args:
        file: as `sources.read_personal` gives it.
        index: of the bundle's catalogue.
        scale: the bundle's.

    Example:
        >>> films = Catalogue.from_rows(["1", "2"], ["Alien (1979)", "Heat (1995)"])
        >>> entries = (Entry("Alien", 1979, 9.0, "rated"), Entry("Heat", 1986, 4.0, "rated"))
        >>> file = PersonalFile("imdb", Scale(1, 10, 1), entries, "ratings.csv")
        >>> ann = match_person(file, TitleIndex(films), Scale(0.5, 5, 0.5))
        >>> ann.item_ids.tolist(), ann.stars.tolist(), [one.title for one in ann.unmatched]
        ([1], [4.5], ['Heat'])
    """
    catalogue = index.catalogue
    finder = _Finder(index)
    placed: dict[int, list[Entry]] = defaultdict(list)
    unsure: list[tuple[Entry, tuple[int, ...]]] = []
    unmatched: list[Entry] = []
    for entry in file.entries:
        match = finder.find(entry)
        if match.row >= 0:
            placed[match.row].append(entry)
        elif match.candidates:
            unsure.append((entry, match.candidates))
        else:
            unmatched.append(replace(entry, stars=_converted(entry, file.scale, scale)))
    found, repeated = [], 0
    for row, entries in placed.items():
        year = int(catalogue.years[row])
        films = len(entries) > 1 and len({(key(one.title), one.year) for one in entries})
        if films > 1 and any(one.year == year for one in entries):
            unsure += [(one, (row,)) for one in entries if one.year not in (year, None)]
            entries = [one for one in entries if one.year in (year, None)]
        for kind in ("rated", "liked", "watched", "watchlist"):
            if some := [one for one in entries if one.kind == kind]:
                value = _converted(some[-1], file.scale, scale)
                found.append(_matched(catalogue, row, value, kind, some[-1].source))
                repeated += len(some) - 1
                break
    order = {id(entry): place for place, entry in enumerate(file.entries)}
    unsure.sort(key=lambda one: order[id(one[0])])
    notes = list(file.notes)
    if file.scale.maximum != scale.maximum and any(entry.stars is not None for entry in file.entries):
        name = file.name or "these ratings"
        notes.append(f"The stars of {name} were read on the scale {file.scale}, and moved to {scale}.")
    if repeated:
        notes.append(
            f"{repeated} {'line stands' if repeated == 1 else 'lines stand'} for a film twice; the last counts."
        )
    ambiguous = [
        Ambiguous(entry, _converted(entry, file.scale, scale), tuple(_candidate(catalogue, row) for row in rows))
        for entry, rows in unsure
    ]
    return _person(found, catalogue, ambiguous, unmatched, notes)


def convert_stars(stars: npt.ArrayLike, scale: Scale, to: Scale) -> FloatArray:
    """The same opinion on another scale: stars keep their share of the highest, 7 of 10 being 3.5 of 5.

    So 1 to 10 becomes 0.5 to 5 in halves, and half stars stay what they are where only whole ones can be given, but for
    0.5, which becomes 1: what would lie outside is moved to the end. Where a scale goes below 0, ends go to ends.

    Example:
        >>> convert_stars([1, 7, 10], Scale(1, 10, 1), Scale(0.5, 5, 0.5)).tolist()
        [0.5, 3.5, 5.0]
        >>> convert_stars([0.5, 3.5], Scale(0.5, 5, 0.5), Scale(1, 5, 1)).tolist()
        [1.0, 3.5]
    """
    if scale.minimum < 0 or to.minimum < 0:
        return to.clip(scale.convert(stars, to))
    return to.clip(np.asarray(stars, dtype=np.float64) * (to.maximum / scale.maximum))


def _converted(entry: Entry, scale: Scale, to: Scale) -> float | None:
    return None if entry.stars is None else float(convert_stars(entry.stars, scale, to))


def join_people(
    ratings: Ratings,
    catalogue: Catalogue | None,
    paths: Iterable[str | Path],
    *,
    notify: Callable[[str], None] | None = None,
) -> Ratings:
    """A data set with further users, each from a file of their own films.

    A user's id is the name of the file without its ending, and a number behind it where the data set has that id.
    Stars are mapped to the data set's scale and, where it has steps, to the nearest of them (a half goes up). Films
    without stars are no ratings. The files tell no times: where the data set has them, its last stands in.

    Args:
        ratings: the data set.
        catalogue: titles of its items; without one, only ids are known.
        paths: files, as `sources.read_personal` reads them.
        notify: told, for each file, how many films were known and which were not.

    Raises:
        SourceError: a file cannot be read, or the data set knows none of its rated films.
    """
    index = TitleIndex(catalogue if catalogue is not None else Catalogue.empty(ratings.item_ids))
    taken = {str(one) for one in ratings.user_ids.tolist()}
    names, people = [], []
    for path in paths:
        person = match_person(read_personal(path), index, ratings.scale)
        stem = Path(path).stem or "person"
        name = next(one for one in chain([stem], (f"{stem}-{number}" for number in count(2))) if one not in taken)
        if not len(person.item_ids):
            raise SourceError(
                path,
                None,
                f"of its {len(person.unmatched) + len(person.ambiguous):,} films none with stars is known",
                "ratings of films that the data set has",
                "check the file, or leave it out",
            )
        taken.add(name)
        names.append(name)
        people.append(person)
        if notify is not None:
            notify(_joined(path, name, person))
    if not people:
        return ratings
    counts = [len(person.item_ids) for person in people]
    places = np.repeat(np.arange(len(people)), counts) + ratings.num_users
    items = np.concatenate([person.item_ids for person in people])
    if items.dtype.kind != ratings.item_ids.dtype.kind:
        items = items.astype(str if ratings.item_ids.dtype.kind == "U" else ratings.item_ids.dtype)
    stars = _on_steps(np.concatenate([person.stars for person in people]), ratings.scale)
    times = ratings.timestamps
    return Ratings.from_columns(
        Coded(
            np.concatenate([ratings.user_index, places]).astype(np.int32),
            np.concatenate([ratings.user_ids.astype(str), np.array(names)]),
        ),
        Coded(
            np.concatenate([ratings.item_index, np.arange(len(items)) + ratings.num_items]).astype(np.int32),
            np.concatenate([ratings.item_ids, items]),
        ),
        np.concatenate([ratings.values, stars.astype(np.float32)]),
        timestamps=None if times is None else np.concatenate([times, np.full(len(items), times.max())]),
        scale=ratings.scale,
        source=ratings.source,
    )


def _joined(path: str | Path, name: str, person: Person) -> str:
    """What became of a file, for people."""
    films = [(one.title, one.year) for one in person.ambiguous] + [(one.title, one.year) for one in person.unmatched]
    unknown = [f"{title} ({year})" if year else title for title, year in films]
    text = f"{path}: user {name!r} with {len(person.item_ids):,} ratings"
    if unknown:
        shown = "; ".join(one for one in unknown[:_FEW] if one)
        text += f"; {len(person.ambiguous):,} films are ambiguous and {len(person.unmatched):,} unknown here: {shown}"
        text += "; …" if len(unknown) > _FEW else ""
    return text


def _on_steps(stars: FloatArray, scale: Scale) -> FloatArray:
    if not scale.step:
        return stars
    return scale.clip(scale.minimum + np.floor((stars - scale.minimum) / scale.step + 0.5) * scale.step)


class _Finder:
    """The row of a catalogue that an entry means, by ids and then by title."""

    def __init__(self, index: TitleIndex) -> None:
        self._index = index
        self._catalogue = index.catalogue

    def find(self, entry: Entry) -> Match:
        row = self._catalogue.row_elsewhere(entry.imdb_id, entry.tmdb_id)
        if row < 0 and entry.item_id in self._catalogue and self._agrees(entry):
            row = self._catalogue.row(entry.item_id)
        if row >= 0 or not entry.title:
            return Match(row)
        match = self._index.match(entry.title, entry.year)
        rows = [one for one in (match.row, *match.candidates) if one >= 0 and not self._denies(one, entry)]
        return Match(match.row) if match.row in rows else Match(-1, tuple(rows))

    def _agrees(self, entry: Entry) -> bool:
        """Whether an id means here what it means at MovieLens, as far as the titles tell."""
        known = self._catalogue.title(entry.item_id)
        if not known or not entry.title:
            return True
        match = self._index.match(entry.title, entry.year)
        return self._catalogue.row(entry.item_id) in (match.row, *match.candidates)

    def _denies(self, row: int, entry: Entry) -> bool:
        """Whether an item has another id at IMDb than the entry, so that only their titles are alike."""
        return bool(entry.imdb_id and self._catalogue.imdb_ids[row])


def _person(
    found: Sequence[Matched],
    catalogue: Catalogue,
    ambiguous: Sequence[Ambiguous] = (),
    unmatched: Sequence[Entry] = (),
    notes: Sequence[str] = (),
) -> Person:
    """A person of found films, each kept once: stars before a heart, a heart before having seen it, the last first."""
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
