"""The numbers of a metric query once more, each another way than the query's own SQL found them.

flow      the sum over finer periods, or over the values of a dimension the query does not have: where joins multiply
          rows, or a bound of time is off by a day, these don't meet
ratio     its numerator and its denominator each as a flow of their own, divided here
stock     all that began until the period's end, less all that ended: no row has to hold at any moment
formula   each metric of it asked for by itself, the arithmetic done here
before    the earlier time as a question of its own; change, growth and share computed here
others    each row of a small result asked for by itself, by filters instead of groups

Each needs a few more queries of about the same cost.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.compile.expressions import expression
from kelpie.analyst.compile.windows import STEPS, Coverage, Window, before, begin_of
from kelpie.analyst.metric_query import Filter, MetricQuery
from kelpie.analyst.provenance.arithmetic import NoNumber, calculate, divide, minus, number, total
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Grain, Metric, SemanticModel, TimeAxis
from kelpie.analyst.table import Table
from kelpie.errors import InvalidInput, InvalidModel, LimitExceeded

# Members and period of a row, the period as text.
Key = tuple[Any, ...]
Ask = Callable[[SemanticModel, MetricQuery], Awaitable[Table]]
_FINER: dict[Grain, Grain] = {
    "year": "month",
    "fiscal_year": "month",
    "quarter": "month",
    "fiscal_quarter": "month",
    "month": "day",
    "week": "day",
}
_PARTS_OF = {"month": 31, "week": 7, "quarter": 3, "fiscal_quarter": 3, "year": 12, "fiscal_year": 12}
_ROWS_ALONE_MAX = 3  # rows that are asked for one by one
_SPLITS_MAX = 3  # dimensions that are tried before a flow is left as it is
_DAYS_MAX = 92  # a longer time is added up by months
_BEGAN, _ENDED, _ABOVE, _BELOW = "check_began", "check_ended", "check_above", "check_below"


class Derived(msgspec.Struct, frozen=True):
    """A column's numbers by key, and how they were found. What is missing is null."""

    values: Mapping[Key, Any]
    how: str


class _Open(Exception):
    """This number can't be had another way."""


class Deriving:
    """One query's numbers another way. `ask` compiles and runs a query under the access of the one it was asked for."""

    def __init__(
        self, model: SemanticModel, stored: StoredQuery, coverage: Coverage, ask: Ask, *, dialect: str
    ) -> None:
        assert stored.metric_query is not None, "SQL has no definitions to derive from"
        self._model, self._stored, self._coverage, self._ask, self._dialect = model, stored, coverage, ask, dialect
        asked = msgspec.convert(stored.metric_query, MetricQuery)
        self._asked = asked
        # What is derived is more than was asked for: the rows that were shown are found in it by their keys.
        self._plain = msgspec.structs.replace(asked, compare=None, share=[], having=[], order=[], limit=None)
        self._year_begins = model.fiscal.year_begins if model.fiscal else 1

    async def column(self, name: str) -> Derived | None:
        """The numbers of the column `name`, or None. Raises QueryRefused, QueryFailed."""
        column = next(one for one in self._stored.columns if one.name == name)
        try:
            if not column.of:
                return await self._metric(self._model, name, self._plain)
            ending = name.removeprefix(column.of)
            if ending == "_before":
                return await self._before(column.of)
            if ending == "_share":
                return await self._share(column.of)
            return self._computed(column.of, ending)
        except (_Open, NoNumber, InvalidInput, InvalidModel, LimitExceeded):
            return None

    # ---- metrics

    async def _metric(self, model: SemanticModel, name: str, query: MetricQuery) -> Derived:
        metric = model.metric(name)
        if metric is None:
            raise _Open
        query = msgspec.structs.replace(query, metrics=[name])
        try:
            if metric.kind == "flow":
                return (await self._from_parts(model, [metric], query))[0]
            if metric.kind == "ratio":
                return await self._divided(model, metric, query)
            if metric.kind == "stock":
                return await self._began_less_ended(model, metric, query)
            return await self._calculated(model, metric, query)
        except _Open:
            return await self._row_by_row(model, query)

    async def _from_parts(self, model: SemanticModel, flows: list[Metric], query: MetricQuery) -> list[Derived]:
        """The numbers of `flows`, asked for in one query."""
        if not all(self._adds_up(flow.expr, flow.line) for flow in flows):
            raise _Open
        query = msgspec.structs.replace(query, metrics=[flow.name for flow in flows])
        return await self._over_time(model, query) or await self._over_members(model, query)

    async def _over_time(self, model: SemanticModel, query: MetricQuery) -> list[Derived]:
        finer = self._finer(query)
        if finer is None:
            return []
        try:
            table = await self._rows(model, msgspec.structs.replace(query, grain=finer))
        except (_Open, InvalidInput):
            return []
        return _summed(table, query, self._coarser(query), f"the sum over every {finer}")

    async def _over_members(self, model: SemanticModel, query: MetricQuery) -> list[Derived]:
        # Grouping by a dimension with a default filter would turn that filter off.
        defaults = {default.dimension for default in model.default_filters}
        known = {*query.dimensions, *(rule.dimension for rule in query.filters), *defaults}
        few = [one for one in model.dimensions if one.list_values and one.type == "text" and one.name not in known]
        tried = 0
        for dimension in few:
            split = msgspec.structs.replace(query, dimensions=[*query.dimensions, dimension.name])
            try:
                table = await self._rows(model, split)
            except (InvalidInput, LimitExceeded):
                continue  # no join leads there: that was found out without asking anybody
            except _Open:
                tried += 1
                if tried == _SPLITS_MAX:
                    break
                continue
            return _summed(table, query, _without(len(query.dimensions)), f"the sum over every {dimension.label}")
        raise _Open

    async def _divided(self, model: SemanticModel, metric: Metric, query: MetricQuery) -> Derived:
        sides = [
            msgspec.structs.replace(metric, name=name, kind="flow", expr=text, numerator=None, denominator=None)
            for name, text in ((_ABOVE, metric.numerator), (_BELOW, metric.denominator))
        ]
        changed = msgspec.structs.replace(model, metrics=[*model.metrics, *sides])
        above, below = await self._from_parts(changed, sides, query)
        values = {key: divide(above.values.get(key), below.values.get(key)) for key in {*above.values, *below.values}}
        return Derived(values, f"numerator and denominator apart, each {above.how}")

    async def _began_less_ended(self, model: SemanticModel, metric: Metric, query: MetricQuery) -> Derived:
        days = self._coverage.stocks.get(metric.name)
        if metric.since is None or days is None or not self._adds_up(metric.expr, metric.line):
            raise _Open
        last = min(query.time_to or days.last.isoformat(), days.last.isoformat())
        # What ended before it began, an invoice paid before it was due, never held.
        ever = [f"({metric.until}) IS NULL OR ({metric.until}) > ({metric.since})"] if metric.until else []
        sides: list[Derived] = []
        for name, date in ((_BEGAN, metric.since), (_ENDED, metric.until)):
            if date is None:
                sides.append(Derived({}, ""))
                continue
            grains: list[Grain] = [query.grain] if query.grain else []
            axis = TimeAxis(name=name, label=name, expr=date, grains=grains or ["day"])
            flow = msgspec.structs.replace(
                metric, name=name, kind="flow", since=None, until=None, times=[name], filters=[*metric.filters, *ever]
            )
            changed = msgspec.structs.replace(model, metrics=[*model.metrics, flow], times=[*model.times, axis])
            asked = msgspec.structs.replace(query, metrics=[name], time=name, time_from=None, time_to=last)
            table = await self._rows(changed, asked)
            sides += _summed(table, asked, lambda key: key, "")
        began, ended = (side.values for side in sides)
        values = (
            self._held(began, ended)
            if query.grain
            else {key: minus(began.get(key), ended.get(key)) for key in {*began, *ended}}
        )
        return Derived(values, "all that began less all that ended")

    def _held(self, began: Mapping[Key, Any], ended: Mapping[Key, Any]) -> dict[Key, Any]:
        """Of each row that was shown: what began less what ended, up to the end of its period."""
        values: dict[Key, Any] = {}
        for key in self._keys():
            *members, period = key
            sides = []
            for side in (began, ended):
                past = [v for k, v in side.items() if list(k[:-1]) == members and k[-1] is not None and k[-1] <= period]
                sides.append(total(past))
            values[key] = minus(*sides)
        return values

    async def _calculated(self, model: SemanticModel, metric: Metric, query: MetricQuery) -> Derived:
        parts = {base.name: await self._base(model, base, query) for base in formulas.bases(model, metric)}
        values = {}
        for key in {key for part in parts.values() for key in part.values}:
            numbers = {name: part.values.get(key) for name, part in parts.items()}
            values[key] = calculate(model, metric, numbers, self._dialect)
        return Derived(values, f"computed here from {', '.join(parts)}, each by itself")

    async def _base(self, model: SemanticModel, base: Metric, query: MetricQuery) -> Derived:
        """A metric of a formula, another way if there is one; alone, at least: nothing else can multiply its rows."""
        try:
            return await self._metric(model, base.name, query)
        except _Open:
            alone = msgspec.structs.replace(query, metrics=[base.name])
            return _summed(await self._rows(model, alone), alone, lambda key: key, "")[0]

    async def _row_by_row(self, model: SemanticModel, query: MetricQuery) -> Derived:
        keys = self._keys()
        if not (query.dimensions or query.grain) or len(keys) > _ROWS_ALONE_MAX:
            raise _Open
        values: dict[Key, Any] = {}
        for key in keys:
            members = dict(zip(query.dimensions, key, strict=False))
            own = [Filter(dimension=name, values=[member]) for name, member in members.items()]
            alone = msgspec.structs.replace(query, dimensions=[], grain=None, filters=[*query.filters, *own])
            if query.grain:
                alone = self._within(alone, key[-1], query.grain)
            rows = (await self._rows(model, alone)).rows
            values[key] = rows[0][-1] if rows else None
        return Derived(values, "each row asked for by itself")

    def _within(self, query: MetricQuery, period: Any, grain: Grain) -> MetricQuery:
        if not isinstance(period, str):
            raise _Open
        first = dt.date.fromisoformat(period)
        last = STEPS[grain].later(first) - dt.timedelta(days=1)
        return msgspec.structs.replace(
            query,
            time_from=max(first.isoformat(), query.time_from or ""),
            time_to=min(last.isoformat(), query.time_to or "9999"),
        )

    # ---- what stands beside them

    async def _before(self, name: str) -> Derived:
        asked, compare = self._asked, self._asked.compare
        if compare is None or not (asked.time_from and asked.time_to) or asked.grain == "day":
            raise _Open
        now = _window(asked.time_from, asked.time_to)
        other = _window(compare.time_from, compare.time_to)
        window, shift = before(now, compare.with_, other, asked.grain, self._year_begins, None)
        query = msgspec.structs.replace(
            self._plain,
            metrics=[name],
            time_from=window.begin and window.begin.isoformat(),
            time_to=window.end and (window.end - dt.timedelta(days=1)).isoformat(),
        )
        table = await self._rows(self._model, query)
        values = {}
        for row in table.rows:
            *key, value = row
            if asked.grain and key[-1] is not None:
                key[-1] = shift.later(dt.date.fromisoformat(key[-1][:10])).isoformat()
            values[tuple(key)] = value
        return Derived(values, "the earlier time as a question of its own")

    async def _share(self, name: str) -> Derived:
        share, places = self._asked.share, range(len(self._plain.dimensions))
        kept = [place for place in places if self._plain.dimensions[place] not in share]
        query = msgspec.structs.replace(
            self._plain,
            metrics=[name],
            dimensions=[self._plain.dimensions[place] for place in kept],
            filters=[rule for rule in self._plain.filters if rule.dimension not in share],
        )
        table = await self._rows(self._model, query)
        wholes = {tuple(row[:-1]): row[-1] for row in table.rows}
        own, values = self._shown(name), {}
        for key in self._keys():
            rest = (*(key[place] for place in kept), *key[len(places) :])
            values[key] = divide(own[key], wholes.get(rest))
        return Derived(values, "the whole as a question of its own")

    def _computed(self, name: str, ending: str) -> Derived:
        now, was, values = self._shown(name), self._shown(name + "_before"), {}
        for key in self._keys():
            change = None if now[key] is None or was[key] is None else number(now[key]) - number(was[key])
            if ending == "_growth":
                change = divide(change, was[key]) if was[key] is not None and number(was[key]) > 0 else None
            values[key] = change
        return Derived(values, "computed here")

    # ---- helping hands

    async def _rows(self, model: SemanticModel, query: MetricQuery) -> Table:
        """A result that is whole. Raises _Open for one that was cut."""
        table = await self._ask(model, query)
        if table.truncated:
            raise _Open
        return table

    def _keys(self) -> list[Key]:
        return list(self._shown(self._asked.metrics[0]))

    def _shown(self, column: str) -> dict[Key, Any]:
        """A column of the result that is checked, by key."""
        return shown(self._stored, column)

    def _finer(self, query: MetricQuery) -> Grain | None:
        """The grain whose periods make up those of the query, if so many rows can be had."""
        rows = max(self._stored.row_count, 1)
        if query.grain is not None:
            finer = _FINER.get(query.grain)
            return finer if finer and rows * _PARTS_OF[query.grain] < limits.QUERY_ROWS_MAX else None
        if not (query.time_from and query.time_to):
            return None
        days = (dt.date.fromisoformat(query.time_to) - dt.date.fromisoformat(query.time_from)).days + 1
        if days <= _DAYS_MAX and rows * days < limits.QUERY_ROWS_MAX:
            return "day"
        return "month" if days > _DAYS_MAX and rows * (days // 28 + 2) < limits.QUERY_ROWS_MAX else None

    def _coarser(self, query: MetricQuery) -> Callable[[Key], Key]:
        """From the key of a part to that of its row."""
        grain = query.grain
        if grain is None:
            return lambda key: key[:-1]

        def coarser(key: Key) -> Key:
            if key[-1] is None:
                return key
            return (*key[:-1], begin_of(dt.date.fromisoformat(key[-1][:10]), grain, self._year_begins).isoformat())

        return coarser

    def _adds_up(self, text: str | None, line: int) -> bool:
        """Whether the aggregate of rows is the sum of those of its parts: sums and counts, times constants."""
        if text is None:
            return False
        tree = expression(text, line, self._dialect)
        return _is_linear(tree)


def shown(stored: StoredQuery, column: str) -> dict[Key, Any]:
    """A column of a stored result by the keys of its rows."""
    groups = [place for place, one in enumerate(stored.columns) if one.kind in ("dimension", "time")]
    value = stored.table.place(column)
    return {tuple(row[place] for place in groups): row[value] for row in stored.rows}


def _is_linear(tree: exp.Expr) -> bool:
    match tree:
        case exp.Sum() | exp.Count() | exp.CountIf():
            return not isinstance(tree.this, exp.Distinct)
        case exp.Add() | exp.Sub():
            return _is_linear(tree.this) and _is_linear(tree.expression)
        case exp.Mul() | exp.Div() if isinstance(tree.expression, exp.Literal):
            return _is_linear(tree.this)
        case exp.Mul() if isinstance(tree.this, exp.Literal):
            return _is_linear(tree.expression)
        case exp.Paren() | exp.Filter() | exp.Cast() | exp.Neg():
            return _is_linear(tree.this)
        case exp.Coalesce():
            zero = tree.expressions
            return len(zero) == 1 and isinstance(zero[0], exp.Literal) and zero[0].name == "0" and _is_linear(tree.this)
        case _:
            return False


def _window(first: str | None, last: str | None) -> Window:
    return Window(
        dt.date.fromisoformat(first) if first else None,
        dt.date.fromisoformat(last) + dt.timedelta(days=1) if last else None,
    )


def _summed(table: Table, query: MetricQuery, to: Callable[[Key], Key], how: str) -> list[Derived]:
    """Each metric's column of `table` added up by the key that `to` makes of each row's."""
    count, parts = len(query.metrics), dict[Key, list[list[Any]]]()
    for row in table.rows:
        parts.setdefault(to(tuple(row[:-count])), []).append(row[-count:])
    return [
        Derived({key: total(values[place] for values in rows) for key, rows in parts.items()}, how)
        for place in range(count)
    ]


def _without(place: int) -> Callable[[Key], Key]:
    return lambda key: key[:place] + key[place + 1 :]
