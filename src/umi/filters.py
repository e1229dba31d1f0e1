"""One filter language over facts: the same answer whatever store holds them.

    parse      what a caller wrote (a dict, as mem0 has it) as a typed tree; every mistake is named with its place
    predicate  that tree as a function of a fact
    matches    whether one fact passes

    {"category": "work"}                               shorthand for {"metadata.category": {"eq": "work"}}
    {"AND": [{"tags": "pets"}, {"importance": {"gte": 0.5}}]}
    {"NOT": {"OR": [{"speaker": "bot"}, {"metadata.draft": True}]}, "event_time": {"gte": "2025-01-01"}}

Several keys of one dict, and several operators of one field, must all hold. `{}` holds for every fact, as does
`{"AND": []}`; `{"OR": []}` for none. `NOT` of a list: none of them holds. A list in place of operators means `in`; "*"
means that there is some value.

Fields: tags, importance, speaker, session, event_time, document_time, valid_from, created, `metadata.<path>`,
`source.<path>`; any other name is a path into metadata. Steps of a path are parted by dots and lead through objects.
Times are compared in milliseconds since 1970; they may be written as ISO 8601 (a day is its first instant, UTC where
no zone is given).

What a test answers, for every fact (there are no errors and no third truth value):

- A field *has values*: none if it is missing, null or an empty list; the elements of a list (nulls, lists and objects
  in it have no value that anything equals); else itself. An object has a value that nothing equals.
- `eq x`        some value equals x. Numbers are equal by amount (1 and 1.0), texts by code points; a boolean is no
                number, and values of two types are never equal. `eq null`: there is no value at all.
- `in [x, …]`   `eq` of one of them. `ne` and `nin` are exactly the opposite, so they hold where a value is missing.
- `gt gte lt lte x`  some value of the type of x (number or text) stands so to it; texts by code points.
- `contains x`  the field is a text that has x within it, or a list of which some element equals x.
- `icontains x` the same, whatever the case of the texts.
- `exists true` there is a value; `exists false` the opposite.
- NaN in a filter is refused; NaN in a fact equals nothing and stands nowhere.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter, ge, gt, le, lt
from typing import Any, Literal

import msgspec

from umi import limits
from umi.entity import Fact, check_text
from umi.errors import InvalidInput, LimitExceeded

Scalar = str | int | float | bool | None
Operator = Literal["eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "contains", "icontains", "exists"]
Root = Literal[
    "metadata", "source", "tags", "importance", "speaker", "session", "event_time", "document_time", "valid_from",
    "created",
]  # fmt: skip

_OPERATORS = frozenset(Operator.__args__)  # type: ignore[attr-defined] # a Literal at run time
_ROOTS = frozenset(Root.__args__)  # type: ignore[attr-defined]
_PATHS = frozenset({"metadata", "source"})
_ATTRIBUTES = {
    "tags": "tags",
    "importance": "importance",
    "speaker": "speaker",
    "session": "session",
    "event_time": "event_time_ms",
    "document_time": "document_time_ms",
    "valid_from": "valid_from_ms",
    "created": "created_at_ms",
}
_TIMES = frozenset({"event_time", "document_time", "valid_from", "created"})
_TEXTS = frozenset({"tags", "speaker", "session"})
_ORDERS = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_KINDS = {bool: "boolean", str: "text", int: "number", float: "number"}
_JOINS = ("AND", "OR", "NOT")
_INTEGERS = range(-(2**63), 2**63)


class Field(msgspec.Struct, frozen=True):
    """What is compared. `path` leads into metadata and source, and is empty elsewhere."""

    root: Root
    path: tuple[str, ...] = ()


class Test(msgspec.Struct, frozen=True, tag=True):
    """One comparison; `value` is a tuple for `in` and `nin`."""

    field: Field
    operator: Operator
    value: Scalar | tuple[Scalar, ...]


class AllOf(msgspec.Struct, frozen=True, tag=True):
    filters: "tuple[Filter, ...]" = ()


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    filters: "tuple[Filter, ...]" = ()


class NoneOf(msgspec.Struct, frozen=True, tag=True):
    filters: "tuple[Filter, ...]" = ()


Filter = Test | AllOf | AnyOf | NoneOf
EVERYTHING = AllOf()


def parse(given: Mapping[str, Any] | Filter | None) -> Filter:
    """The filter that a caller wrote. None and `{}` let every fact pass.

    Raises InvalidInput and LimitExceeded, naming the place: "filter.AND[1].category.gte".
    """
    if given is None:
        return EVERYTHING
    return _Reader().read(given, "filter", 1)


def matches(filter_: Filter, fact: Fact) -> bool:
    """Whether `fact` passes. For many facts, ask `predicate` once."""
    return predicate(filter_)(fact)


def predicate(filter_: Filter) -> Callable[[Fact], bool]:
    """`matches` for one filter, ready to be asked of many facts. `filter_` comes from `parse`."""
    if isinstance(filter_, Test):
        return _test_of(filter_)
    parts = [predicate(one) for one in filter_.filters]
    if isinstance(filter_, AllOf):
        return parts[0] if len(parts) == 1 else lambda fact: all(part(fact) for part in parts)
    if isinstance(filter_, AnyOf):
        return parts[0] if len(parts) == 1 else lambda fact: any(part(fact) for part in parts)
    return lambda fact: not any(part(fact) for part in parts)


class _Reader:
    """Reads one filter and counts what is in it."""

    def __init__(self) -> None:
        self._tests = 0

    def read(self, given: Any, place: str, depth: int) -> Filter:
        if depth > limits.FILTER_DEPTH_MAX:
            raise LimitExceeded(f"the nesting of {place}", depth, limits.FILTER_DEPTH_MAX, "levels")
        if isinstance(given, Test):
            return self._test(given.field, given.operator, given.value, place)
        if isinstance(given, AllOf | AnyOf | NoneOf):
            read = (self.read(one, f"{place}[{n}]", depth + 1) for n, one in enumerate(given.filters))
            return type(given)(tuple(read))
        if not isinstance(given, Mapping):
            raise InvalidInput(f'{place} must be an object such as {{"category": "work"}}, not {_shown(given)}')
        parts: list[Filter] = []
        for key, value in given.items():
            if not isinstance(key, str):
                raise InvalidInput(f"{place} has the key {_shown(key)}; keys are names of fields, or AND, OR, NOT")
            if key in _JOINS:
                parts.append(self._join(key, value, f"{place}.{key}", depth))
            else:
                parts += self._field(key, value, place)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _join(self, key: str, value: Any, place: str, depth: int) -> Filter:
        if key == "NOT" and isinstance(value, Mapping | Filter):
            return NoneOf((self.read(value, place, depth + 1),))
        if not _is_list(value):
            raise InvalidInput(f"{place} must be a list of filters, not {_shown(value)}")
        self._count(len(value), place)
        read = tuple(self.read(one, f"{place}[{n}]", depth + 1) for n, one in enumerate(value))
        return AllOf(read) if key == "AND" else AnyOf(read) if key == "OR" else NoneOf(read)

    def _field(self, name: str, value: Any, place: str) -> list[Filter]:
        field = _field(name, place)
        place = f"{place}.{name}"
        if _is_list(value):
            return [self._test(field, "in", value, place)]
        if value == "*":
            return [self._test(field, "exists", value=True, place=place)]
        if not isinstance(value, Mapping):
            return [self._test(field, "eq", value, place)]
        if not value:
            raise InvalidInput(f"{place} has no operator; use one of {', '.join(sorted(_OPERATORS))}")
        tests: list[Filter] = []
        for operator, operand in value.items():
            if operator not in _OPERATORS:
                known = ", ".join(sorted(_OPERATORS))
                raise InvalidInput(f"{place} has the unknown operator {_shown(operator)}; there are {known}")
            tests.append(self._test(field, operator, operand, f"{place}.{operator}"))
        return tests

    def _test(self, field: Field, operator: Operator, value: Any, place: str) -> Test:
        _check_field(field, place)
        if operator not in _OPERATORS:
            raise InvalidInput(f"{place} has the unknown operator {_shown(operator)}")
        self._count(1, place)
        if operator in ("in", "nin"):
            if not _is_list(value):
                raise InvalidInput(f"{place} must be a list of values, not {_shown(value)}")
            self._count(len(value), place)
            return Test(field, operator, tuple(_operand(field, "eq", x, f"{place}[{n}]") for n, x in enumerate(value)))
        return Test(field, operator, _operand(field, operator, value, place))

    def _count(self, more: int, place: str) -> None:
        self._tests += more
        if self._tests > limits.FILTER_TESTS_MAX:
            raise LimitExceeded(f"the filter, at {place},", self._tests, limits.FILTER_TESTS_MAX, "comparisons")


def _field(name: str, place: str) -> Field:
    if len(name.encode(errors="replace")) > limits.FILTER_FIELD_BYTES_MAX:
        size_bytes = len(name.encode(errors="replace"))
        raise LimitExceeded(f"a field of {place}", size_bytes, limits.FILTER_FIELD_BYTES_MAX, "bytes")
    root, _, rest = name.partition(".")
    if root in _PATHS and rest:
        return Field(root, tuple(rest.split(".")))  # type: ignore[arg-type] # one of _PATHS
    if root in _PATHS and not rest:
        raise InvalidInput(f"{place}.{name} needs a path, such as {root}.category")
    if name in _ROOTS:
        return Field(name)  # type: ignore[arg-type] # one of _ROOTS
    return Field("metadata", tuple(name.split(".")))


def _check_field(field: Field, place: str) -> None:
    if field.root not in _ROOTS or bool(field.path) != (field.root in _PATHS):
        raise InvalidInput(f"{place} compares what isn't a field: {field.root!r} with the path {list(field.path)}")
    if len(field.path) > limits.FILTER_STEPS_MAX:
        raise LimitExceeded(f"the path of {place}", len(field.path), limits.FILTER_STEPS_MAX, "steps")
    for step in field.path:
        check_text(f"the path of {place}", step)
        if not step:
            raise InvalidInput(f"the path of {place} has an empty step; write it as metadata.a.b")


def _scalar(value: Any, place: str) -> Scalar:
    if value is not None and not isinstance(value, str | int | float):
        raise InvalidInput(f"{place} must be a text, a number, true, false or null, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{place} must be a finite number, not {value}")
    if isinstance(value, int) and value not in _INTEGERS:
        raise InvalidInput(f"{place} is a number that doesn't fit into 64 bits")
    if isinstance(value, str):
        check_text(place, value)
        if len(value.encode()) > limits.FILTER_VALUE_BYTES_MAX:
            raise LimitExceeded(place, len(value.encode()), limits.FILTER_VALUE_BYTES_MAX, "bytes")
    return value


def _operand(field: Field, operator: Operator, given: Any, place: str) -> Scalar:
    """What a field is compared with, in the form that `matches` expects."""
    value = _scalar(given, place)
    if operator == "exists":
        if not isinstance(value, bool):
            raise InvalidInput(f"{place} must be true or false, not {_shown(value)}")
        return value
    if operator == "icontains" and not isinstance(value, str):
        raise InvalidInput(f"{place} must be a text, not {_shown(value)}")
    if operator in _ORDERS and (value is None or isinstance(value, bool)):
        raise InvalidInput(f"{place} must be a number or a text: {_shown(value)} has no order")
    if operator == "contains" and value is None:
        raise InvalidInput(f"{place} can't be null; write exists: false for a value that isn't there")
    return _of_type(field, value, place)


def _of_type(field: Field, value: Scalar, place: str) -> Scalar:
    """A value that the field can have: comparing a time with "soon" would never hold, and is a mistake."""
    if value is None:
        return None
    if field.root in _TIMES:
        if isinstance(value, str):
            return _instant_ms(value, place)
        if isinstance(value, bool):
            raise InvalidInput(f"{place} must be a time in milliseconds or ISO 8601, not {_shown(value)}")
    elif field.root == "importance" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidInput(f"{place} must be a number, not {_shown(value)}")
    elif field.root in _TEXTS and not isinstance(value, str):
        raise InvalidInput(f"{place} must be a text, not {_shown(value)}")
    return value


def _instant_ms(text: str, place: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f'{place} must be a time in milliseconds or ISO 8601 ("2025-01-31T09:00:00Z"), not {_shown(text)}'
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _shown(value: Any) -> str:
    """A value of the caller's in an error: never long, never unprintable."""
    plain = isinstance(value, str | float | bool | None) or (isinstance(value, int) and value in _INTEGERS)
    shown = ascii(value) if plain else type(value).__name__
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


def _reader_of(field: Field) -> Callable[[Fact], Any]:
    """Reads what a fact has there; None if it has nothing."""
    if field.root not in _PATHS:
        return attrgetter(_ATTRIBUTES[field.root])
    whole = attrgetter(field.root)
    if len(field.path) == 1:
        (step,) = field.path
        return lambda fact: whole(fact).get(step)

    def follow(fact: Fact) -> Any:
        found = whole(fact)
        for step in field.path:
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found

    return follow


def _test_of(test: Test) -> Callable[[Fact], bool]:
    read = _reader_of(test.field)
    wanted: Any = test.value
    match test.operator:
        case "exists":
            return lambda fact: _is_present(read(fact)) is wanted
        case "eq":
            return lambda fact: _equals(read(fact), wanted)
        case "ne":
            return lambda fact: not _equals(read(fact), wanted)
        case "in" | "nin":
            assert isinstance(wanted, tuple)
            is_in = test.operator == "in"
            return lambda fact: _is_one_of(read(fact), wanted) is is_in
        case "contains" | "icontains":
            fold = test.operator == "icontains"
            return lambda fact: _contains(read(fact), wanted, fold=fold)
        case _:
            stands = _ORDERS[test.operator]
            kind = _kind(wanted)
            return lambda fact: any(_kind(one) == kind and bool(stands(one, wanted)) for one in _values(read(fact)))


def _is_one_of(found: Any, wanted: tuple[Scalar, ...]) -> bool:
    return any(_equals(found, one) for one in wanted)


def _is_present(found: Any) -> bool:
    return found is not None and found != []


def _values(found: Any) -> Sequence[Any]:
    return found if isinstance(found, list | tuple) else (found,)


def _kind(value: Any) -> str:
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float) else "none"


def _same(value: Any, wanted: Any) -> bool:
    kind = _kind(wanted)
    return kind != "none" and _kind(value) == kind and bool(value == wanted)


def _equals(found: Any, wanted: Any) -> bool:
    if wanted is None:
        return not _is_present(found)
    return any(_same(one, wanted) for one in found) if isinstance(found, list | tuple) else _same(found, wanted)


def _contains(found: Any, wanted: Any, *, fold: bool) -> bool:
    if not isinstance(found, list | tuple):
        if not isinstance(found, str) or not isinstance(wanted, str):
            return False
        return wanted.casefold() in found.casefold() if fold else wanted in found
    if not fold:
        return any(_same(one, wanted) for one in found)
    return any(isinstance(one, str) and one.casefold() == wanted.casefold() for one in found)
