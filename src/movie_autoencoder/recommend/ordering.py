"""The order of one person's list: how likely they are to choose an item, how they would like it, how known it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..choice import RANK_BY, ChoiceModel, RankBy
from ..choice.model import log_probability
from ..data.ratings import FloatArray, IntArray
from ..data.scale import one_point
from ..models.person import EncodedPerson
from .errors import RecommenderError
from .filters import largest
from .predictor import Predictor
from .profile import Profile

__all__ = ("NO_CHOICE_MODEL", "NO_STARS", "USUAL_DIVERSITY", "Order", "RankBy", "Ranked", "Ranker", "check_rank_by")

SHORTLIST = 500  # items, best by a rough value of all, that are predicted with the neighbour correction
USUAL_DIVERSITY = 0.2  # costs .5 % of NDCG@100 on ml-latest-small
NO_CHOICE_MODEL = (
    "This model was trained by an earlier version and does not know what people choose, so that the list is ordered by "
    "predicted stars. Train again to change that."
)
NO_STARS = (
    "This model was trained on pairs without ratings: it knows what people choose, and there are no predicted stars."
)
_POINTS = 0.25  # of a five-star scale: what e times as many ratings add to a predicted rating at popularity 1
_SEVERAL = 5  # ratings; an item with fewer is not preferred for being little known


@dataclass(frozen=True)
class Order:
    """How a list is ordered: arguments of `Recommender.recommend`.

    Args:
        rank_by: ``balanced``, ``choice`` or ``rating``, as for `choice.rank_values`.
        popularity: from -1, little known items first, to 1, well known ones first; 0 changes nothing.
        diversity: from 0, off, to 1, as for `diversity.Variety.rerank`.

    Raises:
        RecommenderError: another value.
    """

    rank_by: RankBy = "balanced"
    popularity: float = 0.0
    diversity: float = USUAL_DIVERSITY

    def __post_init__(self) -> None:
        check_rank_by(self.rank_by)
        if not -1 <= self.popularity <= 1:
            raise RecommenderError(f"popularity must lie between -1 and 1. Received: {self.popularity}.")
        if not 0 <= self.diversity <= 1:
            raise RecommenderError(f"diversity must lie between 0 and 1. Received: {self.diversity}.")


def check_rank_by(rank_by: str) -> None:
    """Refuses an unknown order.

    Raises:
        RecommenderError: it is none of `choice.RANK_BY`; the message names them.
    """
    if rank_by not in RANK_BY:
        raise RecommenderError(f"rank_by must be one of {', '.join(RANK_BY)}. Received: {rank_by!r}.")


@dataclass(frozen=True, eq=False)
class Ranked:
    """Items in order.

    Args:
        columns: of the items, best first, shape ``(n,)``.
        predictions: not clipped, rating points, same shape.
        values: what they are ordered by, same shape: log-odds, log of a probability and more, or rating points.
        log_odds: of choosing each, same shape; None where the list is ordered by rating.
    """

    columns: IntArray
    predictions: FloatArray
    values: FloatArray
    log_odds: FloatArray | None

    def take(self, index: IntArray | slice) -> Ranked:
        """Some of the items, in another order."""
        log_odds = None if self.log_odds is None else self.log_odds[index]
        return Ranked(self.columns[index], self.predictions[index], self.values[index], log_odds)


class Ranker:
    """Puts items in order for one person at a time.

    Args:
        bundle: of the trained model.
        predictor: predicts with it.
    """

    def __init__(self, bundle: Bundle, predictor: Predictor) -> None:
        self.choice: ChoiceModel | None = bundle.choice
        self._predictor = predictor
        self._known = np.log(np.maximum(bundle.item_counts, _SEVERAL)).astype(np.float32)
        fraction = (bundle.item_counts + 0.5) / (len(bundle.user_ids) + 1)
        self._of_anybody: FloatArray = np.log(fraction / np.maximum(1 - fraction, 1e-6))

    def rank_by(self, wanted: RankBy) -> RankBy:
        """The order that the model can give: by rating without a choice model, by choice without a model of ratings."""
        if not self._predictor.rated:
            return "choice"
        return "rating" if self.choice is None else wanted

    def rank(
        self,
        profile: Profile,
        encoded: EncodedPerson | None,
        order: Order,
        allowed: npt.NDArray[np.bool_],
        k: int,
        *,
        every: bool,
    ) -> Ranked:
        """The best items for a person, best first, at least ``k`` where so many are allowed.

        A rough value of all items chooses a shortlist, and the whole model with its neighbour correction orders it.

        Args:
            profile: whose list.
            encoded: the profile, encoded; None without a model of ratings.
            order: of the list.
            allowed: which items may come up, shape ``(num_items,)``.
            k: length of the list.
            every: whether all allowed items are predicted by the whole model, without a shortlist.
        """
        by_rating = self.rank_by(order.rank_by) == "rating"
        if every:
            columns: IntArray = np.flatnonzero(allowed)
            log_odds = None if by_rating else self._log_odds(profile, columns)
        else:
            log_odds = None if by_rating else self._log_odds(profile, slice(None))
            by_choice = encoded is None or (order.rank_by == "choice" and not by_rating)
            rough = None if encoded is None or by_choice else encoded.reconstruct()
            columns = largest(self._values(rough, log_odds, order, slice(None)), max(SHORTLIST, k), allowed)
            log_odds = None if log_odds is None else log_odds[columns]
        if encoded is None:
            predictions: FloatArray = np.full(len(columns), np.nan)
            values = self._values(None, log_odds, order, columns)
        else:
            predictions = self._predictor.reconstruct(encoded, profile, columns)
            values = self._values(predictions, log_odds, order, columns)
        return Ranked(columns, predictions, values, log_odds).take(np.argsort(-values, kind="stable"))

    def p_choose(self, profile: Profile, ranked: Ranked) -> list[float] | list[None]:
        """Chance that a person chooses each of the items in order; None without a choice model."""
        if self.choice is None:
            return [None] * len(ranked.columns)
        log_odds = self._log_odds(profile, ranked.columns) if ranked.log_odds is None else ranked.log_odds
        chances: list[float] = np.exp(log_probability(log_odds)).tolist()
        return chances

    def _log_odds(self, profile: Profile, columns: IntArray | slice) -> FloatArray:
        """Log-odds that a person chooses some items; as those of anybody for a person without any item."""
        choice, chosen = self.choice, profile.chosen
        if choice is None or not len(chosen):
            return self._of_anybody[columns]
        return choice.calibration.transform(choice.person_scores(chosen, columns))

    def _values(
        self, predictions: FloatArray | None, log_odds: FloatArray | None, order: Order, columns: IntArray | slice
    ) -> FloatArray:
        """What items are ordered by: predictions where there are no log-odds, and the reverse, or both."""
        strength, scale = 1.0, self._predictor.scale
        if log_odds is None or self.choice is None:
            values, strength = np.asarray(predictions), _POINTS * one_point(scale)
        elif predictions is None or order.rank_by == "choice":
            values = log_odds
        else:
            values = self.choice.value(log_odds, predictions, scale)
        return values + (order.popularity * strength) * self._known[columns] if order.popularity else values
