"""A trained dual autoencoder in NumPy: what a bundle holds and what using it needs, without TensorFlow.

    z_u = rho * (sum_i e_ui A_i / sqrt(n_u + 1) + sum_i C_i / sqrt(m_u + 1)) + c

over the n_u items that u rated and the m_u items that u chose, rated or only seen. The item encoder is the same with
users and items exchanged. docs/models.md derives it; `network` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import FloatArray, Ratings
from ...data.scale import Scale
from ..base import Arrays, Encoded, Merge, Table, TrainedModel, implicit_feedback, with_unknown
from ..baselines import Biases, fold_in_bias
from ..person import PersonEncoder
from ..regression import RowPrior, RowRegression, column_residuals, with_bias_column
from .encoder import latent_vectors
from .person import DualPersonEncoder

_NOISE_DOF = 10.0  # degrees of freedom, in ratings, of the prior of a new row's noise
_MIN_NOISE = 0.01  # least standard deviation of an average rating's noise, in spans of the scale
_FOLD_IN = "fold_in/"  # prefix of the arrays of the regressions


@dataclass(frozen=True)
class DualWeights:
    """Weights of the dual autoencoder; the letters are those of docs/models.md.

    Args:
        item_residual_table: A, weights of each residual of a user, shape ``(num_items, latent_dim)``.
        item_implicit_table: C, weights of each item that a user chose, same shape.
        user_residual_table: B, weights of each residual of an item, shape ``(num_users, latent_dim)``.
        user_implicit_table: D, weights of each user who rated an item, same shape.
        user_intercept: c, the latent vector of a user without ratings, shape ``(latent_dim,)``.
        item_intercept: d, likewise for items.
        user_weights: alpha, weights of a user's latent vector in the user's ratings of any item.
        item_weights: beta, likewise for items.
    """

    item_residual_table: Table
    item_implicit_table: Table
    user_residual_table: Table
    user_implicit_table: Table
    user_intercept: Table
    item_intercept: Table
    user_weights: Table
    item_weights: Table

    def transposed(self) -> DualWeights:
        """Users and items exchanged."""
        swap = {"item": "user", "user": "item"}
        return DualWeights(**{f"{swap[name[:4]]}{name[4:]}": table for name, table in vars(self).items()})


@dataclass(frozen=True, eq=False)
class TrainedDual(TrainedModel):
    """The dual autoencoder with its training users and items encoded.

    Args:
        weights: encoder and decoder weights.
        damping: damping of the user biases, in ratings.
        rho: square root of the fraction of ratings that was visible in training: the scale of the encoders' sums once
            everything is visible.
        user_regression: folds new users in (`with_regressions`); None where the encoder does, as in an ensemble, whose
            other member knows how little short rows say.
        item_regression: likewise for new items.
    """

    weights: DualWeights
    damping: float
    rho: float
    user_regression: RowRegression | None = None
    item_regression: RowRegression | None = None
    name: ClassVar[str] = "dual"

    @classmethod
    def from_weights(
        cls, weights: DualWeights, ratings: Ratings, biases: Biases, *, damping: float, hidden_fraction: float
    ) -> TrainedDual:
        """Encodes every training user and item once, from all training ratings."""
        rho = float(np.sqrt(1 - hidden_fraction))
        users = _encode(weights, ratings, biases, rho)
        swapped = Biases(biases.mean, biases.items, biases.users, biases.item_counts, biases.user_counts)
        items = _encode(weights.transposed(), ratings.transposed(), swapped, rho)
        return cls(biases.mean, ratings.scale, users, items, weights, damping, rho)

    def with_regressions(self, ratings: Ratings) -> TrainedDual:
        """The same model, with new rows folded into its factors by Bayesian linear regression.

        The encoders were trained on rows with all their ratings and overrate a few. So of a new row they read the
        implicit feedback alone, which moves the prior mean from that of the training rows. Covariance and noise are
        estimated; the noise is what biases leave over, since the factors are less certain than they look. Nothing
        changes for training rows.

        Args:
            ratings: the training ratings.
        """
        ones = [np.ones(size, np.float32) for size in (len(self.users), len(self.items))]
        left = float(np.mean(np.square(self.biases(ratings).residuals(ratings)), dtype=np.float64))
        precision = 1 / max(left, (_MIN_NOISE * self.scale.span) ** 2)
        weights = self.weights
        users = self._regression(
            ratings, self.users, self.items, weights.item_implicit_table, weights.user_weights, ones[1], precision
        )
        items = self._regression(
            ratings.transposed(),
            self.items,
            self.users,
            weights.user_implicit_table,
            weights.item_weights,
            ones[0],
            precision,
        )
        return replace(self, user_regression=users, item_regression=items)

    def _regression(
        self,
        ratings: Ratings,
        own: Encoded,
        others: Encoded,
        implicit_table: Table,
        own_weights: Table,
        column_weights: Table,
        precision: float,
    ) -> RowRegression:
        """The regression of one side, the users of ``ratings``, on the factors of the other."""
        rows = own.design_rows()
        implicit = np.float32(self.rho) * np.column_stack([implicit_table, implicit_table @ own_weights])
        implicit -= (ratings.item_counts / len(ratings)).astype(np.float32) @ implicit
        mean = (ratings.user_counts / len(ratings)).astype(np.float32) @ rows[:-1]
        start = np.eye(len(mean), dtype=np.float32)
        prior = RowPrior(mean, implicit, start, np.array(_NOISE_DOF), rows[-1])
        residuals = ratings.to_csr(column_residuals(ratings, self.mean, others.offset))
        design = with_bias_column(others.factors[:-1])
        return RowRegression(
            prior.fit_covariance(rows[:-1], residuals, design, column_weights, precision), column_weights, precision
        )

    @property
    def user_bias(self) -> Table:
        """b_u of the training users, shape ``(num_users,)``."""
        bias: Table = self.users.offset[:-1] - self.users.latent @ self.weights.user_weights
        return bias

    @property
    def item_bias(self) -> FloatArray:
        """b_i of the training items, shape ``(num_items,)``."""
        return self.items.offset[:-1] - self.items.latent @ self.weights.item_weights

    def biases(self, ratings: Ratings, user_bias: FloatArray | None = None) -> Biases:
        """The biases of the training items with those of the users of some ratings.

        Args:
            ratings: whose rows the biases are for.
            user_bias: shape ``(num_users,)``; that of the training users when left out.
        """
        users = self.user_bias if user_bias is None else user_bias
        return Biases(self.mean, users, self.item_bias, ratings.user_counts, ratings.item_counts)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users, by the regression where there is one, else by the encoder.

        Each of the encoder's two sums is divided by the root of its own number of terms, as in training, where the two
        numbers are the same: by trial better than one root for both (docs/experiments.md).
        """
        if self.user_regression is not None:
            return self.user_regression.encode(ratings, self.items, self.mean, seen)
        user_bias = fold_in_bias(ratings, self.mean, self.item_bias, self.damping)
        return _encode(self.weights, ratings, self.biases(ratings, user_bias), self.rho, seen)

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items, likewise."""
        if self.item_regression is not None:
            return self.item_regression.encode(ratings.transposed(), self.users, self.mean)
        weights = self.weights.transposed()
        mirrored = TrainedDual(self.mean, self.scale, self.items, self.users, weights, self.damping, self.rho)
        return mirrored.fold_in(ratings.transposed())

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedDual:
        """With new items encoded; a rating of one moves a person's bias and nothing else, since A and C are 0 there."""
        weights = replace(
            self.weights,
            item_residual_table=merge.rows(self.weights.item_residual_table, 0),
            item_implicit_table=merge.rows(self.weights.item_implicit_table, 0),
        )
        if self.user_regression is None or self.item_regression is None:
            return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)), weights=weights)
        new, row_weights = self.item_regression.encode_with_weights(ratings.transposed(), self.users, self.mean)
        regression = self.user_regression.with_columns(merge, row_weights)
        return replace(self, items=merge.encoded(self.items, new), weights=weights, user_regression=regression)

    def keras_model(self) -> Any:
        """The Keras network with these weights (docs/keras.md)."""
        from .network import DualAutoencoder

        return DualAutoencoder.from_trained(self)

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person by plain arrays, as `fold_in` does many."""
        if self.user_regression is not None:
            return self.user_regression.person_encoder(self.items, self.mean)
        return DualPersonEncoder(self)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        arrays: Arrays = {
            **vars(self.weights),
            "users_latent": self.users.latent,
            "users_offset": self.users.offset,
            "items_latent": self.items.latent,
            "items_offset": self.items.offset,
            "numbers": np.array([self.mean, self.damping, self.rho]),
        }
        if self.user_regression is not None and self.item_regression is not None:
            found = {
                "precision": np.array(self.user_regression.precision),
                **self.user_regression.to_arrays("user"),
                **self.item_regression.to_arrays("item"),
            }
            arrays |= {f"{_FOLD_IN}{name}": array for name, array in found.items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedDual:
        """The model that gave these arrays."""
        weights = DualWeights(**{one.name: arrays[one.name] for one in fields(DualWeights)})
        users, items = (
            Encoded(
                with_unknown(arrays[f"{side}_latent"], intercept), arrays[f"{side}_offset"], arrays[f"{side}_latent"]
            )
            for side, intercept in (("users", weights.user_intercept), ("items", weights.item_intercept))
        )
        mean, damping, rho = arrays["numbers"].tolist()
        found = {name.removeprefix(_FOLD_IN): array for name, array in arrays.items() if name.startswith(_FOLD_IN)}
        if not found:
            return cls(mean, scale, users, items, weights, damping, rho)
        precision = float(found["precision"])
        of_users, of_items = (RowRegression.from_arrays(found, side, precision) for side in ("user", "item"))
        return cls(mean, scale, users, items, weights, damping, rho, of_users, of_items)


def _encode(weights: DualWeights, ratings: Ratings, biases: Biases, rho: float, seen: Any = None) -> Encoded:
    """Users encoded from ratings in the columns of the model; to encode items, exchange both sides."""
    chosen = implicit_feedback(ratings, seen)
    latent = latent_vectors(
        ratings.to_csr(biases.residuals(ratings)) @ weights.item_residual_table,
        chosen @ weights.item_implicit_table,
        ratings.user_counts[:, None].astype(np.float32),
        np.diff(chosen.indptr)[:, None].astype(np.float32),
        weights.user_intercept,
        rho,
    )
    return Encoded(
        with_unknown(latent, weights.user_intercept),
        with_unknown(biases.users + latent @ weights.user_weights, weights.user_intercept @ weights.user_weights),
        latent,
    )
