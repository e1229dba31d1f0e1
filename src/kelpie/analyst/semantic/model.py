"""A semantic model: entities and joins under it, metrics and dimensions over it, and the words people use for them.

All vocabulary lives here: the code knows no metric, no season and no airline.
"""

from typing import Literal

import msgspec

Grain = Literal["day", "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year"]
GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year")
CALENDAR_GRAINS: tuple[Grain, ...] = GRAINS[:5]
FISCAL_GRAINS: tuple[Grain, ...] = GRAINS[5:]
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
    """When things happened: a DATE or TIMESTAMP in SQL over entities. `synonyms` tell it from others: "paid"."""

    name: str
    label: str
    expr: str
    grains: list[Grain] = msgspec.field(default_factory=lambda: list(CALENDAR_GRAINS))
    synonyms: list[str] = []


class Fiscal(_Part, frozen=True, kw_only=True):
    """The company's own year.

    year_begins  the month it begins with, 1 to 12
    named_by     whether "FY2026" is the year that begins or the one that ends in 2026
    default      what "quarter" and "year" mean when a question says neither "fiscal" nor "calendar"; "ask" asks once
    """

    year_begins: int
    named_by: Literal["begin", "end"] = "end"
    default: Literal["fiscal", "calendar", "ask"] = "ask"


class Metric(_Part, frozen=True, kw_only=True):
    """A number with one definition.

    kind         "flow": an aggregate (`expr`) of what happened in a period, so that periods add up.
                 "stock": an aggregate of what holds at a moment; of a period it is the value at the period's end. Rows
                 hold from `since` until before `until` (SQL dates of the row; no `until` or null: still), or on the day
                 `at` (daily snapshots).
                 "ratio": `numerator` over `denominator`, both aggregates of the same rows, null where that is 0.
                 "formula": other metrics by name with + - * / and parentheses (`formula`), each aggregated for itself,
                 so that rows of one can't multiply those of another; null where it divides by 0
    entity       whose rows are counted; none for a formula
    times        the time axes it may be dated by, the usual one first if `time_default` says so; several without a
                 default are asked about. Empty: the model's first axis that its rows have. A stock has dates of its
                 own; `times` are those whose last day is the last it is known for, all axes if empty
    separate_by  dimensions it must never be summed across ("currency"): it is shown for each of their values
    filters      SQL conditions on the rows that count
    format       as in Python and d3: ",d" ",.1f" ".1%"
    direction    what "worst" and "best" mean
    aggregation  which words fit it: "average", "total", "how many", "share"
    synonyms     other words for it; `opposites` are words for its reverse ("punctual" for a delay)
    support      a metric shown beside it that says how much it stands on; below `support_few` that is said aloud
    """

    name: str
    label: str
    kind: Literal["flow", "stock", "ratio", "formula"]
    entity: str | None = None
    expr: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    formula: str | None = None
    since: str | None = None
    until: str | None = None
    at: str | None = None
    times: list[str] = []
    time_default: bool = False
    separate_by: list[str] = []
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


class DefaultFilter(_Part, frozen=True, kw_only=True):
    """Holds for every query that neither filters nor groups by `dimension`; the answer says so, as `note`."""

    dimension: str
    values: list[str | int | float | bool | None]
    op: Literal["in", "not_in"] = "in"
    note: str


class VerifiedQuery(_Part, frozen=True, kw_only=True):
    """SQL that a person vouches for, used word for word when one of `questions` is asked."""

    name: str
    questions: list[str]
    sql: str
    verified_by: str = ""


class SemanticModel(_Part, frozen=True, kw_only=True):
    """`background` are words that add nothing to a question about these data ("new york" where all is New York)."""

    name: str
    label: str
    description: str = ""
    entities: list[Entity]
    joins: list[Join] = []
    dimensions: list[Dimension] = []
    times: list[TimeAxis] = []
    fiscal: Fiscal | None = None
    metrics: list[Metric]
    default_filters: list[DefaultFilter] = []
    verified: list[VerifiedQuery] = []
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

    def axis(self, name: str) -> TimeAxis | None:
        return next((axis for axis in self.times if axis.name == name), None)

    def dimension(self, name: str) -> Dimension | None:
        return next((dimension for dimension in self.dimensions if dimension.name == name), None)

    def grains(self, axis: TimeAxis | None) -> list[Grain]:
        """What may be asked by: the axis's grains, and where there is a fiscal year its own ones. None: a stock's."""
        offered = list(CALENDAR_GRAINS) if axis is None else list(axis.grains)
        if self.fiscal is not None:
            own: tuple[Grain, ...] = tuple(grain for grain in FISCAL_GRAINS if grain.removeprefix("fiscal_") in offered)
            offered += [grain for grain in own if grain not in offered]
        return offered
