"""New items in a trained bundle: predicted as folded-in items, all other predictions unchanged, misuse refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from movie_autoencoder.bundle import Bundle, BundleError, load_bundle, save_bundle
from movie_autoencoder.bundle.add_items import AddedItems, AddItemsError, add_items, with_new_items
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.sources import SourceError
from movie_autoencoder.evaluation import EvaluationError, evaluate
from movie_autoencoder.models.autorec.settings import AutorecSettings
from movie_autoencoder.models.autorec.trained import AutorecWeights, TrainedAutorec
from movie_autoencoder.models.base import Merge, TrainedModel, in_user_vocabulary
from movie_autoencoder.models.baselines import BiasSolver, fit_baselines
from movie_autoencoder.models.bayesian.trained import TrainedBayesian
from movie_autoencoder.models.dual.trained import DualWeights, TrainedDual
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble
from movie_autoencoder.models.ensemble.weights import BlendWeights
from movie_autoencoder.models.regression import RowPrior
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.uncertainty import StarModel

KINDS = ["dual", "fast", "bayesian", "ensemble", "autorec"]
METADATA = {
    "settings": {},
    "validation": {},
    "data": {"format": "csv", "path": "", "sha256": "0"},
    "num_ratings": 1,
    "epochs": 1,
    "schedule_epochs": 1,
    "config": {"model": {"name": "dual"}, "training": {"seed": 0}},
}


class Case:
    """Planted ratings; every seventh item is unknown to models of drawn, not trained, weights."""

    def __init__(self, planted: Ratings) -> None:
        self.rng = np.random.default_rng(5)
        new = planted.item_index % 7 == 3
        self.training, self.new = planted.take(~new), planted.take(new)
        rng = np.random.default_rng(1)
        self.biases = BiasSolver(self.training, 5.0).solve()
        self.dual = TrainedDual.from_weights(
            self._weights(rng), self.training, self.biases, damping=5.0, hidden_fraction=0.2
        )
        self.fast = self.dual.with_regressions(self.training)
        self.bayesian = self._bayesian(rng)
        weights = BlendWeights(0.4, neighbours=0.5)
        self.ensemble = TrainedEnsemble.of(self.dual, self.bayesian, weights, ratings=self.training)
        self.autorec = self.autorec_of("item", rng)

    def _draw(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        return rng.normal(scale=0.1, size=shape).astype(np.float32)

    def _weights(self, rng: np.random.Generator) -> DualWeights:
        users, items = self.training.num_users, self.training.num_items
        return DualWeights(
            self._draw(rng, items, 3),
            self._draw(rng, items, 3),
            self._draw(rng, users, 3),
            self._draw(rng, users, 3),
            *(self._draw(rng, 3) for _ in range(4)),
        )

    def _bayesian(self, rng: np.random.Generator) -> TrainedBayesian:
        counts = self.training.num_users, self.training.num_items
        rows = [self._draw(rng, count, 3) for count in counts]
        priors = [
            RowPrior(
                self._draw(rng, 3),
                self._draw(rng, count, 3),
                np.eye(3, dtype=np.float32),
                np.array(9.0),
                self._draw(rng, 3),
            )
            for count in reversed(counts)
        ]
        row_weights = [rng.uniform(0.5, 1.5, count).astype(np.float32) for count in counts]
        return TrainedBayesian.assembled(self.biases.mean, self.training.scale, rows, priors, row_weights, 1.2)

    def autorec_of(self, rows: str, rng: np.random.Generator) -> TrainedAutorec:
        settings = AutorecSettings(rows, (4,), "tanh", 0.0, 0.0, 0.0, True, 0, 5.0, "csr")
        columns = self.training.num_users if settings.rows == "item" else self.training.num_items
        weights = AutorecWeights(
            (self._draw(rng, columns, 4),), (self._draw(rng, 4),), self._draw(rng, columns, 4), self._draw(rng, columns)
        )
        return TrainedAutorec.from_weights(weights, self.training, self.biases, settings)

    @cached_property
    def stars(self) -> StarModel:
        ratings, cells = self.training, slice(0, 200)
        held_out = ratings.user_index[cells], ratings.item_index[cells], ratings.values[cells]
        return StarModel.fit(self.dual.predict(*held_out[:2]), *held_out, ratings)

    def bundle(self, kind: str = "ensemble", *, keep_ratings: bool = True) -> Bundle:
        model: TrainedModel = getattr(self, kind)
        ratings, stars = self.training, self.stars
        if not keep_ratings:
            stars = StarModel.from_arrays(stars.to_arrays(), stars.scale)
        return Bundle(
            model,
            fit_baselines(ratings, 5.0),
            ratings.user_ids,
            ratings.item_ids,
            ratings.user_counts,
            ratings.item_counts,
            ratings if keep_ratings else None,
            Catalogue.empty(ratings.item_ids),
            METADATA,
            stars,
        )


@pytest.fixture(scope="module")
def case(planted: Ratings) -> Case:
    return Case(planted)


def by_hand(model: TrainedModel, users: np.ndarray, new: Ratings, columns: np.ndarray) -> np.ndarray:
    return model.predict(users, columns, encoded_items=model.fold_in_items(new))


@pytest.mark.parametrize("kind", KINDS)
def test_new_items_are_predicted_as_folded_in_ones_and_nothing_else_moves(kind: str, case: Case) -> None:
    bundle = case.bundle(kind)
    extended, added = with_new_items(bundle, case.new)
    new = in_user_vocabulary(case.new, bundle.user_ids)
    assert added == AddedItems("", new.num_items, len(new), 0, 0, 0, 0, 0)
    assert extended.item_ids.tolist() == sorted([*bundle.item_ids.tolist(), *case.new.item_ids.tolist()])
    one, other = Recommender(bundle), Recommender(extended)
    users, columns = case.rng.integers(-1, new.num_users, 3000), case.rng.integers(0, new.num_items, 3000)
    ids = case.new.item_ids[columns]
    new_columns = other.locate_items(ids)
    pairs = [
        (bundle.model, extended.model),
        *((bundle.baselines[name], extended.baselines[name]) for name in ("global_mean", "item_mean", "damped_bias")),
    ]
    old = case.rng.integers(-1, len(bundle.item_ids), 3000)
    moved = np.where(old < 0, -1, other.locate_items(bundle.item_ids[old]))
    for before, after in pairs:
        wanted = by_hand(before, users, new, columns)
        np.testing.assert_allclose(after.predict(users, new_columns), wanted, atol=2e-6)
        assert (after.predict(users, moved) == before.predict(users, old)).all()
    known = bundle.user_ids[np.maximum(users, 0)]
    plain, wide = (each.predict_distribution(known, bundle.item_ids[old]) for each in (one, other))
    np.testing.assert_allclose(wide.probabilities, plain.probabilities, atol=1e-6)
    chances = other.predict_distribution(known, ids)
    np.testing.assert_allclose(chances.probabilities.sum(axis=1), 1)
    low, high = chances.interval()
    assert (low < high).all()


def test_item_mean_and_counts_by_hand(case: Case) -> None:
    bundle = case.bundle("dual")
    item, user = int(case.new.item_ids[0]), bundle.user_ids
    two = Ratings.from_columns([user[3], user[0]], [item, item], [2.0, 5.0], scale=bundle.model.scale)
    extended, _ = with_new_items(bundle, two)
    recommender = Recommender(extended)
    column = int(recommender.locate_items([item])[0])
    model = extended.baselines["item_mean"]
    assert model.predict(np.array([0]), np.array([column])) == pytest.approx([3.5])
    damped, old = extended.baselines["damped_bias"], bundle.baselines["damped_bias"]
    rest = np.array([5.0, 2.0]) - old.mean - old.users.offset[[0, 3]]
    assert damped.items.offset[column] == pytest.approx(rest.sum() / (2 + 5), abs=1e-6)
    assert extended.item_counts[column] == 2
    assert (extended.user_counts - bundle.user_counts).tolist() == [1, 0, 0, 1] + [0] * (len(user) - 4)
    assert extended.ratings is not None and bundle.ratings is not None
    assert len(extended.ratings) == len(bundle.ratings) + 2
    assert extended.ratings.values[extended.ratings.row(3)][
        extended.ratings.item_index[extended.ratings.row(3)] == column
    ] == pytest.approx([2.0])
    assert extended.star_model is not None
    counts = extended.star_model.items.counts[column]
    assert dict(zip(extended.star_model.values[counts > 0].tolist(), counts[counts > 0], strict=True)) == {
        2.0: 1,
        5.0: 1,
    }


@pytest.mark.parametrize("kind", ["dual", "fast", "bayesian", "ensemble"])
def test_ratings_of_a_new_item_are_read(kind: str, case: Case) -> None:
    extended, _ = with_new_items(case.bundle(kind), case.new)
    recommender, scale = Recommender(extended), case.training.scale
    item = case.new.item_ids[0]
    low, high = (
        recommender.encode(Ratings.from_columns([0], [item], [stars], scale=scale))
        for stars in (scale.minimum, scale.maximum)
    )
    assert high.offset[0] > low.offset[0] + 0.05
    if kind != "dual":  # through what is known of the item, also taste
        assert np.abs(high.latent - low.latent).max() > 1e-3


def test_new_people_and_new_items_by_hand(case: Case) -> None:
    """The weight of the dual autoencoder is less by n / (n + 20), by the person's ratings and by the item's."""
    extended, _ = with_new_items(case.bundle(), case.new)
    model = extended.model
    assert isinstance(model, TrainedEnsemble)
    items = np.array([[3, 17, 18, 40, 77], [5, 17, 19, 41, 78]])
    stars = np.float32([[1, 5, 4, 2, 3], [3.5, 4, 5, 2, 1]])
    people = Ratings(
        np.repeat(np.arange(2, dtype=np.int32), 5),
        items.ravel().astype(np.int32),
        stars.ravel(),
        np.arange(2),
        extended.item_ids,
        model.scale,
    )
    users, columns = np.repeat([0, 1], len(extended.item_ids)), np.tile(np.arange(len(extended.item_ids)), 2)
    average = model.with_corrections(neighbours=0.0)
    found = average.reconstruct(users, columns, encoded_users=average.fold_in(people))
    one, other = (
        each.reconstruct(users, columns, encoded_users=each.fold_in(people)) for each in (model.dual, model.bayesian)
    )
    is_new = np.isin(extended.item_ids, case.new.item_ids)
    counts = extended.item_counts
    weight = np.where(is_new, counts / (counts + 20), 1.0)[columns] * 0.4 * 5 / 25
    np.testing.assert_allclose(found, other + weight * (one - other), atol=2e-6)


def test_the_ratings_of_an_item_alone_decide(case: Case) -> None:
    bundle = case.bundle()
    first = case.new.item_ids[0]
    alone, _ = with_new_items(bundle, case.new.take(case.new.item_index == 0))
    together, _ = with_new_items(bundle, case.new)
    moved = replace(case.new, values=np.where(case.new.item_index == 0, case.new.values, case.new.values[0]))
    others, _ = with_new_items(bundle, moved)
    twice, _ = with_new_items(alone, case.new)  # the first is known by then, and left as it is
    users = bundle.user_ids
    predicted = [
        Recommender(one).predict(users, np.full(len(users), first)) for one in (alone, together, others, twice)
    ]
    for one in predicted[1:]:
        np.testing.assert_allclose(one, predicted[0], atol=1e-6)
    reverse, _ = with_new_items(bundle, replace(moved, values=case.new.scale.maximum + 1 - moved.values))
    assert np.abs(Recommender(reverse).predict(users, np.full(len(users), first)) - predicted[0]).max() > 0.05
    pairs = users[:50], case.new.item_ids[np.arange(50) % case.new.num_items]
    np.testing.assert_allclose(Recommender(twice).predict(*pairs), Recommender(together).predict(*pairs), atol=1e-6)


def saved(bundle: Bundle, run: Path) -> Path:
    save_bundle(bundle, run / "bundle", card="# card")
    return run


def written(path: Path, rows: list[tuple[object, ...]], header: str = "userId,movieId,rating,title,genres") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_file_to_another_run(kind: str, case: Case, tmp_path: Path) -> None:
    bundle = case.bundle(kind)
    run, users, items = saved(bundle, tmp_path / "run"), bundle.user_ids, case.new.item_ids
    before = digests(run)
    rows = [
        (users[0], items[0], 4, '"Long Night, The (2031)"', "Drama|War"),
        (users[1], items[0], 3, "", ""),
        (users[2], items[2], 5, "Short Day (2030)", "Comedy"),
        (users[0], bundle.item_ids[0], 1, "Old (1950)", "Drama"),
        (99_999, items[0], 5, "", ""),
        (99_998, items[1], 5, "Nobody's (2029)", ""),
    ]
    rows[1] = (*rows[1][:3], *rows[0][3:])
    rows[4] = (*rows[4][:3], *rows[0][3:])
    path = written(tmp_path / "new.csv", rows)
    added = add_items(run, path, tmp_path / "more")
    assert added == AddedItems(str(tmp_path / "more"), 2, 3, 1, 1, 2, 2, 1)
    assert added.to_dict()["num_items"] == 2
    assert added.lines() == [
        "Added      2 new movies from 3 ratings",
        "Left out   1 rating of 1 movie that the model already has",
        "Left out   2 ratings by 2 people whom the model does not know",
        "Left out   1 new movie that only such people rated",
        f"Saved      {tmp_path / 'more'}",
    ]
    assert digests(run) == before
    recommender = Recommender.load(tmp_path / "more")
    assert recommender.catalogue.label(items[0]) == "The Long Night (2031)"
    assert recommender.catalogue.genres_of(items[0]) == ("Drama", "War")
    assert recommender.catalogue.title(bundle.item_ids[0]) == ""  # as it was
    assert (recommender.catalogue.item_ids == recommender.item_ids).all()
    extension = recommender.metadata["extensions"][0]
    assert (extension["path"], extension["num_items"], extension["num_ratings"]) == (str(path), 2, 3)
    new = Ratings.from_columns(users[[0, 1, 2]], items[[0, 0, 2]], [4, 3, 5], scale=bundle.model.scale)
    wanted = by_hand(bundle.model, np.arange(50), in_user_vocabulary(new, users), np.arange(50) % 2)
    found = recommender.predict(users[:50], items[[0, 2]][np.arange(50) % 2])
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert "2 movies were added" in (tmp_path / "more" / "bundle" / "README.md").read_text(encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"movies were added .* no test part of its own.*--ratings FILE"):
        evaluate(tmp_path / "more")
    again = add_items(
        tmp_path / "more", written(tmp_path / "one.csv", [(users[0], 5_000, 4, "Last", "")]), tmp_path / "3"
    )
    assert again.num_items == 1
    third = Recommender.load(tmp_path / "3")
    assert (third.predict(users[:50], items[[0, 2]][np.arange(50) % 2]) == found).all()
    assert [one["num_items"] for one in third.metadata["extensions"]] == [2, 1]


def test_ids_that_are_text_and_a_bundle_without_ratings(case: Case, tmp_path: Path) -> None:
    bundle = case.bundle(keep_ratings=False)
    names = np.array([f"m{item:05d}" for item in bundle.item_ids.tolist()])
    bundle = replace(bundle, item_ids=names, catalogue=Catalogue.empty(names))
    run = saved(bundle, tmp_path / "run")
    add_items(
        run, written(tmp_path / "a.csv", [(bundle.user_ids[0], "m00000a-longer-one", 4, "New", "")]), tmp_path / "2"
    )
    extended = load_bundle(tmp_path / "2" / "bundle")
    assert extended.ratings is None and len(extended.item_ids) == len(names) + 1
    assert extended.item_ids.tolist() == sorted(extended.item_ids.tolist())
    add_items(run, written(tmp_path / "b.csv", [(bundle.user_ids[0], 17, 4, "New", "")]), tmp_path / "3")
    assert "17" in load_bundle(tmp_path / "3" / "bundle").item_ids


def test_titles_of_the_bundle_stay_and_those_of_new_items_are_read(case: Case) -> None:
    bundle = case.bundle()
    first, second = case.new.item_ids[:2].tolist()
    everything = sorted([*bundle.item_ids.tolist(), first, second])  # held-out items have titles, too
    titles = Catalogue.from_rows([str(one) for one in everything], [f"Film {one} (1999)" for one in everything])
    read = Catalogue.from_rows([str(first), "77777"], ["Better (2001)", "Else"])
    extended, _ = with_new_items(replace(bundle, catalogue=titles), case.new, read)
    known = extended.catalogue
    assert (known.label(first), known.label(second)) == ("Better (2001)", f"Film {second} (1999)")
    assert known.label(bundle.item_ids[0]) == f"Film {bundle.item_ids[0]} (1999)"
    assert (known.item_ids == extended.item_ids).all()


def test_misuse_is_refused(case: Case, tmp_path: Path) -> None:
    bundle = case.bundle()
    run, user, scale = saved(bundle, tmp_path / "run"), bundle.user_ids[0], bundle.model.scale
    good = written(tmp_path / "good.csv", [(user, 5_000, 4, "New", "")])
    with pytest.raises(AddItemsError, match=r"folder of its own\. Give another --out"):
        add_items(run, good, tmp_path / "here" / ".." / "run")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "split.npz").touch()
    with pytest.raises(AddItemsError, match=r"trained: this folder holds a trained run"):
        add_items(run, good, tmp_path / "trained")
    with pytest.raises(BundleError, match="no trained model here"):
        add_items(tmp_path / "nothing", good, tmp_path / "out")
    wrong: list[tuple[tuple[object, ...], type[Exception], str]] = [
        ((user, bundle.item_ids[0], 4, "Old", ""), AddItemsError, r"wrong.csv: the model knows all of its 1 movie"),
        ((99_999, 5_000, 4, "New", ""), AddItemsError, r"wrong.csv: none of its 1 rating of new movies is by a person"),
        ((user, "tt5", 4, "New", ""), AddItemsError, r"text, such as 'tt5', and the model's are integers, such as \d"),
        ((user, 5_000, scale.maximum + 1, "New", ""), SourceError, r"wrong.csv:2: .*"),
    ]
    for row, error, message in wrong:
        with pytest.raises(error, match=message):
            add_items(run, written(tmp_path / "wrong.csv", [row]), tmp_path / "out")
    (pairs := tmp_path / "pairs.csv").write_text(f"user,item\n{user},5000\n")
    with pytest.raises(AddItemsError, match=r"pairs.csv: these are pairs of user and item without ratings"):
        add_items(run, pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    user_rows = case.autorec_of("user", np.random.default_rng(0))
    with pytest.raises(ValueError, match="none for a new item"):
        with_new_items(replace(bundle, model=user_rows), case.new)


def test_merge_by_hand() -> None:
    ids, merge = Merge.of(np.array([2, 5, 9]), np.array([1, 7]))
    assert (ids.tolist(), merge.old.tolist(), merge.new.tolist(), len(merge)) == ([1, 2, 5, 7, 9], [1, 2, 4], [0, 3], 5)
    assert merge.rows(np.array([20, 50, 90]), [10, 70]).tolist() == [10, 20, 50, 70, 90]
    assert merge.rows_and_unknown(np.array([20, 50, 90, -1]), 0).tolist() == [0, 20, 50, 0, 90, -1]
