"""TitleIndex: the film that a title and a year mean, named only when it is certain.

`title_keys` says which titles are equal, and `word_index` answers a search box. RapidFuzz computes the distance between
a misspelled name and a name of the catalogue. This module reads no file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..catalogue import Catalogue
from .title_keys import (
    after_possessive,
    cleaned,
    key,
    names_of,
    natural,
    parts_of,
    spelling,
    split_parts,
    unnumbered,
    without_version,
    words,
)
from .word_index import WordIndex

__all__ = ("Match", "TitleIndex", "key", "natural")

_CACHED_MATCHES, _CACHED_LETTERS = 50_000, 200  # a few MB; longer titles are not cached

_NEAR_YEARS = 1  # a film's festival and its release may be this far apart, and files disagree about which counts
_FAR_YEARS = 3  # if the years differ by more, an equal long name belongs to another film
_LONG_NAME_WORDS = 4  # few films share a name of so many words
_MIN_BEGINNING_WORDS, _MIN_BEGINNING_LETTERS = 4, 16
_MIN_UNDATED_LETTERS = 12  # of a misspelled name without a year
_MIN_KNOWN_LETTERS, _MIN_KNOWN_LETTERS_TWICE = 10, 16  # of a name whose one typing error, or two, made another word
_MAX_CANDIDATES = 10


@dataclass(frozen=True)
class Match:
    """What a title means in a catalogue.

    Args:
        row: row of the catalogue; -1 when no row is certain.
        candidates: rows that are possible, best first, when none is certain; else empty.
    """

    row: int
    candidates: tuple[int, ...] = ()


NO_MATCH = Match(-1)


class TitleIndex:
    """Finds the rows of a catalogue by title.

    Args:
        catalogue: titles and years; rows without a title are never found.
        counts: ratings of each item, shape ``(num_items,)``. Of equally good search results, those with more ratings
            come first.

    Example:
        >>> films = Catalogue.from_rows(["1", "2", "3"], ["Matrix, The (1999)", "Heat (1995)", "Heat (1986)"])
        >>> index = TitleIndex(films)
        >>> index.match("the matrix", 1998), index.match("Heat (1995)"), index.match("Heat")
        (Match(row=0, candidates=()), Match(row=1, candidates=()), Match(row=-1, candidates=(1, 2)))
        >>> index.match("The Matrix Reloaded", 2003), index.search("matr")
        (Match(row=-1, candidates=()), [0])
    """

    def __init__(self, catalogue: Catalogue, counts: npt.ArrayLike | None = None) -> None:
        self._counts = np.zeros(len(catalogue), dtype=np.int64) if counts is None else np.asarray(counts)
        self.catalogue = catalogue
        self._titles: list[str] = catalogue.titles.tolist()
        self._years: list[int] = catalogue.years.tolist()
        self._by_key: dict[str, list[tuple[int, bool]]] = {}
        for row, title in enumerate(self._titles):
            if title:
                for name in names_of(title):
                    self._by_key.setdefault(key(name.text), []).append((row, name.main))
        self._by_key.pop("", None)
        self._matches: dict[tuple[str, int | None], Match] = {}  # people look up the same films again and again

    def __len__(self) -> int:
        return len(self._titles)

    def match(self, title: str, year: int | None = None) -> Match:
        """The row that a title and a year mean, if that is certain.

        A row is certain in three cases. A whole name is equal and the year differs by 1 at most; the nearer year
        decides between films of one name. Or a part of a name, or a long beginning of it, is equal and so is the year.
        Or a name is equal but for a typing error that makes no other word. Numbers must always be equal, because they
        distinguish sequels. Without a year, only whole names count.

        Args:
            title: as it is written in a person's file; a year in brackets at its end is understood.
            year: year of release, if known.
        """
        match = self._matches.get((title, year))  # read once, since another thread may clear the cache at any time
        if match is None:
            match = self._match(title, year)
            if len(title) <= _CACHED_LETTERS:
                if len(self._matches) >= _CACHED_MATCHES:
                    self._matches.clear()
                self._matches[title, year] = match
        return match

    def search(self, query: str, limit: int = 10) -> list[int]:
        """The rows whose titles have all words of a query, best first; see `WordIndex.search`."""
        return self._words.search(query, limit)

    def _match(self, title: str, year: int | None) -> Match:
        text, year = cleaned(title, year)
        names = [name.text for name in names_of(text)] if text else []
        keys = {one: None for one in map(key, names) if one}
        if not keys:
            return NO_MATCH
        whole = {row: main for one in keys for row, main in self._by_key.get(one, ())}
        if near := self._nearest(whole, year):
            alike = self._spelled_alike(near, text)
            if not alike and all(one.isdigit() for one in keys):  # "Nine" and "9" are two films of 2009
                return Match(-1, tuple(near[:_MAX_CANDIDATES]))
            return self._decide(self._narrowed(near, alike, whole, by_main=year is not None))
        candidates: list[int] = []
        for search in (self._by_part, self._by_beginning, self._by_spelling):
            certain, possible = search(names, year)
            if certain:
                return self._decide(certain)
            candidates += possible
        if year is not None and len(words(names[0])) >= _LONG_NAME_WORDS:
            candidates += [row for row in whole if abs(self._years[row] - year) <= _FAR_YEARS]
        return Match(-1, tuple(dict.fromkeys(candidates))[:_MAX_CANDIDATES])

    # The searches of match(), in their order. Each returns rows that are certain, and rows that are possible.

    def _by_part(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """A whole name equals a part of another: one has a subtitle, or "Marvel's" in front, and the other has not."""
        certain, possible, hits = set(), set(), defaultdict(set)
        for name in names:
            for row in self._parts.get(key(name), ()):
                if self._years[row] == year:
                    certain.add(row)
                elif year is None or abs(self._years[row] - year) <= _NEAR_YEARS:
                    possible.add(row)
            if year is None:
                continue
            parts = split_parts(name)
            for part in parts:
                for row in self._of_year(part, year):
                    hits[row].add(key(part))
            if len(parts) > 1 and len(words(parts[-1])) > 1:
                possible.update(self._of_year(parts[-1], year))
            for part in (*after_possessive(name), without_version(name)):
                certain.update(self._of_year(part, year))
            if short := unnumbered(parts):
                certain.update(self._of_year(short, year))
        certain.update(row for row, found in hits.items() if len(found) > 1)
        return sorted(certain), sorted(possible)

    def _of_year(self, name: str, year: int) -> list[int]:
        """The rows of a year with this whole name."""
        return [row for row, _ in self._by_key.get(key(name), ()) if self._years[row] == year]

    def _by_beginning(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """A long beginning of a name, and the same year: "The Assassination of Jesse James" (2007)."""
        if year is None:
            return [], []
        certain = set()
        for name in names:
            wanted = words(name)
            short = len(wanted) < _MIN_BEGINNING_WORDS and len("".join(wanted)) < _MIN_BEGINNING_LETTERS
            if short or len(wanted) < 2:
                continue
            start = " ".join(wanted) + " "
            names_of_year = self._names_by_year.get(year, _NO_NAMES)
            for row, spaced in zip(names_of_year.rows, names_of_year.spaced, strict=True):
                if spaced.startswith(start) and not spaced[len(start)].isdigit():
                    certain.add(row)
        return sorted(certain), []

    def _by_spelling(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """The same name with typing errors."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if year is None:
            searched = list(self._names_by_year.values())
        else:
            searched = [self._names_by_year.get(one, _NO_NAMES) for one in (year, year - 1, year + 1, -1)]
        for name in names:
            wanted = words(name)
            compact = "".join(wanted)
            limit = _max_errors(len(compact))
            if not limit or (year is None and len(compact) < _MIN_UNDATED_LETTERS):
                continue
            certain: dict[int, tuple[bool, int]] = {}
            possible: dict[int, tuple[bool, int]] = {}
            for some in searched:
                found = process.extract(compact, some.keys, scorer=OSA.distance, score_cutoff=limit, limit=None)
                for _, distance, index in found:
                    row = some.rows[index]
                    far = year is None or self._years[row] != year
                    verdict = self._misspelled(wanted, some.spaced[index].split(), int(distance), far=far)
                    if verdict:
                        (certain if verdict == "certain" else possible)[row] = (far, distance)
            if certain:
                best = min(certain.values())
                return [row for row, rank in certain.items() if rank == best], []
            if possible:
                return [], sorted(possible, key=lambda row: possible[row])
        return [], []

    def _misspelled(self, wanted: list[str], name: list[str], distance: int, *, far: bool) -> str:
        """Whether the wanted words are a name with typing errors: "certain", "possible" or "".

        It is only possible when a wanted word is another word of this catalogue, unless the film is of the same year
        (``far`` is false), the name is long, and the word begins with the same letter.
        """
        from rapidfuzz.distance import OSA

        if [one for one in wanted if one[0].isdigit()] != [one for one in name if one[0].isdigit()]:
            return ""
        if distance > _max_errors(min(len("".join(wanted)), len("".join(name)))):
            return ""
        if len(wanted) != len(name):  # words joined or split; a whole word more is another title: "I, Frankenstein"
            alone = {word for word in {*wanted} ^ {*name} if len(word) == 1}
            return "certain" if distance <= 1 and not alone else ""
        other = known = False
        for one, right in zip(wanted, name, strict=True):
            if one != right:
                shorter = min(len(one), len(right))
                if shorter < 3 or OSA.distance(one, right) > (1 if shorter < 8 else 2):
                    return ""
                other |= one in self._words and (far or one[0] != right[0])
                known |= one in self._words
        short = len("".join(wanted)) < (_MIN_KNOWN_LETTERS if distance == 1 else _MIN_KNOWN_LETTERS_TWICE)
        return "possible" if other or (known and short) else "certain"

    # The choice among rows.

    def _nearest(self, rows: Iterable[int], year: int | None) -> list[int]:
        """The rows of the nearest year up to `_NEAR_YEARS` away, else those without a year."""
        rows = sorted(rows)
        if year is None:
            return rows
        for years in ((year,), range(year - _NEAR_YEARS, year + _NEAR_YEARS + 1), (-1,)):
            if found := [row for row in rows if self._years[row] in years]:
                return found
        return []

    def _narrowed(self, rows: list[int], alike: set[int], whole: dict[int, bool], *, by_main: bool) -> list[int]:
        """Of films that share a name, those with that name as title, and those that spell it alike with articles."""
        if by_main:
            rows = [row for row in rows if whole[row]] or rows
        return [row for row in rows if row in alike] or rows

    def _spelled_alike(self, rows: list[int], text: str) -> set[int]:
        wanted = spelling(text)
        return {row for row in rows if any(spelling(name.text) == wanted for name in names_of(self._titles[row]))}

    def _decide(self, rows: Sequence[int]) -> Match:
        return Match(rows[0]) if len(rows) == 1 else Match(-1, tuple(rows[:_MAX_CANDIDATES]))

    # Further indexes, each built when it is first needed.

    @cached_property
    def _parts(self) -> dict[str, set[int]]:
        """The rows by the keys of the parts of their names."""
        parts: dict[str, set[int]] = defaultdict(set)
        for row, title in enumerate(self._titles):
            if title:
                for name in names_of(title):
                    for part in parts_of(name.text):
                        parts[key(part)].add(row)
        parts.pop("", None)
        return dict(parts)

    @cached_property
    def _names_by_year(self) -> dict[int, _Names]:
        """The names by year of release, -1 for those without."""
        by_year: dict[int, _Names] = defaultdict(lambda: _Names([], [], []))
        for row, title in enumerate(self._titles):
            if title:
                names = by_year[self._years[row]]
                for name in names_of(title):
                    found = words(name.text)
                    names.rows.append(row)
                    names.keys.append("".join(found))
                    names.spaced.append(" ".join(found))
        return dict(by_year)

    @cached_property
    def _words(self) -> WordIndex:
        names = (
            (row, spaced.split())
            for names in self._names_by_year.values()
            for row, spaced in zip(names.rows, names.spaced, strict=True)
        )
        return WordIndex(names, self.catalogue.years, self._counts)


class _Names(NamedTuple):
    """Names of some rows: the row of each, its key, and its words with spaces between them."""

    rows: list[int]
    keys: list[str]
    spaced: list[str]


_NO_NAMES = _Names([], [], [])


def _max_errors(letters: int) -> int:
    """How many typing errors a name of so many letters may have."""
    return 0 if letters < 6 else 1 if letters < 11 else 2 if letters < 19 else 3
