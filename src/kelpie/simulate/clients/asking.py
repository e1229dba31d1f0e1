"""People who ask the analyst about the warehouse, and what they were shown.

Each question stands in a session of its own, and no two are about the same days: its SQL is nobody else's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kelpie.analyst.sharing import PLANNER_HANDLE
from kelpie.people.scopes import of_person
from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.machines.connection import CONFIG, ENGINE
from kelpie.simulate.machines.warehouse import MODEL, NAME, QUESTIONS, worded
from kelpie.simulate.plans.plan import Event

QUESTION, LEAVE = "question", "leave"  # the operations
_ATTEMPTS_MAX = 20  # of a removal, once everything has healed
_NOTES = "SELECT id FROM block b WHERE NOT EXISTS (SELECT 1 FROM block_scope s WHERE s.block_id = b.id)"
_PATH = "/v1/analyst/questions"


@dataclass(slots=True)
class Asked:
    """What somebody said to the analyst, and what they know of it.

    is_reply  it answers what was asked back
    answer    what was shown, as the API has it
    """

    event: Event
    text: str
    is_reply: bool = False
    outcome: Outcome = "unknown"
    run_id: str | None = None
    answer: dict[str, Any] | None = None

    @property
    def is_asked_back(self) -> bool:
        return self.answer is not None and any(step["kind"] == "question" for step in self.answer["steps"])


class Askers(Performer):
    kinds, word = (QUESTION, LEAVE), "question"

    def __init__(self, clients: Clients) -> None:
        self.asked: list[Asked] = []
        self.left: set[int] = set()  # people whom somebody had removed, or tried to
        self._ids: list[str] = []  # of all people
        self._clients = clients
        self._options = clients.world.plan.options

    @property
    def outcomes(self) -> list[Outcome]:
        return [asked.outcome for asked in self.asked]

    async def set_up(self) -> None:
        """The connection, and the semantic model over it."""
        if not self._options.warehouse:
            return
        wanted = {"name": NAME, "engine": ENGINE, "config": CONFIG}
        made = await self._clients.made("POST", "/v1/analyst/connections", wanted)
        model = {"connection_id": made["id"], "yaml": MODEL}
        await self._clients.made("POST", "/v1/analyst/semantic-models", model)
        self._clients.world.connection.asks.clear()  # a model is tried on its data before it is registered
        for number in range(self._options.people):
            made = await self._clients.made("POST", "/v1/people", {"handle": f"person-{number}"})
            self._ids.append(made["id"])

    async def perform(self, event: Event) -> None:
        """Ask, and answer what is asked back; or have somebody removed."""
        if event.kind == LEAVE:
            await self._leave(event)
            return
        about = event.args["about"]
        said = await self._ask(event, worded(about, event.args["first"], event.args["last"]))
        reply = QUESTIONS[about].reply
        if reply is not None and said.is_asked_back:
            await self._ask(event, reply, is_reply=True)

    async def _ask(self, event: Event, text: str, *, is_reply: bool = False) -> Asked:
        asked = Asked(event, text, is_reply)
        self.asked.append(asked)
        self._clients.tell(event, f"asks: {text}")
        streamed = event.args["mode"] == "stream"
        body = {"question": text, "session": event.id, "model": PLANNER_HANDLE, "stream": streamed}
        if (person := event.args.get("person")) is not None:
            body["as"] = f"person-{person}"
        try:
            await (self._watch if streamed else self._wait)(asked, body)
        except Lost as error:
            self._clients.tell(event, f"heard nothing more: {error}")
        else:
            shown = "" if asked.answer is None else f": {asked.answer['text'][:100]}"
            self._clients.tell(event, f"{asked.outcome}{shown}")
        return asked

    async def _leave(self, event: Event) -> None:
        person = event.args["person"]
        self.left.add(person)
        path, silo = f"/v1/people/person-{person}", self._clients.silo_for(event, 0)
        try:
            reply = await self._clients.call(event.lane, silo, "DELETE", path, None, self._options.client_patience_ms)
        except Lost as error:
            self._clients.tell(event, f"has person-{person} removed, and heard nothing: {error}")
            return
        self._clients.tell(event, f"has person-{person} removed -> {reply.status}")

    async def removals_end(self) -> None:
        """One that was cut off or refused may have begun: it is asked for again until nobody of that name is there."""
        world = self._clients.world
        for person in sorted(self.left):
            for _ in range(_ATTEMPTS_MAX):
                path = f"/v1/people/person-{person}"
                reply = await self._clients.call("client-0", world.silos[0], "DELETE", path, None, 60_000)
                if reply.status == 404:
                    break
            else:
                world.breaks("who is removed is gone", f"person-{person} is there after {_ATTEMPTS_MAX} removals")

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Nothing is left of who was removed; whatever belongs to a conversation went with it."""
        if not self.left:
            return
        world = self._clients.world
        for person in sorted(self.left):
            for (agent_id,) in await world.rows("SELECT id FROM agent WHERE belongs_to = ?", self._ids[person]):
                breaks("who is removed takes everything along", f"{agent_id} of person-{person} is there")
            if held := await world.rows("SELECT id FROM fact WHERE scope = ?", of_person(self._ids[person])):
                breaks("who is removed takes everything along", f"{len(held)} things person-{person} held to are there")
        for table in ("analyst_query", "analyst_answer", "analyst_chart"):
            rows = await world.rows(f"SELECT count(*) FROM {table} WHERE agent_id NOT IN (SELECT id FROM agent)")
            if rows[0][0]:
                breaks("who is removed takes everything along", f"{rows[0][0]} rows of {table} are there")
        if notes := await world.rows(_NOTES):
            breaks("who is removed takes everything along", f"{len(notes)} blocks that nobody has are there")

    async def _wait(self, asked: Asked, body: dict[str, Any]) -> None:
        event, silo = asked.event, self._clients.silo_for(asked.event, 0)
        reply = await self._clients.call(event.lane, silo, "POST", _PATH, body, self._options.client_patience_ms)
        self._judge(asked, reply.status)
        if reply.status == 200:
            self._shown(asked, reply.json)

    async def _watch(self, asked: Asked, body: dict[str, Any]) -> None:
        """As a stream, to its end or until the reader leaves."""
        event = asked.event
        async with self._clients.patient(self._options.client_patience_ms):
            silo = self._clients.silo_for(event, 0)
            opened = await self._clients.open(event.lane, silo, "POST", _PATH, body)
            self._judge(asked, opened.status)
            await self._clients.hear(event, opened, lambda block: self._event_came(asked, block))

    def _event_came(self, asked: Asked, block: bytes) -> None:
        data = block.partition(b"data: ")[2]
        told = json.loads(data) if data.startswith(b"{") else {}
        if told.get("event") == "run":
            asked.run_id = told["run_id"]
        elif told.get("event") == "answer":
            self._shown(asked, told["answer"])

    def _shown(self, asked: Asked, answer: dict[str, Any]) -> None:
        asked.answer, asked.run_id = answer, answer["run_id"]

    def _judge(self, asked: Asked, status: int) -> None:
        if status == 200:
            asked.outcome = "ok"
        elif status in REFUSED:
            asked.outcome = "refused"
