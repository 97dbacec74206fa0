"""One person's films as items of a catalogue, and such files as training data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generate import generate, write_csv

from movie_autoencoder.config import Config, ConfigError
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.loading import LoadingError, read_data
from movie_autoencoder.data.matching.join import join_people
from movie_autoencoder.data.matching.person import Person, match_person
from movie_autoencoder.data.matching.title_index import TitleIndex
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.sources import Entry, PersonalFile, SourceError, read_ratings

HALVES, TEN, FIVE = Scale(0.5, 5, 0.5), Scale(1, 10, 1), Scale(1, 5, 1)
FILMS = Catalogue.from_rows(
    ["10", "20", "30", "40", "50", "60"],
    ["Alien (1979)", "Heat (1995)", "Cinderella (2015)", "Emma (1996)", "Emma (1996)", "Akira (1988)"],
    imdb_ids=["0078748", "0113277", "1661199", "0116191", "0118308", ""],
    tmdb_ids=["348", "949", "150689", "", "", ""],
)


def person(*entries: Entry, scale: Scale = HALVES, to: Scale = HALVES) -> Person:
    return match_person(PersonalFile("letterboxd", scale, entries, "ann.csv"), TitleIndex(FILMS), to)


def rated(title: str, year: int | None, stars: float, line: int = 2, **ids: object) -> Entry:
    return Entry(title, year, stars, "rated", source=f"ratings.csv:{line}", **ids)  # type: ignore[arg-type]


def test_films_match_items() -> None:
    ann = person(
        rated("Heat", 1995, 4.0, 2),
        rated("Alien", 1979, 4.5, 3),
        rated("Emma", 1996, 3.0, 4),
        rated("Nowhere", 2001, 1.0, 5),
        Entry("Akira", 1988, None, "liked", source="likes/films.csv:2"),
        Entry("Cinderella", 2015, None, "watched", source="watched.csv:2"),
        Entry("Heat", 1995, None, "watchlist", source="watchlist.csv:2"),
    )
    assert ann.item_ids.tolist() == [20, 10] and ann.stars.tolist() == [4.0, 4.5]
    assert ann.item_ids.dtype == FILMS.item_ids.dtype
    assert (ann.liked.tolist(), ann.seen.tolist(), ann.watchlist.tolist()) == ([60], [30], [])
    report = ann.report()
    assert report["matched"][0] == {"item_id": 20, "title": "Heat", "year": 1995, "stars": 4.0, "from": "ratings.csv:2"}
    assert report["ambiguous"] == [
        {
            "title": "Emma",
            "year": 1996,
            "stars": 3.0,
            "from": "ratings.csv:4",
            "candidates": [
                {"item_id": 40, "title": "Emma", "year": 1996},
                {"item_id": 50, "title": "Emma", "year": 1996},
            ],
        }
    ]
    assert report["unmatched"] == [{"title": "Nowhere", "year": 2001, "stars": 1.0, "from": "ratings.csv:5"}]


def test_ids_count_before_titles() -> None:
    ann = person(
        rated("Emma", 1996, 8.0, imdb_id="tt0118308"),
        rated("Hitze", 1995, 2.0, imdb_id="tt0113277"),
        rated("Aschenputtel", 2015, 6.0, tmdb_id=150689),
        rated("Alien", 1979, 10.0, imdb_id="tt9999999"),  # another Alien: ours has another id
        rated("Akira", 1988, 9.0, imdb_id="tt0094625"),  # the id of ours is unknown
        scale=TEN,
    )
    assert ann.item_ids.tolist() == [50, 20, 30, 60] and ann.stars.tolist() == [4.0, 1.0, 3.0, 4.5]
    assert [one.title for one in ann.unmatched] == ["Alien"] and ann.unmatched[0].stars == 5.0


def test_an_id_of_movielens_must_agree_with_the_title() -> None:
    ann = person(
        rated("Heat", 1995, 4.0, item_id="10"),  # 10 is Alien in this catalogue
        rated("", None, 3.0, item_id="60"),
        rated("", None, 3.0, item_id="999"),
        rated("Alien", 1979, 5.0, item_id="10"),
    )
    assert ann.item_ids.tolist() == [20, 60, 10] and len(ann.unmatched) == 1
    assert ann.report()["unmatched"][0]["title"] == "999"


def test_two_films_of_a_file_do_not_match_one_item() -> None:
    ann = person(rated("Cinderella", 2014, 2.0, 2), rated("Cinderella", 2015, 4.0, 3))
    assert ann.item_ids.tolist() == [30] and ann.stars.tolist() == [4.0]
    assert [(one.entry.year, [film.item_id for film in one.candidates]) for one in ann.ambiguous] == [(2014, [30])]
    assert person(rated("Cinderella", 2014, 2.0)).item_ids.tolist() == [30]


def test_the_last_rating_counts() -> None:
    ann = person(rated("Heat", 1995, 2.0, 2), rated("Alien", 1979, 3.0, 3), rated("Heat", 1995, 5.0, 4))
    assert dict(zip(ann.item_ids.tolist(), ann.stars.tolist(), strict=True)) == {20: 5.0, 10: 3.0}
    assert ann.notes == ("1 line repeats a film; the last one counts.",)
    assert [one.source for one in ann.matched] == ["ratings.csv:4", "ratings.csv:3"]


def test_stars_count_before_a_heart_and_a_heart_before_watching() -> None:
    kinds = ("watchlist", "watched", "liked")
    ann = person(*(Entry("Heat", 1995, None, kind) for kind in kinds), rated("Heat", 1995, 2.0))
    assert [(one.item_id, one.kind) for one in ann.matched] == [(20, "rated")] and ann.liked.tolist() == []
    ann = person(*(Entry("Heat", 1995, None, kind) for kind in kinds))
    assert [(one.item_id, one.kind) for one in ann.matched] == [(20, "liked")] and ann.seen.tolist() == []


def test_a_person_from_ids() -> None:
    ann = Person.of_stars([20, 10, 20], [3, 4, 5], liked=[60, 10], seen=[30, 60], catalogue=FILMS)
    assert sorted(zip(ann.item_ids.tolist(), ann.stars.tolist(), strict=True)) == [(10, 4.0), (20, 5.0)]
    assert ann.liked.tolist() == [60] and ann.seen.tolist() == [30] and ann.watchlist.tolist() == []
    nobody = Person.of_stars([], [], catalogue=FILMS)
    assert len(nobody.item_ids) == 0 and nobody.report() == {"matched": [], "ambiguous": [], "unmatched": []}


@pytest.mark.parametrize(
    ("ids", "stars", "message"),
    [([99], [4.0], "There is no item 99"), ([10], [1.0, 2.0], "1 items and 2 ratings"), ([10], [np.nan], "finite")],
)
def test_wrong_ids_and_stars(ids: list[int], stars: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Person.of_stars(ids, stars, catalogue=FILMS)


def test_films_with_ids_of_text() -> None:
    films = Catalogue.from_rows(["a", "b"], ["Alien (1979)", "Heat (1995)"])
    file = PersonalFile("table", HALVES, (rated("Heat", 1995, 4.0),), "ann.csv")
    assert match_person(file, TitleIndex(films), HALVES).item_ids.tolist() == ["b"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 120 people and 80 films with titles, and three people's own files beside it."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "set").mkdir()
    write_csv(generate(3_000, 120, 80, seed=5)[0], folder / "set" / "ratings.csv")
    ratings = read_ratings(folder / "set")
    lines = [f"{item},Film {item} ({1950 + number}),Drama" for number, item in enumerate(ratings.item_ids.tolist())]
    (folder / "set" / "movies.csv").write_text("movieId,title,genres\n" + "\n".join(lines) + "\n")
    first, second = ratings.item_ids[:2].tolist()
    (folder / "ann.csv").write_text(
        f"Const,Your Rating,Title,Year\ntt1000001,7,Film {first},1950\ntt1000002,10,Film {second},1951\n"
        "tt1000003,1,Unheard of,1990\n"
    )
    user = ratings.user_ids[0]
    (folder / f"{user}.csv").write_text(f"title,stars\nFilm {second} (1951),3.5\n")
    (folder / "stranger.csv").write_text("title,stars\nUnheard of (1990),3.5\n")
    return folder


def configured(data: Path, *files: str, settings: tuple[str, ...] = ()) -> Config:
    config = Config.from_dict({"data": {"path": str(data / "set"), "people": [str(data / one) for one in files]}})
    return config.with_settings(settings)


def test_files_become_users(data: Path) -> None:
    before = read_ratings(data / "set")
    user = str(before.user_ids[0])
    lines: list[str] = []
    _, ratings, catalogue = read_data(configured(data, "ann.csv", f"{user}.csv"), notify=lines.append)
    assert catalogue is not None and len(ratings) == len(before) + 3 and ratings.num_users == before.num_users + 2
    assert set(ratings.user_ids.tolist()) - {str(one) for one in before.user_ids.tolist()} == {"ann", f"{user}-2"}
    assert ratings.scale == before.scale and ratings.item_ids.tolist() == before.item_ids.tolist()
    ann = ratings.row(int(ratings.locate_users(["ann"])[0]))
    top = before.scale.maximum / 10
    expected = np.floor((np.array([7, 10]) * top - before.scale.minimum) / before.scale.step + 0.5)
    assert ratings.values[ann].tolist() == (before.scale.minimum + expected * before.scale.step).tolist()
    assert "user 'ann' with 2 ratings; 0 films are ambiguous and 1 unknown here: Unheard of (1990)" in lines[0]
    # the other users keep their ratings
    same = ratings.take(np.isin(ratings.user_index, ratings.locate_users(before.user_ids.astype(str))))
    assert np.array_equal(np.sort(same.values), np.sort(before.values))
    assert same.source == before.source or same.source.path == before.source.path


def test_a_file_of_unknown_films_is_an_error(data: Path) -> None:
    with pytest.raises(SourceError, match="none of its 1 films has stars and is in the data set"):
        read_data(configured(data, "stranger.csv"))


@pytest.mark.parametrize("setting", ["split.by=time", "model.time_aware=true"])
def test_files_without_times_are_refused_when_times_are_needed(data: Path, setting: str) -> None:
    with pytest.raises(LoadingError, match="do not say when a rating was given"):
        read_data(configured(data, "ann.csv", settings=(setting,)))


def test_joining_nobody_changes_nothing() -> None:
    ratings = Ratings.from_columns(["a", "b"], [10, 20], [1.0, 5.0])
    assert join_people(ratings, FILMS, []) is ratings


def test_joining_keeps_times_and_text_ids(tmp_path: Path) -> None:
    (tmp_path / "eve.csv").write_text("movieId,rating\n10,4\n30,2.4\n")
    ratings = Ratings.from_columns(["a", "b", "b"], [10, 20, 10], [1.0, 5.0, 2.0], timestamps=[5, 9, 7], scale=FIVE)
    joined = join_people(ratings, FILMS, [tmp_path / "eve.csv"])
    eve = joined.row(int(joined.locate_users(["eve"])[0]))
    assert joined.timestamps is not None and joined.timestamps[eve].tolist() == [9, 9]
    assert joined.item_ids.tolist() == [10, 20, 30] and joined.values[eve].tolist() == [4.0, 2.0]


def test_the_setting_is_a_list_of_files() -> None:
    config = Config().with_settings(['data.people=["a.zip", "b.csv"]'])
    assert config.data.people == ("a.zip", "b.csv") and Config.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="data.people"):
        Config().with_settings(["data.people=3"])


def test_training_with_a_file(data: Path, tmp_path: Path) -> None:
    from movie_autoencoder.cli.main import main
    from movie_autoencoder.recommend.recommender import Recommender

    words = f"--data {data / 'set'} --with {data / 'ann.csv'} --out {tmp_path} --speed fast --quiet --epochs 12"
    with pytest.raises(SystemExit) as ended:
        main(["train", *words.split(), "--set", "training.budget=0", "--set", "model.latent_dim=4"])
    assert ended.value.code == 0
    run = Recommender.load(tmp_path)
    assert run.locate_users(["ann"])[0] >= 0
    assert run.metadata["config"]["data"]["people"] == [str(data / "ann.csv")]
