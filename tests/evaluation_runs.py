"""Runs to evaluate, made by hand: models whose every prediction is known, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from movie_autoencoder.bundle import Bundle
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import Split, split_ratings
from movie_autoencoder.evaluation import Evaluation, evaluate
from movie_autoencoder.models.base import Encoded, TrainedModel, with_unknown
from movie_autoencoder.models.baselines import DampedBias, damped_bias, fit_baselines
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.storage import load_arrays, save_arrays
from movie_autoencoder.uncertainty import StarModel, fit_star_model


@dataclass(frozen=True, eq=False)
class ByHand(DampedBias):
    """Damped biases with latent vectors to draw, with any offsets and members that a test sets."""

    name: ClassVar[str] = "dual"
    parts: Mapping[str, TrainedModel] = field(default_factory=dict)

    def members(self) -> Mapping[str, TrainedModel]:
        return self.parts


def by_hand(
    mean: float,
    users: Sequence[float],
    items: Sequence[float],
    *,
    scale: Scale,
    unknown: float = 0.0,
    members: Mapping[str, TrainedModel] | None = None,
) -> ByHand:
    """A model that predicts mean + user offset + item offset, with ``unknown`` as the offset of unknown ids."""

    def side(offsets: Sequence[float]) -> Encoded:
        empty = np.empty((len(offsets), 0), dtype=np.float32)
        return Encoded(with_unknown(empty, 0.0), with_unknown(np.array(offsets), unknown), empty)

    return ByHand(mean, scale, side(users), side(items), 2.0, members or {})


def with_latent(model: DampedBias, *, seed: int = 0) -> ByHand:
    """The model's predictions, and latent vectors that a map can be drawn of."""
    latent = np.random.default_rng(seed).normal(size=(len(model.users), 3)).astype(np.float32)
    users = Encoded(model.users.factors, model.users.offset, latent)
    return ByHand(model.mean, model.scale, users, model.items, model.damping)


@dataclass(frozen=True, eq=False)
class Run:
    """A bundle as if it had been trained, and the run's folder, which holds the split."""

    bundle: Bundle
    folder: Path | None = None

    def evaluate(self, **options: Any) -> Evaluation:
        """Evaluates the bundle, on its split or on other ratings."""
        return evaluate(self.bundle, folder=self.folder, **options)

    def predict(self, user_ids: Sequence[Any], item_ids: Sequence[Any]) -> Any:
        """Predictions for pairs of ids, shape ``(n,)``."""
        return self.bundle.model.predict(self.bundle.locate_users(user_ids), self.bundle.locate_items(item_ids))


def made_run(
    model: ByHand,
    train: Ratings,
    folder: Path | None = None,
    *,
    titles: Sequence[str] = (),
    keep_ratings: bool = True,
    metadata: Mapping[str, Any] | None = None,
    star_model: StarModel | None = None,
) -> Run:
    """A run of a model as if it had been trained on these ratings."""
    ids = [str(one) for one in train.item_ids.tolist()]
    catalogue = Catalogue.from_rows(ids, titles) if titles else Catalogue.empty(train.item_ids)
    bundle = Bundle(
        model=model,
        baselines=fit_baselines(train, 2.0),
        user_ids=train.user_ids,
        item_ids=train.item_ids,
        user_counts=train.user_counts,
        item_counts=train.item_counts,
        ratings=train if keep_ratings else None,
        catalogue=catalogue,
        metadata={"config": {"model": {"name": model.name}}, **(metadata or {})},
        star_model=star_model,
    )
    return Run(bundle, folder)


def split_run(ratings: Ratings, folder: Path, **settings: Any) -> tuple[Run, Split]:
    """A run of damped biases on all ratings but the test part, with its split saved in the folder.

    With a validation part it has rating distributions, fitted there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    split = split_ratings(ratings, **{"test_fraction": 0.2, "validation_fraction": 0.0, **settings})
    split.save(folder / "split.npz")
    train = split.refit_ratings
    training = split.training_ratings
    held_out = split.held_out("validation")
    validation = Validation(training, held_out) if len(held_out) else None
    star_model = fit_star_model(damped_bias(training, 2.0), validation, train)
    model = with_latent(cast(DampedBias, damped_bias(train, 2.0)))
    return made_run(model, train, folder, star_model=star_model), split


def save_test_part(folder: Path, users: Sequence[Any], items: Sequence[Any], values: Sequence[float]) -> None:
    """Saves a split with only this test part."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"users": np.array(users), "items": np.array(items), "values": np.array(values, dtype=np.float32)}
    parts = {f"{part}_{name}": array for part in ("validation", "test") for name, array in arrays.items()}
    save_arrays(folder / "split.npz", {**parts, "scale": np.array([1.0, 5.0, 1.0]), "digest": np.array("by hand")})


def change_split(folder: Path, **arrays: Any) -> None:
    """Replaces arrays of a saved split."""
    save_arrays(folder / "split.npz", {**load_arrays(folder / "split.npz"), **arrays})
