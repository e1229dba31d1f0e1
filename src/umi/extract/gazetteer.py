"""Names that people know without being told: given names, cities, countries, companies, technologies.

The lists are text files beside this module, read once, at the first extraction.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from umi.extract.tokens import words_of

_FOLDER = Path(__file__).parent
_WORD = re.compile(r"\w+")


class Gazetteer:
    """given      given name in small letters without accents -> "m", "f" or "e" for either
    ambiguous  those among them that are ordinary words or places too
    names      words of a known name -> its types, the likeliest first
    exact      the same for what counts only as it is written
    longest    first word of a known name -> how many words the longest such name has
    """

    def __init__(self) -> None:
        self.given: dict[str, str] = {}
        self.ambiguous: frozenset[str] = frozenset()
        self.names: dict[tuple[str, ...], str] = {}
        self.exact: dict[str, tuple[str, ...]] = {}
        self.longest: dict[str, int] = {}
        for section, content in _sections("given_names.txt"):
            if section == "word":
                self.ambiguous = frozenset(content.split())
            else:
                self.given.update(dict.fromkeys(content.split(), section[0]))
        for section, content in _sections("gazetteer.txt"):
            type_, _, exact = section.partition(" ")
            for name in content.replace("\n", " ").split(","):
                self._add(name.strip(), type_, exact=bool(exact))

    def _add(self, name: str, type_: str, *, exact: bool) -> None:
        words = words_of(name)
        if not words:
            return
        if exact:
            self.names.pop(words, None)
            self.exact[name] = (*self.exact.get(name, ()), type_)
        else:
            self.names.setdefault(words, type_)
        self.longest[words[0]] = max(self.longest.get(words[0], 0), len(words))

    def given_names(self, text: str) -> Iterator[str]:
        """The words of a text that may be somebody's first name: with a capital, and listed."""
        words = (match[0] for match in _WORD.finditer(text))
        return (word for word in words if word[0].isupper() and self.gender(word))

    def gender(self, word: str) -> str:
        """ "m", "f", "e" for either, "" for what is no given name."""
        low = word.lower()
        return self.given.get(low if low.isascii() else _folded(low), "")


def _folded(low: str) -> str:
    """Without accents: "łukasz" and "søren" as people type them."""
    return "".join(c for c in unicodedata.normalize("NFKD", low.translate(_STROKES)) if not unicodedata.combining(c))


_STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss", "þ": "th"})


@functools.cache
def gazetteer() -> Gazetteer:
    return Gazetteer()


def _sections(file: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in ("\n" + (_FOLDER / file).read_text(encoding="utf-8")).split("\n[")[1:]:
        section, _, content = part.partition("]\n")
        found.append((section, content))
    return found
