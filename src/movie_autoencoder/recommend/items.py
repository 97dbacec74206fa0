"""The items of a trained model as people name them: found by id or title, shown with title and year.

A *column* is an item's index in the model. Everything here is made once and then looked up, so that a person with a
handful of ratings is answered within a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.catalogue import Catalogue, label, split_year
from ..data.matching.title_index import TitleIndex
from ..data.ratings import Ids, IntArray
from .errors import RecommenderError
from .schemas import Item

_WELL_KNOWN = 1000  # most rated items: suggestions, groups and comparisons are made of these


class Items:
    """The items of a trained model.

    Args:
        ids: id of each column, shape ``(num_items,)``.
        catalogue: titles, years and genres; items that it does not know have none.
        counts: training ratings of each column, shape ``(num_items,)``.
    """

    def __init__(self, ids: Ids, catalogue: Catalogue, counts: IntArray) -> None:
        self.ids = ids
        self.catalogue = catalogue.align(ids)
        self.counts = counts
        self._labels: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def titles(self) -> TitleIndex:
        """Finds columns by title."""
        return TitleIndex(self.catalogue, self.counts)

    @cached_property
    def column_of(self) -> dict[Any, int]:
        """Column of each id, as it is and as text: faster than a sorted search for a handful of items."""
        columns: dict[Any, int] = {}
        for column, item in enumerate(self.ids.tolist()):
            columns[item] = columns[str(item)] = column
        return columns

    def columns(self, ids: Iterable[Any]) -> IntArray:
        """Columns of ids; unknown ids are left out."""
        column_of = self.column_of
        return np.array([column_of[item] for item in ids if item in column_of], dtype=np.int64)

    def find(self, item: Any) -> int:
        """Column of an id, or of a title that means exactly one item; -1 otherwise."""
        column = self.column_of.get(item, -1)
        return self.titles.match(*split_year(item)).row if column < 0 and isinstance(item, str) else column

    def find_all(self, items: Iterable[Any]) -> tuple[IntArray, int]:
        """Columns of ids and titles, and the number of those that are unknown or ambiguous."""
        found = [self.find(item) for item in items]
        columns = [column for column in found if column >= 0]
        return np.array(columns, dtype=np.int64), len(found) - len(columns)

    def require(self, item: Any) -> int:
        """Column of an id or a title.

        Raises:
            RecommenderError: the item is unknown, or the title means several items.
        """
        column = self.column_of.get(item, -1)
        if column < 0 and isinstance(item, str):
            match = self.titles.match(*split_year(item))
            if match.candidates:
                some = "; ".join(self.label(one) for one in match.candidates[:5])
                raise RecommenderError(f"Which {item!r} is meant: {some}? Write the title with its year, or the id.")
            column = match.row
        if column < 0:
            raise RecommenderError(
                f"The model does not know {item!r}: give an id or a title from its {len(self):,} items, such as "
                f"{self.label(int(self.well_known[0]))!r}."
            )
        return column

    def fields(self, column: Any) -> tuple[Any, str, int | None]:
        """Id, title and year of a column: the fields of `Item`."""
        return self._fields[int(column)]

    def item(self, column: Any) -> Item:
        """A column as an answer shows it."""
        return Item(*self.fields(column))

    def label(self, column: int) -> str:
        """A column as people write it, such as ``The Matrix (1999)``."""
        if column not in self._labels:
            item, title, year = self.fields(column)
            self._labels[column] = label(title, year, item)
        return self._labels[column]

    def genres(self, column: Any) -> tuple[str, ...]:
        """Genres of a column."""
        return self.catalogue.genres_of(self.ids[column])

    @cached_property
    def _fields(self) -> list[tuple[Any, str, int | None]]:
        years = (year if year >= 0 else None for year in self.catalogue.years.tolist())
        return list(zip(self.ids.tolist(), self.catalogue.titles.tolist(), years, strict=True))

    @cached_property
    def well_known(self) -> IntArray:
        """Columns of the most rated items, most rated first."""
        return np.argsort(-self.counts, kind="stable")[:_WELL_KNOWN]

    @cached_property
    def genre_masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which columns have a genre, shape ``(num_items,)``; by its name in lower case."""
        masks: dict[str, npt.NDArray[np.bool_]] = {}
        for column, genres in enumerate(self.catalogue.genres.tolist()):
            for genre in filter(None, genres.split("|")):
                masks.setdefault(genre.lower(), np.zeros(len(self), dtype=bool))[column] = True
        return masks

    @cached_property
    def genre_counts(self) -> dict[str, int]:
        """Number of items of each genre, by its name, in alphabetical order."""
        names = {genre for genres in self.catalogue.genres.tolist() for genre in genres.split("|") if genre}
        return {name: int(self.genre_masks[name.lower()].sum()) for name in sorted(names)}

    @cached_property
    def last_year(self) -> int | None:
        """Year of the newest item; None where no year is known."""
        years = self.catalogue.years
        return int(years.max()) if len(years) and years.max() > 0 else None
