"""Rating histograms, features and the likelihood: counts by hand, and a gradient that is that of the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.models.base import Merge, in_user_vocabulary, in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.uncertainty import value_index
from movie_autoencoder.uncertainty.features import Features
from movie_autoencoder.uncertainty.histograms import RatingStatistics
from movie_autoencoder.uncertainty.likelihood import (
    FOR_ALL,
    FOR_FEW,
    START,
    Parameters,
    fit_parameters,
    penalized_loss,
    predict_probabilities,
)
from movie_autoencoder.uncertainty.similarity import item_directions, similar_counts

#        item 0  item 1  item 2
# user 0    3       1
# user 1    3               2
TINY = Ratings.from_columns([0, 0, 1, 1], [0, 1, 0, 2], [3, 1, 3, 2], scale=Scale(1, 3, 1))
UNKNOWN = -1


@pytest.fixture(scope="module")
def statistics(planted: Ratings) -> RatingStatistics:
    return RatingStatistics.count(planted)


@pytest.fixture(scope="module")
def rated(planted: Ratings, statistics: RatingStatistics) -> tuple[Features, np.ndarray]:
    """Features of 300 training ratings, and the index of the value of each."""
    rows = np.random.default_rng(0).permutation(len(planted))[:300]
    users, items = planted.user_index[rows], planted.item_index[rows]
    predictions = damped_bias(planted, 5.0).predict(users, items)
    features = Features.of(statistics, predictions, users, items)
    return features, value_index(statistics.values, planted.values[rows])


def test_histograms_by_hand() -> None:
    found = RatingStatistics.count(TINY)
    assert found.values.tolist() == [1, 2, 3] and found.mean == 2.25
    assert found.users.counts.tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert found.items.counts.tolist() == [[0, 0, 2], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert found.frequencies == pytest.approx(np.array([2, 2, 3]) / 7)  # one more of each value
    assert (found.users.log_noise[UNKNOWN], found.users.bias[UNKNOWN]) == (0, 0)
    assert found.keeps_ratings and not RatingStatistics.count(TINY, keep_ratings=False).keeps_ratings
    smoothed = found.smoothed(found.users.counts)
    assert smoothed[0] == pytest.approx((np.array([1, 0, 1]) + 5 * found.frequencies) / 7)
    assert smoothed[UNKNOWN] == pytest.approx(found.frequencies)


def test_noise_is_large_for_whom_biases_predict_badly(planted: Ratings, statistics: RatingStatistics) -> None:
    moved = planted.values.copy()
    own = planted.row(5)
    moved[own] = np.where(np.arange(own.stop - own.start) % 2, 0.5, 5.0)
    noisy = RatingStatistics.count(replace(planted, values=moved))
    assert noisy.users.log_noise[5] > statistics.users.log_noise[5] + 0.5
    assert noisy.users.log_noise.argmax() == 5
    assert abs(statistics.users.log_noise[:-1].mean()) < 0.3  # relative to the average


def test_statistics_of_a_constant_are_finite() -> None:
    same = Ratings.from_columns([0, 0, 1], [0, 1, 0], [3, 3, 3], scale=Scale(1, 5, 1))
    found = RatingStatistics.count(same)
    assert found.deviation == pytest.approx(0.004)
    assert np.isfinite(found.users.log_noise).all() and np.isfinite(found.items.log_noise).all()


def test_folding_in_training_users_finds_their_histograms(planted: Ratings, statistics: RatingStatistics) -> None:
    some = in_vocabulary(planted.take(planted.user_index < 6), planted.item_ids)
    found = statistics.fold_in(some)
    assert np.array_equal(found.counts[:6], statistics.users.counts[:6]) and not found.counts[6].any()
    assert found.bias[:6] == pytest.approx(statistics.users.bias[:6], abs=0.05)
    assert found.log_noise[:6] == pytest.approx(statistics.users.log_noise[:6], abs=0.1)
    assert found.ratings is some
    assert RatingStatistics.count(planted, keep_ratings=False).fold_in(some).ratings is None


def test_new_items_are_added_and_the_others_stay(planted: Ratings) -> None:
    new = np.isin(planted.item_index, [3, 50])
    before, added = RatingStatistics.count(planted.take(~new)), planted.take(new)
    everything = in_user_vocabulary(planted, planted.user_ids)
    ids, merge = Merge.of(planted.take(~new).item_ids, added.item_ids)
    after = before.with_items(in_user_vocabulary(added, planted.user_ids), merge, everything)
    assert np.array_equal(ids, planted.item_ids)
    direct = RatingStatistics.count(planted).items
    assert np.array_equal(after.items.counts, direct.counts)
    assert after.items.bias[[3, 50]] == pytest.approx(direct.bias[[3, 50]], abs=0.1)
    assert after.items.log_noise[[3, 50]] == pytest.approx(direct.log_noise[[3, 50]], abs=0.2)
    assert not after.directions[[3, 50]].any()
    others = np.delete(np.arange(planted.num_items), [3, 50])
    for name in ("counts", "log_noise", "bias"):
        assert np.array_equal(getattr(after.items, name)[others], getattr(before.items, name)[:-1])
    assert np.array_equal(after.directions[others], before.directions[:-1])
    assert after.users.ratings is everything and np.array_equal(after.users.counts, before.users.counts)


def test_the_noise_of_a_new_item_is_relative_to_that_of_its_users(statistics: RatingStatistics) -> None:
    new = Ratings.from_columns([0, 3], [0, 0], [5.0, 1.0], scale=statistics.scale)
    users = np.array([0, 3])
    rest = new.values - statistics.mean - statistics.users.bias[users]
    bias = rest.sum() / (2 + 5)
    relative = ((rest - bias) / statistics.deviation) ** 2 / np.exp(statistics.users.log_noise[users])
    ids = np.arange(statistics.users.counts.shape[0] - 1)
    padded = replace(new, user_index=users.astype(np.int32), user_ids=ids)
    num_items = len(statistics.items.bias) - 1
    after = statistics.with_items(padded, Merge(np.arange(num_items), np.array([num_items])), None)
    assert after.items.bias[num_items] == pytest.approx(bias)
    assert np.exp(after.items.log_noise[num_items]) == pytest.approx((relative.sum() + 10) / (2 + 10))


def test_directions_are_those_of_the_truncated_decomposition_of_the_scaled_mask() -> None:
    """With at most 42 items the subspace holds the whole row space, so the decomposition is exact."""
    observed = np.random.default_rng(0).random((80, 40)) < np.linspace(0.05, 0.95, 40)
    users, items = np.nonzero(observed)
    ratings = Ratings.from_columns(users, items, np.full(len(users), 3.0), scale=Scale(1, 5, 1))
    directions = item_directions(ratings)
    assert directions.shape == (41, 32) and directions.dtype == np.float32
    assert not directions[UNKNOWN].any()
    mask = observed[np.ix_(ratings.user_ids, ratings.item_ids)].astype(float)
    mask /= np.sqrt((mask.sum(axis=1, keepdims=True) + 10) * (mask.sum(axis=0) + 10))
    _, weights, vectors = np.linalg.svd(mask, full_matrices=False)
    expected = vectors[:32].T * weights[:32]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert directions[:-1] @ directions[:-1].T == pytest.approx(expected @ expected.T, abs=1e-4)


def test_similar_counts_by_hand() -> None:
    directions = np.array([[1, 0], [0.6, 0.8], [-1, 0], [0, 0]], dtype=np.float32)
    values = np.array([1.0, 2.0, 3.0])
    users, items = np.array([1, 0, UNKNOWN, 0]), np.array([0, 1, 0, 2])
    found = similar_counts(TINY, directions, values, users, items)
    assert found == pytest.approx(
        np.array([[0, 0, 1], [1, 0, 0.6**4], [0, 0, 0], [0, 0, 0]]),  # opposite and unknown items count nothing
        abs=1e-6,
    )
    assert not similar_counts(None, directions, values, users, items).any()


def test_features_by_hand() -> None:
    found = RatingStatistics.count(TINY)
    features = Features.of(found, np.array([2.0, 9.0]), np.array([0, UNKNOWN]), np.array([0, 2]))
    unit = found.deviation
    assert features.values == pytest.approx((np.array([1, 2, 3]) - 2.25) / unit)
    assert features.predictions == pytest.approx(np.array([-0.25, 0.75]) / unit)  # 9 is clipped to 3
    assert features.num_ratings.tolist() == [[2, 2], [0, 1]]
    assert features.location_regressors[0, :4] == pytest.approx([1, -0.25 / unit, -0.5 / unit / 7, 1.5 / unit / 7])
    assert features.location_regressors[1, :4] == pytest.approx([1, 0.75 / unit, 0, -0.25 / unit / 6])
    assert features.few == pytest.approx([np.exp(-0.2), 1])
    assert features.location_regressors[:, 4:] == pytest.approx(
        features.few[:, None] * features.location_regressors[:, :4]
    )
    assert features.sigma_regressors[:, 7:] == pytest.approx(features.few[:, None] * features.sigma_regressors[:, :7])
    logs = [np.log(3) - 4, np.log(3) - 4, found.users.log_noise[0], found.items.log_noise[0]]
    assert features.sigma_regressors[0, :7] == pytest.approx([1, *logs, -0.25 / unit, (0.25 / unit) ** 2])
    assert features.sigma_regressors[1, 1:4] == pytest.approx([-4, np.log(2) - 4, 0])
    one = features.take(np.array([1]))
    assert one.predictions.tolist() == [features.predictions[1]] and one.item_counts.tolist() == [[0, 1, 0]]


def test_features_of_people_who_are_folded_in_read_their_histograms(
    planted: Ratings, statistics: RatingStatistics
) -> None:
    some = in_vocabulary(planted.take(planted.user_index >= 200), planted.item_ids)
    pair = np.array([3.0]), np.array([0]), np.array([4])
    folded = Features.of(statistics, *pair, statistics.fold_in(some))
    assert np.array_equal(folded.user_counts[0], statistics.users.counts[200])
    assert np.array_equal(folded.item_counts[0], statistics.items.counts[4])


def test_parameters_are_packed_and_unpacked() -> None:
    vector = np.arange(34.0)
    assert np.array_equal(Parameters.unpack(vector).pack(), vector)
    assert START.pack().shape == (34,)
    assert sorted([*FOR_ALL, *FOR_FEW]) == list(range(34))
    table = np.arange(68.0).reshape(2, 34)
    assert Parameters.unpack(table).exponents.shape == (2, 8)
    assert np.array_equal(Parameters.unpack(table).pack(), table)


def test_parameters_of_older_bundles_add_nothing_for_few_ratings() -> None:
    older = Parameters.unpack(np.arange(19.0))
    assert older.location.tolist() == [0, 1, 2, 3, 0, 0, 0, 0]
    assert older.log_sigma.tolist() == [*range(4, 11), *[0] * 7]
    assert older.exponents.tolist() == [11, 12, 13, 14, 0, 0, 0, 0]
    assert older.log_positive.tolist() == [15, 16, 17, 18]


def test_the_second_step_changes_nothing_for_people_with_many_ratings(rated: tuple[Features, np.ndarray]) -> None:
    features, observed = rated
    first = fit_parameters(features, observed)
    second = fit_parameters(features, observed, first, free=FOR_FEW)
    assert np.array_equal(second.pack()[FOR_ALL], first.pack()[FOR_ALL])
    assert not np.allclose(second.pack()[FOR_FEW], first.pack()[FOR_FEW])
    many = replace(
        features,
        few=np.zeros(300),
        location_regressors=features.location_regressors * ([1] * 4 + [0] * 4),
        sigma_regressors=features.sigma_regressors * ([1] * 7 + [0] * 7),
    )
    assert np.array_equal(predict_probabilities(many, second), predict_probabilities(many, first))


def test_probabilities_follow_the_formula(rated: tuple[Features, np.ndarray]) -> None:
    features, number = rated[0], 7
    found = predict_probabilities(features, START)[number]
    smoothing_users, smoothing_items, degrees, weight = np.exp(START.log_positive)
    few = np.exp(-features.num_ratings[number, 0] / 10)
    assert 0 < few < 1
    a, b, c, d = START.exponents[:4] + few * START.exponents[4:]
    middle = features.predictions[number] + features.location_regressors[number] @ START.location
    distance = (features.values - middle) / np.exp(features.sigma_regressors[number] @ START.log_sigma)
    overall, own = features.frequencies, features.user_frequencies[number]
    mixed = features.similar_counts[number] + weight * own
    product = (
        (features.user_counts[number] + smoothing_users * overall) ** a
        * (features.item_counts[number] + smoothing_items * overall) ** b
        * overall**c
        * (mixed / mixed.sum() / own) ** d
        * (1 + distance**2 / degrees) ** (-(degrees + 1) / 2)
    )
    assert found == pytest.approx(product / product.sum())


def test_the_gradient_is_that_of_the_loss(rated: tuple[Features, np.ndarray]) -> None:
    features, observed = rated
    here = START.pack() + 0.05
    gradient, each = penalized_loss(here, features, observed)[1:]
    for number in range(len(here)):
        step = np.zeros(len(here))
        step[number] = 1e-5
        ahead, behind = (penalized_loss(here + sign * step, features, observed)[0] for sign in (1, -1))
        assert gradient[number] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-3)
    assert each.shape == (300, 34)
    alone = penalized_loss(here, features.take(np.array([9])), observed[[9]])[1]
    none = penalized_loss(here, features.take(np.array([], dtype=int)), observed[:0])[1]
    assert each[9] == pytest.approx(none - alone)


def test_the_penalty_holds_all_parameters_but_the_two_constants(rated: tuple[Features, np.ndarray]) -> None:
    features = rated[0].take(np.array([], dtype=int))
    loss, gradient, _ = penalized_loss(START.pack() + 0.5, features, rated[1][:0])
    expected = np.full(34, 8.0)
    expected[[0, 8]] = 0.0
    assert gradient == pytest.approx(expected)
    assert loss == pytest.approx(32 * 16 * 0.25 / 2)


def test_the_fit_is_where_the_gradient_vanishes(rated: tuple[Features, np.ndarray]) -> None:
    features, observed = rated
    found = fit_parameters(features, observed)
    start, end = (penalized_loss(one.pack(), features, observed) for one in (START, found))
    assert end[0] < start[0]
    assert np.abs(end[1][FOR_ALL]).max() < 0.01 * np.abs(start[1][FOR_ALL]).max()
