"""The report of an evaluation: pictures, one HTML page that opens offline, and the numbers behind both as JSON.

Built from an `Evaluation` and the history of training alone: no model is loaded and nothing is computed anew.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluation import Evaluation
from ..evaluation.text import many
from ..storage import replacing, write_json, write_text
from .history import Row, read_history

__all__ = ["Picture", "draw_pictures", "read_history", "write_report"]


@dataclass(frozen=True)
class Picture:
    """A picture as a PNG file, with what a reader should know to read it.

    Args:
        name: file name without ending.
        title: heading of its section.
        caption: how to read it, a few sentences.
        png: the file's bytes.
    """

    name: str
    title: str
    caption: str
    png: bytes

    @property
    def data_uri(self) -> str:
        """The picture inside a page: nothing is fetched when it is shown."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def write_report(
    evaluation: Evaluation, folder: str | os.PathLike[str], *, history: Sequence[Row] | None = None
) -> Path:
    """Writes ``report.html``, ``figures/*.png`` and ``evaluation.json``, each whole or not at all.

    Args:
        evaluation: what `evaluate` returned.
        folder: the run's folder, made when it does not exist.
        history: rows of training as `read_history` gives them; those of ``history.csv`` in the folder when left out.

    Returns:
        The path of ``report.html``.

    Raises:
        ValueError: a history that is damaged; the message names file and line.
        OSError: the disk is full or the folder cannot be written; older files there are untouched.

    Example:
        ``write_report(evaluate("runs/latest"), "runs/latest")``
    """
    folder = Path(folder)
    history = read_history(folder / "history.csv") if history is None else history
    pictures = draw_pictures(evaluation, history)
    page = _page(evaluation, pictures)
    with replacing(folder / "figures") as figures:  # a picture that no longer exists goes with the old folder
        figures.mkdir()
        for picture in pictures:
            (figures / f"{picture.name}.png").write_bytes(picture.png)
    write_json(
        folder / "evaluation.json", evaluation.to_dict(pictures=True) | {"history": [dict(row) for row in history]}
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def draw_pictures(evaluation: Evaluation, history: Sequence[Row] = ()) -> list[Picture]:
    """Every picture for which there is something to draw, in the order of the report."""
    from . import certainty, errors, people
    from .style import png

    drawn: list[tuple[str, str, str, Any]] = [
        ("scores", "Model and baselines", _SCORES, errors.draw_scores(evaluation)),
        ("training", "Training", _TRAINING, errors.draw_training(history)),
    ]
    if evaluation.panel is not None:
        figure = people.draw_panel(evaluation.panel, evaluation.scale)
        drawn.append(("panel", "Stars beside their reconstruction", _PANEL, figure))
    drawn += [
        ("agreement", "Predicted against actual stars", _AGREEMENT, errors.draw_agreement(evaluation)),
        *(
            (name, title, caption, errors.draw_groups(evaluation, groups, axis))
            for name, title, caption, groups, axis in (
                ("by_stars", "Error by star value", _BY_STARS, evaluation.by_stars, "stars given"),
                (
                    "by_popularity",
                    "Error by popularity",
                    _BY_POPULARITY,
                    evaluation.by_popularity,
                    "training ratings of the movie",
                ),
                (
                    "by_activity",
                    "Error by activity",
                    _BY_ACTIVITY,
                    evaluation.by_activity,
                    "ratings of the user that the encoder read",
                ),
            )
        ),
    ]
    if evaluation.fold_in is not None:
        drawn.append(("fold_in", "New people", _FOLD_IN, errors.draw_fold_in(evaluation.fold_in)))
    if evaluation.uncertainty is not None:
        drawn += [
            ("certainty", "How sure the predictions are", _CERTAINTY, certainty.draw_certainty(evaluation.uncertainty)),
            ("intervals", "Intervals", _INTERVALS, certainty.draw_intervals(evaluation.uncertainty)),
        ]
    if evaluation.person is not None:
        figure = people.draw_person(evaluation.person, evaluation.scale)
        drawn.append(("person", "What surprises about one person", _PERSON, figure))
    if evaluation.taste_map is not None:
        drawn.append(("map", "A map of taste", _MAP, people.draw_map(evaluation.taste_map)))
    return [Picture(name, title, caption, png(figure)) for name, title, caption, figure in drawn if figure is not None]


def _page(evaluation: Evaluation, pictures: Sequence[Picture]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = {
        "by_stars": ("stars given", evaluation.by_stars),
        "by_popularity": ("training ratings of the movie", evaluation.by_popularity),
        "by_activity": ("ratings the encoder read", evaluation.by_activity),
    }
    facts = json.dumps(evaluation.facts, indent=2, ensure_ascii=False, default=str)
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation, pictures=pictures, groups=groups, facts=facts, many=many
    )


_SCORES = (
    "Each predictor on the same held-out ratings. Bars are 95 % intervals from drawing whole users again and again. "
    "Overlapping bars do not mean that two predictors are alike: the table above compares them rating by rating."
)
_TRAINING = (
    "From training and validation ratings only; the test part is in no curve. Trials are settings tried on validation: "
    "the one with the lowest error was chosen, the others are pale. A stage named refit trains again on training and "
    "validation ratings together, so it has no validation error of its own. Steep first epochs may be cut off."
)
_PANEL = (
    "Columns are people, from those who rated little to those who rated much; rows are movies that several of them "
    "rated. Colours of the first two matrices are stars, from dark (few) to bright (many). Cells without a frame were "
    "shown to the encoder and are, as a rule, reconstructed better than the framed, held-out ones, because the encoder "
    "has read them: only the framed cells say how well the model predicts."
)
_AGREEMENT = (
    "Left: how predictions spread for each star value. A good predictor is careful: its mean rises less steeply than "
    "the dashed diagonal, since what it cannot know pulls it to the middle. Right: of all ratings with a certain "
    "prediction, the mean of the stars given. A well calibrated predictor lies on the diagonal here."
)
_BY_STARS = (
    "Extreme stars are rarer and harder to predict. A predictor that always says the mean is best in the middle and "
    "worst at the ends."
)
_BY_POPULARITY = (
    "Few ratings of a movie say little about it. 0 is a movie that training did not see: it is predicted by the "
    "fallback. Bars of a point are 95 % intervals clustered by user."
)
_BY_ACTIVITY = (
    "How the error falls as the encoder reads more of a person's ratings. 0 is a person of whom nothing is known. "
    "Neighbouring groups are different people, so a rise need not mean that more ratings hurt."
)
_FOLD_IN = (
    "People who were not trained on, predicted from few of their ratings, drawn at random: both predictors were given "
    "the same ones and nothing was trained. Every point is the error at the same held-out ratings, those of people who "
    "have enough ratings for the last point. At 0 a person is taken for a usual one."
)
_CERTAINTY = (
    "Left: ratings in ten groups by the chance of liking that they were given; on the dashed line, what is called "
    "70 % happens 70 times in 100. The histogram of the user's own stars knows no movie: it is honest too, but its "
    "chances differ less. Right: the error when only the most certain predictions are kept; the lower a curve stays, "
    "the better it knows which predictions to trust. Beside it: certainty by the residual variance of user and item."
)
_INTERVALS = (
    "How often intervals cover the stars given, in tenths of the ratings from rare to popular movies and from users "
    "who rated little to those who rated much, and how wide they are. An interval that knew nothing of the case would "
    "have the constant width. Bars reach 95 % of what chance would do, with ratings of one user and of one movie alike."
)
_PERSON = (
    "Held-out ratings of one person, chosen by how much they rated and not by how well they are predicted. The further "
    "the two marks lie apart, the more the rating surprises the model."
)
_MAP = (
    "Each point is a person's latent vector, what the encoder makes of all their stars, seen from the two directions "
    "in which people differ most (principal components). Near points are alike to the model; directions have no names."
)
