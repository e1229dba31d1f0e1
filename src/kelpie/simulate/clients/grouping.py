"""People who speak to groups of agents, and what they were shown of the rounds."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from kelpie.simulate.clients.circles import Addressed, Circle
from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.plans.plan import Event
from kelpie.simulate.promises.rounds import Rounds

GROUPING = ("address", "disband")  # the operations
_FINAL_TYPES = ("assistant_message", "tool_call_message", "tool_return_message")


class Grouping(Performer):
    kinds, word = GROUPING, "address"

    def __init__(self, clients: Clients) -> None:
        self.circles: dict[int, Circle] = {}
        self.addressed: list[Addressed] = []
        self.found: Counter[str] = Counter()  # what the check looked at
        self._clients, self._world = clients, clients.world

    @property
    def outcomes(self) -> list[Outcome]:
        return [one.outcome for one in self.addressed]

    def counts(self) -> Counter[str]:
        return super().counts() + self.found

    async def set_up(self) -> None:
        """The groups of the plan; one whose agents the plan has not is not made."""
        there = range(len(self._clients.agents))
        for number, team in enumerate(self._world.plan.options.teams):
            members = [self._clients.agents[one] for one in dict.fromkeys(team.members) if one in there]
            if not members or (team.manager is not None and team.manager not in there):
                continue
            manager = None if team.manager is None else self._clients.agents[team.manager]
            circle = Circle(team, "", members, manager)
            body = {"agent_ids": members, "description": f"team {number}", "manager_config": circle.ordering()}
            circle.id = (await self._clients.made("POST", "/v1/groups/", body))["id"]
            self.circles[number] = circle

    # ---- what people do

    async def perform(self, event: Event) -> None:
        """Do what the event says."""
        circle = self.circles.get(event.args["team"])
        if circle is None:
            return
        if event.kind == "disband":
            await self._disband(event, circle)
            return
        silo = self._clients.silo_for(event, event.args["team"])
        text, life = f"{event.id}: {event.args.get('text', 'hello')}", self._world.life(silo).incarnation
        one = Addressed(event, event.args["team"], text, life)
        self.addressed.append(one)
        self._clients.heard_by_many.add(event.id)
        self._clients.tell(event, f"says to team {one.team}: {text[:100]}")
        try:
            await (self._watch if event.args.get("mode") == "stream" else self._wait)(one, circle, silo)
        except Lost as error:
            if str(error) == "no answer in time" and life == self._world.life(silo).incarnation:
                one.waited_until_ms = self._world.loop.virtual_ms
            self._clients.tell(event, f"heard nothing more: {error}")
            return
        for message_id in one.final_ids:
            self._world.invariants.shown_as_final(message_id, event.lane)
        self._clients.tell(event, f"{one.outcome}, {one.ended or 'goes on'}")

    async def _wait(self, one: Addressed, circle: Circle, silo: str) -> None:
        patience_ms = self._world.plan.options.client_patience_ms
        path = f"/v1/groups/{circle.id}/messages"
        reply = await self._clients.call(one.event.lane, silo, "POST", path, _body(one), patience_ms)
        _judge(one, reply.status, reply.headers)
        if reply.status == 200:
            one.ended, one.run_ids = "completed", reply.json["usage"]["run_ids"]
            one.final_ids = [message["id"] for message in reply.json["messages"]]
        elif one.outcome == "ok":
            one.ended = "failed"

    async def _watch(self, one: Addressed, circle: Circle, silo: str) -> None:
        """As a stream, to its end or until the reader leaves."""
        path = f"/v1/groups/{circle.id}/messages/stream"
        async with self._clients.patient(self._world.plan.options.client_patience_ms):
            opened = await self._clients.open(one.event.lane, silo, "POST", path, _body(one))
            _judge(one, opened.status, dict(opened.headers))
            one.was_left = await self._clients.hear(one.event, opened, lambda block: self._event_came(one, block))

    def _event_came(self, one: Addressed, block: bytes) -> None:
        data = block.partition(b"data: ")[2]
        message = json.loads(data) if data.startswith(b"{") else {}
        if message.get("message_type") == "stop_reason":
            one.ended = "completed"
        elif message.get("message_type") == "error_message":
            one.ended = "failed"
        elif message.get("message_type") in _FINAL_TYPES:  # by steps: nothing is shown before it is committed
            self._world.invariants.shown_as_final(message["id"], one.event.lane)
            one.final_ids.append(message["id"])

    async def _disband(self, event: Event, circle: Circle) -> None:
        circle.disbanded = circle.disbanded or "unknown"
        silo, path = self._clients.silo_for(event, event.args["team"]), f"/v1/groups/{circle.id}"
        patience_ms = self._world.plan.options.client_patience_ms
        try:
            reply = await self._clients.call(event.lane, silo, "DELETE", path, None, patience_ms)
        except Lost as error:
            self._clients.tell(event, f"disbands team {event.args['team']}: {error}")
            return
        if reply.status == 200:
            circle.disbanded = "ok"
        self._clients.tell(event, f"disbands team {event.args['team']} -> {reply.status}")

    # ---- what must hold once everything has healed

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Nothing without groups; else what kelpie.simulate.promises.rounds says."""
        if not self.circles:
            return
        rounds = Rounds(self._world, self._clients, self.circles, self.addressed, breaks)
        await rounds.check()
        self.found = rounds.found


def _body(one: Addressed) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": one.text, "otid": one.event.id}], "max_steps": 8}


def _judge(one: Addressed, status: int, headers: dict[str, str]) -> None:
    """Acknowledged is what was answered with its run; one that failed was acknowledged as well."""
    if status == 200 or "x-kelpie-run-id" in headers:
        one.outcome = "ok"
    elif status in REFUSED:
        one.outcome = "refused"
