"""A small trained run with titles, years and genres, for tests of whatever uses a trained model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from small_models import small_ensemble

from movie_autoencoder.bundle import Bundle, save_bundle
from movie_autoencoder.choice import fit_choice, fit_selection
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.models.baselines import damped_bias, fit_baselines
from movie_autoencoder.models.choice_only.trained import TrainedChoice
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.recommend.recommender import Recommender
from movie_autoencoder.uncertainty import fit_star_model

NAMES = ["Ash", "Birch", "Cedar", "Elm", "Fir", "Holly", "Larch", "Maple", "Oak", "Pine"]


def catalogue(ratings: Ratings) -> Catalogue:
    """Titles such as "Cedar Elm (1957)", no two alike; three genres."""
    rows = range(ratings.num_items)
    titles = [
        f"{NAMES[row // 10 % 10]} {NAMES[row % 10]} {'Returns ' * (row // 100)}({1950 + row % 60})" for row in rows
    ]
    genres = [["Drama", "Comedy|Drama", "Horror"][row % 3] for row in rows]
    imdb = [f"{row + 1:07d}" for row in rows]
    return Catalogue.from_rows([str(one) for one in ratings.item_ids.tolist()], titles, genres=genres, imdb_ids=imdb)


def taste_bundle(ratings: Ratings) -> Bundle:
    """A small ensemble, trained in about a second, with distributions, a choice and a selection model."""
    split = split_ratings(ratings, test_fraction=0.1, validation_fraction=0.1)
    training = split.training_ratings
    validation, model = Validation(training, split.held_out("validation")), small_ensemble(training, epochs=40)
    biases = damped_bias(training, 5.0)
    stars = fit_star_model(biases, validation, training)
    return Bundle(
        model,
        fit_baselines(training, 5.0),
        training.user_ids,
        training.item_ids,
        training.user_counts,
        training.item_counts,
        training,
        catalogue(training),
        {"config": {"model": {"name": "dual"}}, "validation": {"model": {"rmse": 0.9}}},
        stars,
        fit_choice(training),
        selection=fit_selection(model, biases, validation),
    )


def without_stars(bundle: Bundle) -> Bundle:
    """The same people's choices alone, as training on pairs of user and item keeps them."""
    assert bundle.ratings is not None
    pairs = bundle.ratings.pairs()
    return replace(bundle, model=TrainedChoice.fit(pairs), baselines={}, ratings=pairs, star_model=None, selection=None)


def save_taste_run(bundle: Bundle, run: Path) -> Path:
    """Saves the bundle alone as a run; returns the run's folder."""
    save_bundle(bundle, run / "bundle", card="a card")
    return run


@contextmanager
def served(bundle: Bundle) -> Iterator[str]:
    """Serves a bundle in this process on a free port; yields the address."""
    import uvicorn

    from movie_autoencoder.web import create_app

    app: Any = create_app(Recommender(bundle))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
