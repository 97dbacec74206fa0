"""What answers hold, for the description at ``/openapi.json``.

The values are the recommender's own (`recommend.schemas`); here are only the objects around them, and what the server
says of itself.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

# Python 3.11's own TypedDict says too little for pydantic; a field "from" can only be written as a TypedDict
from typing_extensions import TypedDict

from ..recommend.ordering import RankBy
from ..recommend.schemas import (
    FoundItem,
    Group,
    Item,
    Prediction,
    Recommendation,
    Reconstructed,
    Similar,
    Spot,
    Suggestion,
)


class Refusal(BaseModel):
    """Why a request is refused, and what is allowed."""

    detail: str


Matched = TypedDict(
    "Matched", {"item_id": int | str, "title": str, "year": int | None, "stars": float | None, "from": str}
)
Ambiguous = TypedDict(
    "Ambiguous", {"title": str, "year": int | None, "stars": float | None, "candidates": list[Item], "from": str}
)
Unmatched = TypedDict("Unmatched", {"title": str, "year": int | None, "stars": float | None, "from": str})


class Report(BaseModel):
    """What became of the films that were sent."""

    matched: list[Matched]
    ambiguous: list[Ambiguous]
    unmatched: list[Unmatched]
    notes: list[str]


class Recommendations(Report):
    """Films, best first."""

    recommendations: list[Recommendation]


class Predictions(BaseModel):
    """Predictions for the known ones of the films, in the order of the request; intervals are null without them."""

    predictions: list[Prediction]
    unknown: list[int | str]
    selection: Annotated[str, Field(alias="as", description="Whose stars: chosen or random, as in the request.")]


class SimilarFilms(BaseModel):
    """Most similar first."""

    similar: list[Similar]


class Suggestions(BaseModel):
    """The film whose rating would teach most first."""

    next_to_rate: list[Suggestion]


class Position(BaseModel):
    """Both from -1 to 1."""

    x: float
    y: float


class Map(BaseModel):
    """Well known films, and somebody among them."""

    items: list[Spot]
    you: Position | None


class Reconstruction(BaseModel):
    """Ratings, each predicted from the others."""

    reconstruction: list[Reconstructed]


class Given(BaseModel):
    """A rating."""

    item_id: int | str
    stars: float


class Import(Report):
    """Somebody's films, as the other requests take them."""

    format: str
    ratings: list[Given]
    liked: list[int | str]
    seen: list[int | str]
    watchlist: list[Item]
    last_year: int | None


class Films(BaseModel):
    """Best match first."""

    items: list[FoundItem]


class Groups(BaseModel):
    """Groups of films that the same people like."""

    groups: list[Group]


class Scale(BaseModel):
    """Lowest and highest stars, and the step between; 0 where any value between may be given."""

    minimum: float
    maximum: float
    step: float


class Model(BaseModel):
    """What the model was trained on."""

    name: str
    version: str
    scale: Scale
    like_threshold: float
    num_items: int
    num_users: int
    num_ratings: int
    genres: list[str]
    years: tuple[int, int] | None
    intervals: bool
    rank_by: Annotated[list[RankBy], Field(description="The orders that lists can have.")]
    diversity: Annotated[float, Field(description="Of lists, when a request leaves it out.")]
    enough_ratings: Annotated[int, Field(description="A film with fewer has no interval and no chance of being liked.")]


class Health(BaseModel):
    """Always ok: a server that is down does not answer."""

    status: str
