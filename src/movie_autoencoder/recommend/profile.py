"""What one person says, in the columns of a model: from a mapping, a file or `Ratings` to a `Person` to a `Profile`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..bundle.bundle import Bundle
from ..data.catalogue import split_year
from ..data.matching.person import Person, match_person
from ..data.ratings import FloatArray, Ids, IntArray, Ratings, Scale, locate
from ..data.sources.entries import Entry, PersonalFile
from .errors import RecommenderError
from .items import Items

AnyRatings = Person | PersonalFile | Ratings | Mapping[Any, float] | str | os.PathLike[str]

_NONE: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Profile:
    """A person's input in the columns of the model, each column at most once.

    Args:
        items: columns of the rated items, shape ``(n,)``.
        ratings: their ratings on the model's scale, rating points, same shape.
        liked: columns of items with a heart and no rating.
        seen: columns of items that were watched and nothing else.
    """

    items: IntArray
    ratings: FloatArray
    liked: IntArray
    seen: IntArray

    @classmethod
    def of(cls, person: Person, items: Items) -> Profile:
        """A person's items that the model knows, in the order in which they were given."""
        column_of, ids = items.column_of, person.item_ids.tolist()
        known = [index for index, item in enumerate(ids) if item in column_of]
        columns = np.array([column_of[ids[index]] for index in known], dtype=np.int64)
        ratings = np.asarray(person.stars, dtype=np.float64)[known] if known else np.empty(0)
        if not len(person.liked) + len(person.seen):
            return cls(columns, ratings, _NONE, _NONE)
        liked = np.setdiff1d(items.columns(person.liked.tolist()), columns)
        seen = np.setdiff1d(items.columns(person.seen.tolist()), np.concatenate([columns, liked]))
        return cls(columns, ratings, liked, seen)

    @classmethod
    def empty(cls) -> Profile:
        """Nothing known: the model then predicts what it predicts for anyone."""
        return cls(_NONE, np.empty(0), _NONE, _NONE)

    @property
    def chosen(self) -> IntArray:
        """All columns, rated ones first: the order of `Shares.implicit`."""
        return np.concatenate([self.items, self.liked, self.seen])

    @property
    def given(self) -> list[float | None]:
        """Rating of each of `chosen`, None without one."""
        return [*self.ratings.tolist(), *[None] * (len(self.liked) + len(self.seen))]

    def without(self, column: int) -> Profile:
        """The same person without what they said of one item."""
        keep = self.items != column
        return Profile(
            self.items[keep], self.ratings[keep], self.liked[self.liked != column], self.seen[self.seen != column]
        )

    def to_ratings(self, item_ids: Ids, scale: Scale) -> Ratings:
        """The ratings alone as `Ratings` of one user, in the vocabulary of the model."""
        order = np.argsort(self.items)
        return Ratings(
            np.zeros(len(order), dtype=np.int32),
            self.items[order].astype(np.int32),
            self.ratings[order].astype(np.float32),
            np.zeros(1, dtype=np.int64),
            item_ids,
            scale,
        )


def read_person(
    ratings: AnyRatings, items: Items, scale: Scale, *, liked: Iterable[Any] = (), seen: Iterable[Any] = ()
) -> Person:
    """Anyone's ratings, matched with the items of a model.

    Args:
        ratings: a mapping from ids or titles to ratings, a file, `Ratings` of one user, or a `Person`.
        items: of the model.
        scale: of the model.
        liked: ids or titles of further items with a heart and no rating.
        seen: ids or titles of further items that were watched and nothing else.

    Raises:
        SourceError: a file that cannot be read.
        RecommenderError: ratings outside the scale, or of more than one user.
    """
    liked, seen = list(liked), list(seen)
    if isinstance(ratings, Ratings):
        ratings = _mapping(ratings)
    if (liked or seen) and isinstance(ratings, Person | PersonalFile | str | os.PathLike):
        raise RecommenderError(
            "liked= and seen= go with a mapping or Ratings; a file or a Person has hearts of its own."
        )
    if isinstance(ratings, Person):
        return ratings
    if isinstance(ratings, str | os.PathLike):
        from ..data.sources import read_personal

        ratings = read_personal(ratings)
    if isinstance(ratings, PersonalFile):
        return match_person(ratings, items.titles, scale)
    if not liked and not seen and (columns := _distinct_columns(ratings, items)):
        for item, stars in ratings.items():
            _check_stars(item, stars, scale)
        return Person.of_stars(items.ids[columns], list(ratings.values()), catalogue=items.catalogue)
    rated = [_entry(item, "rated", items, scale, stars) for item, stars in ratings.items()]
    others = [_entry(item, kind, items, scale) for kind, some in (("liked", liked), ("watched", seen)) for item in some]
    return match_person(PersonalFile("python", scale, (*rated, *others), ""), items.titles, scale)


def chosen_if_listed(person: Person) -> Person:
    """For a model of pairs without ratings: a file that is a mere list of films lists those that the person chose."""
    if len(person.item_ids) or len(person.liked) or len(person.seen) or not len(person.watchlist):
        return person
    return replace(
        person,
        seen=person.watchlist,
        watchlist=person.watchlist[:0],
        notes=("There are no stars in this file: its films count as seen.",),
    )


def training_person(bundle: Bundle, items: Items, user_id: object) -> Person:
    """A training user's own training ratings.

    Raises:
        RecommenderError: there is no such user, or the bundle was saved without ratings.
    """
    if bundle.ratings is None:
        raise RecommenderError(
            "This bundle was saved without its training ratings (bundle.ratings=false), so that its users' own "
            "ratings are not known. Give them as a file, or train again."
        )
    row = int(locate(bundle.user_ids, np.array([user_id], dtype=object))[0])
    if row < 0:
        few = ", ".join(str(one) for one in bundle.user_ids[:3].tolist())
        raise RecommenderError(f"No user {user_id!r} among the {len(bundle.user_ids):,} training users ({few}, …).")
    cells = bundle.ratings.row(row)
    ids = items.ids[bundle.ratings.item_index[cells]]
    return Person.of_stars(ids, bundle.ratings.values[cells], catalogue=items.catalogue)


def notes_on(person: Person, last_year: int | None, num_unknown: int = 0) -> tuple[str, ...]:
    """Sentences that go with an answer: how many of the person's films the model knows, and what to do about it.

    Args:
        person: whose answer.
        last_year: year of the newest item of the model, None where no year is known.
        num_unknown: unknown items among those to leave out or to choose from.
    """
    notes = list(person.notes)
    known = len(person.item_ids) + len(person.liked) + len(person.seen)
    if not known:
        notes.append("No rating to go by: these are films that most people like. A few stars change that at once.")
    others = [*(one.entry.kind for one in person.ambiguous), *(one.kind for one in person.unmatched)]
    given = known + sum(kind != "watchlist" for kind in others)
    if given > known or last_year is not None and known:
        newest = "" if last_year is None else f"; the catalogue ends in {last_year}"
        notes.append(f"We know {known:,} of your {given:,} films{newest}.")
    if given >= 10 and known < 0.7 * given:
        notes.append(
            "A newer and larger data set knows more of them: python train.py --data ml-32m --speed fast downloads "
            "MovieLens 32M and trains on it."
        )
    if num_unknown:
        notes.append(f"{num_unknown:,} of the films to leave out or to choose from are not known here.")
    return tuple(notes)


def _mapping(ratings: Ratings) -> dict[Any, float]:
    if ratings.num_users != 1:
        raise RecommenderError(f"Ratings of one user are wanted here. Received: {ratings.num_users} users.")
    ids = ratings.item_ids[ratings.item_index].tolist()
    return dict(zip(ids, ratings.values.astype(float).tolist(), strict=True))


def _distinct_columns(ratings: Mapping[Any, float], items: Items) -> list[int]:
    """Column of each item, if every one is known and none is named twice: then there is nothing to report."""
    columns = [items.find(item) for item in ratings]
    return columns if columns and min(columns) >= 0 and len(set(columns)) == len(columns) else []


def _entry(item: Any, kind: str, items: Items, scale: Scale, stars: float | None = None) -> Entry:
    """A key of a mapping as a line of a file: an id where there is such an item, else a title."""
    if stars is not None:
        _check_stars(item, stars, scale)
    if str(item) in items.catalogue:
        return Entry("", None, stars, kind, item_id=str(item))
    return Entry(*split_year(str(item)), stars, kind)


def _check_stars(item: Any, stars: Any, scale: Scale) -> None:
    if not isinstance(stars, (int, float, np.number)):
        raise RecommenderError(f"Stars must be numbers. Received: {stars!r} for {item!r}.")
    if not scale.minimum <= stars <= scale.maximum:  # NaN too
        raise RecommenderError(f"Stars must lie on the scale {scale}. Received: {stars!r} for {item!r}.")
