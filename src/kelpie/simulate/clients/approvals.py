"""People who are asked whether a tool may run, and answer late, or never; and what became of the calls."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.agents.limits import RUN_RETRY_DELAY_MS_MAX
from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.plans.plan import Event

APPROVE = "approve"  # the operation
_ATTEMPTS_MAX = 6  # of one answer, whose sender hears nothing
_EXPIRED_MS = 120_000.0  # after the time of a question: reminders are looked for every now and then
# Calls that were answered, and that no run made or told the model of.
_LOST = (
    "SELECT c.tool_call_id FROM call c WHERE c.state = 'answered' AND NOT EXISTS (SELECT 1 FROM call o"
    " WHERE o.tenant = c.tenant AND o.agent_id = c.agent_id AND o.tool_call_id = c.tool_call_id"
    " AND o.step_id <> c.step_id AND o.result_message_id IS NOT NULL)"
)


@dataclass(slots=True)
class Question:
    """What somebody was asked, and what they said: `word` is "yes", "no" or "nothing"."""

    event: Event
    word: str
    whats: list[str] = field(default_factory=list)  # for whom the bell would ring
    outcome: Outcome = "unknown"
    was_sent: bool = False


class Approvals(Performer):
    kinds = (APPROVE,)

    def __init__(self, clients: Clients) -> None:
        self.asked: list[Question] = []
        self._clients, self._world = clients, clients.world

    def counts(self) -> Counter[str]:
        return Counter(f"{question.word} {question.outcome}" for question in self.asked)

    async def perform(self, event: Event) -> None:
        """Send a message whose calls need an answer, and give it after a while."""
        question = Question(event, event.args["word"])
        await self._clients.perform(msgspec.structs.replace(event, kind="send"))
        await self._world.host.clock.sleep(event.args["after_ms"])
        if question.word == "nothing":
            return
        try:
            calls = await self._waiting(event)
        except Lost as error:
            self._clients.tell(event, f"can't see what waits: {error}")
            return
        question.whats = [json_of(call)["what"] for call in calls]
        if not question.whats:
            self._clients.tell(event, "is asked nothing")
            return
        self.asked.append(question)
        await self._answer(question, [call["tool_call_id"] for call in calls])

    async def _waiting(self, event: Event) -> list[dict[str, Any]]:
        """The calls of its own message that wait."""
        agent = event.args["agent"]
        path = f"/v1/agents/{self._clients.agents[agent]}"
        patience_ms = self._world.plan.options.client_patience_ms
        reply = await self._clients.call(
            event.lane, self._clients.silo_for(event, agent), "GET", path, None, patience_ms
        )
        waiting = reply.json["pending_approval"] if reply.status == 200 else None
        calls = waiting["tool_calls"] if waiting else []
        return [call for call in calls if str(json_of(call).get("what", "")).startswith(f"{event.id}.")]

    async def _answer(self, question: Question, ids: list[str]) -> None:
        """Say it until it is heard."""
        event, agent = question.event, question.event.args["agent"]
        word = question.word == "yes"
        approvals = [{"type": "approval", "tool_call_id": one, "approve": word} for one in ids]
        message = {"type": "approval", "approvals": approvals, "otid": f"{event.id}-answer"}
        path = f"/v1/agents/{self._clients.agents[agent]}/messages"
        patience_ms = self._world.plan.options.client_patience_ms
        for _ in range(_ATTEMPTS_MAX):
            silo = self._clients.silo_for(event, agent)
            question.was_sent = True
            try:
                reply = await self._clients.call(event.lane, silo, "POST", path, {"messages": [message]}, patience_ms)
            except Lost as error:
                self._clients.tell(event, f"says {question.word}, and heard nothing: {error}")
                await self._world.host.clock.sleep(2_000)
                continue
            if reply.status == 200 or "x-kelpie-run-id" in reply.headers:
                question.outcome = "ok"
            elif reply.status in REFUSED and reply.status != 429:
                question.outcome = "refused"
            self._clients.tell(event, f"says {question.word} -> {reply.status}")
            if question.outcome != "unknown":
                return
            await self._world.host.clock.sleep(2_000)

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Once everything has healed: no question waits for ever, no answer is lost, and nothing runs without one."""
        options = self._world.plan.options
        if options.approval_ms is None:
            return
        until_ms = self._world.loop.virtual_ms + options.approval_ms + _EXPIRED_MS + RUN_RETRY_DELAY_MS_MAX
        while (left := await self._left()) and self._world.loop.virtual_ms < until_ms:
            await self._world.host.clock.sleep(1_000)
        if left:
            breaks("nothing is left half done", f"{left} questions or runs are left")
        for (call_id,) in await self._world.rows(_LOST):
            breaks("no approval is lost", f"{call_id} was answered, and nothing came of it")
        allowed = {what for asked in self.asked if asked.word == "yes" and asked.was_sent for what in asked.whats}
        refused = {what for asked in self.asked if asked.outcome == "refused" for what in asked.whats}
        for what, times in sorted(self._world.bell.rings.items()):
            if times > 1:
                breaks("no approval runs twice", f"the bell rang {times} times for {what}")
            if what not in allowed or what in refused:
                breaks("nothing runs unapproved", f"the bell rang for {what}, and nobody's yes was taken")

    async def _left(self) -> int:
        return int((await self._world.rows("SELECT count(*) FROM approval"))[0][0]) + await self._world.open_runs()


def json_of(call: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, as far as they are an object."""
    try:
        found = msgspec.json.decode(call["arguments"] or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    return found
