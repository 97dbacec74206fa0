"""Operations at observed cells: products with sparse matrices, decoding at given cells, masked losses.

Only this module knows the mask. Nothing here has the size users x items: a product costs
O(observed cells x columns), and a decoder is evaluated only where a rating is scored. Gradients are written out,
since TensorFlow's own would also differentiate with respect to the sparse matrix, which is data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ..data.ratings import IntArray, stable_order

Tensor = Any


class Cells(NamedTuple):
    """Row and column of stored cells, in the order of rows and in that of columns.

    Both orders are kept because every gradient needs a product with the transpose, and that is reproducible to the
    last bit only when it runs over rows of its own: TensorFlow's transposing kernel adds up in the order in which
    threads happen to finish.

    Args:
        by_row: row and column of each cell, sorted by row and then column, shape ``(n, 2)``, int64.
        by_column: column and row of each cell, sorted by column and then row, shape ``(n, 2)``, int64.
        order: index in ``by_row`` of each cell of ``by_column``, shape ``(n,)``, int32.
        shape: number of rows and of columns, shape ``(2,)``, int64.
    """

    by_row: Tensor
    by_column: Tensor
    order: Tensor
    shape: Tensor

    @classmethod
    def of(cls, rows: IntArray, columns: IntArray, num_rows: int, num_columns: int) -> Cells:
        """Cells sorted by row and then column, each shape ``(n,)``."""
        order = stable_order(columns, num_columns)
        return cls(
            tf.constant(np.stack([rows, columns], axis=1).astype(np.int64)),
            tf.constant(np.stack([columns[order], rows[order]], axis=1).astype(np.int64)),
            tf.constant(order),
            tf.constant([num_rows, num_columns], tf.int64),
        )

    @classmethod
    def given(cls, by_row: Tensor, order: Tensor, shape: Tensor) -> Cells:
        """Cells sorted by row and then column, and their order by column and then row."""
        return cls(by_row, tf.reverse(tf.gather(by_row, order), [1]), order, shape)


class Matrix(NamedTuple):
    """A sparse matrix and its transpose, both in compressed rows (`compressed_rows`)."""

    plain: Tensor
    transposed: Tensor


def compressed_rows(cells: Tensor, values: Tensor, shape: Tensor) -> Tensor:
    """A sparse matrix in compressed rows.

    Args:
        cells: row and column of each stored cell, sorted by row and then column, shape ``(n, 2)``, int64.
        values: what is stored there, shape ``(n,)``; a stored 0 costs time but changes nothing.
        shape: number of rows and of columns, shape ``(2,)``, int64.
    """
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=cells, values=values, dense_shape=shape)


def compressed(cells: Cells, values: Tensor) -> Matrix:
    """A sparse matrix and its transpose from the values at the cells of the matrix, shape ``(n,)``."""
    return Matrix(
        compressed_rows(cells.by_row, values, cells.shape),
        compressed_rows(cells.by_column, tf.gather(values, cells.order), tf.reverse(cells.shape, [0])),
    )


def product(matrix: Matrix, dense: Tensor) -> Tensor:
    """``matrix @ dense``: parallel, reproducible, differentiable in ``dense`` only.

    Args:
        matrix: of shape ``(rows, columns)``.
        dense: shape ``(columns, k)``.

    Returns:
        Shape ``(rows, k)``.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def multiplied(dense: Tensor) -> tuple[Tensor, Any]:
        return _product(matrix.plain, dense), lambda upstream: _product(matrix.transposed, upstream)

    return multiplied(dense)


def inner_products_at(cells: Cells, left: Tensor, right: Tensor) -> Tensor:
    """Inner products of rows of ``left`` with rows of ``right``, at given cells only.

    Args:
        cells: ``n`` cells of a matrix of shape ``(rows, columns)``.
        left: shape ``(rows, k)``.
        right: shape ``(columns, k)``.

    Returns:
        Shape ``(n,)``.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def inner(left: Tensor, right: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            matrix = compressed(cells, upstream)
            return _product(matrix.plain, right), _product(matrix.transposed, left)

        products = tf.reduce_sum(tf.gather(left, cells.by_row[:, 0]) * tf.gather(right, cells.by_row[:, 1]), axis=1)
        return products, gradient

    return inner(left, right)


def _product(matrix: Tensor, dense: Tensor) -> Tensor:
    return tf.raw_ops.SparseMatrixMatMul(
        a=matrix,
        b=dense,
        transpose_a=False,
        transpose_b=False,
        adjoint_a=False,
        adjoint_b=False,
        transpose_output=False,
        conjugate_output=False,
    )


def dense_matrix(cells: Cells, values: Tensor) -> Tensor:
    """A dense matrix with 0 where nothing is stored: for a batch of rows, never for all of them."""
    return tf.scatter_nd(cells.by_row, values, cells.shape)


def times(rows: Matrix | Tensor, table: Tensor) -> Tensor:
    """``rows @ table`` for rows from `compressed` or `dense_matrix`; shape ``(rows, k)``."""
    return product(rows, table) if isinstance(rows, Matrix) else tf.linalg.matmul(rows, table)


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Sum of squared differences over the given cells. The caller, who knows the count, divides once."""
    return tf.reduce_sum(tf.square(predicted - target))
