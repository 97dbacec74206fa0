"""The rating autoencoder as an estimator with scikit-learn's conventions: `fit`, `predict`, `transform`, `recommend`.

The constructor stores its arguments under their own names. `fit` stores what it learns in attributes that end with an
underscore. `get_params` and `set_params` support grid searches and `sklearn.base.clone`. scikit-learn is optional: only
its error and its tags are imported, and only where it is installed. `training.train` does the training.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from .bundle.bundle import load_bundle
from .config import Config
from .data.ratings import FloatArray, Ids, Ratings, Scale
from .data.sources import read_ratings
from .data.sources.header import KNOWN_COLUMNS, plain_names
from .metrics.errors import rmse
from .recommend.recommender import Recommender
from .training.train import train

_SETTINGS = {  # constructor argument: its setting in the configuration
    "speed": "model.speed",
    "latent_dim": "model.latent_dim",
    "l2": "model.l2",
    "hidden_fraction": "model.hidden_fraction",
    "optimizer": "training.optimizer",
    "learning_rate": "training.learning_rate",
    "epochs": "training.epochs",
    "budget": "training.budget",
    "seed": "training.seed",
    "threads": "training.threads",
    "validation_fraction": "split.validation_fraction",
}


class NotFittedError(ValueError, AttributeError):
    """`fit` has not been called. Where scikit-learn is installed, its own error of this name is raised instead."""


class RatingAutoencoder:
    """The rating autoencoder as an estimator.

    An argument that is None is chosen on validation, or has the default that docs/configuration.md gives.

    Args:
        model: name of the model: ``"dual"``, ``"autorec"``, or a model that a plugin registers.
        speed: for ``"dual"``: ``"best"`` averages the dual autoencoder with Bayesian matrix factorization; ``"fast"``
            trains the dual autoencoder alone, which is faster and a little less accurate.
        latent_dim: length of the latent vectors.
        l2: L2 penalty on the weights.
        hidden_fraction: fraction of the ratings that each training step hides and predicts.
        optimizer: ``"adam"``, ``"adamw"``, ``"nadam"``, ``"rmsprop"``, ``"adagrad"`` or ``"sgd"``.
        learning_rate: initial learning rate.
        epochs: length of the learning rate schedule, epochs.
        budget: work allowed for hyperparameter search; 0 skips hyperparameter search.
        validation_fraction: fraction of the ratings that chooses settings. The model is then trained again on all.
        scale: the rating scale, as a `Scale` or as text like ``"0.5:5"``; detected from the ratings if None.
        seed: seed of the split, of the initial weights and of training.
        threads: processor threads; 0 for all.
        settings: any other setting by its name in docs/configuration.md, such as ``{"model.hidden_rows": 0.1}``.

    Attributes:
        recommender_: the trained model as a `Recommender`.
        ratings_: the ratings that `fit` was given.
        validation_: RMSE and MAE on the validation part, by name: of the model before it was trained again, and of the
            baselines.
        n_features_in_: 2, user and item.

    Example:
        ``RatingAutoencoder(seed=1).fit(frame).predict([[1, 318], [1, 593]])`` predicts user 1's ratings of two items.
    """

    def __init__(
        self,
        *,
        model: str = "dual",
        speed: str | None = None,
        latent_dim: int | None = None,
        l2: float | None = None,
        hidden_fraction: float | None = None,
        optimizer: str | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        budget: float | None = None,
        validation_fraction: float | None = None,
        scale: Scale | str | None = None,
        seed: int = 0,
        threads: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.speed = speed
        self.latent_dim = latent_dim
        self.l2 = l2
        self.hidden_fraction = hidden_fraction
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.budget = budget
        self.validation_fraction = validation_fraction
        self.scale = scale
        self.seed = seed
        self.threads = threads
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name. ``deep`` changes nothing: no argument is an estimator."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Changes constructor arguments, and returns the estimator itself.

        Raises:
            ValueError: no such argument.
        """
        known = list(inspect.signature(type(self)).parameters)
        for name in params:
            if name not in known:
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. Parameters: {', '.join(known)}.")
        vars(self).update(params)
        return self

    def fit(self, X: Ratings | pd.DataFrame | npt.ArrayLike, y: npt.ArrayLike | None = None) -> Self:
        """Trains on ratings. Leaves no file behind.

        Args:
            X: `Ratings`; or a DataFrame with columns for user, item and rating, under known names; or pairs of
                user and item id, as an array of shape ``(n, 2)`` or a DataFrame, with the ratings in ``y``.
            y: ratings, shape ``(n,)``.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a setting does not exist or has a wrong value.
            ValueError: no ratings can be read from ``X`` and ``y``, or there are too few.
        """
        config, ratings = self.to_config(), self._ratings(X, y, self.scale)
        with tempfile.TemporaryDirectory(prefix="movie-autoencoder-") as folder:
            result = train(config, ratings=ratings, out=folder)
            bundle = load_bundle(Path(folder) / "bundle")
        self.recommender_ = Recommender(bundle)
        self.ratings_ = ratings
        self.validation_ = result.validation
        self.n_features_in_ = 2
        return self

    def predict(self, X: Ratings | pd.DataFrame | npt.ArrayLike) -> FloatArray:
        """Predicts ratings.

        Args:
            X: pairs of user and item id, as for `fit`. An unknown id gets the prior mean of users, or of items.

        Returns:
            Ratings on the scale, shape ``(n,)``.
        """
        return self._fitted().predict(*_pairs(X))

    def score(self, X: Ratings | pd.DataFrame | npt.ArrayLike, y: npt.ArrayLike | None = None) -> float:
        """The negative RMSE of the predictions, rating points: higher is better. Arguments as for `fit`."""
        recommender = self._fitted()
        ratings = self._ratings(X, y, recommender.scale)
        return -rmse(ratings.values, self.predict(ratings))

    def transform(self, X: Ratings | pd.DataFrame) -> npt.NDArray[np.float32]:
        """Encodes people from their ratings alone. The model does not change.

        Args:
            X: ratings of any people, as `Ratings` or a DataFrame with columns for user, item and rating.

        Returns:
            Latent vectors, shape ``(num_users, latent_dim)``: a row for each user in ``X``, in ascending order of ids.
        """
        recommender = self._fitted()
        return recommender.encode(self._ratings(X, None, recommender.scale)).latent

    def recommend(self, users: Ratings | pd.DataFrame | npt.ArrayLike, *, k: int = 10) -> pd.DataFrame:
        """Recommends the items with the highest reconstruction among those that a person has not rated.

        Args:
            users: ids of training users; or ratings of any people, as for `transform`.
            k: items per person; fewer where fewer are left.

        Returns:
            Columns ``user_id``, ``item_id``, ``rating`` (the prediction) and ``rank`` (from 1), best first.

        Raises:
            ValueError: an id was not in training, or ``k`` is below 1.
        """
        recommender = self._fitted()
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: {k}.")
        if isinstance(users, (Ratings, pd.DataFrame)):
            rated = self._ratings(users, None, recommender.scale)
            user_ids, encoded_users = rated.user_ids, recommender.encode(rated)
            rows = np.arange(rated.num_users)
        else:
            rated, user_ids, encoded_users = self.ratings_, np.atleast_1d(np.asarray(users)), None
            rows = recommender.locate_users(user_ids)
            if (rows < 0).any():
                raise ValueError(
                    f"User {user_ids[rows < 0][0]} was not in training. Give this person's ratings instead of the id."
                )
        columns, all_items = recommender.locate_items(rated.item_ids), np.arange(len(recommender.item_ids))
        parts = []
        for user_id, row, index in zip(user_ids, rows, rated.locate_users(user_ids), strict=True):
            reconstruction = recommender.model.reconstruct(
                np.full(len(all_items), row), all_items, encoded_users=encoded_users
            )
            others = np.setdiff1d(all_items, columns[rated.item_index[rated.row(index)]])
            best = others[np.argsort(-reconstruction[others], kind="stable")[:k]]
            parts.append(
                pd.DataFrame(
                    {
                        "user_id": user_id,
                        "item_id": recommender.item_ids[best],
                        "rating": recommender.scale.clip(reconstruction[best]),
                        "rank": np.arange(1, len(best) + 1),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    @property
    def keras_model(self) -> Any:
        """The Keras network of the fitted model, to inspect, fine-tune or export (docs/keras.md).

        Raises:
            NotFittedError: `fit` has not been called.
        """
        return self._fitted().keras_model

    def to_config(self) -> Config:
        """The configuration that `fit` trains with. It holds out no test part: all ratings train the model.

        Raises:
            ConfigError: a setting does not exist or has a wrong value.
        """
        values: dict[str, dict[str, Any]] = {"model": {"name": self.model}, "split": {"test_fraction": 0.0}}
        own = {_SETTINGS[name]: value for name, value in self.get_params().items() if name in _SETTINGS}
        for setting, value in {**own, **(self.settings or {})}.items():
            section, _, key = setting.partition(".")
            if value is not None:  # grid searches pass NumPy's numbers
                values.setdefault(section, {})[key] = value.item() if isinstance(value, np.generic) else value
        return Config.from_dict(values)

    @staticmethod
    def _ratings(X: Any, y: npt.ArrayLike | None, scale: Scale | str | None) -> Ratings:
        if y is None:
            if isinstance(X, Ratings):
                return X
            if isinstance(X, pd.DataFrame):
                return read_ratings(X, scale=scale)
            raise ValueError(
                "RatingAutoencoder requires y to be passed, but the target y is None. Pass the ratings of the pairs of "
                "user and item id as y."
            )
        users, items = _pairs(X)
        values = np.ravel(np.asarray(y, dtype=np.float32))
        scale = Scale.parse(scale) if isinstance(scale, str) else scale
        return Ratings.from_columns(users, items, values, scale=scale and scale.with_step_of(values))

    def _fitted(self) -> Recommender:
        if not self.__sklearn_is_fitted__():
            message = f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with ratings first."
            try:
                from sklearn.exceptions import NotFittedError as ScikitLearnError
            except ImportError:
                raise NotFittedError(message) from None
            raise ScikitLearnError(message)
        return self.recommender_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "recommender_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=True),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(categorical=True, string=True),
        )

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != defaults[name].default]
        return f"{type(self).__name__}({', '.join(changed)})"


def _pairs(X: Any) -> tuple[Ids, Ids]:
    """User and item ids, shape ``(n,)`` each."""
    if isinstance(X, Ratings):
        return X.user_ids[X.user_index], X.item_ids[X.item_index]
    if isinstance(X, pd.DataFrame):
        names = [str(name) for name in X.columns]
        plain = plain_names(names)
        found = [
            next((plain[name] for name in KNOWN_COLUMNS[role] if name in plain), None) for role in ("user", "item")
        ]
        if None not in found:
            users, items = (X.iloc[:, names.index(str(name))].to_numpy() for name in found)
            return users, items
        raise ValueError(
            f"The frame needs a column for the user and one for the item, such as user_id and item_id. Its columns: "
            f"{', '.join(names)}."
        )
    array = X if isinstance(X, np.ndarray) else np.array(X, dtype=object)  # a list may mix text and numbers
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            "X must hold pairs of user and item id: an array of shape (n, 2), not a sparse matrix. Received shape: "
            f"{array.shape}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("X must not contain NaN or infinity: an id is a whole number or text.")
    return array[:, 0], array[:, 1]
