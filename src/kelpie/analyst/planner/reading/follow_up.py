"""A question that leans on the one before it: "How did it develop month by month?", "And for July?", "only Europe"."""

import datetime as dt

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.metric_query import Comparison, Filter, MetricQuery
from kelpie.analyst.planner.asked import Previous
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.dates.spans import Calendar, Days, a_year_before, just_before
from kelpie.analyst.planner.english.asking import points_back
from kelpie.analyst.planner.reading.contrasting import Contrast


def leans_on_previous(words: list[str], *, has_metric: bool, says_something: bool) -> bool:
    """Whether the question leaves out what the last one said.

    Without a metric any part of a question does. With one it must open as a follow-up or point back.
    """
    return points_back(words) or (says_something and not has_metric)


class Carried:
    """What the previous query said."""

    def __init__(self, previous: Previous, catalog: Catalog, spans: Calendar) -> None:
        self.query: MetricQuery = previous.query
        self._spans = spans
        self._previous = previous
        self._catalog = catalog

    def metrics(self) -> list[str]:
        """The metrics asked for, without the one that only stood beside as support."""
        first = self._catalog.metric(self.query.metrics[0])
        support = first.support if first else None
        return [self.query.metrics[0], *(name for name in self.query.metrics[1:] if name != support)]

    def when(self) -> TimeMention | None:
        if self.query.time_from is None or self.query.time_to is None:
            return None
        days = dt.date.fromisoformat(self.query.time_from), dt.date.fromisoformat(self.query.time_to)
        unit = next((unit for unit in _UNITS if self._spans.unit_of(unit, days[0]) == days), "")
        label = self._spans.name(unit, days)
        return TimeMention(first=days[0], last=days[1], label=label, start=0, end=0, unit=unit)

    def filters(self, own: list[Filter], *, is_series: bool, has_groups: bool) -> list[Filter]:
        """The question's filters, and those it does not speak of. A development after a ranking is of the ranked."""
        filters = [*own]
        if is_series and not has_groups and self.query.limit is not None:
            filters += [rule for rule in self._members() if rule.dimension not in [one.dimension for one in own]]
        return filters + [
            rule for rule in self.query.filters if rule.dimension not in [one.dimension for one in filters]
        ]

    def _members(self) -> list[Filter]:
        """The members of a ranking by one dimension, in their order."""
        if len(self.query.dimensions) != 1 or self.query.grain is not None:
            return []
        table = self._previous.table
        place = table.place(self.query.dimensions[0])
        members = [row[place] for row in table.rows[: limits.CHART_SERIES_MAX]]
        return [Filter(dimension=self.query.dimensions[0], values=members)] if members else []

    def dimensions(self, own: list[str], filters: list[Filter]) -> list[str]:
        single = {rule.dimension for rule in filters if rule.op == "in" and len(rule.values) == 1}
        return own or [name for name in self.query.dimensions if name not in single]

    def contrast(self) -> Contrast | None:
        """The comparison, as far as it can be said of another period too."""
        compare = self.query.compare
        if compare is None:
            return None
        if compare.with_ != "period":
            return Contrast(base=(compare.with_, ""))
        when, against = self.when(), _days(compare)
        if when is None or against is None:
            return None
        before = self._spans.moved(when.unit, when.days, -1) if when.unit else just_before(when.days)
        if against in (just_before(when.days), before):
            return Contrast(base=("previous_period", ""))
        return Contrast(base=("previous_year", "")) if against == a_year_before(when.days) else None

    def against(self) -> TimeMention | None:
        """The days it was compared with, for a question that keeps the period."""
        days = _days(self.query.compare) if self.query.compare is not None else None
        if days is None:
            return None
        unit = next((unit for unit in _UNITS if self._spans.unit_of(unit, days[0]) == days), "")
        return TimeMention(first=days[0], last=days[1], label=self._spans.name(unit, days), start=0, end=0, unit=unit)

    def share(self, dimensions: list[str], filters: list[Filter]) -> list[str]:
        """The shares, of what is grouped by now."""
        if not self.query.share:
            return []
        if self.query.share == self.query.dimensions:
            return dimensions
        named = {*dimensions, *(rule.dimension for rule in filters)}
        return [name for name in self.query.share if name in named]


_UNITS = ("day", "month", "quarter", "year", "fiscal_quarter", "fiscal_year")


def _days(compare: Comparison) -> Days | None:
    if compare.time_from is None or compare.time_to is None:
        return None
    return dt.date.fromisoformat(compare.time_from), dt.date.fromisoformat(compare.time_to)
