"""Training on pairs without ratings: the choice model alone, in one screen.

`train` reads and splits the data and then continues here. There is no search over epochs, nothing random but folds,
and nothing to resume: the fit is a closed form, and the same data and seed give the same lists.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import Bundle
from ..choice import ChoiceModel, fit_choice
from ..choice.linear import LinearAutoencoder
from ..config import Config
from ..data.catalogue import Catalogue
from ..data.ratings import Ratings
from ..data.splits import Split
from ..metrics.rankings import ndcg, recall, top_items
from ..models.choice_only.trained import TrainedChoice
from ..models.validation import Validation
from .metadata import data_metadata
from .progress import Reporter

_DEPTH, _LENGTH = 100, 20  # of the lists whose NDCG and recall are computed
_MAX_NUMBERS = 1 << 22  # scores held at a time
_MOST_PEOPLE = 5_000


def fit_pairs(
    config: Config, split: Split, catalogue: Catalogue, report: Reporter
) -> tuple[Bundle, dict[str, dict[str, float]]]:
    """Fits the choice model alone.

    Args:
        config: every setting.
        split: of pairs without ratings.
        catalogue: titles of all items of the split.
        report: told of progress.

    Returns:
        The bundle, and the validation figures of the choice model before its refit and of popularity: NDCG@100 and
        Recall@20 of the held-out pairs, means over users; empty without a validation part.
    """
    started, seed = time.perf_counter(), config.training.seed
    training, held_out = split.training_ratings, split.held_out("validation")
    validation = Validation(training, held_out) if len(held_out) else None
    report.say("Fitting the choice model: these are pairs without ratings, so it is the only model.")
    ratings, choice = training, fit_choice(training, validation=validation, seed=seed)
    figures = {} if validation is None else _figures(choice, validation)
    if config.training.refit and validation is not None:
        ratings = split.refit_ratings
        choice = _refit(choice, ratings, seed)
    report.say(f"Fitted in {time.perf_counter() - started:.1f} s")
    metadata = {
        **data_metadata(config, split, ratings),
        "settings": choice.metadata,
        "validation": figures,
        "choice": choice.metadata,
        "fits": [],
    }
    bundle = Bundle(
        TrainedChoice.fit(ratings, seed=seed),
        {},
        ratings.user_ids,
        ratings.item_ids,
        ratings.user_counts,
        ratings.item_counts,
        ratings if config.bundle.ratings else None,
        catalogue,
        metadata,
        choice=choice,
    )
    return bundle, figures


def _refit(choice: ChoiceModel, ratings: Ratings, seed: int) -> ChoiceModel:
    """The same settings and calibration on more pairs, without another search."""
    linear = LinearAutoencoder.fit(ratings.to_csr(), choice.linear.settings, seed=seed)
    return replace(choice, linear=linear, popularity=(ratings.item_counts / ratings.num_users).astype(np.float32))


def _figures(choice: ChoiceModel, validation: Validation) -> dict[str, dict[str, float]]:
    """NDCG@100 and Recall@20 of the validation pairs; people without a shown pair have no list."""
    from scipy import sparse

    shown = (validation.training if validation.fold_in is None else validation.fold_in).to_csr()
    known = (validation.users >= 0) & (validation.items >= 0)
    cells = (validation.users[known], validation.items[known])
    targets = sparse.csr_array((np.ones(len(cells[0])), cells), shape=shown.shape)
    people = np.flatnonzero((np.diff(shown.indptr) > 0) & (np.diff(targets.indptr) > 0))[:_MOST_PEOPLE]
    if not len(people):
        return {}
    popularity = validation.training.item_counts.astype(np.float32)
    found: dict[str, list[npt.NDArray[Any]]] = {"choice": [], "popularity": []}
    step = max(1, _MAX_NUMBERS // shown.shape[1])
    for start in range(0, len(people), step):
        rows = people[start : start + step]
        scores = {"choice": choice.scores_of(shown[rows]), "popularity": np.tile(popularity, (len(rows), 1))}
        for name, values in scores.items():
            top = top_items(values, _DEPTH, excluded=shown[rows])
            found[name].append(np.stack([ndcg(top, targets[rows], _DEPTH), recall(top, targets[rows], _LENGTH)]))
    means = {name: np.concatenate(parts, axis=1).mean(axis=1).tolist() for name, parts in found.items()}
    return {name: {"ndcg_100": gain, "recall_20": hits} for name, (gain, hits) in means.items()}
