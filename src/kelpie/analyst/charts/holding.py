"""A chart held against its result: it plots no number that no query gave, and hides none without saying so."""

from typing import Any

import msgspec

from kelpie.analyst.charts.shape import plain_fields
from kelpie.analyst.results import StoredQuery
from kelpie.errors import InternalError

_MADE = {"series", "value", "place"}  # what the transforms below make out of columns of the result
_TRANSFORMS = {"fold", "calculate", "filter"}
# What would plot a number that is in no row, or values from elsewhere.
_FOREIGN = {"aggregate", "bin", "timeUnit", "datum", "url", "datasets", "impute", "lookup", "repeat", "params", "href"}


def check_spec(spec: dict[str, Any], query: StoredQuery) -> None:
    """Raise InternalError unless every plotted value is in a row of the result, and every row is plotted or counted
    as left out in the spec's `usermeta`. A row without any number marks a gap, and must be one."""
    names = plain_fields(query.columns)
    values = spec["data"]["values"]
    drawn = list(values[0]) if values else []
    if set(drawn) - set(names):
        raise InternalError(f"the chart plots columns that {query.id} does not have: {sorted(set(drawn) - set(names))}")
    _check_parts({name: part for name, part in spec.items() if name not in ("data", "usermeta")}, set(names), query.id)
    numbers = [name for name in drawn if any(_is_number(value.get(name)) for value in values)]
    places = [names.index(name) for name in drawn]
    rows = [dict(zip(drawn, (row[place] for place in places), strict=True)) for row in query.rows]
    known = {_key(row) for row in rows}
    keys = {_key({name: row[name] for name in drawn if name not in numbers}) for row in rows if _has(row, numbers)}
    for value in values:
        if list(value) != drawn:
            raise InternalError(f"the chart's rows have different columns: {value}")
        is_gap = not _has(value, numbers)
        if is_gap and _key({name: value[name] for name in drawn if name not in numbers}) in keys:
            raise InternalError(f"the chart shows a gap where {query.id} has a number: {value}")
        if not is_gap and _key(value) not in known:
            raise InternalError(f"the chart plots values that no row of {query.id} holds: {value}")
    shown = sum(_has(value, numbers) for value in values)
    counted = shown + spec["usermeta"]["left_out"]
    if counted != sum(_has(row, numbers) for row in rows):
        raise InternalError(f"the chart shows {shown} rows of {query.id} and doesn't say what became of the others")


def _check_parts(part: Any, names: set[str], query_id: str) -> None:
    """Every field is a column or made of columns by a transform we know; nothing is computed or fetched."""
    if isinstance(part, list):
        for inner in part:
            _check_parts(inner, names, query_id)
    if not isinstance(part, dict):
        return
    if foreign := (_FOREIGN | {"data"}) & set(part):
        raise InternalError(f"the chart of {query_id} has a part that could plot other numbers: {sorted(foreign)}")
    for transform in part.get("transform", []):
        if not set(transform) & _TRANSFORMS:
            raise InternalError(f"the chart of {query_id} transforms its rows by {sorted(transform)}")
    field = part.get("field")
    if field is not None and field not in names | _MADE:
        raise InternalError(f"the chart of {query_id} draws '{field}', which is no column of it")
    for name, inner in part.items():
        if name != "config":
            _check_parts(inner, names, query_id)


def _key(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(row)


def _has(row: dict[str, Any], numbers: list[str]) -> bool:
    return any(_is_number(row[name]) for name in numbers)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
