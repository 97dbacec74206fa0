"""Metrics: how far predictions lie from the stars that were given, and how sure that figure is. Pure NumPy.

Every mean is a sum over ratings divided once by their count; nothing is a mean of means unless its name says so. The
errors of one user are alike, so uncertainty comes from drawing whole users (a bootstrap clustered by user): intervals
over single ratings would be too narrow, and Wilcoxon and sign tests find differences that are not there (Ihemelandu
and Ekstrand 2023, "Inference at Scale"). This module knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import FloatArray, IntArray

Mask = npt.NDArray[np.bool_]

_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
_CLUSTERS = 10_000  # more clusters than this are pooled at random before resampling, which bounds its cost


class MetricError(ValueError):
    """Arrays that no error can be computed from; the message says what was given."""


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums of errors by group; divided only when a mean is read. An empty group's mean is NaN.

    Args:
        counts: number of ratings of each group, shape ``(num_groups,)``.
        squared: sums of squared errors, same shape, squared rating points.
        absolute: sums of absolute errors, same shape, rating points.
        signed: sums of prediction minus stars, same shape, rating points.

    Example:
        >>> sums = error_sums([3, 5, 1], [4, 5, 3], groups=np.array([0, 0, 1]))
        >>> sums.mse, sums.mae, sums.total().mse
        (array([0.5, 4. ]), array([0.5, 2. ]), array([1.66666667]))
    """

    counts: IntArray
    squared: FloatArray
    absolute: FloatArray
    signed: FloatArray

    @property
    def mse(self) -> FloatArray:
        """Mean squared error of each group, squared rating points."""
        return _divide(self.squared, self.counts)

    @property
    def rmse(self) -> FloatArray:
        """Root of the mean squared error of each group, rating points."""
        return np.sqrt(self.mse)

    @property
    def mae(self) -> FloatArray:
        """Mean absolute error of each group, rating points."""
        return _divide(self.absolute, self.counts)

    @property
    def bias(self) -> FloatArray:
        """Mean of prediction minus stars of each group, rating points: above 0 where too much is promised."""
        return _divide(self.signed, self.counts)

    def total(self) -> ErrorSums:
        """All groups as one."""
        return ErrorSums(
            self.counts.sum(keepdims=True),
            self.squared.sum(keepdims=True),
            self.absolute.sum(keepdims=True),
            self.signed.sum(keepdims=True),
        )


def error_sums(
    predictions: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    mask: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    num_groups: int = 0,
) -> ErrorSums:
    """Sums of errors, by group or in one group.

    Args:
        predictions: predicted stars, any shape.
        targets: the stars that were given, same shape.
        mask: True (or 1) at the cells that count, same shape; all of them when left out.
        groups: group of each cell, integers from 0, same shape; one group when left out.
        num_groups: number of groups, when there may be empty ones at the end.

    Raises:
        MetricError: shapes that differ, no cell that counts, or a prediction or target that is not finite.

    Example:
        >>> error_sums([[1, 9], [2, 2]], [[2, 0], [2, 4]], mask=[[1, 0], [1, 1]]).squared
        array([5.])
    """
    predicted, given = np.asarray(predictions, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    group = np.zeros(given.shape, dtype=np.int64) if groups is None else np.asarray(groups)
    shapes = {predicted.shape, given.shape, group.shape}
    if mask is not None:
        chosen = np.asarray(mask).astype(bool)
        shapes.add(chosen.shape)
    if len(shapes) > 1:
        raise MetricError(
            "Predictions, targets, mask and groups must have one shape. "
            f"Received: {', '.join(map(str, sorted(shapes)))}."
        )
    if mask is not None:
        predicted, given, group = predicted[chosen], given[chosen], group[chosen]
    if not given.size:
        raise MetricError("There is no rating to average over. Give at least one cell that counts.")
    error = (predicted - given).ravel()
    if not np.isfinite(error).all():
        place = int(np.flatnonzero(~np.isfinite(error))[0])
        raise MetricError(
            f"Predictions and targets must be finite. Received: prediction {predicted.flat[place]}, "
            f"target {given.flat[place]} at position {place}."
        )
    flat = group.ravel()
    size = max(int(flat.max()) + 1, num_groups)
    return ErrorSums(
        np.bincount(flat, minlength=size), *(_sums(flat, part, size) for part in (error * error, np.abs(error), error))
    )


def mse(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Mean squared error over the cells that count, squared rating points; arguments as for `error_sums`.

    Example:
        >>> mse([3, 5], [4, 5])
        0.5
    """
    return float(error_sums(predictions, targets, mask=mask).mse[0])


def rmse(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Root of the mean squared error, rating points; arguments as for `error_sums`.

    Example:
        >>> rmse([1, 5], [4, 1], mask=[1, 0])
        3.0
    """
    return float(error_sums(predictions, targets, mask=mask).rmse[0])


def mae(predictions: npt.ArrayLike, targets: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> float:
    """Mean absolute error, rating points; arguments as for `error_sums`.

    Example:
        >>> mae([3, 5], [4, 5])
        0.5
    """
    return float(error_sums(predictions, targets, mask=mask).mae[0])


def mean_user_rmse(predictions: npt.ArrayLike, targets: npt.ArrayLike, users: npt.ArrayLike) -> float:
    """Mean over users of each one's RMSE, rating points: every user counts alike, however much they rated.

    Example:
        >>> mean_user_rmse([3, 5, 1], [4, 4, 3], users=[7, 7, 9])
        1.5
    """
    group = np.unique(np.asarray(users), return_inverse=True)[1]
    return float(error_sums(predictions, targets, groups=group).rmse.mean())


def bootstrap_rmse(
    squared: Mapping[str, FloatArray], counts: IntArray, *, resamples: int = 1000, seed: int = 0
) -> dict[str, FloatArray]:
    """RMSE of several predictors in samples of clusters drawn with replacement, the same samples for all.

    Draws are shared, so the difference of two entries is the paired difference. With more than 10,000 clusters they
    are first pooled at random into 10,000, whose resampling has the same variance and a bounded cost.

    Args:
        squared: sums of squared errors of each cluster by predictor, each of shape ``(num_clusters,)``.
        counts: number of ratings of each cluster, same shape; empty clusters are left out.
        resamples: number of samples.
        seed: seed of the draws; equal seeds give equal draws.

    Returns:
        RMSE in each sample by predictor, each of shape ``(resamples,)``, rating points.

    Raises:
        MetricError: fewer than two clusters with a rating, or no resample.

    Example:
        >>> draws = bootstrap_rmse({"a": np.array([4.0, 4.0]), "b": np.array([1.0, 1.0])}, np.array([1, 1]))
        >>> interval(draws["a"] - draws["b"])
        (1.0, 1.0)
    """
    present = np.flatnonzero(counts)
    if len(present) < 2 or resamples < 1:
        raise MetricError(
            "A bootstrap needs two clusters with ratings and one resample at least. "
            f"Received: {len(present)} clusters, {resamples} resamples."
        )
    columns = np.column_stack([counts[present], *(sums[present] for sums in squared.values())]).astype(np.float64)
    rng = np.random.default_rng([seed, 5])
    if len(columns) > _CLUSTERS:
        pool = rng.permutation(len(columns)) % _CLUSTERS
        columns = np.column_stack([np.bincount(pool, column, _CLUSTERS) for column in columns.T])
    size = len(columns)
    totals = np.empty((resamples, columns.shape[1]))
    block = max(1, (1 << 21) // size)  # weights of one block of resamples stay near 16 MB
    for start in range(0, resamples, block):
        rows = range(start, min(start + block, resamples))
        weights = [np.bincount(rng.integers(size, size=size), minlength=size) for _ in rows]
        totals[rows.start : rows.stop] = np.array(weights, dtype=np.float64) @ columns
    return {name: np.sqrt(totals[:, place] / totals[:, 0]) for place, name in enumerate(squared, start=1)}


def interval(draws: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """The middle share of bootstrap draws, from quantile to quantile.

    Example:
        >>> [round(end, 3) for end in interval(np.arange(41.0))]
        [1.0, 39.0]
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_errors(squared: FloatArray, counts: IntArray) -> FloatArray:
    """Standard error of each group's RMSE, clustered by user, by linearisation: cheap for many groups.

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
    mean = _divide(squared.sum(axis=0), totals)
    spread = ((squared - mean * counts) ** 2).sum(axis=0)
    variance = _divide(_divide(spread * users, np.maximum(users - 1, 0)), totals.astype(np.float64) ** 2)
    return _divide(np.sqrt(variance), 2 * np.sqrt(mean))


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same cells; below 0 is in favour of the first.

    Args:
        difference: RMSE of the first minus RMSE of the second, rating points.
        ci95: 95 % interval of the difference, users drawn.
        ci95_items: the same, items drawn; None when no items were given.
        users_improved: share of users whose own squared error is smaller with the first; ties count half.
        num_users: users compared.
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
    """Compares two predictions of the same cells, pairing them in every resample.

    Args:
        ours: predicted stars of the first predictor, shape ``(n,)``.
        theirs: predicted stars of the second, same shape.
        targets: the stars that were given, same shape.
        users: user of each cell, ids or indices, same shape.
        items: item of each cell; gives the interval over items too.
        resamples: number of bootstrap samples.
        seed: seed of the draws.

    Raises:
        MetricError: as `error_sums` and `bootstrap_rmse`.

    Example:
        >>> stars = np.array([4.0, 2.0, 5.0])
        >>> compare(stars + 0.5, stars + 1.0, stars, users=["ann", "bob", "bob"])
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
        share_improved(by_user["ours"].squared, by_user["theirs"].squared, by_user["ours"].counts),
        int(np.count_nonzero(by_user["ours"].counts)),
    )


def share_improved(ours: FloatArray, theirs: FloatArray, counts: IntArray) -> float:
    """Share of the clusters with ratings whose sum of squared errors is smaller in ``ours``; ties count half.

    Example:
        >>> share_improved(np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([1, 1]))
        0.75
    """
    present = counts > 0
    better, tied = (ours < theirs)[present], (ours == theirs)[present]
    return float(better.mean() + tied.mean() / 2)


def count_bins(counts: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Bins of how often something was rated, on fixed edges (1, 2-4, 5-9, 10-19, …), comparable between data sets.

    Returns:
        The bin of each count, shape ``(n,)``, and a label for each bin, ascending, the last one that occurs at the end.

    Example:
        >>> count_bins([0, 3, 4, 12])
        (array([0, 2, 2, 4]), ('0', '1', '2–4', '5–9', '10–19'))
    """
    edges = np.array(_EDGES)
    bins = np.searchsorted(edges, np.asarray(counts), side="right") - 1
    return bins, tuple(_bin_label(place) for place in range(int(bins.max(initial=-1)) + 1))


def _bin_label(place: int) -> str:
    low = _EDGES[place]
    if place == len(_EDGES) - 1:
        return f"{low:,} or more"
    high = _EDGES[place + 1] - 1
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _sums(groups: IntArray, values: FloatArray, size: int) -> FloatArray:
    return np.bincount(groups, values, size).astype(np.float64, copy=False)


def _divide(sums: FloatArray, counts: npt.NDArray[Any]) -> FloatArray:
    """Sums over counts, NaN where there is nothing to divide by."""
    quotient: FloatArray = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts != 0)
    return quotient
