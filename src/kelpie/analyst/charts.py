"""A result as a chart: Vega-Lite with the data inline, so that a chart can be stored, compared and checked.

`check_spec` holds every plotted value against the result: a chart can't show a number that no query gave.
"""

import re
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.formats import header_text
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.table import ResultColumn
from kelpie.analyst.workers import Workers
from kelpie.errors import InternalError, InvalidInput, LimitExceeded, MissingExtra

ChartKind = Literal["bar", "line"]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_VEGALITE_VERSION = "6.4"
_SCALE = 2.0
_WIDTH, _LINE_HEIGHT, _BAR_STEP = 640, 340, 26
# Okabe and Ito's colours: told apart by people who see red and green alike. Their yellow is too pale for a line.
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F3C8D", "#5D5D5D"]
_CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "DejaVu Sans, Verdana, Helvetica, sans-serif",
    "view": {"stroke": None},
    "title": {"fontSize": 16, "subtitleFontSize": 12, "anchor": "start", "offset": 14, "subtitleColor": "#555"},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleColor": "#555",
             "labelColor": "#222", "gridColor": "#e6e6e6", "domainColor": "#999", "tickColor": "#999"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "symbolStrokeWidth": 3, "labelLimit": 260},
    "range": {"category": _COLOURS},
}  # fmt: skip
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_NO_VALUE = "datum.label == 'null' ? '(none)' : datum.label"
_MEMBERS_AXIS = {
    "title": None,
    "labelExpr": _NO_VALUE,
    "labelLimit": 260,
    "domain": False,
    "ticks": False,
    "grid": False,
}
_AXIS_FORMAT = ",~f"  # axes have round ticks: no more decimals than they need
_DATE_FORMATS = {"year": "%Y", "quarter": "Q%q %Y", "month": "%b %Y", "week": "%d %b %Y", "day": "%d %b %Y"}


def build_spec(query: StoredQuery, kind: ChartKind | None = None, title: str | None = None) -> dict[str, Any]:
    """The chart of a result: a line for a time series, bars otherwise. Raises InvalidInput if it can't be drawn."""
    if title is not None and len(title) > limits.CHART_TITLE_CHARS_MAX:
        raise LimitExceeded("the title", len(title), limits.CHART_TITLE_CHARS_MAX, "characters")
    shape = _Shape(query)
    drawn = kind or ("line" if shape.time is not None else "bar")
    spec = shape.line(title) if drawn == "line" else shape.bar(title)
    check_spec(spec, query)
    return spec


def check_spec(spec: dict[str, Any], query: StoredQuery) -> None:
    """Raise InternalError if any plotted value is not in a row of the result, in the column of its name."""
    names = _fields(query.columns)
    rows = {_key(dict(zip(names, row, strict=True)), names) for row in query.rows}
    for value in spec["data"]["values"]:
        if set(value) - set(names):
            raise InternalError(
                f"the chart plots columns that {query.id} does not have: {sorted(set(value) - set(names))}"
            )
        if _key(value, names) not in rows:
            raise InternalError(f"the chart plots values that no row of {query.id} holds: {value}")


def _key(row: dict[str, Any], names: list[str]) -> bytes:
    return msgspec.json.encode([row.get(name) for name in names])


class _Shape:
    """Which columns of a result play which part."""

    def __init__(self, query: StoredQuery) -> None:
        numbers = [column for column in query.columns if column.kind == "metric" or _is_number(query, column)]
        self.time = next((column for column in query.columns if column.kind == "time"), None)
        self.groups = [c for c in query.columns if c.kind == "dimension" or (c.kind == "value" and c not in numbers)]
        self.measure = numbers[0] if numbers else None
        self._columns = query.columns
        self._names = _fields(query.columns)
        self._rows = query.rows
        if self.measure is None or len(query.rows) < 1:
            raise InvalidInput("there is no number to draw in this result")
        if len(self.groups) > 1 or (self.time is None and not self.groups):
            raise InvalidInput("a chart shows a number by one dimension, by time, or by both; show this as a table")

    def bar(self, title: str | None) -> dict[str, Any]:
        by = self.time or self.groups[0]
        if self.time is not None and self.groups:
            raise InvalidInput("bars show one dimension; draw this result as lines")
        values = self._values()[: limits.CHART_BARS_MAX]
        measure = self._measure()
        if self.time is not None:
            encoding = {"x": {**self._time_axis(), "type": "ordinal"}, "y": self._axis(measure)}
            mark = {"type": "bar", "color": _COLOURS[0]}
            return self._whole(title, values, mark, height=_LINE_HEIGHT, encoding=encoding)
        # Rows come in the order that was asked for; `sort: null` keeps it.
        members = {"field": self._field(by), "type": "nominal", "sort": None, "axis": _MEMBERS_AXIS}
        encoding = {"y": members, "x": self._axis(measure)}
        bars = {"mark": {"type": "bar", "color": _COLOURS[0]}, "encoding": encoding}
        number = {"field": self._field(measure), "type": "quantitative", "format": measure.format or _AXIS_FORMAT}
        text = {"mark": {"type": "text", **_beside_bar(self._field(measure))}, "encoding": {**encoding, "text": number}}
        spec = self._whole(title, values, None, height={"step": _BAR_STEP}, encoding=None)
        if len(self._rows) > limits.CHART_BARS_MAX:
            spec["title"] = {"text": spec["title"], "subtitle": f"the first {len(values)} of {len(self._rows)}"}
        return {**spec, "layer": [bars, text]}

    def line(self, title: str | None) -> dict[str, Any]:
        if self.time is None:
            raise InvalidInput("a line needs a time series; ask for the numbers by month or another grain")
        values = self._values()
        measure = self._measure()
        encoding: dict[str, Any] = {"x": self._time_axis(), "y": self._axis(measure)}
        if self.groups:
            group = self.groups[0]
            order = list(dict.fromkeys(row[self._field(group)] for row in values))
            if len(order) > limits.CHART_SERIES_MAX:
                raise InvalidInput(
                    f"{len(order)} lines can't be told apart; at most {limits.CHART_SERIES_MAX}: narrow it down"
                )
            encoding["color"] = {
                "field": self._field(group),
                "type": "nominal",
                "sort": order,
                "legend": {"title": None, "labelExpr": _NO_VALUE},
            }
        mark: dict[str, Any] = {"type": "line", "point": {"size": 45}, "strokeWidth": 2.5}
        if not self.groups:
            mark |= {"color": _COLOURS[0], "point": {"size": 45, "color": _COLOURS[0]}}
        spec = self._whole(title, values, mark, height=_LINE_HEIGHT, encoding=encoding)
        if self.groups:
            # A period in which a series has no row is a gap, not a straight line across.
            spec["transform"] = [
                {
                    "impute": self._field(measure),
                    "key": self._field(self.time),
                    "groupby": [self._field(self.groups[0])],
                    "value": None,
                }
            ]
        return spec

    def _values(self) -> list[dict[str, Any]]:
        """Rows as objects; rows without a number are left out: there is nothing to draw."""
        assert self.measure is not None, "checked at construction"
        rows = [dict(zip(self._names, row, strict=True)) for row in self._rows]
        return [row for row in rows if isinstance(row[self._field(self.measure)], int | float)]

    def _field(self, column: ResultColumn) -> str:
        return self._names[self._columns.index(column)]

    def _measure(self) -> ResultColumn:
        assert self.measure is not None, "checked at construction"
        return self.measure

    def _axis(self, column: ResultColumn) -> dict[str, Any]:
        return {
            "field": self._field(column),
            "type": "quantitative",
            "axis": {
                "title": header_text(column),
                "format": ".0%" if column.format.endswith("%") else _AXIS_FORMAT,
                "tickCount": 6,
            },
        }

    def _time_axis(self) -> dict[str, Any]:
        assert self.time is not None, "only asked with a time column"
        grain = self.time.grain or "day"
        # Days are days: without `utc` the axis would shift by the time zone of the machine that draws it.
        axis = {"title": None, "format": _DATE_FORMATS[grain], "labelOverlap": True, "grid": False, "labelAngle": 0}
        unit = {"year": "utcyear", "quarter": "utcyearquarter", "month": "utcyearmonth"}.get(grain, "utcyearmonthdate")
        return {"field": self._field(self.time), "type": "temporal", "timeUnit": unit, "axis": axis}

    def _whole(
        self, title: str | None, values: list[dict[str, Any]], mark: Any, *, height: Any, encoding: Any
    ) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "$schema": _SCHEMA,
            "width": _WIDTH,
            "height": height,
            "padding": 16,
            "title": title or header_text(self._measure()),
            "data": {"values": values},
            "config": _CONFIG,
        }
        if mark is not None:
            spec |= {"mark": mark, "encoding": encoding}
        return spec


def _fields(columns: list[ResultColumn]) -> list[str]:
    """The columns' names in the plotted data: their own, or a plain one where Vega could trip over dots or quotes."""
    fields: list[str] = []
    for number, column in enumerate(columns):
        plain = _PLAIN_NAME.fullmatch(column.name) and column.name not in fields
        fields.append(column.name if plain else f"column_{number + 1}")
    return fields


def _beside_bar(field: str) -> dict[str, Any]:
    """A number at the free end of its bar: left of a negative one."""
    below = f"datum['{field}'] < 0"
    place = {"dx": {"expr": f"{below} ? -5 : 5"}, "align": {"expr": f"{below} ? 'right' : 'left'"}}
    return {"baseline": "middle", "fontSize": 12, "color": "#222", **place}


def _is_number(query: StoredQuery, column: ResultColumn) -> bool:
    if column.kind != "value":
        return False
    place = query.columns.index(column)
    cells = [row[place] for row in query.rows if row[place] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)


async def render_png(spec: dict[str, Any], workers: Workers) -> bytes:
    """The chart as a PNG. Nothing is fetched: a spec that names a URL fails. Raises MissingExtra, InvalidInput."""
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("rendering a chart", "analyst") from error

    def render() -> bytes:
        png: bytes = vl_convert.vegalite_to_png(spec, vl_version=_VEGALITE_VERSION, scale=_SCALE, allowed_base_urls=[])
        return png

    try:
        return await workers.run(render)
    except ValueError as error:
        raise InvalidInput(f"the chart can't be rendered: {str(error).splitlines()[0]}") from error
