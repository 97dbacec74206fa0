"""The choice model alone as a family: for pairs of user and item without ratings."""

from __future__ import annotations

from collections.abc import Sequence

from ...config import ChoiceConfig, Config
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner, ModelError
from ..family import ModelFamily, Trial, TrialResult
from .trained import NO_STARS, TrainedChoice

_DENSE_ITEMS = 10_000  # above, the choice model has factors
_FACTORS = 1_000  # width of its tables then, those of the fit included
_WORK_PER_CUBE, _WORK_PER_PAIR = 0.1, 10_000.0  # measured on two cores


class ChoiceFamily(ModelFamily):
    """The choice model alone. It has a closed form and takes no steps, so that the trainer is not used."""

    name = "choice"
    title = "Choices without ratings"
    config = ChoiceConfig
    trained = TrainedChoice
    rated = False

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """None: the choice model searches by itself."""
        return None

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """Refuses: nothing learns ratings here.

        Raises:
            ModelError: always.
        """
        raise ModelError(NO_STARS)

    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of the fit, bytes: some matrices of items by items, or of items by factors."""
        items = ratings.num_items
        width = items if items <= _DENSE_ITEMS else _FACTORS
        return 16.0 * items * width + 200.0 * len(ratings)

    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of the search and the fit."""
        return _WORK_PER_CUBE * float(min(ratings.num_items, _DENSE_ITEMS)) ** 3 + _WORK_PER_PAIR * len(ratings)
