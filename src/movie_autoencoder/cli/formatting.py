"""What commands print and write: lines, aligned tables, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer


def print_lines(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """Prints lines of text.

    Args:
        lines: without line ends.
        to_stderr: for notes beside CSV or JSON, which other programs read from standard output.
    """
    for line in lines:
        typer.echo(line, err=to_stderr)


def print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table as CSV."""
    typer.echo(csv_text(header, rows), nl=False)


def print_json(value: Mapping[str, Any]) -> None:
    """Prints one JSON object on one line; letters outside ASCII are escaped where the terminal cannot show them."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(value, allow_nan=False, ensure_ascii=plain))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV.

    Example:
        >>> csv_text(("Title", "Stars"), [("Good, the Bad and the Ugly, The", 5)])
        'Title,Stars\\n"Good, the Bad and the Ugly, The",5\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Iterable[int] = (0,)) -> list[str]:
    """A table as lines of text in aligned columns.

    Args:
        header: names of the columns.
        rows: cells, in the order of the header.
        left: indices of the columns that are aligned to the left; the others are aligned to the right.

    Example:
        >>> aligned(("film", "stars"), [("Alien (1979)", "4.5"), ("Heat (1995)", "3.0")])
        ['film          stars', 'Alien (1979)    4.5', 'Heat (1995)     3.0']
    """
    lefts = set(left)
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if column in lefts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, *rows]
    ]


def number(value: float | None, digits: int | None = None) -> str:
    """A number, rounded to ``digits`` decimals if given; ``""`` for None.

    Example:
        >>> number(3.0), number(3.14159, 2), number(None)
        ('3', '3.14', '')
    """
    if value is None:
        return ""
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """A number of rating points with its sign.

    Example:
        >>> signed(0.25)
        '+0.250'
    """
    return f"{value:+.3f}"


def write_table(frame: Any, path: Path) -> None:
    """Writes a DataFrame to a .csv or .parquet file, completely or not at all."""
    from ..storage import replacing

    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
