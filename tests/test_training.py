"""Training from end to end: the story, interruption and resume, and a run's folder that is valid at any moment.

What concerns no particular model is tested with the toy model of `toy_plugin`, which is fitted in milliseconds.
"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate import generate, write_csv
from toy_plugin import ToyFamily
from training_runs import Crashing, Interrupting, assert_same_numbers, saved_numbers

from movie_autoencoder import Config, evaluate, read_ratings
from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import load_held_out, split_ratings
from movie_autoencoder.models.base import ModelError
from movie_autoencoder.models.dual.trained import TrainedDual
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble
from movie_autoencoder.models.registry import register
from movie_autoencoder.models.schedule import scheduled
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.storage import load_arrays, save_arrays
from movie_autoencoder.training import Interrupted, TrainingError, TrainResult, train
from movie_autoencoder.training.checkpoint import Checkpoint, CheckpointError
from movie_autoencoder.training.estimates import TooLargeError

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = [
    "training.epochs=16",
    "model.latent_dim=4",
    "model.l2=none",
    "model.hidden_fraction=0.2",
    "training.budget=0.00005",  # two trials
    "training.checkpoint_every=7",
]
TOY = ["model.name=toy", "training.epochs=6", "training.checkpoint_every=4", "model.num_factors=2"]


@pytest.fixture(scope="module", autouse=True)
def toy() -> None:
    register(ToyFamily)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    write_csv(generate(6_000, 120, 80, seed=5)[0], path)
    return path


@pytest.fixture(scope="module")
def ratings(data: Path) -> Ratings:
    return read_ratings(data)


def configured(data: Path, *settings: str) -> Config:
    return Config().with_settings([f"data.path={json.dumps(str(data))}", *SETTINGS, *settings])


def toy_config(data: Path, *settings: str) -> Config:
    return Config().with_settings([f"data.path={json.dumps(str(data))}", *TOY, *settings])


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """An ensemble whose training nothing interrupted; not to be written into."""
    return train(configured(data), out=tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def toy_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run of the toy model; not to be written into."""
    return train(toy_config(data), out=tmp_path_factory.mktemp("toy"))


def moved(ratings: Ratings, cells: np.ndarray) -> Ratings:
    """The same ratings with other values at some cells."""
    values = ratings.values.copy()
    values[cells] = np.where(values[cells] > 2, 1.0, 4.0)
    return replace(ratings, values=values)


# The story


def test_a_run_holds_what_the_design_says(data: Path, whole: TrainResult) -> None:
    assert {path.name for path in whole.run.iterdir()} == {"bundle", "split.npz", "history.csv", "config.toml"}
    assert {path.name for path in (whole.run / "bundle").iterdir()} == {
        "model.npz",
        "vocabulary.npz",
        "baselines.npz",
        "catalogue.npz",
        "stars.npz",
        "choice.npz",
        "selection.npz",
        "ratings.parquet",
        "README.md",
        "bundle.json",
    }
    assert Config.from_toml(whole.run / "config.toml") == configured(data)
    metadata = load_bundle(whole.run / "bundle").metadata
    assert metadata["num_ratings"] == 5400 and metadata["refit"] is True
    assert len(load_held_out(whole.run / "split.npz", "test")) == 600


def test_the_history_has_every_epoch_of_every_fit(whole: TrainResult) -> None:
    with (whole.run / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    dual, bayesian = 16, 8
    stages = ["trial 1"] * dual + ["trial 2"] * dual + ["bayesian"] * bayesian
    stages += ["refit"] * whole.fits[3]["epoch"] + ["refit bayesian"] * bayesian
    assert [row["stage"] for row in rows] == stages
    assert [fit["stage"] for fit in whole.fits] == ["trial 1", "trial 2", "bayesian", "refit", "refit bayesian"]
    for stages_of, name in ((("trial 1", "trial 2"), "dual"), (("bayesian",), "bayesian")):
        scored = [float(row["validation_rmse"]) for row in rows if row["stage"] in stages_of and row["validation_rmse"]]
        best = min(fit["rmse"] for fit in whole.fits if fit["stage"] in stages_of)
        assert best == pytest.approx(min(scored))
        # of the dual autoencoder alone, new people are folded in by regression; at trained ones nothing differs
        assert whole.validation[name]["rmse"] == pytest.approx(best)
    assert not any(row["validation_rmse"] for row in rows if row["stage"].startswith("refit"))


def test_the_search_keeps_the_settings_of_the_best_trial(whole: TrainResult) -> None:
    first, second = whole.fits[:2]
    assert first["settings"]["l2"] != second["settings"]["l2"]
    best = min(first, second, key=lambda fit: fit["rmse"])
    metadata = load_bundle(whole.run / "bundle").metadata
    assert metadata["settings"] == best["settings"] == whole.fits[3]["settings"]
    assert (metadata["epochs"], metadata["schedule_epochs"]) == (best["epoch"], 16)
    assert best["epoch"] == whole.fits[3]["epoch"]


def test_figures_of_members_and_baselines_stand_beneath_the_model(whole: TrainResult) -> None:
    lines = whole.lines()
    names = ["ensemble", "dual", "bayesian", "ensemble without neighbours", "global_mean", "item_mean", "damped_bias"]
    assert [line[11:].split(" RMSE")[0].rstrip() for line in lines[:7]] == names
    assert list(whole.validation) == ["model", *names[1:]]
    assert isinstance(whole.model, TrainedEnsemble)
    assert lines[7:] == [f"           ensemble: {whole.model.weights.describe()}"]
    figures = whole.validation
    assert figures["model"]["rmse"] < figures["dual"]["rmse"] < figures["damped_bias"]["rmse"]
    card = (whole.run / "bundle" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} | " in card for name in names)


def test_the_ensemble_has_the_weights_that_it_reports(whole: TrainResult) -> None:
    bundle = load_bundle(whole.run / "bundle")
    model, weights = bundle.model, bundle.metadata["weights"]
    assert isinstance(model, TrainedEnsemble) and weights == model.weights.to_dict()
    assert weights.keys() == {"dual", "neighbours", "session"} and 0.01 <= weights["dual"] <= 0.99
    users, items = (index.ravel() for index in np.meshgrid(np.arange(-1, 20), np.arange(-1, 20)))
    both = weights["dual"] * model.dual.reconstruct(users, items)
    both += (1 - weights["dual"]) * model.bayesian.reconstruct(users, items)
    average = model.with_corrections(neighbours=0.0)
    assert average.reconstruct(users, items) == pytest.approx(both, abs=1e-5)


def test_fast_is_the_dual_autoencoder_of_the_ensemble_alone(data: Path, whole: TrainResult, tmp_path: Path) -> None:
    result = train(configured(data, "model.speed=fast"), out=tmp_path)
    alone = load_bundle(tmp_path / "bundle")
    assert isinstance(alone.model, TrainedDual) and isinstance(whole.model, TrainedEnsemble)
    assert alone.model.user_regression is not None and "weights" not in alone.metadata
    assert [fit["stage"] for fit in result.fits] == ["trial 1", "trial 2", "refit"]
    assert list(result.validation) == ["model", "global_mean", "item_mean", "damped_bias"]
    assert result.validation["model"] == whole.validation["dual"]
    arrays = alone.model.to_arrays()
    members = whole.model.dual.to_arrays()
    assert [name for name in members if not np.array_equal(members[name], arrays[name])] == []


def test_values_of_the_test_part_change_nothing(
    data: Path, ratings: Ratings, whole: TrainResult, tmp_path: Path
) -> None:
    """Other values at the same cells, read from memory: equal numbers, bit for bit."""
    train(configured(data), ratings=moved(ratings, split_ratings(ratings).test), out=tmp_path)
    assert_same_numbers(saved_numbers(whole.run), saved_numbers(tmp_path))


def test_values_of_the_validation_part_reach_bayesian_matrix_factorization_only_through_the_refit(
    data: Path, ratings: Ratings, tmp_path: Path
) -> None:
    """Its fit has a fixed length and chooses nothing."""
    config = configured(data, "training.refit=false", "training.budget=0")
    changed = moved(ratings, split_ratings(ratings).validation)
    results = [
        train(config, ratings=one, out=tmp_path / name) for one, name in ((ratings, "one"), (changed, "changed"))
    ]
    models = [result.model for result in results]
    assert isinstance(models[0], TrainedEnsemble) and isinstance(models[1], TrainedEnsemble)
    assert_same_numbers(models[0].bayesian.to_arrays(), models[1].bayesian.to_arrays())
    assert models[0].weights != models[1].weights
    # without a refit the best weights are restored: they give the validation figure again
    split = split_ratings(ratings)
    again = Validation(split.training_ratings, split.held_out("validation")).rmse(models[0])
    assert again == pytest.approx(results[0].validation["model"]["rmse"], abs=1e-9)
    assert load_bundle(tmp_path / "one" / "bundle").metadata["num_ratings"] == 4860


def test_a_refit_stops_at_the_best_epoch_of_a_schedule_of_full_length(data: Path, tmp_path: Path) -> None:
    settings = ["training.epochs=30", "training.learning_rate=0.2", "model.latent_dim=32", "model.l2=0"]
    trial, refit = train(configured(data, "model.speed=fast", *settings), out=tmp_path).fits
    assert trial["epoch"] < 30 and refit["epoch"] == trial["epoch"] and refit["epochs"] == 30
    with (tmp_path / "history.csv").open() as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream) if row["stage"] == "refit"]
    assert rates == pytest.approx([0.2 * scheduled("cosine", epoch / 30) for epoch in range(trial["epoch"])])


def test_ratings_in_memory_train_the_same_model_as_their_file(
    data: Path, ratings: Ratings, toy_run: TrainResult, tmp_path: Path
) -> None:
    given = train(toy_config(data, "data.path=none"), ratings=ratings, out=tmp_path / "given")
    assert_same_numbers(toy_run.model.to_arrays(), given.model.to_arrays())


def test_without_a_validation_part_nothing_is_searched_and_everything_is_trained_on(data: Path, tmp_path: Path) -> None:
    settings = ["split.test_fraction=0", "split.validation_fraction=0", "training.budget=1", "training.epochs=2"]
    result = train(configured(data, *settings, "model.hidden_fraction=none"), out=tmp_path)
    assert [fit["stage"] for fit in result.fits] == ["trial 1", "bayesian"]
    assert result.validation == {} and "unchecked" in result.lines()[0]
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.metadata["num_ratings"] == 6000 and bundle.star_model is None
    assert bundle.metadata["weights"] == {"dual": 0.5, "neighbours": 0.0, "session": 0.0}
    assert "There was no validation part." in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("by", ["user", "time"])
def test_other_splits_train_a_better_model_than_the_baselines(tmp_path: Path, by: str) -> None:
    ratings = generate(9_000, 150, 100, seed=8)[0]
    ratings = replace(ratings, timestamps=np.random.default_rng(0).integers(0, 10**6, len(ratings)))
    config = configured(tmp_path, f"split.by={by}", "training.epochs=40", "training.refit=false", "training.budget=0")
    validation = train(config, ratings=ratings, out=tmp_path).validation
    assert validation["model"]["rmse"] < validation["damped_bias"]["rmse"]


def test_validation_figures_of_fast_are_of_the_regression_that_folds_in(data: Path, tmp_path: Path) -> None:
    config = configured(
        data, "model.speed=fast", "model.l2=8", "split.by=user", "split.fold_in=4", "training.refit=false"
    )
    result = train(config, out=tmp_path)
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.ratings is not None and isinstance(bundle.model, TrainedDual)
    validation = Validation(bundle.ratings, load_held_out(tmp_path / "split.npz", "validation"))
    by_encoder = replace(bundle.model, user_regression=None, item_regression=None)
    found, encoded = (validation.rmse(model) for model in (bundle.model, by_encoder))
    assert result.validation["model"]["rmse"] == pytest.approx(found, rel=1e-6) != pytest.approx(encoded, rel=1e-6)


SETTINGS_THAT_CHANGE_THE_MODEL = [
    "training.seed=1",
    "training.optimizer=sgd",
    "training.learning_rate=0.02",
    "training.schedule=constant",
    "training.epochs=5",
    "training.average=0.1",
    "training.refit=true",
    "split.test_fraction=0.2",
    "split.by=user",
    "model.latent_dim=5",
    "model.l2=9",
    "model.hidden_fraction=0.3",
    "model.hidden_rows=0.2",
    "model.damping=7",
    "model.speed=best",
]


def small_model(data: Path, run: Path, *settings: str) -> np.ndarray:
    """Predictions for some pairs of ids by a model of few epochs."""
    small = ["model.speed=fast", "model.l2=8", "training.epochs=4", "training.refit=false"]
    train(configured(data, *small, *settings), out=run)
    bundle = load_bundle(run / "bundle")
    return bundle.model.predict(bundle.locate_users(np.arange(30)), bundle.locate_items(np.arange(30)))


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return small_model(data, tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize("setting", SETTINGS_THAT_CHANGE_THE_MODEL)
def test_every_setting_changes_the_result(data: Path, usual: np.ndarray, tmp_path: Path, setting: str) -> None:
    assert not np.allclose(small_model(data, tmp_path, setting), usual, atol=1e-7)


def test_settings_that_leave_the_model_alone_change_what_they_say(data: Path, tmp_path: Path) -> None:
    train(toy_config(data, "bundle.ratings=false"), out=tmp_path / "bare")
    assert load_bundle(tmp_path / "bare" / "bundle").ratings is None
    assert not (tmp_path / "bare" / "bundle" / "ratings.parquet").exists()
    fold_in = []
    for count in (2, 9):
        train(toy_config(data, "split.by=user", f"split.fold_in={count}"), out=tmp_path / str(count))
        shown = load_held_out(tmp_path / str(count) / "split.npz", "test").fold_in
        assert shown is not None
        fold_in.append(len(shown))
    assert fold_in[0] == 24 and fold_in[0] < fold_in[1]
    train(toy_config(data, "split.validation_fraction=0.2"), out=tmp_path / "validation")
    assert len(load_held_out(tmp_path / "validation" / "split.npz", "validation")) == 1080
    train(toy_config(data, "data.scale=0:10"), out=tmp_path / "scale")
    assert load_bundle(tmp_path / "scale" / "bundle").model.scale.maximum == 10


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_those_of_the_setting(threads: int) -> None:
    code = (
        "import sys; from movie_autoencoder.models.startup import start_tensorflow as start; start(int(sys.argv[1])); "
        "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(threads)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(threads), "")


# Interruption and resume


@pytest.mark.parametrize(
    "ends",
    [
        [
            ("trial 1", 10, Interrupting),
            ("trial 2", 3, Interrupting),
            ("bayesian", 3, Interrupting),
            ("refit", 2, Interrupting),
            ("refit bayesian", 2, Interrupting),
        ],
        [("trial 1", 9, Crashing), ("refit bayesian", 8, Crashing)],
    ],
    ids=["interrupted", "crashed"],
)
def test_interrupted_in_every_fit_and_resumed_it_ends_at_the_same_numbers(
    data: Path, whole: TrainResult, tmp_path: Path, ends: list[tuple[str, int, type[Interrupting]]]
) -> None:
    """After a crash training continues from the last checkpoint, of epoch 7."""
    resumed = ""
    for stage, epoch, end in ends:
        reporter = end(stage, epoch)
        with pytest.raises(SystemError if end is Crashing else Interrupted):
            train(configured(data), out=tmp_path, resume=bool(resumed), reporter=reporter)
        assert not (tmp_path / "bundle").exists()
        assert resumed in "\n".join(reporter.texts)
        resumed = f", {stage} after {7 if end is Crashing else epoch} epochs)"
    reporter = Interrupting()
    train(configured(data), out=tmp_path, resume=True, reporter=reporter)
    assert resumed in "\n".join(reporter.texts)
    assert_same_numbers(saved_numbers(whole.run), saved_numbers(tmp_path))
    epochs = [
        [row.split(",")[:2] for row in (run / "history.csv").read_text().splitlines()] for run in (whole.run, tmp_path)
    ]
    assert epochs[0] == epochs[1]


def test_a_first_ctrl_c_stops_after_the_epoch_and_takes_the_live_line_away(data: Path, tmp_path: Path) -> None:
    closed = []

    class Closing(Interrupting):
        def close(self) -> None:
            closed.append(True)

    with pytest.raises(Interrupted):
        train(toy_config(data), out=tmp_path, reporter=Closing("trial 1", 2))
    assert closed == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_after_the_last_epoch_stops_at_once_and_what_was_trained_is_kept(
    data: Path, toy_run: TrainResult, tmp_path: Path
) -> None:
    class InTheChoiceModel(Interrupting):
        def say(self, text: str) -> None:
            super().say(text)
            if text.startswith("Fitting the choice model"):
                self.end()

        def epoch(self, line: Any) -> None:
            epochs.append(line.stage)

    epochs: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(data), out=tmp_path, reporter=InTheChoiceModel())
    assert not (tmp_path / "bundle").exists() and len(epochs) > 0
    epochs.clear()
    reporter = InTheChoiceModel()
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(data), out=tmp_path, resume=True, reporter=reporter)
    assert epochs == []  # nothing is trained again
    train(toy_config(data), out=tmp_path, resume=True)
    assert_same_numbers(saved_numbers(tmp_path), saved_numbers(toy_run.run))


def test_an_older_run_stays_valid_until_the_new_one_is_complete(data: Path, tmp_path: Path) -> None:
    train(toy_config(data), out=tmp_path)
    (tmp_path / "report.html").write_text("of the older run")
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Interrupted):
        train(toy_config(data, "training.seed=1"), out=tmp_path, reporter=Interrupting("refit", 5))
    after = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if path.parts[0] != "checkpoint"} == before
    train(toy_config(data, "training.seed=1"), out=tmp_path, resume=True)
    assert load_bundle(tmp_path / "bundle").metadata["config"]["training"]["seed"] == 1
    assert not (tmp_path / "checkpoint").exists() and not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_killed_it_resumes(data: Path, tmp_path: Path) -> None:
    """SIGKILL, to which no program can react, once a checkpoint of the first trial is there."""
    run = tmp_path / "run"
    words = ["--data", str(data), "--out", str(run), "--epochs", "400", "--speed", "fast"]
    for setting in ("training.checkpoint_every=5", "model.latent_dim=4", "model.l2=8", "model.hidden_fraction=0.2"):
        words += ["--set", setting]
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
    command = [sys.executable, ROOT / "train.py", *words, "--resume"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Resuming from the checkpoint" in done.stdout
    assert load_bundle(run / "bundle").metadata["epochs"] >= 1
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and "Nothing to resume" in again.stdout


def test_killed_while_the_bundle_is_replaced_the_older_one_comes_back(
    data: Path, toy_run: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(toy_config(data), out=tmp_path)
    move = Path.replace

    def killed(source: Path, target: Path) -> Path:
        if target == tmp_path / "bundle":
            raise SystemError("gone")
        return move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(SystemError):
            train(toy_config(data, "training.seed=1"), out=tmp_path)
    assert not (tmp_path / "bundle").exists()
    with pytest.raises(Interrupted):
        train(toy_config(data, "training.seed=2"), out=tmp_path, reporter=Interrupting("trial 1", 2))
    assert_same_numbers(saved_numbers(tmp_path), saved_numbers(toy_run.run))


def test_a_resume_with_other_settings_names_the_difference(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(toy_config(data), out=tmp_path, reporter=Interrupting("trial 1", 5))
    with pytest.raises(CheckpointError, match=r"training\.seed was 0, now 3"):
        train(toy_config(data, "training.seed=3"), out=tmp_path, resume=True)
    train(toy_config(data), out=tmp_path, resume=True)
    with pytest.raises(TrainingError, match=r"model\.damping was 5\.0, now 9\.0"):
        train(toy_config(data, "model.damping=9"), out=tmp_path, resume=True)


def test_a_resume_with_other_ratings_is_refused(data: Path, ratings: Ratings, tmp_path: Path) -> None:
    fewer = ratings.take(np.arange(len(ratings) - 5))
    with pytest.raises(Interrupted):
        train(toy_config(data), ratings=ratings, out=tmp_path, reporter=Interrupting("trial 1", 5))
    with pytest.raises(CheckpointError, match="has other settings: the data differ"):
        train(toy_config(data), ratings=fewer, out=tmp_path, resume=True)
    train(toy_config(data), ratings=ratings, out=tmp_path, resume=True)
    with pytest.raises(TrainingError, match="the ratings are not those that it was trained on"):
        train(toy_config(data), ratings=fewer, out=tmp_path, resume=True)


def test_a_resume_of_nothing_trains_and_of_a_finished_run_does_nothing(data: Path, tmp_path: Path) -> None:
    assert not train(toy_config(data), out=tmp_path, resume=True).resumed
    reporter = Interrupting("trial 1", 1)
    again = train(toy_config(data), out=tmp_path, resume=True, reporter=reporter)
    assert again.resumed and "Nothing to resume" in reporter.texts[-1] and again.validation["model"]["rmse"] > 0


def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "progress.npz").write_bytes(b"PK broken")
    with pytest.raises(CheckpointError, match=r"progress\.npz: damaged"):
        train(toy_config(data), out=tmp_path, resume=True)


def test_the_checkpoint_has_models_of_trials_that_were_the_best_so_far(data: Path, tmp_path: Path) -> None:
    config = toy_config(data, "model.num_factors=none")
    with pytest.raises(Interrupted):
        train(config, out=tmp_path, reporter=Interrupting("refit", 2))
    names = {path.name for path in (tmp_path / "checkpoint").iterdir()}
    first, second = train(config, out=tmp_path, resume=True).fits[:2]
    assert first["rmse"] < second["rmse"] and names == {"progress.npz", "trial-1.npz"}


def test_a_model_that_is_missing_from_the_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(toy_config(data), out=tmp_path, reporter=Interrupting("refit", 2))
    (tmp_path / "checkpoint" / "trial-1.npz").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint: the model of trial 1 is missing\. Train anew without"):
        train(toy_config(data), out=tmp_path, resume=True)


# Refusals


def test_a_loss_that_is_not_finite_stops_with_epoch_and_cause(data: Path, tmp_path: Path) -> None:
    config = configured(data, "training.optimizer=sgd", "training.learning_rate=1e6", "training.epochs=30")
    message = r"The loss (is not a finite|has grown to) .* in epoch \d+ of trial 1.*learning_rate="
    with pytest.raises(TrainingError, match=message):
        train(config, out=tmp_path)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"cannot be written: .*--out"):
        train(toy_config(data), out=tmp_path / "file" / "run")


def test_a_full_disk_leaves_the_older_bundle_intact(
    data: Path, toy_run: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(toy_config(data), out=tmp_path)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "bundle")

    with monkeypatch.context() as patch:
        patch.setattr("movie_autoencoder.training.run_folder.save_bundle", full)
        with pytest.raises(OSError, match="No space left"):
            train(toy_config(data, "training.seed=1"), out=tmp_path)
    assert_same_numbers(saved_numbers(tmp_path), saved_numbers(toy_run.run))
    train(toy_config(data, "training.seed=1"), out=tmp_path, resume=True)
    assert load_bundle(tmp_path / "bundle").metadata["config"]["training"]["seed"] == 1


def test_too_few_ratings_are_counted(data: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.csv").write_text("userId,movieId,rating\n1,1,3\n2,1,4\n2,2,5\n")
    message = "too small to mean anything: 3 ratings, 2 users, 2 items"
    with pytest.raises(TrainingError, match=rf"tiny\.csv: {message}"):
        train(toy_config(tmp_path / "tiny.csv"), out=tmp_path / "run")
    few = Ratings.from_columns([1, 1, 2], [1, 2, 1], [3.0, 4.0, 5.0])
    with pytest.raises(TrainingError, match=f"These ratings: {message}"):
        train(toy_config(data), ratings=few, out=tmp_path / "few")


def test_what_cannot_fit_into_memory_is_refused_before_any_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movie_autoencoder.training.estimates.free_memory", lambda: 1e8)
    with pytest.raises(
        TooLargeError, match=r"needs about 1\.0 GB of memory, and 0\.1 GB are free.*model\.latent_dim\."
    ):
        train(configured(data), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.name=autorec", "split.by=user"], "one input for each training user"),
        (["model.side_information=true"], "needs genres or years of the items, and this data has none"),
        (["model.side_information=true", "model.speed=fast"], "which model.speed=fast leaves out"),
        (["model.time_aware=true", "model.speed=fast"], "needs model.speed=best"),
        (["model.time_aware=true", "bundle.ratings=false"], "bundle.ratings=true"),
        (["model.time_aware=true", "without times"], "when each rating was given"),
    ],
)
def test_a_model_refuses_settings_that_would_do_nothing(
    ratings: Ratings, tmp_path: Path, settings: list[str], message: str
) -> None:
    if settings[-1] == "without times":
        ratings = replace(ratings, timestamps=None)
    config = Config().with_settings([setting for setting in settings if "=" in setting])
    with pytest.raises(ModelError, match=message):
        train(config, ratings=ratings, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_no_better_than_the_biases_is_reported(toy_run: TrainResult, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 60 * 50, 900))
    noise = Ratings.from_columns(pairs // 50, pairs % 50, rng.integers(1, 6, len(pairs)))
    result = train(toy_config(tmp_path, "model.num_factors=30"), ratings=noise, out=tmp_path)
    warning = result.lines()[-1]
    worse = result.validation["model"]["rmse"] - result.validation["damped_bias"]["rmse"]
    assert warning.startswith(f"WARNING: toy is not better than damped_bias on validation ({worse:.4f} worse).")
    assert "WARNING" not in "".join(toy_run.lines())


def test_the_split_of_another_run_is_not_scored(data: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        train(toy_config(data, f"training.seed={seed}", "bundle.ratings=false"), out=tmp_path / str(seed))
    (tmp_path / "1" / "split.npz").replace(tmp_path / "0" / "split.npz")
    with pytest.raises(ValueError, match="the split of another run than the bundle beside it"):
        evaluate(tmp_path / "0")


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    fingerprint = {"config": {}, "data": "", "split": ""}
    Checkpoint.open(tmp_path / "checkpoint", fingerprint, resume=False)
    assert Checkpoint.open(tmp_path / "checkpoint", fingerprint, resume=True).resumed
    path = tmp_path / "checkpoint" / "progress.npz"
    progress = json.loads(str(load_arrays(path)["progress"]))
    del progress["format"]
    save_arrays(path, {"progress": np.array(json.dumps(progress))})
    with pytest.raises(CheckpointError, match=r"progress\.npz: written by another version.*Leave --resume out"):
        Checkpoint.open(tmp_path / "checkpoint", fingerprint, resume=True)
