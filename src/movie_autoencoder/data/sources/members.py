"""Members: a small file, folder or zip as named texts, for exports that may come from anyone.

Nothing is unpacked to disk. Unlike in `places`, where a data set may have any size, everything here has a limit, so
that a hostile upload costs neither memory nor time.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import SourceError, shown

MOST_BYTES = 64 << 20  # of one text; ten thousand reviews are a few megabytes
MOST_ROWS = 50_000  # nobody has seen more films
_MOST_MEMBERS = 10_000  # a Letterboxd export holds a file for each list
_MOST_RATIO, _SMALL = 200, 1 << 20  # plain text shrinks to a tenth; beyond a megabyte, more than this is a bomb
_MOST_DEPTH = 3
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    OSError,
)
_EXPORTS = "a Letterboxd export (zip or ratings.csv), IMDb ratings, a MovieLens.org export, or a table title,stars"


@dataclass(frozen=True)
class Members:
    """Named texts.

    Args:
        name: the whole, as its owner knows it.
        names: members, ``/`` between folders; one, equal to ``name``, for a single file.
        read: gives the bytes of a member.
    """

    name: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]

    def show(self, member: str) -> str:
        """The member's name for a message."""
        return self.name if (member,) == self.names and member == self.name else f"{self.name}/{member}"

    @classmethod
    def at(cls, path: Path) -> Members:
        """What lies at a path.

        Raises:
            SourceError: nothing there, or it cannot be read, or is too large.
        """
        try:
            if path.is_dir():
                names = tuple(sorted(_walk(path)))
                return cls(path.name, names, lambda member: _read_file(path / member))
            return cls.of(path.name, _read_file(path))
        except FileNotFoundError:
            raise SourceError(
                path,
                None,
                "there is no such file or folder",
                _EXPORTS,
                f"check the spelling; relative paths start at {Path.cwd()}",
            ) from None
        except OSError as error:
            raise SourceError(
                path,
                None,
                f"it cannot be read ({error.strerror or error})",
                "a readable file",
                "check the path and its permissions",
            ) from error

    @classmethod
    def of(cls, name: str, data: bytes) -> Members:
        """A file's bytes; those of a zip become its members.

        Raises:
            SourceError: it is empty, too large, or a zip that is damaged, encrypted or hostile.
        """
        name = PurePosixPath(name.replace("\\", "/")).name or "upload"
        if not data.strip(b"\0 \r\n\t"):
            raise SourceError(name, None, "the file is empty", _EXPORTS, "download it again")
        _check_size(name, len(data))
        if not data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
            return cls(name, (name,), lambda member: data)
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
            listed = archive.infolist()
        except _DAMAGE as error:
            raise _damaged(name, error) from error
        if len(listed) > _MOST_MEMBERS:
            raise SourceError(
                name,
                None,
                f"the zip holds {len(listed):,} files",
                f"{_MOST_MEMBERS:,} files at most",
                "give the export as it was downloaded",
            )
        infos = {one.filename: one for one in listed if not one.is_dir()}
        for one in infos.values():
            _check_member(name, one)
        if any(member.startswith(("xl/", "word/")) for member in infos):
            raise SourceError(
                name, None, "it is a document of an office program", _EXPORTS, "save it as CSV (UTF-8) there"
            )
        return cls(name, tuple(sorted(infos)), lambda member: _unzipped(name, archive, infos[member]))

    def rows(self, member: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
        """The rows of a CSV text with the line on which each begins, the header included; blank lines are left out.

        Args:
            member: which.
            strict: refuse quotes that are out of place; else take them as they are.
        """
        where = self.show(member)
        text = decode(where, self.read(member))
        start = text.lstrip()[:200].lower()
        if start.startswith(("<!doctype", "<html", "<?xml", "{")):
            raise SourceError(
                where,
                None,
                f"it is no table but starts with {shown(start[:20])}",
                _EXPORTS,
                "download the export itself, not a page about it",
            )
        first = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = "," if "," in first and "\t" not in first else max(",;\t|", key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
        line, count = 1, 0
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield line, row
                    count += 1
                    if count > MOST_ROWS:
                        raise SourceError(
                            where,
                            line,
                            f"there are more than {MOST_ROWS:,} films",
                            "the films of one person",
                            "give one person's file; a data set of many is read by train.py --data",
                        )
                line = reader.line_num + 1
        except csv.Error as error:
            raise SourceError(
                where,
                line,
                f"the line cannot be split into fields ({error})",
                'fields between commas, quoted by "',
                "download the file again, or close the quotes on that line",
            ) from error


def decode(where: str, data: bytes) -> str:
    """Text in UTF-8 or, with its mark, UTF-16; else in the code page of Western Windows, as older downloads are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise SourceError(where, None, "it is not a text", _EXPORTS, "check that this is the right file")
    return text


def _read_file(path: Path) -> bytes:
    _check_size(path.name, path.stat().st_size)
    return path.read_bytes()


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise SourceError(
            name,
            None,
            f"it has {size / (1 << 20):,.0f} MB",
            f"{MOST_BYTES >> 20} MB at most for one person's films",
            "give one person's file; a data set of many is read by train.py --data",
        )


def _check_member(name: str, info: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(info.filename).parts
    if info.filename.startswith("/") or ".." in parts or any(sign in info.filename for sign in ("\\", ":", "\0")):
        raise SourceError(
            name,
            None,
            f"the zip holds a file named {shown(info.filename)}",
            "names within the zip's own folder",
            "give the export as it was downloaded",
        )


def _unzipped(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    where = f"{name}/{info.filename}"
    if info.flag_bits & 1:
        raise SourceError(where, None, "the file is encrypted", "a zip without a password", "unpack it yourself")
    _check_size(where, info.file_size)
    try:
        with archive.open(info) as stream:
            data = stream.read(MOST_BYTES + 1)  # what the zip says of itself may be wrong
    except _DAMAGE as error:
        raise _damaged(where, error) from error
    _check_size(where, len(data))
    if len(data) > _SMALL and len(data) > _MOST_RATIO * max(info.compress_size, 1):
        raise SourceError(
            where,
            None,
            f"it grows from {info.compress_size:,} to {len(data):,} bytes when unpacked",
            f"no more than {_MOST_RATIO} times",
            "give the export as it was downloaded",
        )
    return data


def _damaged(where: str, error: Exception) -> SourceError:
    return SourceError(
        where,
        None,
        f"the zip is damaged or incomplete ({error or type(error).__name__})",
        "a whole zip",
        "download it again",
    )


def _walk(folder: Path) -> Iterator[str]:
    count = 0
    for here, subfolders, files in os.walk(folder):
        relative = Path(here).relative_to(folder)
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if len(relative.parts) >= _MOST_DEPTH:
            subfolders[:] = []
        count += len(files)
        if count > _MOST_MEMBERS:
            raise SourceError(
                folder, None, f"the folder holds more than {_MOST_MEMBERS:,} files", _EXPORTS, "name the export itself"
            )
        yield from ((relative / name).as_posix() for name in files if not name.startswith("."))


class Table:
    """Rows below a header, cells by the names of their columns, with the line of each.

    Args:
        where: the file's name for messages.
        header: names as they stand there.
        rows: lines and cells.
    """

    def __init__(self, where: str, header: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> None:
        self.where = where
        self.header = [name.strip() for name in header]
        self._places = {plain(name): place for place, name in reversed(list(enumerate(self.header)))}
        self._rows = rows

    def has(self, *names: str) -> bool:
        return all(plain(name) in self._places for name in names)

    def first(self, *names: str) -> str | None:
        """The first of these columns that there is."""
        return next((name for name in names if plain(name) in self._places), None)

    def __iter__(self) -> Iterator[Line]:
        for number, row in self._rows:
            if len(row) != len(self.header):
                raise SourceError(
                    self.where,
                    number,
                    f"the row has {len(row)} fields where {len(self.header)} belong: {shown(','.join(row))}",
                    ",".join(self.header),
                    "correct the line; quote a field that holds a comma",
                )
            yield Line(self.where, number, {name: row[place].strip() for name, place in self._places.items()})


@dataclass(frozen=True)
class Line:
    """One row: its file, its line, and its cells by the plain names of their columns."""

    where: str
    number: int
    cells: dict[str, str]

    def text(self, column: str | None) -> str:
        return "" if column is None else self.cells.get(plain(column), "")

    def stars(self, column: str | None, low: float, high: float) -> float | None:
        """The stars in a column, None where it is empty.

        Raises:
            SourceError: no number, or outside the scale.
        """
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise SourceError(
                self.where,
                self.number,
                f"the rating is {shown(text)}",
                f"a number from {low:g} to {high:g}, or nothing",
                "correct the line",
            )
        return value

    def year(self, column: str | None) -> int | None:
        """The year in a column, None where it is empty."""
        text = self.text(column)
        if not text or text.lower() in ("null", "nan", "none", "n/a", "-"):
            return None
        if text[:4].isdigit() and text[:4].isascii() and (len(text) == 4 or text[4] in ".-–/ "):
            return int(text[:4])
        raise SourceError(
            self.where, self.number, f"the year is {shown(text)}", "four digits, or nothing", "correct the line"
        )


def plain(name: str) -> str:
    """A column's name as names are compared: case, spaces and signs do not count."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
