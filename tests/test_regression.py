"""Bayesian linear regression of new rows: against dense algebra, and what must not change its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.models.base import Encoded, Merge, implicit_feedback
from movie_autoencoder.models.regression import (
    RowPrior,
    RowRegression,
    from_design_rows,
    implicit_scale,
    with_bias_column,
)

Dense = npt.NDArray[Any]
DIM, NUM_COLUMNS = 3, 5


def csr(values: Dense, observed: Dense) -> Any:
    """The CSR matrix of the values at observed cells; a 0 that is observed stays a cell."""
    starts = np.append(0, np.cumsum(observed.sum(axis=1)))
    return sparse.csr_array((np.float32(values[observed]), np.nonzero(observed)[1], starts), shape=observed.shape)


def random_regression(rng: np.random.Generator, *, precision: float = 1.0, noise_dof: float = 10.0) -> RowRegression:
    """A regression of rows with `DIM` numbers on `NUM_COLUMNS` columns."""
    root = rng.normal(size=(DIM, DIM))
    prior = RowPrior(
        rng.normal(size=DIM).astype(np.float32),
        rng.normal(size=(NUM_COLUMNS, DIM)).astype(np.float32),
        (root @ root.T + np.eye(DIM)).astype(np.float32),
        np.array(noise_dof),
        rng.normal(size=DIM).astype(np.float32),
    )
    return RowRegression(prior, rng.uniform(0.3, 2, NUM_COLUMNS).astype(np.float32), precision)


def dense_posterior(
    regression: RowRegression, chosen: Dense, observed: Dense, residuals: Dense, design: Dense, rounds: int
) -> tuple[Dense, Dense, float, float]:
    """One row's posterior mean, its covariance, its noise precision and the expected weighted squared error."""
    prior, weights, precision = regression.prior, regression.weights.astype(float), regression.precision
    prior_mean = prior.mean + chosen @ prior.implicit_table / np.sqrt(chosen.sum() + 10)
    inverse, count, dof = np.linalg.inv(prior.covariance.astype(float)), observed.sum(), float(prior.noise_dof)
    noise = 1.0
    for _ in range(rounds):
        weight = noise * precision * weights * observed
        covariance = np.linalg.inv(inverse + design.T @ np.diag(weight) @ design)
        mean = covariance @ (inverse @ prior_mean + design.T @ (weight * residuals))
        variances = np.einsum("ck,kl,cl->c", design, covariance, design)
        error = float((weights * observed) @ ((residuals - design @ mean) ** 2 + variances))
        noise = (dof + count) / (dof + precision * error)
    return mean, covariance, noise, error


@pytest.mark.parametrize("precision", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_the_posterior_is_that_of_a_dense_regression(precision: float, rounds: int) -> None:
    """Row by row; one residual is exactly 0, one row has none but chose items, and a block holds two rows."""
    rng = np.random.default_rng(0)
    observed = np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0]], dtype=bool)
    chosen = observed | np.array([[0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
    residuals = np.where(observed, rng.normal(size=observed.shape), 0.0)
    residuals[0, 3] = 0.0
    regression = random_regression(rng, precision=precision)
    design = rng.normal(size=(NUM_COLUMNS, DIM)).astype(np.float32)
    means, noise = regression.posterior(
        csr(chosen, chosen), csr(residuals, observed), design, rounds=rounds, block_rows=2
    )
    for row in range(3):
        parts = dense_posterior(regression, chosen[row], observed[row], residuals[row], design.astype(float), rounds)
        mean, _, row_noise, error = parts
        assert means[row] == pytest.approx(mean, abs=1e-5)
        assert noise[row] == pytest.approx(row_noise, rel=1e-5)
        found = ((10 + observed[row].sum()) / noise[row] - 10) / precision  # the error that this noise follows from
        assert found == pytest.approx(error, abs=1e-4)
    assert means[1] == pytest.approx(regression.prior.means(csr(chosen, chosen))[1], abs=1e-6) and noise[1] == 1


def test_one_row_regresses_as_many_do() -> None:
    """The same arithmetic with and without a leading axis; the covariance and both noises by dense algebra, too."""
    rng = np.random.default_rng(5)
    regression, design = random_regression(rng, precision=1.3), rng.normal(size=(NUM_COLUMNS, DIM))
    observed = rng.random((4, NUM_COLUMNS)) < 0.6
    residuals = rng.normal(size=observed.shape) * observed
    weights = regression.weights * observed
    gram = np.einsum("nc,ck,cl->nkl", weights, design, design)
    squares, projected = (weights * residuals**2).sum(axis=1), (weights * residuals) @ design
    counts, inverse = observed.sum(axis=1), np.linalg.inv(regression.prior.covariance.astype(float))
    means = regression.prior.means(csr(observed, observed)).astype(float)
    together = regression.regress(means, gram, projected, squares, counts, inverse)
    for row in range(4):
        alone = regression.regress(means[row], gram[row], projected[row], squares[row], counts[row], inverse)
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, many[row], rtol=1e-12, atol=1e-12)
        mean, covariance, noise, _ = dense_posterior(
            regression, observed[row], observed[row], residuals[row], design, 3
        )
        tau = (
            regression.precision
            * dense_posterior(regression, observed[row], observed[row], residuals[row], design, 2)[2]
        )
        for found, wanted in zip(alone, (mean, covariance, tau, noise), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.permutations(range(6)), st.permutations(range(NUM_COLUMNS)))
def test_the_order_of_rows_and_of_columns_changes_nothing(seed: int, rows: list[int], columns: list[int]) -> None:
    rng = np.random.default_rng(seed)
    regression, design = random_regression(rng), rng.normal(size=(NUM_COLUMNS, DIM)).astype(np.float32)
    observed = rng.random((6, NUM_COLUMNS)) < 0.5
    residuals = rng.normal(size=observed.shape)
    moved = np.ix_(rows, columns)
    prior = replace(regression.prior, implicit_table=regression.prior.implicit_table[columns])
    other = RowRegression(prior, regression.weights[columns], regression.precision)
    plain = regression.posterior(csr(observed, observed), csr(residuals, observed), design)
    found = other.posterior(
        csr(observed[moved], observed[moved]), csr(residuals[moved], observed[moved]), design[columns]
    )
    for one, two in zip(plain, found, strict=True):
        np.testing.assert_allclose(one[rows], two, rtol=1e-4, atol=1e-5)
    observed[:, 0] = True  # a training row has a rating
    start = rng.normal(size=(6, DIM)).astype(np.float32)
    fitted = [
        one.prior.fit_covariance(start[order], csr(*cells), table, one.weights, 1.0).covariance
        for one, order, cells, table in (
            (regression, np.arange(6), (residuals, observed), design),
            (other, rows, (residuals[moved], observed[moved]), design[columns]),
        )
    ]
    np.testing.assert_allclose(*fitted, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def many() -> tuple[RowPrior, Dense, Any, Dense, Dense, Dense, float, Dense]:
    """3000 rows drawn with a known covariance: the prior, rows, prior means, residuals, observed cells and so on."""
    rng = np.random.default_rng(1)
    size, num_columns, dim, precision = 3000, 12, 2, 2.0
    truth = np.array([[0.5, 0.2], [0.2, 0.3]])
    implicit = rng.normal(0, 0.3, (num_columns, dim)).astype(np.float32)
    design = np.column_stack([rng.normal(size=num_columns), np.ones(num_columns)]).astype(np.float32)
    weights = rng.uniform(0.5, 2, num_columns).astype(np.float32)
    observed = rng.random((size, num_columns)) < 0.7
    observed[0] = True
    mean = np.float32([1.0, -0.5])
    prior = RowPrior(mean, implicit, np.eye(dim, dtype=np.float32), np.array(10.0), mean)
    prior_means = mean + (observed / np.sqrt(observed.sum(1, keepdims=True) + 10)) @ implicit
    rows = (prior_means + rng.multivariate_normal(np.zeros(dim), truth, size)).astype(np.float32)
    residuals = rows @ design.T + rng.normal(size=observed.shape) / np.sqrt(precision * weights)
    residuals[0, 0] = 0.0  # a rating all the same
    return prior, rows, prior_means, residuals, observed, design, weights, truth


def test_one_round_of_covariance_fitting_by_dense_algebra(many: tuple) -> None:
    prior, rows, prior_means, residuals, observed, design, weights, _ = many
    precision, size, dim = 2.0, *rows.shape
    apart = rows - prior_means
    start = np.linalg.inv(apart.T @ apart / size)
    moment = np.zeros((dim, dim))
    for row in range(size):
        weight = precision * weights * observed[row]
        covariance = np.linalg.inv(start + design.T @ np.diag(weight) @ design)
        shift = covariance @ (design.T @ (weight * (residuals[row] - design @ prior_means[row])))
        moment += (np.outer(shift, shift) + covariance) / size
    fitted = prior.fit_covariance(rows, csr(residuals, observed), design, weights, precision, rounds=1)
    assert fitted.covariance == pytest.approx(moment, abs=2e-4)
    assert fitted.mean is prior.mean and fitted.implicit_table is prior.implicit_table


@pytest.mark.parametrize(
    ("limits", "tolerance"), [({}, 0.06), ({"max_ratings": 8000}, 0.1), ({"max_rows": 1500, "max_ratings": 10**6}, 0.1)]
)
def test_the_fitted_covariance_is_that_of_the_rows(many: tuple, limits: dict[str, int], tolerance: float) -> None:
    """Many rounds find the covariance that rows were drawn with, also from wrong rows and from a part of the data."""
    prior, rows, _, residuals, observed, design, weights, truth = many
    fitted = prior.fit_covariance(3 * rows, csr(residuals, observed), design, weights, 2.0, rounds=60, **limits)
    assert fitted.covariance == pytest.approx(truth, abs=tolerance)


def test_the_implicit_scale_and_the_design_by_hand() -> None:
    assert implicit_scale(np.array([0, 6, 90])) == pytest.approx([10**-0.5, 0.25, 0.1])
    design = with_bias_column(np.float32([[2, 3], [4, 5]]))
    assert design.tolist() == [[2, 3, 1], [4, 5, 1]] and design.dtype == np.float32
    side = from_design_rows(np.float32([[2, 3, 7], [4, 5, 8]]), np.float32([0.5, 0.25, 9]))
    assert side.factors.tolist() == [[2, 3], [4, 5], [0.5, 0.25]] and side.offset.tolist() == [7, 8, 9]
    assert side.latent.tolist() == [[2, 3], [4, 5]] and len(side) == 2


def test_prior_means_of_new_rows_by_hand() -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 2, 1], [3, 4, 5])
    table = np.float32([[1, 10], [2, 20], [4, 40]])
    prior = RowPrior(np.float32([0.5, -1]), table, np.eye(2, dtype=np.float32), np.array(10.0), np.float32([9, 9]))
    wanted = [[0.5 + 5 / 12**0.5, -1 + 50 / 12**0.5], [0.5 + 2 / 11**0.5, -1 + 20 / 11**0.5]]
    assert prior.means(implicit_feedback(ratings)) == pytest.approx(np.array(wanted), rel=1e-6)
    seen = sparse.csr_array(np.array([[True, True, False], [False, False, False]]))  # one of them is rated, too
    wanted[0] = [0.5 + 7 / 13**0.5, -1 + 70 / 13**0.5]
    assert prior.means(implicit_feedback(ratings, seen)) == pytest.approx(np.array(wanted), rel=1e-6)


def few_ratings(seed: int = 7, num_rows: int = 4) -> Ratings:
    """Ratings of `NUM_COLUMNS` items; the second row has none."""
    rng = np.random.default_rng(seed)
    observed = rng.random((num_rows, NUM_COLUMNS)) < 0.7
    observed[1] = False
    u, i = np.nonzero(observed)
    values = rng.integers(1, 6, len(u)).astype(np.float32)
    ids = np.arange(num_rows), np.arange(NUM_COLUMNS)
    return Ratings(u.astype(np.int32), i.astype(np.int32), values, *ids, Scale(1, 5, 1))


def random_columns(rng: np.random.Generator) -> Encoded:
    """The other side, with an unknown column."""
    return from_design_rows(
        rng.normal(size=(NUM_COLUMNS, DIM)).astype(np.float32), rng.normal(size=DIM).astype(np.float32)
    )


def test_new_rows_join_the_factors_of_the_columns() -> None:
    """`encode` by dense algebra: residuals are ratings less mean and column bias; a row that never was is unrated."""
    rng = np.random.default_rng(3)
    regression, columns, ratings, mean = random_regression(rng), random_columns(rng), few_ratings(), 3.2
    design = np.column_stack([columns.factors[:-1], np.ones(NUM_COLUMNS)]).astype(float)
    found = regression.encode(ratings, columns, mean)
    values = ratings.to_csr(ratings.values).toarray()
    for row in range(ratings.num_users):
        observed = np.isin(np.arange(NUM_COLUMNS), ratings.item_index[ratings.row(row)])
        residuals = np.where(observed, values[row] - mean - columns.offset[:-1], 0)
        wanted = dense_posterior(regression, observed, observed, residuals, design, 3)[0]
        assert found.factors[row] == pytest.approx(wanted[:-1], abs=1e-4)
        assert found.offset[row] == pytest.approx(wanted[-1], abs=1e-4)
    assert np.append(found.factors[-1], found.offset[-1]).tolist() == regression.prior.unrated.tolist()


def test_the_weight_of_new_rows_ratings_by_dense_algebra() -> None:
    """The noise of an average rating over that of the row's, whose uncertain factors count as noise."""
    rng = np.random.default_rng(4)
    regression, columns, ratings, mean = random_regression(rng, precision=1.7), random_columns(rng), few_ratings(), 3.0
    design = np.column_stack([columns.factors[:-1], np.ones(NUM_COLUMNS)]).astype(float)
    side, weights = regression.encode_with_weights(ratings, columns, mean)
    plain = regression.encode(ratings, columns, mean)
    assert np.array_equal(side.factors, plain.factors) and np.array_equal(side.offset, plain.offset)
    values = ratings.to_csr(ratings.values).toarray()
    inverse = np.linalg.inv(regression.prior.covariance.astype(float))
    for row in range(ratings.num_users):
        observed = np.isin(np.arange(NUM_COLUMNS), ratings.item_index[ratings.row(row)])
        residuals = np.where(observed, values[row] - mean - columns.offset[:-1], 0)
        noise = dense_posterior(regression, observed, observed, residuals, design, 3)[2]
        gram = design.T @ np.diag(regression.weights * observed) @ design
        covariance = np.linalg.inv(inverse + 1.7 * noise * gram)
        variance = 1 / (1.7 * noise) + np.mean([column @ covariance @ column for column in design])
        assert weights[row] == pytest.approx(1 / (1.7 * variance), rel=1e-3)


def test_new_columns_have_their_weight_and_say_nothing_by_choice() -> None:
    regression = random_regression(np.random.default_rng(2))
    merge = Merge(np.array([0, 2, 3, 4, 6]), np.array([1, 5]))
    wider = regression.with_columns(merge, np.float32([0.25, 4]))
    assert wider.weights[merge.new].tolist() == [0.25, 4]
    assert np.array_equal(wider.weights[merge.old], regression.weights)
    assert not wider.prior.implicit_table[merge.new].any()
    assert np.array_equal(wider.prior.implicit_table[merge.old], regression.prior.implicit_table)
    assert wider.precision == regression.precision and wider.prior.covariance is regression.prior.covariance


@pytest.mark.parametrize("side", ["user", "item"])
def test_arrays_and_back_is_the_same_regression(side: str) -> None:
    regression, columns = random_regression(np.random.default_rng(6), precision=1.9), random_columns
    arrays = regression.to_arrays(side)
    assert all(name.startswith(f"{side}_") for name in arrays)
    again = RowRegression.from_arrays(arrays, side, 1.9)
    both = [one.encode(few_ratings(), columns(np.random.default_rng(8)), 3.0) for one in (regression, again)]
    assert np.array_equal(both[0].factors, both[1].factors) and np.array_equal(both[0].offset, both[1].offset)


WITH_ONE_NUMBER_CHANGED: dict[str, Callable[[RowRegression], RowRegression]] = {
    "mean": lambda one: replace(one, prior=replace(one.prior, mean=one.prior.mean + 1)),
    "implicit_table": lambda one: replace(
        one, prior=replace(one.prior, implicit_table=one.prior.implicit_table + np.float32(1))
    ),
    "covariance": lambda one: replace(one, prior=replace(one.prior, covariance=2 * one.prior.covariance)),
    "noise_dof": lambda one: replace(one, prior=replace(one.prior, noise_dof=np.array(2.0))),
    "unrated": lambda one: replace(one, prior=replace(one.prior, unrated=one.prior.unrated + 1)),
    "weights": lambda one: replace(one, weights=one.weights[::-1]),
    "precision": lambda one: replace(one, precision=3.0),
}


@pytest.mark.parametrize("name", WITH_ONE_NUMBER_CHANGED)
def test_every_part_of_a_regression_matters(name: str) -> None:
    rng = np.random.default_rng(9)
    regression, columns = random_regression(rng), random_columns(rng)
    changed = WITH_ONE_NUMBER_CHANGED[name](regression)
    plain, other = (one.encode(few_ratings(), columns, 3.0) for one in (regression, changed))
    rows = [-1] if name == "unrated" else range(len(plain))
    assert not np.allclose(plain.offset[rows], other.offset[rows], atol=1e-4)


def test_an_error_that_rounding_makes_negative_counts_as_none() -> None:
    """The noise precision stays finite and positive: that of a row whose ratings are predicted exactly."""
    regression = random_regression(np.random.default_rng(10), precision=1e6)
    one = np.ones((1, DIM))
    found = regression.regress(
        np.zeros((1, DIM)), 5 * one[..., None] * one, 100 * one, np.array([0.0]), np.array([5]), np.eye(DIM)
    )
    assert found[-1] == pytest.approx((10 + 5) / 10)
