"""The choice model: how likely a person is to choose an item, and how choice and rating make one list.

It averages a linear autoencoder of the 0/1 matrix (`linear`) and the popularity of the items; a `Calibration` turns the
score into a probability. A balanced list ranks by the expected value of choosing and liking,

    p(choose) * exp(weight * predicted rating),

whose weight is fitted on held-out choices (`fit`). Pure NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import Scale, one_point
from ..models.base import implicit_feedback
from .linear import LinearAutoencoder, Table

USUAL_RATING_WEIGHT = 0.5
_SLOPE = 1e-3  # least rise of the log-odds between two knots, so that the order of scores stays


def log_probability(log_odds: FloatArray) -> npt.NDArray[np.float64]:
    """Log of the probability with some log-odds, any shape; twice as fast as `np.logaddexp`.

    Example:
        >>> np.exp(log_probability(np.array([0.0, -1000.0])))
        array([0.5, 0. ])
    """
    rest = np.abs(log_odds)
    np.negative(rest, out=rest)
    np.log1p(np.exp(rest, out=rest), out=rest)
    return np.asarray(np.minimum(log_odds, 0) - rest, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Turns scores into probabilities: piecewise linear in the log-odds, and ascending.

    Args:
        scores: of the knots, ascending, shape ``(num_knots,)``.
        log_odds: at the knots, ascending, same shape.
    """

    scores: npt.NDArray[np.float64]
    log_odds: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, scores: FloatArray, weights: FloatArray, chosen: FloatArray) -> Calibration:
        """Isotonic regression of chosen or not on bins of scores.

        Args:
            scores: mean score of each bin, ascending, shape ``(num_bins,)``.
            weights: number of cells in each bin, chosen or not.
            chosen: number of chosen cells in each bin.
        """
        from scipy.optimize import isotonic_regression

        rate = isotonic_regression((chosen + 0.5) / (weights + 1), weights=weights + 1).x.clip(1e-6, 1 - 1e-6)
        rise = _SLOPE * np.arange(len(scores))
        log_odds = np.maximum.accumulate(np.log(rate) - np.log1p(-rate) - rise) + rise
        return cls(scores.astype(np.float64), log_odds)

    def transform(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Log-odds of scores, any shape; beyond the outer knots they rise as between the last two."""
        found: npt.NDArray[np.float64] = np.asarray(np.interp(scores, self.scores, self.log_odds))
        if len(self.scores) > 1:
            low, high = (
                max((self.log_odds[b] - self.log_odds[a]) / max(self.scores[b] - self.scores[a], 1e-9), _SLOPE)
                for a, b in ((0, 1), (-2, -1))
            )
            found += np.minimum(scores - self.scores[0], 0) * low + np.maximum(scores - self.scores[-1], 0) * high
        return found


@dataclass(frozen=True, eq=False)
class ChoiceModel:
    """How likely people are to choose items. Fit one with `fit.fit_choice`.

    Args:
        linear: the linear autoencoder.
        popularity: fraction of the training users who chose each item, shape ``(num_items,)``, float32.
        popularity_weight: weight of the popularity beside the linear autoencoder, from 0 to 1.
        calibration: from scores to log-odds.
        rating_weight: weight of a predicted rating in a balanced list: log-odds for one star of five.
    """

    linear: LinearAutoencoder
    popularity: Table
    popularity_weight: float
    calibration: Calibration
    rating_weight: float

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.linear)

    def scores(self, ratings: Ratings, *, seen: Any = None) -> Table:
        """Scores of all items for each of some people. Those of items that a person chose mean nothing.

        Args:
            ratings: theirs, columns in the model's vocabulary. Only *which* items they rated counts.
            seen: items chosen without a rating, as for `TrainedModel.fold_in`.

        Returns:
            Shape ``(num_users, num_items)``, float32. Give it blocks of people.
        """
        return self.scores_of(implicit_feedback(ratings, seen))

    def scores_of(self, chosen: Any) -> Table:
        """`scores` from the choices themselves, CSR of ones, shape ``(n, num_items)``."""
        return self._with_popularity(self.linear.scores(chosen))

    def person_scores(self, items: IntArray, targets: IntArray | slice = slice(None)) -> Table:
        """Scores of all items, or of some, for one person who chose some, shape ``(num_targets,)``.

        Args:
            items: columns of the chosen items, rated or not, each once.
            targets: columns of the items to score; all when left out.
        """
        return self._with_popularity(self.linear.person_scores(items, targets), targets)

    def probabilities(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Probability of a choice, from scores of any shape: of people like this one, the fraction who chose the item.

        Example:
            ``model.probabilities(model.person_scores(np.array([0, 5])))``
        """
        return np.exp(log_probability(self.calibration.transform(scores)))

    def balanced(self, scores: npt.NDArray[Any], predictions: npt.NDArray[Any], scale: Scale) -> FloatArray:
        """The value that a balanced list is ordered by: log of p(choose), and the predicted rating times its weight.

        Args:
            scores: of any shape.
            predictions: predicted ratings of the same cells, rating points, same shape.
            scale: of the ratings.
        """
        return self.value(self.calibration.transform(scores), predictions, scale)

    def value(self, log_odds: FloatArray, predictions: npt.NDArray[Any], scale: Scale) -> FloatArray:
        """`balanced` from the log-odds of a choice (`Calibration.transform`), any shape."""
        value: FloatArray = predictions * (self.rating_weight / one_point(scale)) + log_probability(log_odds)
        return value

    def vectors(self) -> Table:
        """Vectors of the items, of which those point the same way that the same people choose, ``(num_items, dim)``."""
        return self.linear.vectors()

    def shares(self, items: IntArray, targets: IntArray) -> Table:
        """What each chosen item adds to the scores of some others, shape ``(len(items), len(targets))``.

        These and the popularity add up to the score.
        """
        return self.linear.shares(items, targets) * np.float32(1 - self.popularity_weight)

    def _with_popularity(self, scores: Table, items: IntArray | slice = slice(None)) -> Table:
        weight = np.float32(self.popularity_weight)
        if weight:
            scores *= 1 - weight
            scores += self.popularity[items] * weight
        return scores

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Plain values that say how the model was fitted."""
        return {
            **asdict(self.linear.settings),
            "popularity_weight": self.popularity_weight,
            "rating_weight": self.rating_weight,
        }

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays = {f"linear_{name}": array for name, array in self.linear.to_arrays().items()}
        return arrays | {
            "knots": np.stack([self.calibration.scores, self.calibration.log_odds]),
            "popularity": self.popularity,
            "numbers": np.array([self.popularity_weight, self.rating_weight]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that gave these arrays."""

        linear = {name.removeprefix("linear_"): one for name, one in arrays.items() if name.startswith("linear_")}
        popularity_weight, rating_weight = arrays["numbers"].tolist()
        return cls(
            LinearAutoencoder.from_arrays(linear),
            arrays["popularity"],
            popularity_weight,
            Calibration(*arrays["knots"]),
            rating_weight,
        )
