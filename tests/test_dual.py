"""The dual autoencoder: the formulas by hand, and the four points that make it work (docs/models.md)."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import Biases, BiasSolver, damped_bias
from movie_autoencoder.models.dual.hide_and_predict import HidePredictDataset
from movie_autoencoder.models.dual.learner import DualLearner, default_learning_rate
from movie_autoencoder.models.dual.network import DualAutoencoder
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.models.dual.trained import DualWeights, TrainedDual
from movie_autoencoder.models.optimizer import MovingAverage
from movie_autoencoder.models.schedule import scheduled
from movie_autoencoder.models.sparse import Cells, Matrix, compressed, inner_products_at, product

SETTINGS = DualSettings(latent_dim=6, l2=5.0, hidden_fraction=0.25, hidden_rows=0.0, damping=3.0)


def learner_on(
    ratings: Ratings, settings: DualSettings = SETTINGS, *, optimizer: str = "adam", **options
) -> DualLearner:
    return DualLearner(ratings, settings, optimizer=optimizer, **({"average": 0.95, "seed": 0} | options))


def train(
    learner: DualLearner, epochs: int, *, optimizer: str = "adam", first: int = 0, schedule: int = 0
) -> DualLearner:
    rate = default_learning_rate(optimizer, learner.ratings)
    for epoch in range(first, epochs):
        learner.epoch(epoch, rate * scheduled("cosine", epoch / (schedule or epochs)))
    return learner


def random_weights(num_users: int, num_items: int, dim: int, seed: int = 0) -> DualWeights:
    rng = np.random.default_rng(seed)
    shapes = {
        "item_residual_table": (num_items, dim),
        "item_implicit_table": (num_items, dim),
        "user_residual_table": (num_users, dim),
        "user_implicit_table": (num_users, dim),
    }
    vectors = ("user_intercept", "item_intercept", "user_weights", "item_weights")
    drawn = {name: rng.normal(size=shape) for name, shape in [*shapes.items(), *((name, (dim,)) for name in vectors)]}
    return DualWeights(**{name: array.astype(np.float32) for name, array in drawn.items()})


def network_inputs(
    ratings: Ratings, biases: Biases, residuals: np.ndarray, implicit: np.ndarray, decoded: np.ndarray
) -> dict:
    shape = (ratings.num_users, ratings.num_items)
    cells = Cells.of(ratings.user_index, ratings.item_index, *shape)
    decoded_cells = Cells.of(ratings.user_index[decoded], ratings.item_index[decoded], *shape)
    return {
        "cells": cells.by_row,
        "cells_by_item": cells.by_column,
        "order": cells.order,
        "residuals": tf.constant(residuals, tf.float32),
        "implicit": tf.constant(implicit, tf.float32),
        "user_counts": tf.constant(biases.user_counts, tf.float32),
        "item_counts": tf.constant(biases.item_counts, tf.float32),
        "decode_cells": decoded_cells.by_row,
        "decode_order": decoded_cells.order,
    }


def test_encoding_and_decoding_by_hand() -> None:
    """Two users, three items, one latent number: every term of docs/models.md, written out."""
    ratings = Ratings.from_columns([0, 0, 1], [0, 1, 2], [5, 3, 4])
    column = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    weights = DualWeights(
        item_residual_table=column,
        item_implicit_table=10 * column,
        user_residual_table=column[:2],
        user_implicit_table=-column[:2],
        user_intercept=np.float32([0.5]),
        item_intercept=np.float32([0.25]),
        user_weights=np.float32([2]),
        item_weights=np.float32([3]),
    )
    biases = Biases(4.0, np.array([0.5, 0.0]), np.array([0.5, -0.5, 0.0]), np.array([2.0, 1.0]), np.ones(3))
    model = TrainedDual.from_weights(weights, ratings, biases, damping=1.0, hidden_fraction=0.19)
    rho = 0.9
    residual = {(0, 0): 5 - 5.0, (0, 1): 3 - 4.0, (1, 2): 4 - 4.0}
    z0 = rho * ((residual[0, 0] * 1 + residual[0, 1] * 2) + (10 + 20)) / np.sqrt(3) + 0.5
    w2 = rho * (residual[1, 2] * 2 + -2) / np.sqrt(2) + 0.25
    expected = 4.0 + (0.5 + 2 * z0) + (0.0 + 3 * w2) + z0 * w2
    assert model.users.latent[0] == pytest.approx([z0])
    assert model.items.latent[2] == pytest.approx([w2])
    assert model.reconstruct(np.array([0]), np.array([2])) == pytest.approx([expected], rel=1e-6)
    assert model.predict(np.array([0]), np.array([2])) == pytest.approx([np.clip(expected, 3, 5)])
    unknown = 4.0 + 2 * 0.5 + 3 * 0.25 + 0.5 * 0.25  # z = c and w = d, no biases
    assert model.reconstruct(np.array([-1]), np.array([-1])) == pytest.approx([unknown])


def test_products_and_gradients_equal_dense_ones() -> None:
    rng = np.random.default_rng(1)
    cells = np.argwhere(rng.random((7, 5)) < 0.4)
    values = tf.constant(rng.normal(size=len(cells)), tf.float32)
    dense = tf.scatter_nd(cells, values, (7, 5))
    positions = Cells.of(cells[:, 0].astype(np.int32), cells[:, 1].astype(np.int32), 7, 5)
    sparse = compressed(positions, values)
    transposed = Matrix(sparse.transposed, sparse.plain)
    left, right = (tf.Variable(rng.normal(size=(size, 3)), dtype=tf.float32) for size in (7, 5))
    with tf.GradientTape(persistent=True) as tape:
        ours = tf.reduce_sum(tf.sin(product(sparse, right.value())))
        ours += tf.reduce_sum(tf.sin(product(transposed, left.value())))
        theirs = tf.reduce_sum(tf.sin(dense @ right)) + tf.reduce_sum(tf.sin(tf.transpose(dense) @ left))
        ours += tf.reduce_sum(tf.sin(inner_products_at(positions, left.value(), right.value())))
        theirs += tf.reduce_sum(tf.sin(tf.gather_nd(left @ tf.transpose(right), cells)))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    for variable in (left, right):
        assert tape.gradient(ours, variable).numpy() == pytest.approx(tape.gradient(theirs, variable).numpy(), abs=1e-5)


def test_keras_and_numpy_agree(planted: Ratings) -> None:
    """With everything visible, the network's output is the trained model's, where nothing was hidden in training."""
    learner = train(learner_on(planted, average=0.0), 5)
    biases = BiasSolver(planted, 3.0).solve()
    u, i = planted.user_index, planted.item_index
    residual = planted.values - biases.mean - biases.users[u] - biases.items[i]
    decoded_cells = np.arange(0, len(planted), 7)
    inputs = network_inputs(planted, biases, residual, np.ones(len(planted)), decoded_cells)
    weights = DualWeights(**{name: variable.numpy() for name, variable in learner.model.named_variables.items()})
    model = TrainedDual.from_weights(weights, planted, biases, damping=3.0, hidden_fraction=0.0)
    users, items = learner.model.encode(inputs)
    assert users.numpy() == pytest.approx(model.users.latent, abs=1e-5)
    assert items.numpy() == pytest.approx(model.items.latent, abs=1e-5)
    decoded = learner.model(inputs).numpy() + planted.values[::7] - residual[::7]
    assert decoded == pytest.approx(model.reconstruct(u[::7], i[::7]), abs=2e-5)


def test_a_hidden_rating_influences_nothing_that_predicts_it(planted: Ratings) -> None:
    """Point 1: move one hidden rating by 1; biases, encoder inputs and the prediction at its cell stay."""
    learner = learner_on(planted)
    hidden = learner.dataset.hidden(epoch=3)
    cell = int(hidden[len(hidden) // 2])
    values = planted.values.copy()
    values[cell] += 1 if values[cell] < 4 else -1
    moved = Ratings.from_columns(planted.user_index, planted.item_index, values, scale=planted.scale)
    seen = []
    for ratings in (planted, moved):
        other = learner_on(ratings)
        assert np.array_equal(other.dataset.hidden(epoch=3), hidden)
        biases = BiasSolver(ratings, 3.0).solve(hidden)
        visible = np.ones(len(ratings), dtype=np.float32)
        visible[hidden] = 0
        u, i = ratings.user_index, ratings.item_index
        residual = ratings.values - biases.mean - biases.users[u] - biases.items[i]
        inputs = network_inputs(ratings, biases, residual * visible, visible, np.array([cell]))
        decoded = other.model(inputs)
        seen.append((biases.users, biases.items, residual * visible, float(decoded[0])))
    for before, after in zip(*seen, strict=True):
        assert after == pytest.approx(before, abs=1e-6)


def test_a_step_reads_only_what_is_visible(planted: Ratings) -> None:
    """The same through `epoch`: with a learning rate of 0, moved hidden ratings change no weight."""
    values = planted.values.copy()
    hidden = learner_on(planted).dataset.hidden(epoch=0)
    values[hidden] = planted.scale.minimum
    moved = Ratings.from_columns(planted.user_index, planted.item_index, values, scale=planted.scale)
    first, second = learner_on(planted), learner_on(moved)
    errors = [learner.epoch(0, 0.0) for learner in (first, second)]
    assert errors[0] != errors[1]  # the target did move
    model = first.model
    assert all(np.array_equal(one, two) for one, two in zip(model.weights, second.model.weights, strict=True))


def test_hidden_sums_do_not_cancel_visible_ones(planted: Ratings) -> None:
    """Biases on all cells would tie visible to hidden residuals with a minus sign; on visible cells they do not."""
    hidden = np.sort(np.random.default_rng(5).permutation(len(planted))[: len(planted) // 5])
    visible = np.setdiff1d(np.arange(len(planted)), hidden)

    def correlation(biases: Biases) -> float:
        residual = planted.values - biases.mean - biases.users[planted.user_index] - biases.items[planted.item_index]
        sums = [np.bincount(planted.user_index[c], residual[c], planted.num_users) for c in (visible, hidden)]
        return float(np.corrcoef(*sums)[0, 1])

    solver = BiasSolver(planted, 3.0)
    assert correlation(solver.solve()) < -0.5
    assert correlation(solver.solve(hidden)) > -0.2


def test_scale_is_kept(planted: Ratings) -> None:
    """Point 2: sums over all n ratings are shrunk by sqrt(1 - h), as training saw (1 - h) n of them over its root."""
    learner = learner_on(planted, replace(SETTINGS, hidden_fraction=0.36))
    model = learner.trained()
    assert model.rho == pytest.approx(0.8)
    intercept = vars(model.weights)["user_intercept"]
    full = replace(model, rho=1.0).fold_in(planted).latent - intercept
    assert model.fold_in(planted).latent - intercept == pytest.approx(0.8 * full, abs=1e-5)


def test_only_tables_are_penalized_and_intercepts_start_away_from_zero() -> None:
    """Point 3."""
    model = DualAutoencoder(20, 30, 8, seed=1)
    model.ensure_built()
    variables = model.named_variables
    assert [name for name, variable in variables.items() if any(variable is table for table in model.tables)] == [
        "item_residual_table",
        "item_implicit_table",
        "user_residual_table",
        "user_implicit_table",
    ]
    assert len(model.tables) == 4
    assert min(np.abs(variables[f"{side}_intercept"].numpy()).max() for side in ("user", "item")) > 0.02
    assert {variable.path for variable in variables.values()} == {v.path for v in model.trainable_variables}
    assert set(variables) == set(DualWeights.__dataclass_fields__)


def test_penalty_shrinks_the_tables(planted: Ratings) -> None:
    sizes = []
    for l2 in (0.0, 10.0, 1000.0):
        model = train(learner_on(planted, replace(SETTINGS, l2=l2)), 60).trained()
        sizes.append(float(np.square(vars(model.weights)["item_residual_table"]).sum()))
    assert sizes == sorted(sizes, reverse=True) and sizes[2] < 0.05 * sizes[0]


def test_unseen_items_and_users_get_the_intercepts(planted: Ratings) -> None:
    """Point 4: an unknown item's prediction is the user's own, not one mean for all."""
    model = train(learner_on(planted), 30).trained()
    users = np.arange(20)
    stars = model.reconstruct(users, np.full(20, -1))
    weights = vars(model.weights)
    user_weights, intercept = weights["user_weights"], weights["item_intercept"]
    bias = model.users.offset[:20] - model.users.latent[:20] @ user_weights
    latent = model.users.latent[:20]
    expected = model.mean + bias + latent @ (intercept + user_weights) + intercept @ weights["item_weights"]
    assert stars == pytest.approx(expected, abs=1e-4)
    assert stars.std() > 0.05


def test_whole_rows_are_hidden_when_asked(planted: Ratings) -> None:
    learner = learner_on(planted, replace(SETTINGS, hidden_rows=0.3))
    hidden = learner.dataset.hidden(0)
    fraction = np.bincount(planted.user_index[hidden], minlength=planted.num_users) / planted.user_counts
    assert (fraction > 0.8).sum() >= 5
    default = learner_on(planted).dataset.hidden(0)
    assert abs(len(default) / len(planted) - 0.25) < 0.02
    assert (np.bincount(planted.user_index[default], minlength=planted.num_users) / planted.user_counts < 0.8).all()


def test_folding_in_training_users_gives_their_own_encoding(planted: Ratings) -> None:
    model = train(learner_on(planted), 10).trained()
    folded = model.fold_in(planted)
    assert folded.latent == pytest.approx(model.users.latent, abs=2e-4)
    assert folded.offset == pytest.approx(model.users.offset, abs=2e-4)


def test_one_person_at_a_time_equals_all_together(planted: Ratings) -> None:
    model = train(learner_on(planted), 5).trained()
    together = model.fold_in(planted).latent
    for user in (0, 17, 100):
        alone = in_vocabulary(planted.take(np.arange(len(planted))[planted.row(user)]), planted.item_ids)
        assert model.fold_in(alone).latent[0] == pytest.approx(together[user], abs=1e-6)


def test_renumbering_users_and_items_permutes_predictions(planted: Ratings) -> None:
    rng = np.random.default_rng(3)
    users, items = rng.permutation(planted.num_users), rng.permutation(planted.num_items)
    renumbered = Ratings.from_columns(users[planted.user_index], items[planted.item_index], planted.values)
    weights = random_weights(planted.num_users, planted.num_items, 4)
    by_user, by_item = np.argsort(users), np.argsort(items)
    order = {"item": by_item, "user": by_user}
    arrays = vars(weights)
    tables = {name: array[order[name[:4]]] for name, array in arrays.items() if name.endswith("table")}
    permuted = DualWeights(**(arrays | tables))
    models = [
        TrainedDual.from_weights(w, r, BiasSolver(r, 2.0).solve(), damping=2.0, hidden_fraction=0.1)
        for w, r in ((weights, planted), (permuted, renumbered))
    ]
    u, i = planted.user_index[::11], planted.item_index[::11]
    assert models[1].reconstruct(users[u], items[i]) == pytest.approx(models[0].reconstruct(u, i), abs=2e-3)


def test_arrays_and_back_is_the_same_model(planted: Ratings) -> None:
    model = train(learner_on(planted), 3).trained()
    again = TrainedDual.from_arrays(model.to_arrays(), planted.scale)
    u, i = np.arange(-1, 100), np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    assert np.array_equal(model.fold_in(planted).factors, again.fold_in(planted).factors)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "adagrad", "sgd"])
def test_planted_tastes_are_found_with_every_optimizer(planted: Ratings, optimizer: str) -> None:
    split = split_ratings(planted, test_fraction=0.0, seed=1)
    training, held_out = split.training_ratings, split.held_out("validation")
    users, items = training.locate_users(held_out.users), training.locate_items(held_out.items)
    model = train(learner_on(training, optimizer=optimizer), 120, optimizer=optimizer).trained()
    ours = rmse(held_out.values, model.predict(users, items))
    bias = min(rmse(held_out.values, damped_bias(training, d).predict(users, items)) for d in (1.0, 3.0, 8.0))
    assert ours < bias - 0.01


def test_same_seed_same_weights_and_another_seed_others(planted: Ratings) -> None:
    models = [train(learner_on(planted, seed=seed), 4).trained() for seed in (1, 1, 2)]
    arrays = [model.users.latent for model in models]
    assert np.array_equal(arrays[0], arrays[1]) and not np.array_equal(arrays[0], arrays[2])


def test_a_restored_state_ends_at_the_same_weights(planted: Ratings) -> None:
    whole = train(learner_on(planted), 8).trained()
    half = train(learner_on(planted), 5, schedule=8)
    resumed = learner_on(planted)
    resumed.restore(half.state())
    resumed = train(resumed, 8, first=5)
    for name, array in whole.to_arrays().items():
        assert np.array_equal(array, resumed.trained().to_arrays()[name]), name


@pytest.mark.parametrize(
    "change", [{"latent_dim": 7}, {"l2": 6.0}, {"hidden_fraction": 0.3}, {"hidden_rows": 0.1}, {"damping": 4.0}]
)
def test_every_setting_matters(planted: Ratings, change: dict[str, float]) -> None:
    u, i = np.arange(50), np.arange(50)
    plain, changed = (
        train(learner_on(planted, s), 3).trained().predict(u, i) for s in (SETTINGS, replace(SETTINGS, **change))
    )
    assert not np.allclose(plain, changed, atol=1e-7)


def test_zero_is_a_rating() -> None:
    """Moving every rating by a constant moves every prediction by it, also when ratings become 0."""
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((30, 20)) < 0.5)
    stars = rng.integers(1, 6, len(cells)).astype(float)
    predictions = []
    for shift in (0.0, -3.0):
        ratings = Ratings.from_columns(cells[:, 0], cells[:, 1], stars + shift)
        predictions.append(train(learner_on(ratings), 6).trained().predict(np.arange(20), np.arange(20)))
    assert predictions[1] + 3.0 == pytest.approx(predictions[0], abs=1e-4)


@pytest.mark.parametrize("hidden_fraction", [1e-9, 1 - 1e-9])
def test_at_least_one_rating_is_hidden_and_one_is_visible(hidden_fraction: float) -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 1, 0], [5, 3, 4])
    dataset = HidePredictDataset(ratings, hidden_fraction=hidden_fraction)
    assert {len(dataset.hidden(epoch)) for epoch in range(20)} == {1}


def test_the_moving_average_starts_as_a_mean() -> None:
    """By hand: its memory after n steps is n / (9 + n), until that reaches the given one."""
    variable = keras.Variable([1.0], name="weight")
    average = MovingAverage([variable], 0.15)
    variable.assign([2.0])
    average.update()  # memory 1 / 10
    assert average.values()[variable.path] == pytest.approx([0.1 * 1 + 0.9 * 2])
    variable.assign([5.0])
    average.update()  # memory 0.15, below 2 / 11
    assert average.values()[variable.path] == pytest.approx([0.15 * 1.9 + 0.85 * 5])
