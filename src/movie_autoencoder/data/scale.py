"""Scale: the stars that can be given, detected from the stars that were."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

_BLOCK = 1 << 20
_MOST_LEVELS = 1001  # 0 to 100 in steps of 0.1; beyond that a scale counts as continuous


@dataclass(frozen=True)
class Scale:
    """The stars that can be given: smallest, largest, and the step between neighbours (0.0 when continuous).

    Example:
        >>> Scale.detect(np.array([0.5, 3.0, 4.5, 5.0]))
        Scale(minimum=0.5, maximum=5.0, step=0.5)
    """

    minimum: float
    maximum: float
    step: float = 0.0

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
        """Reads ``"1-5"``, ``"0.5-5"``, ``"-10:10"`` or ``"1:5:0.5"`` (minimum, maximum, optional step)."""
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
        """The scale that the observed values span; the step is 0.0 when they lie on no common grid."""
        values = np.asarray(values)
        levels = _levels(values)
        if not len(levels):
            return cls(_shortest(values.min()), _shortest(values.max()), 0.0)
        low, high = float(levels[0]), float(levels[-1])
        if low == high:  # a single star value: nothing to compare it with, so a scale one wide around it
            return cls(low - 0.5, low + 0.5, 0.0)
        return cls(low, high, _common_step(levels))

    def with_step_of(self, values: FloatArray) -> Scale:
        """This scale with the step that the values show, when it has none and they lie on a grid with its ends."""
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
        """Every value that can be given, ascending; empty when the scale is continuous."""
        if not self.step:
            return np.empty(0)
        return self.minimum + self.step * np.arange(round(self.span / self.step) + 1)

    def clip(self, values: npt.ArrayLike) -> FloatArray:
        """Values moved to the nearest end of the scale where they lie outside."""
        return np.asarray(np.clip(np.asarray(values), self.minimum, self.maximum))

    def contains(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """True where a value lies between the ends (ends included)."""
        values = np.asarray(values)
        slack = 1e-6 * self.span
        return np.asarray((values >= self.minimum - slack) & (values <= self.maximum + slack))

    def convert(self, values: npt.ArrayLike, to: Scale) -> FloatArray:
        """The same opinions on another scale: this scale's ends go to the other's ends, linearly."""
        share = (np.asarray(values, dtype=np.float64) - self.minimum) / self.span
        return to.minimum + share * to.span

    def __str__(self) -> str:
        step = f" in steps of {self.step:g}" if self.step else ", continuous"
        return f"{self.minimum:g} to {self.maximum:g}{step}"


def _levels(values: FloatArray) -> FloatArray:
    """The distinct values, ascending; none when there are too many to be the levels of a scale."""
    levels = np.empty(0, dtype=values.dtype)
    for start in range(0, len(values), _BLOCK):  # sorting blocks is cheaper than sorting all, in time and memory
        levels = np.union1d(levels, values[start : start + _BLOCK])
        if len(levels) > _MOST_LEVELS:
            return np.empty(0)
    return np.array([_shortest(level) for level in levels])


def _shortest(value: np.floating[Any]) -> float:
    """The number with the shortest text that is stored as this one: 0.1 in float32 is 0.1, not 0.10000000149."""
    return float(str(value))


def _common_step(levels: FloatArray) -> float:
    """The largest step whose multiples reach every level from the first, or 0.0."""
    gaps = np.diff(levels)
    span = float(levels[-1] - levels[0])
    for part in range(1, 11):  # levels 1, 3 and 4.5 differ by 2 and 1.5, and their step is 0.5
        step = float(gaps.min()) / part
        if round(span / step) > _MOST_LEVELS:
            break
        step = span / round(span / step)
        multiples = (levels - levels[0]) / step
        if bool(np.all(np.abs(multiples - np.round(multiples)) < 1e-3)):
            return float(f"{step:.6g}")
    return 0.0
