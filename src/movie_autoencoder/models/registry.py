"""Every kind of trained model by its name."""

from __future__ import annotations

from .autorec.trained import TrainedAutorec
from .base import TrainedModel
from .bayesian.trained import TrainedBayesian
from .dual.trained import TrainedDual
from .ensemble import TrainedEnsemble

TRAINED_MODELS: dict[str, type[TrainedModel]] = {
    kind.name: kind for kind in (TrainedDual, TrainedAutorec, TrainedBayesian, TrainedEnsemble)
}
