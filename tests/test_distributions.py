"""Scores of distributions by hand, and coverage whose standard error is known."""

from __future__ import annotations

import numpy as np
import pytest

from movie_autoencoder.metrics.distributions import (
    Coverage,
    auc,
    brier,
    coverage,
    crps,
    holm,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    tenths,
)

VALUES = np.array([1.0, 2.0, 4.0])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])


def test_scores_by_hand() -> None:
    assert negative_log_likelihood(PROBABILITIES, np.array([1, 1])) == pytest.approx(np.log(4) / 2)
    # up to 1: 0.5 against 0; up to 2, two points wide: 0.75 against 1 -> 0.25 + 2 * 0.0625; the second is right
    assert crps(PROBABILITIES, VALUES, np.array([2.0, 2.0])) == pytest.approx((0.25 + 2 * 0.0625) / 2)
    assert brier(np.array([0.25, 0.0]), np.array([True, False])) == pytest.approx(0.5625 / 2)


def test_the_crps_of_a_certain_prediction_is_its_absolute_error() -> None:
    certain = np.eye(3)
    assert crps(certain, VALUES, np.array([4.0, 1.0, 1.0])) == pytest.approx((3 + 1 + 3) / 3)


def test_an_impossible_rating_costs_much_but_not_everything() -> None:
    assert 20 < negative_log_likelihood(PROBABILITIES, np.array([0, 0])) * 2 - np.log(2) < 40


@pytest.mark.parametrize("score", ["nll", "crps", "brier"])
def test_a_proper_score_is_best_for_the_true_probabilities(score: str) -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.2, 0.5, 0.3])
    observed = rng.choice(3, p=truth, size=40_000)

    def loss(probabilities: np.ndarray) -> float:
        table = np.tile(probabilities, (len(observed), 1))
        if score == "nll":
            return negative_log_likelihood(table, observed)
        return crps(table, VALUES, VALUES[observed]) if score == "crps" else brier(table[:, 2], observed == 2)

    for other in ([0.3, 0.5, 0.2], [0.1, 0.5, 0.4], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]):
        assert loss(truth) < loss(np.array(other))


def test_auc_is_the_fraction_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(1)
    scores, happened = rng.integers(6, size=60).astype(float), rng.random(60) < 0.4
    pairs = np.sign(scores[happened][:, None] - scores[~happened])
    assert auc(scores, happened) == pytest.approx((pairs + 1).mean() / 2)
    assert auc(scores, np.ones(60, dtype=bool)) is None


def test_bins_of_a_reliability_diagram_have_equal_sizes() -> None:
    probabilities = np.linspace(0, 1, 100)
    bins = reliability(probabilities, probabilities > 0.5, num_bins=4)
    assert [one.num_ratings for one in bins] == [25] * 4
    assert [one.frequency for one in bins] == [0.0, 0.0, 1.0, 1.0]
    assert bins[0].chance == pytest.approx(probabilities[:25].mean())


def test_risk_falls_with_the_fraction_when_the_uncertainty_is_the_error_itself() -> None:
    errors = np.array([3.0, -1.0, 2.0, 0.0])
    assert risk_coverage(np.abs(errors), errors, [0.25, 0.5, 1.0]) == pytest.approx((0.0, np.sqrt(0.5), np.sqrt(3.5)))


def test_the_standard_error_of_coverage_grows_when_ratings_of_a_user_correlate() -> None:
    rng = np.random.default_rng(2)
    users, items = np.repeat(np.arange(200), 25), np.tile(np.arange(25), 200)
    together = np.repeat(rng.random(200) < 0.9, 25)
    single = rng.random(5000) < 0.9
    errors = [coverage(one, np.ones(5000), users, items).standard_error for one in (together, single)]
    assert errors[0] == pytest.approx(np.sqrt(0.9 * 0.1 / 200), rel=0.25)
    assert errors[1] < errors[0] / 3
    by_item = coverage(together, np.ones(5000), items, users).standard_error
    assert by_item == pytest.approx(errors[0])


def test_the_standard_error_of_coverage_by_hand() -> None:
    """Residuals 1/4, 1/4, 1/4, -3/4. Squared sums of the 2 users and of the 2 items: 1/2 each, times 2 / (2 - 1)."""
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = coverage(np.array([True, True, True, False]), np.ones(4), users, items)
    assert found.standard_error == pytest.approx(np.sqrt(1 + 1 - 3 / 4) / 4, rel=1e-12)
    # Residuals ±1/2. Three users: 2 * 3 / (3 - 1) = 3. Two items: 1/2 * 2 = 1. The sum less 6/4 is below 3.
    covered = np.array([True, True, True, False, False, False])
    found = coverage(covered, np.ones(6), np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1]))
    assert found.standard_error == pytest.approx(np.sqrt(3) / 6, rel=1e-12)


def test_coverage_without_two_users_or_two_items_has_no_standard_error() -> None:
    found = coverage(np.array([True, False]), np.array([1.0, 3.0]), np.array([0, 0]), np.array([0, 1]))
    assert (found.share, found.standard_error, found.mean_width) == (0.5, None, 2.0)
    assert found.p_value(0.9) is None


def test_p_values_are_of_the_normal_distribution() -> None:
    assert Coverage(100, 0.9 + 1.96 * 0.01, 0.01, 1.0).p_value(0.9) == pytest.approx(0.05, abs=1e-4)


def test_holm_by_hand() -> None:
    assert holm([0.02, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([]) == []


def test_tenths_hold_a_tenth_each() -> None:
    groups = tenths(np.random.default_rng(3).integers(5, size=1000))
    assert np.bincount(groups).tolist() == [100] * 10
