"""Statistics of a data set against those counted by hand."""

from __future__ import annotations

import json

import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.statistics import inspect_ratings


def test_statistics_of_a_matrix_counted_by_hand() -> None:
    ratings = Ratings.from_columns(
        [1, 1, 1, 1, 2, 2, 2],
        [1, 2, 3, 4, 1, 2, 1],
        [5, 3, 1, 1, 5, 0, 4],
        timestamps=[0, 1, 2, 3, 86400 * 365, 5, 6],
        scale=Scale(0, 5, 1),
    )
    found = inspect_ratings(ratings)
    assert (found.num_ratings, found.num_users, found.num_items, found.density) == (6, 2, 4, 0.75)
    assert found.histogram == {0.0: 1, 1.0: 2, 2.0: 0, 3.0: 1, 4.0: 0, 5.0: 2}
    assert found.mean == 2.5 and found.std == pytest.approx((23.5 / 6) ** 0.5)
    assert found.ratings_per_user == {0.0: 2, 0.25: 2.5, 0.5: 3, 0.75: 3.5, 0.9: 3.8, 1.0: 4}
    assert found.few_users == 0.5 and found.few_items == 1.0
    assert (found.first, found.last) == ("1970-01-01", "1971-01-01") and found.num_duplicates == 1
    text = "\n".join(found.lines())
    assert "6 ratings by 2 users of 4 movies (75 % of all pairs)" in text and "0 to 5 in steps of 1, mean 2.500" in text
    assert (
        "50.0 % have at most 3" in text and "rated between 1970-01-01 and 1971-01-01" in text and "1 replaced" in text
    )
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["histogram"]["5"] == 2 and plain["scale"] == [0, 5, 1] and plain["ratings_per_item"]["0.5"] == 1.5


def test_three_ratings_are_few_and_four_are_not() -> None:
    ratings = Ratings.from_columns([1, 1, 1, 2, 2, 2, 2], [1, 2, 3, 1, 2, 3, 4], [1, 2, 3, 4, 5, 1, 2])
    assert inspect_ratings(ratings).few_users == 0.5


def test_continuous_scale_and_impossible_times() -> None:
    ratings = Ratings.from_columns([1, 2, 3], [1, 1, 1], [-9.77, 0.123, 9.99], timestamps=[1, 2, 10**18])
    found = inspect_ratings(ratings)
    assert sum(found.histogram.values()) == 3 and len(found.histogram) == 10 and found.first is None
    assert "continuous" in "\n".join(found.lines())
