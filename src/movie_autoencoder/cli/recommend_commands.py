"""The commands about a person's taste: `recommend`, `explain`, `similar`, `next-to-rate` and `compare`.

`recommend.Recommender` gives the answers; this module prints them as text, CSV or JSON.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .formatting import aligned, csv_text, number, print_csv, print_json, print_lines, signed
from .inputs import films_of, load_recommender, person_named, person_of
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
    from ..data.catalogue import Catalogue
    from ..data.matching.person import Person
    from ..recommend.schemas import Explanation, Recommendations

app = typer.Typer()

_LISTED = 20  # ambiguous and unmatched titles that are printed, of each
_CLIPPED = 5e-4  # rating points; a smaller difference is invisible with three decimals


def _from_minus_one_to_one(value: float) -> float:
    if not -1 <= value <= 1:
        raise typer.BadParameter(f"a number from -1 to 1. Received: {value:g}.")
    return value


@app.command()
def recommend(
    run: Run,
    ratings: RatingsFile = None,
    user: User = None,
    k: Count = 20,
    genre: Genres = None,
    year: Years = None,
    popularity: Annotated[
        float,
        typer.Option(
            metavar="P", callback=_from_minus_one_to_one, help="From -1 (little known films) to 1 (well known films)."
        ),
    ] = 0.0,
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
    form: OutputFormat = Format.table,
    debug: Debug = False,
) -> None:
    """Recommend films: predicted stars, their 90 % interval, and a reason. Films that you rated are excluded."""
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
        genres=genre or (),
        years=parse_years(year),
        popularity=popularity,
        exclude=[item for films in lists for item in films],
        only=wanted,
    )
    answer = replace(answer, notes=(*answer.notes, *notes))
    if matches is not None:
        _save_matches(person, matches)
    if form is Format.json:
        print_json(answer.to_dict())
    elif form is Format.csv:
        print_csv(*_letterboxd_table(answer, recommender.catalogue))
        print_lines(answer.notes, to_stderr=True)
    else:
        print_lines([*_recommendation_lines(answer), "", *_match_lines(person), *answer.notes])


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


def _recommendation_lines(answer: Recommendations) -> list[str]:
    if not answer.items:
        return ["No film is left with these filters."]
    rows = [
        (
            str(item.rank),
            item.label,
            number(item.stars, 1),
            "" if item.low is None else f"{item.low:.1f} to {item.high:.1f}",
            "" if item.p_like is None else f"{item.p_like:.0%}",
            item.why,
        )
        for item in answer.items
    ]
    return aligned(("", "film", "stars", "90 % interval", "to like it", "why"), rows, left=(1, 5))


def _match_lines(person: Person) -> list[str]:
    """How many of the person's titles were matched, and the first of those that were not."""
    from ..data.catalogue import label

    ambiguous, unmatched = person.ambiguous, person.unmatched
    lines = [f"Matched {len(person.matched):,}, ambiguous {len(ambiguous):,}, unmatched {len(unmatched):,}."]
    for entry in ambiguous[:_LISTED]:
        candidates = "; ".join(label(one.title, one.year, one.item_id) for one in entry.candidates[:3])
        lines.append(f"  ambiguous  {label(entry.title, entry.year)}: {candidates}?")
    lines += [f"  unmatched  {label(entry.name, entry.year)}" for entry in unmatched[:_LISTED]]
    hidden = max(0, len(ambiguous) - _LISTED) + max(0, len(unmatched) - _LISTED)
    if hidden:
        lines.append(f"  and {hidden:,} more; --matches FILE saves them all")
    return lines


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
    write_text(path, csv_text(("Outcome", "Title", "Year", "Stars", "ItemId", "From"), rows))


def _letterboxd_table(answer: Recommendations, catalogue: Catalogue) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Header and rows of the recommendations: the columns that Letterboxd imports, then ours.

    There is no column ``Rating``: Letterboxd would import predicted stars as the person's own.
    """
    from ..data.matching.title_keys import natural

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
                number(item.stars, 2),
                number(item.low, 2),
                number(item.high, 2),
                number(item.p_like, 3),
                item.why,
            )
        )
    return ("Title", "Year", "imdbID", "tmdbID", "Rank", "Predicted", "Low", "High", "PLike", "Why"), rows


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
