"""Fixtures that several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def movielens_small() -> Path:
    """The folder of GroupLens' ml-latest-small; the test is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    path = Path(os.environ.get("MOVIE_AUTOENCODER_TEST_DATA", beside)) / "ml-latest-small"
    if not (path / "ratings.csv").is_file():
        pytest.skip(f"MovieLens small is not at {path} (set MOVIE_AUTOENCODER_TEST_DATA to the folder that holds it)")
    return path
