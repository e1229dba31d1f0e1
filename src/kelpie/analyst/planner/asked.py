"""What a question can turn out to be."""

import datetime as dt
from typing import Literal

import msgspec

from kelpie.analyst.metric_query import Filter, MetricQuery, Order
from kelpie.analyst.semantic.model import Grain
from kelpie.analyst.table import ResultTable

Show = Literal["table", "chart"]


class Intent(msgspec.Struct, kw_only=True):
    """A question in the catalog's names.

    superlative  what was said of a ranking: "worst", "best", "highest", "lowest"
    order        direction of the first metric, None for no ranking
    show         asked for in this very question, whatever preferences say
    """

    metrics: list[str]
    dimensions: list[str] = []
    filters: list[Filter] = []
    first: dt.date | None = None
    last: dt.date | None = None
    period: str = ""
    grain: Grain | None = None
    order: Literal["asc", "desc"] | None = None
    superlative: str = ""
    limit: int | None = None
    show: Show | None = None

    def query(self, support: str | None) -> MetricQuery:
        """The query, with `support`, the metric that says how much the first one stands on, beside it."""
        metrics = [*self.metrics, *([support] if support and support not in self.metrics else [])]
        order = []
        if self.order is not None:
            order = [Order(by=self.metrics[0], direction=self.order)]
        return MetricQuery(
            metrics=metrics,
            dimensions=self.dimensions,
            filters=self.filters,
            time_from=None if self.first is None else self.first.isoformat(),
            time_to=None if self.last is None else self.last.isoformat(),
            grain=self.grain,
            order=order,
            limit=self.limit,
        )


class Previous(msgspec.Struct, frozen=True):
    """The last query of this conversation that gave a result."""

    query: MetricQuery
    table: ResultTable


class ShowAgain(msgspec.Struct, frozen=True):
    """The last result once more, in another form."""

    show: Show


class Unclear(msgspec.Struct, frozen=True):
    """The question has several meanings, and the answer would differ."""

    question: str
    options: list[str]


class Refused(msgspec.Struct, frozen=True):
    """The data can't answer; `reason` says why. `offer`: say what they can answer too."""

    reason: str
    offer: bool = True


Asked = Intent | ShowAgain | Unclear | Refused
