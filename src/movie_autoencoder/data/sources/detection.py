"""What lies at a place: which files hold ratings, in which format, and which hold titles.

The place to teach a new family of files: give its names or its first line here, its reading a module of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from . import netflix
from .errors import SourceError
from .header import choose_columns
from .places import Place
from .table import column_names

FORMATS = ("auto", "movielens", "netflix", "table")
_MAIN = ("u.data", "ratings.dat", "ratings.csv", "ratings.tsv", "ratings.parquet", "ratings.csv.gz")
SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".base", ".test", ".tab", ".parquet", ".pq")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_COMPRESSED = (".gz", ".bz2", ".xz")
TITLES = ("movies.csv", "movies.parquet", "movies.dat", "u.item", "movie_titles.txt", "movie_titles.csv", "links.csv")


@dataclass(frozen=True)
class Found:
    """Ratings that were found.

    Args:
        place: where; the archive itself when a folder holds nothing but an archive.
        format: ``"movielens-100k"``, ``"movielens-1m"``, ``"movielens-10m"``, ``"netflix"`` or ``"table"``.
        names: the members that hold them: one, or all files of Netflix.
    """

    place: Place
    format: str
    names: tuple[str, ...]


def detect(place: Place, format: str = "auto", columns: Mapping[str, str | None] | None = None) -> Found:
    """Finds the ratings at a place.

    Args:
        place: where to look.
        format: one of `FORMATS`; anything but ``"auto"`` looks for that family only.
        columns: columns that the user named; they make a table recognisable.

    Raises:
        SourceError: nothing there that holds ratings, or two things that do.
    """
    if format not in FORMATS:
        raise ValueError(f"The format must be one of {', '.join(FORMATS)}. Received: {format!r}.")
    root = place.root
    if not place.names:
        raise SourceError(
            root,
            None,
            f"the {place.kind} is empty",
            "a file of ratings in it",
            "put a data set there (docs/data-formats.md says which)",
        )
    blocks = [name for name in place.names if netflix.is_ratings_file(PurePosixPath(name).name)]
    if format == "netflix":
        blocks = blocks or [name for name in place.names if place.kind == "file"]
    if blocks and format in ("auto", "netflix"):
        return Found(place, "netflix", tuple(blocks))
    if place.kind == "file":
        return Found(place, _family(place, place.names[0], format), place.names)
    main = place.named(*_MAIN)
    if format == "table":
        main = [name for name in main if family_of(place, name) == "table"]
    elif format == "netflix":
        main = []
    if not main:
        main = _recognised(place, format, columns or {})
    if len(main) > 1:
        raise SourceError(
            root,
            None,
            f"there are two data sets: {place.show(main[0])} and {place.show(main[1])}",
            "one data set",
            "name the one you mean",
        )
    if main:
        return Found(place, _family(place, main[0], format), (main[0],))
    return _within(place, format, columns)


def family_of(place: Place, name: str) -> str:
    """The format that the first lines of a text show."""
    start = place.read(name, 1 << 12).decode("utf-8-sig", errors="replace").splitlines()[:5]
    lines = [line for line in start if line.strip()]
    if any(re.fullmatch(r"[^:\s]+::[^:]+::[^:]*(::[^:]*)?", line) for line in lines):
        return "movielens-1m"
    if any(re.fullmatch(r"\d+\t\d+\t-?[\d.]+\t\d+", line.rstrip()) for line in lines):
        return "movielens-100k"
    if lines and re.fullmatch(r"\d+:\s*", lines[0]):
        return "netflix"
    return "table"


def titles_near(found: Found) -> tuple[Place, tuple[str, ...]]:
    """The files of titles beside the ratings (or in the folder above, as at Netflix), and the place they are in."""
    place = found.place
    if place.kind in ("folder", "zip", "tar"):
        folder = PurePosixPath(found.names[0]).parent
        paths = [(PurePosixPath(name), name) for name in place.named(*TITLES)]
        near = [(path, name) for path, name in paths if path.parent in (folder, folder.parent)]
        near.sort(key=lambda one: (one[0].parent != folder, TITLES.index(one[0].name.lower())))
        return place, tuple(name for _, name in near)
    parent = place.root.parent
    beside = tuple(name for name in TITLES if (parent / name).is_file() and parent / name != place.root)
    return Place(parent, "folder", beside), beside


def _family(place: Place, name: str, format: str) -> str:
    if format == "table":
        return "table"
    family = family_of(place, name)
    if family == "movielens-1m" and not place.named("users.dat", beside=name):
        # 10M has no users.dat; a single file of either kind is read alike, and half stars tell nothing about its name.
        users = place.root.parent / "users.dat"
        family = "movielens-1m" if place.kind == "file" and users.exists() else "movielens-10m"
    if format == "movielens" and family == "netflix":
        return "table"
    return family


def _recognised(place: Place, format: str, columns: Mapping[str, str | None]) -> list[str]:
    """Members that look like tables of ratings; the only candidate even if it does not, so that its error is told."""
    known = {name.lower() for name in TITLES} | {"tags.csv", "tags.dat", "users.dat", "u.user", "u.info", "readme.txt"}
    candidates = [
        name for name in place.names if suffix(name) in SUFFIXES and PurePosixPath(name).name.lower() not in known
    ]
    found = []
    for name in candidates[:50]:
        try:
            family = family_of(place, name)
            if family == "table" and format in ("auto", "table"):
                choose_columns(column_names(place, name, columns), columns, name, example=())
                found.append(name)
            elif family != "table" and format in ("auto", family.split("-")[0]):
                found.append(name)
        except SourceError:
            continue
    return found or (candidates if len(candidates) == 1 and format in ("auto", "table") else [])


def suffix(name: str) -> str:
    """The ending that tells what a file holds, below the one of a compression."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in _COMPRESSED else path.suffix


def _within(place: Place, format: str, columns: Mapping[str, str | None] | None) -> Found:
    """The ratings in the one archive of a folder."""
    archives = [name for name in place.names if name.lower().endswith(ARCHIVES)]
    if len(archives) == 1 and place.kind == "folder":
        return detect(Place.at(place.root / archives[0]), format, columns)
    if len(archives) > 1 and place.kind == "folder":
        raise SourceError(
            place.root,
            None,
            f"there are two data sets: {archives[0]} and {archives[1]}",
            "one data set",
            "name the one you mean",
        )
    listed = ", ".join(place.names[:5]) + (", …" if len(place.names) > 5 else "")
    raise SourceError(
        place.root,
        None,
        f"the {place.kind} holds no ratings that can be recognised ({listed})",
        "MovieLens, Netflix Prize, or a CSV, TSV or Parquet with columns for user, item and rating",
        "name the file itself, and its columns with --set data.user_column=NAME and so on",
    )
