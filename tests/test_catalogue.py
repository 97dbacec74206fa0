"""Catalogue: titles, years and links by item, aligned to any list of items."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.matching.title_keys import split_year


@pytest.fixture
def films() -> Catalogue:
    return Catalogue.from_rows(
        ["1", "20", "3"],
        ["Matrix, The (1999)", "2001: A Space Odyssey (1968)", "Untitled"],
        genres=["Action|Sci-Fi", "Sci-Fi", "(no genres listed)"],
        imdb_ids=["0133093", "tt0062622", ""],
        tmdb_ids=["603", "62.0", ""],
    )


def test_lookup(films: Catalogue) -> None:
    assert (
        films.label(1) == films.label("1") == "The Matrix (1999)"
        and films.title(np.int64(20)) == "2001: A Space Odyssey"
    )
    assert films.year(3) is None and films.year(99) is None and films.genres_of(3) == films.genres_of(99) == ()
    assert (
        films.genres_of(1) == ("Action", "Sci-Fi") and films.label(99) == "movie 99" and films.label("heat") == "heat"
    )
    assert films.imdb_ids.tolist() == ["tt0133093", "tt0062622", ""] and films.tmdb_ids.tolist() == [603, 62, -1]
    assert 20 in films and "01" not in films and len(films) == 3
    assert repr(films) == "Catalogue(3 items, 3 with a title)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Heat (1995)", ("Heat", 1995)),
        ("Heat (1995) ", ("Heat", 1995)),
        ("Heat", ("Heat", None)),
        ("(1995)", ("(1995)", None)),
        ("Léon: The (Professional) (1994)", ("Léon: The (Professional)", 1994)),
        ("Fleabag (2016–2019)", ("Fleabag (2016–2019)", 2016)),
        ("1984 (1956)", ("1984", 1956)),
        ("2012", ("2012", None)),
        ("", ("", None)),
    ],
)
def test_split_year(text: str, expected: tuple[str, int | None]) -> None:
    assert split_year(text) == expected


def test_series_keep_their_years_in_the_label() -> None:
    assert Catalogue.from_rows(["1"], ["Fleabag (2016–2019)"]).label(1) == "Fleabag (2016–2019)"


def test_align_and_take(films: Catalogue) -> None:
    aligned = films.align(np.array([20, 7, 1]))
    assert aligned.item_ids.tolist() == [20, 7, 1] and aligned.titles.tolist() == [
        "2001: A Space Odyssey",
        "",
        "Matrix, The",
    ]
    assert aligned.years.tolist() == [1968, -1, 1999] and aligned.tmdb_ids.tolist() == [62, -1, 603]
    assert films.align(np.array(["20", "x"])).titles.tolist() == ["2001: A Space Odyssey", ""]
    assert Catalogue.empty(np.array([], dtype=np.int64)).align([5]).label(5) == "movie 5"
    assert (
        films.take([2, 0]).item_ids.tolist() == [3, 1]
        and films.take(films.years > 0).titles.tolist()[0] == "Matrix, The"
    )


def test_last_of_two_rows_for_an_item_stays() -> None:
    films = Catalogue.from_rows(["1", "2", "1"], ["Old", "Other", "New"])
    assert films.item_ids.tolist() == [1, 2] and films.label(1) == "New"


def test_ids_with_a_leading_zero_stay_text() -> None:
    films = Catalogue.from_rows(["007", "7"], ["Bond", "Seven"])
    assert films.label("007") == "Bond" and films.label(7) == "Seven"


@given(st.lists(st.tuples(st.integers(0, 99), st.text(max_size=12), st.integers(1900, 2030) | st.none()), max_size=12))
def test_arrays_without_pickle_give_the_catalogue_back(rows: list[tuple[int, str, int | None]]) -> None:
    films = Catalogue.from_rows([str(row[0]) for row in rows], [row[1] for row in rows], years=[row[2] for row in rows])
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **films.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        again = Catalogue.from_arrays(stored)
    for name, array in films.to_arrays().items():
        assert again.to_arrays()[name].tolist() == array.tolist()


def test_columns_of_unequal_length_are_refused(films: Catalogue) -> None:
    with pytest.raises(ValueError, match="must have one length"):
        Catalogue.from_arrays({**films.to_arrays(), "titles": films.titles[:1]})
    with pytest.raises(ValueError, match="read-only"):
        films.titles[0] = "x"


def test_features_are_genres_decade_and_year() -> None:
    films = Catalogue.from_rows(
        ["1", "2", "3"], ["Heat (1995)", "Alien (1979)", "M"], genres=["Crime|Action", "Horror", "(no genres listed)"]
    )
    root = 0.5**0.5
    assert films.features() == pytest.approx(
        np.float32(
            [  # Action, Crime, Horror, 1970s, 1990s, year
                [root, root, 0, 0, 1, 1],
                [0, 0, 1, 1, 0, -1],
                [0, 0, 0, 0, 0, 0],
            ]
        )
    )
    assert films.features().dtype == np.float32
    assert Catalogue.empty(np.arange(3)).features().shape == (3, 0)
