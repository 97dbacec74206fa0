"""The choice model: how likely a person is to choose an item, and how choice and rating make one list.

It averages a linear and a kernel autoencoder of the same 0/1 matrix (`linear`, `kernel`) and the popularity of the
items; a `Calibration` turns the score into a probability. A balanced list ranks by the expected value of choosing and
liking,

    p(choose) * exp(weight * predicted rating),

whose weight is fitted on held-out choices (`fit`). Pure NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import Scale, one_point
from ..models.base import implicit_feedback
from .kernel import KernelAutoencoder
from .linear import LinearAutoencoder, Table

USUAL_RATING_WEIGHT = 0.5
_SLOPE = 1e-3  # least rise of the log-odds between two knots, so that the order of scores stays


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
        kernel: the kernel autoencoder; None without one.
        popularity: fraction of the training users who chose each item, shape ``(num_items,)``, float32.
        kernel_weight: weight of the kernel autoencoder beside the linear one, from 0 to 1.
        popularity_weight: weight of the popularity beside both, from 0 to 1.
        calibration: from scores to log-odds.
        rating_weight: weight of a predicted rating in a balanced list: log-odds for one star of five.
    """

    linear: LinearAutoencoder
    kernel: KernelAutoencoder | None
    popularity: Table
    kernel_weight: float
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
        linear, kernel, popularity = self._weights
        scores = self.linear.scores(chosen)
        scores *= linear
        if self.kernel is not None and kernel:
            scores += self.kernel.scores(chosen) * kernel
        scores += self.popularity * popularity
        return scores

    def person_scores(self, items: IntArray) -> Table:
        """Scores of all items for one person who chose some, shape ``(num_items,)``.

        Args:
            items: columns of the chosen items, rated or not, each once.
        """
        linear, kernel, popularity = self._weights
        scores = self.linear.person_scores(items)
        scores *= linear
        if self.kernel is not None and kernel:
            scores += (self.kernel.person_latent(items) * kernel) @ self.kernel.decoder
        scores += self.popularity * popularity
        return scores

    def probabilities(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Probability of a choice, from scores of any shape: of people like this one, the fraction who chose the item.

        Example:
            ``model.probabilities(model.person_scores(np.array([0, 5])))``
        """
        probabilities: npt.NDArray[np.float64] = 1 / (1 + np.exp(-self.calibration.transform(scores)))
        return probabilities

    def balanced(self, scores: npt.NDArray[Any], predictions: npt.NDArray[Any], scale: Scale) -> FloatArray:
        """The value that a balanced list is ordered by: log of p(choose), and the predicted rating times its weight.

        Args:
            scores: of any shape.
            predictions: predicted ratings of the same cells, rating points, same shape.
            scale: of the ratings.
        """
        log_probability = -np.logaddexp(0, -self.calibration.transform(scores))
        value: FloatArray = log_probability + predictions * (self.rating_weight / one_point(scale))
        return value

    def shares(self, items: IntArray, targets: IntArray) -> Table:
        """What each chosen item adds to the scores of some others, shape ``(len(items), len(targets))``.

        Only the linear autoencoder's score is a sum over the chosen items.
        """
        return self.linear.shares(items, targets) * self._weights[0]

    @cached_property
    def _weights(self) -> tuple[np.float32, np.float32, np.float32]:
        """Weights of the linear and the kernel autoencoder and of popularity; they add up to 1."""
        members, kernel = 1 - self.popularity_weight, self.kernel_weight
        linear, kernel, popularity = members * (1 - kernel), members * kernel, self.popularity_weight
        return np.float32(linear), np.float32(kernel), np.float32(popularity)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Plain values that say how the model was fitted."""
        return {
            "kernel_weight": self.kernel_weight,
            "popularity_weight": self.popularity_weight,
            "rating_weight": self.rating_weight,
        }

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays = {f"linear_{name}": array for name, array in self.linear.to_arrays().items()}
        if self.kernel is not None:
            arrays |= {f"kernel_{name}": array for name, array in self.kernel.to_arrays().items()}
        return arrays | {
            "knots": np.stack([self.calibration.scores, self.calibration.log_odds]),
            "popularity": self.popularity,
            "numbers": np.array([self.kernel_weight, self.popularity_weight, self.rating_weight]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that gave these arrays."""

        def part(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        kernel = part("kernel_")
        kernel_weight, popularity_weight, rating_weight = arrays["numbers"].tolist()
        return cls(
            LinearAutoencoder.from_arrays(part("linear_")),
            KernelAutoencoder.from_arrays(kernel) if kernel else None,
            arrays["popularity"],
            kernel_weight,
            popularity_weight,
            Calibration(*arrays["knots"]),
            rating_weight,
        )
