"""One-person fold-in by Bayesian linear regression (`regression`), and the shares of the person's ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray
from .base import Encoded, Table
from .person import EncodedPerson, Floats, PersonEncoder, Shares
from .regression import RowRegression, implicit_scale, with_bias_column


class RegressionPersonEncoder(PersonEncoder):
    """Folds one person in by plain arrays, and takes their reconstruction apart.

    Args:
        regression: of the users.
        columns: the items.
        mean: mean of the training ratings.
    """

    def __init__(self, regression: RowRegression, columns: Encoded, mean: float) -> None:
        self.regression, self.mean = regression, mean
        self.offset = columns.offset[:-1]
        self.design = with_bias_column(columns.factors[:-1])
        self.inverse = np.linalg.inv(regression.prior.covariance.astype(np.float64))

    def encode(self, items: IntArray, ratings: npt.ArrayLike, seen: IntArray | None = None) -> RegressionPerson:
        """Encodes one person; see the base class."""
        regression, prior = self.regression, self.regression.prior
        chosen = items if seen is None else np.concatenate([items, seen])
        scale = float(implicit_scale(np.array(len(chosen))))
        implicit_rows = prior.implicit_table[chosen]
        residuals = np.asarray(ratings, dtype=np.float64) - self.mean - self.offset[items]
        rows = self.design[items].astype(np.float64)
        prior_mean: Floats = prior.mean + scale * implicit_rows.sum(axis=0, dtype=np.float64)
        weights = regression.weights[items]
        weighted = rows * weights[:, None]
        gram, projected = rows.T @ weighted, residuals @ weighted
        squares = float(residuals @ (weights * residuals))
        mean, covariance, tau, _ = regression.regress(prior_mean, gram, projected, squares, len(items), self.inverse)
        weighted *= float(tau)
        return RegressionPerson(self, residuals, scale, implicit_rows, weighted, gram, float(tau), covariance, mean)


@dataclass(frozen=True, eq=False)
class RegressionPerson(EncodedPerson):
    """A person, folded in.

    Args:
        encoder: that folded the person in.
        residuals: ratings less mean and item bias, shape ``(n,)``, rating points.
        scale: of the sum over chosen items.
        implicit_rows: what choosing each item adds to the prior mean, shape ``(n + num_seen, dim)``, float32.
        weighted: columns of the rated items by their weight and ``tau``, shape ``(n, dim)``.
        gram: their weighted Gram matrix, shape ``(dim, dim)``.
        tau: precision of the noise of the person's ratings.
        covariance: of the posterior, shape ``(dim, dim)``.
        mean: of the posterior, (x, b), shape ``(dim,)``.
    """

    encoder: RegressionPersonEncoder
    residuals: Floats
    scale: float
    implicit_rows: Table
    weighted: Floats
    gram: Floats
    tau: float
    covariance: Floats
    mean: Floats

    def reconstruct(self, items: IntArray | slice = slice(None)) -> Floats:
        """Raw predictions; see the base class."""
        found: Floats = self.encoder.design[items] @ self.mean
        return found + self.encoder.offset[items] + self.encoder.mean

    def shares(self, items: IntArray) -> Shares:
        """The parts of the reconstructions; see the base class."""
        encoder = self.encoder
        asked = encoder.design[items].astype(np.float64)
        moved = asked @ self.covariance
        kept = asked - self.tau * (moved @ self.gram)  # of the prior mean
        base = encoder.mean + encoder.offset[items] + kept @ encoder.regression.prior.mean
        residuals = self.residuals[:, None] * (self.weighted @ moved.T)
        return Shares(base, residuals, self.scale * (self.implicit_rows @ kept.T))
