"""Distributions over the stars: habits that were planted are found, chances add up, and nothing leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.metrics.distributions import negative_log_likelihood
from movie_autoencoder.models.base import in_vocabulary
from movie_autoencoder.uncertainty import stars as module
from movie_autoencoder.uncertainty.stars import StarModel, columns, like_threshold, one_point, star_values

NUM_USERS, NUM_ITEMS = 120, 90


def planted_ratings(seed: int = 0) -> tuple[Ratings, np.ndarray]:
    """Everyone's stars for everything, and the true expectation: even users give whole stars only, odd ones halves too.

    The noise of every fourth user is large.
    """
    rng = np.random.default_rng(seed)
    liking = 3.2 + rng.normal(0, 0.5, NUM_USERS)[:, None] + rng.normal(0, 0.6, NUM_ITEMS)
    spread = np.where(np.arange(NUM_USERS) % 4 == 0, 1.2, 0.4)
    raw = liking + rng.normal(size=liking.shape) * spread[:, None]
    step = np.where(np.arange(NUM_USERS) % 2 == 0, 1.0, 0.5)[:, None]
    given = np.clip(np.round(raw / step) * step, 1.0, 5.0)
    users, items = np.indices(given.shape).reshape(2, -1)
    ratings = Ratings.from_columns(users, items, given.ravel(), scale=Scale(1, 5, 0.5))
    return ratings, np.clip(liking, 1, 5).ravel()


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Training ratings and three held-out parts with honest predictions, in the training vocabulary."""
    ratings, expected = planted_ratings()
    role = np.random.default_rng(1).choice(3, p=[0.4, 0.3, 0.3], size=len(ratings))
    training = ratings.take(role == 0)
    assert (training.num_users, training.num_items) == (NUM_USERS, NUM_ITEMS)
    held_out = {
        name: (
            expected[role == number],
            ratings.user_index[role == number],
            ratings.item_index[role == number],
            ratings.values[role == number],
        )
        for name, number in (("validation", 1), ("test", 2))
    }
    return {"training": training, **held_out}


@pytest.fixture(scope="module")
def model(parts: dict[str, Any]) -> StarModel:
    return StarModel.fit(*parts["validation"], parts["training"])


def test_the_values_of_a_scale_and_of_one_that_is_too_fine() -> None:
    assert star_values(Scale(0.5, 5, 0.5)).tolist() == np.arange(0.5, 5.1, 0.5).tolist()
    assert len(star_values(Scale(1, 5))) == len(star_values(Scale(0, 100, 1))) == 21
    assert columns(star_values(Scale(0, 100, 1)), [0, 2.4, 2.6, 100, 140]).tolist() == [0, 0, 1, 20, 20]


def test_what_counts_as_liked_and_as_one_point() -> None:
    assert [like_threshold(Scale(*ends)) for ends in ((1, 5, 1), (0.5, 5, 0.5), (1, 10, 1), (-10, 10))] == [
        4.0,
        4.0,
        7.75,
        5.0,
    ]
    assert [one_point(Scale(*ends)) for ends in ((1, 5, 1), (0.5, 5, 0.5), (1, 10, 1))] == [1.0, 1.0, 2.25]


def test_the_gradient_is_that_of_the_loss(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = (array[:300] for array in parts["validation"])
    facts = model._facts(predictions, users, items, None)
    places, here = columns(model.values, given), model.parameters + 0.05
    gradient = module._loss(here, facts, places)[1]
    for place in range(len(here)):
        step = np.zeros(len(here))
        step[place] = 1e-5
        ahead, behind = (module._loss(here + sign * step, facts, places)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-3)


def test_chances_add_up_and_beat_the_histogram_and_a_constant(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["test"]
    found = model.distribution(predictions, users, items)
    assert found.probabilities.shape == (len(given), 9)
    assert found.probabilities.min() >= 0
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    places = columns(found.values, given)
    ours = negative_log_likelihood(found.probabilities, places)
    histogram = negative_log_likelihood(model.user_histogram(users).probabilities, places)
    constant = negative_log_likelihood(np.tile(model.shares, (len(given), 1)), places)
    assert ours < histogram - 0.3 < constant - 0.3


def test_who_never_gives_halves_is_promised_none(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, _ = parts["test"]
    halves = model.distribution(predictions, users, items).probabilities[:, 1::2].sum(axis=1)
    assert halves[users % 2 == 0].max() < 0.2
    assert halves[users % 2 == 0].mean() < 0.06
    assert 0.35 < halves[users % 2 == 1].mean() < 0.65


def test_the_mean_and_the_chance_of_liking_are_right_on_average(parts: dict[str, Any], model: StarModel) -> None:
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
def test_intervals_cover_what_they_say(parts: dict[str, Any], model: StarModel, level: float) -> None:
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
    with pytest.raises(ValueError, match="Received: 1"):
        found.interval(1)


def test_intervals_are_adjusted_where_the_chances_are_wrong(parts: dict[str, Any], model: StarModel) -> None:
    """Chances that claim too much are met by a wider interval: coverage comes from the adjustment."""
    predictions, users, items, given = parts["test"]
    facts = model._facts(*parts["validation"][:3], None)
    overconfident = model.parameters.copy()
    overconfident[4] -= 0.7  # half the width
    chances = model._probabilities(facts, overconfident)
    places = columns(model.values, parts["validation"][3])
    adjusted = module._adjustments(module._conformity(chances, places), facts.counts)
    for adjustments, covers in ((model.adjustments, False), (adjusted, True)):
        wrong = replace(model, parameters=overconfident, adjustments=adjustments)
        low, high = wrong.distribution(predictions, users, items).interval(0.9)
        share = ((given >= low) & (given <= high)).mean()
        assert bool(abs(share - 0.9) < 0.03) is covers, share


def test_the_shortest_interval_of_a_skewed_distribution_leaves_out_one_tail() -> None:
    chances = np.array([[0.02, 0.03, 0.05, 0.3, 0.6], [0.6, 0.3, 0.05, 0.03, 0.02], [0.05, 0.1, 0.7, 0.1, 0.05]])
    tail = module._lower_tail(chances)
    assert tail[:2].tolist() == pytest.approx([1.0, 0.0], abs=1e-9)
    values = np.arange(1.0, 6.0)
    assert module._quantiles(values, chances[:1], np.array([[0.1]]))[0, 0] == pytest.approx(3.5)
    assert module._conformity(chances, np.array([3, 3, 2]))[0] == pytest.approx(1 - 0.25)


def test_held_out_stars_move_no_habit_and_training_stars_do(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["validation"]
    other = StarModel.fit(predictions, users, items, 6.0 - given, parts["training"])
    for side in ("users", "items"):
        for name in ("counts", "noise", "bias"):
            assert np.array_equal(getattr(getattr(other, side), name), getattr(getattr(model, side), name))
    assert not np.allclose(other.parameters, model.parameters)
    training = parts["training"]
    moved = replace(training, values=np.where(training.user_index == 3, np.float32(5.0), training.values))
    again = model.with_ratings(moved)
    assert again.users.counts[3].tolist() == [0] * 8 + [training.user_counts[3]]
    assert np.array_equal(again.parameters, model.parameters)


def test_a_person_folded_in_has_the_habits_of_their_ratings(parts: dict[str, Any], model: StarModel) -> None:
    training = parts["training"]
    some = in_vocabulary(training.take(training.user_index < 6), training.item_ids)
    habits = model.fold_in(some)
    assert np.array_equal(habits.counts[:6], model.users.counts[:6])
    assert not habits.counts[6].any()
    assert np.allclose(habits.bias[:6], model.users.bias[:6], atol=0.02)
    assert np.allclose(habits.noise[:6], model.users.noise[:6], atol=0.05)
    cells = np.array([3.0, 4.0]), np.array([2, 5]), np.array([7, 8])
    folded = model.distribution(*cells, histograms=habits).probabilities
    assert np.allclose(folded, model.distribution(*cells).probabilities, atol=0.02)


def test_a_split_by_user_is_learnt_from_fold_in_ratings(parts: dict[str, Any]) -> None:
    ratings, expected = planted_ratings()
    new = ratings.user_index >= 80
    shown = np.random.default_rng(2).random(len(ratings)) < 0.6
    training = ratings.take(~new)
    fold_in = in_vocabulary(ratings.take(new & shown), training.item_ids)
    cells = np.flatnonzero(new & ~shown)
    users, items = ratings.user_index[cells] - 80, ratings.item_index[cells]
    model = StarModel.fit(expected[cells], users, items, ratings.values[cells], training, fold_in=fold_in)
    found = model.distribution(expected[cells], users, items, histograms=model.fold_in(fold_in))
    assert found.probabilities[:, 1::2].sum(axis=1)[users % 2 == 0].max() < 0.15
    places = columns(found.values, ratings.values[cells])
    histogram = model.user_histogram(users, histograms=model.fold_in(fold_in)).probabilities
    assert negative_log_likelihood(found.probabilities, places) < negative_log_likelihood(histogram, places) - 0.3


def test_habits_that_differ_between_kinds_of_items_are_read_at_items_alike() -> None:
    """Everyone gives whole stars to one kind of items and halves to the other; which, no item and no user tells alone.

    The kinds show in who rated what: people rate most of one kind.
    """
    rng = np.random.default_rng(6)
    users, items = np.indices((150, 60)).reshape(2, -1)
    kind, fan, habit = items % 2, users // 2 % 2, (items + users) % 2
    seen = rng.random(len(users)) < np.where(kind == fan, 0.9, 0.15)
    stars = np.clip(np.round(rng.normal(3, 0.8, len(users))), 1, 4) + 0.5 * habit
    ratings = Ratings.from_columns(users[seen], items[seen], stars[seen], scale=Scale(1, 5, 0.5))
    role = rng.choice(3, p=[0.6, 0.2, 0.2], size=len(ratings))
    training = ratings.take(role == 0)
    losses = []
    for keep in (True, False):
        cells = [
            (
                np.full(np.count_nonzero(role == part), 3.25),
                ratings.user_index[role == part],
                ratings.item_index[role == part],
                ratings.values[role == part],
            )
            for part in (1, 2)
        ]
        model = StarModel.fit(*cells[0], training, keep_ratings=keep)
        found = model.distribution(*cells[1][:3])
        losses.append(negative_log_likelihood(found.probabilities, columns(found.values, cells[1][3])))
        facts = model._facts(*cells[1][:3], None)
        halves = facts.alike[:, 1::2].sum(axis=1) / np.maximum(facts.alike.sum(axis=1), 1e-9)
        if keep:
            odd = (cells[1][1] + cells[1][2]) % 2 == 1
            assert halves[odd].mean() > 0.9 > 0.1 > halves[~odd].mean()
        else:
            assert not facts.alike.any()
    assert losses[0] < losses[1] - 0.25


def test_unknown_users_and_items_have_the_habits_of_all(model: StarModel) -> None:
    found = model.distribution(np.array([3.0, 3.0]), np.array([-1, 3]), np.array([-1, -1]))
    assert np.isfinite(found.probabilities).all()
    assert 0.15 < found.probabilities[0, 1::2].sum() < 0.45  # half of the users give halves


def test_stars_times_two_have_the_same_chances(parts: dict[str, Any], model: StarModel) -> None:
    predictions, users, items, given = parts["validation"]
    training = parts["training"]
    doubled = replace(training, values=training.values * 2, scale=Scale(2, 10, 1))
    twice = StarModel.fit(predictions * 2, users, items, given * 2, doubled)
    cells = parts["test"][:3]
    found = twice.distribution(cells[0] * 2, *cells[1:])
    assert np.allclose(found.probabilities, model.distribution(*cells).probabilities, atol=1e-3)
    assert found.interval(0.9)[1] == pytest.approx(2 * model.distribution(*cells).interval(0.9)[1], abs=0.05)


def test_cells_in_blocks_and_one_at_a_time(parts: dict[str, Any], model: StarModel, monkeypatch: Any) -> None:
    cells = [array[:50] for array in parts["test"][:3]]
    whole = model.distribution(*cells)
    monkeypatch.setattr(module, "_BLOCK", 7)
    blocks = model.distribution(*cells)
    assert np.allclose(whole.probabilities, blocks.probabilities)
    assert np.allclose(whole.interval(0.8)[0], blocks.interval(0.8)[0])


@pytest.mark.parametrize("number", [1, 2, 12])
def test_a_handful_of_validation_ratings_is_enough(parts: dict[str, Any], number: int) -> None:
    found = StarModel.fit(*(array[:number] for array in parts["validation"]), parts["training"])
    low, high = found.distribution(*parts["test"][:3]).interval(0.9)
    assert np.isfinite(low).all()
    if number < 9:  # no quantile of so few scores is known to cover nine of ten
        assert (low == 1).all()
        assert (high == 5).all()


def test_nothing_to_learn_from_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="learnt from held-out ratings. Received: none"):
        StarModel.fit(*(array[:0] for array in parts["validation"]), parts["training"])


def test_what_is_loaded_is_what_was_saved(parts: dict[str, Any], model: StarModel) -> None:
    loaded = StarModel.from_arrays(model.to_arrays(), model.scale, parts["training"])
    cells = parts["test"][:3]
    assert np.array_equal(loaded.distribution(*cells).probabilities, model.distribution(*cells).probabilities)
    assert np.array_equal(loaded.distribution(*cells).interval(0.9), model.distribution(*cells).interval(0.9))


def test_a_continuous_scale_is_read_on_a_grid(parts: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    training = parts["training"]
    values = np.clip(training.values + rng.uniform(-0.2, 0.2, len(training)), 1, 5).astype(np.float32)
    smooth = replace(training, values=values, scale=Scale(1, 5))
    predictions, users, items, given = parts["validation"]
    model = StarModel.fit(predictions, users, items, given, smooth)
    found = model.distribution(*parts["test"][:3])
    assert found.probabilities.shape[1] == 21
    low, high = found.interval(0.9)
    assert ((parts["test"][3] >= low) & (parts["test"][3] <= high)).mean() == pytest.approx(0.9, abs=0.035)
