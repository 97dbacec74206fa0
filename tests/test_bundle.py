"""The bundle: what is loaded is what was saved, and damage is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from movie_autoencoder.models.settings import DualSettings

from movie_autoencoder.bundle import Bundle, BundleError, load_bundle, save_bundle
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.baselines import fit_baselines
from movie_autoencoder.models.dual.learner import DualLearner
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.uncertainty import StarModel

_FACTS = {"settings": {}, "config": {"model": {"name": "dual"}}}


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
        _FACTS,
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
    assert loaded.metadata == _FACTS
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
    with pytest.raises(BundleError, match="bundle format 99, and this version reads format 1"):
        load_bundle(folder)


def test_no_bundle_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no trained model here.*python train\.py --out"):
        Recommender.load(tmp_path)


def test_no_file_holds_a_pickle(folder: Path) -> None:
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_a_bundle_is_used_without_tensorflow(folder: Path) -> None:
    code = (
        "import sys; from movie_autoencoder import Recommender; "
        f"r = Recommender.load({str(folder.parent)!r}); print(r.predict(r.user_ids[:2], r.item_ids[:2]).shape, "
        "[name for name in ('tensorflow', 'keras', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2,) []"


def test_unknown_ids_are_answered(folder: Path) -> None:
    recommender = Recommender.load(folder.parent)
    stars = recommender.predict([10**9, recommender.user_ids[0]], [recommender.item_ids[0], 10**9])
    assert recommender.scale.contains(stars).all()
