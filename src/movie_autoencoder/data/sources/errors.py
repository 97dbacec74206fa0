"""SourceError: the error of every file that cannot be read, with what a person needs to fix it."""

from __future__ import annotations

from pathlib import Path

SKIP_REMEDY = 'or leave bad rows out with on_bad_rows="skip" (--set data.on_bad_rows=skip)'


class SourceError(ValueError):
    """A file, folder or column that cannot be read as ratings.

    Args:
        file: the file or folder as the user knows it; a file in an archive is ``archive.zip/inside.csv``.
        line: line of the file, the first being 1; None when no single line is wrong.
        value: what was found, as a short clause.
        allowed: what is accepted there.
        remedy: what to do.
        unit: what ``line`` counts: ``"line"``, or ``"row"`` in a table without lines (Parquet, DataFrame).

    Example:
        >>> print(SourceError("ratings.csv", 7, "the rating is 'abc'", "a finite number", "correct the line"))
        ratings.csv:7: the rating is 'abc'. Allowed: a finite number. To fix it: correct the line.
    """

    def __init__(
        self, file: str | Path, line: int | None, value: str, allowed: str, remedy: str, *, unit: str = "line"
    ) -> None:
        super().__init__(str(file), line, value, allowed, remedy)
        self.file = str(file)
        self.line = line
        self.value = value
        self.allowed = allowed
        self.remedy = remedy
        self.unit = unit

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f":{self.line}" if self.unit == "line" else f", {self.unit} {self.line}"
        return f"{where}: {self.value}. Allowed: {self.allowed}. To fix it: {self.remedy}."


def shown(value: object, limit: int = 60) -> str:
    """A value for a message: quoted, with control characters escaped, and cut to ``limit`` characters."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="backslashreplace")
    text = repr(str(value))
    return text if len(text) <= limit else text[: limit - 4] + "...'"
