"""Star values, distributions over them, and their intervals: small cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from movie_autoencoder.data.scale import Scale, like_threshold, one_point
from movie_autoencoder.uncertainty import StarDistribution, star_values, value_index
from movie_autoencoder.uncertainty.intervals import (
    LEVELS,
    ConformalAdjustment,
    conformity_scores,
    interval_ends,
    lower_tail,
    probability_at,
    quantiles,
)

FIVE = Scale(1, 5, 1)
VALUES = star_values(FIVE)
SKEWED = np.array([0.02, 0.03, 0.05, 0.3, 0.6])
EVEN = np.full(5, 0.2)


def distribution(*rows: np.ndarray) -> StarDistribution:
    """A distribution whose intervals are not adjusted."""
    return StarDistribution(FIVE, VALUES, np.array(rows), np.tile(LEVELS, (len(rows), 1)))


def test_star_values_are_those_of_the_scale_or_a_grid_of_21() -> None:
    assert star_values(Scale(0.5, 5, 0.5)).tolist() == np.arange(0.5, 5.1, 0.5).tolist()
    assert len(star_values(Scale(0, 20, 1))) == 21
    assert star_values(Scale(1, 5)).tolist() == pytest.approx(np.linspace(1, 5, 21).tolist())
    assert star_values(Scale(0, 100, 1)).tolist() == pytest.approx(np.arange(0, 101, 5).tolist())


def test_the_index_is_that_of_the_nearest_value() -> None:
    assert value_index(star_values(Scale(0, 100, 1)), [0, 2.4, 2.6, 100, 140]).tolist() == [0, 0, 1, 20, 20]
    assert value_index(VALUES, -3.0).tolist() == 0


def test_like_threshold_and_one_point_of_several_scales() -> None:
    scales = [Scale(*ends) for ends in ((1, 5, 1), (0.5, 5, 0.5), (1, 10, 1), (-10, 10), (2, 5, 1))]
    assert [like_threshold(scale) for scale in scales] == [4.0, 4.0, 7.75, 5.0, 4.25]
    assert [one_point(scale) for scale in scales] == [1.0, 1.0, 2.25, 5.0, 0.75]


def test_mean_standard_deviation_and_probabilities_by_hand() -> None:
    found = distribution(SKEWED, EVEN)
    assert len(found) == 2
    assert found.mean == pytest.approx([4.43, 3.0])
    assert found.standard_deviation == pytest.approx([np.sqrt(20.39 - 4.43**2), np.sqrt(2)])
    assert found.like_probability() == pytest.approx([0.9, 0.4])
    assert found.like_probability(3.0) == pytest.approx([0.95, 0.6])
    assert found.error_probability(np.array([4.0, 3.0])) == pytest.approx([0.05, 0.4])
    assert found.error_probability(np.array([4.0, 3.0]), more_than=0.0) == pytest.approx([0.7, 0.8])


def test_an_interval_of_an_even_distribution_leaves_out_as_much_on_either_side_as_the_shortest_does() -> None:
    low, high = distribution(EVEN).interval(0.8)
    assert (high - low)[0] == pytest.approx(4.0, abs=0.5)  # 0.8 of five bins, cut to the scale
    low, high = distribution(SKEWED).interval(0.9)
    assert (low[0], high[0]) == pytest.approx((3.5, 5.0))


def test_intervals_stay_on_the_scale_and_a_level_beyond_0_and_1_is_refused() -> None:
    wide = StarDistribution(FIVE, VALUES, np.array([[0.5, 0, 0, 0, 0.5]]), np.tile(LEVELS, (1, 1)))
    assert [end.tolist() for end in wide.interval(0.95)] == [[1.0], [5.0]]
    for level in (0.0, 1.0, -1, 2):
        with pytest.raises(ValueError, match=f"above 0 and below 1. Received: level={level}"):
            wide.interval(level)


def test_the_shortest_interval_of_a_skewed_distribution_leaves_out_one_tail() -> None:
    peaked = np.array([0.05, 0.1, 0.7, 0.1, 0.05])
    assert lower_tail(np.array([SKEWED, SKEWED[::-1], peaked])) == pytest.approx([1.0, 0.0, 0.5])
    assert lower_tail(np.empty((0, 5))).shape == (0,)


def test_many_distributions_are_searched_as_one_alone() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=10_000)  # more than one block
    tails = lower_tail(rows)
    assert np.array_equal(tails[[0, 8191, 8192, 9999]], lower_tail(rows[[0, 8191, 8192, 9999]]))


def test_quantiles_lie_within_bins_one_step_wide() -> None:
    levels = np.array([[0.0, 0.1, 0.4, 0.7, 1.0]])
    assert quantiles(VALUES, np.array([SKEWED]), levels)[0] == pytest.approx([0.5, 3.5, 4.5, 5.0, 5.5])


def test_interval_ends_hold_the_probability_that_is_asked_for() -> None:
    rows = np.random.default_rng(1).dirichlet(np.ones(5), size=300)
    low, high = interval_ends(VALUES, rows, np.full(300, 0.6))
    edges = np.arange(0.5, 6.0)
    for row, first, last in zip(rows, low, high, strict=True):
        inside = np.clip(np.minimum(edges[1:], last) - np.maximum(edges[:-1], first), 0, 1)
        assert row @ inside == pytest.approx(0.6)


def test_a_conformity_score_is_the_least_probability_whose_interval_covers() -> None:
    rows = np.random.default_rng(2).dirichlet(np.ones(5), size=200)
    observed = np.random.default_rng(3).integers(5, size=200)
    scores = conformity_scores(rows, observed)
    for factor, covers in ((1e-6, True), (-1e-6, False)):
        low, high = interval_ends(VALUES, rows, scores + factor)
        covered = (low <= VALUES[observed] + 1e-9) & (high >= VALUES[observed] - 1e-9)
        assert (covered == covers)[scores > 0.01].all()
    assert conformity_scores(np.array([SKEWED]), np.array([3]))[0] == pytest.approx(1 - 0.25)


def test_levels_between_those_that_are_adjusted_are_interpolated() -> None:
    adjusted = np.array([[0.52, 0.62, 0.73, 0.84, 0.88, 0.93, 0.97, 0.99]])
    expected = {0.25: 0.26, 0.5: 0.52, 0.65: 0.675, 0.9: 0.93, 0.98: 0.99, 0.99: 0.995}
    for level, probability in expected.items():
        assert probability_at(adjusted, level) == pytest.approx([probability]), level


def test_quantile_regression_of_scores_is_right_on_average_and_along_the_number_of_ratings() -> None:
    """Scores of users with few ratings are larger here: one constant for all would cover these too seldom."""
    rng = np.random.default_rng(4)
    counts = rng.choice([3.0, 300.0], size=(4000, 2))
    scores = rng.random(4000) ** np.where(counts[:, 0] < 10, 0.5, 2.0)
    found = ConformalAdjustment.fit(scores, counts).probabilities(counts)
    assert found.shape == (4000, 8) and (np.diff(found, axis=1) >= 0).all()
    for column, level in enumerate(LEVELS):
        covered = scores <= found[:, column]
        assert covered.mean() == pytest.approx(level, abs=0.001)
        for short in (True, False):
            assert covered[(counts[:, 0] < 10) == short].mean() == pytest.approx(level, abs=0.03)


def test_scores_too_few_for_a_level_give_the_widest_adjustment() -> None:
    scores, counts = np.linspace(0.1, 0.9, 9), np.full((9, 2), 20.0)
    found = ConformalAdjustment.fit(scores, counts).probabilities(counts[:1])[0]
    assert found[LEVELS.index(0.9)] == pytest.approx(0.9, abs=1e-3)  # the ninth of nine, as (9 + 1) * 0.9 is 9
    assert found[LEVELS.index(0.95) :] == pytest.approx([0.975, 0.99])  # half of 0.05 and of 0.02 left out


def test_an_interval_of_a_higher_level_is_never_the_narrower_one() -> None:
    """Coefficients by which the probabilities would fall from level to level: each stays at the largest so far."""
    coefficients = np.zeros((8, 6))
    coefficients[:, 0] = [0.5, 0.8, 0.7, 0.85, 0.8, 0.94, 0.91, 1.2]
    found = ConformalAdjustment(coefficients).probabilities(np.array([[3.0, 4.0]]))
    assert found == pytest.approx(np.array([[0.5, 0.8, 0.8, 0.85, 0.85, 0.94, 0.94, 0.99]]))


@given(
    rows=arrays(float, (4, 5), elements=st.floats(0, 1)).filter(lambda rows: bool((rows.sum(axis=1) > 0.1).all())),
    coefficients=arrays(float, (8, 6), elements=st.floats(-3, 3)),
    counts=arrays(float, (4, 2), elements=st.floats(0, 1e5)),
    level=st.floats(0.05, 0.9),
)
def test_an_interval_never_contradicts_the_probability_of_liking(
    rows: np.ndarray, coefficients: np.ndarray, counts: np.ndarray, level: float
) -> None:
    """Whatever the adjustment: both come from one distribution."""
    adjusted = ConformalAdjustment(coefficients).probabilities(counts)
    found = StarDistribution(FIVE, VALUES, rows / rows.sum(axis=1, keepdims=True), adjusted)
    low, high = found.interval(level)
    probability, inside = found.like_probability(), probability_at(adjusted, level)
    assert (inside <= 0.95 + 1e-9).all()
    # what lies below the interval is less than its complement; what is liked beyond that reaches into it
    assert (high[probability > 1 - inside + 1e-6] >= 3.5 - 1e-6).all()
    sure = probability >= 0.95 + 1e-6
    assert (high - low <= 2 + 1e-6)[sure].all()  # two values are liked, each a bin one step wide
    assert (low >= 1.5 - 1e-6)[sure].all()  # so the interval does not reach the lowest value
    unsure = probability <= 0.05 - 1e-6  # disliked as surely: three values
    assert (high - low <= 3 + 1e-6)[unsure].all()


@pytest.mark.parametrize("count", [0.0, 1.0, 3.0, 1e6])
def test_an_extrapolated_adjustment_leaves_out_at_least_half_and_at_most_twice_the_rest(count: float) -> None:
    for slope in (-50.0, 50.0):
        coefficients = np.full((8, 6), slope)
        found = ConformalAdjustment(coefficients).probabilities(np.array([[count, 2.0]]))[0]
        outside = (1 - found) / (1 - np.array(LEVELS))
        assert outside.min() >= 0.5 - 1e-9 and outside.max() <= 2 + 1e-9
