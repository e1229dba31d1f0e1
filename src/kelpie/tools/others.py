"""The tools with which an agent speaks to other agents of its tenant: to one and waits, to one and goes on, to many.

What they reach is `ToolContext.others`: other agents and nothing else of the server. Each call is made once: an agent
that was spoken to and did not answer in time goes on, and what a stop of the server leaves open is interrupted.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.errors import ToolFailed, ToolUnavailable, UmiError
from kelpie.tools import limits
from kelpie.tools.arguments import check_arguments
from kelpie.tools.tool import Others, Outcome, Reach, Reached, Tool, ToolContext, ToolFunction
from umi.wire.types import ToolSpec

WAIT, ASYNC = "send_message_to_agent_and_wait_for_reply", "send_message_to_agent_async"
BY_TAGS, IN_GROUP = "send_message_to_agents_matching_tags", "send_message_to_all_agents_in_group"
CHOOSE = "choose_next_participant"


async def _wait(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    answer = await _others(context).ask(arguments["other_agent_id"], _text(arguments), _deadline_ms(arguments))
    return Outcome(bounded(answer, limits.CALL_REPLY_BYTES_MAX))


async def _async(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    run_id = await _others(context).tell(arguments["other_agent_id"], _text(arguments))
    return Outcome(f"The message was handed over; the agent answers to it in run {run_id}.")


async def _by_tags(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    every, some = arguments.get("match_all") or [], arguments.get("match_some") or []
    if not every and not some:
        raise ToolFailed("give at least one tag in match_all or match_some")
    found = await _others(context).tagged(every, some, limits.CALL_AGENTS_MAX + 1)
    if not found:
        raise ToolFailed("no other agent has such tags")
    return await _all(context, found, arguments)


async def _in_group(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    return await _all(context, await _others(context).of_group(), arguments)


async def _choose(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    """Nothing but the call itself is kept of it: whoever leads the talk reads it there."""
    chosen, there = arguments["next_speaker_agent_id"], await _others(context).of_group()
    for one in there:
        if one.id == chosen:
            return Outcome(f"{one.name} speaks next.", ends_turn=True)
    raise ToolFailed(f"'{chosen[:64]}' is not in this group; there are {', '.join(one.id for one in there)}")


async def _all(context: ToolContext, asked: Sequence[Reached], arguments: dict[str, Any]) -> Outcome:
    """Ask all of them, so many at a time as one agent may wait for. Who can't answer says so beside the others."""
    text, deadline_ms, others = _text(arguments), _deadline_ms(arguments), _others(context)
    if len(asked) > limits.CALL_AGENTS_MAX:
        most = limits.CALL_AGENTS_MAX
        raise ToolFailed(f"more than {most} agents would get this message; at most {most} may: choose other tags")
    free = asyncio.Semaphore(limits.CALLS_IN_FLIGHT_MAX)

    async def ask(one: Reached) -> dict[str, str]:
        async with free:
            try:
                answer = {"reply": await others.ask(one.id, text, deadline_ms)}
            except UmiError as error:
                answer = {"error": str(error)}
        return {"agent_id": one.id, "name": one.name, **answer}

    answers = await asyncio.gather(*(ask(one) for one in asked))
    each = limits.CALL_REPLY_BYTES_MAX // len(answers) - limits.CALL_AROUND_BYTES
    shown = [{key: bounded(value, each) for key, value in answer.items()} for answer in answers]
    return Outcome(msgspec.json.encode(shown).decode(), is_error=all("error" in answer for answer in answers))


def _others(context: ToolContext) -> Others:
    if context.others is None:
        raise ToolUnavailable("this call is no agent's: there are no others to speak to")
    return context.others


def _text(arguments: dict[str, Any]) -> str:
    text: str = arguments["message"]
    if not text.strip():
        raise ToolFailed("the message is blank")
    size = len(text.encode("utf-8", "replace"))
    if size > limits.CALL_TEXT_BYTES_MAX:
        raise ToolFailed(
            f"the message is {size:,} bytes; at most {limits.CALL_TEXT_BYTES_MAX:,} go to another agent: say it"
            " shorter, or write it where both of you can read it"
        )
    return text


def _deadline_ms(arguments: dict[str, Any]) -> int:
    seconds = arguments.get("timeout_s")
    deadline_ms = limits.CALL_DEADLINE_MS_DEFAULT if seconds is None else int(seconds * 1000)
    if not 1 <= deadline_ms <= limits.CALL_DEADLINE_MS_MAX:
        raise ToolFailed(f"timeout_s is more than 0 and at most {limits.CALL_DEADLINE_MS_MAX // 1000}")
    return deadline_ms


def bounded(text: str, bytes_max: int) -> str:
    """The text, or its beginning with a note of how much is missing."""
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return text
    note = f"\n… [cut: the answer has {len(data):,} bytes]"
    return data[: bytes_max - len(note.encode())].decode("utf-8", "ignore") + note


_MESSAGE = {"type": "string", "description": "What to say to the other agent, at most 100 KB."}
_OTHER = {"type": "string", "description": "The id of the other agent."}
_TIMEOUT = {"type": "number", "description": "For how many seconds to wait, at most 300; 30 if left out."}
_TAGS = {"type": "array", "items": {"type": "string"}}


def _tool(name: str, description: str, run: ToolFunction, reach: Reach = "outside", **properties: Any) -> Tool:
    """A call of another agent is made once, as one of a sandbox is: that agent acts."""
    required = [key for key in properties if key != "timeout_s"]
    spec = ToolSpec(name, description, {"type": "object", "properties": properties, "required": required})

    async def checked(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        return await run(context, check_arguments(name, spec.parameters, arguments))

    return Tool(spec, checked, reach, limits.CALL_REPLY_BYTES_MAX)


OTHERS_TOOLS = [
    _tool(
        WAIT,
        "Sends a message to another agent and waits for its answer. The other agent knows who writes.",
        _wait,
        message=_MESSAGE,
        other_agent_id=_OTHER,
        timeout_s=_TIMEOUT,
    ),
    _tool(
        ASYNC,
        "Sends a message to another agent and does not wait: to answer, the other agent writes a message back.",
        _async,
        message=_MESSAGE,
        other_agent_id=_OTHER,
    ),
    _tool(
        BY_TAGS,
        "Sends a message to every other agent that has all tags of match_all and any of match_some, and waits for"
        " their answers.",
        _by_tags,
        message=_MESSAGE,
        match_all=_TAGS | {"description": "Tags that each of them has."},
        match_some=_TAGS | {"description": "Tags of which each has at least one; empty: this does not matter."},
        timeout_s=_TIMEOUT,
    ),
    _tool(
        IN_GROUP,
        "Sends a message to every other agent of this agent's group, and waits for their answers.",
        _in_group,
        message=_MESSAGE,
        timeout_s=_TIMEOUT,
    ),
    _tool(
        CHOOSE,
        "Says who speaks next in the group whose talk this agent leads.",
        _choose,
        "store",
        next_speaker_agent_id={"type": "string", "description": "The id of one of the participants."},
    ),
]
