"""What a semantic model can answer, with the data's own values: the result of `list_metrics`.

It is all that a planner, ruled or language model, knows about the data before it asks.
"""

from typing import Any, Literal

import msgspec

from kelpie.analyst.semantic.model import Aggregation, Direction


class CatalogMetric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """times        the time axes it may be dated by, the usual one first; a formula's are those of its metrics
    time_default  whether a question need not say which; False only where there are several
    first, last  the days its data begin and end, YYYY-MM-DD, by its usual axis; "" if it can't be dated
    separate_by  dimensions it must not be summed across
    not_by       dimensions it can't be grouped or filtered by
    """

    name: str
    label: str
    kind: Literal["flow", "stock", "ratio", "formula"] = "flow"
    times: list[str] = []
    time_default: bool = True
    first: str = ""
    last: str = ""
    separate_by: list[str] = []
    not_by: list[str] = []
    synonyms: list[str] = []
    opposites: list[str] = []
    unit: str = ""
    format: str = ",d"
    direction: Direction = "neutral"
    aggregation: Aggregation = "other"
    support: str | None = None
    support_few: int = 0
    description: str = ""
    definition: str = ""
    counts: str = ""  # what its rows are, in the plural


class CatalogValue(msgspec.Struct, frozen=True, array_like=True):
    """A value of a dimension and the other names people may use for it."""

    value: str | int | float | bool
    also: list[str] = []


class CatalogDimension(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`values` are all of them if `complete`, otherwise none or the first; `withheld` is why the asker may see none."""

    name: str
    label: str
    plural: str
    type: str = "text"
    synonyms: list[str] = []
    cues: list[str] = []
    values: list[CatalogValue] = []
    complete: bool = True
    description: str = ""
    withheld: str = ""


class CatalogTime(msgspec.Struct, frozen=True, kw_only=True):
    """`first` and `last` are the days the data begin and end on this axis, YYYY-MM-DD."""

    name: str
    label: str
    grains: list[str]
    first: str
    last: str
    synonyms: list[str] = []


class CatalogFiscal(msgspec.Struct, frozen=True, kw_only=True):
    """As kelpie.analyst.semantic.model.Fiscal."""

    year_begins: int
    named_by: Literal["begin", "end"]
    default: Literal["fiscal", "calendar", "ask"]


class CatalogDefault(msgspec.Struct, frozen=True, kw_only=True):
    """A filter that holds for queries that say nothing of `dimension`; `note` says it in words."""

    dimension: str
    note: str


class CatalogVerified(msgspec.Struct, frozen=True, kw_only=True):
    """Questions that a verified query answers; run_verified takes its `name`."""

    name: str
    questions: list[str]


class CatalogPeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    label: str
    from_month: int
    to_month: int
    synonyms: list[str] = []


class CatalogRefusal(msgspec.Struct, frozen=True, kw_only=True):
    words: list[str]
    reason: str


class Catalog(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    semantic_model_id: str
    label: str
    description: str = ""
    metrics: list[CatalogMetric]
    dimensions: list[CatalogDimension] = []
    times: list[CatalogTime] = []
    fiscal: CatalogFiscal | None = None
    defaults: list[CatalogDefault] = []
    verified: list[CatalogVerified] = []
    periods: list[CatalogPeriod] = []
    refusals: list[CatalogRefusal] = []
    background: list[str] = []
    examples: list[str] = []
    nouns: list[str] = []  # what the rows are, in the plural: words that alone name nothing to measure

    def axis(self, name: str) -> CatalogTime | None:
        return next((axis for axis in self.times if axis.name == name), None)

    def metric(self, name: str) -> CatalogMetric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)

    def dimension(self, name: str) -> CatalogDimension | None:
        return next((dimension for dimension in self.dimensions if dimension.name == name), None)


def read_catalog(data: Any) -> Catalog | None:
    """The catalog in a tool's decoded result, or None if that is something else."""
    try:
        return msgspec.convert(data, Catalog)
    except msgspec.ValidationError:
        return None
