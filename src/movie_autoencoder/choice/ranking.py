"""The order of a list, for many people at once: by choice, by predicted rating, or by both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray, Ratings
from ..models.base import Encoded, TrainedModel
from .model import ChoiceModel

RankBy = Literal["balanced", "choice", "rating"]
RANK_BY: tuple[RankBy, ...] = get_args(RankBy)
SHORTLIST = 500  # items for each person, best by a rough value of all, that are predicted by the whole model


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The items that may come up in the lists of some people, in any order.

    Args:
        columns: of the items, shape ``(num_users, size)``.
        values: what a list is ordered by, same shape; minus infinity for an item that the person rated.
        predictions: by the whole model, not clipped, rating points, same shape.
        scores: of choices, same shape; None without a choice model.
    """

    columns: IntArray
    values: npt.NDArray[np.float64]
    predictions: npt.NDArray[Any]
    scores: npt.NDArray[Any] | None


def shortlist(
    model: TrainedModel,
    choice: ChoiceModel | None,
    ratings: Ratings,
    rank_by: RankBy,
    *,
    encoded: Encoded | None = None,
    seen: Any = None,
    size: int = SHORTLIST,
) -> Shortlist:
    """The best items for each of some people, with all that is said of them. Give it blocks of people.

    Predicted ratings come in two steps: inner products of factors choose a shortlist, and the model's whole
    reconstruction, with its neighbour correction, values it.

    Args:
        model: of ratings.
        choice: of choices; needed but for ``rank_by="rating"``.
        ratings: of the people, columns in the models' vocabulary.
        rank_by: ``choice``: how likely they are to choose the item; ``rating``: the predicted rating; ``balanced``: the
            expected value of both (`ChoiceModel.balanced`).
        encoded: the people folded into ``model``; they are folded in here when left out.
        seen: items chosen without a rating, as for `TrainedModel.fold_in`.
        size: number of items for each person.

    Raises:
        ValueError: an unknown ``rank_by``, or no choice model where one is needed.
    """
    _check(rank_by, choice)
    scores = None if choice is None else choice.scores(ratings, seen=seen)
    if not model.scale.rated and scores is not None:
        return _of_choices(scores, ratings, size)
    encoded = model.fold_in(ratings, seen=seen) if encoded is None else encoded
    values = scores.copy() if rank_by == "choice" and scores is not None else _predictions(model, encoded)
    if rank_by == "balanced" and scores is not None and choice is not None:
        values = choice.balanced(scores, values, model.scale)
    values[ratings.user_index, ratings.item_index] = -np.inf
    size = min(size, values.shape[1])
    columns = np.argpartition(values, -size, axis=1)[:, -size:]
    rows = np.arange(len(values))[:, None]
    users = np.repeat(rows.ravel(), size)
    exact = model.reconstruct(users, columns.ravel(), encoded_users=encoded).reshape(columns.shape)
    near = values[rows, columns].astype(np.float64)
    some = None if scores is None else scores[rows, columns]
    if rank_by == "rating" or some is None or choice is None:
        found = exact
    else:
        found = near if rank_by == "choice" else choice.balanced(some, exact, model.scale)
    return Shortlist(columns, np.where(np.isneginf(near), -np.inf, found), exact, some)


def rank_values(
    model: TrainedModel,
    choice: ChoiceModel | None,
    ratings: Ratings,
    rank_by: RankBy,
    *,
    encoded: Encoded | None = None,
    seen: Any = None,
    shortlist_size: int = SHORTLIST,
) -> npt.NDArray[Any]:
    """Values of all items for each of some people, the largest first in a list. Give it blocks of people.

    Arguments and errors as for `shortlist`.

    Returns:
        Shape ``(num_users, num_items)``; minus infinity for items that a person rated, and, where predicted ratings
        count, for those beyond the shortlist.
    """
    _check(rank_by, choice)
    if rank_by == "choice" and choice is not None:
        scores = choice.scores(ratings, seen=seen)
        scores[ratings.user_index, ratings.item_index] = -np.inf
        return scores
    near = shortlist(
        model,
        None if rank_by == "rating" else choice,
        ratings,
        rank_by,
        encoded=encoded,
        seen=seen,
        size=shortlist_size,
    )
    found = np.full((ratings.num_users, ratings.num_items), -np.inf)
    np.put_along_axis(found, near.columns, near.values, axis=1)
    return found


def _of_choices(scores: npt.NDArray[Any], ratings: Ratings, size: int) -> Shortlist:
    """The best items by choice alone, where no model predicts ratings."""
    values = scores.astype(np.float64)
    values[ratings.user_index, ratings.item_index] = -np.inf
    columns = np.argpartition(values, -min(size, values.shape[1]), axis=1)[:, -min(size, values.shape[1]) :]
    near = np.take_along_axis(values, columns, axis=1)
    return Shortlist(columns, near, np.full(near.shape, np.nan), np.take_along_axis(scores, columns, axis=1))


def _check(rank_by: str, choice: ChoiceModel | None) -> None:
    if rank_by not in RANK_BY:
        raise ValueError(f"rank_by must be one of {', '.join(RANK_BY)}. Received: {rank_by!r}.")
    if rank_by != "rating" and choice is None:
        raise ValueError(
            f"This bundle has no choice model, which rank_by={rank_by!r} needs: it was trained by an earlier version. "
            "Train again, or rank by rating."
        )


def _predictions(model: TrainedModel, encoded: Encoded) -> npt.NDArray[Any]:
    """Predictions of all items by factors alone, shape ``(num_users, num_items)``."""
    predictions: npt.NDArray[Any] = encoded.factors[:-1] @ model.items.factors[:-1].T
    predictions += encoded.offset[:-1, None] + (model.items.offset[:-1] + np.float32(model.mean))
    return predictions
