"""A model from outside the package (`toy_plugin`) is trained, saved, loaded, evaluated and used like its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import toy_plugin
from generate import generate, write_csv
from toy_plugin import ToyConfig, ToyFamily, ToySettings, TrainedToy

from movie_autoencoder import Config, Recommender, evaluate
from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.bundle.add_items import with_new_items
from movie_autoencoder.config import ConfigError
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.base import ModelError, TrainedModel, in_vocabulary
from movie_autoencoder.models.registry import family_named, register, trained_model
from movie_autoencoder.training import Interrupted, TrainResult, train
from movie_autoencoder.training.estimates import TooLargeError, check_fits, estimate
from movie_autoencoder.training.progress import LineReporter

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ["model.name=toy", "training.epochs=8", "training.checkpoint_every=3"]


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    """The family, registered by a call."""
    assert register(ToyFamily) is ToyFamily


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return generate(9_000, 150, 90, seed=5)[0]


@pytest.fixture(scope="module")
def config() -> Config:
    return Config().with_settings(SETTINGS)


@pytest.fixture(scope="module")
def result(ratings: Ratings, config: Config, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run that was trained on ratings in memory; not to be written into."""
    return train(config, ratings=ratings, out=tmp_path_factory.mktemp("toy"))


def test_the_page_shows_this_plugin() -> None:
    """The blocks of docs/plugin.md, one after the other, are the file; the last one registers the family."""
    page = (ROOT / "docs" / "plugin.md").read_text(encoding="utf-8")
    *shown, registering = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    source = Path(toy_plugin.__file__).read_text(encoding="utf-8").split('"""', 2)[2]
    assert [line for line in "\n".join(shown).splitlines() if line] == [line for line in source.splitlines() if line]
    exec(compile(registering, "plugin.md", "exec"), {"ToyFamily": ToyFamily})
    assert isinstance(family_named("toy"), ToyFamily)
    assert 'toy = "toy_plugin:ToyFamily"' in page


def test_its_settings_are_checked_and_written_like_others(config: Config, tmp_path: Path) -> None:
    assert isinstance(config.model, ToyConfig)
    assert config.with_settings(["model.num_factors=3"]).model.num_factors == 3
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert Config.from_toml(tmp_path / "config.toml") == config
    with pytest.raises(ConfigError, match=r"no setting 'model\.depth'\. Settings of model: name, num_factors, damping"):
        config.with_settings(["model.depth=1"])
    with pytest.raises(ConfigError, match=r"model\.num_factors: .*greater than or equal to 1\. Received: 0"):
        config.with_settings(["model.num_factors=0"])


def test_it_is_trained_with_its_own_search(result: TrainResult, ratings: Ratings) -> None:
    assert [fit["stage"] for fit in result.fits] == ["trial 1", "trial 2", "refit"]
    assert [fit["settings"]["num_factors"] for fit in result.fits[:2]] == [2, 4]
    best = min(result.fits[:2], key=lambda fit: fit["rmse"])
    bundle = load_bundle(result.run / "bundle")
    assert bundle.metadata["settings"] == best["settings"] == result.fits[2]["settings"]
    assert list(result.validation) == ["model", "global_mean", "item_mean", "damped_bias"]
    assert result.validation["model"]["rmse"] < result.validation["damped_bias"]["rmse"] - 0.01
    lines = result.lines()
    assert lines[0].startswith("Validation toy ") and "WARNING" not in "\n".join(lines)
    assert lines[-1].strip() == f"toy: {best['settings']['num_factors']} singular vectors"


def test_it_is_loaded_as_it_was_saved(result: TrainResult, ratings: Ratings) -> None:
    bundle = load_bundle(result.run / "bundle")
    assert type(bundle.model) is TrainedToy is trained_model("toy") and bundle.star_model is not None
    users, items = np.arange(-1, 89), np.arange(-1, 89)
    assert np.array_equal(bundle.model.predict(users, items), result.model.predict(users, items))
    card = (result.run / "bundle" / "README.md").read_text()
    assert "# Model card: toy model of singular vectors" in card and "| toy | 0." in card


def test_it_is_evaluated(result: TrainResult) -> None:
    found = evaluate(result.run)
    assert found.model == "toy" and found.rmse < found.baselines["damped_bias"].rmse
    assert found.uncertainty is not None and found.reconstruction_mse is not None
    assert any(line.split()[:1] == ["toy"] for line in found.lines())


def test_it_recommends_and_explains(result: TrainResult) -> None:
    recommender = Recommender.load(result.run)
    ids = recommender.item_ids
    person = dict(zip(ids[:12].tolist(), [5, 1, 4, 2, 5, 3, 4, 1, 2, 5, 3, 4], strict=True))
    own = Ratings.from_columns([7] * len(person), list(person), list(person.values()), scale=recommender.scale)
    model = load_bundle(result.run / "bundle").model
    encoded = model.fold_in(in_vocabulary(own, ids))
    expected = model.predict(np.zeros(len(ids), int), np.arange(len(ids)), encoded_users=encoded)
    predictions, distribution = recommender.predict_person(person, ids)
    assert predictions == pytest.approx(expected, abs=1e-6) and distribution is not None
    picks = recommender.recommend(person, 5, rank_by="rating", diversity=0).items
    order = [item for item in ids[np.argsort(-expected, kind="stable")].tolist() if item not in person]
    assert [pick.item_id for pick in picks] == order[:5]
    explanation = recommender.explain(person, order[0])
    assert explanation.shares is None and len(explanation.without) == 10  # it gives no shares, but what changes
    assert len(recommender.similar(order[0], 3)) == 3


def test_people_and_items_are_folded_in(result: TrainResult, ratings: Ratings) -> None:
    model = result.model
    bundle = load_bundle(result.run / "bundle")
    assert bundle.ratings is not None
    everyone, everything = model.fold_in(bundle.ratings), model.fold_in_items(bundle.ratings)
    np.testing.assert_allclose(everyone.factors, model.users.factors, atol=1e-4)
    users, items = bundle.ratings.user_index[:500], bundle.ratings.item_index[:500]
    folded = model.predict(users, items, encoded_items=everything)
    assert np.abs(folded - bundle.ratings.values[:500]).mean() < 0.8
    encoder = model.person_encoder()
    row = bundle.ratings.row(3)
    person = encoder.encode(bundle.ratings.item_index[row], bundle.ratings.values[row])
    many = model.reconstruct(np.full(90, 3), np.arange(90), encoded_users=everyone)
    assert person.reconstruct() == pytest.approx(many, abs=1e-5) and person.shares(np.arange(2)) is None
    new = Ratings.from_columns(bundle.user_ids[:4], [10**6] * 4, [5, 4, 5, 4], scale=model.scale)
    wider, added = with_new_items(bundle, new)
    assert added.num_items == 1 and len(wider.model.items) == len(model.items) + 1
    alone = model.fold_in_items(new_rows(new, bundle.user_ids))
    column = wider.locate_items([10**6])
    found = wider.model.predict(np.arange(5), np.repeat(column, 5))
    assert found == pytest.approx(model.predict(np.arange(5), np.zeros(5, int), encoded_items=alone), abs=1e-6)


def new_rows(ratings: Ratings, user_ids: np.ndarray) -> Ratings:
    return in_vocabulary(ratings.transposed(), user_ids).transposed()


class Interrupting(LineReporter):
    """Presses Ctrl-C in the fourth epoch of the second trial."""

    def epoch(self, line) -> None:
        if (line.stage, line.epoch) == ("trial 2", 4):
            os.kill(os.getpid(), signal.SIGINT)


def test_interrupted_it_resumes_to_the_same_model(
    result: TrainResult, ratings: Ratings, config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Interrupted):
        train(config, ratings=ratings, out=tmp_path, reporter=Interrupting())
    assert "num_factors 2, damping 5" in capsys.readouterr().out
    again = train(config, ratings=ratings, out=tmp_path, resume=True, reporter=LineReporter())
    assert "1 fit finished, trial 2 after 4 epochs" in capsys.readouterr().out
    expected = result.model.to_arrays()
    assert all(np.array_equal(expected[name], array) for name, array in again.model.to_arrays().items())
    assert [fit["rmse"] for fit in again.fits] == [fit["rmse"] for fit in result.fits]


def test_its_estimates_and_its_refusals_are_told(ratings: Ratings, config: Config, tmp_path: Path) -> None:
    found = estimate(ratings, config)
    assert found.memory >= 1e9 + 100 * len(ratings) and found.fast_seconds is None
    with pytest.raises(TooLargeError, match=r"fewer ratings, or a smaller --set model\.num_factors\.$"):
        check_fits(ratings, config, free=1e8)
    with pytest.raises(ModelError, match="There are 90 items"):
        train(config.with_settings(["model.num_factors=91"]), ratings=ratings, out=tmp_path)
    assert not (tmp_path / "checkpoint").exists()


def test_a_split_by_user_encodes_people_who_were_not_trained_on(
    ratings: Ratings, config: Config, tmp_path: Path
) -> None:
    validation = train(config.with_settings(["split.by=user"]), ratings=ratings, out=tmp_path).validation
    assert validation["model"]["rmse"] < validation["damped_bias"]["rmse"]


def test_a_name_is_of_one_family() -> None:
    class Other(ToyFamily):
        """Of the same name."""

    with pytest.raises(ValueError, match="There is a model family 'toy' already: ToyFamily"):
        register(Other)

    class Misnamed(ToyFamily):
        name = "toys"

    with pytest.raises(ValueError, match="one name. Received: 'toys' and 'toy'"):
        register(Misnamed)
    with pytest.raises(ValueError, match=r"no model 'nothing'\. Known models: .*toy.*install the plugin"):
        family_named("nothing")


def test_what_a_family_need_not_define(result: TrainResult, ratings: Ratings, config: Config) -> None:
    family, model = ToyFamily(), result.model
    assert family.members() == (family,) and family.faster(config) is None
    assert family.assemble([model], config, ratings) is model
    assert (model.members(), model.metadata()) == ({}, {})
    assert TrainedModel.describe(model) == []
    assert family.next_trial(config.with_settings(["model.num_factors=3"]), ratings, 5.0, []).settings == ToySettings(
        3, 5.0
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a process in which the plugin is installed: its file, and its entry point."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(toy_plugin.__file__, site)
    info = site / "toy_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[movie_autoencoder.models]\ntoy = toy_plugin:ToyFamily\n")
    paths = [str(site), str(ROOT / "src")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run(environment: dict[str, str], *words: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_plugin_is_found_by_its_entry_point(
    installed: dict[str, str], ratings: Ratings, result: TrainResult, tmp_path: Path
) -> None:
    """By every command, in processes that import nothing of it; the model is the one of the call, bit for bit."""
    write_csv(ratings, tmp_path / "ratings.csv")
    out = tmp_path / "run"
    words = ["--model", "toy", "--data", tmp_path / "ratings.csv", "--out", out, "--epochs", 8]
    trained = run(installed, ROOT / "train.py", *words)
    assert "Validation toy " in trained and "singular vectors" in trained
    assert load_bundle(out / "bundle").model.name == "toy"
    figures = json.loads(run(installed, ROOT / "evaluate.py", out, "--json", "--no-report"))
    assert figures["model"] == "toy" and figures["rmse"] < figures["baselines"]["damped_bias"]["rmse"]
    user = load_bundle(out / "bundle").user_ids[0]
    code = "import sys; from movie_autoencoder.cli import main; main(sys.argv[1:])"
    answer = json.loads(run(installed, "-c", code, "recommend", out, "--user", user, "--k", 3, "--format", "json"))
    assert len(answer["recommendations"]) == 3


def test_without_the_plugin_its_bundle_says_what_is_missing(result: TrainResult) -> None:
    code = f"from movie_autoencoder import Recommender; Recommender.load({str(result.run)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 1 and "There is no model 'toy'" in done.stderr and "install the plugin" in done.stderr
