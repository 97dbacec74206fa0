"""Names: what is compared of a title, and by which names a film goes.

Titles are compared by a *key*: lower case, without accents, punctuation, spaces, articles and "and", with numbers as
digits ("Twelve", "XII", "Part 2"). Every title has *names*: itself, and what MovieLens puts in brackets behind it
(other and original titles).
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

from ..catalogue import split_year

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
_ENGLISH = frozenset(("the", "a", "an"))
DROPPED = _ENGLISH | {"and"}
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
_YEARS = re.compile(r"\s*\(\d{4}\s*[-–]\s*(?:\d{4})?\s*\)\s*$")
_PARTS = re.compile(r"\s*[:;]\s*|\s+[-–—]+\s+|\s*[–—]\s*|[,:]?\s+or[:,]\s+|,\s+or\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"^((?:[\w.]+\s+){0,3}?[\w.]+(?:'s|s')):?\s+(?=\S)", re.IGNORECASE)
_UNITS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: number * 10
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ROMAN = {
    word: str(number)
    for number, word in enumerate(
        "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split(), start=1
    )
}
_ORDINALS = {
    word: f"{number}{'th' if number > 3 else ('st', 'nd', 'rd')[number - 1]}"
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth".split(), start=1
    )
}
_COUNTERS = frozenset(("part", "pt", "chapter", "vol", "volume", "episode", "no", "number"))
_SAME = {
    "doctor": "dr",
    "doktor": "dr",
    "mister": "mr",
    "missus": "mrs",
    "saint": "st",
    "mount": "mt",
    "versus": "vs",
    "volume": "vol",
    "brothers": "bros",
    "junior": "jr",
    "sergeant": "sgt",
    "n": "and",
    "oh": "o",
    "ok": "okay",
    "grey": "gray",
    "colour": "color",
    "colours": "colors",
    "centre": "center",
    "theatre": "theater",
    "pyjamas": "pajamas",
    "judgement": "judgment",
    "till": "til",
}
_READ = frozenset((*_UNITS, *_TENS, *_ORDINALS, *_COUNTERS, *_SAME, *_ROMAN, "hundred", "thousand", "deux"))
_LONGEST = 400  # letters; beyond that it is no title


def natural(title: str) -> str:
    """A title as people write it: its article in front, without other names in brackets.

    Example:
        >>> natural("Hate (Haine, La)"), natural("Matrix, The"), natural("Avventura, L' (a.k.a. Adventure, The)")
        ('Hate', 'The Matrix', "L'Avventura")
    """
    return forward(names_of(title)[0].text)


class Name(NamedTuple):
    """One of a title's names, as it is written, and whether it is the title itself."""

    text: str
    main: bool


def key(text: str) -> str:
    """What is compared of a title.

    Example:
        >>> key("Misérables, Les"), key("Les Miserables"), key("The Godfather: Part II") == key("Godfather 2")
        ('lesmiserables', 'lesmiserables', True)
    """
    return "".join(words(text))


def words(text: str) -> list[str]:
    """The words of a title as they are compared, articles in front."""
    if "," in text:
        text = forward(text)
    return _without(folded(text), DROPPED)


def spelt(text: str) -> str:
    """A title with its articles, and numbers as they are written: "Nine" is not "9"."""
    return " ".join(folded(forward(text)))


def folded(text: str) -> list[str]:
    """Words in lower case, without accents and punctuation."""
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


def _without(some: list[str], dropped: frozenset[str]) -> list[str]:
    if not _READ.isdisjoint(some):
        some = _read_numbers(some)
    kept = [word for word in some if word not in dropped]
    return kept or some


def _read_numbers(some: list[str]) -> list[str]:
    """Numbers as digits, abbreviations as one, and no "part" before a number."""
    some = [_SAME.get(word, word) for word in some]
    read: list[str] = []
    place = 0
    while place < len(some):
        word, following = some[place], some[place + 1] if place + 1 < len(some) else ""
        if word in _COUNTERS and (number := _counted(following)):
            read.append(number)
            place += 2
        elif word in _UNITS or word in _TENS:
            number, place = _number(some, place)
            read.append(number)
        elif word in _ORDINALS:
            read.append(_ORDINALS[word])
            place += 1
        elif word in _ROMAN and place and (word not in ("i", "v", "x") or (word != "i" and not following)):
            read.append(_ROMAN[word])
            place += 1
        else:
            read.append(word)
            place += 1
    return read


def _counted(word: str) -> str:
    """The number of a part, however it is written; "" when it is none."""
    if word.isdigit():
        return word
    if word in _UNITS:
        return str(_UNITS[word])
    return "2" if word == "deux" else _ROMAN.get(word, "")


def _number(some: list[str], place: int) -> tuple[str, int]:
    """The number that begins at a place ("twenty", "thousand"), and the place behind it."""
    total = 0
    while place < len(some):
        word = some[place]
        if word in _TENS:
            part, place = _TENS[word], place + 1
            if place < len(some) and 0 < _UNITS.get(some[place], 0) < 10:
                part, place = part + _UNITS[some[place]], place + 1
        elif word in _UNITS:
            part, place = _UNITS[word], place + 1
        else:
            break
        scaled = False
        while place < len(some) and some[place] in ("hundred", "thousand"):
            part, place, scaled = part * (100 if some[place] == "hundred" else 1000), place + 1, True
        total += part
        if not scaled:
            break
        if place + 1 < len(some) and some[place] == "and" and (some[place + 1] in _UNITS or some[place + 1] in _TENS):
            place += 1
    return str(total), place


def cleaned(title: str, year: int | None) -> tuple[str, int | None]:
    """A title without year and remarks, and the year."""
    text = " ".join((html.unescape(title) if "&" in title else title).split())
    if len(text) > _LONGEST:
        return "", year
    text = _REMARK.sub("", text)
    if found := _SQUARE_YEAR.search(text):
        text = f"{text[: found.start()]} ({found[1]})"
    text, own = split_year(text)
    return text, own if year is None else year


def names_of(title: str) -> list[Name]:
    """A title's names: itself, and what stands in brackets behind it."""
    if "(" not in title:
        return [Name(title, True)]
    title = _YEARS.sub("", title)
    groups = [group for group in _GROUP.finditer(title) if group.start()]
    if not groups:
        return [Name(title, True)]
    head = title[: groups[0].start()].strip()
    names = [Name(head, True)]
    for group in groups:
        names += [Name(one.strip(), False) for one in _ALSO.split(group[1]) if one.strip()]
    if not _ALSO.search(title):  # brackets may belong to the title: "Birdman: Or (The Unexpected Virtue of Ignorance)"
        names.append(Name(title.replace("(", " ").replace(")", " "), True))
    return names


def forward(text: str) -> str:
    """A title with its article in front: "Misérables, Les" is Les Misérables."""
    found = _MOVED.match(text)
    if not found:
        return text
    return f"{found[2]}{'' if found[2].endswith(chr(39)) else ' '}{found[1]}{found[3]}"


def parts_of(name: str) -> list[str]:
    """Parts of a name by which people call a film: together with its year, each tells it from others.

    What stands before its colons, and what follows the last, when it is more than a word ("Legacy" alone is another
    film); the name without "Monty Python's", without "La", without the number of a sequel that has a name too.
    """
    name = forward(name)
    parts = split_parts(name)
    found = after_possessive(name)
    if len(parts) > 1:
        found += [" ".join(parts[:count]) for count in range(1, len(parts))]
        found += [f"{parts[0]} {parts[-1]}", *parts[-1:] * (len(words(parts[-1])) > 1)]
        found += [unnumbered(parts)] * bool(unnumbered(parts))
    short = _DROPPABLE.sub("", name)
    return [*found, short] if short != name else found


def without_version(name: str) -> str:
    """A name without "Director's Cut" and the like behind its colon."""
    return _VERSION.sub("", name)


def split_parts(name: str) -> list[str]:
    """What stands between a name's colons, dashes and "or:"."""
    return [one for one in _PARTS.split(name) if one.strip()]


def unnumbered(parts: list[str]) -> str:
    """ "Ice Age 2: The Meltdown" without its number; "" when there is none or nothing else."""
    if len(parts) < 2:
        return ""
    first = words(parts[0])
    return " ".join([*first[:-1], *parts[1:]]) if len(first) > 1 and first[-1].isdigit() else ""


def after_possessive(name: str) -> list[str]:
    """What follows "Monty Python's", when that can be a title: two words at least, or an article and one."""
    found = _POSSESSIVE.match(name)
    rest = name[found.end() :] if found else ""
    return [rest] if len(rest.split()) > 1 else []
