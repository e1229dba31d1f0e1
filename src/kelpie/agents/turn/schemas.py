"""JSON schemas of other people's, and whether a value matches one: at most so many checks, and nothing is fetched.

Loading jsonschema takes a tenth of a second, so that this module is imported where a schema is first met.
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import create
from referencing import Registry
from referencing.exceptions import Unresolvable

from kelpie.agents import limits

# These keywords can take longer than there is time, on an answer that was made for it.
_UNCHECKED = ("pattern", "patternProperties", "uniqueItems")
_left: ContextVar[int] = ContextVar("checks_left")


class _TooMuch(Exception):
    """The schema asks for more checks of this value than are made."""


def _counted(keyword: Any) -> Any:
    """A keyword's check that counts: references and alternatives can multiply without end."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _left.get() - 1
        if left < 0:
            raise _TooMuch
        _left.set(left)
        yield from keyword(validator, value, instance, schema) or ()

    return check


_Validator = create(
    meta_schema=Draft202012Validator.META_SCHEMA,
    validators={name: _counted(one) for name, one in Draft202012Validator.VALIDATORS.items() if name not in _UNCHECKED},
    type_checker=Draft202012Validator.TYPE_CHECKER,
)


def fault_in(schema: Mapping[str, Any]) -> str | None:
    """Why this is no JSON schema; None if it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return str(error.message)
    except RecursionError:
        return "it is nested too deeply"
    return None


def mismatch(schema: Mapping[str, Any], value: Any) -> str | None:
    """Where and why a value does not match; None if it does."""
    _left.set(limits.ANSWER_CHECKS_MAX)
    try:
        error = next(_Validator(schema, registry=Registry()).iter_errors(value), None)
    except _TooMuch:
        return f"it takes more than {limits.ANSWER_CHECKS_MAX:,} checks"
    except (RecursionError, Unresolvable) as failed:
        return f"its schema can't be followed ({type(failed).__name__})"
    if error is None:
        return None
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{where.removeprefix('.') or 'as a whole'}: {error.message}"
