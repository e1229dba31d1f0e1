"""Years in words: "2025", "FY26", "the 2025 fiscal year", "of calendar year 2024"."""

from collections.abc import Sequence
from typing import Literal

from kelpie.analyst.planner.dates.spans import YEARS
from kelpie.analyst.planner.english.dates import CALENDAR, FISCAL

YearKind = Literal["fiscal", "calendar"]
Said = YearKind | Literal[""]


def kind_at(words: Sequence[str], at: int) -> tuple[Said, int]:
    """ "fiscal" or "calendar", if a token says so, and where that ends."""
    word = _word(words, at)
    if word in FISCAL:
        return "fiscal", at + 1
    return ("calendar", at + 1) if word in CALENDAR else ("", at)


def year_at(words: Sequence[str], at: int) -> tuple[int | None, Said, int]:
    """A year at a token, perhaps after "of" or "in", how it is counted if that is said, and where it ends."""
    place = at + 1 if _word(words, at) in ("of", "in") else at
    place += _word(words, place) == "the" and place > at
    kind, begin = kind_at(words, place)
    begin += _word(words, begin) == "year"
    word = _word(words, begin)
    if word in ("fy", "cy"):
        kind, begin = "fiscal" if word == "fy" else "calendar", begin + 1
        word = _word(words, begin)
    elif word[:2] in ("fy", "cy") and word[2:].isdecimal():
        kind, word = "fiscal" if word[0] == "f" else "calendar", word[2:]
    if kind and len(word) == 2 and word.isdecimal():
        word = f"20{word}"
    if len(word) == 4 and word.isdecimal() and int(word) in YEARS:
        return int(word), kind, begin + 1
    return None, "", at


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""
