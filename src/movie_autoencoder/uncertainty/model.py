"""The star model: turns the predictions of any model into distributions over the star values.

It has three parts. Statistics are counted in the training ratings (`histograms`). A few parameters are fitted to
validation ratings (`likelihood`). Intervals are adjusted on validation ratings as well (`intervals`). docs/models.md,
section 4, derives them. Pure NumPy and SciPy; no file is read or written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import Scale
from ..models.base import Merge, TrainedModel
from ..models.validation import Validation
from .distribution import StarDistribution, value_index
from .features import Features
from .few_ratings import FewRatings, predict_few
from .histograms import RatingHistograms, RatingStatistics
from .intervals import LEVELS, ConformalAdjustment, Floats, conformity_scores
from .likelihood import FOR_FEW, START, Parameters, fit_parameters, predict_probabilities

_MOST_RATINGS = 30_000  # more validation ratings change 34 parameters very little
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class StarModel:
    """Turns predictions into distributions over the star values. Build one with `StarModel.fit`.

    Args:
        statistics: counted in the training ratings.
        parameters: of the likelihood.
        adjustment: of the intervals.
    """

    statistics: RatingStatistics
    parameters: Parameters
    adjustment: ConformalAdjustment

    @classmethod
    def fit(
        cls,
        predictions: FloatArray,
        users: IntArray,
        items: IntArray,
        values: FloatArray,
        training: Ratings,
        *,
        fold_in: Ratings | None = None,
        keep_ratings: bool = True,
        few: Sequence[FewRatings] = (),
    ) -> StarModel:
        """Fits the parameters and adjusts the intervals on held-out ratings.

        Args:
            predictions: of the held-out ratings, by a model that was trained without them, shape ``(n,)``.
            users: row of each in ``training``, or in ``fold_in`` where that is given; -1 for an unknown user.
            items: column of each in ``training``; -1 for an unknown item.
            values: the held-out ratings, shape ``(n,)``, rating points.
            training: ratings that the statistics are counted in; none of the held-out ones is among them.
            fold_in: ratings of users who were not trained on, columns of ``training``; their histograms come from
                these.
            keep_ratings: use each user's ratings of similar items; the model then keeps the training ratings.
            few: held-out ratings of people with few ratings (`few_ratings.predict_few`), which only change the
                distributions of such people. Without any, these are extrapolated.

        Raises:
            ValueError: there is no held-out rating.
        """
        if not len(values):
            raise ValueError("A star model is fitted to held-out ratings, at least one. Received: none.")
        statistics = RatingStatistics.count(training, keep_ratings=keep_ratings)
        histograms = None if fold_in is None else statistics.fold_in(fold_in)
        rng = np.random.default_rng(0)
        if len(values) > _MOST_RATINGS:
            chosen = np.sort(rng.permutation(len(values))[:_MOST_RATINGS])
            predictions, values, users, items = predictions[chosen], values[chosen], users[chosen], items[chosen]
        features = Features.of(statistics, predictions, users, items, histograms)
        observed = value_index(statistics.values, values)
        number = len(observed)
        for part in few:
            theirs = statistics.fold_in(part.fold_in)
            features = features.join(Features.of(statistics, part.predictions, part.users, part.items, theirs))
            observed = np.concatenate([observed, value_index(statistics.values, part.values)])
        parameters = _fit(features, observed, np.arange(len(observed)) < number, START)
        scores = conformity_scores(_out_of_fold(features, observed, number, parameters, rng), observed)
        return cls(statistics, parameters, ConformalAdjustment.fit(scores, features.num_ratings, number))

    @property
    def scale(self) -> Scale:
        """The ratings that can be given."""
        return self.statistics.scale

    @property
    def values(self) -> Floats:
        """The star values, ascending, rating points."""
        return self.statistics.values

    @property
    def users(self) -> RatingHistograms:
        """Histograms of the training users."""
        return self.statistics.users

    @property
    def items(self) -> RatingHistograms:
        """Histograms of the training items."""
        return self.statistics.items

    def with_ratings(self, ratings: Ratings) -> StarModel:
        """The same parameters with statistics of other training ratings, such as those of a refit."""
        statistics = RatingStatistics.count(ratings, keep_ratings=self.statistics.keeps_ratings)
        return replace(self, statistics=statistics)

    def fold_in(self, ratings: Ratings) -> RatingHistograms:
        """Histograms of people who were not trained on.

        Args:
            ratings: theirs, columns of the training items (`models.base.in_vocabulary`).
        """
        return self.statistics.fold_in(ratings)

    def with_items(self, ratings: Ratings, merge: Merge, everything: Ratings | None) -> StarModel:
        """The same model with new items among its own; distributions of other items do not change.

        Args:
            ratings: of the new items by training users, rows of the training users.
            merge: index of the old and the new items in the union.
            everything: the training ratings with the new ones; read only where the model keeps ratings.
        """
        return replace(self, statistics=self.statistics.with_items(ratings, merge, everything))

    def distribution(
        self,
        predictions: FloatArray,
        users: IntArray,
        items: IntArray,
        *,
        histograms: RatingHistograms | None = None,
        batch_size: int = 1 << 16,
    ) -> StarDistribution:
        """The probability of each star value for pairs of a user and an item.

        Args:
            predictions: of a model, shape ``(n,)``, rating points; clipped to the scale.
            users: row of each user in ``histograms``; -1 for an unknown user.
            items: column of each item; -1 for an unknown item.
            histograms: of the users (`fold_in`); the training users when left out.
            batch_size: pairs at a time; it bounds memory and changes no number.
        """
        probabilities = np.empty((len(predictions), len(self.values)))
        adjusted = np.empty((len(predictions), len(LEVELS)))
        for start in range(0, len(predictions), batch_size):
            batch = slice(start, start + batch_size)
            features = Features.of(self.statistics, predictions[batch], users[batch], items[batch], histograms)
            probabilities[batch] = predict_probabilities(features, self.parameters)
            adjusted[batch] = self.adjustment.probabilities(features.num_ratings)
        return StarDistribution(self.scale, self.values, probabilities, adjusted, self.adjustment.shortest_level)

    def user_histogram(self, users: IntArray, *, histograms: RatingHistograms | None = None) -> StarDistribution:
        """Baseline: each user's smoothed rating histogram, for every item; its intervals are not adjusted."""
        side = self.users if histograms is None else histograms
        probabilities = self.statistics.smoothed(side.counts[users])
        return StarDistribution(self.scale, self.values, probabilities, np.tile(LEVELS, (len(probabilities), 1)))

    def residual_variance(
        self, users: IntArray, items: IntArray, *, histograms: RatingHistograms | None = None
    ) -> Floats:
        """Baseline: variance of residuals on biases, by user and item, shape ``(n,)``, squared rating points."""
        side = self.users if histograms is None else histograms
        return np.asarray(self.statistics.deviation**2 * np.exp(side.log_noise[users] + self.items.log_noise[items]))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything but the scale and the training ratings, for a file."""
        statistics = self.statistics
        arrays: dict[str, npt.NDArray[Any]] = {
            "numbers": np.array([statistics.mean, statistics.deviation]),
            "shares": statistics.frequencies,
            "parameters": self.parameters.pack(),
            "adjustments": self.adjustment.coefficients,
            "directions": statistics.directions,
        }
        for side, histograms in (("users", self.users), ("items", self.items)):
            arrays[f"{side}_counts"] = histograms.counts.astype(np.int32)
            arrays |= {f"{side}_noise": histograms.log_noise, f"{side}_bias": histograms.bias}
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale, ratings: Ratings | None = None
    ) -> StarModel:
        """The model that `to_arrays` wrote.

        Args:
            arrays: what it wrote.
            scale: the ratings that can be given.
            ratings: the training ratings, where the model kept them.
        """
        users, items = (
            RatingHistograms(
                arrays[f"{side}_counts"].astype(np.float32), arrays[f"{side}_noise"], arrays[f"{side}_bias"], kept
            )
            for side, kept in (("users", ratings), ("items", None))
        )
        mean, deviation = arrays["numbers"].tolist()
        statistics = RatingStatistics(scale, mean, deviation, arrays["shares"], users, items, arrays["directions"])
        adjustment = ConformalAdjustment(arrays["adjustments"])
        return cls(statistics, Parameters.unpack(arrays["parameters"]), adjustment)


def fit_star_model(
    model: TrainedModel, validation: Validation | None, final: Ratings | None = None, *, keep_ratings: bool = True
) -> StarModel | None:
    """Fits a star model to a trained model's predictions of the validation part.

    Args:
        model: trained without the validation part.
        validation: the validation part beside the training ratings; None where there is none.
        final: ratings of the refit, in which the statistics are counted again; the training ratings when left out.
        keep_ratings: as for `StarModel.fit`.

    Returns:
        None without a validation part.
    """
    if validation is None:
        return None
    from threadpoolctl import threadpool_limits

    predictions, few = validation.predict(model), predict_few(model, validation)
    with threadpool_limits(1, user_api="blas"):  # matrices are so small that threads would only wait for each other
        star_model = StarModel.fit(
            predictions,
            validation.users,
            validation.items,
            validation.targets,
            validation.training,
            fold_in=validation.fold_in,
            keep_ratings=keep_ratings,
            few=few,
        )
        return star_model if final is None or final is validation.training else star_model.with_ratings(final)


def _fit(
    features: Features, observed: npt.NDArray[np.int64], ordinary: npt.NDArray[np.bool_], start: Parameters
) -> Parameters:
    """The parameters of all users by ordinary ratings; then what is added for users with few ratings, by all."""
    rows = np.flatnonzero(ordinary)
    found = fit_parameters(features.take(rows), observed[rows], start)
    return found if len(rows) == len(observed) else fit_parameters(features, observed, found, free=FOR_FEW)


def _out_of_fold(
    features: Features,
    observed: npt.NDArray[np.int64],
    num_ordinary: int,
    parameters: Parameters,
    rng: np.random.Generator,
) -> Floats:
    """Probabilities for each rating by parameters that were fitted to the other folds, ``(n, num_values)``."""
    number = len(observed)
    fold = np.concatenate([rng.permutation(part) % _FOLDS for part in (num_ordinary, number - num_ordinary)])
    probabilities = predict_probabilities(features, parameters)
    for index in range(min(_FOLDS, num_ordinary - 1)):
        own, others = np.flatnonzero(fold == index), np.flatnonzero(fold != index)
        without = _fit(features.take(others), observed[others], others < num_ordinary, parameters)
        probabilities[own] = predict_probabilities(features.take(own), without)
    return probabilities
