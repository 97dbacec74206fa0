"""The linear autoencoder of choices: each item's score is a weighted sum of the items that the person chose.

Closed form of a denoising linear autoencoder with a relaxed diagonal: RDLAE (Moon et al. 2023, "It's enough: relaxing
diagonal constraints in linear autoencoders for recommendation"), which is EASE (Steck 2019, "Embarrassingly shallow
autoencoders for sparse data") without dropout and without relaxation. With X the 0/1 matrix of choices (users x items)
and gamma_j = |x_j|^2 p / (1 - p) + l2:

    C = (X'X + diag(gamma))^-1,   W_ij = -C_ij out_j,   out_j = max((1 - xi) / C_jj, gamma_j)

Above a size the item x item matrix is never formed. Then C = diag(gamma)^-1 - F F', where F = diag(gamma)^-1/2 V f and
V, s are right singular vectors and singular values of X diag(gamma)^-1/2, with f^2 = s^2 / (s^2 + 1): two tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray

Table = npt.NDArray[np.float32]

MAX_DENSE_ITEMS = 10_000  # 400 MB for the weights; above, or for few users, factors
NUM_FACTORS = 512  # where there are no dense weights
FEW = 2 * NUM_FACTORS  # users or items, for whom factors lose next to nothing
_OVERSAMPLING = 32
_POWER_ITERATIONS = 3
_BLOCK = 1 << 22  # numbers of a block of dense rows
_STRIPE = 256  # rows mirrored at a time


@dataclass(frozen=True)
class LinearSettings:
    """Settings of one fit.

    Args:
        l2: penalty on the weights, in choices.
        dropout: fraction of a person's choices that the denoising hides, from 0 to below 1.
        relaxation: xi, how far the weight of an item for itself may move from zero, from 0 to below 1.
    """

    l2: float = 160.0
    dropout: float = 0.33
    relaxation: float = 0.3


@dataclass(frozen=True, eq=False)
class LinearAutoencoder:
    """A fitted linear autoencoder: dense weights, or factors. Fit one with `LinearAutoencoder.fit`.

    Args:
        weights: W, shape ``(num_items, num_items)``, float32, zero diagonal; None where there are factors.
        factors: F', shape ``(num_factors, num_items)``, float32; None where there are weights.
        out: gamma + mu, shape ``(num_items,)``, float32; it scales the scores of factors.
        settings: of the fit.
    """

    weights: Table | None
    factors: Table | None
    out: Table
    settings: LinearSettings

    @classmethod
    def fit(
        cls,
        chosen: Any,
        settings: LinearSettings,
        *,
        max_dense_items: int = MAX_DENSE_ITEMS,
        num_factors: int = NUM_FACTORS,
        gram: Table | None = None,
        seed: int = 0,
    ) -> LinearAutoencoder:
        """Fits by the closed form.

        Args:
            chosen: which items each training user chose, CSR of ones, shape ``(num_users, num_items)``.
            settings: of the fit.
            max_dense_items: with more items the fit has factors.
            num_factors: how many.
            gram: `gram_of` the choices, for a second fit of the same ones; it is computed when left out.
            seed: of the random projection that finds factors.

        Example:
            ``LinearAutoencoder.fit(ratings.to_csr(), LinearSettings(l2=100)).scores(ratings.to_csr())``
        """
        counts = np.asarray(chosen.sum(axis=0), dtype=np.float64).ravel()
        gamma = penalties(counts, settings)
        if chosen.shape[1] <= max_dense_items and min(chosen.shape) > FEW:
            covariance = _inverse(chosen, gamma, gram)
            diagonal = covariance.diagonal().astype(np.float64)
            out = _out(gamma, diagonal, settings.relaxation)
            covariance *= -out
            np.fill_diagonal(covariance, 0)
            return cls(rounded(covariance), None, out, settings)
        if chosen.shape[0] <= num_factors:
            shrunk = _exact_factors(chosen, gamma).astype(np.float64)
        else:
            vectors, singular = _right_singular_vectors(chosen, gamma, num_factors, seed)
            shrunk = vectors * np.sqrt(singular**2 / (singular**2 + 1))[:, None] / np.sqrt(gamma)
        out = _out(gamma, 1 / gamma - (shrunk**2).sum(axis=0), settings.relaxation)
        return cls(None, rounded(shrunk), out, settings)

    def __len__(self) -> int:
        return len(self.out)

    def scores(self, chosen: Any) -> Table:
        """Scores of all items for many people; those of items that a person chose mean nothing.

        Args:
            chosen: CSR of ones, shape ``(n, num_items)``.

        Returns:
            Shape ``(n, num_items)``, float32: 1 where the person surely chooses the item, 0 where surely not.
        """
        if self.weights is not None:
            return np.asarray(chosen @ self.weights, dtype=np.float32)
        factors = self.required_factors()
        return np.asarray((chosen @ factors.T) @ factors, dtype=np.float32) * self.out

    def person_scores(self, items: IntArray, targets: IntArray | slice = slice(None)) -> Table:
        """Scores of all items, or of some, for one person who chose some, shape ``(num_targets,)``."""
        if self.weights is not None:
            rows = self.weights[items] if isinstance(targets, slice) else self.weights[np.ix_(items, targets)]
            return np.asarray(rows.sum(axis=0), dtype=np.float32)
        factors = self.required_factors()
        scores: Table = (factors[:, items].sum(axis=1) @ factors[:, targets]) * self.out[targets]
        return scores

    def vectors(self) -> Table:
        """A vector of each item: its factors, or its weights for the items, shape ``(num_items, dim)``."""
        return np.ascontiguousarray(self.required_factors().T) if self.weights is None else self.weights

    def shares(self, items: IntArray, targets: IntArray) -> Table:
        """What each chosen item adds to the scores of some others, shape ``(len(items), len(targets))``."""
        if self.weights is not None:
            return np.asarray(self.weights[np.ix_(items, targets)])
        factors = self.required_factors()
        return np.asarray((factors[:, items].T @ factors[:, targets]) * self.out[targets])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays from which `from_arrays` makes the same model."""
        if self.weights is not None:
            table = halved("weights", self.weights)
        else:
            table = halved("factors", self.required_factors())
        return table | {"out": self.out, "settings": np.array(astuple(self.settings))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that gave these arrays."""
        settings = LinearSettings(*arrays["settings"].tolist())
        return cls(doubled("weights", arrays), doubled("factors", arrays), arrays["out"], settings)

    def required_factors(self) -> Table:
        """The factors, where there are no weights.

        Raises:
            TypeError: this model has weights.
        """
        if self.factors is None:
            raise TypeError("A linear autoencoder has weights or factors.")
        return self.factors


def penalties(counts: npt.NDArray[Any], settings: LinearSettings) -> npt.NDArray[np.float64]:
    """gamma of items that were chosen so often, shape of ``counts``."""
    found: npt.NDArray[np.float64] = counts * (settings.dropout / (1 - settings.dropout)) + settings.l2
    return found


def rounded(table: npt.NDArray[Any]) -> Table:
    """A table as `halved` saves it, so that a loaded model has the very same scores; float32, rows contiguous."""
    found = doubled("", halved("", np.ascontiguousarray(table, dtype=np.float32)))
    return np.empty((0, 0), np.float32) if found is None else found


def halved(name: str, table: Table) -> dict[str, npt.NDArray[Any]]:
    """A table in half the bytes: float16 with a scale for each row, since rows differ by orders of magnitude."""
    largest = np.abs(table).max(axis=1, initial=0)
    scale = np.exp2(np.ceil(np.log2(np.maximum(largest, 1e-30)))).astype(np.float32)  # a power of two rounds nothing
    return {name: (table / scale[:, None]).astype(np.float16), f"{name}_scale": scale}


def doubled(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Table | None:
    """The table that `halved` gave, None where there is none of this name."""
    if name not in arrays:
        return None
    found: Table = arrays[name].astype(np.float32)
    found *= arrays[f"{name}_scale"][:, None]
    return found


def fit_memory(num_users: int, num_items: int, num_ratings: int) -> float:
    """Memory of fitting the choice model at its peak, bytes."""
    if num_items <= MAX_DENSE_ITEMS and min(num_users, num_items) > FEW:
        return 16.0 * num_items**2 + 24.0 * num_ratings
    return 12.0 * (NUM_FACTORS + _OVERSAMPLING) * (num_users + num_items) + 24.0 * num_ratings


def fit_seconds(num_users: int, num_items: int, num_ratings: int) -> float:
    """Time of fitting the choice model with its search, on two ordinary cores, seconds."""
    if num_items <= MAX_DENSE_ITEMS and min(num_users, num_items) > FEW:
        return 6.0 + 4e-11 * num_items**3
    return 3.0 + 8e-4 * (num_users + num_items)


def dense_rows(matrix: Any, dtype: Any = np.float32) -> Any:
    """Blocks of rows of a CSR matrix as dense arrays, with the slice of each."""
    step = max(1, _BLOCK // max(matrix.shape[1], 1))
    for start in range(0, matrix.shape[0], step):
        yield slice(start, start + step), matrix[start : start + step].toarray().astype(dtype)


def _out(gamma: npt.NDArray[np.float64], diagonal: npt.NDArray[np.float64], relaxation: float) -> Table:
    return np.maximum((1 - relaxation) / diagonal, gamma).astype(np.float32)


def _inverse(chosen: Any, gamma: npt.NDArray[np.float64], gram: Table | None) -> Table:
    """(X'X + diag(gamma))^-1 by Cholesky's factors in float32, or by those of users x users where they are fewer."""
    from scipy.linalg import lapack

    num_users, num_items = chosen.shape
    if num_users < num_items:
        half = _exact_factors(chosen, gamma)
        found: Table = -(half.T @ half)
        found[np.diag_indices(num_items)] += (1 / gamma).astype(np.float32)
        return found
    gram = _gram(chosen) if gram is None else gram.copy(order="F")
    gram[np.diag_indices(num_items)] += gamma.astype(np.float32)
    factor, failed = lapack.spotrf(gram, lower=0, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed or failed_too:
        raise ValueError("The choices cannot be inverted with so small an l2. Raise it.")
    symmetric: Table = inverse.T  # in the order of C, with its lower half filled
    for start in range(0, num_items, _STRIPE):
        stripe, rest = slice(start, start + _STRIPE), slice(start + _STRIPE, None)
        symmetric[stripe, rest] = symmetric[rest, stripe].T
        lower = np.tril(symmetric[stripe, stripe])
        symmetric[stripe, stripe] = lower + np.tril(lower, -1).T
    return symmetric


def _exact_factors(chosen: Any, gamma: npt.NDArray[np.float64]) -> Table:
    """F' of shape ``(num_users, num_items)`` by the factors of Cholesky of a matrix users x users."""
    from scipy.linalg import cholesky, solve_triangular

    scaled = chosen.multiply(1 / np.sqrt(gamma)[None, :]).tocsr().astype(np.float32)
    inner = _dense(scaled @ scaled.T)
    inner[np.diag_indices(len(inner))] += 1
    half = solve_triangular(cholesky(inner, lower=True), scaled.toarray(), lower=True)
    return np.asarray(half / np.sqrt(gamma).astype(np.float32), dtype=np.float32)


def gram_of(chosen: Any, *, max_dense_items: int = MAX_DENSE_ITEMS) -> Table | None:
    """X'X where `LinearAutoencoder.fit` needs it, shape ``(num_items, num_items)``; None where it does not."""
    dense = chosen.shape[1] <= max_dense_items and min(chosen.shape) > FEW and chosen.shape[0] >= chosen.shape[1]
    return _gram(chosen) if dense else None


def _gram(chosen: Any) -> Table:
    """X'X, dense, by the cheaper of sparse and dense products."""
    num_users, num_items = chosen.shape
    pairs = float((np.diff(chosen.indptr).astype(np.float64) ** 2).sum())
    if pairs * 40 < 2.0 * num_users * num_items**2:
        gram: Table = _dense((chosen.T @ chosen).astype(np.float32))
        return gram
    gram = np.zeros((num_items, num_items), dtype=np.float32, order="F")
    for _, rows in dense_rows(chosen):
        gram += rows.T @ rows
    return gram


def _dense(matrix: Any) -> Any:
    return matrix.toarray(order="F")


def _right_singular_vectors(
    chosen: Any, gamma: npt.NDArray[np.float64], count: int, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The largest right singular vectors, shape ``(k, num_items)``, and values of X diag(gamma)^-1/2.

    Exact where users or items are few; else by random projection (Halko et al. 2011).
    """
    from scipy.linalg import eigh

    scaled = chosen.multiply(1 / np.sqrt(gamma)[None, :]).tocsr().astype(np.float32)
    size = min(scaled.shape)
    if size <= 2 * FEW:
        by_users = scaled.shape[0] <= scaled.shape[1]
        inner = (scaled @ scaled.T if by_users else scaled.T @ scaled).toarray().astype(np.float64)
        squares, vectors = eigh(inner, subset_by_index=[max(0, size - count), size - 1])
        squares, vectors = squares[::-1], vectors[:, ::-1]
        kept = squares > 1e-9 * squares[0]
        singular, vectors = np.sqrt(squares[kept]), vectors[:, kept]
        return ((scaled.T @ vectors) / singular).T if by_users else vectors.T, singular
    rng = np.random.default_rng(seed)
    transposed = scaled.T.tocsr()
    basis = rng.standard_normal((scaled.shape[1], count + _OVERSAMPLING), dtype=np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis = transposed @ (scaled @ _orthonormal(basis))
    basis = _orthonormal(basis)
    projected = scaled @ basis  # users x k
    squares, rotation = eigh((projected.T @ projected).astype(np.float64))
    best = np.argsort(-squares)[:count]
    return (basis @ rotation[:, best].astype(np.float32)).T.astype(np.float64), np.sqrt(squares[best].clip(min=0))


def _orthonormal(basis: Table) -> Table:
    """An orthonormal basis of the columns, by the eigenvectors of their small Gram matrix: much faster than QR."""
    values, vectors = np.linalg.eigh((basis.T @ basis).astype(np.float64))
    kept = values > 1e-7 * values[-1]
    found: Table = basis @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    return found
