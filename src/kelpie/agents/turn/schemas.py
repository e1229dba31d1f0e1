"""JSON schemas of other people's, and whether a value matches one: at most so many checks, and nothing is fetched.

Loading jsonschema takes a tenth of a second, so that this module is imported where a schema is first met.
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import create
from referencing import Registry

from kelpie.agents import limits

# These keywords can take longer than there is time, on an answer that was made for it: they match expressions, compare
# everything with everything, or follow references that nobody counts.
_UNCHECKED = ("pattern", "patternProperties", "uniqueItems", "unevaluatedProperties", "unevaluatedItems")
# A check goes through its keyword's list, and what it finds wrong it writes out with all that the value holds.
_PARTS_PER_CHECK = 20
_CHARS_PER_PART = 20


class _Count:
    """How many checks of one value are left, and how much there is in each of its parts."""

    def __init__(self, value: Any, left: int) -> None:
        self._left, self._parts = left, dict[int, int]()
        self._measure(value)

    def _measure(self, value: Any) -> int:
        if isinstance(value, str):
            return 1 + len(value) // _CHARS_PER_PART
        if not isinstance(value, list | dict):
            return 1
        inside = value.values() if isinstance(value, dict) else value
        parts = self._parts[id(value)] = 1 + len(value) + sum(map(self._measure, inside))
        return parts

    def take(self, keyword: Any, value: Any) -> None:
        """Raises _TooMuch."""
        listed = len(keyword) if isinstance(keyword, list | dict) else 0
        parts = self._parts.get(id(value), 0) if isinstance(value, list | dict) else self._measure(value)
        self._left -= 1 + (listed + parts) // _PARTS_PER_CHECK
        if self._left < 0:
            raise _TooMuch


_count: ContextVar[_Count] = ContextVar("checks")


class _TooMuch(Exception):
    """The schema asks for more checks of this value than are made."""


def _counted(name: str, keyword: Any) -> Any:
    """A keyword's check that counts: references and alternatives can multiply without end."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _count.get().take(value, instance)
        if name == "additionalProperties" and "patternProperties" in schema:
            return  # which are those is what the expressions say
        yield from keyword(validator, value, instance, schema) or ()

    return check


_Validator = create(
    meta_schema=Draft202012Validator.META_SCHEMA,
    validators={
        name: _counted(name, one) for name, one in Draft202012Validator.VALIDATORS.items() if name not in _UNCHECKED
    },
    type_checker=Draft202012Validator.TYPE_CHECKER,
)


def _evolve(validator: Any, **changes: Any) -> Any:
    """The same for a schema inside. By itself the library takes its own validator, which checks and counts nothing of
    ours, wherever a schema says which draft it is of."""
    kept = {"schema": validator.schema, "registry": validator._registry, "_resolver": validator._resolver}  # noqa: SLF001
    return type(validator)(**{**kept, **changes})


_Validator.evolve = _evolve


def fault_in(schema: Mapping[str, Any]) -> str | None:
    """Why this is no JSON schema; None if it is one."""
    try:
        _count.set(_Count(schema, limits.ANSWER_SCHEMA_CHECKS_MAX))
        error = next(_Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema), None)
    except _TooMuch:
        return f"it takes more than {limits.ANSWER_SCHEMA_CHECKS_MAX:,} checks to see whether it is one"
    except RecursionError:
        return "it is nested too deeply"
    return None if error is None else error.message


def mismatch(schema: Mapping[str, Any], value: Any) -> str | None:
    """Where and why a value does not match; None if it does."""
    try:
        _count.set(_Count(value, limits.ANSWER_CHECKS_MAX))
        error = next(_Validator(schema, registry=Registry()).iter_errors(value), None)
    except _TooMuch:
        return f"it takes more than {limits.ANSWER_CHECKS_MAX:,} checks"
    except Exception as failed:  # noqa: BLE001 - a reference may lead to what is no schema: then anything is raised
        return f"its schema can't be followed ({type(failed).__name__})"
    if error is None:
        return None
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{where.removeprefix('.') or 'as a whole'}: {error.message}"
