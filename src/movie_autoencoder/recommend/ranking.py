"""Recommendations for one person: candidates that pass the filters, reconstructed, put in order, with their reasons."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ..data.matching.person import Person
from ..data.ratings import FloatArray, IntArray
from ..models.person import EncodedPerson
from .explain import reasons
from .filters import Filters, best_with_popularity, eligible, largest
from .items import Items
from .predictor import Predictor
from .profile import Profile, notes_on
from .schemas import Recommendation, Recommendations

SHORTLIST = 500  # items, best by the reconstruction of all items, that are reconstructed with the neighbour correction


def recommend(predictor: Predictor, items: Items, person: Person, k: int, filters: Filters) -> Recommendations:
    """The items with the best predictions for a person, among those that they have not seen.

    Args:
        predictor: of the model.
        items: of the model.
        person: whose recommendations.
        k: how many; fewer where fewer are left.
        filters: which items may come up.
    """
    with _one_thread():
        profile = Profile.of(person, items)
        encoded = predictor.encode(profile)
        only, num_lost = (None, 0) if filters.only is None else items.find_all(filters.only)
        unwanted, num_unknown = items.find_all(filters.exclude)
        allowed = eligible(items, filters.genres, filters.years, only)
        allowed[profile.chosen] = allowed[unwanted] = False
        if only is None:
            candidates = largest(encoded.reconstruct(), max(SHORTLIST, k), allowed)
        else:
            candidates = np.flatnonzero(allowed)
        raw = predictor.reconstruct(encoded, profile, candidates)
        best = best_with_popularity(raw, items.counts[candidates], k, filters.popularity, predictor.scale)
        found = _described(predictor, items, profile, encoded, candidates[best], predictor.scale.clip(raw[best]))
        return Recommendations(found, person, notes_on(person, items.last_year, num_lost + num_unknown))


def _described(
    predictor: Predictor,
    items: Items,
    profile: Profile,
    encoded: EncodedPerson,
    columns: IntArray,
    predictions: FloatArray,
) -> tuple[Recommendation, ...]:
    """Ranked columns with their predictions, intervals and reasons."""
    if not len(columns):
        return ()
    why = reasons(items, profile, encoded.shares(columns), len(columns), predictor.scale)
    intervals = predictor.intervals(profile, predictions, columns)
    rows = zip(columns.tolist(), predictions.tolist(), *intervals, why, strict=True)
    return tuple(
        Recommendation(*items.fields(column), stars, low, high, like, rank, reason)
        for rank, (column, stars, low, high, like, reason) in enumerate(rows, start=1)
    )


@cache
def _libraries() -> ThreadpoolController:
    """The numerical libraries that have threads of their own."""
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    """Limits BLAS to one thread: one person's arrays are so small that threads cost more than they save."""
    manager: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return manager
