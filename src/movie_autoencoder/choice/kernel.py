"""The kernel autoencoder of choices: an infinitely wide autoencoder in closed form.

Ridge regression from the kernel of two people's choices to the choices themselves, where the kernel is the neural
tangent kernel of a ReLU network (Sachdeva et al. 2022, "Infinite recommendation networks: a data-centric approach").
It sees what no linear model can: which items somebody chose together. The kernel is taken at some training users, the
landmarks, and reduced to its largest principal components (Nystroem), so that a person is encoded as a short vector:

    latent(x) = k(x, landmarks) Q / sqrt(e),      score(x) = latent(x) D
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray
from .linear import Table, doubled, halved, rounded

NUM_LANDMARKS = 1024
NUM_COMPONENTS = 256
_DEPTH = 3  # hidden layers of the network


@dataclass(frozen=True, eq=False)
class KernelAutoencoder:
    """A fitted kernel autoencoder. Fit one with `fit_kernels`.

    Args:
        landmarks: the landmark users' choices, a row an item, CSR of shape ``(num_items, num_landmarks)``; each user's
            entries are scaled to length 1.
        encoder: Q / sqrt(e), shape ``(num_landmarks, num_components)``, float32.
        decoder: D, shape ``(num_components, num_items)``, float32.
    """

    landmarks: Any
    encoder: Table
    decoder: Table

    def encode(self, chosen: Any) -> Table:
        """Latent vectors of people, shape ``(n, num_components)``.

        Args:
            chosen: CSR of ones, shape ``(n, num_items)``.
        """
        lengths = np.sqrt(np.maximum(np.diff(chosen.indptr), 1)).astype(np.float32)
        return _kernel((chosen @ self.landmarks).toarray() / lengths[:, None]) @ self.encoder

    def scores(self, chosen: Any) -> Table:
        """Scores of all items for many people, shape ``(n, num_items)``; arguments as for `encode`."""
        return self.encode(chosen) @ self.decoder

    def person_latent(self, items: IntArray) -> Table:
        """Latent vector of one person who chose some items, shape ``(num_components,)``."""
        rows = self.landmarks[items]
        summed = np.bincount(rows.indices, weights=rows.data, minlength=self.landmarks.shape[1])
        cosine = (summed / np.sqrt(max(len(items), 1))).astype(np.float32)
        return np.asarray(_kernel(cosine) @ self.encoder)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {
            "landmark_data": self.landmarks.data,
            "landmark_indices": self.landmarks.indices.astype(np.int32),
            "landmark_indptr": self.landmarks.indptr.astype(np.int32),
            **halved("encoder", self.encoder),
            **halved("decoder", self.decoder),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that gave these arrays."""
        from scipy import sparse

        parts = tuple(arrays[f"landmark_{name}"] for name in ("data", "indices", "indptr"))
        encoder, decoder = doubled("encoder", arrays), doubled("decoder", arrays)
        if encoder is None or decoder is None:
            raise ValueError("These are not the arrays of a kernel autoencoder.")
        return cls(sparse.csr_array(parts, shape=(decoder.shape[1], len(encoder))), encoder, decoder)


def fit_kernels(
    chosen: Any,
    ridges: tuple[float, ...],
    *,
    num_landmarks: int = NUM_LANDMARKS,
    num_components: int = NUM_COMPONENTS,
    seed: int = 0,
) -> list[KernelAutoencoder]:
    """Fits a kernel autoencoder for each of several penalties, which share nearly all work.

    Args:
        chosen: which items each training user chose, CSR of ones, shape ``(num_users, num_items)``.
        ridges: penalties, in units of the kernel's value of a person with themselves.
        num_landmarks: training users at whom the kernel is taken; all where there are fewer.
        num_components: length of the latent vectors.
        seed: of the choice of landmarks.
    """
    from scipy.linalg import eigh, solve

    num_users, num_items = chosen.shape
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(num_users)[:num_landmarks])
    landmarks = chosen[rows].astype(np.float32)
    landmarks.data /= np.sqrt(np.repeat(np.diff(landmarks.indptr), np.diff(landmarks.indptr)))
    between = _kernel((landmarks @ landmarks.T).toarray())
    size = len(rows)
    values, vectors = eigh(between, subset_by_index=[max(0, size - num_components), size - 1])
    kept = values > 1e-6 * values[-1]
    encoder = rounded(vectors[:, kept] / np.sqrt(values[kept]))
    start = KernelAutoencoder(landmarks.T.tocsr(), encoder, np.zeros((encoder.shape[1], num_items), dtype=np.float32))
    gram = np.zeros((encoder.shape[1],) * 2)
    target = np.zeros((encoder.shape[1], num_items), dtype=np.float32)
    step = max(1, (1 << 22) // size)
    for first in range(0, num_users, step):
        block = chosen[first : first + step]
        latent = start.encode(block)
        gram += latent.T @ latent
        target += (block.T @ latent).T
    one = _kernel(np.ones(1, dtype=np.float32)).item()
    decoders = (
        solve(gram + ridge * one * np.eye(len(gram)), target.astype(np.float64), assume_a="pos") for ridge in ridges
    )
    return [KernelAutoencoder(start.landmarks, encoder, rounded(decoder)) for decoder in decoders]


def _kernel(cosine: npt.NDArray[Any]) -> Table:
    """The neural tangent kernel of a ReLU network at the cosine of two inputs of length 1 (Jacot et al. 2018)."""
    covariance = cosine.astype(np.float32, copy=False).clip(0, 1)
    tangent = covariance
    for _ in range(_DEPTH):
        angle = np.pi - np.arccos(covariance)
        next_covariance = (covariance * angle + np.sqrt(np.maximum(1 - covariance**2, 0))) / np.float32(np.pi)
        tangent = next_covariance + tangent * angle / np.float32(np.pi)
        covariance = next_covariance.clip(0, 1)
    return np.asarray(tangent, dtype=np.float32)
