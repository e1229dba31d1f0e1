"""A result as CSV: the table, cell for cell, as RFC 4180 writes it.

Numbers are exact, not rounded for people, and stay numbers, negative ones too. A text that a spreadsheet would run as
a formula (it begins with = + - @, a tab or a carriage return) gets an apostrophe in front, which spreadsheets take for
"this is text" and don't show. A text that is a plain number is left as it is.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst.table import ResultColumn

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def as_csv(columns: Sequence[ResultColumn], rows: Sequence[Sequence[Any]]) -> str:
    """The table under the columns' names, lines ended by CR LF; null is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([guarded(column.name) for column in columns])
    for row in rows:
        writer.writerow([cell_text(cell) for cell in row])
    return out.getvalue()


def cell_text(cell: Any) -> str:
    """A cell of the table as CSV holds it, before quoting."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return repr(cell)
    if isinstance(cell, str):
        return guarded(cell)
    return guarded(msgspec.json.encode(cell).decode())


def guarded(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would run it."""
    is_run = text.startswith(_RUN_BY_SPREADSHEETS) and not _PLAIN_NUMBER.fullmatch(text)
    return f"'{text}" if is_run else text
