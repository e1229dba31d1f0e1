"""The operations of a memory, as data. Routes, tools and commands are generated from this table, and from nothing else.

Each is a method of Memory, of its core memory or of its working memory; a test holds the table against them.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from umi.core import Core
from umi.errors import InvalidInput
from umi.memory import Memory
from umi.serve import parameters as takes
from umi.serve.parameters import Parameters
from umi.working import Working

_RAISES = re.compile(r"(^| )Raises [^.]*\.$")  # for programmers
_DESTROYS = frozenset(("forget", "forget_source", "clear", "core_clear", "core_remove_block", "working_clear"))
T = TypeVar("T", bound=Parameters)
_PARTS: dict[str, type] = {"": Memory, "core": Core, "working": Working}


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of working memory: a text, or bytes (base64 on the wire), or neither where there is none."""

    text: str | None = None
    data: bytes | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: str
    text: str | None = None
    data: bytes | None = None
    expires_ms: int

    def told(self) -> tuple[str, bytes | str, int]:
        """As Working.entries tells it."""
        return self.key, (self.text or "") if self.data is None else self.data, self.expires_ms


class Operation(msgspec.Struct, frozen=True):
    """
    name    on the wire: "recall", "core_render", "working_set"
    part    "" for Memory itself, "core" or "working"
    method  of that part
    takes   its parameters
    reads   it changes nothing
    """

    name: str
    part: str
    method: str
    takes: type[Parameters]
    reads: bool

    @property
    def doc(self) -> str:
        """The first paragraph of the method's docstring."""
        text = inspect.getdoc(getattr(_PARTS[self.part], self.method)) or ""
        said = _RAISES.sub("", " ".join(text.split("\n\n")[0].split()))
        return said or f"{self.name.replace('_', ' ').capitalize()}."

    @property
    def destroys(self) -> bool:
        """What it removes does not come back by itself."""
        return self.name in _DESTROYS

    @property
    def result(self) -> Any:
        """The type of what it answers with."""
        if self.name == "working_get":
            return Value
        if self.name == "working_entries":
            return list[Entry]
        return get_type_hints(getattr(_PARTS[self.part], self.method))["return"]

    def read(self, given: bytes | Mapping[str, Any]) -> Parameters:
        """Its parameters, from JSON or from an object of it. Raises InvalidInput, naming the parameter."""
        return read(self.name, self.takes, given)

    async def run(self, memory: Memory, given: Parameters) -> Any:
        """What the method answers, in words that JSON has. Raises what it raises."""
        owner = getattr(memory, self.part) if self.part else memory
        answer = await getattr(owner, self.method)(**given.arguments())
        if self.name == "working_get":
            return _value(answer)
        if self.name == "working_entries":
            return [Entry(key=key, expires_ms=at_ms, **_either(value)) for key, value, at_ms in answer]
        return answer


def read(name: str, takes: type[T], given: bytes | Mapping[str, Any]) -> T:
    """What the operation `name` takes, from JSON or from an object of it. Raises InvalidInput, naming the parameter."""
    try:
        if isinstance(given, bytes):
            return msgspec.json.decode(given or b"{}", type=takes)
        return msgspec.convert(given, takes, builtin_types=())
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{name}: {error}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{name}: this is no JSON: {error}") from None


def _either(value: bytes | str | None) -> dict[str, Any]:
    return {"data": value} if isinstance(value, bytes) else {"text": value}


def _value(value: bytes | str | None) -> Value:
    return Value(**_either(value))


def _table(part: str, rows: list[tuple[str, type[Parameters], bool]]) -> list[Operation]:
    prefix = f"{part}_" if part else ""
    return [Operation(f"{prefix}{method}", part, method, parameters, reads) for method, parameters, reads in rows]


READS, WRITES = True, False
_OF_MEMORY: list[tuple[str, type[Parameters], bool]] = [
    ("remember", takes.Remember, WRITES),
    ("recall", takes.Recall, READS),
    ("get", takes.OneFact, READS),
    ("list", takes.ListFacts, READS),
    ("count", takes.Nothing, READS),
    ("add_facts", takes.AddFacts, WRITES),
    ("update", takes.Update, WRITES),
    ("forget", takes.Forget, WRITES),
    ("forget_source", takes.ForgetSource, WRITES),
    ("clear", takes.Nothing, WRITES),
    ("history", takes.History, READS),
    ("undo", takes.Undo, WRITES),
    ("believed", takes.Believed, READS),
    ("diff", takes.Diff, READS),
    ("entities", takes.Entities, READS),
    ("entity", takes.OneEntity, READS),
    ("neighbours", takes.Neighbours, READS),
    ("paths", takes.Paths, READS),
    ("promote", takes.Nothing, WRITES),
    ("audit", takes.Audit, READS),
]
_OF_CORE: list[tuple[str, type[Parameters], bool]] = [
    ("render", takes.Render, READS),
    ("blocks", takes.Nothing, READS),
    ("get_block", takes.OneBlock, READS),
    ("has_block", takes.OneBlock, READS),
    ("set_block", takes.SetBlock, WRITES),
    ("append", takes.AppendBlock, WRITES),
    ("set_importance", takes.BlockImportance, WRITES),
    ("remove_block", takes.OneBlock, WRITES),
    ("block_count", takes.Nothing, READS),
    ("used_bytes", takes.Nothing, READS),
    ("available_bytes", takes.Nothing, READS),
    ("utilization", takes.Nothing, READS),
    ("is_empty", takes.Nothing, READS),
    ("clear", takes.Nothing, WRITES),
]
_OF_WORKING: list[tuple[str, type[Parameters], bool]] = [
    ("get", takes.OneKey, READS),
    ("set", takes.SetKey, WRITES),
    ("delete", takes.OneKey, WRITES),
    ("exists", takes.OneKey, READS),
    ("keys", takes.Nothing, READS),
    ("entries", takes.Nothing, READS),
    ("incr", takes.Incr, WRITES),
    ("append", takes.SetKey, WRITES),
    ("touch", takes.Touch, WRITES),
    ("compare_and_set", takes.CompareAndSet, WRITES),
    ("used_bytes", takes.Nothing, READS),
    ("available_bytes", takes.Nothing, READS),
    ("entry_count", takes.Nothing, READS),
    ("is_empty", takes.Nothing, READS),
    ("clear", takes.Nothing, WRITES),
    ("cleanup_expired", takes.Nothing, WRITES),
]
OPERATIONS: dict[str, Operation] = {
    one.name: one for one in (*_table("", _OF_MEMORY), *_table("core", _OF_CORE), *_table("working", _OF_WORKING))
}
