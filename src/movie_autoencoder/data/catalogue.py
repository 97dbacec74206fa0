"""Catalogue: the title, year, genres and ids at other sites of each item.

`sources` reads catalogues from files; this module reads none. Text for people says "movie"; code says "item".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .matching.title_keys import YEARS_OF_SERIES, natural, split_year
from .vocabulary import Ids

__all__ = ("Catalogue", "Text", "label", "split_year")

Text = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Metadata of items, one row for each item. `Catalogue.from_rows` builds one.

    Args:
        item_ids: id of each item as in the file, shape ``(num_items,)``, integers or text, each once.
        titles: title without the year, same shape; ``""`` when unknown.
        years: year of release, same shape, int32; -1 when unknown.
        genres: genres joined by ``|`` as in MovieLens, same shape; ``""`` when unknown.
        imdb_ids: id at IMDb such as ``tt0114709``, same shape; ``""`` when unknown.
        tmdb_ids: id at The Movie Database, same shape, int64; -1 when unknown.

    Raises:
        ValueError: the columns differ in length.
    """

    item_ids: Ids
    titles: Text
    years: npt.NDArray[np.int32]
    genres: Text
    imdb_ids: Text
    tmdb_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        arrays = self.to_arrays()
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"The columns of a catalogue must have one length. Received: {lengths}.")
        for array in arrays.values():
            array.setflags(write=False)

    @classmethod
    def from_rows(
        cls,
        item_ids: Sequence[str],
        titles: Sequence[str],
        *,
        years: Sequence[int | None] | None = None,
        genres: Sequence[str] | None = None,
        imdb_ids: Sequence[str] | None = None,
        tmdb_ids: Sequence[str] | None = None,
    ) -> Catalogue:
        """Builds a catalogue from columns of text as they are in a file.

        Ids become integers when all of them are written as integers. Of two rows for one item, the last is kept.

        Args:
            item_ids: id of each item, length ``n``.
            titles: title of each item, same length. Without ``years``, a year in brackets at the end is split off.
            years: year of each item, same length; None when unknown.
            genres: genres joined by ``|``, same length. ``(no genres listed)`` counts as unknown.
            imdb_ids: ids at IMDb with or without ``tt``, same length; ``""`` when unknown.
            tmdb_ids: ids at The Movie Database, same length; ``""`` when unknown.

        Example:
            >>> films = Catalogue.from_rows(["1", "2"], ["Heat (1995)", "M"], genres=["Crime|Action", ""])
            >>> films.label(1), films.year(1), films.genres_of(1), films.label(2)
            ('Heat (1995)', 1995, ('Crime', 'Action'), 'M')
        """
        last = {item_id.strip(): row for row, item_id in enumerate(item_ids)}
        rows = list(last.values())
        split = [split_year(titles[row]) for row in rows]
        if years is not None:
            split = [(titles[row].strip(), years[row]) for row in rows]
        kinds = ["" if genres is None or genres[row].startswith("(no genres") else genres[row].strip() for row in rows]
        imdb = ["" if imdb_ids is None else _imdb_id(imdb_ids[row]) for row in rows]
        tmdb = [-1 if tmdb_ids is None else _whole(tmdb_ids[row]) for row in rows]
        return cls(
            _ids(list(last)),
            _text([title for title, _ in split]),
            np.array([-1 if year is None else year for _, year in split], dtype=np.int32),
            _text(kinds),
            _text(imdb),
            np.array(tmdb, dtype=np.int64),
        )

    @classmethod
    def empty(cls, item_ids: Ids) -> Catalogue:
        """A catalogue of ids alone, in which everything else is unknown."""
        count = len(item_ids)
        blank = np.full(count, "", dtype="U1")
        years, tmdb_ids = np.full(count, -1, dtype=np.int32), np.full(count, -1, dtype=np.int64)
        return cls(np.array(item_ids), blank, years, blank, blank, tmdb_ids)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Catalogue:
        """The catalogue that `to_arrays` wrote."""
        return cls(**{name: np.asarray(arrays[name]) for name in _COLUMNS})

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The columns by name, as arrays of numbers and fixed-width text, which npz stores without pickle."""
        return {name: getattr(self, name) for name in _COLUMNS}

    def features(self) -> npt.NDArray[np.float32]:
        """Genres, decade and year of each item as side information for a model.

        The genres of an item are an indicator vector of length 1, the decade is an indicator, and the year is
        standardized. Unknown values are 0.

        Returns:
            Features, shape ``(num_items, num_features)``, float32. There is no column when no genre and year is known.
        """
        kinds = [[kind for kind in genres.split("|") if kind] for genres in self.genres.tolist()]
        column_of = {kind: column for column, kind in enumerate(sorted({kind for row in kinds for kind in row}))}
        genres = np.zeros((len(self), len(column_of)), dtype=np.float32)
        for row, some in enumerate(kinds):
            genres[row, [column_of[kind] for kind in some]] = 1 / np.sqrt(max(len(some), 1))
        dated = self.years > 0
        if not dated.any():
            return genres
        decades, column = np.unique(self.years[dated] // 10, return_inverse=True)
        dates = np.zeros((len(self), len(decades) + 1), dtype=np.float32)
        dates[np.flatnonzero(dated), column] = 1
        years = self.years[dated].astype(np.float64)
        dates[dated, -1] = (years - years.mean()) / max(float(years.std()), 1.0)
        return np.concatenate([genres, dates], axis=1)

    def __len__(self) -> int:
        return len(self.item_ids)

    def __contains__(self, item_id: object) -> bool:
        return str(item_id) in self._row

    @cached_property
    def _row(self) -> dict[str, int]:
        """The row of each id by its text: 7 and "7" are the same item, and "007" is another."""
        return {str(item_id): row for row, item_id in enumerate(self.item_ids.tolist())}

    def row(self, item_id: object) -> int:
        """The row of an item, -1 when it is unknown."""
        return self._row.get(str(item_id), -1)

    @cached_property
    def _elsewhere(self) -> dict[str | int, int]:
        """The row of each id at IMDb, which is text, and at The Movie Database, which is a number."""
        rows: dict[str | int, int] = {one: row for row, one in enumerate(self.imdb_ids.tolist()) if one}
        return rows | {one: row for row, one in enumerate(self.tmdb_ids.tolist()) if one > 0}

    def row_elsewhere(self, imdb_id: str, tmdb_id: int = -1) -> int:
        """The row of the item with an id at IMDb, or else at The Movie Database; -1 when there is none."""
        return self._elsewhere.get(imdb_id, self._elsewhere.get(tmdb_id, -1))

    def title(self, item_id: object) -> str:
        """Title without the year, ``""`` when unknown."""
        row = self._row.get(str(item_id))
        return "" if row is None else str(self.titles[row])

    def year(self, item_id: object) -> int | None:
        """Year of release, None when unknown."""
        row = self._row.get(str(item_id))
        return None if row is None or self.years[row] < 0 else int(self.years[row])

    def genres_of(self, item_id: object) -> tuple[str, ...]:
        """Genres, empty when unknown."""
        row = self._row.get(str(item_id))
        return () if row is None else tuple(one for one in str(self.genres[row]).split("|") if one)

    def label(self, item_id: object) -> str:
        """What people are shown of an item (`label`)."""
        return label(self.title(item_id), self.year(item_id), item_id)

    def align(self, item_ids: npt.ArrayLike) -> Catalogue:
        """The rows of some items in their order, with everything unknown in the row of an unknown item.

        Args:
            item_ids: ids, shape ``(n,)``.
        """
        ids = np.asarray(item_ids)
        rows = np.array([self._row.get(str(item_id), -1) for item_id in ids.tolist()], dtype=np.int64)
        known = rows >= 0
        blank = Catalogue.empty(ids)
        columns: dict[str, Any] = {"item_ids": ids.copy()}
        for name in _COLUMNS[1:]:
            column, filler = getattr(self, name), getattr(blank, name)
            columns[name] = np.where(known, column[rows], filler) if len(self) else filler.copy()
        return Catalogue(**columns)

    def take(self, rows: npt.ArrayLike) -> Catalogue:
        """Some rows, by their indices or by a mask over all rows."""
        return Catalogue(**{name: array[np.asarray(rows)] for name, array in self.to_arrays().items()})

    def __repr__(self) -> str:
        return f"Catalogue({len(self):,} items, {int((self.titles != '').sum()):,} with a title)"


_COLUMNS = ("item_ids", "titles", "years", "genres", "imdb_ids", "tmdb_ids")


def label(title: str, year: int | None, item_id: object = "") -> str:
    """What people are shown of an item: ``Title (Year)``, the title as people write it.

    Args:
        title: without the year, as in a file; ``""`` where it is unknown.
        year: of release; None where it is unknown.
        item_id: shown where there is no title, as ``movie 7`` when it is a number.

    Example:
        >>> label("Matrix, The", 1999), label("Fleabag (2016–2019)", 2016), label("", None, 7)
        ('The Matrix (1999)', 'Fleabag (2016–2019)', 'movie 7')
    """
    if not title:
        return f"movie {item_id}" if str(item_id).isdigit() else str(item_id)
    years = YEARS_OF_SERIES.search(title)
    if years:
        return f"{natural(title)} {years[0].strip()}"
    return natural(title) if year is None else f"{natural(title)} ({year})"


def _ids(texts: list[str]) -> Ids:
    if texts and all(re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text) for text in texts):
        return np.array(texts).astype(np.int64)
    return _text(texts)


def _text(texts: list[str]) -> Text:
    return np.array(texts, dtype=str) if texts else np.empty(0, dtype="U1")


def _imdb_id(text: str) -> str:
    """The id in IMDb's own form: MovieLens writes ``0114709`` for ``tt0114709``."""
    digits = text.strip().removeprefix("tt")
    return f"tt{digits.zfill(7)}" if digits.isdigit() else ""


def _whole(text: str) -> int:
    text = text.strip().removesuffix(".0")
    return int(text) if text.isdigit() else -1
