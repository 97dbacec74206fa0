"""What a person's own stars at alike items say of one more item: the part of taste that a few dozen factors leave out.

Sequels, franchises, one director's films: where somebody rated items that are nearly the same as the one in question,
those stars say more than a vector of taste does (Koren 2008, "Factorization meets the neighborhood"). Items are alike
whose latent vectors point the same way. Nothing of the size of items x items is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray

Table = npt.NDArray[np.float32]

_SQUARINGS = 3  # likeness is the cosine to the eighth power: hardly anything but near copies counts
_DAMPING = 0.5  # near copies at which a neighbourhood is believed by half
_SITTING, _SITTING_DAMPING = 170.0, 1.0  # seconds in which nearness falls to 1/e; ratings as for a neighbourhood
_NUMBERS = 1 << 22  # likenesses held at a time
_TINY = 1e-12


def neighbour_means(
    residuals: Any, latent: Table, asked: Table, users: IntArray, items: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Mean residual of each cell's user at items alike, and how far to believe it.

    Args:
        residuals: of the people's ratings on their biases, a CSR matrix of shape ``(num_users, num_items)``.
        latent: of the items that these ratings are of, shape ``(num_items, latent_dim)``.
        asked: latent vectors of the items that are asked for, same width.
        users: row of each cell in ``residuals``, shape ``(n,)``; -1 for an unknown user.
        items: row of each cell in ``asked``, shape ``(n,)``; -1 for an unknown item.

    Returns:
        Means in rating points and beliefs from 0 to 1, both of shape ``(n,)``; 0 and 0 where nothing is alike.
    """
    rated, wanted = directions(latent), directions(asked)
    sums, weights = np.zeros(len(users)), np.zeros(len(users))
    known = np.flatnonzero((users >= 0) & (items >= 0))
    order = known[np.argsort(users[known], kind="stable")]
    owners, starts = np.unique(users[order], return_index=True)
    for owner, cells in zip(owners.tolist(), np.split(order, starts)[1:], strict=True):
        row = slice(residuals.indptr[owner], residuals.indptr[owner + 1])
        near, values = rated[residuals.indices[row]], residuals.data[row]
        step = max(1, _NUMBERS // max(len(values), 1))
        for start in range(0, len(cells), step):
            some = cells[start : start + step]
            alike = likeness(wanted[items[some]], near)
            sums[some], weights[some] = alike @ values, alike.sum(axis=1)
    return sums / np.maximum(weights, _TINY), weights / (weights + _DAMPING)


def likeness(wanted: Table, near: Table) -> Table:
    """How alike items are, from 0 to 1, by their directions: shape ``(len(wanted), len(near))``."""
    alike: Table = wanted @ near.T
    np.maximum(alike, 0, out=alike)
    for _ in range(_SQUARINGS):
        np.square(alike, out=alike)
    return alike


def neighbourhood(alike: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of each item's likenesses, never 0, and how far to believe them; both of shape ``(len(alike),)``."""
    weights = alike.sum(axis=1)
    return np.maximum(weights, _TINY), weights / (weights + _DAMPING)


def sitting_means(residuals: Any, given: IntArray, users: IntArray, times: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean residual of each cell's user at nearly the same time, and how far to believe it.

    Who rates many items in one sitting goes through lists of much alike ones, in one mood.

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
            nearness = np.exp(np.abs(given[row] - time) / -_SITTING)
            sums[cell], weights[cell] = nearness @ residuals.data[row], nearness.sum()
    return sums / np.maximum(weights, _TINY), weights / (weights + _SITTING_DAMPING)


def directions(latent: Table) -> Table:
    """Vectors of length 1."""
    length = np.linalg.norm(latent, axis=1, keepdims=True)
    unit: Table = (latent / np.maximum(length, _TINY)).astype(np.float32)
    return unit
