"""Splits: every cell has one role, equal seeds give equal splits, and a saved split loads again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.data.splits import SplitError, load_held_out, split_ratings


def roles(split) -> list[np.ndarray]:
    return [split.train, split.validation, split.test, split.validation_fold_in, split.test_fold_in]


@pytest.mark.parametrize("by", ["rating", "user"])
def test_every_cell_has_exactly_one_role(planted: Ratings, by: str) -> None:
    split = split_ratings(planted, by=by, seed=4)
    cells = np.concatenate(roles(split))
    assert np.array_equal(np.sort(cells), np.arange(len(planted)))


def test_parts_have_the_requested_sizes(planted: Ratings) -> None:
    split = split_ratings(planted, test_fraction=0.2, validation_fraction=0.25, seed=1)
    assert [len(cells) for cells in (split.test, split.validation, split.train)] == [2400, 2400, 7200]


def test_equal_seeds_give_equal_splits(planted: Ratings) -> None:
    first, again, other = (split_ratings(planted, seed=seed) for seed in (5, 5, 6))
    np.random.seed(99)  # noqa: NPY002  # the global state must not matter
    assert first.digest == again.digest == split_ratings(planted, seed=5).digest
    assert first.digest != other.digest


def test_by_user_holds_out_whole_users_and_folds_in_80_percent(planted: Ratings) -> None:
    split = split_ratings(planted, by="user", seed=2)
    test_users = set(planted.user_index[split.test])
    assert len(test_users) == 25
    assert not test_users & set(planted.user_index[split.train])
    assert not test_users & set(planted.user_index[split.validation])
    for user in test_users:
        shown = int((planted.user_index[split.test_fold_in] == user).sum())
        held_out = int((planted.user_index[split.test] == user).sum())
        assert shown == int(0.8 * (shown + held_out)) and held_out >= 1


def test_fold_in_takes_a_fixed_number_and_holds_something_out() -> None:
    ratings = Ratings.from_columns([1] * 5 + [2] + [3] * 4, [1, 2, 3, 4, 5, 1, 1, 2, 3, 4], np.arange(10))
    split = split_ratings(ratings, by="user", test_fraction=0.67, validation_fraction=0.0, fold_in=3, seed=0)
    for user in np.unique(ratings.user_index[split.test]):
        count = int(ratings.user_counts[user])
        assert (ratings.user_index[split.test_fold_in] == user).sum() == min(3, count - 1)


def test_fold_in_of_more_ratings_than_a_user_has_still_holds_one_out() -> None:
    ratings = Ratings.from_columns([1, 2, 2, 3, 3, 3], [1, 1, 2, 1, 2, 3], np.arange(6))
    split = split_ratings(ratings, by="user", test_fraction=0.7, validation_fraction=0.0, fold_in=10, seed=0)
    assert np.bincount(ratings.user_index[split.test], minlength=3).max() == 1 and len(split.test) == 2


def test_by_time_all_test_ratings_are_later(planted: Ratings) -> None:
    times = np.random.default_rng(0).integers(0, 900, len(planted))
    ratings = Ratings.from_columns(planted.user_index, planted.item_index, planted.values, timestamps=times)
    split = split_ratings(ratings, by="time")
    parts = [ratings.timestamps[cells] for cells in (split.train, split.validation, split.test)]
    assert parts[0].max() < parts[1].min() and parts[1].max() < parts[2].min()
    assert 0.08 < len(split.test) / len(ratings) <= 0.1


def test_by_time_without_timestamps_is_refused(planted: Ratings) -> None:
    with pytest.raises(SplitError, match="needs a timestamp for each rating"):
        split_ratings(planted, by="time")


def test_by_time_with_equal_times_has_an_empty_part() -> None:
    ratings = Ratings.from_columns(range(30), [1, 2] * 15, range(30), timestamps=[7] * 30)
    with pytest.raises(SplitError, match="part of the split by time is empty"):
        split_ratings(ratings, by="time")


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0])
def test_fraction_out_of_range_is_refused(planted: Ratings, fraction: float) -> None:
    with pytest.raises(SplitError, match="at least 0 and below 1"):
        split_ratings(planted, test_fraction=fraction)


def test_empty_part_names_the_counts() -> None:
    ratings = Ratings.from_columns([1, 2, 3], [1, 1, 2], [1, 2, 3])
    with pytest.raises(SplitError, match=r"validation part .* is empty \(3 training, 0 validation, 0 test"):
        split_ratings(ratings)


def test_training_vocabulary_has_only_training_users_and_items(planted: Ratings) -> None:
    split = split_ratings(planted, by="user", seed=0)
    training = split.training_ratings
    assert len(training) == len(split.train)
    assert set(training.user_ids) == set(planted.user_ids[np.unique(planted.user_index[split.train])])
    assert (training.locate_users(split.held_out("test").users) == -1).all()


@pytest.mark.parametrize("by", ["rating", "user"])
def test_a_saved_split_loads_again(planted: Ratings, tmp_path: Path, by: str) -> None:
    split = split_ratings(planted, by=by, seed=7)
    split.save(tmp_path / "split.npz")
    for part in ("validation", "test"):
        saved, loaded = split.held_out(part), load_held_out(tmp_path / "split.npz", part)
        for name in ("users", "items", "values"):
            assert np.array_equal(getattr(saved, name), getattr(loaded, name))
        assert (saved.fold_in is None) == (loaded.fold_in is None) == (by == "rating")
        if saved.fold_in is not None:
            assert saved.fold_in.digest == loaded.fold_in.digest


def test_damaged_split_is_named(tmp_path: Path) -> None:
    (tmp_path / "split.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"split\.npz: damaged"):
        load_held_out(tmp_path / "split.npz", "test")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["rating", "user"]), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_parts_never_overlap(planted: Ratings, seed: int, by: str, test: float, validation: float) -> None:
    split = split_ratings(planted, by=by, seed=seed, test_fraction=test, validation_fraction=validation)
    cells = np.concatenate(roles(split))
    assert len(np.unique(cells)) == len(cells) == len(planted)
