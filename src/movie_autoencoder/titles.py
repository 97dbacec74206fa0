"""TitleIndex: which item a title and a year mean, said only when it is certain; and a search box's answers.

Titles are compared by a *key*: lower case, without accents, punctuation, spaces, articles and "and", with numbers as
digits ("Twelve", "XII", "Part 2"). Every title has *names*: itself, and what MovieLens puts in brackets behind it
(other and original titles). Parts of a name, such as what stands before a colon, count only together with the very
year. Distances between misspelt keys come from RapidFuzz. This module reads no file.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .catalogue import Catalogue, split_year

_LETTERS = str.maketrans(
    {
        "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "½": " 1 2", "¼": " 1 4",
        "¾": " 3 4", "²": " 2", "³": " 3", "π": "pi", "’": "'", "‘": "'", "´": "'", "`": "'", "ʻ": "'", "&": " and ",
        "+": " and ", "·": "*", "•": "*",
    }
)  # fmt: skip
_ACRONYM = re.compile(r"\b[a-z](?:[.*] ?[a-z]\b)+")  # A.I., M*A*S*H, R. I. P.
_VERSUS = re.compile(r"(?<=\w) v\.? (?=\w)")
_THOUSANDS = re.compile(r"(?<=\d)[,.](?=\d{3}\b)")
_WORD = re.compile(r"[^\W_]+")
_ENGLISH = frozenset(("the", "a", "an"))
_DROPPED = _ENGLISH | {"and"}
_ARTICLES = (
    "the|an?|les?|la|l'|une?|des|el|l[oa]s|il|lo|gli|i|de[rtn]|die|das|eine?|de|het|een|en|ett|os?|as|uma?|az|egy"
)
_MOVED = re.compile(rf"^(.+?),\s+({_ARTICLES})(?=\s*$|\s*[:(]|\s+-\s)(.*)$", re.IGNORECASE)
_DROPPABLE = re.compile(r"^(?:(?:les?|la|el|l[oa]s|il|gli|der|das|het|une|eine)\s+|l')(?=\w)", re.IGNORECASE)
_GROUP = re.compile(r"\(([^()]*)\)")
_ALSO = re.compile(r"\b(?:a\.?k\.?a\.?|also known as)[:\s]\s*", re.IGNORECASE)
_REMARK = re.compile(r"\s*[(\[](?:[ivx]{1,4}|tv|tv movie|video|film|movie|dvd|blu-ray|\d{4} film)[)\]]", re.IGNORECASE)
_SQUARE_YEAR = re.compile(r"\s*\[(\d{4})\]\s*$")
_YEARS = re.compile(r"\s*\(\d{4}\s*[-–]\s*(?:\d{4})?\s*\)\s*$")
_PARTS = re.compile(r"\s*[:;]\s*|\s+[-–—]+\s+|\s*[–—]\s*|[,:]?\s+or[:,]\s+|,\s+or\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"^((?:[\w.]+\s+){0,3}?[\w.]+(?:'s|s')):?\s+(?=\S)", re.IGNORECASE)
_UNITS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: number * 10
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ROMAN = {
    word: str(number)
    for number, word in enumerate(
        "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split(), start=1
    )
}
_ORDINALS = {
    word: f"{number}{'th' if number > 3 else ('st', 'nd', 'rd')[number - 1]}"
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth".split(), start=1
    )
}
_COUNTERS = frozenset(("part", "pt", "chapter", "vol", "volume", "episode", "no", "number"))
_SAME = {
    "doctor": "dr", "mister": "mr", "missus": "mrs", "saint": "st", "mount": "mt", "versus": "vs", "volume": "vol",
    "n": "and", "grey": "gray", "colour": "color", "centre": "center", "theatre": "theater", "ok": "okay",
}  # fmt: skip
_READ = frozenset((*_UNITS, *_TENS, *_ORDINALS, *_COUNTERS, *_SAME, *_ROMAN, "hundred", "thousand", "deux"))
_NEAR = 1  # years between a film's festival and its release, which is where files disagree
_FAR = 3  # beyond that, the same long name is another film
_LONG_NAME = 4  # words of a name that is hardly given twice
_PREFIX_WORDS, _PREFIX_LETTERS = 4, 16
_UNDATED_LETTERS = 12  # a misspelt name without a year must be so long
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


def natural(title: str) -> str:
    """A title as people write it: its article in front, without other names in brackets.

    Example:
        >>> natural("Hate (Haine, La)"), natural("Matrix, The"), natural("Avventura, L' (a.k.a. Adventure, The)")
        ('Hate', 'The Matrix', "L'Avventura")
    """
    return _forward(_names(title)[0].text)


class _Name(NamedTuple):
    """One of a title's names, as it is written, and whether it is the title itself."""

    text: str
    main: bool


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
                for name in _names(title):
                    self._exact.setdefault(key(name.text), []).append((row, name.main))
        self._exact.pop("", None)

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
        text, year = _cleaned(title, year)
        names = [name.text for name in _names(text)] if text else []
        keys = {one: None for one in map(key, names) if one}
        if not keys:
            return NO_MATCH
        whole = {row: main for one in keys for row, main in self._exact.get(one, ())}
        if near := self._nearest(whole, year):
            return self._decide(self._narrowed(near, whole, text, by_main=year is not None))
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
        text, year = _cleaned(query, None)
        wanted = words(text)
        if not text.endswith(" ") and (last := _folded(text)[-1:]) and last[0] in _DROPPED:
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
        rows = {row for name in names for row in self._parts.get(key(name), ())}
        sure = [row for row in rows if year is not None and self._years[row] == year]
        maybe = [row for row in rows if year is None or abs(self._years[row] - year) <= _NEAR]
        hits: dict[int, set[str]] = defaultdict(set)
        for name in names:
            for part in _PARTS.split(name):
                for row, _ in self._exact.get(key(part), ()):
                    if year is not None and self._years[row] == year:
                        hits[row].add(key(part))
            for part in _after_possessive(name):
                sure += [row for row, _ in self._exact.get(key(part), ()) if self._years[row] == year]
        sure += [row for row, parts in hits.items() if len(parts) > 1]
        return sorted(set(sure)), sorted(set(maybe) | set(hits))

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
                    verdict = self._misspelt(wanted, block.spaced[place].split(), int(distance))
                    if verdict:
                        far = year is not None and self._years[row] != year
                        (sure if verdict == "surely" else maybe)[row] = (far, distance)
            if sure:
                best = min(sure.values())
                return [row for row, rank in sure.items() if rank == best], []
            if maybe:
                return [], sorted(maybe, key=lambda row: maybe[row])
        return [], []

    def _misspelt(self, wanted: list[str], name: list[str], distance: int) -> str:
        """Whether words are others misspelt: "surely", "maybe" (another word of this catalogue stands there), or ""."""
        from rapidfuzz.distance import OSA

        if [one for one in wanted if one[0].isdigit()] != [one for one in name if one[0].isdigit()]:
            return ""
        if distance > _slips(min(len("".join(wanted)), len("".join(name)))):
            return ""
        if len(wanted) != len(name):  # words joined or parted; a whole word more is another title
            return "surely" if distance <= 1 else ""
        other = False
        for one, right in zip(wanted, name, strict=True):
            if one != right:
                shorter = min(len(one), len(right))
                if shorter < 3 or OSA.distance(one, right) > (1 if shorter < 8 else 2):
                    return ""
                other |= self._is_word(one)
        return "maybe" if other else "surely"

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

    def _narrowed(self, rows: list[int], whole: dict[int, bool], text: str, *, by_main: bool) -> list[int]:
        """Of films that share a name, those that have it as their title, and spell it alike, articles included."""
        if by_main:
            rows = [row for row in rows if whole[row]] or rows
        if len(rows) > 1:
            spelt = _spelt(text)
            rows = [row for row in rows if any(_spelt(one.text) == spelt for one in _names(self._titles[row]))] or rows
        return rows

    def _decide(self, rows: Sequence[int]) -> Match:
        return Match(rows[0]) if len(rows) == 1 else Match(-1, tuple(rows[:_MOST_CANDIDATES]))

    # Further indexes, made when first needed.

    @cached_property
    def _parts(self) -> dict[str, set[int]]:
        """Rows by the keys of parts of their names."""
        parts: dict[str, set[int]] = defaultdict(set)
        for row, title in enumerate(self._titles):
            if title:
                for name in _names(title):
                    for part in _parts_of(name.text):
                        if one := key(part):
                            parts[one].add(row)
        return dict(parts)

    @cached_property
    def _blocks(self) -> dict[int, _Block]:
        """Names by year of release, -1 for those without."""
        blocks: dict[int, _Block] = defaultdict(lambda: _Block([], [], []))
        for row, title in enumerate(self._titles):
            if title:
                block = blocks[self._years[row]]
                for name in _names(title):
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


def key(text: str) -> str:
    """What is compared of a title.

    Example:
        >>> key("Misérables, Les"), key("Les Miserables"), key("The Godfather: Part II") == key("Godfather 2")
        ('lesmiserables', 'lesmiserables', True)
    """
    return "".join(words(text))


def words(text: str) -> list[str]:
    """The words of a title as they are compared, articles in front."""
    if "," in text:
        text = _forward(text)
    return _without(_folded(text), _DROPPED)


def _spelt(text: str) -> str:
    """A title with its articles."""
    return " ".join(_read_numbers(_folded(_forward(text))))


def _folded(text: str) -> list[str]:
    """Words in lower case, without accents and punctuation."""
    text = text.casefold().translate(_LETTERS)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    if "." in text or "*" in text:
        text = _ACRONYM.sub(lambda found: re.sub(r"[.* ]", "", found[0]), text)
    if " v" in text:
        text = _VERSUS.sub(" vs ", text)
    if "," in text or "." in text:
        text = _THOUSANDS.sub("", text)
    return _WORD.findall(text.replace("'", ""))


def _without(some: list[str], dropped: frozenset[str]) -> list[str]:
    if not _READ.isdisjoint(some):
        some = _read_numbers(some)
    kept = [word for word in some if word not in dropped]
    return kept or some


def _read_numbers(some: list[str]) -> list[str]:
    """Numbers as digits, abbreviations as one, and no "part" before a number."""
    some = [_SAME.get(word, word) for word in some]
    read: list[str] = []
    place = 0
    while place < len(some):
        word, following = some[place], some[place + 1] if place + 1 < len(some) else ""
        if word in _COUNTERS and (number := _counted(following)):
            read.append(number)
            place += 2
        elif word in _UNITS or word in _TENS:
            number, place = _number(some, place)
            read.append(number)
        elif word in _ORDINALS:
            read.append(_ORDINALS[word])
            place += 1
        elif word in _ROMAN and place and (word not in ("i", "v", "x") or (word != "i" and not following)):
            read.append(_ROMAN[word])
            place += 1
        else:
            read.append(word)
            place += 1
    return read


def _counted(word: str) -> str:
    """The number of a part, however it is written; "" when it is none."""
    if word.isdigit():
        return word
    if word in _UNITS:
        return str(_UNITS[word])
    return "2" if word == "deux" else _ROMAN.get(word, "")


def _number(some: list[str], place: int) -> tuple[str, int]:
    """The number that begins at a place ("twenty", "thousand"), and the place behind it."""
    total = 0
    while place < len(some):
        word = some[place]
        if word in _TENS:
            part, place = _TENS[word], place + 1
            if place < len(some) and 0 < _UNITS.get(some[place], 0) < 10:
                part, place = part + _UNITS[some[place]], place + 1
        elif word in _UNITS:
            part, place = _UNITS[word], place + 1
        else:
            break
        scaled = False
        while place < len(some) and some[place] in ("hundred", "thousand"):
            part, place, scaled = part * (100 if some[place] == "hundred" else 1000), place + 1, True
        total += part
        if not scaled:
            break
        if place + 1 < len(some) and some[place] == "and" and (some[place + 1] in _UNITS or some[place + 1] in _TENS):
            place += 1
    return str(total), place


def _cleaned(title: str, year: int | None) -> tuple[str, int | None]:
    """A title without year and remarks, and the year."""
    text = html.unescape(title) if "&" in title else title
    text = _REMARK.sub("", text)
    if found := _SQUARE_YEAR.search(text):
        text = f"{text[: found.start()]} ({found[1]})"
    text, own = split_year(text)
    return text, own if year is None else year


def _names(title: str) -> list[_Name]:
    """A title's names: itself, and what stands in brackets behind it."""
    if "(" not in title:
        return [_Name(title, True)]
    title = _YEARS.sub("", title)
    groups = [group for group in _GROUP.finditer(title) if group.start()]
    if not groups:
        return [_Name(title, True)]
    head = title[: groups[0].start()].strip()
    names = [_Name(head, True)]
    for group in groups:
        names += [_Name(one.strip(), False) for one in _ALSO.split(group[1]) if one.strip()]
    if not _ALSO.search(title):  # brackets may belong to the title: "Birdman: Or (The Unexpected Virtue of Ignorance)"
        names.append(_Name(title.replace("(", " ").replace(")", " "), True))
    return names


def _forward(text: str) -> str:
    """A title with its article in front: "Misérables, Les" is Les Misérables."""
    found = _MOVED.match(text)
    if not found:
        return text
    return f"{found[2]}{'' if found[2].endswith(chr(39)) else ' '}{found[1]}{found[3]}"


def _parts_of(name: str) -> list[str]:
    """Parts of a name by which people call a film: before and after its colons, without "Monty Python's" or "La"."""
    name = _forward(name)
    parts = [one for one in _PARTS.split(name) if one.strip()]
    found = _after_possessive(name)
    if len(parts) > 1:
        found += [" ".join(parts[:count]) for count in range(1, len(parts))]
        found += [parts[-1], f"{parts[0]} {parts[-1]}"]
    short = _DROPPABLE.sub("", name)
    return found + [short] if short != name else found


def _after_possessive(name: str) -> list[str]:
    """What follows "Monty Python's", when that can be a title: two words at least, or an article and one."""
    found = _POSSESSIVE.match(name)
    rest = name[found.end() :] if found else ""
    return [rest] if len(rest.split()) > 1 else []


def _slips(letters: int) -> int:
    """How many slips a name of so many letters may have."""
    return 0 if letters < 6 else 1 if letters < 11 else 2 if letters < 19 else 3
