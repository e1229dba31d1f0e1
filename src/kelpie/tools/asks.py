"""What a tool may ask of the server while it runs: about its own agent, as far as its row allows, and nothing else.

An ask is one operation with arguments, as a model's call of a memory tool is, and goes the same way: checked against
that tool's schema, run for the agent, user and tenant of the run. Writes are planned; they are committed with the
call's results if the call succeeds, and a later ask sees them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from kelpie.errors import LimitExceeded, NotPermitted, ToolFailed
from kelpie.tools import blocks, limits, memory
from kelpie.tools.arguments import check_arguments
from kelpie.tools.tool import ToolContext
from umi.entity import Block
from umi.storage import Changes, View
from umi.wire.types import ToolSpec

_TOOLS = {tool.name: tool for tool in memory.MEMORY_TOOLS}


@dataclass(frozen=True, slots=True)
class Operation:
    """What it needs, which arguments it takes, and how it is done: a value, and what is to be written."""

    right: str
    spec: ToolSpec
    run: Callable[[ToolContext, dict[str, Any]], Awaitable[tuple[Any, Changes]]]


class Asks:
    """The asks of one call. Called by the sandbox; what it raises, the tool reads as an error.

    context  of the call, with the view it began with
    granted  the rights of the tool's row
    """

    def __init__(self, context: ToolContext, granted: Collection[str]) -> None:
        self._context = context
        self._granted = frozenset(granted)
        self._one_at_a_time = asyncio.Lock()  # each ask sees what the ones before it planned
        self.planned = Changes()
        self.made: Counter[str] = Counter()
        self.is_over = False

    async def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Raises NotPermitted, ToolFailed, LimitExceeded, NotFound."""
        async with self._one_at_a_time:
            if self.is_over:
                raise NotPermitted("the call that asks is over")
            known = OPERATIONS.get(operation)
            if known is None:
                raise ToolFailed(f"there is no operation {operation[:64]!r}; there are {', '.join(OPERATIONS)}")
            if known.right not in self._granted:
                raise NotPermitted(f"{operation} needs the capability '{known.right}', which this tool does not have")
            if self.made.total() >= limits.ASKS_PER_CALL_MAX:
                most = limits.ASKS_PER_CALL_MAX
                raise LimitExceeded("one call's asks of the server", self.made.total() + 1, most, "asks")
            self.made[operation] += 1
            checked = check_arguments(operation, known.spec.parameters, arguments)
            value, changes = await known.run(self._seeing_its_own(), checked)
            size = len(msgspec.json.encode(value))
            if size > limits.ASK_ANSWER_BYTES_MAX:
                raise LimitExceeded(f"the answer to {operation}", size, limits.ASK_ANSWER_BYTES_MAX, "bytes")
            if self.is_over:  # it ended meanwhile: what it wanted to write is nobody's
                raise NotPermitted("the call that asks is over")
            self.planned.extend(changes)
            return value

    def _seeing_its_own(self) -> ToolContext:
        view = self._context.view
        planned = Changes().extend(view.changes or Changes()).extend(self.planned)
        return replace(self._context, view=View(view.database, planned))


async def _blocks_list(context: ToolContext, _arguments: dict[str, Any]) -> tuple[Any, Changes]:
    found = await blocks.of(context)
    return [shown(block) for block in found], Changes()


async def _blocks_get(context: ToolContext, arguments: dict[str, Any]) -> tuple[Any, Changes]:
    label = memory.text_argument(arguments, "label")
    return shown(await blocks.by_label(context, label)), Changes()


async def _archival_search(context: ToolContext, arguments: dict[str, Any]) -> tuple[Any, Changes]:
    return await memory.found_facts(context, arguments), Changes()


async def _messages_search(context: ToolContext, arguments: dict[str, Any]) -> tuple[Any, Changes]:
    return await memory.found_messages(context, arguments), Changes()


def _writing(name: str) -> Callable[[ToolContext, dict[str, Any]], Awaitable[tuple[Any, Changes]]]:
    """The memory tool of this name, which only plans."""

    async def run(context: ToolContext, arguments: dict[str, Any]) -> tuple[Any, Changes]:
        outcome = await _TOOLS[name].run(context, arguments)
        return outcome.text, outcome.changes

    return run


def shown(block: Block) -> dict[str, Any]:
    """A block as tools see it."""
    return {
        "label": block.label,
        "value": block.value,
        "description": block.description,
        "limit": block.limit_chars,
        "read_only": block.read_only,
    }


def _spec(name: str, *labels: str) -> ToolSpec:
    properties = {label: {"type": "string"} for label in labels}
    return ToolSpec(name, "", {"type": "object", "properties": properties, "required": list(labels)})


OPERATIONS: dict[str, Operation] = {
    "blocks.list": Operation("blocks:read", _spec("blocks.list"), _blocks_list),
    "blocks.get": Operation("blocks:read", _spec("blocks.get", "label"), _blocks_get),
    "blocks.append": Operation("blocks:write", _TOOLS["core_memory_append"].spec, _writing("core_memory_append")),
    "blocks.replace": Operation("blocks:write", _TOOLS["core_memory_replace"].spec, _writing("core_memory_replace")),
    "archival.search": Operation("archival:search", _TOOLS["archival_memory_search"].spec, _archival_search),
    "archival.insert": Operation(
        "archival:insert", _TOOLS["archival_memory_insert"].spec, _writing("archival_memory_insert")
    ),
    "messages.search": Operation("messages:read", _TOOLS["conversation_search"].spec, _messages_search),
}
