"""Place: a file, a folder, a zip or a tar, all seen alike as named members that can be opened.

Nothing is unpacked to disk, and no member's name is used as a path, so an archive can write nowhere. Every failure
of the medium (missing, forbidden, damaged) becomes a `SourceError` here, so that the readers need not think of it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, cast

from .errors import SourceError

_MAX_DEPTH = 3  # ml-1m/ratings.dat is two deep in a folder of data sets, netflix/training_set/mv_1.txt three
_MAX_MEMBERS = 200_000  # Netflix has 17,770 files; beyond this it is somebody's home folder
_DAMAGE = (EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, gzip.BadGzipFile, RuntimeError)


@dataclass(frozen=True)
class Place:
    """Somewhere ratings may lie.

    Args:
        root: the path as it was given.
        kind: what lies there.
        names: members relative to the root, ``/`` between folders, sorted (in a tar: in the archive's order, since
            going back in a compressed tar means reading it again).
    """

    root: Path
    kind: Literal["file", "folder", "zip", "tar"]
    names: tuple[str, ...]

    @classmethod
    def at(cls, path: Path) -> Place:
        """Looks at a path.

        Raises:
            SourceError: nothing there, no permission, an empty file or folder, a damaged archive.
        """
        with _mended(str(path)):
            if not path.exists():
                raise SourceError(
                    path,
                    None,
                    "there is no such file or folder",
                    "a file, a folder, a zip or the name of a data set",
                    f"check the spelling; relative paths start at {Path.cwd()}",
                )
            if path.is_dir():
                return cls(path, "folder", tuple(sorted(_walk(path))))
            if path.stat().st_size == 0:
                raise SourceError(path, None, "the file is empty", "a header and at least one row", "download it again")
            with path.open("rb") as stream:
                start = stream.read(512)
            if start.startswith(b"PK\x03\x04") or start.startswith(b"PK\x05\x06"):
                with zipfile.ZipFile(path) as archive:
                    files = [one.filename for one in archive.infolist() if not one.is_dir()]
                return cls(path, "zip", tuple(sorted(name for name in files if _wanted(name))))
            if start[257:262] == b"ustar" or ".tar" in path.suffixes or path.suffix == ".tgz":
                with tarfile.open(path) as tar:
                    return cls(path, "tar", tuple(one.name for one in tar if one.isfile() and _wanted(one.name)))
            return cls(path, "file", (path.name,))

    def show(self, name: str) -> str:
        """The member's name for a message."""
        return str(self.root) if self.kind == "file" else f"{self.root}/{name}"

    def path(self, name: str) -> Path | None:
        """The member as a file on disk, or None within an archive."""
        return {"file": self.root, "folder": self.root / name}.get(self.kind)

    def named(self, *basenames: str, beside: str | None = None) -> list[str]:
        """Members whose last part is one of these names (in any case), optionally in the folder of another member."""
        wanted = {one.lower() for one in basenames}
        folder = None if beside is None else PurePosixPath(beside).parent
        paths = [(name, PurePosixPath(name)) for name in self.names]
        return [name for name, path in paths if path.name.lower() in wanted and folder in (None, path.parent)]

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Opens one member for reading bytes, decompressed."""
        with self.open_each([name]) as members:
            yield next(members)[1]

    @contextmanager
    def open_each(self, names: Sequence[str]) -> Iterator[Iterator[tuple[str, BinaryIO]]]:
        """Opens several members one after the other; the archive around them is opened once."""
        with _mended(self.show(names[0]) if len(names) == 1 else str(self.root)):
            if self.kind == "zip":
                with zipfile.ZipFile(self.root) as archive:
                    yield ((name, cast(BinaryIO, archive.open(name))) for name in names)
            elif self.kind == "tar":
                with tarfile.open(self.root) as tar:
                    yield ((name, cast(BinaryIO, tar.extractfile(name))) for name in names)
            else:
                yield ((name, _plain(self.root if self.kind == "file" else self.root / name)) for name in names)

    def read(self, name: str, limit: int = -1) -> bytes:
        """The first ``limit`` bytes of a member, or all of it."""
        with self.open(name) as stream, stream:
            return stream.read(limit)


def _plain(path: Path) -> BinaryIO:
    """A file, decompressed when its first bytes say that it is compressed."""
    with path.open("rb") as stream:
        start = stream.read(6)
    openers: dict[bytes, Callable[[Path], object]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\x00": lzma.open,
    }
    for magic, opener in openers.items():
        if start.startswith(magic):
            return cast(BinaryIO, opener(path))
    return path.open("rb")


def _wanted(name: str) -> bool:
    """False for what operating systems leave in folders and archives."""
    return not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _walk(folder: Path) -> Iterator[str]:
    count = 0
    for here, subfolders, files in os.walk(folder, onerror=_raise, followlinks=True):
        relative = Path(here).relative_to(folder)
        subfolders[:] = [name for name in subfolders if _wanted(name)] if len(relative.parts) < _MAX_DEPTH else []
        count += len(files)
        if count > _MAX_MEMBERS:
            raise SourceError(
                folder,
                None,
                f"the folder holds more than {_MAX_MEMBERS:,} files",
                "a folder with one data set",
                "name the folder or file of the data set itself",
            )
        yield from ((relative / name).as_posix() for name in files if _wanted(name))


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _mended(name: str) -> Iterator[None]:
    """Failures of the medium as one kind of error."""
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
    except _DAMAGE as error:
        what = "is encrypted" if "password" in str(error) else "is damaged or incomplete"
        raise SourceError(
            name, None, f"the file {what} ({error})", "a whole, unencrypted file", "download or copy it again"
        ) from error
    except OSError as error:
        raise SourceError(
            error.filename or name,
            None,
            f"it cannot be read ({error.strerror or error})",
            "a readable file",
            "check the path and the disk",
        ) from error
