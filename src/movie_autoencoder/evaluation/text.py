"""An evaluation as lines of plain text, for a terminal or a pipe: no colour, nothing wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .examples import Person

if TYPE_CHECKING:
    from . import Evaluation
    from .fold_in import FoldInCurve
    from .uncertainty import Uncertainty


def table_lines(evaluation: Evaluation) -> list[str]:
    """All predictors on the same ratings, the two errors apart, what is unknown counted, warnings last."""
    low, high = evaluation.rmse_ci95
    width = max(len(name) for name in ("predictor", evaluation.model, *evaluation.baselines))
    lines = [
        f"{many(evaluation.num_ratings, 'held-out rating')} by {many(evaluation.num_users, 'user')} of "
        f"{many(evaluation.num_items, 'movie')} ({evaluation.held_out})",
        "",
        f"{'predictor':<{width}}     RMSE  95 % interval           MAE  model better by (95 % interval)  "
        "users it serves better",
        f"{evaluation.model:<{width}}  {evaluation.rmse:7.4f}  {f'{low:.4f} to {high:.4f}':<17}  {evaluation.mae:7.4f}",
    ]
    for name, score in evaluation.baselines.items():
        low, high = score.rmse_ci95
        gain, worst, best = (
            _gain(one) for one in (score.difference, score.difference_ci95[1], score.difference_ci95[0])
        )
        lines.append(
            f"{name:<{width}}  {score.rmse:7.4f}  {f'{low:.4f} to {high:.4f}':<17}  {score.mae:7.4f}  "
            f"{f'{gain} ({worst} to {best})':<31}  "
            f"{100 * score.users_improved:.1f} %"
        )
    lines += [
        "",
        f"MSE on held-out ratings      {evaluation.mse:.4f}   how far predictions are off; the figure to compare",
    ]
    if evaluation.reconstruction_mse is not None:
        lines.append(
            f"MSE of the reconstruction    {evaluation.reconstruction_mse:.4f}   at the "
            f"{evaluation.num_reconstructed:,} ratings that the encoder was shown; smaller by nature, predicts nothing"
        )
    if evaluation.fold_in_reconstruction_mse is not None:
        lines.append(
            f"  of people not trained on   {evaluation.fold_in_reconstruction_mse:.4f}   at the fold-in ratings of "
            f"{evaluation.num_fold_in_users:,} users"
        )
    lines += [
        f"Mean of the users' RMSE      {evaluation.user_rmse:.4f}   every user counts alike",
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
    return lines + [f"Warning: {warning}" for warning in evaluation.warnings]


def _fold_in_lines(curve: FoldInCurve) -> list[str]:
    """Errors by the number of ratings that were folded in."""
    heading = "RMSE by number of ratings read"
    width = max(len(name) for name in (heading, *curve.rmse))
    return [
        f"{heading:<{width}}" + "".join(f"{number:8d}" for number in curve.num_given),
        *(f"{name:<{width}}" + "".join(f"{one:8.4f}" for one in errors) for name, errors in curve.rmse.items()),
        f"at the same {many(curve.num_ratings, 'rating')} of {many(curve.num_rows, 'user')} in every column",
    ]


def _uncertainty_lines(found: Uncertainty) -> list[str]:
    """Scores of the distributions, each beside a trivial baseline."""
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
        f"Errors above {found.far:g} foreseen (AUC)  {', '.join(ranks)}",
        f"{100 * found.level:g} % intervals cover {100 * covered.share:.1f} %, mean width {covered.mean_width:.3f}; of "
        f"constant width, covering {100 * constant.share:.1f} %: {constant.mean_width:.3f}",
    ]


def example_lines(person: Person | None) -> list[str]:
    """One person's stars beside their reconstruction, shown and held-out ratings apart; nothing without a person."""
    if person is None:
        return []
    lines = [f"User {person.user}: stars given, and reconstructed"]
    for heading, entries, number in (
        ("shown to the encoder", person.shown, person.num_shown),
        ("held out", person.held_out, person.num_held_out),
    ):
        if entries:
            lines.append(f"  {f'{heading} ({len(entries):,} of {number:,})':<48}  given  reconstructed")
            lines += [
                f"    {shorten(one.title, 46):<46}  {round(one.stars, 2):5g}  {one.reconstruction:13.2f}"
                for one in entries
            ]
    if person.shown:
        lines.append(
            "  Shown ratings are, as a rule, reconstructed better than held-out ones: the encoder has read them."
        )
    return lines


def many(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> many(1, "user"), many(1200, "user")
        ('1 user', '1,200 users')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _gain(difference: float) -> str:
    """A difference of errors turned round, so that above 0 is better; never ``-0.0000``."""
    return f"{round(-difference, 4) + 0.0:.4f}"


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
