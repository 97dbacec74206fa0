"""Mean factors over a posterior, and the priors with which new rows are folded in: by Bayesian linear regression.

`models.sampled` draws from a posterior and makes these; the dual model has such priors on its own factors. No
TensorFlow and no sampling here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import Ratings
from .base import Encoded, chosen, with_unknown

Table = npt.NDArray[np.float32]

_MARK_DAMPING = 10.0  # marks are divided by sqrt(n + this): the longer a row, the less each mark says
ROUNDS = 3  # of a folded row's stars and its own noise in turn
_ROWS_AT_A_TIME = 2048
_EM_ROUNDS, _EM_ROWS, _EM_CELLS = 4, 4000, 250_000  # at most so many rows, and of these so many ratings


@dataclass(frozen=True)
class Level:
    """The number of ratings as a feature: log(1 + n), standardised over training rows, hardly below the least there."""

    mean: float
    spread: float
    least: float

    @classmethod
    def of(cls, counts: npt.NDArray[Any]) -> Level:
        """Fits it to the counts of training rows."""
        logs = np.log1p(counts, dtype=np.float64)
        return cls(float(logs.mean()), float(logs.std()) or 1.0, float(counts.min()))

    def __call__(self, counts: npt.NDArray[Any]) -> Table:
        """The feature of each row, shape ``(n,)``; half a rating below the least where there is none."""
        logs = np.log1p(np.maximum(counts, max(self.least - 0.5, 0.0)), dtype=np.float64)
        level: Table = ((logs - self.mean) / self.spread).astype(np.float32)
        return level


def mark_scale(counts: npt.NDArray[Any]) -> Table:
    """What each row's marks are multiplied by, shape ``(n,)``."""
    scale: Table = (1 / np.sqrt(counts + _MARK_DAMPING)).astype(np.float32)
    return scale


@dataclass(frozen=True)
class Prior:
    """What (x, b) of a new row is expected to be: latent vector, and bias in the last column.

    How many ratings of a new row we happen to have says little of how popular or active it is, and training rows were
    looked at with all of theirs. So a new row is taken for a usual one, and its marks move it by how much they differ
    from usual marks.

    Args:
        usual: mean of the training rows' prior means, weighted by their ratings, shape ``(dim,)``.
        marks: what each rated column adds beside the usual one, shape ``(num_columns, dim)``.
        covariance: of what the stars add, shape ``(dim, dim)``.
        freedom: ratings of prior on the noise of a row, shape ``()``.
        unknown: (x, b) of whoever had no rating at all among the training ratings, shape ``(dim,)``.
    """

    usual: Table
    marks: Table
    covariance: Table
    freedom: npt.NDArray[np.float64]
    unknown: Table

    def expected(self, ratings: Ratings, seen: Any = None) -> Table:
        """Prior means of new rows, the users of ``ratings``, by what they rated or saw."""
        return self.expected_by(chosen(ratings, seen))

    def expected_by(self, marks: Any) -> Table:
        """The same by a CSR mask of what each row chose, shape ``(num_rows, num_columns)``."""
        expected: Table = marks @ self.marks
        expected *= mark_scale(np.diff(marks.indptr))[:, None]
        expected += self.usual
        return expected

    def fitted(self, rows: Table, stars: Any, design: Table, sureness: Table, precision: float) -> Prior:
        """This prior with the covariance under which the training rows' stars are likeliest.

        That is given the other side's mean factors, since new rows meet those: expectation maximisation over some
        of the rows, drawn by their ratings, and over some of their ratings where these are many.

        Args:
            rows: (x, b) of the training rows, shape ``(num_rows, dim)``, from which it starts.
            stars: as for `posterior_means`, of the training rows.
            design: likewise.
            sureness: likewise.
            precision: of the noise of a usual rating.
        """
        from scipy import sparse

        rng = np.random.default_rng(0)
        counts = np.diff(stars.indptr)
        some = rng.choice(len(rows), min(len(rows), _EM_ROWS), replace=False, p=counts / counts.sum())
        some.sort()
        stars = stars[some]
        marks = sparse.csr_array((np.ones_like(stars.data), stars.indices, stars.indptr), stars.shape)
        expected = self.expected_by(marks)
        apart = (rows[some] - expected).astype(np.float64)
        if stars.nnz > _EM_CELLS:
            kept = rng.random(stars.nnz) < _EM_CELLS / stars.nnz
            starts = np.append(0, np.cumsum(kept))[stars.indptr]
            stars = sparse.csr_array((stars.data[kept], stars.indices[kept], starts), stars.shape)
        weights = sparse.csr_array((sureness[stars.indices], stars.indices, stars.indptr), stars.shape)
        weighted = sparse.csr_array((stars.data * weights.data, stars.indices, stars.indptr), stars.shape)
        gram = _grams(weights, _pairs(design))
        pull = precision * (weighted @ design - np.einsum("nij,nj->ni", gram, expected))
        gram *= precision
        covariance = apart.T @ apart / len(some) + 1e-4 * np.eye(len(self.usual))
        for _ in range(_EM_ROUNDS):
            posterior = np.linalg.inv(np.linalg.inv(covariance) + gram)
            shift = np.einsum("nij,nj->ni", posterior, pull)
            covariance = (shift.T @ shift + posterior.sum(axis=0)) / len(some) + 1e-6 * np.eye(len(self.usual))
        return replace(self, covariance=covariance.astype(np.float32))


def posterior_means(
    prior: Prior, expected: Table, stars: Any, design: Table, sureness: Table, precision: npt.NDArray[np.float64]
) -> tuple[Table, npt.NDArray[np.float64]]:
    """Bayesian linear regression of each row's stars on the other side's factors.

    Args:
        prior: of these rows.
        expected: prior means, shape ``(num_rows, dim)``.
        stars: CSR matrix of stars less all that is fixed (mean, bias of the column).
        design: factors of the columns and a 1 for the bias, shape ``(num_columns, dim)``.
        sureness: weight of each column's stars, shape ``(num_columns,)`` (`TrainedBayesian`).
        precision: of the noise of each row, shape ``(num_rows,)``.

    Returns:
        Means, shape ``(num_rows, dim)``; sums of weighted expected squared errors, shape ``(num_rows,)``.
    """
    inverse = np.linalg.inv(prior.covariance.astype(np.float64))
    means = np.empty_like(expected)
    errors = np.empty(len(expected))
    pairs = _pairs(design)
    weighted = stars.copy()
    weighted.data = stars.data * sureness[stars.indices]
    weights = stars.copy()
    weights.data = sureness[stars.indices]
    for start in range(0, len(expected), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        mean, tau = expected[part].astype(np.float64), precision[part]
        covariance, gram = _covariances(inverse, weights[part], pairs, tau)
        projected = (weighted[part] @ design).astype(np.float64)
        pull = tau[:, None] * (projected - np.einsum("nij,nj->ni", gram, mean))
        mean += np.einsum("nij,nj->ni", covariance, pull)
        squares = np.asarray(weighted[part].multiply(stars[part]).sum(axis=1), dtype=np.float64)
        fitted = np.einsum("ni,nij,nj->n", mean, gram, mean)
        errors[part] = squares - 2 * np.einsum("ni,ni->n", mean, projected) + fitted
        errors[part] += np.einsum("nij,nij->n", covariance, gram)
        means[part] = mean
    return means, np.maximum(errors, 0.0)


def _pairs(design: Table) -> Table:
    """Products of the columns of a table in pairs, those of the upper triangle."""
    upper = np.triu_indices(design.shape[1])
    return design[:, upper[0]] * design[:, upper[1]]


def _covariances(
    inverse: npt.NDArray[np.float64], weights: Any, pairs: Table, precision: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Posterior covariances of rows and their Gram matrices, both ``(num_rows, dim, dim)``.

    Args:
        inverse: of the prior covariance.
        weights: CSR matrix of the weights of the rows' stars.
        pairs: of the columns' factors (`_pairs`).
        precision: of the noise of each row.
    """
    gram = _grams(weights, pairs)
    covariance = np.linalg.inv(inverse + precision[:, None, None] * gram)
    return np.asarray(covariance, dtype=np.float64), gram


def _grams(weights: Any, pairs: Table) -> npt.NDArray[np.float64]:
    """Weighted Gram matrix of each row's columns, arguments as for `_covariances`."""
    dim = (isqrt(1 + 8 * pairs.shape[1]) - 1) // 2
    upper = np.triu_indices(dim)
    gram = np.empty((weights.shape[0], dim, dim))
    gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = weights @ pairs
    return gram


def _prior(arrays: Mapping[str, npt.NDArray[Any]], side: str) -> Prior:
    return Prior(**{one.name: arrays[f"{side}_prior_{one.name}"] for one in fields(Prior)})


def design_of(others: Encoded) -> Table:
    """Factors and a 1 for the bias."""
    return np.concatenate([others.factors[:-1], np.ones((len(others), 1), np.float32)], axis=1)


def _side(rows: Table, prior: Prior) -> Encoded:
    full = with_unknown(rows, prior.unknown)
    return Encoded(np.ascontiguousarray(full[:, :-1]), np.ascontiguousarray(full[:, -1]), full[:-1, :-1])


def cells_matrix(ratings: Ratings, values: npt.NDArray[Any]) -> Any:
    """CSR matrix with given values at the cells of the ratings, shape ``(num_users, num_items)``."""
    from scipy import sparse

    shape = (ratings.num_users, ratings.num_items)
    return sparse.csr_array((values, ratings.item_index, ratings.user_starts), shape=shape)
