"""Detection: which files of an archive hold ratings, in which format, and which hold titles.

To add a family of files, give its names or its first line here, and its reader a module of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from . import netflix
from .archive import Archive
from .errors import SourceError
from .header import choose_columns
from .table import column_names
from .user_lists import looks_like_lists

FORMATS = ("auto", "movielens", "netflix", "table", "lists")
_MAIN = ("u.data", "ratings.dat", "ratings.csv", "ratings.tsv", "ratings.parquet", "ratings.csv.gz")
SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".base", ".test", ".tab", ".parquet", ".pq")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_START = 1 << 12  # bytes at the beginning that tell families apart
_COMPRESSED = (".gz", ".bz2", ".xz")
TITLES = ("movies.csv", "movies.parquet", "movies.dat", "u.item", "movie_titles.txt", "movie_titles.csv", "links.csv")


@dataclass(frozen=True)
class Found:
    """Ratings that were found.

    Args:
        archive: where they are; the inner archive when a folder holds nothing but an archive.
        format: ``"movielens-100k"``, ``"movielens-1m"``, ``"movielens-10m"``, ``"netflix"``, ``"lists"`` or
            ``"table"``.
        names: the files that hold them: one, or all files of Netflix.
    """

    archive: Archive
    format: str
    names: tuple[str, ...]


def detect(archive: Archive, format: str = "auto", columns: Mapping[str, str | None] | None = None) -> Found:
    """Finds the ratings in an archive.

    Args:
        archive: where to look.
        format: one of `FORMATS`; ``"auto"`` looks for every family.
        columns: columns by role that the user named; a table with them is recognized.

    Raises:
        SourceError: there are no ratings, or there are two data sets.
    """
    if format not in FORMATS:
        raise ValueError(f"The format must be one of {', '.join(FORMATS)}. Received: {format!r}.")
    root = archive.root
    if not archive.names:
        raise SourceError(
            root,
            None,
            f"the {archive.kind} is empty",
            "a file of ratings in it",
            "put a data set there (docs/data-formats.md says which)",
        )
    blocks = [name for name in archive.names if netflix.is_ratings_file(PurePosixPath(name).name)]
    if format == "netflix":
        blocks = blocks or [name for name in archive.names if archive.kind == "file"]
    if blocks and format in ("auto", "netflix"):
        return Found(archive, "netflix", tuple(blocks))
    if archive.kind == "file":
        return Found(archive, _family(archive, archive.names[0], format), archive.names)
    main = archive.named(*_MAIN)
    if format == "table":
        main = [name for name in main if family_of(archive, name) == "table"]
    elif format in ("netflix", "lists"):
        main = []
    if not main:
        main = _recognized(archive, format, columns or {})
    if len(main) > 1:
        raise SourceError(
            root,
            None,
            f"there are two data sets: {archive.show(main[0])} and {archive.show(main[1])}",
            "one data set",
            "name the one you mean",
        )
    if main:
        return Found(archive, _family(archive, main[0], format), (main[0],))
    return _within(archive, format, columns)


def family_of(archive: Archive, name: str) -> str:
    """The format of a text, by its first lines."""
    data = archive.read(name, _START)
    start = data.decode("utf-8-sig", errors="replace").splitlines()
    start = start[:-1] if len(data) == _START and len(start) > 1 else start  # the last line may be cut
    start = start[:5]
    lines = [line for line in start if line.strip()]
    if any(re.fullmatch(r"[^:\s]+::[^:]+::[^:]*(::[^:]*)?", line) for line in lines):
        return "movielens-1m"
    if any(re.fullmatch(r"\d+\t\d+\t-?[\d.]+\t\d+", line.rstrip()) for line in lines):
        return "movielens-100k"
    if lines and re.fullmatch(r"\d+:\s*", lines[0]):
        return "netflix"
    return "lists" if looks_like_lists(lines) else "table"


def titles_near(found: Found) -> tuple[Archive, tuple[str, ...]]:
    """The files of titles beside the ratings or, as at Netflix, in the folder above, and the archive that has them."""
    archive = found.archive
    if archive.kind in ("folder", "zip", "tar"):
        folder = PurePosixPath(found.names[0]).parent
        paths = [(PurePosixPath(name), name) for name in archive.named(*TITLES)]
        near = [(path, name) for path, name in paths if path.parent in (folder, folder.parent)]
        near.sort(key=lambda one: (one[0].parent != folder, TITLES.index(one[0].name.lower())))
        return archive, tuple(name for _, name in near)
    parent = archive.root.parent
    beside = tuple(name for name in TITLES if (parent / name).is_file() and parent / name != archive.root)
    return Archive(parent, "folder", beside), beside


def _family(archive: Archive, name: str, format: str) -> str:
    if format in ("table", "lists"):
        return format
    family = family_of(archive, name)
    if family == "movielens-1m" and not archive.named("users.dat", beside=name):
        # Only 1M has users.dat. Without it both are read alike, so a wrong guess changes nothing but the name.
        users = archive.root.parent / "users.dat"
        family = "movielens-1m" if archive.kind == "file" and users.exists() else "movielens-10m"
    if format == "movielens" and family == "netflix":
        return "table"
    return family


def _recognized(archive: Archive, format: str, columns: Mapping[str, str | None]) -> list[str]:
    """The files that look like ratings, or else like pairs without ratings.

    An only candidate is returned even if it does not look so, so that its own error is reported.
    """
    known = {name.lower() for name in TITLES} | {"tags.csv", "tags.dat", "users.dat", "u.user", "u.info", "readme.txt"}
    candidates = [
        name for name in archive.names if suffix(name) in SUFFIXES and PurePosixPath(name).name.lower() not in known
    ]
    found: list[str] = []
    pairs: list[str] = []
    for name in candidates[:50]:
        try:
            family = family_of(archive, name)
            if family == "table" and format in ("auto", "table"):
                chosen = choose_columns(column_names(archive, name, columns), columns, name)
                (found if "rating" in chosen else pairs).append(name)
            elif family != "table" and format in ("auto", family.split("-")[0]):
                (pairs if family == "lists" else found).append(name)
        except SourceError:
            continue
    return found or pairs or (candidates if len(candidates) == 1 and format in ("auto", "table") else [])


def suffix(name: str) -> str:
    """The ending of a file's name without the ending of a compression: ``.csv`` of ``ratings.csv.gz``."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in _COMPRESSED else path.suffix


def _within(archive: Archive, format: str, columns: Mapping[str, str | None] | None) -> Found:
    """The ratings in the one archive of a folder."""
    archives = [name for name in archive.names if name.lower().endswith(ARCHIVES)]
    if len(archives) == 1 and archive.kind == "folder":
        return detect(Archive.at(archive.root / archives[0]), format, columns)
    if len(archives) > 1 and archive.kind == "folder":
        raise SourceError(
            archive.root,
            None,
            f"there are two data sets: {archives[0]} and {archives[1]}",
            "one data set",
            "name the one you mean",
        )
    listed = ", ".join(archive.names[:5]) + (", …" if len(archive.names) > 5 else "")
    raise SourceError(
        archive.root,
        None,
        f"the {archive.kind} holds no ratings that can be recognized ({listed})",
        "MovieLens, Netflix Prize, or a CSV, TSV or Parquet with columns for user and item, and maybe ratings",
        "name the file itself, and its columns with --set data.user_column=NAME and so on",
    )
