"""Archive: a file, a folder, a zip or a tar, all read alike as files with names.

Nothing is unpacked to disk, and the name of a file in an archive is never used as a path, so an archive can write
nowhere. Every failure of the disk or of the archive becomes a `SourceError` here, so that readers do not handle any.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, cast

from .errors import SourceError
from .limits import DATA_SET_LIMITS, Limits, check_members

_MAX_DEPTH = 3  # ml-1m/ratings.dat is two deep in a folder of data sets, netflix/training_set/mv_1.txt three
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # the last one begins a zip in several parts
_DAMAGE = (EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, gzip.BadGzipFile, RuntimeError)
_DAMAGE_BY_DESIGN = (ValueError, OverflowError)  # zipfile raises these for numbers that no program writes


@dataclass(frozen=True)
class Archive:
    """Files with names, on disk or in memory.

    `Archive.at` opens a path, and `Archive.from_bytes` a file in memory such as an upload.

    Args:
        root: the path as the user wrote it, or the name of the file in memory.
        kind: what it is.
        names: names of the files relative to ``root``, with ``/`` between folders, sorted. Those of a tar are in its
            own order, because going back in a compressed tar means reading it again.
        limits: how much may be read.
        data: bytes of the file in memory; None for a path.
    """

    root: Path
    kind: Literal["file", "folder", "zip", "tar"]
    names: tuple[str, ...]
    limits: Limits = DATA_SET_LIMITS
    data: bytes | None = None

    @classmethod
    def at(cls, path: Path, limits: Limits = DATA_SET_LIMITS) -> Archive:
        """Opens a path.

        Raises:
            SourceError: there is nothing, it may not be read, it is empty, too large or damaged.
        """
        with _as_source_errors(str(path)):
            if not path.exists():
                raise SourceError(
                    path,
                    None,
                    "there is no such file or folder",
                    limits.paths,
                    f"check the spelling; relative paths start at {Path.cwd()}",
                )
            if path.is_dir():
                return cls(path, "folder", tuple(sorted(_walk(path, limits))), limits)
            size = path.stat().st_size
            if limits.from_anyone:
                limits.check_size(path.name, size)
                return cls.from_bytes(path.name, path.read_bytes(), limits)
            if size == 0:
                raise _empty(str(path), limits)
            with path.open("rb") as stream:
                start = stream.read(512)
            if start.startswith(_ZIP[:2]):
                with zipfile.ZipFile(path) as zipped:
                    return cls(path, "zip", _names([one.filename for one in zipped.infolist() if not one.is_dir()]))
            if start[257:262] == b"ustar" or ".tar" in path.suffixes or path.suffix == ".tgz":
                with tarfile.open(path) as tar:
                    return cls(path, "tar", tuple(one.name for one in tar if one.isfile() and _wanted(one.name)))
            return cls(path, "file", (path.name,))

    @classmethod
    def from_bytes(cls, name: str, data: bytes, limits: Limits) -> Archive:
        """Opens a file in memory.

        Args:
            name: name of the file. Folders in it are ignored.
            data: its bytes.
            limits: how much may be read.

        Raises:
            SourceError: it is empty or too large, or a zip that is damaged or made to do harm.
        """
        name = PurePosixPath(name.replace("\\", "/")).name or "upload"
        if not data.strip(b"\0 \r\n\t"):
            raise _empty(name, limits)
        limits.check_size(name, len(data))
        if not data.startswith(_ZIP):
            return cls(Path(name), "file", (name,), limits, data)
        with _as_source_errors(name, _DAMAGE_BY_DESIGN):
            listed = zipfile.ZipFile(io.BytesIO(data)).infolist()
        limits.check_files(name, "zip", len(listed))
        files = [one for one in listed if not one.is_dir()]
        check_members(name, files, limits)
        return cls(Path(name), "zip", _names([one.filename for one in files]), limits, data)

    @property
    def label(self) -> str:
        """What messages call the whole: the path, or for one person's file its name alone."""
        return self.root.name if self.limits.from_anyone else str(self.root)

    def show(self, name: str) -> str:
        """What messages call a file."""
        return self.label if self.kind == "file" else f"{self.label}/{name}"

    def path(self, name: str) -> Path | None:
        """The path of a file on disk; None in an archive."""
        return {"file": self.root, "folder": self.root / name}.get(self.kind)

    def named(self, *basenames: str, beside: str | None = None) -> list[str]:
        """The files whose last part is one of some names, in any case.

        Args:
            basenames: names without folders.
            beside: only files in the same folder as this one.
        """
        wanted = {one.lower() for one in basenames}
        folder = None if beside is None else PurePosixPath(beside).parent
        paths = [(name, PurePosixPath(name)) for name in self.names]
        return [name for name, path in paths if path.name.lower() in wanted and folder in (None, path.parent)]

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Opens one file for reading its bytes, decompressed."""
        with self.open_each([name]) as files:
            yield next(files)[1]

    @contextmanager
    def open_each(self, names: Sequence[str]) -> Iterator[Iterator[tuple[str, BinaryIO]]]:
        """Opens several files one after the other; an archive around them is opened once."""
        also = _DAMAGE_BY_DESIGN if self.limits.from_anyone else ()
        with _as_source_errors(self.show(names[0]) if len(names) == 1 else str(self.root), also):
            if self.kind == "zip":
                with self._zip() as zipped:
                    yield ((name, self._in_zip(zipped, name)) for name in names)
            elif self.kind == "tar":
                with tarfile.open(self.root) as tar:
                    yield ((name, cast(BinaryIO, tar.extractfile(name))) for name in names)
            else:
                yield ((name, self._plain(name)) for name in names)

    def read(self, name: str, limit: int = -1) -> bytes:
        """Reads a file.

        Args:
            name: which file.
            limit: number of bytes to read; all of them when negative. One person's file is always read whole.

        Raises:
            SourceError: the file is damaged, encrypted or too large.
        """
        if not self.limits.from_anyone:
            with self.open(name) as stream, stream:
                return stream.read(limit)
        where = self.show(name)
        with self.open(name) as stream, stream:
            self.limits.check_size(where, self._size(name))
            data = stream.read((self.limits.max_bytes or 0) + 1)  # the size that a zip states may be wrong
        self.limits.check_size(where, len(data))
        if self.kind == "zip":
            self.limits.check_ratio(where, self._zip_in_memory.getinfo(name).compress_size, len(data))
        return data

    def _size(self, name: str) -> int:
        """Size of a file as the zip or the disk states it, bytes."""
        if self.kind == "zip":
            return self._zip_in_memory.getinfo(name).file_size
        return (self.root / name).stat().st_size if self.kind == "folder" else len(self.data or b"")

    @cached_property
    def _zip_in_memory(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.data or b""))

    @contextmanager
    def _zip(self) -> Iterator[zipfile.ZipFile]:
        if self.data is not None:
            yield self._zip_in_memory
        else:
            with zipfile.ZipFile(self.root) as zipped:
                yield zipped

    def _in_zip(self, zipped: zipfile.ZipFile, name: str) -> BinaryIO:
        if zipped.getinfo(name).flag_bits & 1:
            raise SourceError(
                self.show(name), None, "the file is encrypted", "a zip without a password", "unpack it yourself"
            )
        return cast(BinaryIO, zipped.open(name))

    def _plain(self, name: str) -> BinaryIO:
        """A file that is in no archive, decompressed when its first bytes show a compression."""
        if self.data is not None:
            return io.BytesIO(self.data)
        path = self.root if self.kind == "file" else self.root / name
        with path.open("rb") as stream:
            start = stream.read(6)
        openers: dict[bytes, Callable[[Path], object]] = {
            b"\x1f\x8b": gzip.open,
            b"BZh": bz2.open,
            b"\xfd7zXZ\x00": lzma.open,
        }
        for magic, opener in openers.items():
            if start.startswith(magic) and not self.limits.from_anyone:
                return cast(BinaryIO, opener(path))
        return path.open("rb")


def _names(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if _wanted(name)}))


def _wanted(name: str) -> bool:
    """False for the files that operating systems leave in folders and archives."""
    return not any(part != "." and part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _walk(folder: Path, limits: Limits) -> Iterator[str]:
    count = 0
    for here, subfolders, files in os.walk(folder, onerror=_raise, followlinks=True):
        relative = Path(here).relative_to(folder)
        subfolders[:] = [name for name in subfolders if _wanted(name)] if len(relative.parts) < _MAX_DEPTH else []
        count += len(files)
        limits.check_files(folder, "folder", count)
        yield from ((relative / name).as_posix() for name in files if _wanted(name))


def _raise(error: OSError) -> None:
    raise error


def _empty(name: str, limits: Limits) -> SourceError:
    return SourceError(name, None, "the file is empty", limits.content, "download it again")


@contextmanager
def _as_source_errors(name: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns the failures of disks and archives into `SourceError`.

    Args:
        name: the file in messages.
        also: further errors that mean damage here.
    """
    damage: tuple[type[Exception], ...] = (*_DAMAGE, *also)
    try:
        yield
    except SourceError:
        raise
    except PermissionError as error:
        raise SourceError(
            error.filename or name,
            None,
            "permission to read it is denied",
            "a file that this user may read",
            "change its permissions or copy it to a folder of your own",
        ) from error
    except damage as error:
        raise SourceError(
            name,
            None,
            f"the file is damaged or incomplete ({str(error) or type(error).__name__})",
            "a whole, unencrypted file",
            "download or copy it again",
        ) from error
    except OSError as error:
        raise SourceError(
            error.filename or name,
            None,
            f"it cannot be read ({error.strerror or error})",
            "a readable file",
            "check the path and the disk",
        ) from error
