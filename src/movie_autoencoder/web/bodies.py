"""What requests may hold: every field with its limits, so that nothing else reaches the recommender.

The fields are the arguments of `Recommender`'s methods of the same names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from ..recommend.ordering import USUAL_DIVERSITY, RankBy

MOST_RATINGS = 20_000
MOST_ITEMS = 100_000

ItemId = Annotated[
    Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Annotated[StrictStr, Field(max_length=200)],
    Field(description="Id of a film, as in the training data."),
]
Ids = Annotated[list[ItemId], Field(max_length=MOST_ITEMS)]
Stars = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Year = Annotated[StrictInt, Field(ge=0, le=9999)]
Count = Annotated[StrictInt, Field(ge=1, le=500)]


class Body(BaseModel):
    """A request: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Rating(Body):
    """A rating."""

    item_id: ItemId
    stars: Stars


class Films(Body):
    """One person's films. Of two ratings of one film the last counts."""

    ratings: Annotated[list[Rating], Field(max_length=MOST_RATINGS)] = []
    liked: Annotated[Ids, Field(description="Films with a heart and no stars.")] = []
    seen: Annotated[Ids, Field(description="Films that were watched and nothing else.")] = []


_RATINGS: list[Any] = [{"item_id": 1214, "stars": 4.5}, {"item_id": 597, "stars": 2}]


def _example(**more: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ratings": _RATINGS, **more}]})


class Filters(Body):
    """Which films may come up."""

    genres: Annotated[list[Annotated[StrictStr, Field(max_length=100)]], Field(max_length=100)] = []
    years: Annotated[
        tuple[Year | None, Year | None], Field(description="First and last year of release; null is open.")
    ] = (None, None)


class Recommend(Films, Filters):
    """What `Recommender.recommend` takes."""

    model_config = _example(
        k=10, rank_by="balanced", genres=["Sci-Fi"], years=[1980, None], popularity=0.0, diversity=0.2, exclude=[541]
    )

    k: Count = 20
    rank_by: Annotated[
        RankBy,
        Field(
            description="balanced: what the person would choose and like; choice: what they would choose; rating: what "
            "is predicted the highest stars."
        ),
    ] = "balanced"
    popularity: Annotated[
        float,
        Field(
            ge=-1,
            le=1,
            allow_inf_nan=False,
            strict=True,
            description="From -1, hidden gems (liked by several people, picked by few), to 1, well known films first; "
            "0 changes nothing.",
        ),
    ] = 0.0
    diversity: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            strict=True,
            description="From 0, off, to 1: fewer films of a kind, genres and decades as among the person's films.",
        ),
    ] = USUAL_DIVERSITY
    exclude: Ids = []
    only: Annotated[Ids | None, Field(description="The only films to choose from, such as a watchlist.")] = None


class Predict(Films):
    """Films to predict."""

    model_config = _example(items=[2571, 318])

    items: Annotated[list[ItemId], Field(min_length=1, max_length=10_000)]
    selection: Annotated[
        Literal["chosen", "random"],
        Field(
            alias="as",
            description="chosen: stars of people who choose the film. random: of people whom it is put before.",
        ),
    ] = "chosen"


class Explain(Films):
    """A film whose prediction to explain."""

    model_config = _example(item_id=2571, top=5)

    item_id: ItemId
    top: Annotated[StrictInt, Field(ge=1, le=100)] = 10


class Similar(Filters):
    """A film to find similar ones."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"item_id": 1214, "k": 5}]})

    item_id: ItemId
    k: Count = 20


class Next(Films):
    """How many films to suggest for rating."""

    model_config = _example(k=5)

    k: Annotated[StrictInt, Field(ge=1, le=50)] = 10


class Map(Films):
    """How many films are on the map."""

    model_config = _example(n=200)

    n: Annotated[StrictInt, Field(ge=2, le=1000)] = 300


class Reconstruction(Films):
    """Ratings to predict from each other."""

    model_config = _example(most=100)

    most: Annotated[StrictInt, Field(ge=1, le=500, description="How many ratings, from the first on.")] = 300
