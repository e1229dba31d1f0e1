"""What a question can turn out to be."""

import datetime as dt
from typing import Literal

import msgspec

from kelpie.analyst.metric_query import Comparison, Condition, Filter, MetricQuery, Order
from kelpie.analyst.semantic.model import Grain
from kelpie.analyst.table import ResultTable

Show = Literal["table", "chart"]


class Learned(msgspec.Struct, frozen=True):
    """What a phrase was settled to mean, to be kept: `value` as conventions write it ("metric:NAME")."""

    topic: str
    value: str
    label: str
    kind: Literal["definition", "correction"] = "definition"


class Intent(msgspec.Struct, kw_only=True):
    """A question in the catalog's names: a MetricQuery, and how to speak of it.

    period       how to call the days asked for; against: those they are compared with
    axis         label of the time axis, where the question or a convention chose it
    superlative  what was said of a ranking: "worst", "best", "highest", "lowest"
    show         asked for in this very question, whatever preferences say
    notes        rules and meanings that were applied and have to be said
    used         ids of the conventions that were applied
    learned      what the user's answers settled
    """

    metrics: list[str]
    dimensions: list[str] = []
    filters: list[Filter] = []
    time: str | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    period: str = ""
    axis: str = ""
    grain: Grain | None = None
    compare: Comparison | None = None
    against: str = ""
    share: list[str] = []
    having: list[Condition] = []
    order: list[Order] = []
    superlative: str = ""
    limit: int | None = None
    show: Show | None = None
    notes: list[str] = []
    used: list[str] = []
    learned: list[Learned] = []

    @property
    def ranked_by(self) -> str:
        """The column that a ranking is ordered by, or ""."""
        return self.order[0].by if self.superlative and self.order else ""

    def query(self, support: str | None) -> MetricQuery:
        """The query, with `support`, the metric that says how much the first one stands on, beside it.

        Not beside comparisons and shares: how much a share of a count has grown says nothing of what it stands on.
        """
        beside = support and support not in self.metrics and not (self.compare or self.share)
        return MetricQuery(
            metrics=[*self.metrics, *([support] if beside and support else [])],
            dimensions=self.dimensions,
            filters=self.filters,
            time_from=None if self.first is None else self.first.isoformat(),
            time_to=None if self.last is None else self.last.isoformat(),
            time=self.time,
            grain=self.grain,
            compare=self.compare,
            share=self.share,
            having=self.having,
            order=self.order,
            limit=self.limit,
        )


class Previous(msgspec.Struct, frozen=True):
    """The last query of this conversation that gave a result."""

    query: MetricQuery
    table: ResultTable


class ShowAgain(msgspec.Struct, frozen=True):
    """The last result once more, in another form."""

    show: Show


class Defined(msgspec.Struct, frozen=True):
    """A question for what a metric means."""

    metrics: list[str]


class Unclear(msgspec.Struct, frozen=True):
    """The question has several meanings, and the answer would differ. `topic` is the phrase that has them."""

    question: str
    options: list[str]
    topic: str = ""


class Refused(msgspec.Struct, frozen=True):
    """The data can't answer; `reason` says why. `offer`: say what they can answer too."""

    reason: str
    offer: bool = True


Asked = Intent | ShowAgain | Defined | Unclear | Refused
