"""Stars: how likely each star value is, for predictions of any model; interval, and chance of liking it.

A model gives one number for a cell. People use the same stars in their own ways: some never give halves, some know
only 1 and 5. The chance of star s at a cell with prediction m is, up to a constant factor,

    h_u(s)^a * h_i(s)^b * h(s)^c * (h_ui(s) / h_u(s))^d * t((s - m') / sigma)

with h_u, h_i and h the shares of the stars in the user's, the item's and all training ratings, smoothed; h_ui those of
the user's ratings again, each weighed by how alike its item and this one are; t the density of Student's distribution;
m' a linear function of the prediction and the means of user and item, log sigma one of their counts, of how noisy
their ratings are, and of the prediction. Items are alike that the same people rated, whatever the stars: the fourth
power of the cosine of their rows in a truncated singular value decomposition of which cells are observed. What belongs
to a user or an item is counted in training ratings (`RatingHistograms`); the few shared numbers are of maximum
likelihood on validation ratings, whose predictions are honest. Intervals are adjusted on validation ratings that their
numbers were not fitted on (conformal prediction: Vovk et al. 2005; by quantile regression on counts: Romano et al.
2019, Gibbs et al. 2023). docs/models.md says more. Pure NumPy and SciPy; this module knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import Scale
from ..models.base import Merge
from ..models.baselines import BiasSolver, fold_in_bias

Floats = npt.NDArray[np.float64]

_MOST_VALUES = 21  # a finer or continuous scale is read on a grid of so many values
_DAMPING = 5.0  # of the biases that noise is measured from
_NOISE_DAMPING = 10.0  # ratings of ordinary noise that every user and item is given
_NOISE_PASSES = 5
_LOCATION = 4  # 1, prediction, user's mean, item's mean
_SPREAD = 7  # 1, log counts, log noises, prediction and its square
_SHARES = 4  # exponents of the shares of user, item, all, and of the user's at items alike
_EXTRAS = 4  # logs of the two smoothings, of Student's degrees of freedom, and of the weight of h_u in h_ui
# Where the numbers start and what they are pulled to: about what several data sets want.
_START = np.array(
    [
        0.0,
        1.9,
        -1.8,
        -0.5,
        0.5,
        0.0,
        0.0,
        0.45,
        0.2,
        0.0,
        0.0,
        0.9,
        0.8,
        -0.8,
        0.6,
        np.log(5),
        np.log(150),
        np.log(25),
        np.log(3),
    ]
)
_FREE = [0, _LOCATION]  # numbers that nothing pulls: the two constants
_PULL = 16.0  # of the others, in log likelihood for half a squared unit
_LATENT_DIM = 32  # of the decomposition that says which items are alike
_SPARE, _SUBSPACE_STEPS = 10, 5  # of its computation
_ITEM_DAMPING = 10.0  # ratings that every row and column is given before they are scaled for it
_MOST_CELLS = 30_000  # more validation cells than this teach a few numbers nothing
_FOLDS = 5
_SOFTNESS = 0.003  # the corner of the pinball loss is rounded, in units of chance
_BLOCK = 1 << 16  # cells at a time
_FEW_CELLS = 1 << 13  # at a time, where every edge of every star is tried
_TAILS = 0.9  # intervals share what they leave out between their tails as the shortest one with this chance does
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)  # at which intervals are adjusted; between them, linearly


def star_values(scale: Scale) -> Floats:
    """The star values that chances are given for: the scale's own, or a grid of 21 where there are more or none.

    A star between two values of the grid counts as the nearer one.

    Example:
        >>> star_values(Scale(1, 5, 1)), len(star_values(Scale(0, 100, 0.1)))
        (array([1., 2., 3., 4., 5.]), 21)
    """
    levels = scale.levels
    if 0 < len(levels) <= _MOST_VALUES:
        return np.asarray(levels, dtype=np.float64)
    return np.linspace(scale.minimum, scale.maximum, _MOST_VALUES)


def columns(values: Floats, stars: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Place of the nearest star value of each star."""
    step = values[1] - values[0]
    places: npt.NDArray[np.int64] = np.rint((np.asarray(stars, dtype=np.float64) - values[0]) / step).astype(np.int64)
    return np.clip(places, 0, len(values) - 1)


def like_threshold(scale: Scale) -> float:
    """Stars from which on something is liked: 4 of 5, else the top quarter of the scale.

    Example:
        >>> like_threshold(Scale(0.5, 5, 0.5)), like_threshold(Scale(1, 10, 1))
        (4.0, 7.75)
    """
    return 4.0 if _has_five(scale) else scale.maximum - scale.span / 4


def one_point(scale: Scale) -> float:
    """A point of a scale of five stars, or what corresponds to it: a quarter of the scale.

    Example:
        >>> one_point(Scale(0.5, 5, 0.5)), one_point(Scale(0, 100, 1))
        (1.0, 25.0)
    """
    return 1.0 if _has_five(scale) else scale.span / 4


def _has_five(scale: Scale) -> bool:
    return scale.maximum == 5 and 0 <= scale.minimum <= 1


@dataclass(frozen=True, eq=False)
class RatingHistograms:
    """How the rows of one side, users or items, were given their stars; the last row is whoever is unknown.

    Args:
        counts: ratings by star value, shape ``(n + 1, num_values)``, float32.
        noise: log of the variance of the residuals on damped biases beside the usual one, shrunk, ``(n + 1,)``.
        bias: damped bias, shape ``(n + 1,)``, rating points.
        ratings: the ratings themselves, of users; None where they are not kept, and of items.
    """

    counts: npt.NDArray[np.float32]
    noise: Floats
    bias: Floats
    ratings: Ratings | None = None


@dataclass(frozen=True, eq=False)
class StarDistribution:
    """How likely each star value is at some cells.

    Args:
        scale: the stars that can be given.
        values: the star values, ascending, shape ``(num_values,)``, rating points.
        probabilities: chance of each, shape ``(n, num_values)``; every row adds up to 1.
        adjusted: the chance at which each cell's interval covers at the levels that were adjusted, ``(n, 8)``.
    """

    scale: Scale
    values: Floats
    probabilities: Floats
    adjusted: Floats

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def mean(self) -> Floats:
        """Expected stars, shape ``(n,)``, rating points."""
        return self.probabilities @ self.values

    @property
    def standard_deviation(self) -> Floats:
        """Spread of the stars around their mean, shape ``(n,)``, rating points."""
        return np.sqrt(np.maximum(self.probabilities @ self.values**2 - self.mean**2, 0.0))

    def like_probability(self, threshold: float | None = None) -> Floats:
        """Chance of so many stars or more, shape ``(n,)``.

        Args:
            threshold: stars from which on something is liked; 4 of 5, else the top quarter, when left out.
        """
        least = like_threshold(self.scale) if threshold is None else threshold
        return np.asarray(self.probabilities[:, self.values >= least - 1e-9].sum(axis=1))

    def error_probability(self, predictions: FloatArray, more_than: float | None = None) -> Floats:
        """Chance that the stars given lie further from a prediction than a distance, shape ``(n,)``.

        Args:
            predictions: shape ``(n,)``, rating points.
            more_than: the distance; one point of a scale of five stars when left out.
        """
        distance = one_point(self.scale) if more_than is None else more_than
        far = np.abs(self.values - np.asarray(predictions)[:, None]) > distance + 1e-9
        return np.asarray(np.where(far, self.probabilities, 0.0).sum(axis=1))

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper end of an interval that covers the stars with a chance, each of shape ``(n,)``.

        Ends are real numbers: a star counts as a whole step wide around its value, and an end may lie anywhere in it.
        Coverage is adjusted on validation ratings, at all cells together and along the counts of user and item.

        Args:
            level: share of the stars to cover, above 0 and below 1.

        Raises:
            ValueError: another level.
        """
        if not 0 < level < 1:
            raise ValueError(f"An interval covers a share of the stars above 0 and below 1. Received: {level}.")
        known = np.array([0.0, *_LEVELS, 1.0])
        table = np.column_stack([np.zeros(len(self)), self.adjusted, np.ones(len(self))])
        place = int(np.searchsorted(known, level)) - 1
        share = (level - known[place]) / (known[place + 1] - known[place])
        inside = table[:, place] * (1 - share) + table[:, place + 1] * share
        tail = _lower_tail(self.probabilities)
        levels = np.stack([(1 - inside) * tail, 1 - (1 - inside) * (1 - tail)], axis=1)
        low, high = _quantiles(self.values, self.probabilities, levels).T
        ends, whole = (self.scale.minimum, self.scale.maximum), inside >= 1
        return np.where(whole, ends[0], np.clip(low, *ends)), np.where(whole, ends[1], np.clip(high, *ends))


@dataclass(frozen=True, eq=False)
class StarModel:
    """Turns predictions into distributions over the star values.

    Build one with `StarModel.fit`.

    Args:
        scale: the stars that can be given.
        mean: mean of the training ratings, rating points.
        deviation: of the residuals on damped biases, rating points; the unit of all distances.
        shares: of each star value in the training ratings, shape ``(num_values,)``.
        users: the training users' habits.
        items: the training items'.
        directions: of the items, unit vectors or zero; near ones are rated by the same people; the last is unknown.
        parameters: the shared numbers: location, log spread, exponents, smoothings, degrees of freedom, weight.
        adjustments: of the intervals, one row a level: constant and slopes on the counts.
    """

    scale: Scale
    mean: float
    deviation: float
    shares: Floats
    users: RatingHistograms
    items: RatingHistograms
    directions: npt.NDArray[np.float32]
    parameters: Floats
    adjustments: Floats

    @classmethod
    def fit(
        cls,
        predictions: FloatArray,
        users: IntArray,
        items: IntArray,
        stars: FloatArray,
        training: Ratings,
        *,
        fold_in: Ratings | None = None,
        keep_ratings: bool = True,
    ) -> StarModel:
        """Learns the shared numbers from held-out ratings.

        Args:
            predictions: at the held-out cells, on the scale, by a model that was trained without them, shape ``(n,)``.
            users: row of each cell in ``training``, or in ``fold_in`` where that is given; -1 for an unknown user.
            items: column of each cell in ``training``; -1 for an unknown item.
            stars: what was given there, rating points.
            training: ratings that users' and items' habits are counted in; none of the held-out ones is among them.
            fold_in: ratings of users who were not trained on, columns of ``training``: their habits are read there.
            keep_ratings: use each user's single ratings, at items alike; the model then holds on to them.

        Raises:
            ValueError: there is no held-out rating to learn from.
        """
        if not len(stars):
            raise ValueError("A distribution over the stars is learnt from held-out ratings. Received: none.")
        none = np.empty((0, 0), dtype=np.float32)
        nobody = RatingHistograms(none, np.empty(0), np.empty(0), training if keep_ratings else None)
        blank = cls(training.scale, 0.0, 1.0, np.empty(0), nobody, nobody, none, _START, np.empty((0, 0)))
        model = blank.with_ratings(training)
        histograms = None if fold_in is None else model.fold_in(fold_in)
        rng = np.random.default_rng(0)
        if len(stars) > _MOST_CELLS:
            chosen = np.sort(rng.permutation(len(stars))[:_MOST_CELLS])
            predictions, stars, users, items = predictions[chosen], stars[chosen], users[chosen], items[chosen]
        facts = model._facts(predictions, users, items, histograms)
        given = columns(model.values, stars)
        model = replace(model, parameters=_most_likely(facts, given, model.parameters))
        fold = rng.permutation(len(stars)) % _FOLDS
        chances = model._probabilities(facts, model.parameters)
        for number in range(min(_FOLDS, len(stars) - 1) if len(stars) > 1 else 0):
            own, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
            without = _most_likely(facts.at(others), given[others], model.parameters)
            chances[own] = model._probabilities(facts.at(own), without)
        return replace(model, adjustments=_adjustments(_conformity(chances, given), facts.counts))

    @cached_property
    def values(self) -> Floats:
        """The star values, ascending."""
        return star_values(self.scale)

    def with_ratings(self, ratings: Ratings) -> StarModel:
        """The same shared numbers with the habits in other training ratings, such as those of a refit."""
        values, biases = self.values, BiasSolver(ratings, _DAMPING).solve()
        given = columns(values, ratings.values)
        size = len(values)
        residual = ratings.values - biases.mean - biases.users[ratings.user_index] - biases.items[ratings.item_index]
        variance = max(float(np.square(residual, dtype=np.float64).mean()), 1e-6 * self.scale.span**2)
        squared = np.square(residual, dtype=np.float64) / variance
        user_noise, item_noise = np.ones(ratings.num_users), np.ones(ratings.num_items)
        for _ in range(_NOISE_PASSES):  # noise of a cell is the product of its user's and its item's
            user_noise = _shrunk(squared / item_noise[ratings.item_index], ratings.user_index, ratings.user_counts)
            item_noise = _shrunk(squared / user_noise[ratings.user_index], ratings.item_index, ratings.item_counts)
        return replace(
            self,
            mean=biases.mean,
            deviation=float(np.sqrt(variance)),
            shares=(np.bincount(given, minlength=size) + 1.0) / (len(ratings) + size),
            users=_habits(
                ratings.user_index,
                given,
                ratings.num_users,
                size,
                user_noise,
                biases.users,
                None if self.users.ratings is None else ratings,
            ),
            items=_habits(ratings.item_index, given, ratings.num_items, size, item_noise, biases.items),
            directions=_directions(ratings),
        )

    def fold_in(self, ratings: Ratings) -> RatingHistograms:
        """The habits of people who were not trained on, from their ratings; columns in the training vocabulary."""
        values = self.values
        bias = fold_in_bias(ratings, self.mean, self.items.bias, _DAMPING).astype(np.float64)
        residual = ratings.values - self.mean - bias[ratings.user_index] - self.items.bias[ratings.item_index]
        squared = (residual / self.deviation) ** 2 / np.exp(self.items.noise[ratings.item_index])
        noise = _shrunk(squared, ratings.user_index, ratings.user_counts)
        given = columns(values, ratings.values)
        kept = None if self.users.ratings is None else ratings
        return _habits(ratings.user_index, given, ratings.num_users, len(values), noise, bias, kept)

    def with_items(self, ratings: Ratings, merge: Merge, everything: Ratings | None) -> StarModel:
        """The same model with new items among its own; at other items nothing changes.

        Args:
            ratings: of the new items by training users, rows in their vocabulary.
            merge: where the old and the new items stand.
            everything: the training ratings with the new ones, where the model keeps ratings.
        """
        bias = fold_in_bias(ratings.transposed(), self.mean, self.users.bias, _DAMPING).astype(np.float64)
        residual = ratings.values - self.mean - self.users.bias[ratings.user_index] - bias[ratings.item_index]
        squared = (residual / self.deviation) ** 2 / np.exp(self.users.noise[ratings.user_index])
        noise = _shrunk(squared, ratings.item_index, ratings.item_counts)
        given = columns(self.values, ratings.values)
        new, items = _habits(ratings.item_index, given, ratings.num_items, len(self.values), noise, bias), self.items
        merged = RatingHistograms(
            merge.rows_and_unknown(items.counts, new.counts[:-1]),
            merge.rows_and_unknown(items.noise, new.noise[:-1]),
            merge.rows_and_unknown(items.bias, new.bias[:-1]),
        )
        directions = merge.rows_and_unknown(self.directions, 0)  # who else rates them is not known well enough
        users = self.users if self.users.ratings is None else replace(self.users, ratings=everything)
        return replace(self, users=users, items=merged, directions=directions)

    def distribution(
        self, predictions: FloatArray, users: IntArray, items: IntArray, *, histograms: RatingHistograms | None = None
    ) -> StarDistribution:
        """How likely each star value is at given cells.

        Args:
            predictions: a model's stars there, shape ``(n,)``; moved to the scale where they lie outside.
            users: row of each cell in ``histograms``; -1 for an unknown user.
            items: column of each cell; -1 for an unknown item.
            histograms: whose habits; the training users' when left out.
        """
        chances = np.empty((len(predictions), len(self.values)))
        adjusted = np.empty((len(predictions), len(_LEVELS)))
        for start in range(0, len(predictions), _BLOCK):
            block = slice(start, start + _BLOCK)
            facts = self._facts(predictions[block], users[block], items[block], histograms)
            chances[block] = self._probabilities(facts, self.parameters)
            adjusted[block] = np.clip(_regressors(facts.counts) @ self.adjustments.T, 0.0, 1.0)
        return StarDistribution(self.scale, self.values, chances, np.maximum.accumulate(adjusted, axis=1))

    def user_histogram(self, users: IntArray, *, histograms: RatingHistograms | None = None) -> StarDistribution:
        """Each user's own stars, smoothed, whatever the item: what a distribution has to beat; intervals unadjusted."""
        counts = (histograms or self.users).counts[users] + _DAMPING * self.shares
        chances = np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float64)
        return StarDistribution(self.scale, self.values, chances, np.tile(_LEVELS, (len(chances), 1)))

    def residual_variance(
        self, users: IntArray, items: IntArray, *, histograms: RatingHistograms | None = None
    ) -> Floats:
        """Variance of the residuals on biases by user and item, squared rating points: what uncertainty has to beat."""
        return np.asarray(self.deviation**2 * np.exp((histograms or self.users).noise[users] + self.items.noise[items]))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything but the scale, for a file."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "numbers": np.array([self.mean, self.deviation]),
            "shares": self.shares,
            "parameters": self.parameters,
            "adjustments": self.adjustments,
            "directions": self.directions,
        }
        for side, habits in (("users", self.users), ("items", self.items)):
            arrays[f"{side}_counts"] = habits.counts.astype(np.int32)
            arrays |= {f"{side}_noise": habits.noise, f"{side}_bias": habits.bias}
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale, ratings: Ratings | None = None
    ) -> StarModel:
        """The model that `to_arrays` wrote.

        Args:
            arrays: what it wrote.
            scale: the stars that can be given.
            ratings: the training ratings, where the model had kept them.
        """
        users, items = (
            RatingHistograms(
                arrays[f"{side}_counts"].astype(np.float32), arrays[f"{side}_noise"], arrays[f"{side}_bias"], kept
            )
            for side, kept in (("users", ratings), ("items", None))
        )
        mean, deviation = arrays["numbers"].tolist()
        return cls(
            scale,
            mean,
            deviation,
            arrays["shares"],
            users,
            items,
            arrays["directions"],
            arrays["parameters"],
            arrays["adjustments"],
        )

    def _facts(
        self, predictions: FloatArray, users: IntArray, items: IntArray, histograms: RatingHistograms | None
    ) -> _Facts:
        """What is known of some cells, distances in units of `deviation` from the mean."""
        side, values = histograms or self.users, (self.values - self.mean) / self.deviation
        theirs, its = (
            habits.counts[index].astype(np.float64) for habits, index in ((side, users), (self.items, items))
        )
        numbers = [table.sum(axis=1) for table in (theirs, its)]
        means = [table @ values / (count + _DAMPING) for table, count in zip((theirs, its), numbers, strict=True)]
        predicted = np.asarray((self.scale.clip(predictions) - self.mean) / self.deviation, dtype=np.float64)
        one = np.ones(len(predicted))
        logs = (
            np.log1p(np.column_stack(numbers)) - 4.0
        )  # about 0 at 50 ratings, so that slopes leave the constant alone
        noises = side.noise[users], self.items.noise[items]
        histogram = theirs + _DAMPING * self.shares
        return _Facts(
            values,
            self.shares,
            theirs,
            its,
            self._alike(side, users, items),
            histogram / histogram.sum(axis=1, keepdims=True),
            predicted,
            np.column_stack([one, predicted, *means]),
            np.column_stack([one, logs, *noises, predicted, predicted**2]),
            np.column_stack(numbers),
        )

    def _alike(self, side: RatingHistograms, users: IntArray, items: IntArray) -> Floats:
        """Each cell's user's ratings by star value, weighed by how alike their items and the cell's are."""
        table = np.zeros((len(users), len(self.values)))
        ratings = side.ratings
        if ratings is None:
            return table
        order = np.argsort(users, kind="stable")
        owners, starts = np.unique(users[order], return_index=True)
        one_hot = np.eye(len(self.values), dtype=np.float32)
        for owner, cells in zip(owners.tolist(), np.split(order, starts[1:]), strict=True):
            if owner >= 0:
                row = ratings.row(owner)
                cosines = self.directions[items[cells]] @ self.directions[ratings.item_index[row]].T
                table[cells] = np.maximum(cosines, 0.0) ** 4 @ one_hot[columns(self.values, ratings.values[row])]
        return table

    def _probabilities(self, facts: _Facts, parameters: Floats) -> Floats:
        return _softmax(_terms(facts, parameters).logits)


@dataclass(frozen=True, eq=False)
class _Facts:
    """Some cells as the likelihood sees them; distances in units of the deviation, from the mean.

    Args:
        values: the star values.
        shares: of each in the training ratings.
        users: ratings of the cell's user by star value, shape ``(n, num_values)``.
        items: likewise of its item.
        alike: the user's again, each weighed by how alike its item is, same shape.
        histogram: smoothed shares of the user's ratings, same shape.
        predicted: shape ``(n,)``.
        location: what the middle of the distribution is linear in, beside the prediction, ``(n, 4)``.
        spread: what the log of its width is linear in, ``(n, 7)``.
        counts: ratings of user and item, ``(n, 2)``.
    """

    values: Floats
    shares: Floats
    users: Floats
    items: Floats
    alike: Floats
    histogram: Floats
    predicted: Floats
    location: Floats
    spread: Floats
    counts: Floats

    def at(self, cells: IntArray) -> _Facts:
        """Some of these cells."""
        names = ("users", "items", "alike", "histogram", "predicted", "location", "spread", "counts")
        return replace(self, **{name: getattr(self, name)[cells] for name in names})


@dataclass(frozen=True, eq=False)
class _Terms:
    """Logarithms of the chances but for a constant a cell, and what their derivatives are made of."""

    logits: Floats
    distance: Floats
    width: Floats
    slope: Floats
    freedom: Floats
    weighing: Floats
    logs: tuple[Floats, ...]
    smoothed: tuple[Floats, Floats]


def _terms(facts: _Facts, parameters: Floats) -> _Terms:
    location, spread, exponents, extras = np.split(parameters, np.cumsum([_LOCATION, _SPREAD, _SHARES]))
    smoothing_users, smoothing_items, degrees, weight = np.exp(extras)
    middle, width = facts.predicted + facts.location @ location, np.exp(facts.spread @ spread)
    distance = (facts.values - middle[:, None]) / width[:, None]
    ratio = distance**2 / degrees
    tails = np.log1p(ratio)
    smoothed = facts.users + smoothing_users * facts.shares, facts.items + smoothing_items * facts.shares
    mixed, total = facts.alike + weight * facts.histogram, facts.alike.sum(axis=1, keepdims=True) + weight
    logs = (
        np.log(smoothed[0]),
        np.log(smoothed[1]),
        np.broadcast_to(np.log(facts.shares), distance.shape),
        np.log(mixed / (total * facts.histogram)),
    )
    logits = -(degrees + 1) / 2 * tails
    for exponent, log in zip(exponents, logs, strict=True):
        logits += exponent * log
    slope = -(degrees + 1) * distance / (degrees * (1 + ratio))  # of the log density of Student's distribution
    freedom = degrees * (-tails / 2 + (degrees + 1) / (2 * degrees) * ratio / (1 + ratio))  # by the log of the degrees
    weighing = exponents[-1] * weight * (facts.histogram / mixed - 1 / total)  # by the log of the weight
    return _Terms(logits, distance, width, slope, freedom, weighing, logs, smoothed)


def _softmax(logits: Floats) -> Floats:
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _loss(parameters: Floats, facts: _Facts, given: npt.NDArray[np.int64]) -> tuple[float, Floats, Floats]:
    """Minus the log likelihood, with half the squared distance of the slopes from their start.

    Returns:
        It, its gradient, and what each cell contributes to the gradient of the log likelihood, ``(n, 19)``.
    """
    terms = _terms(facts, parameters)
    chances, cells = _softmax(terms.logits), np.arange(len(given))
    away = _PULL * (parameters - _START)
    away[_FREE] = 0.0
    loss = -float(np.log(np.maximum(chances[cells, given], 1e-300)).sum()) + float(away @ away) / (2 * _PULL)
    rest = -chances  # by the logits: 1 at the stars that were given, less the chances
    rest[cells, given] += 1.0
    exponents = parameters[_LOCATION + _SPREAD : _LOCATION + _SPREAD + 2]
    factors = exponents * np.exp(parameters[-_EXTRAS:-2])
    pull = rest * terms.slope
    scores = np.column_stack(
        [
            facts.location * -(pull.sum(axis=1) / terms.width)[:, None],
            facts.spread * -np.einsum("ns,ns->n", pull, terms.distance)[:, None],
            *(np.einsum("ns,ns->n", rest, log) for log in terms.logs),
            *(factor * ((rest / table) @ facts.shares) for factor, table in zip(factors, terms.smoothed, strict=True)),
            np.einsum("ns,ns->n", rest, terms.freedom),
            np.einsum("ns,ns->n", rest, terms.weighing),
        ]
    )
    return loss, away - scores.sum(axis=0), scores


def _most_likely(facts: _Facts, given: npt.NDArray[np.int64], start: Floats) -> Floats:
    """The shared numbers of maximum likelihood, pulled a little towards `_START`."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import minimize

    scores = _loss(start, facts, given)[2]  # their products estimate the curvature: along its axes few steps are needed
    axes = cholesky(scores.T @ scores + _PULL * np.eye(len(start)))
    scaled = np.asarray(solve_triangular(axes, np.eye(len(start))))

    def loss(place: Floats) -> tuple[float, Floats]:
        value, gradient, _ = _loss(start + scaled @ place, facts, given)
        return value, scaled.T @ gradient

    found = minimize(loss, np.zeros(len(start)), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-8})
    return np.asarray(start + scaled @ found.x)


def _lower_tail(chances: Floats) -> Floats:
    """Share of what the shortest interval leaves out that lies below it, shape ``(n,)``; a star is a step wide."""
    tails = [_lower_tail_of(chances[start : start + _FEW_CELLS]) for start in range(0, len(chances), _FEW_CELLS)]
    return np.concatenate([np.empty(0), *tails])


def _lower_tail_of(chances: Floats) -> Floats:
    cumulative, edges = _cumulative(chances), np.arange(chances.shape[1] + 1.0)
    # the shortest interval has an edge of a star at one of its ends: each is tried at both, shape (n, 2 * edges)
    starts = np.concatenate([cumulative, cumulative - _TAILS], axis=1)
    possible = (starts > -1e-12) & (starts + _TAILS < 1 + 1e-12)
    others = np.minimum(np.maximum(np.concatenate([cumulative + _TAILS, cumulative - _TAILS], axis=1), 0.0), 1.0)
    length = np.where(possible, np.abs(_place(chances, cumulative, others) - np.tile(edges, 2)), np.inf)
    shortest = length.min(axis=1, keepdims=True)
    first = np.argmax(length <= shortest + 1e-9, axis=1)
    tail = np.minimum(np.maximum(starts[np.arange(len(starts)), first], 0.0), 1 - _TAILS) / (1 - _TAILS)
    return np.where(np.isfinite(shortest[:, 0]), tail, 0.5)


def _cumulative(chances: Floats) -> Floats:
    """Chance of less than each star, and 1, shape ``(n, num_values + 1)``."""
    table = np.zeros((len(chances), chances.shape[1] + 1))
    np.cumsum(chances, axis=1, out=table[:, 1:])
    return table


def _place(chances: Floats, cumulative: Floats, levels: Floats) -> Floats:
    """Where the chance of less reaches each level, in steps from the lower edge of the first star; shape as levels'."""
    star = (cumulative[:, None, 1:-1] < levels[:, :, None]).sum(axis=2)
    cells = np.arange(len(chances))[:, None]
    part = (levels - cumulative[cells, star]) / np.maximum(chances[cells, star], 1e-12)
    return np.asarray(star + np.minimum(np.maximum(part, 0.0), 1.0))


def _quantiles(values: Floats, chances: Floats, levels: Floats) -> Floats:
    step = values[1] - values[0]
    return np.asarray(values[0] - step / 2 + step * _place(chances, _cumulative(chances), levels))


def _conformity(chances: Floats, given: npt.NDArray[np.int64]) -> Floats:
    """The least chance at which each cell's interval covers the stars that were given, shape ``(n,)``."""
    cells, tail = np.arange(len(given)), _lower_tail(chances)
    below = np.cumsum(chances, axis=1)[cells, given] - chances[cells, given] / 2
    with np.errstate(divide="ignore"):
        return np.asarray(1 - np.minimum(below / tail, (1 - below) / (1 - tail)))


def _regressors(counts: Floats) -> Floats:
    """What the adjustment of an interval is linear in: a constant, and two curves along each count."""
    return np.column_stack([np.ones(len(counts)), np.log1p(counts) - 4.0, 1 / np.sqrt(1 + counts)])


def _adjustments(scores: Floats, counts: Floats) -> Floats:
    """Quantiles of the scores as linear functions of what the counts say, a row for each level.

    The slopes are those of quantile regression; the constant is then set so that the share of the cells that are
    covered is right, counting the next cell in.
    """
    from scipy.optimize import minimize

    table, number = _regressors(counts), len(scores)
    found = []
    for level in _LEVELS:

        def pinball(slopes: Floats, level: float = level) -> tuple[float, Floats]:
            rest = (scores - table @ slopes) / _SOFTNESS
            above = 1 / (1 + np.exp(-np.clip(rest, -500, 500)))
            loss = _SOFTNESS * float(((level - 1) * rest + np.logaddexp(0, rest)).sum()) + float(
                slopes[1:] @ slopes[1:]
            )
            return loss, table.T @ (1 - level - above) + 2 * np.append(0.0, slopes[1:])

        start = np.append(np.quantile(scores, level), np.zeros(table.shape[1] - 1))
        slopes = minimize(pinball, start, jac=True, method="L-BFGS-B").x
        rest = np.sort(scores - table @ slopes)
        rank = int(np.ceil((number + 1) * level))
        if rank > number:  # too few scores to say so much: the whole scale
            slopes = np.append(1.0, np.zeros(len(slopes) - 1))
        else:
            slopes[0] += rest[rank - 1]
        found.append(slopes)
    return np.array(found)


def _shrunk(squared: Floats, index: IntArray, counts: IntArray) -> Floats:
    """Mean square of each row, with a few ratings of ordinary noise added."""
    return np.asarray((np.bincount(index, squared, len(counts)) + _NOISE_DAMPING) / (counts + _NOISE_DAMPING))


def _directions(ratings: Ratings) -> npt.NDArray[np.float32]:
    """Unit vectors of the items, zero where nothing is known: the rows of a truncated decomposition of the mask.

    By subspace iteration from random vectors (Halko, Martinsson and Tropp 2011), which cannot fail to converge.
    """
    from scipy import sparse

    users, items = (1 / np.sqrt(counts + _ITEM_DAMPING) for counts in (ratings.user_counts, ratings.item_counts))
    cells = (users[ratings.user_index] * items[ratings.item_index]).astype(np.float32)
    shape = (ratings.num_users, ratings.num_items)
    mask = sparse.csr_array((cells, ratings.item_index, ratings.user_starts), shape=shape)
    width = min(_LATENT_DIM + _SPARE, *shape)
    basis = np.random.default_rng(0).normal(size=(ratings.num_items, width)).astype(np.float32)
    for _ in range(_SUBSPACE_STEPS):
        basis = np.linalg.qr(mask.T @ (mask @ basis))[0]
    _, weights, vectors = np.linalg.svd(mask @ basis, full_matrices=False)
    table = (basis @ vectors.T * weights)[:, :_LATENT_DIM]
    table = np.vstack([table, np.zeros((1, table.shape[1]))])
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.maximum(lengths, 1e-12), dtype=np.float32)


def _habits(
    index: IntArray,
    given: npt.NDArray[np.int64],
    num_rows: int,
    num_values: int,
    noise: Floats,
    bias: FloatArray,
    ratings: Ratings | None = None,
) -> RatingHistograms:
    table = np.zeros((num_rows + 1, num_values), dtype=np.float32)
    table[:-1] = np.bincount(index * np.int64(num_values) + given, minlength=num_rows * num_values).reshape(
        num_rows, num_values
    )
    return RatingHistograms(table, np.append(np.log(noise), 0.0), np.append(bias, 0.0), ratings)
