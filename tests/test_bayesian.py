"""Bayesian matrix factorization: conditionals against closed forms, planted structure, exact resumption, memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from small_models import some_cells

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.scale import Scale
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.models.bayesian.learner import BayesianLearner
from movie_autoencoder.models.bayesian.sampler import Chain, Draw
from movie_autoencoder.models.bayesian.settings import BayesianSettings, SamplerOptions
from movie_autoencoder.models.bayesian.sides import CountFeature, Side
from movie_autoencoder.models.bayesian.summary import PosteriorSummary
from movie_autoencoder.models.bayesian.trained import TrainedBayesian
from movie_autoencoder.storage import load_arrays, save_arrays

Dense = npt.NDArray[np.float64]
SETTINGS = BayesianSettings(latent_dim=3, width=12, burn_in=2)


def train(
    ratings: Ratings,
    sweeps: int,
    settings: BayesianSettings = SETTINGS,
    *,
    seed: int = 0,
    options: SamplerOptions | None = None,
) -> BayesianLearner:
    learner = BayesianLearner(ratings, settings, seed=seed, options=options)
    for sweep in range(sweeps):
        learner.epoch(sweep, 0.0)
    return learner


def small(num_users: int = 9, num_items: int = 7, *, seed: int = 4) -> Ratings:
    """About half of the cells of a small matrix."""
    rng = np.random.default_rng(seed)
    cells = np.argwhere(rng.random((num_users, num_items)) < 0.5)
    return Ratings.from_columns(cells[:, 0], cells[:, 1], rng.integers(1, 6, len(cells)), scale=Scale(1, 5, 1))


def noisy(
    num_users: int, num_items: int, fraction: float, noise: npt.ArrayLike, *, rank: int = 2, seed: int = 0
) -> tuple[Ratings, Dense]:
    """Ratings of planted low rank and known noise (a number, or one for each user), and the truth at every cell."""
    rng = np.random.default_rng(seed)
    tastes, traits = rng.normal(size=(num_users, rank)), rng.normal(size=(num_items, rank))
    truth = rng.normal(0, 0.4, (num_users, 1)) + rng.normal(0, 0.4, num_items) + 0.7 * tastes @ traits.T
    cells = np.argwhere(rng.random(truth.shape) < fraction)
    u, i = cells.T
    deviation = np.broadcast_to(noise, num_users)[u]
    values = np.clip(truth[u, i] + deviation * rng.normal(size=len(u)), -20, 20)
    return Ratings.from_columns(u, i, values, scale=Scale(-20, 20, 0)), truth


# Closed forms


def dense_features(learner: BayesianLearner, own: int) -> Dense:
    """The features of one side's rows by hand: damped implicit feedback, and the standardised log count."""
    ratings = learner.sides[own].ratings
    mask = np.zeros((ratings.num_users, ratings.num_items))
    mask[ratings.user_index, ratings.item_index] = 1
    counts = mask.sum(axis=1)
    logs = np.log(1 + counts)
    return np.column_stack([mask / np.sqrt(counts + 10)[:, None], (logs - logs.mean()) / logs.std()])


@pytest.mark.parametrize("own", [0, 1])
def test_features_and_their_conjugate_gradients(own: int) -> None:
    learner = train(small(), 0, options=SamplerOptions(conjugate_gradient_steps=40))
    chain, dense, rng = learner.chains[0], dense_features(learner, own), np.random.default_rng(2)
    rows, width = dense.shape
    table, target = rng.normal(size=(width, 4)).astype(np.float32), rng.normal(size=(rows, 4)).astype(np.float32)
    assert chain.features(own, table) == pytest.approx(dense @ table, abs=1e-5)
    assert chain.features_transposed(own, target) == pytest.approx(dense.T @ target, abs=1e-5)
    right = (dense.T @ target).astype(np.float32)
    for shrinkage in (0.3, 5.0):
        exact = np.linalg.solve(dense.T @ dense + shrinkage * np.eye(width), right)
        for start in (np.zeros_like(table), 3 * table):
            fitted = (dense @ start).astype(np.float32)
            assert chain.solve_table(own, right, start, fitted, shrinkage) == pytest.approx(exact, abs=1e-4)


def repeated(side: Side, copies: int, *, shortest: int, block_rows: int) -> Side:
    """A side with that many copies of each row, one after the other: copy c of row r is row c * len(side) + r."""
    ratings = side.ratings
    rows = (np.arange(copies)[:, None] * len(side) + ratings.user_index).ravel()
    many = Ratings(
        rows.astype(np.int32),
        np.tile(ratings.item_index, copies),
        np.tile(ratings.values, copies),
        np.arange(copies * len(side)),
        ratings.item_ids,
        ratings.scale,
    )
    return Side(many, np.tile(side.values, copies), shortest=shortest, block_rows=block_rows)


@pytest.mark.parametrize(("own", "shortest"), [(0, 1), (0, 4), (1, 100)])
def test_rows_are_drawn_from_their_conditional(own: int, shortest: int) -> None:
    """Mean and covariance of 6000 draws of (x, b), given the other side, the prior and the noise.

    The rows are all long, some short, all short: those are drawn by another formula from the same distribution. Equal
    rows are drawn independently, so each call draws 200 copies of every row.
    """
    copies = 200
    learner = train(small(), 3)
    chain, one = learner.chains[0], learner.sides[own]
    size = len(one)
    side = repeated(one, copies, shortest=shortest, block_rows=150)
    chain.sides = [side, learner.sides[1]] if own == 0 else [learner.sides[0], side]
    assert (len(side.long) > 1, len(side.short) > 0) == (shortest < 100, shortest > 1)
    draw, other = chain.draws[own], chain.draws[1 - own]
    rng = np.random.default_rng(3)
    prior_means = rng.normal(size=(size, 4)).astype(np.float32)
    noise, other.noise = (rng.uniform(0.3, 3, len(each.noise)).astype(np.float32) for each in (draw, other))
    root = rng.normal(size=(4, 4))
    draw.precision = root @ root.T + np.eye(4)
    draw.latent, draw.prior_means = np.zeros((copies * size, 4), np.float32), np.tile(prior_means, (copies, 1))
    draw.noise = np.tile(noise, copies)
    draws = []
    for _ in range(30):
        chain.draw_rows(rng, own)
        draws.append(draw.latent.reshape(copies, size, 4))
    found = np.concatenate(draws).astype(np.float64)
    for row in range(size):
        cells = np.flatnonzero(one.rows == row)
        columns = one.columns[cells]
        design = np.column_stack([other.latent[columns, :-1], np.ones(len(cells))])
        weight = chain.tau * noise[row] * other.noise[columns]
        covariance = np.linalg.inv(draw.precision + design.T @ (weight[:, None] * design))
        pull = design.T @ (weight * (one.values[cells] - other.latent[columns, -1]))
        mean = covariance @ (draw.precision @ prior_means[row] + pull)
        error = 5 * np.sqrt(np.diag(covariance) / len(found))
        assert (np.abs(found[:, row].mean(axis=0) - mean) < error).all()
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        assert np.abs(np.cov(found[:, row].T) - covariance).max() < 0.1 * scale.max()
        assert (np.abs(np.cov(found[:, row].T) - covariance) < 0.1 * scale).all()


def test_priors_are_drawn_from_their_conditional() -> None:
    """Normal-Wishart for mean and precision, and the table's regression on top, given the rows.

    With M = inverse(F'F + shrinkage) and g = M F' 1, a table's entries have mean M F' (rows - E m) and covariance
    (M_ij + g_i g_j / (n + 1)) E Sigma_kl.
    """
    learner = train(small(), 2, options=SamplerOptions(conjugate_gradient_steps=14))
    chain, dense, rng = learner.chains[0], dense_features(learner, 0), np.random.default_rng(6)
    draw = chain.draws[0]
    size, dim = draw.latent.shape
    width = dense.shape[1]
    start, shrinkage = rng.normal(0, 0.3, (width, dim)).astype(np.float32), 2.0
    means, precisions, tables = [], [], []
    for _ in range(2500):
        draw.table, draw.shrinkage = start, np.array(shrinkage)
        draw.prior_means = (dense @ start).astype(np.float32) + draw.mean
        chain.draw_prior(rng, 0)
        means.append(draw.mean), precisions.append(draw.precision), tables.append(draw.table)
        assert np.abs(draw.prior_means - (dense @ draw.table + draw.mean)).max() < 1e-4
    offset = draw.latent - dense @ start
    centre = offset.mean(axis=0)
    scatter = (offset - centre).T @ (offset - centre) + size / (size + 1) * np.outer(centre, centre)
    scatter += shrinkage * start.T @ start + 0.1 * dim * np.eye(dim)
    freedom, inverse = dim + size + width, np.linalg.inv(scatter)
    assert np.mean(precisions, axis=0) == pytest.approx(freedom * inverse, abs=0.04 * freedom * inverse.max())
    sigma, expected_mean = scatter / (freedom - dim - 1), size / (size + 1) * centre
    assert np.mean(means, axis=0) == pytest.approx(expected_mean, abs=5 * np.sqrt(sigma.max() / size / 2500))
    assert np.var(means, axis=0) == pytest.approx(np.diag(sigma) / (size + 1), rel=0.2)
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


def random_draws(sides: Sequence[Side], count: int, dim: int, seed: int = 0) -> list[list[Draw]]:
    """Draws of both sides with nothing in common."""
    rng = np.random.default_rng(seed)

    def draw(size: int, num_columns: int) -> Draw:
        latent, table, mean = (
            rng.normal(size=shape).astype(np.float32)
            for shape in ((size, dim + 1), (num_columns + 1, dim + 1), dim + 1)
        )
        noise = rng.uniform(0.5, 2, size).astype(np.float32)
        return Draw(latent, table, mean, np.eye(dim + 1), np.array(1.0), noise, np.zeros_like(latent))

    users, items = map(len, sides)
    return [[draw(users, items), draw(items, users)] for _ in range(count)]


def test_the_summary_is_the_exact_mean_where_it_is_wide_enough() -> None:
    """11 draws of 2 columns, compressed once on the way: 22 columns hold users, tables and means exactly."""
    sides = train(small(40, 36), 0).sides
    draws = random_draws(sides, 11, 2)
    summary = PosteriorSummary(22, draws_per_compression=8)
    for pair in draws:
        summary.add(sides, pair, 1.5)
    assert summary.count == 8 and len(summary.buffer[0]) == 3
    users, items = summary.finished()
    assert summary.count == 11 and users.shape[1] == 23

    def stacked(pair: list[Draw]) -> tuple[Dense, Dense]:
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
    sides = train(small(40, 36), 0).sides
    draws = random_draws(sides, 8, 2)
    summary = PosteriorSummary(5)
    for pair in draws:
        summary.add(sides, pair, 1.0)
    users, items = (stack[: len(side), :-1] for stack, side in zip(summary.finished(), sides, strict=True))
    dense = np.mean([one.latent[:, :-1] @ two.latent[:, :-1].T for one, two in draws], axis=0)
    left, values, right = np.linalg.svd(dense.astype(float))
    assert users.shape == (40, 5)
    assert users @ items.T == pytest.approx((left[:, :5] * values[:5]) @ right[:5], abs=1e-4)


def test_weights_of_rows_by_hand() -> None:
    """Equal draws leave only the noise unknown; what differs between draws counts as noise, to a limit."""
    sides = train(small(), 0).sides
    (pair,) = random_draws(sides, 1, 2)
    noise = pair[0].noise
    noise[:3] = [1.0, 0.5, 40.0]
    summary, tau = PosteriorSummary(4), 2.0
    for bias in (1.0, -1.0):
        pair[0].latent = pair[0].latent.copy()
        pair[0].latent[1, -1] = bias
        summary.add(sides, pair, tau)
    rows = [stack[: len(side)] for stack, side in zip(summary.finished(), sides, strict=True)]
    users, items = summary.row_weights(sides, rows)
    assert users[[0, 2]] == pytest.approx([1.0, 10.0], rel=1e-3)  # no rating counts more than ten average ones
    assert users[1] == pytest.approx(0.5 / (1 / (tau * 0.5) + 1.0), rel=1e-3)  # average noise 1 / tau; bias +-1 besides
    assert items == pytest.approx(pair[1].noise, rel=1e-3)


def test_the_count_feature_by_hand() -> None:
    feature = CountFeature.of(np.array([1, 3, 3, 7]))  # logarithms of 1 + n: 1, 2, 2, 3 times that of 2
    two = np.log(2)
    found = feature.mean, feature.standard_deviation, feature.minimum
    assert found == pytest.approx((2 * two, two * np.sqrt(0.5), 1.0))
    assert feature(np.array([1, 3, 7])) == pytest.approx([-np.sqrt(2), 0, np.sqrt(2)], abs=1e-6)
    below = (np.log(1.5) / two - 2) / np.sqrt(0.5)  # half a rating below the minimum
    assert feature(np.array([0, 0])) == pytest.approx([below, below])
    same = CountFeature.of(np.array([4, 4]))  # no standard deviation to divide by
    assert same(np.array([4, 9])) == pytest.approx([0, two])


def test_the_prior_of_new_rows_follows_from_that_of_training_rows(planted: Ratings) -> None:
    """In training a row's prior mean = m + implicit feedback + count; in use the count is that of an average row.

    A row without ratings has the count feature of 0, and choices move a new row by how they differ from the average.
    """
    learner = train(planted, 6)
    model = learner.trained()
    stack = learner.summary.finished()[0] * planted.values.std(dtype=np.float64).astype(np.float32)
    count = learner.sides[0].count_feature(np.zeros(1))[0]
    unrated = stack[-1] + count * stack[-2]
    assert model.users.offset[-1] == pytest.approx(unrated[-1], abs=1e-5)
    assert model.users.factors[-1] == pytest.approx(unrated[:-1], abs=1e-5)
    prior = model.user_regression.prior
    popularity = planted.item_counts / len(planted)
    assert popularity @ prior.implicit_table == pytest.approx(0, abs=1e-5)
    table = stack[planted.num_users : -2]
    assert prior.implicit_table[3] - prior.implicit_table[8] == pytest.approx(table[3] - table[8], abs=1e-5)
    counts = learner.sides[0].count_feature(planted.user_counts)
    chosen = planted.to_csr().toarray() / np.sqrt(planted.user_counts + 10)[:, None]
    prior_means = stack[-1] + chosen @ table + counts[:, None] * stack[-2]
    assert prior.mean == pytest.approx(planted.user_counts / len(planted) @ prior_means, abs=1e-4)
    dof = SamplerOptions().noise_dof
    assert (float(prior.noise_dof), float(model.item_regression.prior.noise_dof)) == dof


# Planted structure


def held_out_parts(ratings: Ratings, fraction: float = 0.1) -> tuple[Ratings, npt.NDArray[np.intp]]:
    """Training ratings with every user and item, and the cells left out of them."""
    order = np.random.default_rng(9).permutation(len(ratings))
    held = np.sort(order[: int(fraction * len(ratings))])
    return some_cells(ratings, np.setdiff1d(np.arange(len(ratings)), held)), held


def test_low_rank_is_recovered_almost_to_the_noise() -> None:
    ratings, truth = noisy(200, 120, 0.5, 0.5)
    training, held = held_out_parts(ratings)
    u, i = ratings.user_index[held], ratings.item_index[held]
    model = train(training, 40, BayesianSettings(4, 16, 15)).trained()
    error = rmse(ratings.values[held], model.predict(u, i))
    assert error < 1.06 * rmse(ratings.values[held], truth[u, i])
    assert error < 0.75 * rmse(ratings.values[held], damped_bias(training, 3.0).predict(u, i))


def test_noise_of_each_user_is_recovered() -> None:
    deviation = np.repeat([0.2, 0.6, 1.2], 40)
    ratings = noisy(120, 120, 0.8, deviation)[0]
    learner, drawn = train(ratings, 10), []
    for sweep in range(10, 25):
        learner.epoch(sweep, 0.0)
        drawn += [1 / (chain.tau * chain.draws[0].noise) for chain in learner.chains]
    found = np.sqrt(np.mean(drawn, axis=0)) * ratings.values.std()  # in rating points, at an item of average noise
    groups = [found[deviation == one] for one in (0.2, 0.6, 1.2)]
    assert groups[0].max() < groups[1].min() and groups[1].max() < groups[2].min()
    # the prior of each noise counts as ten ratings of average noise, which widens the smallest by a fifth
    assert np.median(groups[1]) / np.median(groups[0]) == pytest.approx(3, rel=0.25)
    assert np.median(groups[2]) / np.median(groups[1]) == pytest.approx(2, rel=0.1)


def test_ratings_of_noisy_users_weigh_less() -> None:
    """A rating of a new item by the quiet half of the users counts for far more than one by the noisy half."""
    deviation = np.repeat([0.2, 1.5], 40)
    model = train(noisy(80, 60, 0.6, deviation, seed=2)[0], 20).trained()
    weights = model.item_regression.weights
    quiet, loud = weights[:40], weights[40:]
    assert quiet.min() > loud.max() and np.median(quiet) > 4 * np.median(loud)


def test_a_folded_in_row_has_a_noise_of_its_own(planted: Ratings) -> None:
    """Dense algebra of one new person: three rounds of factors given the noise and noise given the factors."""
    model = train(planted, 8).trained()
    regression, row = model.user_regression, planted.row(11)
    items, count = planted.item_index[row], row.stop - row.start
    for values in (planted.values[row], np.where(np.arange(count) % 2, 5.0, 0.5)):  # as given, and all over the place
        new = Ratings.from_columns(np.zeros(count, int), planted.item_ids[items], values, scale=planted.scale)
        folded = model.fold_in(in_vocabulary(new, planted.item_ids))
        prior, weights = regression.prior, regression.weights[items]
        mean = prior.mean + prior.implicit_table[items].sum(axis=0) / np.sqrt(count + 10)
        design = np.column_stack([model.items.factors[items], np.ones(count)]).astype(float)
        left, noise = values - model.mean - model.items.offset[items], 1.0
        inverse = np.linalg.inv(prior.covariance.astype(float))
        for _ in range(3):
            weight = noise * regression.precision * weights
            covariance = np.linalg.inv(inverse + design.T @ (weight[:, None] * design))
            found = covariance @ (inverse @ mean + design.T @ (weight * left))
            error = weights @ ((left - design @ found) ** 2 + np.einsum("ck,kl,cl->c", design, covariance, design))
            noise = (10 + count) / (10 + regression.precision * error)
        assert folded.factors[0] == pytest.approx(found[:-1], abs=2e-3)
        assert folded.offset[0] == pytest.approx(found[-1], abs=2e-3)
    assert noise < 0.6


def test_implicit_feedback_that_carries_the_taste_helps() -> None:
    """Two camps: each rates its own half of the items three times as often, and likes it by three points more."""
    rng = np.random.default_rng(3)
    same = (np.arange(400) % 2)[:, None] == np.arange(100) % 2
    u, i = np.nonzero(rng.random(same.shape) < np.where(same, 0.12, 0.04))
    truth = np.where(same, 1.5, -1.5)
    ratings = Ratings.from_columns(u, i, truth[u, i] + rng.normal(0, 1.0, len(u)), scale=Scale(-9, 9, 0))
    assert (ratings.num_users, ratings.num_items) == same.shape
    u, i = (one.ravel() for one in np.indices(same.shape))

    def error(scale: float) -> float:
        learner = train(ratings, 0, BayesianSettings(3, 12, 10))
        for side in learner.sides:
            side.scale = side.scale * np.float32(scale)  # of what the rows chose
        for sweep in range(30):
            learner.epoch(sweep, 0.0)
        found = learner.trained().reconstruct(u, i)
        return rmse(truth[u, i], found - found.mean())  # rated cells are better ones, so that the mean is too high

    assert error(1.0) < 0.8 * error(0.0)


def test_side_information_helps_where_ratings_are_few() -> None:
    """Taste follows an item's genre, and most items have one or two ratings: genres must help those."""
    rng = np.random.default_rng(4)
    num_users, num_items, num_genres = 150, 900, 3
    genre = rng.integers(num_genres, size=num_items)
    taste = rng.normal(0, 1, (num_users, num_genres))
    popular = np.where(np.arange(num_items) < 60, 30.0, 1.0)
    users = rng.integers(num_users, size=5000)
    items = rng.choice(num_items, size=5000, p=popular / popular.sum())
    values = np.clip(np.round(3 + taste[users, genre[items]] + rng.normal(0, 0.5, 5000)), 1, 5)
    ratings = Ratings.from_columns(users, items, values)
    split = split_ratings(ratings, test_fraction=0.2, validation_fraction=0.0, seed=0)
    training, held_out = split.training_ratings, split.held_out("test")
    u, i = training.locate_users(held_out.users), training.locate_items(held_out.items)
    genres = np.eye(num_genres, dtype=np.float32)[genre[training.item_ids]]
    rare = (i >= 0) & (training.item_counts[i] <= 3)
    errors = []
    for features in (None, genres, genres[rng.permutation(len(genres))]):
        learner = BayesianLearner(training, BayesianSettings(4, 16, 10), seed=0, item_features=features)
        for epoch in range(30):
            learner.epoch(epoch, 0.0)
        errors.append(rmse(held_out.values[rare], learner.trained().predict(u[rare], i[rare])))
    assert rare.sum() > 150
    assert errors[1] < errors[0] - 0.03 and errors[1] < errors[2] - 0.03


# Exactness


def equal(one: TrainedBayesian, other: TrainedBayesian) -> bool:
    first, second = one.to_arrays(), other.to_arrays()
    return first.keys() == second.keys() and all(np.array_equal(array, second[name]) for name, array in first.items())


@pytest.fixture(scope="module")
def nine_sweeps(planted: Ratings) -> TrainedBayesian:
    return train(planted, 9).trained()


@pytest.mark.parametrize("sweeps", [1, 3, 6, 7])  # before burn-in, in the middle of a buffer, at its end, after it
def test_a_restored_state_ends_at_the_same_model(
    planted: Ratings, nine_sweeps: TrainedBayesian, tmp_path: Path, sweeps: int
) -> None:
    save_arrays(tmp_path / "state.npz", train(planted, sweeps).state(), compress=False)
    learner = BayesianLearner(planted, SETTINGS, seed=0)
    learner.restore(load_arrays(tmp_path / "state.npz"))
    for sweep in range(sweeps, 9):
        learner.epoch(sweep, 0.0)
    assert equal(nine_sweeps, learner.trained())


def test_threads_that_wait_change_nothing_and_another_seed_does(
    planted: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(planted, 4).trained()
    assert not equal(plain, train(planted, 4, seed=1).trained())
    sweep = Chain.sweep
    for late in (0, 1):

        def waiting(chain: Chain, number: int, late: int = late) -> float:
            if chain.seed[-1] == late:
                time.sleep(0.03)
            return sweep(chain, number)

        monkeypatch.setattr(Chain, "sweep", waiting)
        np.random.default_rng(late)
        assert equal(plain, train(planted, 4).trained())


def test_chains_differ(planted: Ratings) -> None:
    first, second = train(planted, 2).chains
    assert not np.allclose(first.draws[0].latent, second.draws[0].latent, atol=0.01)


def test_arrays_and_back_is_the_same_model(planted: Ratings) -> None:
    model = train(planted, 5).trained()
    again = TrainedBayesian.from_arrays(model.to_arrays(), planted.scale)
    u = i = np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    for way in ("fold_in", "fold_in_items"):
        assert np.array_equal(getattr(model, way)(planted).factors, getattr(again, way)(planted).factors)
        assert np.array_equal(getattr(model, way)(planted).offset, getattr(again, way)(planted).offset)


def test_no_draw_before_the_end_of_burn_in_counts(planted: Ratings) -> None:
    learner = train(planted, 2)
    with pytest.raises(ValueError, match=r"No draw has been kept yet: train for more epochs than settings\.burn_in"):
        learner.trained()
    learner.epoch(2, 0.0)
    learner.trained()
    assert learner.summary.count == SamplerOptions().chains == 2


@pytest.fixture(scope="module")
def five_sweeps(planted: Ratings) -> npt.NDArray[np.float64]:
    """Predictions at some cells with the usual settings."""
    return train(planted, 5).trained().predict(np.arange(60), np.arange(60))


@pytest.mark.parametrize("change", [{"latent_dim": 4}, {"width": 2}, {"burn_in": 1}])
def test_every_setting_matters(planted: Ratings, five_sweeps: npt.NDArray, change: dict[str, int]) -> None:
    assert change.keys() <= {one.name for one in fields(BayesianSettings)}
    changed = train(planted, 5, replace(SETTINGS, **change)).trained().predict(np.arange(60), np.arange(60))
    assert not np.allclose(five_sweeps, changed, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [
        {"chains": 1},
        {"noise_dof": (3.0, 20.0)},
        {"noise_dof": (10.0, 3.0)},
        {"conjugate_gradient_steps": 1},
        {"draws_per_compression": 1},
    ],
)
def test_every_option_of_the_sampler_matters(
    planted: Ratings, five_sweeps: npt.NDArray, change: dict[str, float]
) -> None:
    model = train(planted, 5, options=replace(SamplerOptions(), **change)).trained()
    assert not np.allclose(five_sweeps, model.predict(np.arange(60), np.arange(60)), atol=1e-7)


def test_blocks_of_rows_bound_memory_and_change_nothing(planted: Ratings) -> None:
    """But for rounding, which later sweeps would enlarge."""
    settings = replace(SETTINGS, burn_in=0)
    whole, blocks = (train(planted, 2, settings, options=SamplerOptions(block_rows=size)) for size in (4096, 7))
    assert (len(whole.sides[0].long), len(blocks.sides[0].long)) == (1, 36)
    predictions = [learner.trained().predict(np.arange(60), np.arange(60)) for learner in (whole, blocks)]
    assert predictions[1] == pytest.approx(predictions[0], abs=1e-5)


def test_ratings_twice_as_large_give_predictions_twice_as_large(planted: Ratings) -> None:
    """And a shift of every rating shifts them: 0 is a rating like any other. Both also where rows are folded in."""
    u = i = np.arange(-1, 90)

    def predictions(factor: float, shift: float) -> list[npt.NDArray[np.float64]]:
        scale = planted.scale
        moved = Scale(factor * scale.minimum + shift, factor * scale.maximum + shift, factor * scale.step)
        ratings = Ratings.from_columns(
            planted.user_index, planted.item_index, factor * planted.values.astype(float) + shift, scale=moved
        )
        model = train(ratings, 5).trained()
        few = some_cells(ratings, np.arange(len(ratings)) % 3 == 0)
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
