"""Regular expressions compiled when first used: compiling those of this room takes longer than importing it."""

import re
from collections.abc import Iterator
from typing import Any


class Pattern:
    """Looks like re.Pattern, and costs the same from the second use on."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    def _compiled(self) -> "re.Pattern[str]":
        compiled = re.compile(self._source, self._flags)
        for name in ("search", "match", "fullmatch", "finditer", "findall", "sub", "split"):
            setattr(self, name, getattr(compiled, name))
        return compiled

    def search(self, text: str, *span: int) -> "re.Match[str] | None":
        return self._compiled().search(text, *span)

    def match(self, text: str, *span: int) -> "re.Match[str] | None":
        return self._compiled().match(text, *span)

    def fullmatch(self, text: str, *span: int) -> "re.Match[str] | None":
        return self._compiled().fullmatch(text, *span)

    def finditer(self, text: str) -> "Iterator[re.Match[str]]":
        return self._compiled().finditer(text)

    def findall(self, text: str) -> list[Any]:
        return self._compiled().findall(text)

    def sub(self, replacement: str, text: str) -> str:
        return self._compiled().sub(replacement, text)

    def split(self, text: str) -> list[Any]:
        return self._compiled().split(text)
