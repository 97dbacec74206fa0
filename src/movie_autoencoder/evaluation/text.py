"""An evaluation as lines of plain text, for a terminal or a pipe: no colour, nothing wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .examples import Person

if TYPE_CHECKING:
    from . import Evaluation


def table_lines(evaluation: Evaluation) -> list[str]:
    low, high = evaluation.rmse_ci95
    width = max(len(name) for name in ("predictor", evaluation.model, *evaluation.baselines))
    lines = [
        f"{evaluation.num_ratings:,} held-out ratings by {evaluation.num_users:,} users of "
        f"{evaluation.num_items:,} movies ({evaluation.held_out})",
        "",
        f"{'predictor':<{width}}    RMSE  95 % interval         MAE  model better by (95 % interval)  "
        "users it serves better",
        f"{evaluation.model:<{width}}  {evaluation.rmse:6.4f}  {low:.4f} to {high:.4f}  {evaluation.mae:6.4f}",
    ]
    for name, score in evaluation.baselines.items():
        low, high = score.rmse_ci95
        worst, best = sorted((-score.difference_ci95[0], -score.difference_ci95[1]))
        better = f"{-score.difference:.4f} ({worst:.4f} to {best:.4f})"
        lines.append(
            f"{name:<{width}}  {score.rmse:6.4f}  {low:.4f} to {high:.4f}  {score.mae:6.4f}  {better:<31}  "
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
        f"Unknown to the model         {evaluation.num_cold_users:,} users, {evaluation.num_cold_items:,} movies; "
        f"{evaluation.num_fallback:,} ratings predicted by the fallback",
    ]
    if evaluation.num_overlap:
        lines.append(f"Left out                     {evaluation.num_overlap:,} ratings that are also training ratings")
    return lines + [f"Warning: {warning}" for warning in evaluation.warnings]


def example_lines(person: Person | None) -> list[str]:
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
                f"    {shorten(one.title, 46):<46}  {one.stars:5.4g}  {one.reconstruction:13.2f}" for one in entries
            ]
    lines.append("  Shown ratings are reconstructed better than held-out ones: the encoder has read them.")
    return lines


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
