"""Which items may come up in a list: genres, years, lists to leave out or to choose from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray
from .errors import RecommenderError
from .items import Items

Years = tuple[int | None, int | None]


@dataclass(frozen=True)
class Filters:
    """Which items may come up in a recommendation: the arguments of `Recommender.recommend`.

    Args:
        genres: names, as for `eligible`.
        years: as for `eligible`.
        exclude: ids or titles of items to leave out.
        only: ids or titles of the only items to choose from; all when None.
    """

    genres: Collection[str] = ()
    years: Years = (None, None)
    exclude: Iterable[Any] = ()
    only: Iterable[Any] | None = None


def eligible(
    items: Items, genres: Collection[str], years: Years, only: IntArray | None = None
) -> npt.NDArray[np.bool_]:
    """Which items pass the filters, shape ``(num_items,)``.

    Args:
        items: of the model.
        genres: an item needs at least one of these, in any case of letters; all items pass when empty.
        years: first and last year of release; None is open.
        only: columns to choose from; all when left out.

    Raises:
        RecommenderError: a genre that no item has, or years in the wrong order.
    """
    passed = np.full(len(items), only is None)
    if only is not None:
        passed[only] = True
    if isinstance(genres, str):
        raise RecommenderError(f"genres are a list of names, such as [{genres!r}]. Received: {genres!r}.")
    if genres:
        passed &= _with_genre(items, genres)
    first, last = years
    if first is not None and last is not None and first > last:
        raise RecommenderError(f"The first year must not be later than the last. Received: {first} to {last}.")
    if first is not None:
        passed &= items.catalogue.years >= first
    if last is not None:
        passed &= (items.catalogue.years <= last) & (items.catalogue.years >= 0)
    return passed


def _with_genre(items: Items, genres: Collection[str]) -> npt.NDArray[np.bool_]:
    masks = items.genre_masks
    found = np.zeros(len(items), dtype=bool)
    for genre in genres:
        if genre.lower() not in masks:
            known = ", ".join(items.genre_counts) or "none"
            raise RecommenderError(f"No item has the genre {genre!r}. Known genres: {known}.")
        found |= masks[genre.lower()]
    return found


def largest(values: FloatArray, k: int, among: npt.NDArray[np.bool_]) -> IntArray:
    """Indices of the largest values among some, largest first.

    Args:
        values: shape ``(n,)``.
        k: how many at most.
        among: which may be taken, shape ``(n,)``.

    Example:
        >>> largest(np.array([3.0, 9.0, 5.0]), 2, np.array([True, False, True])).tolist()
        [2, 0]
    """
    masked = np.where(among, values, -np.inf)
    count = min(k, int(np.count_nonzero(among)))
    best = np.argpartition(masked, len(masked) - count)[len(masked) - count :] if count else np.empty(0, dtype=np.int64)
    return best[np.argsort(-masked[best], kind="stable")]
