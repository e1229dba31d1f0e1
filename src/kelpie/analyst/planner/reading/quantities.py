"""Numbers as people write them: "10,000", "$5k", "1.2 million", "20 minutes", "10%"."""

import re

import msgspec

from kelpie.analyst.planner.english.comparing import CURRENCIES, MULTIPLIERS, NUMBER_WORDS, PERCENT
from kelpie.analyst.planner.reading.reading import Reading

_WRITTEN = re.compile(r"(-?)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(k|m|mn|bn|b)?", re.IGNORECASE)
# "10.000" is ten in one country and ten thousand in another.
_ONE_LETTER = frozenset({"m", "b"})  # "5 m" may be minutes or metres
_TWO_WAYS = re.compile(r"-?\d{1,3}\.\d{3}")


class Quantity(msgspec.Struct, frozen=True):
    """The tokens `start` to before `end`. `currency` as ISO writes it, "" for none; a percentage as a fraction."""

    value: float
    start: int
    end: int
    currency: str = ""
    percent: bool = False
    bare: bool = False  # nothing but a whole number: it might be a year


def read_quantity(reading: Reading, at: int) -> Quantity | None:
    """The quantity that begins at a token without another meaning."""
    start, currency = at, ""
    if _free_word(reading, at) in CURRENCIES:
        currency, at = CURRENCIES[reading.words[at]], at + 1
    if _free_word(reading, at) in ("a", "an", "one") and _free_word(reading, at + 1) in MULTIPLIERS:
        number, at = float(MULTIPLIERS[reading.words[at + 1]]), at + 2
    elif (said := _number(reading, at, is_money=bool(currency))) is not None:
        number, at = said, at + 1
        after = _free_word(reading, at)
        if after in MULTIPLIERS and (after not in _ONE_LETTER or reading.tokens[at].text.isupper() or currency):
            number, at = number * MULTIPLIERS[reading.words[at]], at + 1
    else:
        return None
    bare = not currency and at == start + 1 and reading.words[start].isdecimal()
    if _free_word(reading, at) in PERCENT:
        return None if currency else Quantity(_rounded(number / 100), start, at + 1, percent=True)
    if not currency and _free_word(reading, at) in CURRENCIES:
        currency, at = CURRENCIES[reading.words[at]], at + 1
        bare = False
    return Quantity(_rounded(number), start, at, currency, bare=bare)


def _rounded(number: float) -> float:
    """Without the noise of binary fractions: 7 % is 0.07, 1.2 million is 1200000."""
    return float(f"{number:.12g}")


def _free_word(reading: Reading, at: int) -> str:
    return reading.words[at] if 0 <= at < len(reading.words) and reading.is_free(at) else ""


def _number(reading: Reading, at: int, *, is_money: bool) -> float | None:
    word = _free_word(reading, at)
    if word in NUMBER_WORDS:
        return float(NUMBER_WORDS[word])
    found = _WRITTEN.fullmatch(word)
    if found is None or _TWO_WAYS.fullmatch(word):
        return None
    sign, whole, rest, letter = found.groups()
    if letter and letter.lower() in _ONE_LETTER and not (is_money or reading.tokens[at].text[-1].isupper()):
        return None  # "5m" may be minutes
    number = float(sign + whole.replace(",", "") + (rest or ""))
    return number * MULTIPLIERS[letter.lower()] if letter else number


def currency_of(unit: str) -> str:
    """The currency that a metric's unit names, "" if it names none."""
    if unit.upper() in CURRENCIES.values():
        return unit.upper()
    return CURRENCIES.get(unit.lower(), "")
