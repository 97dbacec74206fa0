"""The selection model: predictions for items that a person did not choose, from predictions for those chosen.

People choose what they expect to like, so ratings of chosen items lie above those of random items. A rating is an
opinion s, and noise that nobody foresees. Assume that people choose by the part of s that we cannot predict as they do
by the part that we can:

    p(choose) ~ exp(slope * s),        s ~ N(prediction for a random item, variance)

Then opinions of chosen items have the same variance, and a mean that is higher by slope * variance (exponential
tilting; Scharfstein, Rotnitzky and Robins 1999). Both factors are estimated on the validation part:

* `slope`: how much likelier a choice is where the prediction is higher by one point, from logistic regression of
  validation cells against other pairs of the same users and items. Both have the same active users and popular items,
  so neither activity nor popularity counts as choice by liking. Without selection the slope is 0.
* `variances`: of what the model does not know of s. One more rating of a cell would move its prediction by the fraction
  variance / (variance + noise) of its error. So if rmse is the error at cells that were not trained on, and fit that at
  cells that were, then fit / rmse = noise / (variance + noise), and variance = rmse * (rmse - fit). It falls with
  the logarithm of the number of ratings of the item.

Random items also have fewer ratings than chosen ones. `trend` is how far predictions of items with few ratings lie
above even the ratings of those who chose them. docs/models.md, section 8, derives all this and says what ratings of
chosen items cannot tell. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..models.base import Encoded, TrainedModel
from ..models.validation import Validation

Selection = Literal["chosen", "random"]  # of what items predictions are: those that people choose, or any
SELECTIONS: tuple[Selection, ...] = get_args(Selection)

_OTHER_PAIRS = 10  # for each validation rating
_MOST_CELLS = 200_000  # of each kind; more change no figure that matters
_MIN_CELLS = 20  # validation ratings, fewer of which say nothing of selection
_PENALTY = 1e-6  # of the logistic regression, so that it has a solution where predictions do not vary
_NEWTON_STEPS = 25
_SPREADS = np.linspace(0, 1, 201)  # of mean errors, in standard deviations of the errors
_SURE = 2.0  # standard errors: a slope that is smaller counts for nothing

Floats = npt.NDArray[np.float64]


class Slope(NamedTuple):
    """How choices depend on predictions.

    Args:
        value: log-odds of a choice for one rating point.
        error: its standard error.
    """

    value: float
    error: float

    def shrunk(self) -> float:
        """The slope, shrunk towards 0 by how uncertain it is; 0 below two standard errors."""
        return self.value * max(0.0, 1 - (_SURE * self.error / self.value) ** 2) if self.value else 0.0


@dataclass(frozen=True, eq=False)
class SelectionModel:
    """How far predictions for chosen items lie above those for random ones. Fit one with `fit_selection`.

    Args:
        slope: log-odds of a choice for one rating point of prediction, before shrinkage.
        counts: numbers of ratings of items at which the rest is known, ascending, shape ``(num_knots,)``.
        variances: of opinions given predictions there, squared rating points, same shape.
        trend: errors of predictions there, where too high, rating points, same shape.
    """

    slope: Slope
    counts: Floats
    variances: Floats
    trend: Floats

    def corrections(self, item_counts: IntArray) -> FloatArray:
        """What to take from predictions for chosen items to make them predictions for random ones.

        Args:
            item_counts: number of training ratings of each prediction's item, 0 for an unknown item, shape ``(n,)``.

        Returns:
            Shape ``(n,)``, rating points.

        Example:
            >>> model = SelectionModel(Slope(1.5, 0.0), np.array([1.0, 3.0]), np.full(2, 0.2), np.array([0.1, 0.0]))
            >>> model.corrections(np.array([1, 3, 100])).round(2).tolist()
            [0.4, 0.3, 0.3]
        """
        knots = self.trend + self.slope.shrunk() * self.variances
        corrections: FloatArray = np.interp(np.log1p(item_counts), np.log1p(self.counts), knots)
        return corrections

    def metadata(self, item_counts: IntArray) -> dict[str, float]:
        """Plain values that say what was found: the slope, its error, and the mean correction of all items."""
        correction = float(self.corrections(item_counts).mean())
        return {"slope": self.slope.value, "slope_error": self.slope.error, "correction": correction}

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {"slope": np.array(self.slope), "knots": np.stack([self.counts, self.variances, self.trend])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that gave these arrays."""
        return cls(Slope(*arrays["slope"].tolist()), *arrays["knots"])


def fit_selection(
    model: TrainedModel, biases: TrainedModel, validation: Validation | None, *, seed: int = 0
) -> SelectionModel | None:
    """Fits the selection model.

    Args:
        model: trained without the validation part.
        biases: a model of user and item biases alone, fitted to the same ratings: what choices by liking are told from.
        validation: the validation part.
        seed: of the other pairs.

    Returns:
        None without a validation part, or with one that is too small.
    """
    if validation is None or int(((validation.users >= 0) & (validation.items >= 0)).sum()) < _MIN_CELLS:
        return None
    rng = np.random.default_rng([seed, 7])
    shown = validation.training if validation.fold_in is None else validation.fold_in
    encoded = None if validation.fold_in is None else model.fold_in(validation.fold_in)
    slope = _slope(model, biases, validation, shown, encoded, rng)
    cells = np.arange(len(shown))
    if len(cells) > _MOST_CELLS:
        cells = rng.choice(cells, _MOST_CELLS, replace=False)
    users, items = shown.user_index[cells], shown.item_index[cells]
    times = None if shown.timestamps is None else shown.timestamps[cells]
    fitted = model.predict(users, items, encoded_users=encoded, times=times) - shown.values[cells]
    errors = validation.predict(model) - validation.targets
    of_items = np.append(validation.training.item_counts, 0)
    counts = of_items[validation.items]
    groups = np.unique(_group(counts), return_inverse=True, return_counts=True)
    knots = np.expm1(np.bincount(groups[1], np.log1p(counts)) / groups[2])
    variances = _variances(errors, counts, fitted, of_items[items], knots)
    return SelectionModel(slope, knots, variances, _trend(errors, groups[1], groups[2]))


def _group(counts: IntArray) -> IntArray:
    """Groups of 0, 1, 2-3, 4-7, … ratings."""
    groups: IntArray = np.frexp(counts.astype(np.float64))[1]
    return groups


def _slope(
    model: TrainedModel,
    biases: TrainedModel,
    validation: Validation,
    shown: Ratings,
    encoded: Encoded | None,
    rng: np.random.Generator,
) -> Slope:
    """Logistic regression of choices on predictions, given the biases."""
    known = np.flatnonzero((validation.users >= 0) & (validation.items >= 0))
    known = rng.permutation(known)[: _MOST_CELLS // _OTHER_PAIRS]
    users, items = validation.users[known].astype(np.int64), validation.items[known].astype(np.int64)
    times = None if validation.times is None else validation.times[known]
    width = shown.num_items
    chosen = np.union1d(shown.user_index.astype(np.int64) * width + shown.item_index, users * width + items)
    rows = np.tile(np.arange(len(users)), _OTHER_PAIRS)
    others = np.concatenate([rng.permutation(items) for _ in range(_OTHER_PAIRS)])
    new = ~np.isin(users[rows] * width + others, chosen)
    rows, others = np.append(np.arange(len(users)), rows[new]), np.append(items, others[new])
    picked = np.arange(len(rows)) < len(users)
    when = None if times is None else times[rows]
    predictions = model.predict(users[rows], others, encoded_users=encoded, times=when)
    of_biases = None if validation.fold_in is None else biases.fold_in(validation.fold_in)
    expected = biases.predict(users[rows], others, encoded_users=of_biases)
    return _logistic_slope(np.column_stack([predictions - expected, expected]), picked)


def _logistic_slope(inputs: FloatArray, picked: npt.NDArray[np.bool_]) -> Slope:
    """Weight of the first input in the log-odds of being picked, by Newton's method, and its standard error."""
    design = np.column_stack([inputs - inputs.mean(axis=0), np.ones(len(inputs))])
    penalty = np.diag(np.append(np.full(inputs.shape[1], _PENALTY * len(inputs)), 0.0))
    weights = np.zeros(design.shape[1])
    weights[-1] = np.log(max(picked.sum(), 0.5)) - np.log(max((~picked).sum(), 0.5))
    curvature = np.eye(len(weights))
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, design.T @ (picked - chance) - penalty @ weights)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return Slope(float(weights[0]), float(np.sqrt(np.linalg.inv(curvature)[0, 0])))


def _variances(errors: FloatArray, counts: IntArray, fitted: FloatArray, fitted_counts: IntArray, at: Floats) -> Floats:
    """Variance of opinions given predictions, by the number of ratings of the item: a line that does not rise.

    Args:
        errors: at cells that were not trained on, shape ``(n,)``.
        counts: number of ratings of their items, same shape.
        fitted: errors at cells that were trained on, shape ``(m,)``.
        fitted_counts: number of ratings of their items, same shape.
        at: numbers of ratings to give the variance at.
    """
    own, others = _group(counts), _group(fitted_counts)
    found, places, sizes = [], [], []
    for group in np.intersect1d(own, others):
        here = own == group
        rmse, fit = (np.sqrt(np.mean(np.square(one))) for one in (errors[here], fitted[others == group]))
        found.append(rmse * (rmse - fit))
        places.append(np.log1p(counts[here]).mean())
        sizes.append(here.sum())
    if not found:  # no item has both kinds of cells
        return np.zeros(len(at))
    middle, mean = np.average(places, weights=sizes), np.average(found, weights=sizes)
    apart = np.array(places) - middle
    rise = np.average(apart * found, weights=sizes) / max(np.average(apart**2, weights=sizes), 1e-12)
    line: Floats = np.maximum(mean + min(rise, 0.0) * (np.log1p(at) - middle), 0.0)
    return line


def _trend(errors: FloatArray, index: IntArray, sizes: IntArray) -> Floats:
    """Mean error of each group, shrunk towards 0, where it is above 0.

    The standard deviation of the groups' true means is that of the largest likelihood. Predictions below the ratings of
    those who chose items may be right for random ones, whose ratings are lower, so they are left alone.
    """
    means = np.bincount(index, errors) / sizes
    variance = float(np.var(errors)) + 1e-12
    total = variance * (_SPREADS[:, None] ** 2 + 1 / sizes)
    likelihood = -0.5 * (np.log(total) + means**2 / total).sum(axis=1)
    spread = variance * _SPREADS[int(np.argmax(likelihood))] ** 2
    trend: Floats = np.maximum(means * spread / (spread + variance / sizes), 0.0)
    return trend
