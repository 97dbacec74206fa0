"""The posterior's summary: the mean over draws as factors of a fixed width, and the weight of each row's ratings.

Draws are not kept. Memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..base import Table
from .sampler import Draw
from .settings import SamplerOptions
from .sides import Side


class PosteriorSummary:
    """Mean of <x_u, y_i> over draws as factors of a fixed width, and the means of all that is linear.

    Each side is the stack of its latent vectors, the table and m: all of these are mapped alike when the
    factors of old and new draws are compressed to the best ones of fewer columns (the singular vectors of the mean;
    as in Brand 2006, "Fast low-rank modifications of the thin singular value decomposition").

    Args:
        width: columns of the factors.
        draws_per_compression: draws put beside the factors before both are compressed.
    """

    def __init__(self, width: int, *, draws_per_compression: int = SamplerOptions.draws_per_compression) -> None:
        self.width, self._draws_per_compression = width, draws_per_compression
        self.count = 0
        self.tau = 0.0
        self.variances: list[npt.NDArray[np.float64]] = []  # of each row's ratings, in all: summed over draws
        self.factors: list[Table] = []
        self.biases: list[npt.NDArray[np.float64]] = []
        self.buffer: list[list[Table]] = [[], []]
        self.sizes: list[int] = []

    def add(self, sides: Sequence[Side], draws: Sequence[Draw], tau: float) -> None:
        """Adds one draw."""
        self.tau += tau
        stacked = [np.concatenate([draw.latent, draw.table, draw.mean[None]]) for draw in draws]
        if not self.biases:
            self.sizes = [len(draw.latent) for draw in draws]
            self.biases = [np.zeros(len(stack)) for stack in stacked]
            self.variances = [np.zeros(size) for size in self.sizes]
            self.factors = [np.zeros((len(stack), 0), np.float32) for stack in stacked]
        for side, stack in enumerate(stacked):
            latent, other = draws[side].latent, draws[1 - side].latent
            moment = _moment(other[:, :-1], sides[1 - side])
            self.variances[side] += np.square(latent[:, -1]) + _quadratic(latent[:, :-1], moment)
            self.variances[side] += 1 / (tau * draws[side].noise)
            self.biases[side] += stack[:, -1]
            self.buffer[side].append(stack[:, :-1])
        if len(self.buffer[0]) == self._draws_per_compression:
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

    def row_weights(self, sides: Sequence[Side], rows: Sequence[Table]) -> list[Table]:
        """Inverse-variance weights of each row's ratings: the noise of an average rating over that of the row's.

        The uncertainty of the row's own factors counts as noise.
        """
        average, found = self.count / self.tau, []
        for side in (0, 1):
            moment = _moment(rows[1 - side][:, :-1], sides[1 - side])
            known = np.square(rows[side][:, -1], dtype=np.float64) + _quadratic(rows[side][:, :-1], moment)
            variance = np.maximum(self.variances[side] / self.count - known, 0.1 * average)
            found.append((average / variance).astype(np.float32))
        return found


def _moment(latent: Table, side: Side) -> Table:
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
