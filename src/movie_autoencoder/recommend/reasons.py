"""The reasons of a list: for each item, what speaks for this one more than for the others on the list.

What an item of the person adds to a listed one is its share of the predicted rating (`models.person.Shares`) and its
share of the choice score (`ChoiceModel.shares`). Most of it is the same all over a list: who likes a few great films
is shown great films. A reason is what is not the same, the share less its mean over the list. No set of reasons stands
under more than 3 of 20 items, and an item for which nothing stands out fits the taste in general.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np

from ..choice import ChoiceModel, RankBy
from ..data.ratings import FloatArray, IntArray, Scale
from ..data.scale import like_threshold
from ..models.person import Shares
from .items import Items
from .profile import Profile

EVERYBODY = "most people like it"
IN_GENERAL = "it fits your taste in general"
_MOST = 3 / 20  # of the items of a list, with the same reason
_TRIED = 6  # items of the person that are considered for one listed item
_NOTABLE = 0.3  # standard deviations of the shares by which a share must exceed its mean over the list


def reasons(
    items: Items,
    profile: Profile,
    shares: Shares | None,
    choice: ChoiceModel | None,
    columns: IntArray,
    rank_by: RankBy,
    scale: Scale,
) -> list[str]:
    """One line for each item of a list.

    Args:
        items: of the model.
        profile: whose list.
        shares: of the predicted ratings; None where the model is not linear in the ratings.
        choice: the choice model; None without one.
        columns: of the listed items, shape ``(m,)``.
        rank_by: what the list is ordered by: by choice, shares of the rating do not count, and the reverse.
        scale: of the model.
    """
    if not len(profile.chosen):
        return [EVERYBODY] * len(columns)
    parts: list[FloatArray] = []
    if shares is not None and (rank_by != "choice" or choice is None):
        total: FloatArray = shares.implicit.copy()
        total[: len(shares.residuals)] += shares.residuals
        parts.append(total)
    if choice is not None and rank_by != "rating":
        parts.append(choice.shares(profile.chosen, columns).astype(np.float64))
    if not parts:
        return [IN_GENERAL] * len(columns)
    total = np.sum([part / (part.std() or 1.0) for part in parts], axis=0)
    mood = moods(profile, scale)
    return [_line(items, profile, mood, named) for named in contrasted(total)]


def contrasted(shares: FloatArray) -> list[tuple[int, ...]]:
    """For each listed item, the person's items that speak for it more than for the others.

    An item of the person is named only where its share is positive, and well above its mean over the list. Of the items
    that could be named, the largest come first, unless the same set has been named under 3 of 20 items already.

    Args:
        shares: standardized, shape ``(num_chosen, num_listed)``.

    Returns:
        Rows of ``shares``, at most two for each column; none where nothing stands out.

    Example:
        >>> contrasted(np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 3.0]]))
        [(0,), (2,)]
    """
    num_listed = shares.shape[1]
    least = _NOTABLE * float(shares.std())
    contrast = shares - shares.mean(axis=1, keepdims=True) * (num_listed > 1)
    contrast[(shares <= 0) | (contrast <= least)] = -np.inf
    order = np.argsort(-contrast, axis=0, kind="stable")[:_TRIED]
    most, used, found = max(1, int(np.ceil(_MOST * num_listed - 1e-9))), Counter[tuple[int, ...]](), []
    for column in range(num_listed):
        able = [row for row in order[:, column].tolist() if contrast[row, column] > -np.inf]
        sets = (tuple(sorted([able[at] for at in some])) for some in _sets(len(able)))
        named = next((one for one in sets if used[one] < most), ())
        used[named] += 1
        found.append(tuple(sorted(named, key=able.index)))
    return found


@cache
def _sets(count: int) -> list[tuple[int, ...]]:
    """Sets of places to name, best first: pairs of the largest shares, then single ones."""
    pairs = ((one, other) for other in range(count) for one in range(other))
    return [*sorted(pairs, key=lambda pair: (sum(pair), pair)), *((one,) for one in range(count))]


def moods(profile: Profile, scale: Scale) -> list[str]:
    """What the person did with each of `Profile.chosen`: ``liked``, ``disliked`` or ``chose``.

    An item is liked with 4 stars of 5 or more, or with a heart, and disliked below the middle of the scale. Pairs
    without ratings only say that it was chosen.

    Example:
        >>> some = np.arange(3)
        >>> moods(Profile(some, np.array([4.0, 3.5, 2.0]), some[:0], some[:0]), Scale(0.5, 5, 0.5))
        ['liked', 'chose', 'disliked']
    """
    if not scale.rated:
        return ["chose"] * len(profile.chosen)
    middle = (scale.minimum + scale.maximum) / 2
    given = [
        "liked" if one >= like_threshold(scale) else "disliked" if one < middle else "chose"
        for one in profile.ratings.tolist()
    ]
    return [*given, *["liked"] * len(profile.liked), *["chose"] * len(profile.seen)]


def _line(items: Items, profile: Profile, mood: list[str], named: tuple[int, ...]) -> str:
    if not named:
        return IN_GENERAL
    chosen = profile.chosen
    parts = []
    for verb in ("liked", "chose", "disliked"):
        labels = [items.label(int(chosen[row])) for row in named if mood[row] == verb]
        if labels:
            parts.append(f"{verb} {' and '.join(labels)}")
    return f"because you {' and '.join(parts)}"
