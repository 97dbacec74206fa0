"""Certainty for people with few ratings: intervals and probabilities of liking by the number of fold-in ratings.

The same held-out ratings are predicted from 0, 1, 3, 5, 10 and 20 ratings of each person. Figures of people with many
ratings say nothing about this: everybody starts with none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.first_ratings import first_ratings, of_users, random_positions
from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import like_threshold
from ..metrics.distributions import Coverage, calibration_error, coverage
from ..models.base import TrainedModel
from ..uncertainty import StarModel
from .fold_in_curve import NUM_GIVEN, curve_ratings, predict_folded
from .targets import Targets
from .uncertainty import LEVEL

_MOST_USERS = 300
_MOST_RATINGS = 20_000


@dataclass(frozen=True)
class GivenCertainty:
    """Certainty of predictions for people of whom a number of ratings is known.

    Args:
        num_given: the number.
        coverage: of the intervals.
        like_probability: mean probability of liking.
        liked: fraction of the ratings that were liked.
        calibration_error: of the probabilities of liking, in ten bins.
    """

    num_given: int
    coverage: Coverage
    like_probability: float
    liked: float
    calibration_error: float


@dataclass(frozen=True)
class FewRatingsCertainty:
    """Certainty by the number of fold-in ratings, at the same held-out ratings for every number.

    Args:
        num_users: number of people.
        num_ratings: number of their held-out ratings.
        level: intended coverage of the intervals.
        like_threshold: least rating that counts as liked.
        by_num_given: the figures, by ascending number.
    """

    num_users: int
    num_ratings: int
    level: float
    like_threshold: float
    by_num_given: tuple[GivenCertainty, ...]


def certainty_of_few(
    star_model: StarModel, model: TrainedModel, targets: Targets, ratings: Ratings | None, *, seed: int
) -> FewRatingsCertainty | None:
    """Folds people in from their first few ratings, and scores intervals and probabilities of liking.

    In a split by user, these are the people of the fold-in curve. Otherwise they are a sample of at most 300 training
    users, each encoded anew from a few of their training ratings.

    Args:
        star_model: makes distributions.
        model: makes predictions.
        targets: what is scored.
        ratings: the training ratings; None where the bundle was saved without.
        seed: of the sample, and of the order of fold-in ratings.

    Returns:
        None where the model cannot fold people in, and with too few ratings.
    """
    if not model.encodes_people:
        return None
    found = curve_ratings(targets, seed=seed) if targets.fold_in is not None else _of_training(targets, ratings, seed)
    if found is None:
        return None
    people, position, (rows, items, values), numbers = found
    if len(values) > _MOST_RATINGS:
        some = np.sort(np.random.default_rng([seed, 9]).permutation(len(values))[:_MOST_RATINGS])
        rows, items, values = rows[some], items[some], values[some]
    threshold = like_threshold(star_model.scale)
    values, liked = values.astype(np.float64), values >= threshold - 1e-6
    parts = []
    for number in numbers:
        fold_in = first_ratings(people, position, number)
        predictions = predict_folded(model, fold_in, rows, items)
        distribution = star_model.distribution(predictions, rows, items, histograms=star_model.fold_in(fold_in))
        low, high = distribution.interval(LEVEL)
        covered = (values >= low - 1e-6) & (values <= high + 1e-6)
        probability = distribution.like_probability(threshold)
        parts.append(
            GivenCertainty(
                number,
                coverage(covered, high - low, rows, items),
                float(probability.mean()),
                float(liked.mean()),
                calibration_error(probability, liked),
            )
        )
    return FewRatingsCertainty(len(np.unique(rows)), len(values), LEVEL, threshold, tuple(parts))


def _of_training(
    targets: Targets, ratings: Ratings | None, seed: int
) -> tuple[Ratings, IntArray, tuple[IntArray, IntArray, FloatArray], list[int]] | None:
    """A sample of training users with held-out ratings, as `curve_ratings` returns people."""
    if ratings is None:
        return None
    users = np.unique(targets.users[targets.users >= 0])
    counts = ratings.user_counts[users]
    numbers = [number for number in NUM_GIVEN if 2 * np.count_nonzero(counts >= number) >= len(counts)]
    users = users[counts >= numbers[-1]]
    if len(numbers) < 2 or not len(users):
        return None
    users = np.sort(np.random.default_rng([seed, 9]).permutation(users)[:_MOST_USERS])
    people, own = of_users(ratings, users), np.flatnonzero(np.isin(targets.users, users))
    scored = np.searchsorted(users, targets.users[own]), targets.items[own], targets.ratings.values[own]
    return people, random_positions(people, seed), scored, numbers
