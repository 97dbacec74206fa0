"""Loading: from a configuration to ratings and the catalogue of their items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config import Config, DataConfig
from .catalogue import Catalogue
from .matching.join import join_people
from .ratings import Ratings
from .sources import find_data, read_catalogue, read_ratings


class LoadingError(ValueError):
    """The configuration needs what the data cannot give. The message says what, and what to do."""


def read_data(config: Config, *, notify: Callable[[str], None] | None = None) -> tuple[Path, Ratings, Catalogue | None]:
    """Finds and reads the ratings of a configuration, and the catalogue of their items.

    Args:
        config: the ``data`` section says which ratings to read and how.
        notify: called with a line of text before something that takes time, such as a download, and for each file of
            a person.

    Returns:
        The path of the data set, its ratings with those of ``data.people``, and its catalogue; None without titles.

    Raises:
        SourceError: the ratings cannot be found or read.
        LoadingError: ``data.people`` is given with a setting that needs the time of each rating, or ``data.scale`` for
            pairs without ratings.
    """
    data = config.data
    path = find_data(data.path, notify=notify)
    columns = _columns(data)
    ratings = read_ratings(path, format=data.format, scale=data.scale, columns=columns, on_bad_rows=data.on_bad_rows)
    if data.scale is not None and not ratings.rated:
        raise LoadingError(
            f"{path}: it has no ratings, and data.scale is {data.scale}. Leave the scale out, or name the column of "
            "ratings with --set data.rating_column=NAME."
        )
    catalogue = read_catalogue(path, format=data.format, columns=columns, on_bad_rows=data.on_bad_rows)
    if data.people:
        if config.split.by == "time" or config.model.reads_times:
            raise LoadingError(
                "The files of data.people (--with) do not say when a rating was given, which split.by=time and "
                "model.time_aware need. Leave one of them out."
            )
        ratings = join_people(ratings, catalogue, data.people, notify=notify)
    return path, ratings, catalogue


def read_like(path: str, metadata: Mapping[str, Any]) -> Ratings:
    """Reads ratings in the way that the training ratings of a bundle were read: format, columns, bad rows.

    Args:
        path: file, folder or zip.
        metadata: metadata of the bundle.

    Raises:
        SourceError: the ratings cannot be read.
    """
    data = Config.from_dict({"data": metadata["config"]["data"]}).data
    return read_ratings(path, format=data.format, columns=_columns(data), on_bad_rows=data.on_bad_rows)


def _columns(data: DataConfig) -> dict[str, str | None]:
    return {
        "user": data.user_column,
        "item": data.item_column,
        "rating": data.rating_column,
        "timestamp": data.timestamp_column,
    }
