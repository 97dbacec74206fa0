"""The star model on ratings of known origin: it finds who gives what, its intervals cover, nothing held out leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.distributions import negative_log_likelihood
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.uncertainty import StarModel, fit_star_model, value_index
from movie_autoencoder.uncertainty.features import Features
from movie_autoencoder.uncertainty.intervals import ConformalAdjustment, conformity_scores
from movie_autoencoder.uncertainty.likelihood import predict_probabilities

NUM_USERS, NUM_ITEMS = 120, 90


def planted_ratings(seed: int = 0) -> tuple[Ratings, np.ndarray]:
    """A rating for every pair of a user and an item, and its true expectation.

    Even users give whole stars only, odd ones half stars too. Every fourth user is noisy.
    """
    rng = np.random.default_rng(seed)
    expected = 3.2 + rng.normal(0, 0.5, NUM_USERS)[:, None] + rng.normal(0, 0.6, NUM_ITEMS)
    deviation = np.where(np.arange(NUM_USERS) % 4 == 0, 1.2, 0.4)
    raw = expected + rng.normal(size=expected.shape) * deviation[:, None]
    step = np.where(np.arange(NUM_USERS) % 2 == 0, 1.0, 0.5)[:, None]
    given = np.clip(np.round(raw / step) * step, 1.0, 5.0)
    users, items = np.indices(given.shape).reshape(2, -1)
    ratings = Ratings.from_columns(users, items, given.ravel(), scale=Scale(1, 5, 0.5))
    return ratings, np.clip(expected, 1, 5).ravel()


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Training ratings, and two held-out parts: expectation as the prediction, user, item, rating."""
    ratings, expected = planted_ratings()
    role = np.random.default_rng(1).choice(3, p=[0.4, 0.3, 0.3], size=len(ratings))
    training = ratings.take(role == 0)
    assert (training.num_users, training.num_items) == (NUM_USERS, NUM_ITEMS)
    columns = expected, ratings.user_index, ratings.item_index, ratings.values
    held_out = {
        name: tuple(column[role == number] for column in columns) for name, number in (("validation", 1), ("test", 2))
    }
    return {"training": training, **held_out}


@pytest.fixture(scope="module")
def model(parts: dict[str, Any]) -> StarModel:
    return StarModel.fit(*parts["validation"], parts["training"])


def test_probabilities_sum_to_1_and_beat_the_histogram_and_a_constant(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["test"]
    found = model.distribution(predictions, users, items)
    assert found.probabilities.shape == (len(given), 9)
    assert found.probabilities.min() >= 0
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    observed = value_index(found.values, given)
    ours = negative_log_likelihood(found.probabilities, observed)
    histogram = negative_log_likelihood(model.user_histogram(users).probabilities, observed)
    constant = negative_log_likelihood(np.tile(model.statistics.frequencies, (len(given), 1)), observed)
    assert ours < histogram - 0.3 < constant - 0.3


def test_half_stars_are_improbable_for_users_who_never_gave_one(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, _ = parts["test"]
    halves = model.distribution(predictions, users, items).probabilities[:, 1::2].sum(axis=1)
    assert halves[users % 2 == 0].max() < 0.2
    assert halves[users % 2 == 0].mean() < 0.06
    assert 0.35 < halves[users % 2 == 1].mean() < 0.65


def test_mean_and_probabilities_are_right_on_average(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["test"]
    found = model.distribution(predictions, users, items)
    assert found.mean.mean() == pytest.approx(given.mean(), abs=0.05)
    assert found.like_probability().mean() == pytest.approx((given >= 4).mean(), abs=0.03)
    assert np.allclose(found.like_probability(1.0), 1.0)
    assert (found.like_probability(4.5) <= found.like_probability(4.0)).all()
    far = np.abs(given - predictions) > 1
    assert found.error_probability(predictions).mean() == pytest.approx(far.mean(), abs=0.03)


def test_noisy_users_have_wide_intervals_and_the_mean_width_is_below_a_constant(
    parts: dict[str, Any], model: StarModel
) -> None:
    predictions, users, items, given = parts["test"]
    low, high = model.distribution(predictions, users, items).interval(0.9)
    noisy = users % 4 == 0
    assert (high - low)[noisy].mean() > 1.4 * (high - low)[~noisy].mean()
    reach = np.quantile(np.abs(given - predictions), ((given >= low) & (given <= high)).mean())
    constant = np.clip(predictions + reach, 1, 5) - np.clip(predictions - reach, 1, 5)
    assert (high - low).mean() < 0.95 * constant.mean()


@pytest.mark.parametrize("level", [0.3, 0.5, 0.77, 0.9, 0.97])
def test_intervals_cover_as_often_as_they_claim(parts: dict[str, Any], model: StarModel, level: float) -> None:
    predictions, users, items, given = parts["test"]
    low, high = model.distribution(predictions, users, items).interval(level)
    assert ((given >= low) & (given <= high)).mean() == pytest.approx(level, abs=0.035)
    assert low.min() >= 1
    assert high.max() <= 5
    assert (high >= low).all()


def test_intervals_are_nested_and_their_ends_are_real_numbers(parts: dict[str, Any], model: StarModel) -> None:
    found = model.distribution(*parts["test"][:3])
    ends = [found.interval(level) for level in (0.2, 0.5, 0.8, 0.9, 0.99)]
    for (low, high), (lower, higher) in zip(ends, ends[1:], strict=False):
        assert (lower <= low + 1e-9).all()
        assert (higher >= high - 1e-9).all()
    assert np.mean(np.mod(ends[3][0] * 2, 1) == 0) < 0.5


def test_the_adjustment_corrects_distributions_that_are_too_narrow(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["test"]
    narrow = replace(model.parameters, log_sigma=model.parameters.log_sigma - 0.3 * np.eye(14)[0])
    features = Features.of(model.statistics, *parts["validation"][:3])
    observed = value_index(model.values, parts["validation"][3])
    scores = conformity_scores(predict_probabilities(features, narrow), observed)
    adjusted = ConformalAdjustment.fit(scores, features.num_ratings)
    for adjustment, covers in ((model.adjustment, False), (adjusted, True)):
        wrong = replace(model, parameters=narrow, adjustment=adjustment)
        low, high = wrong.distribution(predictions, users, items).interval(0.9)
        fraction = ((given >= low) & (given <= high)).mean()
        assert bool(abs(fraction - 0.9) < 0.03) is covers, fraction


def test_intervals_are_adjusted_on_ratings_that_the_parameters_were_not_fitted_to(parts: dict[str, Any]) -> None:
    """A fit to few ratings suits them too well: adjusted on the same ratings, its intervals would be too narrow."""
    few = [array[:60] for array in parts["validation"]]
    model = StarModel.fit(*few, parts["training"])
    features, observed = Features.of(model.statistics, *few[:3]), value_index(model.values, few[3])
    scores = conformity_scores(predict_probabilities(features, model.parameters), observed)
    same = ConformalAdjustment.fit(scores, features.num_ratings).probabilities(features.num_ratings)
    assert model.adjustment.probabilities(features.num_ratings).mean() > same.mean() + 0.003


def test_statistics_come_from_training_ratings_and_parameters_from_held_out_ones(
    parts: dict[str, Any], model: StarModel
) -> None:
    predictions, users, items, given = parts["validation"]
    other = StarModel.fit(predictions, users, items, 6.0 - given, parts["training"])
    for side in ("users", "items"):
        for name in ("counts", "log_noise", "bias"):
            assert np.array_equal(getattr(getattr(other, side), name), getattr(getattr(model, side), name))
    assert not np.allclose(other.parameters.pack(), model.parameters.pack())
    training = parts["training"]
    moved = replace(training, values=np.where(training.user_index == 3, np.float32(5.0), training.values))
    again = model.with_ratings(moved)
    assert again.users.counts[3].tolist() == [0] * 8 + [training.user_counts[3]]
    assert again.parameters is model.parameters and again.adjustment is model.adjustment


def test_a_person_who_is_folded_in_gets_the_distributions_of_a_training_user(
    parts: dict[str, Any], model: StarModel
) -> None:
    training = parts["training"]
    histograms = model.fold_in(in_vocabulary(training.take(training.user_index < 6), training.item_ids))
    pairs = np.array([3.0, 4.0]), np.array([2, 5]), np.array([7, 8])
    folded = model.distribution(*pairs, histograms=histograms).probabilities
    assert np.allclose(folded, model.distribution(*pairs).probabilities, atol=0.02)
    own = model.user_histogram(np.array([2]), histograms=histograms)
    assert np.array_equal(own.probabilities, model.user_histogram(np.array([2])).probabilities)


def test_a_split_by_user_is_fitted_on_fold_in_ratings() -> None:
    ratings, expected = planted_ratings()
    new = ratings.user_index >= 80
    shown = np.random.default_rng(2).random(len(ratings)) < 0.6
    training = ratings.take(~new)
    fold_in = in_vocabulary(ratings.take(new & shown), training.item_ids)
    rest = np.flatnonzero(new & ~shown)
    users, items = ratings.user_index[rest] - 80, ratings.item_index[rest]
    model = StarModel.fit(expected[rest], users, items, ratings.values[rest], training, fold_in=fold_in)
    found = model.distribution(expected[rest], users, items, histograms=model.fold_in(fold_in))
    assert found.probabilities[:, 1::2].sum(axis=1)[users % 2 == 0].max() < 0.15
    observed = value_index(found.values, ratings.values[rest])
    histogram = model.user_histogram(users, histograms=model.fold_in(fold_in)).probabilities
    assert negative_log_likelihood(found.probabilities, observed) < negative_log_likelihood(histogram, observed) - 0.3


def test_ratings_of_similar_items_show_what_histograms_do_not() -> None:
    """Half stars depend on the kind of item, in opposite ways for two groups of users: no histogram shows them.

    The kind of an item shows in who rated it: people rate mostly one kind.
    """
    rng = np.random.default_rng(6)
    users, items = np.indices((150, 60)).reshape(2, -1)
    kind, favourite, half = items % 2, users // 2 % 2, (items + users) % 2
    seen = rng.random(len(users)) < np.where(kind == favourite, 0.9, 0.15)
    given = np.clip(np.round(rng.normal(3, 0.8, len(users))), 1, 4) + 0.5 * half
    ratings = Ratings.from_columns(users[seen], items[seen], given[seen], scale=Scale(1, 5, 0.5))
    role = rng.choice(3, p=[0.6, 0.2, 0.2], size=len(ratings))
    training = ratings.take(role == 0)
    validation, test = (
        (
            np.full(np.count_nonzero(role == part), 3.25),
            ratings.user_index[role == part],
            ratings.item_index[role == part],
            ratings.values[role == part],
        )
        for part in (1, 2)
    )
    losses = []
    for keep in (True, False):
        model = StarModel.fit(*validation, training, keep_ratings=keep)
        found = model.distribution(*test[:3])
        losses.append(negative_log_likelihood(found.probabilities, value_index(found.values, test[3])))
        similar = Features.of(model.statistics, *test[:3]).similar_counts
        if keep:
            halves = similar[:, 1::2].sum(axis=1) / np.maximum(similar.sum(axis=1), 1e-9)
            odd = (test[1] + test[2]) % 2 == 1
            assert halves[odd].mean() > 0.9 > 0.1 > halves[~odd].mean()
        else:
            assert not similar.any()
    assert losses[0] < losses[1] - 0.25


def test_unknown_users_and_items_get_the_frequencies_of_all(model: StarModel) -> None:
    found = model.distribution(np.array([3.0, 3.0]), np.array([-1, 3]), np.array([-1, -1]))
    assert np.isfinite(found.probabilities).all()
    assert 0.15 < found.probabilities[0, 1::2].sum() < 0.45  # half of the users give halves
    assert model.user_histogram(np.array([-1])).probabilities[0] == pytest.approx(model.statistics.frequencies)


def test_the_baseline_variance_is_that_of_noisy_users(parts: dict[str, Any], model: StarModel) -> None:
    _, users, items, _ = parts["test"]
    variance = model.residual_variance(users, items)
    noisy = users % 4 == 0
    assert variance[noisy].mean() > 3 * variance[~noisy].mean()
    user, item = np.exp(model.users.log_noise[users[0]]), np.exp(model.items.log_noise[items[0]])
    assert variance[0] == pytest.approx(model.statistics.deviation**2 * user * item)
    unknown = model.residual_variance(np.array([-1]), np.array([-1]))
    assert unknown == pytest.approx([model.statistics.deviation**2])


def test_ratings_times_two_have_the_same_probabilities(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["validation"]
    training = parts["training"]
    doubled = replace(training, values=training.values * 2, scale=Scale(2, 10, 1))
    twice = StarModel.fit(predictions * 2, users, items, given * 2, doubled)
    pairs = parts["test"][:3]
    found = twice.distribution(pairs[0] * 2, *pairs[1:])
    assert np.allclose(found.probabilities, model.distribution(*pairs).probabilities, atol=1e-3)
    assert found.interval(0.9)[1] == pytest.approx(2 * model.distribution(*pairs).interval(0.9)[1], abs=0.05)


def test_the_batch_size_changes_no_number(parts: dict[str, Any], model: StarModel) -> None:
    pairs = [array[:50] for array in parts["test"][:3]]
    whole, batches = model.distribution(*pairs), model.distribution(*pairs, batch_size=7)
    assert np.allclose(whole.probabilities, batches.probabilities)
    assert np.allclose(whole.interval(0.8), batches.interval(0.8))
    assert len(model.distribution(*(array[:0] for array in pairs))) == 0


@pytest.mark.parametrize("number", [1, 2, 12])
def test_a_few_validation_ratings_are_enough(parts: dict[str, Any], number: int) -> None:
    found = StarModel.fit(*(array[:number] for array in parts["validation"]), parts["training"])
    low, high = found.distribution(*parts["test"][:3]).interval(0.9)
    assert np.isfinite(low).all()
    assert ((low >= 1) & (high <= 5)).all()
    if number < 9:  # so few scores have no quantile that covers nine of ten: the widest adjustment
        assert found.adjustment.probabilities(np.array([[0.0, 9.0], [40.0, 40.0]]))[:, 5] == pytest.approx(0.95)


def test_no_held_out_rating_is_an_error(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fitted to held-out ratings, at least one. Received: none"):
        StarModel.fit(*(array[:0] for array in parts["validation"]), parts["training"])


def test_a_saved_model_is_loaded_as_it_was(parts: dict[str, Any], model: StarModel) -> None:
    arrays = model.to_arrays()
    assert set(arrays) == {
        "numbers",
        "shares",
        "parameters",
        "adjustments",
        "directions",
        "users_counts",
        "users_noise",
        "users_bias",
        "items_counts",
        "items_noise",
        "items_bias",
    }  # saved bundles have these names
    assert arrays["parameters"].shape == (34,) and arrays["adjustments"].shape == (8, 6)
    pairs = parts["test"][:3]
    loaded = StarModel.from_arrays(arrays, model.scale, parts["training"]).distribution(*pairs)
    assert np.array_equal(loaded.probabilities, model.distribution(*pairs).probabilities)
    assert np.array_equal(loaded.interval(0.9), model.distribution(*pairs).interval(0.9))
    without = StarModel.from_arrays(arrays, model.scale).distribution(*pairs)
    assert not np.allclose(without.probabilities, loaded.probabilities)


def test_a_continuous_scale_becomes_a_grid(parts: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    training = parts["training"]
    values = np.clip(training.values + rng.uniform(-0.2, 0.2, len(training)), 1, 5).astype(np.float32)
    smooth = replace(training, values=values, scale=Scale(1, 5))
    model = StarModel.fit(*parts["validation"], smooth)
    found = model.distribution(*parts["test"][:3])
    assert found.probabilities.shape[1] == 21
    low, high = found.interval(0.9)
    assert ((parts["test"][3] >= low) & (parts["test"][3] <= high)).mean() == pytest.approx(0.9, abs=0.035)


@pytest.mark.parametrize("by", ["rating", "user"])
def test_a_split_gives_a_star_model_with_the_statistics_of_the_refit(by: Any, planted: Ratings) -> None:
    split = split_ratings(planted, by=by, seed=1)
    training, final = split.training_ratings, split.refit_ratings
    model, validation = damped_bias(training, 5.0), Validation(training, split.held_out("validation"))
    first = fit_star_model(model, validation)
    refit = fit_star_model(model, validation, final, keep_ratings=False)
    assert first is not None and refit is not None
    assert first.users.counts.sum() == len(training) and refit.users.counts.sum() == len(final)
    assert first.users.ratings is training and refit.users.ratings is None
    assert first.with_ratings(final).users.ratings is final
    assert np.array_equal(first.with_ratings(final).users.counts, refit.users.counts)


def test_without_a_validation_part_there_is_no_star_model(planted: Ratings) -> None:
    assert fit_star_model(damped_bias(planted, 5.0), None) is None
