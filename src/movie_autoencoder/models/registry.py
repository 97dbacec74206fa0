"""The registry: every model family by its name, and every kind of trained model.

A model from outside this package is registered by `register`, or by an entry point of the group
``movie_autoencoder.models`` that names a `ModelFamily` (its configuration's name is the entry point's):

    [project.entry-points."movie_autoencoder.models"]
    my_model = "my_package:MyFamily"
"""

from __future__ import annotations

from ..config import Config, find_plugin, register_model_config
from .autorec.family import AutorecFamily
from .base import TrainedModel
from .bayesian.family import BayesianFamily
from .choice_only.family import ChoiceFamily
from .dual.family import DualFamily
from .ensemble.family import EnsembleFamily
from .family import ModelFamily

_FAMILIES: dict[str, ModelFamily] = {}


def register(family: type[ModelFamily]) -> type[ModelFamily]:
    """Adds a model family; works as a class decorator.

    Args:
        family: with a name of its own; its ``config`` can then be chosen by ``model.name``.

    Raises:
        ValueError: the family's or its configuration's name is taken, or its trained form has another name.
    """
    if family.trained.name != family.name:
        raise ValueError(
            f"A model family and its trained form have one name. Received: {family.name!r} and {family.trained.name!r}."
        )
    known = _FAMILIES.get(family.name)
    if known is not None and type(known) is not family:
        raise ValueError(f"There is a model family {family.name!r} already: {type(known).__name__}.")
    if family.config is not None:
        register_model_config(family.config)
    _FAMILIES[family.name] = family()
    return family


for _family in (DualFamily, BayesianFamily, EnsembleFamily, AutorecFamily, ChoiceFamily):
    register(_family)


def family_of(config: Config) -> ModelFamily:
    """The family that a configuration trains."""
    return family_named(config.model.family)


def family_named(name: str) -> ModelFamily:
    """A family by its name.

    Raises:
        ValueError: no such family, here or by an entry point.
    """
    if name not in _FAMILIES and (plugin := find_plugin(name)) is not None:
        register(plugin)
    if name not in _FAMILIES:
        raise ValueError(
            f"There is no model {name!r}. Known models: {', '.join(sorted(_FAMILIES))}. If a plugin brings it, install "
            "the plugin, or import the module that registers it first."
        )
    return _FAMILIES[name]


def trained_model(name: str) -> type[TrainedModel]:
    """The kind of trained model that was saved under a name.

    Raises:
        ValueError: no such model, here or by an entry point.
    """
    return family_named(name).trained
