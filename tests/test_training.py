"""Training from end to end: choices on validation, interruption and resume, and a folder that is valid at any time."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from generate import generate, write_csv

from movie_autoencoder import Scale
from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.config import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import load_held_out, split_ratings
from movie_autoencoder.models.baselines import DampedBias
from movie_autoencoder.models.registry import TrainedDual, TrainedEnsemble
from movie_autoencoder.models.settings import BayesianSettings, DualSettings
from movie_autoencoder.training import search as tuning
from movie_autoencoder.training import train as training
from movie_autoencoder.training.checkpoint import CheckpointError
from movie_autoencoder.training.estimates import TooLargeError
from movie_autoencoder.training.progress import Reporter
from movie_autoencoder.training.train import Interrupted, TrainingError, train

ROOT = Path(__file__).resolve().parents[1]
FAST = [
    "training.epochs=24",
    "model.latent_dim=4",
    "model.l2=8",
    "model.hidden_fraction=0.2",
    "training.checkpoint_every=7",
]
QUICK = ["model.speed=fast"]  # where it is not about what is trained


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    write_csv(generate(6_000, 120, 80, seed=5)[0], path)
    return path


def configured(data: Path, *settings: str) -> Config:
    return Config().with_settings([f"data.path={json.dumps(str(data))}", *FAST, *settings])


class Stopping(Reporter):
    """Presses Ctrl-C at one epoch of one stage."""

    def __init__(self, stage: str, epoch: int) -> None:
        self.at, self.said = (stage, epoch), []

    def say(self, text: str) -> None:
        self.said.append(text)

    def epoch(self, line) -> None:
        if (line.stage, line.epoch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


class Dying(Stopping):
    """Dies at one epoch of one stage, with nothing saved since the last checkpoint."""

    def epoch(self, line) -> None:
        if (line.stage, line.epoch) == self.at:
            raise SystemError("gone")


def weights(run: Path) -> dict[str, np.ndarray]:
    """Every number of the model and of its distributions over the stars."""
    bundle = load_bundle(run / "bundle")
    stars = {} if bundle.star_model is None else bundle.star_model.to_arrays()
    return bundle.model.to_arrays() | {f"stars {name}": array for name, array in stars.items()}


def test_a_run_holds_what_the_design_says(data: Path, tmp_path: Path) -> None:
    result = train(configured(data), out=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"bundle", "split.npz", "history.csv", "config.toml"}
    bundle = {path.name for path in (tmp_path / "run" / "bundle").iterdir()}
    assert bundle == {
        "model.npz",
        "vocabulary.npz",
        "baselines.npz",
        "catalogue.npz",
        "stars.npz",
        "ratings.parquet",
        "README.md",
        "bundle.json",
    }
    assert result.validation["model"]["rmse"] < result.validation["damped_bias"]["rmse"]
    assert Config.from_toml(tmp_path / "run" / "config.toml") == configured(data)
    with (tmp_path / "run" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    stages = ["trial 1"] * 24 + ["sampled"] * 12 + ["refit"] * 24 + ["refit sampled"] * 12
    assert [row["stage"] for row in rows] == stages
    for stage, name in (("trial 1", "dual"), ("sampled", "sampled")):
        scored = [float(row["validation_rmse"]) for row in rows if row["stage"] == stage and row["validation_rmse"]]
        assert result.validation[name]["rmse"] == pytest.approx(min(scored))
    lines, model = result.lines(), result.model
    assert [line[11:].split(" RMSE")[0].rstrip() for line in lines[:6]] == [
        "dual and sampled",
        "dual",
        "sampled",
        "global_mean",
        "item_mean",
        "damped_bias",
    ]
    parts = f"is {100 * model.share:.0f} % dual, and leans {100 * model.lean:.0f} % towards neighbours"
    assert lines[6:] == [f"           dual and sampled {parts}"]
    facts = load_bundle(tmp_path / "run" / "bundle").metadata
    assert facts["num_ratings"] == 5400 and facts["refit"] is True
    test = load_held_out(tmp_path / "run" / "split.npz", "test")
    assert len(test) == 600


def test_the_test_part_influences_nothing(data: Path, tmp_path: Path) -> None:
    """The same cells in the test part with other stars: equal weights, bit for bit."""
    from movie_autoencoder.data.sources import read_ratings
    from movie_autoencoder.data.splits import split_ratings

    ratings = read_ratings(data)
    split = split_ratings(ratings)
    values = ratings.values.copy()
    values[split.test] = np.where(values[split.test] > 2, 1.0, 4.0)
    moved = Ratings.from_columns(
        ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index], values, scale=ratings.scale
    )
    write_csv(moved, tmp_path / "moved.csv")
    train(configured(data), out=tmp_path / "a")
    train(configured(tmp_path / "moved.csv"), out=tmp_path / "b")
    first, second = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_search_tries_settings_within_its_budget_and_keeps_the_best(data: Path, tmp_path: Path) -> None:
    open_settings = ["model.l2=none", "model.hidden_fraction=none", "model.speed=fast"]
    result = train(configured(data, *open_settings), out=tmp_path / "run")
    trials = [fit for fit in result.fits if fit["rmse"] is not None]
    assert len(trials) >= 5 and len({json.dumps(fit["settings"]) for fit in trials}) == len(trials)
    best = min(trials, key=lambda fit: fit["rmse"])
    assert load_bundle(tmp_path / "run" / "bundle").metadata["settings"] == best["settings"]
    assert result.validation["model"]["rmse"] == pytest.approx(best["rmse"])
    none = train(configured(data, *open_settings, "training.budget=0"), out=tmp_path / "none")
    assert len([fit for fit in none.fits if fit["rmse"] is not None]) == 1


def test_refit_stops_at_the_best_epoch_of_a_schedule_of_full_length(data: Path, tmp_path: Path) -> None:
    settings = ["training.epochs=200", "model.l2=0", "training.learning_rate=0.05", "model.speed=fast"]
    result = train(configured(data, *settings), out=tmp_path / "run")
    trial, refit = result.fits
    assert trial["epoch"] < 200 and refit["epoch"] == trial["epoch"] and refit["epochs"] == 200


def test_without_refit_the_best_weights_are_restored(data: Path, tmp_path: Path) -> None:
    result = train(configured(data, "training.refit=false"), out=tmp_path / "run")
    bundle = load_bundle(tmp_path / "run" / "bundle")
    held_out = load_held_out(tmp_path / "run" / "split.npz", "validation")
    from movie_autoencoder.recommend.recommender import Recommender

    stars = Recommender(bundle).predict(held_out.users, held_out.items)
    assert np.sqrt(np.mean((stars - held_out.values) ** 2)) == pytest.approx(
        result.validation["model"]["rmse"], abs=1e-9
    )
    assert bundle.metadata["num_ratings"] == 4860


SEARCHING = ["model.l2=none", "training.budget=0.0002"]


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two trials that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole")
    train(configured(data, *SEARCHING), out=run)
    return run


@pytest.mark.parametrize(
    ("stage", "epoch", "end"),
    [
        ("trial 1", 10, Stopping),
        ("trial 2", 3, Stopping),
        ("sampled", 5, Stopping),
        ("sampled", 9, Dying),
        ("refit", 17, Stopping),
        ("refit sampled", 2, Stopping),
        ("refit sampled", 11, Dying),
    ],
)
def test_interrupted_and_resumed_ends_at_the_same_weights(
    data: Path, whole: Path, tmp_path: Path, stage: str, epoch: int, end: type[Stopping]
) -> None:
    with pytest.raises(Interrupted if end is Stopping else SystemError):
        train(configured(data, *SEARCHING), out=tmp_path / "run", reporter=end(stage, epoch))
    assert not (tmp_path / "run" / "bundle").exists()
    heard = Stopping("none", 0)
    train(configured(data, *SEARCHING), out=tmp_path / "run", resume=True, reporter=heard)
    saved = epoch if end is Stopping else 7
    assert any(f", {stage} after {saved} epochs)" in line for line in heard.said)
    expected, resumed = weights(whole), weights(tmp_path / "run")
    assert expected.keys() == resumed.keys() and "sampled/users" in expected
    assert all(np.array_equal(expected[name], resumed[name]) for name in expected)
    texts = [(run / "history.csv").read_text() for run in (whole, tmp_path / "run")]
    columns = [[row.split(",")[:3] for row in text.splitlines()] for text in texts]
    assert columns[0] == columns[1]


def test_an_older_run_stays_valid_until_the_new_one_is_complete(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(configured(data, *QUICK), out=run)
    before = {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(Interrupted):
        train(configured(data, *QUICK, "training.seed=1"), out=run, reporter=Stopping("refit", 5))
    after = {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if path.parts[0] != "checkpoint"} == before
    train(configured(data, *QUICK, "training.seed=1"), out=run, resume=True)
    assert load_bundle(run / "bundle").metadata["config"]["training"]["seed"] == 1
    assert not (run / "checkpoint").exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(data: Path, tmp_path: Path) -> None:
    """SIGKILL, which no program can answer, at several moments."""
    run = tmp_path / "run"
    words = [
        "--data",
        str(data),
        "--out",
        str(run),
        "--set",
        "training.checkpoint_every=5",
        "--epochs",
        "400",
        "--set",
        "model.latent_dim=4",
        "--set",
        "model.l2=8",
        "--set",
        "model.hidden_fraction=0.2",
        "--speed",
        "fast",
    ]
    process = subprocess.Popen(
        [sys.executable, ROOT / "train.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    progress = run / "checkpoint" / "progress.npz"
    deadline = time.monotonic() + 60
    while not progress.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and progress.exists() and not (run / "bundle").exists()
    done = subprocess.run(
        [sys.executable, ROOT / "train.py", *words, "--resume"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Going on from the checkpoint" in done.stdout
    assert load_bundle(run / "bundle").metadata["epochs"] >= 1
    again = subprocess.run(
        [sys.executable, ROOT / "train.py", *words, "--resume"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0 and "Nothing to resume" in again.stdout


def test_resume_with_other_settings_names_the_difference(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(configured(data, *QUICK), out=run, reporter=Stopping("trial 1", 5))
    with pytest.raises(CheckpointError, match=r"training\.seed was 0, now 3"):
        train(configured(data, *QUICK, "training.seed=3"), out=run, resume=True)
    train(configured(data, *QUICK), out=run, resume=True)
    with pytest.raises(TrainingError, match=r"model\.l2 was 8\.0, now 9\.0"):
        train(configured(data, *QUICK, "model.l2=9"), out=run, resume=True)


def test_resume_with_nothing_to_resume_starts_afresh(data: Path, tmp_path: Path) -> None:
    assert not train(configured(data, *QUICK), out=tmp_path / "run", resume=True).resumed


def test_damaged_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "progress.npz").write_bytes(b"PK broken")
    with pytest.raises(CheckpointError, match=r"progress\.npz: damaged"):
        train(configured(data), out=tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_with_step_and_cause(data: Path, tmp_path: Path) -> None:
    config = configured(data, "training.optimizer=sgd", "training.learning_rate=1e6", "training.epochs=30")
    with pytest.raises(
        TrainingError, match=r"The loss (is not a finite|has grown to) .* in epoch \d+ of trial 1.*learning_rate="
    ):
        train(config, out=tmp_path)


def test_unwritable_folder_is_refused_before_any_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"cannot be written: .*--out"):
        train(configured(data), out=tmp_path / "file" / "run")


def test_full_disk_leaves_the_old_bundle_intact(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    train(configured(data, *QUICK), out=run)
    before = weights(run)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "bundle")

    monkeypatch.setattr(training, "save_bundle", full)
    with pytest.raises(OSError, match="No space left"):
        train(configured(data, *QUICK, "training.seed=1"), out=run)
    assert all(np.array_equal(before[name], array) for name, array in weights(run).items())
    monkeypatch.undo()
    train(configured(data, *QUICK, "training.seed=1"), out=run, resume=True)
    assert load_bundle(run / "bundle").metadata["config"]["training"]["seed"] == 1


def test_too_small_data_says_the_counts(tmp_path: Path) -> None:
    (tmp_path / "tiny.csv").write_text("userId,movieId,rating\n1,1,3\n2,1,4\n2,2,5\n")
    config = Config().with_settings([f"data.path={json.dumps(str(tmp_path / 'tiny.csv'))}"])
    with pytest.raises(TrainingError, match="too small to mean anything: 3 ratings, 2 users, 2 items"):
        train(config, out=tmp_path / "run")


def test_what_cannot_fit_is_refused_politely(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movie_autoencoder.training.estimates.free_memory", lambda: 1e8)
    with pytest.raises(TooLargeError, match=r"needs about 1\.0 GB of memory, and 0\.1 GB are free"):
        train(configured(data), out=tmp_path)


def test_item_rows_cannot_be_split_by_user(data: Path, tmp_path: Path) -> None:
    config = Config().with_settings([f"data.path={json.dumps(str(data))}", "model.name=autorec", "split.by=user"])
    with pytest.raises(TrainingError, match="one input for each training user"):
        train(config, out=tmp_path)


@pytest.mark.parametrize("by", ["user", "time"])
def test_other_splits_train_and_beat_the_biases(tmp_path: Path, by: str) -> None:
    write_csv(generate(9_000, 150, 100, seed=8)[0], tmp_path / "ratings.csv")
    config = configured(tmp_path / "ratings.csv", f"split.by={by}", "training.epochs=60")
    if by == "time":  # the generator's timestamps follow the users, so a cut by time leaves whole users unseen
        assert train(config, out=tmp_path / "run").validation["model"]["rmse"] > 0
    else:
        validation = train(config, out=tmp_path / "run").validation
        assert validation["model"]["rmse"] < validation["damped_bias"]["rmse"]


def test_the_validation_figures_of_fast_are_of_what_folds_in_later(data: Path, tmp_path: Path) -> None:
    config = configured(data, "model.speed=fast", "split.by=user", "split.fold_in=4", "training.refit=false")
    result = train(config, out=tmp_path / "run")
    held_out = load_held_out(tmp_path / "run" / "split.npz", "validation")
    bundle = load_bundle(tmp_path / "run" / "bundle")
    training_ratings = bundle.ratings
    assert training_ratings is not None and isinstance(bundle.model, TrainedDual)
    found, encoded = (
        training._scorer(training_ratings, held_out)(model)
        for model in (bundle.model, replace(bundle.model, joining=None))
    )
    assert result.validation["model"]["rmse"] == pytest.approx(found, rel=1e-6) != pytest.approx(encoded, rel=1e-6)


def test_no_validation_and_no_test_trains_on_everything(data: Path, tmp_path: Path) -> None:
    config = configured(data, "split.test_fraction=0", "split.validation_fraction=0")
    result = train(config, out=tmp_path / "run")
    assert result.validation == {} and "unchecked" in result.lines()[0]
    bundle = load_bundle(tmp_path / "run" / "bundle")
    assert bundle.metadata["num_ratings"] == 6000 and bundle.star_model is None


def test_a_model_that_is_no_better_than_the_biases_is_reported_loudly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 60 * 50, 900))
    noise = Ratings.from_columns(pairs // 50, pairs % 50, rng.integers(1, 6, len(pairs)))
    write_csv(noise, tmp_path / "ratings.csv")
    settings = ["model.l2=0", "training.learning_rate=0.05", "training.epochs=1", "model.speed=fast"]
    config = configured(tmp_path / "ratings.csv", *settings)
    result = train(config, out=tmp_path / "run")
    if result.validation["model"]["rmse"] >= result.validation["damped_bias"]["rmse"]:
        assert any(line.startswith("WARNING: dual is not better than damped_bias") for line in result.lines())
    better = {"model": {"rmse": 1.0, "mae": 1.0}, "damped_bias": {"rmse": 0.9, "mae": 0.8}}
    worse = training.TrainResult(tmp_path, result.model, better)
    assert any(
        "WARNING: dual is not better than damped_bias on validation (0.1000 worse)" in one for one in worse.lines()
    )


SETTINGS_THAT_CHANGE_THE_MODEL = [
    "training.seed=1",
    "training.optimizer=sgd",
    "training.learning_rate=0.02",
    "training.schedule=constant",
    "training.epochs=9",
    "training.average=0.5",
    "training.refit=false",
    "split.test_fraction=0.2",
    "split.by=user",
    "model.latent_dim=5",
    "model.l2=9",
    "model.hidden_fraction=0.3",
    "model.hidden_rows=0.2",
    "model.damping=7",
    "model.speed=fast",
]


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with no further settings."""
    run = tmp_path_factory.mktemp("usual")
    train(configured(data), out=run)
    return run


@pytest.mark.parametrize("setting", SETTINGS_THAT_CHANGE_THE_MODEL)
def test_every_setting_changes_the_result(data: Path, usual: Path, tmp_path: Path, setting: str) -> None:
    train(configured(data, setting), out=tmp_path / "run")
    first, second = (load_bundle(run / "bundle") for run in (usual, tmp_path / "run"))
    users, items = first.user_ids[:30], first.item_ids[:30]
    from movie_autoencoder.recommend.recommender import Recommender

    predictions = [Recommender(bundle).predict(users, items) for bundle in (first, second)]
    assert not np.allclose(*predictions, atol=1e-7)


def test_best_is_an_average_with_the_share_it_says_and_fast_is_the_dual_alone(
    data: Path, usual: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(usual / "bundle")
    model, share = bundle.model, bundle.metadata["weights"]["share"]
    assert isinstance(model, TrainedEnsemble) and 0.01 <= share <= 0.99
    from movie_autoencoder.recommend.recommender import Recommender

    users, items = (ids.ravel() for ids in np.meshgrid([*bundle.user_ids[:20], -9], [*bundle.item_ids[:20], -9]))
    u, i = np.searchsorted(bundle.user_ids, users), np.searchsorted(bundle.item_ids, items)
    u[users == -9], i[items == -9] = -1, -1
    both = share * model.dual.reconstruct(u, i) + (1 - share) * model.sampled.reconstruct(u, i)
    straight = replace(bundle, model=replace(model, lean=0.0))  # without the neighbours
    assert Recommender(straight).predict(users, items) == pytest.approx(model.scale.clip(both), abs=1e-5)
    figures = bundle.metadata["validation"]
    assert list(figures) == ["model", "dual", "sampled", "global_mean", "item_mean", "damped_bias"]
    assert figures["model"]["rmse"] < figures["dual"]["rmse"] < figures["damped_bias"]["rmse"]
    assert [fit["stage"] for fit in bundle.metadata["fits"]] == ["trial 1", "sampled", "refit", "refit sampled"]

    result = train(configured(data, "model.speed=fast"), out=tmp_path / "fast")
    alone = load_bundle(tmp_path / "fast" / "bundle")
    assert isinstance(alone.model, TrainedDual) and alone.metadata["weights"] == {"share": 1}
    assert alone.model.joining is not None and alone.model.name == "dual"
    assert [fit["stage"] for fit in result.fits] == ["trial 1", "refit"]
    assert list(result.validation) == ["model", "global_mean", "item_mean", "damped_bias"]
    assert result.validation["model"] == figures["dual"]  # the sibling changes nothing of it
    for name, array in model.dual.to_arrays().items():
        assert np.array_equal(array, alone.model.to_arrays()[name]), name


class Says(DampedBias):
    """A model that predicts given stars, whatever it is asked."""

    def __init__(self, stars: np.ndarray) -> None:
        object.__setattr__(self, "stars", stars)

    def predict(self, *asked, **options) -> np.ndarray:
        return self.stars


def test_the_share_is_the_least_squares_weight_drawn_towards_a_half(planted: Ratings) -> None:
    split = split_ratings(planted, seed=2)
    training_ratings, held_out = split.training_ratings, split.held_out("validation")
    rng, count = np.random.default_rng(0), len(held_out)
    one, other = held_out.values + rng.normal(0, 0.5, count), held_out.values + rng.normal(0.1, 0.9, count)
    models = [Says(one), Says(other)]
    (weight,), *_ = np.linalg.lstsq((one - other)[:, None], held_out.values - other, rcond=None)
    assert 0.6 < weight < 0.9
    share = training._share(models, training_ratings, held_out)
    assert share == pytest.approx((count * weight + 1000 * 0.5) / (count + 1000))
    assert training._share(models[::-1], training_ratings, held_out) == pytest.approx(1 - share)
    assert training._share(models[:1], training_ratings, held_out) == 1
    assert (
        training._share(models, training_ratings, split_ratings(planted, validation_fraction=0).held_out("validation"))
        == 0.5
    )
    beyond = [Says(other), Says((held_out.values + other) / 2)]  # the first is best subtracted: weight -1
    assert training._share(beyond, training_ratings, held_out) == 0.01
    assert training._share(beyond[::-1], training_ratings, held_out) == 0.99


def test_validation_stars_reach_the_sibling_only_through_the_refit(data: Path, tmp_path: Path) -> None:
    """Its fit stops nowhere early and chooses nothing: other validation stars, the same draws, bit for bit."""
    from movie_autoencoder.data.sources import read_ratings

    ratings = read_ratings(data)
    split = split_ratings(ratings)
    values = ratings.values.copy()
    values[split.validation] = np.where(values[split.validation] > 2, 1.0, 4.0)
    moved = replace(ratings, values=values)
    config = configured(data, "training.refit=false")
    models = [
        train(config, ratings=one, out=tmp_path / name).model for one, name in ((ratings, "one"), (moved, "moved"))
    ]
    first, second = (model.sampled.to_arrays() for model in models)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert models[0].share != models[1].share


@pytest.mark.slow
def test_settings_that_leave_the_model_alone_change_what_they_say(data: Path, tmp_path: Path) -> None:
    train(configured(data, *QUICK, "bundle.ratings=false"), out=tmp_path / "bare")
    assert load_bundle(tmp_path / "bare" / "bundle").ratings is None
    assert not (tmp_path / "bare" / "bundle" / "ratings.parquet").exists()
    by_user = [configured(data, *QUICK, "split.by=user", f"split.fold_in={count}") for count in (2, 9)]
    parts = []
    for place, config in enumerate(by_user):
        train(config, out=tmp_path / str(place))
        parts.append(len(load_held_out(tmp_path / str(place) / "split.npz", "test").fold_in))
    train(configured(data, *QUICK, "split.validation_fraction=0.2"), out=tmp_path / "validation")
    assert len(load_held_out(tmp_path / "validation" / "split.npz", "validation")) == 1080
    train(configured(data, *QUICK, "data.scale=0:10"), out=tmp_path / "scale")
    assert load_bundle(tmp_path / "scale" / "bundle").model.scale.maximum == 10
    assert parts[0] == 24 and parts[0] < parts[1]


def test_every_data_setting_changes_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    rows = [f"{n % 7},{n % 5},{n % 4 + 1},{n % 3 + 1},{100 + n},{n}" for n in range(35)]
    path.write_text("who,what,points,stars,late,early\n" + "\n".join(rows) + "\n7,1,bad,2,1,1\n")
    base = [f"data.path={json.dumps(str(path))}", "data.user_column=who", "data.item_column=what"]
    stars = [*base, "data.rating_column=stars", "data.timestamp_column=late"]

    def read(*settings: str) -> Ratings:
        return training.read_data(Config().with_settings(settings))[1]

    usual = read(*stars)
    assert (usual.num_users, usual.num_items, len(usual)) == (8, 5, 36) and usual.timestamps is not None
    assert read(*stars, "data.timestamp_column=early").timestamps.max() < usual.timestamps.max()
    assert read(*stars, "data.user_column=what", "data.item_column=who").num_users == 5
    assert read(*stars, "data.scale=0:9:1").scale.maximum == 9
    skipped = read(*stars, "data.rating_column=points", "data.on_bad_rows=skip")
    assert skipped.source.num_skipped == 1 and skipped.values.max() == 4
    with pytest.raises(ValueError, match=r"odd\.csv:37: .*'bad'"):
        read(*stars, "data.rating_column=points")
    with pytest.raises(ValueError, match="netflix|Netflix"):
        read(*stars, "data.format=netflix")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_those_asked_for(threads: int) -> None:
    code = (
        "import sys; from movie_autoencoder.models.startup import start_tensorflow as start; start(int(sys.argv[1])); "
        "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(threads)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(threads), "")


def test_without_validation_nothing_is_searched(data: Path, tmp_path: Path) -> None:
    settings = ["model.l2=none", "model.hidden_fraction=none", "split.validation_fraction=0", "training.epochs=2"]
    fits = train(configured(data, *settings), out=tmp_path / "run").fits
    assert [fit["stage"] for fit in fits] == ["trial 1", "sampled"]


def test_resume_on_other_ratings_is_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(data.read_bytes())
    train(configured(path, *QUICK), out=tmp_path / "run")
    path.write_text("\n".join(path.read_text().splitlines()[:-5]) + "\n")
    with pytest.raises(TrainingError, match="the ratings are not those that it was trained on"):
        train(configured(path, *QUICK), out=tmp_path / "run", resume=True)


def test_killed_while_the_bundle_is_swapped_the_older_one_comes_back(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(configured(data, *QUICK), out=run)
    before = weights(run)
    (run / "bundle").rename(run / ".bundle.older")
    with pytest.raises(Interrupted):
        train(configured(data, *QUICK, "training.seed=1"), out=run, reporter=Stopping("trial 1", 2))
    assert all(np.array_equal(before[name], array) for name, array in weights(run).items())


def test_the_split_of_another_run_is_not_scored(data: Path, tmp_path: Path) -> None:
    from movie_autoencoder import evaluate

    for seed in (0, 1):
        train(configured(data, *QUICK, f"training.seed={seed}", "bundle.ratings=false"), out=tmp_path / str(seed))
    (tmp_path / "1" / "split.npz").replace(tmp_path / "0" / "split.npz")
    with pytest.raises(ValueError, match="the split of another run than the bundle beside it"):
        evaluate(tmp_path / "0")


def test_the_live_line_is_taken_away_when_training_stops(data: Path, tmp_path: Path) -> None:
    closed = []

    class Closing(Stopping):
        def close(self) -> None:
            closed.append(True)

    with pytest.raises(Interrupted):
        train(configured(data, *QUICK), out=tmp_path / "run", reporter=Closing("trial 1", 2))
    assert closed == [True]


def test_ratings_in_memory_train_the_same_model_as_their_file(data: Path, tmp_path: Path) -> None:
    from movie_autoencoder import read_ratings

    config = configured(data, "training.budget=0")
    read = train(config, out=tmp_path / "read")
    given = train(config.with_settings(["data.path=none"]), ratings=read_ratings(data), out=tmp_path / "given")
    for name, array in read.model.to_arrays().items():
        assert np.array_equal(array, given.model.to_arrays()[name]), name
    few = Ratings.from_columns([1, 1, 2], [1, 2, 1], [3.0, 4.0, 5.0])
    with pytest.raises(TrainingError, match="These ratings: too small to mean anything: 3 ratings"):
        train(config, ratings=few, out=tmp_path / "few")


def test_side_information_and_time_are_refused_where_they_would_do_nothing(data: Path, tmp_path: Path) -> None:
    from movie_autoencoder.data.sources import read_ratings

    for settings, message in (
        (["model.side_information=true"], "needs genres or years of the items, and this data has none"),
        (["model.side_information=true", "model.speed=fast"], "model.speed=fast has none"),
        (["model.time_aware=true", "model.speed=fast"], "needs model.speed=best"),
        (["model.time_aware=true", "bundle.ratings=false"], "bundle.ratings=true"),
    ):
        with pytest.raises(TrainingError, match=message):
            train(configured(data, *settings), out=tmp_path / "run")
    timeless = replace(read_ratings(data), timestamps=None)
    with pytest.raises(TrainingError, match="when each rating was given"):
        train(configured(data, "model.time_aware=true"), out=tmp_path / "run", ratings=timeless)
    assert not (tmp_path / "run" / "bundle").exists()


def test_large_data_gets_fewer_steps_down_to_half(planted: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    step = tuning._step_work(planted, 32)
    for work, epochs in ((200.0, 200), (500.0, 200), (150.5, 150), (10.0, 100)):
        monkeypatch.setattr(tuning, "_FIT_WORK", work * step)
        trial = tuning.next_trial(Config(), planted, 5.0, [])
        assert trial is not None and trial.epochs == epochs
    set_by_hand = tuning.next_trial(Config().with_settings(["training.epochs=7"]), planted, 5.0, [])
    assert set_by_hand is not None and set_by_hand.epochs == 7


@dataclass(frozen=True)
class Tried:
    """A trial and its outcome."""

    trial: tuning.Trial
    rmse: float


_PENALTIES = [(15, 0.2, 32), (30, 0.2, 32), (60, 0.2, 32)]
_HIDDEN = [(30, 0.35, 32), (30, 0.1, 32)]
_FINE = [(42.4264, 0.2, 32), (21.2132, 0.2, 32), (30, 0.2, 64)]


@pytest.mark.parametrize(
    ("speed", "budget", "wanted"),
    [
        ("best", 1, _PENALTIES),
        ("fast", 1, _PENALTIES + _HIDDEN),
        ("best", 2, _PENALTIES + _HIDDEN + _FINE),
        ("fast", 2, _PENALTIES + _HIDDEN + _FINE),
        ("fast", 0, _PENALTIES[:1]),
    ],
)
def test_what_is_searched_and_in_what_order(
    planted: Ratings, speed: str, budget: float, wanted: list[tuple[float, float, int]]
) -> None:
    """With an error that is smallest at a penalty of 30 and the other settings' starting values."""
    config = Config().with_settings([f"model.speed={speed}", f"training.budget={budget}"])
    tried = list[Tried]()
    while (trial := tuning.next_trial(config, planted, 5.0, tried)) is not None:
        assert isinstance(trial.settings, DualSettings)
        off = trial.settings != replace(trial.settings, hidden_fraction=0.2, latent_dim=32)
        tried.append(Tried(trial, abs(math.log(trial.settings.l2 / 30)) + off))
    found = [
        (one.trial.settings.l2, one.trial.settings.hidden_fraction, one.trial.settings.latent_dim)
        for one in tried
        if isinstance(one.trial.settings, DualSettings)
    ]
    assert found == wanted


@pytest.mark.parametrize(("each", "latent_dim"), [(2, 10), (25, 15), (40, 24), (50, 24)])
def test_a_draw_of_the_sibling_has_more_numbers_where_rows_are_longer(each: int, latent_dim: int) -> None:
    """60 users and items with so many ratings each: 6/10 of that, but at least 10 and at most 24."""
    users, shift = np.divmod(np.arange(60 * each), each)
    ratings = Ratings.from_columns(users, (users + shift) % 60, np.full(len(users), 3.0), scale=Scale(1, 5, 1))
    settings = tuning.bayesian_trial(Config(), ratings).settings
    assert isinstance(settings, BayesianSettings) and settings.latent_dim == latent_dim
