"""A command for each operation: its parameters are arguments and options, its words their help."""

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer
from msgspec import inspect as types

from umi.cli import opened
from umi.cli.opened import Where
from umi.cli.screen import Screen
from umi.cli.show import show
from umi.core import TYPES
from umi.errors import InvalidInput
from umi.serve.operations import OPERATIONS, Operation

# What a person would call it, where that is another word.
_NAMES = {
    "get": "show",
    "add_facts": "add",
    "core_blocks": "list",
    "core_get_block": "show",
    "core_has_block": "has",
    "core_set_block": "set",
    "core_set_importance": "importance",
    "core_remove_block": "remove",
    "core_block_count": "count",
    "working_entries": "list",
    "working_entry_count": "count",
}
# What is given without an option's name. Otherwise that is what must be given.
_ARGUMENTS = {
    "history": ["fact_id"],
    "core_get_block": ["label"],
    "core_has_block": ["label"],
    "core_remove_block": ["label"],
    "core_set_block": ["label", "content"],
    "core_set_importance": ["label", "importance"],
    "working_set": ["key", "value"],
    "working_append": ["key", "value"],
    "working_compare_and_set": ["key", "value"],
    "working_incr": ["key", "delta"],
    "diff": ["before", "after"],
}
_MAY_LACK = {"history", "diff", "working_incr"}  # whose last argument may be left out
_LOOKS_UP = {"get", "forget"}  # a fact, which may not be there
_STDIN = "-"
_WHERE: dict[str, tuple[Any, Any]] = {
    "db": (opened.Db, opened.DB_DEFAULT),
    "scope": (opened.Scope, "default"),
    "tenant": (opened.Tenant, None),
    "url": (opened.Url, None),
    "key_": (opened.Key, None),
    "shared": (opened.Shared, False),
    "as_json": (opened.AsJson, False),
}


def add_commands(app: typer.Typer, parts: dict[str, typer.Typer]) -> None:
    """A command for each operation: of `app`, or of the sub-command its part has."""
    for operation in OPERATIONS.values():
        name = _NAMES.get(operation.name, operation.method).replace("_", "-")
        group = parts[operation.part] if operation.part else app
        group.command(name, help=operation.doc)(command_of(operation))


def command_of(operation: Operation) -> Callable[..., None]:
    """A function that typer makes a command of."""
    fields = {field.encode_name: field for field in _fields(operation)}

    def command(**given: Any) -> None:
        where = where_of(given)
        wanted = {name: _parsed(fields[name], value) for name, value in given.items() if value is not None}
        if operation.part == "core" and wanted.get("label") in TYPES and "type" in fields:
            wanted.setdefault("type", wanted.pop("label"))  # "persona" is a block's type before it is a label
        parameters = operation.read(wanted)

        async def run() -> Any:
            async with opened.opened(where) as memory:
                return await operation.run(memory, parameters)

        answer = asyncio.run(run())
        if not where.as_json and operation.name in _LOOKS_UP and not answer:
            raise InvalidInput(
                f"scope '{where.scope}' knows no fact {parameters.arguments()['fact_id']}; see `umi list`"
            )
        tell(where, answer)

    signature = [*_arguments(operation, fields), *_options(operation, fields)]
    for name, (annotation, default) in _WHERE.items():
        signature.append(_parameter(name, annotation, default))
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {one.name: one.annotation for one in signature}
    command.__name__ = operation.name
    return command


def where_of(given: dict[str, Any]) -> Where:
    """Take from what a command was given what every command may be told."""
    return Where(**{name.rstrip("_"): given.pop(name) for name in _WHERE})


def tell(where: Where, answer: Any) -> None:
    """An answer, on standard output."""
    if where.as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        show(Screen(), answer)


def _fields(operation: Operation) -> tuple[types.Field, ...]:
    info = types.type_info(operation.takes)
    assert isinstance(info, types.StructType), "parameters are a struct"
    return info.fields


def _named(operation: Operation, fields: dict[str, types.Field]) -> list[str]:
    """Parameters that are arguments, in their order."""
    required = [name for name, field in fields.items() if field.required]
    return _ARGUMENTS.get(operation.name, required)


def _arguments(operation: Operation, fields: dict[str, types.Field]) -> list[inspect.Parameter]:
    found = []
    for name in _named(operation, fields):
        field = fields[name]
        kind = _kind(field.type)
        is_needed = field.required or operation.name not in _MAY_LACK
        takes = kind if is_needed else kind | None
        argument = typer.Argument(help=_help(field), show_default=False)
        default = inspect.Parameter.empty if is_needed else None
        found.append(_parameter(name, Annotated[takes, argument], default))
    return found


def _options(operation: Operation, fields: dict[str, types.Field]) -> list[inspect.Parameter]:
    found = []
    for name, field in fields.items():
        if name in _named(operation, fields):
            continue
        kind = _kind(field.type)
        flag = f"--{name.replace('_', '-')}"
        flags = [f"{flag}/--no-{flag.removeprefix('--')}"] if kind is bool else [flag]
        option = typer.Option(*flags, help=f"{_help(field)}{_default(field)}".strip(), show_default=False)
        found.append(_parameter(name, Annotated[kind | None, option], None))
    return found


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _plain(kind: types.Type) -> list[types.Type]:
    """The types that a value may have, without None and without what is said about them."""
    if isinstance(kind, types.Metadata):
        return _plain(kind.type)
    if isinstance(kind, types.UnionType):
        return [plain for one in kind.types for plain in _plain(one)]
    return [] if isinstance(kind, types.NoneType) else [kind]


def _kind(kind: types.Type) -> Any:
    """How a value is written on a command line."""
    plain = _plain(kind)
    if len(plain) == 1:
        for found, written in ((types.BoolType, bool), (types.IntType, int), (types.FloatType, float)):
            if isinstance(plain[0], found):
                return written
    if isinstance(plain[0], types.ListType):
        return list[str]
    return str


def _help(field: types.Field) -> str:
    found = field.type
    while isinstance(found, types.Metadata):
        if found.extra_json_schema and "description" in found.extra_json_schema:
            return str(found.extra_json_schema["description"])
        found = found.type
    return ""


def _default(field: types.Field) -> str:
    default = field.default
    return "" if default in (None, msgspec.NODEFAULT, msgspec.UNSET, False) else f" Unless given: {default}."


def _parsed(field: types.Field, value: Any) -> Any:
    """What was written, as the parameter takes it. Raises InvalidInput for JSON that is none."""
    plain = _plain(field.type)
    if isinstance(value, list):
        return [_item(one) for written in value for one in (_lines() if written == _STDIN else [written])]
    if not isinstance(value, str):
        return value
    if any(isinstance(one, types.DictType) for one in plain):
        return _item(value)
    if value == _STDIN and field.required:
        return sys.stdin.read()
    if any(isinstance(one, types.IntType) for one in plain) and value.removeprefix("-").isdigit():
        return int(value)
    return value


def _lines() -> list[str]:
    return [line.strip() for line in sys.stdin if line.strip()]


def _item(written: str) -> Any:
    """A text, or what JSON it holds if it begins as an object does."""
    if not written.lstrip().startswith("{"):
        return written
    try:
        return msgspec.json.decode(written)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"this is no JSON: {error}: {written[:100]}") from None
