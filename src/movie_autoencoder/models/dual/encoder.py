"""The dual autoencoder's encoder in NumPy, for one row or many; `layers.RowEncoder` is the layer that trains it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import Table


def latent_vectors(
    residual_sums: Any, implicit_sums: Any, num_rated: Any, num_chosen: Any, intercept: Table, rho: float
) -> Any:
    """The encoder's last step, for one row or many: sums over a row's items become its latent vector.

    Args:
        residual_sums: sums of residual times row of the residual table, shape ``(latent_dim,)`` or ``(n, latent_dim)``.
        implicit_sums: sums of rows of the implicit table, same shape.
        num_rated: terms of the former sum, a number or shape ``(n, 1)``.
        num_chosen: terms of the latter.
        intercept: shape ``(latent_dim,)``.
        rho: scale of the sums.
    """
    residual_sums = residual_sums * np.sqrt((num_chosen + 1) / (num_rated + 1), dtype=np.float32)
    return (residual_sums + implicit_sums) * (np.float32(rho) / np.sqrt(num_chosen + 1)) + intercept
