"""The rating autoencoder as a Cornac recommender, for Cornac's experiments and searches.

from cornac.experiment import Experiment
Experiment(eval_method, models=[RatingAutoencoderRecommender(latent_dim=32)], metrics=[RMSE()]).run()
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from cornac.data import Dataset
from cornac.models import Recommender

from ..estimator import RatingAutoencoder


class RatingAutoencoderRecommender(Recommender):
    """Scores are predicted stars, not clipped, so that they also rank; Cornac clips ratings itself.

    Args:
        name: of the model in Cornac's tables.
        trainable: False keeps Cornac from training it.
        verbose: of no effect here.
        parameters: the arguments of `RatingAutoencoder`, by the same names.
    """

    def __init__(
        self, name: str = "RatingAutoencoder", trainable: bool = True, verbose: bool = False, **parameters: Any
    ) -> None:
        super().__init__(name=name, trainable=trainable, verbose=verbose)
        self.estimator = RatingAutoencoder(**parameters)
        self.__dict__.update(self.estimator.get_params())  # where Cornac's `clone` looks for them

    @classmethod
    def _get_init_params(cls) -> list[str]:
        return ["name", "trainable", "verbose", *RatingAutoencoder().get_params()]

    def fit(self, train_set: Dataset, val_set: Dataset | None = None) -> RatingAutoencoderRecommender:
        """Trains on a data set; what is chosen is chosen on a part of it, and ``val_set`` is not looked at."""
        super().fit(train_set, val_set)
        if self.trainable:
            users, items, stars = train_set.uir_tuple
            self.estimator.fit(np.stack([users, items], axis=1), stars)
        return self

    def score(self, user_idx: int, item_idx: int | None = None) -> Any:
        """Stars of a user for an item, or for all items of training; an unknown index gets what is said of anyone."""
        recommender = self.estimator.recommender_
        items = np.arange(self.num_items) if item_idx is None else np.array([item_idx])
        users = np.full(len(items), recommender.locate_users([user_idx])[0])
        stars: npt.NDArray[Any] = recommender.model.reconstruct(users, recommender.locate_items(items))
        return stars if item_idx is None else stars[0]
