"""What SQLite's columns hold. Its types are advice: a column keeps what it is given, and an expression has no type.

A declared type counts unless a value contradicts it; where none is declared, the values themselves say.
"""

import re
from collections.abc import Iterable
from typing import Any

from kelpie.analyst.table import Kind

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
# The first that the declared type holds; the affinities of SQLite's own rules, and the words people mean more by.
_WORDS: list[tuple[str, Kind]] = [
    ("BOOL", "boolean"),
    ("TIMESTAMP", "timestamp"),
    ("DATETIME", "timestamp"),
    ("DATE", "date"),
    ("INT", "number"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("UUID", "text"),
    ("BLOB", "other"),
    ("REAL", "number"),
    ("FLOA", "number"),
    ("DOUB", "number"),
    ("DEC", "number"),
    ("NUM", "number"),
]


def declared_kind(word: str | None) -> Kind | None:
    """What a declared type means; None: nothing is declared, or nothing that says anything."""
    upper = (word or "").upper()
    return next((kind for part, kind in _WORDS if part in upper), None)


def shown(value: Any, declared: Kind | None) -> Any:
    """0 and 1 are how SQLite keeps false and true."""
    return bool(value) if declared == "boolean" and value in (0, 1) else value


def kind_of_values(declared: Kind | None, values: Iterable[Any]) -> Kind:
    """The kind of a result's column, from its declared type and its cells."""
    seen = {_kind_of(value) for value in values if value is not None}
    if declared is not None and all(declared in kinds for kinds in seen):
        return declared
    if declared is None and seen:
        common = set.intersection(*(set(kinds) for kinds in seen))
        return next((kind for kinds in seen for kind in kinds if kind in common), "other")
    return "other"


def _kind_of(value: Any) -> tuple[Kind, ...]:
    """What a cell may be, the narrowest first."""
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, int | float):
        return ("number",)
    if not isinstance(value, str) or value.startswith("\\x"):
        return ("other",)
    if _DATE.fullmatch(value):
        return ("date", "timestamp", "text")
    if _TIMESTAMP.fullmatch(value):
        return ("timestamp", "text")
    return ("text",)
