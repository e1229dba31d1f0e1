"""A model's reply made fit to be stored and shown again: what one careless reply holds, every later request repeats."""

import re
from collections.abc import Callable, Container

import msgspec

from kelpie.agents import limits
from kelpie.agents.turn.calls import storable
from kelpie.errors import ModelError
from umi.wire.types import Reply, ToolCall

# What every provider takes as a tool's name, in a request's history too.
_NAME_CHARS_MAX = 64
_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{_NAME_CHARS_MAX}}}")
_NAME_REFUSED = re.compile(r"[^a-zA-Z0-9_-]")


def mended(reply: Reply, tools: Container[str], taken_ids: Container[str], new_id: Callable[[], str]) -> Reply:
    """The reply with an id of its own for every call, names that providers take back, and texts a store takes.

    tools      the names that are attached: they stay as they are
    taken_ids  the ids of earlier calls in view: some local servers number each reply's calls anew, and others refuse a
               conversation in which an id occurs twice
    Raises ModelError("invalid_response") for more calls than a step may have.
    """
    if len(reply.tool_calls) > limits.TURN_CALLS_PER_STEP_MAX:
        raise ModelError(
            "invalid_response",
            f"the model's reply makes {len(reply.tool_calls):,} tool calls;"
            f" at most {limits.TURN_CALLS_PER_STEP_MAX} are allowed",
            raw_request=reply.raw_request,
            raw_response=reply.raw_response,
        )
    calls: list[ToolCall] = []
    ids: set[str] = set()
    for call in reply.tool_calls:
        call_id = storable(call.id)
        if not call_id or call_id in ids or call_id in taken_ids:
            call_id = new_id()
        ids.add(call_id)
        name = call.name if call.name in tools else plain_name(call.name)
        calls.append(ToolCall(id=call_id, name=name, arguments=storable(call.arguments), extra=call.extra))
    return msgspec.structs.replace(
        reply,
        tool_calls=calls,
        text=storable(reply.text) if reply.text is not None else None,
        reasoning=storable(reply.reasoning) if reply.reasoning is not None else None,
    )


def plain_name(name: str) -> str:
    """A tool's name as every provider takes it."""
    return name if _NAME.fullmatch(name) else _NAME_REFUSED.sub("_", name[:_NAME_CHARS_MAX]) or "unnamed"
