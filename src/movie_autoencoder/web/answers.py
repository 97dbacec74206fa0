"""The routes that answer for somebody: recommendations, predictions, reasons and the like, and files to import.

Short answers are given at once; what takes longer than a few milliseconds runs in a thread. Whoever asks sends their
ratings along.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ..data.matching.person import Person
from ..data.sources import read_personal_bytes
from ..data.sources.entries import Entry
from ..recommend import schemas
from ..recommend.recommender import Recommender
from . import bodies, replies

_MANY = 1000  # films in a request; with more of them, other requests should not wait for its answer
_FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "title,stars\nAlien (1979),4.5\n",
            }
        },
    }
}


class Json(JSONResponse):
    """JSON by orjson, which refuses what JSON has no word for."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def gives(model: type) -> dict[int | str, dict[str, Any]]:
    """How the answer of a route is described."""
    return {200: {"model": model}}


def add_answers(app: FastAPI, recommender: Recommender) -> None:
    """Adds the routes to an application.

    Args:
        app: the application.
        recommender: answers the requests.
    """
    known_ids = set(recommender.item_ids.tolist())

    def person(body: bodies.Films) -> Person:
        return _person(recommender, known_ids, body)

    def known(item_id: int | str) -> int | str:
        if item_id not in known_ids:
            raise HTTPException(404, f"There is no film {item_id!r} here. GET /api/items?q=TITLE finds ids.")
        return item_id

    @app.post("/api/recommend", summary="Films for somebody", responses=gives(replies.Recommendations))
    async def recommend(body: bodies.Recommend) -> Response:
        if len(body.ratings) + len(body.only or ()) > _MANY:
            return await run_in_threadpool(recommended, body)
        return recommended(body)

    def recommended(body: bodies.Recommend) -> Response:
        answer = recommender.recommend(
            person(body),
            body.k,
            rank_by=body.rank_by,
            genres=body.genres,
            years=body.years,
            popularity=body.popularity,
            diversity=body.diversity,
            exclude=body.exclude,
            only=body.only,
        )
        return Json(answer.to_dict())

    @app.post("/api/predict", summary="Predictions and intervals for some films", responses=gives(replies.Predictions))
    def predict(body: bodies.Predict) -> Response:
        items = [item for item in body.items if item in known_ids]
        predictions = recommender.predict_items(person(body), items, selection=body.selection)
        unknown = [item for item in body.items if item not in known_ids]
        answer = {"predictions": [one.to_dict() for one in predictions], "unknown": unknown, "as": body.selection}
        return Json(answer)

    @app.post("/api/explain", summary="Reasons for a prediction", responses=gives(schemas.Explanation))
    def explain(body: bodies.Explain) -> Response:
        return Json(recommender.explain(person(body), known(body.item_id), top=body.top).to_dict())

    @app.post("/api/similar", summary="Films like one", responses=gives(replies.SimilarFilms))
    def similar(body: bodies.Similar) -> Response:
        found = recommender.similar(known(body.item_id), body.k, genres=body.genres, years=body.years)
        return Json({"similar": [one.to_dict() for one in found]})

    @app.post("/api/next", summary="Films whose rating would teach most", responses=gives(replies.Suggestions))
    def next_to_rate(body: bodies.Next) -> Response:
        return Json({"next_to_rate": [one.to_dict() for one in recommender.next_to_rate(person(body), body.k)]})

    @app.post(
        "/api/map",
        summary="Well known films in two directions of taste, and somebody among them",
        responses=gives(replies.Map),
    )
    def taste_map(body: bodies.Map) -> Response:
        return Json(recommender.map(person(body), body.n).to_dict())

    @app.post(
        "/api/reconstruction",
        summary="Ratings, each predicted from the others",
        responses=gives(replies.Reconstruction),
    )
    def reconstruction(body: bodies.Reconstruction) -> Response:
        rows = recommender.reconstruction(person(body), body.most)
        return Json({"reconstruction": [one.to_dict() for one in rows]})

    @app.post(
        "/api/import", summary="Somebody's films from a file", responses=gives(replies.Import), openapi_extra=_FILE_BODY
    )
    async def import_file(
        request: Request, name: str = Query("ratings.csv", max_length=300, description="The file's name.")
    ) -> Response:
        """A Letterboxd zip, an IMDb or MovieLens.org CSV, or a table of titles and stars, as the body."""
        data = await request.body()
        return Json(await run_in_threadpool(_imported, recommender, name, data))


def _person(recommender: Recommender, known_ids: Collection[int | str], body: bodies.Films) -> Person:
    """The films of a request as a person; ids that the model does not know are listed as unmatched."""
    scale = recommender.scale
    given: dict[int | str, float] = {}
    unknown = []
    for rating in body.ratings:
        if not scale.minimum <= rating.stars <= scale.maximum:
            allowed = f"lie on the scale {scale}" if scale.rated else "be 1, as this model knows only who chose what"
            raise HTTPException(422, f"Stars must {allowed}. Received: {rating.stars:g}.")
        if rating.item_id in known_ids:
            given.pop(rating.item_id, None)
            given[rating.item_id] = rating.stars
        else:
            unknown.append(Entry("", None, rating.stars, "rated", item_id=str(rating.item_id)))
    for kind, ids in (("liked", body.liked), ("watched", body.seen)):
        unknown += [Entry("", None, None, kind, item_id=str(one)) for one in ids if one not in known_ids]

    def array(ids: Collection[int | str]) -> Any:  # of the model's kind of ids, when it is empty too
        return np.array([one for one in ids if one in known_ids], dtype=recommender.item_ids.dtype)

    found = Person.of_stars(
        array(given), list(given.values()), liked=array(body.liked), seen=array(body.seen), catalogue=recommender.items
    )
    return replace(found, unmatched=tuple(unknown)) if unknown else found


def _imported(recommender: Recommender, name: str, data: bytes) -> dict[str, Any]:
    file = read_personal_bytes(name, data)
    if len(file.entries) > bodies.MOST_RATINGS:
        raise HTTPException(
            422, f"A file may hold {bodies.MOST_RATINGS:,} films. {len(file.entries):,} are too many: send fewer."
        )
    person = recommender.person(file)
    return {
        "format": file.format,
        "ratings": [
            {"item_id": item, "stars": stars if recommender.scale.rated else 1.0}
            for item, stars in zip(person.item_ids.tolist(), person.stars.tolist(), strict=True)
        ],
        "liked": person.liked.tolist(),
        "seen": person.seen.tolist(),
        "watchlist": [recommender.item(item).to_dict() for item in person.watchlist.tolist()],
        **person.report(),
        "notes": [*person.notes],
        "last_year": recommender.last_year,
    }
