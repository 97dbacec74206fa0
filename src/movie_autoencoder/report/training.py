"""The picture of training: errors and loss by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .history import Row, curve
from .style import HELD_OUT, MODEL, new_figure, tidy

_DASHES = ("solid", (0, (4, 2)), (0, (1, 1.5)))


def draw_training(rows: Sequence[Row]) -> Figure | None:
    """Errors and loss by epoch: the trial with the lowest validation error and later stages; other trials are pale.

    Args:
        rows: rows of training, as `read_history` returns them.

    Returns:
        None when no row has an error or a loss.
    """
    history = list(rows)
    stages = list(dict.fromkeys(str(row.get("stage") or "") for row in history))
    validated = {stage: values for stage in stages if (values := curve(history, stage, "validation_rmse")[1])}
    chosen = min(validated, key=lambda stage: min(validated[stage])) if validated else ""
    others = [stage for stage in validated if stage != chosen]
    stages = [stage for stage in stages if stage not in others]
    figure = new_figure(9.6, 3.9)
    left, right = figure.subplots(1, 2)
    errors = {"train_rmse": ("train", MODEL), "validation_rmse": ("validation", HELD_OUT)}
    drawn = [
        _draw_curves(left, history, stages, others, errors),
        _draw_curves(right, history, stages, others, {"loss": ("loss", MODEL)}),
    ]
    if not any(drawn):
        return None
    tidy(left, title="RMSE while training", xlabel="epoch", ylabel="RMSE, stars", grid="both")
    tidy(right, title="Loss while training", xlabel="epoch", ylabel="loss", grid="both")
    for axes, has_curves in zip((left, right), drawn, strict=True):
        if not has_curves:
            axes.remove()
            continue
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8.5, frameon=False)
        low, high = axes.dataLim.intervaly
        if axes is right and low > 0 and high > 20 * low:
            axes.set_yscale("log")
        elif axes is left:
            _leave_start_out(axes, [value for stage in validated for value in validated[stage]])
    return figure


def _leave_start_out(axes: Axes, values: Sequence[float]) -> None:
    """Leaves out the steep start of the validation curves, which would flatten the rest."""
    if len(values) < 20:
        return
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    top = low + 6 * (middle - low)
    if low < top < high:
        axes.set_ylim(top=top)


def _draw_curves(
    axes: Axes, rows: list[Row], stages: list[str], others: list[str], columns: dict[str, tuple[str, str]]
) -> bool:
    """Draws the columns that have numbers, and marks the lowest validation error; False when there are none."""
    found = False
    for column in columns:
        lines = [points for stage in others if (points := curve(rows, stage, column))[0]]
        for number, points in enumerate(lines):
            label = f"{columns[column][0]}, other trials ({len(lines)})" if not number else "_"
            axes.plot(*points, color="#BDBDBD", linewidth=1, label=label)
        found = found or bool(lines)
    for dashes, stage in zip(_DASHES * len(stages), stages, strict=False):
        for column, (label, colour) in columns.items():
            epochs, values = curve(rows, stage, column)
            if not values:
                continue
            found = True
            name = f"{label}, {stage}" if stage and (len(stages) > 1 or others) else label
            mark = "o" if len(values) == 1 else ""
            axes.plot(epochs, values, color=colour, linestyle=dashes, linewidth=1.8, label=name, marker=mark)
            if column == "validation_rmse" and len(values) > 1:
                best = int(np.argmin(values))
                lowest = f"lowest: {values[best]:.4f} at {epochs[best]:.0f}"
                axes.plot([epochs[best]], [values[best]], color=colour, marker="o", linestyle="", label=lowest)
    return found
