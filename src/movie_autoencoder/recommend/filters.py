"""Which items may come up, and in which order: genres, years, lists, and how much popularity counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Scale
from ..data.scale import one_point
from .errors import RecommenderError
from .items import Items

Years = tuple[int | None, int | None]

_SWAY = 0.5  # points of a five-star scale that popularity may add or take


@dataclass(frozen=True)
class Filters:
    """Which items may come up in a recommendation: the arguments of `Recommender.recommend`.

    Args:
        genres: names, as for `eligible`.
        years: as for `eligible`.
        popularity: as for `best_with_popularity`.
        exclude: ids or titles of items to leave out.
        only: ids or titles of the only items to choose from; all when None.

    Raises:
        RecommenderError: a popularity outside -1 to 1.
    """

    genres: Collection[str] = ()
    years: Years = (None, None)
    popularity: float = 0.0
    exclude: Iterable[Any] = ()
    only: Iterable[Any] | None = None

    def __post_init__(self) -> None:
        if not -1 <= self.popularity <= 1:
            raise RecommenderError(f"popularity must lie between -1 and 1. Received: {self.popularity}.")


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


def best_with_popularity(
    predictions: FloatArray, counts: IntArray, k: int, popularity: float, scale: Scale
) -> IntArray:
    """Indices of the best predictions, best first, with a preference for little or well known items.

    Only items within half a point (of five) of the ``k``-th best prediction can be preferred.

    Args:
        predictions: not clipped, rating points, shape ``(n,)``.
        counts: training ratings of each item, same shape.
        k: how many at most.
        popularity: from -1, little known items first, to 1, well known ones; 0 orders by prediction alone.
        scale: of the predictions.

    Example:
        >>> scale = Scale(1, 5, 1)
        >>> best_with_popularity(np.array([4.3, 4.0, 2.0]), np.array([900, 30, 9]), 1, -1.0, scale).tolist()
        [1]
    """
    if not popularity or not len(predictions):
        return np.argsort(-predictions, kind="stable")[:k]
    clipped, sway = scale.clip(predictions), _SWAY * one_point(scale)
    least = np.sort(clipped)[-min(k, len(clipped))] - sway
    fits = np.flatnonzero(clipped >= least)
    known = np.log1p(counts[fits])
    width = float(np.ptp(known)) or 1.0
    score = clipped[fits] / sway * (1 - abs(popularity)) + 2 * popularity * (known - known.min()) / width
    return fits[np.lexsort((-predictions[fits], -score))[:k]]
