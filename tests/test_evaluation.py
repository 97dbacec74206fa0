"""Scores that can be worked out by hand, and a protocol that cannot be talked into seeing what it should not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_runs import by_hand, change_split, recommender, save_test_part, split_run, with_latent
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import HeldOut
from movie_autoencoder.evaluation import Evaluation, EvaluationError, cells, evaluate
from movie_autoencoder.evaluation.examples import make_map
from movie_autoencoder.evaluation.scores import star_groups
from movie_autoencoder.metrics import errors as metrics
from movie_autoencoder.models.base import TrainedModel
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.storage import load_arrays

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
    result = evaluate(recommender(MODEL, TRAIN, small_run))
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
    result = evaluate(recommender(eager, TRAIN, tmp_path))
    assert result.mse == 0.0  # 7 is clipped to 5
    assert result.reconstruction_mse == pytest.approx((9 + 25 + 16 + 9) / 4)


def test_unknown_users_and_items_are_predicted_by_the_fallback_and_counted(small_run):
    held_out = Ratings.from_columns(["ann", "ann", "eve", "eve", "bob"], [3, 9, 1, 9, 1], [5, 2, 2, 2, 2])
    result = evaluate(recommender(MODEL, TRAIN, small_run), ratings=held_out)
    assert (result.num_ratings, result.num_fallback, result.num_cold_users, result.num_cold_items) == (5, 3, 1, 1)
    # 4, then 3 + 0 - 0.5, 3 - 0.5 + 0, 3 - 0.5 - 0.5, 4
    assert result.mse == pytest.approx((1 + 0.25 + 0.25 + 0 + 4) / 5)
    by_label = {group.label: group.num_ratings for group in result.by_popularity}
    assert by_label == {"0": 2, "1": 3}
    assert {group.label: group.num_ratings for group in result.by_activity}["0"] == 2


def test_training_ratings_are_dropped_from_other_ratings_counted_and_warned_of(small_run):
    held_out = Ratings.from_columns(["ann", "ann", "bob"], [1, 3, 1], [4, 5, 2])
    result = evaluate(recommender(MODEL, TRAIN, small_run), ratings=held_out)
    alone = evaluate(recommender(MODEL, TRAIN, small_run))
    assert (result.num_ratings, result.num_overlap) == (2, 1)
    assert (result.mse, result.mae) == (alone.mse, alone.mae)
    assert any("1 rating of these are training ratings" in warning for warning in result.warnings)
    assert any(line.startswith("Warning: 1 rating") for line in result.lines())


def test_scoring_only_training_ratings_is_refused(small_run):
    with pytest.raises(EvaluationError, match=r"All 4 ratings to score are training ratings.*has not seen"):
        evaluate(recommender(MODEL, TRAIN, small_run), ratings=TRAIN)


def test_a_test_part_that_was_trained_on_is_refused(tmp_path):
    save_test_part(tmp_path, ["ann", "bob"], [3, 2], [5.0, 3.0])
    with pytest.raises(EvaluationError, match=r"split\.npz: 1 of its 2 test ratings were shown.*user bob, item 2"):
        evaluate(recommender(MODEL, TRAIN, tmp_path))


def test_a_run_trained_on_everything_needs_other_ratings(tmp_path):
    save_test_part(tmp_path, np.array([], dtype="U3"), np.array([], dtype=int), [])
    with pytest.raises(EvaluationError, match=r"no test part.*--ratings FILE"):
        evaluate(recommender(MODEL, TRAIN, tmp_path))
    assert evaluate(recommender(MODEL, TRAIN, tmp_path), ratings=Ratings.from_columns(["ann"], [3], [4])).mse == 0.0


def test_a_run_without_its_split_says_what_is_missing(tmp_path):
    with pytest.raises(EvaluationError, match=r"split\.npz: missing.*--ratings FILE"):
        evaluate(recommender(MODEL, TRAIN, tmp_path))
    with pytest.raises(EvaluationError, match="comes from no run"):
        evaluate(recommender(MODEL, TRAIN))


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no trained model here"):
        evaluate(tmp_path)


def test_a_prediction_that_is_no_number_fails_and_names_the_rating(small_run):
    diverged = by_hand(3.0, [0.0, np.nan], [0.0, 0.0, 0.0], scale=ONE_TO_FIVE)
    with pytest.raises(EvaluationError, match=r"dual predicts no finite number for 1 of 2.*user bob, item 1: nan"):
        evaluate(recommender(diverged, TRAIN, small_run))


class _Watched:
    """Keeps every prediction that `evaluate` asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.predictions: list[np.ndarray[Any, Any]] = []
        predict = TrainedModel.predict

        def watched(model: TrainedModel, *arguments: Any, **options: Any) -> Any:
            stars = predict(model, *arguments, **options)
            self.predictions.append(stars)
            return stars

        monkeypatch.setattr(TrainedModel, "predict", watched)


@pytest.mark.parametrize("by", ["rating", "user"])
def test_moving_held_out_stars_changes_no_prediction(by, planted, tmp_path, monkeypatch):
    run, _ = split_run(planted, tmp_path, by=by)
    watched = _Watched(monkeypatch)
    before = evaluate(run)
    stars = load_arrays(tmp_path / "split.npz")["test_values"]
    change_split(tmp_path, test_values=(planted.scale.minimum + planted.scale.maximum - stars).astype(np.float32))
    half = len(watched.predictions)
    after = evaluate(run)
    assert before.mse != after.mse
    assert half == len(watched.predictions) - half
    for one, other in zip(watched.predictions[:half], watched.predictions[half:], strict=True):
        assert (one == other).all()
    assert before.reconstruction_mse == after.reconstruction_mse


def test_people_who_were_not_trained_on_are_encoded_from_their_fold_in_ratings(planted, tmp_path):
    run, split = split_run(planted, tmp_path, by="user", fold_in=5)
    result = evaluate(run)
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
        evaluate(run)


def test_people_of_whom_only_unknown_movies_were_shown_are_cold(tmp_path):
    save_test_part(tmp_path, ["eve", "fay"], [1, 1], [3.0, 3.0])
    change_split(
        tmp_path,
        test_fold_in_users=np.array(["eve", "fay"]),
        test_fold_in_items=np.array([2, 99]),
        test_fold_in_values=np.array([3.0, 3.0]),
    )
    result = evaluate(recommender(MODEL, TRAIN, tmp_path))
    assert (result.num_fold_in_users, result.num_cold_users, result.num_fallback) == (1, 1, 1)


def test_groups_add_up_to_the_whole(planted, tmp_path):
    result = evaluate(split_run(planted, tmp_path)[0])
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
    stars = run.predict(held_out.users, held_out.items)
    result = evaluate(run)
    assert result.rmse == pytest.approx(metrics.rmse(stars, held_out.values))
    assert result.mae == pytest.approx(metrics.mae(stars, held_out.values))
    assert result.user_rmse == pytest.approx(metrics.mean_user_rmse(stars, held_out.values, held_out.users))
    mean = run.baselines["global_mean"].predict(*(np.zeros(len(stars), dtype=int),) * 2)
    compared = metrics.compare(stars, mean, held_out.values, held_out.users, items=held_out.items)
    beside = result.baselines["global_mean"]
    assert beside.difference == pytest.approx(compared.difference)
    assert beside.users_improved == pytest.approx(compared.users_improved)
    assert beside.difference_ci95 == pytest.approx(compared.ci95)
    assert beside.difference_ci95_items == pytest.approx(compared.ci95_items)


def test_a_model_that_is_no_better_than_its_baseline_is_told_so_loudly(planted, tmp_path):
    result = evaluate(split_run(planted, tmp_path)[0])  # the model is the baseline
    assert any("NOT better than the baseline damped_bias" in line for line in result.lines())


def test_the_same_seed_gives_the_same_evaluation(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    first, again, other = evaluate(run), evaluate(run), evaluate(run, seed=1)
    timeless = {"seconds", "scoring_seconds"}

    def kept(result: Evaluation) -> dict[str, Any]:
        return {name: value for name, value in result.to_dict(pictures=True).items() if name not in timeless}

    assert kept(first) == kept(again)
    assert first.rmse_ci95 != other.rmse_ci95


def test_the_json_of_the_contract(planted, tmp_path):
    result = evaluate(split_run(planted, tmp_path)[0])
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
        "seconds",
    } <= set(printed)
    assert set(printed["baselines"]) == {"global_mean", "item_mean", "damped_bias"}
    assert {"rmse", "mae"} <= set(printed["baselines"]["item_mean"])
    assert len(printed["rmse_ci95"]) == 2
    assert "panel" not in printed
    json.dumps(result.to_dict(pictures=True), allow_nan=False)


@pytest.mark.parametrize("by", ["rating", "user"])
def test_distributions_are_scored_beside_trivial_baselines(planted, tmp_path, by):
    run, split = split_run(planted, tmp_path, by=by, validation_fraction=0.2)
    result = evaluate(run)
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
    liked = sum(one.frequency * one.num_ratings for one in found.reliability["dual"])
    assert liked == pytest.approx(np.count_nonzero(held_out.values >= found.like_threshold))
    printed = json.loads(json.dumps(result.to_dict(), allow_nan=False))["uncertainty"]
    assert printed["scores"]["dual"]["nll"] == found.scores["dual"].nll
    assert any(line.startswith("90 % intervals cover") for line in result.lines())


def test_scored_stars_move_no_distribution(planted, tmp_path):
    run, split = split_run(planted, tmp_path, validation_fraction=0.2)
    held_out = split.held_out("test")
    before = run.predict_distribution(held_out.users, held_out.items).probabilities
    change_split(tmp_path, test_values=np.full(len(held_out), 5.0, dtype=np.float32))
    assert evaluate(run).uncertainty.scores["dual"].nll != pytest.approx(1.0)
    assert np.array_equal(run.predict_distribution(held_out.users, held_out.items).probabilities, before)


def test_without_a_validation_part_there_are_no_distributions(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    assert evaluate(run).uncertainty is None
    with pytest.raises(ValueError, match="learnt on the validation part, and it was trained without one"):
        run.predict_distribution([1], [1])


def test_without_training_ratings_there_is_no_reconstruction_error_and_a_warning(small_run):
    result = evaluate(recommender(MODEL, TRAIN, small_run, keep_ratings=False))
    assert (result.mse, result.reconstruction_mse, result.num_reconstructed) == (2.5, None, 0)
    assert any("saved without its training ratings" in warning for warning in result.warnings)
    assert result.to_dict()["reconstruction_mse"] is None


def test_one_user_and_one_rating_can_be_scored(small_run):
    run = recommender(MODEL, TRAIN, small_run)
    one_user = evaluate(run, ratings=Ratings.from_columns(["ann", "ann"], [3, 8], [5, 1]))
    assert any("All ratings are of one user" in warning for warning in one_user.warnings)
    assert one_user.rmse_ci95[0] < one_user.rmse < one_user.rmse_ci95[1]
    one = evaluate(run, ratings=Ratings.from_columns(["eve"], [8], [1]))
    assert one.rmse_ci95 == (one.rmse, one.rmse)
    assert (one.panel, one.person, one.example_lines()) == (None, None, [])


def test_stars_outside_the_scale_are_scored_as_given(small_run):
    held_out = Ratings.from_columns(["ann", "bob"], [3, 1], [10, 2])
    result = evaluate(recommender(MODEL, TRAIN, small_run), ratings=held_out)
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
        evaluate(split_run(one, tmp_path / name)[0]) for one, name in ((planted, "numbers"), (text, "text"))
    )
    assert texts.rmse == pytest.approx(numbers.rmse)
    assert texts.num_users == numbers.num_users


def test_the_table_and_the_example_read_well(small_run):
    result = evaluate(recommender(MODEL, TRAIN, small_run, titles=["Heat (1995)", "Up (2009)", "Alien (1979)"]))
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


def test_the_panel_holds_what_was_given_and_what_was_made_of_it(planted, tmp_path):
    run, split = split_run(planted, tmp_path)
    result = evaluate(run)
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


def test_surprises_are_sorted_by_error_and_stand_in_one_list_only(planted, tmp_path):
    person = evaluate(split_run(planted, tmp_path)[0]).person
    assert person is not None
    most = [abs(one.stars - one.reconstruction) for one in person.most_surprising]
    least = [abs(one.stars - one.reconstruction) for one in person.least_surprising]
    assert most == sorted(most, reverse=True)
    assert least == sorted(least)
    assert most[-1] >= least[-1]
    assert not {one.item for one in person.most_surprising} & {one.item for one in person.least_surprising}


def test_the_map_of_two_planted_directions(planted):
    model = with_latent(damped_bias(planted, 2.0))
    plane = np.random.default_rng(0).normal(size=(len(model.users), 2)) * [3.0, 1.0]
    latent = plane @ np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
    made = make_map(latent.astype(np.float32), planted, planted.user_counts)
    assert made is not None
    assert sum(made.explained) == pytest.approx(1.0, abs=1e-3)
    assert abs(np.corrcoef(made.first, plane[:, 0])[0, 1]) > 0.99
    assert made.colour[0] == pytest.approx(planted.values[planted.row(0)].mean(), abs=1e-4)
    nobody = np.zeros(len(latent), dtype=int)
    assert make_map(np.zeros_like(latent), planted, planted.user_counts) is None
    assert make_map(latent, planted, nobody) is None
    assert make_map(latent[:, :0], planted, planted.user_counts) is None
    nobody[:3] = 1
    few = make_map(latent, None, nobody)
    assert few is not None
    assert (few.num_users, few.colour) == (3, (0.0, 0.0, 0.0))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_looking_for_shown_cells_agrees_with_a_set(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, block = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 20))
    shown = Ratings.from_columns(rng.integers(8, size=count), rng.integers(6, size=count), np.ones(count))
    users, items = rng.integers(-1, shown.num_users, size=40), rng.integers(-1, shown.num_items, size=40)
    pairs = set(zip(shown.user_index.tolist(), shown.item_index.tolist(), strict=True))
    expected = [pair in pairs for pair in zip(users.tolist(), items.tolist(), strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_BLOCK", block)
        assert cells._among(shown, users, items).tolist() == expected


def test_star_groups_of_a_continuous_scale_are_ten_bins():
    stars = np.linspace(-10, 10, 201)
    groups = star_groups(stars, Scale(-10.0, 10.0))
    assert len(groups.labels) == 10
    assert groups.labels[0] == "-10 to -8"
    assert groups.group[[0, -1]].tolist() == [0, 9]


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
