"""Runs to evaluate, made by hand: models whose every prediction is known, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from movie_autoencoder.bundle import Bundle
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import Split, split_ratings
from movie_autoencoder.models.base import Encoded, with_unknown
from movie_autoencoder.models.baselines import DampedBias, damped_bias, fit_baselines
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.storage import load_arrays, save_arrays
from movie_autoencoder.uncertainty import StarModel, fit_star_model


@dataclass(frozen=True, eq=False)
class ByHand(DampedBias):
    """Damped biases with latent vectors to draw, or any offsets that a test sets."""

    name: ClassVar[str] = "dual"


def by_hand(
    mean: float, users: Sequence[float], items: Sequence[float], *, scale: Scale, unknown: float = 0.0
) -> ByHand:
    """A model that predicts mean + user offset + item offset, and ``unknown`` for whom it does not know."""

    def side(offsets: Sequence[float]) -> Encoded:
        empty = np.empty((len(offsets), 0), dtype=np.float32)
        return Encoded(with_unknown(empty, 0.0), with_unknown(np.array(offsets), unknown), empty)

    return ByHand(mean, scale, side(users), side(items), 2.0)


def with_latent(model: DampedBias, *, seed: int = 0) -> ByHand:
    """The model's predictions, and latent vectors that a map can be drawn of."""
    latent = np.random.default_rng(seed).normal(size=(len(model.users), 3)).astype(np.float32)
    users = Encoded(model.users.factors, model.users.offset, latent)
    return ByHand(model.mean, model.scale, users, model.items, model.damping)


def recommender(
    model: ByHand,
    train: Ratings,
    run: Path | None = None,
    *,
    titles: Sequence[str] = (),
    keep_ratings: bool = True,
    facts: dict[str, Any] | None = None,
    stars: StarModel | None = None,
) -> Recommender:
    """A run's recommender as if it had been trained."""
    ids = [str(one) for one in train.item_ids.tolist()]
    catalogue = Catalogue.from_rows(ids, titles) if titles else Catalogue.empty(train.item_ids)
    bundle = Bundle(
        model,
        fit_baselines(train, 2.0),
        train.user_ids,
        train.item_ids,
        train.user_counts,
        train.item_counts,
        train if keep_ratings else None,
        catalogue,
        {"config": {"model": {"name": model.name}}, **(facts or {})},
        stars,
    )
    return Recommender(bundle, run)


def split_run(ratings: Ratings, run: Path, **settings: Any) -> tuple[Recommender, Split]:
    """A split of ratings saved in a run's folder, with a model of damped biases trained on all but its test part.

    With a validation part it has distributions, learnt there.
    """
    run.mkdir(parents=True, exist_ok=True)
    split = split_ratings(ratings, **{"test_fraction": 0.2, "validation_fraction": 0.0, **settings})
    split.save(run / "split.npz")
    train = split.refit_ratings
    training = split.training_ratings
    stars = fit_star_model(damped_bias(training, 2.0), training, split.held_out("validation"), train)
    model = with_latent(cast(DampedBias, damped_bias(train, 2.0)))
    return recommender(model, train, run, stars=stars), split


def save_test_part(run: Path, users: Sequence[Any], items: Sequence[Any], stars: Sequence[float]) -> None:
    """A split with just this test part."""
    run.mkdir(parents=True, exist_ok=True)
    arrays = {"users": np.array(users), "items": np.array(items), "values": np.array(stars, dtype=np.float32)}
    parts = {f"{part}_{name}": array for part in ("validation", "test") for name, array in arrays.items()}
    save_arrays(run / "split.npz", {**parts, "scale": np.array([1.0, 5.0, 1.0]), "digest": np.array("by hand")})


def change_split(run: Path, **arrays: Any) -> None:
    """Puts other arrays into a saved split."""
    save_arrays(run / "split.npz", {**load_arrays(run / "split.npz"), **arrays})
