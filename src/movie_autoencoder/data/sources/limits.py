"""Limits: how much may be read from one file, folder or archive, and the errors when it is more.

A data set may have any size, since its user chose it. One person's file can come from anyone, for example as an upload,
so everything in it has a limit, and a hostile file costs neither memory nor time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipInfo

from .errors import SourceError, shown

_SMALL_BYTES = 1 << 20  # below this, the ratio of sizes shows nothing


@dataclass(frozen=True)
class Limits:
    """How much may be read.

    Args:
        what: what is read, for messages.
        paths: what a path may lead to, for messages.
        content: what a file may contain, for messages.
        max_files: number of files in a folder or archive.
        max_bytes: size of one file after unpacking, bytes; None for any size.
        max_ratio: size of one file after unpacking, as a multiple of its packed size; None for any.
        max_rows: rows of one table; None for any number.
    """

    what: str
    paths: str
    content: str
    max_files: int
    max_bytes: int | None = None
    max_ratio: int | None = None
    max_rows: int | None = None

    @property
    def from_anyone(self) -> bool:
        """Whether files are read whole, from memory, and checked against everything that can do harm."""
        return self.max_bytes is not None

    def check_files(self, file: str | Path, kind: str, count: int) -> None:
        """Checks the number of files.

        Raises:
            SourceError: there are too many.
        """
        if count > self.max_files:
            raise SourceError(
                file,
                None,
                f"the {kind} holds more than {self.max_files:,} files",
                f"a {kind} with one {self.what}",
                f"give the folder or file of the {self.what} itself",
            )

    def check_size(self, file: str, size: int) -> None:
        """Checks the size of one file, bytes.

        Raises:
            SourceError: it is too large.
        """
        if self.max_bytes is not None and size > self.max_bytes:
            raise SourceError(
                file,
                None,
                f"it has {size / (1 << 20):,.0f} MB",
                f"{self.max_bytes >> 20} MB at most for one person's films",
                "give one person's file; a data set of many is read by train.py --data",
            )

    def check_rows(self, file: str, line: int, count: int) -> None:
        """Checks the number of rows of a table.

        Raises:
            SourceError: there are too many.
        """
        if self.max_rows is not None and count > self.max_rows:
            raise SourceError(
                file,
                line,
                f"there are more than {self.max_rows:,} films",
                "the films of one person",
                "give one person's file; a data set of many is read by train.py --data",
            )

    def check_ratio(self, file: str, packed: int, unpacked: int) -> None:
        """Checks the growth of one file of a zip, bytes: text shrinks to about a tenth, and a bomb to far less.

        Raises:
            SourceError: it grows too much.
        """
        if self.max_ratio is None or unpacked <= _SMALL_BYTES:
            return
        if unpacked > self.max_ratio * max(packed, 1):
            raise SourceError(
                file,
                None,
                f"it grows from {packed:,} to {unpacked:,} bytes when unpacked",
                f"no more than {self.max_ratio} times",
                "give the export as it was downloaded",
            )


DATA_SET_LIMITS = Limits(
    what="data set",
    paths="a file, a folder, a zip or the name of a data set",
    content="a header and at least one row",
    max_files=200_000,  # Netflix has 17,770 files; with more, it is somebody's home folder
)
_EXPORTS = "a Letterboxd export (zip or ratings.csv), IMDb ratings, a MovieLens.org export, or a table title,stars"
EXPORT_LIMITS = Limits(
    what="export",
    paths=_EXPORTS,
    content=_EXPORTS,
    max_files=10_000,  # a Letterboxd export has a file for each list
    max_bytes=64 << 20,  # ten thousand reviews are a few megabytes
    max_ratio=200,
    max_rows=50_000,  # nobody has seen more films
)


def check_members(file: str, members: list[ZipInfo], limits: Limits) -> None:
    """Checks the table of contents of a zip from anyone.

    Raises:
        SourceError: a name leads outside the zip, or the zip is an office document.
    """
    for member in members:
        name = member.filename
        if name.startswith("/") or ".." in name.split("/") or any(sign in name for sign in ("\\", ":", "\0")):
            raise SourceError(
                file,
                None,
                f"the zip holds a file named {shown(name)}",
                "names within the zip's own folder",
                "give the export as it was downloaded",
            )
    if any(member.filename.startswith(("xl/", "word/")) for member in members):
        raise SourceError(
            file, None, "it is a document of an office program", limits.content, "save it as CSV (UTF-8) there"
        )
