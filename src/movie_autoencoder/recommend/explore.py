"""Looking around: similar items, what to rate next, groups and a map, all from the factors of a trained model.

The maths comes first, plain arrays in and plain arrays out; `Explorer` applies it to one model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..data.ratings import FloatArray, IntArray, Scale
from ..models.neighbours import directions
from ..models.person import Floats
from ..models.regression import with_bias_column
from .errors import RecommenderError
from .items import Items
from .predictor import Predictor
from .profile import Profile
from .schemas import Group, Similar, Spot, Suggestion, TasteMap

_DAMPING = 5.0  # ratings at which half of an item's similarity counts
_GROUPED = 300  # most rated items that groups are made of


def narrowed(covariance: Floats, known: FloatArray, noise: float) -> Floats:
    """Covariance of a person's factors once they have rated some items.

    The factors are normally distributed, and a rating is their inner product with the item's factors, with noise. The
    value of a rating does not matter for the covariance.

    Args:
        covariance: of the training users' factors and biases, shape ``(dim, dim)``.
        known: factors of the rated items, and a 1 for the bias, shape ``(n, dim)``.
        noise: variance of a rating, squared rating points.

    Returns:
        Covariance given those ratings, shape ``(dim, dim)``.

    Example:
        >>> narrowed(np.ones((1, 1)), np.ones((1, 1)), noise=1.0)
        array([[0.5]])
    """
    if not len(known):
        return covariance
    given = np.linalg.solve(np.eye(len(covariance)) + covariance @ (known.T @ known) / noise, covariance)
    return np.asarray((given + given.T) / 2, dtype=np.float64)


def information(covariance: Floats, asked: FloatArray, targets: FloatArray, noise: float) -> Floats:
    """How much one more rating, of each asked item, reduces the mean variance of the predictions at the targets.

    Source: Bayesian experimental design (Chaloner and Verdinelli 1995).

    Args:
        covariance: of the person's factors and bias, given their ratings (`narrowed`), shape ``(dim, dim)``.
        asked: factors of the items that could be rated, and a 1 for the bias, shape ``(m, dim)``.
        targets: likewise of the items whose predictions matter, shape ``(t, dim)``.
        noise: variance of a rating, squared rating points.

    Returns:
        Squared rating points, shape ``(m,)``, none negative.

    Example:
        >>> bias_only = np.ones((1, 1))
        >>> information(bias_only, bias_only, bias_only, noise=1.0)
        array([0.5])
    """
    projected = asked @ covariance
    gains = np.square(projected @ targets.T).mean(axis=1)
    return np.asarray(gains / (noise + np.einsum("md,md->m", projected, asked)), dtype=np.float64)


def clusters(vectors: FloatArray, number: int) -> IntArray:
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


def plane(vectors: FloatArray) -> tuple[Floats, FloatArray]:
    """The two directions in which vectors differ most: principal components, signs fixed.

    Args:
        vectors: shape ``(n, dim)``, n at least 2.

    Returns:
        Mean vector, shape ``(dim,)``, and directions, shape ``(dim, 2)``.
    """
    middle = vectors.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(vectors - middle, full_matrices=False)[2][:2].T
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return middle, axes * np.where(signs == 0, 1, signs)


def rating_variance(validation_rmse: float | None, scale: Scale) -> float:
    """Variance of a rating about its prediction, squared rating points: as on the validation part, if there was one.

    Example:
        >>> rating_variance(0.9, Scale(0.5, 5, 0.5)), rating_variance(None, Scale(0.5, 5, 0.5))
        (0.81, 0.81)
    """
    return float(validation_rmse) ** 2 if validation_rmse else (scale.span / 5) ** 2


class Explorer:
    """Similar items, suggestions, groups and the map of one model.

    Args:
        bundle: of the trained model.
        items: its items.
        predictor: predicts with it.
    """

    def __init__(self, bundle: Bundle, items: Items, predictor: Predictor) -> None:
        self._model = bundle.model
        self._num_users = len(bundle.user_ids)
        self._validation_rmse = (bundle.metadata.get("validation") or {}).get("model", {}).get("rmse")
        self._items = items
        self._predictor = predictor

    def similar(self, column: int, k: int, among: npt.NDArray[np.bool_]) -> tuple[Similar, ...]:
        """Items whose latent vectors point the same way, most similar first; few ratings make an item less similar.

        Args:
            column: of the item.
            k: how many.
            among: which items may come up, shape ``(num_items,)``.
        """
        counts = self._items.counts
        similarity = self._directions @ self._directions[column] * counts / (counts + _DAMPING)
        candidates = np.flatnonzero(among)
        best = candidates[np.argsort(-similarity[candidates], kind="stable")[:k]]
        return tuple(Similar(*self._items.fields(one), float(similarity[one])) for one in best)

    def next_to_rate(
        self, profile: Profile, k: int, *, among: Iterable[Any] | None = None, known: bool = False
    ) -> tuple[Suggestion, ...]:
        """Items whose rating would teach most, one after the other, each given those before it.

        Args:
            profile: whose rating.
            k: how many.
            among: ids of the items to choose from; the well known ones when left out.
            known: whether the person knows them all; otherwise the gain of an item counts with the fraction of
                training users who rated it.

        Raises:
            RecommenderError: the model was trained on pairs without ratings.
        """
        self._require_ratings()
        columns = self._items.well_known if among is None else np.unique(self._items.columns(among))
        columns = columns[~np.isin(columns, profile.chosen)]
        chance = np.ones(len(columns)) if known else self._items.counts[columns] / self._num_users
        design, noise = self._design, rating_variance(self._validation_rmse, self._predictor.scale)
        targets = design[self._items.well_known]
        covariance = narrowed(self._covariance, design[[*profile.items, *profile.liked]], noise)
        found: list[tuple[int, float]] = []
        for _ in range(min(k, len(columns))):
            gains = chance * information(covariance, design[columns], targets, noise)
            best = int(np.argmax(gains))
            found.append((int(columns[best]), float(gains[best])))
            covariance = narrowed(covariance, design[columns[best]][None], noise)
            columns, chance = np.delete(columns, best), np.delete(chance, best)
        most = max((gain for _, gain in found), default=1.0) or 1.0
        return tuple(Suggestion(*self._items.fields(column), gain / most) for column, gain in found)

    def groups(self, n: int, size: int) -> tuple[Group, ...]:
        """Groups of well known items that the same people like.

        Args:
            n: groups.
            size: items in each.
        """
        known = self._items.well_known[:_GROUPED]
        group = clusters(self._directions[known], n)
        answer = []
        for number in range(int(group.max()) + 1 if len(group) else 0):
            columns = known[group == number]
            items = tuple(self._items.item(column) for column in columns[:size])
            answer.append(Group(number, ", ".join(self._common_genres(columns)), items))
        return tuple(answer)

    def _common_genres(self, columns: IntArray) -> list[str]:
        """The two genres that are most common among some items, for how common they are at all."""
        counts = Counter(genre for column in columns.tolist() for genre in self._items.genres(column))
        del counts["IMAX"]  # a way to show films, not a kind of them
        totals = self._items.genre_counts
        return sorted(counts, key=lambda genre: (-counts[genre] / totals[genre] ** 0.5, genre))[:2]

    def map(self, profile: Profile | None, n: int) -> TasteMap:
        """Well known items in the two latent directions in which they differ most, and a person among them.

        Args:
            profile: the person to show; None for none.
            n: items.

        Raises:
            RecommenderError: a model without latent vectors, or of pairs without ratings.
        """
        self._require_latent_vectors()
        self._require_ratings()
        known = self._items.well_known[:n]
        if len(known) < 2:
            return TasteMap(())
        vectors = self._design[known, :-1]
        middle, axes = plane(vectors)
        spots = (vectors - middle) @ axes
        size = np.maximum(np.quantile(np.abs(spots), 0.98, axis=0), 1e-9)
        spots = np.clip(spots / size, -1, 1)
        you = None if profile is None or not len(profile.chosen) else self._centre(profile, known, spots)
        return TasteMap(
            tuple(
                Spot(*self._items.fields(column), float(x), float(y), self._items.genres(column))
                for column, (x, y) in zip(known.tolist(), spots, strict=True)
            ),
            you,
        )

    def _centre(self, profile: Profile, columns: IntArray, spots: Floats) -> dict[str, float]:
        """Weighted mean position of the items whose prediction for the person most exceeds that for anyone."""
        predictions = self._predictor.encode(profile).reconstruct(columns)
        preference = predictions - self._predictor.reconstruct_anyone(columns)
        weights = np.exp(2 * (preference - preference.max()) / max(float(preference.std()), 1e-9))
        x, y = (weights / weights.sum()) @ spots
        return {"x": float(x), "y": float(y)}

    def _require_latent_vectors(self) -> None:
        """Refuses a model of biases alone, such as a baseline: to it, all items are alike."""
        if not self._model.items.latent.shape[1]:
            raise RecommenderError(
                f"Similar items, groups and the map need latent vectors, and the model {self._model.name!r} has none: "
                "it has biases alone. Train another model."
            )

    def _require_ratings(self) -> None:
        """Refuses a model of pairs without ratings, which has no factors to predict from."""
        if not self._predictor.rated:
            raise RecommenderError(
                "The map and the items to rate next need predicted ratings, and this model was trained on pairs "
                "without ratings. Train with a file that has them."
            )

    @cached_property
    def _directions(self) -> npt.NDArray[np.float32]:
        """Latent vectors of the items, each of length 1."""
        self._require_latent_vectors()
        return directions(self._model.items.latent)

    @cached_property
    def _design(self) -> Floats:
        """Factors of the items, and a 1 for a person's bias."""
        return with_bias_column(self._model.items.factors[:-1]).astype(np.float64)

    @cached_property
    def _covariance(self) -> Floats:
        """Of the training users' factors and biases."""
        users = self._model.users.design_rows()[:-1]
        return np.asarray(np.cov(users, rowvar=False).reshape(users.shape[1], -1), dtype=np.float64)
