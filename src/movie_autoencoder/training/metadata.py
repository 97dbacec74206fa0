"""What a bundle says of its making, whatever the model: configuration, data, split and versions, as plain values."""

from __future__ import annotations

from typing import Any

from ..config import Config
from ..data.ratings import Ratings
from ..data.splits import Split


def data_metadata(config: Config, split: Split, ratings: Ratings) -> dict[str, Any]:
    """Metadata of a training run.

    Args:
        config: every setting.
        split: of the data.
        ratings: what the saved model was trained on.
    """
    return {
        "config": config.to_dict(),
        "data": {"format": ratings.source.format, "path": ratings.source.path, "sha256": split.ratings.digest},
        "split": {"by": split.by, "seed": split.seed, "sha256": split.digest},
        "num_ratings": len(ratings),
        "num_users": ratings.num_users,
        "num_items": ratings.num_items,
        "refit": ratings is not split.training_ratings,
        "versions": _versions(),
    }


def _versions() -> dict[str, str | None]:
    """Versions of the libraries; None for what another distribution provides, such as a nightly build."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in ("tensorflow", "keras", "numpy", "scipy", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
