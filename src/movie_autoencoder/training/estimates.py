"""What training will take, from the size of the data alone: memory in bytes, work in ratings x width x epochs.

Seconds follow from the work at the speed of two ordinary cores; nothing depends on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..config import Config
from ..data.ratings import Ratings
from ..models.registry import family_of

_TENSORFLOW = 1.0e9  # bytes of a process that has imported it
_SECONDS = 1.6e-9  # a unit of work, on two cores
_OVERHEAD = 12.0  # seconds: imports, first compilation, saving
_LONG = 600.0  # seconds that nobody likes to wait for


@dataclass(frozen=True)
class Estimate:
    """Memory at the peak, in bytes, and time to the saved bundle, in seconds on two ordinary cores.

    Args:
        memory: bytes.
        seconds: as configured.
        fast_seconds: with ``model.speed=fast``, where that is another thing.
    """

    memory: float
    seconds: float
    fast_seconds: float | None = None

    def lines(self) -> list[str]:
        """One line of text; a second one where people would wait long and need not."""
        lines = [
            f"Estimate   {self.memory / 1e9:.1f} GB of memory at the peak, about {_round(self.seconds)} on two cores"
        ]
        if self.fast_seconds is not None and self.seconds > _LONG:
            lines.append(f"           --speed fast takes about {_round(self.fast_seconds)}")
        return lines


class TooLargeError(ValueError):
    """The data needs more memory than there is; the message has both figures and the remedy."""


def estimate(ratings: Ratings, config: Config) -> Estimate:
    """What training on these ratings takes."""
    family = family_of(config)
    faster = family.faster(config)
    return Estimate(
        _TENSORFLOW + family.memory(ratings, config),
        _seconds(family.work(ratings, config)),
        None if faster is None else _seconds(family_of(faster).work(ratings, faster)),
    )


def _seconds(work: float) -> float:
    return _OVERHEAD + _SECONDS * work


def check_fits(ratings: Ratings, config: Config) -> None:
    """Refuses what cannot fit into memory, before any work is done.

    Raises:
        TooLargeError: more is needed than is free.
    """
    needed, free = estimate(ratings, config).memory, free_memory()
    if free is not None and needed > free:
        raise TooLargeError(
            f"Training on {len(ratings):,} ratings by {ratings.num_users:,} users of {ratings.num_items:,} items needs "
            f"about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Use a machine with more memory, "
            "fewer ratings, or a smaller --set model.latent_dim (dual) or model.hidden (autorec)."
        )


def free_memory() -> int | None:
    """Memory that can be had without swapping, bytes: the system's, or the container's limit where that is less."""
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
