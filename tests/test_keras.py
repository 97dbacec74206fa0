"""The networks as Keras models: layers, saving, training by `fit`, callbacks, export; the code of docs/keras.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from generate import write_csv

from movie_autoencoder.bundle import Bundle, load_bundle
from movie_autoencoder.config import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import HeldOut, Split, split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.autorec.dataset import RowDataset
from movie_autoencoder.models.autorec.layers import ColumnOutput, HiddenLayer, HiddenLayers
from movie_autoencoder.models.autorec.learner import AutorecLearner
from movie_autoencoder.models.autorec.network import AutorecAutoencoder
from movie_autoencoder.models.autorec.settings import AutorecSettings
from movie_autoencoder.models.callbacks import CosineSchedule, WeightAverage
from movie_autoencoder.models.dual.export import PersonNetwork
from movie_autoencoder.models.dual.hide_and_predict import HidePredictDataset
from movie_autoencoder.models.dual.layers import BilinearDecoder, RowEncoder
from movie_autoencoder.models.dual.learner import DualLearner, default_learning_rate
from movie_autoencoder.models.dual.network import DualAutoencoder
from movie_autoencoder.models.dual.settings import DualSettings
from movie_autoencoder.models.optimizer import make_optimizer
from movie_autoencoder.models.schedule import scheduled
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.training import train

# Keras 3.15 calls numpy.array on its variables, which have no copy argument yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[1]
EPOCHS, RATE = 12, 0.01


@pytest.fixture(scope="module")
def split(planted: Ratings) -> Split:
    return split_ratings(planted, seed=1)


def dual_dataset(ratings: Ratings, **options: Any) -> HidePredictDataset:
    return HidePredictDataset(ratings, **({"hidden_fraction": 0.25, "damping": 3.0, "seed": 5} | options))


def dual_network(ratings: Ratings, *, optimizer: str = "adam", rate: float = RATE, **options: Any) -> DualAutoencoder:
    model = DualAutoencoder(ratings.num_users, ratings.num_items, 6, l2=5.0, seed=5)
    model.compile(make_optimizer(optimizer, rate), **options)
    return model


def autorec_dataset(ratings: Ratings, **options: Any) -> RowDataset:
    return RowDataset(ratings, **({"rows": "user", "dropout": 0.3, "damping": 3.0, "batch_size": 64} | options))


def autorec_network(
    dataset: RowDataset, *, hidden: tuple[int, ...] = (12, 6, 12), **options: Any
) -> AutorecAutoencoder:
    given: dict[str, Any] = {"code_dropout": 0.2, "refeeds": 1, "l2": 20.0} | options
    model = AutorecAutoencoder(dataset.num_rows, dataset.num_columns, hidden, "selu", **given)
    model.compile(make_optimizer("adam", 0.003))
    return model


def largest_difference(first: Any, second: Any) -> float:
    one, two = first.to_arrays(), second.to_arrays()
    assert one.keys() == two.keys()
    return max(float(np.abs(one[name] - two[name]).max()) for name in one if one[name].dtype.kind == "f")


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_fit_gives_the_weights_of_the_learner(planted: Ratings, optimizer: str) -> None:
    rate = default_learning_rate(optimizer, planted)
    settings = DualSettings(6, 5.0, 0.25, 0.1, 3.0)
    learner = DualLearner(planted, settings, optimizer=optimizer, average=0.95, seed=5)
    losses = [learner.epoch(epoch, rate * scheduled("cosine", epoch / EPOCHS)) for epoch in range(EPOCHS)]
    model, dataset = dual_network(planted, optimizer=optimizer, rate=rate), dual_dataset(planted, hidden_rows=0.1)
    callbacks = [CosineSchedule(rate, EPOCHS), WeightAverage(0.95)]
    history = model.fit(dataset, epochs=EPOCHS, callbacks=callbacks, verbose=0).history
    assert largest_difference(model.to_trained(dataset), learner.trained()) < 1e-6
    assert np.square(history["rmse"]) == pytest.approx(losses, rel=1e-5)


def test_fit_gives_the_weights_of_train(planted: Ratings, tmp_path: Path) -> None:
    """Through the whole of training: a split without held-out parts, one fit of the dual autoencoder alone."""
    options = ["model.speed=fast", "model.latent_dim=6", "model.l2=5", "model.hidden_fraction=0.25", "model.damping=3"]
    training = ["training.epochs=12", "training.budget=0", "training.learning_rate=0.01", "training.seed=5"]
    parts = ["split.validation_fraction=0", "split.test_fraction=0"]
    config = Config().with_settings([*options, *training, *parts])
    train(config, ratings=planted, out=tmp_path)
    bundle = load_bundle(tmp_path / "bundle")
    model, dataset = dual_network(planted), dual_dataset(planted)
    callbacks = [CosineSchedule(RATE, EPOCHS), WeightAverage(config.training.average)]
    model.fit(dataset, epochs=EPOCHS, callbacks=callbacks, verbose=0)
    saved, fitted = bundle.model.to_arrays(), model.to_trained(dataset).to_arrays()
    for name in model.named_variables:
        assert fitted[name] == pytest.approx(saved[name], abs=1e-6), name


@pytest.mark.parametrize("dense", [True, False])
def test_fit_gives_the_weights_of_the_autorec_learner(planted: Ratings, dense: bool) -> None:
    """250 rows in batches of 64, the last one smaller; with dropout, re-feeding and the average of every step."""
    kernel = "dense" if dense else "sparse"
    settings = AutorecSettings("user", (12, 6, 12), "selu", 0.3, 0.2, 20.0, True, 1, 3.0, kernel)
    learner = AutorecLearner(planted, settings, optimizer="adam", average=0.9, seed=0, batch_size=64)
    for epoch in range(3):
        learner.epoch(epoch, 0.003 * scheduled("cosine", epoch / 3))
    dataset = autorec_dataset(planted)
    model = autorec_network(dataset, dense=dense)
    model.fit(dataset, epochs=3, callbacks=[CosineSchedule(0.003, 3), WeightAverage(0.9)], verbose=0)
    assert largest_difference(model.to_trained(dataset), learner.trained()) < 2e-6


def test_validation_is_that_of_the_trained_model(planted: Ratings, split: Split) -> None:
    """Both networks' `val_rmse`, and of the dual one also with few users that training does not know."""
    ratings, held_out = split.training_ratings, split.held_out("validation")
    some = HeldOut(
        np.concatenate([held_out.users, [10**6]]),
        np.concatenate([held_out.items, [held_out.items[0]]]),
        np.concatenate([held_out.values, [5.0]]),
    )
    users, items = ratings.locate_users(held_out.users), ratings.locate_items(held_out.items)
    known = (users >= 0) & (items >= 0)
    dual, rows = dual_dataset(ratings), autorec_dataset(ratings)
    item_rows = autorec_dataset(ratings, rows="item", residual=False, batch_size=50)
    for dataset, model, unit in (
        (dual, dual_network(ratings), 1.0),
        (rows, autorec_network(rows), rows.unit),
        (item_rows, autorec_network(item_rows, hidden=(8,), dense=False), item_rows.unit),
    ):
        history = model.fit(dataset, epochs=3, validation_data=dataset.held_out(some), verbose=0).history
        raw = model.to_trained(dataset).reconstruct(users[known], items[known])
        assert history["val_rmse"][-1] * unit == pytest.approx(rmse(held_out.values[known], raw), rel=1e-5)
        assert history["val_loss"][-1] == pytest.approx(history["val_rmse"][-1] ** 2, rel=1e-5)


def test_validation_without_a_known_rating_is_refused(planted: Ratings) -> None:
    strangers = HeldOut(np.array([10**6]), planted.item_ids[:1], np.array([3.0]))
    for dataset in (dual_dataset(planted), autorec_dataset(planted)):
        with pytest.raises(ValueError, match="None of the 1 held-out ratings"):
            dataset.held_out(strangers)


def test_early_stopping_keeps_the_best_averaged_weights(split: Split, tmp_path: Path) -> None:
    ratings = split.training_ratings
    dataset, model = dual_dataset(ratings), dual_network(ratings, rate=0.2)
    validation = dataset.held_out(split.held_out("validation"))
    stopping = keras.callbacks.EarlyStopping(monitor="val_rmse", patience=3, restore_best_weights=True)
    tensorboard = keras.callbacks.TensorBoard(str(tmp_path))
    callbacks = [WeightAverage(0.9), stopping, tensorboard]
    history = model.fit(dataset, epochs=60, validation_data=validation, callbacks=callbacks, verbose=0).history
    errors = history["val_rmse"]
    assert len(errors) < 60 and errors.index(min(errors)) == len(errors) - 4
    again = model.evaluate(validation, return_dict=True, verbose=0)
    assert again["rmse"] == pytest.approx(min(errors), rel=1e-6)
    assert list(tmp_path.rglob("events.out.*"))


def test_a_second_fit_continues_with_new_epochs(planted: Ratings) -> None:
    whole, parts = dual_network(planted), dual_network(planted)
    whole.fit(dual_dataset(planted), epochs=4, verbose=0)
    dataset = dual_dataset(planted)
    parts.fit(dataset, epochs=2, verbose=0)
    parts.fit(dataset, epochs=2, verbose=0)
    for one, two in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert one == pytest.approx(two, abs=1e-7)


@pytest.mark.parametrize("name", ["dual", "autorec"])
def test_a_saved_network_gives_equal_output_and_continues(planted: Ratings, tmp_path: Path, name: str) -> None:
    dataset: Any = dual_dataset(planted) if name == "dual" else autorec_dataset(planted)
    model: Any = dual_network(planted) if name == "dual" else autorec_network(dataset)
    model.fit(dataset, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs, _ = dataset[0]
    assert np.array_equal(model(inputs), loaded(inputs))
    assert loaded.get_config() == model.get_config()
    make = dual_dataset if name == "dual" else autorec_dataset
    for one in (model, loaded):  # also with the moments of the optimizer
        one.fit(make(planted, epoch=2), epochs=1, verbose=0)
    for one, two in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert one == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        RowEncoder(7, 3, intercept_initializer="ones", name="user_encoder"),
        BilinearDecoder(3, name="decoder"),
        HiddenLayer(4, "tanh", dense=False, seed=2),
        HiddenLayers((4, 3), "selu", seeds=(1, 2), first=2),
        ColumnOutput(7, "selu", seed=1),
        DualAutoencoder(6, 7, 3, l2=2.0, seed=4),
        AutorecAutoencoder(6, 7, (4, 3), "relu", code_dropout=0.1, refeeds=1, l2=2.0, dense=False, seed=4),
        PersonNetwork(7, 3, mean=3.5, minimum=1.0, maximum=5.0, damping=10.0, rho=0.9),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_configurations_make_the_same_layer(layer: Any) -> None:
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer)).get_config() == config


def test_the_summary_names_layers_and_counts_parameters(planted: Ratings) -> None:
    lines: list[str] = []
    dual_network(planted).summary(print_fn=lines.append)
    text = "\n".join(lines)
    counts = {
        "user_encoder": 2 * 6 * planted.num_items + 6,
        "item_encoder": 2 * 6 * planted.num_users + 6,
        "decoder": 12,
    }
    for name, count in counts.items():
        assert re.search(rf"{name} \(\w+\).*{count:,}", text), text
    assert f"({planted.num_users}, 6)" in text and f"{sum(counts.values()):,}" in text
    lines.clear()
    autorec_network(autorec_dataset(planted)).summary(print_fn=lines.append, expand_nested=True)
    assert all(name in "\n".join(lines) for name in ("encoder", "decoder", "output", "HiddenLayers", "ColumnOutput"))


def test_another_loss_changes_what_is_learnt(planted: Ratings) -> None:
    ends = []
    for loss in (None, keras.losses.MeanSquaredError(), keras.losses.Huber(delta=0.3)):
        model = dual_network(planted, loss=loss)
        model.fit(dual_dataset(planted), epochs=3, verbose=0)
        ends.append(model.get_weights())
    assert all(np.array_equal(one, two) for one, two in zip(ends[0], ends[1], strict=True))
    assert not np.allclose(ends[0][0], ends[2][0], atol=1e-5)
    dataset = autorec_dataset(planted)
    model = autorec_network(dataset)
    with pytest.raises(ValueError, match="reduction='sum'"):
        model.compile("adam", keras.losses.Huber())
    model.compile(make_optimizer("adam", 0.003), keras.losses.Huber(reduction="sum"))
    assert np.isfinite(model.fit(dataset, epochs=1, verbose=0).history["loss"][0])


def test_sample_weights_weigh_targets(planted: Ratings) -> None:
    """A target of weight 0 counts for nothing: the step is that without it, but for the mean's denominator."""
    model, other = dual_network(planted, optimizer="sgd", rate=1.0), dual_network(planted, optimizer="sgd", rate=1.0)
    model.l2 = other.l2 = 0.0
    inputs, targets = dual_dataset(planted).batch(0)
    half = len(targets) // 2
    weights = tf.constant(np.arange(len(targets)) < half, tf.float32)
    first = {name: inputs[name][:half] for name in ("decode_cells", "decode_order")}
    cells = first["decode_cells"].numpy()
    first["decode_order"] = tf.constant(np.lexsort((cells[:, 0], cells[:, 1])), tf.int32)
    losses = [
        float(model.compute_loss(inputs, targets, model(inputs), weights)) * len(targets),
        float(other.compute_loss(inputs, targets[:half], other(inputs | first))) * half,
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("name", ["dual", "autorec"])
def test_training_state_is_kept_by_name(planted: Ratings, name: str) -> None:
    if name == "dual":
        settings = DualSettings(6, 5.0, 0.25, 0.0, 3.0)
        learners = [DualLearner(planted, settings, optimizer="adam", average=0.9, seed=seed) for seed in (0, 1)]
    else:
        rows = AutorecSettings("user", (4,), "relu", 0.0, 0.0, 1.0, True, 0, 3.0, "dense")
        learners: Any = [  # type: ignore[no-redef]
            AutorecLearner(planted, rows, optimizer="adam", average=0.9, seed=seed, batch_size=64) for seed in (0, 1)
        ]
    state = learners[0].state()
    path = "dual/user_encoder/residual_table" if name == "dual" else "autorec/encoder/hidden_0/kernel"
    moment = f"adam/{path.replace('/', '_')}_momentum"
    assert {path, moment, f"average/{path}", "average/steps", "adam/iteration"} <= state.keys()
    assert learners[1].state().keys() == state.keys()  # whatever was made before in this process
    learners[1].restore(dict(reversed(state.items())))
    assert all(np.array_equal(array, state[key]) for key, array in learners[1].state().items())
    del state[moment]
    with pytest.raises(ValueError, match=f"another model or optimizer: {moment} is not in both"):
        learners[1].restore(state)


def test_networks_of_trained_models_reconstruct_as_they_do(planted: Ratings) -> None:
    rows = autorec_dataset(planted, rows="item")
    trained = autorec_network(rows, hidden=(8,), refeeds=0).to_trained(rows)
    network = trained.keras_model()
    inputs, _ = autorec_dataset(planted, rows="item", dropout=0.0, batch_size=10**6)[0]
    own = network.to_trained(rows)
    assert largest_difference(trained, own) == 0.0
    assert network.get_config()["code_dropout"] == 0.2 and network(inputs).shape == (len(planted),)
    dataset = dual_dataset(planted)
    dual = dual_network(planted).to_trained(dataset)
    assert largest_difference(dual, dual.keras_model().to_trained(dataset)) == 0.0


def test_a_saved_model_predicts_as_the_dual_member(tastes: Bundle, tmp_path: Path) -> None:
    dual = tastes.model.members()["dual"]
    PersonNetwork.from_trained(dual).export(tmp_path / "saved", verbose=False)  # type: ignore[arg-type]
    person = tf.saved_model.load(str(tmp_path / "saved"))
    ratings = tastes.ratings
    assert ratings is not None
    items = np.arange(ratings.num_items)
    folded = dual.fold_in(ratings)
    for user in (0, 7, 100):
        row = ratings.row(user)
        given = {
            "items": tf.constant(ratings.item_index[row], tf.int32),
            "ratings": tf.constant(ratings.values[row], tf.float32),
        }
        expected = dual.predict(np.full(len(items), user), items, encoded_users=folded)
        assert person.serve(given).numpy() == pytest.approx(expected, abs=1e-5)
    nobody = person.serve({"items": tf.zeros([0], tf.int32), "ratings": tf.zeros([0], tf.float32)})
    assert np.isfinite(nobody).all()


def test_the_code_of_the_page_runs(
    planted: Ratings, taste_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(taste_run)
    write_csv(planted, tmp_path / "data" / "ratings.csv")
    write_csv(planted.take(np.arange(0, len(planted), 3)), tmp_path / "data" / "more_ratings.csv")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {"__name__": "page"}
    before = Recommender.load(taste_run).keras_model.get_weights()
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number} of keras.md", "exec"), names)  # the page's own code
    assert min(names["history"].history["val_rmse"]) < names["history"].history["val_rmse"][0]
    assert not np.allclose(before[0], names["network"].get_weights()[0], atol=1e-4)
    inputs, _ = names["dataset"][0]
    assert np.array_equal(names["deeper"](inputs), names["again"](inputs))
    assert not np.allclose(names["deeper"].bend.kernel, 0.0)
    bundle = load_bundle(taste_run / "bundle")
    dual = bundle.model.members()["dual"]
    own = Ratings.from_columns([0, 0, 0], names["items"], [5.0, 1.0, 4.0], scale=bundle.model.scale)
    person = Ratings(
        own.user_index, np.array(names["items"], np.int32), own.values, own.user_ids, bundle.item_ids, own.scale
    )
    items = np.arange(len(bundle.item_ids))
    expected = dual.predict(np.zeros(len(items), int), items, encoded_users=dual.fold_in(person))
    assert names["predictions"].numpy() == pytest.approx(expected, abs=1e-5)
