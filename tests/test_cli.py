"""Commands that train and evaluate, as scripts rely on them: exit codes, messages, JSON and nothing else on stdout."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import call, run
from generate import generate, write_csv
from typer.main import get_command

from movie_autoencoder import cli
from movie_autoencoder.cli import doctor as machine
from movie_autoencoder.config import Config

ROOT = Path(__file__).resolve().parents[1]
FIXED = ["--set", "model.latent_dim=4", "--set", "model.l2=8", "--set", "model.hidden_fraction=0.2"]
FAST = ["--speed", "fast", "--epochs", "10", *FIXED]


@dataclass(frozen=True)
class Trained:
    """A run's folder and what training it printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    ratings = generate(5_000, 120, 80, seed=5)[0]
    write_csv(ratings, folder / "ratings.csv")
    titles = "".join(f'{item},"Film, The {item} (1999)",Drama\n' for item in ratings.item_ids)
    (folder / "movies.csv").write_text("movieId,title,genres\n" + titles)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of the script itself, with the default model."""
    out = tmp_path_factory.mktemp("runs") / "run"
    words = [sys.executable, ROOT / "train.py", "--data", data, "--out", out, "--epochs", "10", *FIXED]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # the user sees no message of TensorFlow's libraries
    return Trained(out, done.stdout)


def test_training_prints_what_the_contract_says(trained: Trained) -> None:
    for words in (
        "Data ",
        "5,000 ratings by 120 users of 80 items",
        "scale 0.5 to 5 in steps of 0.5",
        "Split ",
        "4,050 train, 450 validation, 500 test",
        "Estimate ",
        "GB of memory",
        "Settings ",
        "optimizer adam",
        "Trial 1",
        "latent_dim 4, l2 8",
        "epoch",
        "ratings/s",
        "s left",
        "Refit",
        "Validation",
        "dual ",
        "damped_bias",
        "Saved",
    ):
        assert words in trained.printed, words
    assert "\x1b" not in trained.printed and "test RMSE" not in trained.printed


def test_quiet_prints_nothing(data: Path, tmp_path: Path) -> None:
    done = call("train", "--data", data, "--out", tmp_path / "run", "--quiet", *FAST)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (tmp_path / "run" / "bundle").is_dir()


def test_evaluate_prints_table_and_one_users_stars(trained: Trained) -> None:
    printed = run("evaluate", trained.folder)
    for words in (
        "RMSE",
        "MAE",
        "95 %",
        "global_mean",
        "item_mean",
        "damped_bias",
        "MSE of the reconstruction",
        "stars given, and reconstructed",
        "Film, The",
        "report.html",
    ):
        assert words in printed, words
    assert {"report.html", "evaluation.json", "figures"} <= {path.name for path in trained.folder.iterdir()}


def test_json_is_one_object_and_nothing_else(trained: Trained) -> None:
    words = [sys.executable, ROOT / "evaluate.py", trained.folder, "--json", "--no-report"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and done.stderr == ""
    contract = "model num_ratings num_fallback num_overlap mse rmse mae reconstruction_mse rmse_ci95 baselines seconds"
    assert set(contract.split()) <= set(result)
    assert result["num_ratings"] == 500 and result["model"] == "ensemble" and result["num_overlap"] == 0
    assert result["mse"] == pytest.approx(result["rmse"] ** 2)
    assert {name: set(one) >= {"rmse", "mae"} for name, one in result["baselines"].items()} == {
        "global_mean": True,
        "item_mean": True,
        "damped_bias": True,
    }


def test_separate_ratings_drop_overlap_and_count_unknown_ids(trained: Trained, data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    unknown = ["999999,1,4.0,1", f"{lines[1].split(',')[0]},888888,3.0,1"]
    (tmp_path / "held.csv").write_text("\n".join([*lines, *unknown]) + "\n")
    words = ["evaluate", trained.folder, "--ratings", tmp_path / "held.csv", "--json", "--no-report"]
    result = json.loads(run(*words))
    assert result["num_overlap"] == 4500 and result["num_ratings"] == 502 and result["num_fallback"] >= 2


def test_a_model_trained_on_all_ratings_needs_others(data: Path, tmp_path: Path) -> None:
    run("train", "--data", data, "--out", tmp_path / "run", "--test-fraction", "0", *FAST)
    assert "--ratings" in run("evaluate", tmp_path / "run", code=1)
    every = run("evaluate", tmp_path / "run", "--ratings", data / "ratings.csv", code=1)
    assert every.startswith("Error: ") and every.count("\n") == 1  # every rating was trained on


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--depth", "3"], 2, "--depth"),
        (["--epochs", "many"], 2, "many"),
        (["--seed", "-1"], 2, "training.seed"),
        (["--optimizer", "adamm"], 2, "'adam'"),
        (["--split", "users"], 2, "'rating', 'user' or 'time'"),
        (["--test-fraction", "1.5"], 2, "less than 1"),
        (["--model", "svd"], 2, "svd"),
        (["--set", "model.depth=3"], 2, "model.depth"),
        (["--set", "nonsense"], 2, "SECTION.KEY=VALUE"),
        (["--data", "no/such/file.csv"], 1, "no/such/file.csv"),
        (["--data", "no/such/🎬.csv"], 1, "no/such/🎬.csv"),
        (["--config", "no/such.toml"], 1, "no/such.toml"),
    ],
)
def test_misuse_is_one_plain_line(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    done = call("train", "--out", tmp_path / "run", *words)
    assert (done.code, done.out) == (code, "")
    assert message in done.err and done.err.startswith("Error: ") and done.err.count("\n") == 1
    assert "Traceback" not in done.err and not (tmp_path / "run" / "bundle").exists()


def test_the_scripts_return_the_exit_code(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / "evaluate.py", tmp_path / "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "") and "no trained model here" in done.stderr


def test_bad_rows_are_named_or_skipped(data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    lines[41] = "7,three,4.0"
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    assert "bad.csv:42" in run("train", "--data", tmp_path / "bad.csv", "--out", tmp_path / "run", *FAST, code=1)
    (tmp_path / "nan.csv").write_text("\n".join([*lines[:41], "7,3,good,1", *lines[42:]]) + "\n")
    words = ["train", "--data", tmp_path / "nan.csv", "--out", tmp_path / "run", *FAST]
    error = run(*words, code=1)
    assert "nan.csv:42" in error and "good" in error
    assert "1 bad rows skipped" in run(*words, "--set", "data.on_bad_rows=skip")


def test_traceback_only_with_debug(tmp_path: Path) -> None:
    words = ["train", "--data", "no/such.csv", "--out", tmp_path]
    assert "Traceback" in run(*words, "--debug", code=1) and "Traceback" not in run(*words, code=1)


def test_ctrl_c_saves_and_exits_130(data: Path, tmp_path: Path) -> None:
    words = ["--data", data, "--out", tmp_path / "run", "--epochs", "100000", "--set", "training.budget=0"]
    process = subprocess.Popen(
        [sys.executable, ROOT / "train.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Trial 1"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "Interrupted. The progress is saved; continue with the same command and --resume."
    assert (tmp_path / "run" / "checkpoint" / "progress.npz").exists()


def test_missing_and_damaged_bundles_are_refused(trained: Trained, tmp_path: Path) -> None:
    assert "no trained model here" in run("evaluate", tmp_path / "nowhere", code=1)
    shutil.copytree(trained.folder, tmp_path / "copy")
    (tmp_path / "copy" / "bundle" / "model.npz").write_bytes(b"broken")
    assert "model.npz: damaged" in run("evaluate", tmp_path / "copy", code=1)


def test_ratings_in_the_data_folder_are_the_default(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ratings.csv").write_bytes((data / "ratings.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert run("train", *FAST).endswith("Next: python evaluate.py\n")
    assert (tmp_path / "runs" / "latest" / "bundle").is_dir()
    assert "damped_bias" in run("evaluate", "--no-report")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command gives to `training.train`, which does not start."""
    arguments: dict[str, Any] = {}

    def stop(config: Config, **options: Any) -> None:
        arguments.update(options, config=config)
        raise ValueError("stopped")

    monkeypatch.setattr(importlib.import_module("movie_autoencoder.training.train"), "train", stop)
    return arguments


def test_tensorboard_reaches_training(given: dict[str, Any], tmp_path: Path) -> None:
    assert "stopped" in run("train", "--tensorboard", tmp_path / "events", code=1)
    assert given["tensorboard"] == tmp_path / "events"
    run("train", code=1)
    assert given["tensorboard"] is None


def test_options_override_settings_and_settings_the_file(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[training]\nseed = 1\nepochs = 2\n[model]\nl2 = 3.0\n")
    words = ["--config", tmp_path / "config.toml", "--set", "training.epochs=4", "--set", "training.seed=5"]
    run("train", *words, "--seed", "6", "--data", "1984", code=1)
    config = given["config"]
    assert (config.training.seed, config.training.epochs, config.model.l2) == (6, 4, 3.0)
    assert config.data.path == "1984"  # text, though it looks like a number
    run("train", *words, "--model", "autorec", "--set", "model.hidden=[8]", code=1)
    assert (given["config"].model.name, given["config"].model.hidden, given["config"].model.l2) == (
        "autorec",
        (8,),
        50.0,
    )


def test_model_may_be_one_that_a_plugin_registers(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin.dist-info").mkdir()
    (tmp_path / "plugin.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    entry_point = "[movie_autoencoder.models]\nplugged = plugged_in:Family\n"
    (tmp_path / "plugin.dist-info" / "entry_points.txt").write_text(entry_point)
    (tmp_path / "plugged_in.py").write_text(
        "from movie_autoencoder.config import ModelConfig\n"
        "class Settings(ModelConfig):\n    name: str = 'plugged'\n    size: int = 1\n"
        "class Family:\n    config = Settings\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run("train", "--model", "plugged", "--set", "model.size=3", code=1)
    assert given["config"].to_dict()["model"] == {"name": "plugged", "size": 3}


def test_inspect_prints_statistics_and_an_estimate(data: Path) -> None:
    printed = run("inspect", data)
    assert "5,000 ratings" in printed and "GB of memory" in printed
    result = json.loads(run("inspect", data, "--json"))
    assert result["num_ratings"] == 5_000 and result["estimate"]["memory"] > 5e8


def test_doctor_prints_versions_and_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "tensorflow_devices", lambda python: (("CPU:0 Ours",), None))
    printed = run("doctor")
    assert "tensorflow" in printed and "CPU:0 Ours" in printed
    result = json.loads(run("doctor", "--json"))
    assert "numpy" in result["versions"] and result["devices"] == ["CPU:0 Ours"]


def test_version_and_help() -> None:
    assert run("--version").startswith("movie-autoencoder 0.")
    assert run("nonsense", code=2).startswith("Error: ")
    names = get_command(cli.app).commands
    assert len(names) == 13
    for name in names:
        assert name in run("--help") and "Options:" in run(name, "--help")


def test_separate_ratings_are_read_like_the_training_ratings(data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    for name, part in (("train", lines[1:4500]), ("held", lines[4500:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["who,what,points,at", *part]) + "\n")
    columns = ["data.user_column=who", "data.item_column=what", "data.rating_column=points"]
    words = [word for column in columns for word in ("--set", column)]
    run("train", "--data", tmp_path / "train.csv", "--out", tmp_path / "run", *words, *FAST)
    result = run("evaluate", tmp_path / "run", "--ratings", tmp_path / "held.csv", "--json", "--no-report")
    assert json.loads(result)["num_ratings"] == len(lines) - 4500


def test_without_matplotlib_the_table_is_printed_and_the_pip_command_named(trained: Trained) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None; "
        f"from movie_autoencoder.cli import main; main(['evaluate', {str(trained.folder)!r}])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1 and "damped_bias" in done.stdout
    assert "matplotlib" in done.stderr and 'pip install -e ".[train]"' in done.stderr
