"""Examples: some users' ratings beside their reconstruction, and the largest and smallest errors of one user.

Users and items are chosen by how much they rated and were rated, never by how well they are predicted. The results are
small plain values for JSON; ``report`` draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.ratings import FloatArray, Ids, IntArray, Ratings
from ..models.base import Encoded, TrainedModel
from .targets import Targets, counts_at

_PANEL_USERS = 8
_PANEL_ITEMS = 20
_LIST_LENGTH = 6  # ratings in each list of a user's largest and smallest errors

Entries = dict[tuple[int, int], float]  # rating by item column and position of the user in the panel


@dataclass(frozen=True, eq=False)
class Scored:
    """The targets with their predictions, and what the encoder was shown of their users.

    Args:
        targets: the held-out ratings.
        predictions: the model's prediction of each, shape ``(n,)``, rating points.
        encoded_users: the users when they are not the training users.
        shown: the ratings that the encoder was shown, or None when the bundle was saved without them.
        shown_counts: number of these ratings of each user, shape ``(num_users,)``.
        user_ids: id of each user, same shape.
        item_ids: id of each training item, shape ``(num_items,)``.
        item_counts: number of training ratings of each, same shape.
    """

    targets: Targets
    predictions: FloatArray
    encoded_users: Encoded | None
    shown: Ratings | None
    shown_counts: IntArray
    user_ids: Ids
    item_ids: Ids
    item_counts: IntArray

    @property
    def held_counts(self) -> IntArray:
        """Number of targets of each user, shape ``(num_users,)``."""
        users = self.targets.users
        return np.bincount(users[users >= 0], minlength=len(self.user_ids))


@dataclass(frozen=True)
class Panel:
    """A small matrix of users and items: ratings, and their reconstruction.

    Args:
        users: id of each column, shape ``(num_users,)``.
        items: id of each row, shape ``(num_items,)``.
        titles: title of each row.
        shown: ratings that the encoder was shown, ``num_items`` lists of ``num_users``; None where there is no rating.
        held_out: held-out ratings, likewise.
        reconstruction: the model's prediction for every user and item, clipped to the scale.
        num_shown: number of all ratings of each user that the encoder was shown.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    titles: tuple[str, ...]
    shown: tuple[tuple[float | None, ...], ...]
    held_out: tuple[tuple[float | None, ...], ...]
    reconstruction: tuple[tuple[float, ...], ...]
    num_shown: tuple[int, ...]


@dataclass(frozen=True)
class RatingExample:
    """One rating (``stars``) and its prediction (``reconstruction``), clipped to the scale."""

    item: str
    title: str
    stars: float
    reconstruction: float

    @property
    def error(self) -> float:
        """Distance of rating and prediction, rating points."""
        return abs(self.stars - self.reconstruction)


@dataclass(frozen=True)
class UserExample:
    """One user's ratings beside their reconstruction.

    Args:
        user: the user's id.
        num_shown: number of all ratings that the encoder was shown.
        num_held_out: number of all held-out ratings.
        shown: some ratings that the encoder was shown, most rated items first.
        held_out: some held-out ratings, likewise.
        most_surprising: held-out ratings with the largest errors, largest first.
        least_surprising: held-out ratings with the smallest errors, smallest first; no rating is in both lists.
    """

    user: str
    num_shown: int
    num_held_out: int
    shown: tuple[RatingExample, ...]
    held_out: tuple[RatingExample, ...]
    most_surprising: tuple[RatingExample, ...]
    least_surprising: tuple[RatingExample, ...]


def make_panel(model: TrainedModel, scored: Scored, title: Callable[[Any], str]) -> Panel | None:
    """Users from the least to the most active, and items that several of them rated.

    Args:
        model: the model.
        scored: its predictions.
        title: title of an item by its id.

    Returns:
        None when the model knows no user with held-out ratings.
    """
    users = _panel_users(scored)
    if not len(users):
        return None
    targets = scored.targets
    column = {int(user): index for index, user in enumerate(users)}
    found = np.flatnonzero(np.isin(targets.users, users) & (targets.items >= 0))
    held = {(int(targets.items[n]), column[int(targets.users[n])]): float(targets.ratings.values[n]) for n in found}
    shown: Entries = {}
    if scored.shown is not None:
        for user, index in column.items():
            row = scored.shown.row(user)
            rated, values = scored.shown.item_index[row].tolist(), scored.shown.values[row].tolist()
            shown |= {(item, index): value for item, value in zip(rated, values, strict=True)}
    items = _panel_items(held, shown, scored.item_counts)
    if not items:
        return None
    grid_items, grid_users = np.repeat(items, len(users)), np.tile(users, len(items))
    predictions = model.predict(grid_users, grid_items, encoded_users=scored.encoded_users)
    grid = predictions.reshape(len(items), len(users)).tolist()
    return Panel(
        users=tuple(str(scored.user_ids[user]) for user in users),
        items=tuple(str(scored.item_ids[item]) for item in items),
        titles=tuple(title(scored.item_ids[item]) for item in items),
        shown=_table(shown, items, len(users)),
        held_out=_table(held, items, len(users)),
        reconstruction=tuple(tuple(round(one, 4) for one in row) for row in grid),
        num_shown=tuple(int(scored.shown_counts[user]) for user in users),
    )


def make_user_example(model: TrainedModel, scored: Scored, title: Callable[[Any], str]) -> UserExample | None:
    """The least active user of the panel who has enough held-out ratings for two lists.

    Args:
        model: the model.
        scored: its predictions.
        title: title of an item by its id.

    Returns:
        None when the model knows no user with held-out ratings.
    """
    users = _panel_users(scored)
    if not len(users):
        return None
    targets, held_counts = scored.targets, scored.held_counts[users]
    enough = np.flatnonzero(held_counts >= 2 * _LIST_LENGTH)
    user = int(users[enough[0] if len(enough) else np.argmax(held_counts)])
    own = np.flatnonzero(targets.users == user)
    popularity = counts_at(scored.item_counts, targets.items[own])
    held_out = _examples(targets.item_ids[own], targets.ratings.values[own], scored.predictions[own], title)
    shown: list[RatingExample] = []
    if scored.shown is not None:
        row = scored.shown.row(user)
        items, values = scored.shown.item_index[row], scored.shown.values[row]
        kept = np.argsort(-scored.item_counts[items], kind="stable")[:_LIST_LENGTH]
        made = model.predict(np.full(len(kept), user), items[kept], encoded_users=scored.encoded_users)
        shown = _examples(scored.item_ids[items[kept]], values[kept], made, title)
    by_error = sorted(held_out, key=lambda one: one.error)
    each = min(_LIST_LENGTH, len(by_error) // 2)
    return UserExample(
        user=str(scored.user_ids[user]),
        num_shown=int(scored.shown_counts[user]),
        num_held_out=len(own),
        shown=tuple(shown),
        held_out=tuple(held_out[n] for n in np.argsort(-popularity, kind="stable")[: 2 * _LIST_LENGTH]),
        most_surprising=tuple(by_error[::-1][: max(each, 1)]),
        least_surprising=tuple(by_error[:each]),
    )


def _examples(
    item_ids: Ids, ratings: FloatArray, predictions: FloatArray, title: Callable[[Any], str]
) -> list[RatingExample]:
    return [
        RatingExample(str(item_id), title(item_id), float(rating), round(float(prediction), 4))
        for item_id, rating, prediction in zip(item_ids, ratings, predictions, strict=True)
    ]


def _panel_users(scored: Scored) -> IntArray:
    """Users with held-out ratings, at even distances in the order of activity."""
    held = scored.held_counts
    for num_held, num_shown in ((4, 10), (2, 3), (1, 1), (1, 0)):
        users = np.flatnonzero((held >= num_held) & (scored.shown_counts >= num_shown))
        if len(users) >= _PANEL_USERS or ((num_held, num_shown) == (1, 0)):
            break
    users = users[np.argsort(scored.shown_counts[users], kind="stable")]
    positions = np.unique(np.linspace(0, len(users) - 1, _PANEL_USERS + 2).round().astype(np.int64))
    chosen = positions[1:-1] if len(positions) > _PANEL_USERS else positions  # without the two ends
    return users[chosen] if len(users) else users


def _panel_items(held: Entries, shown: Entries, counts: IntArray) -> list[int]:
    """Two held-out items of each user, then the items that most of the users rated; most rated first."""
    raters: dict[int, int] = {}
    for item, _ in [*held, *shown]:
        raters[item] = raters.get(item, 0) + 1

    def rank(item: int) -> tuple[int, int, int]:
        return (-raters[item], -int(counts[item]), item)

    chosen: list[int] = []
    for user in sorted({column for _, column in held}):
        own = sorted((item for item, column in held if column == user), key=rank)
        chosen += [item for item in own if item not in chosen][:2]
    chosen += sorted(set(raters) - set(chosen), key=rank)
    return sorted(chosen[:_PANEL_ITEMS], key=rank)


def _table(entries: Entries, items: list[int], num_users: int) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(entries.get((item, user)) for user in range(num_users)) for item in items)
