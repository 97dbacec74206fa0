"""Errors computed by hand, and intervals that cover a known error."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from movie_autoencoder.metrics import comparison, errors
from movie_autoencoder.metrics.comparison import bootstrap_rmse, compare, fraction_improved, interval, standard_errors
from movie_autoencoder.metrics.errors import MetricError, error_sums, mae, mean_user_rmse, mse, rmse

STARS = np.array([[4.0, 2.0, 5.0], [1.0, 3.0, 4.0]])
PREDICTED = np.array([[3.0, 2.0, 3.0], [2.0, 3.0, 4.0]])  # errors -1 0 -2 / 1 0 0


@pytest.mark.parametrize("module", [errors, comparison])
def test_the_documented_examples_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 5
    assert result.failed == 0


def test_errors_of_a_two_by_three_matrix():
    assert mse(PREDICTED, STARS) == 1.0
    assert rmse(PREDICTED, STARS) == 1.0
    assert mae(PREDICTED, STARS) == pytest.approx(4 / 6)


def test_only_ratings_of_the_mask_count_even_when_a_rating_is_zero():
    mask = [[1, 1, 0], [1, 0, 0]]
    assert mse(PREDICTED, STARS, mask=mask) == pytest.approx(2 / 3)
    assert mse([0.0, 9.0], [0.0, 1.0], mask=[True, False]) == 0.0


def test_values_outside_the_mask_may_be_anything():
    assert mae([1.0, np.nan], [2.0, 3.0], mask=[1, 0]) == 1.0


def test_pooled_and_per_user_errors_differ_when_users_rate_unequally():
    predicted, ratings, users = [3, 3, 3, 1], [3, 3, 3, 3], ["ann", "ann", "ann", "bob"]
    assert rmse(predicted, ratings) == 1.0  # 4 / 4
    assert mean_user_rmse(predicted, ratings, users) == 1.0  # (0 + 2) / 2
    assert mean_user_rmse(predicted[1:], ratings[1:], users[1:]) == 1.0
    assert rmse(predicted[1:], ratings[1:]) == pytest.approx(np.sqrt(4 / 3))


def test_sums_of_groups_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    predicted, stars, group = rng.random(1000), rng.random(1000), rng.integers(7, size=1000)
    whole, parts = error_sums(predicted, stars), error_sums(predicted, stars, groups=group, num_groups=9)
    for name in ("counts", "squared", "absolute", "signed"):
        assert getattr(parts, name).sum() == pytest.approx(getattr(whole, name)[0])
    assert parts.counts[-2:].tolist() == [0, 0]
    assert np.isnan(parts.rmse[-1])
    assert parts.total().rmse[0] == pytest.approx(rmse(predicted, stars))


def test_the_sign_of_the_bias_is_prediction_minus_rating():
    assert error_sums([4.0, 5.0], [3.0, 3.0]).bias[0] == 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0]), r"must have one shape. Received: \(1,\), \(2,\)"),
        (([], []), "no rating to average over"),
        (([1.0, np.nan], [1.0, 2.0]), "prediction nan, target 2.0 at position 1"),
    ],
)
def test_arrays_without_an_error_are_refused(arguments, message):
    with pytest.raises(MetricError, match=message):
        mse(*arguments)


def test_a_mask_that_hides_everything_is_refused():
    with pytest.raises(MetricError, match="at least one rating"):
        rmse(STARS, STARS, mask=np.zeros_like(STARS))


def _planted(rng: np.random.Generator, num_users: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums of squared errors and counts of users with different noise, and the RMSE of their distribution."""
    counts = rng.integers(1, 30, size=num_users)
    noise = rng.choice([0.5, 1.5], size=num_users)
    errors = rng.normal(0, np.repeat(noise, counts))
    squared = np.bincount(np.repeat(np.arange(num_users), counts), errors**2)
    return squared, counts, float(np.sqrt((0.25 + 2.25) / 2))


def test_the_interval_covers_the_true_error_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        squared, counts, truth = _planted(rng, 120)
        low, high = interval(bootstrap_rmse({"model": squared}, counts, resamples=200, seed=trial)["model"])
        covered += low <= truth <= high
    assert 180 <= covered <= 200  # 95 % of 200 is 190, its standard deviation 3.1


def test_an_interval_over_ratings_would_be_too_narrow():
    rng = np.random.default_rng(6)
    user_error = np.repeat(rng.choice([0.5, 1.5], size=200), 30)  # the ratings of one user share their error
    by_user = np.bincount(np.repeat(np.arange(200), 30), user_error**2)
    clustered = bootstrap_rmse({"model": by_user}, np.full(200, 30))["model"]
    single = bootstrap_rmse({"model": user_error**2}, np.ones(6000, dtype=int))["model"]
    assert clustered.std() > 4 * single.std()


def test_standard_errors_agree_with_the_bootstrap():
    squared, counts, _ = _planted(np.random.default_rng(2), 500)
    draws = bootstrap_rmse({"model": squared}, counts, resamples=2000)["model"]
    assert standard_errors(squared[:, None], counts[:, None])[0] == pytest.approx(draws.std(), rel=0.1)


def test_a_standard_error_of_three_users_by_hand():
    """Sums 2, 6, 4 of 2, 1, 1 ratings: the mean is 3, the deviations -4, 3, 1, and 3 users stand for 3 / (3 - 1)."""
    found = standard_errors(np.array([[2.0], [6.0], [4.0]]), np.array([[2], [1], [1]]))
    variance_of_mse = 3 / 2 * (16 + 9 + 1) / 4**2
    assert found == pytest.approx([np.sqrt(variance_of_mse) / (2 * np.sqrt(3))], rel=1e-12)


def test_a_standard_error_needs_two_users():
    assert np.isnan(standard_errors(np.array([[4.0], [0.0]]), np.array([[2], [0]]))[0])


def test_pooling_many_clusters_keeps_the_width_of_the_interval():
    squared, counts, _ = _planted(np.random.default_rng(3), 4000)
    exact = bootstrap_rmse({"model": squared}, counts)["model"]
    pooled = bootstrap_rmse({"model": squared}, counts, max_clusters=1000)["model"]
    assert (pooled != exact).any()
    assert pooled.std() == pytest.approx(exact.std(), rel=0.15)
    assert pooled.mean() == pytest.approx(exact.mean(), abs=0.005)


def test_equal_seeds_give_equal_samples_and_the_global_generator_changes_nothing():
    squared, counts = np.array([1.0, 4.0, 9.0]), np.array([1, 2, 3])
    first = bootstrap_rmse({"model": squared}, counts, seed=4)["model"]
    np.random.seed(9)  # noqa: NPY002
    assert (bootstrap_rmse({"model": squared}, counts, seed=4)["model"] == first).all()
    assert (bootstrap_rmse({"model": squared}, counts, seed=5)["model"] != first).any()


def test_empty_clusters_change_nothing():
    with_empty = bootstrap_rmse({"model": np.array([1.0, 0.0, 9.0])}, np.array([1, 0, 3]))["model"]
    without = bootstrap_rmse({"model": np.array([1.0, 9.0])}, np.array([1, 3]))["model"]
    assert (with_empty == without).all()


def test_one_cluster_has_no_bootstrap():
    with pytest.raises(MetricError, match="two clusters.*Received: 1 clusters"):
        bootstrap_rmse({"model": np.array([1.0])}, np.array([5]))


def test_pairing_makes_a_small_difference_visible():
    rng = np.random.default_rng(5)
    users, items = np.repeat(np.arange(300), 20), np.tile(np.arange(20), 300)
    stars = rng.normal(3, 1, size=6000)
    ours = stars + rng.normal(0, 1, size=6000)
    theirs = stars + (ours - stars) * 1.02
    comparison = compare(ours, theirs, stars, users, items=items)
    assert comparison.difference == pytest.approx(rmse(ours, stars) - rmse(theirs, stars))
    assert comparison.ci95[0] < comparison.difference < comparison.ci95[1] < 0
    assert comparison.ci95_items is not None
    assert comparison.ci95_items[1] < 0
    assert comparison.users_improved == 1.0
    assert comparison.num_users == 300
    alone = bootstrap_rmse({"ours": error_sums(ours, stars, groups=users).squared}, np.full(300, 20))["ours"]
    assert comparison.ci95[1] - comparison.ci95[0] < (interval(alone)[1] - interval(alone)[0]) / 10


def test_equal_predictions_improve_half_of_the_users():
    assert compare([3, 3], [3, 3], [4, 2], users=[1, 2]).users_improved == 0.5
    assert fraction_improved(np.array([1.0, 0.0]), np.array([2.0, 0.0]), np.array([1, 0])) == 1.0
