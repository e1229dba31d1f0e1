"""Many numbers at once: a field of colours, points, several metrics on axes of their own."""

from typing import Any

import msgspec

from kelpie.analyst.charts import looks
from kelpie.analyst.charts.lines import gaps, parse
from kelpie.analyst.charts.rows import (
    Drawing,
    beside_bar,
    cut,
    is_number,
    left_out,
    partial_notes,
    plotted,
    refuse_unless,
)
from kelpie.analyst.charts.shape import Shape
from kelpie.analyst.table import ResultColumn

_HEATMAP_CELLS_MAX = 800
_CELL_LABELS_MAX = 320
_CELL_WIDTH_MIN = 44  # for a number to fit
_DARK = 0.55  # of a colour scale: beyond it text is white
_PANELS_MAX = 4
_SCATTER_HEIGHT = 420
_NAME_CHARS_MAX = 26
# What a name takes in a scatter plot, as parts of its width and height.
_CHARACTER, _LINE = 0.0115, 0.035


def heatmap(shape: Shape) -> Drawing:
    """A number by two dimensions, or by one over time, with the numbers where they fit."""
    measure = shape.measure
    refuse_unless(shape.depth == 2, "a heatmap shows a number by two dimensions, or by one over time")
    down, across = _down_and_across(shape)
    columns = len(shape.periods.starts) if across is None else len(shape.members(across))
    cells = columns * len(shape.members(down))
    refuse_unless(cells <= _HEATMAP_CELLS_MAX, f"{cells:,} cells are too many; narrow it down")
    y = looks.members(shape, down)
    if across is None:
        x = looks.time_bands(shape)
    else:
        angle = 0 if columns * 14 <= looks.WIDTH // 8 else -40
        axis = {**looks.MEMBERS_AXIS, "labelAngle": angle, "orient": "bottom", "labelLimit": 140}
        x = {**looks.members(shape, across), "axis": axis}
    scale, dark = _colours(shape)
    axis = looks.number_axis(shape, measure)["axis"]
    legend = {name: axis[name] for name in ("title", "format", "labelExpr") if name in axis}
    colour = {"field": shape.field(measure), "type": "quantitative", "scale": scale,
              "legend": {**legend, "tickCount": 4, "gradientLength": 160}}  # fmt: skip
    mark = {"type": "rect", "stroke": "white", "strokeWidth": 1}
    layers = [{"mark": mark, "encoding": {"x": x, "y": y, "color": colour}}]
    if cells <= _CELL_LABELS_MAX and looks.WIDTH / columns >= _CELL_WIDTH_MIN:
        ink = {"condition": {"test": dark, "value": "white"}, "value": looks.CELL_INK}
        numbers = {"x": x, "y": y, "text": looks.number_text(shape, measure, short=True), "color": ink}
        layers.append({"mark": {"type": "text", "fontSize": 11}, "encoding": numbers})
    rows = plotted(shape, [measure])
    notes = partial_notes(shape) if shape.time is not None else []
    body = {"height": {"step": 24}, "layer": layers}
    return Drawing(rows, body, notes, left_out(shape, [measure], len(rows)))


def _down_and_across(shape: Shape) -> tuple[ResultColumn, ResultColumn | None]:
    """The dimension of the lines and that of the columns; None where time goes across. The longer one goes down."""
    if shape.time is not None:
        return shape.groups[0], None
    first, second = shape.groups
    if len(shape.members(first)) >= len(shape.members(second)):
        return first, second
    return second, first


def _colours(shape: Shape) -> tuple[dict[str, Any], str]:
    """From pale to blue, or from orange through white to blue about zero; and where text on it has to be white."""
    numbers = looks.numbers_of(shape, shape.measure)
    low, high = min(numbers), max(numbers)
    datum = f"datum['{shape.field(shape.measure)}']"
    if low < 0 < high:
        far = max(-low, high)
        # Equal steps on both sides of zero: a small loss must not look as strong as a large gain.
        scale = {"range": [looks.COLOURS[1], "#f7f7f7", looks.COLOURS[0]], "domain": [-far, far], "domainMid": 0}
        return scale, f"abs({datum}) > {far * _DARK}"
    return {"range": ["#EAF2F8", looks.COLOURS[0]]}, f"{datum} > {low + (high - low) * _DARK}"


def scatter(shape: Shape) -> Drawing:
    """Two numbers of each member: a point, with its name where there is room for it."""
    refuse_unless(len(shape.measures) >= 2, "a scatter plot needs two metrics: ask for both by one dimension")
    refuse_unless(len(shape.groups) == 1 and shape.time is None, "a scatter plot shows the members of one dimension")
    together = shape.measures[:2]
    rows = [row for row in plotted(shape, together) if all(is_number(row[shape.field(one)]) for one in together)]
    refuse_unless(rows, "no member has both numbers")
    x, y = (looks.number_axis(shape, one) for one in together)
    for axis in (x, y):
        axis["scale"] = {"zero": False, "nice": True, "padding": 20}
    group = shape.field(shape.groups[0])
    point = {"type": "point", "filled": True, "size": 90, "color": looks.COLOURS[0], "opacity": 0.85}
    layers: list[dict[str, Any]] = [{"mark": point, "encoding": {"x": x, "y": y}}]
    sides = _sides(rows, group, *(shape.field(one) for one in together))
    for side, offset in (("left", 8), ("right", -8)):
        names = [member for member, its in sides.items() if its == side]
        mark = {"type": "text", "align": side, "dx": offset, "fontSize": 11, "color": looks.INK, "limit": 170}
        layers.append(
            {
                "transform": [{"filter": f"indexof({msgspec.json.encode(names).decode()}, datum['{group}']) >= 0"}],
                "mark": mark,
                "encoding": {"x": x, "y": y, "text": {"field": group, "type": "nominal"}},
            }
        )
    nameless = len(rows) - sum(1 for side in sides.values() if side)
    notes = [f"{nameless} of {len(rows)} points have no room for their name"] if nameless else []
    body = {"height": _SCATTER_HEIGHT, "layer": layers}
    return Drawing(rows, body, notes, left_out(shape, together, len(rows)))


def _sides(rows: list[dict[str, Any]], group: str, x: str, y: str) -> dict[Any, str]:
    """On which side of its point each name begins, so that no two names lie on each other: "left" is text that begins
    right of its point, "" is no text. Names that come first are served first."""
    spans = {}
    for field in (x, y):
        values = [row[field] for row in rows]
        spans[field] = min(values), (max(values) - min(values)) or 1
    points = [tuple((row[field] - spans[field][0]) / spans[field][1] for field in (x, y)) for row in rows]
    taken = [(px - 0.01, px + 0.01, py) for px, py in points]
    sides: dict[Any, str] = {}
    for row, (px, py) in zip(rows, points, strict=True):
        width = min(len(str(row[group])), _NAME_CHARS_MAX) * _CHARACTER
        for side, begin in (("left", px + 0.012), ("right", px - 0.012 - width)):
            box = (begin, begin + width, py)
            inside = begin > -_CHARACTER  # beyond it stands the axis
            if inside and not any(
                box[0] < end and start < box[1] and abs(py - its) < _LINE for start, end, its in taken
            ):
                taken.append(box)
                sides[row[group]] = side
                break
        else:
            sides[row[group]] = ""
    return sides


def panels(shape: Shape) -> Drawing:
    """Several metrics, each on an axis of its own: below each other over time, beside each other by a dimension."""
    together = shape.measures[:_PANELS_MAX]
    refuse_unless(len(together) >= 2, "panels need several metrics; this result has one")
    refuse_unless(shape.depth == 1, "panels show metrics over time or by one dimension")
    notes = [f"the first {_PANELS_MAX} of {len(shape.measures)} metrics"] if len(shape.measures) > _PANELS_MAX else []
    if shape.time is not None:
        rows = plotted(shape, together)
        views = [_panel_over_time(shape, one, looks.COLOURS[place]) for place, one in enumerate(together)]
        missing = left_out(shape, together, len(rows))
        notes += partial_notes(shape)
        body: dict[str, Any] = {"vconcat": views, "spacing": 22}
        return Drawing(rows + gaps(shape, rows, together), body, notes, missing, parse(shape))
    rows, missing, words = cut(shape, together)
    views = [_panel_of_bars(shape, together, place) for place in range(len(together))]
    return Drawing(rows, {"hconcat": views, "spacing": 30}, notes + words, missing)


def _panel_over_time(shape: Shape, measure: ResultColumn, colour: str) -> dict[str, Any]:
    y = looks.number_axis(shape, measure)
    y["axis"]["tickCount"] = 4
    mark = {"type": "line", "strokeWidth": 2.5, "color": colour, "point": {"color": colour, "size": 40}}
    return {"width": looks.WIDTH, "height": 150, "mark": mark, "encoding": {"x": looks.time_scale(shape), "y": y}}


def _panel_of_bars(shape: Shape, together: list[ResultColumn], place: int) -> dict[str, Any]:
    measure = together[place]
    y = looks.members(shape, shape.groups[0])
    if place:
        y["axis"] = None
    x = looks.number_axis(shape, measure)
    x["axis"]["tickCount"] = 4
    bars = {"mark": {"type": "bar", "color": looks.COLOURS[place]}, "encoding": {"x": x, "y": y}}
    numbers = {"x": x, "y": y, "text": looks.number_text(shape, measure, short=True)}
    text = {"mark": {**beside_bar(shape.field(measure)), "fontSize": 11}, "encoding": numbers}
    width = (looks.WIDTH - 60) // len(together)
    return {"width": width, "height": {"step": looks.BAR_STEP}, "layer": [bars, text]}
