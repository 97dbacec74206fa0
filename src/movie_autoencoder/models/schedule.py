"""The learning rate over the epochs of a fit. Pure maths: imports no Keras."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "constant"]


def scheduled(schedule: Schedule, done: float) -> float:
    """Factor of the learning rate at a point of its schedule (cosine: Loshchilov and Hutter 2017, arXiv:1608.03983).

    Args:
        schedule: ``"cosine"`` falls from 1 towards 0; ``"constant"`` stays 1.
        done: fraction of the schedule that is complete, 0 to 1.

    Example:
        >>> [round(scheduled("cosine", done), 3) for done in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
        >>> scheduled("constant", 0.5)
        1.0
    """
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0
