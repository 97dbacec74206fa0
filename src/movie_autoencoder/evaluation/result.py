"""The result of an evaluation, as plain values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..data.ratings import Scale
from .examples import Panel, UserExample
from .few_ratings import FewRatingsCertainty
from .fold_in_curve import FoldInCurve
from .groups import Agreement, GroupError
from .latent_map import LatentMap
from .predictions import MemberScore
from .rankings import RankingEvaluation
from .scores import BaselineScore
from .text import example_lines, table_lines
from .uncertainty import Uncertainty

_PICTURES = {  # what only pictures need, with its key in evaluation.json
    "agreement": "agreement",
    "panel": "panel",
    "user_example": "person",
    "latent_map": "taste_map",
    "metadata": "facts",
}


@dataclass(frozen=True)
class Evaluation:
    """Errors of a run on held-out ratings, and what explains them.

    All errors are on held-out ratings, except the two reconstruction errors.

    Args:
        model: name of the model.
        run: the run's folder, as it was passed.
        held_out: which ratings were scored, in words.
        scale: the scale that predictions are clipped to.
        num_ratings: number of held-out ratings.
        num_users: number of their users.
        num_items: number of their items.
        num_fallback: held-out ratings whose user or item is unknown to the model.
        num_cold_users: users that the model knows nothing about.
        num_cold_items: items that training did not see.
        num_fold_in_users: users that were not trained on but encoded from fold-in ratings (a split by user).
        num_overlap: ratings left out because they are training ratings.
        mse: mean squared error, squared rating points.
        rmse: root mean squared error, rating points.
        mae: mean absolute error, rating points.
        bias: mean of prediction minus rating, rating points.
        user_rmse: mean over users of each user's own RMSE.
        rmse_ci95: 95 % interval of the RMSE, users resampled.
        reconstruction_mse: mean squared error, not clipped, at the training ratings, which the encoder was shown; None
            when the bundle was saved without them.
        num_reconstructed: number of these training ratings.
        fold_in_reconstruction_mse: the same at the fold-in ratings of users that were not trained on.
        baselines: scores of the baselines, by name.
        members: errors of the models that the model consists of, by name; empty for a single model.
        by_stars: errors by rating value.
        by_popularity: errors by the number of training ratings of the item.
        by_activity: errors by the number of the user's ratings that the encoder was shown.
        agreement: predictions against ratings.
        panel: some users' ratings beside their reconstruction.
        user_example: one user's ratings, with the largest and smallest errors.
        latent_map: the users' latent vectors in two dimensions.
        fold_in: errors by the number of fold-in ratings of users that were not trained on; None except for a split by
            user.
        uncertainty: scores of the rating distributions; None for a model without them.
        few_ratings: certainty by the number of fold-in ratings; None for a model without distributions.
        rankings: how well lists find the held-out items; None where nobody can have a list.
        warnings: what a reader should know, one sentence each.
        metadata: the bundle's metadata.
        scoring_seconds: time to predict and score, baselines, members and bootstrap included, rankings not.
        seconds: time of the whole evaluation; reading the run is included when its folder was passed.
    """

    model: str
    run: str
    held_out: str
    scale: Scale
    num_ratings: int
    num_users: int
    num_items: int
    num_fallback: int
    num_cold_users: int
    num_cold_items: int
    num_fold_in_users: int
    num_overlap: int
    mse: float
    rmse: float
    mae: float
    bias: float
    user_rmse: float
    rmse_ci95: tuple[float, float]
    reconstruction_mse: float | None
    num_reconstructed: int
    fold_in_reconstruction_mse: float | None
    baselines: Mapping[str, BaselineScore]
    members: Mapping[str, MemberScore]
    by_stars: tuple[GroupError, ...]
    by_popularity: tuple[GroupError, ...]
    by_activity: tuple[GroupError, ...]
    agreement: Agreement
    panel: Panel | None
    user_example: UserExample | None
    latent_map: LatentMap | None
    fold_in: FoldInCurve | None
    uncertainty: Uncertainty | None
    few_ratings: FewRatingsCertainty | None
    rankings: RankingEvaluation | None
    warnings: tuple[str, ...]
    metadata: Mapping[str, Any]
    scoring_seconds: float
    seconds: float

    @classmethod
    def keys(cls, *, pictures: bool = False) -> list[str]:
        """The keys of `to_dict`."""
        names = [one.name for one in fields(cls) if one.name not in _PICTURES]
        return [*names, *_PICTURES.values()] if pictures else names

    def to_dict(self, *, pictures: bool = False) -> dict[str, Any]:
        """Plain values for JSON; None where a figure does not exist.

        Args:
            pictures: include the numbers behind the pictures of users and movies, and the bundle's metadata.
        """
        values = asdict(self)
        drawn = {key: values.pop(name) for name, key in _PICTURES.items()}
        return values | drawn if pictures else values

    def lines(self) -> list[str]:
        """The results as a table of plain text."""
        return table_lines(self)

    def example_lines(self) -> list[str]:
        """One user's ratings beside their reconstruction as plain text, shown and held-out ratings apart."""
        return example_lines(self.user_example)
