"""People who ask the analyst about the warehouse, and what they were shown.

Each question stands in a session of its own, and no two are about the same days: its SQL is nobody else's.
"""

import json
from dataclasses import dataclass
from typing import Any

from kelpie.analyst.sharing import PLANNER_HANDLE
from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.machines.connection import CONFIG, ENGINE
from kelpie.simulate.machines.warehouse import MODEL, NAME, QUESTIONS, worded
from kelpie.simulate.plans.plan import Event

QUESTION = "question"  # the operation
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
    kinds, word = (QUESTION,), "question"

    def __init__(self, clients: Clients) -> None:
        self.asked: list[Asked] = []
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

    async def perform(self, event: Event) -> None:
        """Ask, and answer what is asked back."""
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
        try:
            await (self._watch if streamed else self._wait)(asked, body)
        except Lost as error:
            self._clients.tell(event, f"heard nothing more: {error}")
        else:
            shown = "" if asked.answer is None else f": {asked.answer['text'][:100]}"
            self._clients.tell(event, f"{asked.outcome}{shown}")
        return asked

    async def _wait(self, asked: Asked, body: dict[str, Any]) -> None:
        event, silo = asked.event, self._clients.silo_for(asked.event, 0)
        reply = await self._clients.call(event.lane, silo, "POST", _PATH, body, self._options.client_patience_ms)
        self._judge(asked, reply.status)
        if reply.status == 200:
            self._shown(asked, reply.json)

    async def _watch(self, asked: Asked, body: dict[str, Any]) -> None:
        """As a stream, to its end or until the reader leaves."""
        event, leaves, rest, chunks = asked.event, asked.event.args.get("leaves_after"), b"", 0
        async with self._clients.patient(self._options.client_patience_ms):
            silo = self._clients.silo_for(event, 0)
            opened = await self._clients.open(event.lane, silo, "POST", _PATH, body)
            self._judge(asked, opened.status)
            async for chunk in opened.chunks:
                *blocks, rest = (rest + chunk).split(b"\n\n")
                for block in blocks:
                    self._event_came(asked, block)
                chunks += 1
                if leaves is not None and chunks >= leaves:
                    opened.hang_up()
                    self._clients.tell(event, "leaves in the middle of the stream")
                    return

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
