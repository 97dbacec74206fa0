"""Bayesian matrix factorization in training: several chains beside each other, and the mean over their draws.

Chains run in threads, each with its own random numbers, so that the result does not depend on timing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from ...data.ratings import Ratings
from ..base import Arrays, Table
from ..regression import RowPrior, column_residuals, with_bias_column
from .sampler import Chain, Draw
from .settings import BayesianSettings, SamplerOptions
from .sides import Side
from .summary import PosteriorSummary
from .trained import TrainedBayesian


class BayesianLearner:
    """Draws from the posterior, one sweep of every chain an epoch.

    Args:
        ratings: training ratings.
        settings: settings of this fit.
        seed: seed of all draws; a sweep's random numbers follow from it, the chain and the epoch alone.
        item_features: side information on each item, shape ``(num_items, any)``.
        options: how the sampler works.
    """

    def __init__(
        self,
        ratings: Ratings,
        settings: BayesianSettings,
        *,
        seed: int,
        item_features: Table | None = None,
        options: SamplerOptions | None = None,
    ) -> None:
        options = options or SamplerOptions()
        self.ratings, self.settings, self.options = ratings, settings, options
        self._mean = float(ratings.values.mean(dtype=np.float64))
        self._standard_deviation = float(ratings.values.std(dtype=np.float64)) or 1.0
        values = ((ratings.values - np.float32(self._mean)) / np.float32(self._standard_deviation)).astype(np.float32)
        shortest = settings.latent_dim // 2
        self.sides = [
            Side(ratings, values, shortest=shortest, block_rows=options.block_rows),
            Side(
                ratings.transposed(),
                values[ratings.item_order],
                shortest=shortest,
                block_rows=options.block_rows,
                features=item_features,
            ),
        ]
        self.chains = [
            Chain(self.sides, settings.latent_dim, [seed, 5, chain], options) for chain in range(options.chains)
        ]
        self.summary = PosteriorSummary(settings.width, draws_per_compression=options.draws_per_compression)

    def epoch(self, epoch: int, learning_rate: float) -> float:
        """One sweep of each chain; returns the mean squared error of its draws, in squared rating points."""
        # threads of the linear algebra would fight with those of the chains over matrices of a dozen or two columns
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(len(self.chains)) as pool:
            errors = list(pool.map(lambda chain: chain.sweep(epoch), self.chains))
            if epoch >= self.settings.burn_in:
                for chain in self.chains:
                    self.summary.add(self.sides, chain.draws, chain.tau)
        return float(np.mean(errors)) * self._standard_deviation**2

    def trained(self) -> TrainedBayesian:
        """The mean over all draws since burn-in."""
        if not self.summary.biases:
            raise ValueError("No draw has been kept yet: train for more epochs than settings.burn_in.")
        stacks = self.summary.finished()
        row_weights = self.summary.row_weights(
            self.sides, [stack[: len(side)] for stack, side in zip(stacks, self.sides, strict=True)]
        )
        stacks[0] *= np.float32(self._standard_deviation)  # users' factors carry the unit
        stacks[1][:, -1] *= np.float32(self._standard_deviation)
        precision = self.summary.tau / self.summary.count / self._standard_deviation**2
        rows = [stack[: len(side)] for stack, side in zip(stacks, self.sides, strict=True)]
        priors = [
            self._prior(own, stacks[own], rows[own], rows[1 - own], row_weights[1 - own], precision) for own in (0, 1)
        ]
        return TrainedBayesian.assembled(self._mean, self.ratings.scale, rows, priors, row_weights, precision)

    def _prior(
        self, own: int, stack: Table, rows: Table, others: Table, column_weights: Table, precision: float
    ) -> RowPrior:
        """The prior of new rows of one side. They meet the other side's mean factors; rows of the chains, a draw."""
        side, ratings = self.sides[own], self.sides[own].ratings
        table, mean = stack[len(side) : -1], stack[-1]
        implicit, feature_table = table[: ratings.num_items], table[ratings.num_items :]
        weight = ratings.user_counts.astype(np.float32) / np.float32(len(ratings))
        average_choice = (ratings.item_counts.astype(np.float32) / np.float32(len(ratings))) @ implicit
        prior_means = (side.implicit @ implicit) * side.scale[:, None] + mean + side.features @ feature_table
        unrated = mean + side.count_feature(np.zeros(1))[0] * feature_table[0]
        prior = RowPrior(
            (weight @ prior_means).astype(np.float32),
            (implicit - average_choice).astype(np.float32),
            np.eye(stack.shape[1], dtype=np.float32),
            np.array(self.options.noise_dof[own]),
            unrated,
        )
        residuals = ratings.to_csr(column_residuals(ratings, self._mean, others[:, -1]))
        design = with_bias_column(others[:, :-1])
        return prior.fit_covariance(rows, residuals, design, column_weights, precision)

    def state(self) -> Arrays:
        """Everything that a later `restore` needs to continue exactly."""
        arrays: Arrays = {"tau": np.array([self.summary.tau, *(chain.tau for chain in self.chains)])}
        for number, chain in enumerate(self.chains):
            for side, draw in enumerate(chain.draws):
                arrays |= {f"chain{number}_{side}_{name}": value for name, value in vars(draw).items()}
        summary = self.summary
        arrays["summary"] = np.array([summary.count, *summary.sizes])
        for side, (factors, bias) in enumerate(zip(summary.factors, summary.biases, strict=True)):
            arrays |= {f"factors_{side}": factors, f"biases_{side}": bias, f"variances_{side}": summary.variances[side]}
            if summary.buffer[side]:
                arrays[f"buffer_{side}"] = np.stack(summary.buffer[side])
        return arrays

    def restore(self, state: Arrays) -> None:
        """Restores a `state` of a learner with the same ratings and settings."""
        self.summary.tau, *taus = state["tau"].tolist()
        for number, (chain, tau) in enumerate(zip(self.chains, taus, strict=True)):
            chain.tau = tau
            chain.draws = [
                Draw(**{name: state[f"chain{number}_{side}_{name}"] for name in Draw.__dataclass_fields__})
                for side in (0, 1)
            ]
        summary = self.summary
        summary.count, *summary.sizes = state["summary"].tolist()
        if summary.sizes:
            summary.factors = [state[f"factors_{side}"] for side in (0, 1)]
            summary.biases = [state[f"biases_{side}"] for side in (0, 1)]
            summary.variances = [state[f"variances_{side}"] for side in (0, 1)]
            summary.buffer = [list(state[f"buffer_{side}"]) if f"buffer_{side}" in state else [] for side in (0, 1)]
