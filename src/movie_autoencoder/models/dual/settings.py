"""Settings of one fit of the dual autoencoder, none left open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DualSettings:
    """Settings of a `DualAutoencoder` and of its training.

    Args:
        latent_dim: size of a latent vector.
        l2: penalty on the tables; divided by the number of ratings, beside the mean squared error.
        hidden_fraction: fraction of the ratings hidden in a step.
        hidden_rows: fraction of users and items of which more is hidden, at a rate drawn anew, up to everything.
        damping: damping of the biases, in ratings.
    """

    latent_dim: int
    l2: float
    hidden_fraction: float
    hidden_rows: float
    damping: float
