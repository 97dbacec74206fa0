"""Writes the report into a run's folder: ``report.html``, ``figures/*.png`` and ``evaluation.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..evaluation import ChoiceEvaluation, Evaluation
from ..evaluation.text import many, signed
from ..storage import replacing, write_json, write_text
from .history import Row, read_history
from .pictures import Picture, draw_pictures


def write_report(
    evaluation: Evaluation | ChoiceEvaluation, folder: str | os.PathLike[str], *, history: Sequence[Row] | None = None
) -> Path:
    """Writes ``report.html``, ``figures/*.png`` and ``evaluation.json``, each whole or not at all.

    Args:
        evaluation: what `evaluate` or `evaluate_choice` returned.
        folder: the run's folder; it is created when it does not exist.
        history: rows of training, as `read_history` returns them; those of ``history.csv`` in the folder when left
            out.

    Returns:
        The path of ``report.html``.

    Raises:
        ValueError: a damaged history; the message names file and line.
        OSError: the disk is full or the folder cannot be written; older files there do not change.

    Example:
        ``write_report(evaluate("runs/latest"), "runs/latest")``
    """
    folder = Path(folder)
    history = read_history(folder / "history.csv") if history is None else history
    pictures = draw_pictures(evaluation, history)
    page = _page(evaluation, pictures)
    with replacing(folder / "figures") as figures:  # old pictures that the new report lacks go with the old folder
        figures.mkdir()
        for picture in pictures:
            (figures / f"{picture.name}.png").write_bytes(picture.png)
    write_json(
        folder / "evaluation.json", evaluation.to_dict(pictures=True) | {"history": [dict(row) for row in history]}
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _page(evaluation: Evaluation | ChoiceEvaluation, pictures: Sequence[Picture]) -> str:
    """The HTML page, from ``templates/report.html.j2``, or ``choice.html.j2`` where there are no stars."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    metadata = json.dumps(evaluation.metadata, indent=2, ensure_ascii=False, default=str)
    if isinstance(evaluation, ChoiceEvaluation):
        return environment.get_template("choice.html.j2").render(
            evaluation=evaluation, pictures=pictures, metadata=metadata, many=many, signed=signed
        )
    groups = {
        "by_stars": ("stars given", evaluation.by_stars),
        "by_popularity": ("training ratings of the movie", evaluation.by_popularity),
        "by_activity": ("ratings of the user that the encoder was shown", evaluation.by_activity),
    }
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation, pictures=pictures, groups=groups, metadata=metadata, many=many, signed=signed
    )
