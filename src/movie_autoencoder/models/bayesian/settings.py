"""Settings of Bayesian matrix factorization: of one fit, and of how the sampler works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BayesianSettings:
    """Settings of one fit.

    Args:
        latent_dim: size of a latent vector of one draw.
        width: columns of the factors that stand for the mean over all draws.
        burn_in: sweeps of each chain before its draws count.
    """

    latent_dim: int
    width: int
    burn_in: int


@dataclass(frozen=True)
class SamplerOptions:
    """Settings of the sampler; the same for all data.

    Args:
        chains: Markov chains, each in a thread of its own.
        noise_dof: degrees of freedom, in ratings, of the priors of a user's noise and of an item's.
        conjugate_gradient_steps: for each draw of an implicit table.
        draws_per_compression: draws that are put beside the factors of the mean before these are compressed.
        block_rows: rows whose precision matrices are held at a time.
    """

    chains: int = 2
    noise_dof: tuple[float, float] = (10.0, 20.0)
    conjugate_gradient_steps: int = 6
    draws_per_compression: int = 8
    block_rows: int = 4096
