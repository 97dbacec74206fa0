"""Scale, vocabulary and Ratings: conversions, order, duplicates, ids."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_autoencoder.data.ratings import Coded, Ratings, Scale, stable_order

HALVES, TEN, FIVE = Scale(0.5, 5, 0.5), Scale(1, 10, 1), Scale(1, 5, 1)
finite = st.floats(-1000, 1000, width=32)


@given(
    low=finite,
    span=st.floats(0.125, 1000, width=32),
    other_low=finite,
    other_span=st.floats(0.125, 1000, width=32),
    values=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_converting_back_gives_the_same_ratings(
    low: float, span: float, other_low: float, other_span: float, values: list[float]
) -> None:
    here, there = Scale(low, low + span), Scale(other_low, other_low + other_span)
    ratings = low + span * np.array(values)
    np.testing.assert_allclose(
        there.convert(here.convert(ratings, there), here), ratings, atol=1e-6 * (1 + abs(low) + span)
    )
    assert there.convert([other_low, other_low + other_span], here).tolist() == pytest.approx(
        [low, low + span], abs=1e-3
    )
    assert here.contains(here.clip(ratings + 3)).all()


def test_conversion_in_proportion_keeps_the_fraction_of_the_maximum() -> None:
    assert TEN.convert_in_proportion(np.arange(1, 11), HALVES).tolist() == [rating / 2 for rating in range(1, 11)]
    assert HALVES.convert_in_proportion(HALVES.levels, HALVES).tolist() == HALVES.levels.tolist()
    assert HALVES.convert_in_proportion([0.5, 1, 3.5, 5], FIVE).tolist() == [1, 1, 3.5, 5]
    assert FIVE.convert_in_proportion([1, 3, 5], HALVES).tolist() == [1, 3, 5]
    assert Scale(0, 100, 1).convert_in_proportion([0, 50, 100], HALVES).tolist() == [0.5, 2.5, 5.0]
    assert HALVES.convert_in_proportion([0.5, 5], Scale(-10, 10)).tolist() == [-10, 10]


@given(
    st.sampled_from([HALVES, TEN, FIVE, Scale(0, 100, 1), Scale(-10, 10, 0.5)]), st.sampled_from([HALVES, FIVE, TEN])
)
def test_conversion_in_proportion_stays_inside_and_in_order(scale: Scale, to: Scale) -> None:
    converted = scale.convert_in_proportion(scale.levels, to)
    assert to.contains(converted).all() and (np.diff(converted) >= 0).all() and converted[-1] == to.maximum


def test_rounding_to_the_step() -> None:
    assert HALVES.round_to_step([0.1, 0.74, 0.75, 4.9, 7]).tolist() == [0.5, 0.5, 1.0, 5.0, 5.0]
    assert Scale(0.3, 5).round_to_step([0.1, 2.7]).tolist() == [0.1, 2.7]  # a continuous scale has no step


@given(
    start=st.integers(-40, 40),
    step=st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0, 10.0]),
    count=st.integers(2, 60),
    extra=st.lists(st.integers(0, 59), max_size=30),
)
def test_a_grid_is_detected_from_its_values(start: int, step: float, count: int, extra: list[int]) -> None:
    levels = [start * step + step * position for position in range(count)]
    values = np.array(levels + [levels[position % count] for position in extra], dtype=np.float32)
    scale = Scale.detect(values)
    assert (scale.minimum, scale.maximum, scale.step) == pytest.approx((levels[0], levels[-1], step), abs=1e-5)
    assert scale.levels == pytest.approx(levels, abs=1e-3) and len(scale.levels) == count


def test_detect_corner_cases() -> None:
    assert Scale.detect(np.array([1.0, 3.0, 4.5])) == Scale(1, 4.5, 0.5)  # gaps 2 and 1.5
    assert Scale.detect(np.array([0.0])) == Scale(-0.5, 0.5)
    assert Scale.detect(np.random.default_rng(0).normal(size=5000)).step == 0.0
    big = np.tile(np.arange(1, 11, dtype=np.float32) / 2, 300_000)  # more than one block
    assert Scale.detect(big) == Scale(0.5, 5, 0.5)


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1-5", Scale(1, 5)),
        ("0.5-5", Scale(0.5, 5)),
        ("-10:10", Scale(-10, 10)),
        ("-10-10", Scale(-10, 10)),
        ("-10--5", Scale(-10, -5)),
        ("1:5:0.5", Scale(1, 5, 0.5)),
    ],
)
def test_parse(text: str, scale: Scale) -> None:
    assert Scale.parse(text) == scale


@pytest.mark.parametrize("text", ["5", "", "5-1", "a-b", "1:2:3:4", "1-", "nan-5", "1:5:9"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="A scale is written MINIMUM:MAXIMUM"):
        Scale.parse(text)


def test_step_of_values_is_taken_when_the_ends_are_on_the_grid() -> None:
    assert Scale(0.5, 5).with_step_of(np.array([1.0, 2.5])) == Scale(0.5, 5, 0.5)
    assert Scale(1, 5).with_step_of(np.array([1.0, 5.0])) == Scale(1, 5)  # the ends alone tell nothing
    assert Scale(0, 10, 1).with_step_of(np.array([0.5])) == Scale(0, 10, 1)
    assert Scale(0, 1).with_step_of(np.array([0.1234, 0.777, 0.5])).step == 0.0


rows = st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 5), st.integers(-4, 4)), min_size=1, max_size=60)


@given(rows=rows, seed=st.integers(0, 100), text=st.booleans())
def test_permutation_of_rows_changes_nothing_when_times_differ(
    rows: list[tuple[int, int, int]], seed: int, text: bool
) -> None:
    users = np.array([f"u{row[0]}" if text else row[0] for row in rows])
    items, values = np.array([row[1] for row in rows]), np.array([row[2] for row in rows], dtype=np.float32)
    times = np.arange(len(rows))
    order = np.random.default_rng(seed).permutation(len(rows))
    first = Ratings.from_columns(users, items, values, timestamps=times)
    second = Ratings.from_columns(users[order], items[order], values[order], timestamps=times[order])
    assert first.digest == second.digest
    latest = {
        (user, item): value for user, item, value in zip(users.tolist(), items.tolist(), values.tolist(), strict=True)
    }
    found = zip(
        first.user_ids[first.user_index].tolist(),
        first.item_ids[first.item_index].tolist(),
        first.values.tolist(),
        strict=True,
    )
    assert {(user, item): value for user, item, value in found} == latest
    assert first.source.num_duplicates == len(rows) - len(latest) and first.source.num_rows == len(rows)
    untimed = Ratings.from_columns(users, items, values)  # the last given is the latest, too
    assert untimed.digest == first.digest


@given(rows=rows)
def test_cells_are_sorted_and_numbered_without_gaps(rows: list[tuple[int, int, int]]) -> None:
    ratings = Ratings.from_columns(*(np.array(column) for column in zip(*rows, strict=True)))
    cells = list(zip(ratings.user_index.tolist(), ratings.item_index.tolist(), strict=True))
    assert cells == sorted(set(cells))
    assert set(ratings.user_index.tolist()) == set(range(ratings.num_users)) and (np.diff(ratings.user_ids) > 0).all()
    assert set(ratings.item_index.tolist()) == set(range(ratings.num_items)) and (np.diff(ratings.item_ids) > 0).all()
    assert ratings.item_counts.sum() == ratings.user_counts.sum() == len(ratings)
    again = np.lexsort((ratings.user_index, ratings.item_index))
    assert ratings.item_order.tolist() == again.tolist()


def test_coded_columns_give_the_same_ratings_as_plain_ones() -> None:
    coded = Coded(np.array([2, 0, 2, 3], dtype=np.int32), np.array(["b", "never", "a", "b"]))
    plain = Ratings.from_columns(["a", "b", "a", "b"], [1, 1, 2, 2], [1, 2, 3, 4])
    assert Ratings.from_columns(coded, [1, 1, 2, 2], [1, 2, 3, 4]).digest == plain.digest
    assert plain.user_ids.tolist() == ["a", "b"] and len(coded) == 4


def test_ids_of_many_kinds() -> None:
    def ids(column: object) -> list[object]:
        return Ratings.from_columns(column, [1, 2, 3], [1, 2, 3]).user_ids.tolist()  # type: ignore[arg-type]

    assert ids([10, 9, 10]) == [9, 10] and ids(np.array([1, 0, 1], dtype=np.uint8)) == [0, 1]
    assert ids([3.0, 1.0, 3.0]) == [1, 3] and ids(np.array([3, 1, 3], dtype=object)) == [1, 3]
    assert ids(["10", "9", "10"]) == ["10", "9"] and ids(np.array(["b", 1, "b"], dtype=object)) == ["1", "b"]
    assert ids([2**60, -(2**60), 5]) == [-(2**60), 5, 2**60]
    with pytest.raises(ValueError, match="Ids must be integers or text"):
        ids([1.5, 2.0, 3.0])
    with pytest.raises(ValueError, match="Ids must be integers or text"):
        ids([np.nan, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"Ids must not be missing. Received: None in row 1"):
        ids(np.array(["a", None, "b"], dtype=object))


def test_from_columns_refuses() -> None:
    with pytest.raises(ValueError, match=r"one length. Received lengths: \[1, 2\]"):
        Ratings.from_columns([1, 2], [1, 2], [1])
    with pytest.raises(ValueError, match="There is no rating"):
        Ratings.from_columns(np.array([], dtype=int), np.array([], dtype=int), [])
    with pytest.raises(ValueError, match="Received: nan in row 1"):
        Ratings.from_columns([1, 2], [1, 2], [1, np.nan])
    with pytest.raises(ValueError, match="Rating 9 in row 1 .* lies outside the scale 1 to 5"):
        Ratings.from_columns([1, 2], [1, 2], [1, 9], scale=Scale(1, 5))
    with pytest.raises(ValueError, match="The frame has no column 'user_id'. Its columns: a"):
        Ratings.from_frame(pd.DataFrame({"a": [1]}))


def test_values_cannot_be_changed() -> None:
    ratings = Ratings.from_columns([1, 2], [1, 2], [0, 4])
    with pytest.raises(ValueError, match="read-only"):
        ratings.values[0] = 5
    with pytest.raises(FrozenInstanceError):
        ratings.scale = Scale(1, 5)  # type: ignore[misc]
    assert len(ratings) == 2 and ratings.scale == Scale(0, 4, 4)  # a zero is a rating


def test_from_columns_copies_the_arrays_of_the_caller() -> None:
    values, times = np.array([1, 2], dtype=np.float32), np.array([5, 6], dtype=np.int64)
    ratings = Ratings.from_columns([1, 2], [1, 2], values, timestamps=times)
    values[0] = 9
    times[0] = 9
    assert ratings.timestamps is not None
    assert ratings.values.tolist() == [1, 2] and ratings.timestamps.tolist() == [5, 6]


def test_to_csr_has_a_value_at_each_cell() -> None:
    ratings = Ratings.from_columns(["a", "a", "c", "b"], [9, 7, 9, 8], [0, 2, 5, 4])
    ones = ratings.to_csr()
    assert ones.dtype == np.float32 and ones.shape == (3, 3) and ones.format == "csr"
    assert ones.toarray().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    values = ratings.to_csr(ratings.values)
    assert values.nnz == 4 and values.toarray().tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 5]]  # a rating of 0 is kept
    counted = ratings.to_csr(np.arange(4))
    assert counted.dtype == np.arange(4).dtype and counted[0, 2] == 1
    for row in range(3):
        assert counted.data[ratings.row(row)].tolist() == counted[[row]].data.tolist()
    values.eliminate_zeros()  # this writes into the arrays of the matrix, which must not be those of the ratings
    assert values.nnz == 3 and ratings.user_starts.tolist() == [0, 2, 3, 4]
    assert ratings.to_csr(ratings.values).toarray().tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 5]]
    with pytest.raises(ValueError, match="indices and data"):
        ratings.to_csr(np.ones(3))


def test_take_and_locate() -> None:
    ratings = Ratings.from_columns([1, 1, 2, 3], ["a", "b", "b", "c"], [1, 2, 3, 5], timestamps=[1, 2, 3, 4])
    some = ratings.take(ratings.values > 2)
    assert some.user_ids.tolist() == [2, 3] and some.item_ids.tolist() == ["b", "c"] and some.scale == ratings.scale
    assert some.timestamps is not None and some.timestamps.tolist() == [3, 4]
    assert ratings.take([3, 0]).values.tolist() == [1, 5]
    assert ratings.locate_items(["c", "x", "a"]).tolist() == [2, -1, 0]
    assert ratings.locate_users([3, 0]).tolist() == [2, -1] and ratings.locate_users(["3", "03"]).tolist() == [2, -1]
    assert ratings.row(0) == slice(0, 2) and ratings.density == pytest.approx(4 / 9)


def test_stable_order_sorts_as_numpy_does() -> None:
    index = np.random.default_rng(1).integers(0, 50, 1000).astype(np.int32)
    assert stable_order(index, 60).tolist() == np.argsort(index, kind="stable").tolist()
