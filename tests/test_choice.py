"""The choice model: closed forms by hand, planted structure, calibration, new people and items, and its lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from movie_autoencoder.choice import ChoiceModel, fit_choice, rank_values, with_new_choices
from movie_autoencoder.choice.linear import LinearAutoencoder, LinearSettings
from movie_autoencoder.choice.model import Calibration
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.scale import Scale
from movie_autoencoder.models.base import Merge
from movie_autoencoder.models.baselines import fit_baselines


def choices(num_users: int, num_items: int, seed: int = 0, density: float = 0.2) -> sparse.csr_array:
    """Random choices; everybody has at least one."""
    rng = np.random.default_rng(seed)
    table = rng.random((num_users, num_items)) < density
    table[np.arange(num_users), rng.integers(num_items, size=num_users)] = True
    return sparse.csr_array(table.astype(np.float32))


def two_worlds(num_users: int = 120, num_items: int = 40, seed: int = 0) -> Ratings:
    """People of two kinds; each chooses a third of the items of their own half of the catalogue, and few others."""
    rng = np.random.default_rng(seed)
    own = (np.arange(num_users)[:, None] % 2) == (np.arange(num_items) % 2)
    chosen = rng.random((num_users, num_items)) < np.where(own, 0.4, 0.03)
    chosen[:, :2] |= own[:, :2]
    rows, columns = np.nonzero(chosen)
    return Ratings.from_columns(rows, columns, rng.integers(1, 6, len(rows)), scale=Scale(1, 5, 1))


def closed_form(table: npt.NDArray[np.float64], one: LinearSettings) -> npt.NDArray[np.float64]:
    """W of the module's docstring, with NumPy's inverse."""
    gamma = table.sum(axis=0) * one.dropout / (1 - one.dropout) + one.l2
    inverse = np.linalg.inv(table.T @ table + np.diag(gamma))
    weights = -inverse * np.maximum((1 - one.relaxation) / inverse.diagonal(), gamma)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("shape", [(60, 25), (25, 60)])
def test_the_linear_autoencoder_is_the_closed_form(shape: tuple[int, int]) -> None:
    chosen, one = choices(*shape), LinearSettings(l2=3.0, dropout=0.3, relaxation=0.2)
    weights = closed_form(chosen.toarray().astype(np.float64), one)
    model = LinearAutoencoder.fit(chosen, one)
    unseen = chosen.toarray() == 0
    expected = chosen.toarray() @ weights
    np.testing.assert_allclose(model.scores(chosen)[unseen], expected[unseen], rtol=5e-3, atol=1e-3)


def test_without_dropout_and_relaxation_it_is_ease() -> None:
    chosen = choices(50, 12)
    table = chosen.toarray().astype(np.float64)
    inverse = np.linalg.inv(table.T @ table + 2 * np.eye(12))
    ease = -inverse / inverse.diagonal()
    np.fill_diagonal(ease, 0)
    np.testing.assert_allclose(closed_form(table, LinearSettings(2.0, 0.0, 0.0)), ease, atol=1e-12)


def test_dense_weights_and_factors_rank_alike() -> None:
    chosen = choices(1300, 1100, density=0.02)
    dense = LinearAutoencoder.fit(chosen, LinearSettings(l2=5.0))
    factors = LinearAutoencoder.fit(chosen, LinearSettings(l2=5.0), max_dense_items=0, num_factors=1100)
    assert dense.weights is not None and factors.factors is not None
    unseen = chosen[:20].toarray() == 0
    one, other = dense.scores(chosen[:20])[unseen], factors.scores(chosen[:20])[unseen]
    np.testing.assert_allclose(one, other, atol=3e-3 * np.abs(one).max())


def test_one_person_is_scored_like_many() -> None:
    chosen = choices(90, 30)
    items = chosen.indices[chosen.indptr[4] : chosen.indptr[5]]
    linear = LinearAutoencoder.fit(chosen, LinearSettings())
    np.testing.assert_allclose(linear.person_scores(items), linear.scores(chosen)[4], atol=1e-5)
    shares = linear.shares(items, np.arange(30))
    unseen = np.setdiff1d(np.arange(30), items)
    np.testing.assert_allclose(shares.sum(axis=0)[unseen], linear.person_scores(items)[unseen], atol=1e-5)


@pytest.fixture(scope="module")
def model() -> ChoiceModel:
    return fit_choice(two_worlds())


def test_planted_worlds_are_found(model: ChoiceModel) -> None:
    scores = model.person_scores(np.array([0, 2, 4]))
    own = scores[6::2].mean()
    assert own > 3 * scores[7::2].mean()


def test_probabilities_are_the_fraction_who_chose_it(model: ChoiceModel) -> None:
    ratings = two_worlds(400, 40, seed=1)
    rng = np.random.default_rng(0)
    hidden = rng.random(len(ratings)) < 0.5
    shown, everything = ratings.to_csr(), ratings.to_csr().toarray() > 0
    kept = sparse.csr_array(
        (np.ones((~hidden).sum(), np.float32), (ratings.user_index[~hidden], ratings.item_index[~hidden])),
        shape=shown.shape,
    )
    unseen = kept.toarray() == 0
    chance = model.probabilities(model.scores_of(kept))[unseen]
    truth = everything[unseen]
    for low, high in ((0.0, 0.1), (0.2, 0.6)):
        inside = (chance >= low) & (chance < high)
        assert inside.sum() > 200
        # half of a person's choices is shown here, a tenth is hidden in the fit: hidden ones are likelier than there
        assert abs(truth[inside].mean() - chance[inside].mean()) < 0.2


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=30, unique=True))
@settings(max_examples=50, deadline=None)
def test_calibration_keeps_the_order(scores: list[float]) -> None:
    calibration = Calibration.fit(np.array([-0.5, 0.0, 0.4]), np.array([900.0, 90, 10]), np.array([9.0, 9, 5]))
    ordered = np.sort(np.array(scores))
    ordered = ordered[np.concatenate([[True], np.diff(ordered) > 1e-6])]
    assert (np.diff(calibration.transform(ordered)) > 0).all()


def test_calibration_by_hand() -> None:
    calibration = Calibration.fit(np.array([0.0, 1.0]), np.array([999.0, 999.0]), np.array([9.5, 499.5]))
    chance = 1 / (1 + np.exp(-calibration.transform(np.array([0.0, 1.0]))))
    np.testing.assert_allclose(chance, [0.01, 0.5], rtol=1e-6)


def test_saved_and_loaded_it_is_the_same(model: ChoiceModel) -> None:
    loaded = ChoiceModel.from_arrays(model.to_arrays())
    chosen = two_worlds().to_csr()
    np.testing.assert_array_equal(loaded.scores_of(chosen), model.scores_of(chosen))
    assert loaded.metadata == model.metadata and loaded.linear.settings == model.linear.settings


def test_seeds_repeat_and_values_of_ratings_do_not_count() -> None:
    ratings = two_worlds()
    other = Ratings.from_columns(ratings.user_index, ratings.item_index, 6 - ratings.values, scale=ratings.scale)
    one, again, reversed_ = (fit_choice(given).scores_of(ratings.to_csr()) for given in (ratings, ratings, other))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, reversed_)


def test_too_little_to_hold_anything_out_still_gives_a_model() -> None:
    ratings = Ratings.from_columns([1, 1, 2, 2, 3], [1, 2, 1, 3, 2], [4, 5, 3, 2, 1])
    chance = fit_choice(ratings).probabilities(fit_choice(ratings).scores_of(ratings.to_csr()))
    assert ((chance > 0) & (chance < 1)).all()


def test_a_new_item_is_close_to_one_that_the_same_people_chose(model: ChoiceModel) -> None:
    ratings = two_worlds()
    fans = np.flatnonzero(ratings.to_csr()[:, [4]].toarray().ravel())
    rng = np.random.default_rng(0)
    fans = np.sort(rng.permutation(fans)[: len(fans) * 3 // 4])
    new = Ratings(
        fans.astype(np.int32),
        np.zeros(len(fans), np.int32),
        np.full(len(fans), 4, np.float32),
        ratings.user_ids,
        np.array([100]),
        ratings.scale,
    )
    ids, merge = Merge.of(ratings.item_ids, new.item_ids)
    extended = with_new_choices(model, new, merge, ratings)
    before, after = model.person_scores(np.array([0, 2])), extended.person_scores(np.array([0, 2]))
    np.testing.assert_allclose(after[merge.old], before, atol=1e-4)
    assert after[merge.new[0]] > np.median(after[1::2][:20])
    chosen_it = extended.person_scores(np.array([merge.new[0]]))
    assert chosen_it[[6, 8, 10]].mean() > chosen_it[[7, 9, 11]].mean()


@pytest.fixture(scope="module")
def rated() -> Ratings:
    return two_worlds(seed=3)


def test_lists_leave_out_what_was_rated_and_balance_lies_between(model: ChoiceModel, rated: Ratings) -> None:
    stars = fit_baselines(rated, 5.0)["damped_bias"]
    for rank_by in ("choice", "rating", "balanced"):
        values = rank_values(stars, model, rated, rank_by)
        assert np.isneginf(values[rated.user_index, rated.item_index]).all()
        assert np.isfinite(values).sum() == values.size - len(rated)
    unseen = rated.to_csr().toarray() == 0
    scores = model.scores(rated)
    users, items = np.nonzero(unseen)
    expected = np.log(model.probabilities(scores[unseen])) + model.rating_weight * stars.reconstruct(
        users, items, encoded_users=stars.fold_in(rated)
    )
    np.testing.assert_allclose(rank_values(stars, model, rated, "balanced")[unseen], expected, atol=1e-4)


def test_wrong_orders_are_refused(model: ChoiceModel, rated: Ratings) -> None:
    stars = fit_baselines(rated, 5.0)["damped_bias"]
    with pytest.raises(ValueError, match="rank_by must be one of balanced, choice, rating. Received: 'stars'"):
        rank_values(stars, model, rated, "stars")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no choice model.*Train again, or rank by rating"):
        rank_values(stars, None, rated, "choice")
