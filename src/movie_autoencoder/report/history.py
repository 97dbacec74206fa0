"""The history of training: rows of ``history.csv``, with whatever columns the file has."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

Row = Mapping[str, str | float | None]


def read_history(path: Path) -> list[Row]:
    """Reads a run's history.

    Args:
        path: the file; without a file there are no rows.

    Returns:
        A mapping from column to value for each row: a number where the file has one, None where it is empty.

    Raises:
        ValueError: a row with more values than there are columns; the message names file and line.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, restkey="")
        rows: list[Row] = []
        for row in reader:
            if "" in row:
                raise ValueError(
                    f"{path}:{reader.line_num}: more values than columns ({', '.join(reader.fieldnames or [])}). "
                    "Train the run again, which writes a new history."
                )
            rows.append({name: _value(text) for name, text in row.items()})
    return rows


def curve(rows: list[Row], stage: str, column: str) -> tuple[list[float], list[float]]:
    """Epochs and values of one column in one stage, for the rows that have a number.

    Example:
        >>> rows = [{"stage": "fit", "epoch": 1.0, "loss": 0.5}, {"stage": "fit", "epoch": 2.0, "loss": None}]
        >>> curve(rows, "fit", "loss")
        ([1.0], [0.5])
    """
    points = [
        (epoch, value)
        for row in rows
        if str(row.get("stage") or "") == stage
        and isinstance(epoch := row.get("epoch"), float)
        and isinstance(value := row.get(column), float)
    ]
    return [epoch for epoch, _ in points], [value for _, value in points]


def _value(text: str | None) -> str | float | None:
    if text is None or not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < float("inf") else None  # a curve has no point at nan or inf
