"""The evaluation of lists alone: of a run that was trained on pairs without ratings, or of held-out pairs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..bundle.bundle import Bundle, load_bundle
from ..data.ratings import Ratings
from .ranked_users import NUM_RANKED
from .rankings import RankingEvaluation, evaluate_rankings
from .result import Evaluation
from .targets import EvaluationError, load_test_targets, separate_targets
from .text import many, ranking_lines

NO_STARS = "These are pairs without ratings, so there are no errors of predicted stars: only lists are scored."


@dataclass(frozen=True)
class ChoiceEvaluation:
    """How well lists find held-out pairs of user and item.

    Args:
        model: name of the model.
        run: the run's folder, as it was passed.
        held_out: which pairs were scored, in words.
        num_ratings: number of held-out pairs.
        num_users: number of their users.
        num_items: number of their items.
        num_fallback: held-out pairs whose user or item is unknown to the model, which no list can find.
        num_cold_users: users that the model knows nothing about.
        num_cold_items: items that training did not see.
        num_fold_in_users: users that were not trained on but folded in (a split by user).
        num_overlap: pairs left out because they are training pairs.
        rankings: the figures.
        warnings: what a reader should know, one sentence each.
        metadata: the bundle's metadata.
        scoring_seconds: time to make and score the lists.
        seconds: time of the whole evaluation.
    """

    model: str
    run: str
    held_out: str
    num_ratings: int
    num_users: int
    num_items: int
    num_fallback: int
    num_cold_users: int
    num_cold_items: int
    num_fold_in_users: int
    num_overlap: int
    rankings: RankingEvaluation
    warnings: tuple[str, ...]
    metadata: Mapping[str, Any]
    scoring_seconds: float
    seconds: float

    def to_dict(self, *, pictures: bool = False) -> dict[str, Any]:
        """Plain values for JSON with the keys of `Evaluation`; None for every figure of stars.

        Args:
            pictures: include the keys of pictures of users and movies, and the bundle's metadata.
        """
        values = asdict(self) | {"facts": dict(self.metadata)}
        del values["metadata"]
        keys = Evaluation.keys(pictures=pictures)
        return {key: values.get(key) for key in keys}

    def example_lines(self) -> list[str]:
        """Nothing: there are no stars to show beside their reconstruction."""
        return []

    def lines(self) -> list[str]:
        """The results as plain text."""
        lines = [
            f"{many(self.num_ratings, 'held-out pair')} of {many(self.num_users, 'user')} and "
            f"{many(self.num_items, 'movie')} ({self.held_out})",
            NO_STARS,
            "",
            *ranking_lines(self.rankings),
            f"Unknown to the model         {many(self.num_cold_users, 'user')}, "
            f"{many(self.num_cold_items, 'movie')}; no list can find their {many(self.num_fallback, 'pair')}",
        ]
        if self.num_overlap:
            lines.append(f"Left out                     {many(self.num_overlap, 'training pair')}")
        return lines + [f"Warning: {warning}" for warning in self.warnings]


def evaluate_choice(
    run: str | os.PathLike[str] | Bundle,
    *,
    folder: str | os.PathLike[str] | None = None,
    ratings: Ratings | None = None,
    num_ranked: int = NUM_RANKED,
    resamples: int = 1000,
    seed: int = 0,
) -> ChoiceEvaluation:
    """Scores the lists of a run on the test part of its split, or on other held-out pairs; stars do not count.

    Arguments as for `evaluate`. It takes any run, and is the only evaluation of a run without ratings.

    Raises:
        EvaluationError: nothing to score, or nobody can have a list.
        ValueError: a bundle or split that is missing or damaged; the message names the file.

    Example:
        ``evaluate_choice("runs/latest").rankings.all.rankers["choice"].ndcg_100.value``
    """
    started = time.perf_counter()
    path = Path(folder) if folder is not None else None if isinstance(run, Bundle) else Path(run)
    bundle = run if isinstance(run, Bundle) else load_bundle(Path(run) / "bundle")
    targets = load_test_targets(bundle, path) if ratings is None else separate_targets(bundle, ratings)
    scoring_started = time.perf_counter()
    rankings = evaluate_rankings(bundle, targets, num_ranked=num_ranked, resamples=resamples, seed=seed)
    if rankings is None:
        raise EvaluationError(
            "Nobody can have a list: no user has both a pair that is shown and a held-out pair that training knows"
            + ("" if bundle.ratings is not None else ", since the bundle was saved without its training pairs")
            + ". Give held-out pairs of users and items of the training data."
        )
    finished = time.perf_counter()
    return ChoiceEvaluation(
        model=bundle.model.name,
        run="" if path is None else str(path),
        held_out=targets.description,
        **vars(targets.counts()),
        rankings=rankings,
        warnings=_warnings(rankings),
        metadata=dict(bundle.metadata),
        scoring_seconds=round(finished - scoring_started, 3),
        seconds=round(finished - started, 3),
    )


def _warnings(rankings: RankingEvaluation) -> tuple[str, ...]:
    found = []
    ours, popularity = (rankings.all.rankers.get(name) for name in ("choice", "popularity"))
    if ours is not None and popularity is not None and ours.ndcg_100.value <= popularity.ndcg_100.value:
        found.append(
            f"The choice model is NOT better than popularity on these pairs "
            f"(NDCG@100 {ours.ndcg_100.value:.4f} against {popularity.ndcg_100.value:.4f})."
        )
    if rankings.num_users < 20:
        found.append(f"Only {many(rankings.num_users, 'user')}: the intervals are rough.")
    return tuple(found)
