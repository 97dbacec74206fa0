"""Fits the choice model: its settings on held-out choices, then itself on all choices.

Held-out choices are those of people whom the fitted models did not see (strong generalization, Liang et al. 2018): what
such people chose in training is shown, and their validation ratings are to be found. The test part never comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..data.ratings import Ratings
from ..data.scale import Scale, like_threshold
from ..metrics.rankings import ndcg, top_items
from ..models.base import TrainedModel
from ..models.validation import Validation
from .folds import Fold, cells_of, csr, make_folds
from .linear import FEW, LinearAutoencoder, LinearSettings, Table, gram_of
from .model import USUAL_RATING_WEIGHT, Calibration, ChoiceModel

DEPTH = 100  # length of the lists that choose settings
_PENALTY_STEP = 4.0
_PENALTY_STEPS = range(-3, 6)  # from the usual one
_DROPOUTS = (0.6,)
_POPULARITY_WEIGHTS = (0.0, 0.3, 0.6, 0.85, 0.95)
_RATING_WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4)
_HEAD = 2500  # most chosen items, with which the linear settings are searched
_CHOICES_A_KNOT = 40
_MOST_KNOTS = 30

Scores = dict[Any, npt.NDArray[Any]]  # of all items for a block of people, by setting
Scorer = Callable[[int, slice], Scores]  # from the number of a fold and a slice of its people
Values = npt.NDArray[np.floating[Any]]
Setting = TypeVar("Setting", bound=Hashable)


def fit_choice(
    ratings: Ratings, *, validation: Validation | None = None, model: TrainedModel | None = None, seed: int = 0
) -> ChoiceModel:
    """Fits the choice model.

    Args:
        ratings: whose choices it learns: all but the test part.
        validation: the validation part, which chooses the settings. Without it a tenth of each person's choices is held
            out for that.
        model: a model of ratings that was trained without the validation part; with it the weight of predicted ratings
            in a balanced list is fitted, without it the weight is the usual one.
        seed: of folds and projections.

    Example:
        ``fit_choice(ratings).scores(ratings)`` has a row of scores for each person.
    """
    chosen, folds = ratings.to_csr(), make_folds(ratings, validation, model, seed)
    popularity, calibration = _popularity(chosen), _usual_calibration(chosen)
    if not folds:
        linear = LinearAutoencoder.fit(chosen, LinearSettings(), seed=seed)
        return ChoiceModel(linear, popularity, 0.0, calibration, USUAL_RATING_WEIGHT)
    settings, linears = _search_linear(folds, seed)
    models = [
        ChoiceModel(linear, _popularity(fold.training), 0.0, calibration, USUAL_RATING_WEIGHT)
        for fold, linear in zip(folds, linears, strict=True)
    ]
    popularity_weight = _search_popularity(folds, models)
    models = [replace(one, popularity_weight=popularity_weight) for one in models]
    calibration = _calibrate(folds, models)
    models = [replace(one, calibration=calibration) for one in models]
    rating_weight = _search_rating_weight(folds, models, ratings.scale)
    linear = LinearAutoencoder.fit(chosen, settings, seed=seed)
    return ChoiceModel(linear, popularity, popularity_weight, calibration, rating_weight)


def _search_linear(folds: Sequence[Fold], seed: int) -> tuple[LinearSettings, list[LinearAutoencoder]]:
    """The best penalty by a walk from the usual one, then the best dropout; large catalogues by their head."""
    tried: dict[LinearSettings, Values] = {}
    usual, heads = LinearSettings(), [_head(fold) for fold in folds]
    grams = [gram_of(fold.training) for fold in heads]

    def values(settings: LinearSettings) -> Values:
        if settings not in tried:
            fitted = [
                LinearAutoencoder.fit(fold.training, settings, num_factors=FEW, gram=gram, seed=seed)
                for fold, gram in zip(heads, grams, strict=True)
            ]
            tried.update(
                _ndcg(heads, lambda number, rows: {settings: fitted[number].scores(heads[number].shown[rows])})
            )
        return tried[settings]

    values(usual)
    for step in (-1, 1):
        best, at = usual, step
        while at in _PENALTY_STEPS:
            candidate = replace(usual, l2=usual.l2 * _PENALTY_STEP**at)
            if not np.nanmean(values(candidate)) > np.nanmean(values(best)):
                break
            best, at = candidate, at + step
    settings = _best(usual, tried)
    for dropout in _DROPOUTS:
        values(replace(settings, dropout=dropout))
    settings = _best(settings, tried)
    return settings, [LinearAutoencoder.fit(fold.training, settings, num_factors=FEW, seed=seed) for fold in folds]


def _head(fold: Fold) -> Fold:
    """The same people with the most chosen items only, so that a fit of many settings stays quick."""
    if fold.training.shape[1] <= _HEAD:
        return fold
    counts = np.bincount(fold.training.indices, minlength=fold.training.shape[1])
    columns = np.sort(np.argsort(-counts, kind="stable")[:_HEAD])
    return Fold(fold.training[:, columns], fold.shown[:, columns], fold.targets[:, columns], None)


def _search_popularity(folds: Sequence[Fold], models: Sequence[ChoiceModel]) -> float:
    """The weight of popularity, which is all that very sparse ratings have to say."""

    def scores(number: int, rows: slice) -> Scores:
        found, popularity = models[number].scores_of(folds[number].shown[rows]), models[number].popularity
        return {weight: (1 - weight) * found + weight * popularity for weight in _POPULARITY_WEIGHTS}

    values = _ndcg(folds, scores)
    return max(_POPULARITY_WEIGHTS, key=lambda weight: float(np.nanmean(values[weight])))


def _search_rating_weight(folds: Sequence[Fold], models: Sequence[ChoiceModel], scale: Scale) -> float:
    """The weight of predicted ratings that finds most of the liked held-out items."""
    least, liked = like_threshold(scale), []
    for fold in folds:
        rows, columns = cells_of(fold.targets)
        keep = fold.targets.data >= least
        targets = csr(fold.targets.data[keep], (rows[keep], columns[keep]), fold.targets.shape)
        liked.append(replace(fold, targets=targets))
    if any(fold.predictions is None for fold in folds) or not sum(fold.targets.nnz for fold in liked):
        return USUAL_RATING_WEIGHT

    def scores(number: int, rows: slice) -> Scores:
        fold, model = liked[number], models[number]
        found, predictions = model.scores_of(fold.shown[rows]), fold.predict(rows)
        return {
            weight: replace(model, rating_weight=weight).balanced(found, predictions, scale)
            for weight in _RATING_WEIGHTS
        }

    values = _ndcg(liked, scores)
    return max(_RATING_WEIGHTS, key=lambda weight: float(np.nanmean(values[weight])))


def _ndcg(folds: Sequence[Fold], scorer: Scorer) -> dict[Any, Values]:
    """NDCG@100 of each person's held-out items, among all items that were not shown, for each of several settings."""
    found: dict[Any, list[Values]] = {}
    for number, fold in enumerate(folds):
        for rows in fold.blocks():
            for setting, scores in scorer(number, rows).items():
                top = top_items(scores, DEPTH, excluded=fold.shown[rows])
                found.setdefault(setting, []).append(ndcg(top, fold.targets[rows], DEPTH))
    return {setting: np.concatenate(values) for setting, values in found.items()}


def _best(usual: Setting, values: Mapping[Setting, Values]) -> Setting:
    """The setting with the largest mean where it is above the usual one by more than the difference's standard error.

    Otherwise the usual setting, which was found on other data: a small validation part should not overrule it.
    """
    best = max(values, key=lambda setting: float(np.nanmean(values[setting])))
    difference = values[best] - values[usual]
    difference = difference[~np.isnan(difference)]
    return best if difference.mean() > difference.std() / np.sqrt(len(difference)) else usual


def _calibrate(folds: Sequence[Fold], models: Sequence[ChoiceModel]) -> Calibration:
    """Calibration on the folds' cells that were not shown.

    Held-out choices are a fraction of a person's, so that each stands for one over this fraction.
    """
    found: list[npt.NDArray[Any]] = []
    num_held_out = sum(fold.targets.nnz for fold in folds)
    fraction = num_held_out / (num_held_out + sum(fold.shown.nnz for fold in folds))
    for fold, model in zip(folds, models, strict=True):
        for rows in fold.blocks():
            scores = model.scores_of(fold.shown[rows])
            found.append(scores[cells_of(fold.targets[rows])])
    positive = np.concatenate(found).astype(np.float64)
    num_knots = int(np.clip(len(positive) // _CHOICES_A_KNOT, 3, _MOST_KNOTS))
    edges = np.unique(np.quantile(positive, np.linspace(0, 1, num_knots + 1)[1:-1]))
    chosen, everything, sums = (np.zeros(len(edges) + 1) for _ in range(3))
    for fold, model in zip(folds, models, strict=True):
        for rows in fold.blocks():
            scores = model.scores_of(fold.shown[rows])
            targets = cells_of(fold.targets[rows])
            index = np.searchsorted(edges, scores)
            scores[cells_of(fold.shown[rows])] = np.nan
            chosen += np.bincount(index[targets], minlength=len(chosen))
            known = ~np.isnan(scores)
            everything += np.bincount(index[known], minlength=len(chosen))
            sums += np.bincount(index[known], weights=scores[known], minlength=len(chosen))
    means = sums / np.maximum(everything, 1)
    used = everything > 0
    chosen = chosen / fraction
    return Calibration.fit(means[used], (everything - chosen * fraction + chosen)[used], chosen[used])


def _popularity(chosen: Any) -> Table:
    """Fraction of the users who chose each item, shape ``(num_items,)``."""
    return np.asarray(chosen.sum(axis=0) / max(chosen.shape[0], 1), dtype=np.float32).ravel()


def _usual_calibration(chosen: Any) -> Calibration:
    """A rough calibration for data that is too small to hold anything out: the mean chance at the lowest score."""
    rate = float(chosen.nnz) / max(np.prod(chosen.shape, dtype=np.float64), 1)
    return Calibration(np.array([0.0, 1.0]), np.log(rate / (1 - rate)) + np.array([0.0, 5.0]))
