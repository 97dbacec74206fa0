"""Pictures of users: ratings beside their reconstruction, errors of one user, a map of latent vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ..data.ratings import Scale
from ..evaluation.examples import Panel, RatingExample, UserExample
from ..evaluation.latent_map import LatentMap
from ..evaluation.text import shorten
from .style import ERROR_MAP, HELD_OUT, INK, MODEL, PALE, STARS_MAP, drawable, new_figure, number, readable_on, tidy

_HELD_OUT_LABEL = "held out: not shown to the encoder"
_SHOWN_LABEL = "shown to the encoder: usually reconstructed better"

Grid = npt.NDArray[np.float64]


def draw_panel(panel: Panel, scale: Scale) -> Figure:
    """Three matrices of the same movies and users: ratings, their reconstruction, and its error where it is known."""
    shown, held_out = _grid(panel.shown), _grid(panel.held_out)
    given = np.where(np.isnan(shown), held_out, shown)
    made = _grid(panel.reconstruction)
    num_items, num_users = made.shape
    figure = new_figure(3.6 + 3 * max(0.43 * num_users, 1.9), 1.9 + 0.28 * num_items)
    plots = figure.subplots(1, 3, sharey=True)
    stars = Normalize(scale.minimum, scale.maximum)
    largest = float(np.nanmax(np.abs(made - given))) or 1.0
    for axes, values, norm, colours, title in (
        (plots[0], given, stars, STARS_MAP, "Stars given"),
        (plots[1], made, stars, STARS_MAP, "Reconstruction"),
        (plots[2], made - given, TwoSlopeNorm(0, -largest, largest), ERROR_MAP, "Reconstruction minus stars"),
    ):
        _draw_grid(axes, values, norm, colours, scale.span)
        for item, user in np.argwhere(~np.isnan(held_out)):
            frame = Rectangle((user - 0.45, item - 0.43), 0.9, 0.86, fill=False, edgecolor=INK, linewidth=1.6)
            frame.set_path_effects([withStroke(linewidth=3.2, foreground="white")])  # visible on dark colours too
            frame.set_in_layout(False)  # it is inside the matrix, so the layout need not measure it
            axes.add_patch(frame)
        ids = [drawable(_middle(user)) for user in panel.users]
        upright = max(map(len, ids)) <= 4
        labels = [
            f"{user}\n{count:,}" if upright else f"{user} ({count:,})"
            for user, count in zip(ids, panel.num_shown, strict=True)
        ]
        axes.set_xticks(range(num_users), labels, rotation=0 if upright else 90, parse_math=False)
        tidy(axes, title=title, xlabel="user, and ratings shown to the encoder")
        axes.tick_params(labelsize=8.5, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    titles = [drawable(shorten(title, 34)) for title in panel.titles]
    plots[0].set_yticks(range(num_items), titles, parse_math=False)
    handles = [Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=INK, linewidth=1.6, label=_HELD_OUT_LABEL)]
    if not np.isnan(shown).all():
        handles.append(Rectangle((0, 0), 1, 1, facecolor=colormaps[STARS_MAP](0.7), label=_SHOWN_LABEL))
    if np.isnan(given).any():
        handles.append(Rectangle((0, 0), 1, 1, facecolor=PALE, label="no rating"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def _draw_grid(axes: Axes, values: Grid, norm: Normalize, colours: str, span: float) -> None:
    """One matrix with its numbers; entries without a value are pale."""
    palette = colormaps[colours].with_extremes(bad=PALE)
    axes.imshow(np.ma.masked_invalid(values), cmap=palette, norm=norm, aspect="auto", interpolation="nearest")
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    for item, user in np.argwhere(~np.isnan(values)):
        value = float(values[item, user])
        colour = readable_on(palette, float(norm(value)))
        text = axes.text(user, item, number(value, span), ha="center", va="center", fontsize=8.5, color=colour)
        text.set_in_layout(False)


def draw_user_example(example: UserExample, scale: Scale) -> Figure:
    """The held-out ratings of one user with the largest and smallest errors, each beside its prediction."""
    parts = [("Largest errors", example.most_surprising), ("Smallest errors", example.least_surprising)]
    rows: list[tuple[float, RatingExample]] = []
    heads: list[tuple[float, str]] = []
    height = 0.0
    for name, entries in parts:
        if entries:
            heads.append((height, name))
            rows += [(height + 1 + step, one) for step, one in enumerate(entries)]
            height += len(entries) + 1.5
    figure = new_figure(8.6, 1.5 + 0.3 * height)
    axes = figure.add_subplot()
    positions = [position for position, _ in rows]
    axes.hlines(
        positions, [one.stars for _, one in rows], [one.reconstruction for _, one in rows], color="#B5B5B5", linewidth=2
    )
    axes.plot(
        [one.stars for _, one in rows],
        positions,
        linestyle="",
        marker="o",
        markersize=8,
        color=HELD_OUT,
        label="stars given",
    )
    axes.plot(
        [one.reconstruction for _, one in rows],
        positions,
        linestyle="",
        marker="D",
        markersize=7,
        color="white",
        markeredgecolor=MODEL,
        markeredgewidth=2,
        label="stars predicted",
    )
    titles = [drawable(shorten(one.title, 44)) for _, one in rows]
    ticks = sorted([*zip(positions, titles, strict=True), *heads])
    axes.set_yticks([position for position, _ in ticks], [text for _, text in ticks], parse_math=False)
    axes.set_ylim(height - 0.7, -0.7)
    margin = 0.04 * scale.span
    low = min(scale.minimum, *(one.stars for _, one in rows))
    high = max(scale.maximum, *(one.stars for _, one in rows))
    axes.set_xlim(low - margin, high + margin)
    figure.legend(fontsize=9, frameon=False, ncols=2, loc="outside lower center")
    tidy(axes, title=f"User {drawable(_middle(example.user))}, held-out ratings", xlabel="stars", grid="x")
    axes.tick_params(axis="y", length=0)
    for tick, (_, text) in zip(axes.get_yticklabels(), ticks, strict=True):
        if text in dict(parts):
            tick.set_fontweight("bold")
    return figure


def draw_latent_map(found: LatentMap) -> Figure:
    """Users as points along the first two principal components of their latent vectors."""
    figure = new_figure(7.6, 5.8)
    axes = figure.add_subplot()
    size = float(np.clip(9000 / max(len(found.first), 1), 6, 45))
    low, high = np.quantile(found.colour, [0.02, 0.98])  # a few extreme users do not use up the colours
    points = axes.scatter(
        found.first,
        found.second,
        c=found.colour,
        cmap=STARS_MAP,
        vmin=low,
        vmax=high,
        s=size,
        alpha=0.8,
        linewidth=0.3,
        edgecolor="white",
    )
    bar = figure.colorbar(points, ax=axes, pad=0.02, extend="both")
    bar.set_label(found.colour_name, fontsize=9.5)
    bar.ax.tick_params(labelsize=8.5)
    axes.axhline(0, color="#DADADA", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#DADADA", linewidth=0.8, zorder=0)
    first, second = (f"{fraction:.0%}".replace("%", " %") for fraction in found.explained)
    drawn = "" if len(found.first) == found.num_users else f"{len(found.first):,} of "
    tidy(
        axes,
        title=f"Latent vectors of {drawn}{found.num_users:,} users",
        xlabel=f"principal component 1 ({first} of the variance)",
        ylabel=f"principal component 2 ({second} of the variance)",
    )
    return figure


def _middle(text: str) -> str:
    """An id short enough for a label: both ends of a long one."""
    return text if len(text) <= 10 else f"{text[:5]}…{text[-4:]}"


def _grid(rows: tuple[tuple[float | None, ...], ...]) -> Grid:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)
