"""The bundle: what is loaded is what was saved, older formats load, damage is refused by name; the model card."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from movie_autoencoder import evaluate
from movie_autoencoder.bundle import FORMAT_VERSION, Bundle, BundleError, load_bundle, save_bundle
from movie_autoencoder.bundle.add_items import add_items
from movie_autoencoder.bundle.card import model_card
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.baselines import fit_baselines
from movie_autoencoder.models.dual.learner import DualLearner
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.storage import load_arrays
from movie_autoencoder.uncertainty import StarModel

DATA = Path(__file__).resolve().parent / "data"
_METADATA = {"settings": {}, "config": {"model": {"name": "dual"}}}


@pytest.fixture(scope="module")
def bundle(planted: Ratings) -> Bundle:
    learner = DualLearner(planted, DualSettings(4, 5.0, 0.2, 0.0, 3.0), optimizer="adam", average=0.9, seed=0)
    learner.epoch(0, 0.01)
    titles = Catalogue.from_rows([str(i) for i in planted.item_ids], [f"Film {i} (1999)" for i in planted.item_ids])
    cells = slice(0, 1200, 4)
    held_out = planted.user_index[cells], planted.item_index[cells], planted.values[cells]
    stars = StarModel.fit(learner.trained().predict(*held_out[:2]), *held_out, planted)
    return Bundle(
        learner.trained(),
        fit_baselines(planted, 3.0),
        planted.user_ids,
        planted.item_ids,
        planted.user_counts,
        planted.item_counts,
        planted,
        titles,
        _METADATA,
        stars,
    )


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "run" / "bundle", card="# card")
    return tmp_path / "run" / "bundle"


def test_save_and_load_predict_the_same(bundle: Bundle, folder: Path, planted: Ratings) -> None:
    loaded = load_bundle(folder)
    users, items = np.arange(-1, 119), np.arange(-1, 119)
    assert np.array_equal(loaded.model.predict(users, items), bundle.model.predict(users, items))
    for name, baseline in bundle.baselines.items():
        assert np.array_equal(loaded.baselines[name].predict(users, items), baseline.predict(users, items)), name
    assert loaded.ratings.digest == planted.digest
    assert loaded.catalogue.label(planted.item_ids[3]) == bundle.catalogue.label(planted.item_ids[3])
    assert loaded.metadata == _METADATA
    ids = planted.user_ids[:50], planted.item_ids[:50]
    found, expected = (Recommender(one).predict_distribution(*ids) for one in (loaded, bundle))
    assert np.array_equal(found.probabilities, expected.probabilities)
    assert np.array_equal(found.interval(0.8), expected.interval(0.8))
    assert np.array_equal(
        loaded.baselines["damped_bias"].fold_in(planted).offset, bundle.baselines["damped_bias"].fold_in(planted).offset
    )


@pytest.mark.parametrize(
    "name",
    ["model.npz", "vocabulary.npz", "baselines.npz", "catalogue.npz", "stars.npz", "ratings.parquet", "README.md"],
)
def test_a_changed_byte_is_refused_by_file_name(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: damaged"):
        load_bundle(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.npz").unlink()
    with pytest.raises(BundleError, match=r"model\.npz: missing"):
        load_bundle(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format_version": '])
def test_a_damaged_manifest_is_named(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=r"bundle\.json: damaged"):
        load_bundle(folder)


def test_another_format_version_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["format_version"] = 99
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="bundle format 99, and this version reads formats 1 to 2"):
        load_bundle(folder)


def test_no_bundle_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no trained model here.*python train\.py --out"):
        Recommender.load(tmp_path)


def test_no_file_holds_a_pickle(folder: Path) -> None:
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_a_bundle_is_used_without_tensorflow(taste_run: Path) -> None:
    """Loaded, predicting, recommending and explaining, for trained people and new ones."""
    code = """
import sys
from movie_autoencoder import Recommender
r = Recommender.load(sys.argv[1])
person = dict(zip(r.item_ids[:6].tolist(), [5, 1, 4, 2, 3, 5]))
pairs = r.user_ids[:2], r.item_ids[:2]
print(r.predict(*pairs).shape, r.predict_distribution(*pairs).interval()[0].shape)
print(len(r.recommend(person, 3).items), len(r.explain(person, r.item_ids[9]).shares), len(r.similar(r.item_ids[9], 3)))
print([name for name in ("tensorflow", "keras", "matplotlib") if name in sys.modules])
"""
    words = [sys.executable, "-c", code, str(taste_run)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["(2,) (2,)", "3 6 3", "[]"], done.stderr


def test_unknown_ids_are_predicted(folder: Path) -> None:
    recommender = Recommender.load(folder.parent)
    stars = recommender.predict([10**9, recommender.user_ids[0]], [recommender.item_ids[0], 10**9])
    assert recommender.scale.contains(stars).all()


# Format version 1


@pytest.mark.parametrize("name", ["bundle-version-1", "bundle-version-1-fast"])
def test_a_bundle_of_format_1_predicts_what_it_did(name: str) -> None:
    """The expected numbers are of the version that wrote it."""
    recommender = Recommender(load_bundle(DATA / name))
    expected = load_arrays(DATA / f"{name}-expected.npz")
    users, items = np.repeat(recommender.user_ids[:8], 6), np.tile(recommender.item_ids[:6], 8)
    low, high = recommender.predict_distribution(users, items).interval()
    person = dict(zip(recommender.item_ids[:5].tolist(), [1, 2, 3, 4, 5], strict=True))
    found = {
        "predictions": recommender.predict(users, items),
        "low": low,
        "high": high,
        "person": recommender.predict_person(person, recommender.item_ids)[0],
    }
    assert found.keys() == expected.keys()
    for key, numbers in found.items():
        np.testing.assert_allclose(numbers, expected[key], atol=1e-5, err_msg=key)


def test_a_bundle_of_format_1_has_the_names_of_this_version() -> None:
    bundle = load_bundle(DATA / "bundle-version-1")
    assert bundle.model.name == "ensemble" and list(bundle.model.members())[:2] == ["dual", "bayesian"]
    metadata = bundle.metadata
    assert metadata["weights"] == pytest.approx(bundle.model.metadata()["weights"])
    assert list(metadata["validation"])[:3] == ["model", "dual", "bayesian"]
    assert [fit["stage"] for fit in metadata["fits"]] == ["trial 1", "bayesian", "refit", "refit bayesian"]
    assert bundle.star_model is not None and bundle.ratings is not None
    fast = load_bundle(DATA / "bundle-version-1-fast")
    assert fast.model.name == "dual" and "weights" not in fast.metadata
    card = model_card(bundle)
    assert "# Model card: ensemble of a dual autoencoder and Bayesian matrix factorization" in card
    for name in ("ensemble", "dual", "bayesian", "damped_bias"):
        assert re.search(rf"^\| {name} \| 0\.\d{{4}} \| 0\.\d{{4}} \|$", card, re.MULTILINE), name


def test_a_bundle_of_format_1_is_evaluated(tmp_path: Path) -> None:
    shutil.copytree(DATA / "bundle-version-1", tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    held_out = Ratings.from_columns(
        np.repeat(bundle.user_ids[:9], 3), np.tile(bundle.item_ids[:3], 9), [3, 4, 5] * 9, scale=bundle.model.scale
    )
    result = evaluate(tmp_path, ratings=held_out)
    assert result.model == "ensemble" and result.rmse > 0 and result.num_overlap > 0


def test_items_added_to_a_bundle_of_format_1_give_one_of_format_2(tmp_path: Path) -> None:
    shutil.copytree(DATA / "bundle-version-1", tmp_path / "old" / "bundle")
    old = load_bundle(tmp_path / "old" / "bundle")
    rows = [f"{user},777777,{stars}" for user, stars in zip(old.user_ids[:3].tolist(), (4, 5, 3), strict=True)]
    (tmp_path / "new.csv").write_text("\n".join(["userId,movieId,rating", *rows]) + "\n")
    assert add_items(tmp_path / "old", tmp_path / "new.csv", tmp_path / "new").num_items == 1
    manifest = json.loads((tmp_path / "new" / "bundle" / "bundle.json").read_text())
    assert (manifest["format_version"], manifest["model"]) == (FORMAT_VERSION, "ensemble") and FORMAT_VERSION == 2
    new = load_bundle(tmp_path / "new" / "bundle")
    users, items = np.arange(20), np.arange(20)
    moved = new.locate_items(old.item_ids[items])
    assert np.array_equal(new.model.predict(users, moved), old.model.predict(users, items))
    assert json.loads((DATA / "bundle-version-1" / "bundle.json").read_text())["format_version"] == 1


# The model card

_TRAINED = {
    "settings": {"latent_dim": 4},
    "config": {"training": {"seed": 7}},
    "epochs": 5,
    "schedule_epochs": 9,
    "num_ratings": 12_000,
    "validation": {"model": {"rmse": 0.9, "mae": 0.7}, "damped_bias": {"rmse": 0.95, "mae": 0.75}},
    "data": {"format": "movielens-latest", "sha256": "abc"},
}


@pytest.mark.parametrize(
    ("data_format", "licence"),
    [
        ("movielens-latest", "MovieLens (GroupLens"),
        ("sample", "MovieLens (GroupLens"),
        ("netflix", "Netflix Prize"),
        ("csv", "The licence of the training ratings"),
    ],
)
def test_the_card_says_what_the_model_is_and_how_good(bundle: Bundle, data_format: str, licence: str) -> None:
    metadata = {**_TRAINED, "data": {"format": data_format, "sha256": "abc"}}
    card = model_card(replace(bundle, metadata=metadata))
    for text in (
        "# Model card: dual autoencoder\n",
        "Predicts ratings of 120 items by 250 users, from 0.5 to 5 in steps of 0.5. Trained on\n12,000 ratings.",
        "Seed 7, 5 epochs of a schedule of 9. Settings:",
        "| latent_dim | 4 |",
        "| dual | 0.9000 | 0.7000 |",
        "| damped_bias | 0.9500 | 0.7500 |",
        "`abc`. The training ratings are inside",
        licence,
    ):
        assert text in card
    assert "added after training" not in card
    bare = model_card(replace(bundle, metadata={**metadata, "validation": {}}, ratings=None))
    assert "There was no validation part." in bare and "The training ratings are not inside" in bare


@pytest.mark.parametrize("name", ["facts", "model"])
def test_a_damaged_manifest_of_format_1_is_named(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parent / "data" / "bundle-version-1", tmp_path / "bundle"))
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest[name]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"bundle\.json: damaged"):
        load_bundle(folder)
