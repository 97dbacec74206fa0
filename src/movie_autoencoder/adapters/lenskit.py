"""The rating autoencoder as a LensKit scorer, for LensKit's pipelines and batch runs (LensKit 2025).

from lenskit.pipeline import topn_pipeline
pipeline = topn_pipeline(RatingAutoencoderScorer(latent_dim=32), predicts_ratings="raw")
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lenskit.data import Dataset, ItemList, QueryInput, RecQuery
from lenskit.pipeline import Component
from lenskit.training import Trainable, TrainingOptions
from pydantic import BaseModel, model_validator

from ..data.ratings import Ratings
from ..estimator import RatingAutoencoder


class RatingAutoencoderConfig(BaseModel, extra="allow"):
    """The arguments of `RatingAutoencoder`, by the same names."""

    @model_validator(mode="after")
    def _known(self) -> RatingAutoencoderConfig:
        RatingAutoencoder().set_params(**self.arguments)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that were given."""
        return dict(self.model_extra or {})


class RatingAutoencoderScorer(Component[ItemList], Trainable):
    """The rating autoencoder as a LensKit scorer.

    Scores are reconstructions: predicted ratings before they are clipped to the scale, as with LensKit's own scorers.
    A training user is scored with the ratings of the training data. Anyone else is folded in from the ratings in the
    query's history; without a history this is the prior mean of users. Every item gets a score, even an unknown one.

    Args:
        config: the configuration, or the arguments of `RatingAutoencoder` by name. A seed in LensKit's training options
            overrides ``seed``.
    """

    config: RatingAutoencoderConfig
    model_: RatingAutoencoder

    def train(self, data: Dataset, options: TrainingOptions = TrainingOptions()) -> None:  # noqa: B008 - theirs, frozen
        """Trains on the ratings of a data set."""
        if hasattr(self, "model_") and not options.retrain:
            return
        matrix = data.interactions().matrix().scipy(attribute="rating", layout="coo")
        model = RatingAutoencoder(**self.config.arguments)
        if options.rng is not None:
            model.set_params(seed=int(options.random_generator().integers(2**32)))
        pairs = {"user_id": data.users.ids()[matrix.row], "item_id": data.items.ids()[matrix.col]}
        self.model_ = model.fit(pd.DataFrame(pairs), matrix.data)

    def __call__(self, query: QueryInput, items: ItemList) -> ItemList:
        """Scores items for a user, in the order of the items."""
        query = RecQuery.create(query)
        recommender = self.model_.recommender_
        columns = recommender.locate_items(items.ids())
        user = -1 if query.user_id is None else int(recommender.locate_users([query.user_id])[0])
        encoded_users = None
        history = query.history_items
        ratings = None if history is None else history.field("rating")
        if user < 0 and history is not None and ratings is not None and len(history):
            encoded_users = recommender.encode(
                Ratings.from_columns(np.zeros(len(history), dtype=int), history.ids(), ratings, scale=recommender.scale)
            )
            user = 0
        scores = recommender.model.reconstruct(np.full(len(items), user), columns, encoded_users=encoded_users)
        return ItemList(items, scores=scores)
