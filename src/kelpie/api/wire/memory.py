"""An agent's memory on the wire: settings in its metadata, and what memory did, in a field of our own."""

from typing import Any

import msgspec

from kelpie.agents.agent import AgentMemory
from kelpie.errors import InvalidInput
from kelpie.trajectories.records import Step

KEY = "memory"  # in an agent's metadata
FIELD = "kelpie_memory"  # of agents and steps


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    recall: bool | msgspec.UnsetType = msgspec.UNSET
    remember: bool | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType | None = msgspec.UNSET


def settings(metadata: dict[str, Any] | None, base: AgentMemory) -> AgentMemory:
    """`base`, with what the metadata say of memory in its place. Raises InvalidInput for what is no setting."""
    if metadata is None or KEY not in metadata:
        return base
    try:
        given = msgspec.convert(metadata[KEY], _Given)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"metadata.{KEY}: {error}; it holds recall (true or false), remember (true or false) and scope (whose"
            " memory, a text; null for the agent's own)"
        ) from None
    said = {name: value for name in _Given.__struct_fields__ if (value := getattr(given, name)) is not msgspec.UNSET}
    return msgspec.structs.replace(base, **said)


def of_agent(memory: AgentMemory, agent_id: str) -> dict[str, Any]:
    return {"recall": memory.recall, "remember": memory.remember, "scope": memory.scope_of(agent_id)}


def of_step(step: Step) -> dict[str, Any] | None:
    """What was recalled for the step's run, and what was remembered of it; None where memory had no part."""
    if step.recalled is None and step.remembered is None:
        return None
    return {
        "recalled": None if step.recalled is None else msgspec.to_builtins(step.recalled),
        "remembered": None if step.remembered is None else msgspec.to_builtins(step.remembered),
    }
