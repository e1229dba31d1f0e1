"""What one entity gives to a draft: dimensions, time axes, metrics."""

import re
from typing import Any

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.compile.dialects import is_keyword
from kelpie.analyst.semantic.infer import naming
from kelpie.analyst.semantic.infer.draft import Piece
from kelpie.analyst.semantic.infer.profiling import Column
from kelpie.analyst.semantic.infer.relations import Relations, Thing
from kelpie.analyst.semantic.model import GRAINS

_PLAIN_COLUMN = re.compile(r"[a-z_][a-z0-9_]*")
_CENTS = re.compile(r"(?:DECIMAL|NUMERIC|NUMBER)\(\d+, ?2\)", re.IGNORECASE)
_LISTED_MAX = 60  # different values of a dimension that list_metrics shows
_CODES_MAX = 40  # different values of a number that is taken for a code


class Names:
    """Names for metrics and dimensions, which share one space with the grains."""

    def __init__(self) -> None:
        self._taken: set[str] = set(GRAINS)

    def free(self, *wanted: str) -> str:
        """The first that is free, or the last with a number."""
        for name in wanted:
            if name not in self._taken:
                break
        else:
            number, name = 2, wanted[-1]
            while f"{name}_{number}" in self._taken:
                number += 1
            name = f"{name}_{number}"
        # What a comparison or a share of it would be called is taken with it.
        self._taken |= {name, *(f"{name}_{beside}" for beside in ("before", "change", "growth", "share"))}
        return name


class Shared(msgspec.Struct, frozen=True):
    relations: Relations
    dialect: str
    names: Names
    axes: Names


def column_sql(thing: Thing, column: Column | str, dialect: str) -> str:
    """The column as an expression of the model, in the source's dialect."""
    name = column if isinstance(column, str) else column.name
    quoted = not _PLAIN_COLUMN.fullmatch(name) or is_keyword(name, dialect)
    entity = exp.to_identifier(thing.name, quoted=is_keyword(thing.name, dialect))
    return exp.column(exp.to_identifier(name, quoted=quoted), table=entity).sql(dialect=dialect)


def dimensions(thing: Thing, shared: Shared) -> list[Piece]:
    found, wide = [], []
    keys, linked = shared.relations.keys_of(thing), shared.relations.linked(thing)
    for column in thing.profile.columns:
        if column.distinct < 2 or column.name in linked or (column.name in keys and column.kind == "number"):
            continue
        if column.kind == "boolean":
            found.append(_dimension(thing, column, shared, type="boolean"))
        elif column.kind == "number" and naming.is_code(column.name) and column.distinct <= _CODES_MAX:
            found.append(_dimension(thing, column, shared, type="number"))
        elif column.kind == "text" and (column.distinct <= _LISTED_MAX):
            found.append(_dimension(thing, column, shared))
        elif column.kind == "text" and "name" in naming.words(column.name):
            piece = _dimension(thing, column, shared, list_values=False)
            piece.notes.append(f"{column.distinct:,} different values: not shown in list_metrics")
            found.append(piece)
        elif column.kind == "text" and column.name not in keys:
            wide.append(f"{column.name} ({column.distinct:,} values)")
    if wide and found:
        found[-1].notes.append(f"no dimensions of {thing.name}: {', '.join(wide)}")
    # Of a second entity over a table one dimension is enough to begin with.
    return found[:1] if thing.is_role else found


def _dimension(thing: Thing, column: Column, shared: Shared, **more: str | bool) -> Piece:
    plain, own = naming.name_of(column.name), naming.name_of(f"{thing.name} {column.name}")
    alone = thing.is_role or plain in ("name", "type", "status", "title", "code", "kind")
    name = shared.names.free(*([own] if alone else [plain, own]))
    label = name.replace("_", " ")
    fields = {
        "name": name,
        "label": label,
        "plural": naming.plural(label),
        "expr": column_sql(thing, column, shared.dialect),
    }
    return Piece("dimensions", name, fields | more, _comment(column))


def times(thing: Thing, shared: Shared) -> list[Piece]:
    found = []
    for column in thing.profile.columns:
        if column.kind in ("date", "timestamp") and column.known:
            plain = naming.name_of(column.name)
            name = shared.axes.free(plain, naming.name_of(f"{thing.name} {column.name}"))
            fields = {"name": name, "label": name.replace("_", " "), "expr": column_sql(thing, column, shared.dialect)}
            found.append(Piece("times", name, fields, _comment(column)))
    return found


def metrics(thing: Thing, axes: list[str], shared: Shared) -> list[Piece]:
    """The number of rows, and a sum or an average of each quantity."""
    rows = naming.plural(thing.name.replace("_", " "))
    name = shared.names.free(naming.name_of(rows), naming.name_of(f"number of {rows}"))
    count: dict[str, Any] = {
        "name": name,
        "label": f"number of {rows}",
        "kind": "flow",
        "entity": thing.name,
        "expr": "COUNT(*)",
    }
    count |= _dated(axes) | {"aggregation": "count", "synonyms": [rows]}
    found = [Piece("metrics", name, count, _which_date(axes))]
    currency = _currency(thing, shared.dialect)
    spans = _spans(thing)
    for column in thing.profile.columns:
        if _is_quantity(column, thing, shared):
            found += _quantity(thing, column, axes, currency, shared)
    for since, until in spans:
        found += _held(thing, rows, since, until, currency, shared)
    return found


def _is_quantity(column: Column, thing: Thing, shared: Shared) -> bool:
    """Whether it is a number of something: no key, no code, not the number that its own table's rows go by."""
    named = column.name in shared.relations.keys_of(thing) or naming.name_of(column.name) == thing.name
    return column.kind == "number" and column.known > 0 and not named and not naming.is_code(column.name)


def _quantity(thing: Thing, column: Column, axes: list[str], currency: str | None, shared: Shared) -> list[Piece]:
    sql = column_sql(thing, column, shared.dialect)
    money = naming.is_money(column.name)
    plain = naming.name_of(column.name)
    own = naming.name_of(f"{thing.name} {column.name}")
    found = []
    if not naming.is_measured(column.name):
        name = shared.names.free(plain, own)
        fields: dict[str, Any] = {"name": name, "label": name.replace("_", " "), "kind": "flow", "entity": thing.name}
        fields |= {"expr": f"SUM({sql})"} | _dated(axes) | {"format": _format(column, money), "aggregation": "sum"}
        if money and currency is not None:
            fields["separate_by"] = [currency]
        doubts = [] if naming.adds_up(column.name) else ["does a sum of this mean anything? If not, remove it"]
        found.append(Piece("metrics", name, fields, [*_comment(column), *doubts, *_which_date(axes)]))
    if naming.is_measured(column.name) or not naming.adds_up(column.name):
        name = shared.names.free(f"average_{plain}", f"average_{own}")
        fields = {"name": name, "label": name.replace("_", " "), "kind": "ratio", "entity": thing.name}
        fields |= {"numerator": f"SUM({sql})", "denominator": f"COUNT({sql})"} | _dated(axes)
        fields |= {"format": ",.2f", "aggregation": "average"}
        if money and currency is not None:
            fields["separate_by"] = [currency]
        found.append(Piece("metrics", name, fields, [*_comment(column), *_which_date(axes)]))
    return found


def _spans(thing: Thing) -> list[tuple[Column, Column]]:
    """Pairs of dates that say from when until when a row held."""
    dates = [column for column in thing.profile.columns if column.kind in ("date", "timestamp") and column.known]
    spans = {span: column for column in dates if (span := naming.span_of(column.name)) is not None}
    return [
        (since, spans["end", rest])
        for (side, rest), since in spans.items()
        if side == "begin" and ("end", rest) in spans
    ]


def _held(thing: Thing, rows: str, since: Column, until: Column, currency: str | None, shared: Shared) -> list[Piece]:
    """Stocks of what holds between two dates: how many rows, and the sums of their quantities."""
    counted = {f"active {rows}": ("COUNT(*)", ",d", False)}
    for column in thing.profile.columns:
        if _is_quantity(column, thing, shared) and naming.adds_up(column.name):
            money = naming.is_money(column.name)
            expr = f"SUM({column_sql(thing, column, shared.dialect)})"
            counted[f"active {column.name}"] = (expr, _format(column, money), money)
    found = []
    for wanted, (expr, number_format, money) in counted.items():
        name = shared.names.free(naming.name_of(wanted), naming.name_of(f"{thing.name} {wanted}"))
        fields: dict[str, Any] = {"name": name, "label": name.replace("_", " "), "kind": "stock", "entity": thing.name}
        fields |= {"expr": expr, "since": column_sql(thing, since, shared.dialect)}
        fields |= {"until": column_sql(thing, until, shared.dialect), "format": number_format}
        fields |= {"separate_by": [currency]} if money and currency else {}
        doubt = f"do rows hold from {since.name} until before {until.name}? If not, remove it"
        found.append(Piece("metrics", name, fields, [doubt]))
    return found


def _currency(thing: Thing, dialect: str) -> str | None:
    """The column that says in which money the others are, if there is more than one."""
    for column in thing.profile.columns:
        if column.kind == "text" and "currency" in naming.words(column.name) and column.distinct > 1:
            return column_sql(thing, column, dialect)
    return None


def _format(column: Column, money: bool) -> str:
    if money or _CENTS.fullmatch(column.type):
        return ",.2f"
    return ",d" if "INT" in column.type.upper() else ",.1f"


def _dated(axes: list[str]) -> dict[str, list[str]]:
    return {"times": axes} if axes else {}


def _which_date(axes: list[str]) -> list[str]:
    return ["several dates: put the usual one first and add time_default: true"] if len(axes) > 1 else []


def _comment(column: Column) -> list[str]:
    """What the database says of the column, for the person alone: it is data, and goes into no prompt from here."""
    return [f'the database says: "{column.comment[: limits.INFER_NOTE_CHARS_MAX]}"'] if column.comment else []
