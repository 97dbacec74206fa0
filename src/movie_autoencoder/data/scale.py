"""Scale: the ratings that can be given, and how to detect them from the ratings that were given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

_BLOCK = 1 << 20
_MAX_LEVELS = 1001  # 0 to 100 in steps of 0.1; a scale with more levels counts as continuous


@dataclass(frozen=True)
class Scale:
    """The ratings that can be given.

    Args:
        minimum: lowest rating, rating points.
        maximum: highest rating, rating points.
        step: distance between neighbouring ratings, rating points; 0.0 for a continuous scale.
        rated: False only for `UNRATED`, the scale of pairs without ratings.

    Raises:
        ValueError: the ends are not finite or in the wrong order, or the step does not fit between them.

    Example:
        >>> Scale.detect(np.array([0.5, 3.0, 4.5, 5.0]))
        Scale(minimum=0.5, maximum=5.0, step=0.5)
    """

    minimum: float
    maximum: float
    step: float = 0.0
    rated: bool = field(default=True, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not (np.isfinite([self.minimum, self.maximum, self.step]).all() and self.minimum < self.maximum):
            raise ValueError(
                f"A scale needs two finite ends, the smaller first. Received: {self.minimum} to {self.maximum}, "
                f"step {self.step}."
            )
        if self.step < 0 or self.step > (self.maximum - self.minimum) * (1 + 1e-6):
            raise ValueError(f"The step of the scale {self.minimum} to {self.maximum} cannot be {self.step}.")

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Reads a scale from text: minimum, maximum and an optional step.

        Both ``"0.5-5"`` and ``"0.5:5"`` are read, and ``"1:5:0.5"`` has a step.

        Raises:
            ValueError: the text is not a scale.
        """
        parts = text.split(":") if ":" in text else re.split(r"(?<=[0-9.])\s*-", text, maxsplit=1)  # "-10--5" too
        try:
            numbers = [float(part) for part in parts]
            if len(numbers) not in (2, 3):
                raise ValueError
            return cls(*numbers)
        except ValueError:
            raise ValueError(
                "A scale is written MINIMUM:MAXIMUM or MINIMUM:MAXIMUM:STEP, such as 1:5 or 0.5:5:0.5. "
                f"Received: {text!r}."
            ) from None

    @classmethod
    def detect(cls, values: FloatArray) -> Scale:
        """The scale from the smallest to the largest value, with the step of the grid on which all values lie.

        Args:
            values: ratings, shape ``(n,)``. The step is 0.0 when no grid holds all of them.
        """
        values = np.asarray(values)
        levels = _levels(values)
        if not len(levels):
            return cls(_shortest(values.min()), _shortest(values.max()), 0.0)
        low, high = float(levels[0]), float(levels[-1])
        if low == high:  # a single value shows no scale, so take one rating point around it
            return cls(low - 0.5, low + 0.5, 0.0)
        return cls(low, high, _common_step(levels))

    def with_step_of(self, values: FloatArray) -> Scale:
        """This scale with the step of a grid that holds its ends and all values.

        The scale is returned as it is when it already has a step or when there is no such grid.
        """
        if self.step:
            return self
        seen = _levels(np.asarray(values))
        levels = np.union1d(seen, [self.minimum, self.maximum])
        return replace(self, step=_common_step(levels)) if len(seen) and len(levels) > 2 else self

    @property
    def span(self) -> float:
        """Distance between the ends, in rating points."""
        return self.maximum - self.minimum

    @property
    def levels(self) -> FloatArray:
        """Every rating that can be given, ascending, shape ``(num_levels,)``; empty for a continuous scale."""
        if not self.step:
            return np.empty(0)
        return self.minimum + self.step * np.arange(round(self.span / self.step) + 1)

    def clip(self, values: npt.ArrayLike) -> FloatArray:
        """Moves values outside the scale to its nearest end."""
        return np.asarray(np.clip(np.asarray(values), self.minimum, self.maximum))

    def contains(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """True for each value between the ends, ends included."""
        values = np.asarray(values)
        slack = 1e-6 * self.span
        return np.asarray((values >= self.minimum - slack) & (values <= self.maximum + slack))

    def round_to_step(self, values: npt.ArrayLike) -> FloatArray:
        """Rounds values to the nearest rating that can be given, halves up; a continuous scale leaves them as they are.

        Example:
            >>> Scale(1, 5, 1).round_to_step([0.2, 2.5, 3.4]).tolist()
            [1.0, 3.0, 3.0]
        """
        values = np.asarray(values)
        if not self.step:
            return values
        return self.clip(self.minimum + np.floor((values - self.minimum) / self.step + 0.5) * self.step)

    def convert(self, values: npt.ArrayLike, to: Scale) -> FloatArray:
        """Maps values to another scale linearly: the ends of this scale become the ends of the other."""
        fraction = (np.asarray(values, dtype=np.float64) - self.minimum) / self.span
        return to.minimum + fraction * to.span

    def convert_in_proportion(self, values: npt.ArrayLike, to: Scale) -> FloatArray:
        """Maps values to another scale so that each keeps its fraction of the maximum: 7 of 10 becomes 3.5 of 5.

        This is how people read the stars of another site. Values outside the other scale move to its nearest end, so
        half a star becomes 1 where 1 to 5 can be given. Where a scale goes below 0, `convert` maps the values instead.

        Args:
            values: ratings on this scale, any shape.
            to: the other scale.

        Returns:
            Ratings on the other scale, same shape. They are not rounded to its step.

        Example:
            >>> Scale(1, 10, 1).convert_in_proportion([1, 7, 10], Scale(0.5, 5, 0.5)).tolist()
            [0.5, 3.5, 5.0]
            >>> Scale(0.5, 5, 0.5).convert_in_proportion([0.5, 3.5], Scale(1, 5, 1)).tolist()
            [1.0, 3.5]
        """
        if self.minimum < 0 or to.minimum < 0:
            return to.clip(self.convert(values, to))
        return to.clip(np.asarray(values, dtype=np.float64) * (to.maximum / self.maximum))

    def __str__(self) -> str:
        if not self.rated:
            return "no ratings"
        step = f" in steps of {self.step:g}" if self.step else ", continuous"
        return f"{self.minimum:g} to {self.maximum:g}{step}"


UNRATED = Scale(0.0, 1.0, 1.0, rated=False)
"""The scale of pairs of user and item without ratings: 1 where the user chose the item. Nobody gave these values."""


def _levels(values: FloatArray) -> FloatArray:
    """The distinct values, ascending; empty when there are too many for a scale with steps."""
    levels = np.empty(0, dtype=values.dtype)
    for start in range(0, len(values), _BLOCK):  # sorting in blocks takes less time and memory
        levels = np.union1d(levels, values[start : start + _BLOCK])
        if len(levels) > _MAX_LEVELS:
            return np.empty(0)
    return np.array([_shortest(level) for level in levels])


def _shortest(value: np.floating[Any]) -> float:
    """The shortest decimal number that is stored as this value: 0.1 in float32 is 0.1, not 0.10000000149."""
    return float(str(value))


def _common_step(levels: FloatArray) -> float:
    """The largest step whose multiples reach every level from the first one; 0.0 when there is none."""
    gaps = np.diff(levels)
    span = float(levels[-1] - levels[0])
    for divisor in range(1, 11):  # levels 1, 3 and 4.5 differ by 2 and 1.5, and their step is 0.5
        step = float(gaps.min()) / divisor
        if round(span / step) > _MAX_LEVELS:
            break
        step = span / round(span / step)
        multiples = (levels - levels[0]) / step
        if bool(np.all(np.abs(multiples - np.round(multiples)) < 1e-3)):
            return float(f"{step:.6g}")
    return 0.0


def like_threshold(scale: Scale) -> float:
    """The lowest rating that counts as liking: 4 of 5 stars, on other scales the top quarter; rating points.

    Example:
        >>> like_threshold(Scale(0.5, 5, 0.5)), like_threshold(Scale(1, 10, 1))
        (4.0, 7.75)
    """
    return 4.0 if _has_five(scale) else scale.maximum - scale.span / 4


def one_point(scale: Scale) -> float:
    """One star of five, on other scales a quarter of the scale; an error above it is large; rating points.

    Example:
        >>> one_point(Scale(0.5, 5, 0.5)), one_point(Scale(0, 100, 1))
        (1.0, 25.0)
    """
    return 1.0 if _has_five(scale) else scale.span / 4


def _has_five(scale: Scale) -> bool:
    return scale.maximum == 5 and 0 <= scale.minimum <= 1
