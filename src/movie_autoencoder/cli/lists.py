"""One person's list as text and as CSV, and what became of the titles that they gave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .formatting import aligned, csv_text, number

if TYPE_CHECKING:
    from ..data.catalogue import Catalogue
    from ..data.matching.person import Person
    from ..recommend.schemas import Recommendations

_LISTED = 20  # ambiguous and unmatched titles that are printed, of each


def recommendation_lines(answer: Recommendations) -> list[str]:
    """The list as a table."""
    from ..recommend.predictor import TOO_FEW

    if not answer.items:
        return ["No film is left with these filters."]
    rows = [
        (
            str(item.rank),
            item.label,
            "" if item.p_choose is None else f"{item.p_choose:.0%}",
            number(item.stars, 1),
            "" if item.low is None else f"{item.low:.1f} to {item.high:.1f}",
            "" if item.p_like is None else f"{item.p_like:.0%}",
            f"{item.num_ratings:,}",
            item.why if item.num_ratings >= TOO_FEW else f"{item.why}; rated by too few to tell more",
        )
        for item in answer.items
    ]
    header = ("", "film", "to pick it", "stars", "90 % interval", "to like it", "rated by", "why")
    return aligned(header, rows, left=(1, 7))


def match_lines(person: Person) -> list[str]:
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


def save_matches(person: Person, path: Path) -> None:
    """Saves what became of the titles, as JSON or CSV."""
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


def letterboxd_table(answer: Recommendations, catalogue: Catalogue) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
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
                number(item.p_choose, 4),
                item.num_ratings,
                item.why,
            )
        )
    ours = ("Rank", "Predicted", "Low", "High", "PLike", "PChoose", "NumRatings", "Why")
    return ("Title", "Year", "imdbID", "tmdbID", *ours), rows
