"""The sampled sibling: conditionals against their closed forms, planted structure, exact resumption, bounded memory."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models import regression
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.models.bayesian import sampler
from movie_autoencoder.models.bayesian.sampler import BayesianLearner, _Side
from movie_autoencoder.models.bayesian.trained import Prior, TrainedBayesian, cells_matrix, mark_scale, posterior_means
from movie_autoencoder.models.registry import TrainedDual, TrainedEnsemble
from movie_autoencoder.models.regression import Level
from movie_autoencoder.models.settings import BayesianSettings
from movie_autoencoder.storage import load_arrays, save_arrays

Dense = npt.NDArray[np.float64]
SETTINGS = BayesianSettings(latent_dim=3, width=12, burn_in=2)


def train(ratings: Ratings, sweeps: int, settings: BayesianSettings = SETTINGS, *, seed: int = 0) -> BayesianLearner:
    learner = BayesianLearner(ratings, settings, seed=seed)
    for sweep in range(sweeps):
        learner.epoch(sweep, 0.0)
    return learner


def small(num_users: int = 9, num_items: int = 7, *, seed: int = 4) -> Ratings:
    """About half of the cells of a small matrix."""
    rng = np.random.default_rng(seed)
    cells = np.argwhere(rng.random((num_users, num_items)) < 0.5)
    return Ratings.from_columns(cells[:, 0], cells[:, 1], rng.integers(1, 6, len(cells)), scale=Scale(1, 5, 1))


def some(ratings: Ratings, cells: npt.NDArray) -> Ratings:
    """Some cells, with all rows and columns kept."""
    return replace(
        ratings,
        user_index=ratings.user_index[cells],
        item_index=ratings.item_index[cells],
        values=ratings.values[cells],
        timestamps=None,
    )


def noisy(
    num_users: int, num_items: int, share: float, noise: npt.ArrayLike, *, rank: int = 2, seed: int = 0
) -> tuple[Ratings, Dense]:
    """Ratings of planted low rank and known noise (a number, or one for each user), and the truth at every cell."""
    rng = np.random.default_rng(seed)
    tastes, traits = rng.normal(size=(num_users, rank)), rng.normal(size=(num_items, rank))
    truth = rng.normal(0, 0.4, (num_users, 1)) + rng.normal(0, 0.4, num_items) + 0.7 * tastes @ traits.T
    cells = np.argwhere(rng.random(truth.shape) < share)
    u, i = cells.T
    spread = np.broadcast_to(noise, num_users)[u]
    stars = np.clip(truth[u, i] + spread * rng.normal(size=len(u)), -20, 20)
    return Ratings.from_columns(u, i, stars, scale=Scale(-20, 20, 0)), truth


# Closed forms


def test_posterior_means_are_those_of_a_dense_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row in dense algebra; one star is exactly 0, one row has none, and a block holds two rows."""
    monkeypatch.setattr(regression, "_ROWS_AT_A_TIME", 2)
    rng = np.random.default_rng(0)
    dim, seen = 3, np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0]], dtype=bool)
    stars = np.where(seen, rng.normal(size=seen.shape), 0.0)
    stars[0, 3] = 0.0
    design, sureness = rng.normal(size=(5, dim)).astype(np.float32), rng.uniform(0.3, 2, 5).astype(np.float32)
    root = rng.normal(size=(dim, dim))
    covariance = (root @ root.T + np.eye(dim)).astype(np.float32)
    nothing = np.zeros(dim, np.float32)
    prior = Prior(nothing, np.zeros((5, dim), np.float32), covariance, np.array(10.0), nothing)
    expected, precision = rng.normal(size=(3, dim)).astype(np.float32), np.array([0.7, 1.0, 2.0])
    u, i = np.nonzero(seen)
    from scipy import sparse

    matrix = sparse.csr_array((stars[u, i].astype(np.float32), i, np.append(0, np.cumsum(seen.sum(1)))), seen.shape)
    means, errors = posterior_means(prior, expected, matrix, design, sureness, precision)
    for row in range(3):
        weight = precision[row] * sureness * seen[row]
        inverse = np.linalg.inv(covariance.astype(float))
        spread = np.linalg.inv(inverse + design.T @ np.diag(weight) @ design)
        mean = spread @ (inverse @ expected[row] + design.T @ (weight * stars[row]))
        left = stars[row] - design @ mean
        error = sureness * seen[row] @ (left**2 + np.einsum("ck,kl,cl->c", design, spread, design))
        assert means[row] == pytest.approx(mean, abs=1e-5)
        assert errors[row] == pytest.approx(error, abs=1e-5)
    assert means[1] == pytest.approx(expected[1]) and errors[1] == 0


def test_a_fitted_covariance_is_the_likeliest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round by dense algebra; many find the covariance that rows were drawn with, also from fewer ratings."""
    from scipy import sparse

    rng = np.random.default_rng(1)
    size, num_columns, dim, precision = 3000, 12, 2, 2.0
    truth = np.array([[0.5, 0.2], [0.2, 0.3]])
    marks = rng.normal(0, 0.3, (num_columns, dim)).astype(np.float32)
    design = np.column_stack([rng.normal(size=num_columns), np.ones(num_columns)]).astype(np.float32)
    sureness = rng.uniform(0.5, 2, num_columns).astype(np.float32)
    seen = rng.random((size, num_columns)) < 0.7
    seen[0] = True
    usual = np.float32([1.0, -0.5])
    prior = Prior(usual, marks, np.eye(dim, dtype=np.float32), np.array(10.0), usual)
    expected = usual + (seen / np.sqrt(seen.sum(1, keepdims=True) + 10)) @ marks
    rows = (expected + rng.multivariate_normal(np.zeros(dim), truth, size)).astype(np.float32)
    stars = rows @ design.T + rng.normal(size=seen.shape) / np.sqrt(precision * sureness)
    stars[0, 0] = 0.0  # is a rating all the same
    matrix = sparse.csr_array((np.float32(stars[seen]), np.nonzero(seen)[1], np.append(0, np.cumsum(seen.sum(1)))))
    monkeypatch.setattr(regression, "_EM_ROUNDS", 1)
    start = np.linalg.inv(np.cov((rows - expected).T, bias=True) + np.outer(*[(rows - expected).mean(0)] * 2))
    moment = np.zeros((dim, dim))
    for row in range(size):
        weight = precision * sureness * seen[row]
        spread = np.linalg.inv(start + design.T @ np.diag(weight) @ design)
        shift = spread @ (design.T @ (weight * (stars[row] - design @ expected[row])))
        moment += (np.outer(shift, shift) + spread) / size
    fitted = prior.fitted(rows, matrix, design, sureness, precision)
    assert fitted.covariance == pytest.approx(moment, abs=2e-4)
    monkeypatch.setattr(regression, "_EM_ROUNDS", 60)
    for cells in (10**6, 8000):
        monkeypatch.setattr(regression, "_EM_CELLS", cells)
        found = prior.fitted(3 * rows, matrix, design, sureness, precision).covariance
        assert found == pytest.approx(truth, abs=0.06 if cells > 10_000 else 0.1)


def test_wishart_draws_have_the_right_moments() -> None:
    """Mean: freedom * scale; variance of an entry: freedom * (s_ij² + s_ii s_jj)."""
    rng = np.random.default_rng(1)
    scale, freedom, count = np.array([[0.5, 0.2, 0.0], [0.2, 1.0, -0.3], [0.0, -0.3, 0.8]]), 7.5, 20_000
    draws = np.array([sampler._wishart(rng, scale, freedom) for _ in range(count)])
    variance = freedom * (scale**2 + np.outer(np.diag(scale), np.diag(scale)))
    assert np.abs(draws.mean(axis=0) - freedom * scale).max() < 5 * np.sqrt(variance.max() / count)
    assert draws.var(axis=0) == pytest.approx(variance, rel=0.08)


def dense_features(learner: BayesianLearner, own: int) -> Dense:
    """The features of one side's rows by hand: damped marks, and the count on a standardised log scale."""
    ratings = learner._sides[own].ratings
    mask = np.zeros((ratings.num_users, ratings.num_items))
    mask[ratings.user_index, ratings.item_index] = 1
    counts = mask.sum(axis=1)
    logs = np.log(1 + counts)
    return np.column_stack([mask / np.sqrt(counts + 10)[:, None], (logs - logs.mean()) / logs.std()])


@pytest.mark.parametrize("own", [0, 1])
def test_features_and_their_conjugate_gradients(own: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "_CG_STEPS", 40)
    learner = train(small(), 0)
    chain, dense, rng = learner._chains[0], dense_features(learner, own), np.random.default_rng(2)
    rows, width = dense.shape
    table, target = rng.normal(size=(width, 4)).astype(np.float32), rng.normal(size=(rows, 4)).astype(np.float32)
    assert chain._features(own, table) == pytest.approx(dense @ table, abs=1e-5)
    assert chain._features_transposed(own, target) == pytest.approx(dense.T @ target, abs=1e-5)
    right = (dense.T @ target).astype(np.float32)
    for shrinkage in (0.3, 5.0):
        exact = np.linalg.solve(dense.T @ dense + shrinkage * np.eye(width), right)
        for start in (np.zeros_like(table), 3 * table):
            fitted = (dense @ start).astype(np.float32)
            assert chain._solve(own, right, start, fitted, shrinkage) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize(("own", "shortest"), [(0, 1), (0, 4), (1, 100)])
def test_rows_are_drawn_from_their_conditional(own: int, shortest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean and covariance of many draws of (x, b), given the other side, the prior and the noise.

    The rows are all long, some short, all short: those are drawn by another formula from the same distribution.
    """
    monkeypatch.setattr(sampler, "_BLOCK", 2)
    learner = train(small(), 3)
    chain, side = learner._chains[0], learner._sides[own]
    side = _Side(side.ratings, side.values, shortest)
    chain._sides[own] = side
    assert (len(side.long) > 0, len(side.short) > 0) == (shortest < 100, shortest > 1)
    draw, other = chain.draws[own], chain.draws[1 - own]
    rng = np.random.default_rng(3)
    draw.expected = rng.normal(size=draw.expected.shape).astype(np.float32)
    draw.noise, other.noise = (rng.uniform(0.3, 3, len(one.noise)).astype(np.float32) for one in (draw, other))
    root = rng.normal(size=(4, 4))
    draw.precision = root @ root.T + np.eye(4)
    draws = []
    for _ in range(6000):
        chain._draw_rows(rng, own)
        draws.append(draw.latent)
    found = np.array(draws, dtype=np.float64)
    for row in range(len(side)):
        cells = np.flatnonzero(side.rows == row)
        columns = side.columns[cells]
        design = np.column_stack([other.latent[columns, :-1], np.ones(len(cells))])
        weight = chain.tau * draw.noise[row] * other.noise[columns]
        covariance = np.linalg.inv(draw.precision + design.T @ (weight[:, None] * design))
        pull = design.T @ (weight * (side.values[cells] - other.latent[columns, -1]))
        mean = covariance @ (draw.precision @ draw.expected[row] + pull)
        sure = 5 * np.sqrt(np.diag(covariance) / len(found))
        assert (np.abs(found[:, row].mean(axis=0) - mean) < sure).all()
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        assert np.abs(np.cov(found[:, row].T) - covariance).max() < 0.1 * scale.max()
        assert (np.abs(np.cov(found[:, row].T) - covariance) < 0.1 * scale).all()


def test_priors_are_drawn_from_their_conditional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normal-Wishart for mean and precision, and the table's regression on top, given the rows.

    With M = inverse(F'F + shrinkage) and g = M F' 1, a table's entries have mean M F' (rows - E m) and covariance
    (M_ij + g_i g_j / (n + 1)) E Sigma_kl.
    """
    monkeypatch.setattr(sampler, "_CG_STEPS", 14)
    learner = train(small(), 2)
    chain, dense, rng = learner._chains[0], dense_features(learner, 0), np.random.default_rng(6)
    draw = chain.draws[0]
    size, dim = draw.latent.shape
    width = dense.shape[1]
    start, shrinkage = rng.normal(0, 0.3, (width, dim)).astype(np.float32), 2.0
    means, precisions, tables = [], [], []
    for _ in range(2500):
        draw.table, draw.shrinkage = start, np.array(shrinkage)
        draw.expected = (dense @ start).astype(np.float32) + draw.mean
        chain._draw_prior(rng, 0)
        means.append(draw.mean), precisions.append(draw.precision), tables.append(draw.table)
        assert draw.expected == pytest.approx(dense @ draw.table + draw.mean, abs=1e-4)
    offset = draw.latent - dense @ start
    centre = offset.mean(axis=0)
    spread = (offset - centre).T @ (offset - centre) + size / (size + 1) * np.outer(centre, centre)
    spread += shrinkage * start.T @ start + 0.1 * dim * np.eye(dim)
    freedom, inverse = dim + size + width, np.linalg.inv(spread)
    assert np.mean(precisions, axis=0) == pytest.approx(freedom * inverse, abs=0.04 * freedom * inverse.max())
    sigma, expected_mean = spread / (freedom - dim - 1), size / (size + 1) * centre
    assert np.mean(means, axis=0) == pytest.approx(expected_mean, abs=5 * np.sqrt(sigma.max() / size / 2500))
    solved = np.linalg.inv(dense.T @ dense + shrinkage * np.eye(width))
    exact = solved @ dense.T @ (draw.latent - expected_mean)
    pulled = solved @ dense.T @ np.ones(size)
    variance = np.outer(np.diag(solved) + pulled**2 / (size + 1), np.diag(sigma))
    found = np.array(tables, dtype=np.float64)
    assert (np.abs(found.mean(axis=0) - exact) < 5 * np.sqrt(variance / 2500)).all()
    assert found.var(axis=0) == pytest.approx(variance, rel=0.2)
    shared = np.cov(found[:, 0, 0], found[:, 1, 0])[0, 1]
    wanted = (solved[0, 1] + pulled[0] * pulled[1] / (size + 1)) * sigma[0, 0]
    assert shared == pytest.approx(wanted, abs=5 * np.sqrt(variance[0, 0] * variance[1, 0] / 2500))


def random_draws(sides: list, count: int, dim: int, seed: int = 0) -> list[list]:
    """Draws of both sides with nothing in common."""
    rng = np.random.default_rng(seed)
    eye = np.eye(dim + 1)
    return [
        [
            sampler._Draw(
                *(
                    rng.normal(size=shape).astype(np.float32)
                    for shape in ((len(side), dim + 1), (len(other) + 1, dim + 1), (dim + 1,))
                ),
                eye,
                np.array(1.0),
                rng.uniform(0.5, 2, len(side)).astype(np.float32),
                np.zeros((len(side), dim + 1), np.float32),
            )
            for side, other in ((sides[0], sides[1]), (sides[1], sides[0]))
        ]
        for _ in range(count)
    ]


def test_the_summary_is_the_exact_mean_where_it_is_wide_enough() -> None:
    """11 draws of 2 columns, compressed once on the way: 22 columns hold users, tables and means exactly."""
    sides = train(small(40, 36), 0)._sides
    draws = random_draws(sides, 11, 2)
    summary = sampler._Summary(22)
    for pair in draws:
        summary.add(sides, pair, 1.5)
    assert summary.count == 8 and len(summary.buffer[0]) == 3
    users, items = summary.finished()
    assert summary.count == 11 and users.shape[1] == 23

    def stacked(pair: list) -> tuple[Dense, Dense]:
        tables = [np.concatenate([draw.latent, draw.table, draw.mean[None]]) for draw in pair]
        return tables[0].astype(float), tables[1].astype(float)

    first = [stacked(pair)[0] for pair in draws]
    second = [stacked(pair)[1] for pair in draws]
    dense = np.mean([a[:, :-1] @ b[:36, :-1].T for a, b in zip(first, second, strict=True)], axis=0)
    assert users[:, :-1] @ items[:36, :-1].T == pytest.approx(dense, abs=1e-4)
    mirrored = np.mean([a[:40, :-1] @ b[:, :-1].T for a, b in zip(first, second, strict=True)], axis=0)
    assert users[:40, :-1] @ items[:, :-1].T == pytest.approx(mirrored, abs=1e-4)
    assert users[:, -1] == pytest.approx(np.mean([a[:, -1] for a in first], axis=0), abs=1e-5)
    assert items[:, -1] == pytest.approx(np.mean([b[:, -1] for b in second], axis=0), abs=1e-5)


def test_a_narrow_summary_is_the_best_approximation_of_its_rank() -> None:
    sides = train(small(40, 36), 0)._sides
    draws = random_draws(sides, 8, 2)
    summary = sampler._Summary(5)
    for pair in draws:
        summary.add(sides, pair, 1.0)
    users, items = (stack[: len(side), :-1] for stack, side in zip(summary.finished(), sides, strict=True))
    dense = np.mean([one.latent[:, :-1] @ two.latent[:, :-1].T for one, two in draws], axis=0)
    left, values, right = np.linalg.svd(dense.astype(float))
    assert users.shape == (40, 5)
    assert users @ items.T == pytest.approx((left[:, :5] * values[:5]) @ right[:5], abs=1e-4)


def test_sureness_by_hand() -> None:
    """Equal draws leave only the noise unknown; what differs between draws counts as noise, to a limit."""
    sides = train(small(), 0)._sides
    (pair,) = random_draws(sides, 1, 2)
    noise = pair[0].noise
    noise[:3] = [1.0, 0.5, 40.0]
    summary, tau = sampler._Summary(4), 2.0
    for bias in (1.0, -1.0):
        pair[0].latent = pair[0].latent.copy()
        pair[0].latent[1, -1] = bias
        summary.add(sides, pair, tau)
    rows = [stack[: len(side)] for stack, side in zip(summary.finished(), sides, strict=True)]
    users, items = summary.sureness(sides, rows)
    assert users[[0, 2]] == pytest.approx([1.0, 10.0], rel=1e-3)  # no rating counts more than ten usual ones
    assert users[1] == pytest.approx(0.5 / (1 / (tau * 0.5) + 1.0), rel=1e-3)  # usual noise 1 / tau; bias +-1 besides
    assert items == pytest.approx(pair[1].noise, rel=1e-3)


def test_level_and_mark_scale_by_hand() -> None:
    level = Level.of(np.array([1, 3, 3, 7]))  # logarithms of 1 + n: 1, 2, 2, 3 times that of 2
    two = np.log(2)
    assert (level.mean, level.spread, level.least) == pytest.approx((2 * two, two * np.sqrt(0.5), 1.0))
    assert level(np.array([1, 3, 7])) == pytest.approx([-np.sqrt(2), 0, np.sqrt(2)], abs=1e-6)
    below = (np.log(1.5) / two - 2) / np.sqrt(0.5)  # half a rating below the least
    assert level(np.array([0, 0])) == pytest.approx([below, below])
    assert Level.of(np.array([4, 4]))(np.array([4, 9])) == pytest.approx([0, two])  # all alike: no spread to divide by
    assert mark_scale(np.array([0, 6, 90])) == pytest.approx([10**-0.5, 0.25, 0.1])


def test_prior_means_of_new_rows_by_hand() -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 2, 1], [3, 4, 5])
    marks = np.float32([[1, 10], [2, 20], [4, 40]])
    prior = Prior(np.float32([0.5, -1]), marks, np.eye(2, dtype=np.float32), np.array(10.0), np.float32([9, 9]))
    wanted = [[0.5 + 5 / 12**0.5, -1 + 50 / 12**0.5], [0.5 + 2 / 11**0.5, -1 + 20 / 11**0.5]]
    assert prior.expected(ratings) == pytest.approx(np.array(wanted), rel=1e-6)
    seen = sparse.csr_array(np.array([[True, True, False], [False, False, False]]))  # one of them rated, too
    wanted[0] = [0.5 + 7 / 13**0.5, -1 + 70 / 13**0.5]
    assert prior.expected(ratings, seen) == pytest.approx(np.array(wanted), rel=1e-6)


def test_whoever_had_no_rating_is_unknown_and_marks_are_seen_from_a_usual_one(planted: Ratings) -> None:
    """A row's prior in training = mean + marks + level; in use the same but for level, in terms of usual marks."""
    learner = train(planted, 6)
    model = learner.trained()
    stack = learner._summary.finished()[0] * np.float32(learner._spread)
    level = learner._sides[0].level(np.zeros(1))[0]
    unknown = stack[-1] + level * stack[-2]
    assert model.users.offset[-1] == pytest.approx(unknown[-1], abs=1e-5)
    assert model.users.factors[-1] == pytest.approx(unknown[:-1], abs=1e-5)
    popular = planted.item_counts / len(planted)
    assert popular @ model.user_prior.marks == pytest.approx(0, abs=1e-5)
    table = stack[planted.num_users : -2]
    assert model.user_prior.marks[3] - model.user_prior.marks[8] == pytest.approx(table[3] - table[8], abs=1e-5)


# Planted structure


def held_out_parts(ratings: Ratings, share: float = 0.1) -> tuple[Ratings, npt.NDArray[np.intp]]:
    """Training ratings with every user and item, and the cells left out of them."""
    order = np.random.default_rng(9).permutation(len(ratings))
    held = np.sort(order[: int(share * len(ratings))])
    return some(ratings, np.setdiff1d(np.arange(len(ratings)), held)), held


def test_low_rank_is_recovered_almost_to_the_noise() -> None:
    ratings, truth = noisy(200, 120, 0.5, 0.5)
    training, held = held_out_parts(ratings)
    u, i = ratings.user_index[held], ratings.item_index[held]
    model = train(training, 40, BayesianSettings(4, 16, 15)).trained()
    error = rmse(ratings.values[held], model.predict(u, i))
    assert error < 1.06 * rmse(ratings.values[held], truth[u, i])
    assert error < 0.75 * rmse(ratings.values[held], damped_bias(training, 3.0).predict(u, i))


def test_noise_of_each_user_is_recovered() -> None:
    spread = np.repeat([0.2, 0.6, 1.2], 40)
    learner, drawn = train(noisy(120, 120, 0.8, spread)[0], 10), []
    for sweep in range(10, 25):
        learner.epoch(sweep, 0.0)
        drawn += [1 / (chain.tau * chain.draws[0].noise) for chain in learner._chains]
    found = np.sqrt(np.mean(drawn, axis=0)) * learner._spread  # in rating points, at an item of usual noise
    groups = [found[spread == one] for one in (0.2, 0.6, 1.2)]
    assert groups[0].max() < groups[1].min() and groups[1].max() < groups[2].min()
    # each noise is drawn towards the usual one as if by ten ratings, which widens the smallest by a fifth
    assert np.median(groups[1]) / np.median(groups[0]) == pytest.approx(3, rel=0.25)
    assert np.median(groups[2]) / np.median(groups[1]) == pytest.approx(2, rel=0.1)


def test_noisy_users_move_others_less() -> None:
    """A rating of a new item by the quiet half of the users counts for far more than one by the noisy half."""
    spread = np.repeat([0.2, 1.5], 40)
    model = train(noisy(80, 60, 0.6, spread, seed=2)[0], 20).trained()
    quiet, noisy_ones = model.user_sureness[:40], model.user_sureness[40:]
    assert quiet.min() > noisy_ones.max() and np.median(quiet) > 4 * np.median(noisy_ones)


def test_a_folded_row_has_a_noise_of_its_own(planted: Ratings) -> None:
    """Dense algebra of one new person: three rounds of stars given the noise and noise given the stars."""
    model = train(planted, 8).trained()
    row = planted.row(11)
    items, count = planted.item_index[row], row.stop - row.start
    for stars in (planted.values[row], np.where(np.arange(count) % 2, 5.0, 0.5)):  # usual, and all over the place
        new = Ratings.from_columns(np.zeros(count, int), planted.item_ids[items], stars, scale=planted.scale)
        folded = model.fold_in(in_vocabulary(new, planted.item_ids))
        prior, sure = model.user_prior, model.item_sureness[items]
        mean = prior.usual + prior.marks[items].sum(axis=0) / np.sqrt(count + 10)
        design = np.column_stack([model.items.factors[items], np.ones(count)]).astype(float)
        left, noise = stars - model.mean - model.items.offset[items], 1.0
        inverse = np.linalg.inv(prior.covariance.astype(float))
        for _ in range(3):
            weight = noise * model.precision * sure
            covariance = np.linalg.inv(inverse + design.T @ (weight[:, None] * design))
            found = covariance @ (inverse @ mean + design.T @ (weight * left))
            error = sure @ ((left - design @ found) ** 2 + np.einsum("ck,kl,cl->c", design, covariance, design))
            noise = (10 + count) / (10 + model.precision * error)
        assert folded.factors[0] == pytest.approx(found[:-1], abs=2e-3)
        assert folded.offset[0] == pytest.approx(found[-1], abs=2e-3)
    assert noise < 0.6


def test_marks_that_carry_the_taste_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two camps: each rates its own half of the items three times as often, and likes it by three stars more."""
    rng = np.random.default_rng(3)
    same = (np.arange(400) % 2)[:, None] == np.arange(100) % 2
    u, i = np.nonzero(rng.random(same.shape) < np.where(same, 0.12, 0.04))
    truth = np.where(same, 1.5, -1.5)
    ratings = Ratings.from_columns(u, i, truth[u, i] + rng.normal(0, 1.0, len(u)), scale=Scale(-9, 9, 0))
    assert (ratings.num_users, ratings.num_items) == same.shape
    u, i = (one.ravel() for one in np.indices(same.shape))

    def error() -> float:
        stars = train(ratings, 30, BayesianSettings(3, 12, 10)).trained().reconstruct(u, i)
        return rmse(truth[u, i], stars - stars.mean())  # rated cells are better ones, so that the mean is too high

    with_marks = error()
    monkeypatch.setattr(sampler, "mark_scale", lambda counts: np.zeros(len(counts), np.float32))
    assert with_marks < 0.8 * error()


# Exactness


def arrays(model: TrainedBayesian) -> dict[str, npt.NDArray]:
    return model.to_arrays()


def equal(one: TrainedBayesian, other: TrainedBayesian) -> bool:
    return all(np.array_equal(array, arrays(other)[name]) for name, array in arrays(one).items())


@pytest.mark.parametrize("sweeps", [1, 3, 6, 7])  # before burn-in, in the middle of a buffer, at its end, after it
def test_a_state_taken_up_ends_at_the_same_model(planted: Ratings, tmp_path: Path, sweeps: int) -> None:
    whole = train(planted, 9).trained()
    save_arrays(tmp_path / "state.npz", train(planted, sweeps).state(), compress=False)
    learner = BayesianLearner(planted, SETTINGS, seed=0)
    learner.restore(load_arrays(tmp_path / "state.npz"))
    for sweep in range(sweeps, 9):
        learner.epoch(sweep, 0.0)
    assert equal(whole, learner.trained())


def test_threads_that_wait_change_nothing_and_another_seed_does(
    planted: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(planted, 4).trained()
    assert not equal(plain, train(planted, 4, seed=1).trained())
    sweep = sampler._Chain.sweep
    for late in (0, 1):

        def waiting(chain: sampler._Chain, number: int, late: int = late) -> float:
            if chain._seed[-1] == late:
                time.sleep(0.03)
            return sweep(chain, number)

        monkeypatch.setattr(sampler._Chain, "sweep", waiting)
        np.random.default_rng(late)
        assert equal(plain, train(planted, 4).trained())


def test_chains_differ(planted: Ratings) -> None:
    first, second = train(planted, 2)._chains
    assert not np.allclose(first.draws[0].latent, second.draws[0].latent, atol=0.01)


def test_arrays_and_back_is_the_same_model(planted: Ratings) -> None:
    model = train(planted, 5).trained()
    again = TrainedBayesian.from_arrays(model.to_arrays(), planted.scale)
    u = i = np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    for way in ("fold_in", "fold_in_items"):
        assert np.array_equal(getattr(model, way)(planted).factors, getattr(again, way)(planted).factors)


def test_no_draw_before_the_end_of_burn_in_counts(planted: Ratings) -> None:
    learner = train(planted, 2)
    with pytest.raises(ValueError, match=r"No draw has been kept yet: train for more epochs than settings\.burn_in"):
        learner.trained()
    learner.epoch(2, 0.0)
    learner.trained()
    assert learner._summary.count == sampler.CHAINS


@pytest.mark.parametrize("change", [{"latent_dim": 4}, {"width": 2}, {"burn_in": 1}])
def test_every_setting_matters(planted: Ratings, change: dict[str, int]) -> None:
    u = i = np.arange(60)
    plain, changed = (
        train(planted, 5, BayesianSettings(**({"latent_dim": 3, "width": 12, "burn_in": 2} | one))).trained()
        for one in ({}, change)
    )
    assert not np.allclose(plain.predict(u, i), changed.predict(u, i), atol=1e-7)


def test_stars_twice_as_large_give_predictions_twice_as_large(planted: Ratings) -> None:
    """And a shift of every star shifts them: 0 is a rating like any other. Both also where rows are folded in."""
    u = i = np.arange(-1, 90)

    def predictions(factor: float, shift: float) -> list[npt.NDArray[np.float64]]:
        scale = planted.scale
        moved = Scale(factor * scale.minimum + shift, factor * scale.maximum + shift, factor * scale.step)
        ratings = Ratings.from_columns(
            planted.user_index, planted.item_index, factor * planted.values.astype(float) + shift, scale=moved
        )
        model = train(ratings, 5).trained()
        few = some(ratings, np.arange(len(ratings)) % 3 == 0)
        return [
            model.reconstruct(u, i),
            model.reconstruct(u, i, encoded_users=model.fold_in(few)),
            model.reconstruct(u, i, encoded_items=model.fold_in_items(few)),
        ]

    plain = predictions(1.0, 0.0)
    for factor, shift, tolerance in ((2.0, 0.0, 1e-5), (0.25, 0.0, 1e-5), (1.0, -3.0, 0.02)):
        exact, *folded = (
            np.abs(found - (factor * base + shift)).max() / factor
            for found, base in zip(predictions(factor, shift), plain, strict=True)
        )
        assert exact < tolerance
        assert max(folded) < max(tolerance, 0.02)  # their prior's covariance has a floor in rating points


def test_nothing_grows_as_users_times_items() -> None:
    """30,000 users x 20,000 items: a matrix of them would take 2.4 GB; a sweep and the model stay below 0.3 GB."""
    rng = np.random.default_rng(0)
    u = np.concatenate([np.arange(30_000), rng.integers(0, 30_000, 30_000)])
    i = np.concatenate([rng.integers(0, 20_000, 40_000), np.arange(20_000)])
    ratings = Ratings.from_columns(u, i, rng.integers(1, 6, len(u)))
    tracemalloc.start()
    try:
        learner = train(ratings, 1, BayesianSettings(10, 32, 0))
        swept = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        model = learner.trained()
        made = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(model.users) == 30_000 and len(model.items) == 20_000
    assert max(swept, made) < 300e6


# The average with the dual model


def blend(ratings: Ratings, share: float) -> TrainedEnsemble:
    from movie_autoencoder.models.dual.learner import DualLearner
    from movie_autoencoder.models.settings import DualSettings

    learner = DualLearner(ratings, DualSettings(4, 5.0, 0.2, 0.0, 3.0), optimizer="adam", average=0.9, seed=0)
    for epoch in range(5):
        learner.epoch(epoch, 0.02)
    dual = learner.trained()
    assert isinstance(dual, TrainedDual)
    return TrainedEnsemble.of(dual, train(ratings, 5).trained(), share)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_the_average_is_that_of_both_members(planted: Ratings, share: float) -> None:
    model = blend(planted, share)
    u, i = (one.ravel() for one in np.meshgrid(np.arange(-1, 40), np.arange(-1, 40)))
    wanted = share * model.dual.reconstruct(u, i) + (1 - share) * model.sampled.reconstruct(u, i)
    assert model.reconstruct(u, i) == pytest.approx(wanted, abs=2e-5)
    again = TrainedEnsemble.from_arrays(model.to_arrays(), planted.scale)
    assert np.array_equal(again.reconstruct(u, i), model.reconstruct(u, i))


def test_folded_rows_have_a_share_by_their_length(planted: Ratings) -> None:
    """w = share * n / (n + 20) at each cell, for new users and, mirrored, for new items."""
    share, cells = 0.6, np.arange(len(planted))
    model = blend(planted, share)
    for way, who, other in (("fold_in", "user", "encoded_users"), ("fold_in_items", "item", "encoded_items")):
        index = planted.user_index if who == "user" else planted.item_index
        few = some(planted, (index % 3 != 0) | (cells % 6 == 0))
        counts = few.user_counts if who == "user" else few.item_counts
        rows = np.arange(100)
        u, i = (rows, rows[::-1]) if who == "user" else (rows[::-1], rows)
        weight = share * counts[rows] / (counts[rows] + 20)
        assert weight.min() < 0.2 < 0.3 < weight.max()
        found = [one.reconstruct(u, i, **{other: getattr(one, way)(few)}) for one in (model, model.dual, model.sampled)]
        assert found[0] == pytest.approx(weight * found[1] + (1 - weight) * found[2], abs=5e-5)


def test_cells_lie_where_their_ratings_are() -> None:
    ratings = Ratings.from_columns([0, 0, 1], [0, 2, 1], [3, 4, 5])
    assert cells_matrix(ratings, np.float32([7, 0, 9])).toarray().tolist() == [[7, 0, 0], [0, 9, 0]]
    assert cells_matrix(ratings, np.float32([7, 0, 9])).nnz == 3  # a 0 that is observed stays a cell


def test_side_information_tells_what_few_ratings_cannot() -> None:
    """Taste follows an item's genre, and most items have one or two ratings: genres must help those."""
    rng = np.random.default_rng(4)
    num_users, num_items, num_genres = 150, 900, 3
    genre = rng.integers(num_genres, size=num_items)
    taste = rng.normal(0, 1, (num_users, num_genres))
    popular = np.where(np.arange(num_items) < 60, 30.0, 1.0)
    users = rng.integers(num_users, size=5000)
    items = rng.choice(num_items, size=5000, p=popular / popular.sum())
    stars = np.clip(np.round(3 + taste[users, genre[items]] + rng.normal(0, 0.5, 5000)), 1, 5)
    ratings = Ratings.from_columns(users, items, stars)
    split = split_ratings(ratings, test_fraction=0.2, validation_fraction=0.0, seed=0)
    training, held_out = split.training_ratings, split.held_out("test")
    u, i = training.locate_users(held_out.users), training.locate_items(held_out.items)
    facts = np.eye(num_genres, dtype=np.float32)[genre[training.item_ids]]
    rare = (i >= 0) & (training.item_counts[i] <= 3)
    errors = []
    for known in (None, facts, facts[rng.permutation(len(facts))]):
        learner = BayesianLearner(training, BayesianSettings(4, 16, 10), seed=0, item_features=known)
        for epoch in range(30):
            learner.epoch(epoch, 0.0)
        errors.append(rmse(held_out.values[rare], learner.trained().predict(u[rare], i[rare])))
    assert rare.sum() > 150
    assert errors[1] < errors[0] - 0.03 and errors[1] < errors[2] - 0.03
