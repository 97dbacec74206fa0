"""The style of all pictures: colours that colour-blind readers can tell apart, and text that the font can draw.

Pictures are `Figure` objects drawn by Agg. No global state of matplotlib is read or changed.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

# the palette of Okabe and Ito: each predictor has one colour and one marker in all pictures
MODEL, HELD_OUT, INK, PALE = "#0072B2", "#D55E00", "#222222", "#EFEFEF"
_PREDICTORS = {"damped_bias": ("#E69F00", "s"), "item_mean": ("#009E73", "^"), "global_mean": ("#8C8C8C", "v")}
_RANKERS = {
    "popularity": ("#8C8C8C", "v"),
    "linear_autoencoder": ("#E69F00", "s"),
    "rating": ("#009E73", "^"),
    "choice": ("#CC79A7", "D"),
    "balanced": (MODEL, "o"),
}
STARS_MAP, ERROR_MAP = "viridis", "PuOr_r"
_DPI = 150


def predictor_style(name: str) -> tuple[str, str]:
    """Colour and marker of a baseline; baselines without their own share one."""
    return _PREDICTORS.get(name, ("#CC79A7", "D"))


def ranker_style(name: str) -> tuple[str, str]:
    """Colour and marker of a ranker; rankers without their own share one."""
    return _RANKERS.get(name, (INK, "P"))


def new_figure(width: float, height: float) -> Figure:
    """An empty picture; width and height in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, *, title: str = "", xlabel: str = "", ylabel: str = "", grid: str = "") -> None:
    """Sets title, labels and a light grid along one axis (``"x"`` or ``"y"``) or ``"both"``."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)
    axes.set_xlabel(xlabel, fontsize=9.5, color=INK, parse_math=False)
    axes.set_ylabel(ylabel, fontsize=9.5, color=INK, parse_math=False)
    axes.tick_params(labelsize=9, colors=INK, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if grid:
        axes.grid(axis=grid, color="#E3E3E3", linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def png(figure: Figure) -> bytes:
    """The picture as a PNG file; equal pictures give equal bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def drawable(text: str) -> str:
    """Text that the font can draw: a character that it lacks becomes a box, a control character a space."""
    return "".join(_drawn(character) for character in text)


def number(value: float, span: float) -> str:
    """A rating as text; a wide scale has fewer digits.

    Example:
        >>> number(3.456, 4.5), number(45.6, 100), number(-0.04, 20)
        ('3.5', '46', '0.0')
    """
    text = f"{value:.1f}" if 1 < span <= 20 else f"{value:.2f}" if span <= 1 else f"{value:.0f}"
    return text.removeprefix("-") if float(text) == 0 else text


def readable_on(colours: Colormap, position: float) -> str:
    """Black or white, whichever has more contrast with the colour at a position (0 to 1) of a colour map."""
    red, green, blue, _ = colours(position)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK


def _drawn(character: str) -> str:
    if not character.isprintable():
        return " "
    return character if ord(character) in _characters() else "\N{WHITE SQUARE}"


@cache
def _characters() -> frozenset[int]:
    font: Any = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())
