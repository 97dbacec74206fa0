"""The values that a list is ordered by, for many people at once: choice, predicted rating, or both."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..data.ratings import Ratings
from ..models.base import Encoded, TrainedModel
from .model import ChoiceModel

RankBy = Literal["balanced", "choice", "rating"]
RANK_BY: tuple[RankBy, ...] = get_args(RankBy)
SHORTLIST = 500  # items for each person, best by the factors alone, that are predicted by the whole model


def rank_values(
    model: TrainedModel,
    choice: ChoiceModel | None,
    ratings: Ratings,
    rank_by: RankBy,
    *,
    encoded: Encoded | None = None,
    seen: Any = None,
    shortlist: int = SHORTLIST,
) -> npt.NDArray[Any]:
    """Values of all items for each of some people, the largest first in a list. Give it blocks of people.

    Predicted ratings come in two steps: inner products of factors choose a shortlist, and the model's whole
    reconstruction, with its neighbour correction, orders it.

    Args:
        model: of ratings.
        choice: of choices; needed but for ``rank_by="rating"``.
        ratings: of the people, columns in the models' vocabulary.
        rank_by: ``choice``: how likely they are to choose the item; ``rating``: the predicted rating; ``balanced``: the
            expected value of both (`ChoiceModel.balanced`).
        encoded: the people folded into ``model``; they are folded in here when left out.
        seen: items chosen without a rating, as for `TrainedModel.fold_in`.
        shortlist: length of the shortlist.

    Returns:
        Shape ``(num_users, num_items)``; minus infinity for items that a person rated and for those beyond the
        shortlist.

    Raises:
        ValueError: an unknown ``rank_by``, or no choice model where one is needed.
    """
    if rank_by not in RANK_BY:
        raise ValueError(f"rank_by must be one of {', '.join(RANK_BY)}. Received: {rank_by!r}.")
    if rank_by != "rating" and choice is None:
        raise ValueError(
            f"This bundle has no choice model, which rank_by={rank_by!r} needs: it was trained by an earlier version. "
            "Train again, or rank by rating."
        )
    scores = None if rank_by == "rating" or choice is None else choice.scores(ratings, seen=seen)
    if scores is not None and rank_by == "choice":
        scores[ratings.user_index, ratings.item_index] = -np.inf
        return scores
    encoded = model.fold_in(ratings, seen=seen) if encoded is None else encoded
    predictions = encoded.factors[:-1] @ model.items.factors[:-1].T
    predictions += encoded.offset[:-1, None] + (model.items.offset[:-1] + np.float32(model.mean))
    values: npt.NDArray[Any] = (
        predictions if scores is None or choice is None else choice.balanced(scores, predictions, model.scale)
    )
    values[ratings.user_index, ratings.item_index] = -np.inf
    size = min(shortlist, values.shape[1])
    near = np.argpartition(values, -size, axis=1)[:, -size:]
    rows = np.arange(len(values))[:, None]
    exact = model.reconstruct(np.repeat(rows.ravel(), size), near.ravel(), encoded_users=encoded).reshape(near.shape)
    if scores is not None and choice is not None:
        exact = choice.balanced(scores[rows, near], exact, model.scale)
    found = np.full(values.shape, -np.inf)
    found[rows, near] = np.where(np.isneginf(values[rows, near]), -np.inf, exact)
    return found
