"""The learning rate's schedule; pure mathematics."""

from __future__ import annotations

import math
from typing import Literal


def scheduled(schedule: Literal["cosine", "constant"], done: float) -> float:
    """Factor of the learning rate when a fraction of the schedule is done.

    Args:
        schedule: ``cosine``, from 1 towards 0, or ``constant``.
        done: from 0 to 1.

    Example:
        >>> scheduled("cosine", 0.5), scheduled("constant", 0.5)
        (0.5, 1.0)
    """
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0
