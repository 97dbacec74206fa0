"""The documentation is true: it lists every option and setting, its links lead somewhere, its Python runs."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from generate import generate, write_csv
from typer.main import get_command

from movie_autoencoder import __version__, cli
from movie_autoencoder.config import Config
from movie_autoencoder.recommend.recommender import Recommender

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md", *(ROOT / "docs").glob("*.md")])


def test_options_and_settings_page_is_current() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference["page"]()


def test_every_setting_has_a_description() -> None:
    for config in (Config(), Config().with_settings(["model.name=autorec"])):
        for section in type(config).model_fields:
            for key, field in type(getattr(config, section)).model_fields.items():
                assert field.description or (section, key) == ("model", "name"), (section, key)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_settings_and_options_named_in_the_docs_exist() -> None:
    options = {
        word for command in get_command(cli.app).commands.values() for option in command.params for word in option.opts
    }
    options |= {"--version", "--help"}
    both = {
        **Config().model_dump(),
        "model": Config().model_dump()["model"] | Config().with_settings(["model.name=autorec"]).model_dump()["model"],
    }
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for section, key in re.findall(r"--set (\w+)\.(\w+)=", text):
            if section != "SECTION":
                assert key in both[section], f"{page.name}: {section}.{key}"
        for line in re.findall(r"(?:train\.py|evaluate\.py|movie-autoencoder \w+)(?: [^\n`]*)?", text):
            for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", line):
                assert word in options, f"{page.name}: {word}"


def test_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (
        'python3 -m venv .venv && .venv/bin/pip install -e ".[sample]" && .venv/bin/python train.py '
        "&& .venv/bin/python evaluate.py"
    ) in text
    assert 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest' in text


def test_version_is_the_same_everywhere() -> None:
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_python_of_getting_started_runs(movielens_small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own code, on the first tenth of its data, with a short training."""
    folder = tmp_path / "data" / "ml-latest-small"
    folder.mkdir(parents=True)
    lines = (movielens_small / "ratings.csv").read_text(encoding="utf-8").splitlines()
    (folder / "ratings.csv").write_text("\n".join(lines[:10_000]) + "\n", encoding="utf-8")
    (folder / "movies.csv").symlink_to(movielens_small / "movies.csv")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    assert "train(" in code
    quick = code.replace('"training.seed=1"', '"training.seed=1", "training.budget=0", "training.epochs=5"')
    assert quick != code
    exec(compile(quick, "getting-started.md", "exec"), {})
    assert (tmp_path / "runs" / "small" / "bundle" / "bundle.json").exists()


def test_python_of_a_trained_model_runs(taste_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of page and example, with films that the small model knows in place of those that it does not know."""
    recommender = Recommender.load(taste_run)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(taste_run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["for_you.py"])
    page = (
        (ROOT / "docs" / "python.md").read_text(encoding="utf-8").split("## A trained model")[1].split("## LensKit")[0]
    )
    example = (ROOT / "examples" / "for_you.py").read_text(encoding="utf-8")
    for number, code in enumerate((re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0], example)):
        titles = sorted(set(re.findall(r'"([A-Z][^"]* \(\d{4}\))"', code)))
        assert len(titles) >= 4
        for title, item in zip(titles, recommender.item_ids, strict=False):
            code = code.replace(f'"{title}"', f'"{recommender.items.label(item)}"')
        names: dict[str, Any] = {}
        exec(compile(code.replace("Sci-Fi", "Horror"), f"code {number}", "exec"), names)
        assert len(names["answer"].items) and not names["answer"].person.unmatched


def test_python_of_the_estimator_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own code, on little data. Its other blocks need LensKit or Cornac; test_adapters.py runs them."""
    write_csv(generate(2_500, 100, 60, seed=3)[0], tmp_path / "ratings.csv")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text.split("## A trained model")[0], flags=re.DOTALL))
    quick = code
    for given, smaller in (
        ("seed=1)", "seed=1, speed='fast', budget=0, epochs=5)"),
        ("KFold(3,", "KFold(2,"),
        ('"latent_dim": [8, 32]', '"latent_dim": [8]'),
    ):
        assert given in quick
        quick = quick.replace(given, smaller)
    names: dict[str, Any] = {}
    exec(compile(quick, "python.md", "exec"), names)
    assert set(names["search"].best_params_) == {"latent_dim"}


def test_python_version_is_supported() -> None:
    assert (3, 11) <= sys.version_info[:2] < (3, 14)


def test_the_readmes_table_is_that_of_the_saved_results() -> None:
    table = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{table['START']}{table['table']()}{table['END']}" in text
    comparison = table["comparison"](table["comparisons"]())
    assert f"{table['COMPARISON']}{comparison}{table['COMPARISON_END']}" in text
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"{table['RANKING']}{table['ranking'](table['rankings']())}{table['RANKING_END']}" in page
    assert f"{table['UNCHOSEN']}{table['unchosen'](table['unchosen_results']())}{table['UNCHOSEN_END']}" in page


def test_the_comparison_table_is_that_of_its_results() -> None:
    table = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))
    model = {"mae": [0.5, 0.7], "nll": None, "fit_seconds": 2.0, "process_seconds": 9.0, "peak_mb": 100, "version": "1"}
    full = {
        "data": "one",
        "machine": "a box",
        "splits": [0, 1],
        "models": {"theirs": model | {"rmse": [0.9, 0.8]}, "ours": model | {"rmse": [0.8, 0.7], "nll": [1.0, 1.5]}},
        "differences": [{"model": "theirs", "difference": -0.1, "ci95": [-0.2, -0.05], "p_holm": 0.0123}],
    }
    other = {"data": "two", "splits": [0], "models": {"theirs": {"rmse": [0.6]}}, "oracle": {"rmse": 0.5}}
    lines = table["comparison"]([full, other]).splitlines()
    assert "| model | one (2) | two (1) |" in lines
    assert "| `ours` | **0.7500** |  |" in lines
    assert "| `theirs` | 0.8500 | **0.6000** |" in lines
    assert "| best possible, of generated data |  | 0.5000 |" in lines
    assert "| `ours` 1 | 0.7500 ± 0.0707 | 0.6000 | 1.250 | 2.0 | 9 | 100 |  |  |" in lines
    assert lines[-2] == lines[lines.index("| `ours` 1 | 0.7500 ± 0.0707 | 0.6000 | 1.250 | 2.0 | 9 | 100 |  |  |")]
    assert lines[-1].endswith("| 2.0 | 9 | 100 | -0.1000 [-0.2000, -0.0500] | 0.012 |")
    assert table["comparison"]([]) == ""


def test_the_table_of_unchosen_items_is_that_of_its_results() -> None:
    table = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))
    figures = {
        "dual-best as chosen": (0.9, 0.4),
        "dual-best as random": (0.8, 0.05),
        "a": (0.95, 0.5),
        "b": (0.85, 0.3),
    }
    rows = {name: {"random": {"rmse": rmse, "bias": bias}} for name, (rmse, bias) in figures.items()}
    lines = table["unchosen"]([{"data": "one", "models": rows}]).splitlines()
    assert lines[2] == "| one | 0.9000, +0.400 | 0.8000, +0.050 | `b` 0.8500, +0.300 |"
    assert table["unchosen"]([]) == ""


def test_the_ranking_table_is_that_of_its_results() -> None:
    table = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))

    def model(*ndcg: float, **more: Any) -> dict[str, Any]:
        return {"all": {"NDCG@100": list(ndcg), "Recall@20": [0.1] * len(ndcg)}, "version": "1", **more}

    full = {
        "data": "one",
        "machine": "a box",
        "splits": [0, 1],
        "kinds": ["all"],
        "models": {"ease": model(0.4, 0.5, fit_seconds=2.0), "best-choice": model(0.5, 0.6), "oracle": model(0.8, 0.8)},
        "differences": {"all": [{"model": "ease", "difference": 0.1, "ci95": [0.05, 0.2], "p_holm": 0.0123}]},
    }
    other = {"data": "two", "splits": [0], "kinds": ["all"], "models": {"ease": model(0.3)}, "differences": {"all": []}}
    lines = table["ranking"]([full, other]).splitlines()
    assert lines[2:7] == [
        "| model | one (2) | two (1) |",
        "|---|---|---|",
        "| best possible, of generated data | 0.8000 |  |",
        "| `ensemble` (`--speed best`), ranked by choice | **0.5500** |  |",
        "| `ease` | 0.4500 | **0.3000** |",
    ]
    assert "| `ease` 1 | 0.4500 | 0.1000 | 2.0 | +0.1000 [+0.0500, +0.2000] | 0.012 |" in lines
    assert table["ranking"]([]) == ""
