"""The network of the dual autoencoder: two encoders, of users' rows and of items' columns, meet in a bilinear decoder.

    z_u = (sum_i e_ui A_i + sum_i C_i) / sqrt(n_u + 1) + c        over the items that user u rated
    w_i = (sum_u e_ui B_u + sum_u D_u) / sqrt(n_i + 1) + d        over the users who rated item i
    decoded(u, i) = <z_u, w_i> + <alpha, z_u> + <beta, w_i>       of the residual e_ui on damped biases

The features are those of "SVD++ flipped" (Koren 2008; Rendle et al. 2019, arXiv:1905.01395); docs/models.md derives the
network, docs/keras.md shows how to train, change and export it. `HidePredictDataset` makes its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..base import Table
from ..rating_network import RatingNetwork
from ..sparse import Tensor
from .hide_and_predict import HidePredictDataset
from .layers import BilinearDecoder, RowEncoder
from .trained import DualWeights, TrainedDual

_TABLE_STDDEV, _INTERCEPT_STDDEV = 0.05, 0.1  # of the first weights; <z, w> has no gradient where both are 0

_LAYERS = {  # weights by the names of `DualWeights`, and the layer and variable that hold each
    "item_residual_table": ("user_encoder", "residual_table"),
    "item_implicit_table": ("user_encoder", "implicit_table"),
    "user_residual_table": ("item_encoder", "residual_table"),
    "user_implicit_table": ("item_encoder", "implicit_table"),
    "user_intercept": ("user_encoder", "intercept"),
    "item_intercept": ("item_encoder", "intercept"),
    "user_weights": ("decoder", "user_weights"),
    "item_weights": ("decoder", "item_weights"),
}


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class DualAutoencoder(RatingNetwork):
    """The dual autoencoder.

    Args:
        num_users: rows of the rating matrix.
        num_items: columns of the rating matrix.
        latent_dim: numbers in a latent vector.
        l2: penalty on the squares of the tables; divided by the number of ratings beside the mean squared error.
        seed: seed of the first weights.
        name: of the model.

    Example:
        ```python
        model = DualAutoencoder(ratings.num_users, ratings.num_items, latent_dim=32, l2=15.0)
        model.compile(make_optimizer("adam", 0.01))
        model.fit(HidePredictDataset(ratings), epochs=200)
        ```
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        latent_dim: int,
        *,
        l2: float = 0.0,
        seed: int = 0,
        name: str = "dual",
        **options: Any,
    ) -> None:
        super().__init__(l2=l2, name=name, **options)
        self.num_users, self.num_items, self.latent_dim, self.seed = num_users, num_items, latent_dim, seed
        seeds = np.random.default_rng([seed, 2]).integers(2**31, size=8).tolist()
        self.user_encoder = self._encoder("user_encoder", num_items, seeds[0], seeds[1], seeds[4])
        self.item_encoder = self._encoder("item_encoder", num_users, seeds[2], seeds[3], seeds[5])
        self.decoder = BilinearDecoder(latent_dim, name="decoder")

    def _encoder(self, name: str, num_columns: int, *seeds: int) -> RowEncoder:
        initializers = [
            keras.initializers.RandomNormal(stddev=stddev, seed=seed)
            for stddev, seed in zip((_TABLE_STDDEV, _TABLE_STDDEV, _INTERCEPT_STDDEV), seeds, strict=True)
        ]
        return RowEncoder(
            num_columns,
            self.latent_dim,
            residual_initializer=initializers[0],
            implicit_initializer=initializers[1],
            intercept_initializer=initializers[2],
            name=name,
        )

    @classmethod
    def from_trained(cls, trained: TrainedDual, **arguments: Any) -> DualAutoencoder:
        """The network with the weights of a trained model.

        Args:
            trained: the model of a bundle: a dual autoencoder, or the dual member of an ensemble.
            arguments: further arguments of the constructor, such as ``l2``.
        """
        arrays = vars(trained.weights)
        num_items, latent_dim = arrays["item_residual_table"].shape
        network = cls(len(arrays["user_residual_table"]), num_items, latent_dim, **arguments)
        network.ensure_built()
        for name, variable in network.named_variables.items():
            variable.assign(arrays[name])
        return network

    def to_trained(self, dataset: HidePredictDataset, values: Mapping[str, Table] | None = None) -> TrainedDual:
        """The NumPy form of this network, which a bundle holds, with all training ratings visible.

        Args:
            dataset: the training ratings, and how they were hidden.
            values: of the weights by the path of their variable, such as averages; the present ones when left out.
        """
        values = {variable.path: variable.numpy() for variable in self.weights} if values is None else values
        return TrainedDual.from_weights(
            DualWeights(**{name: values[variable.path] for name, variable in self.named_variables.items()}),
            dataset.ratings,
            dataset.biases(),
            damping=dataset.damping,
            hidden_fraction=dataset.hidden_fraction,
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of all layers."""
        self.user_encoder.build({"counts": (self.num_users,)})
        self.item_encoder.build({"counts": (self.num_items,)})
        self.decoder.build({"cells": (None, 2)})

    @property
    def named_variables(self) -> dict[str, keras.Variable]:
        """The eight weights by their names in docs/notation.md."""
        return {name: getattr(getattr(self, layer), variable) for name, (layer, variable) in _LAYERS.items()}

    @property
    def tables(self) -> list[keras.Variable]:
        """The penalized weights: both tables of both encoders. Intercepts and the decoder's weights are free."""
        encoders = (self.user_encoder, self.item_encoder)
        return [table for encoder in encoders for table in (encoder.residual_table, encoder.implicit_table)]

    def penalty_fraction(self, inputs: dict[str, Tensor]) -> Tensor:
        """1 over the number of ratings, beside a mean squared error."""
        return inputs["penalty_fraction"][0]

    def scale_gradients(self, gradients: list[Tensor], inputs: dict[str, Tensor]) -> list[Tensor]:
        """Multiplies the gradient of a table by its number of rows.

        A table's row sees about 1/rows of the cells that the shared vectors see. The factor keeps gradients far above
        Adam's epsilon on large data and lets plain SGD move tables and vectors at one rate.
        """
        shapes = [variable.shape for variable in self.trainable_variables]
        rows = [float(shape[0]) if len(shape) == 2 else 1.0 for shape in shapes]
        return [gradient * n for gradient, n in zip(gradients, rows, strict=True)]

    def encode(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Latent vectors of all users and of all items from visible ratings.

        Args:
            inputs: as for `call`.

        Returns:
            Of users, shape ``(num_users, latent_dim)``, and of items, shape ``(num_items, latent_dim)``.
        """
        shape = tf.constant([self.num_users, self.num_items], tf.int64)
        by_user = {name: inputs[name] for name in ("cells", "residuals", "implicit")}
        by_item = {name: tf.gather(inputs[name], inputs["order"]) for name in ("residuals", "implicit")}
        by_user |= {"shape": shape}
        by_item |= {"cells": inputs["cells_by_item"], "shape": tf.constant([self.num_items, self.num_users], tf.int64)}
        users = self.user_encoder({"rows": by_user, "columns": by_item, "counts": inputs["user_counts"]})
        items = self.item_encoder({"rows": by_item, "columns": by_user, "counts": inputs["item_counts"]})
        return users, items

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Encodes the visible ratings and decodes residuals at given cells.

        Args:
            inputs: a dictionary of the training cells and the decoded ones, as `HidePredictDataset.batch` describes it.
            training: not used here; layers of a subclass may.

        Returns:
            Residuals at ``decode_cells``, shape ``(n,)``, rating points.
        """
        users, items = self.encode(inputs)
        cells, order = inputs["decode_cells"], inputs["decode_order"]
        return self.decoder({"users": users, "items": items, "cells": cells, "order": order})

    def get_config(self) -> dict[str, Any]:
        """The arguments of this model."""
        names = ("num_users", "num_items", "latent_dim", "l2", "seed", "name")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
