"""The validation part as models see it: held-out ratings located in the training vocabulary, to predict and to score.

Training chooses settings, epochs and blend weights by it; the uncertainty model learns on it. The test part never comes
here.
"""

from __future__ import annotations

from ..data.ratings import FloatArray, Ratings
from ..data.splits import HeldOut
from ..metrics.errors import rmse
from .base import TrainedModel, in_vocabulary


class Validation:
    """Held-out ratings beside the training ratings of the models that predict them.

    Args:
        training: the training ratings.
        held_out: ratings to predict; in a split by user with the fold-in ratings that encoders may read.

    Attributes:
        targets: the held-out ratings, shape ``(n,)``, rating points.
        users: row of each one's user, among the fold-in users where there are any, else among the training users; -1
            for an unknown user; shape ``(n,)``.
        items: column of each one's item among the training items, -1 for an unknown item; shape ``(n,)``.
        fold_in: the fold-in ratings in the columns of the training ratings, or None.
    """

    def __init__(self, training: Ratings, held_out: HeldOut) -> None:
        self.training = training
        self.targets, self.times = held_out.values, held_out.times
        self.items = training.locate_items(held_out.items)
        fold_in = held_out.fold_in
        self.fold_in = None if fold_in is None else in_vocabulary(fold_in, training.item_ids)
        self.users = (training if self.fold_in is None else self.fold_in).locate_users(held_out.users)

    def __len__(self) -> int:
        return len(self.targets)

    def predict(self, model: TrainedModel) -> FloatArray:
        """A model's predictions of the held-out ratings, clipped to the scale, shape ``(n,)``."""
        encoded = None if self.fold_in is None else model.fold_in(self.fold_in)
        return model.predict(self.users, self.items, encoded_users=encoded, times=self.times)

    def rmse(self, model: TrainedModel) -> float:
        """Root mean squared error of a model's predictions, rating points."""
        return rmse(self.targets, self.predict(model))


def least_squares_weight(direction: FloatArray, residuals: FloatArray, *, prior: float, prior_ratings: float) -> float:
    """Weight w in [0, 1] that minimises |residuals - w * direction|^2, shrunk towards a prior.

    Errors of models correlate, so that the weight of a small validation part is uncertain.

    Args:
        direction: what the weight multiplies at each held-out rating, shape ``(n,)``.
        residuals: what the product approximates, same shape.
        prior: the weight without data.
        prior_ratings: number of ratings that count for the prior.

    Example:
        >>> import numpy as np
        >>> least_squares_weight(np.ones(4), np.full(4, 0.5), prior=0.0, prior_ratings=4)
        0.25
    """
    size = float(direction @ direction)
    shrinkage = size * prior_ratings / len(direction)
    weight = (float(direction @ residuals) + prior * shrinkage) / max(size + shrinkage, 1e-12)
    return min(max(weight, 0.0), 1.0)
