"""join_people: the films of persons as further users of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import numpy as np

from ..catalogue import Catalogue, label
from ..ratings import Ratings
from ..sources import SourceError, read_personal
from ..vocabulary import Coded
from .person import Person, match_person
from .title_index import TitleIndex

_MAX_LISTED = 10  # titles in a message


def join_people(
    ratings: Ratings,
    catalogue: Catalogue | None,
    paths: Iterable[str | Path],
    *,
    notify: Callable[[str], None] | None = None,
) -> Ratings:
    """Adds a user to a data set for each file of a person's own films.

    The user's id is the name of the file without its ending, followed by a number when the data set has that id.
    Stars are converted to the scale of the data set and rounded to its step. Films without stars are not ratings; where
    the data set has pairs without ratings, films with stars, a heart, or nothing but the mark that they were seen, are
    pairs. The files have no times, so in a data set with times the new ratings get its latest time.

    Args:
        ratings: the data set.
        catalogue: titles of its items; without titles, films match by id only.
        paths: files that `sources.read_personal` reads.
        notify: called with a line of text for each file: how many films matched, and which did not.

    Returns:
        The ratings of all users; ``ratings`` itself when there are no files.

    Raises:
        SourceError: a file cannot be read, or none of its rated films is in the data set.
    """
    index = TitleIndex(catalogue if catalogue is not None else Catalogue.empty(ratings.item_ids))
    taken = {str(one) for one in ratings.user_ids.tolist()}
    names, people = [], []
    for path in paths:
        person = match_person(read_personal(path), index, ratings.scale)
        stem = Path(path).stem or "person"
        name = next(one for one in chain([stem], (f"{stem}-{number}" for number in count(2))) if one not in taken)
        person = person if ratings.rated else _without_stars(person)
        if not len(person.item_ids):
            unknown = len(person.unmatched) + len(person.ambiguous)
            raise SourceError(
                path,
                None,
                f"none of its {unknown:,} films {'has stars and ' if ratings.rated else ''}is in the data set",
                "ratings of films that the data set has" if ratings.rated else "films that the data set has",
                "check the file, or leave it out",
            )
        taken.add(name)
        names.append(name)
        people.append(person)
        if notify is not None:
            notify(_summary(path, name, person, "ratings" if ratings.rated else "films"))
    return _with_users(ratings, names, people) if people else ratings


def _with_users(ratings: Ratings, names: list[str], people: list[Person]) -> Ratings:
    counts = [len(person.item_ids) for person in people]
    users = np.repeat(np.arange(len(people)), counts) + ratings.num_users
    items = np.concatenate([person.item_ids for person in people])
    if items.dtype.kind != ratings.item_ids.dtype.kind:
        items = items.astype(str if ratings.item_ids.dtype.kind == "U" else ratings.item_ids.dtype)
    values = ratings.scale.round_to_step(np.concatenate([person.stars for person in people]))
    times = ratings.timestamps
    return Ratings.from_columns(
        Coded(
            np.concatenate([ratings.user_index, users]).astype(np.int32),
            np.concatenate([ratings.user_ids.astype(str), np.array(names)]),
        ),
        Coded(
            np.concatenate([ratings.item_index, np.arange(len(items)) + ratings.num_items]).astype(np.int32),
            np.concatenate([ratings.item_ids, items]),
        ),
        np.concatenate([ratings.values, values.astype(np.float32)]),
        timestamps=None if times is None else np.concatenate([times, np.full(len(items), times.max())]),
        scale=ratings.scale,
        source=ratings.source,
    )


def _without_stars(person: Person) -> Person:
    """Every film that the person saw, with 1 as its value, as pairs without ratings have."""
    items = np.unique(np.concatenate([person.item_ids, person.liked, person.seen]))
    return replace(person, item_ids=items, stars=np.ones(len(items)), liked=items[:0], seen=items[:0])


def _summary(path: str | Path, name: str, person: Person, what: str) -> str:
    """How many films of a file matched, and which did not, for people."""
    films = [(one.title, one.year) for one in person.ambiguous] + [(one.title, one.year) for one in person.unmatched]
    unknown = [label(title, year) for title, year in films]
    text = f"{path}: user {name!r} with {len(person.item_ids):,} {what}"
    if unknown:
        listed = "; ".join(one for one in unknown[:_MAX_LISTED] if one)
        text += f"; {len(person.ambiguous):,} films are ambiguous and {len(person.unmatched):,} unknown here: {listed}"
        text += "; …" if len(unknown) > _MAX_LISTED else ""
    return text
