"""Closed-form rankers in NumPy, from their published formulas: popularity, item neighbours, EASE and its relatives.

Every function gets the training ratings and settings and returns a ranker: from the fold-in ratings of a block of
people (CSR, items in columns) to scores, shape ``(num_people, num_items)``. Items of the fold-in are not ranked, so
diagonals of weight matrices have no effect here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ranking_splits import LIKED, Array
from scipy import sparse

Ranker = Callable[[Any], Array]
BLOCK = 1024  # columns at a time


def ones(ratings: Any, of: str = "all") -> Any:
    """A 1 for every rating, or for those of at least `LIKED` points: CSR of float64."""
    kept = ratings.data >= LIKED if of == "liked" else np.ones(ratings.nnz, dtype=bool)
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    return sparse.csr_array((np.ones(int(kept.sum())), (rows[kept], ratings.indices[kept])), shape=ratings.shape)


def popularity(ratings: Any, *, of: str = "all") -> Ranker:
    """The number of people who rated, or liked, an item."""
    counts = np.asarray(ones(ratings, of).sum(axis=0), dtype=np.float64)
    return lambda fold_in: np.tile(counts, (fold_in.shape[0], 1))


def item_knn(ratings: Any, *, of: str = "all", k: int = 100, shrinkage: float = 10.0, exponent: float = 0.5) -> Ranker:
    """Neighbours by cosine with shrinkage (Dacrema et al. 2019), asymmetric as in Aiolli (2013).

    The similarity of item i, which the person has, to item j is ``G_ij / (G_ii^(1-a) G_jj^a + shrinkage)``, and item j
    keeps its k most similar ones.
    """
    X = ones(ratings, of)
    counts = np.maximum(np.asarray(X.sum(axis=0)), 1.0)
    kept: list[Any] = []
    for start in range(0, X.shape[1], BLOCK):
        gram = (X.T @ X[:, start : start + BLOCK]).toarray()
        part = np.arange(start, start + gram.shape[1])
        gram /= counts[:, None] ** (1 - exponent) * counts[part] ** exponent + shrinkage
        gram[part, part - start] = 0
        if k < len(gram):
            nearest = np.argpartition(gram, len(gram) - k, axis=0)[-k:]
            values = np.take_along_axis(gram, nearest, axis=0)
            gram = np.zeros_like(gram)
            np.put_along_axis(gram, nearest, values, axis=0)
        kept.append(sparse.csc_array(gram))
    weights = sparse.hstack(kept, format="csr")
    return lambda fold_in: (ones(fold_in, of) @ weights).toarray()


class Precision:
    """``C = (XᵀX + diag(γ))⁻¹``, through a matrix of people × people where there are fewer people than items.

    Args:
        X: training matrix, shape ``(num_people, num_items)``.
        gamma: penalty of each item, shape ``(num_items,)``.
    """

    def __init__(self, X: Any, gamma: Array) -> None:
        self.X, self.gamma = X, gamma
        self.by_people = X.shape[0] < X.shape[1]
        if self.by_people:
            scaled = (X @ sparse.diags_array(1 / gamma)).tocsr()
            kernel = (scaled @ X.T).toarray()
            kernel[np.diag_indices_from(kernel)] += 1
            self.inner = np.linalg.inv(kernel)
            self.scaled = scaled
            # C = D⁻¹ − (XD⁻¹)ᵀ (I + X D⁻¹ Xᵀ)⁻¹ (X D⁻¹)
            self.diagonal = 1 / gamma - np.asarray((scaled.multiply(self.inner @ scaled)).sum(axis=0)).ravel()
        else:
            gram = (X.T @ X).toarray()
            gram[np.diag_indices_from(gram)] += gamma
            self.inner = np.linalg.inv(gram)
            self.diagonal = np.diag(self.inner).copy()

    def left(self, x: Any) -> Array:
        """``x C``, shape ``(num_people, num_items)``."""
        if not self.by_people:
            return np.asarray(x @ self.inner)
        projected = (x @ self.scaled.T).toarray() @ self.inner
        return np.asarray((x @ sparse.diags_array(1 / self.gamma)).toarray() - projected @ self.scaled)

    def regression(self, Y: Any) -> tuple[Callable[[Any], Array], Array]:
        """``x ↦ x C XᵀY`` and the diagonal of ``C XᵀY``."""
        if self.by_people:  # C Xᵀ = (X D⁻¹)ᵀ (I + X D⁻¹ Xᵀ)⁻¹
            diagonal = np.asarray((self.scaled.multiply(self.inner @ Y)).sum(axis=0)).ravel()
            return lambda x: np.asarray(((x @ self.scaled.T).toarray() @ self.inner) @ Y), diagonal
        cross = (self.X.T @ Y).toarray()
        diagonal = np.einsum("ij,ji->i", self.inner, cross)
        return lambda x: np.asarray((x @ self.inner) @ cross), diagonal


def penalties(X: Any, l2: float, p: float) -> Array:
    """``γ_j = G_jj · p / (1 − p) + λ`` (Steck 2020: dropout of a fraction p)."""
    return np.asarray(X.sum(axis=0)) * p / (1 - p) + l2


def rdlae(ratings: Any, *, of: str = "all", l2: float = 300.0, p: float = 0.0, xi: float = 0.0) -> Ranker:
    """Relaxed denoising linear autoencoder (Moon et al. 2023); ``xi=0`` is EDLAE, ``xi=p=0`` is EASE (Steck 2019)."""
    X = ones(ratings, of)
    gamma = penalties(X, l2, p)
    precision = Precision(X, gamma)
    factor = np.maximum((1 - xi) / precision.diagonal, gamma)  # γ_j + μ_j
    return lambda fold_in: -precision.left(ones(fold_in, of)) * factor


def to_liked(ratings: Any, *, l2: float = 300.0, p: float = 0.0) -> Ranker:
    """Linear from all rated items to liked ones: ``W = C XᵀY − C diag(diag(C XᵀY) / diag(C))``."""
    X, Y = ones(ratings), ones(ratings, "liked")
    precision = Precision(X, penalties(X, l2, p))
    regression, diagonal = precision.regression(Y)
    factor = diagonal / precision.diagonal

    def rank(fold_in: Any) -> Array:
        x = ones(fold_in)
        return np.asarray(regression(x) - precision.left(x) * factor)

    return rank


RANKERS: dict[str, Callable[..., Ranker]] = {
    "popularity": popularity,
    "item-knn": item_knn,
    "rdlae": rdlae,
    "to-liked": to_liked,
}
