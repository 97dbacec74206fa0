"""A classic autoencoder after training: with user rows it recommends and serves, with item rows it says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from command_line import run  # noqa: E402
from web_client import Client, body  # noqa: E402

from movie_autoencoder.config import Config  # noqa: E402
from movie_autoencoder.data.ratings import Ratings  # noqa: E402
from movie_autoencoder.evaluation import evaluate  # noqa: E402
from movie_autoencoder.recommend import Recommender, RecommenderError  # noqa: E402
from movie_autoencoder.training import train  # noqa: E402
from movie_autoencoder.web import create_app  # noqa: E402


def trained(ratings: Ratings, rows: str, out: Path) -> Path:
    """The folder of a run of three epochs."""
    settings = ["model.name=autorec", f"model.rows={rows}", "model.hidden=[6]", "training.epochs=3"]
    return train(Config().with_settings(settings), ratings=ratings, out=out / "run").run


def test_user_rows_recommend_and_serve(planted: Ratings, tmp_path: Path) -> None:
    recommender = Recommender.load(trained(planted, "user", tmp_path))
    num_items, rated = len(recommender.item_ids), [3, 8]
    ratings = dict(zip(recommender.item_ids[rated].tolist(), [4.5, 2.0], strict=True))
    row = Ratings.from_columns([0, 0], list(ratings), list(ratings.values()), scale=recommender.scale)
    users, items = np.zeros(num_items, np.int64), np.arange(num_items)
    predictions = recommender.model.predict(users, items, encoded_users=recommender.encode(row))
    rest = np.delete(items, rated)
    best = rest[np.argsort(-predictions[rest], kind="stable")][:20]
    found = recommender.recommend(ratings, k=20, rank_by="rating", diversity=0).items
    assert [item.stars for item in found] == pytest.approx(predictions[best].tolist(), abs=1e-5)
    answer = Client(create_app(recommender)).post("/api/recommend", json=body(ratings, k=20))
    assert answer.status_code == 200
    assert [item["item_id"] for item in answer.json()["recommendations"]] == [
        item.item_id for item in recommender.recommend(ratings, k=20).items
    ]


def test_item_rows_predict_for_training_users_and_say_why_they_recommend_to_nobody(
    planted: Ratings, tmp_path: Path
) -> None:
    folder = trained(planted, "item", tmp_path)
    recommender = Recommender.load(folder)
    users, items = recommender.user_ids[:5], recommender.item_ids[:5]
    expected = recommender.model.predict(np.arange(5), np.arange(5))
    assert np.array_equal(recommender.predict(users, items), expected) and np.ptp(expected) > 0
    assert len(recommender.similar(items[0].item(), 4)) == 4 and len(recommender.map(n=10).items) == 10
    user = recommender.training_person(users[0].item())
    for answer in (
        lambda: recommender.recommend({items[0].item(): 4.0}),
        lambda: recommender.recommend(user),
        lambda: recommender.recommend_many(planted, 3),
        lambda: recommender.explain(user, items[1].item()),
        lambda: create_app(recommender),
    ):
        with pytest.raises(RecommenderError, match=r"one input .*for each training user.* model\.rows=user"):
            answer()
    message = run("recommend", folder, "--user", users[0], code=1)
    assert "Traceback" not in message and "To recommend and explain, train the dual model" in message


def test_item_rows_are_evaluated_with_lists_by_choice_alone(planted: Ratings, tmp_path: Path) -> None:
    found = evaluate(trained(planted, "item", tmp_path / "item"))
    assert found.rankings is not None and found.few_ratings is None
    assert set(found.rankings.all.rankers) == {"popularity", "linear_autoencoder", "choice"}
    of_users = evaluate(trained(planted, "user", tmp_path / "user"))
    assert of_users.rankings is not None and of_users.few_ratings is not None
    assert set(of_users.rankings.all.rankers) == {*found.rankings.all.rankers, "balanced", "rating"}
