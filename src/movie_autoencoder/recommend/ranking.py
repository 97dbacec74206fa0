"""Recommendations for one person: items that pass the filters, put in order, with predictions and reasons."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache, cached_property
from typing import Any

from threadpoolctl import ThreadpoolController

from ..bundle.bundle import Bundle
from ..choice import RankBy
from ..data.matching.person import Person
from ..models.person import EncodedPerson
from .diversity import Variety
from .filters import Filters, eligible
from .items import Items
from .ordering import NO_CHOICE_MODEL, NO_STARS, Order, Ranked, Ranker
from .predictor import Predictor
from .profile import Profile, notes_on
from .reasons import reasons
from .schemas import Recommendation, Recommendations


class ListMaker:
    """Makes the lists of one model.

    Args:
        bundle: of the trained model.
        items: its items.
        predictor: predicts with it.
    """

    def __init__(self, bundle: Bundle, items: Items, predictor: Predictor) -> None:
        self._bundle = bundle
        self._items = items
        self._predictor = predictor
        self._ranker = Ranker(bundle, predictor)

    @cached_property
    def _variety(self) -> Variety:
        return Variety(self._items, self._bundle.model.items.latent, self._bundle.choice)

    def rank_by(self, wanted: RankBy) -> RankBy:
        """The order that the model can give: by rating where there is no choice model."""
        return self._ranker.rank_by(wanted)

    def recommend(self, person: Person, k: int, filters: Filters, order: Order) -> Recommendations:
        """The best items for a person, among those that they have not seen.

        Args:
            person: whose recommendations.
            k: how many; fewer where fewer are left.
            filters: which items may come up.
            order: in which order.
        """
        with _one_thread():
            items, predictor = self._items, self._predictor
            profile = Profile.of(person, items)
            encoded = predictor.encode(profile) if predictor.rated else None
            only, num_lost = (None, 0) if filters.only is None else items.find_all(filters.only)
            unwanted, num_unknown = items.find_all(filters.exclude)
            allowed = eligible(items, filters.genres, filters.years, only)
            allowed[profile.chosen] = allowed[unwanted] = False
            ranked = self._ranker.rank(profile, encoded, order, allowed, k, every=only is not None)
            if order.diversity:
                best = self._variety.rerank(ranked.columns, ranked.values, profile, k, order.diversity)
                ranked = ranked.take(best)
            else:
                ranked = ranked.take(slice(k))
            found = self._described(profile, encoded, ranked, self.rank_by(order.rank_by))
            notes = notes_on(person, items.last_year, num_lost + num_unknown)
            if not predictor.rated:
                notes = (*notes, NO_STARS)
            elif self.rank_by(order.rank_by) != order.rank_by:
                notes = (*notes, NO_CHOICE_MODEL)
            return Recommendations(found, person, notes)

    def _described(
        self, profile: Profile, encoded: EncodedPerson | None, ranked: Ranked, rank_by: RankBy
    ) -> tuple[Recommendation, ...]:
        """Ranked items with their predictions, intervals and reasons."""
        columns, items, scale = ranked.columns, self._items, self._predictor.scale
        if not len(columns):
            return ()
        predictions = scale.clip(ranked.predictions)
        shares = None if encoded is None else encoded.shares(columns)
        why = reasons(items, profile, shares, self._bundle.choice, columns, rank_by, scale)
        shown: list[float | None] = [None] * len(columns) if encoded is None else predictions.tolist()
        intervals = self._predictor.intervals(profile, predictions, columns)
        chances = self._ranker.p_choose(profile, ranked)
        counts = items.counts[columns].tolist()
        rows = zip(columns.tolist(), shown, *intervals, chances, counts, why, strict=True)
        return tuple(
            Recommendation(*items.fields(column), stars, low, high, like, rank, chance, count, reason)
            for rank, (column, stars, low, high, like, chance, count, reason) in enumerate(rows, start=1)
        )


@cache
def _libraries() -> ThreadpoolController:
    """The numerical libraries that have threads of their own."""
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    """Limits BLAS to one thread: one person's arrays are so small that threads cost more than they save."""
    manager: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return manager
