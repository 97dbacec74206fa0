"""`recommend --all`: everybody in a file at once, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import call, run

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.recommend import Recommender
from movie_autoencoder.recommend.batch import best_of_blocks


@pytest.fixture(scope="module")
def recommender(taste_run: Path) -> Recommender:
    return Recommender.load(taste_run)


@pytest.fixture
def people(recommender: Recommender, tmp_path: Path) -> Path:
    """Three people with ids of their own; one of their items is unknown to the model."""
    known = recommender.item_ids[[0, 5, 9, 40, 80]].tolist()
    path = tmp_path / "people.csv"
    lines = [
        f"{user},{item},{stars}"
        for user, count in (("zoe", 5), ("ann", 2))
        for item, stars in zip(known[:count], [5, 1, 4, 2, 3.5], strict=False)
    ]
    path.write_text("\n".join(["userId,movieId,rating", *lines, "bob,999999,4", ""]))
    return path


@pytest.mark.parametrize("rank_by", ["balanced", "choice", "rating"])
def test_lists_are_those_of_each_person_alone(
    recommender, taste_run: Path, people: Path, tmp_path: Path, rank_by
) -> None:
    out = tmp_path / "new" / "recs.csv"
    call_words = ("recommend", taste_run, "--ratings", people, "--all", "--k", 7, "--rank-by", rank_by, "--out", out)
    assert "Wrote 21 recommendations for 3 people" in call(*call_words).err
    frame, read = pd.read_csv(out), pd.read_csv(people)
    assert list(frame) == ["user_id", "item_id", "rank", "score", "stars", "p_choose"]
    assert frame["user_id"].tolist() == ["ann"] * 7 + ["bob"] * 7 + ["zoe"] * 7
    assert frame["rank"].tolist() == [*range(1, 8)] * 3
    for user in ("ann", "zoe"):
        rated = read[read["userId"] == user]
        alone = recommender.recommend(
            dict(zip(rated["movieId"].tolist(), rated["rating"].tolist(), strict=True)), 7, rank_by=rank_by, diversity=0
        )
        rows = frame[frame["user_id"] == user]
        assert rows["item_id"].tolist() == [item.item_id for item in alone.items]
        assert rows["stars"].tolist() == pytest.approx([item.stars for item in alone.items], abs=2e-3)
        assert rows["p_choose"].tolist() == pytest.approx([item.p_choose for item in alone.items], abs=1e-4)
        assert (np.diff(rows["score"]) <= 0).all()


def test_blocks_change_no_list(recommender: Recommender) -> None:
    ratings = recommender.ratings
    assert isinstance(ratings, Ratings)

    def lists(numbers: int) -> list[np.ndarray]:
        blocks = list(
            best_of_blocks(recommender.model, recommender.bundle.choice, ratings, 9, "balanced", numbers=numbers)
        )
        assert [block.rows.start for block in blocks] == [0, *(block.rows.stop for block in blocks[:-1])]
        return [
            np.concatenate([getattr(block, name) for block in blocks]) for name in ("columns", "values", "p_choose")
        ]

    one, many = lists(1 << 22), lists(7 * len(recommender.item_ids))
    assert np.array_equal(one[0], many[0])
    for left, right in zip(one[1:], many[1:], strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,what\n1,2\n", "there is no user column"),
        (
            "userId,movieId,rating\n1,nothing,4\n",
            "none of its 1 items is known to the model, whose ids are like 1, 2, 3",
        ),
        ("userId,movieId,rating\n1,1,9\n", "outside the scale"),
    ],
)
def test_a_wrong_file_leaves_the_old_result(taste_run: Path, tmp_path: Path, text: str, message: str) -> None:
    wrong, out = tmp_path / "wrong.csv", tmp_path / "recs.csv"
    wrong.write_text(text)
    out.write_text("old")
    assert message in run("recommend", taste_run, "--ratings", wrong, "--all", "--out", out, code=1)
    assert out.read_text() == "old" and sorted(tmp_path.iterdir()) == [out, wrong]
