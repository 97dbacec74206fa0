"""The estimator follows scikit-learn's conventions and predicts what `train` and `Recommender` predict."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnsNotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from movie_autoencoder import Config, RatingAutoencoder, Ratings, Recommender, Scale, train
from movie_autoencoder.config import ConfigError
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.baselines import damped_bias

FAST = {"epochs": 40, "latent_dim": 8, "budget": 0}

# Checks whose own data cannot be ratings: features that are not two columns of ids, or fewer than 20 rows. The tests
# below check the same behaviour on ratings.
NOT_PAIRS = {
    "check_fit_score_takes_y",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_estimators_dtypes",
    "check_complex_data",
    "check_dtype_object",
    "check_estimators_empty_data_messages",
    "check_pipeline_consistency",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_fit2d_1sample",
    "check_fit2d_1feature",
    "check_dict_unchanged",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_fit2d_predict1d",
}
# `transform` returns a row for each person, not for each row of its argument.
ROWS_ARE_PEOPLE = {
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}
FITTING = {
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_valid_tag_types",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_n_features_in",
    "check_fit1d",
    "check_requires_y_none",
    "check_transformers_unfitted",
}


@pytest.fixture(scope="module")
def parts(planted: Ratings) -> tuple[Ratings, pd.DataFrame]:
    """Training ratings, and held-out ones as a frame."""
    split = split_ratings(planted, validation_fraction=0.0, seed=0)
    held_out = split.held_out("test")
    frame = pd.DataFrame({"userId": held_out.users, "movieId": held_out.items, "rating": held_out.values})
    return split.training_ratings, frame


@pytest.fixture(scope="module")
def fitted(parts: tuple[Ratings, pd.DataFrame]) -> RatingAutoencoder:
    return RatingAutoencoder(**FAST).fit(parts[0])


def as_pairs(ratings: Ratings) -> np.ndarray:
    return np.stack([ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index]], axis=1)


def test_scikit_learns_checks_that_apply() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(RatingAutoencoder(speed="fast", epochs=2, budget=0), on_fail=None)
    names = {
        status: {one["check_name"] for one in results if one["status"] == status} for status in ("passed", "failed")
    }
    assert names["failed"] <= NOT_PAIRS | ROWS_ARE_PEOPLE
    assert names["passed"] >= FITTING


def test_it_is_the_model_of_train(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder, tmp_path: Path
) -> None:
    words = ["split.test_fraction=0", "training.epochs=40", "model.latent_dim=8", "training.budget=0"]
    train(Config().with_settings(words), ratings=parts[0], out=tmp_path / "run")
    recommender = Recommender.load(tmp_path / "run")
    users, items = parts[1]["userId"].to_numpy(), parts[1]["movieId"].to_numpy()
    assert np.array_equal(fitted.predict(parts[1]), recommender.predict(users, items))
    assert set(fitted.validation_) >= {"model", "dual", "bayesian", "global_mean", "item_mean", "damped_bias"}


def test_it_beats_the_biases_and_score_is_the_negative_rmse(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder
) -> None:
    training, test = parts
    biases = damped_bias(training, 5.0).predict(
        training.locate_users(test["userId"]), training.locate_items(test["movieId"])
    )
    error = rmse(test["rating"].to_numpy(), fitted.predict(test))
    assert error < rmse(test["rating"].to_numpy(), biases) - 0.01
    assert fitted.score(test) == pytest.approx(-error)
    assert fitted.score(test[["userId", "movieId"]].to_numpy(), test["rating"]) == pytest.approx(-error)


@pytest.mark.slow
def test_every_form_of_ratings_gives_the_same_model(parts: tuple[Ratings, pd.DataFrame]) -> None:
    training, test = parts
    pairs = as_pairs(training)
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    few = {"speed": "fast", "epochs": 3, "budget": 0, "scale": "0.5:5"}
    forms = [
        (training, None),
        (pairs, training.values),
        (frame, training.values),
        (pairs.tolist(), training.values.tolist()),
        (frame.assign(rating=training.values), None),
        (pairs.astype(float), training.values[:, None]),
        (np.asfortranarray(pairs.astype(object)), training.values),
    ]
    predictions = [RatingAutoencoder(**few).fit(*form).predict(test) for form in forms]
    for one in predictions[1:]:
        assert np.array_equal(one, predictions[0])


def test_predictions_do_not_depend_on_order_or_on_the_other_pairs(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder
) -> None:
    pairs = parts[1][["userId", "movieId"]].to_numpy()
    whole = fitted.predict(pairs)
    assert np.allclose(fitted.predict(pairs[::-1]), whole[::-1], rtol=0, atol=1e-5)
    assert np.allclose([fitted.predict(pairs[[index]])[0] for index in range(20)], whole[:20])


def test_text_ids_and_unknown_ones() -> None:
    pairs = [(f"u{user}", item) for user in range(12) for item in range(user % 3, 10, 2)]
    stars = [1.0 + (item % 5) for _, item in pairs]
    model = RatingAutoencoder(epochs=5, budget=0).fit(pairs, stars)
    some = model.predict([("u3", 4), ("nobody", 4), ("u3", 99), ("nobody", 99)])
    assert np.isfinite(some).all() and len(set(some.tolist())) > 1


def test_a_second_fit_forgets_the_first_and_leaves_no_file_behind(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    once, again = (clone(fitted).set_params(speed="fast", validation_fraction=0.0) for _ in range(2))
    assert not hasattr(again, "recommender_")
    before = again.get_params()
    assert again.fit(parts[0].take(np.arange(6000))) is again
    assert again.get_params() == before and again.n_features_in_ == 2
    assert np.array_equal(again.fit(parts[0]).predict(parts[1]), once.fit(parts[0]).predict(parts[1]))
    assert list(tmp_path.iterdir()) == []
    check_is_fitted(again)


def test_a_pickled_estimator_predicts_the_same(parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder) -> None:
    again = pickle.loads(pickle.dumps(fitted))  # as parallel searches send it
    assert np.array_equal(again.predict(parts[1]), fitted.predict(parts[1]))
    assert repr(again) == "RatingAutoencoder(latent_dim=8, epochs=40, budget=0)"


@pytest.mark.slow
def test_a_grid_search_runs(parts: tuple[Ratings, pd.DataFrame]) -> None:
    pairs, stars = as_pairs(parts[0]), parts[0].values
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(RatingAutoencoder(speed="fast", **FAST), {"l2": np.array([15.0, 1e5])}, cv=folds).fit(
        pairs, stars
    )
    assert search.best_params_ == {"l2": 15.0}
    assert -0.9 < search.best_score_ < -0.7  # minus an RMSE in stars


def test_every_argument_reaches_the_configuration() -> None:
    settings = {
        "speed": ("model.speed", "fast"),
        "latent_dim": ("model.latent_dim", 3),
        "l2": ("model.l2", 4.5),
        "hidden_fraction": ("model.hidden_fraction", 0.3),
        "optimizer": ("training.optimizer", "sgd"),
        "learning_rate": ("training.learning_rate", 0.2),
        "epochs": ("training.epochs", 7),
        "budget": ("training.budget", 2.5),
        "validation_fraction": ("split.validation_fraction", 0.25),
        "seed": ("training.seed", 9),
        "threads": ("training.threads", 1),
    }
    values = {name: value for name, (_, value) in settings.items()}
    estimator = RatingAutoencoder(**values, settings={"model.hidden_rows": 0.1})
    assert set(values) == set(estimator.get_params()) - {"model", "scale", "settings"}
    config = estimator.to_config().to_dict()
    for setting, value in settings.values():
        section, key = setting.split(".")
        assert config[section][key] == value, setting
    assert config["model"]["hidden_rows"] == 0.1 and config["split"]["test_fraction"] == 0.0
    none = RatingAutoencoder(l2=0.0, budget=0, validation_fraction=0.0, threads=0).to_config()  # 0 is a value, not None
    assert (none.model.l2, none.training.budget, none.split.validation_fraction) == (0.0, 0.0, 0.0)
    assert RatingAutoencoder(model="autorec").to_config().model.name == "autorec"
    with pytest.raises(ConfigError, match="There is no setting 'model.nothing'"):
        RatingAutoencoder(settings={"model.nothing": 1}).to_config()
    with pytest.raises(ValueError, match="Invalid parameter 'nothing' for estimator RatingAutoencoder"):
        RatingAutoencoder().set_params(nothing=1)


def test_the_scale_can_be_given(parts: tuple[Ratings, pd.DataFrame]) -> None:
    pairs, stars = as_pairs(parts[0]), parts[0].values
    for scale in ("0:10", Scale(0.0, 10.0)):
        model = RatingAutoencoder(speed="fast", epochs=2, validation_fraction=0.0, scale=scale).fit(pairs, stars)
        assert (model.recommender_.scale.minimum, model.recommender_.scale.maximum) == (0.0, 10.0)
    with pytest.raises(ValueError, match="lies outside the scale"):
        RatingAutoencoder(scale="1:4").fit(pairs, stars)


def test_transform_encodes_people_from_their_ratings_alone(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder
) -> None:
    """Eight numbers of the dual autoencoder, then 32 of Bayesian matrix factorization, which folds in everyone."""
    training = parts[0]
    latent = fitted.transform(training)
    trained = fitted.recommender_.model.users.latent
    assert latent.shape == trained.shape == (training.num_users, 8 + 32)
    assert np.corrcoef(latent[:, :8].ravel(), trained[:, :8].ravel())[0, 1] > 0.99
    assert np.corrcoef(latent[:, 8:].ravel(), trained[:, 8:].ravel())[0, 1] > 0.8
    row = training.row(5)
    stranger = pd.DataFrame(
        {"user": "me", "item": training.item_ids[training.item_index[row]], "rating": training.values[row]}
    )
    assert np.allclose(fitted.transform(stranger)[0], latent[5], atol=1e-5)


def test_recommendations_are_the_best_items_that_were_not_rated(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder
) -> None:
    training = parts[0]
    users = training.user_ids[[3, 8]]
    table = fitted.recommend(users, k=7)
    assert list(table.columns) == ["user_id", "item_id", "rating", "rank"]
    for user in users:
        rows = table[table["user_id"] == user]
        rated = training.item_ids[training.item_index[training.row(int(training.locate_users([user])[0]))]]
        assert list(rows["rank"]) == list(range(1, 8)) and not np.isin(rows["item_id"], rated).any()
        others = np.setdiff1d(training.item_ids, rated)
        stars = fitted.predict(np.stack([np.full(len(others), user), others], axis=1))
        assert np.allclose(np.sort(stars)[::-1][:7], rows["rating"])
    one = fitted.recommend(users[0], k=1000)
    assert len(one) == training.num_items - training.user_counts[training.locate_users(users[:1])[0]]
    with pytest.raises(ValueError, match="User -1 was not in training"):
        fitted.recommend([-1])
    with pytest.raises(ValueError, match="k must be at least 1"):
        fitted.recommend(users, k=0)


def test_recommendations_for_given_ratings_are_those_of_the_same_person(
    parts: tuple[Ratings, pd.DataFrame], fitted: RatingAutoencoder
) -> None:
    training = parts[0]
    person = int(np.argmax(training.user_counts))
    row = training.row(person)
    stranger = pd.DataFrame(
        {
            "user": "me",
            "item": [*training.item_ids[training.item_index[row]], 10**6],
            "rating": [*training.values[row], 5.0],
        }
    )  # one item that nobody in training rated
    theirs, mine = fitted.recommend(training.user_ids[person], k=20), fitted.recommend(stranger, k=20)
    assert set(mine["user_id"]) == {"me"}
    assert len(set(mine["item_id"]) & set(theirs["item_id"])) >= 17
    assert not np.isin(mine["item_id"], stranger["item"]).any()


def test_keras_model_is_that_of_the_recommender() -> None:
    estimator = RatingAutoencoder()
    estimator.recommender_ = SimpleNamespace(keras_model=object())
    assert estimator.keras_model is estimator.recommender_.keras_model


@pytest.mark.parametrize("call", ["predict", "score", "transform", "recommend", "keras_model"])
def test_not_fitted(call: str, planted: Ratings) -> None:
    with pytest.raises(SklearnsNotFittedError, match="This RatingAutoencoder instance is not fitted yet. Call 'fit'"):
        getattr(RatingAutoencoder(), call)(planted)


def test_other_arguments_than_ratings_are_refused(fitted: RatingAutoencoder) -> None:
    with pytest.raises(ValueError, match=r"an array of shape \(n, 2\), not a sparse matrix. Received shape: \(4, 3\)"):
        fitted.predict(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="must not contain NaN or infinity"):
        fitted.predict(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="requires y to be passed"):
        fitted.fit(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="such as user_id and item_id. Its columns: a, b"):
        fitted.predict(pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(ValueError, match="Ratings must be finite numbers"):
        fitted.fit(np.zeros((2, 2), dtype=int), [1.0, np.nan])


def test_scikit_learn_is_not_needed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from movie_autoencoder import RatingAutoencoder\n"
        "from movie_autoencoder.estimator import NotFittedError\n"
        "try: RatingAutoencoder().predict([[1, 2]])\n"
        "except NotFittedError as error: print(error, RatingAutoencoder(l2=3.0).set_params(seed=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "This RatingAutoencoder instance is not fitted yet. Call 'fit' with ratings first. "
        "RatingAutoencoder(l2=3.0, seed=2)\n"
    )
