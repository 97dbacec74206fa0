"""The REST interface: the answers of the recommender, and requests that must be refused."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from letterboxd_zip import letterboxd

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

from taste_runs import without_stars  # noqa: E402
from web_client import OWN, Client, body  # noqa: E402

from movie_autoencoder.bundle import Bundle  # noqa: E402
from movie_autoencoder.choice import RANK_BY  # noqa: E402
from movie_autoencoder.recommend.ordering import USUAL_DIVERSITY  # noqa: E402
from movie_autoencoder.recommend.recommender import Recommender  # noqa: E402
from movie_autoencoder.web import create_app  # noqa: E402
from movie_autoencoder.web.guard import LARGEST_BODY, LARGEST_UPLOAD, Rates, Refused  # noqa: E402
from movie_autoencoder.web.metrics import Metrics  # noqa: E402

POSTS = ("recommend", "predict", "explain", "similar", "next", "map", "reconstruction")


@pytest.fixture(scope="module")
def recommender(tastes: Bundle) -> Recommender:
    return Recommender(tastes)


@pytest.fixture(scope="module")
def client(recommender: Recommender) -> Client:
    return Client(create_app(recommender))


@pytest.fixture
def stars(recommender: Recommender) -> dict[int, float]:
    """Five ratings of well known items."""
    best = recommender.item_ids[recommender.item_counts.argsort()[::-1][:5]].tolist()
    return dict(zip(best, [5.0, 4.5, 1.0, 3.0, 0.5], strict=True))


# Answers


def test_recommend_gives_the_answer_of_the_recommender(client: Client, recommender: Recommender, stars: Any) -> None:
    answer = client.post("/api/recommend", json=body(stars, k=7)).json()
    assert answer == recommender.recommend(stars, 7).to_dict() | {"matched": answer["matched"]}
    assert [(one["item_id"], one["stars"]) for one in answer["matched"]] == list(stars.items())
    assert {one["item_id"] for one in answer["recommendations"]}.isdisjoint(stars)
    first = answer["recommendations"][0]
    shown = {"rank", "item_id", "title", "year", "stars", "low", "high", "p_like", "p_choose", "num_ratings", "why"}
    assert set(first) == shown


def test_every_filter_changes_the_answer(client: Client, recommender: Recommender, stars: Any) -> None:
    plain = client.post("/api/recommend", json=body(stars, k=20)).json()["recommendations"]
    ids = [one["item_id"] for one in plain]

    def asked(**more: Any) -> list[dict[str, Any]]:
        return client.post("/api/recommend", json=body(stars, k=20) | more).json()["recommendations"]

    assert len(asked(k=3)) == 3
    horror = asked(genres=["horror"])
    assert horror and all("Horror" in recommender.items.genres_of(one["item_id"]) for one in horror)
    late = asked(years=[1990, None])
    assert late and all(one["year"] >= 1990 for one in late)
    assert not set(ids[:4]) & {one["item_id"] for one in asked(exclude=ids[:4])}
    assert {one["item_id"] for one in asked(only=ids[:4])} == set(ids[:4])
    assert asked(popularity=-1.0) != asked(popularity=1.0) and asked(popularity=0.0) == plain
    assert len({tuple(one["item_id"] for one in asked(rank_by=order)) for order in RANK_BY}) == 3
    assert asked(rank_by="balanced", diversity=USUAL_DIVERSITY) == plain != asked(diversity=0.0)
    assert asked(liked=[ids[0]]) != plain and ids[0] not in {one["item_id"] for one in asked(seen=[ids[0]])}


def test_the_order_of_a_list(client: Client, recommender: Recommender, stars: Any) -> None:
    """Without diversity, a list by one of the two figures falls in it; each film shows both, and its support."""
    counts = dict(zip(recommender.item_ids.tolist(), recommender.item_counts.tolist(), strict=True))
    for order, figure in (("choice", "p_choose"), ("rating", "stars")):
        asked = body(stars, rank_by=order, diversity=0.0)
        found = client.post("/api/recommend", json=asked).json()["recommendations"]
        figures = [one[figure] for one in found]
        assert figures == sorted(figures, reverse=True)
        assert all(0 < one["p_choose"] < 1 and one["num_ratings"] == counts[one["item_id"]] for one in found)


def test_films_with_little_support_have_no_confident_figure(tastes: Bundle, stars: Any) -> None:
    counts = tastes.item_counts.copy()
    counts[::2] = 2
    client = Client(create_app(Recommender(replace(tastes, item_counts=counts))))
    enough = client.get("/api/model").json()["enough_ratings"]
    found = client.post("/api/recommend", json=body(stars, k=50)).json()["recommendations"]
    assert {one["num_ratings"] >= enough for one in found} == {True, False}
    for one in found:
        figures = [one["low"], one["high"], one["p_like"]]
        assert (None not in figures) if one["num_ratings"] >= enough else figures == [None] * 3


def test_a_model_without_choices_orders_by_stars(tastes: Bundle, stars: Any) -> None:
    client = Client(create_app(Recommender(replace(tastes, choice=None))))
    assert client.get("/api/model").json()["rank_by"] == ["rating"]
    answer = client.post("/api/recommend", json=body(stars)).json()
    assert {one["p_choose"] for one in answer["recommendations"]} == {None}
    assert any("does not know what people choose" in note for note in answer["notes"])


def test_a_model_of_pairs_has_lists_and_no_stars(tastes: Bundle, stars: Any) -> None:
    client = Client(create_app(Recommender(without_stars(tastes))))
    model = client.get("/api/model").json()
    assert model["rank_by"] == ["choice"] and model["intervals"] is False
    chosen = body(dict.fromkeys(stars, 1))
    for order in RANK_BY:
        found = client.post("/api/recommend", json=chosen | {"rank_by": order}).json()["recommendations"]
        assert len(found) == 20 and all(one["stars"] is None and 0 < one["p_choose"] < 1 for one in found)
    more = {"predict": {"items": [next(iter(stars))]}, "explain": {"item_id": next(iter(stars))}}
    for path in ("predict", "explain", "next", "map", "reconstruction"):
        answer = client.post(f"/api/{path}", json=chosen | more.get(path, {}))
        assert answer.status_code == 422 and "without ratings" in answer.json()["detail"], path
    refused = client.post("/api/recommend", json=body(dict.fromkeys(stars, 4)))
    assert refused.status_code == 422 and "Stars must be 1" in refused.json()["detail"]
    title = client.get("/api/items", params={"q": "cedar elm"}).json()["items"][0]["title"]
    imported = sent(client, "mine.csv", f"title,stars\n{title},4.5\n".encode()).json()
    assert [one["stars"] for one in imported["ratings"]] == [1]


def test_without_ratings_popular_films_come_with_a_note(client: Client) -> None:
    answer = client.post("/api/recommend", json={}).json()
    assert len(answer["recommendations"]) == 20 and "No rating to go by" in answer["notes"][0]


def test_unknown_items_are_listed(client: Client) -> None:
    answer = client.post("/api/recommend", json=body({10**9: 4, "<b>x</b>": 2})).json()
    assert [(one["stars"]) for one in answer["unmatched"]] == [4, 2]
    assert "We know 0 of your 2 films" in " ".join(answer["notes"])
    asked = client.post("/api/predict", json={"items": [10**9]}).json()
    assert asked == {"predictions": [], "unknown": [10**9], "as": "chosen"}


def test_the_last_rating_of_an_item_counts(client: Client, stars: Any) -> None:
    twice = body(stars)
    twice["ratings"].insert(0, {"item_id": next(iter(stars)), "stars": 1.0})
    both = [client.post("/api/recommend", json=one).json()["recommendations"] for one in (twice, body(stars))]
    assert {one["item_id"]: one["stars"] for one in both[0]} == pytest.approx(
        {one["item_id"]: one["stars"] for one in both[1]}
    )


def test_predict(client: Client, recommender: Recommender, stars: Any) -> None:
    wanted = recommender.recommend(stars, 3).items
    answer = client.post("/api/predict", json=body(stars, items=[one.item_id for one in wanted])).json()
    for one, expected in zip(answer["predictions"], wanted, strict=True):
        assert one["title"] == expected.title
        assert one["stars"] == pytest.approx(expected.stars, abs=1e-5)
        assert [one["low"], one["high"], one["p_like"]] == pytest.approx([expected.low, expected.high, expected.p_like])


def test_predict_as_random(client: Client, recommender: Recommender, stars: Any) -> None:
    asked = [one.item_id for one in recommender.recommend(stars, 3).items]
    answers = {
        one: client.post("/api/predict", json=body(stars, items=asked, **{"as": one})) for one in ("chosen", "random")
    }
    assert {one: answer.json()["as"] for one, answer in answers.items()} == {"chosen": "chosen", "random": "random"}
    shown = [one["stars"] for one in answers["random"].json()["predictions"]]
    assert shown == pytest.approx([one.stars for one in recommender.predict_items(stars, asked, selection="random")])
    assert shown != [one["stars"] for one in answers["chosen"].json()["predictions"]]
    assert client.post("/api/predict", json=body(stars, items=asked, **{"as": "any"})).status_code == 422


def test_explain_adds_up(client: Client, stars: Any) -> None:
    best = client.post("/api/recommend", json=body(stars, k=1)).json()["recommendations"][0]
    answer = client.post("/api/explain", json=body(stars, item_id=best["item_id"], top=2)).json()
    assert answer["stars"] == pytest.approx(best["stars"], abs=1e-5) and len(answer["shares"]) == 2
    total = answer["base"] + sum(one["share"] for one in answer["shares"]) + answer["other_shares"]
    assert total == pytest.approx(answer["raw"], abs=1e-5)
    assert answer["raw"] + answer["clip"] == pytest.approx(answer["stars"], abs=1e-5)


def test_the_other_answers(client: Client, recommender: Recommender, stars: Any) -> None:
    item = next(iter(stars))
    similar = client.post("/api/similar", json={"item_id": item, "k": 3}).json()["similar"]
    assert [one["item_id"] for one in similar] == [one.item_id for one in recommender.similar(item, 3)]
    suggested = client.post("/api/next", json=body(stars, k=4)).json()["next_to_rate"]
    assert len(suggested) == 4 and suggested[0]["teaches"] == 1 and not {s["item_id"] for s in suggested} & set(stars)
    rows = client.post("/api/reconstruction", json=body(stars)).json()["reconstruction"]
    assert {row["item_id"]: row["stars"] for row in rows} == stars
    spots = client.post("/api/map", json=body(stars, n=30)).json()
    assert len(spots["items"]) == 30 and set(spots["you"]) == {"x", "y"}
    assert client.post("/api/map", json={"n": 30}).json()["you"] is None
    groups = client.get("/api/groups", params={"n": 3, "size": 2}).json()["groups"]
    assert 1 <= len(groups) <= 3 and all(len(group["items"]) <= 2 for group in groups)


def test_items_by_title(client: Client, recommender: Recommender) -> None:
    found = client.get("/api/items", params={"q": "cedar el", "limit": 3}).json()["items"]
    assert found[0]["title"].startswith("Cedar Elm") and {"item_id", "year", "genres", "ratings"} <= set(found[0])
    assert len(found) <= 3
    assert client.get("/api/items", params={"q": "  "}).json() == {"items": []}


def test_model_health_and_metrics(client: Client, recommender: Recommender) -> None:
    model = client.get("/api/model").json()
    assert model["num_items"] == len(recommender.item_ids) and model["genres"] == ["Comedy", "Drama", "Horror"]
    assert model["scale"]["maximum"] == recommender.scale.maximum and model["intervals"] is True
    assert model["rank_by"] == [*RANK_BY] and model["diversity"] == USUAL_DIVERSITY
    assert client.get("/healthz").json() == {"status": "ok"}
    client.get("/nothing-here")
    text = client.get("/metrics").text
    assert 'movie_autoencoder_requests_total{route="/healthz",status="200"} ' in text
    assert 'route="other",status="404"' in text and "nothing-here" not in text
    assert 'movie_autoencoder_request_seconds_bucket{le="+Inf",route="/healthz"}' in text


def test_metrics_count_every_answer() -> None:
    """Buckets are cumulative; the names are those that dashboards know, without the client library's own ones."""
    metrics = Metrics()
    for seconds in (0.0005, 0.004, 0.004, 9):
        metrics.count("/x", 200, seconds)
    metrics.count("/y", 404, 0.2)
    series = dict(line.rsplit(" ", 1) for line in metrics.text().splitlines() if not line.startswith("#"))
    assert float(series['movie_autoencoder_requests_total{route="/x",status="200"}']) == 4
    assert float(series['movie_autoencoder_requests_total{route="/y",status="404"}']) == 1
    below = [
        float(series[f'movie_autoencoder_request_seconds_bucket{{le="{edge}",route="/x"}}'])
        for edge in ("0.001", "0.0025", "0.005", "2.5", "+Inf")
    ]
    assert below == [1, 1, 3, 3, 4] and float(series['movie_autoencoder_request_seconds_count{route="/x"}']) == 4
    assert float(series['movie_autoencoder_request_seconds_sum{route="/x"}']) == pytest.approx(9.0085)
    names = {name.partition("{")[0] for name in series}
    assert names == {
        "movie_autoencoder_requests_total",
        "movie_autoencoder_start_time_seconds",
        *(f"movie_autoencoder_request_seconds_{part}" for part in ("bucket", "count", "sum")),
    }


def test_each_application_has_metrics_of_its_own(recommender: Recommender) -> None:
    one, other = Client(create_app(recommender)), Client(create_app(recommender))
    one.get("/healthz")
    assert "/healthz" in one.get("/metrics").text and "/healthz" not in other.get("/metrics").text


def test_answers_are_as_described(client: Client, recommender: Recommender, stars: Any) -> None:
    """Every answer has exactly the fields that the description at ``/openapi.json`` gives it."""
    item = next(iter(stars))
    described = client.get("/openapi.json").json()
    answers = {
        "/api/recommend": client.post("/api/recommend", json=body(stars | {10**9: 3.0})),
        "/api/predict": client.post("/api/predict", json=body(stars, items=[item, 10**9])),
        "/api/explain": client.post("/api/explain", json=body(stars, item_id=item)),
        "/api/similar": client.post("/api/similar", json={"item_id": item}),
        "/api/next": client.post("/api/next", json=body(stars)),
        "/api/map": client.post("/api/map", json=body(stars)),
        "/api/reconstruction": client.post("/api/reconstruction", json=body(stars)),
        "/api/import": sent(client, "mine.csv", b"title,stars\nNothing of the kind,3\nCedar,2\n"),
        "/api/items": client.get("/api/items", params={"q": "cedar"}),
        "/api/groups": client.get("/api/groups"),
        "/api/model": client.get("/api/model"),
        "/healthz": client.get("/healthz"),
    }
    assert set(answers) == set(described["paths"]) - {"/metrics"}
    for path, answer in answers.items():
        (operation,) = described["paths"][path].values()
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        check_described(answer.json(), schema, described["components"]["schemas"], path)


def check_described(value: Any, schema: dict[str, Any], schemas: dict[str, Any], where: str) -> None:
    """Fails where a value is not what a schema says: references, alternatives, lists, fields and plain types."""
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if (value is None) == (one.get("type") == "null")]
        assert kinds, (where, value)
        schema = schemas[kinds[0]["$ref"].rpartition("/")[2]] if "$ref" in kinds[0] else kinds[0]
    if schema.get("type") == "object":
        assert set(value) == set(schema["properties"]) == set(schema["required"]), where
        for name, one in schema["properties"].items():
            check_described(value[name], one, schemas, f"{where}.{name}")
    elif schema.get("type") == "array":
        kinds = schema.get("prefixItems") or [schema["items"]] * len(value)
        for one, kind in zip(value, kinds, strict=True):
            check_described(one, kind, schemas, f"{where}[]")
    else:
        types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
        assert isinstance(value, types[schema["type"]]) or where.endswith("item_id"), (where, value)


def test_the_description_has_an_example_for_everything_that_is_sent(client: Client) -> None:
    described = client.get("/openapi.json").json()
    for name in POSTS:
        reference = described["paths"][f"/api/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        schema = described["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
        assert client.post(f"/api/{name}", json=schema["examples"][0]).status_code in (200, 404, 422), name
    assert "example" in described["paths"]["/api/import"]["post"]["requestBody"]["content"]["application/octet-stream"]


def test_the_docs_name_every_path(client: Client) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "web.md").read_text(encoding="utf-8")
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method in operations:
            assert f"| `{method.upper()} {path}" in page and f"curl $S{path}" in page.replace('"$S', "$S"), path


# Files


def sent(client: Client, name: str, data: bytes) -> Any:
    return client.post("/api/import", params={"name": name}, content=data)


def test_a_letterboxd_zip_becomes_a_person(client: Client, recommender: Recommender) -> None:
    head = "Date,Name,Year,Letterboxd URI"
    titles = [(recommender.items.title(item), recommender.items.year(item)) for item in recommender.item_ids[:4]]
    row = [f"2024-01-01,{title},{year},https://boxd.it/{n}" for n, (title, year) in enumerate(titles)]
    data = letterboxd(
        ratings=f"{head},Rating\n{row[0]},4.5\n2024-01-01,<script>alert(1)</script>,1999,https://boxd.it/x,3\n",
        watched=f"{head}\n{row[0]}\n{row[1]}\n",
        likes__films=f"{head}\n{row[2]}\n",
        watchlist=f"{head}\n{row[3]}\n",
    )
    answer = sent(client, "letterboxd-me.zip", data).json()
    ids = recommender.item_ids[:4].tolist()
    assert answer["format"] == "letterboxd" and answer["ratings"] == [{"item_id": ids[0], "stars": 4.5}]
    assert (answer["seen"], answer["liked"]) == ([ids[1]], [ids[2]])
    assert [one["item_id"] for one in answer["watchlist"]] == [ids[3]]
    assert [one["title"] for one in answer["unmatched"]] == ["<script>alert(1)</script>"]  # as it stands: JSON only
    assert client.post("/api/recommend", json={"ratings": answer["ratings"], "liked": answer["liked"]}).is_success


def test_an_imdb_file_by_its_ids(client: Client, recommender: Recommender) -> None:
    data = (
        b"Const,Your Rating,Title,Title Type,Year\ntt0000002,9,Whatever,Movie,1900\ntt0000003,8,Show,TV Series,1900\n"
    )
    answer = sent(client, "ratings.csv", data).json()
    assert answer["format"] == "imdb" and answer["ratings"] == [{"item_id": recommender.item_ids[1], "stars": 4.5}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing.csv", b""),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4),
        ("broken.zip", b"PK\x03\x04" + b"\0" * 40),
        ("wrong.csv", b"a,b\n1,2\n"),
        ("huge.csv", b"title,stars\nAlien,1e999\n"),
        ("nan.csv", b"title,stars\nAlien,nan\n"),
        ("bomb.zip", letterboxd(ratings="Date,Name,Year,Letterboxd URI,Rating\n" + "0" * 30_000_000)),
        ("paths.zip", letterboxd(**{"..__..__..__tmp__evil": "Date,Name,Year,Letterboxd URI,Rating\n"})),
        ("long.csv", b"title,stars\n" + b"Alien,4\n" * 20_001),
        ("../../etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
    ],
)
def test_wrong_files_are_refused(client: Client, tmp_path: Path, name: str, data: bytes) -> None:
    answer = sent(client, name, data)
    assert 400 <= answer.status_code < 500 and answer.json()["detail"], answer.text
    assert not Path("/tmp/evil.csv").exists()


# Requests that are refused


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"k": 0}, "k"),
        ({"k": 10**6}, "k"),
        ({"k": "many"}, "k"),
        ({"k": 2.5}, "k"),
        ({"k": True}, "k"),
        ({"popularity": 2}, "popularity"),
        ({"popularity": "high"}, "popularity"),
        ({"rank_by": "stars"}, "rank_by: Input should be 'balanced', 'choice' or 'rating'"),
        ({"rank_by": None}, "rank_by: Input should be 'balanced', 'choice' or 'rating'"),
        ({"rank_by": ["choice"]}, "rank_by"),
        ({"diversity": 1.01}, "diversity: Input should be less than or equal to 1"),
        ({"diversity": -0.1}, "diversity: Input should be greater than or equal to 0"),
        ({"diversity": "some"}, "diversity"),
        ({"diversity": True}, "diversity"),
        ({"years": [1990]}, "years"),
        ({"years": ["a", None]}, "years"),
        ({"years": [10**30, None]}, "years"),
        ({"genres": ["Nonsense <b>"]}, "No item has the genre"),
        ({"genres": "Drama"}, "genres"),
        ({"exclude": [1.5]}, "exclude"),
        ({"exclude": [None]}, "exclude"),
        ({"exclude": [10**40]}, "exclude"),
        ({"exclude": list(range(100_001))}, "exclude"),
        ({"liked": {"a": 1}}, "liked"),
        ({"unknown": 1}, "unknown"),
        ({"ratings": {"1": 5}}, "ratings"),
        ({"ratings": [{"item_id": 1}]}, "stars"),
        ({"ratings": [{"item_id": 1, "stars": "5"}]}, "stars"),
        ({"ratings": [{"item_id": 1, "stars": 99}]}, "scale"),
        ({"ratings": [{"item_id": 1, "stars": -(10**300)}]}, "scale"),
        ({"ratings": [{"item_id": 1, "stars": True}]}, "stars"),
        ({"ratings": [{"item_id": 1, "stars": None}]}, "stars"),
        ({"ratings": [{"item_id": [1], "stars": 3}]}, "item_id"),
        ({"ratings": [{"item_id": "x" * 300, "stars": 3}]}, "item_id"),
        ({"ratings": [{"item_id": 1, "stars": 3, "also": 1}]}, "also"),
        ({"ratings": [{"item_id": 1, "stars": 3}] * 20_001}, "ratings"),
    ],
)
def test_wrong_values_are_refused(client: Client, more: dict[str, Any], said: str) -> None:
    answer = client.post("/api/recommend", json=more)
    assert answer.status_code == 422 and said in answer.json()["detail"], answer.text
    assert len(answer.content) < 2000  # nothing that was sent comes back at length


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"k": NaN}',
        b'{"popularity": Infinity}',
        b'{"popularity": 1e999}',
        b'{"diversity": NaN}',
        b'{"ratings": [{"item_id": 1, "stars": NaN}]}',
        b'{"ratings": [{"item_id": 1, "stars": 1e999}]}',
        b'{"ratings": [{"item_id": 1, "stars": -Infinity}]}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"k": ' + b"9" * 10_000 + b"}",
        b'{"k": 1, "k": "x"}',
        b'{"genres": ["\\ud800"]}',
        b"PK\x03\x04",
    ],
)
def test_wrong_bodies_are_refused(client: Client, text: bytes) -> None:
    answer = client.post("/api/recommend", content=text, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and answer.json()["detail"]


@pytest.mark.parametrize("name", ["explain", "similar"])
def test_an_unknown_item_is_not_found(client: Client, name: str) -> None:
    for item in (10**12, "Nothing (1900)", "../../etc/passwd"):
        answer = client.post(f"/api/{name}", json={"item_id": item})
        assert answer.status_code == 404 and "/api/items" in answer.json()["detail"]


def test_wrong_methods_paths_and_queries_are_refused(client: Client) -> None:
    assert client.get("/api/recommend").status_code == 405
    for method in ("OPTIONS", "PUT", "DELETE", "HEAD"):
        for path, allowed in (("/api/items", "GET"), ("/api/recommend", "POST")):
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    for path in (
        "/api/nothing",
        "/../app.py",
        "/%2e%2e/app.py",
        "/js/../../app.py",
        "/js/%2e%2e%2f%2e%2e%2fapp.py",
        "/%00",
    ):
        assert client.get(path).status_code == 404, path
    assert client.get("/api/items", params={"q": "x" * 201}).status_code == 422
    assert client.get("/api/items", params={"q": "a", "limit": "1e9"}).status_code == 422
    assert client.get("/api/items", params={"q": "\0<script>'\";--"}).status_code == 200
    assert client.get("/api/groups", params={"n": 10**9}).status_code == 422


def test_large_bodies_are_refused(client: Client) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:  # without a Content-Length
        for _ in range(size // 100_000 + 1):
            yield b" " * 100_000

    for path, limit in (("/api/recommend", LARGEST_BODY), ("/api/import", LARGEST_UPLOAD)):
        said = client.post(path, content=b" " * (limit + 1))
        streamed = client.post(path, content=pieces(limit), headers={"content-type": "application/json"})
        for answer in (said, streamed):
            assert answer.status_code == 413 and f"{limit // 10**6} MB" in answer.json()["detail"]
    for length in ("-1", "x", "9" * 30):
        answer = client.post("/api/recommend", content=b"{}", headers={"content-length": length})
        assert answer.status_code in (400, 413)


# Hosts, origins, headers and rates


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_another_host_name_is_refused(client: Client, host: str) -> None:
    answer = client.get("/api/model", headers={"host": host})
    assert answer.status_code == 421 and "not called" in answer.json()["detail"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "192.0.2.7:80"]
)
def test_own_names_and_addresses_are_allowed(client: Client, host: str) -> None:
    assert client.get("/api/model", headers={"host": host}).is_success


def test_a_host_name_can_be_allowed(recommender: Recommender) -> None:
    app = create_app(recommender, hosts=frozenset({"films.example"}))
    assert Client(app, "http://films.example").get("/healthz").is_success


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1"])
def test_pages_from_elsewhere_are_refused(client: Client, origin: str) -> None:
    answer = client.post("/api/recommend", json={}, headers={"origin": origin})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = client.request(
        "OPTIONS", "/api/recommend", headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert not asked.is_success


def test_the_page_of_the_server_is_allowed(client: Client) -> None:
    assert client.post("/api/recommend", json={}, headers={"origin": OWN}).is_success


@pytest.mark.parametrize(
    "path", ["/", "/api/model", "/js/main.js", "/style.css", "/nothing", "/openapi.json", "/metrics"]
)
def test_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    folder = Path(sys.modules["movie_autoencoder.web"].__file__ or "").parent / "static"
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert "http:" not in text and "https:" not in text and "//cdn" not in text, path
            for unsafe in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "onclick=",
                "style=",
            ):
                assert unsafe not in text, (path, unsafe)
            assert client.get(f"/{path.relative_to(folder).as_posix()}").is_success


def test_each_address_has_a_rate() -> None:
    rates = Rates(60)
    for _ in range(60):
        rates.take("a", now=0.0)
    with pytest.raises(Refused, match="At most 60 requests a minute"):
        rates.take("a", now=0.5)
    rates.take("b", now=0.5)
    rates.take("a", now=1.01)  # one token a second comes back
    with pytest.raises(Refused):
        rates.take("a", now=1.02)


def test_requests_above_the_rate_limit_are_refused(recommender: Recommender) -> None:
    client = Client(create_app(recommender, rate_limit=3))
    answers = [client.get("/healthz") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "20" and "3 requests" in answers[-1].json()["detail"]


def test_the_number_of_remembered_addresses_is_limited() -> None:
    rates = Rates(10)
    for number in range(12_000):
        rates.take(str(number), now=0.0)
    assert len(rates) == 10_000


def test_years_without_films(client: Client) -> None:
    answer = client.post("/api/recommend", json={"popularity": 0.5, "years": [3000, None]})
    assert answer.is_success and answer.json()["recommendations"] == []
    answer = client.post("/api/recommend", json={"years": [3000, 1000]})
    assert answer.status_code == 422 and "first year" in answer.json()["detail"]


# The server


_FIRST_ANSWER = """
import sys, threading, time, urllib.request, socket
from pathlib import Path
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.web import serve
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
threading.Thread(target=serve, args=(Recommender.load(sys.argv[1]),), kwargs={"port": port}, daemon=True).start()
for _ in range(200):
    try:
        print(urllib.request.urlopen(f"http://localhost:{port}/api/model", timeout=5).status)
        break
    except OSError:
        time.sleep(0.05)
print([name for name in ("tensorflow", "keras", "matplotlib") if name in sys.modules])
"""


def test_serving_needs_no_tensorflow(taste_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_ANSWER, str(taste_run)], capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Serving    http://localhost:") and lines[1:] == ["200", "[]"], done.stdout + done.stderr
    assert not done.stderr


def test_a_port_in_use_is_named(recommender: Recommender) -> None:
    from movie_autoencoder.web import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"127.0.0.1 port {port} cannot be listened on"):
            serve(recommender, port=port)
    with pytest.raises(ValueError, match="cannot be listened on"):
        serve(recommender, host="no.such.host.invalid")


def _serve(run: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from movie_autoencoder.cli.main import main; main()", "serve", str(run)]
    command += ["--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_command_names_errors_and_ends_cleanly(taste_run: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = _serve(taste_run, port)
    assert server.stdout and "Serving" in server.stdout.readline()
    assert httpx.get(f"http://localhost:{port}/api/items?q=cedar", trust_env=False).json()["items"]
    for wrong, said, code in ((port, f"port {port} cannot be listened on", 1), (70_000, "1 to 65535", 2)):
        other = _serve(taste_run, wrong)
        _, errors = other.communicate(timeout=60)
        assert other.returncode == code and said in errors and "Traceback" not in errors
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=60)
    assert server.returncode in (0, 130) and not errors


def test_our_own_errors_are_not_refusals(tastes: Bundle, stars: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a RecommenderError is a refusal; NumPy raises ValueErrors too."""
    own = Recommender(tastes)
    client = Client(create_app(own))
    assert client.post("/api/recommend", json=body(stars) | {"genres": ["Western"]}).status_code == 422
    monkeypatch.setattr(own, "recommend", lambda *given, **more: np.zeros(2) + np.zeros(3))
    with pytest.raises(ValueError, match="could not be broadcast"):
        client.post("/api/recommend", json=body(stars))


def test_requests_with_many_films_get_the_same_answer(client: Client, recommender: Recommender, stars: Any) -> None:
    """They are answered in a thread, so that others need not wait."""
    few = client.post("/api/recommend", json=body(stars) | {"only": recommender.item_ids[:40].tolist()}).json()
    many = recommender.item_ids[:40].tolist() * 30
    assert client.post("/api/recommend", json=body(stars) | {"only": many}).json() == few


def test_json_has_no_nan(client: Client, stars: Any) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    for name in ("recommend", "map", "next", "reconstruction"):
        json.loads(client.post(f"/api/{name}", json=body(stars)).text, parse_constant=refuse)
