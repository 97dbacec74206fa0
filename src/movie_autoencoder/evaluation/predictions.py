"""Predictions of the targets, and the reconstruction error at the ratings that the encoder was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..data.ratings import FloatArray, Ratings
from ..metrics.errors import error_sums
from ..models.base import Encoded, TrainedModel
from .targets import EvaluationError, Targets

_BLOCK = 1 << 20  # ratings reconstructed at a time


@dataclass(frozen=True)
class MemberScore:
    """Errors of one member of the model on the targets.

    Args:
        rmse: root mean squared error, rating points.
        mae: mean absolute error, rating points.
    """

    rmse: float
    mae: float


def encode_fold_in(model: TrainedModel, targets: Targets) -> Encoded | None:
    """The users of a split by user, encoded from their fold-in ratings; None where users were trained on."""
    return None if targets.fold_in is None else model.fold_in(targets.fold_in)


def predict_targets(name: str, model: TrainedModel, targets: Targets, encoded_users: Encoded | None) -> FloatArray:
    """Predictions of one model, clipped to the scale.

    Args:
        name: name of the model, for the message.
        model: the model.
        targets: what to predict.
        encoded_users: what `encode_fold_in` returned for this model.

    Returns:
        Shape ``(n,)``, rating points.

    Raises:
        EvaluationError: a prediction that is not finite.
    """
    predictions = model.predict(
        targets.users, targets.items, encoded_users=encoded_users, times=targets.ratings.timestamps
    )
    bad = np.flatnonzero(~np.isfinite(predictions))
    if len(bad):
        ratings, first = targets.ratings, int(bad[0])
        raise EvaluationError(
            f"{name} predicts no finite number for {len(bad):,} of {len(predictions):,} held-out ratings, such as user "
            f"{ratings.user_ids[ratings.user_index[first]]}, item {ratings.item_ids[ratings.item_index[first]]}: "
            f"{predictions[first]}. Training has diverged: train again with a lower learning rate."
        )
    return predictions


def score_members(model: TrainedModel, targets: Targets) -> Mapping[str, MemberScore]:
    """Errors of each of the model's members, by name; empty for a model without members."""
    scores: dict[str, MemberScore] = {}
    for name, member in model.members().items():
        predictions = predict_targets(name, member, targets, encode_fold_in(member, targets))
        sums = error_sums(predictions, targets.ratings.values)
        scores[name] = MemberScore(rmse=float(sums.rmse[0]), mae=float(sums.mae[0]))
    return scores


def reconstruction_mse(
    model: TrainedModel, shown: Ratings | None, encoded_users: Encoded | None = None
) -> float | None:
    """Mean squared error of the raw reconstruction at the ratings that the encoder was shown.

    Args:
        model: the model.
        shown: these ratings, with the model's columns; None when the bundle was saved without them.
        encoded_users: their users when they are not the training users.

    Returns:
        Squared rating points; None without ratings.
    """
    if shown is None or not len(shown):
        return None
    total = 0.0
    for start in range(0, len(shown), _BLOCK):
        block = slice(start, start + _BLOCK)
        made = model.reconstruct(shown.user_index[block], shown.item_index[block], encoded_users=encoded_users)
        total += float(((made - shown.values[block]) ** 2).sum())
    return total / len(shown)
