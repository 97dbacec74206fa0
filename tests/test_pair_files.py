"""Files of pairs without ratings: what is read as pairs, what is refused, and commands on a run that they trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run

from movie_autoencoder import Ratings, Recommender, Scale, SourceError, read_ratings, split_ratings, train
from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.bundle.add_items import with_new_items
from movie_autoencoder.config import Config
from movie_autoencoder.data.loading import LoadingError, read_data
from movie_autoencoder.data.matching.join import join_people
from movie_autoencoder.data.scale import UNRATED
from movie_autoencoder.data.splits import load_held_out
from movie_autoencoder.data.statistics import inspect_ratings
from movie_autoencoder.models.base import ModelError
from movie_autoencoder.models.choice_only.trained import TrainedChoice

Write = Callable[[str, str], Path]
PAIRS = [(1, 7), (1, 8), (2, 7)]
PAIRS_TEXT = "user,item\n1,7\n1,8\n2,7\n"
GENRES = 4  # kinds of people, and of items


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str) -> Path:
        (path := tmp_path / name).write_text(content)
        return path

    return written


def pairs_of(ratings: Ratings) -> list[tuple[int, int]]:
    users, items = ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index]
    return sorted((int(user), int(item)) for user, item in zip(users, items, strict=True))


def planted(num_users: int = 120, num_items: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """People who choose six of the ten items of their kind, and one other item."""
    rng = np.random.default_rng(3)
    users, items = [], []
    for user in range(num_users):
        own = np.arange(user % GENRES, num_items, GENRES)
        others = np.setdiff1d(np.arange(num_items), own)
        chosen = [*rng.choice(own, 6, replace=False), rng.choice(others)]
        users += [user] * len(chosen)
        items += chosen
    return np.array(users), np.array(items)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", PAIRS_TEXT),
        ("a.tsv", "movieId\tuserId\n7\t1\n8\t1\n7\t2\n"),
        ("a.csv", "user,item\n1,7\n1,8\n2,7\n1,7\n"),
        ("train.txt", "1 7 8\n2 7\n3\n"),
    ],
)
def test_pairs_are_read(write: Write, name: str, content: str) -> None:
    ratings = read_ratings(write(name, content))
    assert pairs_of(ratings) == PAIRS and not ratings.rated and ratings.scale == UNRATED
    assert ratings.values.tolist() == [1, 1, 1] and str(ratings.scale) == "no ratings"


def test_times_of_pairs_are_read(write: Write) -> None:
    ratings = read_ratings(write("a.csv", "user,item,timestamp\n1,7,50\n2,7,40\n1,8,30\n"))
    assert ratings.timestamps is not None and ratings.timestamps.tolist() == [50, 30, 40]
    split = split_ratings(ratings, by="time", test_fraction=0.34, validation_fraction=0)
    assert split.held_out("test").items.tolist() == [7] and split.held_out("test").users.tolist() == [1]


def test_pairs_are_read_from_frames_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(PAIRS, columns=["user_id", "item_id"])
    assert pairs_of(read_ratings(frame)) == PAIRS and not read_ratings(frame).rated
    frame.to_parquet(tmp_path / "a.parquet")
    assert pairs_of(read_ratings(tmp_path / "a.parquet")) == PAIRS


def test_positions_say_which_column_is_which(write: Write) -> None:
    path = write("a.csv", "7,1\n8,1\n7,2\n")
    assert pairs_of(read_ratings(path, columns={"user": "#2", "item": "#1"})) == PAIRS
    with pytest.raises(SourceError, match="the first line is data and not a header.*user_column=#1"):
        read_ratings(path)


def test_ratings_are_left_out_on_request(write: Write) -> None:
    path = write("a.csv", "user,item,rating\n1,7,2\n1,8,5\n2,7,3\n")
    assert read_ratings(path).rated
    assert pairs_of(pairs := read_ratings(path, columns={"rating": "-"})) == PAIRS
    assert not pairs.rated and read_ratings(path).pairs().digest == pairs.digest


def test_an_unknown_column_may_hold_the_ratings(write: Write) -> None:
    path = write("a.csv", "user,item,stern\n1,7,3\n")
    with pytest.raises(SourceError, match="no rating column.*rating_column=- for pairs without ratings"):
        read_ratings(path)
    assert not read_ratings(path, columns={"rating": "-"}).rated


def test_a_scale_needs_ratings(write: Write) -> None:
    config = Config().with_settings([f"data.path={write('a.csv', PAIRS_TEXT)}", "data.scale=1:5"])
    with pytest.raises(LoadingError, match="a.csv: it has no ratings, and data.scale is 1:5"):
        read_data(config)


def test_bad_pairs_are_named_or_skipped(write: Write) -> None:
    table = write("a.csv", "user,item\n1,7\n,8\n1,8\n2,7\n")
    with pytest.raises(SourceError, match=r"a.csv:3: the user id is missing"):
        read_ratings(table)
    lists = write("b.txt", "1 7 8\n2 seven\n2 7\n")
    with pytest.raises(SourceError, match=r"b.txt:2: the line is no list: '2 seven'"):
        read_ratings(lists, format="lists")
    for path, format in ((table, "table"), (lists, "lists")):
        ratings = read_ratings(path, format=format, on_bad_rows="skip")
        assert pairs_of(ratings) == PAIRS and ratings.source.num_skipped == 1
    with pytest.raises(SourceError, match="there is no pair in it"):
        read_ratings(write("c.txt", "1\n2\n"), format="lists")


def test_a_folder_reads_its_ratings_before_its_pairs(write: Write, tmp_path: Path) -> None:
    write("seen.csv", "user,item\n1,7\n")
    assert not read_ratings(tmp_path).rated
    write("stars.csv", "user,item,rating\n1,7,3\n2,7,5\n")
    assert read_ratings(tmp_path).rated
    (tmp_path / "stars.csv").unlink()
    write("test.txt", "1 7 8\n2 7\n")
    with pytest.raises(SourceError, match="there are two data sets"):
        read_ratings(tmp_path)


def test_parts_of_pairs_are_pairs(tmp_path: Path) -> None:
    ratings = Ratings.from_pairs(*planted())
    assert not any(part.rated for part in (ratings.take([0, 5]), ratings.transposed(), ratings.pairs()))
    split = split_ratings(ratings, by="user")
    split.save(tmp_path / "split.npz")
    fold_in = load_held_out(tmp_path / "split.npz", "test").fold_in
    assert fold_in is not None and not fold_in.rated
    assert Scale(0, 1, 1) != UNRATED and Ratings.from_columns([1], [1], [1]).rated


def test_statistics_of_pairs_have_no_stars() -> None:
    found = inspect_ratings(Ratings.from_pairs([1, 1, 2], [7, 8, 7]))
    assert (found.mean, found.std, found.scale, dict(found.histogram)) == (None, None, None, {})
    assert "3 pairs without ratings by 2 users" in found.lines()[0] and found.to_dict()["scale"] is None


def test_a_persons_films_are_pairs_with_and_without_stars(write: Write) -> None:
    ratings = Ratings.from_pairs([1, 1, 2], [7, 8, 7])
    joined = join_people(ratings, None, [write("ann.csv", "movieId,rating\n7,1.5\n8,\n")])
    mine = joined.item_ids[joined.item_index[joined.row(int(joined.locate_users(["ann"])[0]))]]
    assert not joined.rated and 7 in mine and (joined.values == 1).all()


def test_vectors_of_items_know_who_chose_them() -> None:
    ratings = Ratings.from_pairs(*planted())
    model = TrainedChoice.fit(ratings, num_factors=GENRES)
    units = model.items.latent / np.linalg.norm(model.items.latent, axis=1, keepdims=True)
    similarity = units @ units.T
    np.fill_diagonal(similarity, -1)
    assert (similarity.argmax(axis=1) % GENRES == np.arange(40) % GENRES).all()
    np.testing.assert_allclose(model.fold_in(ratings).latent, model.users.latent, atol=1e-5)
    again = TrainedChoice.from_arrays(model.to_arrays(), model.scale)
    assert np.array_equal(again.items.latent, model.items.latent) and not again.scale.rated


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.predict(np.array([0]), np.array([0])),
        lambda model: model.reconstruct(np.array([0]), np.array([0])),
        lambda model: model.person_encoder(),
    ],
)
def test_the_model_refuses_stars(ask: Callable[[TrainedChoice], object]) -> None:
    with pytest.raises(ModelError, match="trained on pairs of user and item without ratings, so there are no stars"):
        ask(TrainedChoice.fit(Ratings.from_pairs(*planted()), num_factors=2))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on a file by the commands; its file lies beside it."""
    folder = tmp_path_factory.mktemp("pair-files")
    users, items = planted()
    frame = pd.DataFrame({"user": users, "item": items, "timestamp": np.random.default_rng(0).permutation(len(users))})
    frame.to_csv(folder / "pairs.csv", index=False)
    text = run("train", "--data", folder / "pairs.csv", "--out", folder / "run")
    assert "Validation choice " in text and "no stars: these are pairs without ratings" in text and "RMSE" not in text
    return folder / "run"


def test_the_command_scores_lists_and_has_null_for_stars(trained: Path) -> None:
    text = run("evaluate", trained)
    assert "no errors of predicted stars" in text and "RMSE" not in text and "stars of hits" not in text
    page = (trained / "report.html").read_text(encoding="utf-8")
    assert "No stars." in page and "NDCG@100 of choice" in page and "RMSE" not in page
    assert [path.name for path in (trained / "figures").iterdir()] == ["rankings.png"]
    found = json.loads(run("evaluate", trained, "--json", "--no-report"))
    assert [found[key] for key in ("mse", "rmse", "mae", "scale", "baselines", "uncertainty")] == [None] * 6
    scores = found["rankings"]["all"]["rankers"]
    assert set(scores) == {"popularity", "linear_autoencoder", "choice"} and found["rankings"]["liked"] is None
    assert scores["choice"]["recall_20"]["value"] > scores["popularity"]["recall_20"]["value"] + 0.2


def test_the_model_card_says_that_there_are_no_stars(trained: Path) -> None:
    card = (trained / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "It predicts no stars" in card and "NDCG@100" in card and "RMSE" not in card


@pytest.mark.parametrize("split", ["user", "time"])
def test_every_split_works(trained: Path, tmp_path: Path, split: str) -> None:
    run("train", "--data", trained.parent / "pairs.csv", "--out", tmp_path / "run", "--split", split, "--quiet")
    found = json.loads(run("evaluate", tmp_path / "run", "--json", "--no-report"))
    assert found["rankings"]["setting"] == ("strong" if split == "user" else "weak")


def test_other_pairs_are_scored_and_training_pairs_left_out(trained: Path, tmp_path: Path) -> None:
    bundle = load_bundle(trained / "bundle")
    assert bundle.ratings is not None and not bundle.ratings.rated
    known = pairs_of(bundle.ratings)[0]
    new = next(item for item in range(0, 40, GENRES) if (0, item) not in pairs_of(bundle.ratings))
    path = tmp_path / "more.csv"
    path.write_text(f"user,item,rating\n{known[0]},{known[1]},3\n0,{new},5\n")  # ratings do not count
    found = json.loads(run("evaluate", trained, "--ratings", path, "--json", "--no-report"))
    assert (found["num_ratings"], found["num_overlap"]) == (1, 1) and found["rankings"]["liked"] is None


def test_nothing_is_left_to_resume_and_other_models_are_refused(trained: Path) -> None:
    data = ("--data", trained.parent / "pairs.csv")
    assert "Nothing to resume" in run("train", *data, "--out", trained, "--resume")
    error = run("train", *data, "--out", trained, "--model", "autorec", code=1)
    assert "pairs of user and item without ratings, which the model 'autorec' needs" in error


def test_ratings_train_the_choice_model_alone_when_it_is_named(tmp_path: Path) -> None:
    users, items = planted()
    ratings = Ratings.from_columns(users, items, np.arange(len(users)) % 5 + 1)
    config = Config().with_settings(["model.name=choice"])
    first = load_bundle(train(config, ratings=ratings, out=tmp_path / "a").run / "bundle")
    second = load_bundle(train(ratings=ratings.pairs(), out=tmp_path / "b").run / "bundle")
    assert first.choice is not None and second.choice is not None and not first.model.scale.rated
    one, other = first.choice.to_arrays(), second.choice.to_arrays()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_new_items_need_a_training_with_their_pairs(trained: Path) -> None:
    bundle = load_bundle(trained / "bundle")
    with pytest.raises(ModelError, match="cannot take new items after training"):
        with_new_items(bundle, Ratings.from_pairs([0, 1], [900, 900]))


@pytest.mark.parametrize("command", [("predict", "ask.csv"), ("explain", "4"), ("compare", "0", "1")])
def test_commands_that_ask_for_stars_fail_in_one_sentence(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ask.csv").write_text("user,item\n0,1\n")
    person = {"predict": ["--out", "out.csv"], "compare": []}.get(command[0], ["--user", "0"])
    error = run(command[0], trained, *command[1:], *person, code=1)
    assert "pairs of user and item without ratings, so there are no stars" in error


def test_lists_of_the_command_show_the_chance_of_choosing(trained: Path) -> None:
    found = json.loads(run("recommend", trained, "--user", "0", "--k", "5", "--diversity", "0", "--format", "json"))
    assert [one["item_id"] % GENRES for one in found["recommendations"][:3]] == [0, 0, 0]
    assert all(one["stars"] is None and 0 < one["p_choose"] < 1 for one in found["recommendations"])


def test_everybody_gets_a_list_and_a_note(trained: Path, tmp_path: Path) -> None:
    run(
        "recommend",
        trained,
        "--ratings",
        trained.parent / "pairs.csv",
        "--all",
        "--k",
        "3",
        "--out",
        tmp_path / "a.csv",
    )
    found = pd.read_csv(tmp_path / "a.csv")
    assert len(found) == 3 * 120 and found["stars"].isna().all() and found["p_choose"].between(0, 1).all()
    assert (found["item_id"] % GENRES == found["user_id"].astype(int) % GENRES).mean() > 0.8


def test_a_plain_list_of_films_counts_as_chosen(trained: Path, write: Write) -> None:
    recommender = Recommender.load(trained)
    answer = recommender.recommend(write("me.csv", "movieId\n0\n4\n8\n"), 5, diversity=0)
    assert not {0, 4, 8} & {one.item_id for one in answer.items}
    assert {int(one.item_id) % GENRES for one in answer.items[:3]} == {0}
    assert "There are no stars in this file: its films count as seen." in answer.person.notes


def test_similar_items_and_groups_come_from_vectors(trained: Path) -> None:
    recommender = Recommender.load(trained)
    assert [int(one.item_id) % GENRES for one in recommender.similar(1, 4)] == [1] * 4
    assert sum(len(group.items) for group in recommender.groups(4, 3)) == 12
