"""What answers hold, for the description at ``/openapi.json``: the answers themselves are the recommender's."""

from __future__ import annotations

from pydantic import BaseModel

# Python 3.11's own TypedDict says too little for pydantic; a field "from" can only be written as a TypedDict
from typing_extensions import TypedDict

from ..recommend.schemas import Group, Item, Recommendation, Reconstructed, Similar, Spot, Suggestion, Without


class Refusal(BaseModel):
    """Why there is no answer, and what is allowed."""

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


class Film(BaseModel):
    """A film."""

    item_id: int | str
    title: str
    year: int | None


class Prediction(Film):
    """Stars for a film, with the 90 % interval and the chance of liking it; null where the model has none."""

    stars: float
    low: float | None
    high: float | None
    p_like: float | None


class Predictions(BaseModel):
    """Stars for the films that are known, in the order they were asked for."""

    predictions: list[Prediction]
    unknown: list[int | str]


class Share(Film):
    """What one of somebody's films adds to a prediction: by its stars, by having been chosen, and both together."""

    stars: float | None
    your_stars: float
    you_chose_it: float
    share: float


class Explanation(Prediction):
    """Base, shares and other shares add up to ``raw``; ``raw`` and ``clip`` to ``stars``."""

    raw: float
    base: float | None
    clip: float
    shares: list[Share] | None
    other_shares: float
    without: list[Without]
    rated: bool


class SimilarFilms(BaseModel):
    """Most similar first."""

    similar: list[Similar]


class Suggestions(BaseModel):
    """Most telling first."""

    next_to_rate: list[Suggestion]


class Place(BaseModel):
    """Both from -1 to 1."""

    x: float
    y: float


class Map(BaseModel):
    """Well known films, and somebody among them."""

    items: list[Spot]
    you: Place | None


class Reconstruction(BaseModel):
    """Ratings, each predicted without itself."""

    reconstruction: list[Reconstructed]


class Given(BaseModel):
    """Stars for a film."""

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


class Found(Film):
    """A film and how many ratings the model learnt it from."""

    genres: list[str]
    ratings: int


class Films(BaseModel):
    """Best match first."""

    items: list[Found]


class Groups(BaseModel):
    """Groups of films that go together."""

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


class Health(BaseModel):
    """Always ok: a server that is not, does not answer."""

    status: str
