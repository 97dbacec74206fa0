"""Latent map: users' latent vectors in two dimensions, by principal component analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray, Ratings

_MAX_POINTS = 3_000  # more points would hide each other


@dataclass(frozen=True)
class LatentMap:
    """Users' latent vectors along their first two principal components.

    Args:
        first: coordinate of each drawn user along the first component.
        second: coordinate along the second component.
        colour: value that colours each point.
        colour_name: what this value is.
        explained: fractions of the variance of the latent vectors along the two components.
        num_users: number of users that the components were computed from.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    colour: tuple[float, ...]
    colour_name: str
    explained: tuple[float, float]
    num_users: int


def make_latent_map(
    latent: npt.NDArray[np.floating[Any]], ratings: Ratings | None, counts: IntArray, *, seed: int = 0
) -> LatentMap | None:
    """Projects the users' latent vectors on two dimensions.

    Args:
        latent: latent vectors, shape ``(num_users, latent_dim)``.
        ratings: the users' ratings, whose means colour the points; without them the counts do.
        counts: number of training ratings of each user.
        seed: chooses the users that are drawn when there are more than 3,000.

    Returns:
        None with fewer than three users with ratings, or when their vectors are equal.

    Example:
        >>> made = make_latent_map(np.array([[0, 3.0], [0, -3.0], [1, 0], [-1, 0]]), None, np.ones(4, dtype=int))
        >>> made.explained
        (0.9, 0.1)
    """
    drawn = np.flatnonzero(counts)
    num_users = len(drawn)
    if num_users < 3 or not latent.shape[1]:
        return None
    centre = latent[drawn].mean(axis=0, dtype=np.float64)
    centred = latent[drawn] - centre
    variances, components = _principal_components(centred.T @ centred)
    if variances.sum() <= 1e-12 * max(float((centre**2).sum()), 1.0) * num_users:
        return None
    if num_users > _MAX_POINTS:
        some = np.sort(np.random.default_rng([seed, 6]).choice(num_users, _MAX_POINTS, replace=False))
        drawn, centred = drawn[some], centred[some]
    points = centred @ components[:2].T
    if points.shape[1] == 1:
        points = np.column_stack([points, np.zeros(len(points))])
    if ratings is None:
        colour, name = np.log10(np.maximum(counts[drawn], 1)), "number of ratings (powers of ten)"
    else:
        colour = np.array([ratings.values[ratings.row(int(user))].mean() for user in drawn])
        name = "mean stars given"
    fractions = [*(variances / variances.sum()).tolist(), 0.0][:2]
    first, second, third = (tuple(np.round(column, 4).tolist()) for column in (points[:, 0], points[:, 1], colour))
    return LatentMap(first, second, third, name, (round(fractions[0], 4), round(fractions[1], 4)), num_users)


def _principal_components(moments: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variances and components (rows) of a symmetric matrix of second moments, largest first, signs fixed."""
    components, variances, _ = np.linalg.svd(moments, hermitian=True)
    strongest = np.argmax(np.abs(components), axis=0)
    signs = np.sign(components[strongest, np.arange(len(variances))])
    return variances, (components * signs).T
