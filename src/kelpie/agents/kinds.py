"""What sets agents of one type apart, as data: the turn is the same for all of them.

A kind says which tools and rules its agents begin with, how they speak, and what the model is asked to write into the
arguments of its calls besides the tool's own.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from kelpie.agents.context import prompts
from kelpie.agents.rules.rules import EndsTurn, GoesOn, Rule

SPEAKING_TOOL = "send_message"
# What is added to the arguments of calls: a text for the agent alone, and whether it goes on after this call.
THOUGHT = "thinking"
HEARTBEAT = "request_heartbeat"

Beginning = Literal["system", "greeting"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """
    prompt       the system prompt of those made without one
    base_tools   what its agents get unless they ask for none
    rules        its base tools come with the rules of `base_rules`, unless it is asked otherwise
    must_call    every reply is a tool call, and a turn without one is over
    speaks       its words are what it sends with `send_message`; a structured answer is that call's message
    heartbeats   after a call the turn goes on if the call asked for it (`request_heartbeat`), if it failed or if a rule
                 says so; other kinds go on after every call
    thinks       it thinks in an argument of its calls (`thinking`), which no tool is handed
    beginning    its history begins with the system message alone, or with an exchange that shows how it speaks
    forgets      each run begins with an empty history
    remembers    a new agent recalls and remembers by itself, unless it is asked otherwise
    """

    prompt: str
    base_tools: tuple[str, ...] = ()
    rules: bool = False
    must_call: bool = False
    speaks: bool = False
    heartbeats: bool = False
    thinks: bool = False
    beginning: Beginning = "system"
    forgets: bool = False
    remembers: bool = True


_PLAIN = Kind(prompt=prompts.PLAIN, base_tools=("memory_insert", "memory_replace", "conversation_search"))
_SPEAKER = Kind(
    prompt=prompts.SPEAKER,
    base_tools=(SPEAKING_TOOL, "conversation_search", "memory_insert", "memory_replace"),
    rules=True,
    must_call=True,
    speaks=True,
    heartbeats=True,
    thinks=True,
    beginning="greeting",
)
# By agent type.
KINDS: dict[str, Kind] = {
    "letta_v1_agent": _PLAIN,
    "memgpt_v2_agent": _SPEAKER,
    "memgpt_agent": msgspec.structs.replace(
        _SPEAKER,
        prompt=prompts.MEMGPT,
        base_tools=(
            SPEAKING_TOOL,
            "conversation_search",
            "core_memory_append",
            "core_memory_replace",
            "memory",
            "memory_apply_patch",
        ),
    ),
    "react_agent": Kind(prompt=prompts.REACT),
    "workflow_agent": Kind(prompt=prompts.WORKFLOW, forgets=True, remembers=False),
    "sleeptime_agent": Kind(
        prompt=prompts.SLEEPTIME,
        base_tools=("memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits"),
        rules=True,
        remembers=False,  # what it is told of is what another agent heard
    ),
}
# Types that are known and can't run, with the reason.
UNSERVED = {
    "split_thread_agent": "its threads are not built",
    "voice_convo_agent": "voice is not built",
    "voice_sleeptime_agent": "voice is not built",
}
# Between agents: attached for those who ask, as far as this server has them.
MULTI_AGENT_TOOLS = (
    "send_message_to_agent_and_wait_for_reply",
    "send_message_to_agents_matching_tags",
    "send_message_to_agent_async",
)
# What the chat agent of a pair gets, whose memory another one tends.
SLEEPTIME_CHAT_TOOLS = (SPEAKING_TOOL, "conversation_search", "archival_memory_search")

_ENDING = frozenset({SPEAKING_TOOL, "send_message_to_agent_async", "memory_finish_edits"})
_CONTINUING = frozenset(
    {
        *("conversation_search", "conversation_search_date", "archival_memory_insert", "archival_memory_search"),
        *("core_memory_append", "core_memory_replace", "memory", "memory_apply_patch"),
        *("memory_insert", "memory_replace", "memory_rethink"),
    }
)


def of(agent_type: str) -> Kind:
    """The kind of an agent. One of a type that can't run, brought from elsewhere, is a plain one."""
    return KINDS.get(agent_type, _PLAIN)


def base_rules(tools: Iterable[str]) -> list[Rule]:
    """The rules that come with tools of ours, by their names: which end the turn, and after which it goes on."""
    return [
        EndsTurn(tool=name) if name in _ENDING else GoesOn(tool=name)
        for name in tools
        if name in _ENDING or name in _CONTINUING
    ]


def beginning_tools(kind: Kind, *, pairs: bool) -> tuple[str, ...]:
    """The base tools of an agent; `pairs`: its memory is tended by a sleeptime agent."""
    return SLEEPTIME_CHAT_TOOLS if pairs and kind is not KINDS["sleeptime_agent"] else kind.base_tools
