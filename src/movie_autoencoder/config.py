"""Configuration: every setting of a run, checked when it is made; from TOML and from the command line.

An unknown key is an error. A setting left out of ``model`` or ``training`` is chosen on validation, or by the rule
that its description gives. This module holds values and knows no model; a model from outside the package registers its
own ``model`` section (`register_model_config`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

OptimizerName = Literal["adam", "adamw", "nadam", "rmsprop", "adagrad", "sgd"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class ConfigError(ValueError):
    """A setting that does not exist or has no such value; the message names key, value and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Section):
    """Which ratings, and how to read them."""

    path: str | None = Field(None, description="file, folder, zip or known name; what lies in data/ when left out")
    format: str = Field("auto", description="file family; recognised when auto")
    user_column: str | None = Field(None, description="name of the column with user ids, when it is not a known name")
    item_column: str | None = Field(None, description="likewise for item ids")
    rating_column: str | None = Field(None, description="likewise for the stars; - for pairs without stars")
    timestamp_column: str | None = Field(None, description="likewise for the moment of rating")
    scale: str | None = Field(
        None, description="stars that can be given, MINIMUM:MAXIMUM[:STEP]; detected when left out"
    )
    on_bad_rows: Literal["error", "skip"] = Field("error", description="stop at a bad row, or skip and count it")
    people: tuple[str, ...] = Field(
        (), description="people's own exports (Letterboxd, IMDb, …): each file is one more user"
    )


class SplitConfig(_Section):
    """Which ratings are held out."""

    by: Literal["rating", "user", "time"] = Field("rating", description="hold out ratings, whole users, or the latest")
    test_fraction: Fraction = Field(
        0.1, description="fraction held out to judge the result; by user: fraction of users"
    )
    validation_fraction: Fraction = Field(0.1, description="fraction of the rest that chooses settings")
    fold_in: Annotated[int, Field(ge=0)] | None = Field(
        None, description="by user: ratings of each held-out user shown to the encoder; 80 % when left out"
    )


class ModelConfig(_Section):
    """A model and its settings; the name says which."""

    name: str

    @property
    def family(self) -> str:
        """Name of the model family that these settings train."""
        return self.name

    @property
    def reads_times(self) -> bool:
        """Whether the model reads when each rating was given."""
        return False


class DualConfig(ModelConfig):
    """The dual autoencoder: alone, or in an ensemble with Bayesian matrix factorization."""

    name: Literal["dual"] = "dual"
    speed: Literal["fast", "best"] = Field(
        "best",
        description="best: the ensemble with Bayesian matrix factorization and neighbour correction; fast: the dual "
        "autoencoder alone",
    )
    side_information: bool = Field(
        False,
        description="best: read items' genres and years too, where the data has them; otherwise ids and ratings only",
    )
    time_aware: bool = Field(
        False, description="best: read when a rating is given, since ratings of the same session are similar"
    )
    latent_dim: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="size of a latent vector")
    l2: Annotated[float, Field(ge=0)] | None = Field(None, description="penalty on the tables (lambda)")
    hidden_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="fraction of the ratings that each step hides and predicts"
    )
    hidden_rows: Fraction = Field(
        0.0, description="fraction of users and items of which each step hides more, up to everything"
    )
    damping: Annotated[float, Field(gt=0)] | None = Field(None, description="damping of the biases, in ratings")

    @property
    def family(self) -> str:
        """``ensemble``, or ``dual`` for the dual autoencoder alone."""
        return "ensemble" if self.speed == "best" else "dual"

    @property
    def reads_times(self) -> bool:
        """Whether the session effect is on."""
        return self.time_aware


class AutorecConfig(ModelConfig):
    """The classic autoencoder: one row in, the whole row out."""

    name: Literal["autorec"] = "autorec"
    rows: Literal["user", "item"] = Field("item", description="what a row is: a user's ratings, or an item's")
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], Field(min_length=1)] = Field(
        (128,), description="widths of the hidden layers, from the input on; the middle one is the code"
    )
    activation: Literal["sigmoid", "tanh", "relu", "elu", "selu", "swish", "linear"] = Field(
        "sigmoid", description="activation of the hidden layers"
    )
    dropout: Fraction = Field(0.5, description="fraction of a row's ratings hidden from the encoder (denoising)")
    code_dropout: Fraction = Field(0.0, description="dropout on the code")
    l2: Annotated[float, Field(ge=0)] = Field(
        50.0, description="penalty on the weights, beside the sum of squared errors"
    )
    residual: bool = Field(
        True, description="read and reconstruct residuals on damped biases; otherwise ratings less their mean"
    )
    refeeds: Annotated[int, Field(ge=0, le=4)] = Field(0, description="dense re-feeding steps after each step")
    damping: Annotated[float, Field(gt=0)] | None = Field(None, description="damping of the biases, in ratings")
    kernel: Literal["auto", "dense", "sparse"] = Field("auto", description="input products; by density when auto")


class ChoiceConfig(ModelConfig):
    """The choice model alone: which items people choose, without ratings; for pairs of user and item."""

    name: Literal["choice"] = "choice"


class TrainingConfig(_Section):
    """How weights are found."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of split, weights, hiding and dropout")
    optimizer: OptimizerName = Field("adam", description="Keras optimizer; sgd has momentum")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(None, description="one that suits the optimizer")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="course of the learning rate over the epochs")
    epochs: Annotated[int, Field(ge=1)] | None = Field(None, description="length of the schedule; dual: of steps")
    average: Fraction = Field(0.95, description="memory of the moving average of the weights, a step; 0: none")
    batch_size: Annotated[int, Field(ge=1)] = Field(256, description="rows of one step; autorec only")
    budget: Annotated[float, Field(ge=0)] = Field(
        1.0, description="dual: work allowed for the hyperparameter search; above 1 it is finer; 0: skip the search"
    )
    refit: bool = Field(True, description="train again on training and validation ratings before saving")
    checkpoint_every: Annotated[int, Field(ge=1)] = Field(50, description="epochs between checkpoints")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="processor threads; 0: all")


class BundleConfig(_Section):
    """What is saved."""

    ratings: bool = Field(
        True, description="keep the training ratings; reconstruction error and the check for overlap need them"
    )


class Config(_Section):
    """Every setting of a run.

    Example:
        >>> Config().with_settings(["model.latent_dim=16"]).model.latent_dim
        16
    """

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    model: SerializeAsAny[ModelConfig] = DualConfig()
    training: TrainingConfig = TrainingConfig()
    bundle: BundleConfig = BundleConfig()

    def with_settings(self, settings: Iterable[str]) -> Config:
        """A copy with ``SECTION.KEY=VALUE`` settings applied in order; values are written as in TOML, text may be bare.

        Raises:
            ConfigError: no such section or key, or a value that is not allowed.
        """
        values = self.to_dict()
        for setting in settings:
            path, equals, text = setting.partition("=")
            section, dot, key = path.strip().partition(".")
            if not (equals and dot and section and key):
                raise ConfigError(f"A setting is written SECTION.KEY=VALUE. Received: {setting!r}.")
            if section not in type(self).model_fields:
                raise ConfigError(
                    f"There is no section {section!r} in {setting!r}. Sections: {', '.join(type(self).model_fields)}."
                )
            value = _parse(text.strip())
            if path.strip() == "model.name" and value != values["model"]["name"]:
                values["model"] = {}  # another model starts from its own defaults
            values[section][key] = value
        return _checked(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by section, without what is left open."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The text of a configuration file that gives this configuration again."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """A configuration from plain values by section.

        Raises:
            ConfigError: no such section or key, or a value that is not allowed.
        """
        return _checked(values)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Reads a configuration file.

        Raises:
            ConfigError: not TOML, no such key, or a value that is not allowed; the message names the file.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file: {error}. See configs/ for examples.") from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}. Check the path given to --config.") from None
        try:
            return _checked(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


def _parse(text: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def register_model_config(kind: type[ModelConfig]) -> None:
    """Lets configurations have a ``model`` section of another kind.

    Args:
        kind: its field ``name`` has a default, by which the section is chosen.

    Raises:
        ConfigError: another section has this name.
    """
    name = kind.model_fields["name"].default
    if _MODELS.get(name, kind) is not kind:
        raise ConfigError(f"There is a model section {name!r} already: {_MODELS[name].__name__}.")
    _MODELS[name] = kind


def find_plugin(name: str) -> Any:
    """What an installed entry point of the group ``movie_autoencoder.models`` names, None where there is none."""
    from importlib.metadata import entry_points

    found = entry_points(group="movie_autoencoder.models", name=name)
    return next((one.load() for one in found), None)


_MODELS: dict[str, type[ModelConfig]] = {"dual": DualConfig, "autorec": AutorecConfig, "choice": ChoiceConfig}


def _model_config(name: Any) -> type[ModelConfig]:
    plugin = find_plugin(name) if name not in _MODELS and isinstance(name, str) else None
    if plugin is not None and plugin.config is not None:
        register_model_config(plugin.config)
    if name not in _MODELS:
        raise ConfigError(f"model.name: there is no model {name!r}. Models: {', '.join(sorted(_MODELS))}.")
    return _MODELS[name]


def _checked(values: Mapping[str, Any]) -> Config:
    filled = {
        section: dict(content) if isinstance(content, Mapping) else content for section, content in values.items()
    }
    try:
        if isinstance(filled.get("model"), dict):
            section = {"name": "dual"} | filled["model"]
            kind = _model_config(section["name"])
            try:
                filled["model"] = kind.model_validate(section)
            except ValidationError as problem:
                raise _explained(problem, ["model"], kind) from None
        return Config.model_validate(filled)
    except ValidationError as problem:
        raise _explained(problem, [], Config) from None


def _explained(problem: ValidationError, prefix: list[str], kind: type[BaseModel]) -> ConfigError:
    """The first problem in words: the key, the value, and what is allowed."""
    error = problem.errors()[0]
    path = [*prefix, *map(str, error["loc"])]
    key = ".".join(path)
    if error["type"] != "extra_forbidden":
        return ConfigError(f"{key}: {error['msg'].lower()}. Received: {error['input']!r}.")
    if len(path) < 2:
        return ConfigError(f"There is no setting {key!r}. Sections: {', '.join(Config.model_fields)}.")
    section = kind if prefix else type(getattr(Config(), path[0]))
    return ConfigError(f"There is no setting {key!r}. Settings of {path[0]}: {', '.join(section.model_fields)}.")
