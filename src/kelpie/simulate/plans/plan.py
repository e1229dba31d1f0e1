"""What a run is made of, as data: the shrinker takes events away, a file keeps them, a person reads them."""

from typing import Any, Literal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that somebody does, or that goes wrong, at a moment.

    id      keys all of its chance: another event's absence changes nothing for it
    kind    an operation of kelpie.simulate.clients.clients ("send"), or a fault of kelpie.simulate.kinds ("crash.silo")
    lane    who does it or suffers it: a client, a silo, the store, a link ("silo-1>store")
    for_ms  how long a fault lasts
    """

    id: str
    at_ms: float
    kind: str
    lane: str = ""
    for_ms: float = 0.0
    args: dict[str, Any] = {}

    @property
    def is_fault(self) -> bool:
        return "." in self.kind


class Team(msgspec.Struct, frozen=True, omit_defaults=True):
    """Agents that answer as a group, by their numbers. `turns` is how often somebody speaks; of a sleeptime group, each
    so many turns of its manager the members are told. None: as a group has it that nobody said it of."""

    kind: Literal["round_robin", "supervisor", "dynamic", "sleeptime"]
    members: tuple[int, ...]
    manager: int | None = None
    turns: int | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The world before anything happens.

    silos        processes of the server
    remote       they share a store over the network; else one silo has it on its own disk
    agents       whose names are agent-0, agent-1, …; all share the blocks "board" and "log", each has its own "notes"
    guests       agents beyond these, which somebody may delete while others talk to them
    wire         the provider's wire the agents use
    routing      "agent": each agent's messages go to one silo while that lives; "any": to any
    idle_ms      after which an activation is let go
    sector_bytes of the store's disk
    latency_ms   mean delay of the network; drawn from the seed if None
    memory       a scope whose memory all agents share; each has its own if it is None
    embeds       facts are found by meaning too, as an embedder has it that may fail and lie
    warehouse    a semantic model of a tiny warehouse is registered, for questions to the analyst
    people       person-0, person-1, … for whom questions are asked; nobody in particular asks if it is 0
    unread       the tool that acts outside is one that nobody read: it runs in a machine of its own
    folders      of files, folder-0, folder-1, …: agent N has folder N, or N less their number
    window_tokens  of the agents' models, if it is not what these have; `compaction` is the mode in which they meet it
    approval_ms  the tool that acts outside needs approval, and waits so long for it; nobody is asked if it is None
    teams        groups of the agents
    backup_at_ms when the disk is backed up, once nothing is going on. What comes after is promised to nobody, and in
                 the end the backup is restored
    """

    silos: int = 1
    remote: bool = False
    agents: int = 2
    guests: int = 0
    wire: Literal["openai", "anthropic"] = "openai"
    routing: Literal["agent", "any"] = "agent"
    idle_ms: int = 300_000
    sector_bytes: int = 4096
    latency_ms: float | None = None
    client_patience_ms: float = 120_000
    memory: str | None = None
    embeds: bool = False
    warehouse: bool = False
    people: int = 0
    unread: bool = False
    folders: int = 0
    window_tokens: int | None = None
    compaction: str | None = None
    approval_ms: int | None = None
    teams: tuple[Team, ...] = ()
    backup_at_ms: float | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """schedule  seeds the order of steps, if it is not the plan's own seed"""

    scenario: str
    seed: int
    options: Options
    events: tuple[Event, ...]
    schedule: str | None = None

    def with_events(self, events: "list[Event] | tuple[Event, ...]", schedule: str | None = None) -> "Plan":
        return msgspec.structs.replace(self, events=tuple(events), schedule=schedule or self.schedule)

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self))


def plan_from_json(text: bytes) -> Plan:
    """Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=Plan)
