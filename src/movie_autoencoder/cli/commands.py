"""The commands that use a trained model: anyone's ratings in; films, stars and reasons out.

Like `cli`, without logic: `recommender.Recommender` answers, and this module turns answers into text, CSV or JSON.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..data.catalogue import Catalogue
    from ..data.matching.person import Person
    from ..data.ratings import Ratings
    from ..recommend.recommender import Recommender, Years
    from ..recommend.schemas import Recommendations

app = typer.Typer()


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"


def _positive(value: int | None) -> int | None:
    if value is not None and value < 1:
        raise typer.BadParameter(f"a whole number from 1 on. Received: {value}.")
    return value


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise typer.BadParameter(f"a whole number from 1 to 65535. Received: {value}.")
    return value


def _between(value: float) -> float:
    if not -1 <= value <= 1:
        raise typer.BadParameter(f"a number from -1 to 1. Received: {value:g}.")
    return value


_RUN = typer.Argument(help="The run's folder.")
_RATINGS = typer.Option(
    metavar="FILE", help="Your ratings: a Letterboxd zip, an IMDb or MovieLens export, or a table of titles and stars."
)
_USER = typer.Option(metavar="ID", help="A training user instead of a file.")
_K = typer.Option(metavar="N", callback=_positive, help="How many.")
_GENRE = typer.Option("--genre", help="Only films of this genre; may be repeated.")
_YEAR = typer.Option(metavar="YEARS", help="Only films of these years: 1994, 1990-, -1980 or 1990-1999.")
_FORMAT = typer.Option("--format", help="table, csv or json.")
_DEBUG = typer.Option("--debug", help="Show the traceback of an error.")


@app.command()
def recommend(
    run: Annotated[Path, _RUN],
    ratings: Annotated[str | None, _RATINGS] = None,
    user: Annotated[str | None, _USER] = None,
    k: Annotated[int, _K] = 20,
    genre: Annotated[list[str] | None, _GENRE] = None,
    year: Annotated[str | None, _YEAR] = None,
    popularity: Annotated[
        float, typer.Option(metavar="P", callback=_between, help="From -1, little known films, to 1, well known ones.")
    ] = 0.0,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Leave these films out: a file, or `watchlist` for the one in --ratings."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="FILE", help="Rank only these films: a file, or `watchlist` likewise.")
    ] = None,
    matches: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save which films were matched, and which not, as JSON or CSV.")
    ] = None,
    form: Annotated[Format, _FORMAT] = Format.table,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Films for you: predicted stars, how sure that is, and why. Never shows what you rated."""
    if matches is not None:
        _check_suffix(matches, ".json", ".csv", option="--matches")
    recommender = _load(run)
    person = _person(recommender, ratings, user)
    lost: list[str] = []
    unwanted = [item for one in exclude or () for item in _films(recommender, person, one, lost)]
    wanted = None if only is None else _films(recommender, person, only, lost)
    answer = recommender.recommend(
        person, k, genres=genre or (), years=_years(year), popularity=popularity, exclude=unwanted, only=wanted
    )
    answer = replace(answer, notes=(*answer.notes, *lost))
    if matches is not None:
        _save_matches(person, matches)
    if form is Format.json:
        _print_json(answer.to_dict())
    elif form is Format.csv:
        typer.echo(_picks_csv(answer, recommender.catalogue), nl=False)
        _tell(answer.notes)
    else:
        _print(_recommended_lines(answer, person))


@app.command()
def explain(
    run: Annotated[Path, _RUN],
    film: Annotated[str, typer.Argument(help="A title such as 'Alien (1979)', or an id.")],
    ratings: Annotated[str | None, _RATINGS] = None,
    user: Annotated[str | None, _USER] = None,
    top: Annotated[int, typer.Option(metavar="N", callback=_positive, help="How many ratings are named.")] = 10,
    form: Annotated[Format, _FORMAT] = Format.table,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Why these stars for this film: what each of your ratings adds, and what changes without it."""
    recommender = _load(run)
    answer = recommender.explain(_person(recommender, ratings, user), film, top=top)
    if form is Format.json:
        return _print_json(answer.to_dict())
    shares = {share.item_id: share for share in answer.shares or ()}
    rows = [
        (
            one.label,
            _number(one.stars),
            *(
                ("", "", "")
                if one.item_id not in shares
                else (
                    _signed(shares[one.item_id].your_stars),
                    _signed(shares[one.item_id].you_chose_it),
                    _signed(shares[one.item_id].share),
                )
            ),
            _number(one.without, 2),
            _signed(one.change),
        )
        for one in answer.without
    ]
    if form is Format.csv:
        header = ("Title", "Stars", "YourStars", "YouChoseIt", "Share", "PredictionWithoutIt", "Change")
        return _print_csv(header, rows)
    certain = "" if answer.low is None else f", 90 % interval {answer.low:.1f} to {answer.high:.1f}"
    likes = "" if answer.p_like is None else f", {answer.p_like:.0%} likely to be liked"
    lines = [f"{answer.label}: {answer.stars:.2f} stars{certain}{likes}", ""]
    if answer.rated:
        lines += ["You have rated this film: that rating is left out of everything here.", ""]
    header = ("your rating of", "stars", "your stars", "you chose it", "share", "without it", "change")
    lines += _columns(header, rows, left=1)
    if answer.base is not None:
        adjusted = f", moved to the scale {_signed(answer.clip)}" if abs(answer.clip) > 5e-4 else ""
        total = sum(share.share for share in answer.shares or ())
        lines += [
            "",
            f"{answer.base:.3f} for anyone with so many ratings {_signed(total)} by the shares above "
            f"{_signed(answer.other_shares)} by all others = {answer.raw:.3f}{adjusted}",
            "share: what a rating adds to the prediction; base and all shares add up to it.",
            "without it: the prediction when that rating is left out and the rest is read again; another figure.",
        ]
    _print(lines)


@app.command()
def similar(
    run: Annotated[Path, _RUN],
    film: Annotated[str, typer.Argument(help="A title such as 'Alien (1979)', or an id.")],
    k: Annotated[int, _K] = 20,
    genre: Annotated[list[str] | None, _GENRE] = None,
    year: Annotated[str | None, _YEAR] = None,
    form: Annotated[Format, _FORMAT] = Format.table,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Films like this one: liked, or disliked, by the same people."""
    found = _load(run).similar(film, k, genres=genre or (), years=_years(year))
    if form is Format.json:
        return _print_json({"similar": [one.to_dict() for one in found]})
    rows = [(one.label, f"{one.similarity:.2f}") for one in found]
    if form is Format.csv:
        return _print_csv(("Title", "Similarity"), rows)
    _print(_columns(("film", "similarity"), rows, left=1))


@app.command("next-to-rate")
def next_to_rate(
    run: Annotated[Path, _RUN],
    ratings: Annotated[str | None, _RATINGS] = None,
    user: Annotated[str | None, _USER] = None,
    k: Annotated[int, _K] = 10,
    form: Annotated[Format, _FORMAT] = Format.table,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """The films whose rating would teach the model most about you; without ratings, those to begin with."""
    recommender = _load(run)
    person: Any = {} if ratings is None and user is None else _person(recommender, ratings, user)
    found = recommender.next_to_rate(person, k)
    if form is Format.json:
        return _print_json({"next_to_rate": [one.to_dict() for one in found]})
    rows = [(one.label, f"{one.teaches:.2f}") for one in found]
    if form is Format.csv:
        return _print_csv(("Title", "Teaches"), rows)
    _print([*_columns(("film", "teaches"), rows, left=1), "", "teaches: what a rating tells, beside the best of them"])


@app.command()
def compare(
    run: Annotated[Path, _RUN],
    one: Annotated[str, typer.Argument(help="A file of ratings, or the id of a training user.")],
    other: Annotated[str, typer.Argument(help="Likewise.")],
    k: Annotated[int, _K] = 10,
    form: Annotated[Format, typer.Option("--format", help="table or json.")] = Format.table,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Two people's tastes: how they agree, films for both, and films they would quarrel about."""
    recommender = _load(run)
    answer = recommender.compare(_somebody(recommender, one), _somebody(recommender, other), k)
    if form is Format.json:
        return _print_json(answer.to_dict())
    if form is Format.csv:
        raise typer.BadParameter("compare writes table or json. Received: csv.")
    agreement = "nothing to compare" if answer.agreement is None else f"{answer.agreement:+.2f} (from -1 to 1)"
    common = "" if answer.difference is None else f", {answer.difference:.2f} stars apart on average"
    lines = [f"Agreement  {agreement}", f"In common  {answer.common} films rated by both{common}"]
    for title, items in (("Films for both", answer.for_both), ("Films to quarrel about", answer.apart)):
        rows = [(item.label, f"{item.one:.1f}", f"{item.other:.1f}") for item in items]
        lines += ["", *_columns((title, "first", "second"), rows, left=1)]
    _print(lines)


@app.command()
def predict(
    run: Annotated[Path, _RUN],
    pairs: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file with a user and an item column.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the predictions go: .csv or .parquet.")],
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Stars and intervals for any pairs of users and items."""
    from ..data.sources.pairs import read_pairs

    _check_suffix(out, ".csv", ".parquet")
    recommender = _load(run)
    frame = read_pairs(pairs)
    users, items = (
        locate(frame[name].to_numpy())
        for name, locate in (("user", recommender.locate_users), ("item", recommender.locate_items))
    )
    frame["stars"] = recommender.model.predict(users, items)
    if recommender.star_model is not None:
        distribution = recommender.star_model.distribution(frame["stars"].to_numpy(), users, items)
        frame["low"], frame["high"] = distribution.interval(0.9)
        frame["p_like"] = distribution.like_probability()
    _write_frame(frame, out)
    unknown = [int((places < 0).sum()) for places in (users, items)]
    tail = f"{unknown[0]:,} of unknown users, {unknown[1]:,} of unknown films"
    _print([f"Saved      {out}: {len(frame):,} predictions; {tail}"])


@app.command()
def encode(
    run: Annotated[Path, _RUN],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the vectors go: .npy, .csv or .parquet.")],
    ratings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Whose: one person's file or a table of many people's; else training users'."
        ),
    ] = None,
    items: Annotated[bool, typer.Option("--items", help="The films' vectors instead.")] = False,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Latent vectors of people, or of films."""
    from ..storage import replacing

    _check_suffix(out, ".npy", ".csv", ".parquet")
    recommender = _load(run)
    if items and ratings is not None:
        raise typer.BadParameter("--items are those of the model; leave --ratings out.")
    if items:
        ids, latent = recommender.item_ids, recommender.model.items.latent
    elif ratings is None:
        ids, latent = recommender.user_ids, recommender.model.users.latent
    else:
        read = _people(recommender, ratings)
        ids, latent = read.user_ids, recommender.encode(read).latent
    if out.suffix == ".npy":
        import numpy as np

        with replacing(out) as temporary, temporary.open("wb") as file:
            np.save(file, latent, allow_pickle=False)
    else:
        import pandas as pd

        frame = pd.DataFrame(latent, columns=[f"z{column}" for column in range(latent.shape[1])])
        frame.insert(0, "item" if items else "user", ids)
        _write_frame(frame, out)
    _print([f"Saved      {out}: {len(latent):,} vectors of {latent.shape[1]} numbers"])


@app.command("add-items")
def add_items(
    run: Annotated[Path, _RUN],
    file: Annotated[str, typer.Argument(help="Ratings of new films by training users, with titles if there are.")],
    out: Annotated[Path, typer.Option(metavar="RUN2", help="The folder of the new run.")],
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Add new films with a few ratings to a model, without training. The old run stays as it is."""
    from ..bundle.add_items import add_items as extend

    _print(extend(run, file, out).lines())


@app.command()
def serve(
    run: Annotated[Path, _RUN],
    host: Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 let others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(callback=_port, help="Port to listen on.")] = 8000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    rate_limit: Annotated[
        int | None,
        typer.Option(metavar="N", callback=_positive, help="Requests a minute for each address; none on 127.0.0.1."),
    ] = None,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """A web page for all this, on your own machine."""
    recommender = _load(run)
    try:
        from ..web import serve as run_server
    except ModuleNotFoundError as missing:
        raise ImportError(
            f'The page needs {missing.name}, which is not installed. Install it with: pip install -e ".[web]".'
        ) from None
    run_server(recommender, host=host, port=port, open_browser=open_browser, rate_limit=rate_limit)


def _load(run: Path) -> Recommender:
    from ..recommend.recommender import Recommender

    return Recommender.load(run)


def _person(recommender: Recommender, ratings: str | None, user: str | None) -> Person:
    if (ratings is None) == (user is None):
        raise typer.BadParameter("Give --ratings FILE or --user ID, one of them.")
    return recommender.person(ratings) if ratings is not None else recommender.training_person(user)


def _people(recommender: Recommender, name: str) -> Ratings:
    """Ratings of everybody in a file: a table of many people's, or one person's export or titles."""
    from ..data.ratings import Ratings
    from ..data.sources import SourceError, read_ratings

    try:
        return read_ratings(name, scale=recommender.scale)
    except SourceError as error:
        try:
            person = recommender.person(name)
        except SourceError:
            raise error from None
    users = [Path(name).stem] * len(person.item_ids)
    return Ratings.from_columns(users, person.item_ids, person.stars, scale=recommender.scale)


def _films(recommender: Recommender, person: Person, name: str, lost: list[str]) -> list[Any]:
    """All films that a file names, whether rated, seen or listed; what could not be placed is told in ``lost``."""
    if name == "watchlist" and not Path(name).exists():
        if not len(person.watchlist):
            raise ValueError("There is no watchlist in these ratings; a Letterboxd zip has one. Give a file instead.")
        return list(person.watchlist.tolist())
    other = recommender.person(name)
    if other.unmatched or other.ambiguous:
        names = [_entry_label(one.name, one.year) for one in other.unmatched]
        names += [_entry_label(one.title, one.year) for one in other.ambiguous]
        more = "; …" if len(names) > 5 else ""
        lost.append(
            f"{name}: {len(other.unmatched):,} unmatched, {len(other.ambiguous):,} ambiguous: "
            f"{'; '.join(names[:5])}{more}"
        )
    return [item for ids in (other.item_ids, other.liked, other.seen, other.watchlist) for item in ids.tolist()]


def _somebody(recommender: Recommender, name: str) -> Person:
    """Who is meant by a file or by a training user's id."""
    if Path(name).exists():
        return recommender.person(name)
    try:
        return recommender.training_person(name)
    except ValueError as error:
        raise ValueError(f"{name!r} is neither a file nor a training user: {error}") from None


def _years(text: str | None) -> Years:
    if text is None:
        return None, None
    first, dash, last = text.partition("-")
    if not all(part == "" or (part.isdigit() and len(part) == 4) for part in (first, last)) or not first + last:
        raise typer.BadParameter(f"Years are written 1994, 1990-, -1980 or 1990-1999. Received: {text!r}.")
    if first and last and first > last:
        raise typer.BadParameter(f"The first year must not be later than the last. Received: {text!r}.")
    if not dash:
        return int(first), int(first)
    return int(first) if first else None, int(last) if last else None


def _recommended_lines(answer: Recommendations, person: Person) -> list[str]:
    rows = [
        (
            str(item.rank),
            item.label,
            f"{item.stars:.1f}",
            "" if item.low is None else f"{item.low:.1f} to {item.high:.1f}",
            "" if item.p_like is None else f"{item.p_like:.0%}",
            item.why,
        )
        for item in answer.items
    ]
    lines = _columns(("", "film", "stars", "90 % interval", "to like it", "why"), rows, left=(1, 5))
    if not rows:
        lines = ["No film is left with these filters."]
    counts = len(person.matched), len(person.ambiguous), len(person.unmatched)
    lines += ["", f"Matched {counts[0]:,}, ambiguous {counts[1]:,}, unmatched {counts[2]:,}."]
    for entry in person.ambiguous[:20]:
        found = "; ".join(_entry_label(one.title, one.year) for one in entry.candidates[:3])
        lines.append(f"  ambiguous  {_entry_label(entry.title, entry.year)}: {found}?")
    lines += [f"  unmatched  {_entry_label(entry.name, entry.year)}" for entry in person.unmatched[:20]]
    hidden = max(0, counts[1] - 20) + max(0, counts[2] - 20)
    if hidden:
        lines.append(f"  and {hidden:,} more; --matches FILE saves them all")
    return [*lines, *answer.notes]


def _save_matches(person: Person, path: Path) -> None:
    from ..storage import write_json, write_text

    report = person.report()
    if path.suffix == ".json":
        return write_json(path, report)
    rows = [
        (
            kind,
            one["title"],
            one["year"] or "",
            "" if one["stars"] is None else one["stars"],
            one.get("item_id", ""),
            one["from"],
        )
        for kind in ("matched", "ambiguous", "unmatched")
        for one in report[kind]
    ]
    write_text(path, _csv_text(("Outcome", "Title", "Year", "Stars", "ItemId", "From"), rows))


def _picks_csv(answer: Recommendations, catalogue: Catalogue) -> str:
    """The picks with the columns that Letterboxd imports, and ours behind them.

    Predicted stars do not stand in its column Rating, which would make them the reader's own.
    """
    from ..data.matching.title_index import natural

    rows = []
    for item in answer.items:
        row = catalogue.align([item.item_id])
        imdb, tmdb = str(row.imdb_ids[0]), int(row.tmdb_ids[0])
        rows.append(
            (
                natural(item.title),
                item.year or "",
                imdb,
                "" if tmdb < 0 else tmdb,
                item.rank,
                f"{item.stars:.2f}",
                _number(item.low, 2),
                _number(item.high, 2),
                _number(item.p_like, 3),
                item.why,
            )
        )
    header = ("Title", "Year", "imdbID", "tmdbID", "Rank", "Predicted", "Low", "High", "PLike", "Why")
    return _csv_text(header, rows)


def _csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _check_suffix(path: Path, *allowed: str, option: str = "--out") -> None:
    """Before any work: a file whose name does not say what it will be."""
    if path.suffix not in allowed:
        names = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
        raise typer.BadParameter(f"{option} ends in {names}. Received: {path}.")


def _write_frame(frame: Any, out: Path) -> None:
    from ..storage import replacing

    with replacing(out) as temporary:
        if out.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int | tuple[int, ...] = ()) -> list[str]:
    """Aligned columns; numbers to the right. ``left``: how many at the start, or which, stand to the left."""
    lefts = set(range(left)) if isinstance(left, int) else set(left)
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if column in lefts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, *rows]
    ]


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return ""
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _entry_label(title: str, year: int | None) -> str:
    return title if year is None or f"({year})" in title else f"{title} ({year})"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    typer.echo(_csv_text(header, rows), nl=False)


def _print_json(value: Mapping[str, Any]) -> None:
    typer.echo(
        json.dumps(value, allow_nan=False, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf"))
    )


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        typer.echo(note, err=True)
