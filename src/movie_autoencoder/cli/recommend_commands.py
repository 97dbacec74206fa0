"""The commands about a person's taste: `recommend`, `explain`, `similar`, `next-to-rate` and `compare`.

`recommend.Recommender` gives the answers; this module prints them as text, CSV or JSON.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .formatting import aligned, number, print_csv, print_json, print_lines, signed
from .inputs import films_of, load_recommender, person_named, person_of
from .lists import letterboxd_table, match_lines, recommendation_lines, save_matches
from .options import (
    Count,
    Debug,
    Film,
    Format,
    Genres,
    OutputFormat,
    RatingsFile,
    Run,
    User,
    Years,
    at_least_one,
    check_suffix,
    parse_years,
)

if TYPE_CHECKING:
    from ..recommend.schemas import Explanation

app = typer.Typer()

_CLIPPED = 5e-4  # rating points; a smaller difference is invisible with three decimals


class RankBy(StrEnum):
    """What a list is ordered by."""

    balanced = "balanced"
    choice = "choice"
    rating = "rating"


def _from_minus_one_to_one(value: float) -> float:
    if not -1 <= value <= 1:
        raise typer.BadParameter(f"a number from -1 to 1. Received: {value:g}.")
    return value


def _from_zero_to_one(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:
        raise typer.BadParameter(f"a number from 0 to 1. Received: {value:g}.")
    return value


@app.command()
def recommend(
    run: Run,
    ratings: RatingsFile = None,
    user: User = None,
    k: Count = 20,
    genre: Genres = None,
    year: Years = None,
    rank_by: Annotated[
        RankBy, typer.Option(help="balanced: films that you would pick and like; choice: pick; rating: like.")
    ] = RankBy.balanced,
    popularity: Annotated[
        float,
        typer.Option(
            metavar="P",
            callback=_from_minus_one_to_one,
            help="From -1 (hidden gems: liked by several people, picked by few) to 1 (well known films first).",
        ),
    ] = 0.0,
    diversity: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            callback=_from_zero_to_one,
            help="From 0 (off) to 1: fewer films of a kind, genres and decades as in your ratings; if omitted, 0.2.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Exclude the films in this file; `watchlist`: those of your watchlist."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rank only the films in this file; `watchlist`: those of your watchlist."),
    ] = None,
    matches: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save which titles were matched, and which not, as JSON or CSV.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Lists for everybody in --ratings, a table as for training; writes --out.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --all: .csv of user_id, item_id, rank, score, stars, p_choose."),
    ] = None,
    form: OutputFormat = Format.table,
    debug: Debug = False,
) -> None:
    """Recommend films that you would pick and like, with a reason. Films that you rated are excluded."""
    if everybody:
        from .everybody import check_everybody, recommend_everybody

        about_one = {
            "--user": user is not None,
            "--genre": bool(genre),
            "--year": year is not None,
            "--popularity": popularity != 0,
            "--diversity": diversity is not None,
            "--exclude": bool(exclude),
            "--only": only is not None,
            "--matches": matches is not None,
            "--format": form is not Format.table,
        }
        path, csv_file = check_everybody(ratings, out, about_one)
        return recommend_everybody(load_recommender(run), path, csv_file, k, rank_by.value)
    if out is not None:
        raise typer.BadParameter("--out goes with --all. Without it, use --format csv > FILE.")
    if matches is not None:
        check_suffix(matches, ".json", ".csv", option="--matches")
    recommender = load_recommender(run)
    person = person_of(recommender, ratings, user)
    notes: list[str] = []
    lists = []
    for name in [*(exclude or ()), *([] if only is None else [only])]:
        films, not_found = films_of(recommender, person, name)
        lists.append(films)
        notes += not_found
    wanted = None if only is None else lists.pop()
    answer = recommender.recommend(
        person,
        k,
        rank_by=rank_by.value,
        genres=genre or (),
        years=parse_years(year),
        popularity=popularity,
        **({} if diversity is None else {"diversity": diversity}),
        exclude=[item for films in lists for item in films],
        only=wanted,
    )
    answer = replace(answer, notes=(*answer.notes, *notes))
    if matches is not None:
        save_matches(person, matches)
    if form is Format.json:
        print_json(answer.to_dict())
    elif form is Format.csv:
        print_csv(*letterboxd_table(answer, recommender.catalogue))
        print_lines(answer.notes, to_stderr=True)
    else:
        print_lines([*recommendation_lines(answer), "", *match_lines(person), *answer.notes])


@app.command()
def explain(
    run: Run,
    film: Film,
    ratings: RatingsFile = None,
    user: User = None,
    top: Annotated[int, typer.Option(metavar="N", callback=at_least_one, help="Number of your ratings to list.")] = 10,
    form: OutputFormat = Format.table,
    debug: Debug = False,
) -> None:
    """Explain a prediction: what each of your ratings adds to it, and how it changes without that rating."""
    recommender = load_recommender(run)
    answer = recommender.explain(person_of(recommender, ratings, user), film, top=top)
    if form is Format.json:
        print_json(answer.to_dict())
    elif form is Format.csv:
        header = ("Title", "Stars", "YourStars", "YouChoseIt", "Share", "PredictionWithoutIt", "Change")
        print_csv(header, _explanation_rows(answer))
    else:
        print_lines(_explanation_lines(answer))


@app.command()
def similar(
    run: Run,
    film: Film,
    k: Count = 20,
    genre: Genres = None,
    year: Years = None,
    form: OutputFormat = Format.table,
    debug: Debug = False,
) -> None:
    """List films that the same people like, or dislike."""
    found = load_recommender(run).similar(film, k, genres=genre or (), years=parse_years(year))
    rows = [(one.label, number(one.similarity, 2)) for one in found]
    if form is Format.json:
        print_json({"similar": [one.to_dict() for one in found]})
    elif form is Format.csv:
        print_csv(("Title", "Similarity"), rows)
    else:
        print_lines(aligned(("film", "similarity"), rows))


@app.command("next-to-rate")
def next_to_rate(
    run: Run,
    ratings: RatingsFile = None,
    user: User = None,
    k: Count = 10,
    form: OutputFormat = Format.table,
    debug: Debug = False,
) -> None:
    """List the films whose rating would teach the model most about you. Works without any ratings too."""
    recommender = load_recommender(run)
    nobody = ratings is None and user is None
    found = recommender.next_to_rate({} if nobody else person_of(recommender, ratings, user), k)
    rows = [(one.label, number(one.teaches, 2)) for one in found]
    if form is Format.json:
        print_json({"next_to_rate": [one.to_dict() for one in found]})
    elif form is Format.csv:
        print_csv(("Title", "Teaches"), rows)
    else:
        about = "teaches: how much the model learns about you from your rating of the film; 1.00 for the best film"
        print_lines([*aligned(("film", "teaches"), rows), "", about])


@app.command()
def compare(
    run: Run,
    one: Annotated[str, typer.Argument(help="A file of ratings, or the id of a training user.")],
    other: Annotated[str, typer.Argument(help="The other person: a file or an id.")],
    k: Count = 10,
    form: Annotated[Format, typer.Option("--format", help="Output format: table or json.")] = Format.table,
    debug: Debug = False,
) -> None:
    """Compare the tastes of two people: their agreement, films for both, and films they would disagree about."""
    recommender = load_recommender(run)
    answer = recommender.compare(person_named(recommender, one), person_named(recommender, other), k)
    if form is Format.json:
        return print_json(answer.to_dict())
    if form is Format.csv:
        raise typer.BadParameter("compare writes table or json. Received: csv.")
    agreement = "unknown: too few ratings" if answer.agreement is None else f"{answer.agreement:+.2f} (from -1 to 1)"
    difference = "" if answer.difference is None else f", {answer.difference:.2f} stars apart on average"
    lines = [f"Agreement  {agreement}", f"In common  {answer.common} films rated by both{difference}"]
    for title, items in (("Films for both", answer.for_both), ("Films to disagree about", answer.apart)):
        rows = [(item.label, number(item.one, 1), number(item.other, 1)) for item in items]
        lines += ["", *aligned((title, "first", "second"), rows)]
    print_lines(lines)


def _explanation_rows(answer: Explanation) -> list[tuple[str, ...]]:
    """A row for each rating that the answer lists; the shares are empty for a model that is not linear."""
    shares = {share.item_id: share for share in answer.shares or ()}
    rows = []
    for one in answer.without:
        share = shares.get(one.item_id)
        added = ("",) * 3 if share is None else (share.your_stars, share.you_chose_it, share.share)
        rows.append(
            (
                one.label,
                number(one.stars),
                *(value if isinstance(value, str) else signed(value) for value in added),
                number(one.without, 2),
                signed(one.change),
            )
        )
    return rows


def _explanation_lines(answer: Explanation) -> list[str]:
    interval = "" if answer.low is None else f", 90 % interval {answer.low:.1f} to {answer.high:.1f}"
    likes = "" if answer.p_like is None else f", {answer.p_like:.0%} likely to be liked"
    lines = [f"{answer.label}: {answer.stars:.2f} stars{interval}{likes}", ""]
    if answer.rated:
        lines += ["You have rated this film; that rating is ignored here.", ""]
    header = ("your rating of", "stars", "your stars", "you chose it", "share", "without it", "change")
    lines += aligned(header, _explanation_rows(answer))
    if answer.base is not None:
        total = sum(share.share for share in answer.shares or ())
        clipped = f", clipped to the scale {signed(answer.clip)}" if abs(answer.clip) > _CLIPPED else ""
        lines += [
            "",
            f"{answer.base:.3f} for anyone with as many ratings {signed(total)} by the shares above "
            f"{signed(answer.other_shares)} by the other shares = {answer.raw:.3f}{clipped}",
            "share: what a rating adds to the prediction. The first number and all shares add up to the prediction.",
            "without it: the prediction when that rating is left out. The model then encodes the other ratings again,",
            "so this is not the prediction minus the share.",
        ]
    return lines
