"""Configuration: unknown keys fail, values are checked, text and back is the identity."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from movie_autoencoder.config import Config, ConfigError, DualConfig, ModelConfig, register_model_config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "model.depth=3",
            r"There is no setting 'model\.depth'\. Settings of model: name, speed, side_information, time_aware",
        ),
        ("modle.l2=3", r"There is no section 'modle' .*Sections: data, split, model, training, bundle"),
        ("split.test_fraction=1.5", r"split\.test_fraction: input should be less than 1\. Received: 1\.5"),
        ("training.optimizer=adamm", r"training\.optimizer: input should be 'adam', .*Received: 'adamm'"),
        ("model.damping=0", r"model\.damping: .*greater than 0"),
        ("training.seed=-1", r"training\.seed: .*greater than or equal to 0"),
        ("training.learning_rate=nan", r"training\.learning_rate: .*finite"),
        ("model.latent_dim=many", r"model\.latent_dim: .*integer.*Received: 'many'"),
        ("seed", r"SECTION\.KEY=VALUE. Received: 'seed'"),
        ("model.name=svd", r"model\.name: there is no model 'svd'\. Models: autorec, choice, dual"),
    ],
)
def test_bad_settings_say_what_is_allowed(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config().with_settings([setting])


def test_settings_apply_in_order_and_text_may_be_bare() -> None:
    config = Config().with_settings(
        ["training.optimizer=sgd", "model.l2=3", "model.l2=4.5", "data.path=my ratings.csv"]
    )
    assert (config.training.optimizer, config.model.l2, config.data.path) == ("sgd", 4.5, "my ratings.csv")


def test_another_model_starts_from_its_own_defaults() -> None:
    config = Config().with_settings(["model.latent_dim=8", "model.name=autorec", "model.hidden=[64, 16]"])
    assert config.model.name == "autorec" and config.model.hidden == (64, 16)
    assert Config().with_settings(["model.latent_dim=8", "model.name=dual"]).model.latent_dim == 8


def test_none_leaves_a_setting_open_again() -> None:
    assert Config().with_settings(["model.l2=3", "model.l2=none"]).model.l2 is None


@pytest.mark.parametrize(
    "settings", [[], ["model.name=autorec", "model.hidden=[8,4,8]"], ["split.by=user", "split.fold_in=5"]]
)
def test_toml_and_back_is_the_identity(tmp_path: Path, settings: list[str]) -> None:
    config = Config().with_settings(settings)
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert Config.from_toml(tmp_path / "config.toml") == config


def test_file_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[model]\ndepth = 3\n")
    with pytest.raises(ConfigError, match=r"bad\.toml: There is no setting 'model\.depth'"):
        Config.from_toml(path)
    path.write_text("model = ")
    with pytest.raises(ConfigError, match=r"bad\.toml: not a TOML file"):
        Config.from_toml(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bad\.toml: not a TOML file"):
        Config.from_toml(path)
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        Config.from_toml(tmp_path / "none.toml")


def test_every_shipped_configuration_is_valid() -> None:
    files = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.toml"))
    assert [Config.from_toml(path).model.name for path in files]


def test_a_name_of_a_model_section_is_taken_once() -> None:
    class Another(ModelConfig):
        name: Literal["dual"] = "dual"

    with pytest.raises(ConfigError, match="model section 'dual' already: DualConfig"):
        register_model_config(Another)
    assert type(Config().model) is DualConfig


def test_an_entry_point_without_a_section_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Family:
        config = None

    monkeypatch.setattr("movie_autoencoder.config.find_plugin", lambda name: Family)
    with pytest.raises(ConfigError, match=r"model\.name: there is no model 'nameless'. Models: autorec, choice, dual"):
        Config().with_settings(["model.name=nameless"])
