"""Where to look next: which items to rate, which belong together, and how they lie on a map.

Plain arrays in, plain arrays out: everything follows from the factors of a trained model's users and items.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.floating[Any]]


def narrowed(covariance: Floats, known: Table, noise: float) -> Floats:
    """What is left of a person's possible factors once they have rated some items.

    A person is a point from a cloud with this covariance, and a rating is the point's projection on the item's factors
    with noise. Which stars were given does not matter for how much is left.

    Args:
        covariance: of the training users' factors and biases, shape ``(dim, dim)``.
        known: factors of the rated items and a 1 for the bias, shape ``(n, dim)``.
        noise: variance of a rating, squared rating points.

    Returns:
        Covariance given those ratings, shape ``(dim, dim)``.

    Example:
        >>> narrowed(np.ones((1, 1)), np.ones((1, 1)), noise=1.0)
        array([[0.5]])
    """
    if not len(known):
        return covariance
    left = np.linalg.solve(np.eye(len(covariance)) + covariance @ (known.T @ known) / noise, covariance)
    return np.asarray((left + left.T) / 2, dtype=np.float64)


def information(covariance: Floats, asked: Table, targets: Table, noise: float) -> Floats:
    """How much one more rating, of each asked item, would narrow down a person's stars at the targets.

    The mean variance of the targets falls by so much (Bayesian experimental design; Chaloner and Verdinelli 1995).

    Args:
        covariance: of the person's factors and bias as far as they are known (`narrowed`), shape ``(dim, dim)``.
        asked: factors of the items that could be rated and a 1 for the bias, shape ``(m, dim)``.
        targets: likewise of the items that matter, shape ``(t, dim)``.
        noise: variance of a rating, squared rating points.

    Returns:
        Squared rating points, shape ``(m,)``, none negative.

    Example:
        >>> bias_only = np.ones((1, 1))
        >>> information(bias_only, bias_only, bias_only, noise=1.0)
        array([0.5])
    """
    pulled = asked @ covariance
    gains = np.square(pulled @ targets.T).mean(axis=1)
    return np.asarray(gains / (noise + np.einsum("md,md->m", pulled, asked)), dtype=np.float64)


def clusters(vectors: Table, number: int) -> IntArray:
    """Groups vectors that point the same way, by k-means on their directions; the same every time.

    Args:
        vectors: shape ``(n, dim)``.
        number: groups wanted; no more than ``n``.

    Returns:
        Group of each vector, from 0 in the order of their first vector, shape ``(n,)``.
    """
    from scipy.cluster.vq import kmeans2

    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    labels = kmeans2(units.astype(np.float64), min(number, len(units)), minit="++", iter=50, rng=0)[1]
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group]


def plane(vectors: Table) -> tuple[Floats, Table]:
    """The two directions in which vectors differ most: principal components, signs fixed.

    Args:
        vectors: shape ``(n, dim)``, n at least 2.

    Returns:
        Mean vector, shape ``(dim,)``, and directions, shape ``(dim, 2)``.
    """
    middle = vectors.mean(axis=0, dtype=np.float64)
    directions = np.linalg.svd(vectors - middle, full_matrices=False)[2][:2].T
    if directions.shape[1] < 2:
        directions = np.pad(directions, ((0, 0), (0, 2 - directions.shape[1])))
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    return middle, directions * np.where(signs == 0, 1, signs)
