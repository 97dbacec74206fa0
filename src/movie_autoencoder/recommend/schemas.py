"""What a recommender answers, as plain values: each answer turns into the JSON that the commands and the page give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..data.matching.person import Person
from ..data.matching.title_index import natural


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
        """As people write it: ``The Matrix (1999)``; the id where there is no title."""
        title = natural(self.title) or (f"movie {self.item_id}" if str(self.item_id).isdigit() else str(self.item_id))
        return title if self.year is None or f"({self.year}" in title else f"{title} ({self.year})"

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Recommendation(Item):
    """An item with what is expected of it.

    Args:
        rank: from 1.
        stars: predicted, on the scale.
        low: lower end of the 90 % interval, rating points; None where the model has no distributions.
        high: upper end.
        p_like: chance that the person gives 4 stars of 5 or more (else: the top quarter of the scale).
        why: one line.
    """

    rank: int
    stars: float
    low: float | None
    high: float | None
    p_like: float | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, the rank first."""
        return {"rank": self.rank} | vars(self)


@dataclass(frozen=True, eq=False)
class Recommendations:
    """An ordered answer, with what became of the ratings that were given.

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
    """What one rating adds to a reconstruction, in rating points.

    Args:
        stars: that were given; None for an item that was chosen without stars.
        your_stars: what they add.
        you_chose_it: what having chosen the item adds, whatever its stars.
    """

    stars: float | None
    your_stars: float
    you_chose_it: float

    @property
    def share(self) -> float:
        """Both together."""
        return self.your_stars + self.you_chose_it

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, and ``share``."""
        return asdict(self) | {"share": self.share}


@dataclass(frozen=True)
class Without(Item):
    """A prediction made again without one of the ratings.

    Args:
        stars: that were given; None for an item that was chosen without stars.
        without: the raw reconstruction when this rating is left out and the rest is encoded again.
        change: how much higher the reconstruction is with it than without.
    """

    stars: float | None
    without: float
    change: float


@dataclass(frozen=True)
class Explanation(Item):
    """Why so many stars.

    ``base`` plus every share, shown or not (``other_shares``), is ``raw``; ``raw`` plus ``clip`` is ``stars``.

    Args:
        stars: predicted, on the scale.
        low: lower end of the 90 % interval; None where the model has no distributions.
        high: upper end.
        p_like: chance that the person likes it.
        raw: the reconstruction before it is moved to the scale.
        base: what the model says of anyone with as many ratings.
        clip: what moving it to the scale adds.
        shares: the largest, by size; None where the model is not linear in the stars.
        other_shares: sum of the rest.
        without: what the same ratings change when they are left out, which is another figure than their share.
        rated: whether the person has rated this item; then that rating is left out of everything here.
    """

    stars: float
    low: float | None
    high: float | None
    p_like: float | None
    raw: float
    base: float | None
    clip: float
    shares: tuple[Share, ...] | None
    other_shares: float
    without: tuple[Without, ...]
    rated: bool

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        shares = None if self.shares is None else [share.to_dict() for share in self.shares]
        return asdict(self) | {"shares": shares}


@dataclass(frozen=True)
class Similar(Item):
    """An item like another one.

    Args:
        similarity: cosine of the latent vectors, from -1 to 1.
    """

    similarity: float


@dataclass(frozen=True)
class Suggestion(Item):
    """An item whose rating would teach the model much.

    Args:
        teaches: expected gain beside that of the best suggestion, from 0 to 1.
    """

    teaches: float


@dataclass(frozen=True)
class Group:
    """Items that go together, from which somebody without ratings can choose.

    Args:
        number: from 0.
        label: genres that prevail in it.
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
    """A rating beside its reconstruction from the person's other ratings.

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
        one: predicted stars of the first.
        other: of the second.
    """

    one: float
    other: float


@dataclass(frozen=True)
class Comparison:
    """Two people's tastes.

    Args:
        agreement: correlation of what the model says of both, beyond what it says of anyone, at well known items;
            from -1 to 1, None where one of them gave nothing to go by.
        common: how many items both rated.
        difference: mean distance of their stars there, rating points; None without any.
        for_both: items that neither has seen, by the lower of the two predictions.
        apart: items that they are expected to differ about most.
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
        genres: for colours and labels.
    """

    x: float
    y: float
    genres: tuple[str, ...]


@dataclass(frozen=True)
class TasteMap:
    """Well known items in the two directions in which tastes differ most, and a person among them.

    Args:
        items: the spots.
        you: the person's place, None without a person.
    """

    items: tuple[Spot, ...]
    you: Mapping[str, float] | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return {"items": [spot.to_dict() for spot in self.items], "you": None if self.you is None else dict(self.you)}
