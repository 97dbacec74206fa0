"""Trained Bayesian matrix factorization: the posterior mean as factors of both sides. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...data.ratings import Ratings
from ...data.scale import Scale
from ..base import Arrays, Encoded, Merge, Table, TrainedModel
from ..person import PersonEncoder
from ..regression import RowPrior, RowRegression, from_design_rows


@dataclass(frozen=True, eq=False)
class TrainedBayesian(TrainedModel):
    """The mean of the posterior, as factors of both sides, and how new rows join them.

    Args:
        user_regression: folds new users in.
        item_regression: folds new items in.
    """

    user_regression: RowRegression
    item_regression: RowRegression
    name: ClassVar[str] = "bayesian"

    @classmethod
    def assembled(
        cls,
        mean: float,
        scale: Scale,
        rows: Sequence[Table],
        priors: Sequence[RowPrior],
        row_weights: Sequence[Table],
        precision: float,
    ) -> TrainedBayesian:
        """The model of (x, b) of every training user and (y, b) of every training item; users first in each pair.

        Args:
            mean: mean of the training ratings.
            scale: the ratings that can be given.
            rows: shape ``(num_rows, dim)`` each.
            priors: of new rows.
            row_weights: inverse-variance weight of each row's ratings, shape ``(num_rows,)`` each.
            precision: of the noise of an average rating.
        """
        users, items = (from_design_rows(own, prior.unrated) for own, prior in zip(rows, priors, strict=True))
        of_users, of_items = (
            RowRegression(prior, weights, precision) for prior, weights in zip(priors, row_weights[::-1], strict=True)
        )
        return cls(mean, scale, users, items, of_users, of_items)

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        """New users' posterior means given the items' factors; seen items move the prior mean."""
        return self.user_regression.encode(ratings, self.items, self.mean, seen)

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        """New items' posterior means given the users' factors."""
        return self.item_regression.encode(ratings.transposed(), self.users, self.mean)

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedBayesian:
        """With new items' posterior means; choosing one of them says nothing of a new user."""
        new, weights = self.item_regression.encode_with_weights(ratings.transposed(), self.users, self.mean)
        return replace(
            self,
            items=merge.encoded(self.items, new),
            user_regression=self.user_regression.with_columns(merge, weights),
        )

    def person_encoder(self) -> PersonEncoder:
        """Encodes one person by plain arrays."""
        return self.user_regression.person_encoder(self.items, self.mean)

    def to_arrays(self) -> Arrays:
        """Plain arrays from which `from_arrays` makes the same model."""
        return {
            "users": self.users.design_rows()[:-1],
            "items": self.items.design_rows()[:-1],
            "numbers": np.array([self.mean, self.user_regression.precision]),
            **self.user_regression.to_arrays("user"),
            **self.item_regression.to_arrays("item"),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedBayesian:
        """The model that gave these arrays."""
        mean, precision = arrays["numbers"].tolist()
        of_users, of_items = (RowRegression.from_arrays(arrays, side, precision) for side in ("user", "item"))
        users = from_design_rows(arrays["users"], of_users.prior.unrated)
        items = from_design_rows(arrays["items"], of_items.prior.unrated)
        return cls(mean, scale, users, items, of_users, of_items)
