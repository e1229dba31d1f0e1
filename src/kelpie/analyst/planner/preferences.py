"""Tables or charts: what the user said about it, now or long ago.

Memory reaches a model as text in its system prompt, so that is where it is read from.
"""

import html
import re

import msgspec

from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Show
from kelpie.analyst.planner.words import tokenize

_BLOCK = re.compile(r"<preferences\b[^>]*>(.*?)</preferences>", re.DOTALL | re.IGNORECASE)
_VALUE = re.compile(r"<value\b[^>]*>(.*?)</value>", re.DOTALL | re.IGNORECASE)
_LINE_NUMBER = re.compile(r"^\s*\d+→\s?")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


class Preference(msgspec.Struct, frozen=True):
    """How the user likes results, and the words that say so."""

    show: Show
    words: str


def remembered(system: str) -> Preference | None:
    """What the preferences block of the system prompt says; a later line overrides an earlier one."""
    found: Preference | None = None
    for block in _BLOCK.findall(system):
        value = _VALUE.search(block)
        for line in html.unescape(value.group(1) if value else block).splitlines():
            words = _LINE_NUMBER.sub("", line).strip()
            show = wish(words)
            if show is not None:
                found = Preference(show, words)
    return found


def wish(words: str) -> Show | None:
    """Whether a sentence asks for tables or charts; what it says no to does not count as asked for."""
    tokens = [token.lower for token in tokenize(words)]
    wanted: list[Show] = []
    unwanted: list[Show] = []
    for at, word in enumerate(tokens):
        if word not in english.TABLE_WORDS | english.CHART_WORDS:
            continue
        kind: Show = "table" if word in english.TABLE_WORDS else "chart"
        denied = any(before in english.NEGATIONS for before in tokens[max(0, at - 4) : at])
        (unwanted if denied else wanted).append(kind)
    wanted = [kind for kind in wanted if kind not in unwanted]
    if wanted:
        return wanted[0]
    return ("chart" if unwanted[0] == "table" else "table") if unwanted else None


def split_wishes(text: str) -> tuple[list[str], str]:
    """Sentences that say how the user likes answers from now on, and the rest of the text."""
    wishes: list[str] = []
    rest: list[str] = []
    for sentence in (found.strip() for found in _SENTENCE.findall(text)):
        if sentence:
            (wishes if _is_lasting(sentence) else rest).append(sentence)
    return wishes, " ".join(rest)


def _says(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _is_lasting(sentence: str) -> bool:
    lower = sentence.lower().replace("’", "'")
    if any(_says(lower, words) for words in english.LASTING):
        return True
    if any(_says(lower, words) for words in english.PERHAPS_LASTING):
        begins = lower.removeprefix("please ").startswith(english.PERHAPS_LASTING)
        return begins or wish(sentence) is not None
    words = [token.lower for token in tokenize(sentence)]
    plural = {"tables", "charts", "graphs", "plots", "diagrams", "visuals"} & set(words)
    known = english.FUNCTION_WORDS | english.SHOW_WORDS | english.NEGATIONS | english.PRONOUNS | {"only", "of", "i'd"}
    # "Please show me tables, not charts." speaks of answers in general; "Show it as a table." of the last one.
    return bool(plural) and not sentence.rstrip().endswith("?") and all(word in known for word in words)
