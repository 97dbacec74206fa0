"""One person's predictions as a Keras model that exports to a SavedModel.

The network of a trained dual autoencoder encodes all training users at once. This one has its user encoder and decoder
and the encoded items of a bundle, and encodes one person, whoever it is: what TensorFlow Serving or another program
needs.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..sparse import Tensor
from .layers import BilinearDecoder, RowEncoder
from .trained import TrainedDual


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class PersonNetwork(keras.Model):
    """Predicts one person's ratings of all items from the ratings that the person gave.

    The layers are those of `DualAutoencoder`; the predictions are those of `TrainedDual.fold_in` and
    `TrainedDual.predict`.

    Args:
        num_items: items of the trained model.
        latent_dim: numbers in a latent vector.
        mean: mean of the training ratings, rating points.
        minimum: smallest rating of the scale.
        maximum: largest rating of the scale.
        damping: damping of the person's bias, in ratings.
        rho: scale of the encoder's sums (rho in docs/models.md).
        name: of the model.

    Example:
        ```python
        network = PersonNetwork.from_trained(bundle.model.members()["dual"])
        network.export("saved_model")
        ```
    """

    def __init__(
        self,
        num_items: int,
        latent_dim: int,
        *,
        mean: float,
        minimum: float,
        maximum: float,
        damping: float,
        rho: float,
        name: str = "person",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.num_items, self.latent_dim = num_items, latent_dim
        self.mean, self.minimum, self.maximum = mean, minimum, maximum
        self.damping, self.rho = damping, rho
        self.user_encoder = RowEncoder(num_items, latent_dim, name="user_encoder")
        self.decoder = BilinearDecoder(latent_dim, name="decoder")
        self.build()

    @classmethod
    def from_trained(cls, trained: TrainedDual) -> PersonNetwork:
        """The network of a trained model.

        Args:
            trained: a dual autoencoder, or the dual member of an ensemble. A dual autoencoder by itself (``--speed
                fast``) folds new people in by regression; here it is its encoder that reads them.
        """
        weights, latent = trained.weights, trained.items.latent
        network = cls(
            *latent.shape,
            mean=trained.mean,
            minimum=trained.scale.minimum,
            maximum=trained.scale.maximum,
            damping=trained.damping,
            rho=trained.rho,
        )
        encoder, decoder = network.user_encoder, network.decoder
        for variable, value in (
            (encoder.residual_table, weights.item_residual_table),
            (encoder.implicit_table, weights.item_implicit_table),
            (encoder.intercept, weights.user_intercept),
            (decoder.user_weights, weights.user_weights),
            (decoder.item_weights, weights.item_weights),
            (network.items, latent),
            (network.item_bias, trained.item_bias),
        ):
            variable.assign(np.asarray(value, dtype=np.float32))
        return network

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights."""
        self.user_encoder.build()
        self.decoder.build()
        self.items = self.add_weight((self.num_items, self.latent_dim), initializer="zeros", name="items")
        self.item_bias = self.add_weight((self.num_items,), initializer="zeros", name="item_bias")
        self.trainable = False

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Predictions of all items, clipped to the scale, shape ``(num_items,)``, rating points.

        Args:
            inputs: ``items``, indices of the items that the person rated, shape ``(n,)``, int32;
                ``ratings``, rating points, same shape.
            training: not used.
        """
        items, ratings = inputs["items"], inputs["ratings"]
        residuals = ratings - self.mean - tf.gather(self.item_bias.value, items)
        bias = tf.reduce_sum(residuals) / (tf.cast(tf.size(items), tf.float32) + self.damping)
        implicit = tf.fill(tf.shape(items), self.rho)  # as `HidePredictDataset.visible_inputs` scales the sums
        latent = self.user_encoder.encode_row(items, self.rho * (residuals - bias), implicit)
        raw = self.mean + bias + self.item_bias.value + self.decoder.decode_row(latent, self.items.value)
        return tf.clip_by_value(raw, self.minimum, self.maximum)

    def export(self, filepath: Any, *arguments: Any, input_signature: Any = None, **options: Any) -> None:
        """As in Keras; the signature of one person's items and ratings is known."""
        signature = input_signature or [
            {
                "items": keras.InputSpec(shape=(None,), dtype="int32"),
                "ratings": keras.InputSpec(shape=(None,), dtype="float32"),
            }
        ]
        super().export(filepath, *arguments, input_signature=signature, **options)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this model."""
        names = ("num_items", "latent_dim", "mean", "minimum", "maximum", "damping", "rho")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
