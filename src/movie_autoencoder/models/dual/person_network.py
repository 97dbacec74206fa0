"""One person's predictions as a Keras model that exports to a SavedModel.

The network of a trained dual autoencoder encodes all training users at once. This one has the encoded items of a bundle
as weights and encodes one person, whoever it is, from plain gathers: what TensorFlow Serving or another program needs.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..sparse import Tensor
from .trained import TrainedDual


@keras.saving.register_keras_serializable(package="movie_autoencoder")
class PersonNetwork(keras.Model):
    """Predicts one person's ratings of all items from the ratings that the person gave.

    The formulas are those of `TrainedDual.fold_in` and `TrainedDual.predict`.

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
        self.build()

    @classmethod
    def from_trained(cls, trained: TrainedDual) -> PersonNetwork:
        """The network of a trained model.

        Args:
            trained: a dual autoencoder, or the dual member of an ensemble. A dual autoencoder by itself (``--speed
                fast``) folds new people in by regression; here it is its encoder that reads them.
        """
        arrays, latent = vars(trained.weights), trained.items.latent
        network = cls(
            *latent.shape,
            mean=trained.mean,
            minimum=trained.scale.minimum,
            maximum=trained.scale.maximum,
            damping=trained.damping,
            rho=trained.rho,
        )
        values = {
            "residual_table": arrays["item_residual_table"],
            "implicit_table": arrays["item_implicit_table"],
            "intercept": arrays["user_intercept"],
            "user_weights": arrays["user_weights"],
            "items": latent,
            "item_bias": trained.item_bias,
            "item_offset": trained.items.offset[:-1],
        }
        for name, value in values.items():
            getattr(network, name).assign(np.asarray(value, dtype=np.float32))
        return network

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights."""
        table, vector, items = (self.num_items, self.latent_dim), (self.latent_dim,), (self.num_items,)
        shapes = {"residual_table": table, "implicit_table": table, "items": table, "intercept": vector}
        shapes |= {"user_weights": vector, "item_bias": items, "item_offset": items}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, initializer="zeros", name=name, trainable=False))

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Predictions of all items, clipped to the scale, shape ``(num_items,)``, rating points.

        Args:
            inputs: ``items``, indices of the items that the person rated, shape ``(n,)``, int32; ``ratings``, rating
                points, same shape.
            training: not used.
        """
        items, ratings = inputs["items"], inputs["ratings"]
        count = tf.cast(tf.size(items), tf.float32)
        residuals = ratings - self.mean - tf.gather(self.item_bias.value, items)
        bias = tf.reduce_sum(residuals) / (count + self.damping)
        residuals -= bias
        total = tf.linalg.matvec(tf.gather(self.residual_table.value, items), residuals, transpose_a=True)
        total += tf.reduce_sum(tf.gather(self.implicit_table.value, items), axis=0)
        latent = total * (self.rho * tf.math.rsqrt(count + 1.0)) + self.intercept
        own = self.mean + bias + tf.tensordot(latent, self.user_weights.value, 1)
        raw = tf.linalg.matvec(self.items.value, latent) + self.item_offset + own
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
