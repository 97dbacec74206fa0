"""Evaluation: scores computed by hand, and a protocol that shows the model no held-out rating."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_runs import by_hand, change_split, made_run, save_test_part, split_run, with_latent
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_autoencoder.bundle import load_bundle
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import HeldOut
from movie_autoencoder.evaluation import Evaluation, EvaluationError, evaluate
from movie_autoencoder.evaluation.groups import agreement, count_bins, value_groups
from movie_autoencoder.evaluation.latent_map import make_latent_map
from movie_autoencoder.evaluation.targets import is_observed
from movie_autoencoder.metrics import comparison, errors
from movie_autoencoder.models.base import TrainedModel, in_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.storage import load_arrays
from movie_autoencoder.uncertainty import StarModel

ONE_TO_FIVE = Scale(1.0, 5.0, 1.0)

# ann and bob, three movies:        Heat  Up  Alien
#                              ann     4   2   (5)      (held out)
#                              bob    (2)  3    4       training mean 3.25
TRAIN = Ratings.from_columns(["ann", "ann", "bob", "bob"], [1, 2, 2, 3], [4, 2, 3, 4], scale=ONE_TO_FIVE)
MODEL = by_hand(3.0, [0.0, 1.0], [0.0, 0.0, 1.0], scale=ONE_TO_FIVE, unknown=-0.5)


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    save_test_part(tmp_path, ["ann", "bob"], [3, 1], [5.0, 2.0])
    return tmp_path


def test_two_users_and_three_movies_by_hand(small_run):
    result = made_run(MODEL, TRAIN, small_run).evaluate()
    # predictions: (ann, Alien) 3 + 0 + 1 = 4 for 5 stars, (bob, Heat) 3 + 1 + 0 = 4 for 2 stars
    assert (result.mse, result.mae, result.bias) == (2.5, 1.5, 0.5)
    assert result.rmse == pytest.approx(np.sqrt(2.5))
    assert result.user_rmse == 1.5
    # shown cells: 3 for 4, 3 for 2, 4 for 3, 5 for 4: the other error, never mixed with the first
    assert (result.reconstruction_mse, result.num_reconstructed) == (1.0, 4)
    assert (result.num_ratings, result.num_users, result.num_items) == (2, 2, 2)
    assert (result.num_fallback, result.num_overlap, result.num_fold_in_users) == (0, 0, 0)
    assert result.baselines["global_mean"].mse == pytest.approx((1.75**2 + 1.25**2) / 2)
    assert result.baselines["item_mean"].mae == pytest.approx((1 + 2) / 2)  # Alien 4, Heat 4
    assert result.baselines["global_mean"].difference == pytest.approx(result.rmse - np.sqrt((1.75**2 + 1.25**2) / 2))
    assert [group.label for group in result.by_stars] == ["1", "2", "3", "4", "5"]
    assert [group.rmse for group in result.by_stars] == [None, 2.0, None, None, 1.0]
    assert [(group.label, group.num_ratings) for group in result.by_popularity] == [("0", 0), ("1", 2)]
    assert result.rmse_ci95[0] <= result.rmse <= result.rmse_ci95[1]


def test_predictions_are_clipped_and_reconstructions_are_not(tmp_path):
    save_test_part(tmp_path, ["ann"], [3], [5.0])
    eager = by_hand(3.0, [4.0, 4.0], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE)
    result = made_run(eager, TRAIN, tmp_path).evaluate()
    assert result.mse == 0.0  # 7 is clipped to 5
    assert result.reconstruction_mse == pytest.approx((9 + 25 + 16 + 9) / 4)


def test_unknown_users_and_items_are_predicted_by_the_fallback_and_counted(small_run):
    held_out = Ratings.from_columns(["ann", "ann", "eve", "eve", "bob"], [3, 9, 1, 9, 1], [5, 2, 2, 2, 2])
    result = made_run(MODEL, TRAIN, small_run).evaluate(ratings=held_out)
    assert (result.num_ratings, result.num_fallback, result.num_cold_users, result.num_cold_items) == (5, 3, 1, 1)
    # 4, then 3 + 0 - 0.5, 3 - 0.5 + 0, 3 - 0.5 - 0.5, 4
    assert result.mse == pytest.approx((1 + 0.25 + 0.25 + 0 + 4) / 5)
    by_label = {group.label: group.num_ratings for group in result.by_popularity}
    assert by_label == {"0": 2, "1": 3}
    assert {group.label: group.num_ratings for group in result.by_activity}["0"] == 2


def test_training_ratings_are_dropped_from_other_ratings_counted_and_warned_of(small_run):
    held_out = Ratings.from_columns(["ann", "ann", "bob"], [1, 3, 1], [4, 5, 2])
    result = made_run(MODEL, TRAIN, small_run).evaluate(ratings=held_out)
    alone = made_run(MODEL, TRAIN, small_run).evaluate()
    assert (result.num_ratings, result.num_overlap) == (2, 1)
    assert (result.mse, result.mae) == (alone.mse, alone.mae)
    assert any("1 rating of these are training ratings" in warning for warning in result.warnings)
    assert any(line.startswith("Warning: 1 rating") for line in result.lines())


def test_scoring_only_training_ratings_is_refused(small_run):
    with pytest.raises(EvaluationError, match=r"All 4 ratings to score are training ratings.*has not seen"):
        made_run(MODEL, TRAIN, small_run).evaluate(ratings=TRAIN)


def test_a_test_part_that_was_trained_on_is_refused(tmp_path):
    save_test_part(tmp_path, ["ann", "bob"], [3, 2], [5.0, 3.0])
    with pytest.raises(EvaluationError, match=r"split\.npz: 1 of its 2 test ratings were shown.*user bob, item 2"):
        made_run(MODEL, TRAIN, tmp_path).evaluate()


def test_a_run_trained_on_everything_needs_other_ratings(tmp_path):
    save_test_part(tmp_path, np.array([], dtype="U3"), np.array([], dtype=int), [])
    with pytest.raises(EvaluationError, match=r"no test part.*--ratings FILE"):
        made_run(MODEL, TRAIN, tmp_path).evaluate()
    assert made_run(MODEL, TRAIN, tmp_path).evaluate(ratings=Ratings.from_columns(["ann"], [3], [4])).mse == 0.0


def test_a_run_without_its_split_says_what_is_missing(tmp_path):
    with pytest.raises(EvaluationError, match=r"split\.npz: missing.*--ratings FILE"):
        made_run(MODEL, TRAIN, tmp_path).evaluate()
    with pytest.raises(EvaluationError, match="without its run's folder has no test part"):
        made_run(MODEL, TRAIN).evaluate()


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no trained model here"):
        evaluate(tmp_path)


def test_a_run_folder_gives_the_scores_of_its_bundle(taste_run, planted):
    held_out = planted.take(np.arange(0, len(planted), 50))
    held_out = Ratings.from_columns(
        held_out.user_ids[held_out.user_index], np.full(len(held_out), 9_999), held_out.values, scale=planted.scale
    )
    bundle = load_bundle(taste_run / "bundle")
    from_folder, from_bundle = evaluate(taste_run, ratings=held_out), evaluate(bundle, ratings=held_out)
    assert (from_folder.rmse, from_folder.model) == (from_bundle.rmse, bundle.model.name)
    assert (from_folder.run, from_bundle.run) == (str(taste_run), "")
    assert evaluate(bundle, folder=taste_run, ratings=held_out).run == str(taste_run)


def test_members_are_scored_on_the_same_ratings_and_stand_beneath_the_model(small_run):
    """Both members predict 4 for 5 stars and 4 for 2 stars, or 3 and 3."""
    members = {"first": MODEL, "second": by_hand(3.0, [0.0, 0.0], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE)}
    model = by_hand(3.0, [0.0, 0.5], [0.0, 0.0, 0.5], scale=ONE_TO_FIVE, members=members)
    result = made_run(model, TRAIN, small_run).evaluate()
    assert {name: (one.rmse**2, one.mae) for name, one in result.members.items()} == {
        "first": (pytest.approx(2.5), 1.5),
        "second": (pytest.approx(2.5), 1.5),
    }
    assert result.rmse**2 == pytest.approx((1.5**2 + 1.5**2) / 2)
    assert result.to_dict()["members"]["first"] == {"rmse": result.members["first"].rmse, "mae": 1.5}
    lines = result.lines()
    row = next(number for number, line in enumerate(lines) if line.startswith("dual "))
    assert [line.split()[:2] for line in lines[row : row + 4]] == [
        ["dual", "1.5000"],
        ["first", "1.5811"],
        ["second", "1.5811"],
        ["global_mean", "1.5207"],
    ]
    assert lines[row + 1].startswith("  first ")
    assert made_run(MODEL, TRAIN, small_run).evaluate().members == {}


def test_members_encode_the_fold_in_ratings_too(planted, tmp_path):
    run, split = split_run(planted, tmp_path, by="user", fold_in=5)
    member = damped_bias(run.bundle.ratings, 30.0)
    model = replace(run.bundle.model, parts={"heavily damped": member})
    held_out = split.held_out("test")
    found = replace(run, bundle=replace(run.bundle, model=model)).evaluate().members["heavily damped"]
    encoded = member.fold_in(in_vocabulary(held_out.fold_in, run.bundle.item_ids))
    users = held_out.fold_in.locate_users(held_out.users)
    predictions = member.predict(users, run.bundle.locate_items(held_out.items), encoded_users=encoded)
    assert found.rmse == pytest.approx(errors.rmse(predictions, held_out.values))
    assert found.mae == pytest.approx(errors.mae(predictions, held_out.values))


def test_a_member_without_a_finite_prediction_fails(small_run):
    diverged = by_hand(3.0, [0.0, np.nan], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE)
    model = by_hand(3.0, [0.0, 0.0], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE, members={"part": diverged})
    with pytest.raises(EvaluationError, match="part predicts no finite number for 1 of 2"):
        made_run(model, TRAIN, small_run).evaluate()


def test_a_prediction_that_is_no_number_fails_and_names_the_rating(small_run):
    diverged = by_hand(3.0, [0.0, np.nan], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE)
    with pytest.raises(EvaluationError, match=r"dual predicts no finite number for 1 of 2.*user bob, item 1: nan"):
        made_run(diverged, TRAIN, small_run).evaluate()


class _Recorded:
    """Keeps every prediction and every rating distribution that `evaluate` computes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrays: list[np.ndarray[Any, Any]] = []
        predict, distribution = TrainedModel.predict, StarModel.distribution

        def recorded_predict(model: TrainedModel, *arguments: Any, **options: Any) -> Any:
            self.arrays.append(predict(model, *arguments, **options))
            return self.arrays[-1]

        def recorded_distribution(model: StarModel, *arguments: Any, **options: Any) -> Any:
            found = distribution(model, *arguments, **options)
            self.arrays.append(found.probabilities)
            return found

        monkeypatch.setattr(TrainedModel, "predict", recorded_predict)
        monkeypatch.setattr(StarModel, "distribution", recorded_distribution)


@pytest.mark.parametrize("by", ["rating", "user"])
def test_other_held_out_ratings_change_no_prediction_and_no_distribution(by, planted, tmp_path, monkeypatch):
    run, _ = split_run(planted, tmp_path, by=by, validation_fraction=0.2)
    recorded = _Recorded(monkeypatch)
    before = run.evaluate()
    stars = load_arrays(tmp_path / "split.npz")["test_values"]
    change_split(tmp_path, test_values=(planted.scale.minimum + planted.scale.maximum - stars).astype(np.float32))
    half = len(recorded.arrays)
    after = run.evaluate()
    assert before.mse != after.mse
    assert before.uncertainty.scores["dual"].nll != after.uncertainty.scores["dual"].nll
    assert any(one.ndim == 2 for one in recorded.arrays[:half])
    for one, other in zip(recorded.arrays[:half], recorded.arrays[half:], strict=True):
        assert (one == other).all()
    assert before.reconstruction_mse == after.reconstruction_mse


def test_people_who_were_not_trained_on_are_encoded_from_their_fold_in_ratings(planted, tmp_path):
    run, split = split_run(planted, tmp_path, by="user", fold_in=5)
    result = run.evaluate()
    held_out = split.held_out("test")
    assert result.num_fold_in_users == len(np.unique(held_out.users))
    assert (result.num_fallback, result.num_cold_users) == (0, 0)
    assert result.rmse == pytest.approx(result.baselines["damped_bias"].rmse)  # the model is this baseline
    assert result.rmse < result.baselines["global_mean"].rmse
    assert result.fold_in_reconstruction_mse is not None
    assert [group.label for group in result.by_activity if group.num_ratings] == ["5–9"]
    assert result.panel is not None
    assert result.panel.num_shown == (5,) * len(result.panel.users)


def test_a_fold_in_rating_that_is_scored_is_refused(planted, tmp_path):
    run, split = split_run(planted, tmp_path, by="user")
    held_out = split.held_out("test")
    arrays = load_arrays(tmp_path / "split.npz")
    leaked = {
        f"test_fold_in_{name}": np.append(arrays[f"test_fold_in_{name}"], getattr(held_out, name)[0])
        for name in ("users", "items", "values")
    }
    change_split(tmp_path, **leaked)
    with pytest.raises(EvaluationError, match="1 of its .* test ratings were shown to the encoder"):
        run.evaluate()


def test_people_of_whom_only_unknown_movies_were_shown_are_cold(tmp_path):
    save_test_part(tmp_path, ["eve", "fay"], [1, 1], [3.0, 3.0])
    change_split(
        tmp_path,
        test_fold_in_users=np.array(["eve", "fay"]),
        test_fold_in_items=np.array([2, 99]),
        test_fold_in_values=np.array([3.0, 3.0]),
    )
    result = made_run(MODEL, TRAIN, tmp_path).evaluate()
    assert (result.num_fold_in_users, result.num_cold_users, result.num_fallback) == (1, 1, 1)


def test_groups_add_up_to_the_whole(planted, tmp_path):
    result = split_run(planted, tmp_path)[0].evaluate()
    for groups in (result.by_stars, result.by_popularity, result.by_activity):
        filled = [group for group in groups if group.num_ratings]
        assert sum(group.num_ratings for group in filled) == result.num_ratings
        squared = sum(group.num_ratings * group.rmse**2 for group in filled if group.rmse is not None)
        assert squared == pytest.approx(result.num_ratings * result.mse)
        damped = sum(group.num_ratings * (group.baselines["damped_bias"] or 0) ** 2 for group in filled)
        assert damped == pytest.approx(result.num_ratings * result.baselines["damped_bias"].mse)
    assert np.sum(result.agreement.counts) == result.num_ratings


def test_scores_agree_with_the_metrics(planted, tmp_path):
    run, split = split_run(planted, tmp_path)
    held_out = split.held_out("test")
    predictions = run.predict(held_out.users, held_out.items)
    result = run.evaluate()
    assert result.rmse == pytest.approx(errors.rmse(predictions, held_out.values))
    assert result.mae == pytest.approx(errors.mae(predictions, held_out.values))
    assert result.user_rmse == pytest.approx(errors.mean_user_rmse(predictions, held_out.values, held_out.users))
    mean = run.bundle.baselines["global_mean"].predict(*(np.zeros(len(predictions), dtype=int),) * 2)
    compared = comparison.compare(predictions, mean, held_out.values, held_out.users, items=held_out.items)
    beside = result.baselines["global_mean"]
    assert beside.difference == pytest.approx(compared.difference)
    assert beside.users_improved == pytest.approx(compared.users_improved)
    assert beside.difference_ci95 == pytest.approx(compared.ci95)
    assert beside.difference_ci95_items == pytest.approx(compared.ci95_items)


def test_a_model_that_is_no_better_than_its_baseline_gets_a_warning(planted, tmp_path):
    result = split_run(planted, tmp_path)[0].evaluate()  # the model is the baseline
    assert any("NOT better than the baseline damped_bias" in line for line in result.lines())


def test_the_same_seed_gives_the_same_evaluation(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    first, again, other = run.evaluate(), run.evaluate(), run.evaluate(seed=1)
    timeless = {"seconds", "scoring_seconds"}

    def kept(result: Evaluation) -> dict[str, Any]:
        return {name: value for name, value in result.to_dict(pictures=True).items() if name not in timeless}

    assert kept(first) == kept(again)
    assert first.rmse_ci95 != other.rmse_ci95


def test_the_json_of_the_contract(planted, tmp_path):
    result = split_run(planted, tmp_path)[0].evaluate()
    printed = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert {
        "model",
        "num_ratings",
        "num_fallback",
        "num_overlap",
        "mse",
        "rmse",
        "mae",
        "reconstruction_mse",
        "rmse_ci95",
        "baselines",
        "members",
        "seconds",
    } <= set(printed)
    assert set(printed["baselines"]) == {"global_mean", "item_mean", "damped_bias"}
    assert {"rmse", "mae"} <= set(printed["baselines"]["item_mean"])
    assert len(printed["rmse_ci95"]) == 2
    drawn = {"agreement", "panel", "person", "taste_map", "facts"}
    whole = json.loads(json.dumps(result.to_dict(pictures=True), allow_nan=False))
    assert set(whole) - set(printed) == drawn
    assert {name: whole[name] for name in printed} == printed
    assert whole["facts"] == {"config": {"model": {"name": "dual"}}}
    assert (whole["person"]["user"], whole["taste_map"]["num_users"]) == (
        result.user_example.user,
        result.latent_map.num_users,
    )


@pytest.mark.parametrize("by", ["rating", "user"])
def test_distributions_are_scored_beside_trivial_baselines(planted, tmp_path, by):
    run, split = split_run(planted, tmp_path, by=by, validation_fraction=0.2)
    result = run.evaluate()
    found = result.uncertainty
    held_out = split.held_out("test")
    assert found.coverage.num_ratings == result.num_ratings == len(held_out)
    assert found.scores["dual"].nll < found.scores["user_histogram"].nll - 0.02
    assert found.scores["dual"].crps < found.scores["user_histogram"].crps
    assert found.scores["dual"].brier < found.scores["user_histogram"].brier
    assert found.coverage.share == pytest.approx(0.9, abs=0.03)
    assert found.constant_width.share == pytest.approx(found.coverage.share, abs=0.005)
    for groups in (found.by_popularity, found.by_activity):
        assert sum(group.coverage.num_ratings for group in groups) == len(held_out)
        assert len(groups) == 10
    assert found.risk["dual"][-1] == pytest.approx(result.rmse) == found.risk["residual_variance"][-1]
    for name in ("dual", "residual_variance"):  # certain predictions have smaller errors
        assert found.auc[name] > 0.52
        assert found.risk[name][4] < found.risk[name][-1]
    liked = sum(one.frequency * one.num_ratings for one in found.reliability["dual"])
    assert liked == pytest.approx(np.count_nonzero(held_out.values >= found.like_threshold))
    printed = json.loads(json.dumps(result.to_dict(), allow_nan=False))["uncertainty"]
    assert printed["scores"]["dual"]["nll"] == found.scores["dual"].nll
    assert any(line.startswith("90 % intervals cover") for line in result.lines())


def test_without_a_validation_part_there_are_no_distributions(planted, tmp_path):
    result = split_run(planted, tmp_path)[0].evaluate()
    assert result.uncertainty is None
    assert result.to_dict()["uncertainty"] is None
    assert not any("intervals cover" in line for line in result.lines())


def test_without_training_ratings_there_is_no_reconstruction_error_and_a_warning(small_run):
    result = made_run(MODEL, TRAIN, small_run, keep_ratings=False).evaluate()
    assert (result.mse, result.reconstruction_mse, result.num_reconstructed) == (2.5, None, 0)
    assert any("saved without its training ratings" in warning for warning in result.warnings)
    assert result.to_dict()["reconstruction_mse"] is None


def test_one_user_and_one_rating_can_be_scored(small_run):
    run = made_run(MODEL, TRAIN, small_run)
    one_user = run.evaluate(ratings=Ratings.from_columns(["ann", "ann"], [3, 8], [5, 1]))
    assert any("All ratings are of one user" in warning for warning in one_user.warnings)
    assert one_user.rmse_ci95[0] < one_user.rmse < one_user.rmse_ci95[1]
    one = run.evaluate(ratings=Ratings.from_columns(["eve"], [8], [1]))
    assert one.rmse_ci95 == (one.rmse, one.rmse)
    assert (one.panel, one.user_example, one.example_lines()) == (None, None, [])


def test_ratings_outside_the_scale_are_scored_as_they_are(small_run):
    held_out = Ratings.from_columns(["ann", "bob"], [3, 1], [10, 2])
    result = made_run(MODEL, TRAIN, small_run).evaluate(ratings=held_out)
    assert result.mse == (36 + 4) / 2
    assert any("1 held-out rating outside the scale" in warning for warning in result.warnings)
    assert result.by_stars[-1].label == "10"


def test_numbers_as_ids_and_as_text_give_the_same_scores(planted, tmp_path):
    text = Ratings.from_columns(
        [f"u{one:05}" for one in planted.user_ids[planted.user_index]],
        [f"i{one:05}" for one in planted.item_ids[planted.item_index]],
        planted.values,
    )
    numbers, texts = (
        split_run(one, tmp_path / name)[0].evaluate() for one, name in ((planted, "numbers"), (text, "text"))
    )
    assert texts.rmse == pytest.approx(numbers.rmse)
    assert texts.num_users == numbers.num_users


def test_the_table_and_the_example_read_well(small_run):
    result = made_run(MODEL, TRAIN, small_run, titles=["Heat (1995)", "Up (2009)", "Alien (1979)"]).evaluate()
    lines = result.lines()
    assert lines[0] == "2 held-out ratings by 2 users of 2 movies (test part of the split)"
    table = {line.split()[0]: line for line in lines if line}
    assert "1.5811" in table["dual"]
    assert {"global_mean", "item_mean", "damped_bias"} <= set(table)
    assert any(line.startswith("MSE on held-out ratings      2.5000") for line in lines)
    assert any(line.startswith("MSE of the reconstruction    1.0000") for line in lines)
    example = "\n".join(result.example_lines())
    assert "User ann" in example
    assert "Heat (1995)" in example.partition("held out")[0]
    assert "Alien (1979)" in example.partition("held out")[2]
    assert not any("\x1b" in line or "\n" in line for line in [*lines, *result.example_lines()])


def _columns(held_out: HeldOut) -> tuple[Any, Any, Any]:
    return held_out.users, held_out.items, held_out.values


def test_the_panel_has_the_ratings_and_their_predictions(planted, tmp_path):
    run, split = split_run(planted, tmp_path)
    result = run.evaluate()
    assert result.panel is not None
    held_out = {(str(u), str(i)): s for u, i, s in zip(*_columns(split.held_out("test")), strict=True)}
    train = split.refit_ratings
    shown = {
        (str(train.user_ids[u]), str(train.item_ids[i])): s
        for u, i, s in zip(train.user_index, train.item_index, train.values, strict=True)
    }
    panel = result.panel
    for row, item in enumerate(panel.items):
        for column, user in enumerate(panel.users):
            assert panel.held_out[row][column] == held_out.get((user, item))
            assert panel.shown[row][column] == shown.get((user, item))
            expected = run.predict([int(user)], [int(item)])[0]
            assert panel.reconstruction[row][column] == pytest.approx(expected, abs=1e-4)
    assert all(any(star is not None for star in column) for column in zip(*panel.held_out, strict=True))
    assert list(panel.num_shown) == sorted(panel.num_shown)


def test_the_user_example_has_the_largest_and_smallest_errors(planted, tmp_path):
    run, split = split_run(planted, tmp_path)
    example = run.evaluate().user_example
    held_out = split.held_out("test")
    own = held_out.users == int(example.user)
    predictions = run.predict(held_out.users[own], held_out.items[own])
    distances = np.sort(np.abs(held_out.values[own] - predictions))
    assert example.num_held_out == len(distances) >= 12
    assert [one.error for one in example.most_surprising] == pytest.approx(distances[::-1][:6], abs=1e-4)
    assert [one.error for one in example.least_surprising] == pytest.approx(distances[:6], abs=1e-4)
    assert not {one.item for one in example.most_surprising} & {one.item for one in example.least_surprising}
    train = split.refit_ratings
    user = int(train.locate_users([int(example.user)])[0])
    shown = train.item_index[train.row(user)]
    most_rated = shown[np.argsort(-train.item_counts[shown], kind="stable")[:6]]
    assert [one.item for one in example.shown] == [str(train.item_ids[item]) for item in most_rated]
    assert example.num_shown == len(shown)


def test_the_map_of_two_planted_directions(planted):
    model = with_latent(damped_bias(planted, 2.0))
    plane = np.random.default_rng(0).normal(size=(len(model.users), 2)) * [3.0, 1.0]
    latent = plane @ np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
    made = make_latent_map(latent.astype(np.float32), planted, planted.user_counts)
    assert made is not None
    assert sum(made.explained) == pytest.approx(1.0, abs=1e-3)
    assert abs(np.corrcoef(made.first, plane[:, 0])[0, 1]) > 0.99
    assert made.colour[0] == pytest.approx(planted.values[planted.row(0)].mean(), abs=1e-4)
    nobody = np.zeros(len(latent), dtype=int)
    assert make_latent_map(np.zeros_like(latent), planted, planted.user_counts) is None
    assert make_latent_map(latent, planted, nobody) is None
    assert make_latent_map(latent[:, :0], planted, planted.user_counts) is None
    nobody[:3] = 1
    few = make_latent_map(latent, None, nobody)
    assert few is not None
    assert (few.num_users, few.colour) == (3, (0.0, 0.0, 0.0))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_observed_pairs_agree_with_a_set(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, block = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 20))
    shown = Ratings.from_columns(rng.integers(8, size=count), rng.integers(6, size=count), np.ones(count))
    users, items = rng.integers(-1, shown.num_users, size=40), rng.integers(-1, shown.num_items, size=40)
    pairs = set(zip(shown.user_index.tolist(), shown.item_index.tolist(), strict=True))
    expected = [pair in pairs for pair in zip(users.tolist(), items.tolist(), strict=True)]
    assert is_observed(shown, users, items, block_size=block).tolist() == expected


def test_groups_of_a_continuous_scale_are_ten_bins():
    groups = value_groups(np.linspace(-10, 10, 201), Scale(-10.0, 10.0))
    assert len(groups.labels) == 10
    assert groups.labels[0] == "-10 to -8"
    assert groups.group[[0, -1]].tolist() == [0, 9]


def test_agreement_has_the_means_in_both_directions():
    """Predictions 1, 1 and 3 for ratings 1, 3 and 3 on the scale 1 to 3."""
    ratings, predictions = np.array([1.0, 3.0, 3.0]), np.array([1.0, 1.0, 3.0])
    scale = Scale(1, 3, 1)
    found = agreement(predictions, ratings, scale, value_groups(ratings, scale))
    assert (found.stars, found.values) == (("1", "2", "3"), (1.0, 2.0, 3.0))
    assert found.mean_prediction == (1.0, None, 2.0)
    assert (found.mean_stars[0], found.mean_stars[-1]) == (2.0, 3.0)
    assert set(found.mean_stars[1:-1]) == {None}
    assert [(row[0], sum(row[1:-1]), row[-1]) for row in found.counts] == [(1, 0, 0), (0, 0, 0), (1, 0, 1)]


def test_bins_of_counts_are_fixed_and_labelled():
    bins, labels = count_bins([0, 1, 2, 4, 5, 999, 3_000_000])
    assert [labels[one] for one in bins] == ["0", "1", "2–4", "2–4", "5–9", "500–999", "100,000 or more"]
    assert count_bins([])[1] == ()


def test_evaluation_is_imported_without_tensorflow_and_matplotlib():
    code = (
        "import sys, movie_autoencoder.evaluation, movie_autoencoder.report; "
        "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'jinja2') if name in sys.modules])"
    )
    source = Path(__file__).resolve().parents[1] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(source)}
    )
    assert done.stdout.strip() == "[]"
