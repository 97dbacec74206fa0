"""An evaluation as lines of plain text, for a terminal or a pipe: no colour, no line wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .examples import UserExample
from .few_ratings import FewRatingsCertainty
from .fold_in_curve import FoldInCurve
from .rankings import DEPTH, LENGTH, Mean, RankingEvaluation
from .uncertainty import Uncertainty

if TYPE_CHECKING:
    from .result import Evaluation


def table_lines(evaluation: Evaluation) -> list[str]:
    """The result as text: all predictors on the same ratings, the reconstruction errors, counts, and warnings."""
    lines = [
        f"{many(evaluation.num_ratings, 'held-out rating')} by {many(evaluation.num_users, 'user')} of "
        f"{many(evaluation.num_items, 'movie')} ({evaluation.held_out})",
        "",
        *_predictor_lines(evaluation),
        "",
        f"MSE on held-out ratings      {evaluation.mse:.4f}   error of the predictions; the figure to compare",
    ]
    if evaluation.reconstruction_mse is not None:
        lines.append(
            f"MSE of the reconstruction    {evaluation.reconstruction_mse:.4f}   at the "
            f"{evaluation.num_reconstructed:,} ratings that the encoder was shown; smaller, and no error of predictions"
        )
    if evaluation.fold_in_reconstruction_mse is not None:
        lines.append(
            f"  of users not trained on    {evaluation.fold_in_reconstruction_mse:.4f}   at the fold-in ratings of "
            f"{evaluation.num_fold_in_users:,} users"
        )
    lines += [
        f"Mean of the users' RMSE      {evaluation.user_rmse:.4f}   every user has the same weight",
        f"Unknown to the model         {many(evaluation.num_cold_users, 'user')}, "
        f"{many(evaluation.num_cold_items, 'movie')}; {many(evaluation.num_fallback, 'rating')} "
        "predicted by the fallback",
    ]
    if evaluation.num_overlap:
        lines.append(f"Left out                     {many(evaluation.num_overlap, 'training rating')}")
    if evaluation.fold_in is not None:
        lines += ["", *_fold_in_lines(evaluation.fold_in)]
    if evaluation.uncertainty is not None:
        lines += ["", *_uncertainty_lines(evaluation.uncertainty)]
    if evaluation.few_ratings is not None:
        lines += ["", *_few_ratings_lines(evaluation.few_ratings)]
    if evaluation.rankings is not None:
        lines += ["", *ranking_lines(evaluation.rankings)]
    return lines + [f"Warning: {warning}" for warning in evaluation.warnings]


def _predictor_lines(evaluation: Evaluation) -> list[str]:
    """The model, its members beneath it, and the baselines."""
    members = {f"  {name}": score for name, score in evaluation.members.items()}
    width = max(len(name) for name in ("predictor", evaluation.model, *members, *evaluation.baselines))
    lines = [
        f"{'predictor':<{width}}     RMSE  95 % interval           MAE  model better by (95 % interval)  "
        "users with lower error",
        f"{evaluation.model:<{width}}  {evaluation.rmse:7.4f}  {_range(evaluation.rmse_ci95):<17}  "
        f"{evaluation.mae:7.4f}",
    ]
    lines += [f"{name:<{width}}  {one.rmse:7.4f}  {'':<17}  {one.mae:7.4f}" for name, one in members.items()]
    for name, score in evaluation.baselines.items():
        gain, worst, best = (
            _gain(one) for one in (score.difference, score.difference_ci95[1], score.difference_ci95[0])
        )
        lines.append(
            f"{name:<{width}}  {score.rmse:7.4f}  {_range(score.rmse_ci95):<17}  {score.mae:7.4f}  "
            f"{f'{gain} ({worst} to {best})':<31}  "
            f"{100 * score.users_improved:.1f} %"
        )
    return lines


def _fold_in_lines(curve: FoldInCurve) -> list[str]:
    """Errors by the number of fold-in ratings."""
    heading = "RMSE by number of fold-in ratings"
    width = max(len(name) for name in (heading, *curve.rmse))
    return [
        f"{heading:<{width}}" + "".join(f"{number:8d}" for number in curve.num_given),
        *(f"{name:<{width}}" + "".join(f"{one:8.4f}" for one in errors) for name, errors in curve.rmse.items()),
        f"at the same {many(curve.num_ratings, 'rating')} of {many(curve.num_rows, 'user')} in every column",
    ]


def _uncertainty_lines(found: Uncertainty) -> list[str]:
    """Scores of the rating distributions, each beside a simple baseline."""
    width = max(len(name) for name in ("distribution", *found.scores, *found.auc))
    lines = [f"{'distribution':<{width}}      NLL     CRPS    Brier of liking (from {found.like_threshold:g} stars)"]
    lines += [
        f"{name:<{width}}  {score.nll:7.4f}  {score.crps:7.4f}  {score.brier:7.4f}"
        for name, score in found.scores.items()
    ]
    ranks = [f"{name} {'–' if value is None else f'{value:.4f}'}" for name, value in found.auc.items()]
    covered, constant = found.coverage, found.constant_width
    return [
        *lines,
        f"AUC for errors above {found.far:g}  {', '.join(ranks)}",
        f"{100 * found.level:g} % intervals cover {100 * covered.share:.1f} %, mean width {covered.mean_width:.3f}; "
        f"intervals of constant width cover {100 * constant.share:.1f} %, width {constant.mean_width:.3f}",
    ]


def _few_ratings_lines(found: FewRatingsCertainty) -> list[str]:
    """Certainty by the number of fold-in ratings."""
    rows = {
        "certainty by number of ratings": [f"{one.num_given:8d}" for one in found.by_num_given],
        f"{100 * found.level:g} % intervals cover, %": [
            f"{100 * one.coverage.share:8.1f}" for one in found.by_num_given
        ],
        "their mean width, stars": [f"{one.coverage.mean_width:8.3f}" for one in found.by_num_given],
        "mean probability of liking, %": [f"{100 * one.like_probability:8.1f}" for one in found.by_num_given],
        "fraction liked, %": [f"{100 * one.liked:8.1f}" for one in found.by_num_given],
        "calibration error, points": [f"{100 * one.calibration_error:8.1f}" for one in found.by_num_given],
    }
    width = max(len(name) for name in rows)
    return [
        *(f"{name:<{width}}" + "".join(cells) for name, cells in rows.items()),
        f"at the same {many(found.num_ratings, 'rating')} of {many(found.num_users, 'user')} in every column",
    ]


def ranking_lines(found: RankingEvaluation) -> list[str]:
    """What lists find and what they are made of, for all held-out ratings and for liked ones."""
    heading, known = f"first {LENGTH} of each list", "not trained on" if found.setting == "strong" else "trained on"
    kinds = {"all held-out pairs": found.all}
    if found.like_threshold is not None:
        kinds = {"all held-out ratings": found.all}
        if found.liked is not None:
            kinds[f"from {found.like_threshold:g} stars"] = found.liked
    width = max(len(name) for name in (heading, *kinds, *found.lists))
    lines = [
        f"Lists of {DEPTH} for {many(found.num_users, 'user')} {known}, from all {many(found.num_items, 'movie')} but "
        "those shown"
    ]
    for kind, scores in kinds.items():
        lines.append(f"{kind:<{width}}  Recall@20  Recall@50  NDCG@10  NDCG@100     MRR")
        lines += [
            f"{name:<{width}}  {one.recall_20.value:9.4f}  {one.recall_50.value:9.4f}  {one.ndcg_10.value:7.4f}  "
            f"{one.ndcg_100.value:8.4f}  {one.mrr.value:6.4f}"
            for name, one in scores.rankers.items()
        ]
    rated = found.like_threshold is not None
    lines.append(f"{heading:<{width}}  coverage" + "  stars of hits above the user's mean" * rated)
    return lines + [
        f"{name:<{width}}  {100 * one.coverage:6.1f} %" + f"  {signed(one.rating_of_hits)}" * rated
        for name, one in found.lists.items()
    ]


def signed(found: Mean | None) -> str:
    """A difference with its sign and its interval; a dash where there is none.

    Example:
        >>> signed(Mean(0.5, (0.25, 0.75))), signed(None)
        ('+0.500 (+0.250 to +0.750)', '–')
    """
    if found is None:
        return "–"
    return f"{found.value:+.3f}" + ("" if found.ci95 is None else f" ({found.ci95[0]:+.3f} to {found.ci95[1]:+.3f})")


def example_lines(example: UserExample | None) -> list[str]:
    """One user's ratings beside their reconstruction, shown and held-out ratings apart; empty without an example."""
    if example is None:
        return []
    lines = [f"User {example.user}: stars given, and reconstructed"]
    for heading, entries, number in (
        ("shown to the encoder", example.shown, example.num_shown),
        ("held out", example.held_out, example.num_held_out),
    ):
        if entries:
            lines.append(f"  {f'{heading} ({len(entries):,} of {number:,})':<48}  given  reconstructed")
            lines += [
                f"    {shorten(one.title, 46):<46}  {round(one.stars, 2):5g}  {one.reconstruction:13.2f}"
                for one in entries
            ]
    if example.shown:
        lines.append("  The encoder has read the shown ratings, so it usually reconstructs them better.")
    return lines


def many(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> many(1, "user"), many(1200, "user")
        ('1 user', '1,200 users')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shorten(text: str, width: int) -> str:
    """Text cut to a width, keeping a year in brackets at its end.

    Example:
        >>> shorten("Dr. Strangelove or: How I Learned to Stop Worrying (1964)", 30)
        'Dr. Strangelove or: Ho… (1964)'
    """
    if len(text) <= width:
        return text
    head, bracket, year = text.rpartition(" (")
    tail = f" ({year}" if bracket and len(year) <= 6 else ""
    return f"{(head if tail else text)[: width - len(tail) - 1].rstrip(' ,:-')}…{tail}"


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def _gain(difference: float) -> str:
    """A difference of errors with its sign changed, so that above 0 is better; never ``-0.0000``."""
    return f"{round(-difference, 4) + 0.0:.4f}"
