"""The neighbour correction: a person's own ratings of similar items change a prediction.

A person's rating of a nearly identical item (a sequel, a franchise, a film of the same director) predicts better than
a latent vector (Koren 2008, "Factorization meets the neighborhood"). Two items are similar when
their latent vectors point the same way. No array has the size items x items. The session effect does the same
with ratings of nearly the same time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray
from .base import Table

_SQUARINGS = 3  # similarity is the cosine to the eighth power: only near copies count
_DAMPING = 0.5  # sum of similarities at which the confidence is a half
_SESSION_SECONDS, _SESSION_DAMPING = 170.0, 1.0  # seconds in which nearness falls to 1/e; as `_DAMPING`
_MAX_NUMBERS = 1 << 22
_TINY = 1e-12


def neighbour_means(
    residuals: Any, latent: Table, wanted: Table, users: IntArray, items: IntArray, *, max_numbers: int = _MAX_NUMBERS
) -> tuple[FloatArray, FloatArray]:
    """Mean residual of each cell's user at similar items, and the confidence in it.

    Args:
        residuals: of the people's ratings on their biases, a CSR matrix of shape ``(num_users, num_items)``.
        latent: of the items that these ratings are of, shape ``(num_items, latent_dim)``.
        wanted: latent vectors of the items to predict, same width.
        users: row of each cell in ``residuals``, shape ``(n,)``; -1 for an unknown user.
        items: row of each cell in ``wanted``, shape ``(n,)``; -1 for an unknown item.
        max_numbers: similarities held at a time; it bounds memory and changes no number.

    Returns:
        Means in rating points and confidences from 0 to 1, both of shape ``(n,)``; 0 and 0 where nothing is similar.
    """
    rated, asked = directions(latent), directions(wanted)
    means, confidences = np.zeros(len(users)), np.zeros(len(users))
    known = np.flatnonzero((users >= 0) & (items >= 0))
    order = known[np.argsort(users[known], kind="stable")]
    owners, starts = np.unique(users[order], return_index=True)
    for owner, cells in zip(owners.tolist(), np.split(order, starts)[1:], strict=True):
        row = slice(residuals.indptr[owner], residuals.indptr[owner + 1])
        near, values = rated[residuals.indices[row]], residuals.data[row]
        step = max(1, max_numbers // max(len(values), 1))
        for start in range(0, len(cells), step):
            some = cells[start : start + step]
            similar = similarities(asked[items[some]], near)
            means[some], confidences[some], _ = neighbourhood(similar, values)
    return means, confidences


def similarities(wanted: Table, near: Table) -> Table:
    """Similarities of items, from 0 to 1, by their directions: shape ``(len(wanted), len(near))``."""
    similar: Table = wanted @ near.T
    np.maximum(similar, 0, out=similar)
    for _ in range(_SQUARINGS):
        np.square(similar, out=similar)
    return similar


def neighbourhood(similar: npt.NDArray[Any], residuals: npt.NDArray[Any]) -> tuple[Any, Any, npt.NDArray[Any]]:
    """Mean residual of a person's rated items that are similar to each wanted one.

    Args:
        similar: similarities, shape ``(m, n)``.
        residuals: of the ``n`` ratings, rating points.

    Returns:
        Weighted means of the residuals, confidences in them from 0 to 1, and sums of the similarities, never 0; all of
        shape ``(m,)``.
    """
    sums = similar.sum(axis=1).astype(np.float64)
    weights = np.maximum(sums, _TINY)
    return similar @ residuals / weights, sums / (sums + _DAMPING), weights


def corrected(
    predictions: FloatArray, biases: FloatArray, means: FloatArray, weights: float | FloatArray
) -> npt.NDArray[np.float64]:
    """Predictions moved towards bias plus mean residual of the neighbours, by weights from 0 to 1; shape ``(n,)``."""
    return np.asarray(predictions + weights * (biases + means - predictions), dtype=np.float64)


def session_means(residuals: Any, given: IntArray, users: IntArray, times: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean residual of each cell's user at nearly the same time, and the confidence in it.

    People who rate many items in one session rate similar items, in one mood.

    Args:
        residuals: of the people's ratings on their biases, a CSR matrix of shape ``(num_users, num_items)``.
        given: when each of these ratings was given, seconds, in the order of ``residuals.data``.
        users: row of each cell, shape ``(n,)``; -1 for an unknown user.
        times: when each cell's rating is given, seconds, shape ``(n,)``.

    Returns:
        As for `neighbour_means`.
    """
    sums, weights = np.zeros(len(users)), np.zeros(len(users))
    for cell, (owner, time) in enumerate(zip(users.tolist(), times.tolist(), strict=True)):
        if owner >= 0:
            row = slice(residuals.indptr[owner], residuals.indptr[owner + 1])
            nearness = np.exp(np.abs(given[row] - time) / -_SESSION_SECONDS)
            sums[cell], weights[cell] = nearness @ residuals.data[row], nearness.sum()
    return sums / np.maximum(weights, _TINY), weights / (weights + _SESSION_DAMPING)


def directions(latent: Table) -> Table:
    """Vectors of length 1; zero where there is none."""
    length = np.linalg.norm(latent, axis=1, keepdims=True)
    unit: Table = (latent / np.maximum(length, _TINY)).astype(np.float32)
    return unit
