"""The commands as scripts rely on them: exit codes, messages, JSON, and nothing else on standard output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generate import generate, write_csv

ROOT = Path(__file__).resolve().parents[1]
FAST = ["--epochs", "10", "--set", "model.latent_dim=4", "--set", "model.l2=8", "--set", "model.hidden_fraction=0.2"]


def command(name: str, *words: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / f"{name}.py", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | environment,
        timeout=120,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    ratings = generate(5_000, 120, 80, seed=5)[0]
    write_csv(ratings, folder / "ratings.csv")
    titles = "".join(f'{item},"Film, The {item} (1999)",Drama\n' for item in ratings.item_ids)
    (folder / "movies.csv").write_text("movieId,title,genres\n" + titles)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    done = command("train", "--data", data, "--out", out, *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nothing of what TensorFlow's libraries print reaches the user
    return out


def test_training_prints_what_the_contract_says(data: Path, tmp_path: Path) -> None:
    done = command("train", "--data", data, "--out", tmp_path / "run", *FAST)
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
        assert words in done.stdout, words
    assert "\x1b" not in done.stdout and "test RMSE" not in done.stdout


def test_quiet_prints_nothing(data: Path, tmp_path: Path) -> None:
    done = command("train", "--data", data, "--out", tmp_path / "run", "--quiet", *FAST)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_evaluate_prints_table_and_one_users_stars(run: Path) -> None:
    done = command("evaluate", run)
    assert done.returncode == 0 and done.stderr == ""
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
        assert words in done.stdout, words
    assert {"report.html", "evaluation.json", "figures"} <= {path.name for path in run.iterdir()}


def test_json_is_one_object_and_nothing_else(run: Path) -> None:
    done = command("evaluate", run, "--json", "--no-report")
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and done.stderr == ""
    contract = "model num_ratings num_fallback num_overlap mse rmse mae reconstruction_mse rmse_ci95 baselines seconds"
    assert set(contract.split()) <= set(result)
    assert result["num_ratings"] == 500 and result["model"] == "dual" and result["num_overlap"] == 0
    assert result["mse"] == pytest.approx(result["rmse"] ** 2)
    assert {name: set(one) >= {"rmse", "mae"} for name, one in result["baselines"].items()} == {
        "global_mean": True,
        "item_mean": True,
        "damped_bias": True,
    }


def test_separate_ratings_drop_overlap_and_count_strangers(run: Path, data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    strangers = ["999999,1,4.0,1", f"{lines[1].split(',')[0]},888888,3.0,1"]
    (tmp_path / "held.csv").write_text("\n".join([*lines, *strangers]) + "\n")
    result = json.loads(command("evaluate", run, "--ratings", tmp_path / "held.csv", "--json", "--no-report").stdout)
    assert result["num_overlap"] == 4500 and result["num_ratings"] == 502 and result["num_fallback"] >= 2


def test_trained_on_everything_needs_ratings(data: Path, tmp_path: Path) -> None:
    assert command("train", "--data", data, "--out", tmp_path / "run", "--test-fraction", "0", *FAST).returncode == 0
    done = command("evaluate", tmp_path / "run")
    assert done.returncode == 1 and "--ratings" in done.stderr
    done = command("evaluate", tmp_path / "run", "--ratings", data / "ratings.csv")
    assert done.returncode == 1 and "Error:" in done.stderr  # every rating was trained on


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
        (["--config", "no/such.toml"], 1, "no/such.toml"),
    ],
)
def test_misuse_is_one_plain_line(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    done = command("train", "--out", tmp_path / "run", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr and not (tmp_path / "run" / "bundle").exists()


def test_bad_rows_are_named_or_skipped(data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    lines[41] = "7,three,4.0"
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    done = command("train", "--data", tmp_path / "bad.csv", "--out", tmp_path / "run", *FAST)
    assert done.returncode == 1 and "bad.csv:42" in done.stderr
    (tmp_path / "nan.csv").write_text("\n".join([*lines[:41], "7,3,good,1", *lines[42:]]) + "\n")
    done = command("train", "--data", tmp_path / "nan.csv", "--out", tmp_path / "run", *FAST)
    assert done.returncode == 1 and "nan.csv:42" in done.stderr and "good" in done.stderr
    done = command(
        "train", "--data", tmp_path / "nan.csv", "--out", tmp_path / "run", "--set", "data.on_bad_rows=skip", *FAST
    )
    assert done.returncode == 0 and "1 bad rows skipped" in done.stdout


def test_traceback_only_with_debug(tmp_path: Path) -> None:
    assert "Traceback" in command("train", "--data", "no/such.csv", "--out", tmp_path, "--debug").stderr


def test_ctrl_c_saves_and_exits_130(data: Path, tmp_path: Path) -> None:
    words = [
        sys.executable,
        ROOT / "train.py",
        "--data",
        data,
        "--out",
        tmp_path / "run",
        "--epochs",
        "100000",
        "--set",
        "model.latent_dim=4",
        "--set",
        "training.budget=0",
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Trial 1"):
            break
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. What was done is saved; go on with the same command and --resume." in errors
    assert (tmp_path / "run" / "checkpoint" / "progress.npz").exists()


def test_missing_and_damaged_bundles_are_refused(run: Path, tmp_path: Path) -> None:
    done = command("evaluate", tmp_path / "nowhere")
    assert done.returncode == 1 and "no trained model here" in done.stderr and "Traceback" not in done.stderr
    import shutil

    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "bundle" / "model.npz").write_bytes(b"broken")
    done = command("evaluate", tmp_path / "copy")
    assert done.returncode == 1 and "model.npz: damaged" in done.stderr


@pytest.mark.slow
def test_what_lies_in_data_is_used(data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ratings.csv").write_bytes((data / "ratings.csv").read_bytes())
    done = command("train", *FAST, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "runs" / "latest" / "bundle").is_dir()
    assert command("evaluate", cwd=tmp_path).returncode == 0


def test_inspect_doctor_and_version(data: Path) -> None:
    def run_tool(*words: object) -> subprocess.CompletedProcess[str]:
        code = "from movie_autoencoder.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )

    shown = run_tool("inspect", data)
    assert shown.returncode == 0 and "5,000 ratings" in shown.stdout and "GB of memory" in shown.stdout
    assert json.loads(run_tool("inspect", data, "--json").stdout)["estimate"]["memory"] > 5e8
    assert "tensorflow" in run_tool("doctor").stdout
    assert "numpy" in json.dumps(json.loads(run_tool("doctor", "--json").stdout))
    assert run_tool("--version").stdout.startswith("movie-autoencoder 0.")
    assert run_tool("nonsense").returncode == 2
    for name in ("train", "evaluate", "inspect", "doctor"):
        assert run_tool(name, "--help").returncode == 0


def test_separate_ratings_are_read_like_the_training_ratings(data: Path, tmp_path: Path) -> None:
    lines = (data / "ratings.csv").read_text().splitlines()
    for name, part in (("train", lines[1:4500]), ("held", lines[4500:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["who,what,points,at", *part]) + "\n")
    columns = ["data.user_column=who", "data.item_column=what", "data.rating_column=points"]
    words = [word for column in columns for word in ("--set", column)]
    assert command("train", "--data", tmp_path / "train.csv", "--out", tmp_path / "run", *words, *FAST).returncode == 0
    done = command("evaluate", tmp_path / "run", "--ratings", tmp_path / "held.csv", "--json", "--no-report")
    assert done.returncode == 0 and json.loads(done.stdout)["num_ratings"] == len(lines) - 4500


def test_without_matplotlib_the_table_is_printed_and_the_pip_line_named(run: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None; "
        f"from movie_autoencoder.cli.main import main; main(['evaluate', {str(run)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "damped_bias" in done.stdout
    assert "matplotlib" in done.stderr and 'pip install -e ".[train]"' in done.stderr
