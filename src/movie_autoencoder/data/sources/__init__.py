"""Sources: `read_ratings` and `read_catalogue` read data sets, and `read_personal` reads one person's own films.

Each family of files has a module. `detection` tells the families apart, `finding` turns what the user typed into a
path, and `archive` opens files, folders, zips and tars alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..catalogue import Catalogue
from ..ratings import Ratings, Scale
from . import movielens, netflix, table, user_lists
from .archive import Archive
from .columns import OnBadRows
from .detection import FORMATS, detect, titles_near
from .entries import Entry, PersonalFile
from .errors import SourceError
from .finding import KNOWN_NAMES, find_data
from .personal import PERSONAL_FORMATS, read_personal, read_personal_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = (
    "FORMATS",
    "KNOWN_NAMES",
    "PERSONAL_FORMATS",
    "Entry",
    "PersonalFile",
    "SourceError",
    "find_data",
    "read_catalogue",
    "read_personal",
    "read_personal_bytes",
    "read_ratings",
)


def read_ratings(
    path: str | Path | pd.DataFrame,
    *,
    format: str = "auto",
    scale: Scale | str | None = None,
    columns: Mapping[str, str | None] | None = None,
    on_bad_rows: OnBadRows = "error",
) -> Ratings:
    """Reads ratings from a file, a folder, an archive or a DataFrame, and detects the format.

    It reads MovieLens (all releases), the Netflix Prize (both layouts), and any CSV, TSV, Parquet or DataFrame with
    columns for user, item and rating, and optionally for the time. When a user rated an item twice, the later rating
    is kept. A table without a column of ratings, and lists of a user's items (``USER ITEM ITEM …``), give pairs without
    ratings: ``ratings.rated`` is False.

    Args:
        path: what to read. `find_data` turns the name of a data set into a path.
        format: ``"auto"``, ``"movielens"``, ``"netflix"``, ``"table"`` or ``"lists"``.
        scale: the ratings that can be given, as a `Scale` or as text such as ``"0.5-5"``; a rating outside is a bad
            row. Detected from the ratings when left out; pairs without ratings have none.
        columns: names of the columns by role (``"user"``, ``"item"``, ``"rating"``, ``"timestamp"``), for a table
            whose names are not recognized. Positions such as ``"#1"`` are for a table without a header, and ``"-"``
            leaves the timestamp out; as the rating it reads pairs without ratings.
        on_bad_rows: ``"error"`` stops at the first bad row; ``"skip"`` leaves bad rows out and counts them in
            ``ratings.source.num_skipped``.

    Raises:
        SourceError: the file cannot be read as ratings. The message says where, and what to do.

    Example:
        >>> import pandas as pd
        >>> read_ratings(pd.DataFrame({"userId": [1, 1, 2], "movieId": [7, 8, 7], "rating": [4.0, 2.5, 5.0]}))
        Ratings(3 ratings, 2 users, 2 items, 75.0 % observed, scale 2.5 to 5 in steps of 0.5)
    """
    if on_bad_rows not in ("error", "skip"):
        raise ValueError(f'on_bad_rows must be "error" or "skip". Received: {on_bad_rows!r}.')
    scale = Scale.parse(scale) if isinstance(scale, str) else scale
    named = {role: name for role, name in (columns or {}).items() if name}
    if not isinstance(path, (str, Path)):
        read = table.read_frame(path, scale=scale, columns=named, on_bad_rows=on_bad_rows)
        return read.ratings(scale=scale, format="frame", path="")
    found = detect(Archive.at(Path(path).expanduser()), format, named)
    kind, name = found.format, found.names[0]
    if kind == "netflix":
        read = netflix.read_blocks(found.archive, found.names, scale=scale, on_bad_rows=on_bad_rows)
    elif kind == "movielens-100k":
        read = movielens.read_tabbed(found.archive, name, scale=scale, on_bad_rows=on_bad_rows)
    elif kind in ("movielens-1m", "movielens-10m"):
        read = movielens.read_colons(found.archive, name, scale=scale, on_bad_rows=on_bad_rows)
    elif kind == "lists":
        read = user_lists.read_lists(found.archive, name, on_bad_rows=on_bad_rows)
    else:
        read, kind = table.read_table(found.archive, name, scale=scale, columns=named, on_bad_rows=on_bad_rows)
    return read.ratings(scale=scale, format=kind, path=str(path))


def read_catalogue(
    path: str | Path,
    *,
    format: str = "auto",
    columns: Mapping[str, str | None] | None = None,
    on_bad_rows: OnBadRows = "error",
) -> Catalogue | None:
    """Reads the titles, years, genres and links of the items, from files beside the ratings or from the same table.

    Args:
        path: path of the ratings, as for `read_ratings`.
        format: as for `read_ratings`.
        columns: as for `read_ratings`.
        on_bad_rows: ``"error"`` stops at the first line of titles that cannot be read; ``"skip"`` leaves it out.

    Returns:
        The catalogue; None when there are no titles.

    Raises:
        SourceError: the titles cannot be read.
    """
    named = {role: name for role, name in (columns or {}).items() if name}
    found = detect(Archive.at(Path(path).expanduser()), format, named)
    archive, names = titles_near(found)
    readers: dict[str, Callable[[Archive, str, OnBadRows], Catalogue | None]] = {
        "movies.csv": movielens.read_movies_csv,
        "movies.dat": movielens.read_movies_dat,
        "u.item": movielens.read_u_item,
        "movie_titles.txt": netflix.read_titles,
        "movie_titles.csv": netflix.read_titles,
        "movies.parquet": table.read_titles,
    }
    for name in names:
        reader = readers.get(PurePosixPath(name).name.lower())
        if reader is not None:
            return reader(archive, name, on_bad_rows)
    return table.titles_within(found.archive, found.names[0], named) if found.format == "table" else None
