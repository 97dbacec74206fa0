"""One person's own films: exports of Letterboxd, IMDb and MovieLens.org, plain tables, and files made to do harm."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_autoencoder.data.ratings import Scale
from movie_autoencoder.data.sources import PersonalFile, SourceError, read_personal, read_personal_bytes
from movie_autoencoder.data.sources.limits import EXPORT_LIMITS

RATINGS = """Date,Name,Year,Letterboxd URI,Rating
2024-01-02,Alien,1979,https://boxd.it/1,4.5
2024-01-03,"Good, the Bad and the Ugly, The",1966,https://boxd.it/2,5
2024-01-04,<b>Heat</b> & more,,https://boxd.it/3,0.5
"""
DIARY = """Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date
2023-05-01,Solaris,1972,https://boxd.it/a,3,,,2023-05-01
2023-07-01,Solaris,1972,https://boxd.it/b,4,Yes,,2023-07-01
2023-06-01,Alien,1979,https://boxd.it/c,1,,,2023-06-01
2023-08-01,Stalker,1979,https://boxd.it/d,,,,2023-08-01
"""
REVIEWS = """Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date
2023-09-01,Mirror,1975,https://boxd.it/e,4.5,,"He said ""no"",
and left.

The end",slow,2023-09-01
"""
WATCHED = """Date,Name,Year,Letterboxd URI
2024-01-02,Alien,1979,https://boxd.it/1
2024-01-05,Cube,1997,https://boxd.it/5
2024-01-05,Akira,1988,https://boxd.it/6
"""
LIKED = """Date,Name,Year,Letterboxd URI
2024-01-05,Akira,1988,https://boxd.it/6
2024-01-02,Alien,1979,https://boxd.it/1
"""
WATCHLIST = """Date,Name,Year,Letterboxd URI
2024-02-01,Ran,1985,https://boxd.it/7
2024-02-01,Cube,1997,https://boxd.it/5
"""
EXPORT = {
    "ratings.csv": RATINGS,
    "diary.csv": DIARY,
    "reviews.csv": REVIEWS,
    "watched.csv": WATCHED,
    "watchlist.csv": WATCHLIST,
    "likes/films.csv": LIKED,
    "profile.csv": "Username\nann\n",
    "deleted/diary.csv": DIARY.replace("Solaris", "Gone"),
    "orphaned/ratings.csv": "nonsense",
    "lists/best.csv": "Letterboxd list export v7\n",
}
IMDB = """Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres,Num Votes,Release Date,Directors
tt0078748,9,2020-01-01,Alien,Alien,https://x,Movie,8.5,117,1979,"Horror, Sci-Fi",900000,1979-05-25,Ridley Scott
tt0903747,10,2020-01-02,Breaking Bad,Breaking Bad,https://x,TV Series,9.5,45,2008,Drama,2000000,2008-01-20,
tt0959621,8,2020-01-02,Breaking Bad: Pilot,Pilot,https://x,TV Episode,9,58,2008,Drama,40000,2008-01-20,Vince Gilligan
tt0105695,1,2020-01-03,Unforgiven,Unforgiven,https://x,movie,8.2,130,1992,Western,400000,1992-08-07,Clint Eastwood
"""  # noqa: E501
OLD_IMDB = """position,const,created,modified,description,Title,Title type,Directors,You rated,IMDb Rating,Runtime (mins),Year,Genres,Num. Votes,Release Date (month/day/year),URL
1,tt0211915,Tue Jan  1 00:00:00 2013,,,Le fabuleux destin d'Amélie Poulain,Feature Film,Jean-Pierre Jeunet,8,8.4,122,2001,comedy,1,2001-04-25,http://x
2,tt0108778,Tue Jan  1 00:00:00 2013,,,Friends,TV Series,,7,8.9,22,1994,comedy,1,1994-09-22,http://x
"""  # noqa: E501
MOVIELENS = """movie_id,imdb_id,tmdb_id,rating,average_rating,title
527,0108052,424,4.5,4.23941,Schindler's List (1993)
1,0114709,862,3.0,3.9,Toy Story (1995)
"""


def zipped(members: dict[str, str | bytes], folder: str = "") -> bytes:
    """A zip with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(folder + name, text)
    return out.getvalue()


def films(file: PersonalFile) -> list[tuple[str, int | None, float | None, str, str]]:
    return [(one.title, one.year, one.stars, one.kind, one.source) for one in file.entries]


LETTERBOXD_FILMS = [
    ("Alien", 1979, 4.5, "rated", "ratings.csv:2"),
    ("Good, the Bad and the Ugly, The", 1966, 5.0, "rated", "ratings.csv:3"),
    ("<b>Heat</b> & more", None, 0.5, "rated", "ratings.csv:4"),
    ("Solaris", 1972, 4.0, "rated", "diary.csv:3"),
    ("Mirror", 1975, 4.5, "rated", "reviews.csv:2"),
    ("Akira", 1988, None, "liked", "likes/films.csv:2"),
    ("Cube", 1997, None, "watched", "watched.csv:3"),
    ("Stalker", 1979, None, "watched", "diary.csv:5"),
    ("Ran", 1985, None, "watchlist", "watchlist.csv:2"),
]


@pytest.mark.parametrize("folder", ["", "letterboxd-ann-2024-05-06-07-08-utc/"])
def test_letterboxd_zip(folder: str, tmp_path: Path) -> None:
    data = zipped(EXPORT, folder)
    file = read_personal_bytes("letterboxd-ann.zip", data)
    assert (file.format, file.scale, file.name) == ("letterboxd", Scale(0.5, 5.0, 0.5), "letterboxd-ann.zip")
    assert films(file) == LETTERBOXD_FILMS
    path = tmp_path / "letterboxd-ann.zip"
    path.write_bytes(data)
    assert films(read_personal(path)) == LETTERBOXD_FILMS == films(read_personal(path, format="letterboxd"))


def test_letterboxd_folder_and_single_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(EXPORT))) as archive:
        archive.extractall(tmp_path)
    assert films(read_personal(tmp_path)) == LETTERBOXD_FILMS
    assert films(read_personal(tmp_path / "ratings.csv")) == LETTERBOXD_FILMS[:3]
    assert {one.kind for one in read_personal(tmp_path / "watchlist.csv").entries} == {"watchlist"}
    assert {one.kind for one in read_personal(tmp_path / "watched.csv").entries} == {"watched"}
    assert {one.kind for one in read_personal(tmp_path / "likes" / "films.csv").entries} == {"liked"}
    diary = read_personal(tmp_path / "diary.csv")
    assert [(one.title, one.stars, one.kind) for one in diary.entries] == [
        ("Solaris", 4.0, "rated"),
        ("Alien", 1.0, "rated"),
        ("Stalker", None, "watched"),
    ]


def test_letterboxd_list_is_a_watchlist() -> None:
    text = (
        "Letterboxd list export v7\nDate,Name,Tags,URL,Description\n2024-01-01,Best,,https://boxd.it/x,\n\n"
        "Position,Name,Year,URL,Description\n1,Alien,1979,https://boxd.it/1,\n"
    )
    file = read_personal_bytes("best.csv", text.encode())
    assert films(file) == [("Alien", 1979, None, "watchlist", "best.csv:6")]


def test_imdb_of_today_and_before() -> None:
    file = read_personal_bytes("ratings.csv", IMDB.encode("utf-8-sig"))
    assert (file.format, file.scale) == ("imdb", Scale(1.0, 10.0, 1.0))
    assert [(one.title, one.imdb_id, one.stars) for one in file.entries] == [
        ("Alien", "tt0078748", 9.0),
        ("Unforgiven", "tt0105695", 1.0),
    ]
    assert file.notes == ("2 series, episodes or games left out.",)
    old = read_personal_bytes("ratings.csv", OLD_IMDB.encode("cp1252"))
    assert [(one.title, one.year, one.stars) for one in old.entries] == [
        ("Le fabuleux destin d'Amélie Poulain", 2001, 8.0)
    ]
    assert old.notes == ("1 series, episodes or games left out.",)


def test_imdb_watchlist() -> None:
    header = "Position,Const,Created,Modified,Description,Title,Title Type,Year,Your Rating"
    text = f"{header}\n1,tt0078748,a,b,,Alien,Movie,1979,\n"
    file = read_personal_bytes("watchlist.csv", text.encode())
    assert films(file) == [("Alien", 1979, None, "watchlist", "watchlist.csv:2")]


def test_movielens_export() -> None:
    file = read_personal_bytes("movielens-ratings.csv", MOVIELENS.encode())
    first = file.entries[0]
    assert (file.format, file.scale, len(file.entries)) == ("movielens", Scale(0.5, 5.0, 0.5), 2)
    assert (first.title, first.year, first.stars, first.item_id, first.imdb_id, first.tmdb_id) == (
        "Schindler's List",
        1993,
        4.5,
        "527",
        "tt0108052",
        424,
    )


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("title,stars\nAlien (1979),4.5\nHeat,3\n", "0.5:5:0.5", [("Alien", 1979, 4.5), ("Heat", None, 3.0)]),
        ("Film;Year;Rating\nAlien;1979;4,5\n", "0.5:5:0.5", [("Alien", 1979, 4.5)]),
        ("Title\tScore\nAlien (1979)\t7\n", "1:10:1", [("Alien", 1979, 7.0)]),
        ("name,rating\nAlien (1979),85\nHeat,0\n", "0:100:1", [("Alien", 1979, 85.0), ("Heat", None, 0.0)]),
        ("title,rating\nAlien,0\n", "0:5:0.5", [("Alien", None, 0.0)]),
        ("title,rating\nAlien,3.7\n", "0.5:5:0", [("Alien", None, 3.7)]),
        ("Title,Year,Rating10\nAlien,1979,4\n", "1:10:1", [("Alien", 1979, 4.0)]),
        ("Alien (1979),4\nHeat (1995),3\n", "0.5:5:0.5", [("Alien", 1979, 4.0), ("Heat", 1995, 3.0)]),
        ("Alien,1979,4\n", "0.5:5:0.5", [("Alien", 1979, 4.0)]),
        (
            "title,stars\nThe Good, the Bad and the Ugly (1966),5\n",
            "0.5:5:0.5",
            [("The Good, the Bad and the Ugly", 1966, 5.0)],
        ),
        ('title,stars\n"Weird" Al,5\n', "0.5:5:0.5", [("Weird Al", None, 5.0)]),
        ("title\nAlien\n", "0.5:5:0.5", [("Alien", None, None)]),
    ],
)
def test_plain_tables(text: str, scale: str, expected: list[tuple[str, int | None, float | None]]) -> None:
    file = read_personal_bytes("mine.csv", text.encode())
    assert [(one.title, one.year, one.stars) for one in file.entries] == expected
    assert (file.format, file.scale) == ("table", Scale.parse(scale))


def test_plain_ids() -> None:
    file = read_personal_bytes("mine.csv", b"movieId,rating\n318,4.5\n7,\n")
    assert [(one.item_id, one.stars, one.kind) for one in file.entries] == [
        ("318", 4.5, "rated"),
        ("7", None, "watched"),
    ]
    file = read_personal_bytes("mine.csv", b"userId,movieId,rating,timestamp\n1,318,4.5,5\n")
    assert file.entries[0].item_id == "318"
    assert read_personal_bytes("x.csv", b"imdbID,Rating\ntt0078748,4\n").entries[0].imdb_id == "tt0078748"


def test_a_zip_around_one_table() -> None:
    data = zipped({"ratings.csv": IMDB})
    assert read_personal_bytes("imdb.zip", data).format == "imdb"
    mac = zipped({"ratings.csv": IMDB, "__MACOSX/._ratings.csv": b"\0\5\x16\7"})  # the Finder adds such a file
    assert read_personal_bytes("imdb.zip", mac).entries == read_personal_bytes("imdb.zip", data).entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title,stars\nAlien,abc\n", r"mine.csv:2: the rating is 'abc'. Allowed: a number from 0 to 100, or nothing"),
        ("title,stars\nAlien,nan\n", r"mine.csv:2: the rating is 'nan'"),
        ("title,stars\nAlien,inf\n", r"mine.csv:2: the rating is 'inf'"),
        ("title,stars\nAlien,101\n", r"mine.csv:2: the rating is '101'"),
        ("title,stars\nAlien,-1\n", r"mine.csv:2: the rating is '-1'"),
        ("title,year,stars\nAlien,19x9,4\n", r"mine.csv:2: the year is '19x9'. Allowed: four digits"),
        ("title,year,stars\nAlien,4\n", r"mine.csv:2: the row has 2 fields instead of 3: 'Alien,4'"),
        ("title,stars\n,4\n", r"mine.csv:2: there is neither a title nor an id"),
        ("title,stars\n", r"mine.csv: there is no film below the header"),
        ("a,b,c,d\n1,2,3,4\n", r"mine.csv:1: no column of titles is known in the header 'a,b,c,d'"),
        (" \n\n", r"mine.csv: the file is empty"),
        ("<!DOCTYPE html><html>", r"mine.csv: it is not a table, it starts with '<!doctype html><html'"),
        ("userId,movieId,rating\n1,2,3\n2,2,3\n", r"mine.csv:3: it holds the ratings of several people"),
        ("Date,Name,Year,Letterboxd URI,Rating\n1,A,1979,u,5.5\n", r"mine.csv:2: the rating is '5.5'. .* 0.5 to 5"),
        ("Date,Name,Year,Letterboxd URI,Rating\n1,,1979,u,5\n", r"mine.csv:2: the film has no name"),
        ("Date,Name,Year,Letterboxd URI\n", r"mine.csv: there is no film in this table"),
        ('Date,Name,Year,Letterboxd URI,Rating\n1,"A,1979,u,5\n', r"mine.csv:2: the line cannot be split into fields"),
        ("Const,Your Rating,Title\ntt0078748,11,Alien\n", r"mine.csv:2: the rating is '11'. .* 1 to 10"),
        ("Const,Your Rating,Title\nnm0000244,,Sigourney\n", r"mine.csv:2: the id is a person"),
        ("Const,Your Rating,Title,Title Type\ntt0078748,5,A,TV Series\n", r"there is no film in it, only series"),
        ("title,stars\n\0,4\n", r"mine.csv: it is not a text"),
    ],
)
def test_wrong_files_say_what_to_do(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_personal_bytes("mine.csv", text.encode())
    assert "To fix it: " in str(caught.value)


def test_letterboxd_without_its_columns() -> None:
    data = zipped({"ratings.csv": "Date,Name,Year\n1,A,1979\n"})
    with pytest.raises(SourceError, match=r"a.zip/ratings.csv:1: there is no column 'Rating'"):
        read_personal_bytes("a.zip", data)


def test_a_wrong_format_and_a_wrong_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="an export of imdb"):
        read_personal_bytes("a.csv", RATINGS.encode(), format="imdb")
    with pytest.raises(ValueError, match="must be one of auto, letterboxd"):
        read_personal_bytes("a.csv", b"x", format="netflix")
    with pytest.raises(SourceError, match="there is no such file or folder"):
        read_personal(tmp_path / "missing.zip")
    with pytest.raises(SourceError, match="there is no table in it"):
        read_personal(tmp_path)


def test_two_exports_in_one_place() -> None:
    with pytest.raises(SourceError, match="there are two exports, ann/ and bob/"):
        read_personal_bytes("a.zip", zipped({"ann/ratings.csv": RATINGS, "bob/ratings.csv": RATINGS}))


@pytest.mark.parametrize("name", ["../ratings.csv", "/etc/ratings.csv", "a/../../ratings.csv", "C:\\ratings.csv"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match="the zip holds a file named"):
        read_personal_bytes("a.zip", zipped({name: RATINGS}))


def test_an_upload_cannot_choose_where_it_is(tmp_path: Path) -> None:
    file = read_personal_bytes("../../etc/mine.csv", b"title,stars\nAlien,4\n")
    assert file.name == "mine.csv" and list(tmp_path.iterdir()) == []


def test_bombs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a.zip/ratings.csv: it grows from [\d,]+ to 3,000,000 bytes"):
        read_personal_bytes("a.zip", zipped({"ratings.csv": b"0" * 3_000_000}))
    noise = random.Random(0).randbytes(9_000)
    with pytest.raises(SourceError, match=r"Allowed: no more than 200 times"):  # it grows about 250 times
        read_personal_bytes("a.zip", zipped({"ratings.csv": b"0" * 3_000_000 + noise}))
    with pytest.raises(SourceError, match=r"a.zip/ratings.csv: it has 70 MB. Allowed: 64 MB at most"):
        read_personal_bytes("a.zip", zipped({"ratings.csv": b"\0" * (70 << 20)}))
    with pytest.raises(SourceError, match="the zip holds more than 10,000 files"):
        read_personal_bytes("a.zip", zipped({f"{number}.csv": "" for number in range(10_001)}))
    small = replace(EXPORT_LIMITS, max_bytes=10, max_files=2)
    with pytest.raises(SourceError, match="MB at most"):
        read_personal_bytes("a.csv", RATINGS.encode(), limits=small)
    (tmp_path / "a.csv").write_text(RATINGS)
    for path in (tmp_path / "a.csv", tmp_path):
        with pytest.raises(SourceError, match="a.csv: it has 0 MB. Allowed: 0 MB at most"):
            read_personal(path, limits=small)
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match="the folder holds more than 2 files"):
        read_personal(tmp_path, limits=small)


def test_a_zip_that_lies_about_its_size() -> None:
    data = bytearray(zipped({"ratings.csv": b"0" * 3_000_000}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(mark) + offset
        data[start : start + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(SourceError):
        read_personal_bytes("a.zip", bytes(data))


def test_damaged_and_encrypted_zips() -> None:
    data = zipped(EXPORT)
    with pytest.raises(SourceError, match="the file is damaged or incomplete"):
        read_personal_bytes("a.zip", data[: len(data) // 2])
    locked = bytearray(data)
    start = 0
    while (start := locked.find(b"PK\x01\x02", start)) >= 0:
        locked[start + 8] |= 1
        start += 1
    with pytest.raises(SourceError, match="the file is encrypted"):
        read_personal_bytes("a.zip", bytes(locked))
    with pytest.raises(SourceError, match="it is a document of an office program"):
        read_personal_bytes("mine.xlsx", zipped({"xl/workbook.xml": "<x/>"}))


def test_too_many_rows() -> None:
    with pytest.raises(SourceError, match="there are more than 3 films"):
        read_personal_bytes("mine.csv", b"title,stars\n" + b"Alien,4\n" * 5, limits=replace(EXPORT_LIMITS, max_rows=3))


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "title,stars\n", "Date,Name,Year,Letterboxd URI,Rating\n", "PK\x03\x04"]),
)
def test_any_bytes_are_read_or_refused(data: bytes, start: str) -> None:
    try:
        file = read_personal_bytes("mine.csv", start.encode() + data)
    except SourceError as error:
        assert "To fix it: " in str(error)
    else:
        assert file.entries


@given(st.dictionaries(st.sampled_from(sorted(EXPORT)), st.binary(max_size=200), min_size=1))
def test_any_zip_is_read_or_refused(members: dict[str, bytes]) -> None:
    try:
        read_personal_bytes("mine.zip", zipped(dict(members)))
    except SourceError as error:
        assert "To fix it: " in str(error)
