"""Movie Rating Autoencoder: reads a person's stars, compresses them into taste, reconstructs stars for every movie.

The public names are loaded when they are first used: importing this package loads neither TensorFlow nor pandas.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Catalogue": "data.catalogue",
    "ChoiceEvaluation": "evaluation",
    "Config": "config",
    "Evaluation": "evaluation",
    "RatingAutoencoder": "estimator",
    "Ratings": "data.ratings",
    "Recommender": "recommend",
    "Scale": "data.scale",
    "SourceError": "data.sources",
    "Split": "data.splits",
    "evaluate": "evaluation",
    "evaluate_choice": "evaluation",
    "read_catalogue": "data.sources",
    "read_ratings": "data.sources",
    "split_ratings": "data.splits",
    "train": "training",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
