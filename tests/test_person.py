"""One person encoded: equal to what folding many in gives, and made of shares that add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import NewPerson, fold_in_people, new_person, small_ensemble

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.autorec.settings import AutorecSettings
from movie_autoencoder.models.autorec.trained import AutorecWeights, TrainedAutorec
from movie_autoencoder.models.base import Merge, TrainedModel, in_user_vocabulary
from movie_autoencoder.models.baselines import BiasSolver, damped_bias
from movie_autoencoder.models.person import EncodedPerson, FoldInPersonEncoder, Shares

LINEAR = ["dual", "dual with regressions", "bayesian", "ensemble without neighbours", "ensemble"]
KINDS = [*LINEAR, "autorec", "biases"]
SIZES = [(0, 0), (1, 0), (12, 0), (12, 5), (0, 4), (60, 0)]  # numbers of rated and of seen items


def random_autorec(ratings: Ratings, seed: int = 0) -> TrainedAutorec:
    """A classic autoencoder of user rows with random weights."""
    rng = np.random.default_rng(seed)
    settings = AutorecSettings("user", (6,), "tanh", 0.0, 0.0, 1.0, True, 0, 5.0, "auto")
    weights = AutorecWeights(
        (rng.normal(0, 0.05, (ratings.num_items, 6)).astype(np.float32),),
        (rng.normal(0, 0.1, 6).astype(np.float32),),
        rng.normal(0, 0.3, (ratings.num_items, 6)).astype(np.float32),
        rng.normal(0, 0.1, ratings.num_items).astype(np.float32),
    )
    return TrainedAutorec.from_weights(weights, ratings, BiasSolver(ratings, 5.0).solve(), settings)


@pytest.fixture(scope="module")
def models(planted: Ratings) -> dict[str, TrainedModel]:
    ensemble = small_ensemble(planted, epochs=30)
    return {
        "dual": ensemble.dual,
        "dual with regressions": ensemble.dual.with_regressions(planted),
        "bayesian": ensemble.bayesian,
        "ensemble without neighbours": ensemble.with_corrections(neighbours=0.0),
        "ensemble": ensemble,
        "autorec": random_autorec(planted),
        "biases": damped_bias(planted, 5.0),
    }


def encoded(model: TrainedModel, person: NewPerson) -> EncodedPerson:
    return model.person_encoder().encode(person.items, person.ratings, person.seen)


def folded_in(model: TrainedModel, ratings: Ratings, people: list[NewPerson], items: np.ndarray) -> np.ndarray:
    """Raw predictions of items for people who are folded in all at once, shape ``(num_people, len(items))``."""
    side = fold_in_people(model, ratings, people)
    u, i = np.repeat(np.arange(len(people)), len(items)), np.tile(items, len(people))
    return model.reconstruct(u, i, encoded_users=side).reshape(len(people), -1)


def shares_of(person: EncodedPerson, items: np.ndarray) -> Shares:
    shares = person.shares(items)
    assert shares is not None
    return shares


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None, derandomize=True)
@example(SIZES, 0)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=5), st.integers(0, 10_000))
def test_one_person_encoded_equals_many_folded_in(
    models: dict[str, TrainedModel], planted: Ratings, kind: str, sizes: list[tuple[int, int]], seed: int
) -> None:
    """Also in another order of ratings; and shares, where a model has them, add up to the same numbers."""
    model, items = models[kind], np.arange(planted.num_items)
    people = [new_person(planted.num_items, *size, seed=seed + row) for row, size in enumerate(sizes)]
    together = folded_in(model, planted, people, items)
    backwards = folded_in(model, planted, people[::-1], items)
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)
    for person, expected in zip(people, together, strict=True):
        alone = encoded(model, person)
        found = alone.reconstruct(items)
        np.testing.assert_allclose(found, expected, atol=3e-5)
        turned = NewPerson(person.items[::-1], person.ratings[::-1], person.seen[::-1])
        np.testing.assert_allclose(encoded(model, turned).reconstruct(items), found, atol=2e-6)
        shares = alone.shares(items)
        assert (shares is not None) == (kind in LINEAR)
        if shares is not None:
            count, num_chosen = len(person.items), len(person.items) + len(person.seen)
            assert shares.residuals.shape == (count, len(items)) and shares.implicit.shape == (num_chosen, len(items))
            np.testing.assert_allclose(shares.total(), found, atol=1e-5)
            np.testing.assert_allclose(shares.total(), expected, atol=3e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_items_by_name_and_as_a_slice_have_the_same_predictions(
    models: dict[str, TrainedModel], planted: Ratings, kind: str
) -> None:
    """A model with a neighbour correction leaves it out where all items are predicted."""
    person = encoded(models[kind], new_person(planted.num_items, 12))
    everything = np.arange(planted.num_items)
    corrects = kind == "ensemble"
    assert person.has_neighbours() is corrects
    assert bool(np.abs(person.reconstruct() - person.reconstruct(everything)).max() > 1e-3) is corrects
    some = np.array([50, 3, 119])
    np.testing.assert_allclose(person.reconstruct(some), person.reconstruct(everything)[some], atol=1e-6)
    np.testing.assert_allclose(person.reconstruct(slice(5, 20)), person.reconstruct()[5:20], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_general_encoder_equals_that_of_the_model(
    models: dict[str, TrainedModel], planted: Ratings, kind: str
) -> None:
    model, items = models[kind], np.arange(planted.num_items)
    for size in SIZES:
        person = new_person(planted.num_items, *size)
        general = FoldInPersonEncoder(model).encode(person.items, person.ratings, person.seen)
        np.testing.assert_allclose(general.reconstruct(items), encoded(model, person).reconstruct(items), atol=3e-5)
        assert general.shares(items) is None and not general.has_neighbours()


def test_nobody_has_neighbours_without_ratings(models: dict[str, TrainedModel], planted: Ratings) -> None:
    nobody = encoded(models["ensemble"], new_person(planted.num_items, 0, 4))
    assert not nobody.has_neighbours()


@pytest.fixture(scope="module")
def extended(planted: Ratings) -> dict[str, TrainedModel]:
    """Models to which every ninth item was added after training."""
    late = planted.item_index % 9 == 4
    before = planted.take(~late)
    ensemble = small_ensemble(before)
    new = in_user_vocabulary(planted.take(late & (planted.user_index % 2 == 0)), planted.user_ids)
    _, merge = Merge.of(before.item_ids, new.item_ids)
    assert len(merge) == planted.num_items
    models = {
        "dual": ensemble.dual,
        "dual with regressions": ensemble.dual.with_regressions(before),
        "bayesian": ensemble.bayesian,
        "ensemble": ensemble,
    }
    return {kind: model.with_items(new, merge) for kind, model in models.items()}


@pytest.mark.parametrize("kind", ["dual", "dual with regressions", "bayesian", "ensemble"])
def test_items_that_were_added_are_read_and_explained_too(
    extended: dict[str, TrainedModel], planted: Ratings, kind: str
) -> None:
    model, person = extended[kind], new_person(planted.num_items, 20, 7)
    items = np.arange(planted.num_items)
    expected = folded_in(model, planted, [person], items)[0]
    found = encoded(model, person)
    np.testing.assert_allclose(found.reconstruct(items), expected, atol=2e-5)
    np.testing.assert_allclose(shares_of(found, items).total(), expected, atol=2e-5)
    if kind == "ensemble":
        straight = model.members()["ensemble without neighbours"]
        plain = folded_in(straight, planted, [person], items)[0]
        np.testing.assert_allclose(encoded(straight, person).reconstruct(), plain, atol=2e-5)
        assert np.abs(plain - expected).max() > 1e-3


def test_shares_of_residuals_are_linear_in_the_ratings(models: dict[str, TrainedModel], planted: Ratings) -> None:
    """One more point adds the same to the dual autoencoder's reconstruction from 1 to 2 as from 4 to 5."""
    person, items = new_person(planted.num_items, 9), np.array([100])
    found = []
    for value in (1.0, 2.0, 4.0, 5.0):
        ratings = person.ratings.copy()
        ratings[4] = value
        found.append(shares_of(encoded(models["dual"], NewPerson(person.items, ratings, person.seen)), items))
    totals = [shares.total()[0] for shares in found]
    assert totals[1] - totals[0] == pytest.approx(totals[3] - totals[2], abs=1e-6)
    assert abs(totals[1] - totals[0]) > 1e-3
    for shares in found[1:]:  # the choice of items says the same whatever their ratings
        assert shares.base == pytest.approx(found[0].base) and shares.implicit == pytest.approx(found[0].implicit)


def test_blended_shares_are_the_weighted_mean() -> None:
    one, other = (Shares(np.full(2, base), np.full((3, 2), base), np.full((4, 2), base)) for base in (1.0, 3.0))
    mean = one.blended(other, np.array([0.25, 1.0]))
    for part, rows in ((mean.base, 1), (mean.residuals, 3), (mean.implicit, 4)):
        assert part.reshape(rows, 2).tolist() == [[2.5, 1.0]] * rows
    assert mean.total().tolist() == [2.5 * 8, 8.0]
