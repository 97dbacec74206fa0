"""One person's predictions: their profile encoded, reconstructed at any items, with intervals where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np

from ..bundle.bundle import Bundle
from ..choice import SELECTIONS, Selection
from ..data.ratings import FloatArray, IntArray, Scale
from ..models.baselines import DampedBias, imputed_hearts
from ..models.person import EncodedPerson, PersonEncoder
from ..uncertainty import StarDistribution
from .errors import RecommenderError
from .profile import Profile

TOO_FEW = 3  # an item with fewer training ratings gets no interval and no chance of being liked
_SIMILARITIES = 1 << 22  # between asked and rated items, held at a time


class Intervals(NamedTuple):
    """How certain predictions are, a value for each; None where the model has no distributions, or too few ratings.

    Args:
        low: lower end of the 90 % interval, rating points.
        high: its upper end.
        like: chance that the person likes the item.
    """

    low: Sequence[float | None]
    high: Sequence[float | None]
    like: Sequence[float | None]


class Predictor:
    """Predicts for one person at a time.

    Args:
        bundle: of the trained model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._model = bundle.model
        self._biases = cast(DampedBias | None, bundle.baselines.get("damped_bias"))  # None without ratings
        self._star_model = bundle.star_model
        self._item_ids = bundle.item_ids
        self._too_few = bundle.item_counts < TOO_FEW
        self._selection = bundle.selection
        self._item_counts = np.append(bundle.item_counts, 0)  # the last of an unknown item, -1

    @property
    def scale(self) -> Scale:
        """The scale of the predictions."""
        return self._model.scale

    @property
    def rated(self) -> bool:
        """Whether the model was trained on ratings; one of pairs without ratings predicts none."""
        return self._model.scale.rated

    @cached_property
    def _encoder(self) -> PersonEncoder:
        try:
            return self._model.person_encoder()
        except ValueError as error:
            raise RecommenderError(str(error)) from error

    def encode(self, profile: Profile) -> EncodedPerson:
        """Encodes a person.

        Raises:
            RecommenderError: the model cannot encode people who were not among its training users.
        """
        items, ratings = profile.items, profile.ratings
        if (
            len(profile.liked) and self._biases is not None
        ):  # what a heart is worth depends on all other ratings and hearts
            hearts = imputed_hearts(self._biases, items, ratings, profile.liked)
            items, ratings = np.concatenate([items, profile.liked]), np.concatenate([ratings, hearts])
        return self._encoder.encode(items, ratings, profile.seen if len(profile.seen) else None)

    def reconstruct(self, encoded: EncodedPerson, profile: Profile, columns: IntArray) -> FloatArray:
        """The reconstruction at any number of columns, in blocks: each column is compared with all of the person's.

        Args:
            encoded: the profile, encoded.
            profile: whose.
            columns: shape ``(n,)``.

        Returns:
            Shape ``(n,)``, rating points, not clipped to the scale.
        """
        step = max(1, _SIMILARITIES // max(len(profile.items) + len(profile.liked), 1))
        parts = [encoded.reconstruct(columns[start : start + step]) for start in range(0, len(columns), step)]
        return np.concatenate([np.empty(0), *parts])

    def reconstruct_without(self, profile: Profile, left_out: int, column: int) -> float:
        """The reconstruction at one column when the person's input on another one is left out."""
        return float(self.encode(profile.without(left_out)).reconstruct(np.array([column]))[0])

    def reconstruct_anyone(self, columns: IntArray) -> FloatArray:
        """The reconstruction at columns for somebody of whom nothing is known."""
        return self.encode(Profile.empty()).reconstruct(columns)

    def correct(self, reconstruction: FloatArray, columns: IntArray, selection: Selection) -> FloatArray:
        """Predictions at columns, clipped to the scale.

        Args:
            reconstruction: shape ``(n,)``, rating points.
            columns: shape ``(n,)``; -1 stands for an unknown item.
            selection: ``chosen``: ratings of people who choose the item; ``random``: of anybody it is put before.

        Returns:
            Shape ``(n,)``, rating points.

        Raises:
            RecommenderError: an unknown ``selection``, or the model cannot predict for random items.
        """
        if selection not in SELECTIONS:
            raise RecommenderError(f"selection must be one of {', '.join(SELECTIONS)}. Received: {selection!r}.")
        if selection == "chosen":
            return self.scale.clip(reconstruction)
        if self._selection is None:
            raise RecommenderError(
                "This model predicts ratings of chosen items only: how far they lie above those of random ones is "
                "learnt on the validation part, and it was trained without one, or by an earlier version. Train with a "
                "--validation-fraction above 0, or predict as chosen."
            )
        return self.scale.clip(reconstruction - self._selection.corrections(self._item_counts[columns]))

    def predict(self, profile: Profile, columns: IntArray, selection: Selection = "chosen") -> FloatArray:
        """Predictions at columns, clipped to the scale; -1 stands for an unknown item.

        Args:
            profile: whose.
            columns: shape ``(n,)``.
            selection: as for `correct`.

        Returns:
            Shape ``(n,)``, rating points.
        """
        known = columns >= 0
        predictions: FloatArray = np.empty(len(columns))
        predictions[known] = self.reconstruct(self.encode(profile), profile, columns[known])
        if not known.all():
            user, unknown = np.zeros(1, dtype=np.int64), np.full(1, -1)
            encoded = self._model.fold_in(profile.to_ratings(self._item_ids, self.scale))
            predictions[~known] = self._model.reconstruct(user, unknown, encoded_users=encoded)[0]
        return self.correct(predictions, columns, selection)

    def distribution(self, profile: Profile, predictions: FloatArray, columns: IntArray) -> StarDistribution | None:
        """How likely each star value is at columns; None where the model has no distributions."""
        if self._star_model is None:
            return None
        histograms = self._star_model.fold_in(profile.to_ratings(self._item_ids, self.scale))
        users = np.zeros(len(columns), dtype=np.int64)
        return self._star_model.distribution(predictions, users, columns, histograms=histograms)

    def intervals(self, profile: Profile, predictions: FloatArray, columns: IntArray) -> Intervals:
        """90 % intervals of predictions, and chances of liking.

        Where one or two people rated an item, the distribution is mostly the person's own habit, and would be read as
        knowledge of the item. There is none.
        """
        distribution = self.distribution(profile, predictions, columns)
        if distribution is None:
            nothing = [None] * len(columns)
            return Intervals(nothing, nothing, nothing)
        low, high = distribution.interval(0.9)
        found = Intervals(low.tolist(), high.tolist(), distribution.like_probability().tolist())
        few = self._too_few[columns]
        if not few.any():
            return found
        return Intervals(
            *([None if hidden else value for value, hidden in zip(one, few.tolist(), strict=True)] for one in found)
        )
