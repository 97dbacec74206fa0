"""Evaluation: scores a trained run on ratings that it has not seen, with baselines beside it.

Owns the protocol (docs/evaluation.md): every held-out rating is predicted or the run fails, nothing that is scored was
shown, what is unknown to the model is predicted by its fallback and counted. It draws nothing (``report`` does).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.ratings import FloatArray, Ratings, Scale
from ..metrics.errors import count_bins
from ..models.base import Encoded, TrainedModel
from ..recommend.recommender import Recommender
from .cells import Cells, EvaluationError, look_up, separate_ratings, test_part
from .examples import Panel, Person, Scored, TasteMap, make_map, make_panel, make_person
from .fold_in import FoldInCurve, curve_of_users
from .scores import Agreement, BaselineScore, GroupError, Scores, agreement, group_errors, score, star_groups
from .text import example_lines, many, table_lines
from .uncertainty import Uncertainty, measure

_BLOCK = 1 << 20  # training cells reconstructed at a time
_FEW_USERS = 20


@dataclass(frozen=True)
class Evaluation:
    """What a run scored. All errors are on held-out ratings, but for the two reconstruction errors.

    Args:
        model: name of the model.
        run: the run's folder, as it was given.
        held_out: which ratings were scored, in words.
        scale: the stars that predictions are clipped to.
        num_ratings: ratings scored.
        num_users: users who gave them.
        num_items: items that they are of.
        num_fallback: ratings scored whose user or item is unknown to the model.
        num_cold_users: users of whom the model knows nothing.
        num_cold_items: items that training did not see.
        num_fold_in_users: users who were not trained on but encoded from fold-in ratings (a split by user).
        num_overlap: ratings dropped because they are among the training ratings.
        mse: mean squared error, squared rating points.
        rmse: its root, rating points.
        mae: mean absolute error, rating points.
        bias: mean of prediction minus stars, rating points.
        user_rmse: mean over users of each one's RMSE.
        rmse_ci95: 95 % interval of the RMSE, users drawn.
        reconstruction_mse: mean squared error, not clipped, at the training ratings, which the encoder was shown; None
            when the bundle was saved without them.
        num_reconstructed: how many those are.
        fold_in_reconstruction_mse: the same at the fold-in ratings of users who were not trained on.
        baselines: by name.
        by_stars: errors by the stars that were given.
        by_popularity: errors by the number of training ratings of the item.
        by_activity: errors by the number of the user's ratings that the encoder read.
        agreement: predictions against stars.
        panel: some users' stars beside their reconstruction.
        person: one user's, with the most and least surprising.
        taste_map: the users' latent vectors in two dimensions.
        fold_in: errors by the number of ratings that the encoder was shown of users who were not trained on; None but
            for a split by user.
        uncertainty: what the distributions over the stars are worth; None for a model without them.
        warnings: what a reader should know, one sentence each.
        facts: what the bundle says of its making.
        scoring_seconds: time to predict and score, baselines and bootstrap included.
        seconds: time of the whole, reading the run included.
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
    by_stars: tuple[GroupError, ...]
    by_popularity: tuple[GroupError, ...]
    by_activity: tuple[GroupError, ...]
    agreement: Agreement
    panel: Panel | None
    person: Person | None
    taste_map: TasteMap | None
    fold_in: FoldInCurve | None
    uncertainty: Uncertainty | None
    warnings: tuple[str, ...]
    facts: Mapping[str, Any]
    scoring_seconds: float
    seconds: float

    def to_dict(self, *, pictures: bool = False) -> dict[str, Any]:
        """Plain values for JSON, None where a figure does not exist.

        Args:
            pictures: with the numbers behind the pictures of people and movies, and what the bundle says of itself.
        """
        values = asdict(self)
        drawn = {name: values.pop(name) for name in ("agreement", "panel", "person", "taste_map", "facts")}
        return values | drawn if pictures else values

    def lines(self) -> list[str]:
        """The results as a table of plain text."""
        return table_lines(self)

    def example_lines(self) -> list[str]:
        """One user's stars beside their reconstruction as plain text, shown and held-out ratings apart."""
        return example_lines(self.person)


def evaluate(
    run: str | os.PathLike[str] | Recommender, *, ratings: Ratings | None = None, resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Scores a run on the test part of its split, or on other held-out ratings.

    The model sees its training ratings only; in a split by user, also the fold-in ratings of the users it is scored on.
    Predictions are clipped to the scale.

    Args:
        run: a run's folder, or a recommender loaded from one.
        ratings: ratings to score instead of the test part. Those that are also training ratings are dropped from the
            score and counted.
        resamples: bootstrap samples behind each interval.
        seed: seed of the bootstrap, of the points drawn in the map and of the order in which ratings are folded in.

    Raises:
        EvaluationError: nothing to score, a scored rating that was shown to the encoder, or a prediction that is not
            finite.
        ValueError: a bundle or split that is missing or damaged; the message names the file.

    Example:
        ``evaluate("runs/latest").rmse`` is the error of the latest run's predictions, in stars.
    """
    started = time.perf_counter()
    recommender = run if isinstance(run, Recommender) else Recommender.load(run)
    folder = recommender.run if isinstance(run, Recommender) else Path(run)
    cells = test_part(recommender, folder) if ratings is None else separate_ratings(recommender, ratings)

    scoring = time.perf_counter()
    predictors: dict[str, TrainedModel] = {recommender.name: recommender.model, **recommender.baselines}
    encoded_users = {
        name: None if cells.fold_in is None else model.fold_in(cells.fold_in) for name, model in predictors.items()
    }
    predictions = {name: _predict(name, model, encoded_users[name], cells) for name, model in predictors.items()}
    scores = score(predictions, cells.ratings, resamples=resamples, seed=seed)
    shown_counts = recommender.user_counts if cells.fold_in is None else cells.fold_in.user_counts
    by_stars = star_groups(cells.ratings.values, recommender.scale)
    item_counts, user_counts = look_up(recommender.item_counts, cells.items), look_up(shown_counts, cells.users)
    groups = {
        "stars": (by_stars.group, by_stars.labels),
        "popularity": count_bins(item_counts),
        "activity": count_bins(user_counts),
    }
    errors = {name: group_errors(predictions, cells.ratings, *group) for name, group in groups.items()}
    uncertainty = None
    if recommender.star_model is not None:
        ours = predictions[recommender.name]
        uncertainty = measure(recommender.name, recommender.star_model, ours, cells, item_counts, user_counts)
    compared = {name: predictors[name] for name in (recommender.name, "damped_bias")}
    fold_in = curve_of_users(compared, cells, seed=seed)
    scoring_seconds = time.perf_counter() - scoring

    scored = Scored(
        users=cells.users,
        items=cells.items,
        stars=cells.ratings.values,
        predictions=predictions[recommender.name],
        items_named=cells.ratings.item_ids[cells.ratings.item_index],
        reader_ids=recommender.user_ids if cells.fold_in is None else cells.fold_in.user_ids,
        item_ids=recommender.item_ids,
        shown_counts=shown_counts,
        item_counts=recommender.item_counts,
        shown=recommender.ratings if cells.fold_in is None else cells.fold_in,
        encoded_users=encoded_users[recommender.name],
    )
    model, title = recommender.model, recommender.catalogue.label
    cold = (cells.users < 0) | (cells.items < 0)
    num_users, num_items = (int(np.count_nonzero(c)) for c in (cells.ratings.user_counts, cells.ratings.item_counts))
    return Evaluation(
        model=recommender.name,
        run="" if folder is None else str(folder),
        held_out=cells.title,
        scale=recommender.scale,
        num_ratings=len(cells.ratings),
        num_users=num_users,
        num_items=num_items,
        num_fallback=int(cold.sum()),
        num_cold_users=len(np.unique(cells.ratings.user_index[cells.users < 0])),
        num_cold_items=len(np.unique(cells.ratings.item_index[cells.items < 0])),
        num_fold_in_users=0 if cells.fold_in is None else len(np.unique(cells.users[cells.users >= 0])),
        num_overlap=cells.num_overlap,
        mse=scores.mse,
        rmse=scores.rmse,
        mae=scores.mae,
        bias=scores.bias,
        user_rmse=scores.user_rmse,
        rmse_ci95=scores.rmse_ci95,
        baselines=scores.baselines,
        reconstruction_mse=None if recommender.ratings is None else _reconstruction_mse(model, recommender.ratings),
        num_reconstructed=0 if recommender.ratings is None else len(recommender.ratings),
        fold_in_reconstruction_mse=None
        if cells.fold_in is None or not len(cells.fold_in)
        else _reconstruction_mse(model, cells.fold_in, encoded_users[recommender.name]),
        by_stars=errors["stars"],
        by_popularity=errors["popularity"],
        by_activity=errors["activity"],
        agreement=agreement(predictions[recommender.name], cells.ratings.values, recommender.scale, by_stars),
        panel=make_panel(model, scored, title),
        person=make_person(model, scored, title),
        taste_map=make_map(model.users.latent, recommender.ratings, recommender.user_counts, seed=seed),
        fold_in=fold_in,
        uncertainty=uncertainty,
        warnings=_warnings(recommender, cells, num_users, scores),
        facts=dict(recommender.metadata),
        scoring_seconds=round(scoring_seconds, 3),
        seconds=round(time.perf_counter() - started, 3),
    )


def _predict(name: str, model: TrainedModel, encoded_users: Encoded | None, cells: Cells) -> FloatArray:
    stars = model.predict(cells.users, cells.items, encoded_users=encoded_users, times=cells.ratings.timestamps)
    bad = np.flatnonzero(~np.isfinite(stars))
    if len(bad):
        ratings, first = cells.ratings, int(bad[0])
        raise EvaluationError(
            f"{name} predicts no finite number for {len(bad):,} of {len(stars):,} held-out ratings, such as user "
            f"{ratings.user_ids[ratings.user_index[first]]}, item {ratings.item_ids[ratings.item_index[first]]}: "
            f"{stars[first]}. Training has diverged: train again with a lower learning rate."
        )
    return stars


def _reconstruction_mse(model: TrainedModel, shown: Ratings, encoded_users: Encoded | None = None) -> float:
    """Mean squared error of the raw reconstruction at the ratings that the encoder was shown."""
    total = 0.0
    for start in range(0, len(shown), _BLOCK):
        block = slice(start, start + _BLOCK)
        made = model.reconstruct(shown.user_index[block], shown.item_index[block], encoded_users=encoded_users)
        total += float(((made - shown.values[block]) ** 2).sum())
    return total / len(shown)


def _warnings(recommender: Recommender, cells: Cells, num_users: int, scores: Scores) -> tuple[str, ...]:
    found: list[str] = []
    if cells.num_overlap:
        found.append(
            f"{many(cells.num_overlap, 'rating')} of these are training ratings of this run: left out of the score."
        )
    if recommender.ratings is None:
        found.append(
            "The bundle was saved without its training ratings: there is no reconstruction error, and whether scored "
            "ratings are among them cannot be checked."
        )
    outside = int((~recommender.scale.contains(cells.ratings.values)).sum())
    if outside:
        found.append(
            f"{many(outside, 'held-out rating')} outside the scale that the model was trained on "
            f"({recommender.scale}): scored as given, though no prediction can reach that far."
        )
    if num_users == 1:
        found.append("All ratings are of one user: the intervals draw ratings, not users, and say nothing of others.")
    elif num_users < _FEW_USERS:
        found.append(f"Only {num_users} users: the intervals are rough.")
    for name, baseline in scores.baselines.items():
        if name == "damped_bias" and baseline.difference >= 0:
            found.append(
                f"The model is NOT better than the baseline {name} on these ratings "
                f"(RMSE {scores.rmse:.4f} against {baseline.rmse:.4f})."
            )
    return tuple(found)
