"""Fixtures that several tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from generate import generate  # noqa: E402
from taste_runs import save_taste_run, served, taste_bundle  # noqa: E402

from movie_autoencoder.bundle import Bundle  # noqa: E402
from movie_autoencoder.data.ratings import Ratings  # noqa: E402
from movie_autoencoder.models.startup import start_tensorflow  # noqa: E402


@pytest.fixture(scope="session")
def movielens_small() -> Path:
    """The folder of GroupLens' ml-latest-small; the test is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    path = Path(os.environ.get("MOVIE_AUTOENCODER_TEST_DATA", beside)) / "ml-latest-small"
    if not (path / "ratings.csv").is_file():
        pytest.skip(f"MovieLens small is not at {path} (set MOVIE_AUTOENCODER_TEST_DATA to the folder that holds it)")
    return path


@pytest.fixture(scope="session")
def planted() -> Ratings:
    """12,000 generated ratings with planted tastes (`benchmarks/generate.py`): 250 users, 120 items."""
    return generate(12_000, 250, 120, seed=3)[0]


@pytest.fixture(scope="session")
def tastes(planted: Ratings) -> Bundle:
    """A bundle trained on the planted tastes, with titles (`taste_runs`)."""
    return taste_bundle(planted)


@pytest.fixture(scope="session")
def taste_run(tastes: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bundle in a run's folder; not to be written into."""
    return save_taste_run(tastes, tmp_path_factory.mktemp("tastes"))


@pytest.fixture(scope="session")
def address(tastes: Bundle) -> Iterator[str]:
    """Where a server of the same bundle listens."""
    pytest.importorskip("uvicorn")
    with served(tastes) as address:
        yield address


@pytest.fixture(scope="session", autouse=True)
def quiet_tensorflow() -> None:
    """Starts TensorFlow once, before any test, so that nothing it prints while starting lands in one."""
    start_tensorflow()
