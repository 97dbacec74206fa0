"""create_app: the REST interface over one recommender, and the page.

Answers are the recommender's own (`answers`), as JSON. Nothing is written or kept between requests: who asks
sends their ratings along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from .. import __version__
from ..data.matching.person import Person, match_person
from ..data.sources import read_personal_bytes
from ..data.sources.entries import Entry
from ..data.sources.errors import SourceError
from ..recommend.recommender import Recommender, RecommenderError
from ..uncertainty import like_threshold
from . import bodies, replies
from .guard import Figures, Guard

STATIC = Path(__file__).resolve().parent / "static"
_MANY = 1000  # films in a request from which on others should not wait for its answer


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": replies.Refusal,
        "description": "Refused: 400 and 422 not what is described here, 403 from another page, 404 no such film, 405 "
        "asked by the wrong method, 413 too large, 421 called by an unknown name, 429 too many requests.",
    }
}


class Json(JSONResponse):
    """JSON by orjson, which refuses what JSON has no word for."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def create_app(
    recommender: Recommender, *, rate_limit: int | None = None, hosts: frozenset[str] = frozenset()
) -> Guard:
    """An ASGI application that answers for one recommender.

    Args:
        recommender: whose answers.
        rate_limit: requests a minute for each address; None is no limit.
        hosts: names by which the server may be called, beside addresses and ``localhost``.

    Returns:
        The application; its ``figures`` are at ``/metrics``, its description at ``/openapi.json``.

    Example:
        ``uvicorn.run(create_app(Recommender.load("runs/latest")), port=8000)``
    """
    figures = Figures()
    app = FastAPI(
        title="Movie Rating Autoencoder",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        description="Recommendations from anyone's ratings, with reasons. Nothing is stored: send the ratings along.",
        default_response_class=Json,
        responses=_REFUSALS,
    )
    _add_errors(app)
    _add_answers(app, recommender)
    _add_facts(app, recommender, figures)
    methods = {
        path: ", ".join(sorted(getattr(route, "methods", ())))
        for route in app.routes
        if (path := getattr(route, "path", ""))
    }

    @app.api_route("/api/{rest:path}", methods=_METHODS, include_in_schema=False)
    async def nowhere(rest: str) -> Response:
        if allowed := methods.get(f"/api/{rest}"):
            raise HTTPException(405, f"/api/{rest} is asked by {allowed}.", {"allow": allowed})
        raise HTTPException(404, "There is nothing here. /openapi.json lists what there is.")

    app.mount("/", StaticFiles(directory=STATIC, html=True))
    _warm(recommender)
    return Guard(app, routes=frozenset(methods) | {"/"}, figures=figures, rate_limit=rate_limit, hosts=hosts)


def _gives(model: type) -> dict[int | str, dict[str, Any]]:
    """How an answer is described."""
    return {200: {"model": model}}


def _add_answers(app: FastAPI, recommender: Recommender) -> None:
    """What people ask for. Short answers are given at once; what takes longer than a few milliseconds, in a thread."""
    ids = set(recommender.item_ids.tolist())
    scale = recommender.scale

    def person(body: bodies.Person) -> Person:
        known: dict[int | str, float] = {}
        unknown = []
        for rating in body.ratings:
            if not scale.minimum <= rating.stars <= scale.maximum:
                raise HTTPException(422, f"Stars must lie on the scale {scale}. Received: {rating.stars:g}.")
            if rating.item_id in ids:
                known.pop(rating.item_id, None)
                known[rating.item_id] = rating.stars
            else:
                unknown.append(Entry("", None, rating.stars, "rated", item_id=str(rating.item_id)))
        others = [[one for one in some if one in ids] for some in (body.liked, body.seen)]
        unknown += [
            Entry("", None, None, kind, item_id=str(one))
            for kind, some in (("liked", body.liked), ("watched", body.seen))
            for one in some
            if one not in ids
        ]
        found = Person.of_stars(
            _array(recommender, known),
            list(known.values()),
            liked=_array(recommender, others[0]),
            seen=_array(recommender, others[1]),
            catalogue=recommender.items,
        )
        return replace(found, unmatched=tuple(unknown)) if unknown else found

    def known_item(item_id: int | str) -> int | str:
        if item_id not in ids:
            raise HTTPException(404, f"There is no film {item_id!r} here. GET /api/items?q=TITLE finds ids.")
        return item_id

    @app.post("/api/recommend", summary="Films for somebody", responses=_gives(replies.Recommendations))
    async def recommend(body: bodies.Recommend) -> Response:
        if len(body.ratings) + len(body.only or ()) > _MANY:
            return await run_in_threadpool(recommended, body)
        return recommended(body)

    def recommended(body: bodies.Recommend) -> Response:
        answer = recommender.recommend(
            person(body),
            body.k,
            genres=body.genres,
            years=body.years,
            popularity=body.popularity,
            exclude=body.exclude,
            only=body.only,
        )
        return Json(answer.to_dict())

    @app.post("/api/predict", summary="Stars and intervals for some films", responses=_gives(replies.Predictions))
    def predict(body: bodies.Predict) -> Response:
        asked = [item for item in body.items if item in ids]
        stars, distribution = recommender.predict_person(person(body), _array(recommender, asked))
        low, high, likes = [None] * len(asked), [None] * len(asked), [None] * len(asked)
        if distribution is not None and asked:
            low, high = (end.tolist() for end in distribution.interval(0.9))
            likes = distribution.like_probability().tolist()
        rows = zip(asked, stars.tolist(), low, high, likes, strict=True)
        predictions = [
            _film(recommender, item) | {"stars": star, "low": lower, "high": upper, "p_like": like}
            for item, star, lower, upper, like in rows
        ]
        return Json({"predictions": predictions, "unknown": [item for item in body.items if item not in ids]})

    @app.post("/api/explain", summary="Why so many stars", responses=_gives(replies.Explanation))
    def explain(body: bodies.Explain) -> Response:
        return Json(recommender.explain(person(body), known_item(body.item_id), top=body.top).to_dict())

    @app.post("/api/similar", summary="Films like one", responses=_gives(replies.SimilarFilms))
    def similar(body: bodies.Similar) -> Response:
        found = recommender.similar(known_item(body.item_id), body.k, genres=body.genres, years=body.years)
        return Json({"similar": [one.to_dict() for one in found]})

    @app.post("/api/next", summary="Films whose rating would teach most", responses=_gives(replies.Suggestions))
    def next_to_rate(body: bodies.Next) -> Response:
        return Json({"next_to_rate": [one.to_dict() for one in recommender.next_to_rate(person(body), body.k)]})

    @app.post(
        "/api/map",
        summary="Well known films in two directions of taste, and somebody among them",
        responses=_gives(replies.Map),
    )
    def taste_map(body: bodies.Map) -> Response:
        return Json(recommender.map(person(body), body.n).to_dict())

    @app.post(
        "/api/reconstruction",
        summary="Ratings beside what the others say they would be",
        responses=_gives(replies.Reconstruction),
    )
    def reconstruction(body: bodies.Reconstruction) -> Response:
        rows = recommender.reconstruction(person(body), body.most)
        return Json({"reconstruction": [one.to_dict() for one in rows]})

    @app.post(
        "/api/import",
        summary="Somebody's films from a file",
        responses=_gives(replies.Import),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/octet-stream": {
                        "schema": {"type": "string", "format": "binary"},
                        "example": "title,stars\nAlien (1979),4.5\n",
                    }
                },
            }
        },
    )
    async def import_file(
        request: Request, name: str = Query("ratings.csv", max_length=300, description="The file's name.")
    ) -> Response:
        """A Letterboxd zip, an IMDb or MovieLens.org CSV, or a table of titles and stars, as the body."""
        data = await request.body()
        return Json(await run_in_threadpool(_imported, recommender, name, data))


def _add_facts(app: FastAPI, recommender: Recommender, figures: Figures) -> None:
    """What does not depend on who asks."""
    groups: dict[tuple[int, int], Any] = {}

    @app.get("/api/items", summary="Films by title, as you type", responses=_gives(replies.Films))
    async def items(
        q: str = Query("", max_length=200, description="Part of a title.", examples=["alien"]),
        limit: int = Query(10, ge=1, le=50),
    ) -> Response:
        rows = recommender.titles.search(q, limit) if q.strip() else []
        found = [
            _film(recommender, recommender.item_ids[row].item())
            | {
                "genres": recommender.items.genres_of(recommender.item_ids[row]),
                "ratings": int(recommender.item_counts[row]),
            }
            for row in rows
        ]
        return Json({"items": found})

    @app.get("/api/groups", summary="Groups of films to choose from", responses=_gives(replies.Groups))
    def film_groups(n: int = Query(9, ge=1, le=30), size: int = Query(4, ge=1, le=12)) -> Response:
        if (n, size) not in groups:
            groups[n, size] = {"groups": [group.to_dict() for group in recommender.groups(n, size)]}
        return Json(groups[n, size])

    @app.get("/api/model", summary="What this model knows", responses=_gives(replies.Model))
    async def model() -> Response:
        return Json(facts)

    @app.get("/healthz", summary="Whether the server is up", responses=_gives(replies.Health))
    async def health() -> Response:
        return Json({"status": "ok"})

    @app.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(figures.text(), media_type="text/plain; version=0.0.4")

    years = recommender.items.years
    dated = years[years > 0]
    scale = recommender.scale
    facts = {
        "name": recommender.name,
        "version": __version__,
        "scale": {"minimum": scale.minimum, "maximum": scale.maximum, "step": scale.step},
        "like_threshold": like_threshold(scale),
        "num_items": len(recommender.item_ids),
        "num_users": len(recommender.user_ids),
        "num_ratings": int(recommender.item_counts.sum()),
        "genres": list(recommender.genres),
        "years": [int(dated.min()), int(dated.max())] if len(dated) else None,
        "intervals": recommender.star_model is not None,
    }


def _add_errors(app: FastAPI) -> None:
    """Errors as one line under ``detail``."""

    async def malformed(request: Request, error: Exception) -> Response:
        errors: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
        lines = []
        for one in errors[:3]:
            where = ".".join(str(part) for part in one.get("loc", ()) if _is_field(part))
            lines.append(f"{where or 'body'}: {one.get('msg', 'malformed')}")
        return Json({"detail": "; ".join(lines) or "malformed"}, 422)

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return Json({"detail": str(error.detail)}, error.status_code, headers=error.headers)
        return Json({"detail": str(error)}, 422)

    async def too_deep(request: Request, error: Exception) -> Response:
        return Json({"detail": "This JSON is nested too deeply."}, 400)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        RequestValidationError: malformed,
        HTTPException: refused,
        SourceError: refused,
        RecommenderError: refused,
        RecursionError: too_deep,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _is_field(part: Any) -> bool:
    """Whether a step of an error's place is a field or a position, and not the kind of a value."""
    return part != "body" and not str(part).startswith("constrained-")


def _imported(recommender: Recommender, name: str, data: bytes) -> dict[str, Any]:
    file = read_personal_bytes(name, data)
    if len(file.entries) > bodies.MOST_RATINGS:
        raise HTTPException(
            422, f"A file may hold {bodies.MOST_RATINGS:,} films. {len(file.entries):,} are too many: send fewer."
        )
    person = match_person(file, recommender.titles, recommender.scale)
    return {
        "format": file.format,
        "ratings": [
            {"item_id": item, "stars": stars}
            for item, stars in zip(person.item_ids.tolist(), person.stars.tolist(), strict=True)
        ],
        "liked": person.liked.tolist(),
        "seen": person.seen.tolist(),
        "watchlist": [_film(recommender, item) for item in person.watchlist.tolist()],
        **person.report(),
        "notes": [*person.notes],
        "last_year": recommender.last_year,
    }


def _film(recommender: Recommender, item: int | str) -> dict[str, Any]:
    return {"item_id": item, "title": recommender.items.title(item), "year": recommender.items.year(item)}


def _array(recommender: Recommender, items: Any) -> Any:
    """Ids as an array of the model's kind, empty ones too."""
    return np.array(list(items), dtype=recommender.item_ids.dtype)


def _warm(recommender: Recommender) -> None:
    """Makes everything that is made once, so that the first person does not wait for it."""
    best = recommender.recommend({}, 1).items
    if best:
        recommender.explain({best[0].item_id: recommender.scale.maximum}, best[0].item_id)
    recommender.titles.search("a", 1)
