"""Turns that go on when a call asks for it: what ends them, and the tool with which an agent rests from them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents import kinds
from kelpie.agents.agent import Agent
from kelpie.agents.rules import rules
from kelpie.agents.turn.calls import Prepared
from kelpie.tools import limits
from kelpie.tools.memory import spec_of, whole_number
from kelpie.tools.tool import Outcome, Tool, ToolContext

MINUTE_MS = 60_000


def ends(agent: Agent, prepared: Prepared, outcome: Outcome, now_ms: int) -> bool:
    """Whether a call ends the turn by itself. What an agent says with a heartbeat it says on the way, unless a rule
    makes it the last."""
    if not outcome.ends_turn or outcome.is_error:
        return False
    name = prepared.call.name
    is_on_the_way = name == kinds.SPEAKING_TOOL and _asks(agent, prepared, now_ms)
    return not is_on_the_way or rules.ends_turn(agent.rules, name)


def are_over(agent: Agent, made: Iterable[tuple[Prepared, Outcome]], now_ms: int) -> bool:
    """Whether nothing asked for another step after these calls: no heartbeat, no failure, no rule, and no answer of a
    client, which the model has waited for. Where there are no heartbeats a turn goes on after every call."""
    if not kinds.of(agent.agent_type).heartbeats:
        return False
    return not any(
        outcome.is_error
        or prepared.answer is not None
        or _asks(agent, prepared, now_ms)
        or rules.goes_on(agent.rules, prepared.call.name)
        for prepared, outcome in made
    )


def _asks(agent: Agent, prepared: Prepared, now_ms: int) -> bool:
    return prepared.asks_on and now_ms >= agent.heartbeats_from_ms


async def _pause(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    minutes = whole_number(
        arguments, "minutes", limits.HEARTBEAT_PAUSE_MINUTES_DEFAULT, limits.HEARTBEAT_PAUSE_MINUTES_MAX
    )
    now_ms = context.host.clock.now_ms()
    old = await agents.get(context.view, context.tenant, context.agent_id)
    new = msgspec.structs.replace(old, heartbeats_from_ms=now_ms + minutes * MINUTE_MS)
    _, changes = agents.plan_update(old, new, now_ms)
    text = f"Until {minutes} minutes from now a heartbeat you ask for is not given; messages reach you as ever."
    return Outcome(text, changes=changes, ends_turn=True)


PAUSE_TOOL = Tool(
    spec_of(
        "pause_heartbeats",
        "End your turn, and for some minutes every later turn after its first call without a rule that says otherwise:"
        " heartbeats you ask for are not given. Messages still reach you.",
        {"minutes": {"type": "integer", "description": "For how long, 1 to 60; 2 if not given."}},
        [],
    ),
    _pause,
    "store",
)
