"""From a configuration to ratings: every setting of the data changes what is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movie_autoencoder import Config
from movie_autoencoder.data.loading import read_data, read_like
from movie_autoencoder.data.ratings import Ratings


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    """Of a file with columns of unusual names, and one bad row in one of them."""
    path = tmp_path / "odd.csv"
    rows = [f"{n % 7},{n % 5},{n % 4 + 1},{n % 3 + 1},{100 + n},{n}" for n in range(35)]
    path.write_text("who,what,points,stars,late,early\n" + "\n".join(rows) + "\n7,1,bad,2,1,1\n")
    names = {"user": "who", "item": "what", "rating": "stars", "timestamp": "late"}
    return [f"data.path={json.dumps(str(path))}", *(f"data.{column}_column={name}" for column, name in names.items())]


def read(*settings: str) -> Ratings:
    return read_data(Config().with_settings(settings))[1]


def test_every_data_setting_changes_what_is_read(settings: list[str]) -> None:
    usual = read(*settings)
    assert (usual.num_users, usual.num_items, len(usual)) == (8, 5, 36) and usual.timestamps is not None
    early = read(*settings, "data.timestamp_column=early").timestamps
    assert early is not None and early.max() < usual.timestamps.max()
    assert read(*settings, "data.user_column=what", "data.item_column=who").num_users == 5
    assert read(*settings, "data.scale=0:9:1").scale.maximum == 9
    skipped = read(*settings, "data.rating_column=points", "data.on_bad_rows=skip")
    assert skipped.source.num_skipped == 1 and skipped.values.max() == 4
    with pytest.raises(ValueError, match=r"odd\.csv:37: .*'bad'"):
        read(*settings, "data.rating_column=points")
    with pytest.raises(ValueError, match="netflix|Netflix"):
        read(*settings, "data.format=netflix")


def test_other_ratings_are_read_as_the_training_ratings_were(settings: list[str], tmp_path: Path) -> None:
    config = Config().with_settings(settings)
    other = tmp_path / "other.csv"
    other.write_text("points,late,stars,what,who\n1,9,4,11,12\n")
    found = read_like(str(other), {"config": config.to_dict()})
    assert (found.user_ids.tolist(), found.item_ids.tolist(), found.values.tolist()) == ([12], [11], [4.0])
