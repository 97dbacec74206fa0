"""Settings of one fit of the classic autoencoder, none left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
