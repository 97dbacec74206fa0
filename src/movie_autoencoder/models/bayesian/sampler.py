"""One Markov chain of Bayesian matrix factorization: Gibbs sampling, each block in closed form given the rest.

    rating(u, i) ~ N(mean + <x_u, y_i> + b_u + b_i,  1 / (tau h_u h_i))
    (x_u, b_u)   ~ N(m + sum over rated i of C_i / sqrt(n_u + 10) + features_u L,  1 / Lambda),    and so for items

The prior mean of a row reads its implicit feedback, *which* items were rated, and how many; the ratings then move it as
far as the noise h of that user and of those items allows. This is Bayesian matrix factorization (Salakhutdinov and Mnih
2008, "Bayesian probabilistic matrix factorization using MCMC") with implicit feedback as features, whose table C is
drawn by conjugate gradients (Simm et al. 2017, "Macau", arXiv:1509.04610). What is added to it: each user and item has
a noise of its own, and the number of ratings is a feature. docs/experiments.md has the figures. NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import wishart

from ..base import Table, inner_products
from .settings import SamplerOptions
from .sides import Side


@dataclass
class Draw:
    """The current draw of one side.

    Args:
        latent: (x, b) of each row, shape ``(size, dim)``.
        table: C, then a row for each feature; shape ``(num_columns + num_features, dim)``.
        mean: m, shape ``(dim,)``.
        precision: Lambda, shape ``(dim, dim)``.
        shrinkage: precision of the table in units of Lambda, shape ``()``.
        noise: h of each row, shape ``(size,)``.
        prior_means: of the rows, shape ``(size, dim)``.
    """

    latent: Table
    table: Table
    mean: Table
    precision: npt.NDArray[np.float64]
    shrinkage: npt.NDArray[np.float64]
    noise: Table
    prior_means: Table


class Chain:
    """One Markov chain: a sweep draws users, items, and everything that their priors and the noise rest on.

    Args:
        sides: users and items.
        latent_dim: size of a latent vector.
        seed: of this chain; a sweep's random numbers follow from it and the sweep's number.
        options: how the sampler works.

    Attributes:
        tau: precision of the noise of an average rating, in standardised ratings.
        draws: the current draw of each side.
    """

    def __init__(
        self, sides: Sequence[Side], latent_dim: int, seed: Sequence[int], options: SamplerOptions | None = None
    ) -> None:
        self.sides, self.seed, self.options = sides, list(seed), options or SamplerOptions()
        rng = np.random.default_rng([*seed, 0])
        dim = latent_dim + 1
        self.tau = 1.5
        self.draws = [
            Draw(
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
        """One sweep; returns the mean squared error of the draw, in squared standard deviations of the ratings."""
        rng = np.random.default_rng([*self.seed, 1, number])
        for own in (0, 1):
            self.draw_rows(rng, own)
            self.draw_prior(rng, own)
        users, items = self.draws
        u, i = self.sides[0].rows, self.sides[0].columns
        error = self.sides[0].values - users.latent[u, -1] - items.latent[i, -1]
        factors = (np.ascontiguousarray(draw.latent[:, :-1]) for draw in self.draws)
        error -= inner_products(next(factors), u, next(factors), i)
        square = np.square(error, dtype=np.float64)
        for draw, index, other, other_index, dof in (
            (users, u, items, i, self.options.noise_dof[0]),
            (items, i, users, u, self.options.noise_dof[1]),
        ):
            total = np.bincount(index, square * other.noise[other_index], len(draw.noise))
            counts = np.bincount(index, minlength=len(draw.noise))
            draw.noise = (rng.gamma((dof + counts) / 2) / ((dof + self.tau * total) / 2)).astype(np.float32)
        weighted = float(square @ (users.noise[u] * items.noise[i]))
        self.tau = float(rng.gamma((len(square) + 1) / 2) / ((1 + weighted) / 2))
        return float(square.mean())

    def draw_rows(self, rng: np.random.Generator, own: int) -> None:
        """(x, b) of one side given the other: a linear regression of each row's ratings, all at once.

        A draw of the posterior is a draw of the prior moved by what noisy ratings say beyond it (Matheron's rule;
        Hoffman and Ribak 1991). A row of many cells solves for its dim numbers, a row of few for its cells instead:
        the same by Woodbury's identity, in a fraction of the time.
        """
        side, draw, other = self.sides[own], self.draws[own], self.draws[1 - own]
        dim = draw.latent.shape[1]
        design = other.latent.copy()
        design[:, -1] = 1.0
        weight = np.float32(self.tau) * draw.noise[side.rows] * other.noise[side.columns]
        noisy = side.values - other.latent[side.columns, -1]
        noisy += rng.standard_normal(len(weight), dtype=np.float32) / np.sqrt(weight)
        covariance = np.linalg.inv(draw.precision)
        root = np.linalg.cholesky(covariance).astype(np.float32)
        latent = draw.prior_means + rng.standard_normal((len(side), dim), dtype=np.float32) @ root.T
        prior_precision, prior_covariance = draw.precision.astype(np.float32), covariance.astype(np.float32)

        upper = np.triu_indices(dim)
        index_of = np.empty((dim, dim), np.intp)  # of each product among the stored ones
        index_of[upper] = index_of.T[upper] = np.arange(len(upper[0]))
        pairs, weighted = design[:, upper[0]] * design[:, upper[1]], weight * noisy
        for block in side.long:
            precision = np.take(block.to_csr(weight) @ pairs, index_of, axis=1)
            precision += prior_precision
            right = block.to_csr(weighted) @ design + latent[block.rows] @ prior_precision
            latent[block.rows] = np.linalg.solve(precision, right[:, :, None])[:, :, 0]

        for rows, cells in side.short:
            met = design[side.columns[cells]]
            reach = met @ prior_covariance
            between = reach @ met.transpose(0, 2, 1)
            between[:, np.arange(cells.shape[1]), np.arange(cells.shape[1])] += 1 / weight[cells]
            missed = noisy[cells][:, :, None] - met @ latent[rows][:, :, None]
            latent[rows] += np.einsum("mn,mnk->mk", np.linalg.solve(between, missed)[:, :, 0], reach)
        draw.latent = latent

    def draw_prior(self, rng: np.random.Generator, own: int) -> None:
        """Mean, precision and table of one side's prior given its rows (Macau, equations 5-9)."""
        draw = self.draws[own]
        size, dim = draw.latent.shape
        fitted = draw.prior_means - draw.mean  # features times the last table
        offset = (draw.latent - fitted).astype(np.float64)
        centre = offset.mean(axis=0)
        scatter = (offset - centre).T @ (offset - centre) + size / (size + 1) * np.outer(centre, centre)
        scatter += float(draw.shrinkage) * (draw.table.T @ draw.table) + 0.1 * dim * np.eye(dim)
        draw.precision = wishart.rvs(dim + size + len(draw.table), np.linalg.inv(scatter), random_state=rng)
        root = np.linalg.inv(np.linalg.cholesky(draw.precision)).T  # root @ root.T is the covariance
        draw.mean = (size / (size + 1) * centre + root @ rng.standard_normal(dim) / np.sqrt(size + 1)).astype(
            np.float32
        )
        small = root.T.astype(np.float32)
        target = draw.latent - draw.mean + rng.standard_normal((size, dim), dtype=np.float32) @ small
        right = self.features_transposed(own, target)
        right += np.float32(np.sqrt(draw.shrinkage)) * (rng.standard_normal(right.shape, dtype=np.float32) @ small)
        draw.table = self.solve_table(own, right, draw.table, fitted, float(draw.shrinkage))
        size_of_table = float(np.einsum("nk,kl,nl->", draw.table, draw.precision, draw.table, optimize=True))
        draw.shrinkage = np.array(rng.gamma((draw.table.size + 1) / 2) / ((1 + size_of_table) / 2))
        draw.prior_means = self.features(own, draw.table) + draw.mean

    def features(self, own: int, table: Table) -> Table:
        """Features of one side's rows times a table."""
        side, num_columns = self.sides[own], len(self.sides[1 - own])
        out: Table = side.implicit @ table[:num_columns]
        out *= side.scale[:, None]
        out += side.features @ table[num_columns:]
        return out

    def features_transposed(self, own: int, rows: Table) -> Table:
        """The transposed features times rows: a sum over the other side's cells."""
        side, other = self.sides[own], self.sides[1 - own]
        implicit: Table = other.implicit @ (side.scale[:, None] * rows)
        return np.concatenate([implicit, side.features.T @ rows])

    def solve_table(self, own: int, right: Table, start: Table, fitted: Table, shrinkage: float) -> Table:
        """Conjugate gradients on (F'F + shrinkage) table = right, each column by itself, from the last draw.

        Args:
            own: the side, whose features are F.
            right: the right side, shape ``(num_columns + num_features, dim)``.
            start: the last draw of the table, same shape.
            fitted: F start, shape ``(size, dim)``.
            shrinkage: precision of the table.
        """
        side, other = self.sides[own], self.sides[1 - own]
        diagonal = np.append(other.implicit @ np.square(side.scale), np.square(side.features).sum(axis=0))
        invert = (1 / (diagonal + shrinkage)).astype(np.float32)[:, None]
        shrink = np.float32(shrinkage)

        def apply(table: Table) -> Table:
            return self.features_transposed(own, self.features(own, table)) + shrink * table

        solution, rest = start, right - self.features_transposed(own, fitted) - shrink * start
        scaled = invert * rest
        direction, size = scaled, np.einsum("nk,nk->k", rest, scaled)
        for _ in range(self.options.conjugate_gradient_steps):
            image = apply(direction)
            step = size / np.maximum(np.einsum("nk,nk->k", direction, image), np.float32(1e-20))
            solution = solution + step * direction
            rest = rest - step * image
            scaled = invert * rest
            new_size = np.einsum("nk,nk->k", rest, scaled)
            direction = scaled + new_size / np.maximum(size, np.float32(1e-20)) * direction
            size = new_size
        return solution
