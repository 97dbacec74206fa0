"""Pairs of user and item as lists: one line a user, ``USER ITEM ITEM …``, whole numbers between spaces.

The data sets of LightGCN (He et al. 2020, arXiv:2002.02126), such as Gowalla, Yelp2018 and Amazon-book, have this form.
"""

from __future__ import annotations

import re

import numpy as np

from ..ratings import Coded
from .archive import Archive
from .columns import Columns, OnBadRows
from .errors import SKIP_REMEDY, SourceError, shown

_LINE = re.compile(rb"\s*(\d{1,18}\s+)*\d{1,18}\s*")
_MOST_COLUMNS = 4  # of a table; more numbers in every line are a list


def looks_like_lists(lines: list[str]) -> bool:
    """Whether the first lines of a text are lists: whole numbers between spaces, not the same few in each line.

    Example:
        >>> looks_like_lists(["0 3 5 9", "1 3"]), looks_like_lists(["0 3 5", "1 3 4"])
        (True, False)
    """
    if not lines or not all(re.fullmatch(r"\d+( +\d+)* *", line) for line in lines):
        return False
    counts = {len(line.split()) for line in lines}
    return max(counts) > 1 and (len(counts) > 1 or max(counts) > _MOST_COLUMNS)


def read_lists(archive: Archive, name: str, *, on_bad_rows: OnBadRows) -> Columns:
    """Reads the pairs of a file of lists. A user without items is a line with one number, and gives no pair.

    Args:
        archive: where the file is.
        name: its name.
        on_bad_rows: ``"error"`` stops at the first bad line; ``"skip"`` leaves bad lines out and counts them.

    Raises:
        SourceError: a line has something else than whole numbers (with ``"error"``), or there is no pair.
    """
    file, lines, num_skipped = archive.show(name), [], 0
    for number, line in enumerate(archive.read(name).removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if _LINE.fullmatch(line):
            lines.append(line)
        elif line.strip() and on_bad_rows == "error":
            raise SourceError(
                file,
                number,
                f"the line is no list: {shown(line)}",
                "a user and their items, whole numbers between spaces",
                f"correct or delete the line, {SKIP_REMEDY}",
            )
        else:
            num_skipped += bool(line.strip())
    ids = np.array(b" ".join(lines).split(), dtype="S18").astype(np.int64)
    sizes = np.array([len(line.split()) for line in lines], dtype=np.int64)
    if len(ids) == len(lines):
        raise SourceError(
            file, None, "there is no pair in it", "lines such as 0 12 7: a user and their items", "check the file"
        )
    first = np.cumsum(sizes) - sizes
    items, users = np.delete(ids, first), np.repeat(ids[first], sizes - 1)
    return Columns(_coded(users), _coded(items), None, None, len(items) + num_skipped, num_skipped)


def _coded(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Coded:
    names, index = np.unique(ids, return_inverse=True)
    return Coded(index.astype(np.int32), names)
