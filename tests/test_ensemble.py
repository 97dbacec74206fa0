"""The ensemble: members averaged, the neighbour correction, the session effect, weights fitted on validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from small_models import fold_in_people, new_person, small_ensemble, some_cells

from movie_autoencoder.config import Config
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.scale import Scale
from movie_autoencoder.data.splits import HeldOut, split_ratings
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.ensemble.family import EnsembleFamily
from movie_autoencoder.models.ensemble.trained import TrainedEnsemble
from movie_autoencoder.models.ensemble.weights import BlendWeights
from movie_autoencoder.models.neighbours import corrected, neighbour_means, session_means
from movie_autoencoder.models.validation import Validation

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def model(planted: Ratings) -> TrainedEnsemble:
    """Weights 0.4 of the dual autoencoder and 0.6 of the neighbour correction."""
    return small_ensemble(planted)


def without_neighbours(model: TrainedEnsemble) -> TrainedEnsemble:
    return model.with_corrections(neighbours=0.0)


# The neighbour correction


def test_neighbour_means_and_confidences_by_hand() -> None:
    """Cosines 1, 0.8 and below 0 to the items that a person rated."""
    latent = np.float32([[2, 0], [0.8, 0.6], [-1, 0], [0, 5]])
    residuals = sparse.csr_array(np.float32([[1.0, -2.0, 3.0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0]]))
    wanted = np.float32([[7, 0], [0, -1]])
    users, items = np.array([0, 1, 2, -1, 0, 1, 0]), np.array([0, 0, 0, 0, -1, 1, 1])
    k = 0.8**8
    for max_numbers in (1 << 22, 1):  # one person's cells at once, and one by one
        means, confidence = neighbour_means(residuals, latent, wanted, users, items, max_numbers=max_numbers)
        assert means == pytest.approx([(1 - 2 * k) / (1 + k), 0, 0, 0, 0, 0, 0], abs=1e-6)
        assert confidence == pytest.approx([(1 + k) / (1.5 + k), 0, 0, 0, 0, 0, 0], abs=1e-6)
    unknown = np.array([-1, -1])
    found = neighbour_means(residuals, latent, wanted, unknown, unknown)
    assert [one.tolist() for one in found] == [[0, 0]] * 2


def test_the_correction_moves_predictions_towards_bias_and_residual() -> None:
    predictions, biases, means = np.array([3.0, 3.0, 3.0]), np.array([2.5, 2.5, 3.5]), np.array([1.0, -1.0, 0.5])
    found = corrected(predictions, biases, means, np.array([0.0, 0.5, 1.0]))
    assert found.tolist() == [3.0, 2.25, 4.0]


def by_formula(model: TrainedEnsemble, ratings: Ratings, straight: float, user: int, item: int, bias: float) -> float:
    """The formula of docs/models.md at one cell, in dense algebra; ``bias`` is mu + b_u + b_i."""
    row = ratings.row(user)
    rated, latent = ratings.item_index[row], model.dual.items.latent.astype(float)
    cosine = latent[rated] @ latent[item] / np.linalg.norm(latent[rated], axis=1) / np.linalg.norm(latent[item])
    k = np.maximum(cosine, 0) ** 8
    user_bias = bias - model.mean - model.dual.item_bias[item]
    residuals = ratings.values[row] - model.mean - user_bias - model.dual.item_bias[rated]
    confidence = k.sum() / (k.sum() + 0.5)
    return float(straight + 0.6 * confidence * (bias + k @ residuals / k.sum() - straight))


def test_predictions_are_corrected_by_the_formula(planted: Ratings, model: TrainedEnsemble) -> None:
    """For training people, for folded-in ones, and not at all where the person or the item is unknown."""
    few = some_cells(planted, np.arange(0, len(planted), 3))
    u, i = np.array([3, 40, 77, -1, 5]), np.array([8, 2, 50, 4, -1])
    for ratings, encoded_users in ((planted, None), (few, model.fold_in(few))):
        straight = without_neighbours(model).reconstruct(u, i, encoded_users=encoded_users)
        found = model.reconstruct(u, i, encoded_users=encoded_users)
        assert found[3:] == pytest.approx(straight[3:])
        side = model.dual.users if encoded_users is None else model.dual.fold_in(ratings)
        user_bias = side.offset[:-1] - side.latent @ model.dual.weights.user_weights
        for cell in range(3):
            bias = model.mean + user_bias[u[cell]] + model.dual.item_bias[i[cell]]
            wanted = by_formula(model, ratings, straight[cell], u[cell], i[cell], bias)
            assert found[cell] == pytest.approx(wanted, abs=1e-4)
            assert abs(found[cell] - straight[cell]) > 1e-3


def test_without_ratings_nothing_is_corrected(planted: Ratings, model: TrainedEnsemble) -> None:
    bare = TrainedEnsemble.of(model.dual, model.bayesian, model.weights)
    u = i = np.arange(40)
    assert np.array_equal(bare.reconstruct(u, i), without_neighbours(model).reconstruct(u, i))
    folded = bare.fold_in(planted)
    assert folded.residuals is None and bare.reconstruct(u, i, encoded_users=folded).shape == (40,)
    assert list(bare.members()) == ["dual", "bayesian"]


def test_a_new_item_is_corrected_as_the_training_item_that_it_is(planted: Ratings, model: TrainedEnsemble) -> None:
    """What folding an item in changes of the prediction, it changes the less, the higher the confidence."""
    u = i = np.arange(60)
    columns = model.fold_in_items(planted)
    moved, straight = (
        one.reconstruct(u, i, encoded_items=columns) - one.reconstruct(u, i)
        for one in (model, without_neighbours(model))
    )
    assert np.abs(straight).max() > 0.05
    latent = model.dual.items.latent
    confidence = neighbour_means(model.users.residuals, latent, latent, u, i)[1]
    counts = planted.item_counts[i]
    plain = without_neighbours(model).reconstruct(u, i)
    pull = (model.reconstruct(u, i) - plain) / np.maximum(confidence, 1e-9)  # 0.6 * (neighbours - prediction)
    trust = counts / (counts + 20)  # of a folded-in item's similarities, by its ratings
    expected = straight + confidence * ((trust - 1) * pull - trust * 0.6 * straight)
    assert moved == pytest.approx(expected, abs=1e-3)


def test_ratings_of_other_people_change_no_correction(planted: Ratings, model: TrainedEnsemble) -> None:
    """Given the model, a folded-in person's ratings alone decide their neighbours and the correction."""
    alone = in_vocabulary(planted.take(np.arange(len(planted))[planted.row(17)]), planted.item_ids)
    i = np.arange(planted.num_items)
    one = model.reconstruct(np.zeros(len(i), int), i, encoded_users=model.fold_in(alone))
    many = model.reconstruct(np.full(len(i), 17), i, encoded_users=model.fold_in(planted))
    assert one == pytest.approx(many, abs=1e-4)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.permutations(range(6)), st.integers(0, 1000))
def test_people_in_another_order_have_the_same_predictions(
    planted: Ratings, model: TrainedEnsemble, order: list[int], seed: int
) -> None:
    people = [new_person(planted.num_items, 3 * row, 2, seed=seed + row) for row in range(6)]
    i = np.tile(np.arange(0, planted.num_items, 7), 6)
    u = np.repeat(np.arange(6), len(i) // 6)
    plain, moved = (
        model.predict(u, i, encoded_users=fold_in_people(model, planted, one)).reshape(6, -1)
        for one in (people, [people[row] for row in order])
    )
    np.testing.assert_allclose(moved, plain[order], atol=2e-5)


def sequels(seed: int = 0) -> Ratings:
    """Ten tastes, and 50 items with their sequels; each person has an opinion of each pair beside that."""
    rng = np.random.default_rng(seed)
    tastes, traits = rng.normal(size=(600, 10)), np.repeat(rng.normal(size=(50, 10)), 2, axis=0)
    truth = 0.3 * tastes @ traits.T + np.repeat(rng.normal(0, 0.8, (600, 50)), 2, axis=1)
    u, i = np.nonzero(rng.random(truth.shape) < 0.4)
    return Ratings.from_columns(u, i, truth[u, i] + rng.normal(0, 0.3, len(u)), scale=Scale(-9, 9, 0))


def test_planted_sequels_are_found() -> None:
    split = split_ratings(sequels(), seed=1)
    ratings = split.training_ratings
    model = small_ensemble(ratings, epochs=30, latent_dim=16, weights=BlendWeights(0.4))
    validation, test = (Validation(ratings, split.held_out(part)) for part in ("validation", "test"))
    weights = BlendWeights.fit_corrections(model, validation)
    errors = [test.rmse(one) for one in (model, replace(model, weights=weights))]
    assert weights.neighbours > 0.5 and errors[1] < 0.95 * errors[0]


# The session effect


def test_session_means_by_hand() -> None:
    """One rating at the same time, one a time constant away, one of another day; nobody else's count."""
    residuals = sparse.csr_array(np.float32([[1.0, -2.0, 3.0], [0, 0, 9.0]]))
    given = np.array([1000, 1170, 90_000, 1000])
    users, times = np.array([0, 0, 1, -1]), np.array([1000, 500_000, 500_000, 1000])
    means, confidence = session_means(residuals, given, users, times)
    k = np.exp(-1)
    assert means == pytest.approx([(1 - 2 * k) / (1 + k), 0, 0, 0], abs=1e-6)
    assert confidence == pytest.approx([(1 + k) / (2 + k), 0, 0, 0], abs=1e-6)


def test_a_model_aware_of_time_has_the_session_effect_and_survives_saving(
    planted: Ratings, model: TrainedEnsemble
) -> None:
    times = np.arange(len(planted)) // 5 * 10_000
    timed = replace(planted, timestamps=times)
    weights = replace(model.weights, session=0.5)
    aware = TrainedEnsemble.of(model.dual, model.bayesian, weights, ratings=timed, time_aware=True)
    users, items = planted.user_index[:40], (planted.item_index[:40] + 1) % planted.num_items
    assert aware.users.residuals is not None and aware.users.timestamps is not None
    means, confidence = session_means(aware.users.residuals, aware.users.timestamps, users, times[:40])
    expected = model.reconstruct(users, items) + 0.5 * confidence * means
    assert np.abs(means).max() > 0.1
    assert aware.reconstruct(users, items, times=times[:40]) == pytest.approx(expected, abs=1e-6)
    assert aware.reconstruct(users, items) == pytest.approx(model.reconstruct(users, items), abs=1e-6)
    again = TrainedEnsemble.from_arrays(aware.to_arrays(), planted.scale)
    saved = again.reconstruct(users, items, times=times[:40])
    assert saved.tolist() == aware.reconstruct(users, items, times=times[:40]).tolist()
    unaware = TrainedEnsemble.of(model.dual, model.bayesian, weights, ratings=timed)
    plain = unaware.reconstruct(users, items, times=times[:40])
    assert plain.tolist() == model.reconstruct(users, items).tolist()
    folded = aware.fold_in(timed)
    found = aware.reconstruct(users, items, encoded_users=folded, times=times[:40])
    means, confidence = session_means(folded.residuals, times, users, times[:40])
    straight = aware.reconstruct(users, items, encoded_users=folded)
    assert found == pytest.approx(straight + 0.5 * confidence * means, abs=1e-6)


# The average


@pytest.mark.parametrize("weight", [0.01, 0.3, 0.99])
def test_the_average_is_that_of_both_members(planted: Ratings, model: TrainedEnsemble, weight: float) -> None:
    model = TrainedEnsemble.of(model.dual, model.bayesian, BlendWeights(weight))
    u, i = (one.ravel() for one in np.meshgrid(np.arange(-1, 40), np.arange(-1, 40)))
    wanted = weight * model.dual.reconstruct(u, i) + (1 - weight) * model.bayesian.reconstruct(u, i)
    assert model.reconstruct(u, i) == pytest.approx(wanted, abs=2e-5)
    again = TrainedEnsemble.from_arrays(model.to_arrays(), planted.scale)
    assert np.array_equal(again.reconstruct(u, i), model.reconstruct(u, i))


def test_the_weight_of_folded_in_rows_follows_from_their_length(planted: Ratings, model: TrainedEnsemble) -> None:
    """w = weight * n / (n + 20) at each cell, for new users and, mirrored, for new items."""
    model, cells = TrainedEnsemble.of(model.dual, model.bayesian, BlendWeights(0.6)), np.arange(len(planted))
    for way, who, other in (("fold_in", "user", "encoded_users"), ("fold_in_items", "item", "encoded_items")):
        index = planted.user_index if who == "user" else planted.item_index
        few = some_cells(planted, (index % 3 != 0) | (cells % 6 == 0))
        counts = few.user_counts if who == "user" else few.item_counts
        rows = np.arange(100)
        u, i = (rows, rows[::-1]) if who == "user" else (rows[::-1], rows)
        weight = 0.6 * counts[rows] / (counts[rows] + 20)
        assert weight.min() < 0.2 < 0.3 < weight.max()
        members = (model, model.dual, model.bayesian)
        found = [one.reconstruct(u, i, **{other: getattr(one, way)(few)}) for one in members]
        assert found[0] == pytest.approx(weight * found[1] + (1 - weight) * found[2], abs=5e-5)


def test_rows_that_another_model_encoded_are_refused(model: TrainedEnsemble) -> None:
    for rows in ({"encoded_items": model.dual.items}, {"encoded_users": model.bayesian.users}):
        with pytest.raises(TypeError, match="Users and items must have been encoded by this model"):
            model.reconstruct(np.arange(3), np.arange(3), **rows)


def test_arrays_and_back_is_the_same_model(planted: Ratings, model: TrainedEnsemble) -> None:
    again = TrainedEnsemble.from_arrays(model.to_arrays(), planted.scale)
    assert again.weights == model.weights
    u = i = np.arange(-1, 100)
    assert np.array_equal(model.predict(u, i), again.predict(u, i))
    folded, columns = model.fold_in(planted), model.fold_in_items(planted)
    expected = model.predict(u, i, encoded_users=folded, encoded_items=columns)
    found = again.predict(u, i, encoded_users=again.fold_in(planted), encoded_items=again.fold_in_items(planted))
    assert np.array_equal(found, expected)


def test_members_are_shown_beneath_the_ensemble(model: TrainedEnsemble) -> None:
    members = model.members()
    assert list(members) == ["dual", "bayesian", "ensemble without neighbours"]
    assert members["dual"] is model.dual and members["bayesian"] is model.bayesian
    u = i = np.arange(40)
    plain = without_neighbours(model)
    assert np.array_equal(members["ensemble without neighbours"].predict(u, i), plain.predict(u, i))
    assert not np.allclose(plain.predict(u, i), model.predict(u, i), atol=1e-3)
    assert list(plain.members()) == ["dual", "bayesian"]


# Weights


def test_weights_in_words_and_by_name(model: TrainedEnsemble) -> None:
    assert BlendWeights(0.47, 0.3).describe() == "47 % dual, 53 % bayesian; neighbour correction with weight 30 %"
    text = BlendWeights(0.47, 0.3, 0.21).describe()
    assert text.endswith("neighbour correction with weight 30 %, session effect with weight 21 %")
    assert BlendWeights(0.47, 0.3).to_dict() == {"dual": 0.47, "neighbours": 0.3, "session": 0.0}
    assert model.describe() == ["40 % dual, 60 % bayesian; neighbour correction with weight 60 %"]
    assert model.metadata() == {"weights": {"dual": 0.4, "neighbours": 0.6, "session": 0.0}}


def test_corrections_are_changed_by_name(model: TrainedEnsemble) -> None:
    assert model.with_corrections(neighbours=0.2).weights == BlendWeights(0.4, 0.2, 0.0)
    assert model.with_corrections(session=0.2).weights == BlendWeights(0.4, 0.6, 0.2)
    assert model.with_corrections(neighbours=0.0, session=0.1).weights == BlendWeights(0.4, 0.0, 0.1)
    assert model.with_corrections().weights == model.weights and model.weights == BlendWeights(0.4, 0.6)


class Fixed:
    """A model that predicts given values, whatever the cells."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def predict(self, users: npt.ArrayLike, items: npt.ArrayLike, **options: object) -> Floats:
        return self.values


def test_the_weight_of_members_is_by_least_squares_shrunk_towards_a_half(planted: Ratings) -> None:
    split = split_ratings(planted, seed=2)
    validation = Validation(split.training_ratings, split.held_out("validation"))
    rng, targets, count = np.random.default_rng(0), validation.targets, len(validation)
    one, other = targets + rng.normal(0, 0.5, count), targets + rng.normal(0.1, 0.9, count)
    (weight,), *_ = np.linalg.lstsq((one - other)[:, None], targets - other, rcond=None)
    assert 0.6 < weight < 0.9
    found = BlendWeights.fit_members(Fixed(one), Fixed(other), validation)
    assert found.dual == pytest.approx((count * weight + 1000 * 0.5) / (count + 1000))
    assert (found.neighbours, found.session) == (0.0, 0.0)
    swapped = BlendWeights.fit_members(Fixed(other), Fixed(one), validation)
    assert swapped.dual == pytest.approx(1 - found.dual)
    assert BlendWeights.fit_members(Fixed(one), Fixed(other), None) == BlendWeights(0.5)
    beyond = Fixed(other), Fixed((targets + other) / 2)  # the first is best subtracted: weight -1
    assert BlendWeights.fit_members(*beyond, validation).dual == 0.01
    assert BlendWeights.fit_members(*beyond[::-1], validation).dual == 0.99


@pytest.fixture(scope="module")
def timed(planted: Ratings) -> tuple[TrainedEnsemble, Ratings, HeldOut]:
    """An ensemble aware of time with its training ratings, where people rate five items in a session; held-out ones."""
    sessions = replace(planted, timestamps=np.arange(len(planted)) // 5 * 10_000)
    split = split_ratings(sessions, seed=2)
    ratings = split.training_ratings
    model = small_ensemble(ratings)
    aware = TrainedEnsemble.of(model.dual, model.bayesian, BlendWeights(0.4), ratings=ratings, time_aware=True)
    return aware, ratings, split.held_out("validation")


def test_the_weight_of_neighbours_is_by_least_squares_shrunk_towards_zero(
    timed: tuple[TrainedEnsemble, Ratings, HeldOut],
) -> None:
    model, ratings, held_out = timed
    validation, count = Validation(ratings, held_out), len(held_out)
    straight, fully = (validation.predict(model.with_corrections(neighbours=weight)) for weight in (0.0, 1.0))

    def fitted(values: Floats) -> BlendWeights:
        return BlendWeights.fit_corrections(model, Validation(ratings, replace(held_out, values=np.float32(values))))

    found = fitted(0.3 * straight + 0.7 * fully)  # so that 0.7 is exact
    assert found.neighbours == pytest.approx(0.7 * count / (count + 1000), rel=1e-3)
    assert found.dual == 0.4
    assert fitted(2 * straight - fully).neighbours == 0.0
    assert fitted(9 * fully - 8 * straight).neighbours == 1.0


def test_the_weight_of_the_session_is_fitted_after_that_of_neighbours(
    timed: tuple[TrainedEnsemble, Ratings, HeldOut],
) -> None:
    """The session effect gets the weight of what remains with the neighbours' weight in place."""
    model, ratings, held_out = timed
    validation, count = Validation(ratings, held_out), len(held_out)
    without, fully = (validation.predict(model.with_corrections(session=weight)) for weight in (0.0, 1.0))
    targets = np.float32(0.4 * without + 0.6 * fully)
    found = BlendWeights.fit_corrections(model, Validation(ratings, replace(held_out, values=targets)))
    corrected_model = model.with_corrections(neighbours=found.neighbours)
    base, effect = (validation.predict(corrected_model.with_corrections(session=weight)) for weight in (0.0, 1.0))
    (weight,), *_ = np.linalg.lstsq((effect - base)[:, None], targets - base, rcond=None)
    assert 0.5 < weight < 0.7
    assert found.session == pytest.approx(weight * count / (count + 1000), rel=1e-3)


def test_weights_that_an_ensemble_has_are_no_start_of_the_fit(timed: tuple[TrainedEnsemble, Ratings, HeldOut]) -> None:
    model, ratings, held_out = timed
    validation = Validation(ratings, held_out)
    plain = BlendWeights.fit_corrections(model, validation)
    other = BlendWeights.fit_corrections(model.with_corrections(neighbours=0.9, session=0.8), validation)
    assert plain == other
    assert BlendWeights.fit_corrections(model.with_corrections(neighbours=0.9), None) == BlendWeights(0.4)


def test_the_family_assembles_members_with_fitted_weights(timed: tuple[TrainedEnsemble, Ratings, HeldOut]) -> None:
    aware, ratings, held_out = timed
    family, validation, members = EnsembleFamily(), Validation(ratings, held_out), [aware.dual, aware.bayesian]
    assert [one.name for one in family.members()] == ["dual", "bayesian"]
    fitted = family.assemble(members, Config(), ratings, validation=validation)
    assert isinstance(fitted, TrainedEnsemble)
    weight = BlendWeights.fit_members(aware.dual, aware.bayesian, validation).dual
    assert fitted.weights.dual == weight and 0.01 <= weight <= 0.99 and fitted.weights.session == 0.0
    assert fitted.users.residuals is not None and fitted.users.timestamps is None
    again = family.assemble(members, Config(), ratings, like=fitted.with_corrections(neighbours=0.25))
    assert isinstance(again, TrainedEnsemble) and again.weights == BlendWeights(weight, 0.25)
    keeps_nothing = Config().with_settings(["bundle.ratings=false"])
    bare = family.assemble(members, keeps_nothing, ratings, validation=validation)
    assert isinstance(bare, TrainedEnsemble)
    assert bare.users.residuals is None and bare.weights == BlendWeights(weight)
    reads_times = Config().with_settings(["model.time_aware=true"])
    timely = family.assemble(members, reads_times, ratings, validation=validation)
    assert isinstance(timely, TrainedEnsemble)
    assert timely.users.timestamps is not None and timely.weights.session > 0
    assert family.assemble(members, Config(), ratings).metadata()["weights"]["dual"] == 0.5
