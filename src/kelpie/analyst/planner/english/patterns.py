"""Phrases: a table of English phrases and what they mean, found in a question word by word.

A phrase is written as people say it: "a|b" is either word, "a?" may be missing. "compared|relative to|with" stands for
four phrases, "the? same period" for two.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

Meaning = TypeVar("Meaning")


class Phrases(Generic[Meaning]):
    """The longest phrase at a place counts."""

    def __init__(self, table: Mapping[str, Meaning]) -> None:
        self._meanings: dict[tuple[str, ...], Meaning] = {}
        for pattern, meaning in table.items():
            for phrase in _spelled(pattern):
                self._meanings.setdefault(phrase, meaning)
        self._beginnings = {phrase[0] for phrase in self._meanings}
        self._longest = max(map(len, self._meanings))

    def at(self, words: Sequence[str], start: int) -> tuple[Meaning, int] | None:
        """What the phrase that begins at `start` means, and where it ends."""
        if start >= len(words) or words[start] not in self._beginnings:
            return None
        for end in range(min(len(words), start + self._longest), start, -1):
            phrase = tuple(words[start:end])
            if phrase in self._meanings:
                return self._meanings[phrase], end
        return None

    def ending_at(self, words: Sequence[str], end: int) -> tuple[Meaning, int] | None:
        """What the phrase that ends before `end` means, and where it begins."""
        for start in range(max(0, end - self._longest), end):
            phrase = tuple(words[start:end])
            if phrase in self._meanings:
                return self._meanings[phrase], start
        return None

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for phrase in self._meanings for word in phrase)


def _spelled(pattern: str) -> Iterator[tuple[str, ...]]:
    choices: list[list[str]] = []
    for part in pattern.split():
        perhaps = part.endswith("?")
        choices.append([*part.removesuffix("?").split("|"), *([""] if perhaps else [])])
    for words in itertools.product(*choices):
        phrase = tuple(word for word in words if word)
        if phrase:
            yield phrase
