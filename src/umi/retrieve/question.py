"""What a query asks, read from its words alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from umi.archival.keys import name_key
from umi.index.terms import STOPWORDS, Term, query_terms, words_of

_TOKEN = re.compile(r"[^\s,;:!?()\[\]\"“”]+")
_POSSESSIVE = re.compile(r"['’]s$")
_ASKS_WHEN = re.compile(r"\b(when|how long|how often|what (day|date|month|year|time))\b", re.IGNORECASE)
_NAME_WORDS_MAX = 4
_NAMES_MAX = 64
# Written with a capital, and no names of anybody.
_CALENDAR = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday"
    " thursday friday saturday sunday".split()
)
# What facts say that say when: "yesterday", "two weeks ago".
TIME_WORDS = (
    "yesterday today tomorrow tonight last next ago week weekend month year morning night monday tuesday wednesday"
    " thursday friday saturday sunday"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A query as the channels use it.

    names   the hashes of its words that are names of something
    keys    runs of its words that may be the key of an entity
    times   spans in ms that it names, their ends not included
    """

    text: str
    terms: list[Term]
    names: frozenset[int]
    keys: list[str]
    times: list[tuple[int, int]]
    asks_when: bool


def read_question(text: str, times: Sequence[tuple[int, int]] = ()) -> Question:
    terms = query_terms(text)
    return Question(
        text=text,
        terms=terms,
        names=frozenset(term.hash for term in terms if term.is_name and term.word not in _CALENDAR),
        keys=_keys(text),
        times=list(times),
        asks_when=_ASKS_WHEN.search(text) is not None,
    )


def named_speakers(text: str, speakers: Sequence[str]) -> list[str]:
    """Those whom a text names: by their full name, or by a first name that only one of them has."""
    words = set(words_of(text))
    whole: list[str] = []
    first: dict[str, list[str]] = {}
    for speaker in speakers:
        name = words_of(speaker)
        if name and words.issuperset(name):
            whole.append(speaker)
        elif name and name[0] in words and name[0] not in STOPWORDS:
            first.setdefault(name[0], []).append(speaker)
    return whole or [few[0] for few in first.values() if len(few) == 1]


def meaning_of(text: str, speakers: Sequence[str]) -> str:
    """A query without the names of speakers: whose a fact is, another channel knows, and a name in it draws its vector
    towards all that they said."""
    words = {word for speaker in speakers for word in words_of(speaker)}
    if not words:
        return text
    kept = [token for token in text.split() if not _is_only(token, words)]
    return " ".join(kept) or text


def _is_only(token: str, words: set[str]) -> bool:
    own = words_of(_POSSESSIVE.sub("", token.rstrip(".,;:!?")))
    return bool(own) and words.issuperset(own)


def _keys(text: str) -> list[str]:
    tokens = [_POSSESSIVE.sub("", token.strip(".'’-")) for token in _TOKEN.findall(text)]
    tokens = [token for token in tokens if token]
    found: dict[str, None] = {}
    for first in range(len(tokens)):
        for last in range(first + 1, min(first + _NAME_WORDS_MAX, len(tokens)) + 1):
            if tokens[first].lower() in STOPWORDS or tokens[last - 1].lower() in STOPWORDS:
                continue
            found[name_key(" ".join(tokens[first:last]))] = None
            if len(found) == _NAMES_MAX:
                return list(found)
    return list(found)
