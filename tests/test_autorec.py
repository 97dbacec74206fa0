"""The classic autoencoder: both sides as rows, masked loss, dropout, re-feeding, and its NumPy form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.autorec.learner import AutorecLearner, default_learning_rate
from movie_autoencoder.models.autorec.network import AutorecAutoencoder
from movie_autoencoder.models.autorec.rows import Rows, read, unit
from movie_autoencoder.models.autorec.settings import AutorecSettings
from movie_autoencoder.models.autorec.trained import TrainedAutorec
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import BiasSolver, damped_bias
from movie_autoencoder.models.schedule import scheduled
from movie_autoencoder.models.sparse import Cells, dense_matrix

SETTINGS = AutorecSettings(
    rows="item",
    hidden=(16,),
    activation="sigmoid",
    dropout=0.3,
    code_dropout=0.0,
    l2=20.0,
    residual=True,
    refeeds=0,
    damping=3.0,
    kernel="auto",
)


def learner_on(ratings: Ratings, settings: AutorecSettings = SETTINGS, **options) -> AutorecLearner:
    return AutorecLearner(
        ratings, settings, **({"optimizer": "adam", "average": 0.9, "seed": 0, "batch_size": 32} | options)
    )


def train(learner: AutorecLearner, epochs: int, *, first: int = 0, optimizer: str = "adam") -> AutorecLearner:
    rate = default_learning_rate(optimizer, learner.settings)
    for epoch in range(first, epochs):
        learner.epoch(epoch, rate * scheduled("cosine", epoch / epochs))
    return learner


def all_rows(learner: AutorecLearner) -> tuple[Rows, Cells]:
    rows = learner.dataset.matrix
    row = np.repeat(np.arange(len(rows)), np.diff(rows.starts)).astype(np.int32)
    return rows, Cells.of(row, rows.columns, len(rows), rows.num_columns)


DEEP = replace(SETTINGS, rows="user", hidden=(12, 6, 12), activation="selu", code_dropout=0.2, refeeds=1)


NETWORKS = [
    SETTINGS,
    replace(SETTINGS, residual=False),
    DEEP,
    replace(DEEP, activation="swish"),
    *(replace(SETTINGS, activation=name) for name in ("tanh", "relu", "elu", "linear")),
]


@pytest.mark.parametrize("settings", NETWORKS)
def test_keras_and_numpy_agree(planted: Ratings, settings: AutorecSettings) -> None:
    learner = train(learner_on(planted, settings, average=0.0), 2)
    model = learner.trained()
    rows, cells = all_rows(learner)
    matrix = dense_matrix(cells, tf.constant(rows.inputs))
    codes = learner.model.encode(matrix).numpy()
    side = model.users if settings.rows == "user" else model.items
    assert codes == pytest.approx(side.latent, abs=1e-4)
    biases = BiasSolver(planted, 3.0).solve()
    decoded = learner.model(matrix).numpy() * unit(planted.scale) + biases.mean
    u, i = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    expected = decoded[:40, :40] if settings.rows == "user" else decoded[:40, :40].T
    if settings.residual:
        expected = expected + biases.users[:40, None] + biases.items[None, :40]
    stars = model.reconstruct(u.ravel(), i.ravel()).reshape(40, 40)
    assert stars == pytest.approx(expected, abs=2e-4)


def test_sparse_and_dense_kernels_agree(planted: Ratings) -> None:
    sparse, dense = (learner_on(planted, replace(SETTINGS, kernel=kernel)) for kernel in ("sparse", "dense"))
    rows, cells = all_rows(sparse)
    inputs = {
        "cells": cells.by_row,
        "order": cells.order,
        "values": tf.constant(rows.inputs),
        "num_rows": tf.constant([len(rows)], tf.int64),
    }
    matrix = dense_matrix(cells, tf.constant(rows.inputs))
    codes = dense.model.encode(matrix)
    for learner in (sparse, dense):  # with the same first weights
        assert learner.model.encode(inputs).numpy() == pytest.approx(codes.numpy(), abs=1e-5)
        whole = tf.gather_nd(learner.model.decode(codes), cells.by_row)
        assert learner.model.decode(codes, cells.by_row, cells.order).numpy() == pytest.approx(whole.numpy(), abs=1e-5)
        assert learner.model(inputs).numpy() == pytest.approx(whole.numpy(), abs=1e-5)
    ends = [train(learner_on(planted, replace(SETTINGS, kernel=kernel)), 3).trained() for kernel in ("sparse", "dense")]
    u = i = np.arange(100)
    assert ends[0].predict(u, i) == pytest.approx(ends[1].predict(u, i), abs=1e-3)


def test_epoch_loss_is_the_mean_over_ratings_with_an_uneven_last_batch(planted: Ratings) -> None:
    """At a learning rate of 0, no dropout: sum of squares over all ratings, divided once."""
    settings = replace(SETTINGS, dropout=0.0)
    learner = learner_on(planted, settings, batch_size=50)  # 120 rows: 50, 50, 20
    loss = learner.epoch(0, 0.0)
    model = learner.trained()
    raw = model.reconstruct(planted.user_index, planted.item_index)
    assert loss == pytest.approx(float(np.mean((raw - planted.values) ** 2)), rel=1e-4)


def test_loss_counts_observed_cells_only_and_zero_is_a_rating() -> None:
    rng = np.random.default_rng(0)
    pairs = np.argwhere(rng.random((30, 20)) < 0.5)
    stars = rng.integers(1, 6, len(pairs)).astype(float)
    predictions = []
    for shift in (0.0, -3.0):
        ratings = Ratings.from_columns(pairs[:, 0], pairs[:, 1], stars + shift)
        model = train(learner_on(ratings), 5).trained()
        predictions.append(model.predict(np.arange(20), np.arange(20)))
    assert predictions[1] + 3.0 == pytest.approx(predictions[0], abs=1e-4)


def test_held_out_ratings_change_nothing(planted: Ratings) -> None:
    split = split_ratings(planted, seed=3)
    values = planted.values.copy()
    values[split.test] = 5.5 - values[split.test]
    moved = Ratings.from_columns(planted.user_index, planted.item_index, values, scale=planted.scale)
    ends = [train(learner_on(split_ratings(one, seed=3).training_ratings), 2).trained() for one in (planted, moved)]
    u = i = np.arange(60)
    assert np.array_equal(ends[0].predict(u, i), ends[1].predict(u, i))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "adagrad", "sgd"])
def test_planted_tastes_are_found_with_every_optimizer(planted: Ratings, optimizer: str) -> None:
    split = split_ratings(planted, test_fraction=0.0, seed=1)
    training, held_out = split.training_ratings, split.held_out("validation")
    users, items = training.locate_users(held_out.users), training.locate_items(held_out.items)
    learner = learner_on(training, replace(SETTINGS, hidden=(32,)), optimizer=optimizer)
    model = train(learner, 40, optimizer=optimizer).trained()
    bias = min(rmse(held_out.values, damped_bias(training, d).predict(users, items)) for d in (1.0, 3.0, 8.0))
    assert rmse(held_out.values, model.predict(users, items)) < bias - 0.005


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "swish", "selu", "linear"])
def test_plain_gradient_steps_are_stable_with_every_activation(planted: Ratings, activation: str) -> None:
    for settings in (replace(SETTINGS, activation=activation), replace(DEEP, activation=activation)):
        learner = learner_on(planted, settings, optimizer="sgd", batch_size=8)
        rate = default_learning_rate("sgd", settings)
        losses = [learner.epoch(epoch, rate) for epoch in range(8)]
        assert losses[-1] < losses[0]


def test_one_trace_serves_all_batches(planted: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    descend = AutorecAutoencoder.descend

    def counted(model: AutorecAutoencoder, *batch: Any) -> Any:
        calls.append(batch)  # Python runs only while TensorFlow traces the step
        return descend(model, *batch)

    monkeypatch.setattr(AutorecAutoencoder, "descend", counted)
    train(learner_on(planted, batch_size=50), 3)  # the last batch of an epoch is smaller
    assert len(calls) == 1


def test_refeeding_brings_the_second_pass_closer_to_the_first(planted: Ratings) -> None:
    changes = []
    for refeeds in (0, 1):
        learner = train(learner_on(planted, replace(DEEP, refeeds=refeeds, code_dropout=0.0)), 20)
        rows, cells = all_rows(learner)
        first = learner.model(dense_matrix(cells, tf.constant(rows.inputs)))
        second = learner.model(read(first, np.float32(rows.num_columns)))
        changes.append(float(tf.reduce_mean(tf.square(second - first)) / tf.math.reduce_variance(first)))
    assert changes[1] < 0.5 * changes[0]


@pytest.mark.parametrize("settings", [SETTINGS, DEEP])
def test_renumbered_users_and_items_renumber_predictions(planted: Ratings, settings: AutorecSettings) -> None:
    model = train(learner_on(planted, settings), 2).trained()
    rng = np.random.default_rng(5)
    users, items = rng.permutation(planted.num_users), rng.permutation(planted.num_items)  # new number of each
    renumbered = Ratings.from_columns(
        users[planted.user_index], items[planted.item_index], planted.values, scale=planted.scale
    )
    old_index = np.argsort(users if settings.rows == "item" else items)  # old column at each new index
    weights = model.weights
    weights = replace(
        weights,
        kernels=(weights.kernels[0][old_index], *weights.kernels[1:]),
        output_table=weights.output_table[old_index],
        output_shift=weights.output_shift[old_index],
    )
    biases = BiasSolver(renumbered, settings.damping).solve()
    again = TrainedAutorec.from_weights(weights, renumbered, biases, settings)
    u, i = planted.user_index, planted.item_index
    assert again.reconstruct(users[u], items[i]) == pytest.approx(model.reconstruct(u, i), abs=1e-4)


def test_a_restored_state_ends_at_the_same_weights(planted: Ratings) -> None:
    settings = replace(DEEP, dropout=0.4)
    whole = learner_on(planted, settings)
    resumed = learner_on(planted, settings)
    for epoch in range(4):
        whole.epoch(epoch, 0.001)
    half = learner_on(planted, settings)
    for epoch in range(2):
        half.epoch(epoch, 0.001)
    resumed.restore(half.state())
    for epoch in range(2, 4):
        resumed.epoch(epoch, 0.001)
    first, second = whole.trained().to_arrays(), resumed.trained().to_arrays()
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("settings", [SETTINGS, DEEP, replace(DEEP, residual=False)])
def test_arrays_and_back_is_the_same_model(planted: Ratings, settings: AutorecSettings) -> None:
    model = train(learner_on(planted, settings), 1).trained()
    again = TrainedAutorec.from_arrays(model.to_arrays(), planted.scale)
    u = i = np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    if settings.rows == "user":
        assert np.array_equal(model.fold_in(planted).factors, again.fold_in(planted).factors)


@pytest.mark.parametrize("residual", [True, False])
def test_folding_in_training_users_gives_their_own_encoding(planted: Ratings, residual: bool) -> None:
    model = train(learner_on(planted, replace(DEEP, residual=residual)), 2).trained()
    folded = model.fold_in(planted)
    everything = np.ones((planted.num_users, planted.num_items))
    assert np.array_equal(
        model.fold_in(planted, seen=everything).factors, folded.factors
    )  # implicit feedback is not used
    assert folded.latent == pytest.approx(model.users.latent, abs=1e-3)
    i = np.arange(100) % planted.num_items
    own = model.reconstruct(np.arange(100), i)
    assert model.reconstruct(np.arange(100), i, encoded_users=folded) == pytest.approx(own, abs=1e-3)
    alone = in_vocabulary(planted.take(np.arange(len(planted))[planted.row(7)]), planted.item_ids)
    assert model.fold_in(alone).latent[0] == pytest.approx(folded.latent[7], abs=1e-5)


def test_item_rows_refuse_new_users_with_the_reason(planted: Ratings) -> None:
    model = learner_on(planted).trained()
    with pytest.raises(ValueError, match="one input and one output for each training user"):
        model.fold_in(planted)


@pytest.mark.parametrize("settings", [SETTINGS, DEEP, replace(SETTINGS, residual=False)])
def test_unknown_users_and_items_get_the_damped_biases(planted: Ratings, settings: AutorecSettings) -> None:
    model = train(learner_on(planted, settings), 3).trained()
    bias = damped_bias(planted, 3.0)
    u, i = np.array([-1, 5, -1]), np.array([4, -1, -1])
    assert model.predict(u, i) == pytest.approx(bias.predict(u, i), abs=1e-5)


CHANGES = [
    {"rows": "user"},
    {"hidden": (15,)},
    {"activation": "tanh"},
    {"dropout": 0.1},
    {"code_dropout": 0.3},
    {"l2": 300.0},
    {"residual": False},
    {"refeeds": 1},
    {"damping": 9.0},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_setting_matters(planted: Ratings, change: dict) -> None:
    u = i = np.arange(60)
    plain, changed = (train(learner_on(planted, one), 2).trained() for one in (SETTINGS, replace(SETTINGS, **change)))
    assert not np.allclose(plain.predict(u, i), changed.predict(u, i), atol=1e-7)


def test_batch_size_and_seed_matter(planted: Ratings) -> None:
    u = i = np.arange(60)
    ends = [
        train(learner_on(planted, **o), 2).trained().predict(u, i) for o in ({}, {}, {"batch_size": 64}, {"seed": 1})
    ]
    assert np.array_equal(ends[0], ends[1])
    assert not np.allclose(ends[0], ends[2]) and not np.allclose(ends[0], ends[3])


def test_kernel_is_chosen_by_density(planted: Ratings) -> None:
    assert learner_on(planted).model.dense
    thin = Ratings.from_columns(np.arange(400) // 2, np.arange(400) % 390, np.arange(400) % 5 + 1.0)
    assert thin.density < 0.01 and not learner_on(thin).model.dense


def test_the_input_of_a_cell_by_hand() -> None:
    """A residual of 0 differs from no rating, and a long row is scaled down by the root of its length."""
    assert read(np.array([0.0, -1.0, 2.0]), np.array([0.0, 3.0, 8.0])) == pytest.approx([50.0, 20.0, 70.0 / 3])


def test_a_person_without_ratings_is_predicted_by_the_biases(planted: Ratings) -> None:
    learner = train(learner_on(planted, replace(SETTINGS, rows="user")), 2)
    model = learner.trained()
    nobody = in_vocabulary(Ratings.from_columns([0], [-1], [3.0], scale=planted.scale), planted.item_ids)
    side = model.fold_in(nobody)
    assert len(nobody) == 0 and len(side) == 1 and not side.factors.any()
    items = np.arange(planted.num_items)
    found = model.reconstruct(np.zeros(len(items), dtype=int), items, encoded_users=side)
    assert found == pytest.approx(model.mean + model.items.offset[:-1], abs=1e-5)
