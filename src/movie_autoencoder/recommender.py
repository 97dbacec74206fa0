"""A trained model in use: ids in, stars out, without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import Bundle, load_bundle
from .models.contract import Encoded, TrainedModel, in_vocabulary
from .models.inference import SavedModel
from .ratings import FloatArray, Ids, IntArray, Ratings, Scale, locate
from .stars import StarDistribution, StarModel


class Recommender:
    """A run's bundle, loaded.

    Args:
        bundle: what `train` saved.
        run: the run's folder, when it came from one.

    Example:
        ``Recommender.load("runs/latest").predict([1, 1], [318, 593])`` gives user 1's stars for two items.
    """

    def __init__(self, bundle: Bundle, run: Path | None = None) -> None:
        self.run = run
        self.name: str = bundle.facts["config"]["model"]["name"]
        self.model: SavedModel = bundle.model
        self.baselines: Mapping[str, TrainedModel] = bundle.baselines
        self.user_ids: Ids = bundle.user_ids
        self.item_ids: Ids = bundle.item_ids
        self.user_counts: IntArray = bundle.user_counts
        self.item_counts: IntArray = bundle.item_counts
        self.ratings: Ratings | None = bundle.ratings
        self.catalogue = bundle.catalogue
        self.stars: StarModel | None = bundle.stars
        self.metadata: Mapping[str, Any] = bundle.facts

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Recommender:
        """Loads the bundle of a run's folder.

        Raises:
            BundleError: no bundle there, or a damaged one; the message names the file.
        """
        return cls(load_bundle(Path(run) / "bundle"), Path(run))

    @property
    def scale(self) -> Scale:
        """The stars that predictions lie on."""
        return self.model.scale

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Row of each training user, -1 where the id is unknown."""
        return locate(self.user_ids, user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Column of each training item, -1 where the id is unknown."""
        return locate(self.item_ids, item_ids)

    def encode(self, ratings: Ratings) -> Encoded:
        """Encodes anyone from their ratings, by item id: latent vectors of shape ``(num_users, latent_dim)``.

        Ratings of items that training did not see say nothing here and are left out.

        Raises:
            ValueError: stars outside the scale that the model was trained on, or ids of another kind.
        """
        if not self.scale.contains(ratings.values).all():
            raise ValueError(
                f"These ratings lie on the scale {ratings.scale}, and the model on {self.scale}. Map them first: "
                "ratings.scale.convert(ratings.values, recommender.scale)."
            )
        return self.model.fold_in(in_vocabulary(ratings, self.item_ids))

    def predict(
        self, user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, *, times: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Stars on the scale for pairs of ids, shape ``(n,)``; an unknown id gets what the model says of anyone.

        Args:
            user_ids: shape ``(n,)``.
            item_ids: shape ``(n,)``.
            times: when each rating is given, seconds since 1970; read by a model trained with ``model.time_aware``.
        """
        when = None if times is None else np.asarray(times)
        return self.model.predict(self.locate_users(user_ids), self.locate_items(item_ids), times=when)

    def predict_distribution(
        self, user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, *, times: npt.ArrayLike | None = None
    ) -> StarDistribution:
        """How likely each star value is for pairs of ids: probabilities, mean, interval, chance of liking.

        Arguments as for `predict`.

        Raises:
            ValueError: the model was trained without a validation part, which distributions are learnt on.

        Example:
            ``recommender.predict_distribution([1], [318]).like_probability()`` is the chance of 4 stars or more.
        """
        if self.stars is None:
            raise ValueError(
                "This model has no distributions: they are learnt on the validation part, and it was trained without "
                "one. Train with a --validation-fraction above 0."
            )
        users, items = self.locate_users(user_ids), self.locate_items(item_ids)
        return self.stars.distribution(self.predict(user_ids, item_ids, times=times), users, items)
