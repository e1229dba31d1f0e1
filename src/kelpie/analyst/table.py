"""Tables: what a data source answers, in values that JSON can carry, and what its columns mean."""

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits

ColumnKind = Literal["dimension", "time", "metric", "value"]
# What a column holds, whatever the engine calls it.
Kind = Literal["number", "text", "boolean", "date", "timestamp", "other"]

Cell = str | int | float | bool | None | list[Any] | dict[str, Any]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Which state of the data a result stands on: equal snapshots, equal answers.

    where       the file, or host and database; no user, no password
    state       nothing but equal or not
    changed_ms  when the data changed last, if the source knows
    certain     whether every change shows in `state`; where not, equal ones may hide a change
    """

    where: str
    state: str
    changed_ms: int | None = None
    certain: bool = True


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a query, each as long as `columns`. `truncated`: the source had more, or a cell was cut."""

    columns: list[str]
    types: list[str]  # the engine's own words
    kinds: list[Kind] = []  # the same in the analyst's
    rows: list[list[Any]]
    truncated: bool = False
    duration_ms: float = 0.0
    snapshot: Snapshot | None = None  # what the query saw


class ResultColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a column of a result means. `kind` "value" is a column of plain SQL; `format` is the metric's.

    year_begins, named_by  of a fiscal grain: the month its year begins with, and which of its two years names it
    of                     the metric that a comparison or share belongs to: its column "<of>_before", "_growth" …
    """

    name: str
    kind: ColumnKind
    label: str
    type: str
    unit: str = ""
    format: str = ""
    grain: str | None = None
    year_begins: int = 1
    named_by: Literal["begin", "end"] = "end"
    of: str = ""


class ResultTable(msgspec.Struct, frozen=True, kw_only=True):
    """A result as an answer uses it: the cells that its numbers come from. `row_count` may exceed the rows shown.

    `stated` are texts with numbers that the question fixed and no cell holds: dates, filter values.
    """

    query_id: str
    columns: list[ResultColumn]
    rows: list[list[Any]]
    row_count: int
    truncated: bool = False
    stated: list[str] = []

    def place(self, name: str) -> int:
        """The position of the column `name`."""
        return [column.name for column in self.columns].index(name)


def bounded_rows(
    rows: Iterable[Sequence[Any]], rows_max: int, bytes_max: int = limits.QUERY_RESULT_BYTES_MAX
) -> tuple[list[list[Any]], bool]:
    """The rows as JSON-able cells up to `rows_max` and `bytes_max`, and whether anything was left out."""
    kept: list[list[Any]] = []
    used_bytes, cut = 0, False
    for row in rows:
        cells = [as_cell(value) for value in row]
        used_bytes += len(msgspec.json.encode(cells)) + 1
        if len(kept) >= rows_max or used_bytes > bytes_max:
            return kept, True
        cut = cut or any(isinstance(cell, str) and cell.endswith(_CUT_MARK) for cell in cells)
        kept.append(cells)
    return kept, cut


_CUT_MARK = "… [cut]"


def as_cell(value: Any) -> Cell:
    """A value of the engine in JSON's terms. Money stays exact: a decimal that a float would change stays a text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= limits.CELL_CHARS_MAX else value[: limits.CELL_CHARS_MAX] + _CUT_MARK
    if isinstance(value, decimal.Decimal):
        return _as_number(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return as_cell("\\x" + bytes(value).hex())
    if isinstance(value, list | tuple):
        return [as_cell(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_cell(item) for key, item in value.items()}
    return as_cell(str(value))


def _as_number(value: decimal.Decimal) -> Cell:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    nearest = float(value)
    return nearest if decimal.Decimal(repr(nearest)) == value else str(value)
