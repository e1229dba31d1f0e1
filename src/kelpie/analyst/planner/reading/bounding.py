"""Bounds: "more than 10,000", "at least 5%", "between 10 and 20 minutes", and what they are bounds of.

They are found before periods are: "more than 2000" is no year.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import CatalogDimension, CatalogMetric
from kelpie.analyst.metric_query import Condition, Filter, Value
from kelpie.analyst.planner.dates.spans import YEARS
from kelpie.analyst.planner.english import comparing as english
from kelpie.analyst.planner.english.asking import CONDITION, FILLERS
from kelpie.analyst.planner.english.dates import MONTHS, UNITS
from kelpie.analyst.planner.english.words import is_or_are, stems
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.quantities import Quantity, currency_of, read_quantity
from kelpie.analyst.planner.reading.reading import Reading, refuse

_OR_A_YEAR = frozenset({"over", "beyond", "to", "in"})  # the last word before a number that may be a year all the same
_TESTS: Mapping[english.Bound, Callable[[float, float], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
OPERATORS: Mapping[english.Bound, str] = {
    "gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most", "eq": "exactly", "ne": "not",
}  # fmt: skip


class Bound(msgspec.Struct, frozen=True):
    """The tokens `start` to before `end` bound a number.

    tests    one or two of them
    unit     the stems of the unit that was said
    mention  the metric or dimension it stands beside; None: the only one there is
    on       what is bounded of the metric
    """

    tests: list[tuple[english.Bound, Quantity]]
    start: int
    end: int
    unit: tuple[str, ...] = ()
    mention: Mention | None = None
    on: Literal["value", "change", "share"] = "value"


def find_bounds(reading: Reading) -> list[Bound]:
    bounds = []
    at = 0
    while at < len(reading.words):
        found = _between(reading, at) or _before_number(reading, at) or _after_number(reading, at)
        if found is not None:
            found = _with_unit(reading, found)
            reading.claim(found.start, found.end, CONDITION)
            bounds.append(found)
        at = found.end if found is not None else at + 1
    return bounds


def _before_number(reading: Reading, at: int) -> Bound | None:
    found = reading.phrase(english.BOUNDS, at)
    quantity = read_quantity(reading, found[1]) if found is not None else None
    if found is None or quantity is None or _is_year(reading, quantity):
        return None
    return Bound([(found[0], quantity)], at, quantity.end)


def _after_number(reading: Reading, at: int) -> Bound | None:
    quantity = read_quantity(reading, at)
    if quantity is None:
        return None
    unit = _unit_at(reading, quantity.end)
    found = reading.phrase(english.BOUNDS_AFTER, quantity.end + len(unit))
    return None if found is None else Bound([(found[0], quantity)], at, found[1], unit)


def _between(reading: Reading, at: int) -> Bound | None:
    """ "between 10 and 20"; two bare years are a period."""
    if reading.words[at] != "between" or not reading.is_free(at):
        return None
    low = read_quantity(reading, at + 1)
    if low is None or low.end >= len(reading.words) or reading.words[low.end] != "and":
        return None
    high = read_quantity(reading, low.end + 1)
    if high is None or (_may_be_year(low) and _may_be_year(high)):
        return None
    if reading.words[high.end : high.end + 1] and reading.words[high.end] in MONTHS:
        return None  # "between 28 and 3 March" are days, or nothing
    if high.percent and not low.percent:
        low = msgspec.structs.replace(low, value=low.value / 100, percent=True)
    if low.currency != high.currency:
        low = msgspec.structs.replace(low, currency=low.currency or high.currency)
        high = msgspec.structs.replace(high, currency=high.currency or low.currency)
    return Bound([("gte", low), ("lte", high)], at, high.end)


def _may_be_year(quantity: Quantity) -> bool:
    return quantity.bare and quantity.value in YEARS


def _is_year(reading: Reading, quantity: Quantity) -> bool:
    """ "over 2013" is a time, "over 2000 orders" is not."""
    if not _may_be_year(quantity) or reading.words[quantity.start - 1] not in _OR_A_YEAR:
        return False
    counted = reading.mention_at(reading.after(quantity.end))
    return counted is None or "metric" not in counted.kinds


def _with_unit(reading: Reading, bound: Bound) -> Bound:
    """With the unit after the number, if some metric has it; a length of time that none has is not understood."""
    unit = _unit_at(reading, bound.end)
    if unit:
        return msgspec.structs.replace(bound, unit=unit, end=bound.end + len(unit))
    if bound.end < len(reading.words) and reading.words[bound.end] in UNITS and reading.is_free(bound.end):
        said = f"{reading.tokens[bound.end - 1].text} {reading.tokens[bound.end].text}"
        raise refuse(f"I know no number here that is measured in {UNITS[reading.words[bound.end]]}s (“{said}”).")
    return bound


def _unit_at(reading: Reading, at: int) -> tuple[str, ...]:
    """The stems of a metric's unit that stands at a token, or nothing."""
    for metric in reading.catalog.metrics:
        unit = stems(metric.unit)
        after = tuple(token.stem for token in reading.tokens[at : at + len(unit)])
        if unit and after == unit and all(reading.is_free(place) for place in range(at, at + len(unit))):
            return unit
    return ()


def placed(reading: Reading, bound: Bound) -> Bound:
    """The bound with what it is one of: what follows the number, or else what leads up to it."""
    counted = reading.mention_at(bound.end)
    if counted is not None and counted.kind == "dimension":
        reading.problems.append(f"I can't count “{reading.said(counted)}”, so nothing can be more or fewer of them.")
    after = reading.after(bound.end)
    of = after < len(reading.words) and reading.words[after] == "of" and reading.is_free(after)
    beside = reading.after(after + 1) if of else after
    while (mention := reading.mention_at(beside)) is not None and mention.kind in ("value", "noun"):
        beside = reading.after(mention.end)  # "more than 10 orders abroad" or "10 foreign orders"
    if mention is not None and mention.kind == "metric":
        on: Literal["value", "share"] = "share" if of and bound.tests[0][1].percent else "value"
        return msgspec.structs.replace(bound, mention=mention, on=on)
    before = reading.before(bound.start, FILLERS | english.BOUND_LINKS)
    mention = reading.mention_at(before) if before >= 0 else None
    if mention is not None and mention.kind in ("metric", "dimension"):
        return msgspec.structs.replace(bound, mention=mention)
    if before >= 0 and reading.words[before] in english.CHANGES:
        if reading.words[bound.start - 1] == "by":
            reading.claim(bound.start - 1, bound.start, CONDITION)
        return msgspec.structs.replace(bound, on="change")
    return bound


def conditions(reading: Reading, bound: Bound, metric: CatalogMetric, *, is_growth: bool) -> list[Condition]:
    """The bound on a column of the metric. Stops if what was said does not fit its unit."""
    column = metric.name
    percent = metric.format.endswith("%")
    if bound.on == "share":
        column, percent = f"{metric.name}_share", True
    elif bound.on == "change":
        column, percent = f"{metric.name}_{'growth' if is_growth else 'change'}", is_growth
    counts = bound.mention is not None and bound.mention.start == bound.end and bound.mention.terms[0].weak
    for _, quantity in bound.tests:
        if counts and metric.unit and not bound.unit and not quantity.currency:
            raise refuse(
                f"The {metric.label} {is_or_are(metric.label)} in {metric.unit}: I can't tell how many there are."
            )
        if quantity.percent != percent and not (percent and quantity.value == 0):
            needs = "is a percentage: say its bound in percent" if percent else "is no percentage"
            raise refuse(f"The {metric.label} {needs}.")
        if quantity.currency and quantity.currency != currency_of(metric.unit):
            raise refuse(f"The {metric.label} is in {metric.unit or 'no currency'}, not in {quantity.currency}.")
    if reading.words[bound.start] in english.OF_LENGTH and not metric.unit:
        raise refuse(f"The {metric.label} can't be {reading.words[bound.start]}: it is a plain number.")
    if bound.unit and bound.unit != stems(metric.unit):
        raise refuse(
            f"The {metric.label} is not measured in that unit{f', but in {metric.unit}' if metric.unit else ''}."
        )
    return [Condition(metric=column, op=op, value=quantity.value) for op, quantity in bound.tests]


def members_within(bound: Bound, dimension: CatalogDimension) -> Filter:
    """The values of a dimension of numbers that are within the bound. Stops if it can't tell, or if there is none."""
    if dimension.type != "number" or not dimension.complete or any(q.percent or q.currency for _, q in bound.tests):
        raise refuse(f"I can't hold the {dimension.label} against a number.")
    values: list[Value] = [
        known.value
        for known in dimension.values
        if isinstance(known.value, int | float)
        and all(_TESTS[op](known.value, quantity.value) for op, quantity in bound.tests)
    ]
    if not values or len(values) > limits.FILTER_VALUES_MAX:
        raise refuse(f"{'No' if not values else 'Too many'} values of the {dimension.label} are so.")
    return Filter(dimension=dimension.name, values=values)
