"""One side of the ratings, users or items, as the Gibbs sampler sees it: what stays fixed over all draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...data.ratings import IntArray, Ratings
from ..base import Table
from ..regression import implicit_scale


@dataclass(frozen=True)
class CountFeature:
    """The number of ratings as a feature: log(1 + n), standardised over training rows.

    Args:
        mean: of the logarithms over training rows.
        standard_deviation: of the logarithms.
        minimum: least number of ratings of a training row; smaller numbers count as half a rating less than this.
    """

    mean: float
    standard_deviation: float
    minimum: float

    @classmethod
    def of(cls, counts: npt.NDArray[Any]) -> CountFeature:
        """Fits it to the numbers of ratings of training rows."""
        logs = np.log1p(counts, dtype=np.float64)
        return cls(float(logs.mean()), float(logs.std()) or 1.0, float(counts.min()))

    def __call__(self, counts: npt.NDArray[Any]) -> Table:
        """The feature of each row, shape ``(n,)``."""
        logs = np.log1p(np.maximum(counts, max(self.minimum - 0.5, 0.0)), dtype=np.float64)
        feature: Table = ((logs - self.mean) / self.standard_deviation).astype(np.float32)
        return feature


class RowBlock(NamedTuple):
    """Some rows of a side, with their cells.

    Args:
        rows: their indices, ascending, shape ``(n,)``.
        cells: indices of their cells among the side's, each row's together; a slice where they are contiguous.
        columns: column of each of these cells.
        starts: where each row's cells start, shape ``(n + 1,)``.
        num_columns: of the side.
    """

    rows: IntArray
    cells: IntArray | slice
    columns: IntArray
    starts: IntArray
    num_columns: int

    @classmethod
    def of(cls, ratings: Ratings, rows: IntArray) -> RowBlock:
        """These users of the ratings, at least one."""
        first, last = int(ratings.user_starts[rows[0]]), int(ratings.user_starts[rows[-1] + 1])
        cells: IntArray | slice = slice(first, last)
        if len(rows) <= rows[-1] - rows[0]:
            cells = first + np.flatnonzero(np.isin(ratings.user_index[cells], rows))
        starts = np.append(0, np.cumsum(ratings.user_counts[rows])).astype(np.int32)
        return cls(rows, cells, ratings.item_index[cells], starts, ratings.num_items)

    def to_csr(self, values: Table) -> Any:
        """CSR matrix of these rows from a value for each cell of the side."""
        from scipy import sparse

        shape = (len(self.rows), self.num_columns)
        return sparse.csr_array((values[self.cells], self.columns, self.starts), shape=shape)


class Side:
    """The fixed data of one side: its cells, and the features of its rows.

    Args:
        ratings: with this side's rows as users.
        values: standardised ratings, each row's together.
        shortest: number of cells from which a row counts as long.
        block_rows: long rows whose precision matrices are held at a time.
        features: of the rows, beside their implicit feedback (side information), shape ``(num_rows, any)``.
    """

    def __init__(
        self, ratings: Ratings, values: Table, *, shortest: int, block_rows: int, features: Table | None = None
    ) -> None:
        self.ratings, self.values = ratings, values
        self.rows, self.columns = ratings.user_index, ratings.item_index
        counts = ratings.user_counts
        long = np.flatnonzero(counts >= shortest)
        self.long = [
            RowBlock.of(ratings, long[start : start + block_rows]) for start in range(0, len(long), block_rows)
        ]
        self.short: list[tuple[IntArray, IntArray]] = []  # rows of equally many cells, and these cells
        for count in range(1, shortest):
            if len(rows := np.flatnonzero(counts == count)):
                self.short.append((rows, ratings.user_starts[rows][:, None] + np.arange(count)))
        self.count_feature = CountFeature.of(counts)
        own = self.count_feature(counts)[:, None]
        self.features = own if features is None else np.concatenate([own, features.astype(np.float32)], axis=1)
        self.scale = implicit_scale(counts)
        self.implicit = ratings.to_csr()

    def __len__(self) -> int:
        return self.ratings.num_users
