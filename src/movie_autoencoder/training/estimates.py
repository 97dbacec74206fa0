"""Estimates of what training takes, from the size of the data alone: memory in bytes, time in seconds.

Families count their work in ratings x latent_dim x epochs. Seconds are this work at the speed of two ordinary cores;
no decision depends on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..choice import fit_memory, fit_seconds
from ..config import Config
from ..data.ratings import Ratings
from ..models.registry import family_of
from .errors import TrainingError

_TENSORFLOW = 1.0e9  # bytes of a process that has imported it
_SECONDS = 1.6e-9  # seconds for a unit of work, on two cores
_OVERHEAD = 12.0  # seconds for imports, first compilation, saving
_LONG = 600.0  # seconds from which on a faster configuration is suggested


@dataclass(frozen=True)
class Estimate:
    """What training takes.

    Args:
        memory: at the peak, bytes.
        seconds: until the bundle is saved, on two ordinary cores.
        fast_seconds: the same with ``model.speed=fast``; None for a model without that setting, or where it is set.
    """

    memory: float
    seconds: float
    fast_seconds: float | None = None

    def lines(self) -> list[str]:
        """The estimate as text; a second line suggests ``--speed fast`` where training takes long."""
        lines = [
            f"Estimate   {self.memory / 1e9:.1f} GB of memory at the peak, about {_round(self.seconds)} on two cores"
        ]
        if self.fast_seconds is not None and self.seconds > _LONG:
            lines.append(f"           --speed fast takes about {_round(self.fast_seconds)}")
        return lines


class TooLargeError(TrainingError):
    """Training needs more memory than is free. The message has both figures and says what to do."""


def estimate(ratings: Ratings, config: Config) -> Estimate:
    """Estimates what training on these ratings takes."""
    family = family_of(config)
    faster, shape = family.faster(config), (ratings.num_users, ratings.num_items, len(ratings))
    return Estimate(
        _TENSORFLOW + max(family.memory(ratings, config), fit_memory(*shape)),
        _seconds(family.work(ratings, config)) + fit_seconds(*shape),
        None if faster is None else _seconds(family_of(faster).work(ratings, faster)) + fit_seconds(*shape),
    )


def _seconds(work: float) -> float:
    return _OVERHEAD + _SECONDS * work


def check_fits(ratings: Ratings, config: Config, *, free: float | None = None) -> None:
    """Refuses ratings on which training would not fit into memory, before any work is done.

    Args:
        ratings: training ratings.
        config: every setting.
        free: free memory, bytes; measured when left out.

    Raises:
        TooLargeError: training needs more memory than is free.
    """
    needed = estimate(ratings, config).memory
    free = free_memory() if free is None else free
    if free is not None and needed > free:
        size = family_of(config).size_setting
        raise TooLargeError(
            f"Training on {len(ratings):,} ratings by {ratings.num_users:,} users of {ratings.num_items:,} items needs "
            f"about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Use a machine with more memory"
            + (f", fewer ratings, or a smaller --set {size}." if size else " or fewer ratings.")
        )


def free_memory() -> int | None:
    """Free memory of the system, or of the container if that is less, bytes; None where it cannot be measured."""
    found = [size for size in (_meminfo(), _cgroup()) if size is not None]
    return min(found) if found else None


def _meminfo() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    except OSError:
        return None


def _cgroup() -> int | None:
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            return max(int(Path(limit).read_text(encoding="ascii")) - int(Path(used).read_text(encoding="ascii")), 0)
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def _round(seconds: float) -> str:
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
