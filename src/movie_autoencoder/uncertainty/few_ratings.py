"""People with few ratings, made of those with many: folded in from their first ratings, scored at held-out ones.

Most data sets hold nobody with 0 or 3 ratings, yet that is what every new person has. Without examples, a likelihood
fitted to people with many ratings is extrapolated to them. This module makes the examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.first_ratings import first_ratings, of_users, random_positions
from ..data.ratings import FloatArray, IntArray, Ratings
from ..models.base import TrainedModel
from ..models.validation import Validation

NUM_GIVEN = (0, 1, 3, 5, 10, 20)
_MOST_USERS = 400
_MOST_RATINGS = 12_000  # for all numbers together


@dataclass(frozen=True, eq=False)
class FewRatings:
    """Held-out ratings of people who were folded in from a few of theirs.

    Args:
        fold_in: the ratings that were folded in, columns of the training items.
        users: row of each held-out rating's user in ``fold_in``, shape ``(n,)``.
        items: column of each one's item, -1 for an unknown item, same shape.
        values: the held-out ratings, same shape, rating points.
        predictions: of these, same shape, rating points.
    """

    fold_in: Ratings
    users: IntArray
    items: IntArray
    values: FloatArray
    predictions: FloatArray


def predict_few(
    model: TrainedModel, validation: Validation, *, num_given: Sequence[int] = NUM_GIVEN, seed: int = 0
) -> list[FewRatings]:
    """Folds a sample of the validation users in from their first ratings, and predicts their held-out ratings.

    Of a split by user, ratings beyond the largest number count as held out, too. All numbers together get at most as
    many held-out ratings as the validation part has.

    Args:
        model: trained without the held-out ratings.
        validation: the validation part.
        num_given: numbers of ratings to fold in, ascending.
        seed: of the sample and of the order of the ratings.

    Returns:
        One for each number; none where the model cannot fold people in.
    """
    if not model.encodes_people:
        return []
    rng = np.random.default_rng([seed, 8])
    users = np.unique(validation.users[validation.users >= 0])
    users = np.sort(rng.permutation(users)[:_MOST_USERS])
    if not len(users):
        return []
    people = of_users(validation.training if validation.fold_in is None else validation.fold_in, users)
    position = random_positions(people, seed)
    own = np.flatnonzero(np.isin(validation.users, users))
    # ratings of training users beyond the largest number have trained the model; those of others have not
    beyond = np.flatnonzero(position >= (num_given[-1] if validation.fold_in is not None else len(people)))
    rows = np.concatenate([np.searchsorted(users, validation.users[own]), people.user_index[beyond]])
    items = np.concatenate([validation.items[own], people.item_index[beyond]])
    values = np.concatenate([validation.targets[own], people.values[beyond]])
    most = max(min(len(validation), _MOST_RATINGS) // len(num_given), 1)
    found = []
    for number in num_given:
        fold_in, some = first_ratings(people, position, number), np.sort(rng.permutation(len(rows))[:most])
        predictions = model.predict(rows[some], items[some], encoded_users=model.fold_in(fold_in))
        found.append(FewRatings(fold_in, rows[some], items[some], values[some], predictions))
    return found
