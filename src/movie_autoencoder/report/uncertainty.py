"""Pictures of uncertainty: calibration, error of the most certain predictions, coverage of intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.few_ratings import FewRatingsCertainty, GivenCertainty
from ..evaluation.uncertainty import IntervalGroup, Uncertainty
from .style import HELD_OUT, INK, MODEL, new_figure, tidy

_BASELINE = "#8C8C8C"


def draw_certainty(found: Uncertainty) -> Figure:
    """Left: reliability diagram of the probability of liking. Right: RMSE of the most certain predictions."""
    figure = new_figure(9.6, 4.3)
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], color=INK, linestyle=(0, (4, 3)), linewidth=1, label="probability = frequency")
    for (name, bins), (colour, marker) in zip(
        reversed(list(found.reliability.items())), ((_BASELINE, "v"), (MODEL, "o")), strict=True
    ):
        left.plot(
            [100 * one.chance for one in bins],
            [100 * one.frequency for one in bins],
            color=colour,
            marker=marker,
            markersize=6,
            linewidth=1.4,
            label=name,
        )
    left.legend(fontsize=8.5, frameon=False, loc="upper left")
    left.set_xlim(-2, 102)
    left.set_ylim(-2, 102)
    tidy(
        left,
        title=f"Probability of liking ({found.like_threshold:g} stars or more)",
        xlabel="predicted probability, %",
        ylabel="fraction liked, %",
        grid="both",
    )
    for (name, errors), (colour, dashes) in zip(
        reversed(list(found.risk.items())), ((_BASELINE, (0, (4, 2))), (MODEL, "solid")), strict=True
    ):
        right.plot(
            [100 * fraction for fraction in found.risk_shares],
            errors,
            color=colour,
            linestyle=dashes,
            linewidth=2,
            label=f"ordered by {name}",
        )
    right.legend(fontsize=8.5, frameon=False, loc="upper left")
    right.set_xlim(0, 102)
    right.margins(y=0.12)
    tidy(
        right,
        title="Error of the most certain predictions",
        xlabel="fraction of the ratings, most certain first, %",
        ylabel="RMSE, stars",
        grid="both",
    )
    return figure


def draw_intervals(found: Uncertainty) -> Figure:
    """Coverage and width of the intervals, by popularity and by activity."""
    figure = new_figure(9.6, 4.6)
    plots = figure.subplots(2, 2, sharex="col", height_ratios=[2, 1])
    covered = [100 * one.coverage.share for group in (found.by_popularity, found.by_activity) for one in group]
    errors = [
        196 * (one.coverage.standard_error or 0.0)
        for group in (found.by_popularity, found.by_activity)
        for one in group
    ]
    reach = max(3.0, *(abs(one - 100 * found.level) + error for one, error in zip(covered, errors, strict=True)))
    for column, (groups, what) in enumerate(
        ((found.by_popularity, "training ratings of the movie"), (found.by_activity, "ratings of the user"))
    ):
        top, bottom = plots[0][column], plots[1][column]
        _draw_coverage(top, groups, found.level)
        top.set_ylim(100 * found.level - 1.1 * reach, min(100 * found.level + 1.1 * reach, 101))
        widths = [one.coverage.mean_width for one in groups]
        bottom.bar(range(len(groups)), widths, color="#B8C4CE", width=0.75)
        bottom.axhline(found.constant_width.mean_width, color=HELD_OUT, linestyle=(0, (4, 2)), linewidth=1.4)
        bottom.set_ylim(0, 1.25 * max(*widths, found.constant_width.mean_width))
        bottom.set_xticks(
            range(len(groups)), [one.label for one in groups], rotation=35, ha="right", rotation_mode="anchor"
        )
        tidy(top, ylabel="covered, %" if not column else "", grid="y")
        tidy(bottom, xlabel=what, ylabel="width, stars" if not column else "")
        bottom.tick_params(axis="x", labelsize=7.5)
    whole = f"{100 * found.level:g} % intervals cover {100 * found.coverage.share:.1f} % of the ratings"
    plots[0][0].set_title(f"{whole} (bars: 95 %)", loc="left", fontsize=10, color=INK)
    constant = f"dashed: constant width of equal coverage, {found.constant_width.mean_width:.2f} stars"
    plots[1][1].set_title(constant, loc="left", fontsize=9, color=HELD_OUT)
    return figure


def draw_few_ratings(found: FewRatingsCertainty) -> Figure:
    """Coverage and width of the intervals, and probability of liking, by the number of fold-in ratings."""
    figure = new_figure(9.6, 3.8)
    left, middle, right = figure.subplots(1, 3)
    places, parts = np.arange(len(found.by_num_given)), found.by_num_given
    labels = [str(one.num_given) for one in parts]
    _draw_coverage(left, parts, found.level)
    reach = max(
        4.0,
        *(100 * abs(one.coverage.share - found.level) + 196 * (one.coverage.standard_error or 0.0) for one in parts),
    )
    left.set_ylim(100 * found.level - 1.1 * reach, min(100 * found.level + 1.1 * reach, 101))
    tidy(left, title=f"{100 * found.level:g} % intervals (bars: 95 %)", ylabel="covered, %", grid="y")
    middle.bar(places, [one.coverage.mean_width for one in parts], color="#B8C4CE", width=0.75)
    tidy(middle, title="Their mean width", xlabel="fold-in ratings of the user", ylabel="stars", grid="y")
    probabilities = [100 * one.like_probability for one in parts]
    errors = [100 * one.calibration_error for one in parts]
    right.errorbar(places, probabilities, errors, color=MODEL, marker="o", linestyle="", capsize=3, label="predicted")
    right.plot(places, [100 * one.liked for one in parts], color=HELD_OUT, linestyle=(0, (4, 2)), label="liked")
    right.legend(fontsize=8.5, frameon=False)
    right.margins(y=0.35)
    tidy(right, title=f"Liking, {found.like_threshold:g} stars or more", ylabel="%", grid="y")
    for axes in (left, middle, right):
        axes.set_xticks(places, labels)
    return figure


def _draw_coverage(axes: Axes, groups: Sequence[IntervalGroup | GivenCertainty], level: float) -> None:
    axes.axhline(100 * level, color=INK, linestyle=(0, (4, 3)), linewidth=1)
    axes.errorbar(
        np.arange(len(groups)),
        [100 * one.coverage.share for one in groups],
        yerr=[196 * (one.coverage.standard_error or 0.0) for one in groups],
        color=MODEL,
        marker="o",
        markersize=6,
        linestyle="",
        linewidth=1.6,
        capsize=3,
    )
