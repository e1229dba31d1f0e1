"""The messages that an agent's history begins with: its system message, and what it was given or its kind shows."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from kelpie.agents import kinds
from kelpie.agents.agent import Agent
from kelpie.agents.context.context import system_prompt
from kelpie.agents.kinds import HEARTBEAT, SPEAKING_TOOL, THOUGHT, Kind
from kelpie.trajectories.records import MAIN, StoredMessage
from umi.dst import Host, Ids
from umi.entity import Block
from umi.wire.types import Message, ToolCall

_MOTTO = "More human than human is our motto."
_FIRST_THOUGHT = "Bootup sequence complete. Persona activated. Testing messaging functionality."
_SENT = "Sent message successfully."


def messages(
    host: Host,
    agent: Agent,
    blocks: Sequence[Block],
    given: Sequence[Message] | None = None,
    *,
    conversation_id: str = MAIN,
) -> list[StoredMessage]:
    """A history as it begins, from position 0.

    given  what follows the system message; None: what its kind begins with
    """
    kind = kinds.of(agent.agent_type)
    bodies = [first_body(host, agent, blocks), *_said(host, kind, given)]
    now_ms = host.clock.now_ms()
    return [
        StoredMessage(
            tenant=agent.tenant,
            id=host.ids.new("message"),
            agent_id=agent.id,
            position=position,
            run_id=None,
            step_id=None,
            body=body,
            created_at_ms=now_ms,
            conversation_id=conversation_id,
        )
        for position, body in enumerate(bodies)
    ]


def first_body(host: Host, agent: Agent, blocks: Sequence[Block]) -> Message:
    """The system message as compiled now, for people who read the history; each step's request holds its own."""
    return Message(role="system", content=system_prompt(agent, blocks, host.clock.now_ms()))


def _said(host: Host, kind: Kind, given: Sequence[Message] | None) -> list[Message]:
    if given is None:
        return [] if kind.beginning == "system" else _greeting(host)
    bodies: list[Message] = []
    for message in given:
        speaks = message.role == "assistant" and kind.speaks
        bodies += _spoken(host.ids, message.text, None) if speaks else [message]
    return bodies


def _greeting(host: Host) -> list[Message]:
    """What shows a model how this kind speaks: one message sent, and a user who comes in."""
    moment = dt.datetime.fromtimestamp(host.clock.now_ms() / 1000, dt.UTC)
    login = {
        "type": "login",
        "last_login": "Never (first login)",
        "time": moment.strftime("%Y-%m-%d %I:%M:%S %p UTC+0000"),
    }
    return [
        *_spoken(host.ids, _MOTTO, _FIRST_THOUGHT),
        Message(role="user", content=msgspec.json.encode(login).decode()),
    ]


def _spoken(ids: Ids, text: str, thought: str | None) -> list[Message]:
    """A text as this kind says it: a call of send_message and its return."""
    arguments = {**({THOUGHT: thought} if thought else {}), "message": text, HEARTBEAT: False}
    call = ToolCall(ids.new("call"), SPEAKING_TOOL, msgspec.json.encode(arguments).decode())
    return [
        Message(role="assistant", tool_calls=[call], thinks_in_calls=thought is not None),
        Message(role="tool", content=_SENT, tool_call_id=call.id, name=SPEAKING_TOOL),
    ]
