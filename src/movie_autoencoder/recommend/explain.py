"""The reasons for one prediction: the share of each rating, and what changes without it.

A *share* belongs to the prediction as it is: base and shares add up to it, because the models are linear in the
ratings once it is known which items were chosen. *Without it* is another figure: the rating is left out and the rest is
encoded again, so that the other ratings count more.
"""

from __future__ import annotations

import numpy as np

from ..data.ratings import FloatArray, IntArray
from ..models.person import Shares
from .items import Items
from .predictor import Predictor
from .profile import Profile
from .schemas import Explanation, Reconstructed, Share, Without


def explain(predictor: Predictor, items: Items, profile: Profile, column: int, top: int) -> Explanation:
    """The reasons for one person's prediction of one item, whose own rating is left out.

    Args:
        predictor: of the model.
        items: of the model.
        profile: whose prediction.
        column: of the item.
        top: how many of the person's items are named, those with the largest shares. Where a model has no shares,
            those are named that change the prediction most when left out.
    """
    rated = bool((profile.items == column).any())
    profile = profile.without(column)
    target = np.array([column])
    encoded = predictor.encode(profile)
    raw = float(encoded.reconstruct(target)[0])
    prediction = predictor.scale.clip(np.array([raw]))
    intervals = predictor.intervals(profile, prediction, target)
    shares = encoded.shares(target)
    named: IntArray
    if shares is None:
        without = _reconstruct_without(predictor, profile, profile.chosen, column)
        named = np.argsort(-np.abs(raw - without), kind="stable")[:top]
        without, shown = without[named], None
    else:
        named = _largest_shares(shares)[:top]
        without = _reconstruct_without(predictor, profile, profile.chosen[named], column)
        shown = _named_shares(items, profile, shares, named)
    base = None if shares is None else float(shares.base[0])
    return Explanation(
        *items.fields(column),
        stars=float(prediction[0]),
        low=intervals.low[0],
        high=intervals.high[0],
        p_like=intervals.like[0],
        raw=raw,
        base=base,
        clip=float(prediction[0]) - raw,
        shares=shown,
        other_shares=0.0 if shown is None or base is None else raw - base - sum(one.share for one in shown),
        without=tuple(
            Without(*items.fields(profile.chosen[index]), profile.given[index], value, raw - value)
            for index, value in zip(named.tolist(), without.tolist(), strict=True)
        ),
        rated=rated,
    )


def reconstruct_each(
    predictor: Predictor, items: Items, profile: Profile, most: int | None
) -> tuple[Reconstructed, ...]:
    """Each of a person's ratings beside its prediction from their other ratings.

    Args:
        predictor: of the model.
        items: of the model.
        profile: whose ratings.
        most: how many of the ratings, from the first on; all when None.
    """
    answer = []
    for column, rating in zip(profile.items[:most].tolist(), profile.ratings[:most].tolist(), strict=True):
        raw = np.array([predictor.reconstruct_without(profile, column, column)])
        answer.append(Reconstructed(*items.fields(column), rating, float(predictor.scale.clip(raw)[0])))
    return tuple(answer)


def by_rating_and_choice(shares: Shares) -> tuple[FloatArray, FloatArray]:
    """Shares by rating and by having been chosen, both for rated items first and then seen ones.

    Returns:
        Both of shape ``(n + num_seen, m)``, rating points.
    """
    by_rating = np.zeros_like(shares.implicit)
    by_rating[: len(shares.residuals)] = shares.residuals
    return by_rating, shares.implicit


def _largest_shares(shares: Shares) -> IntArray:
    """Indices in `Profile.chosen`, the largest share of the one prediction first."""
    by_rating, by_choice = by_rating_and_choice(shares)
    return np.argsort(-np.abs(by_rating + by_choice)[:, 0], kind="stable")


def _reconstruct_without(predictor: Predictor, profile: Profile, left_out: IntArray, column: int) -> FloatArray:
    """The reconstruction at one column without each of some columns in turn, shape ``(len(left_out),)``."""
    return np.array(
        [predictor.reconstruct_without(profile, one, column) for one in left_out.tolist()], dtype=np.float64
    )


def _named_shares(items: Items, profile: Profile, shares: Shares, named: IntArray) -> tuple[Share, ...]:
    by_rating, by_choice = (part[:, 0].tolist() for part in by_rating_and_choice(shares))
    chosen, given = profile.chosen, profile.given
    return tuple(
        Share(
            *items.fields(chosen[index]),
            stars=given[index],
            your_stars=by_rating[index],
            you_chose_it=by_choice[index],
            share=by_rating[index] + by_choice[index],
        )
        for index in named.tolist()
    )
