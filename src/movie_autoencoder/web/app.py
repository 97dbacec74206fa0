"""create_app: the REST interface over one recommender, and the page.

Answers are the recommender's own (`recommend.schemas`), as JSON. The server writes nothing and keeps nothing between
requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from .. import __version__
from ..data.scale import like_threshold
from ..data.sources.errors import SourceError
from ..recommend.ordering import USUAL_DIVERSITY, RankBy
from ..recommend.predictor import TOO_FEW
from ..recommend.recommender import Recommender, RecommenderError
from . import replies
from .answers import Json, add_answers, gives
from .guard import Guard
from .metrics import Metrics

STATIC = Path(__file__).resolve().parent / "static"

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": replies.Refusal,
        "description": "Refused: 400 and 422 not what is described here, 403 from another page, 404 no such film, 405 "
        "wrong method, 413 too large, 421 called by an unknown name, 429 too many requests.",
    }
}


def create_app(
    recommender: Recommender, *, rate_limit: int | None = None, hosts: frozenset[str] = frozenset()
) -> Guard:
    """An ASGI application that answers for one recommender.

    Args:
        recommender: answers the requests.
        rate_limit: requests a minute for each address; None is no limit.
        hosts: names by which the server may be called, beside addresses and ``localhost``.

    Returns:
        The application; its metrics are at ``/metrics``, its description at ``/openapi.json``.

    Example:
        ``uvicorn.run(create_app(Recommender.load("runs/latest")), port=8000)``
    """
    metrics = Metrics()
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
    add_answers(app, recommender)
    _add_information(app, recommender)
    _add_status(app, metrics)
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
    _warm_up(recommender)
    return Guard(app, routes=frozenset(methods) | {"/"}, metrics=metrics, rate_limit=rate_limit, hosts=hosts)


def _add_information(app: FastAPI, recommender: Recommender) -> None:
    """Adds the routes whose answers do not depend on a person."""
    groups: dict[tuple[int, int], Any] = {}
    information = _information(recommender)

    @app.get("/api/items", summary="Films by title, as you type", responses=gives(replies.Films))
    async def items(
        q: str = Query("", max_length=200, description="Part of a title.", examples=["alien"]),
        limit: int = Query(10, ge=1, le=50),
    ) -> Response:
        return Json({"items": [found.to_dict() for found in recommender.search(q, limit)]})

    @app.get("/api/groups", summary="Groups of films to choose from", responses=gives(replies.Groups))
    def film_groups(n: int = Query(9, ge=1, le=30), size: int = Query(4, ge=1, le=12)) -> Response:
        if (n, size) not in groups:
            groups[n, size] = {"groups": [group.to_dict() for group in recommender.groups(n, size)]}
        return Json(groups[n, size])

    @app.get("/api/model", summary="What this model knows", responses=gives(replies.Model))
    async def model() -> Response:
        return Json(information)


def _information(recommender: Recommender) -> dict[str, Any]:
    """What `replies.Model` describes."""
    years, scale = recommender.items.years, recommender.scale
    dated = years[years > 0]
    return {
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
        "rank_by": [order for order in get_args(RankBy) if recommender.rank_by(order) == order],
        "diversity": USUAL_DIVERSITY,
        "enough_ratings": TOO_FEW,
    }


def _add_status(app: FastAPI, metrics: Metrics) -> None:
    """Adds the routes for whoever runs the server."""

    @app.get("/healthz", summary="Whether the server is up", responses=gives(replies.Health))
    async def health() -> Response:
        return Json({"status": "ok"})

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")


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
    """Whether a part of an error's location is a field or an index, and not the kind of a value."""
    return part != "body" and not str(part).startswith("constrained-")


def _warm_up(recommender: Recommender) -> None:
    """Computes everything that is computed once, so that the first person does not wait for it."""
    best = recommender.recommend({}, 1).items
    if best and recommender.scale.rated:
        recommender.explain({best[0].item_id: recommender.scale.maximum}, best[0].item_id)
    recommender.titles.search("a", 1)
