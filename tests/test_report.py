"""The report: a page that opens offline, for any titles, scales and histories."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from evaluation_runs import by_hand, made_run, split_run, with_latent

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.evaluation import Evaluation
from movie_autoencoder.evaluation.examples import Panel
from movie_autoencoder.evaluation.predictions import MemberScore
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.report import draw_pictures, read_history, write_report
from movie_autoencoder.report.history import Row, curve
from movie_autoencoder.report.style import drawable, number
from movie_autoencoder.report.training import draw_training

PICTURES = [
    "agreement",
    "by_activity",
    "by_popularity",
    "by_stars",
    "certainty",
    "few_ratings",
    "intervals",
    "map",
    "panel",
    "person",
    "rankings",
    "scores",
    "training",
]
HISTORY: list[Row] = [
    {"stage": stage, "epoch": float(epoch), "loss": 1 + 1 / epoch, "validation_rmse": error / epoch if error else None}
    for stage, error in (("trial 1", 1.0), ("trial 2", 1.2), ("refit", None))
    for epoch in range(1, 31)
]
NASTY = (
    "<script>alert`1`</script> $a_{$ & 七人の侍 \U0001f600\n\t Il buono, il brutto, il cattivo e tutti gli altri (1966)"
)


class _Page(HTMLParser):
    """Collects what a browser would fetch, and the tags that stay open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def evaluation(planted, tmp_path_factory) -> Evaluation:
    run = tmp_path_factory.mktemp("run")
    made, split = split_run(planted, run, validation_fraction=0.2)
    train = split.refit_ratings
    titles = [NASTY] * train.num_items
    model = with_latent(damped_bias(train, 2.0))
    found = made_run(
        model, train, run, titles=titles, metadata={"seed": 0}, star_model=made.bundle.star_model
    ).evaluate()
    return replace(found, members={"first part": MemberScore(rmse=1.23456, mae=0.98765)})


@pytest.fixture(scope="module")
def written(evaluation, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    assert write_report(evaluation, folder, history=HISTORY) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def slim(evaluation) -> Evaluation:
    """The same without the pictures that take long to draw."""
    return replace(evaluation, panel=None, user_example=None, latent_map=None)


def _size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_every_picture_is_a_png_with_something_in_it(written):
    files = sorted((written / "figures").iterdir())
    assert [path.stem for path in files] == PICTURES
    for path in files:
        width, height = _size(path.read_bytes())
        assert 800 <= width <= 3000
        assert 300 <= height <= 2500
        pixels = matplotlib.image.imread(path)
        assert len(np.unique(pixels[::5, ::5, 0])) > 20


def test_the_page_fetches_nothing_and_every_tag_is_closed(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert len(page.fetched) == len(PICTURES)
    assert all(source.startswith("data:image/png;base64,") for source in page.fetched)
    assert not re.search(r"url\(|@import|https?://", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert "script" not in page.tags


def test_titles_are_escaped(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert`1`&lt;/script&gt;" in text
    assert "<script" not in text


def test_the_page_says_what_is_scored_and_keeps_the_two_errors_apart(written, evaluation):
    text = (written / "report.html").read_text(encoding="utf-8")
    for figure in (evaluation.rmse, evaluation.mae, evaluation.mse, evaluation.reconstruction_mse):
        assert f"{figure:.4f}" in text
    assert "Two different errors" in text
    assert "reconstructed better than the framed, held-out ratings" in text
    assert "NOT better than the baseline damped_bias" in text
    for name in ("global_mean", "item_mean", "damped_bias"):
        assert f'<th scope="row">{name}</th>' in text
    for heading in ("Training", "Predicted against actual stars", "Error by star value", "A map of the users"):
        assert f"<h2>{heading}</h2>" in text


def test_the_page_has_the_members_beneath_the_model(written, evaluation):
    text = (written / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'<tr(?: class="\w+")?><th scope="row">(.+?)</th><td>([\d.]+)</td>', text)
    assert rows[:3] == [
        ("dual", f"{evaluation.rmse:.4f}"),
        ("first part", "1.2346"),
        ("global_mean", f"{evaluation.baselines['global_mean'].rmse:.4f}"),
    ]
    assert "<td>0.9877</td>" in text
    assert "beneath the model, its members" in text


def test_every_number_behind_the_pictures_is_in_the_json(written, evaluation):
    stored = json.loads((written / "evaluation.json").read_text(encoding="utf-8"))
    assert stored["rmse"] == evaluation.rmse
    assert stored["panel"]["titles"] == list(evaluation.panel.titles)
    assert stored["agreement"]["counts"] == [list(row) for row in evaluation.agreement.counts]
    assert stored["taste_map"]["first"] == list(evaluation.latent_map.first)
    assert stored["person"]["most_surprising"][0]["stars"] == evaluation.user_example.most_surprising[0].stars
    assert stored["members"] == {"first part": {"rmse": 1.23456, "mae": 0.98765}}
    assert stored["history"] == HISTORY
    assert stored["facts"] == {"config": {"model": {"name": "dual"}}, "seed": 0}
    assert stored["uncertainty"]["coverage"]["share"] == evaluation.uncertainty.coverage.share


def test_the_page_has_the_scores_of_the_distributions(written, evaluation):
    text = (written / "report.html").read_text(encoding="utf-8")
    for score in evaluation.uncertainty.scores.values():
        for figure in (score.nll, score.crps, score.brier):
            assert f"<td>{figure:.4f}</td>" in text
    for group in (*evaluation.uncertainty.by_popularity, *evaluation.uncertainty.by_activity):
        assert f"<td>{100 * group.coverage.share:.1f} %</td>" in text


def test_equal_evaluations_give_equal_pictures(written, slim):
    for picture in draw_pictures(slim, HISTORY):
        assert picture.png == (written / "figures" / f"{picture.name}.png").read_bytes()


def test_a_second_report_replaces_the_first_with_all_its_pictures(slim, tmp_path):
    write_report(slim, tmp_path, history=HISTORY)
    assert (tmp_path / "figures" / "training.png").is_file()
    write_report(slim, tmp_path, history=[])
    left = sorted(path.stem for path in (tmp_path / "figures").iterdir())
    assert left == [name for name in PICTURES if name not in ("map", "panel", "person", "training")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json", "figures", "report.html"]
    assert _Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []


def test_a_figure_that_json_cannot_hold_is_an_error(slim, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(replace(slim, mse=float("nan"), uncertainty=None), tmp_path, history=[])
    assert not (tmp_path / "evaluation.json").exists()
    assert not (tmp_path / "report.html").exists()


def smaller(panel: Panel | None) -> Panel | None:
    """The panel with fewer users and items, which is drawn faster."""
    if panel is None:
        return None
    users, items = slice(4), slice(6)
    grids = {name: tuple(row[users] for row in getattr(panel, name)[items]) for name in ("shown", "held_out")}
    return Panel(
        panel.users[users],
        panel.items[items],
        panel.titles[items],
        reconstruction=tuple(row[users] for row in panel.reconstruction[items]),
        num_shown=panel.num_shown[users],
        **grids,
    )


@pytest.mark.parametrize(
    "kind",
    [
        "continuous",
        pytest.param("negative", marks=pytest.mark.slow),
        pytest.param("one to a hundred", marks=pytest.mark.slow),
        pytest.param("narrow", marks=pytest.mark.slow),
        "one user",
        pytest.param("no ratings", marks=pytest.mark.slow),
        pytest.param("long ids", marks=pytest.mark.slow),
    ],
)
def test_unusual_data_can_be_drawn(kind, planted, tmp_path):
    stars = planted.values.astype(np.float64)
    users, items = planted.user_ids[planted.user_index], planted.item_ids[planted.item_index]
    if kind == "continuous":
        stars = stars + np.random.default_rng(0).uniform(-0.2, 0.2, size=len(stars))
    elif kind == "negative":
        stars = np.round(stars - stars.mean())
    elif kind == "one to a hundred":
        stars = np.round(stars * 20)
    elif kind == "narrow":
        stars = (stars > stars.mean()).astype(np.float64)
    elif kind == "long ids":
        users = np.array([f"AVERYLONGIDENTIFIER{one:06}" for one in users])
    ratings = Ratings.from_columns(users, items, stars)
    run, split = split_run(ratings, tmp_path, validation_fraction=0.2)
    if kind == "one user":
        chosen = ratings.take(np.isin(np.arange(len(ratings)), split.test) & (ratings.user_index == 3))
        result = run.evaluate(ratings=chosen)
    elif kind == "no ratings":
        train = split.refit_ratings
        result = made_run(with_latent(damped_bias(train, 2.0)), train, tmp_path, keep_ratings=False).evaluate()
    else:
        result = run.evaluate()
    write_report(replace(result, panel=smaller(result.panel)), tmp_path, history=[])
    for path in (tmp_path / "figures").iterdir():
        width, height = _size(path.read_bytes())
        assert max(width, height) <= 3000


def test_one_rating_of_someone_unknown_can_be_drawn(tmp_path):
    scale = Scale(1.0, 5.0, 1.0)
    train = Ratings.from_columns([1, 1, 2], [1, 2, 2], [4, 2, 3], scale=scale)
    run = made_run(by_hand(3.0, [0.0, 1.0], [0.0, 0.0], scale=scale), train)
    write_report(run.evaluate(ratings=Ratings.from_columns([9], [9], [3])), tmp_path)
    assert sorted(path.stem for path in (tmp_path / "figures").iterdir()) == [
        "agreement",
        "by_activity",
        "by_popularity",
        "by_stars",
        "scores",
    ]


def test_the_history_of_the_folder_is_read_when_none_is_given(slim, tmp_path):
    (tmp_path / "history.csv").write_text(
        "stage,epoch,loss,validation_rmse,seconds\nfit,1,0.9,,0.5\nfit,2,0.8,0.95,1.0\nrefit,1,nan,,1.5\n",
        encoding="utf-8",
    )
    write_report(slim, tmp_path)
    assert (tmp_path / "figures" / "training.png").is_file()
    history = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["history"]
    assert history[0] == {"stage": "fit", "epoch": 1.0, "loss": 0.9, "validation_rmse": None, "seconds": 0.5}
    assert history[2]["loss"] is None
    assert curve(history, "fit", "validation_rmse") == ([2.0], [0.95])


def test_a_damaged_history_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("stage,epoch\nfit,1\nfit,2,3\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"history\.csv:3: more values than columns \(stage, epoch\)"):
        read_history(path)
    assert read_history(tmp_path / "absent.csv") == []


@pytest.mark.parametrize("columns", [["loss"], ["train_rmse"], ["train_rmse", "validation_rmse", "loss"], ["seconds"]])
def test_training_is_drawn_from_the_columns_of_the_history(columns):
    history: list[Row] = [{"epoch": float(epoch), **{name: 1.0 / epoch for name in columns}} for epoch in range(1, 4)]
    figure = draw_training(history)
    assert (figure is None) == (columns == ["seconds"])
    if figure is not None:
        labels = {text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()}
        expected = {"loss": "loss", "train_rmse": "train", "validation_rmse": "validation"}
        assert {expected[name] for name in columns} <= labels


def test_other_trials_have_their_own_label():
    figure = draw_training(HISTORY)
    assert figure is not None
    labels = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
    assert labels == [
        "validation, other trials (1)",
        "validation, trial 1",
        "lowest: 0.0333 at 30",
        "loss, other trials (1)",
        "loss, trial 1",
        "loss, refit",
    ]


def test_characters_that_the_font_lacks_become_boxes():
    assert drawable("Amélie 七 \U0001f9ff\n(2001)") == "Amélie □ □ (2001)"


def test_numbers_on_a_wide_scale_have_fewer_digits():
    assert [number(3.14159, span) for span in (0.5, 4.5, 100)] == ["3.14", "3.1", "3"]
    assert number(-0.001, 4.5) == "0.0"


def test_drawing_changes_nothing_global(slim):
    before = dict(matplotlib.rcParams)
    draw_pictures(slim, HISTORY)
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, movie_autoencoder.report.errors, movie_autoencoder.report.examples; "
        "print('matplotlib.pyplot' in sys.modules, 'tensorflow' in sys.modules)"
    )
    source = Path(__file__).resolve().parents[1] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(source), "MPLCONFIGDIR": matplotlib.get_configdir()},
    )
    assert done.stdout.split() == ["False", "False"]


def test_the_documentation_names_every_picture_and_every_key(evaluation):
    text = (Path(__file__).resolve().parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    keys = [*evaluation.to_dict(pictures=True), *evaluation.to_dict()["baselines"]["item_mean"], *PICTURES]
    assert [key for key in keys if f"`{key}`" not in text] == []
