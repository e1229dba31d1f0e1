"""Numbers in an answer that are no results: what the question, the conventions and the semantic model say themselves.

Whole texts only, word for word: a model can't hide a number of its own among them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from kelpie.trajectories.records import StoredMessage

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
# "the last 3 months", "in 2019": how long and when, not how much.
_SPAN = re.compile(r"\b\d+[- ](?:\w+ )?(?:days?|weeks?|months?|quarters?|years?)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")
_NUMBER = re.compile(r"[+-]?[\d.,\s]+%?")
_TEXTS_MAX = 5_000


def stated_in(messages: Sequence[StoredMessage], catalog: Any = None) -> list[str]:
    """The texts of a run whose digits are no results.

    - how long a time is and which year, as the user said it, and the user's own sentences in quotation marks
    - what tools said: conventions that hold, and errors, word for word
    - the words of the catalog: labels, days, descriptions; never a number that stands alone
    """
    texts: list[str] = []
    for message in messages:
        if message.body.role == "user":
            texts += times_in(message.body.text)
            texts += [f"{mark[0]}{said}{mark[1]}" for said in _sentences(message.body.text) for mark in ("“”", '""')]
        elif message.body.role == "tool":
            texts += _of_tool(message)
    texts += _words(catalog)
    return texts[:_TEXTS_MAX]


def times_in(text: str) -> list[str]:
    """How long a time is and which year, as `text` says it."""
    return [*_SPAN.findall(text), *_YEAR.findall(text)]


def _sentences(text: str) -> list[str]:
    return [found.strip() for found in (text, *_SENTENCE.findall(text)) if found.strip()]


def _of_tool(message: StoredMessage) -> list[str]:
    if message.body.is_error:
        return [message.body.text, *message.body.text.splitlines()]
    if message.body.name not in ("conventions", "keep_convention"):
        return []
    try:
        return list(_words(msgspec.json.decode(message.body.text)))
    except msgspec.DecodeError:
        return []


def _words(data: Any) -> Iterator[str]:
    """Every text in it that is more than a number."""
    if isinstance(data, msgspec.Struct):
        data = msgspec.to_builtins(data)
    if isinstance(data, dict):
        yield from _each(data.values())
    elif isinstance(data, list | tuple):
        yield from _each(data)
    elif isinstance(data, str) and any(map(str.isdigit, data)) and not _NUMBER.fullmatch(data):
        yield data


def _each(items: Iterable[Any]) -> Iterator[str]:
    for item in items:
        yield from _words(item)
