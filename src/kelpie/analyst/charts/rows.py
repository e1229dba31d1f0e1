"""What every kind of chart is made of: the rows it plots, what it leaves out, and the words that say so."""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.charts import looks
from kelpie.analyst.charts.shape import Shape
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InvalidInput


class Drawing(msgspec.Struct):
    """`body` is Vega-Lite without data; `notes` say what a reader must know; `left_out` rows are not shown."""

    values: list[dict[str, Any]]
    body: dict[str, Any]
    notes: list[str] = []
    left_out: int = 0
    parse: dict[str, str] = {}

    @property
    def says_what_is_left_out(self) -> bool:
        return any(note.startswith("the first ") for note in self.notes)


def refuse_unless(holds: object, reason: str) -> None:
    if not holds:
        raise InvalidInput(reason)


def is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def plotted(shape: Shape, measures: Sequence[ResultColumn], *, sort: bool = False) -> list[dict[str, Any]]:
    """The rows with a number and a place on the time axis, as objects of the columns that are drawn.

    With `sort`, the largest first, unless somebody asked for an order or the members have one of their own.
    """
    drawn = [*([shape.time] if shape.time else []), *shape.groups, *measures]
    rows = [{shape.field(column): shape.cell(row, column) for column in drawn} for row in shape.query.rows]
    kept = [row for row in rows if any(is_number(row[shape.field(measure)]) for measure in measures)]
    if shape.time is not None:
        return [row for row in kept if row[shape.field(shape.time)] is not None]
    if sort and not shape.is_ordered and shape.groups[0].type not in ("number", "boolean"):
        field = shape.field(measures[0])
        kept.sort(key=lambda row: -row[field] if is_number(row[field]) else float("inf"))
    return kept


def left_out(shape: Shape, measures: Sequence[ResultColumn], shown: int) -> int:
    """Rows that have a number and are not drawn."""
    return sum(any(is_number(shape.cell(row, one)) for one in measures) for row in shape.query.rows) - shown


def cut(shape: Shape, measures: Sequence[ResultColumn]) -> tuple[list[dict[str, Any]], int, list[str]]:
    """As many rows as can be told apart, how many are missing, and the words for that."""
    rows = plotted(shape, measures, sort=True)[: limits.CHART_BARS_MAX]
    missing = left_out(shape, measures, len(rows))
    if shape.query.truncated:
        return rows, missing, [f"the first {len(rows)} of more rows than were kept"]
    return rows, missing, [f"the first {len(rows)} of {len(rows) + missing}"] if missing else []


def partial_notes(shape: Shape) -> list[str]:
    """That the first or last period is cut off, and so looks smaller than it was."""
    periods = shape.periods
    if not periods.partial:
        return []
    names = [periods.labels[start] for start in periods.partial]
    last = shape.query.snapshot.get("last")
    through = f", data through {last}" if last and periods.partial[-1] == periods.starts[-1] else ""
    return [f"not whole: {' and '.join(names)}{through}"]


def is_partial(shape: Shape, *, as_text: bool) -> str | None:
    """A test of Vega's: whether this row's period is cut off. `as_text`: the chart reads days as texts."""
    if shape.time is None or not shape.periods.partial:
        return None
    datum = f"datum['{shape.field(shape.time)}']"
    day = f"slice({datum}, 0, 10)" if as_text else f"utcFormat({datum}, '%Y-%m-%d')"
    return f"indexof({msgspec.json.encode(shape.periods.partial).decode()}, {day}) >= 0"


def faded(shape: Shape) -> dict[str, Any]:
    """The channel that makes bars of cut periods paler, if there are any."""
    test = is_partial(shape, as_text=True)
    return {"opacity": {"condition": {"test": test, "value": looks.PARTIAL_OPACITY}, "value": 1}} if test else {}


def beside_bar(field: str) -> dict[str, Any]:
    """A number at the free end of its bar: left of a negative one."""
    below = f"datum['{field}'] < 0"
    place = {"dx": {"expr": f"{below} ? -5 : 5"}, "align": {"expr": f"{below} ? 'right' : 'left'"}}
    return {"type": "text", "baseline": "middle", "fontSize": 12, "color": looks.INK, **place}
