"""Predictions at held-out ratings: ids become the indices of a model's vocabulary, once for many models.

A split by rating holds out ratings of training users. A split by user holds out people who were not trained on: they
are encoded from their fold-in ratings first. Both are one call here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.splits import HeldOut
from .base import TrainedModel, in_vocabulary


@dataclass(frozen=True, eq=False)
class IndexedHeldOut:
    """Held-out ratings by index in the vocabulary of the training ratings.

    Args:
        users: row of each rating's user among the fold-in users where there are any, else among the training users,
            shape ``(n,)``; -1 for an unknown user.
        items: column of each rating's item among the training items, same shape; -1 for an unknown item.
        values: what was given, same shape, rating points.
        fold_in: ratings that encode the users of a split by user, columns of the training items; else None.
        times: when each rating was given, seconds, same shape; None where that is unknown.
    """

    users: IntArray
    items: IntArray
    values: FloatArray
    fold_in: Ratings | None
    times: IntArray | None

    @classmethod
    def of(cls, training: Ratings, held_out: HeldOut) -> IndexedHeldOut:
        """Looks up users and items in the training ratings' vocabulary."""
        fold_in = None if held_out.fold_in is None else in_vocabulary(held_out.fold_in, training.item_ids)
        users = (training if fold_in is None else fold_in).locate_users(held_out.users)
        return cls(users, training.locate_items(held_out.items), held_out.values, fold_in, held_out.times)

    def predict(self, model: TrainedModel) -> FloatArray:
        """Predictions of a model that was trained on the training ratings, shape ``(n,)``, rating points."""
        encoded = None if self.fold_in is None else model.fold_in(self.fold_in)
        return model.predict(self.users, self.items, encoded_users=encoded, times=self.times)


def predict_held_out(model: TrainedModel, training: Ratings, held_out: HeldOut) -> FloatArray:
    """Predictions at held-out ratings; where several models predict, `IndexedHeldOut` looks the ids up once.

    Args:
        model: trained on ``training``.
        training: its vocabulary.
        held_out: what to predict, by id; people of a split by user are folded in.

    Returns:
        Shape ``(n,)``, rating points.
    """
    return IndexedHeldOut.of(training, held_out).predict(model)
