"""Metrics: confidence intervals for errors, and paired comparisons of two predictors. Pure NumPy.

The errors of one user are correlated, so the bootstrap resamples whole users: intervals from resampled single ratings
are too narrow, and Wilcoxon and sign tests find differences that do not exist (Ihemelandu and Ekstrand 2023, "Inference
at Scale").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray
from .errors import ErrorSums, MetricError, divide, error_sums

_BLOCK = 1 << 21  # resampling weights held at a time: near 16 MB


def bootstrap_rmse(
    squared: Mapping[str, FloatArray],
    counts: IntArray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    max_clusters: int = 10_000,
) -> dict[str, FloatArray]:
    """RMSE of several predictors in bootstrap samples of clusters (users or items).

    All predictors share the samples, so the difference of two entries is the paired difference.

    Args:
        squared: sums of squared errors of each cluster by predictor, each of shape ``(num_clusters,)``.
        counts: number of ratings of each cluster, same shape; empty clusters are left out.
        resamples: number of samples.
        seed: seed of the samples; equal seeds give equal samples.
        max_clusters: see `bootstrap_means`.

    Returns:
        RMSE in each sample by predictor, each of shape ``(resamples,)``, rating points.

    Raises:
        MetricError: as `bootstrap_means`.

    Example:
        >>> draws = bootstrap_rmse({"a": np.array([4.0, 4.0]), "b": np.array([1.0, 1.0])}, np.array([1, 1]))
        >>> interval(draws["a"] - draws["b"])
        (1.0, 1.0)
    """
    means = bootstrap_means(squared, counts, resamples=resamples, seed=seed, max_clusters=max_clusters)
    return {name: np.sqrt(draws) for name, draws in means.items()}


def bootstrap_means(
    sums: Mapping[str, FloatArray],
    counts: IntArray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    max_clusters: int = 10_000,
) -> dict[str, FloatArray]:
    """Means of several quantities in bootstrap samples of clusters (users or items), which all quantities share.

    More than ``max_clusters`` clusters are first pooled at random into that many: the variance stays the same and the
    cost is bounded.

    Args:
        sums: sum of each quantity in each cluster, by name, each of shape ``(num_clusters,)``.
        counts: number of values in each cluster, same shape; empty clusters are left out. Ones where each cluster has
            one value.
        resamples: number of samples.
        seed: seed of the samples; equal seeds give equal samples.
        max_clusters: largest number of clusters that are resampled one by one.

    Returns:
        Sum over count in each sample by name, each of shape ``(resamples,)``.

    Raises:
        MetricError: fewer than two clusters with ratings, or fewer than one sample.

    Example:
        >>> bootstrap_means({"recall": np.array([0.5, 0.5, 0.5])}, np.array([1, 1, 1]), resamples=2)["recall"]
        array([0.5, 0.5])
    """
    present = np.flatnonzero(counts)
    if len(present) < 2 or resamples < 1:
        raise MetricError(
            "A bootstrap needs at least two clusters with ratings and one resample. "
            f"Received: {len(present)} clusters, {resamples} resamples."
        )
    columns = np.column_stack([counts[present], *(one[present] for one in sums.values())]).astype(np.float64)
    rng = np.random.default_rng([seed, 5])
    if len(columns) > max_clusters:
        pool = rng.permutation(len(columns)) % max_clusters
        columns = np.column_stack([np.bincount(pool, column, max_clusters) for column in columns.T])
    size = len(columns)
    totals = np.empty((resamples, columns.shape[1]))
    block = max(1, _BLOCK // size)
    for start in range(0, resamples, block):
        rows = range(start, min(start + block, resamples))
        weights = [np.bincount(rng.integers(size, size=size), minlength=size) for _ in rows]
        totals[rows.start : rows.stop] = np.array(weights, dtype=np.float64) @ columns
    return {name: totals[:, column] / totals[:, 0] for column, name in enumerate(sums, start=1)}


def interval(draws: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap draws.

    Args:
        draws: one value for each bootstrap sample, shape ``(resamples,)``.
        level: fraction of the draws inside the interval.

    Returns:
        Lower and upper end, in the unit of the draws.

    Example:
        >>> [round(end, 3) for end in interval(np.arange(41.0))]
        [1.0, 39.0]
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_errors(squared: FloatArray, counts: IntArray) -> FloatArray:
    """Standard error of each group's RMSE, clustered by user, by linearization: cheap for many groups.

    Args:
        squared: sums of squared errors, shape ``(num_users, num_groups)``.
        counts: numbers of ratings, same shape.

    Returns:
        Shape ``(num_groups,)``, rating points; NaN where fewer than two users have ratings or the RMSE is 0.

    Example:
        >>> standard_errors(np.array([[1.0], [9.0]]), np.array([[1], [1]])).round(3)
        array([0.894])
    """
    users, totals = (counts > 0).sum(axis=0), counts.sum(axis=0)
    mean = divide(squared.sum(axis=0), totals)
    deviation = ((squared - mean * counts) ** 2).sum(axis=0)
    variance = divide(divide(deviation * users, np.maximum(users - 1, 0)), totals.astype(np.float64) ** 2)
    return divide(np.sqrt(variance), 2 * np.sqrt(mean))


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same ratings; a negative difference is in favour of the first.

    Args:
        difference: RMSE of the first minus RMSE of the second, rating points.
        ci95: 95 % interval of the difference, users resampled.
        ci95_items: the same, items resampled; None without items.
        users_improved: fraction of users whose own squared error is smaller with the first; ties count half.
        num_users: number of users.
    """

    difference: float
    ci95: tuple[float, float]
    ci95_items: tuple[float, float] | None
    users_improved: float
    num_users: int


def compare(
    ours: npt.ArrayLike,
    theirs: npt.ArrayLike,
    targets: npt.ArrayLike,
    users: npt.ArrayLike,
    *,
    items: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compares two predictors on the same ratings, paired in every bootstrap sample.

    Args:
        ours: predicted ratings of the first predictor, shape ``(n,)``.
        theirs: predicted ratings of the second, same shape.
        targets: the ratings, same shape.
        users: user of each rating, ids or indices, same shape.
        items: item of each rating; gives the interval over items too.
        resamples: number of bootstrap samples.
        seed: seed of the samples.

    Raises:
        MetricError: as `error_sums` and `bootstrap_rmse`.

    Example:
        >>> ratings = np.array([4.0, 2.0, 5.0])
        >>> compare(ratings + 0.5, ratings + 1.0, ratings, users=["ann", "bob", "bob"])
        Comparison(difference=-0.5, ci95=(-0.5, -0.5), ci95_items=None, users_improved=1.0, num_users=2)
    """
    names = {"ours": ours, "theirs": theirs}

    def by_cluster(ids: npt.ArrayLike) -> dict[str, ErrorSums]:
        group = np.unique(np.asarray(ids), return_inverse=True)[1]
        return {name: error_sums(predictions, targets, groups=group) for name, predictions in names.items()}

    def difference_interval(sums: Mapping[str, ErrorSums]) -> tuple[float, float]:
        squared = {name: sums[name].squared for name in names}
        draws = bootstrap_rmse(squared, sums["ours"].counts, resamples=resamples, seed=seed)
        return interval(draws["ours"] - draws["theirs"])

    by_user = by_cluster(users)
    totals = {name: float(by_user[name].total().rmse[0]) for name in names}
    return Comparison(
        totals["ours"] - totals["theirs"],
        difference_interval(by_user),
        None if items is None else difference_interval(by_cluster(items)),
        fraction_improved(by_user["ours"].squared, by_user["theirs"].squared, by_user["ours"].counts),
        int(np.count_nonzero(by_user["ours"].counts)),
    )


def fraction_improved(ours: FloatArray, theirs: FloatArray, counts: IntArray) -> float:
    """Fraction of the clusters with ratings whose sum of squared errors is smaller in ``ours``; ties count half.

    Args:
        ours: sums of squared errors of the first predictor, shape ``(num_clusters,)``.
        theirs: of the second, same shape.
        counts: number of ratings of each cluster, same shape.

    Example:
        >>> fraction_improved(np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([1, 1]))
        0.75
    """
    present = counts > 0
    better, tied = (ours < theirs)[present], (ours == theirs)[present]
    return float(better.mean() + tied.mean() / 2)
