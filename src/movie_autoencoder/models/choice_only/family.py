"""The choice model alone as a family: for pairs of user and item without ratings."""

from __future__ import annotations

from collections.abc import Sequence

from ...config import ChoiceConfig, Config
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner, ModelError
from ..family import ModelFamily, Trial, TrialResult
from .trained import NO_STARS, NUM_FACTORS, TrainedChoice

_STEPS = 10  # of the iteration that finds the vectors, about


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
        """Memory of the vectors, bytes; that of the choice model counts for every family."""
        return 200.0 * len(ratings) + 16.0 * NUM_FACTORS * (ratings.num_users + ratings.num_items)

    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of the vectors; that of the choice model counts for every family."""
        return float(NUM_FACTORS * len(ratings) * _STEPS)
