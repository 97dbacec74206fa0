"""Settings of one fit, none left open: what a configuration becomes once everything in it is chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DualSettings:
    """Settings of a `DualAutoencoder`.

    Args:
        latent_dim: numbers in a latent vector.
        l2: penalty on the tables; divided by the number of ratings beside the mean squared error.
        hidden_fraction: share of the ratings hidden in a step.
        hidden_rows: share of users and items of which more is hidden, at a rate drawn anew, up to everything.
        damping: damping of the biases, in ratings.
    """

    latent_dim: int
    l2: float
    hidden_fraction: float
    hidden_rows: float
    damping: float


@dataclass(frozen=True)
class BayesianSettings:
    """Settings of a `BayesianLearner`.

    Args:
        latent_dim: numbers in a latent vector of one draw.
        width: columns of the factors that stand for the mean over all draws.
        burn_in: sweeps of each chain before draws count.
    """

    latent_dim: int
    width: int
    burn_in: int


@dataclass(frozen=True)
class AutorecSettings:
    """Settings of an `AutorecAutoencoder`; the fields are those of the configuration's ``model`` section."""

    rows: str
    hidden: tuple[int, ...]
    activation: str
    dropout: float
    code_dropout: float
    l2: float
    residual: bool
    refeeds: int
    damping: float
    kernel: str

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AutorecSettings:
        """The settings that gave these plain values."""
        return cls(**{**values, "hidden": tuple(values["hidden"])})


Settings = DualSettings | AutorecSettings | BayesianSettings


def settings_to_dict(settings: Settings) -> dict[str, Any]:
    """Plain values, for a file."""
    return asdict(settings)
