"""Words as numbers: a text becomes the hashes of its stems, the same on every machine and in every version of Python.

A fact's row keeps them packed (`own_terms`): little-endian uint32, TERMS_VERSION first. Bit 0 of a hash says that the
word is a stopword: stopwords are kept, because a question may be made of nothing else, but don't count as length. A
text that asks something also has the term QUESTION: who looks for an answer ranks it lower.
"""

import functools
import re
import unicodedata
import zlib
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from umi import limits

TERMS_VERSION = 1
HEADER = TERMS_VERSION.to_bytes(4, "little")  # how the packed terms of today's version begin

# The marks inside words of Indic scripts are no \w of Python's, and an underscore joins names that people search apart.
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")
# Scripts that write no spaces between words (and Hangul, whose particles stick to them): bigrams stand for words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_BRACKETED = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_DAY_MS = 86_400_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
QUESTION = zlib.crc32(b"?") | 1
_QUESTION = QUESTION.to_bytes(4, "little")
STOPWORDS = frozenset(
    "a an and are as at be been being but by can could d did do does doing for from had has have having he her hers him"
    " his how i if in into is it its ll m me my of on or our re s she should so t than that the their them then there"
    " these they this those to ve was we were what when where which who whom why will with would you your".split()
)


class Term(NamedTuple):
    """One word of a query. `is_name` where it is written with a capital that its place doesn't demand."""

    hash: int
    word: str
    is_name: bool


def own_terms(text: str, speaker: str | None = None, document_time_ms: int | None = None) -> bytes:
    """What a fact's row keeps for its search: the terms of "speaker day Month Year: text", packed."""
    said = b"" if speaker is None else _packed(speaker)
    dated = b"" if document_time_ms is None else _date_terms(document_time_ms // _DAY_MS)
    return b"".join((HEADER, said, dated, _packed(text), _QUESTION if "?" in text and asks(text) else b""))


def asks(text: str) -> bool:
    """Whether a text ends with a question. What stands in brackets behind it (a caption) is no part of it."""
    _, _, tail = text.rpartition("?")
    return _WORD.search(_BRACKETED.sub("", tail)) is None


def query_terms(query: str) -> list[Term]:
    """The words of a query to look for, each once, in their order: without stopwords, unless there is nothing else.

    A stopword written as a name ("Will") stays.
    """
    is_shouted = query.isupper()
    found: dict[int, Term] = {}
    stopwords: dict[int, Term] = {}
    for position, match in enumerate(_WORD.finditer(_plain(query))):
        spelled = match.group()
        is_name = spelled[0].isupper() and position > 0 and not is_shouted and len(spelled) > 1
        for word in _split(fold(spelled)):
            term = Term(int.from_bytes(_HASHES[word], "little"), word, is_name)
            kept = stopwords if word in STOPWORDS and not is_name else found
            kept.setdefault(term.hash, term)
    return list((found or stopwords).values())


def stem(word: str) -> str:
    """The Porter2 stem of a folded word; words of other scripts stay as they are."""
    stemmed: str = _stemmer()(word)
    return stemmed


def fold(text: str) -> str:
    """Lower case without accents, so that "Élysée" and "elysee" are one word."""
    if text.isascii():
        return text.lower()
    # Plain first, as a query's words are cut: "™" is "TM" and only then "tm", and a mark is no letter in lower case.
    return _plain(_plain(text).casefold())


def _plain(text: str) -> str:
    return (
        text if text.isascii() else unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    )


def words_of(text: str) -> list[str]:
    """The folded words of a text in their order."""
    folded = fold(text)
    words = _WORD.findall(folded)
    if folded.isascii() or _HAS_UNSPACED.search(folded) is None:
        return words
    return [part for word in words for part in _split(word)]


def _packed(text: str) -> bytes:
    return b"".join(map(_HASHES.__getitem__, words_of(text)))


def _split(word: str) -> list[str]:
    """A word as it is; a run of a script without spaces as its bigrams."""
    if word.isascii() or _HAS_UNSPACED.search(word) is None:
        return [word]
    parts: list[str] = []
    for run in _RUNS.findall(word):
        if len(run) > 1 and _HAS_UNSPACED.match(run):
            parts.extend(run[start : start + 2] for start in range(len(run) - 1))
        else:
            parts.append(run)
    return parts


@functools.lru_cache(maxsize=4096)
def _date_terms(days: int) -> bytes:
    """The terms of "8 May 2023"; none for a day outside the calendar."""
    try:
        day = date.fromordinal(_EPOCH_ORDINAL + days)
    except (ValueError, OverflowError):
        return b""
    return _packed(f"{day.day} {_MONTHS[day.month - 1]} {day.year}")


@functools.cache
def _stemmer() -> Callable[[str], str]:
    from snowballstemmer.english_stemmer import EnglishStemmer  # with its 33 languages it takes 30 ms to import

    stem_word: Callable[[str], str] = EnglishStemmer().stemWord
    return stem_word


class _Hashes(dict[str, bytes]):
    """word → its packed hash. Bounded, because words come from outside."""

    def __missing__(self, word: str) -> bytes:
        if len(self) >= limits.INDEX_WORDS_CACHED_MAX:
            self.clear()
        # CRC-32 gives stems of up to four bytes different numbers always, and longer ones nearly always.
        number = zlib.crc32(stem(word).encode()) & 0xFFFFFFFE | (word in STOPWORDS)
        packed = self[word] = number.to_bytes(4, "little")
        return packed


_HASHES = _Hashes()
