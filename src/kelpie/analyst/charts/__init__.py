"""A result as a chart: Vega-Lite with the data inline, so that a chart can be stored, compared and checked.

shape      which columns play which part, and which kind of chart fits
periods    the time axis: every period, how it is written, which are not whole
rows       what is plotted, what is left out, and the words that say so
bars, lines, surveys  one function for each kind of chart
looks      colours, type, axes: how every chart looks
holding    every plotted value is in the result, and none is hidden without saying so
titles     a title's numbers are in the result too
rendering  PNG and SVG
"""

from collections.abc import Callable, Iterable
from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.charts import bars, lines, looks, surveys
from kelpie.analyst.charts.holding import check_spec
from kelpie.analyst.charts.rendering import render_png, render_svg
from kelpie.analyst.charts.rows import Drawing
from kelpie.analyst.charts.shape import CHART_KINDS, ChartKind, Shape, fitting_kind
from kelpie.analyst.charts.titles import sourced
from kelpie.analyst.formats import header_text
from kelpie.analyst.results import StoredQuery
from kelpie.errors import LimitExceeded

__all__ = ["CHART_KINDS", "ChartKind", "build_spec", "check_spec", "render_png", "render_svg"]

_DRAWN: dict[ChartKind, Callable[[Shape], Drawing]] = {
    "bar": bars.bar,
    "column": bars.column,
    "line": lines.line,
    "grouped": bars.grouped,
    "stacked": bars.stacked,
    "heatmap": surveys.heatmap,
    "scatter": surveys.scatter,
    "panels": surveys.panels,
}


def build_spec(
    query: StoredQuery, kind: ChartKind | None = None, title: str | None = None, stated: Iterable[str] = ()
) -> dict[str, Any]:
    """The chart of a result, of the kind that fits it best unless one is named; held against the result before it is
    returned.

    title   left out if it says a number that is neither in the result nor among what was `stated`
    Raises InvalidInput if the result can't be drawn, or not as that kind; the text says what could be. LimitExceeded.
    """
    if title is not None and len(title) > limits.CHART_TITLE_CHARS_MAX:
        raise LimitExceeded("the title", len(title), limits.CHART_TITLE_CHARS_MAX, "characters")
    shape = Shape(query)
    drawn_kind = kind or fitting_kind(shape)
    drawing = _DRAWN[drawn_kind](shape)
    heading: dict[str, Any] = {"text": sourced(title, query, stated) or header_text(shape.measure)}
    if drawing.left_out and not drawing.says_what_is_left_out:
        lacking = "a date" if shape.time is not None else "both numbers"
        rows = "1 row" if drawing.left_out == 1 else f"{drawing.left_out} rows"
        drawing.notes.append(f"not shown: {rows} without {lacking}")
    if drawing.notes:
        subtitle = "; ".join(drawing.notes)
        heading["subtitle"] = subtitle[:1].upper() + subtitle[1:]
    data: dict[str, Any] = {"values": drawing.values}
    if drawing.parse:
        data["format"] = {"parse": drawing.parse}
    spec: dict[str, Any] = {
        "$schema": looks.SCHEMA,
        "padding": 16,
        "title": heading,
        "data": data,
        "usermeta": {"kind": drawn_kind, "query_id": query.id, "left_out": drawing.left_out},
        "config": looks.CONFIG,
        **drawing.body,
    }
    if "hconcat" not in spec and "vconcat" not in spec:
        spec["width"] = looks.WIDTH
    check_spec(spec, query)
    return spec
