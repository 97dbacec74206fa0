"""Numbers and abbreviations in titles, in one spelling: "Twelve", "XII" and "Part 12" all become "12"."""

from __future__ import annotations

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
_ABBREVIATIONS = dict(
    pair.split(":")
    for pair in (
        "doctor:dr doktor:dr mister:mr missus:mrs saint:st mount:mt versus:vs volume:vol brothers:bros junior:jr "
        "sergeant:sgt n:and oh:o ok:okay grey:gray colour:color colours:colors centre:center theatre:theater "
        "pyjamas:pajamas judgement:judgment till:til"
    ).split()
)
_CHANGED = frozenset((*_UNITS, *_TENS, *_ORDINALS, *_COUNTERS, *_ABBREVIATIONS, *_ROMAN, "hundred", "thousand", "deux"))


def standardize(words: list[str]) -> list[str]:
    """Writes numbers as digits and abbreviations in one way, and leaves out "part" before a number.

    Args:
        words: in lower case.

    Example:
        >>> standardize(["rocky", "iv"]), standardize(["part", "two"]), standardize(["twenty", "one", "grams"])
        (['rocky', '4'], ['2'], ['21', 'grams'])
    """
    if _CHANGED.isdisjoint(words):  # most titles; looking costs less than rewriting
        return words
    words = [_ABBREVIATIONS.get(word, word) for word in words]
    written: list[str] = []
    index = 0
    while index < len(words):
        word, following = words[index], words[index + 1] if index + 1 < len(words) else ""
        if word in _COUNTERS and (number := _part_number(following)):
            written.append(number)
            index += 2
        elif word in _UNITS or word in _TENS:
            number, index = _number_at(words, index)
            written.append(number)
        elif word in _ORDINALS:
            written.append(_ORDINALS[word])
            index += 1
        elif word in _ROMAN and index and (word not in ("i", "v", "x") or (word != "i" and not following)):
            written.append(_ROMAN[word])
            index += 1
        else:
            written.append(word)
            index += 1
    return written


def _part_number(word: str) -> str:
    """The digits of the word after "part"; "" when it is not a number."""
    if word.isdigit():
        return word
    if word in _UNITS:
        return str(_UNITS[word])
    return "2" if word == "deux" else _ROMAN.get(word, "")


def _number_at(words: list[str], index: int) -> tuple[str, int]:
    """The digits of the number that begins at an index, such as "twenty" "thousand", and the index after it."""
    total = 0
    while index < len(words):
        word = words[index]
        if word in _TENS:
            part, index = _TENS[word], index + 1
            if index < len(words) and 0 < _UNITS.get(words[index], 0) < 10:
                part, index = part + _UNITS[words[index]], index + 1
        elif word in _UNITS:
            part, index = _UNITS[word], index + 1
        else:
            break
        scaled = False
        while index < len(words) and words[index] in ("hundred", "thousand"):
            part, index, scaled = part * (100 if words[index] == "hundred" else 1000), index + 1, True
        total += part
        if not scaled:
            break
        following = words[index + 1] if index + 1 < len(words) else ""
        if following and words[index] == "and" and (following in _UNITS or following in _TENS):
            index += 1
    return str(total), index
