"""Pairs without ratings: read, trained on, scored by their lists, recommended from; and there are no stars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from movie_autoencoder import Recommender, evaluate, read_ratings, train
from movie_autoencoder.config import Config
from movie_autoencoder.evaluation import EvaluationError, evaluate_choice
from movie_autoencoder.models.base import ModelError
from movie_autoencoder.recommend import RecommenderError


def write_pairs(path: Path, num_users: int = 150, num_items: int = 40) -> Path:
    """People of two kinds, who choose the items of their own half of the catalogue and few others."""
    rng = np.random.default_rng(0)
    own = (np.arange(num_users)[:, None] % 2) == (np.arange(num_items) % 2)
    rows, columns = np.nonzero(rng.random((num_users, num_items)) < np.where(own, 0.5, 0.04))
    lines = [f"{user},{item}" for user, item in zip(rows.tolist(), columns.tolist(), strict=True)]
    path.write_text("\n".join(["user,item", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    config = Config().with_settings([f"data.path={write_pairs(folder / 'pairs.csv')}"])
    return train(config, out=folder / "run").run


@pytest.fixture(scope="module")
def recommender(run: Path) -> Recommender:
    return Recommender.load(run)


def test_pairs_are_read_as_such(tmp_path: Path) -> None:
    ratings = read_ratings(write_pairs(tmp_path / "pairs.csv"))
    assert not ratings.rated and (ratings.values == 1).all()


def test_lists_of_users_on_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("0 3 5 7\n1 5\n2 3 7\n")
    ratings = read_ratings(path)
    pairs = zip(ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index], strict=True)
    assert sorted((int(user), int(item)) for user, item in pairs) == [(0, 3), (0, 5), (0, 7), (1, 5), (2, 3), (2, 7)]
    assert not ratings.rated


def test_planted_kinds_are_found(recommender: Recommender) -> None:
    answer = recommender.recommend({0: 5, 2: 5, 4: 5}, k=10, diversity=0)
    assert all(int(item.item_id) % 2 == 0 for item in answer.items)
    assert all(item.stars is None and item.low is None and item.p_like is None for item in answer.items)
    chances = [item.p_choose for item in answer.items]
    assert chances == sorted(chances, reverse=True) and 0 < chances[-1] <= chances[0] < 1
    assert any("without ratings" in note for note in answer.notes)
    assert not any("liked" in item.why for item in answer.items)


def test_lists_are_scored_and_beat_popularity(run: Path) -> None:
    found = evaluate_choice(run).rankings
    assert found.all.rankers["choice"].ndcg_100.value > 1.2 * found.all.rankers["popularity"].ndcg_100.value
    assert found.liked is None


def test_whoever_asks_for_stars_is_told_that_there_are_none(run: Path, recommender: Recommender) -> None:
    with pytest.raises(ModelError, match="without ratings, so there are no stars"):
        recommender.predict([0], [2])
    with pytest.raises(RecommenderError, match="without ratings, so there are no stars"):
        recommender.explain({0: 5}, 2)
    with pytest.raises(EvaluationError, match="no errors of predicted stars"):
        evaluate(run)


def test_many_people_and_seeds(tmp_path: Path, run: Path, recommender: Recommender) -> None:
    ratings = read_ratings(write_pairs(tmp_path / "pairs.csv"))
    ids, values = recommender.recommend_many(ratings, 5)
    rated = {(int(u), int(i)) for u, i in zip(ratings.user_index, ratings.item_ids[ratings.item_index], strict=True)}
    assert not any((row, int(item)) in rated for row in range(len(ids)) for item in ids[row])
    assert (np.diff(values, axis=1) <= 0).all()
    config = Config().with_settings([f"data.path={tmp_path / 'pairs.csv'}"])
    again = Recommender.load(train(config, out=tmp_path / "run").run)
    assert (again.recommend_many(ratings, 5)[0] == ids).all()
