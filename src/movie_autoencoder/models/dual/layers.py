"""The layers of the dual autoencoder: an encoder of sparse rows, used for users and for items, and the decoder."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..sparse import Cells, Matrix, Tensor, compressed_rows, inner_products_at, product


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class RowEncoder(keras.layers.Layer):
    """Encodes rows of a sparse matrix of residuals, each as a weighted sum over its stored cells.

        latent = (residuals @ residual_table + implicit @ implicit_table) / sqrt(counts + 1) + intercept

    `residual_table` weighs how a rating differs from the biases, `implicit_table` that there is a rating at all
    (implicit feedback), and `intercept` is the latent vector of a row without ratings. The rows are users and the
    columns items, or the other way round.

    Args:
        num_columns: columns of the matrix, rows of both tables.
        latent_dim: numbers in a latent vector.
        residual_initializer: of `residual_table`.
        implicit_initializer: of `implicit_table`.
        intercept_initializer: of `intercept`; not zeros, or the decoder's inner product has no gradient.
    """

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        *,
        residual_initializer: Any = "random_normal",
        implicit_initializer: Any = "random_normal",
        intercept_initializer: Any = "random_normal",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.num_columns = num_columns
        self.latent_dim = latent_dim
        self.residual_initializer = keras.initializers.get(residual_initializer)
        self.implicit_initializer = keras.initializers.get(implicit_initializer)
        self.intercept_initializer = keras.initializers.get(intercept_initializer)
        self.supports_jit = False

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights; their shapes follow from the arguments."""
        table = (self.num_columns, self.latent_dim)
        self.residual_table = self.add_weight(table, initializer=self.residual_initializer, name="residual_table")
        self.implicit_table = self.add_weight(table, initializer=self.implicit_initializer, name="implicit_table")
        self.intercept = self.add_weight((self.latent_dim,), initializer=self.intercept_initializer, name="intercept")

    def call(self, inputs: dict[str, Any]) -> Tensor:
        """Latent vectors of rows.

        Args:
            inputs: ``rows``, a dictionary with the matrix: ``cells`` (row and column of each stored cell, sorted,
                shape ``(n, 2)``, int64), ``shape`` (``(2,)``, int64), and at the cells, shape ``(n,)``, ``residuals``
                and ``implicit`` (1, or 0 where a rating is hidden); ``columns``, the same of the transposed matrix;
                ``counts``, the number of ratings of each row, shape ``(rows,)``.

        Returns:
            Shape ``(rows, latent_dim)``.
        """
        rows, columns = inputs["rows"], inputs["columns"]
        residuals, implicit = (
            Matrix(*(compressed_rows(side["cells"], side[name], side["shape"]) for side in (rows, columns)))
            for name in ("residuals", "implicit")
        )
        total = product(residuals, self.residual_table.value) + product(implicit, self.implicit_table.value)
        return self._latent(total, inputs["counts"])

    def encode_row(self, columns: Tensor, residuals: Tensor, implicit: Tensor) -> Tensor:
        """The latent vector of one row by plain gathers, which a SavedModel can hold; shape ``(1, latent_dim)``.

        Args:
            columns: of the row's ratings, shape ``(n,)``, an integer type.
            residuals: at these columns, same shape.
            implicit: as in `call`, same shape.
        """
        total = tf.linalg.matvec(tf.gather(self.residual_table.value, columns), residuals, transpose_a=True)
        total += tf.linalg.matvec(tf.gather(self.implicit_table.value, columns), implicit, transpose_a=True)
        return self._latent(total[None], tf.cast(tf.size(columns), tf.float32)[None])

    def _latent(self, total: Tensor, counts: Tensor) -> Tensor:
        return total * tf.math.rsqrt(counts + 1.0)[:, None] + self.intercept

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Shape ``(rows, latent_dim)``."""
        return input_shape["counts"][0], self.latent_dim

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        initializers = {
            name: keras.initializers.serialize(getattr(self, name))
            for name in ("residual_initializer", "implicit_initializer", "intercept_initializer")
        }
        own = {"num_columns": self.num_columns, "latent_dim": self.latent_dim}
        return {**super().get_config(), **own, **initializers}


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class BilinearDecoder(keras.layers.Layer):
    """Decodes given cells from the latent vectors of their row and column.

    decoded(u, i) = <z_u, w_i> + <user_weights, z_u> + <item_weights, w_i>

    Args:
        latent_dim: numbers in a latent vector.
    """

    def __init__(self, latent_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.latent_dim = latent_dim
        self.supports_jit = False

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights, both 0 at first."""
        self.user_weights = self.add_weight((self.latent_dim,), initializer="zeros", name="user_weights")
        self.item_weights = self.add_weight((self.latent_dim,), initializer="zeros", name="item_weights")

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        """Decoded values, shape ``(n,)``.

        Args:
            inputs: ``users``, shape ``(users, latent_dim)``; ``items``, shape ``(items, latent_dim)``; ``cells``, user
                and item of each decoded cell, sorted, shape ``(n, 2)``, int64; ``order``, the indices that sort the
                cells by item and then user, shape ``(n,)``, int32.
        """
        users, items = inputs["users"], inputs["items"]
        shape = tf.stack([tf.shape(users, tf.int64)[0], tf.shape(items, tf.int64)[0]])
        cells = Cells.given(inputs["cells"], inputs["order"], shape)
        factors, offsets = self._columns(items)
        return inner_products_at(cells, users, factors) + tf.gather(offsets, cells.by_row[:, 1])

    def decode_row(self, user: Tensor, items: Tensor) -> Tensor:
        """Decoded values of one user at all items, shape ``(items,)``, by operations that a SavedModel can hold.

        Args:
            user: latent vector, shape ``(1, latent_dim)``.
            items: latent vectors, shape ``(items, latent_dim)``.
        """
        factors, offsets = self._columns(items)
        return tf.linalg.matvec(factors, user[0]) + offsets

    def _columns(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Of the items: factors, which a user's latent vector multiplies, and offsets."""
        return items + self.user_weights, tf.linalg.matvec(items, self.item_weights)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None]:
        """Shape ``(n,)``."""
        return (input_shape["cells"][0],)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        return {**super().get_config(), "latent_dim": self.latent_dim}
