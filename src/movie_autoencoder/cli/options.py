"""Options and arguments that several commands share, and checks of their values.

`inputs` loads what they name.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command prints its result."""

    table = "table"
    csv = "csv"
    json = "json"


def at_least_one(value: int | None) -> int | None:
    """Checks a count.

    Raises:
        typer.BadParameter: it is below 1.
    """
    if value is not None and value < 1:
        raise typer.BadParameter(f"a whole number from 1 on. Received: {value}.")
    return value


def check_suffix(path: Path, *allowed: str, option: str = "--out") -> None:
    """Checks a file name before any work is done: its suffix says which format is written.

    Args:
        path: the file.
        allowed: suffixes, two or more.
        option: the option that the message names.

    Raises:
        typer.BadParameter: another suffix.
    """
    if path.suffix not in allowed:
        raise typer.BadParameter(f"{option} ends in {', '.join(allowed[:-1])} or {allowed[-1]}. Received: {path}.")


def parse_years(text: str | None) -> tuple[int | None, int | None]:
    """First and last year of a range; None where it is open.

    Raises:
        typer.BadParameter: no range of years.

    Example:
        >>> parse_years("1990-1999"), parse_years("1994"), parse_years("-1980"), parse_years(None)
        ((1990, 1999), (1994, 1994), (None, 1980), (None, None))
    """
    if text is None:
        return None, None
    first, dash, last = text.partition("-")
    if not all(part == "" or (part.isdigit() and len(part) == 4) for part in (first, last)) or not first + last:
        raise typer.BadParameter(f"Years are written 1994, 1990-, -1980 or 1990-1999. Received: {text!r}.")
    if first and last and first > last:
        raise typer.BadParameter(f"The first year must not be later than the last. Received: {text!r}.")
    if not dash:
        return int(first), int(first)
    return int(first) if first else None, int(last) if last else None


Run = Annotated[Path, typer.Argument(help="Folder of the trained run.")]
Film = Annotated[str, typer.Argument(help="A title such as 'Alien (1979)', or an id.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting as SECTION.KEY=VALUE; repeat for more settings.")
]
RatingsFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Your ratings: a Letterboxd zip, an IMDb or MovieLens export, or a table of titles and stars.",
    ),
]
User = Annotated[str | None, typer.Option(metavar="ID", help="Id of a training user, instead of a file.")]
Count = Annotated[int, typer.Option(metavar="N", callback=at_least_one, help="Number of films.")]
Genres = Annotated[
    list[str] | None, typer.Option("--genre", help="Only films of this genre; repeat for several genres.")
]
Years = Annotated[
    str | None, typer.Option(metavar="YEARS", help="Only films of these years: 1994, 1990-, -1980 or 1990-1999.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="Output format: table, csv or json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
