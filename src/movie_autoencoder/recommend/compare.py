"""Two people's tastes compared, and items for both."""

from __future__ import annotations

import numpy as np

from ..data.ratings import FloatArray, IntArray
from .filters import largest
from .items import Items
from .predictor import Predictor
from .profile import Profile
from .schemas import Comparison, ForTwo


def compare(predictor: Predictor, items: Items, one: Profile, other: Profile, k: int) -> Comparison:
    """How two people's tastes agree, and items that both are predicted to like, or to differ about.

    Args:
        predictor: of the model.
        items: of the model.
        one: the first person.
        other: the second.
        k: items in each list.
    """
    everything = np.arange(len(items))
    raw: FloatArray = np.array(
        [predictor.reconstruct(predictor.encode(person), person, everything) for person in (one, other)]
    )
    _, mine, theirs = np.intersect1d(one.items, other.items, return_indices=True)
    distances = np.abs(one.ratings[mine] - other.ratings[theirs])
    unseen = np.ones(len(items), dtype=bool)
    unseen[one.chosen] = unseen[other.chosen] = False
    well_known = np.zeros(len(items), dtype=bool)
    well_known[items.well_known] = True
    predictions = predictor.scale.clip(raw)

    def listed(columns: IntArray) -> tuple[ForTwo, ...]:
        return tuple(ForTwo(*items.fields(column), *predictions[:, column].tolist()) for column in columns)

    return Comparison(
        agreement=_correlation((raw - predictor.reconstruct_anyone(everything))[:, items.well_known]),
        common=len(mine),
        difference=float(distances.mean()) if len(mine) else None,
        for_both=listed(largest(predictions.min(axis=0), k, unseen)),
        apart=listed(largest(np.abs(predictions[0] - predictions[1]), k, unseen & well_known)),
    )


def _correlation(preferences: FloatArray) -> float | None:
    """Correlation of two rows; None where one of them is constant."""
    differ = preferences.shape[1] > 1 and (preferences.std(axis=1) > 1e-9).all()
    return float(np.corrcoef(*preferences)[0, 1]) if differ else None
