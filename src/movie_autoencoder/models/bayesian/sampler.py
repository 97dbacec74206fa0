"""The sampled sibling of the dual autoencoder: the same two encoders, averaged over their posterior by Gibbs sampling.

    rating(u, i) ~ N(mean + x_u . y_i + b_u + b_i,  1 / (tau h_u h_i))
    (x_u, b_u)   ~ N(m + sum over rated i of C_i / sqrt(n_u + 10) + level_u l,  1 / Lambda),    and so for items

A latent vector's prior mean is read from the marks, *which* items were rated and how many, and the stars then move it
as far as the noise of that user and of those items allows. This is Bayesian matrix factorisation (Salakhutdinov and
Mnih 2008, "Bayesian probabilistic matrix factorization using MCMC") with the marks as features, whose table is drawn
by conjugate gradients (Simm et al. 2017, "Macau"). Two things are added, and pay most: each user and item has a noise
of its own, and the number of ratings is a feature. docs/experiments.md has the figures.

Draws are not kept, but their mean prediction is, as factors of a fixed width. Plain NumPy and SciPy; chains run beside
each other in threads, each with its own random numbers, so that the result does not depend on timing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ...data.ratings import IntArray, Ratings
from ..base import Arrays, inner_products
from ..regression import Level, Prior, Table, cells_matrix, mark_scale
from ..settings import BayesianSettings
from .trained import TrainedBayesian

CHAINS = 2
_NOISE_FREEDOM = (10.0, 20.0)  # ratings of prior on the noise of a user, and of an item
_CG_STEPS = 6
_BUFFER = 8  # draws between two compressions
_BLOCK = 4096  # rows whose precisions, dim x dim numbers each, are held at a time


class _Rows(NamedTuple):
    """Some rows of a side, with their cells.

    Args:
        rows: their indices, ascending, shape ``(n,)``.
        cells: places of their cells among the side's, a row's together; a slice where they follow one another.
        columns: column of each of these cells.
        starts: where each row's cells start, shape ``(n + 1,)``.
        num_columns: of the side.
    """

    rows: IntArray
    cells: IntArray | slice
    columns: IntArray
    starts: IntArray
    num_columns: int

    @classmethod
    def of(cls, ratings: Ratings, rows: IntArray) -> _Rows:
        """These users of the ratings, of whom there is at least one."""
        first, last = int(ratings.user_starts[rows[0]]), int(ratings.user_starts[rows[-1] + 1])
        cells: IntArray | slice = slice(first, last)
        if len(rows) <= rows[-1] - rows[0]:
            cells = first + np.flatnonzero(np.isin(ratings.user_index[cells], rows))
        starts = np.append(0, np.cumsum(ratings.user_counts[rows])).astype(np.int32)
        return cls(rows, cells, ratings.item_index[cells], starts, ratings.num_items)

    def matrix(self, values: Table) -> Any:
        """CSR matrix of these rows from a value for each cell of the side."""
        from scipy import sparse

        shape = (len(self.rows), self.num_columns)
        return sparse.csr_array((values[self.cells], self.columns, self.starts), shape=shape)


class _Side:
    """What is fixed of one side: its cells, and what is known of its rows beside them.

    Args:
        ratings: with this side's rows as users.
        values: standardised stars, a row's together.
        shortest: number of cells from which a row counts as long.
        features: features of the rows that are no marks (side information), shape ``(num_rows, any)``.
    """

    def __init__(self, ratings: Ratings, values: Table, shortest: int, features: Table | None = None) -> None:
        self.ratings, self.values = ratings, values  # a row's cells lie together
        self.rows, self.columns = ratings.user_index, ratings.item_index
        counts = ratings.user_counts
        long = np.flatnonzero(counts >= shortest)
        self.long = [_Rows.of(ratings, long[start : start + _BLOCK]) for start in range(0, len(long), _BLOCK)]
        self.short: list[tuple[IntArray, IntArray]] = []  # rows of equally many cells, and these cells
        for count in range(1, shortest):
            if len(rows := np.flatnonzero(counts == count)):
                self.short.append((rows, ratings.user_starts[rows][:, None] + np.arange(count)))
        self.level = Level.of(counts)
        levels = self.level(counts)[:, None]
        self.features = levels if features is None else np.concatenate([levels, features.astype(np.float32)], axis=1)
        self.scale = mark_scale(counts)
        self.marks = cells_matrix(ratings, np.ones(len(ratings), np.float32))

    def __len__(self) -> int:
        return self.ratings.num_users


@dataclass
class _Draw:
    """The current draw of one side.

    Args:
        latent: (x, b) of each row, shape ``(size, dim)``.
        table: C, then l and a row for each other fact; shape ``(num_columns + num_features, dim)``.
        mean: m, shape ``(dim,)``.
        precision: Lambda, shape ``(dim, dim)``.
        shrinkage: precision of the table in units of Lambda, shape ``()``.
        noise: h of each row, shape ``(size,)``.
        expected: prior means of the rows, shape ``(size, dim)``.
    """

    latent: Table
    table: Table
    mean: Table
    precision: npt.NDArray[np.float64]
    shrinkage: npt.NDArray[np.float64]
    noise: Table
    expected: Table


class _Chain:
    """One Markov chain: a sweep draws users, items, and everything that their priors and the noise rest on."""

    def __init__(self, sides: list[_Side], latent_dim: int, seed: list[int]) -> None:
        self._sides, self._seed = sides, seed
        rng = np.random.default_rng([*seed, 0])
        dim = latent_dim + 1
        self.tau = 1.5
        self.draws = [
            _Draw(
                rng.normal(0, 0.1, (len(side), dim)).astype(np.float32),
                np.zeros((len(other) + side.features.shape[1], dim), np.float32),
                np.zeros(dim, np.float32),
                5.0 * np.eye(dim),
                np.array(5.0),
                np.ones(len(side), np.float32),
                np.zeros((len(side), dim), np.float32),
            )
            for side, other in zip(sides, sides[::-1], strict=True)
        ]

    def sweep(self, number: int) -> float:
        """One sweep; returns the mean squared error of the draw, in squared spreads of the stars."""
        rng = np.random.default_rng([*self._seed, 1, number])
        for own in (0, 1):
            self._draw_rows(rng, own)
            self._draw_prior(rng, own)
        users, items = self.draws
        u, i = self._sides[0].rows, self._sides[0].columns
        error = self._sides[0].values - users.latent[u, -1] - items.latent[i, -1]
        factors = (np.ascontiguousarray(draw.latent[:, :-1]) for draw in self.draws)
        error -= inner_products(next(factors), u, next(factors), i)
        square = np.square(error, dtype=np.float64)
        for draw, index, other, other_index, freedom in (
            (users, u, items, i, _NOISE_FREEDOM[0]),
            (items, i, users, u, _NOISE_FREEDOM[1]),
        ):
            total = np.bincount(index, square * other.noise[other_index], len(draw.noise))
            counts = np.bincount(index, minlength=len(draw.noise))
            draw.noise = (rng.gamma((freedom + counts) / 2) / ((freedom + self.tau * total) / 2)).astype(np.float32)
        weighted = float(square @ (users.noise[u] * items.noise[i]))
        self.tau = float(rng.gamma((len(square) + 1) / 2) / ((1 + weighted) / 2))
        return float(square.mean())

    def _draw_rows(self, rng: np.random.Generator, own: int) -> None:
        """(x, b) of one side given the other: a linear regression of each row's stars, all at once.

        A draw of the posterior is a draw of the prior moved by what noisy stars say beyond it (Matheron's rule).
        A row of many cells solves for its dim numbers, a row of few for its cells instead: the same by Woodbury's
        identity, in a fraction of the time.
        """
        side, draw, other = self._sides[own], self.draws[own], self.draws[1 - own]
        dim = draw.latent.shape[1]
        design = other.latent.copy()
        design[:, -1] = 1.0
        weight = np.float32(self.tau) * draw.noise[side.rows] * other.noise[side.columns]
        stars = side.values - other.latent[side.columns, -1]
        stars += rng.standard_normal(len(weight), dtype=np.float32) / np.sqrt(weight)
        covariance = np.linalg.inv(draw.precision)
        root = np.linalg.cholesky(covariance).astype(np.float32)
        latent = draw.expected + rng.standard_normal((len(side), dim), dtype=np.float32) @ root.T
        prior_precision, prior_covariance = draw.precision.astype(np.float32), covariance.astype(np.float32)

        upper = np.triu_indices(dim)
        place = np.empty((dim, dim), np.intp)  # of each product among the stored ones
        place[upper] = place.T[upper] = np.arange(len(upper[0]))
        pairs, weighted = design[:, upper[0]] * design[:, upper[1]], weight * stars
        for block in side.long:
            precision = np.take(block.matrix(weight) @ pairs, place, axis=1)
            precision += prior_precision
            right = block.matrix(weighted) @ design + latent[block.rows] @ prior_precision
            latent[block.rows] = np.linalg.solve(precision, right[:, :, None])[:, :, 0]

        for rows, cells in side.short:
            met = design[side.columns[cells]]
            reach = met @ prior_covariance
            between = reach @ met.transpose(0, 2, 1)
            between[:, np.arange(cells.shape[1]), np.arange(cells.shape[1])] += 1 / weight[cells]
            missed = stars[cells][:, :, None] - met @ latent[rows][:, :, None]
            latent[rows] += np.einsum("mn,mnk->mk", np.linalg.solve(between, missed)[:, :, 0], reach)
        draw.latent = latent

    def _draw_prior(self, rng: np.random.Generator, own: int) -> None:
        """Mean, precision and table of one side's prior given its rows (Macau, equations 5-9)."""
        draw = self.draws[own]
        size, dim = draw.latent.shape
        fitted = draw.expected - draw.mean  # features times the last table
        offset = (draw.latent - fitted).astype(np.float64)
        centre = offset.mean(axis=0)
        spread = (offset - centre).T @ (offset - centre) + size / (size + 1) * np.outer(centre, centre)
        spread += float(draw.shrinkage) * (draw.table.T @ draw.table) + 0.1 * dim * np.eye(dim)
        draw.precision = _wishart(rng, np.linalg.inv(spread), dim + size + len(draw.table))
        root = np.linalg.inv(np.linalg.cholesky(draw.precision)).T  # root @ root.T is the covariance
        draw.mean = (size / (size + 1) * centre + root @ rng.standard_normal(dim) / np.sqrt(size + 1)).astype(
            np.float32
        )
        small = root.T.astype(np.float32)
        target = draw.latent - draw.mean + rng.standard_normal((size, dim), dtype=np.float32) @ small
        right = self._features_transposed(own, target)
        right += np.float32(np.sqrt(draw.shrinkage)) * (rng.standard_normal(right.shape, dtype=np.float32) @ small)
        draw.table = self._solve(own, right, draw.table, fitted, float(draw.shrinkage))
        size_of_table = float(np.einsum("nk,kl,nl->", draw.table, draw.precision, draw.table, optimize=True))
        draw.shrinkage = np.array(rng.gamma((draw.table.size + 1) / 2) / ((1 + size_of_table) / 2))
        draw.expected = self._features(own, draw.table) + draw.mean

    def _features(self, own: int, table: Table) -> Table:
        """Features of one side's rows times a table."""
        side, num_columns = self._sides[own], len(self._sides[1 - own])
        out: Table = side.marks @ table[:num_columns]
        out *= side.scale[:, None]
        out += side.features @ table[num_columns:]
        return out

    def _features_transposed(self, own: int, rows: Table) -> Table:
        """The transposed features times rows: a sum over the other side's cells."""
        side, other = self._sides[own], self._sides[1 - own]
        marks: Table = other.marks @ (side.scale[:, None] * rows)
        return np.concatenate([marks, side.features.T @ rows])

    def _solve(self, own: int, right: Table, start: Table, fitted: Table, shrinkage: float) -> Table:
        """Conjugate gradients on (F'F + shrinkage) table = right, each column by itself, from the last draw.

        Args:
            own: the side, whose features are F.
            right: the right side, shape ``(num_columns + num_features, dim)``.
            start: the last draw of the table, same shape.
            fitted: F start, shape ``(size, dim)``.
            shrinkage: precision of the table.
        """
        side, other = self._sides[own], self._sides[1 - own]
        diagonal = np.append(other.marks @ np.square(side.scale), np.square(side.features).sum(axis=0))
        invert = (1 / (diagonal + shrinkage)).astype(np.float32)[:, None]
        shrink = np.float32(shrinkage)

        def apply(table: Table) -> Table:
            return self._features_transposed(own, self._features(own, table)) + shrink * table

        solution, rest = start, right - self._features_transposed(own, fitted) - shrink * start
        scaled = invert * rest
        direction, size = scaled, np.einsum("nk,nk->k", rest, scaled)
        for _ in range(_CG_STEPS):
            image = apply(direction)
            step = size / np.maximum(np.einsum("nk,nk->k", direction, image), np.float32(1e-20))
            solution = solution + step * direction
            rest = rest - step * image
            scaled = invert * rest
            new_size = np.einsum("nk,nk->k", rest, scaled)
            direction = scaled + new_size / np.maximum(size, np.float32(1e-20)) * direction
            size = new_size
        return solution


def _wishart(rng: np.random.Generator, scale: npt.NDArray[np.float64], freedom: float) -> npt.NDArray[np.float64]:
    """A draw from the Wishart distribution by Bartlett's decomposition."""
    dim = len(scale)
    lower = np.tril(rng.standard_normal((dim, dim)), -1)
    lower[np.diag_indices(dim)] = np.sqrt(rng.chisquare(freedom - np.arange(dim)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ lower
    draw: npt.NDArray[np.float64] = root @ root.T
    return draw


class _Summary:
    """Mean of <x_u, y_i> over draws as factors of a fixed width, and the means of all that is linear.

    Each side is the stack of its latent vectors, the table and m: all of these are mapped alike when the
    factors of old and new draws are compressed to the best ones of fewer columns (the singular vectors of the mean).
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.count = 0
        self.tau = 0.0
        self.variances: list[npt.NDArray[np.float64]] = []  # of each row's stars, in all: summed over draws
        self.factors: list[Table] = []
        self.biases: list[npt.NDArray[np.float64]] = []
        self.buffer: list[list[Table]] = [[], []]
        self.sizes: list[int] = []

    def add(self, sides: list[_Side], draws: list[_Draw], tau: float) -> None:
        """Takes in one draw."""
        self.tau += tau
        stacked = [np.concatenate([draw.latent, draw.table, draw.mean[None]]) for draw in draws]
        if not self.biases:
            self.sizes = [len(draw.latent) for draw in draws]
            self.biases = [np.zeros(len(stack)) for stack in stacked]
            self.variances = [np.zeros(size) for size in self.sizes]
            self.factors = [np.zeros((len(stack), 0), np.float32) for stack in stacked]
        for side, stack in enumerate(stacked):
            latent, other = draws[side].latent, draws[1 - side].latent
            reach = _moment(other[:, :-1], sides[1 - side])
            self.variances[side] += np.square(latent[:, -1]) + _quadratic(latent[:, :-1], reach)
            self.variances[side] += 1 / (tau * draws[side].noise)
            self.biases[side] += stack[:, -1]
            self.buffer[side].append(stack[:, :-1])
        if len(self.buffer[0]) == _BUFFER:
            self._compress()

    def _compress(self) -> None:
        if not self.buffer[0]:
            return
        new = len(self.buffer[0])
        total = self.count + new
        stacks = [
            np.concatenate(
                [
                    np.float32(np.sqrt(self.count / total)) * old,
                    *(np.float32(np.sqrt(1 / total)) * one for one in buffer),
                ],
                axis=1,
            )
            for old, buffer in zip(self.factors, self.buffer, strict=True)
        ]
        roots, inverses = zip(
            *(_root(stack[:size]) for stack, size in zip(stacks, self.sizes, strict=True)), strict=True
        )
        left, values, right = np.linalg.svd(roots[0] @ roots[1].T)
        keep = slice(0, self.width)
        for side, vectors in ((0, left), (1, right.T)):
            mapping = (inverses[side] @ (vectors[:, keep] * np.sqrt(values[keep]))).astype(np.float32)
            self.factors[side] = stacks[side] @ mapping
        self.count, self.buffer = total, [[], []]

    def finished(self) -> list[Table]:
        """(x, b) stacks of both sides over all draws so far."""
        self._compress()
        return [
            np.column_stack([factors, bias / self.count]).astype(np.float32)
            for factors, bias in zip(self.factors, self.biases, strict=True)
        ]

    def sureness(self, sides: list[_Side], rows: list[Table]) -> list[Table]:
        """Noise of a usual rating over that of each row's, in which what is unknown of the row counts as noise."""
        usual, found = self.count / self.tau, []
        for side in (0, 1):
            reach = _moment(rows[1 - side][:, :-1], sides[1 - side])
            known = np.square(rows[side][:, -1], dtype=np.float64) + _quadratic(rows[side][:, :-1], reach)
            spread = np.maximum(self.variances[side] / self.count - known, 0.1 * usual)
            found.append((usual / spread).astype(np.float32))
        return found


def _moment(latent: Table, side: _Side) -> Table:
    """Second moment of latent vectors over the cells of a side, shape ``(dim, dim)``."""
    counts = side.ratings.user_counts.astype(np.float32)[:, None]
    return (latent.T @ (latent * counts) / len(side.rows)).astype(np.float32)


def _quadratic(latent: Table, form: Table) -> npt.NDArray[np.float64]:
    """The quadratic form of each row, shape ``(n,)``."""
    products: npt.NDArray[Any] = np.einsum("nk,nk->n", latent @ form, latent)
    return products.astype(np.float64)


def _root(rows: Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """R with rows = Q R, Q orthonormal, and the inverse of R where R is not nearly singular."""
    values, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    large = values > values[-1] * 1e-9
    root = np.sqrt(np.where(large, values, 0.0))
    inverse = np.where(large, 1 / np.where(large, root, 1.0), 0.0)
    return root[:, None] * vectors.T, vectors * inverse


class BayesianLearner:
    """Draws from the posterior, one sweep of every chain an epoch.

    Args:
        ratings: training ratings.
        settings: settings of this fit.
        item_features: side information, what is known of each item beside its ratings, shape ``(num_items, any)``.
        seed: seed of all draws; a sweep's random numbers follow from it, the chain and the epoch alone.
    """

    def __init__(
        self, ratings: Ratings, settings: BayesianSettings, *, seed: int, item_features: Table | None = None
    ) -> None:
        self.ratings, self.settings = ratings, settings
        self._mean = float(ratings.values.mean(dtype=np.float64))
        self._spread = float(ratings.values.std(dtype=np.float64)) or 1.0
        values = ((ratings.values - np.float32(self._mean)) / np.float32(self._spread)).astype(np.float32)
        shortest = settings.latent_dim // 2
        self._sides = [
            _Side(ratings, values, shortest),
            _Side(ratings.transposed(), values[ratings.item_order], shortest, item_features),
        ]
        self._chains = [_Chain(self._sides, settings.latent_dim, [seed, 5, chain]) for chain in range(CHAINS)]
        self._summary = _Summary(settings.width)

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One sweep of each chain; returns the mean squared error of its draws, in squared rating points."""
        # threads of the linear algebra would fight with those of the chains over matrices of a dozen or two columns
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(CHAINS) as pool:
            errors = list(pool.map(lambda chain: chain.sweep(epoch), self._chains))
            if epoch >= self.settings.burn_in:
                for chain in self._chains:
                    self._summary.add(self._sides, chain.draws, chain.tau)
        return float(np.mean(errors)) * self._spread**2

    def trained(self) -> TrainedBayesian:
        """The mean over all draws since burn-in."""
        if not self._summary.biases:
            raise ValueError("No draw has been kept yet: train for more epochs than settings.burn_in.")
        stacks = self._summary.finished()
        sureness = self._summary.sureness(
            self._sides, [stack[: len(side)] for stack, side in zip(stacks, self._sides, strict=True)]
        )
        stacks[0] *= np.float32(self._spread)  # users' factors carry the unit
        stacks[1][:, -1] *= np.float32(self._spread)
        precision = self._summary.tau / self._summary.count / self._spread**2
        rows = [stack[: len(side)] for stack, side in zip(stacks, self._sides, strict=True)]
        priors = [
            self._prior(own, stacks[own], rows[own], rows[1 - own], sureness[1 - own], precision) for own in (0, 1)
        ]
        return TrainedBayesian.assembled(self._mean, self.ratings.scale, rows, priors, sureness, precision)

    def _prior(self, own: int, stack: Table, rows: Table, others: Table, sureness: Table, precision: float) -> Prior:
        """The prior of new rows of one side. They meet the other side's mean factors; rows of the chains, a draw."""
        side, ratings = self._sides[own], self._sides[own].ratings
        table, mean = stack[len(side) : -1], stack[-1]
        marks, features = table[: ratings.num_items], table[ratings.num_items :]
        weight = ratings.user_counts.astype(np.float32) / np.float32(len(ratings))
        usual_mark = (ratings.item_counts.astype(np.float32) / np.float32(len(ratings))) @ marks
        expected = (side.marks @ marks) * side.scale[:, None] + mean + side.features @ features
        unknown = mean + side.level(np.zeros(1))[0] * features[0]
        dim = stack.shape[1]
        prior = Prior(
            (weight @ expected).astype(np.float32),
            (marks - usual_mark).astype(np.float32),
            np.eye(dim, dtype=np.float32),
            np.array(_NOISE_FREEDOM[own]),
            unknown,
        )
        left = ratings.values - np.float32(self._mean) - others[side.columns, -1]
        design = np.concatenate([others[:, :-1], np.ones((len(others), 1), np.float32)], axis=1)
        return prior.fitted(rows, cells_matrix(ratings, left), design, sureness, precision)

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to go on exactly."""
        arrays: Arrays = {"tau": np.array([self._summary.tau, *(chain.tau for chain in self._chains)])}
        for number, chain in enumerate(self._chains):
            for side, draw in enumerate(chain.draws):
                arrays |= {f"chain{number}_{side}_{name}": value for name, value in vars(draw).items()}
        summary = self._summary
        arrays["summary"] = np.array([summary.count, *summary.sizes])
        for side, (factors, bias) in enumerate(zip(summary.factors, summary.biases, strict=True)):
            arrays |= {f"factors_{side}": factors, f"biases_{side}": bias, f"variances_{side}": summary.variances[side]}
            if summary.buffer[side]:
                arrays[f"buffer_{side}"] = np.stack(summary.buffer[side])
        return arrays

    def restore(self, state: Arrays) -> None:
        """Takes up a `state` of a learner with the same ratings and settings."""
        self._summary.tau, *taus = state["tau"].tolist()
        for number, (chain, tau) in enumerate(zip(self._chains, taus, strict=True)):
            chain.tau = tau
            chain.draws = [
                _Draw(**{name: state[f"chain{number}_{side}_{name}"] for name in _Draw.__dataclass_fields__})
                for side in (0, 1)
            ]
        summary = self._summary
        summary.count, *summary.sizes = state["summary"].tolist()
        if summary.sizes:
            summary.factors = [state[f"factors_{side}"] for side in (0, 1)]
            summary.biases = [state[f"biases_{side}"] for side in (0, 1)]
            summary.variances = [state[f"variances_{side}"] for side in (0, 1)]
            summary.buffer = [list(state[f"buffer_{side}"]) if f"buffer_{side}" in state else [] for side in (0, 1)]
