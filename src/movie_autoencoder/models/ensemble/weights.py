"""Weights of the ensemble: of its members and of its corrections, fitted on the validation part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..validation import Validation, least_squares_weight

if TYPE_CHECKING:
    from ..bayesian.trained import TrainedBayesian
    from ..dual.trained import TrainedDual
    from .trained import TrainedEnsemble

_PRIOR_RATINGS = 1000  # number of validation ratings that count as much as the priors of the weights
_EVEN = 0.5  # weight of each member without a validation part, and its prior with one
_MIN_WEIGHT = 0.01  # both members keep some weight
_FOLDED_DAMPING = 20.0  # ratings at which a folded-in row gets half of the dual weight


@dataclass(frozen=True)
class BlendWeights:
    """Weights of an ensemble.

    Args:
        dual: weight of the dual autoencoder, above 0 and below 1; Bayesian matrix factorization has the rest.
        neighbours: weight of the neighbour correction, from 0 (none) to 1.
        session: weight of the session effect, from 0 to 1; 0 in a model that is not aware of time.
    """

    dual: float
    neighbours: float = 0.0
    session: float = 0.0

    @classmethod
    def fit_members(cls, dual: TrainedDual, bayesian: TrainedBayesian, validation: Validation | None) -> BlendWeights:
        """Weights of the two members by least squares on the validation part, shrunk towards a half.

        Args:
            dual: trained without the validation part.
            bayesian: likewise.
            validation: without it each member has a half.
        """
        if validation is None:
            return cls(_EVEN)
        one, other = validation.predict(dual), validation.predict(bayesian)
        weight = least_squares_weight(
            one - other, validation.targets - other, prior=_EVEN, prior_ratings=_PRIOR_RATINGS
        )
        return cls(min(max(weight, _MIN_WEIGHT), 1 - _MIN_WEIGHT))

    @classmethod
    def fit_corrections(cls, ensemble: TrainedEnsemble, validation: Validation | None) -> BlendWeights:
        """An ensemble's weights with those of its corrections by least squares, one after the other, shrunk towards 0.

        Args:
            ensemble: with any weights of its corrections.
            validation: without it there is no correction.
        """
        ensemble = ensemble.with_corrections(neighbours=0.0, session=0.0)
        if validation is None:
            return ensemble.weights
        for name in ("neighbours", "session"):
            without, fully = (validation.predict(ensemble.with_corrections(**{name: weight})) for weight in (0.0, 1.0))
            weight = least_squares_weight(
                fully - without, validation.targets - without, prior=0.0, prior_ratings=_PRIOR_RATINGS
            )
            ensemble = ensemble.with_corrections(**{name: weight})
        return ensemble.weights

    def describe(self) -> str:
        """The weights in words.

        Example:
            >>> BlendWeights(0.47, 0.3).describe()
            '47 % dual, 53 % bayesian; neighbour correction with weight 30 %'
        """
        text = f"{self.dual:.0%} dual, {1 - self.dual:.0%} bayesian; "
        text += f"neighbour correction with weight {self.neighbours:.0%}"
        if self.session:
            text += f", session effect with weight {self.session:.0%}"
        return text.replace("%", " %")

    def to_dict(self) -> dict[str, float]:
        """The weights by name."""
        return asdict(self)


def folded_weight(weight: float, count: Any) -> Any:
    """The dual weight of a folded-in row with so many ratings, or of each of many: less for short rows."""
    return weight * count / (count + _FOLDED_DAMPING)
