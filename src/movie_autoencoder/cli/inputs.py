"""Loads what options and arguments name: a trained model, people and films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ..data.matching.person import Person
    from ..data.ratings import Ratings
    from ..recommend.recommender import Recommender

_SHOWN = 5  # titles that a note names; the others are counted


def load_recommender(run: Path) -> Recommender:
    """Loads the trained model of a run's folder."""
    from ..recommend.recommender import Recommender

    return Recommender.load(run)


def person_of(recommender: Recommender, ratings: str | None, user: str | None) -> Person:
    """The person that ``--ratings`` or ``--user`` names.

    Raises:
        typer.BadParameter: neither or both are given.
    """
    if (ratings is None) == (user is None):
        raise typer.BadParameter("Give either --ratings FILE or --user ID.")
    return recommender.person(ratings) if ratings is not None else recommender.training_person(user)


def person_named(recommender: Recommender, name: str) -> Person:
    """The person that one word names: the path of a file, or else the id of a training user.

    Raises:
        ValueError: it is neither.
    """
    if Path(name).exists():
        return recommender.person(name)
    try:
        return recommender.training_person(name)
    except ValueError as error:
        raise ValueError(f"{name!r} is neither a file nor a training user: {error}") from None


def ratings_of_people(recommender: Recommender, path: str) -> Ratings:
    """The ratings in a file: a table of many people's ratings, or one person's export or titles.

    One person's user id is the name of the file without its suffix.
    """
    from ..data.ratings import Ratings
    from ..data.sources import SourceError, read_ratings

    try:
        return read_ratings(path, scale=recommender.scale)
    except SourceError as error:
        try:
            person = recommender.person(path)
        except SourceError:
            raise error from None
    users = [Path(path).stem] * len(person.item_ids)
    return Ratings.from_columns(users, person.item_ids, person.stars, scale=recommender.scale)


def films_of(recommender: Recommender, person: Person, name: str) -> tuple[list[Any], list[str]]:
    """The films that ``--exclude`` or ``--only`` names: all that a file contains, rated, watched or listed.

    Args:
        recommender: the trained model.
        person: whose watchlist the word ``watchlist`` means.
        name: the path of a file, or ``watchlist``.

    Returns:
        Item ids, and notes about titles that were not found.

    Raises:
        ValueError: the person has no watchlist.
    """
    from ..data.catalogue import label

    if name == "watchlist" and not Path(name).exists():
        if not len(person.watchlist):
            raise ValueError("There is no watchlist in these ratings; a Letterboxd zip has one. Give a file instead.")
        return list(person.watchlist.tolist()), []
    listed = recommender.person(name)
    notes = []
    if listed.unmatched or listed.ambiguous:
        titles = [label(one.name, one.year) for one in listed.unmatched]
        titles += [label(one.title, one.year) for one in listed.ambiguous]
        more = "; …" if len(titles) > _SHOWN else ""
        notes.append(
            f"{name}: {len(listed.unmatched):,} unmatched, {len(listed.ambiguous):,} ambiguous: "
            f"{'; '.join(titles[:_SHOWN])}{more}"
        )
    found = (listed.item_ids, listed.liked, listed.seen, listed.watchlist)
    return [item for ids in found for item in ids.tolist()], notes
