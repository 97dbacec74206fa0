"""Reads bundles of format version 1, whose names of models, arrays and metadata were others.

The arrays themselves are the same; `upgraded_manifest` and `upgraded_arrays` give them their names of version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

_MODELS = {"dual and sampled": "ensemble", "sampled": "bayesian"}
_STAGES = {"sampled": "bayesian", "refit sampled": "refit bayesian"}
_BLEND = {"share": "dual", "lean": "neighbours", "sitting": "session"}
_ENSEMBLE = {"given": "timestamps", "likeness": "similarity_trust"}
_WEIGHTS = {"stars": "residual_table", "marks": "implicit_table", "shift": "intercept", "tilt": "weights"}
_PRIOR = {
    "usual": "mean",
    "marks": "implicit_table",
    "covariance": "covariance",
    "freedom": "noise_dof",
    "unknown": "unrated",
}
_DUAL = {f"{side}_{old}": f"{side}_{new}" for side in ("user", "item") for old, new in _WEIGHTS.items()}
_REGRESSION = {"user_sureness": "item_column_weights", "item_sureness": "user_column_weights"} | {
    f"{side}_prior_{old}": f"{side}_prior_{new}" for side in ("user", "item") for old, new in _PRIOR.items()
}


def upgraded_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a version 1 bundle with the names of version 2."""
    values = dict(manifest)
    metadata = dict(values.pop("facts"))
    if "validation" in metadata:
        figures = metadata["validation"]
        metadata["validation"] = {_MODELS.get(name, name): one for name, one in figures.items()}
    if "fits" in metadata:
        metadata["fits"] = [fit | {"stage": _STAGES.get(fit["stage"], fit["stage"])} for fit in metadata["fits"]]
    blend = metadata.pop("weights", {})
    if len(blend) > 1:  # the dual autoencoder alone had a share of 1
        metadata["weights"] = {_BLEND.get(name, name): weight for name, weight in blend.items()}
    return values | {"model": _MODELS.get(values["model"], values["model"]), "metadata": metadata}


def upgraded_arrays(model: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """The arrays of a version 1 model with the names of version 2.

    Args:
        model: the model's name in version 2.
        arrays: of its ``model.npz``.
    """
    if model == "ensemble":
        parts = {"dual": "dual", "sampled": "bayesian"}
        upgraded: Arrays = {}
        for old, new in parts.items():
            part = {name.removeprefix(f"{old}/"): array for name, array in arrays.items() if name.startswith(f"{old}/")}
            upgraded |= {f"{new}/{name}": array for name, array in upgraded_arrays(new, part).items()}
        return upgraded | {_ENSEMBLE.get(name, name): array for name, array in arrays.items() if "/" not in name}
    if model == "dual":
        upgraded = {_DUAL.get(name, name): array for name, array in arrays.items() if "/" not in name}
        for name, array in arrays.items():
            if name == "joining/numbers":  # mean and precision; the model knows its mean
                upgraded["fold_in/precision"] = np.array(array[1])
            elif name.startswith("joining/"):
                key = name.removeprefix("joining/")
                upgraded[f"fold_in/{_REGRESSION.get(key, key)}"] = array
        return upgraded
    if model == "bayesian":
        return {_REGRESSION.get(name, name): array for name, array in arrays.items()}
    return dict(arrays)
