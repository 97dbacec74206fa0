"""Lists without near-duplicates, whose genres and decades are in the proportions of the person's taste.

A list is built item by item. Each next item is the one with the largest

    (1 - d) * value - 4 d * (its largest similarity to an item of the list so far) + 2 d * fit,

maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for reordering
documents and producing summaries"), with a term for calibration (Steck 2018, "Calibrated recommendations"): ``fit`` is
how fast the item lowers the Kullback-Leibler divergence between the genres and decades of the person's items, p, and
those of the list, q. The derivative of -KL(p | q) in the direction of the item's own distribution is the sum of its
p / q, less a constant.
"""

from __future__ import annotations

import numpy as np

from ..choice import ChoiceModel
from ..data.ratings import FloatArray, IntArray
from ..models.base import Table
from ..models.neighbours import directions
from .items import Items
from .profile import Profile

CANDIDATES = 100  # items that a list of at most half as many is chosen from; longer lists have twice their length
_SMOOTHING = 5.0  # items of the usual person among those of a person
_START = 3.0  # items as the person likes them, with which a list is taken to begin
_FIT = 2.0  # weight of calibration
_NEARNESS = 4.0  # weight of similarity
_LATENT_POWER = 8  # of the cosine of latent vectors: only near copies count, as in `models.neighbours`


class Variety:
    """Which items are near copies, and the kinds of items: genres and decades.

    Args:
        items: of the model.
        latent: latent vectors of the items, shape ``(num_items, latent_dim)``.
        choice: the choice model, by which items are similar that the same people choose; None without one, and then
            those are similar whose latent vectors point the same way.
    """

    def __init__(self, items: Items, latent: Table, choice: ChoiceModel | None) -> None:
        self._directions = directions(latent if choice is None else choice.vectors())
        self._power = _LATENT_POWER if choice is None else 1
        self._kinds = kinds(items)
        popular = items.counts.astype(np.float32) @ self._kinds
        self._usual: Table = popular / np.float32(max(popular.sum(), 1e-9))

    def rerank(self, columns: IntArray, values: FloatArray, profile: Profile, k: int, diversity: float) -> IntArray:
        """Indices of the items of a list, best first.

        Args:
            columns: candidates, best first, shape ``(n,)``.
            values: theirs, descending, same shape.
            profile: of the person whose taste the list is to be like.
            k: length of the list.
            diversity: from 0, which returns the first ``k``, to 1, where values count for nothing.
        """
        columns, values = columns[: max(CANDIDATES, 2 * k)], values[: max(CANDIDATES, 2 * k)]
        k = min(k, len(columns))
        if not diversity or k < 2:
            return np.arange(k)
        spread = float(values.std()) or 1.0
        relevance = ((1 - diversity) / spread * (values - values[0])).astype(np.float32)
        vectors, own = self._directions[columns], self._kinds[columns]
        similar = vectors @ vectors.T
        similar **= self._power
        similar *= np.float32(diversity * _NEARNESS)
        taste = self.taste(profile)
        listed = _START * taste
        wanted = np.float32(diversity * _FIT) * taste
        chosen = np.empty(k, dtype=np.int64)
        nearest = np.zeros(len(columns), dtype=np.float32)
        for place in range(k):
            gains = own @ (wanted / listed)
            gains += relevance
            gains -= nearest
            best = int(gains.argmax())
            chosen[place] = best
            relevance[best] = -np.inf
            np.maximum(nearest, similar[best], out=nearest)
            listed += own[best]
        return chosen

    def taste(self, profile: Profile) -> Table:
        """Genres and decades of a person's items, as fractions, shape ``(num_kinds,)``; none is 0."""
        chosen = profile.chosen
        found: Table = self._kinds[chosen].sum(axis=0) + np.float32(_SMOOTHING) * self._usual
        found += np.float32(1e-3)
        found /= found.sum()
        return found


def kinds(items: Items) -> Table:
    """Genres and decades of each item.

    Returns:
        Shape ``(num_items, num_kinds)``: half of a row is divided among an item's genres, and half is its decade. The
        row of an item of which neither is known is 0.
    """
    masks = list(items.genre_masks.values())
    genres = np.stack(masks, axis=1).astype(np.float32) if masks else np.zeros((len(items), 0), dtype=np.float32)
    genres /= 2 * np.maximum(genres.sum(axis=1, keepdims=True), 1)
    years = items.catalogue.years
    decades = np.unique(years[years > 0] // 10)
    dates = ((years // 10)[:, None] == decades) * np.float32(0.5)
    return np.concatenate([genres, dates.astype(np.float32)], axis=1)
