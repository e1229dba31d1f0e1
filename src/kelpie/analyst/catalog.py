"""What a semantic model can answer, with the data's own values: the result of `list_metrics`.

It is all that a planner, ruled or language model, knows about the data before it asks.
"""

from typing import Any

import msgspec

from kelpie.analyst.semantic.model import Aggregation, Direction


class CatalogMetric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    label: str
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
    """`values` are all of them if `complete`, otherwise none or the first."""

    name: str
    label: str
    plural: str
    type: str = "text"
    synonyms: list[str] = []
    cues: list[str] = []
    values: list[CatalogValue] = []
    complete: bool = True
    description: str = ""


class CatalogTime(msgspec.Struct, frozen=True, kw_only=True):
    """`first` and `last` are the days the data begin and end, YYYY-MM-DD."""

    label: str
    grains: list[str]
    first: str
    last: str


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
    time: CatalogTime | None = None
    periods: list[CatalogPeriod] = []
    refusals: list[CatalogRefusal] = []
    background: list[str] = []
    examples: list[str] = []
    nouns: list[str] = []  # what the rows are, in the plural: words that alone name nothing to measure

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
