"""A semantic model: entities and joins under it, metrics and dimensions over it, and the words people use for them.

All vocabulary lives here: the code knows no metric, no season and no airline.
"""

from typing import Literal

import msgspec

Grain = Literal["day", "week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year")
Direction = Literal["higher_is_worse", "higher_is_better", "neutral"]
Aggregation = Literal["count", "sum", "average", "share", "other"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: int = 0  # where it begins in the YAML text, from 1


class Entity(_Part, frozen=True, kw_only=True):
    """One kind of thing: rows of a table under a name of its own. Expressions write `name.column`.

    Two entities may share a table: airports as origins and airports as destinations.
    """

    name: str
    table: str
    key: str  # the column that tells rows apart
    label: str
    plural: str


class Join(_Part, frozen=True, kw_only=True):
    """Each row of `from` belongs to at most one row of `to`. `on` is the condition, in SQL."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    on: str


class Dimension(_Part, frozen=True, kw_only=True):
    """Something to group and filter by.

    expr       SQL over entities; its values are what people see
    also       SQL: another name of the same value, such as a code
    nicknames  what people say -> the value
    cues       words before a value that point to this dimension ("from", "to")
    list_values  whether list_metrics shows the values; off for the many and the private
    """

    name: str
    label: str
    plural: str
    expr: str
    type: Literal["text", "number", "boolean"] = "text"
    synonyms: list[str] = []
    also: str | None = None
    nicknames: dict[str, str] = {}
    cues: list[str] = []
    list_values: bool = True
    description: str = ""


class TimeAxis(_Part, frozen=True, kw_only=True):
    """When things happened: a DATE or TIMESTAMP in SQL over entities."""

    label: str
    expr: str
    grains: list[Grain] = msgspec.field(default_factory=lambda: list(GRAINS))


class Metric(_Part, frozen=True, kw_only=True):
    """A number with one definition.

    kind         "flow" is one aggregate (`expr`); "ratio" is `numerator` over `denominator`, null where that is 0
    entity       whose rows are counted
    filters      SQL conditions on the rows that count
    format       as in Python and d3: ",d" ",.1f" ".1%"
    direction    what "worst" and "best" mean
    aggregation  which words fit it: "average", "total", "how many", "share"
    synonyms     other words for it; `opposites` are words for its reverse ("punctual" for a delay)
    support      a metric shown beside it that says how much it stands on; below `support_few` that is said aloud
    """

    name: str
    label: str
    kind: Literal["flow", "ratio"]
    entity: str
    expr: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    filters: list[str] = []
    unit: str = ""
    format: str = ",d"
    direction: Direction = "neutral"
    aggregation: Aggregation = "other"
    synonyms: list[str] = []
    opposites: list[str] = []
    support: str | None = None
    support_few: int = 0
    description: str = ""


class Period(_Part, frozen=True, kw_only=True):
    """A named part of the year, whole months; from a later month to an earlier one it runs into the next year."""

    name: str
    label: str  # how it is shown: "summer (June–August)"
    from_month: int
    to_month: int
    synonyms: list[str] = []


class Refusal(_Part, frozen=True, kw_only=True):
    """A topic people ask about that the data can't answer, and what to tell them."""

    words: list[str]
    reason: str


class SemanticModel(_Part, frozen=True, kw_only=True):
    """`background` are words that add nothing to a question about these data ("new york" where all is New York)."""

    name: str
    label: str
    description: str = ""
    entities: list[Entity]
    joins: list[Join] = []
    dimensions: list[Dimension] = []
    time: TimeAxis | None = None
    metrics: list[Metric]
    periods: list[Period] = []
    refusals: list[Refusal] = []
    background: list[str] = []
    examples: list[str] = []

    @property
    def tables(self) -> list[str]:
        """The tables its queries may read."""
        return sorted({entity.table for entity in self.entities})

    def entity(self, name: str) -> Entity | None:
        return next((entity for entity in self.entities if entity.name == name), None)

    def metric(self, name: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)

    def dimension(self, name: str) -> Dimension | None:
        return next((dimension for dimension in self.dimensions if dimension.name == name), None)
