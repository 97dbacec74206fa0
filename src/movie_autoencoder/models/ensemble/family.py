"""The ensemble as a family: its members are fitted one after the other, then its weights on the validation part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from ...config import Config, DualConfig
from ...data.catalogue import Catalogue
from ...data.ratings import Ratings
from ..base import Learner, ModelError, TrainedModel
from ..bayesian.family import BayesianFamily
from ..bayesian.trained import TrainedBayesian
from ..dual.family import DualFamily
from ..dual.trained import TrainedDual
from ..family import ModelFamily, Trial, TrialResult
from ..validation import Validation
from .trained import TrainedEnsemble
from .weights import BlendWeights


class EnsembleFamily(ModelFamily):
    """The dual autoencoder and Bayesian matrix factorization, averaged (``model.speed=best``, the default)."""

    name = "ensemble"
    title = "ensemble of a dual autoencoder and Bayesian matrix factorization"
    size_setting = "model.latent_dim"
    trained = TrainedEnsemble

    def __init__(self) -> None:
        self._dual, self._bayesian = DualFamily(), BayesianFamily()

    def members(self) -> Sequence[ModelFamily]:
        """The dual autoencoder, then Bayesian matrix factorization."""
        return (self._dual, self._bayesian)

    def check(self, config: Config, ratings: Ratings, catalogue: Catalogue | None) -> None:
        """Refuses to read times or side information that the data does not have; see the base class."""
        model = cast(DualConfig, config.model)
        if model.time_aware and not config.bundle.ratings:
            raise ModelError(
                "model.time_aware reads the person's other ratings: it needs model.speed=best and bundle.ratings=true."
            )
        if model.time_aware and ratings.timestamps is None:
            raise ModelError(
                "model.time_aware=true needs to know when each rating was given, and this data does not say. Name the "
                "column with --set data.timestamp_column=NAME, or leave the setting out."
            )
        if model.side_information and (catalogue is None or not catalogue.features().shape[1]):
            raise ModelError(
                "model.side_information=true needs genres or years of the items, and this data has none. Put a table "
                "of items beside the ratings, as MovieLens' movies.csv, or leave the setting out."
            )

    def next_trial(
        self, config: Config, ratings: Ratings, damping: float, results: Sequence[TrialResult]
    ) -> Trial | None:
        """None: the members are fitted."""
        return None

    def learner(
        self, ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None
    ) -> tuple[Learner, float]:
        """Refused: the members are fitted."""
        raise NotImplementedError("An ensemble is fitted member by member.")

    def assemble(
        self,
        models: Sequence[TrainedModel],
        config: Config,
        ratings: Ratings,
        *,
        validation: Validation | None = None,
        like: TrainedModel | None = None,
    ) -> TrainedModel:
        """The blend; its corrections need the training ratings, so a bundle without them has none."""
        dual, bayesian = cast(TrainedDual, models[0]), cast(TrainedBayesian, models[1])
        weights = (
            BlendWeights.fit_members(dual, bayesian, validation)
            if like is None
            else cast(TrainedEnsemble, like).weights
        )
        ensemble = TrainedEnsemble.of(
            dual,
            bayesian,
            weights,
            ratings=ratings if config.bundle.ratings else None,
            time_aware=cast(DualConfig, config.model).time_aware,
        )
        if like is not None:
            return ensemble
        return replace(ensemble, weights=BlendWeights.fit_corrections(ensemble, validation))

    def memory(self, ratings: Ratings, config: Config) -> float:
        """Memory of the larger member: they are fitted one after the other."""
        return max(member.memory(ratings, config) for member in self.members())

    def work(self, ratings: Ratings, config: Config) -> float:
        """Work of both members."""
        return sum(member.work(ratings, config) for member in self.members())

    def faster(self, config: Config) -> Config | None:
        """The dual autoencoder alone."""
        return config.with_settings(["model.speed=fast"])
