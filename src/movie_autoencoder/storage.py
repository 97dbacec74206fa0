"""Files that are complete or absent: arrays, text and folders, written under a temporary name and then renamed.

No pickle anywhere: arrays are plain npz.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block succeeds and deleted when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():  # a folder cannot be moved onto another: swap, then drop the old one
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes text, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON; numbers that JSON does not know (NaN, infinity) are an error."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], *, compress: bool = True) -> None:
    """Writes arrays as one npz file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        (np.savez_compressed if compress else np.savez)(stream, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Reads an npz file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged; the message names it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: damaged, not readable as npz ({error}).") from error


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
