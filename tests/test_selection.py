"""The selection model on choices of known origin: it finds how far chosen ratings lie above random ones, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate import Selection, generate_all
from small_models import small_dual

from movie_autoencoder.bundle import Bundle, load_bundle, save_bundle
from movie_autoencoder.choice import SelectionModel, fit_selection
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import HeldOut, split_ratings
from movie_autoencoder.models.baselines import DampedBias, damped_bias
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.recommend import Recommender, RecommenderError

NUM_USERS, NUM_ITEMS = 500, 300
SCALE = Scale(0, 20, 0.5)


@dataclass(frozen=True, eq=False)
class Known(DampedBias):
    """A model whose prediction of every cell is given: shape ``(num_users, num_items)``."""

    table: Any = None

    def reconstruct(self, users: Any, items: Any, **_: Any) -> Any:
        return self.table[users, items]


@dataclass(frozen=True, eq=False)
class World:
    """Planted opinions, choices by them, and the posterior mean of the opinions of chosen cells.

    Args:
        model: predicts the opinions of chosen cells, and of training cells what their rating makes of it.
        validation: the held-out choices, beside the training ratings.
        opinions: of every cell.
        chosen: whether a cell was chosen.
    """

    model: Known
    validation: Validation
    opinions: Any
    chosen: Any

    def fit(self) -> SelectionModel:
        found = fit_selection(self.model, damped_bias(self.validation.training, 5.0), self.validation)
        assert found is not None
        return found


def world(slope: float, *, variance: float = 0.4, noise: float = 0.6, too_high: float = 0.0, seed: int = 0) -> World:
    """Cells are chosen with a probability proportional to exp(slope * opinion).

    Opinions are a part that the model knows and a part with the given variance that it does not. Predictions of items
    with less than eight training ratings are too high by so much.
    """
    rng = np.random.default_rng(seed)
    shape = NUM_USERS, NUM_ITEMS
    known = 10 + rng.normal(0, 0.5, (NUM_USERS, 3)) @ rng.normal(0, 0.7, (3, NUM_ITEMS))
    opinions = known + rng.normal(0, np.sqrt(variance), shape)
    chance = np.exp(slope * (opinions - 10)) * rng.lognormal(0, 0.8, (NUM_USERS, 1)) * rng.lognormal(0, 1, NUM_ITEMS)
    chosen = rng.random(shape) < np.minimum(chance / chance.mean() * 0.08, 1)
    users, items = np.nonzero(chosen)
    values = np.clip(opinions[users, items] + rng.normal(0, np.sqrt(noise), len(users)), 0, 20)
    held_out = rng.random(len(users)) < 0.4
    training = Ratings.from_columns(users[~held_out], items[~held_out], values[~held_out], scale=SCALE)
    kept = np.ix_(training.user_ids, training.item_ids)
    known, opinions, chosen = known[kept], opinions[kept], chosen[kept]
    held_out &= np.isin(users, training.user_ids) & np.isin(items, training.item_ids)
    table = known + slope * variance + too_high * (training.item_counts < 8)
    cells = training.user_index, training.item_index
    table[cells] += variance / (variance + noise) * (training.values - table[cells])
    biases = damped_bias(training, 5.0)
    model = Known(biases.mean, SCALE, biases.users, biases.items, biases.damping, table=table)
    validation = Validation(training, HeldOut(users[held_out], items[held_out], values[held_out].astype(np.float32)))
    return World(model, validation, opinions, chosen)


@pytest.mark.parametrize("slope", [-1.0, 0.7, 1.5])
def test_finds_planted_selection(slope: float) -> None:
    made = world(slope)
    found = made.fit()
    assert found.slope.value == pytest.approx(slope, abs=0.25)
    counts = made.validation.training.item_counts
    assert found.corrections(counts).mean() == pytest.approx(slope * 0.4, abs=0.12)
    errors = np.where(made.chosen, np.nan, made.model.table - made.opinions)
    assert abs(np.nanmean(errors)) > 0.2
    assert abs(np.nanmean(errors - found.corrections(counts))) < 0.12


@pytest.mark.parametrize("seed", range(3))
def test_finds_nothing_without_selection(seed: int) -> None:
    made = world(0.0, seed=seed)
    assert np.abs(made.fit().corrections(made.validation.training.item_counts)).max() < 0.05


def test_nothing_unknown_leaves_nothing_to_correct() -> None:
    made = world(1.5, variance=0.0)
    assert np.abs(made.fit().corrections(made.validation.training.item_counts)).mean() < 0.1


def test_predictions_of_rare_items_that_are_too_high_are_lowered() -> None:
    plain, high = (world(0.0, too_high=one).fit() for one in (0.0, 1.0))
    rare, common = np.array([2, 4, 6]), np.array([60, 90])
    assert (high.corrections(rare) - plain.corrections(rare) > 0.4).all()
    assert np.abs(high.corrections(common)).max() < 0.1


def test_needs_a_validation_part() -> None:
    made = world(1.0)
    biases = damped_bias(made.validation.training, 5.0)
    few = HeldOut(np.arange(3), np.arange(3), np.full(3, 9, np.float32))
    assert fit_selection(made.model, biases, None) is None
    assert fit_selection(made.model, biases, Validation(made.validation.training, few)) is None


def test_arrays_make_the_same_model() -> None:
    found = world(1.0).fit()
    counts = np.arange(300)
    again = SelectionModel.from_arrays(found.to_arrays())
    assert again.corrections(counts).tolist() == found.corrections(counts).tolist()
    assert again.metadata(counts) == found.metadata(counts)


def test_people_who_were_not_trained_on() -> None:
    """A split by user: the slope is that of the people who are folded in."""
    made = generate_all(20_000, 400, 250, selection=Selection("affinity", 0.8), seed=1)
    split = split_ratings(made.ratings, by="user", test_fraction=0.0, validation_fraction=0.3, seed=0)
    training = split.training_ratings
    validation = Validation(training, split.held_out("validation"))
    model = small_dual(training, epochs=40).with_regressions(training)
    found = fit_selection(model, damped_bias(training, 5.0), validation)
    assert found is not None and found.slope.value > 4 * found.slope.error
    assert found.corrections(training.item_counts).mean() > 0.05


@pytest.mark.parametrize(("selection", "least", "most"), [("none", -0.03, 0.03), ("affinity", 0.1, 1.0)])
def test_random_cells_of_generated_ratings(selection: Any, least: float, most: float) -> None:
    """With selection by affinity, predictions come closer to ratings of random cells; without, nothing changes."""
    strength = 0.0 if selection == "none" else 0.8
    made = generate_all(20_000, 400, 250, num_unrated=5000, selection=Selection(selection, strength), seed=1)
    split = split_ratings(made.ratings, test_fraction=0.0, validation_fraction=0.1, seed=0)
    training = split.training_ratings
    model = small_dual(training, epochs=60)
    validation = Validation(training, split.held_out("validation"))
    found = fit_selection(model, damped_bias(training, 5.0), validation)
    assert found is not None and made.unrated is not None
    assert least < found.corrections(training.item_counts).mean() < most
    unrated = made.unrated
    users = training.locate_users(unrated.user_ids[unrated.user_index])
    items = training.locate_items(unrated.item_ids[unrated.item_index])
    raw = model.reconstruct(users, items)
    corrected = raw - found.corrections(np.append(training.item_counts, 0)[items])
    before, after = (np.sqrt(np.mean(np.square(unrated.scale.clip(one) - unrated.values))) for one in (raw, corrected))
    assert after < before - 0.03 if strength else after == pytest.approx(before, abs=0.003)


def test_selection_matters_and_survives_saving(tastes: Bundle, taste_run: Path) -> None:
    recommender, saved = Recommender(tastes), Recommender.load(taste_run)
    users, items = recommender.user_ids[:20], recommender.item_ids[:20]
    chosen, random = (recommender.predict(users, items, selection=one) for one in ("chosen", "random"))
    assert recommender.predict(users, items).tolist() == chosen.tolist()
    inside = (random > tastes.model.scale.minimum) & (chosen < tastes.model.scale.maximum)
    assert tastes.selection is not None and inside.sum() > 10
    corrections = tastes.selection.corrections(tastes.item_counts[:20])
    assert (chosen - random)[inside] == pytest.approx(corrections[inside])
    assert saved.predict(users, items, selection="random").tolist() == random.tolist()
    mine = {int(item): 4.0 for item in recommender.item_ids[:5]}
    asked = recommender.item_ids[30:40].tolist()
    one, other = (recommender.predict_items(mine, asked, selection=how) for how in ("chosen", "random"))
    assert [a.stars for a in one] != [b.stars for b in other]
    assert [b.stars for b in other] == pytest.approx(recommender.predict_person(mine, asked, selection="random")[0])
    means = [recommender.predict_distribution(users, items, selection=how).mean for how in ("chosen", "random")]
    assert np.sign(means[0].mean() - means[1].mean()) == np.sign(corrections.mean())


def test_bundles_without_a_selection_model_predict_as_chosen_only(tastes: Bundle, tmp_path: Path) -> None:
    save_bundle(replace(tastes, selection=None), tmp_path / "bundle", card="a card")
    assert not (tmp_path / "bundle" / "selection.npz").exists()
    bundle = load_bundle(tmp_path / "bundle")
    recommender, users, items = Recommender(bundle), tastes.user_ids[:3], tastes.item_ids[:3]
    assert bundle.selection is None
    assert recommender.predict(users, items).tolist() == Recommender(tastes).predict(users, items).tolist()
    with pytest.raises(RecommenderError, match="predicts ratings of chosen items only.*--validation-fraction"):
        recommender.predict(users, items, selection="random")
    with pytest.raises(RecommenderError, match="selection must be one of chosen, random. Received: 'all'"):
        recommender.predict(users, items, selection="all")  # type: ignore[arg-type]
