"""Statistics of a data set: `inspect_ratings` counts, and its result prints as plain lines or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .ratings import Ratings
from .vocabulary import IntArray

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
_FEW = 3  # ratings; a model can learn little of a user or item with so few


@dataclass(frozen=True)
class Inspection:
    """Statistics of a data set.

    Args:
        num_ratings, num_users, num_items: counts without duplicates.
        density: fraction of the matrix that is observed.
        mean, std: mean and standard deviation of the ratings, rating points; None for pairs without ratings.
        scale: minimum, maximum and step (0 for a continuous scale), rating points; None for pairs without ratings.
        histogram: number of ratings by their value, or by the lower end of ten equal ranges when there are many values;
            empty for pairs without ratings.
        ratings_per_user, ratings_per_item: quantiles of the counts, by their level (0 = smallest, 1 = largest).
        few_users, few_items: fraction with at most 3 ratings.
        first, last: ISO dates of the oldest and the newest rating; None without times.
        format: name of the file family.
        num_rows, num_skipped, num_duplicates: rows of the file, bad rows left out, and rows replaced by another.
    """

    num_ratings: int
    num_users: int
    num_items: int
    density: float
    mean: float | None
    std: float | None
    scale: tuple[float, float, float] | None
    histogram: Mapping[float, int]
    ratings_per_user: Mapping[float, float]
    ratings_per_item: Mapping[float, float]
    few_users: float
    few_items: float
    first: str | None
    last: str | None
    format: str
    num_rows: int
    num_skipped: int
    num_duplicates: int

    def lines(self) -> list[str]:
        """The statistics as plain text."""
        what = "pairs without ratings" if self.scale is None else "ratings"
        text = [
            f"{self.num_ratings:,} {what} by {self.num_users:,} users of {self.num_items:,} movies "
            f"({100 * self.density:.3g} % of all pairs), read as {self.format}",
            *self._star_lines(),
        ]
        for name, quantiles, few in (
            ("user", self.ratings_per_user, self.few_users),
            ("movie", self.ratings_per_item, self.few_items),
        ):
            listed = ", ".join(f"{_quantile_name(level)} {value:,.0f}" for level, value in quantiles.items())
            text.append(f"{what.split()[0]} per {name}: {listed}; {100 * few:.1f} % have at most {_FEW}")
        if self.first and self.last:
            text.append(f"{'chosen' if self.scale is None else 'rated'} between {self.first} and {self.last}")
        if self.num_skipped or self.num_duplicates:
            text.append(
                f"of {self.num_rows:,} rows {self.num_skipped:,} bad ones were skipped and {self.num_duplicates:,} "
                "replaced by another rating of the same user and movie"
            )
        return text

    def _star_lines(self) -> list[str]:
        if self.scale is None:
            return ["stars: none; training fits the choice model alone"]
        low, high, step = self.scale
        span = f"{low:g} to {high:g}" + (f" in steps of {step:g}" if step else ", continuous")
        text = [f"stars: {span}, mean {self.mean:.3f}, standard deviation {self.std:.3f}"]
        largest = max(self.histogram.values())
        for star, count in self.histogram.items():
            fraction = count / self.num_ratings
            text.append(f"  {star:>7g} {'#' * round(30 * count / largest):<30} {100 * fraction:5.1f} %  {count:,}")
        return text

    def to_dict(self) -> dict[str, Any]:
        """The statistics as values that JSON has."""
        return {name: _json(value) for name, value in asdict(self).items()}


def inspect_ratings(ratings: Ratings) -> Inspection:
    """Computes the statistics of a data set.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2], [7, 8, 7], [4.0, 2.0, 3.0])
        >>> found = inspect_ratings(ratings)
        >>> found.density, found.mean, dict(found.histogram), found.few_users
        (0.75, 3.0, {2.0: 1, 3.0: 1, 4.0: 1}, 1.0)
    """
    values, rated = ratings.values, ratings.rated
    first, last = _span(ratings)
    source = ratings.source
    return Inspection(
        num_ratings=len(ratings),
        num_users=ratings.num_users,
        num_items=ratings.num_items,
        density=ratings.density,
        mean=float(values.mean(dtype=np.float64)) if rated else None,
        std=float(values.std(dtype=np.float64)) if rated else None,
        scale=(ratings.scale.minimum, ratings.scale.maximum, ratings.scale.step) if rated else None,
        histogram=_histogram(ratings) if rated else {},
        ratings_per_user=_quantiles(ratings.user_counts),
        ratings_per_item=_quantiles(ratings.item_counts),
        few_users=float((ratings.user_counts <= _FEW).mean()),
        few_items=float((ratings.item_counts <= _FEW).mean()),
        first=first,
        last=last,
        format=source.format,
        num_rows=source.num_rows,
        num_skipped=source.num_skipped,
        num_duplicates=source.num_duplicates,
    )


def _histogram(ratings: Ratings) -> dict[float, int]:
    scale, values = ratings.scale, ratings.values
    if scale.step and len(scale.levels) <= 21:
        level = np.clip(np.rint((values - scale.minimum) / scale.step), 0, len(scale.levels) - 1).astype(np.int64)
        counts = np.bincount(level, minlength=len(scale.levels))
        return {round(float(level), 6): int(count) for level, count in zip(scale.levels, counts, strict=True)}
    counts, edges = np.histogram(values, bins=10, range=(scale.minimum, scale.maximum))
    return {round(float(edge), 6): int(count) for edge, count in zip(edges[:-1], counts, strict=True)}


def _quantiles(counts: IntArray) -> dict[float, float]:
    return {level: float(value) for level, value in zip(_QUANTILES, np.quantile(counts, _QUANTILES), strict=True)}


def _quantile_name(level: float) -> str:
    return {0.0: "smallest", 0.5: "median", 1.0: "largest"}.get(level, f"{100 * level:.0f} %")


def _span(ratings: Ratings) -> tuple[str | None, str | None]:
    if ratings.timestamps is None:
        return None, None
    ends = int(ratings.timestamps.min()), int(ratings.timestamps.max())
    try:
        first, last = (datetime.fromtimestamp(end, tz=UTC).date().isoformat() for end in ends)
    except (ValueError, OverflowError, OSError):  # the numbers are not seconds since 1970
        return None, None
    return first, last


def _json(value: Any) -> Any:
    """A mapping with text as keys, or a list, as JSON has them."""
    if isinstance(value, Mapping):
        return {f"{key:g}": one for key, one in value.items()}
    return list(value) if isinstance(value, tuple) else value
