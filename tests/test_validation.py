"""The validation part as models see it, and the weights that are fitted on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import HeldOut, split_ratings
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.models.validation import Validation, least_squares_weight


def test_held_out_ratings_are_found_by_id_and_unknown_ids_are_minus_one() -> None:
    training = Ratings.from_columns([10, 10, 20, 30], [7, 8, 8, 9], [1, 2, 3, 5])
    held_out = HeldOut(np.array([20, 99, 30]), np.array([9, 7, 55]), np.float32([4, 2, 5]), times=np.array([3, 2, 1]))
    validation = Validation(training, held_out)
    assert (validation.users.tolist(), validation.items.tolist()) == ([1, -1, 2], [2, 0, -1])
    assert len(validation) == 3 and validation.fold_in is None and validation.times is held_out.times
    model = damped_bias(training, 2.0)
    expected = model.predict(np.array([1, -1, 2]), np.array([2, 0, -1]))
    assert validation.predict(model).tolist() == expected.tolist()
    assert validation.rmse(model) == pytest.approx(np.sqrt(np.mean((expected - [4, 2, 5]) ** 2)))


def test_a_split_by_user_predicts_from_the_fold_in_ratings(planted: Ratings) -> None:
    split = split_ratings(planted, by="user", seed=3)
    training, held_out = split.training_ratings, split.held_out("validation")
    assert held_out.fold_in is not None
    validation, model = Validation(training, held_out), damped_bias(training, 5.0)
    fold_in = in_vocabulary(held_out.fold_in, training.item_ids)
    users, items = fold_in.locate_users(held_out.users), training.locate_items(held_out.items)
    assert users.min() >= 0
    expected = model.predict(users, items, encoded_users=model.fold_in(fold_in))
    assert validation.predict(model).tolist() == expected.tolist()
    unknown = Validation(training, replace(held_out, fold_in=None))
    assert (unknown.users == -1).all() and unknown.rmse(model) > validation.rmse(model)


def test_times_reach_the_model(planted: Ratings) -> None:
    class Reads:
        def predict(self, users, items, *, encoded_users=None, times=None):
            return times / 10

    held_out = HeldOut(planted.user_ids[:2], planted.item_ids[:2], np.float32([3, 4]), times=np.array([30, 50]))
    validation = Validation(planted, held_out)
    assert validation.predict(Reads()).tolist() == [3, 5]
    assert validation.rmse(Reads()) == pytest.approx(np.sqrt(0.5))


def test_least_squares_weights_by_hand() -> None:
    direction, residuals = np.array([1.0, 2.0, 0.0]), np.array([0.5, 0.5, 9.0])  # weight 1.5 / 5 without a prior
    assert least_squares_weight(direction, residuals, prior=0.0, prior_ratings=0) == pytest.approx(0.3)
    assert least_squares_weight(direction, residuals, prior=0.9, prior_ratings=3) == pytest.approx(
        0.6
    )  # as many ratings
    assert least_squares_weight(direction, 9 * residuals, prior=0.0, prior_ratings=0) == 1.0
    assert least_squares_weight(direction, -residuals, prior=0.0, prior_ratings=0) == 0.0
    assert least_squares_weight(np.zeros(3), residuals, prior=0.0, prior_ratings=5) == 0.0  # nothing to weigh


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(0, 5000))
def test_a_weight_lies_between_its_prior_and_that_of_the_data(seed: int, prior: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=40)
    residuals = rng.uniform(0, 1) * direction + rng.normal(0, 0.1, 40)
    alone = least_squares_weight(direction, residuals, prior=0.5, prior_ratings=0)
    found = least_squares_weight(direction, residuals, prior=prior, prior_ratings=count)
    assert min(alone, prior) - 1e-9 <= found <= max(alone, prior) + 1e-9
    expected = (40 * float(direction @ residuals) / float(direction @ direction) + count * prior) / (40 + count)
    assert found == pytest.approx(min(max(expected, 0), 1))
