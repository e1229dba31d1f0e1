"""Lines: numbers over time, with breaks where there is none."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.charts import looks
from kelpie.analyst.charts.bars import by_column, folded
from kelpie.analyst.charts.rows import (
    Drawing,
    is_number,
    is_partial,
    left_out,
    partial_notes,
    plotted,
    refuse_unless,
)
from kelpie.analyst.charts.shape import BEFORE, Shape
from kelpie.analyst.table import ResultColumn

_POINTS_MAX = 60  # a line of more points is a line
_FLAT = 0.5  # of the highest value: a line that never falls below it may begin its axis elsewhere than at zero


def line(shape: Shape) -> Drawing:
    """One line, one for each member, or one beside the time before."""
    refuse_unless(shape.time is not None, "a line needs a time series; ask for the numbers by month or another grain")
    together, colour = _series(shape)
    rows = plotted(shape, together)
    field = shape.field(together[0]) if len(together) == 1 else "value"
    y = looks.number_axis(shape, together[0], field=field)
    notes = partial_notes(shape)
    numbers = [number for measure in together for number in looks.numbers_of(shape, measure)]
    if min(numbers) > _FLAT * max(numbers):
        # Small changes of a large number would be a flat line; a reader has to know that the axis is cut.
        y["scale"] = {"zero": False}
        notes.append("the axis does not begin at zero")
    encoding: dict[str, Any] = {"x": looks.time_scale(shape), "y": y}
    plain: dict[str, Any] = {"color": looks.COLOURS[0]}
    if colour:
        encoding["color"], plain = colour, {}
    layers: list[dict[str, Any]] = [{"mark": {"type": "line", "strokeWidth": 2.5, **plain}, "encoding": encoding}]
    if len(shape.periods.starts) <= _POINTS_MAX:
        layers += _points(shape, encoding, plain)
    if not colour:
        layers.append(_last_number(shape, encoding, rows))
    body: dict[str, Any] = {"height": looks.HEIGHT, "layer": layers}
    if len(together) > 1:
        body["transform"] = folded(shape, together)
    missing = left_out(shape, together, len(rows))
    return Drawing(rows + gaps(shape, rows, together), body, notes, missing, parse(shape))


def _points(shape: Shape, encoding: dict[str, Any], plain: dict[str, Any]) -> list[dict[str, Any]]:
    """A point for each value; hollow where the period is not whole."""
    mark = {"type": "point", "filled": True, "size": 50, "opacity": 1}
    layers: list[dict[str, Any]] = [{"mark": {**mark, **plain}, "encoding": encoding}]
    hollow = is_partial(shape, as_text=False)
    if hollow:
        inner = {channel: encoding[channel] for channel in ("x", "y")}
        white = {"mark": {**mark, "size": 18, "color": "white"}, "encoding": inner}
        layers.append({"transform": [{"filter": hollow}], **white})
    return layers


def _last_number(shape: Shape, encoding: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The number that a line ends with, beside its end."""
    assert shape.time is not None, "a line has a time column"
    field = shape.field(shape.time)
    last = max(str(row[field]) for row in rows)[:10]
    mark = {"type": "text", "align": "left", "dx": 9, "fontSize": 12, "color": looks.INK}
    shown: dict[str, Any] = {
        "transform": [{"filter": f"utcFormat(datum['{field}'], '%Y-%m-%d') == '{last}'"}],
        "mark": mark,
        "encoding": {**encoding, "text": looks.number_text(shape, shape.measure, short=True)},
    }
    return shown


def _series(shape: Shape) -> tuple[list[ResultColumn], dict[str, Any]]:
    """The numbers that share the axis, and the channel that tells lines apart: empty for a single one."""
    measure = shape.measure
    if shape.groups:
        group = shape.groups[0]
        order = _by_last_value(shape, group, measure)
        refuse_unless(
            len(order) <= limits.CHART_SERIES_MAX,
            f"{len(order)} lines can't be told apart; at most {limits.CHART_SERIES_MAX}: narrow it down",
        )
        legend = looks.legend("circle")
        return [measure], {"field": shape.field(group), "type": "nominal", "sort": order, "legend": legend}
    before = shape.beside(measure, BEFORE)
    if before is not None:
        together = [measure, before]
        return together, by_column(shape, together, [looks.COLOURS[0], looks.BEFORE_COLOUR])
    alike = [one for one in shape.measures if (one.unit, one.format) == (measure.unit, measure.format)]
    if measure not in alike or len(alike) == 1:
        return [measure], {}
    together = alike[: limits.CHART_SERIES_MAX]
    return together, by_column(shape, together, looks.COLOURS[: len(together)])


def _by_last_value(shape: Shape, group: ResultColumn, measure: ResultColumn) -> list[Any]:
    """Members as a legend lists them: from the line that ends highest down."""
    assert shape.time is not None, "only lines ask"
    time = shape.columns.index(shape.time)
    last: dict[Any, float] = dict.fromkeys(shape.members(group), float("-inf"))
    for row in sorted(shape.query.rows, key=lambda row: str(row[time])):
        if is_number(shape.cell(row, measure)):
            last[shape.cell(row, group)] = shape.cell(row, measure)
    return sorted(last, key=lambda member: -last[member])


def gaps(shape: Shape, rows: list[dict[str, Any]], measures: Sequence[ResultColumn]) -> list[dict[str, Any]]:
    """A row without a number in every hole of a series: there the line breaks, and is not drawn straight across."""
    assert shape.time is not None, "only lines have gaps"
    time = shape.field(shape.time)
    group = shape.field(shape.groups[0]) if shape.groups else None
    by_member: dict[Any, set[str]] = {}
    for row in rows:
        by_member.setdefault(row[group] if group else None, set()).add(str(row[time])[:10])
    holes = []
    for member, present in by_member.items():
        names = {group: member} if group else {}
        before = True
        for start in (one for one in shape.periods.starts if min(present) < one < max(present)):
            if start not in present and before:
                day = start + shape.periods.clock
                holes.append({time: day, **names, **dict.fromkeys(map(shape.field, measures))})
            before = start in present
    return holes


def parse(shape: Shape) -> dict[str, str]:
    """How Vega reads the days of the time column."""
    assert shape.time is not None, "only asked with a time column"
    clock = "T%H:%M:%S" if shape.periods.clock else ""
    return {shape.field(shape.time): f"utc:'%Y-%m-%d{clock}'"}
