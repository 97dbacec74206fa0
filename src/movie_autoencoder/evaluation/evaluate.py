"""The evaluation of a run, from its bundle and its held-out ratings to the result.

Every held-out rating is predicted, or the evaluation fails. No scored rating was shown to the encoder. Users and items
that the model does not know are predicted by its fallback and counted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from ..bundle.bundle import Bundle, load_bundle
from ..data.ratings import Ratings
from ..models.base import TrainedModel
from .examples import Scored, make_panel, make_user_example
from .few_ratings import certainty_of_few
from .fold_in_curve import curve_of_users
from .groups import agreement, count_bins, group_errors, value_groups
from .latent_map import make_latent_map
from .predictions import encode_fold_in, predict_targets, reconstruction_mse, score_members
from .ranked_users import NUM_RANKED
from .rankings import evaluate_rankings
from .result import Evaluation
from .scores import Scores, score
from .targets import EvaluationError, Targets, counts_at, load_test_targets, separate_targets
from .text import many
from .uncertainty import measure

_FEW_USERS = 20


def evaluate(
    run: str | os.PathLike[str] | Bundle,
    *,
    folder: str | os.PathLike[str] | None = None,
    ratings: Ratings | None = None,
    num_ranked: int = NUM_RANKED,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores a run on the test part of its split, or on other held-out ratings.

    The model is shown its training ratings only; in a split by user, also the fold-in ratings of the scored users.
    Predictions are clipped to the scale.

    Args:
        run: a run's folder, or a bundle (`load_bundle`).
        folder: the run's folder when ``run`` is a bundle; its split holds the test part.
        ratings: ratings to score instead of the test part. Those that are also training ratings are left out and
            counted.
        num_ranked: largest number of users whose lists are scored; 0 leaves the ranking figures out.
        resamples: number of bootstrap samples behind each interval.
        seed: seed of the bootstrap, of the users drawn in the latent map and for lists, and of the order of fold-in
            ratings.

    Returns:
        Errors in rating points, with intervals, baselines and examples.

    Raises:
        EvaluationError: pairs without ratings (see `evaluate_choice`), nothing to score, a scored rating that was shown
            to the encoder, or a prediction that is not finite.
        ValueError: a bundle or split that is missing or damaged; the message names the file.

    Example:
        ``evaluate("runs/latest").rmse`` is the error of the latest run, in stars.
    """
    started = time.perf_counter()
    path = Path(folder) if folder is not None else None if isinstance(run, Bundle) else Path(run)
    bundle = run if isinstance(run, Bundle) else load_bundle(Path(run) / "bundle")
    _require_ratings(bundle, ratings)
    targets = load_test_targets(bundle, path) if ratings is None else separate_targets(bundle, ratings)
    model, name, scale = bundle.model, bundle.model.name, bundle.model.scale

    scoring_started = time.perf_counter()
    predictors: dict[str, TrainedModel] = {name: model, **bundle.baselines}
    encoded = {key: encode_fold_in(one, targets) for key, one in predictors.items()}
    predictions = {key: predict_targets(key, one, targets, encoded[key]) for key, one in predictors.items()}
    scores = score(predictions, targets.ratings, resamples=resamples, seed=seed)
    members = score_members(model, targets)
    shown = bundle.ratings if targets.fold_in is None else targets.fold_in
    shown_counts = bundle.user_counts if targets.fold_in is None else targets.fold_in.user_counts
    item_counts, user_counts = counts_at(bundle.item_counts, targets.items), counts_at(shown_counts, targets.users)
    by_value = value_groups(targets.ratings.values, scale)
    by_stars = group_errors(predictions, targets.ratings, by_value.group, by_value.labels)
    by_popularity = group_errors(predictions, targets.ratings, *count_bins(item_counts))
    by_activity = group_errors(predictions, targets.ratings, *count_bins(user_counts))
    uncertainty = None
    if bundle.star_model is not None:
        uncertainty = measure(name, bundle.star_model, predictions[name], targets, item_counts, user_counts)
    few = None
    if bundle.star_model is not None:
        few = certainty_of_few(bundle.star_model, model, targets, bundle.ratings, seed=seed)
    fold_in = curve_of_users({key: predictors[key] for key in (name, "damped_bias")}, targets, seed=seed)
    scoring_seconds = time.perf_counter() - scoring_started
    rankings = evaluate_rankings(bundle, targets, num_ranked=num_ranked, resamples=resamples, seed=seed)

    scored = Scored(
        targets,
        predictions[name],
        encoded[name],
        shown,
        shown_counts,
        bundle.user_ids if targets.fold_in is None else targets.fold_in.user_ids,
        bundle.item_ids,
        bundle.item_counts,
    )
    title = bundle.catalogue.label
    return Evaluation(
        model=name,
        run="" if path is None else str(path),
        held_out=targets.description,
        scale=scale,
        **vars(targets.counts()),
        **vars(scores),
        members=members,
        reconstruction_mse=reconstruction_mse(model, bundle.ratings),
        num_reconstructed=0 if bundle.ratings is None else len(bundle.ratings),
        fold_in_reconstruction_mse=reconstruction_mse(model, targets.fold_in, encoded[name]),
        by_stars=by_stars,
        by_popularity=by_popularity,
        by_activity=by_activity,
        agreement=agreement(predictions[name], targets.ratings.values, scale, by_value),
        panel=make_panel(model, scored, title),
        user_example=make_user_example(model, scored, title),
        latent_map=make_latent_map(model.users.latent, bundle.ratings, bundle.user_counts, seed=seed),
        fold_in=fold_in,
        uncertainty=uncertainty,
        few_ratings=few,
        rankings=rankings,
        warnings=_warnings(bundle, targets, scores),
        metadata=dict(bundle.metadata),
        scoring_seconds=round(scoring_seconds, 3),
        seconds=round(time.perf_counter() - started, 3),
    )


def _require_ratings(bundle: Bundle, ratings: Ratings | None) -> None:
    if not bundle.model.scale.rated:
        raise EvaluationError(
            "This run was trained on pairs without ratings, so it has no errors of predicted stars. Score its lists "
            "with evaluate_choice."
        )
    if ratings is not None and not ratings.rated:
        raise EvaluationError(
            f"{ratings.source.path or 'These ratings'}: pairs without ratings, which predicted stars cannot be "
            "compared with. Score the lists with evaluate_choice."
        )


def _warnings(bundle: Bundle, targets: Targets, scores: Scores) -> tuple[str, ...]:
    found: list[str] = []
    num_users, scale = int(np.count_nonzero(targets.ratings.user_counts)), bundle.model.scale
    if targets.num_overlap:
        found.append(
            f"{many(targets.num_overlap, 'rating')} of these are training ratings of this run: left out of the score."
        )
    if bundle.ratings is None:
        found.append(
            "The bundle was saved without its training ratings: there is no reconstruction error, and whether scored "
            "ratings are among them cannot be checked."
        )
    outside = int((~scale.contains(targets.ratings.values)).sum())
    if outside:
        found.append(
            f"{many(outside, 'held-out rating')} outside the scale that the model was trained on ({scale}): scored as "
            "they are, although no prediction can reach them."
        )
    if num_users == 1:
        found.append(
            "All ratings are of one user: the intervals resample ratings instead of users, and say nothing about other "
            "users."
        )
    elif num_users < _FEW_USERS:
        found.append(f"Only {num_users} users: the intervals are rough.")
    baseline = scores.baselines.get("damped_bias")
    if baseline is not None and baseline.difference >= 0:
        found.append(
            f"The model is NOT better than the baseline damped_bias on these ratings "
            f"(RMSE {scores.rmse:.4f} against {baseline.rmse:.4f})."
        )
    return tuple(found)
