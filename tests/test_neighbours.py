"""A person's own stars at items alike: the formula by hand, where nothing is alike, and planted sequels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models import neighbours
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.bayesian.sampler import BayesianLearner
from movie_autoencoder.models.dual.learner import DualLearner
from movie_autoencoder.models.neighbours import neighbour_means, sitting_means
from movie_autoencoder.models.registry import TrainedDual, TrainedEnsemble
from movie_autoencoder.models.settings import BayesianSettings, DualSettings
from movie_autoencoder.training import train as training


def blend(ratings: Ratings, *, epochs: int = 5, latent_dim: int = 4, lean: float = 0.6) -> TrainedEnsemble:
    dual = DualLearner(ratings, DualSettings(latent_dim, 5.0, 0.2, 0.0, 3.0), optimizer="adam", average=0.9, seed=0)
    sampled = BayesianLearner(ratings, BayesianSettings(3, 8, 1), seed=0)
    for epoch in range(epochs):
        dual.epoch(epoch, 0.02)
        sampled.epoch(epoch, 0.0)
    one = dual.trained()
    assert isinstance(one, TrainedDual)
    return TrainedEnsemble.of(one, sampled.trained(), 0.4, lean=lean, ratings=ratings)


def test_means_and_beliefs_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosines 1, 0.8 and below 0 to the items that a person rated."""
    latent = np.float32([[2, 0], [0.8, 0.6], [-1, 0], [0, 5]])
    residuals = sparse.csr_array(np.float32([[1.0, -2.0, 3.0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0]]))
    asked = np.float32([[7, 0], [0, -1]])
    users, items = np.array([0, 1, 2, -1, 0, 1, 0]), np.array([0, 0, 0, 0, -1, 1, 1])
    k = 0.8**8
    for numbers in (1 << 22, 1):  # one person's cells at once, and one by one
        monkeypatch.setattr(neighbours, "_NUMBERS", numbers)
        mean, belief = neighbour_means(residuals, latent, asked, users, items)
        assert mean == pytest.approx([(1 - 2 * k) / (1 + k), 0, 0, 0, 0, 0, 0], abs=1e-6)
        assert belief == pytest.approx([(1 + k) / (1.5 + k), 0, 0, 0, 0, 0, 0], abs=1e-6)
    unknown = np.array([-1, -1])
    assert [one.tolist() for one in neighbour_means(residuals, latent, asked, unknown, unknown)] == [[0, 0]] * 2


def leaning(model: TrainedEnsemble, ratings: Ratings, straight: npt.NDArray, u: int, i: int, bias: float) -> float:
    """The formula of docs/models.md at one cell, in dense algebra; ``bias`` is mu + b_u + b_i."""
    row = ratings.row(u)
    rated, latent = ratings.item_index[row], model.dual.items.latent.astype(float)
    cosine = latent[rated] @ latent[i] / np.linalg.norm(latent[rated], axis=1) / np.linalg.norm(latent[i])
    k = np.maximum(cosine, 0) ** 8
    b_u = bias - model.mean - model.dual.item_bias[i]
    left = ratings.values[row] - model.mean - b_u - model.dual.item_bias[rated]
    return float(straight + 0.6 * k.sum() / (k.sum() + 0.5) * (bias + k @ left / k.sum() - straight))


def test_the_average_leans_by_the_formula(planted: Ratings) -> None:
    """For training people, for folded ones, and not at all where somebody or something is unknown."""
    model = blend(planted)
    few = replace(
        planted,
        **{name: getattr(planted, name)[::3] for name in ("user_index", "item_index", "values")},
        timestamps=None,
    )
    u, i = np.array([3, 40, 77, -1, 5]), np.array([8, 2, 50, 4, -1])
    for ratings, encoded_users in ((planted, None), (few, model.fold_in(few))):
        straight = replace(model, lean=0.0).reconstruct(u, i, encoded_users=encoded_users)
        found = model.reconstruct(u, i, encoded_users=encoded_users)
        assert found[3:] == pytest.approx(straight[3:])
        one = model.dual.users if encoded_users is None else model.dual.fold_in(ratings)
        user_bias = one.offset[:-1] - one.latent @ model.dual.weights.user_tilt
        for place in range(3):
            bias = model.mean + user_bias[u[place]] + model.dual.item_bias[i[place]]
            wanted = leaning(model, ratings, straight[place], u[place], i[place], bias)
            assert found[place] == pytest.approx(wanted, abs=1e-4)
            assert abs(found[place] - straight[place]) > 1e-3


def test_without_ratings_it_stands_straight(planted: Ratings) -> None:
    model = blend(planted)
    bare = TrainedEnsemble.of(model.dual, model.sampled, 0.4, lean=0.6)
    u = i = np.arange(40)
    assert np.array_equal(bare.reconstruct(u, i), replace(model, lean=0.0).reconstruct(u, i))
    folded = bare.fold_in(planted)
    assert folded.residuals is None and bare.reconstruct(u, i, encoded_users=folded).shape == (40,)


def test_arrays_and_back_is_the_same_model(planted: Ratings) -> None:
    model = blend(planted)
    again = TrainedEnsemble.from_arrays(model.to_arrays(), planted.scale)
    u = i = np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    folded, columns = model.fold_in(planted), model.fold_in_items(planted)
    expected = model.predict(u, i, encoded_users=folded, encoded_items=columns)
    assert np.array_equal(
        again.predict(u, i, encoded_users=again.fold_in(planted), encoded_items=again.fold_in_items(planted)), expected
    )


def test_a_new_item_leans_towards_what_the_training_item_that_it_is_does(planted: Ratings) -> None:
    """Whatever folding in changes of the prediction, it changes the less, the more the neighbours are believed."""
    model = blend(planted)
    u = i = np.arange(60)
    columns = model.fold_in_items(planted)
    leaning, straight = (
        one.reconstruct(u, i, encoded_items=columns) - one.reconstruct(u, i)
        for one in (model, replace(model, lean=0.0))
    )
    assert np.abs(straight).max() > 0.05
    latent = model.dual.items.latent
    belief = neighbour_means(model.users.residuals, latent, latent, u, i)[1]
    counts = planted.item_counts[i]
    straight_stars = replace(model, lean=0.0).reconstruct(u, i)
    pull = (model.reconstruct(u, i) - straight_stars) / np.maximum(belief, 1e-9)  # 0.6 * (neighbours - prediction)
    trust = counts / (counts + 20)  # a folded item's likeness to others is believed by its ratings
    expected = straight + belief * ((trust - 1) * pull - trust * 0.6 * straight)
    assert leaning == pytest.approx(expected, abs=1e-3)


def sequels(seed: int = 0) -> Ratings:
    """Ten tastes, and 50 items with their sequels; each person has an opinion of each pair beside that."""
    rng = np.random.default_rng(seed)
    tastes, traits = rng.normal(size=(600, 10)), np.repeat(rng.normal(size=(50, 10)), 2, axis=0)
    truth = 0.3 * tastes @ traits.T + np.repeat(rng.normal(0, 0.8, (600, 50)), 2, axis=1)
    u, i = np.nonzero(rng.random(truth.shape) < 0.4)
    return Ratings.from_columns(u, i, truth[u, i] + rng.normal(0, 0.3, len(u)), scale=Scale(-9, 9, 0))


def test_planted_sequels_are_leant_on() -> None:
    split = split_ratings(sequels(), seed=1)
    ratings, held_out = split.training_ratings, split.held_out("validation")
    model = blend(ratings, epochs=60, latent_dim=16, lean=0.0)
    lean = training._weight(model, "lean", ratings, held_out)
    test = split.held_out("test")
    u, i = ratings.locate_users(test.users), ratings.locate_items(test.items)
    errors = [rmse(test.values, replace(model, lean=one).predict(u, i)) for one in (0.0, lean)]
    assert lean > 0.5 and errors[1] < 0.95 * errors[0]


def test_lean_is_the_least_squares_weight_drawn_towards_zero(planted: Ratings) -> None:
    split = split_ratings(planted, seed=2)
    ratings, held_out = split.training_ratings, split.held_out("validation")
    model = blend(ratings, lean=0.0)
    u, i = ratings.locate_users(held_out.users), ratings.locate_items(held_out.items)
    straight, whole = (replace(model, lean=one).predict(u, i) for one in (0.0, 1.0))
    held_out = replace(held_out, values=(0.3 * straight + 0.7 * whole).astype(np.float32))  # so that 0.7 is exact
    count = len(held_out)
    assert training._weight(model, "lean", ratings, held_out) == pytest.approx(0.7 * count / (count + 1000), rel=1e-3)
    away = replace(held_out, values=(2 * straight - whole).astype(np.float32))
    assert training._weight(model, "lean", ratings, away) == 0.0
    nobody = split_ratings(planted, validation_fraction=0).held_out("validation")
    assert training._weight(model, "lean", ratings, nobody) == 0.0


def test_a_star_of_somebody_else_moves_nobodys_neighbours(planted: Ratings) -> None:
    """Given the model, a folded person's stars alone decide how far and where they lean."""
    model = blend(planted)
    alone = in_vocabulary(planted.take(np.arange(len(planted))[planted.row(17)]), planted.item_ids)
    i = np.arange(planted.num_items)
    one = model.reconstruct(np.zeros(len(i), int), i, encoded_users=model.fold_in(alone))
    assert one == pytest.approx(
        model.reconstruct(np.full(len(i), 17), i, encoded_users=model.fold_in(planted)), abs=1e-4
    )


def test_sittings_by_hand() -> None:
    """One rating at the same time, one a time constant away, one of another day; nobody else's count."""
    residuals = sparse.csr_array(np.float32([[1.0, -2.0, 3.0], [0, 0, 9.0]]))
    given = np.array([1000, 1170, 90_000, 1000])
    mean, belief = sitting_means(residuals, given, np.array([0, 0, 1, -1]), np.array([1000, 500_000, 500_000, 1000]))
    k = np.exp(-1)
    assert mean == pytest.approx([(1 - 2 * k) / (1 + k), 0, 0, 0], abs=1e-6)
    assert belief == pytest.approx([(1 + k) / (2 + k), 0, 0, 0], abs=1e-6)


def test_a_model_aware_of_time_leans_on_the_sitting_and_survives_saving(planted: Ratings) -> None:
    times = np.arange(len(planted)) // 5 * 10_000
    timed = replace(planted, timestamps=times)
    plain = blend(planted)
    aware = TrainedEnsemble.of(
        plain.dual, plain.sampled, plain.share, lean=plain.lean, sitting=0.5, ratings=timed, time_aware=True
    )
    users, items = planted.user_index[:40], (planted.item_index[:40] + 1) % planted.num_items
    assert aware.users.residuals is not None and aware.users.given is not None
    mean, belief = sitting_means(aware.users.residuals, aware.users.given, users, times[:40])
    expected = plain.reconstruct(users, items) + 0.5 * belief * mean
    assert np.abs(mean).max() > 0.1
    assert aware.reconstruct(users, items, times=times[:40]) == pytest.approx(expected, abs=1e-6)
    assert aware.reconstruct(users, items) == pytest.approx(plain.reconstruct(users, items), abs=1e-6)
    again = TrainedEnsemble.from_arrays(aware.to_arrays(), planted.scale)
    saved = again.reconstruct(users, items, times=times[:40])
    assert saved.tolist() == aware.reconstruct(users, items, times=times[:40]).tolist()
