"""What must hold of memory after everything has healed: each turn was remembered, once; what was said last holds;
nobody was shown what contradicts itself; what people wrote among promoted lines is there.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kelpie.agents.memory.recalling import NAME
from kelpie.agents.memory.remembering import only_asks
from kelpie.simulate.clients.clients import Clients, Lost, notes_in
from kelpie.simulate.machines.world import World
from kelpie.trajectories.records import RememberedTurn, RunInput

_LONGEST_PAUSE_MS = 660_000.0  # between two attempts of anything that is done in the background
_PATIENCE_MS = 60_000
_SAYS_WHERE = re.compile(r"I work at ([\w ]+)\.")
_RECALLED = re.compile(rf"<{NAME}>.*?</{NAME}>", re.DOTALL)
# Each run with its input, and its first step with what that says was remembered. A run that met a bug may have no step.
_TURNS = (
    "SELECT run.id, run.agent_id, run.input, run.created_at_ms, step.id, step.remembered FROM run LEFT JOIN step"
    " ON step.tenant = run.tenant AND step.run_id = run.id AND step.number = 1"
)
# Of agents' memories: what people hold to is kept beside these, with the message that said it as its source.
_FACTS = "SELECT id, text, source, valid_to_ms FROM fact WHERE known_to_ms IS NULL AND scope NOT LIKE 'kelpie:%'"
_WITHOUT_VECTOR = (
    "SELECT count(*) FROM fact WHERE known_to_ms IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM fact_vector WHERE fact_seq = fact.seq)"
)
_input = msgspec.msgpack.Decoder(list[RunInput]).decode
_remembered = msgspec.msgpack.Decoder(RememberedTurn).decode


class Memories:
    def __init__(self, world: World, clients: Clients, breaks: Callable[[str, str], None]) -> None:
        self._world, self._clients, self._breaks = world, clients, breaks

    async def check(self) -> None:
        """Once every agent has answered: nothing is left to do then that would not be done by itself."""
        await self._background_work_ends()
        await self._turns_are_remembered()
        await self._the_last_word_holds()
        self._recollections_agree()

    async def annotations(self) -> None:
        """A last look at what people wrote among the lines of promotion, for the check of all histories."""
        keys = {one.key for one in self._clients.history.operations}
        for number in range(len(self._clients.agents)):
            if f"facts-{number}" not in keys or number in self._clients.dismissed:
                continue
            operation = self._clients.history.invoke(f"facts-{number}", "read", client="the end")
            try:
                reply = await self._clients.call(
                    "client-0", self._world.silos[0], "GET", self._clients.facts_of(number), None, _PATIENCE_MS
                )
            except Lost:
                continue
            if reply.status == 200:
                self._clients.history.returned(operation, notes_in(reply.json["value"]))
            else:
                self._clients.history.refused(operation)

    async def _background_work_ends(self) -> None:
        works = {"errands are left": "SELECT count(*) FROM outbox"}
        if self._world.plan.options.embeds:
            works["facts have no vector"] = _WITHOUT_VECTOR
        until_ms = self._world.loop.virtual_ms + _LONGEST_PAUSE_MS
        for what, sql in works.items():
            while (left := (await self._rows(sql))[0][0]) and self._world.loop.virtual_ms < until_ms:
                await self._world.host.clock.sleep(1_000)
            if left:
                self._breaks("nothing is left half done", f"{left} {what}")

    async def _turns_are_remembered(self) -> None:
        """The record says what the store holds: of each run its facts and no others, or that all of it was known."""
        kept: dict[str, set[str]] = {}
        for fact_id, _, source, _ in await self._rows(_FACTS):
            run_id = msgspec.json.decode(source).get("run_id")
            if msgspec.json.decode(source).get("kind") == "message":
                kept.setdefault(run_id, set()).add(fact_id)
        gone = {self._clients.agents[number] for number in self._clients.dismissed}
        for run_id, agent_id, said, _, step_id, packed in await self._rows(_TURNS):
            text = " ".join(one.body.text for one in _input(said) if one.sender is None)
            # What agents say to each other is no person's word: a run of nothing else leaves nothing to remember.
            if agent_id in gone or step_id is None or not text:
                continue
            record = _remembered(packed) if packed else None
            found = kept.get(run_id, set())
            if record is None and not (_is_repeated(text) or only_asks(text)):
                self._breaks("each turn is remembered, once", f"{run_id} was never remembered: {text[:80]!r}")
            elif record is not None and record.refused is not None:
                self._breaks("each turn is remembered, once", f"{run_id} was refused: {record.refused}")
            elif record is not None and set(record.facts) != found:
                text = f"{run_id} says {len(record.facts)} facts were kept of it; there are {len(found)}"
                self._breaks("each turn is remembered, once", text)
            elif record is not None and not (record.facts or record.known):
                self._breaks("each turn is remembered, once", f"nothing was kept of {run_id}: {text[:80]!r}")

    async def _the_last_word_holds(self) -> None:
        """Of what people said of one thing, at different times, exactly the last holds, in whatever order it came."""
        told = [seen for seen in self._clients.sent if "employer" in seen.event.args]
        if not told or self._world.plan.options.memory is None:
            return
        said = [
            (at_ms, found[1])
            for _, _, packed, at_ms, *_ in await self._rows(_TURNS)
            for one in _input(packed)
            if (found := _SAYS_WHERE.match(one.body.text))
        ]
        holds = {
            found[1]
            for _, text, _, valid_to_ms in await self._rows(_FACTS)
            if valid_to_ms is None and (found := _SAYS_WHERE.match(text))
        }
        last_ms = max((at_ms for at_ms, _ in said), default=0)
        last = {employer for at_ms, employer in said if at_ms == last_ms}  # what is said at one moment may all hold
        if said and (not holds or not holds <= last):
            self._breaks("the last word holds", f"{sorted(holds)} hold; said last was {sorted(last)}")

    def _recollections_agree(self) -> None:
        """What a model is shown was true together at some moment."""
        for shown in self._world.shown:
            said = "\n".join(one.text for one in shown.request.messages if one.role == "user")
            for block in _RECALLED.findall(said):
                places = set(_SAYS_WHERE.findall(block))
                if len(places) > 1:
                    self._breaks("recollections agree", f"the model was shown {sorted(places)} at once")

    async def _rows(self, sql: str, *params: Any) -> Sequence[tuple[Any, ...]]:
        return await self._world.rows(sql, *params)


def _is_repeated(text: str) -> bool:
    """What the last look at a healed house says, again and again: it is recalled from then on, and so no news."""
    return text == "[[say:well]]"
