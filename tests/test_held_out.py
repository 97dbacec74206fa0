"""Predictions at held-out ratings: by id, for training users and for people who are folded in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import Biases, DampedBias, damped_bias
from movie_autoencoder.models.held_out import IndexedHeldOut, predict_held_out


@dataclass(frozen=True, eq=False)
class PredictsTimes(DampedBias):
    """A model whose prediction is the time of the rating."""

    def predict(self, users: Any, items: Any, *, times: Any = None, **rest: Any) -> Any:
        return times


def test_training_users_are_found_by_id(planted: Ratings) -> None:
    split = split_ratings(planted, seed=1)
    training, held_out = split.training_ratings, split.held_out("validation")
    model = damped_bias(training, 5.0)
    found = predict_held_out(model, training, held_out)
    users, items = training.locate_users(held_out.users), training.locate_items(held_out.items)
    assert np.array_equal(found, model.predict(users, items))
    indexed = IndexedHeldOut.of(training, held_out)
    assert indexed.fold_in is None and np.array_equal(indexed.values, held_out.values)


def test_people_of_a_split_by_user_are_folded_in(planted: Ratings) -> None:
    split = split_ratings(planted, by="user", fold_in=0.5, seed=1)
    training, held_out = split.training_ratings, split.held_out("validation")
    assert held_out.fold_in is not None
    model = damped_bias(training, 5.0)
    found = predict_held_out(model, training, held_out)
    shown = in_vocabulary(held_out.fold_in, training.item_ids)
    rows = shown.locate_users(held_out.users)
    expected = model.predict(rows, training.locate_items(held_out.items), encoded_users=model.fold_in(shown))
    assert np.array_equal(found, expected)
    assert (rows >= 0).all() and (training.locate_users(held_out.users) == -1).all()


def test_users_and_items_that_training_does_not_know_have_index_minus_1(planted: Ratings) -> None:
    split = split_ratings(planted, seed=1)
    held_out = split.held_out("validation")
    odd = replace(held_out, users=held_out.users + 100_000, items=held_out.items + 100_000)
    indexed = IndexedHeldOut.of(split.training_ratings, odd)
    assert set(indexed.users.tolist()) == set(indexed.items.tolist()) == {-1}
    model = damped_bias(split.training_ratings, 5.0)
    assert indexed.predict(model) == pytest.approx(np.full(len(odd), model.mean))


def test_models_that_are_aware_of_time_are_told_when_a_rating_was_given(planted: Ratings) -> None:
    timed = replace(planted, timestamps=np.arange(len(planted)))
    split = split_ratings(timed, seed=1)
    training, held_out = split.training_ratings, split.held_out("validation")
    plain = damped_bias(training, 5.0)
    model = PredictsTimes(plain.mean, plain.scale, plain.users, plain.items, 5.0)
    assert held_out.times is not None
    assert np.array_equal(predict_held_out(model, training, held_out), held_out.times)


def test_residuals_by_hand() -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 1, 1], [5, 3, 4])
    biases = Biases(4.0, np.array([0.5, -0.5]), np.array([0.25, -0.25]), np.array([2, 1]), np.array([1, 2]))
    assert biases.residuals(ratings).tolist() == [0.25, -1.25, 0.75]


def test_a_csr_matrix_stores_a_rating_of_0() -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 1, 1], [0, 3, 4])
    matrix = ratings.to_csr(ratings.values)
    assert (matrix.shape, matrix.nnz, matrix.dtype) == ((2, 2), 3, np.float32)
    assert matrix.toarray().tolist() == [[0, 3], [0, 4]]
    assert ratings.to_csr().toarray().tolist() == [[1, 1], [0, 1]]
    assert ratings.to_csr(np.array([1, 2, 3])).dtype == np.array([1]).dtype
