"""What a query comes down to, before any SQL: its parts, each one aggregation of one entity's rows in one window.

A query with metrics of different entities, a comparison or a share has several parts. Each is aggregated for itself,
so that rows of one can't multiply those of another.
"""

import datetime as dt
from typing import Literal

import msgspec

from kelpie.analyst.compile.fitting import axes_of, check_fit, defaults_of, unreachable
from kelpie.analyst.compile.windows import (
    STEPS,
    Coverage,
    Days,
    Moment,
    Shift,
    Window,
    before,
    begin_of,
    leap_days,
    moments,
)
from kelpie.analyst.metric_query import Filter, MetricQuery, day
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Dimension, Grain, Metric, SemanticModel, TimeAxis
from kelpie.errors import InvalidInput

Role = Literal["now", "before"]
_DAY = dt.timedelta(days=1)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregation.

    metrics   of one entity, dated alike
    role      whether its numbers are those asked for or those they are compared with
    whole     its groups lack the dimensions of the share: what the rows are parts of
    filters   the query's, and the defaults that hold
    axis      dates the rows of flows, if they have to be dated; its window is `window`, without the days of `left_out`
    moments   when to look at stocks
    shift     how much later a row's period is read than it was
    unknown   it lies outside of the data: not known is not the same as none, though a count would say 0
    """

    entity: str
    metrics: list[Metric]
    role: Role = "now"
    whole: bool = False
    dimensions: list[Dimension]
    filters: list[Filter]
    axis: TimeAxis | None = None
    window: Window = Window()
    left_out: list[dt.date] = []
    moments: list[Moment] | None = None
    shift: Shift = Shift()
    unknown: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`metrics` are those asked for, `parts` what they are made of; `notes` say in words what nobody asked for."""

    metrics: list[Metric]
    dimensions: list[Dimension]
    parts: list[Part]
    notes: list[str]

    @property
    def flat(self) -> bool:
        """Whether one plain SELECT is all."""
        return len(self.parts) == 1 and all(metric.formula is None for metric in self.metrics)


def plan_query(model: SemanticModel, query: MetricQuery, dialect: str, coverage: Coverage) -> Plan:
    """`query` has been checked (metric_query.check_query). Raises InvalidInput that names what does not fit."""
    return _Planning(model, query, dialect, coverage).plan()


class _Planning:
    def __init__(self, model: SemanticModel, query: MetricQuery, dialect: str, coverage: Coverage) -> None:
        self._model, self._query, self._dialect, self._coverage = model, query, dialect, coverage
        self._metrics = [metric for name in query.metrics if (metric := model.metric(name)) is not None]
        self._bases = list({base.name: base for m in self._metrics for base in formulas.bases(model, m)}.values())
        self._dimensions = [dimension for name in query.dimensions if (dimension := model.dimension(name)) is not None]
        self._year_begins = model.fiscal.year_begins if model.fiscal else 1
        first, last = day(query.time_from, "time_from"), day(query.time_to, "time_to")
        self._now = Window(first, last and last + _DAY)
        self._dated = self._now.bounded or query.grain is not None or query.compare is not None
        self._notes: list[str] = []

    def plan(self) -> Plan:
        check_fit(self._model, self._query, self._dialect)
        defaults = self._defaults()
        parts: list[Part] = []
        for whole in (False, True) if self._query.share else (False,):
            for role in ("now", "before") if self._query.compare else ("now",):
                parts += self._parts(role, whole, defaults)
        self._note_ends()
        return Plan(metrics=self._metrics, dimensions=self._dimensions, parts=parts, notes=self._notes)

    def _defaults(self) -> dict[str, list[Filter]]:
        """The default filters that hold for each metric: those that its rows can be looked at by. They are noted."""
        holding: dict[str, list[Filter]] = {base.name: [] for base in self._bases}
        for default in defaults_of(self._model, self._query):
            dimension = self._model.dimension(default.dimension)
            assert dimension is not None, "checked when the model was read"
            rule = Filter(dimension=default.dimension, values=default.values, op=default.op)
            without = []
            for base in self._bases:
                if unreachable(self._model, base, dimension, self._dialect):
                    without.append(base.label)
                else:
                    holding[base.name].append(rule)
            if len(without) < len(self._bases):
                self._note(default.note)
            if 0 < len(without) < len(self._bases):
                self._note(f"That does not hold for {', '.join(without)}")
        return holding

    def _parts(self, role: Role, whole: bool, defaults: dict[str, list[Filter]]) -> list[Part]:
        """One part for all metrics whose rows, dates and filters are the same."""
        left_out = self._query.share if whole else []
        dimensions = [dimension for dimension in self._dimensions if dimension.name not in left_out]
        asked = [rule for rule in self._query.filters if rule.dimension not in left_out]
        found: dict[tuple[object, ...], Part] = {}
        for base in self._bases:
            assert base.entity is not None, "a metric that is no formula counts rows"
            part = Part(
                entity=base.entity,
                metrics=[base],
                role=role,
                whole=whole,
                dimensions=dimensions,
                filters=[*asked, *defaults[base.name]],
            )
            part = self._looked_at(part, base) if base.kind == "stock" else self._in_time(part, base)
            axis = part.axis and part.axis.name
            alike = (base.entity, axis, base.since, base.until, base.at, str(part.moments))
            known = found.get(alike)
            found[alike] = msgspec.structs.replace(known, metrics=[*known.metrics, base]) if known else part
        return list(found.values())

    def _in_time(self, part: Part, base: Metric) -> Part:
        """The part of a flow with its axis and window."""
        window, shift = self._window(part.role)
        if not (window.bounded or self._query.grain):
            return part
        axis = self._axis(base)
        left_out = []
        if self._query.grain == "day" and shift.months:  # 29 February has no day a year later
            left_out = leap_days(window, self._coverage.axes.get(axis.name))
        days = self._coverage.axes.get(axis.name)
        unknown = part.role == "before" and days is not None and (window.end or dt.date.max) <= days.first
        return msgspec.structs.replace(part, axis=axis, window=window, shift=shift, left_out=left_out, unknown=unknown)

    def _axis(self, base: Metric) -> TimeAxis:
        offered = axes_of(self._model, base, self._dialect)
        asked = next((axis for axis in offered if axis.name == self._query.time), None)
        if asked is None and len(offered) > 1 and not base.time_default:
            names = ", ".join(axis.name for axis in offered)
            raise InvalidInput(f"'{base.name}' may be dated in several ways: set `time` to one of {names}")
        axis = asked or next(iter(offered), None)
        if axis is None:
            raise InvalidInput(f"'{base.name}' can't be dated: no time axis fits it; leave grain and days out")
        grains = self._model.grains(axis)
        if self._query.grain is not None and self._query.grain not in grains:
            raise InvalidInput(f"the grain '{self._query.grain}' is not offered; grains: {', '.join(grains)}")
        return axis

    def _looked_at(self, part: Part, base: Metric) -> Part:
        """The part of a stock with the moments at which it is looked at."""
        days = self._coverage.stocks.get(base.name)
        if days is None:
            raise InvalidInput(f"the data say nothing of '{base.name}': there is no day that it is known for")
        window, shift = self._window(part.role)
        found = moments(window, shift, self._query.grain, self._year_begins, days)
        return msgspec.structs.replace(part, moments=found, shift=shift, unknown=not found)

    def _window(self, role: Role) -> tuple[Window, Shift]:
        compare = self._query.compare
        if role == "now" or compare is None:
            return self._now, Shift()
        first, last = day(compare.time_from, "time_from"), day(compare.time_to, "time_to")
        other = Window(first, last and last + _DAY)
        return before(self._now, compare.with_, other, self._query.grain, self._year_begins, self._days())

    def _days(self) -> Days | None:
        """The days that the query's metrics have data for: from the first of any to the last of any."""
        known = [self._coverage.stocks.get(base.name) for base in self._bases if base.kind == "stock"]
        if self._dated:
            known += [self._coverage.axes.get(self._axis(base).name) for base in self._bases if base.kind != "stock"]
        days = [one for one in known if one is not None]
        return Days(min(one.first for one in days), max(one.last for one in days)) if days else None

    def _note_ends(self) -> None:
        """Say what it is compared with, of when a stock is, and where the data begin or end inside the time."""
        grain = self._query.grain
        days = self._days()
        if days is None:
            return
        last_asked = self._now.end - _DAY if self._now.end else days.last
        if self._query.compare is not None:
            self._note_before(days)
        flows = [base for base in self._bases if base.kind != "stock"]
        if grain is not None:
            self._note_cut_periods(grain, days, last_asked, flows)
            return
        for base in self._bases:
            if base.kind == "stock":
                self._note(f"{base.label}: as of {min(last_asked, self._coverage.stocks[base.name].last)}")
        if flows and self._dated and last_asked > days.last:
            self._note(f"The data end on {days.last}")

    def _note(self, sentence: str) -> None:
        self._notes.append(sentence if sentence.endswith((".", "!")) else f"{sentence}.")

    def _note_before(self, days: Days) -> None:
        window, _ = self._window("before")
        begin, end = window.begin or days.first, window.end or days.last + _DAY
        if self._query.grain is None:
            self._note(f"Compared with {begin} to {end - _DAY}")
        if begin < days.first:
            self._note(f"What lies before {days.first} is not known: the data begin there")

    def _note_cut_periods(self, grain: Grain, days: Days, last_asked: dt.date, flows: list[Metric]) -> None:
        first = max(self._now.begin or days.first, days.first)
        last = min(last_asked, days.last)
        if first > last:
            return
        word = grain.replace("_", " ")
        if flows and begin_of(first, grain, self._year_begins) != first:
            self._note(f"The first {word} is not whole: it begins on {first}")
        if STEPS[grain].later(begin_of(last, grain, self._year_begins)) != last + _DAY:
            said = f"is not whole: it ends on {last}" if flows else f"is not over: it is shown as of {last}"
            self._note(f"The last {word} {said}")
