"""A model from outside the package: damped biases and a truncated singular value decomposition of their residuals.

docs/plugin.md shows this file. `test_plugin` registers the model by a call, and copies the file beside an entry point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from movie_autoencoder.config import Config, ModelConfig
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.scale import Scale
from movie_autoencoder.models.base import Arrays, Encoded, Learner, Merge, ModelError, TrainedModel, with_unknown
from movie_autoencoder.models.baselines import BiasSolver, fold_in_bias, residuals_on
from movie_autoencoder.models.family import ModelFamily, Trial, TrialResult


class ToyConfig(ModelConfig):
    """The ``model`` section of a configuration."""

    name: Literal["toy"] = "toy"
    num_factors: int | None = Field(None, ge=1, description="number of singular vectors; searched when left out")
    damping: float = Field(5.0, gt=0, description="damping of the biases, in ratings")


@dataclass(frozen=True)
class ToySettings:
    """Settings of one fit."""

    num_factors: int
    damping: float


@dataclass(frozen=True, eq=False)
class TrainedToy(TrainedModel):
    """Factors of users are their damped mean residuals in the directions of the item factors."""

    damping: float
    name: ClassVar[str] = "toy"

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        return _encode(ratings, self.mean, self.items, self.damping)

    def fold_in_items(self, ratings: Ratings) -> Encoded:
        return _encode(ratings.transposed(), self.mean, self.users, self.damping)

    def with_items(self, ratings: Ratings, merge: Merge) -> TrainedToy:
        return replace(self, items=merge.encoded(self.items, self.fold_in_items(ratings)))

    def describe(self) -> list[str]:
        return [f"{self.items.factors.shape[1]} singular vectors"]

    def to_arrays(self) -> Arrays:
        sides = {"users": self.users, "items": self.items}
        arrays = {f"{name}_{key}": getattr(side, key) for name, side in sides.items() for key in ("factors", "offset")}
        return {**arrays, "numbers": np.array([self.mean, self.damping])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> TrainedToy:
        mean, damping = arrays["numbers"].tolist()
        users, items = (_side(arrays[f"{name}_factors"], arrays[f"{name}_offset"]) for name in ("users", "items"))
        return cls(mean, scale, users, items, damping)


class ToyLearner:
    """Subspace iteration: an epoch multiplies the item vectors by the residual matrix and its transpose."""

    def __init__(self, ratings: Ratings, settings: ToySettings, *, seed: int) -> None:
        self.ratings, self.settings = ratings, settings
        self.biases = BiasSolver(ratings, settings.damping).solve()
        self.residuals = ratings.to_csr(self.biases.residuals(ratings))
        start = np.random.default_rng(seed).normal(size=(ratings.num_items, settings.num_factors))
        self.vectors = np.linalg.qr(start)[0]

    def epoch(self, epoch: int, learning_rate: float) -> float:
        self.vectors = np.linalg.qr(self.residuals.T @ (self.residuals @ self.vectors))[0]
        explained = float(np.square(self.residuals @ self.vectors).sum())
        return (float(np.square(self.residuals.data).sum()) - explained) / len(self.ratings)

    def trained(self) -> TrainedToy:
        ratings, biases = self.ratings, self.biases
        items = _side(with_unknown(self.vectors, 0.0), with_unknown(biases.items, 0.0))
        users = _encode(ratings, biases.mean, items, self.settings.damping)
        return TrainedToy(biases.mean, ratings.scale, users, items, self.settings.damping)

    def state(self) -> Arrays:
        return {"vectors": self.vectors}

    def restore(self, state: Arrays) -> None:
        self.vectors = state["vectors"]


class ToyFamily(ModelFamily):
    """Finds the number of singular vectors on the validation part."""

    name = "toy"
    title = "toy model of singular vectors"
    size_setting = "model.num_factors"
    config = ToyConfig
    trained = TrainedToy

    def check(self, config: Config, ratings: Ratings, catalogue: Catalogue | None) -> None:
        if (cast(ToyConfig, config.model).num_factors or 0) > ratings.num_items:
            raise ModelError(f"There are {ratings.num_items} items: model.num_factors cannot be larger.")

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        model = cast(ToyConfig, config.model)
        widths = [2, 4] if model.num_factors is None else [model.num_factors]
        if len(results) == len(widths):
            return None
        return Trial(ToySettings(widths[len(results)], model.damping), config.training.epochs or 20)

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        return ToyLearner(ratings, trial.settings, seed=config.training.seed), 0.0

    def memory(self, ratings: Ratings, config: Config) -> float:
        return 100.0 * len(ratings)

    def work(self, ratings: Ratings, config: Config) -> float:
        return 20.0 * len(ratings)


def _side(factors: npt.NDArray[Any], offset: npt.NDArray[Any]) -> Encoded:
    return Encoded(factors, offset, factors[:-1])


def _encode(ratings: Ratings, mean: float, others: Encoded, damping: float) -> Encoded:
    """Users of ``ratings``: biases, and damped mean residuals in the directions of the other side's factors."""
    bias = fold_in_bias(ratings, mean, others.offset, damping)
    residuals = residuals_on(ratings, mean, bias, others.offset)
    table = others.factors[:-1].astype(np.float64)
    means = (ratings.to_csr(residuals) @ table) / (ratings.user_counts + damping)[:, None]
    factors = means @ np.linalg.inv(table.T @ table / len(table))
    return _side(with_unknown(factors, 0.0), with_unknown(bias, 0.0))
