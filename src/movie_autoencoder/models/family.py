"""A model family: what training and the registry need of one kind of model.

A family says which settings to try next, makes the learner, and turns fitted models into the one that is saved. A new
model is a folder with a network, a learner, a trained form and its family, registered in `registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from ..config import Config, ModelConfig
from ..data.catalogue import Catalogue
from ..data.ratings import Ratings
from .base import Learner, TrainedModel
from .validation import Validation


@dataclass(frozen=True)
class Trial:
    """One fit to run.

    Args:
        settings: the family's settings, a frozen dataclass, none left open.
        epochs: length of the schedule.
        score_every: epochs between two scores on the validation part; a twentieth of the schedule when 0.
    """

    settings: Any
    epochs: int
    score_every: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"settings": asdict(self.settings), "epochs": self.epochs}


class TrialResult(Protocol):
    """The result of a finished trial, as a search needs it."""

    @property
    def trial(self) -> Trial:
        """The trial."""

    @property
    def rmse(self) -> float:
        """Its least validation RMSE, rating points; infinite without a validation part."""


class ModelFamily(ABC):
    """One kind of model.

    Attributes:
        name: of the family, and of its trained models.
        title: what the model is, in words, for the model card; the name when empty.
        size_setting: the setting that makes a fit smaller when it is lowered; empty where there is none.
        config: its section of the configuration; None where another family's section chooses it.
        trained: its trained form.
        rated: whether it learns ratings; False for pairs of user and item without them.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    size_setting: ClassVar[str] = ""
    config: ClassVar[type[ModelConfig] | None] = None
    trained: ClassVar[type[TrainedModel]]
    rated: ClassVar[bool] = True

    def members(self) -> Sequence[ModelFamily]:
        """The families that are fitted for a model of this one; itself but for an ensemble."""
        return (self,)

    def check(self, config: Config, ratings: Ratings, catalogue: Catalogue | None) -> None:  # noqa: B027
        """Refuses a configuration that this family cannot be trained with on this data.

        Raises:
            ModelError: the message says why and what to do.
        """

    @abstractmethod
    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """The fit to run next, or None when the search is over.

        Args:
            config: its settings stay as they are; what it leaves open is searched.
            ratings: training ratings.
            damping: damping of the biases with the smallest validation RMSE.
            results: the trials so far, in order.
        """

    @abstractmethod
    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """A learner with new weights, and the learning rate that suits it.

        Args:
            ratings: training ratings.
            trial: settings of the fit.
            config: optimizer, moving average, batch size and seed.
            catalogue: what is known of the items beside their ratings.
        """

    def assemble(
        self,
        models: Sequence[TrainedModel],
        config: Config,
        ratings: Ratings,
        *,
        validation: Validation | None = None,
        like: TrainedModel | None = None,
    ) -> TrainedModel:
        """The model that is saved, from the fitted members.

        Args:
            models: one of each member, in order.
            config: every setting.
            ratings: what they were fitted on.
            validation: the validation part, to fit weights on.
            like: a model of this family whose weights are taken over instead: the one before the refit.
        """
        (alone,) = models
        return alone

    @abstractmethod
    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of a fit beside that of the libraries, bytes."""

    @abstractmethod
    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of a training run, in ratings x latent_dim x epochs."""

    def faster(self, config: Config) -> Config | None:
        """The configuration with ``model.speed=fast``; None for a model without that setting."""
        return None
