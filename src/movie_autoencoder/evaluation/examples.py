"""Examples of an evaluation: some people's stars beside their reconstruction, a person's surprises, a map of taste.

Chosen by rule from how much each user rated, never by how well they are predicted. Everything here is small and plain,
so that it can stand in a JSON file; pictures are drawn from it elsewhere (``report``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, Ids, IntArray, Ratings
from ..models.base import Encoded, TrainedModel

_PANEL_USERS = 8
_PANEL_ITEMS = 20
_POINTS = 3_000  # of the map: more are drawn over each other
_SURPRISES = 6


@dataclass(frozen=True, eq=False)
class Scored:
    """The cells that are scored and what may be looked up for them.

    Args:
        users: row of each cell's user among ``encoded_users``, shape ``(n,)``; -1 when unknown.
        items: column of each cell's item, same shape; -1 when unknown.
        stars: the held-out stars, same shape, rating points.
        predictions: the model's stars, same shape, rating points.
        items_named: id of each cell's item, same shape.
        reader_ids: id of each row, shape ``(num_readers,)``.
        item_ids: id of each column, shape ``(num_items,)``.
        shown_counts: number of ratings that the encoder read of each row.
        item_counts: number of training ratings of each column.
        shown: those ratings, or None when the bundle was saved without them.
        encoded_users: the rows when they are not the training users.
    """

    users: IntArray
    items: IntArray
    stars: FloatArray
    predictions: FloatArray
    items_named: Ids
    reader_ids: Ids
    item_ids: Ids
    shown_counts: IntArray
    item_counts: IntArray
    shown: Ratings | None
    encoded_users: Encoded | None


@dataclass(frozen=True)
class Panel:
    """A small matrix of people and movies: stars as given, and as reconstructed.

    Args:
        users: id of each column, shape ``(num_users,)``.
        items: id of each row, shape ``(num_items,)``.
        titles: title of each row.
        shown: stars that the encoder read, ``num_items`` lists of ``num_users``; None where there are none.
        held_out: stars that it did not, likewise.
        reconstruction: the model's stars at every cell, clipped to the scale.
        num_shown: ratings of each user that the encoder read, in all.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    titles: tuple[str, ...]
    shown: tuple[tuple[float | None, ...], ...]
    held_out: tuple[tuple[float | None, ...], ...]
    reconstruction: tuple[tuple[float, ...], ...]
    num_shown: tuple[int, ...]


@dataclass(frozen=True)
class Starred:
    """One rating beside its reconstruction; ``stars`` as given, ``reconstruction`` clipped to the scale."""

    item: str
    title: str
    stars: float
    reconstruction: float


@dataclass(frozen=True)
class Person:
    """One person's ratings beside their reconstruction.

    Args:
        user: the person's id.
        num_shown: ratings that the encoder read, in all.
        num_held_out: ratings that it did not, in all.
        shown: some of the first kind, the most rated movies first.
        held_out: some of the second kind, likewise.
        most_surprising: held-out ratings that lie furthest from their prediction, furthest first.
        least_surprising: held-out ratings that lie nearest, nearest first; none stands in both lists.
    """

    user: str
    num_shown: int
    num_held_out: int
    shown: tuple[Starred, ...]
    held_out: tuple[Starred, ...]
    most_surprising: tuple[Starred, ...]
    least_surprising: tuple[Starred, ...]


@dataclass(frozen=True)
class TasteMap:
    """Users' latent vectors in the two directions in which they differ most (principal components).

    Args:
        first: coordinate of each drawn user along the first direction.
        second: likewise along the second.
        colour: what each point is coloured by.
        colour_name: what that is.
        explained: shares of the variance of the latent vectors that lie along the two directions.
        num_users: users that the directions were found from.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    colour: tuple[float, ...]
    colour_name: str
    explained: tuple[float, float]
    num_users: int


def make_panel(model: TrainedModel, scored: Scored, title: Callable[[Any], str]) -> Panel | None:
    """Users from those who rated little to those who rated much, and movies that several of them rated.

    Returns:
        None when no user with held-out ratings is known to the model.
    """
    users = _panel_users(scored)
    if not len(users):
        return None
    column = {int(user): place for place, user in enumerate(users)}
    cells = np.flatnonzero(np.isin(scored.users, users) & (scored.items >= 0))
    held = {(int(scored.items[cell]), column[int(scored.users[cell])]): float(scored.stars[cell]) for cell in cells}
    shown: dict[tuple[int, int], float] = {}
    if scored.shown is not None:
        for user, place in column.items():
            row = scored.shown.row(user)
            items, stars = scored.shown.item_index[row].tolist(), scored.shown.values[row].tolist()
            shown |= {(item, place): star for item, star in zip(items, stars, strict=True)}
    items = _panel_items(held, shown, scored.item_counts)
    if not items:
        return None
    grid_items, grid_users = np.repeat(items, len(users)), np.tile(users, len(items))
    stars = model.predict(grid_users, grid_items, encoded_users=scored.encoded_users).reshape(len(items), len(users))
    return Panel(
        users=tuple(str(scored.reader_ids[user]) for user in users),
        items=tuple(str(scored.item_ids[item]) for item in items),
        titles=tuple(title(scored.item_ids[item]) for item in items),
        shown=_table(shown, items, len(users)),
        held_out=_table(held, items, len(users)),
        reconstruction=tuple(tuple(round(star, 4) for star in row) for row in stars.tolist()),
        num_shown=tuple(int(scored.shown_counts[user]) for user in users),
    )


def make_person(model: TrainedModel, scored: Scored, title: Callable[[Any], str]) -> Person | None:
    """The person of the panel who rated least among those with enough held-out ratings to tell something.

    Returns:
        None when no user with held-out ratings is known to the model.
    """
    users = _panel_users(scored)
    if not len(users):
        return None
    held_counts = np.bincount(scored.users[scored.users >= 0], minlength=len(scored.reader_ids))[users]
    enough = np.flatnonzero(held_counts >= 2 * _SURPRISES)
    user = int(users[enough[0] if len(enough) else np.argmax(held_counts)])
    cells = np.flatnonzero(scored.users == user)
    popularity = np.where(scored.items[cells] >= 0, scored.item_counts[scored.items[cells]], 0)
    held_out = [
        Starred(str(item_id), title(item_id), float(stars), round(float(prediction), 4))
        for item_id, stars, prediction in zip(
            scored.items_named[cells], scored.stars[cells], scored.predictions[cells], strict=True
        )
    ]
    shown: list[Starred] = []
    if scored.shown is not None:
        row = scored.shown.row(user)
        items, stars = scored.shown.item_index[row], scored.shown.values[row]
        kept = np.argsort(-scored.item_counts[items], kind="stable")[:_SURPRISES]
        made = model.predict(np.full(len(kept), user), items[kept], encoded_users=scored.encoded_users)
        shown = [
            Starred(str(scored.item_ids[item]), title(scored.item_ids[item]), float(star), round(float(prediction), 4))
            for item, star, prediction in zip(items[kept], stars[kept], made, strict=True)
        ]
    by_error = sorted(held_out, key=lambda one: abs(one.stars - one.reconstruction))
    each = min(_SURPRISES, len(by_error) // 2)
    return Person(
        user=str(scored.reader_ids[user]),
        num_shown=int(scored.shown_counts[user]),
        num_held_out=len(cells),
        shown=tuple(shown),
        held_out=tuple(held_out[place] for place in np.argsort(-popularity, kind="stable")[: 2 * _SURPRISES]),
        most_surprising=tuple(by_error[::-1][: max(each, 1)]),
        least_surprising=tuple(by_error[:each]),
    )


def make_map(
    latent: npt.NDArray[np.floating[Any]], ratings: Ratings | None, counts: IntArray, *, seed: int = 0
) -> TasteMap | None:
    """The users' latent vectors in two dimensions.

    Args:
        latent: latent vectors, shape ``(num_users, latent_dim)``.
        ratings: what each user gave, for the colour; how much they rated is the colour when left out.
        counts: number of training ratings of each user.
        seed: chooses the users that are drawn when there are very many.

    Returns:
        None with fewer than three users who rated anything, or when their vectors do not differ.

    Example:
        >>> made = make_map(np.array([[0.0, 3.0], [0.0, -3.0], [1.0, 0.0], [-1.0, 0.0]]), None, np.ones(4, dtype=int))
        >>> made.explained
        (0.9, 0.1)
    """
    drawn = np.flatnonzero(counts)
    num_users = len(drawn)
    if num_users < 3 or not latent.shape[1]:
        return None
    centre = latent[drawn].mean(axis=0, dtype=np.float64)
    centred = latent[drawn] - centre
    variances, directions = _principal(centred.T @ centred)
    if variances.sum() <= 1e-12 * max(float((centre**2).sum()), 1.0) * num_users:
        return None
    if num_users > _POINTS:
        some = np.sort(np.random.default_rng([seed, 6]).choice(num_users, _POINTS, replace=False))
        drawn, centred = drawn[some], centred[some]
    points = centred @ directions[:2].T
    if points.shape[1] == 1:
        points = np.column_stack([points, np.zeros(len(points))])
    if ratings is None:
        colour, name = np.log10(np.maximum(counts[drawn], 1)), "ratings given (powers of ten)"
    else:
        colour = np.array([ratings.values[ratings.row(int(user))].mean() for user in drawn])
        name = "mean stars given"
    shares = [*(variances / variances.sum()).tolist(), 0.0][:2]
    first, second, third = (tuple(np.round(column, 4).tolist()) for column in (points[:, 0], points[:, 1], colour))
    return TasteMap(first, second, third, name, (round(shares[0], 4), round(shares[1], 4)), num_users)


def _principal(moments: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variances and directions (rows) of a symmetric matrix of second moments, largest first, signs fixed."""
    directions, variances, _ = np.linalg.svd(moments, hermitian=True)
    strongest = np.argmax(np.abs(directions), axis=0)
    signs = np.sign(directions[strongest, np.arange(len(variances))])
    return variances, (directions * signs).T


def _panel_users(scored: Scored) -> IntArray:
    """Rows at even distances in the order of how much was shown, of users with something held out."""
    held = np.bincount(scored.users[scored.users >= 0], minlength=len(scored.reader_ids))
    for num_held, num_shown in ((4, 10), (2, 3), (1, 1), (1, 0)):
        users = np.flatnonzero((held >= num_held) & (scored.shown_counts >= num_shown))
        if len(users) >= _PANEL_USERS or ((num_held, num_shown) == (1, 0)):
            break
    users = users[np.argsort(scored.shown_counts[users], kind="stable")]
    places = np.unique(np.linspace(0, len(users) - 1, _PANEL_USERS + 2).round().astype(np.int64))
    chosen = places[1:-1] if len(places) > _PANEL_USERS else places  # neither the lightest nor the heaviest of all
    return users[chosen] if len(users) else users


def _panel_items(
    held: dict[tuple[int, int], float], shown: dict[tuple[int, int], float], counts: IntArray
) -> list[int]:
    """Two held-out movies of each person, then the movies that most of them rated; those rated by most on top."""
    raters: dict[int, int] = {}
    for item, _ in [*held, *shown]:
        raters[item] = raters.get(item, 0) + 1

    def rank(item: int) -> tuple[int, int, int]:
        return (-raters[item], -int(counts[item]), item)

    chosen: list[int] = []
    for person in sorted({place for _, place in held}):
        mine = sorted((item for item, place in held if place == person), key=rank)
        chosen += [item for item in mine if item not in chosen][:2]
    chosen += sorted(set(raters) - set(chosen), key=rank)
    return sorted(chosen[:_PANEL_ITEMS], key=rank)


def _table(
    cells: dict[tuple[int, int], float], items: list[int], num_users: int
) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(cells.get((item, place)) for place in range(num_users)) for item in items)
