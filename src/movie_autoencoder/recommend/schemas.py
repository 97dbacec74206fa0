"""Answers as plain values: what `Recommender` returns, and, as JSON, what the commands and the REST interface give.

Field names are the keys of the JSON, so that they keep the words that people see (``stars``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..data.catalogue import label
from ..data.matching.person import Person


@dataclass(frozen=True)
class Item:
    """An item as people are shown it.

    Args:
        item_id: its id in the training data.
        title: without the year; ``""`` where it is unknown.
        year: of release; None where it is unknown.
    """

    item_id: int | str
    title: str
    year: int | None

    @property
    def label(self) -> str:
        """As people write it, such as ``The Matrix (1999)``."""
        return label(self.title, self.year, self.item_id)

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class FoundItem(Item):
    """An item found by its title.

    Args:
        genres: its genres.
        ratings: number of training ratings.
    """

    genres: tuple[str, ...]
    ratings: int


@dataclass(frozen=True)
class Prediction(Item):
    """An item with its prediction.

    Args:
        stars: predicted, on the scale; None where the model was trained on pairs without ratings.
        low: lower end of the 90 % interval, rating points; None where the model has no distributions, or where fewer
            than three training users rated the item: they are too few to tell.
        high: upper end; None likewise.
        p_like: chance that the person gives 4 stars of 5 or more (else: the top quarter of the scale); None likewise.
    """

    stars: float | None
    low: float | None
    high: float | None
    p_like: float | None


@dataclass(frozen=True)
class Recommendation(Prediction):
    """A prediction in a list of recommendations.

    Args:
        rank: from 1.
        p_choose: chance that the person chooses the item, whatever they then think of it: of people like them, the
            fraction who rated it; None without a choice model.
        num_ratings: number of training users who rated it.
        why: the reason, one line.
    """

    rank: int
    p_choose: float | None
    num_ratings: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, the rank first."""
        return {"rank": self.rank} | vars(self)


@dataclass(frozen=True, eq=False)
class Recommendations:
    """Recommendations in order, with what became of the ratings that were given.

    Args:
        items: best first.
        person: whose.
        notes: what the reader should know, in sentences.
    """

    items: tuple[Recommendation, ...]
    person: Person
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """``recommendations``, ``matched``, ``ambiguous``, ``unmatched`` and ``notes``."""
        return {
            "recommendations": [item.to_dict() for item in self.items],
            **self.person.report(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Share(Item):
    """What one of the person's items adds to a prediction, in rating points.

    Args:
        stars: that were given; None for an item without a rating.
        your_stars: what the rating adds.
        you_chose_it: what having chosen the item adds, whatever its rating.
        share: both together.
    """

    stars: float | None
    your_stars: float
    you_chose_it: float
    share: float


@dataclass(frozen=True)
class Without(Item):
    """A prediction made again without one of the person's items.

    Args:
        stars: that were given; None for an item without a rating.
        without: the reconstruction when this item is left out and the rest is encoded again.
        change: how much higher the reconstruction is with it than without.
    """

    stars: float | None
    without: float
    change: float


@dataclass(frozen=True)
class Explanation(Prediction):
    """The reasons for a prediction.

    ``base`` plus every share, shown or not (``other_shares``), is ``raw``; ``raw`` plus ``clip`` is ``stars``.

    Args:
        raw: the reconstruction, before it is clipped to the scale.
        base: the reconstruction for anyone who chose as many items; None where the model is not linear in the ratings.
        clip: what clipping to the scale adds.
        shares: the largest, by size; None where the model is not linear in the ratings.
        other_shares: sum of the rest.
        without: what leaving the same items out changes, which is another figure than their share.
        rated: whether the person has rated this item; that rating is then left out of everything here.
    """

    raw: float
    base: float | None
    clip: float
    shares: tuple[Share, ...] | None
    other_shares: float
    without: tuple[Without, ...]
    rated: bool


@dataclass(frozen=True)
class Similar(Item):
    """An item similar to another one.

    Args:
        similarity: cosine of the latent vectors, from -1 to 1, smaller where the item has few ratings.
    """

    similarity: float


@dataclass(frozen=True)
class Suggestion(Item):
    """An item whose rating would teach the model much.

    Args:
        teaches: expected gain as a fraction of that of the best suggestion, from 0 to 1.
    """

    teaches: float


@dataclass(frozen=True)
class Group:
    """Items that the same people like, from which somebody without ratings can choose.

    Args:
        number: from 0.
        label: genres that are common in it.
        items: well known ones.
    """

    number: int
    label: str
    items: tuple[Item, ...]

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Reconstructed(Item):
    """A rating beside its prediction from the person's other ratings.

    Args:
        stars: that were given.
        predicted: without this rating, on the scale.
    """

    stars: float
    predicted: float


@dataclass(frozen=True)
class ForTwo(Item):
    """An item for two people.

    Args:
        one: prediction for the first.
        other: for the second.
    """

    one: float
    other: float


@dataclass(frozen=True)
class Comparison:
    """Two people's tastes.

    Args:
        agreement: correlation of both people's predictions at well known items, less the predictions for anyone; from
            -1 to 1, None where one of them gave no rating to predict from.
        common: number of items that both rated.
        difference: mean distance of their ratings there, rating points; None without any.
        for_both: items that neither has seen, by the lower of the two predictions.
        apart: items where the two predictions differ most.
    """

    agreement: float | None
    common: int
    difference: float | None
    for_both: tuple[ForTwo, ...]
    apart: tuple[ForTwo, ...]

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Spot(Item):
    """An item on the map.

    Args:
        x: from -1 to 1.
        y: from -1 to 1.
        genres: its genres.
    """

    x: float
    y: float
    genres: tuple[str, ...]


@dataclass(frozen=True)
class TasteMap:
    """Well known items in the two directions in which tastes differ most, and a person among them.

    Args:
        items: the spots.
        you: the person's ``x`` and ``y``, None without a person.
    """

    items: tuple[Spot, ...]
    you: Mapping[str, float] | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return {"items": [spot.to_dict() for spot in self.items], "you": None if self.you is None else dict(self.you)}
