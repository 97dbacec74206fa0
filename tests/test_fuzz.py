"""The REST interface against its own description, by Schemathesis when it is installed and by its own models.

``pip install schemathesis`` installs it in any environment; SCHEMATHESIS is the path of its command when that is not on
PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from letterboxd_zip import letterboxd  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402
from web_client import Client, body  # noqa: E402

from movie_autoencoder.bundle import Bundle  # noqa: E402
from movie_autoencoder.recommend import schemas  # noqa: E402
from movie_autoencoder.recommend.recommender import Recommender  # noqa: E402
from movie_autoencoder.web import create_app, replies  # noqa: E402

SCHEMATHESIS = os.environ.get("SCHEMATHESIS") or shutil.which("schemathesis")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
]


@pytest.mark.skipif(SCHEMATHESIS is None, reason="Schemathesis is not installed (pip install schemathesis)")
def test_no_request_breaks_the_server(address: str, tmp_path: Path) -> None:
    allowed = '[checks.negative_data_rejection]\nexpected-statuses = ["400", "404", "405", "413", "422"]\n'
    (tmp_path / "schemathesis.toml").write_text(allowed)  # by default, 413 counts as an accepted request
    command = [
        str(SCHEMATHESIS),
        "run",
        f"{address}/openapi.json",
        "--seed",
        "1",
        "--max-examples",
        "30",
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        ",".join(CHECKS),
        "--continue-on-failure",
        "--no-color",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:]


def test_answers_are_as_described(tastes: Bundle) -> None:
    recommender = Recommender(tastes)
    client = Client(create_app(recommender))
    first, second, third = recommender.item_ids[:3].tolist()
    person = body({first: 4.5, second: 2.0, 10**9: 3.0})
    posts: dict[str, tuple[dict[str, Any], type]] = {
        "recommend": (person, replies.Recommendations),
        "predict": (person | {"items": [third, 10**9]}, replies.Predictions),
        "explain": (person | {"item_id": third}, schemas.Explanation),
        "similar": ({"item_id": third}, replies.SimilarFilms),
        "next": (person, replies.Suggestions),
        "map": (person, replies.Map),
        "reconstruction": (person, replies.Reconstruction),
    }
    answers = [(client.post(f"/api/{name}", json=sent), model) for name, (sent, model) in posts.items()]
    answers += [
        (client.get(path), model)
        for path, model in {
            "/api/items?q=cedar": replies.Films,
            "/api/groups": replies.Groups,
            "/api/model": replies.Model,
            "/healthz": replies.Health,
        }.items()
    ]
    watched = f"Date,Name,Year,Letterboxd URI\n2024-01-01,{recommender.items.title(first)},,https://boxd.it/x\n"
    file = letterboxd(watched=watched, ratings="Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,No Film,1999,x,3\n")
    answers.append((client.post("/api/import?name=x.zip", content=file), replies.Import))
    for answer, model in answers:
        adapter = TypeAdapter(model)
        described = adapter.dump_python(adapter.validate_json(answer.content, extra="forbid"), by_alias=True)
        assert described.keys() == answer.json().keys(), model  # no field is missing or undescribed
    described_paths = client.get("/openapi.json").json()["paths"]
    assert len(described_paths) == len(answers) + 1  # and /metrics
    for path, operations in described_paths.items():
        for operation in operations.values():
            assert {"200", "4XX"} <= set(operation["responses"]), path
