"""Pairs of user and item from a table, for predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SourceError
from .header import KNOWN_COLUMNS, plain_names

if TYPE_CHECKING:
    import pandas as pd


def read_pairs(path: str | Path) -> pd.DataFrame:
    """Reads the user and the item column of a CSV, TSV or Parquet file.

    Args:
        path: the file. Column names are recognized as in a table of ratings; other columns are left out.

    Returns:
        The columns ``user`` and ``item``, as integers when all are written as integers, else as text.

    Raises:
        SourceError: the file or a column is missing, or a cell is empty.
    """
    import pandas as pd

    path = Path(path).expanduser()
    if not path.is_file():
        raise SourceError(str(path), None, "there is no such file", "a table of users and items", "check the path")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
        else:
            separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise SourceError(
            str(path), None, f"it cannot be read as a table ({error})", "a CSV, TSV or Parquet file", "check the file"
        ) from error
    plain = plain_names([str(name) for name in table.columns])
    found = {}
    for role in ("user", "item"):
        name = next((plain[one] for one in KNOWN_COLUMNS[role] if one in plain), None)
        if name is None:
            raise SourceError(
                str(path),
                1,
                f"there is no {role} column among {', '.join(map(str, table.columns)) or 'no columns'}",
                f"a column such as {role}Id",
                "name it so",
            )
        column = table[name]
        empty = column.isna() | (column.astype(str).str.strip() == "")
        if empty.any():
            line = int(empty.to_numpy().argmax()) + 2
            raise SourceError(str(path), line, f"the {role} is empty", f"a {role} id in every row", "fill it in")
        found[role] = column
    if not len(table):
        raise SourceError(str(path), None, "there is a header but no pair", "at least one row", "check the file")
    return pd.DataFrame({role: _whole_numbers(column) for role, column in found.items()})


def _whole_numbers(column: pd.Series) -> pd.Series:
    """A column of text as integers when every text is one; ids with a leading zero stay text."""
    texts = column.astype(str).str.strip()
    if texts.str.fullmatch(r"-?(0|[1-9][0-9]{0,17})").all():
        return texts.astype("int64")
    return texts
