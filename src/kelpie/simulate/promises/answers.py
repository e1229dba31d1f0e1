"""What must hold of the analyst's answers after everything has healed: every question ends, no number is wrong, each
stands on a result in the store, and no data source was asked for what was known.
"""

import json
from collections import Counter
from typing import Any

import msgspec

from kelpie.simulate.clients.asking import Asked, Askers
from kelpie.simulate.clients.clients import Clients, Lost
from kelpie.simulate.machines.warehouse import QUESTIONS
from kelpie.simulate.machines.world import World
from kelpie.trajectories.records import RunInput

_PATIENCE_MS = 600_000
_QUERY_TOOL = "query_metric"
_RUNS = "SELECT id, agent_id, status, input, error IS NOT NULL FROM run ORDER BY seq"
_RESULTS = "SELECT id, run_id, tool_call_id, sql, json_extract(verdict, '$.outcome') FROM analyst_query"
_CALLS = "SELECT run_id, tool_call_id, tool, state, is_error FROM call"
_SHOWN = "SELECT run_id, text, numbers FROM analyst_answer"
_input = msgspec.msgpack.Decoder(list[RunInput]).decode


class Answers:
    def __init__(self, world: World, clients: Clients, askers: Askers) -> None:
        self._world, self._clients, self._askers = world, clients, askers
        self._breaks = world.breaks
        self.right = self.without = 0  # answers with the right numbers, and with none where there are some

    async def check(self) -> None:
        """Before anybody speaks to the agents again. What does not hold is told to the world."""
        if not self._askers.asked:
            return
        await self._askers.removals_end()
        await self._what_was_shown_is_kept()  # first: to look at an answer keeps it
        runs = await self._runs()
        results, calls = await self._world.rows(_RESULTS), await self._world.rows(_CALLS)
        self._sources_were_asked_once(results, calls)
        for asked in self._askers.asked:
            found = runs.get((asked.event.id, asked.text), [])
            is_gone = asked.event.args.get("person") in self._askers.left  # then it may be there no more
            is_lost = asked.outcome == "ok" and not found and not is_gone
            if len(found) > 1 or is_lost or (asked.outcome == "refused" and found):
                self._breaks("acknowledged questions stay", f"{asked.event.id} was {asked.outcome}: {len(found)} runs")
            for run_id, status, has_reason in found:
                if status != "completed" and not (status == "failed" and has_reason):
                    self._breaks("every question ends", f"{run_id} is {status}")
                own = [row for row in calls if row[0] == run_id]
                if status == "completed":
                    await self._is_right(asked, run_id, own)

    async def _runs(self) -> dict[tuple[str, str], list[tuple[str, str, bool]]]:
        """(id, status, whether it says why it failed) of the runs of each question, by event and text."""
        first = {asked.text: asked.event.id for asked in self._askers.asked if not asked.is_reply}
        events: dict[str, str] = {}
        found: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
        for run_id, agent_id, status, packed, has_reason in await self._world.rows(_RUNS):
            text = _input(packed)[0].body.text
            event = events.setdefault(agent_id, first.get(text, ""))  # a session's first question is nobody else's
            found.setdefault((event, text), []).append((run_id, status, bool(has_reason)))
        return found

    async def _what_was_shown_is_kept(self) -> None:
        """A number that somebody saw can be traced, whatever died since."""
        kept = {run_id: (text, numbers) for run_id, text, numbers in await self._world.rows(_SHOWN)}
        ran = {row[0]: row[1] for row in await self._world.rows(_RESULTS) if row[4] == "run"}
        for asked in self._askers.asked:
            if asked.answer is None or asked.answer["status"] not in ("completed", "failed"):
                continue
            if asked.event.args.get("person") in self._askers.left:
                continue
            if asked.answer["text"] != kept.get(asked.run_id, ("nothing",))[0]:
                self._breaks("what was shown has its provenance", f"{asked.run_id} of {asked.event.id} was not kept")
            for number in asked.answer["numbers"]:
                if ran.get(number["query_id"]) is None:
                    self._breaks("what was shown has its provenance", f"{number['text']} of {asked.run_id}")

    def _sources_were_asked_once(self, results: list[tuple[Any, ...]], calls: list[tuple[Any, ...]]) -> None:
        """A result for each call that gave one; and a query was asked again only by a call of its own, after one that
        was interrupted."""
        rows = Counter(row[2] for row in results)
        for run_id, call_id, tool, state, is_error in calls:
            if rows[call_id] > 1 or (tool == _QUERY_TOOL and state == "done" and not is_error and not rows[call_id]):
                self._breaks("a call has one result", f"{call_id} of {run_id} has {rows[call_id]}")
        asks = Counter(ask.sql for ask in self._world.connection.asks)
        interrupted = Counter(row[0] for row in calls if row[2] == _QUERY_TOOL and row[3] == "interrupted")
        stored = Counter((row[1], row[3]) for row in results)
        for (run_id, sql), times in stored.items():
            if asks[sql] > times + interrupted[run_id]:
                text = f"{asks[sql]} times for {times} results and {interrupted[run_id]} interruptions: {sql}"
                self._breaks("a known result is not asked for again", f"{run_id} asked {text}")

    async def _is_right(self, asked: Asked, run_id: str, calls: list[tuple[Any, ...]]) -> None:
        """The answer of a run that was completed: the truth, or none, with something that kept it from being found."""
        answer = await self._answer(run_id)
        if answer is None:
            self._breaks("every question ends", f"{run_id} is completed and has no answer")
            return
        if asked.answer is not None and asked.answer["run_id"] == run_id and asked.answer["text"] != answer["text"]:
            self._breaks("what was told stays true", f"{run_id}: {asked.answer['text']!r} became {answer['text']!r}")
        question = QUESTIONS[asked.event.args["about"]]
        tables = [query["rows"] for query in answer["queries"]]
        if question.truth is None or (question.reply is not None and not asked.is_reply):
            if tables or answer["numbers"]:
                self._breaks("no number is wrong", f"{run_id} has no answer and says: {answer['text'][:200]!r}")
            return
        if not tables:
            if answer["numbers"] or not any(is_error for *_, is_error in calls):
                self._breaks("no number is wrong", f"{run_id} asked nothing and says: {answer['text'][:200]!r}")
            self.without += 1
            return
        self.right += 1
        truth = question.truth(asked.event.args["first"], asked.event.args["last"])
        cells = [cell for row in truth for cell in row]
        if len(tables) != 1 or sorted(tables[0]) != sorted(truth):
            self._breaks("no number is wrong", f"{run_id}: {json.dumps(tables)} instead of {json.dumps(truth)}")
        elif any(number["kind"] == "cell" and number["value"] not in cells for number in answer["numbers"]):
            self._breaks("no number is wrong", f"{run_id} says: {answer['text'][:200]!r}")
        elif len(cells) == 1 and cells[0] is not None and f"{cells[0]:,}" not in answer["text"]:
            self._breaks("no number is wrong", f"{run_id} does not say {cells[0]:,}: {answer['text'][:200]!r}")

    async def _answer(self, run_id: str) -> dict[str, Any] | None:
        path = f"/v1/analyst/answers/{run_id}"
        try:
            reply = await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)
        except Lost:
            return None
        return dict(reply.json) if reply.status == 200 else None
