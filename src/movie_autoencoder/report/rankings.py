"""The picture of rankings: how well the lists of each ranker find the held-out ratings."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.rankings import RankingEvaluation, TargetScores
from .style import INK, new_figure, ranker_style, tidy


def draw_rankings(found: RankingEvaluation) -> Figure:
    """NDCG@100 of every ranker with its 95 % interval: left on all targets, right on liked ones."""
    drawn = {"all held-out pairs" if found.like_threshold is None else "all held-out ratings": found.all}
    if found.liked is not None:
        drawn[f"held-out ratings from {found.like_threshold:g} stars"] = found.liked
    names = sorted(found.all.rankers, key=lambda name: -found.all.rankers[name].ndcg_100.value)
    figure = new_figure(9.6, 1.2 + 0.42 * len(names))
    plots = figure.subplots(1, len(drawn), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (kind, scores) in zip(plots, drawn.items(), strict=True):
        _draw_scores(axes, scores, names)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.2)  # room for the figures
        axes.set_xlim(left=0)
        tidy(axes, title=kind, xlabel="NDCG@100 with 95 % interval (further right is better)", grid="x")
    return figure


def _draw_scores(axes: Axes, scores: TargetScores, names: list[str]) -> None:
    for row, name in enumerate(names):
        score, (colour, marker) = scores.rankers[name].ndcg_100, ranker_style(name)
        if score.ci95 is not None:
            axes.plot(score.ci95, [row, row], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([score.value], [row], color=colour, marker=marker, markersize=8)
        axes.annotate(
            f"{score.value:.4f}",
            (score.value if score.ci95 is None else score.ci95[1], row),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
