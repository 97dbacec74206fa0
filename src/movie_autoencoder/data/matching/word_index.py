"""WordIndex: the rows of titles by the words in them, for a search box."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .title_keys import IGNORED_WORDS, cleaned, folded, words

_LAST = "\U0010ffff"  # sorts after every letter
_YEAR = re.compile(r"(?:18|19|20)\d\d")


class WordIndex:
    """Finds titles by their words, the last of which may be unfinished.

    Args:
        names: row and words of each name of each title. A row may have several names.
        years: year of each row, -1 when unknown, shape ``(num_rows,)``.
        counts: ratings of each row, same shape. Of equally good answers, those with more ratings come first.

    Example:
        >>> index = WordIndex([(0, ["matrix"]), (1, ["heat"])], np.array([1999, 1995]), np.array([5, 9]))
        >>> index.search("matr"), index.search("heat 1995"), "heat" in index
        ([0], [1], True)
    """

    def __init__(
        self, names: Iterable[tuple[int, list[str]]], years: npt.NDArray[np.integer], counts: npt.NDArray[np.number]
    ) -> None:
        self._years = years
        self._counts = counts
        rows: dict[str, list[int]] = defaultdict(list)
        keys: list[tuple[str, int]] = []
        for row, some in names:
            keys.append(("".join(some), row))
            for word in some:
                rows[word].append(row)
        keys.sort()
        self._words = sorted(rows)
        # The rows of the words in order, those of word i from _starts[i] to _starts[i + 1].
        self._rows = np.array([row for word in self._words for row in rows[word]], dtype=np.int64)
        self._starts: list[int] = [0, *np.cumsum([len(rows[word]) for word in self._words]).tolist()]
        self._keys = [key for key, _ in keys]
        self._key_rows = np.array([row for _, row in keys], dtype=np.int64)

    def __contains__(self, word: str) -> bool:
        """Whether a title has this word."""
        index = bisect_left(self._words, word)
        return index < len(self._words) and self._words[index] == word

    def search(self, query: str, limit: int = 10) -> list[int]:
        """The rows whose titles have all words of a query, best first.

        The last word may be unfinished. A word that begins no word of any title is replaced by the nearest that does.
        Names equal to the query come first, then names that begin with it, then the rest; among these, rows with more
        ratings come first, then earlier rows.

        Args:
            query: text so far; a year at its end is understood.
            limit: largest number of rows to return.
        """
        text, year = cleaned(query, None)
        wanted = words(text)
        if not text.endswith(" ") and (last := folded(text)[-1:]) and last[0] in IGNORED_WORDS:
            if len(rows := self._with_words([*wanted, *last])):  # "12 an" may become "12 angry"
                return self._ranked(rows, wanted, limit)
        if year is None and len(wanted) > 1 and _YEAR.fullmatch(wanted[-1]):
            rows = self._with_words(wanted[:-1])
            if len(rows := rows[self._years[rows] == int(wanted[-1])]):
                return self._ranked(rows, wanted[:-1], limit)
        rows = self._with_words(wanted)
        if year is not None and (self._years[rows] == year).any():
            rows = rows[self._years[rows] == year]
        return self._ranked(rows, wanted, limit)

    def _with_words(self, wanted: list[str]) -> npt.NDArray[np.int64]:
        """The rows that have, for every wanted word, a word that begins with it, ascending."""
        having = np.full(len(self._years), bool(wanted))
        for word in wanted:
            this = np.zeros(len(self._years), dtype=bool)
            for first, last in self._ranges(word):
                this[self._rows[first:last]] = True
            having &= this
        return np.flatnonzero(having)

    def _ranges(self, word: str) -> list[tuple[int, int]]:
        """Ranges of ``_rows`` for the words that begin with a text, or for similar words when there are none."""
        first, last = bisect_left(self._words, word), bisect_left(self._words, word + _LAST)
        if first < last:
            return [(self._starts[first], self._starts[last])]
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        limit = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
        found = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=limit, limit=None) if limit else ()
        return [(self._starts[index], self._starts[index + 1]) for _, _, index in found]

    def _ranked(self, rows: npt.NDArray[np.int64], wanted: list[str], limit: int) -> list[int]:
        start = "".join(wanted)
        first, last = bisect_left(self._keys, start), bisect_left(self._keys, start + _LAST)
        whole = bisect_left(self._keys, start + "\0")
        kind = np.full(len(self._years), 2)
        kind[self._key_rows[first:last]] = 1
        kind[self._key_rows[first:whole]] = 0
        return [int(row) for row in rows[np.lexsort((rows, -self._counts[rows], kind[rows]))][:limit]]
