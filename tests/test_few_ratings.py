"""Certainty for people with few ratings: learnt on planted people, and scored by their number of ratings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluation_runs import made_run, with_latent

from movie_autoencoder.data.first_ratings import first_ratings, of_users, random_positions
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import Split, split_ratings
from movie_autoencoder.evaluation.few_ratings import certainty_of_few
from movie_autoencoder.evaluation.targets import Targets
from movie_autoencoder.metrics.distributions import calibration_error
from movie_autoencoder.models.base import Encoded
from movie_autoencoder.models.baselines import DampedBias, damped_bias
from movie_autoencoder.models.validation import Validation
from movie_autoencoder.uncertainty import StarModel, fit_star_model
from movie_autoencoder.uncertainty.few_ratings import NUM_GIVEN, predict_few

COUNTS = (0, 1, 3, 5, 10, 20)


class Blind(DampedBias):
    """Damped biases that cannot fold people in."""

    encodes_people = False

    def fold_in(self, ratings: Ratings, *, seen: Any = None) -> Encoded:
        raise ValueError("none for a new user")


@pytest.fixture(scope="module")
def people() -> Ratings:
    """300 users of large biases, each with 60 to 70 of 100 items: nobody has few ratings."""
    rng = np.random.default_rng(5)
    expected = 3.3 + rng.normal(0, 0.7, 300)[:, None] + rng.normal(0, 0.5, 100)
    rated = np.argsort(np.argsort(rng.random(expected.shape), axis=1), axis=1) < rng.integers(60, 71, 300)[:, None]
    given = np.clip(np.round(2 * (expected + rng.normal(0, 0.6, expected.shape))) / 2, 0.5, 5)
    users, items = np.nonzero(rated)
    return Ratings.from_columns(users, items, given[rated], scale=Scale(0.5, 5, 0.5))


@pytest.fixture(scope="module", params=["rating", "user"])
def split(request: pytest.FixtureRequest, people: Ratings) -> Split:
    return split_ratings(people, by=request.param, test_fraction=0.2, validation_fraction=0.2, seed=2)


def targets_of(split: Split) -> Targets:
    """The test part beside the training ratings."""
    held_out = split.held_out("test")
    found = Validation(split.training_ratings, held_out)
    ratings = Ratings.from_columns(held_out.users, held_out.items, held_out.values)
    where = {pair: number for number, pair in enumerate(zip(held_out.users, held_out.items, strict=True))}
    order = [
        where[ratings.user_ids[u], ratings.item_ids[i]]
        for u, i in zip(ratings.user_index, ratings.item_index, strict=True)
    ]
    return Targets(ratings, found.users[order], found.items[order], found.fold_in, 0, "")


def test_the_first_ratings_are_nested_and_of_some_users_only(planted: Ratings) -> None:
    people = of_users(planted, np.array([3, 8, 200]))
    assert people.user_ids.tolist() == planted.user_ids[[3, 8, 200]].tolist()
    assert people.values[people.row(1)].tolist() == planted.values[planted.row(8)].tolist()
    assert people.item_index[people.row(2)].tolist() == planted.item_index[planted.row(200)].tolist()
    position = random_positions(people, 0)
    for number in COUNTS:
        assert (
            first_ratings(people, position, number).user_counts.tolist()
            == np.minimum(people.user_counts, number).tolist()
        )


def test_no_rating_is_both_folded_in_and_predicted(split: Split) -> None:
    validation = Validation(split.training_ratings, split.held_out("validation"))
    parts = predict_few(damped_bias(split.training_ratings, 5.0), validation)
    assert [part.fold_in.user_counts.max() for part in parts] == list(NUM_GIVEN)
    assert sum(len(part.values) for part in parts) <= len(validation) + len(parts)
    for part in parts:
        shown = set(zip(part.fold_in.user_index.tolist(), part.fold_in.item_index.tolist(), strict=True))
        assert shown.isdisjoint(zip(part.users.tolist(), part.items.tolist(), strict=True))
    training = split.training_ratings
    seen = set((training.user_ids[training.user_index] * 1000 + training.item_ids[training.item_index]).tolist())
    for part in parts:  # the model was trained without what is predicted
        users = part.fold_in.user_ids[part.users] * 1000 + training.item_ids[part.items]
        assert seen.isdisjoint(users.tolist())
    again = predict_few(damped_bias(split.training_ratings, 5.0), validation)
    assert all(np.array_equal(one.users, two.users) for one, two in zip(parts, again, strict=True))


def test_intervals_and_liking_are_calibrated_for_every_number_of_ratings(split: Split) -> None:
    training = split.training_ratings
    model, validation = damped_bias(training, 5.0), Validation(training, split.held_out("validation"))
    star_model = fit_star_model(model, validation)
    assert star_model is not None
    found = certainty_of_few(star_model, model, targets_of(split), training, seed=0)
    assert found is not None
    assert [one.num_given for one in found.by_num_given] == list(COUNTS)
    tolerance = 0.03 if split.by == "rating" else 0.05  # 300 or 60 people
    for one in found.by_num_given:
        assert one.coverage.share == pytest.approx(0.9, abs=tolerance), one
        assert one.like_probability == pytest.approx(one.liked, abs=tolerance + 0.03), one
        assert one.calibration_error < 2 * tolerance + 0.02, one
    widths = [one.coverage.mean_width for one in found.by_num_given]
    assert widths[0] > widths[2] > widths[4]  # who rates becomes known
    assert widths[0] < 4.0  # of 4.5


def test_without_people_with_few_ratings_their_distributions_are_extrapolated_worse(people: Ratings) -> None:
    split = split_ratings(people, by="rating", test_fraction=0.2, validation_fraction=0.2, seed=2)
    training = split.training_ratings
    model, validation = damped_bias(training, 5.0), Validation(training, split.held_out("validation"))
    learnt = fit_star_model(model, validation)
    blind = StarModel.fit(
        validation.predict(model), validation.users, validation.items, validation.targets, validation.training
    )
    assert learnt is not None
    errors = []
    for one in (learnt, blind):
        found = certainty_of_few(one, model, targets_of(split), training, seed=0)
        assert found is not None
        errors.append([abs(part.coverage.share - 0.9) for part in found.by_num_given[:3]])
    assert np.mean(errors[0]) < np.mean(errors[1])
    # people with 40 ratings: the same parameters for all
    pairs = np.full(50, 3.2), np.arange(50), np.arange(50)
    assert learnt.distribution(*pairs).mean == pytest.approx(blind.distribution(*pairs).mean, abs=0.05)


def test_a_model_that_cannot_fold_in_is_fitted_without_and_has_no_figures(people: Ratings) -> None:
    split = split_ratings(people, by="rating", test_fraction=0.2, validation_fraction=0.2, seed=2)
    training = split.training_ratings
    plain, validation = damped_bias(training, 5.0), Validation(training, split.held_out("validation"))
    blind = Blind(plain.mean, plain.scale, plain.users, plain.items, plain.damping)
    assert predict_few(blind, validation) == []
    star_model = fit_star_model(blind, validation)
    assert star_model is not None
    assert certainty_of_few(star_model, blind, targets_of(split), training, seed=0) is None
    assert certainty_of_few(star_model, plain, targets_of(split), None, seed=0) is None  # no training ratings kept


def test_models_of_older_bundles_load_and_keep_their_intervals(people: Ratings) -> None:
    """19 parameters and 5 columns: one whose slopes make intervals of the whole scale for people without ratings."""
    split = split_ratings(people, by="rating", test_fraction=0.2, validation_fraction=0.2, seed=2)
    training = split.training_ratings
    star_model = fit_star_model(damped_bias(training, 5.0), Validation(training, split.held_out("validation")))
    assert star_model is not None
    arrays = star_model.to_arrays()
    reloaded = StarModel.from_arrays(arrays, training.scale, training)
    coefficients = np.zeros((8, 5))
    coefficients[:, :2] = 2.0, -0.5
    older = StarModel.from_arrays(
        arrays | {"parameters": np.arange(19) / 100, "adjustments": coefficients}, training.scale, training
    )
    nobody = star_model.fold_in(
        replace(
            of_users(training, np.array([0])),
            user_index=np.empty(0, np.int32),
            item_index=np.empty(0, np.int32),
            values=np.empty(0, np.float32),
        )
    )
    pairs = np.full(100, 3.3), np.zeros(100, np.int64), np.arange(100)
    one, same, old = (model.distribution(*pairs, histograms=nobody) for model in (star_model, reloaded, older))
    assert np.array_equal(one.probabilities, same.probabilities)
    assert np.array_equal(one.interval(0.9), same.interval(0.9))
    assert old.adjusted[:, 5] == pytest.approx(1.0)
    assert [end.tolist() for end in old.interval(0.9)] == [[0.5] * 100, [5.0] * 100]


def test_the_calibration_error_by_hand() -> None:
    probabilities = np.array([0.1, 0.3, 0.6, 0.8])
    happened = np.array([False, False, True, True])
    assert calibration_error(probabilities, happened, num_bins=2) == pytest.approx((0.2 + 0.3) / 2)
    assert calibration_error(probabilities, happened, num_bins=1) == pytest.approx(0.05)


def test_an_evaluation_shows_them_in_text_and_json(split: Split) -> None:
    training = split.training_ratings
    plain, validation = damped_bias(training, 5.0), Validation(training, split.held_out("validation"))
    star_model, model = fit_star_model(plain, validation), with_latent(plain)
    found = certainty_of_few(star_model, model, targets_of(split), training, seed=0) if star_model else None
    assert found is not None
    run = made_run(model, training)
    run = replace(run, bundle=replace(run.bundle, star_model=star_model))
    held_out = split.held_out("test")
    result = run.evaluate(
        ratings=Ratings.from_columns(held_out.users, held_out.items, held_out.values, scale=training.scale),
        num_ranked=0,
        resamples=10,
    )
    if split.by == "user":  # without their fold-in ratings nobody is known
        assert result.few_ratings is None and result.to_dict()["few_ratings"] is None
        result = replace(result, few_ratings=found)
    assert result.few_ratings == found
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))["few_ratings"]
    assert [row["num_given"] for row in stored["by_num_given"]] == list(COUNTS)
    lines = result.lines()
    start = next(number for number, line in enumerate(lines) if line.startswith("certainty by number of ratings"))
    assert lines[start].split()[-6:] == [str(number) for number in COUNTS]
    assert lines[start + 1].split()[-1] == f"{100 * found.by_num_given[-1].coverage.share:.1f}"
