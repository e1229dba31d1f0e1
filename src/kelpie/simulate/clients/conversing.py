"""People who talk with one agent in several conversations, fork and delete these, and what each of them shows."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome, Reply
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.plans.plan import Event

CONVERSING = ("begin", "talk", "fork", "drop")  # the operations
MAIN = "main"  # what plans call the agent's own conversation: what is sent to the agent is said there
_PROMISE = "a conversation shows exactly its own"
_PATIENCE_MS = 60_000
_OP = re.compile(r"^(op-\w+):", re.MULTILINE)  # what memory recalls of them is quoted


@dataclass(slots=True)
class Said:
    """Something that was said in a conversation, by its otid."""

    otid: str
    began_ms: float
    outcome: Outcome = "unknown"
    ended_ms: float | None = None  # when its sender was told that its run completed


@dataclass(slots=True)
class Room:
    """A conversation that somebody made, or wanted to.

    parent  the one it was forked from: MAIN, or another's name; None for a new one
    """

    name: str
    agent: int
    id: str | None = None
    parent: str | None = None
    forked_ms: tuple[float, float] = (0.0, 0.0)  # when that began and was over
    dropped: Outcome | None = None
    said: list[Said] = field(default_factory=list)


class Conversing(Performer):
    kinds, word = CONVERSING, "talk"

    def __init__(self, clients: Clients) -> None:
        self.rooms: dict[str, Room] = {}
        self._clients, self._world = clients, clients.world
        self._operations = {"begin": self._begin, "talk": self._talk, "fork": self._fork, "drop": self._drop}

    @property
    def outcomes(self) -> list[Outcome]:
        return [said.outcome for room in self.rooms.values() for said in room.said]

    async def perform(self, event: Event) -> None:
        """Do what the event says."""
        try:
            await self._operations[event.kind](event)
        except Lost as error:
            self._clients.tell(event, f"heard nothing more: {error}")

    # ---- what people do

    async def _begin(self, event: Event) -> None:
        room = self.rooms[event.args["name"]] = Room(event.args["name"], event.args["agent"])
        path = f"/v1/conversations/?agent_id={self._clients.agents[room.agent]}"
        reply = await self._call(event, room.agent, "POST", path, {"summary": event.id})
        if reply.status == 200:
            room.id = reply.json["id"]
        self._clients.tell(event, f"begins {room.name} with agent-{room.agent} -> {reply.status}")

    async def _fork(self, event: Event) -> None:
        source, agent = event.args["source"], event.args["agent"]
        path = f"/v1/conversations/default/fork?agent_id={self._clients.agents[agent]}"
        if source != MAIN:
            known = self.rooms.get(source)
            if known is None or known.id is None:
                return
            path, agent = f"/v1/conversations/{known.id}/fork", known.agent
        began_ms = self._now_ms
        room = self.rooms[event.args["name"]] = Room(event.args["name"], agent, parent=source)
        reply = await self._call(event, agent, "POST", path, None)
        room.forked_ms = (began_ms, self._now_ms)
        if reply.status == 200:
            room.id = reply.json["id"]
        self._clients.tell(event, f"forks {source} of agent-{agent} as {room.name} -> {reply.status}")

    async def _talk(self, event: Event) -> None:
        room = self.rooms.get(event.args["room"])
        if room is not None and room.id is not None:
            await self._say(event, room, f"{event.id}: {event.args['text']}", event.id)

    async def _say(self, event: Event, room: Room, text: str, otid: str) -> None:
        said = Said(otid, self._now_ms)
        room.said.append(said)
        body = {"messages": [{"role": "user", "content": text, "otid": otid}], "streaming": False}
        reply = await self._call(event, room.agent, "POST", f"/v1/conversations/{room.id}/messages", body)
        if reply.status == 200 or "x-kelpie-run-id" in reply.headers:
            said.outcome = "ok"
            said.ended_ms = self._now_ms if reply.status == 200 else None
        elif reply.status in REFUSED:
            said.outcome = "refused"
        self._clients.tell(event, f"says in {room.name}: {text[:80]} -> {reply.status}")

    async def _drop(self, event: Event) -> None:
        room = self.rooms.get(event.args["room"])
        if room is None or room.id is None:
            return
        room.dropped = "unknown"
        self._clients.thinned.add(room.agent)
        reply = await self._call(event, room.agent, "DELETE", f"/v1/conversations/{room.id}", None)
        if reply.status == 200:
            room.dropped = "ok"
        self._clients.tell(event, f"deletes {room.name} -> {reply.status}")

    @property
    def _now_ms(self) -> float:
        return self._world.loop.virtual_ms

    async def _call(self, event: Event, agent: int, method: str, path: str, body: dict[str, Any] | None) -> Reply:
        silo, patience_ms = self._clients.silo_for(event, agent), self._world.plan.options.client_patience_ms
        return await self._clients.call(event.lane, silo, method, path, body, patience_ms)

    # ---- what must hold once everything has healed

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Each shows what was said in it, and what it was forked with, and so do the prompts of its model."""
        for room in list(self.rooms.values()):
            if room.id is None or room.agent in self._clients.dismissed:
                continue
            there = await self._asked(f"/v1/conversations/{room.id}")
            if there.status == 404 and room.dropped is not None:
                continue
            if there.status != 200 or room.dropped == "ok":
                breaks(_PROMISE, f"{room.name} was {room.dropped or 'not'} deleted, and answers {there.status}")
                continue
            healed = Event(id=f"op-healed{room.name}", at_ms=0.0, kind="talk", lane="client-0")
            await self._say(healed, room, f"{healed.id}: [[say:well]]", healed.id)
            listed = await self._asked(f"/v1/conversations/{room.id}/messages?limit=1000&order=asc")
            shown = [one["otid"] for one in listed.json if one["message_type"] == "user_message"]
            for text in self._faults(room, shown):
                breaks(_PROMISE, text)
        for text in self._faults_of_prompts():
            breaks(_PROMISE, text)

    async def _asked(self, path: str) -> Reply:
        return await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)

    def _faults(self, room: Room, shown: list[str]) -> list[str]:
        found, times = list[str](), Counter(shown)
        allowed, required = self._before(room)
        own = {said.otid: said.outcome for said in room.said}
        for otid in times:
            if otid not in own and otid not in allowed:
                found.append(f"{room.name} shows {otid}, which was said elsewhere")
        for otid in required:
            if times[otid] != 1:
                found.append(f"{room.name} was forked after {otid} and shows it {times[otid]} times")
        for otid, outcome in own.items():
            if times[otid] > 1 or (outcome == "ok" and times[otid] != 1) or (outcome == "refused" and times[otid]):
                found.append(f"{otid} was {outcome} in {room.name} and is there {times[otid]} times")
        kinds = ["own" if otid in own else "before" for otid in shown]
        if kinds != sorted(kinds):
            found.append(f"{room.name} shows something of its own before what it was forked with")
        return found

    def _before(self, room: Room) -> tuple[set[str], set[str]]:
        """What a conversation may show of others, as a fork, and what of that it must."""
        if room.parent is None:
            return set(), set()
        began_ms, over_ms = room.forked_ms
        if room.parent == MAIN:
            said = [
                Said(seen.event.id, seen.began_ms, ended_ms=seen.ended_ms)
                for seen in self._clients.sent
                if seen.agent == room.agent
            ]
            allowed, required = set[str](), set[str]()
        else:
            said = self.rooms[room.parent].said
            allowed, required = self._before(self.rooms[room.parent])
        allowed = allowed | {one.otid for one in said if one.began_ms <= over_ms}
        required = required | {one.otid for one in said if one.ended_ms is not None and one.ended_ms < began_ms}
        return allowed, required

    def _faults_of_prompts(self) -> list[str]:
        """Whose message is the newest of a prompt, in his conversation all of it was said."""
        may: dict[str, set[str]] = {}
        for room in self.rooms.values():
            own = {said.otid for said in room.said}
            may |= dict.fromkeys(own, own | self._before(room)[0])
        for agent in range(len(self._clients.agents)):
            own = {seen.event.id for seen in self._clients.sent if seen.agent == agent}
            may |= dict.fromkeys(own, own)
        found: list[str] = []
        for shown in self._world.shown:
            words = [
                match[1] for one in shown.request.messages if one.role == "user" for match in _OP.finditer(one.text)
            ]
            # Also what an agent is reminded of is somebody's message: nobody here knows of it.
            if words and words[-1] in may and (others := (may.keys() & words) - may[words[-1]]):
                found.append(f"the model was shown {', '.join(sorted(others))} before {words[-1]}")
        return found
