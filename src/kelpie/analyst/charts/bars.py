"""Bars: a ranking, a flow over time, side by side, and on top of each other."""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.charts import looks
from kelpie.analyst.charts.rows import (
    Drawing,
    beside_bar,
    cut,
    faded,
    left_out,
    partial_notes,
    plotted,
    refuse_unless,
)
from kelpie.analyst.charts.shape import BEFORE, Shape, is_share
from kelpie.analyst.formats import header_text
from kelpie.analyst.table import ResultColumn


def bar(shape: Shape) -> Drawing:
    """A ranking: horizontal bars with their numbers."""
    by = shape.time or shape.groups[0]
    refuse_unless(shape.depth == 1, "bars show one dimension; draw this as grouped or as a heatmap")
    measure = shape.measure
    rows, missing, notes = cut(shape, [measure])
    y = looks.members(shape, by)
    if shape.time is not None:
        labels = msgspec.json.encode(shape.periods.labels).decode()
        y["axis"] = {**looks.MEMBERS_AXIS, "labelExpr": f"({labels})[slice(datum.label, 0, 10)]"}
        notes += partial_notes(shape)
    encoding = {"y": y, "x": looks.number_axis(shape, measure)}
    bars = {"mark": {"type": "bar", "color": looks.COLOURS[0]}, "encoding": {**encoding, **faded(shape)}}
    numbers = {**encoding, "text": looks.number_text(shape, measure)}
    text = {"mark": beside_bar(shape.field(measure)), "encoding": numbers}
    return Drawing(rows, {"height": {"step": looks.BAR_STEP}, "layer": [bars, text]}, notes, missing)


def column(shape: Shape) -> Drawing:
    """A flow over few periods: a column for each, with its number."""
    refuse_unless(shape.time is not None and not shape.groups, "columns show one number over time")
    measure = shape.measure
    rows = plotted(shape, [measure])
    encoding = {"x": looks.time_bands(shape), "y": looks.number_axis(shape, measure)}
    layers = [{"mark": {"type": "bar", "color": looks.COLOURS[0]}, "encoding": {**encoding, **faded(shape)}}]
    if len(shape.periods.starts) <= looks.LABELS_MAX:
        below = f"datum['{shape.field(measure)}'] < 0"
        mark = {"type": "text", "baseline": "middle", "fontSize": 11, "color": looks.INK,
                "dy": {"expr": f"{below} ? 10 : -9"}}  # fmt: skip
        numbers = {**encoding, "text": looks.number_text(shape, measure, short=True)}
        layers.append({"mark": mark, "encoding": numbers})
    body = {"height": looks.HEIGHT, "layer": layers}
    return Drawing(rows, body, partial_notes(shape), left_out(shape, [measure], len(rows)))


def grouped(shape: Shape) -> Drawing:
    """Bars side by side: a number and the same before, or one for each member of a second dimension."""
    before = shape.beside(shape.measure, BEFORE)
    if before is not None and shape.depth == 1:
        together = [shape.measure, before]
        colour = by_column(shape, together, [looks.COLOURS[0], looks.BEFORE_COLOUR])
        beside = together if shape.time is None else together[::-1]  # from left to right time goes on
        offset = {"field": "series", "sort": [shape.field(one) for one in beside]}
        return _side_by_side(shape, together, "value", offset, colour, bars_each=2)
    refuse_unless(shape.depth == 2, "grouped bars show two dimensions, or a comparison")
    inner = _inner(shape)
    parts = shape.members(inner)
    refuse_unless(
        len(parts) <= limits.CHART_SERIES_MAX,
        f"{len(parts)} bars side by side can't be told apart; at most {limits.CHART_SERIES_MAX}: narrow it down",
    )
    field = shape.field(inner)
    colour = {"field": field, "type": "nominal", "sort": parts, "legend": looks.legend("square")}
    offset = {"field": field, "sort": parts}
    return _side_by_side(shape, [shape.measure], shape.field(shape.measure), offset, colour, bars_each=len(parts))


def _inner(shape: Shape) -> ResultColumn:
    """Of two dimensions the one whose members stand together: the only one beside time, else the shorter."""
    if shape.time is not None:
        return shape.groups[0]
    return min(reversed(shape.groups), key=lambda group: len(shape.members(group)))


def _side_by_side(
    shape: Shape,
    together: list[ResultColumn],
    field: str,
    offset: dict[str, Any],
    colour: dict[str, Any],
    *,
    bars_each: int,
) -> Drawing:
    number = looks.number_axis(shape, together[0], field=field)
    rows, notes = plotted(shape, together, sort=True), []
    if shape.time is not None:
        encoding = {"x": looks.time_bands(shape), "xOffset": offset, "y": number, "color": colour, **faded(shape)}
        body: dict[str, Any] = {"height": looks.HEIGHT, "mark": {"type": "bar"}, "encoding": encoding}
        notes += partial_notes(shape)
    else:
        outer = next(group for group in shape.groups if shape.field(group) != offset["field"])
        members = list(dict.fromkeys(row[shape.field(outer)] for row in rows))
        kept = members[: limits.CHART_BARS_MAX]
        if len(kept) < len(members):
            notes.append(f"the first {len(kept)} of {len(members)}")
            rows = [row for row in rows if row[shape.field(outer)] in kept]
        place = {"y": looks.members(shape, outer), "yOffset": offset, "x": number}
        text = {**looks.number_text(shape, together[0]), "field": field}
        layers = [
            {"mark": {"type": "bar"}, "encoding": {**place, "color": colour}},
            {"mark": {**beside_bar(field), "fontSize": 11}, "encoding": {**place, "text": text}},
        ]
        body = {"height": {"step": max(16, 40 // bars_each)}, "layer": layers}
    if len(together) > 1:
        body["transform"] = folded(shape, together)
    return Drawing(rows, body, notes, left_out(shape, together, len(rows)))


def stacked(shape: Shape) -> Drawing:
    """Parts on top of each other: only of numbers that add up, and only of positive ones."""
    measure = shape.measure
    refuse_unless(shape.depth == 2, "stacked bars show two dimensions, or one over time")
    refuse_unless(
        shape.is_additive(measure), f"parts of {measure.label} don't add up to a whole; draw them as lines or grouped"
    )
    refuse_unless(min(looks.numbers_of(shape, measure)) >= 0, "negative parts can't be stacked; draw them as grouped")
    inner = _inner(shape)
    parts = _largest_first(shape, inner)
    refuse_unless(
        len(parts) <= limits.CHART_SERIES_MAX,
        f"{len(parts)} parts can't be told apart; at most {limits.CHART_SERIES_MAX}: narrow it down",
    )
    field = shape.field(inner)
    # The largest lies at the bottom, so the legend, which is read from above, begins with the smallest.
    colour = {"field": field, "type": "nominal", "sort": parts[::-1], "legend": looks.legend("square"),
              "scale": {"range": looks.COLOURS[: len(parts)][::-1]}}  # fmt: skip
    place = f"indexof({msgspec.json.encode(parts).decode()}, datum['{field}'])"
    number = looks.number_axis(shape, measure)
    if is_share(measure):
        number["axis"]["format"] = ".0%"
    encoding = {"color": colour, "order": {"field": "place", "type": "quantitative"}, **faded(shape)}
    if shape.time is not None:
        encoding |= {"x": looks.time_bands(shape), "y": number}
        height: Any = looks.HEIGHT
    else:
        outer = next(group for group in shape.groups if group is not inner)
        refuse_unless(len(shape.members(outer)) <= limits.CHART_BARS_MAX, "too many bars; narrow it down")
        encoding |= {"y": looks.members(shape, outer, _largest_first(shape, outer)), "x": number}
        height = {"step": looks.BAR_STEP}
    body = {
        "height": height,
        "transform": [{"calculate": place, "as": "place"}],
        "mark": {"type": "bar"},
        "encoding": encoding,
    }
    rows = plotted(shape, [measure])
    notes = partial_notes(shape) if shape.time is not None else []
    return Drawing(rows, body, notes, left_out(shape, [measure], len(rows)))


def _largest_first(shape: Shape, group: ResultColumn) -> list[Any]:
    sums: dict[Any, float] = dict.fromkeys(shape.members(group), 0)
    for row in shape.query.rows:
        cell = shape.cell(row, shape.measure)
        sums[shape.cell(row, group)] += cell if isinstance(cell, int | float) else 0
    return sorted(sums, key=lambda member: -sums[member])


def folded(shape: Shape, columns: Sequence[ResultColumn]) -> list[dict[str, Any]]:
    """The transform that puts several columns into one, so that they share an axis."""
    return [{"fold": [shape.field(column) for column in columns], "as": ["series", "value"]}]


def by_column(shape: Shape, columns: Sequence[ResultColumn], colours: list[str]) -> dict[str, Any]:
    """The colour that tells folded columns apart, with their titles in the legend."""
    fields = [shape.field(column) for column in columns]
    titles = msgspec.json.encode({shape.field(column): header_text(column) for column in columns}).decode()
    legend = {"title": None, "labelExpr": f"({titles})[datum.label]", "symbolType": "circle", "orient": "top"}
    return {"field": "series", "type": "nominal", "scale": {"domain": fields, "range": colours}, "legend": legend}
