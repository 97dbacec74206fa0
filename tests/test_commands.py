"""The commands that use a trained model: what they print and write, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.recommend.recommender import Recommender


@pytest.fixture(scope="module")
def recommender(taste_run: Path) -> Recommender:
    return Recommender.load(taste_run)


@pytest.fixture
def mine(recommender: Recommender, tmp_path: Path) -> Path:
    """A table of titles and stars: five known films and an unknown one."""
    rows = [
        f'"{recommender.items.label(item)}",{stars}'
        for item, stars in zip(recommender.item_ids[[3, 14, 25, 36, 47]].tolist(), [5, 1, 4.5, 4, 2.5], strict=True)
    ]
    path = tmp_path / "mine.csv"
    path.write_text("title,stars\n" + "\n".join(rows) + '\n"Nothing Of The Kind (1999)",3\n', encoding="utf-8")
    return path


def test_recommend_as_json_is_the_contract(recommender: Recommender, taste_run: Path, mine: Path) -> None:
    answer = json.loads(run("recommend", taste_run, "--ratings", mine, "--k", 4, "--format", "json"))
    assert answer == json.loads(json.dumps(recommender.recommend(mine, 4).to_dict()))
    assert len(answer["recommendations"]) == 4 and len(answer["matched"]) == 5
    assert answer["unmatched"][0]["title"].startswith("Nothing Of The Kind")
    assert set(answer["matched"][0]) == {"item_id", "title", "year", "stars", "from"}


def test_recommend_as_a_table_lists_unmatched_titles(taste_run: Path, mine: Path) -> None:
    text = run("recommend", taste_run, "--ratings", mine, "--k", 3)
    assert "Matched 5, ambiguous 0, unmatched 1." in text and "unmatched  Nothing Of The Kind (1999)" in text
    assert "We know 5 of your 6 films; the catalogue ends in 2009." in text
    assert len([line for line in text.splitlines() if line[:1].isdigit()]) == 3


def test_of_many_unmatched_titles_the_first_are_listed_and_the_others_counted(taste_run: Path, mine: Path) -> None:
    unknown = "".join(f"Unheard Of {number} (1999),3\n" for number in range(22))
    mine.write_text(mine.read_text() + unknown)
    lines = run("recommend", taste_run, "--ratings", mine).splitlines()
    assert "Matched 5, ambiguous 0, unmatched 23." in lines
    assert sum(line.startswith("  unmatched  ") for line in lines) == 20
    assert "  and 3 more; --matches FILE saves them all" in lines


def test_recommend_as_csv_can_be_imported_elsewhere(recommender: Recommender, taste_run: Path, mine: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("recommend", taste_run, "--ratings", mine, "--format", "csv"))))
    found = recommender.recommend(mine, 20).items
    assert [row["Title"] for row in rows] == [item.title for item in found]
    assert [int(row["Year"]) for row in rows] == [item.year for item in found]
    assert all(row["imdbID"].startswith("tt") for row in rows)
    assert not {"Rating", "Rating10"} & set(rows[0])  # predicted stars must not become the reader's own


def test_a_training_user_instead_of_a_file(recommender: Recommender, taste_run: Path) -> None:
    user = recommender.user_ids[4].item()
    answer = json.loads(run("recommend", taste_run, "--user", user, "--k", 3, "--format", "json"))
    wanted = recommender.recommend(recommender.training_person(user), 3).items
    assert [one["item_id"] for one in answer["recommendations"]] == [item.item_id for item in wanted]


def test_filters_exclusions_and_watchlists(
    recommender: Recommender, taste_run: Path, mine: Path, tmp_path: Path
) -> None:
    def found(*words: object) -> list[dict]:
        text = run("recommend", taste_run, "--ratings", mine, "--format", "json", "--k", 50, *words)
        return list(json.loads(text)["recommendations"])

    assert {one["year"] // 10 for one in found("--year", "1960-1969")} == {196}
    assert {one["year"] for one in found("--year", "1971")} == {1971}
    assert min(one["year"] for one in found("--year", "1990-")) >= 1990
    horror = found("--genre", "horror")
    assert horror and all("Horror" in recommender.items.genres_of(one["item_id"]) for one in horror)
    everything = found()
    films = tmp_path / "films.csv"
    films.write_text(
        "title,stars\n" + "\n".join(f'"{one["title"]} ({one["year"]})",3' for one in everything[:3]) + "\n"
    )
    ids = [one["item_id"] for one in everything]
    assert [one["item_id"] for one in found("--exclude", films)][:5] == ids[3:8]
    assert [one["item_id"] for one in found("--only", films)] == ids[:3]
    films.write_text(films.read_text() + "No Such Film (2001),3\n")
    text = run("recommend", taste_run, "--ratings", mine, "--only", films)
    assert "films.csv: 1 unmatched, 0 ambiguous: No Such Film (2001)" in text
    assert "There is no watchlist" in run("recommend", taste_run, "--ratings", mine, "--only", "watchlist", code=1)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_matches_are_saved(taste_run: Path, mine: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"matches{suffix}"
    run("recommend", taste_run, "--ratings", mine, "--matches", path)
    text = path.read_text(encoding="utf-8")
    if suffix == ".json":
        assert {key: len(value) for key, value in json.loads(text).items()} == {
            "matched": 5,
            "ambiguous": 0,
            "unmatched": 1,
        }
    else:
        assert [row["Outcome"] for row in csv.DictReader(io.StringIO(text))] == ["matched"] * 5 + ["unmatched"]


def test_explain_names_its_numbers(recommender: Recommender, taste_run: Path, mine: Path) -> None:
    label = recommender.items.label(recommender.item_ids[60])
    text = run("explain", taste_run, label, "--ratings", mine, "--top", 2)
    assert label in text and "share: what a rating adds" in text and "without it: the prediction when" in text
    answer = json.loads(run("explain", taste_run, label, "--ratings", mine, "--format", "json"))
    assert answer["base"] + sum(one["share"] for one in answer["shares"]) + answer["other_shares"] == pytest.approx(
        answer["raw"], abs=1e-5
    )
    rows = list(csv.DictReader(io.StringIO(run("explain", taste_run, label, "--ratings", mine, "--format", "csv"))))
    assert len(rows) == 5 and float(rows[0]["Share"]) == pytest.approx(answer["shares"][0]["share"], abs=6e-4)
    (equation,) = [line for line in text.splitlines() if " = " in line]
    *terms, raw = [float(one) for one in re.findall(r"[+-]?\d+\.\d{3}", equation.partition(", clipped")[0])]
    assert (
        len(terms) == 3 and sum(terms) == pytest.approx(raw, abs=2e-3) and raw == pytest.approx(answer["raw"], abs=1e-3)
    )
    rated = recommender.items.label(recommender.item_ids[3])
    assert "You have rated this film" in run("explain", taste_run, rated, "--ratings", mine)


def test_similar_next_to_rate_and_compare(recommender: Recommender, taste_run: Path, mine: Path) -> None:
    item = recommender.item_ids[9].item()
    text = run("similar", taste_run, item, "--k", 3)
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        one.label for one in recommender.similar(item, 3)
    ]
    bare = json.loads(run("next-to-rate", taste_run, "--k", 3, "--format", "json"))["next_to_rate"]
    assert [one["item_id"] for one in bare] == [one.item_id for one in recommender.next_to_rate({}, 3)]
    user = recommender.user_ids[0].item()
    answer = json.loads(run("compare", taste_run, mine, user, "--format", "json"))
    wanted = recommender.compare(mine, recommender.training_person(user)).to_dict()
    assert answer == json.loads(json.dumps(wanted))
    text = run("compare", taste_run, mine, user)
    assert "Films for both" in text and wanted["for_both"][0]["title"] in text
    for words in (["similar", taste_run, item], ["next-to-rate", taste_run, "--user", user]):
        rows = list(csv.DictReader(io.StringIO(run(*words, "--k", 3, "--format", "csv"))))
        titles = [line.split("  ")[0] for line in run(*words, "--k", 3).splitlines()[1:4]]
        assert [row["Title"] for row in rows] == titles


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_pairs(recommender: Recommender, taste_run: Path, tmp_path: Path, suffix: str) -> None:
    users, items = recommender.user_ids[[0, 1, 2]].tolist(), recommender.item_ids[[5, 6, 7]].tolist()
    pairs, out = tmp_path / "pairs.csv", tmp_path / f"out{suffix}"
    pairs.write_text(
        "userId,movieId\n" + "".join(f"{u},{i}\n" for u, i in zip([*users, 999999], [*items, 5], strict=True))
    )
    text = run("predict", taste_run, pairs, "--out", out)
    assert "4 predictions; 1 of unknown users" in text
    frame = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(frame.columns) == ["user", "item", "stars", "low", "high", "p_like"]
    assert frame["stars"].to_numpy()[:3] == pytest.approx(recommender.predict(users, items))
    assert ((frame["low"] <= frame["high"]) & frame["p_like"].between(0, 1)).all()


def test_predict_as_random(recommender: Recommender, taste_run: Path, tmp_path: Path) -> None:
    users, items = recommender.user_ids[:9].tolist(), recommender.item_ids[:9].tolist()
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text("userId,movieId\n" + "".join(f"{u},{i}\n" for u, i in zip(users, items, strict=True)))
    assert "as chosen: of people who choose the film" in run("predict", taste_run, pairs, "--out", out)
    chosen = pd.read_csv(out)["stars"].to_numpy()
    text = run("predict", taste_run, pairs, "--out", out, "--as", "random")
    assert "as random: of people whom the film is put before" in text
    random = pd.read_csv(out)["stars"].to_numpy()
    assert random == pytest.approx(recommender.predict(users, items, selection="random"))
    assert np.abs(chosen - random).max() > 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("userId,movieId\n", "there is a header but no pair"),
        ("who,what\n1,2\n", "there is no user column among who, what"),
        ("userId,movieId\n1,2\n,3\n", "pairs.csv:3: the user is empty"),
        ("", "cannot be read as a table"),
    ],
)
def test_pairs_that_cannot_be_read(taste_run: Path, tmp_path: Path, text: str, message: str) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text(text)
    assert message in run("predict", taste_run, pairs, "--out", out, code=1)
    assert not out.exists()


def test_encode_reads_one_persons_file_too(
    recommender: Recommender, taste_run: Path, mine: Path, tmp_path: Path
) -> None:
    run("encode", taste_run, "--ratings", mine, "--out", tmp_path / "me.csv")
    frame = pd.read_csv(tmp_path / "me.csv")
    person = recommender.person(mine)
    read = Ratings.from_columns(["mine"] * 5, person.item_ids, person.stars, scale=recommender.scale)
    assert frame["user"].tolist() == ["mine"]
    assert frame.drop(columns="user").to_numpy() == pytest.approx(recommender.encode(read).latent, abs=1e-6)
    mine.write_text("who,what\n1,2\n")
    error = run("encode", taste_run, "--ratings", mine, "--out", tmp_path / "no.csv", code=1)
    assert "there is no user column" in error and not (tmp_path / "no.csv").exists()


def test_encode(recommender: Recommender, taste_run: Path, tmp_path: Path) -> None:
    run("encode", taste_run, "--out", tmp_path / "users.npy")
    assert np.array_equal(np.load(tmp_path / "users.npy"), recommender.model.users.latent)
    run("encode", taste_run, "--items", "--out", tmp_path / "items.parquet")
    frame = pd.read_parquet(tmp_path / "items.parquet")
    assert frame["item"].tolist() == recommender.item_ids.tolist() and "z0" in frame
    others = tmp_path / "others.csv"
    others.write_text("userId,movieId,rating\nann,1,4\nann,2,3\nbob,1,2\n")
    run("encode", taste_run, "--ratings", others, "--out", tmp_path / "others.csv2.csv")
    assert pd.read_csv(tmp_path / "others.csv2.csv")["user"].tolist() == ["ann", "bob"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recommend", "RUN"], "Give either --ratings FILE or --user ID."),
        (["recommend", "RUN", "--user", "1", "--ratings", "x.csv"], "Give either --ratings FILE or --user ID."),
        (["recommend", "RUN", "--user", "1", "--year", "1999-1990"], "must not be later than the last"),
        (["recommend", "RUN", "--user", "1", "--year", "-"], "Years are written 1994, 1990-, -1980 or 1990-1999"),
        (["compare", "RUN", "1", "2", "--format", "csv"], "compare writes table or json"),
        (["encode", "RUN", "--items", "--ratings", "x.csv", "--out", "x.npy"], "Leave --ratings out."),
        (["recommend", "RUN", "--user", "1", "--year", "199x"], "Years are written 1994, 1990-, -1980 or 1990-1999"),
        (
            ["recommend", "RUN", "--user", "1", "--popularity", "2"],
            "'--popularity': a number from -1 to 1. Received: 2.",
        ),
        (
            ["recommend", "RUN", "--user", "1", "--diversity", "1.5"],
            "'--diversity': a number from 0 to 1. Received: 1.5.",
        ),
        (
            ["recommend", "RUN", "--user", "1", "--rank-by", "stars"],
            "'stars' is not one of 'balanced', 'choice', 'rating'",
        ),
        (["recommend", "RUN", "--user", "1", "--out", "x.csv"], "--out goes with --all"),
        (["recommend", "RUN", "--all", "--out", "x.csv"], "--all needs --ratings FILE"),
        (["recommend", "RUN", "--all", "--ratings", "x.csv"], "--all needs --out FILE.csv"),
        (["recommend", "RUN", "--all", "--ratings", "x.csv", "--out", "x.txt"], "--out ends in .csv. Received: x.txt"),
        (["recommend", "RUN", "--all", "--user", "1", "--out", "x.csv"], "does not go with --user"),
        (["recommend", "RUN", "--all", "--ratings", "x", "--only", "y", "--year", "1999"], "go with --year, --only"),
        (["recommend", "RUN", "--user", "1", "--k", "0"], "'--k': a whole number from 1 on. Received: 0."),
        (["serve", "RUN", "--port", "70000"], "a whole number from 1 to 65535. Received: 70000"),
        (["predict", "RUN", "no-such.csv", "--out", "x.txt"], "--out ends in .csv or .parquet. Received: x.txt"),
        (["recommend", "RUN", "--user", "1", "--matches", "x.txt"], "--matches ends in .json or .csv. Received: x.txt"),
        (["encode", "RUN", "--out", "x.txt"], "--out ends in .npy, .csv or .parquet. Received: x.txt"),
    ],
)
def test_malformed_values_are_usage_errors(taste_run: Path, words: list[str], message: str) -> None:
    assert message in run(*[str(taste_run) if word == "RUN" else word for word in words], code=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recommend", "RUN", "--user", "nobody"], "No user 'nobody' among the 250 training users"),
        (["recommend", "RUN", "--user", "1", "--genre", "Western"], "No item has the genre 'Western'"),
        (["compare", "RUN", "mine.zpi", "1"], "'mine.zpi' is neither a file nor a training user"),
        (["similar", "RUN", "Nowhere"], "The model does not know 'Nowhere'"),
        (["recommend", "no-such-run", "--user", "1"], "no-such-run"),
        (["recommend", "RUN", "--ratings", "no-such-file.csv"], "no-such-file.csv"),
    ],
)
def test_other_errors_are_one_line(taste_run: Path, words: list[str], message: str) -> None:
    text = run(*[str(taste_run) if word == "RUN" else word for word in words], code=1)
    assert message in text and "Traceback" not in text and text.count("\n") == 1


def test_using_a_bundle_needs_no_tensorflow(taste_run: Path) -> None:
    code = (
        "import sys\n"
        "from movie_autoencoder import Recommender\n"
        f"answer = Recommender.load({str(taste_run)!r}).recommend({{1: 4.0}}, 3)\n"
        "print(len(answer.items), [name for name in ('tensorflow', 'keras', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 []"
