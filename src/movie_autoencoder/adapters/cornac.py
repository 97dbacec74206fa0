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
    """The rating autoencoder as a Cornac recommender.

    Scores are reconstructions: predicted ratings before they are clipped to the scale, because clipped ratings would
    tie. Cornac clips ratings itself.

    Args:
        name: name of the model in Cornac's tables.
        trainable: if False, Cornac does not train the model.
        verbose: has no effect.
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
        """Trains on a data set. Settings are chosen on a part of it; ``val_set`` is ignored."""
        super().fit(train_set, val_set)
        if self.trainable:
            users, items, ratings = train_set.uir_tuple
            self.estimator.fit(np.stack([users, items], axis=1), ratings)
        return self

    def score(self, user_idx: int, item_idx: int | None = None) -> Any:
        """Scores of one user for an item, or for all training items.

        Args:
            user_idx: index of the user; an unknown one gets the prior mean of users.
            item_idx: index of the item; all training items if None.

        Returns:
            A number, or an array of shape ``(num_items,)``.
        """
        recommender = self.estimator.recommender_
        items = np.arange(self.num_items) if item_idx is None else np.array([item_idx])
        users = np.full(len(items), recommender.locate_users([user_idx])[0])
        scores: npt.NDArray[Any] = recommender.model.reconstruct(users, recommender.locate_items(items))
        return scores if item_idx is None else scores[0]
