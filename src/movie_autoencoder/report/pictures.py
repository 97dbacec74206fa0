"""The pictures of a report: which there are, in which order, with their titles and captions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..evaluation import ChoiceEvaluation, Evaluation
from .history import Row

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A picture as a PNG file, with the text that explains it.

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
        """The picture as text inside a page, so that the page needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def draw_pictures(evaluation: Evaluation | ChoiceEvaluation, history: Sequence[Row] = ()) -> list[Picture]:
    """Draws every picture that has data, in the order of the report.

    Args:
        evaluation: what `evaluate` or `evaluate_choice` returned.
        history: rows of training, as `read_history` returns them.
    """
    from .style import png

    if isinstance(evaluation, ChoiceEvaluation):
        from .rankings import draw_rankings

        title, caption = _CAPTIONS["rankings"][0], _PAIRS_CAPTION
        return [Picture("rankings", title, caption, png(draw_rankings(evaluation.rankings)))]
    figures = _figures(evaluation, history)
    return [
        Picture(name, title, caption, png(figure))
        for name, (title, caption) in _CAPTIONS.items()
        if (figure := figures.get(name)) is not None
    ]


def _figures(evaluation: Evaluation, history: Sequence[Row]) -> dict[str, Figure | None]:
    """The figures by name; None, or no entry, for a picture without data."""
    from .errors import draw_agreement, draw_fold_in, draw_groups, draw_scores
    from .examples import draw_latent_map, draw_panel, draw_user_example
    from .rankings import draw_rankings
    from .training import draw_training
    from .uncertainty import draw_certainty, draw_few_ratings, draw_intervals

    figures: dict[str, Figure | None] = {
        "scores": draw_scores(evaluation),
        "training": draw_training(history),
        "agreement": draw_agreement(evaluation),
        "by_stars": draw_groups(evaluation, evaluation.by_stars, "stars given"),
        "by_popularity": draw_groups(evaluation, evaluation.by_popularity, "training ratings of the movie"),
        "by_activity": draw_groups(
            evaluation, evaluation.by_activity, "ratings of the user that the encoder was shown"
        ),
    }
    if evaluation.panel is not None:
        figures["panel"] = draw_panel(evaluation.panel, evaluation.scale)
    if evaluation.fold_in is not None:
        figures["fold_in"] = draw_fold_in(evaluation.fold_in)
    if evaluation.uncertainty is not None:
        figures["certainty"] = draw_certainty(evaluation.uncertainty)
        figures["intervals"] = draw_intervals(evaluation.uncertainty)
    if evaluation.few_ratings is not None:
        figures["few_ratings"] = draw_few_ratings(evaluation.few_ratings)
    if evaluation.rankings is not None:
        figures["rankings"] = draw_rankings(evaluation.rankings)
    if evaluation.user_example is not None:
        figures["person"] = draw_user_example(evaluation.user_example, evaluation.scale)
    if evaluation.latent_map is not None:
        figures["map"] = draw_latent_map(evaluation.latent_map)
    return figures


# by name, in the order of the report: title and caption
_CAPTIONS = {
    "scores": (
        "Model and baselines",
        "Every predictor on the same held-out ratings. Bars are 95 % intervals of a bootstrap over users. Two "
        "predictors can differ clearly although their bars overlap: the table above compares them on the same "
        "ratings.",
    ),
    "training": (
        "Training",
        "From training and validation ratings only; no curve uses the test part. A trial is one choice of "
        "hyperparameters. The trial with the lowest validation error was chosen; the others are pale. The stage named "
        "refit trains again on training and validation ratings together, so it has no validation error. The picture "
        "may leave out the steep first epochs.",
    ),
    "panel": (
        "Stars beside their reconstruction",
        "Columns are users, from the least to the most active; rows are movies that several of them rated. Colours of "
        "the first two matrices are stars, from dark (few) to bright (many). Ratings without a frame were shown to "
        "the encoder and are usually reconstructed better than the framed, held-out ratings, because the encoder has "
        "read them. Only framed ratings show how well the model predicts.",
    ),
    "agreement": (
        "Predicted against actual stars",
        "Left: distribution of the predictions for each star value. The mean of good predictions rises less steeply "
        "than the dashed diagonal, because what a model cannot know pulls its predictions to the middle. Right: the "
        "mean rating of all ratings with a certain prediction. A well calibrated model lies on the diagonal.",
    ),
    "by_stars": (
        "Error by star value",
        "Extreme ratings are rarer and harder to predict. A predictor that always predicts the mean is best in the "
        "middle and worst at the ends.",
    ),
    "by_popularity": (
        "Error by popularity",
        "A movie with few ratings is hard to predict. 0 is a movie that training did not see: the fallback predicts "
        "it. Bars are 95 % intervals clustered by user.",
    ),
    "by_activity": (
        "Error by activity",
        "How the error changes with the number of the user's ratings that the encoder was shown. 0 is a user without "
        "ratings. Different groups are different users, so a rise does not mean that more ratings hurt.",
    ),
    "fold_in": (
        "New users",
        "Users who were not trained on, predicted from a few of their ratings, drawn at random. Both predictors get "
        "the same ratings, and nothing is trained. Every point is the error on the same held-out ratings, of users "
        "who have enough ratings for the last point. At 0 every user gets the prior mean.",
    ),
    "certainty": (
        "How certain the predictions are",
        "Left: ratings in ten groups by their probability of liking. On the dashed line, 70 % means that 70 of 100 "
        "ratings are liked. The histogram of the user's own ratings uses no movie: it is calibrated too, but its "
        "probabilities differ less. Right: the error of the most certain predictions. A lower curve separates good "
        "and bad predictions better. The other curve orders the ratings by the residual variance of user and item.",
    ),
    "intervals": (
        "Prediction intervals",
        "How often intervals cover the rating, for tenths of the ratings from rare to popular movies and from the "
        "least to the most active users, and how wide the intervals are. Intervals of constant width ignore user and "
        "movie. Bars are 95 % intervals of the coverage; the ratings of one user, and of one movie, may be "
        "correlated.",
    ),
    "few_ratings": (
        "Certainty with few ratings",
        "People encoded from a few of their ratings, drawn at random, and the same held-out ratings for every number. "
        "Intervals and probabilities of liking come from one distribution. Left: how often intervals cover. Middle: "
        "how wide they are. Right: mean probability of liking against the fraction liked. Bars on the right are the "
        "calibration error: the mean distance of probability and frequency in ten groups.",
    ),
    "rankings": (
        "What lists find",
        "Every ranker orders all movies but those that the user was shown. NDCG@100 is 1 when the held-out ratings of "
        "a user stand at the head of their list, and 0 when none is among its first 100. Left, every held-out rating "
        "is to be found; right, only liked ones. Bars are 95 % intervals of a bootstrap over users. Two "
        "baselines, popularity and a linear autoencoder, know no stars.",
    ),
    "person": (
        "Largest and smallest errors of one user",
        "Held-out ratings of one user, chosen by their number of ratings and not by how well they are predicted. A "
        "longer line between the two points is a larger error.",
    ),
    "map": (
        "A map of the users",
        "Each point is a user's latent vector, which the encoder computes from all their ratings, along the first two "
        "principal components. The model predicts similar ratings for near points. The components have no names.",
    ),
}

_PAIRS_CAPTION = (
    "Every ranker orders all movies but those that the user was shown. NDCG@100 is 1 when the held-out movies of a "
    "user stand at the head of their list, and 0 when none is among its first 100. Bars are 95 % intervals of a "
    "bootstrap over users. Popularity and a linear autoencoder are baselines."
)
