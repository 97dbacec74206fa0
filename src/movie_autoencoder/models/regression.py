"""Bayesian linear regression that folds new rows into the factors of a trained model.

    (x_u, b_u) ~ N(prior mean of u, covariance)
    rating(u, i) - mean - b_i ~ N(<y_i, x_u> + b_u,  1 / (precision * weight_i * noise_u))

The factors y_i and biases b_i of the other side are fixed. Each row has a noise of its own, found together with its
factors in a few rounds. Bayesian matrix factorization folds in its new users and items this way, and so does the dual
autoencoder alone, on its own factors. Plain NumPy and SciPy; nothing is sampled here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import Ratings
from .base import Arrays, Encoded, Merge, Table, implicit_feedback, with_unknown
from .person import Floats, PersonEncoder

_IMPLICIT_DAMPING = 10.0  # sums over n chosen items are divided by sqrt(n + this): the longer a row, the less each says
_ROUNDS = 3  # of a row's factors and its own noise in turn
_EM_ROUNDS, _EM_ROWS, _EM_RATINGS = 4, 4000, 250_000  # at most so many rows, and of these so many ratings
_BLOCK_ROWS = 2048


def implicit_scale(counts: npt.NDArray[Any]) -> Table:
    """Factor of each row's sum over its chosen items, by their number; shape ``(n,)``."""
    scale: Table = (1 / np.sqrt(counts + _IMPLICIT_DAMPING)).astype(np.float32)
    return scale


def with_bias_column(factors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Factors and a column of ones for the row's bias: the design matrix, shape ``(n, num_factors + 1)``."""
    return np.concatenate([factors, np.ones((len(factors), 1), factors.dtype)], axis=1)


def from_design_rows(rows: Table, unrated: npt.ArrayLike) -> Encoded:
    """One side from (x, b) of each row and of a row without training ratings; undoes `Encoded.design_rows`."""
    full = with_unknown(rows, unrated)
    return Encoded(np.ascontiguousarray(full[:, :-1]), np.ascontiguousarray(full[:, -1]), full[:-1, :-1])


def column_residuals(ratings: Ratings, mean: float, offset: Table) -> Table:
    """Rating - mean - offset of its column: what a row's factors and bias explain.

    Args:
        ratings: of the rows.
        mean: mean of the training ratings, rating points.
        offset: of the columns, rating points, shape ``(num_columns,)`` or longer.

    Returns:
        Shape ``(num_ratings,)``, rating points.
    """
    left: Table = ratings.values - np.float32(mean) - offset[ratings.item_index]
    return left


@dataclass(frozen=True)
class RowPrior:
    """Prior of (x, b) of a new row: its latent vector, and its bias in the last column.

    The number of ratings that we have of a new row says little of how active or popular it is: training rows come with
    all their ratings. So the prior mean is that of the training rows, moved by how much the chosen columns differ from
    the average choice.

    Args:
        mean: mean of the training rows' prior means, weighted by their ratings, shape ``(dim,)``.
        implicit_table: what choosing each column adds, less what the average choice adds, ``(num_columns, dim)``.
        covariance: of what the ratings add, shape ``(dim, dim)``.
        noise_dof: degrees of freedom of the prior of a row's noise, in ratings, shape ``()``.
        unrated: (x, b) of a row without training ratings, shape ``(dim,)``.
    """

    mean: Table
    implicit_table: Table
    covariance: Table
    noise_dof: npt.NDArray[np.float64]
    unrated: Table

    def means(self, chosen: Any) -> Table:
        """Prior means of rows by what they chose.

        Args:
            chosen: CSR mask of shape ``(num_rows, num_columns)`` (`implicit_feedback`).

        Returns:
            Shape ``(num_rows, dim)``.
        """
        means: Table = chosen @ self.implicit_table
        means *= implicit_scale(np.diff(chosen.indptr))[:, None]
        means += self.mean
        return means

    def fit_covariance(
        self,
        rows: Table,
        residuals: Any,
        design: Table,
        weights: Table,
        precision: float,
        *,
        rounds: int = _EM_ROUNDS,
        max_rows: int = _EM_ROWS,
        max_ratings: int = _EM_RATINGS,
    ) -> RowPrior:
        """This prior with the covariance of maximum likelihood for the training rows' ratings.

        The likelihood is given the other side's mean factors, since new rows meet those. Expectation maximisation over
        some of the rows, drawn by their number of ratings, and over some of their ratings where these are many.

        Args:
            rows: (x, b) of the training rows, shape ``(num_rows, dim)``, from which it starts.
            residuals: as for `RowRegression.posterior`, of the training rows, CSR.
            design: likewise, shape ``(num_columns, dim)``.
            weights: inverse-variance weight of each column's ratings, shape ``(num_columns,)``.
            precision: of the noise of an average rating, 1 / squared rating points.
            rounds: of expectation maximisation.
            max_rows: largest number of rows that are used.
            max_ratings: largest number of their ratings that are used, in expectation.
        """
        from scipy import sparse

        rng = np.random.default_rng(0)
        counts = np.diff(residuals.indptr)
        some = rng.choice(len(rows), min(len(rows), max_rows), replace=False, p=counts / counts.sum())
        some.sort()
        residuals = residuals[some]
        chosen = sparse.csr_array((np.ones_like(residuals.data), residuals.indices, residuals.indptr), residuals.shape)
        prior_means = self.means(chosen)
        apart = (rows[some] - prior_means).astype(np.float64)
        if residuals.nnz > max_ratings:
            kept = rng.random(residuals.nnz) < max_ratings / residuals.nnz
            starts = np.append(0, np.cumsum(kept))[residuals.indptr]
            residuals = sparse.csr_array((residuals.data[kept], residuals.indices[kept], starts), residuals.shape)
        cell_weights, weighted = _weighted(residuals, weights)
        gram = _grams(cell_weights, _pairs(design))
        pull = precision * (weighted @ design - np.einsum("nij,nj->ni", gram, prior_means))
        gram *= precision
        covariance = apart.T @ apart / len(some) + 1e-4 * np.eye(len(self.mean))
        for _ in range(rounds):
            posterior = np.linalg.inv(np.linalg.inv(covariance) + gram)
            shift = np.einsum("nij,nj->ni", posterior, pull)
            covariance = (shift.T @ shift + posterior.sum(axis=0)) / len(some) + 1e-6 * np.eye(len(self.mean))
        return replace(self, covariance=covariance.astype(np.float32))


@dataclass(frozen=True, eq=False)
class RowRegression:
    """Bayesian linear regression for new rows of one side.

    Args:
        prior: of these rows.
        weights: inverse-variance weight of the ratings of each column: the noise of an average rating over that of
            this column's, with the uncertainty of the column's own factors; shape ``(num_columns,)``.
        precision: of the noise of an average rating, 1 / squared rating points.
    """

    prior: RowPrior
    weights: Table
    precision: float

    def posterior(
        self, chosen: Any, residuals: Any, design: Table, *, rounds: int = _ROUNDS, block_rows: int = _BLOCK_ROWS
    ) -> tuple[Table, Floats]:
        """Posterior means of rows, and the precision of each one's noise.

        Args:
            chosen: CSR mask of the columns that each row chose.
            residuals: CSR matrix of ratings less mean and column bias.
            design: factors of the columns and a 1 for the row's bias (`with_bias_column`).
            rounds: as for `regress`.
            block_rows: rows whose matrices are held at a time.

        Returns:
            Means, shape ``(num_rows, dim)``; precisions in units of an average rating's, shape ``(num_rows,)``.
        """
        means = self.prior.means(chosen)
        noise = np.ones(len(means))
        counts = np.diff(residuals.indptr)
        inverse = np.linalg.inv(self.prior.covariance.astype(np.float64))
        pairs = _pairs(design)
        weights, weighted = _weighted(residuals, self.weights)
        for start in range(0, len(means), block_rows):
            part = slice(start, start + block_rows)
            gram = _grams(weights[part], pairs)
            projected = (weighted[part] @ design).astype(np.float64)
            squares = np.asarray(weighted[part].multiply(residuals[part]).sum(axis=1), dtype=np.float64)
            prior_means = means[part].astype(np.float64)
            means[part], _, _, noise[part] = self.regress(
                prior_means, gram, projected, squares, counts[part], inverse, rounds=rounds
            )
        return means, noise

    def regress(
        self,
        prior_means: Floats,
        gram: Floats,
        projected: Floats,
        squares: Any,
        counts: Any,
        inverse: Floats,
        *,
        rounds: int = _ROUNDS,
    ) -> tuple[Floats, Floats, Any, Any]:
        """The regression itself, for any number of rows or for one, by the leading shape.

        Args:
            prior_means: shape ``(..., dim)``.
            gram: weighted Gram matrix of each row's columns, shape ``(..., dim, dim)``.
            projected: weighted sum of residual times column, shape ``(..., dim)``.
            squares: weighted sum of squared residuals, shape ``(...)``.
            counts: number of ratings, shape ``(...)``.
            inverse: of the prior covariance, shape ``(dim, dim)``.
            rounds: of the row's factors and its noise in turn, at least one; the first has an average rating's noise.

        Returns:
            Posterior means, their covariances, the noise precisions that these rest on, and the noise precisions that
            follow from them, in units of an average rating's.
        """
        dof = float(self.prior.noise_dof)
        means, covariance = prior_means, inverse
        noise: Any = np.array(1.0)
        tau: Any = noise * self.precision
        pull = projected - _matvec(gram, prior_means)
        for _ in range(rounds):
            tau = np.asarray(noise * self.precision)
            covariance = np.linalg.inv(inverse + tau[..., None, None] * gram)
            means = prior_means + _matvec(covariance, tau[..., None] * pull)
            errors = squares + np.vecdot(means, _matvec(gram, means) - 2 * projected)
            errors = errors + _trace_of_product(covariance, gram)
            noise = (dof + counts) / (dof + self.precision * np.maximum(errors, 0.0))
        return means, covariance, tau, noise

    def encode(self, ratings: Ratings, columns: Encoded, mean: float, seen: Any = None) -> Encoded:
        """New rows, the users of ``ratings``, folded into the factors of ``columns``.

        Args:
            ratings: of the new rows.
            columns: the other side.
            mean: mean of the training ratings.
            seen: as for `TrainedModel.fold_in`.
        """
        return from_design_rows(self._fold_in(ratings, columns, mean, seen)[0], self.prior.unrated)

    def encode_with_weights(self, ratings: Ratings, columns: Encoded, mean: float) -> tuple[Encoded, Table]:
        """The same, and the inverse-variance weight of ratings of each new row, shape ``(num_rows,)``."""
        means, noise = self._fold_in(ratings, columns, mean)
        inverse = np.linalg.inv(self.prior.covariance.astype(np.float64))
        design = with_bias_column(columns.factors[:-1])
        weights, pairs = ratings.to_csr(self.weights[ratings.item_index]), _pairs(design)
        moment = (design.T @ design / len(design)).astype(np.float64)
        variance = 1 / (self.precision * noise)
        for start in range(0, len(means), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            gram = _grams(weights[part], pairs)
            covariance = np.linalg.inv(inverse + (noise[part] * self.precision)[:, None, None] * gram)
            variance[part] += np.einsum("nij,ij->n", covariance, moment)
        row_weights = (1 / (self.precision * variance)).astype(np.float32)
        return from_design_rows(means, self.prior.unrated), row_weights

    def _fold_in(self, ratings: Ratings, columns: Encoded, mean: float, seen: Any = None) -> tuple[Table, Floats]:
        residuals = ratings.to_csr(column_residuals(ratings, mean, columns.offset))
        chosen = implicit_feedback(ratings, seen)
        return self.posterior(chosen, residuals, with_bias_column(columns.factors[:-1]))

    def with_columns(self, merge: Merge, new_weights: Table) -> RowRegression:
        """The same with new columns, whose choice adds nothing to the prior mean."""
        prior = replace(self.prior, implicit_table=merge.rows(self.prior.implicit_table, 0))
        return replace(self, prior=prior, weights=merge.rows(self.weights, new_weights))

    def person_encoder(self, columns: Encoded, mean: float) -> PersonEncoder:
        """Encodes one person at a time, by plain arrays."""
        from .person_regression import RegressionPersonEncoder

        return RegressionPersonEncoder(self, columns, mean)

    def to_arrays(self, side: str) -> Arrays:
        """Plain arrays, their keys marked with the side; the precision is kept by the model."""
        prior = {f"{side}_prior_{one.name}": getattr(self.prior, one.name) for one in fields(RowPrior)}
        return {f"{side}_column_weights": self.weights, **prior}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], side: str, precision: float) -> RowRegression:
        """The regression that gave these arrays."""
        prior = RowPrior(**{one.name: arrays[f"{side}_prior_{one.name}"] for one in fields(RowPrior)})
        return cls(prior, arrays[f"{side}_column_weights"], precision)


def _weighted(residuals: Any, weights: Table) -> tuple[Any, Any]:
    """CSR matrices of the weights of the cells, and of weights times residuals."""
    cell_weights, weighted = residuals.copy(), residuals.copy()
    cell_weights.data = weights[residuals.indices]
    weighted.data = residuals.data * cell_weights.data
    return cell_weights, weighted


def _pairs(design: Table) -> Table:
    """Products of the columns of a table in pairs, those of the upper triangle."""
    upper = np.triu_indices(design.shape[1])
    return design[:, upper[0]] * design[:, upper[1]]


def _grams(weights: Any, pairs: Table) -> Floats:
    """Weighted Gram matrix of each row's columns, shape ``(num_rows, dim, dim)``.

    Args:
        weights: CSR matrix of the weights of the rows' cells.
        pairs: products of the columns' factors (`_pairs`).
    """
    dim = (isqrt(1 + 8 * pairs.shape[1]) - 1) // 2
    upper = np.triu_indices(dim)
    gram = np.empty((weights.shape[0], dim, dim))
    gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = weights @ pairs
    return gram


def _matvec(matrix: Floats, vector: Floats) -> Floats:
    product: Floats = (matrix @ vector[..., None])[..., 0]
    return product


def _trace_of_product(left: Floats, right: Floats) -> Any:
    """Of symmetric matrices, shape ``(...)``."""
    flat = (*left.shape[:-2], -1)
    return np.vecdot(left.reshape(flat), right.reshape(flat))
