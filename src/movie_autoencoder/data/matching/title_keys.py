"""Title keys: the form in which titles are compared, and the names that one title gives a film.

A *key* is a title in lower case, without accents, punctuation, spaces, articles and "and", and with numbers as digits.
A title has several *names*: the title itself, and the other and original titles that MovieLens adds in brackets.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

from .title_numbers import standardize

_YEAR = re.compile(r"\((\d{4})\)$")
YEARS_OF_SERIES = re.compile(r"\((\d{4})\s*[-–](?:\s*\d{4})?\s*\)\s*$")  # linear in time: no \s*\s*
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "½": " 1 2",
        "¼": " 1 4",
        "¾": " 3 4",
        "²": " 2",
        "³": " 3",
        "π": "pi",
        "’": "'",
        "‘": "'",
        "´": "'",
        "`": "'",
        "ʻ": "'",
        "&": " and ",
        "+": " and ",
        "·": "*",
        "•": "*",
    }
)
_ACRONYM = re.compile(r"\b[a-z](?:[.*] ?[a-z]\b)+")  # A.I., M*A*S*H, R. I. P.
_VERSUS = re.compile(r"(?<=\w) v\.? (?=\w)")
_THOUSANDS = re.compile(r"(?<=\d)[,.](?=\d{3}\b)")
_WORD = re.compile(r"[^\W_]+")
IGNORED_WORDS = frozenset(("the", "a", "an", "and"))
_ARTICLES = (
    "the|an?|les?|la|l'|une?|des|el|l[oa]s|il|lo|gli|i|de[rtn]|die|das|eine?|de|het|een|en|ett|os?|as|uma?|az|egy"
)
_MOVED = re.compile(rf"^(.+?),\s+({_ARTICLES})(?=\s*$|\s*[:(]|\s+-\s)(.*)$", re.IGNORECASE)
_DROPPABLE = re.compile(r"^(?:(?:les?|la|el|l[oa]s|il|gli|der|das|het|une|eine)\s+|l')(?=\w)", re.IGNORECASE)
_GROUP = re.compile(r"\(([^()]*)\)")
_ALSO = re.compile(r"\b(?:a\.?k\.?a\.?|also known as)[:\s]\s*", re.IGNORECASE)
_REMARK = re.compile(r"\s*[(\[](?:[ivx]{1,4}|tv|tv movie|video|film|movie|dvd|blu-ray|\d{4} film)[)\]]", re.IGNORECASE)
_VERSION = re.compile(
    r"(?:\s*[:–—]|\s-)\s+(?:the\s+)?(?:(?:director|final|extended|unrated|theatrical|ultimate|special|imax)(?:'s)?\s+"
    r"(?:cut|edition|version)|movie|motion picture|based on .+)\s*$",
    re.IGNORECASE,
)
_SQUARE_YEAR = re.compile(r"\s*\[(\d{4})\]\s*$")
_PARTS = re.compile(r"\s*[:;]\s*|\s+[-–—]+\s+|\s*[–—]\s*|[,:]?\s+or[:,]\s+|,\s+or\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"^((?:[\w.]+\s+){0,3}?[\w.]+(?:'s|s')):?\s+(?=\S)", re.IGNORECASE)
_CONTINUES = re.compile(r"(?:\bor|:)\s*$", re.IGNORECASE)  # what follows in brackets belongs to the title
_MAX_LETTERS = 400  # a longer text is not a title


class Name(NamedTuple):
    """One name of a title.

    Args:
        text: the name as it is written.
        main: whether it is the title itself, and not another title in brackets.
    """

    text: str
    main: bool


def natural(title: str) -> str:
    """A title as people write it: the article in front, and no other names in brackets at its end.

    Example:
        >>> natural("Hate (Haine, La)"), natural("Matrix, The"), natural("Avventura, L' (a.k.a. Adventure, The)")
        ('Hate', 'The Matrix', "L'Avventura")
        >>> natural("Birdman: Or (The Unexpected Virtue of Ignorance)")
        'Birdman: Or (The Unexpected Virtue of Ignorance)'
        >>> natural("Evangelion: 1.0 You Are (Not) Alone (Evangerion shin gekijôban: Jo)")
        'Evangelion: 1.0 You Are (Not) Alone'
    """
    main = _without_brackets_at_end(YEARS_OF_SERIES.sub("", title).strip())
    return article_first(title if _CONTINUES.search(main) else main)


def _without_brackets_at_end(title: str) -> str:
    while title.endswith(")"):
        depth, start = 0, len(title)
        while start and (depth or start == len(title)):
            start -= 1
            depth += (title[start] == ")") - (title[start] == "(")
        if depth or not start:  # a bracket without its partner, or nothing but brackets
            break
        title = title[:start].rstrip()
    return title


def split_year(title: str) -> tuple[str, int | None]:
    """Splits ``"Title (Year)"`` into title and year.

    A series such as ``"Fleabag (2016–2019)"`` keeps its years in the title, and its year is the first one.

    Args:
        title: with or without a year.

    Returns:
        The title without the year, and the year; None when the title does not end with one.

    Example:
        >>> split_year("2001: A Space Odyssey (1968)"), split_year("1984")
        (('2001: A Space Odyssey', 1968), ('1984', None))
    """
    title = title.strip()
    found = _YEAR.search(title)
    if found and found.start() > 0:
        return title[: found.start()].strip(), int(found[1])
    series = YEARS_OF_SERIES.search(title)
    return title.strip(), int(series[1]) if series else None


def key(text: str) -> str:
    """The key of a title: two titles with equal keys are the same title.

    Example:
        >>> key("Misérables, Les"), key("Les Miserables"), key("The Godfather: Part II") == key("Godfather 2")
        ('lesmiserables', 'lesmiserables', True)
    """
    return "".join(words(text))


def words(text: str) -> list[str]:
    """The words of a title's key; all of them when there are only articles.

    Example:
        >>> words("Good, the Bad and the Ugly, The"), words("The The")
        (['good', 'bad', 'ugly'], ['the', 'the'])
    """
    if "," in text:
        text = article_first(text)
    found = standardize(folded(text))
    kept = [word for word in found if word not in IGNORED_WORDS]
    return kept or found


def spelling(text: str) -> str:
    """A title in lower case with its articles and with numbers as they are written: "Nine" differs from "9"."""
    return " ".join(folded(article_first(text)))


def folded(text: str) -> list[str]:
    """The words of a text in lower case, without accents and punctuation."""
    text = text.casefold().translate(_LETTERS)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    if "." in text or "*" in text:
        text = _ACRONYM.sub(lambda found: re.sub(r"[.* ]", "", found[0]), text)
    if " v" in text:
        text = _VERSUS.sub(" vs ", text)
    if "," in text or "." in text:
        text = _THOUSANDS.sub("", text)
    return _WORD.findall(text.replace("'", ""))


def cleaned(title: str, year: int | None) -> tuple[str, int | None]:
    """The title without its year and remarks such as "(TV)", and the year that was given or that the title has."""
    text = " ".join((html.unescape(title) if "&" in title else title).split())
    if len(text) > _MAX_LETTERS:
        return "", year
    text = _REMARK.sub("", text)
    if found := _SQUARE_YEAR.search(text):
        text = f"{text[: found.start()]} ({found[1]})"
    text, own = split_year(text)
    return text, own if year is None else year


def names_of(title: str) -> list[Name]:
    """The names of a title: the title itself, and each title in brackets after it.

    Example:
        >>> [name.text for name in names_of("Seven (a.k.a. Se7en)")]
        ['Seven', 'Se7en']
    """
    if "(" not in title:
        return [Name(title, True)]
    title = YEARS_OF_SERIES.sub("", title).rstrip()
    groups = [group for group in _GROUP.finditer(title) if group.start()]
    if not groups:
        return [Name(title, True)]
    head = title[: groups[0].start()].strip()
    names = [Name(head, True)]
    for group in groups:
        names += [Name(one.strip(), False) for one in _ALSO.split(group[1]) if one.strip()]
    if not _ALSO.search(title):  # the brackets can be part of the title: "Birdman or (The Unexpected Virtue of …)"
        names.append(Name(title.replace("(", " ").replace(")", " "), True))
    return names


def article_first(text: str) -> str:
    """Moves the article of a title to its front: "Misérables, Les" becomes "Les Misérables"."""
    found = _MOVED.match(text)
    if not found:
        return text
    return f"{found[2]}{'' if found[2].endswith(chr(39)) else ' '}{found[1]}{found[3]}"


def parts_of(name: str) -> list[str]:
    """The parts of a name that people use as a title. A part and the year together identify a film.

    These are the text before each colon; the text after the last colon, unless it is a single word ("Legacy" is another
    film); and the name without "Monty Python's", without "La", or without the number of a sequel with a subtitle.
    """
    name = article_first(name)
    parts = split_parts(name)
    found = after_possessive(name)
    if len(parts) > 1:
        found += [" ".join(parts[:count]) for count in range(1, len(parts))]
        found += [f"{parts[0]} {parts[-1]}", *parts[-1:] * (len(words(parts[-1])) > 1)]
        found += [unnumbered(parts)] * bool(unnumbered(parts))
    short = _DROPPABLE.sub("", name)
    return [*found, short] if short != name else found


def without_version(name: str) -> str:
    """A name without "Director's Cut" and the like at its end."""
    return _VERSION.sub("", name)


def split_parts(name: str) -> list[str]:
    """The parts of a name between its colons, dashes and "or:"."""
    return [part for part in _PARTS.split(name) if part.strip()]


def unnumbered(parts: list[str]) -> str:
    """The parts of "Ice Age 2: The Meltdown" without the number; "" without a number or without a subtitle."""
    if len(parts) < 2:
        return ""
    first = words(parts[0])
    return " ".join([*first[:-1], *parts[1:]]) if len(first) > 1 and first[-1].isdigit() else ""


def after_possessive(name: str) -> list[str]:
    """The text after "Monty Python's" when it has two words or more, as a list of one; else an empty list."""
    found = _POSSESSIVE.match(name)
    rest = name[found.end() :] if found else ""
    return [rest] if len(rest.split()) > 1 else []
