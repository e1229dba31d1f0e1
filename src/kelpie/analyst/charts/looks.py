"""How every chart looks: colours, type, axes. What is drawn is decided elsewhere."""

from typing import Any

import msgspec

from kelpie.analyst.charts.periods import axis_labels
from kelpie.analyst.charts.shape import Shape
from kelpie.analyst.formats import header_text
from kelpie.analyst.table import ResultColumn

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH, HEIGHT, BAR_STEP = 640, 340, 26
LABELS_MAX = 16  # of a time axis; more would touch each other
# Okabe and Ito's colours: told apart by people who see red and green alike. Their yellow is too pale for a line.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F3C8D", "#5D5D5D"]
INK, PALE_INK, GRID, RULE = "#222222", "#555555", "#e6e6e6", "#999999"
CELL_INK = "#111111"  # on a pale cell, which stays pale where a page turns the other inks bright
BEFORE_COLOUR = "#A9BFCC"  # what was before stands behind what is now
PARTIAL_OPACITY = 0.45  # of a period that is not whole
CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "DejaVu Sans, Verdana, Helvetica, sans-serif",
    "view": {"stroke": None},
    "title": {"fontSize": 16, "subtitleFontSize": 12, "anchor": "start", "offset": 14, "color": INK,
              "subtitleColor": PALE_INK, "subtitlePadding": 6, "frame": "group", "limit": 900},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleColor": PALE_INK,
             "labelColor": INK, "gridColor": GRID, "domainColor": RULE, "tickColor": RULE},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleLimit": 220,
               "labelLimit": 260, "labelColor": INK, "titleColor": PALE_INK},
    "range": {"category": COLOURS},
}  # fmt: skip
NO_VALUE = "datum.label == 'null' ? '(none)' : datum.label"
MEMBERS_AXIS = {
    "title": None,
    "labelExpr": NO_VALUE,
    "labelLimit": 260,
    "labelPadding": 6,
    "domain": False,
    "ticks": False,
    "grid": False,
}
_TIME_AXIS = {
    "title": None,
    "labelAngle": 0,
    "labelOverlap": True,
    "labelFlush": False,
    "grid": False,
    "labelPadding": 6,
    "labelLineHeight": 15,
}
_ZERO_LINE = {"condition": {"test": "datum.value === 0", "value": RULE}, "value": GRID}
_ROUND_TICKS = ",~f"  # axes have round ticks: no more decimals than they need
_LARGE = 1_000_000


def is_percent(column: ResultColumn) -> bool:
    return column.format.endswith("%")


def number_axis(shape: Shape, column: ResultColumn, *, field: str | None = None) -> dict[str, Any]:
    """The channel of a number, with its unit as the axis' title. Millions are written short: 1.2M, 3B."""
    values = numbers_of(shape, column)
    axis: dict[str, Any] = {"title": header_text(column), "tickCount": 6, "gridColor": _ZERO_LINE}
    if is_percent(column):
        axis["format"] = ".0%" if max(values) - min(*values, 0) > 0.06 else ".1%"
    elif max(map(abs, values)) >= _LARGE:
        axis["labelExpr"] = "replace(format(datum.value, '~s'), 'G', 'B')"
    else:
        axis["format"] = _ROUND_TICKS
    return {"field": field or shape.field(column), "type": "quantitative", "axis": axis}


def number_text(shape: Shape, column: ResultColumn, *, short: bool = False) -> dict[str, Any]:
    """A number beside its bar, as the table writes it; `short` where there is no room for millions."""
    number_format = column.format or ",~f"
    largest = max(map(abs, numbers_of(shape, column)))
    if short and not is_percent(column) and _LARGE / 10 <= largest < _LARGE * 1_000:  # d3 writes G for a billion
        number_format = ".3s"
    return {"field": shape.field(column), "type": "quantitative", "format": number_format}


def numbers_of(shape: Shape, column: ResultColumn) -> list[float]:
    cells = (shape.cell(row, column) for row in shape.query.rows)
    return [cell for cell in cells if isinstance(cell, int | float)] or [0]


def members(shape: Shape, column: ResultColumn, order: Any = None) -> dict[str, Any]:
    """A channel of names. Rows come in the order that was asked for; `sort: null` keeps it."""
    return {"field": shape.field(column), "type": "nominal", "sort": order, "axis": MEMBERS_AXIS}


def legend(symbol: str) -> dict[str, Any]:
    """A legend of members; `symbol` is the form of its marks."""
    return {"title": None, "labelExpr": NO_VALUE, "symbolType": symbol}


def time_bands(shape: Shape) -> dict[str, Any]:
    """A channel with one place for each period, the missing ones too: a hole in the data is a hole in the picture."""
    labels = axis_labels(shape.periods, LABELS_MAX)
    axis = {
        **_TIME_AXIS,
        "values": [start + shape.periods.clock for start in labels],
        "labelExpr": f"({_literal(labels)})[slice(datum.value, 0, 10)]",
        "ticks": False,
    }
    domain = [start + shape.periods.clock for start in shape.periods.starts]
    return {"field": _time_field(shape), "type": "ordinal", "scale": {"domain": domain}, "axis": axis}


def time_scale(shape: Shape) -> dict[str, Any]:
    """A channel where time runs evenly. In UTC: a day must not shift by the time zone of the machine that draws it."""
    labels = axis_labels(shape.periods, LABELS_MAX)
    axis = {
        **_TIME_AXIS,
        "values": [{"year": int(s[:4]), "month": int(s[5:7]), "date": int(s[8:]), "utc": True} for s in labels],
        "labelExpr": f"({_literal(labels)})[utcFormat(datum.value, '%Y-%m-%d')]",
    }
    return {"field": _time_field(shape), "type": "temporal", "scale": {"type": "utc"}, "axis": axis}


def _time_field(shape: Shape) -> str:
    assert shape.time is not None, "only asked with a time column"
    return shape.field(shape.time)


def _literal(labels: Any) -> str:
    """JSON is an object of Vega's expression language too, whatever its texts hold."""
    return msgspec.json.encode(labels).decode()
