"""The classic autoencoder as a family: one fit, whose settings the configuration gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ...config import AutorecConfig, Config
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner, ModelError
from ..family import ModelFamily, Trial, TrialResult
from .settings import AutorecSettings
from .trained import TrainedAutorec

EPOCHS = 60
_BYTES_PER_RATING, _BYTES_PER_NUMBER, _BYTES_PER_INPUT = 60, 28, 16  # the last for each row of a batch


class AutorecFamily(ModelFamily):
    """The classic autoencoder."""

    name = "autorec"
    title = "classic autoencoder"
    size_setting = "model.hidden"
    config = AutorecConfig
    trained = TrainedAutorec

    def check(self, config: Config, ratings: Ratings, catalogue: Catalogue | None) -> None:
        """Refuses a split by user with item rows; see the base class."""
        if config.split.by == "user" and cast(AutorecConfig, config.model).rows == "item":
            raise ModelError(
                "A split by user needs a model that takes in new users, and autorec with item rows has one input for "
                "each training user. Use --model dual, or --set model.rows=user."
            )

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """One fit: only its number of epochs is chosen; see the base class."""
        if results:
            return None
        model = cast(AutorecConfig, config.model)
        values = model.model_dump(exclude={"name"}) | {"damping": damping if model.damping is None else model.damping}
        return Trial(AutorecSettings(**values), config.training.epochs or EPOCHS)

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """The Keras learner; see the base class."""
        from .learner import AutorecLearner, default_learning_rate

        training = config.training
        learner = AutorecLearner(
            ratings,
            trial.settings,
            optimizer=training.optimizer,
            average=training.average,
            seed=training.seed,
            batch_size=training.batch_size,
        )
        return learner, training.learning_rate or default_learning_rate(training.optimizer, trial.settings)

    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of a fit, bytes."""
        model = cast(AutorecConfig, config.model)
        inputs, rows = ratings.num_users, ratings.num_items
        if model.rows == "user":
            inputs, rows = rows, inputs
        numbers = inputs * (model.hidden[0] + model.hidden[-1]) + rows * model.hidden[-1]
        batch = _BYTES_PER_INPUT * config.training.batch_size * inputs
        return float(_BYTES_PER_RATING * len(ratings) + _BYTES_PER_NUMBER * numbers + batch)

    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of the fit and its refit."""
        width = cast(AutorecConfig, config.model).hidden[0]
        return 2.0 * (config.training.epochs or EPOCHS) * len(ratings) * width
