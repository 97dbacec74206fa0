"""`recommend --all`: the lists of everybody in a file of ratings, written block by block to one CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .formatting import print_lines

if TYPE_CHECKING:
    from ..data.ratings import Ratings
    from ..recommend import Recommender
    from ..recommend.batch import Best
    from ..recommend.ordering import RankBy

HEADER = ("user_id", "item_id", "rank", "score", "stars", "p_choose")


def check_everybody(ratings: str | None, out: Path | None, others: Mapping[str, bool]) -> tuple[str, Path]:
    """The two files that ``--all`` needs.

    Args:
        ratings: the value of ``--ratings``.
        out: the value of ``--out``.
        others: options that are about one person's list, and whether each is given.

    Raises:
        typer.BadParameter: a file is missing, or another option is given.
    """
    given = [option for option, used in others.items() if used]
    if given:
        raise typer.BadParameter(f"--all ranks for everybody in a file and does not go with {', '.join(given)}.")
    if ratings is None:
        raise typer.BadParameter("--all needs --ratings FILE: a table of user, item and rating, as for training.")
    if out is None:
        raise typer.BadParameter("--all needs --out FILE.csv, the file to write.")
    if out.suffix != ".csv":
        raise typer.BadParameter(f"--out ends in .csv. Received: {out}.")
    return ratings, out


def recommend_everybody(recommender: Recommender, path: str, out: Path, k: int, rank_by: RankBy) -> None:
    """Writes the lists of all people in a file of ratings, whole or not at all.

    Args:
        recommender: the trained model.
        path: a file of ratings as for training.
        out: the CSV file.
        k: items for each.
        rank_by: as for `Recommender.recommend`.
    """
    from ..data.sources import read_ratings
    from ..storage import replacing

    ratings = read_ratings(path, scale=recommender.scale if recommender.scale.rated else None)
    if not recommender.locate_items(ratings.item_ids).max(initial=-1) >= 0:
        few = ", ".join(str(one) for one in recommender.item_ids[:3].tolist())
        raise ValueError(
            f"{path}: none of its {ratings.num_items:,} items is known to the model, whose ids are like {few}."
        )
    lines = 0
    with replacing(out) as temporary, temporary.open("wb") as stream:
        stream.write((",".join(HEADER) + "\n").encode())
        for best in recommender.recommend_all(ratings, k, rank_by=rank_by):
            lines += _write(recommender, ratings, best, stream)
    notes = [f"Wrote {lines:,} recommendations for {ratings.num_users:,} people to {out}."]
    if not recommender.scale.rated or recommender.rank_by(rank_by) != rank_by:
        from ..recommend.ordering import NO_CHOICE_MODEL, NO_STARS

        notes.append(NO_CHOICE_MODEL if recommender.scale.rated else NO_STARS)
    print_lines(notes, to_stderr=True)


def _write(recommender: Recommender, ratings: Ratings, best: Best, stream: Any) -> int:
    """Writes the lists of a block of people; returns the number of lines."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    rows, places = np.nonzero(~np.isnan(best.values))  # people in order, and each one's list in order
    stars = recommender.scale.clip(best.predictions[rows, places])
    columns = (
        ratings.user_ids[best.rows][rows],
        recommender.item_ids[best.columns[rows, places]],
        places + 1,
        best.values[rows, places].round(5),
        stars.round(3),
        best.p_choose[rows, places].round(5),
    )
    table = pa.table([pa.array(one, from_pandas=True) for one in columns], names=list(HEADER))
    csv.write_csv(table, stream, csv.WriteOptions(include_header=False, quoting_style="needed"))
    return len(rows)
