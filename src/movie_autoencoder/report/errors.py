"""Pictures of errors: scores of all predictors, predictions against ratings, errors by group and by fold-in ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..evaluation import Evaluation
from ..evaluation.fold_in_curve import FoldInCurve
from ..evaluation.groups import GroupError
from .style import HELD_OUT, INK, MODEL, new_figure, predictor_style, tidy

_FEW = 10  # the mean of a bin with fewer ratings is too uncertain to draw
_LABEL_WIDTH = 100  # characters that fit side by side under the bars


def draw_scores(evaluation: Evaluation) -> Figure:
    """RMSE of the model and of every baseline, with 95 % intervals."""
    names = [evaluation.model, *sorted(evaluation.baselines, key=lambda name: evaluation.baselines[name].rmse)]
    figure = new_figure(8.6, 0.9 + 0.48 * len(names))
    axes = figure.add_subplot()
    for row, name in enumerate(names):
        score = evaluation if name == evaluation.model else evaluation.baselines[name]
        colour, marker = (MODEL, "o") if name == evaluation.model else predictor_style(name)
        low, high = score.rmse_ci95
        axes.plot([low, high], [row, row], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([score.rmse], [row], color=colour, marker=marker, markersize=8)
        axes.annotate(
            f"{score.rmse:.4f}",
            (score.rmse, row),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.75)
    axes.margins(x=0.08)
    tidy(axes, xlabel="RMSE on held-out ratings, stars, with 95 % interval (further left is better)", grid="x")
    return figure


def draw_agreement(evaluation: Evaluation) -> Figure:
    """Predictions for each rating value, and the mean rating at each prediction."""
    agreement, scale = evaluation.agreement, evaluation.scale
    figure = new_figure(9.6, 4.5)
    left, right = figure.subplots(1, 2)
    values, edges = np.array(agreement.values), np.array(agreement.edges)
    counts = np.array(agreement.counts, dtype=np.float64)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    half = np.diff(values) / 2 if len(values) > 1 else np.array([scale.span / 10])
    sides = np.concatenate([[values[0] - half[0]], values[:-1] + np.diff(values) / 2, [values[-1] + half[-1]]])
    image = left.pcolormesh(sides, edges, 100 * fractions.T, cmap=colormaps["Blues"], vmin=0, rasterized=True)
    bar = figure.colorbar(image, ax=left, pad=0.02)
    bar.set_label("% of the ratings with these stars", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    ends = [scale.minimum, scale.maximum]
    left.plot(ends, ends, color=INK, linestyle=(0, (4, 3)), linewidth=1)
    known = [index for index, mean in enumerate(agreement.mean_prediction) if mean is not None]
    means = np.array([agreement.mean_prediction[index] for index in known], dtype=np.float64)
    left.plot(values[known], means, color=HELD_OUT, marker="o", markersize=5, linewidth=1.6, label="mean prediction")
    left.set_ylim(scale.minimum, scale.maximum)
    left.set_xlim(sides[0], sides[-1])
    left.legend(fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none", loc="upper left")
    tidy(left, title="Predictions for each star value", xlabel="stars given", ylabel="stars predicted")

    totals = counts.sum(axis=0)
    enough = np.flatnonzero(totals >= min(_FEW, totals.max()))
    centres = (edges[:-1] + edges[1:]) / 2
    stars = np.array([agreement.mean_stars[index] for index in enough], dtype=np.float64)
    right.plot(ends, ends, color=INK, linestyle=(0, (4, 3)), linewidth=1, label="prediction = stars")
    right.scatter(
        centres[enough],
        stars,
        s=12 + 160 * totals[enough] / totals.max(),
        color=MODEL,
        alpha=0.85,
        linewidth=0,
        label="mean stars (area: ratings)",
    )
    margin = 0.03 * scale.span
    right.set_xlim(scale.minimum - margin, scale.maximum + margin)
    right.set_ylim(min(scale.minimum, stars.min()) - margin, max(scale.maximum, stars.max()) + margin)
    legend = right.legend(fontsize=8.5, frameon=False, loc="upper left")
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40])
    tidy(
        right, title="Stars given at each prediction", xlabel="stars predicted", ylabel="mean stars given", grid="both"
    )
    return figure


def draw_groups(evaluation: Evaluation, groups: Sequence[GroupError], what: str) -> Figure:
    """RMSE of the model and the baselines by group, and the number of ratings of each group.

    Args:
        evaluation: has the names of the model and the baselines.
        groups: in the order of the picture; empty groups at both ends are left out.
        what: label of the axis: what the groups are.
    """
    filled = [index for index, group in enumerate(groups) if group.num_ratings]
    groups = groups[filled[0] : filled[-1] + 1]
    figure = new_figure(9.6, 4.8)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    positions = np.arange(len(groups))
    for name in reversed(list(evaluation.baselines)):
        colour, marker = predictor_style(name)
        top.plot(
            positions,
            _column([group.baselines[name] for group in groups]),
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.1,
            label=name,
        )
    bars = 1.96 * np.nan_to_num(_column([group.standard_error for group in groups]))
    top.errorbar(
        positions,
        _column([group.rmse for group in groups]),
        yerr=bars,
        color=MODEL,
        marker="o",
        markersize=7,
        linewidth=2,
        capsize=4,
        label=f"{evaluation.model} (95 %)",
        zorder=5,
    )
    top.margins(y=0.1)
    top.legend(
        fontsize=8.5, frameon=False, ncols=2 + len(evaluation.baselines), loc="lower left", bbox_to_anchor=(0, 1)
    )
    tidy(top, ylabel="RMSE, stars", grid="y")
    counts = [group.num_ratings for group in groups]
    bottom.bar(positions, counts, color="#B8C4CE", width=0.75)
    small = 7 if len(groups) > 12 else 8
    for position, count in zip(positions, counts, strict=True):
        bottom.annotate(
            f"{count:,}",
            (float(position), count),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=small,
            color=INK,
        )
    bottom.margins(y=0.3)
    bottom.set_xlim(-0.6, max(len(groups), 5) - 0.4)
    labels = [group.label for group in groups]
    room = _LABEL_WIDTH / max(len(groups), 5)
    slanted = any((len(one) + len(next_one)) / 2 > room for one, next_one in zip(labels, labels[1:], strict=False))
    bottom.set_xticks(
        positions, labels, rotation=35 if slanted else 0, ha="right" if slanted else "center", rotation_mode="anchor"
    )
    bottom.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    bottom.yaxis.set_major_formatter("{x:,.0f}")
    tidy(bottom, xlabel=what, ylabel="ratings")
    return figure


def _column(values: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def draw_fold_in(curve: FoldInCurve) -> Figure:
    """RMSE by the number of fold-in ratings, of the model and of the damped biases."""
    figure = new_figure(8.6, 4.2)
    axes = figure.add_subplot()
    positions = np.log1p(curve.num_given)
    for number, (name, errors) in enumerate(curve.rmse.items()):
        colour, marker = predictor_style(name) if number else (MODEL, "o")
        axes.plot(positions, errors, color=colour, marker=marker, markersize=7, linewidth=1.8, label=name)
        for position, error in zip(positions, errors, strict=True):
            axes.annotate(
                f"{error:.3f}",
                (position, error),
                (0, 9 if number else -15),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color=INK,
            )
    axes.set_xticks(positions, [str(number) for number in curve.num_given])
    axes.margins(x=0.05, y=0.18)
    axes.legend(fontsize=8.5, frameon=False)
    tidy(axes, xlabel="fold-in ratings of the user", ylabel="RMSE, stars", grid="both")
    return figure
