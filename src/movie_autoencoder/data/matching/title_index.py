"""TitleIndex: which item a title and a year mean, said only when it is certain; and a search box's answers.

Names and keys are those of `names`; distances between misspelt keys come from RapidFuzz. This module reads no file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..catalogue import Catalogue
from .title_keys import (
    DROPPED,
    after_possessive,
    cleaned,
    folded,
    key,
    names_of,
    natural,
    parts_of,
    spelt,
    split_parts,
    unnumbered,
    without_version,
    words,
)

__all__ = ("Match", "TitleIndex", "key", "natural")

_REMEMBERED, _LONG_TITLE = 50_000, 200  # answers, some MB; no longer titles, whoever sends them

_NEAR = 1  # years between a film's festival and its release, which is where files disagree
_FAR = 3  # beyond that, the same long name is another film
_LONG_NAME = 4  # words of a name that is hardly given twice
_PREFIX_WORDS, _PREFIX_LETTERS = 4, 16
_UNDATED_LETTERS = 12  # a misspelt name without a year must be so long
_KNOWN_LETTERS, _KNOWN_LETTERS_TWICE = 10, 16  # a name with one slip, or more, that made another word
_MOST_CANDIDATES = 10
_LAST = "\U0010ffff"  # sorts behind every letter


@dataclass(frozen=True)
class Match:
    """What a title means in a catalogue.

    Args:
        row: row of the catalogue; -1 when several may be meant, or none.
        candidates: rows that may be meant, best first, when it is not certain; else empty.
    """

    row: int
    candidates: tuple[int, ...] = ()


NO_MATCH = Match(-1)


class TitleIndex:
    """Finds the rows of a catalogue by title.

    Args:
        catalogue: whose titles; rows without one are never found.
        counts: ratings of each item, shape ``(num_items,)``: of titles that fit a search equally well, the best known
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
        self._dated = catalogue.years
        self._exact: dict[str, list[tuple[int, bool]]] = {}
        for row, title in enumerate(self._titles):
            if title:
                for name in names_of(title):
                    self._exact.setdefault(key(name.text), []).append((row, name.main))
        self._exact.pop("", None)
        self._matches: dict[tuple[str, int | None], Match] = {}  # the same films are asked for again and again

    def __len__(self) -> int:
        return len(self._titles)

    def match(self, title: str, year: int | None = None) -> Match:
        """The row that a title and year mean, if that is certain.

        It is when a whole name agrees and the year does to within 1 (the nearer year decides between films of one
        name); when a part of a name, or a long beginning of it, agrees together with the very year; or when a name
        agrees but for a slip of the keyboard in what is no other word. Numbers must be the same, as they tell sequels
        apart. Without a year, only whole names count.

        Args:
            title: as it stands in somebody's file; a year in brackets at its end is understood.
            year: year of release, if known.
        """
        match = self._matches.get((title, year))  # once: another thread may clear them at any time
        if match is None:
            match = self._match(title, year)
            if len(title) <= _LONG_TITLE:
                if len(self._matches) >= _REMEMBERED:
                    self._matches.clear()
                self._matches[title, year] = match
        return match

    def _match(self, title: str, year: int | None) -> Match:
        text, year = cleaned(title, year)
        names = [name.text for name in names_of(text)] if text else []
        keys = {one: None for one in map(key, names) if one}
        if not keys:
            return NO_MATCH
        whole = {row: main for one in keys for row, main in self._exact.get(one, ())}
        if near := self._nearest(whole, year):
            alike = self._spelt_alike(near, text)
            if not alike and all(one.isdigit() for one in keys):  # "Nine" and "9" are two films of 2009
                return Match(-1, tuple(near[:_MOST_CANDIDATES]))
            return self._decide(self._narrowed(near, alike, whole, by_main=year is not None))
        asked: list[int] = []  # rows to ask the person about, when nothing is certain
        for search in (self._by_part, self._by_beginning, self._by_spelling):
            sure, maybe = search(names, year)
            if sure:
                return self._decide(sure)
            asked += maybe
        if year is not None and len(words(names[0])) >= _LONG_NAME:
            asked += [row for row in whole if abs(self._years[row] - year) <= _FAR]
        return Match(-1, tuple(dict.fromkeys(asked))[:_MOST_CANDIDATES])

    def search(self, query: str, limit: int = 10) -> list[int]:
        """Rows whose titles have all the words of a query, the last of which may be unfinished; best first.

        A word that begins no word of any title is taken for the nearest that does. Whole names come first, then names
        that begin with the query, then the rest; among equals the best known, then the earlier row.

        Args:
            query: as typed so far; a year at its end is understood.
            limit: most rows to give.
        """
        text, year = cleaned(query, None)
        wanted = words(text)
        if not text.endswith(" ") and (last := folded(text)[-1:]) and last[0] in DROPPED:
            if len(rows := self._with_words([*wanted, *last])):  # "12 an" may become "12 angry"
                return self._ranked(rows, wanted, limit)
        if year is None and len(wanted) > 1 and re.fullmatch(r"(?:18|19|20)\d\d", wanted[-1]):
            rows = self._with_words(wanted[:-1])
            if len(rows := rows[self._dated[rows] == int(wanted[-1])]):
                return self._ranked(rows, wanted[:-1], limit)
        rows = self._with_words(wanted)
        if year is not None and (self._dated[rows] == year).any():
            rows = rows[self._dated[rows] == year]
        return self._ranked(rows, wanted, limit)

    # What match() tries, in order. Each gives rows that are certain, and rows worth asking about.

    def _by_part(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """One side's whole name is a part of the other's: a subtitle left out or added, "Marvel's" put before."""
        sure, maybe, hits = set(), set(), defaultdict(set)
        for name in names:
            for row in self._parts.get(key(name), ()):
                if self._years[row] == year:
                    sure.add(row)
                elif year is None or abs(self._years[row] - year) <= _NEAR:
                    maybe.add(row)
            if year is None:
                continue
            parts = split_parts(name)
            for part in parts:
                for row in self._of_year(part, year):
                    hits[row].add(key(part))
            if len(parts) > 1 and len(words(parts[-1])) > 1:
                maybe.update(self._of_year(parts[-1], year))
            for part in (*after_possessive(name), without_version(name)):
                sure.update(self._of_year(part, year))
            if short := unnumbered(parts):
                sure.update(self._of_year(short, year))
        sure.update(row for row, found in hits.items() if len(found) > 1)
        return sorted(sure), sorted(maybe)

    def _of_year(self, name: str, year: int) -> list[int]:
        """Rows of a year with this whole name."""
        return [row for row, _ in self._exact.get(key(name), ()) if self._years[row] == year]

    def _by_beginning(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """A long beginning of a name, with its very year: "The Assassination of Jesse James" (2007)."""
        if year is None:
            return [], []
        sure = set()
        for name in names:
            wanted = words(name)
            if len(wanted) < _PREFIX_WORDS and len("".join(wanted)) < _PREFIX_LETTERS or len(wanted) < 2:
                continue
            start = " ".join(wanted) + " "
            block = self._blocks.get(year, _NO_BLOCK)
            for row, spaced in zip(block.rows, block.spaced, strict=True):
                if spaced.startswith(start) and not spaced[len(start)].isdigit():
                    sure.add(row)
        return sorted(sure), []

    def _by_spelling(self, names: list[str], year: int | None) -> tuple[list[int], list[int]]:
        """The same name but for slips."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if year is None:
            blocks = list(self._blocks.values())
        else:
            blocks = [self._blocks.get(one, _NO_BLOCK) for one in (year, year - 1, year + 1, -1)]
        for name in names:
            wanted = words(name)
            compact = "".join(wanted)
            limit = _slips(len(compact))
            if not limit or (year is None and len(compact) < _UNDATED_LETTERS):
                continue
            sure: dict[int, tuple[bool, int]] = {}
            maybe: dict[int, tuple[bool, int]] = {}
            for block in blocks:
                found = process.extract(compact, block.keys, scorer=OSA.distance, score_cutoff=limit, limit=None)
                for _, distance, place in found:
                    row = block.rows[place]
                    far = year is None or self._years[row] != year
                    verdict = self._misspelt(wanted, block.spaced[place].split(), int(distance), far=far)
                    if verdict:
                        (sure if verdict == "surely" else maybe)[row] = (far, distance)
            if sure:
                best = min(sure.values())
                return [row for row, rank in sure.items() if rank == best], []
            if maybe:
                return [], sorted(maybe, key=lambda row: maybe[row])
        return [], []

    def _misspelt(self, wanted: list[str], name: list[str], distance: int, *, far: bool) -> str:
        """Whether words are others misspelt: "surely", "maybe" or "".

        It is not sure when what stands there is another word of this catalogue, unless the film is of the very year
        (``far`` is false), the name is long, and the word begins alike.
        """
        from rapidfuzz.distance import OSA

        if [one for one in wanted if one[0].isdigit()] != [one for one in name if one[0].isdigit()]:
            return ""
        if distance > _slips(min(len("".join(wanted)), len("".join(name)))):
            return ""
        if len(wanted) != len(name):  # words joined or parted; a whole word more is another title: "I, Frankenstein"
            alone = {word for word in {*wanted} ^ {*name} if len(word) == 1}
            return "surely" if distance <= 1 and not alone else ""
        other = known = False
        for one, right in zip(wanted, name, strict=True):
            if one != right:
                shorter = min(len(one), len(right))
                if shorter < 3 or OSA.distance(one, right) > (1 if shorter < 8 else 2):
                    return ""
                other |= self._is_word(one) and (far or one[0] != right[0])
                known |= self._is_word(one)
        short = len("".join(wanted)) < (_KNOWN_LETTERS if distance == 1 else _KNOWN_LETTERS_TWICE)
        return "maybe" if other or (known and short) else "surely"

    def _is_word(self, word: str) -> bool:
        place = bisect_left(self._vocabulary.words, word)
        return place < len(self._vocabulary.words) and self._vocabulary.words[place] == word

    # Choosing among rows.

    def _nearest(self, rows: Iterable[int], year: int | None) -> list[int]:
        """The rows whose year is nearest, not beyond `_NEAR`; then those without a year."""
        rows = sorted(rows)
        if year is None:
            return rows
        for years in ((year,), range(year - _NEAR, year + _NEAR + 1), (-1,)):
            if found := [row for row in rows if self._years[row] in years]:
                return found
        return []

    def _narrowed(self, rows: list[int], alike: set[int], whole: dict[int, bool], *, by_main: bool) -> list[int]:
        """Of films that share a name, those that have it as their title, and spell it alike, articles included."""
        if by_main:
            rows = [row for row in rows if whole[row]] or rows
        return [row for row in rows if row in alike] or rows

    def _spelt_alike(self, rows: list[int], text: str) -> set[int]:
        asked = spelt(text)
        return {row for row in rows if any(spelt(name.text) == asked for name in names_of(self._titles[row]))}

    def _decide(self, rows: Sequence[int]) -> Match:
        return Match(rows[0]) if len(rows) == 1 else Match(-1, tuple(rows[:_MOST_CANDIDATES]))

    # Further indexes, made when first needed.

    @cached_property
    def _parts(self) -> dict[str, set[int]]:
        """Rows by the keys of parts of their names."""
        parts: dict[str, set[int]] = defaultdict(set)
        for row, title in enumerate(self._titles):
            if title:
                for name in names_of(title):
                    for part in parts_of(name.text):
                        parts[key(part)].add(row)
        parts.pop("", None)
        return dict(parts)

    @cached_property
    def _blocks(self) -> dict[int, _Block]:
        """Names by year of release, -1 for those without."""
        blocks: dict[int, _Block] = defaultdict(lambda: _Block([], [], []))
        for row, title in enumerate(self._titles):
            if title:
                block = blocks[self._years[row]]
                for name in names_of(title):
                    some = words(name.text)
                    block.rows.append(row)
                    block.keys.append("".join(some))
                    block.spaced.append(" ".join(some))
        return dict(blocks)

    @cached_property
    def _vocabulary(self) -> _Vocabulary:
        rows: dict[str, list[int]] = defaultdict(list)
        keys: list[tuple[str, int]] = []
        for block in self._blocks.values():
            for row, one, spaced in zip(block.rows, block.keys, block.spaced, strict=True):
                keys.append((one, row))
                for word in spaced.split():
                    rows[word].append(row)
        keys.sort()
        ordered = sorted(rows)
        flat = np.array([row for word in ordered for row in rows[word]], dtype=np.int64)
        ends = np.cumsum([len(rows[word]) for word in ordered]).tolist()
        names = np.array([row for _, row in keys], dtype=np.int64)
        return _Vocabulary(ordered, [0, *ends], flat, [one for one, _ in keys], names)

    def _with_words(self, wanted: list[str]) -> npt.NDArray[np.int64]:
        """Rows that have every word or begin one with it, ascending."""
        having = np.full(len(self), bool(wanted))
        for word in wanted:
            this = np.zeros(len(self), dtype=bool)
            for first, last in self._beginning(word):
                this[self._vocabulary.rows[first:last]] = True
            having &= this
        return np.flatnonzero(having)

    def _beginning(self, word: str) -> list[tuple[int, int]]:
        """Stretches of the vocabulary's rows: of the words that begin so; else of those a slip or two away."""
        known, ends = self._vocabulary.words, self._vocabulary.ends
        first, last = bisect_left(known, word), bisect_left(known, word + _LAST)
        if first < last:
            return [(ends[first], ends[last])]
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        limit = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
        found = process.extract(word, known, scorer=OSA.distance, score_cutoff=limit, limit=None) if limit else ()
        return [(ends[place], ends[place + 1]) for _, _, place in found]

    def _ranked(self, rows: npt.NDArray[np.int64], wanted: list[str], limit: int) -> list[int]:
        start = "".join(wanted)
        keys, names = self._vocabulary.keys, self._vocabulary.names
        first, whole, last = bisect_left(keys, start), bisect_left(keys, start + "\0"), bisect_left(keys, start + _LAST)
        kind = np.full(len(self), 2)
        kind[names[first:last]] = 1
        kind[names[first:whole]] = 0
        return [int(row) for row in rows[np.lexsort((rows, -self._counts[rows], kind[rows]))][:limit]]


class _Block(NamedTuple):
    rows: list[int]
    keys: list[str]
    spaced: list[str]


class _Vocabulary(NamedTuple):
    """Words in order, those of each with rows from ``ends[place]`` to ``ends[place + 1]``; and names by their keys."""

    words: list[str]
    ends: list[int]
    rows: npt.NDArray[np.int64]
    keys: list[str]
    names: npt.NDArray[np.int64]


_NO_BLOCK = _Block([], [], [])


def _slips(letters: int) -> int:
    """How many slips a name of so many letters may have."""
    return 0 if letters < 6 else 1 if letters < 11 else 2 if letters < 19 else 3
