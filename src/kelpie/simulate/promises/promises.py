"""What must hold after everything has healed: the promises of the house, checked through the API and in the rows."""

import dataclasses
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kelpie.agents.limits import RUN_FENCED_DELAY_MS_MAX
from kelpie.simulate.clients.clients import Clients, Lost, Reply
from kelpie.simulate.machines.toolbox import file_of
from kelpie.simulate.machines.world import World
from kelpie.simulate.promises import contents
from kelpie.simulate.promises.compactions import Compactions
from kelpie.simulate.promises.memories import Memories
from umi.dst.history import REGISTER, Operation, UndecidedHistory, check
from umi.wire.types import Request

_PATIENCE_MS = 60_000
_LONGEST_PAUSE_MS = RUN_FENCED_DELAY_MS_MAX + 60_000
_TEXT = dataclasses.replace(REGISTER, initial="")  # one field
_BOARD = re.compile(r"<board>.*?\n<value>\n(.*?)\n</value>\n</board>", re.DOTALL)  # as a prompt shows the block
# Rows whose owner is gone.
_ORPHANS = {
    "messages of no agent": "SELECT id FROM message m WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = m.tenant AND a.id = m.agent_id)",
    "messages of no run": "SELECT id FROM message m WHERE run_id IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM run r WHERE r.tenant = m.tenant AND r.id = m.run_id)",
    "runs of no agent": "SELECT id FROM run r WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = r.tenant AND a.id = r.agent_id)",
    "steps of no run": "SELECT id FROM step s WHERE NOT EXISTS"
    " (SELECT 1 FROM run r WHERE r.tenant = s.tenant AND r.id = s.run_id)",
    "calls of no step": "SELECT step_id FROM call c WHERE NOT EXISTS"
    " (SELECT 1 FROM step s WHERE s.tenant = c.tenant AND s.id = c.step_id)",
    "results of no message": "SELECT result_message_id FROM call c WHERE result_message_id IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM message m WHERE m.tenant = c.tenant AND m.id = c.result_message_id)",
    "placements of no agent": "SELECT key FROM placement p WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = p.tenant AND a.id = p.key)",
    "messages that no conversation shows": "SELECT id FROM message m WHERE conversation_id <> '' AND NOT EXISTS"
    " (SELECT 1 FROM stretch s WHERE s.tenant = m.tenant AND s.agent_id = m.agent_id"
    " AND s.source_id = m.conversation_id AND m.position BETWEEN s.since AND s.until)",
    "stretches of no conversation": "SELECT conversation_id FROM stretch s WHERE conversation_id <> '' AND NOT EXISTS"
    " (SELECT 1 FROM conversation c WHERE c.tenant = s.tenant AND c.id = s.conversation_id)",
    "conversations of no agent": "SELECT id FROM conversation c WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = c.tenant AND a.id = c.agent_id)",
    "runs of no conversation": "SELECT id FROM run r WHERE conversation_id <> '' AND NOT EXISTS"
    " (SELECT 1 FROM conversation c WHERE c.tenant = r.tenant AND c.id = r.conversation_id)",
    "blocks attached to nobody": "SELECT block_id FROM block_scope s WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = s.tenant AND a.id = s.scope) AND NOT EXISTS (SELECT 1 FROM conversation c"
    " WHERE c.tenant = s.tenant AND c.agent_id || '/' || c.id = s.scope) AND s.scope LIKE 'agent-%'",
    "facts of no agent": "SELECT id FROM fact f WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = f.tenant AND a.id = f.scope) AND f.scope LIKE 'agent-%'",
    "errands of no agent": "SELECT id FROM outbox o WHERE owner <> '' AND NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = o.tenant AND 'agent/' || a.id = o.owner)",
    "files of no agent": "SELECT path FROM workspace_file f WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = f.tenant AND a.id = f.agent_id)",
    "calls without their audit": "SELECT step_id FROM call c WHERE tool = 'ring' AND json_valid(arguments)"
    " AND state IN ('intent', 'done', 'interrupted') AND NOT EXISTS (SELECT 1 FROM message m WHERE m.tenant = c.tenant"
    " AND m.id = c.result_message_id AND instr(m.body, CAST('the call was not made' AS BLOB)))"
    " AND json_type(arguments) = 'object' AND NOT EXISTS (SELECT 1 FROM tool_audit a"
    " WHERE a.tenant = c.tenant AND a.step_id = c.step_id AND a.tool_call_id = c.tool_call_id)",
    "audit that stayed open": "SELECT id FROM tool_audit WHERE state = 'begun'",
    "intents that stayed open": "SELECT step_id FROM call WHERE state = 'intent'",
    "steps that stayed open": "SELECT id FROM step WHERE state = 'intent'",
    "steps without their reply": "SELECT id FROM step s WHERE state = 'done' AND NOT EXISTS"
    " (SELECT 1 FROM message m WHERE m.tenant = s.tenant AND m.step_id = s.id"
    " AND (m.role = 'assistant' OR s.kind = 'answered' AND m.role = 'tool'"
    " OR s.kind = 'compaction' AND m.compacted IS NOT NULL))",
}


class Promises:
    def __init__(self, world: World, clients: Clients) -> None:
        self._world, self._clients = world, clients

    async def check(self) -> None:
        """Look at everything. What does not hold is told to the world."""
        await self._dismissals_are_certain()
        await self._runs_ended()
        await self._everybody_answers()  # only now: who is spoken to finishes what was left open
        memories = Memories(self._world, self._clients, self._breaks)
        await memories.annotations()
        await self._edits_are_linearizable()
        await memories.check()
        await Compactions(self._world, self._clients, self._breaks).check()
        for number, agent_id in enumerate(self._clients.agents):
            if number in self._clients.dismissed:
                await self._is_gone(number, agent_id)
                continue
            history = await self._get(f"/v1/agents/{agent_id}/messages?limit=1000&order=asc")
            self._messages_are_there(number, history)
            await self._history_is_whole(number, agent_id, history)
            await self._facts_are_there(number, agent_id)
        await self._blocks_agree()
        await self._calls_see_each_other()
        await self._tools_ran_once()
        await self._files_are_of_calls_that_succeeded()
        await self._usage_adds_up()
        await contents.check(self._world, self._breaks)
        for what, sql in _ORPHANS.items():
            if rows := await self._rows(sql):
                self._breaks("no orphans", f"{what}: {', '.join(str(row[0]) for row in rows[:5])}")

    async def _dismissals_are_certain(self) -> None:
        """Of an agent that may have been deleted it is known now; one that is there keeps every promise."""
        dismissed = self._clients.dismissed
        for number in [number for number, outcome in dismissed.items() if outcome == "unknown"]:
            reply = await self._asked(f"/v1/agents/{self._clients.agents[number]}")
            if reply is not None and reply.status == 200:
                del dismissed[number]

    async def _everybody_answers(self) -> None:
        """A healed house works: each agent answers, each silo serves, and nothing is left half done in either."""
        world, numbers = self._world, [n for n in range(len(self._clients.agents)) if n not in self._clients.dismissed]
        for turn in range(max(len(numbers), len(world.silos)) if numbers else 0):
            number, silo = numbers[turn % len(numbers)], world.silos[turn % len(world.silos)]
            if said := await self._answer_of(number, silo, f"healed-{turn}"):
                self._breaks("a healed house answers", f"agent-{number} says through {silo}: {said}")
        # A silo that lost a run to another one looks at it again after its pause, and finds it ended.
        until_ms = world.loop.virtual_ms + _LONGEST_PAUSE_MS
        while (left := self._left_half_done()) and world.loop.virtual_ms < until_ms:
            await world.host.clock.sleep(1_000)
        for text in left:
            self._breaks("nothing is left half done", text)

    def _left_half_done(self) -> list[str]:
        left: list[str] = []
        for name in self._world.silos:
            life = self._world.life(name).silo
            assert life is not None, "a silo that is up"
            inbox = life.server.app.state.house.inbox
            if inbox.open or inbox.silo.reserved:
                left.append(f"{name} has {inbox.open} open runs and {inbox.silo.reserved} reserved places")
        return left

    async def _answer_of(self, number: int, silo: str, otid: str) -> str:
        """What an agent says instead of an answer; nothing if it answers."""
        path = f"/v1/agents/{self._clients.agents[number]}/messages"
        body = {"messages": [{"role": "user", "content": "[[say:well]]", "otid": otid}]}
        try:
            reply = await self._clients.call("client-0", silo, "POST", path, body, _PATIENCE_MS)
        except Lost as error:
            return str(error)
        return "" if reply.status == 200 else f"{reply.status} {reply.body[:200]!r}"

    async def _is_gone(self, number: int, agent_id: str) -> None:
        """A deleted agent is deleted whole; what else there was of it is looked for among the orphans."""
        reply = await self._asked(f"/v1/agents/{agent_id}")
        if self._clients.dismissed[number] == "ok" and (reply is None or reply.status != 404):
            self._breaks("what was deleted stays away", f"agent-{number} was deleted and is there")

    # ---- messages

    def _messages_are_there(self, number: int, history: list[dict[str, Any]]) -> None:
        """What was acknowledged is there once; what was refused is not; what is unknown at most once."""
        said = Counter(one["otid"] for one in history if one["message_type"] == "user_message")
        mine = [one for one in self._clients.sent if one.agent == number]
        for seen in mine:
            times = said[seen.event.id]
            if times > 1 or (seen.outcome == "ok" and times != 1) or (seen.outcome == "refused" and times):
                text = f"{seen.event.id} was {_word(seen.outcome)} and is in the history {times} times"
                self._breaks("acknowledged messages stay", text)
        shown = {one["id"] for one in history}
        for seen in mine:
            if missing := set(seen.final_ids) - shown:
                self._breaks("what was shown as final is listed", f"{seen.event.id}: {', '.join(sorted(missing))}")
        if self._world.plan.options.silos == 1:
            self._order_was_kept(mine, [one["otid"] for one in history if one["message_type"] == "user_message"])

    def _order_was_kept(self, mine: list[Any], order: list[str]) -> None:
        """A message sent after another one was acknowledged comes after it."""
        place = {otid: at for at, otid in enumerate(order)}
        for one, other in itertools.permutations(mine, 2):
            if one.acknowledged_ms is None or one.acknowledged_ms >= other.began_ms:
                continue
            if place.get(one.event.id, -1) > place.get(other.event.id, len(order)):
                text = f"{one.event.id} was acknowledged before {other.event.id} was sent, and was handled after it"
                self._breaks("messages keep their order", text)

    async def _history_is_whole(self, number: int, agent_id: str, history: list[dict[str, Any]]) -> None:
        sql = "SELECT position, id, run_id, role, conversation_id FROM message WHERE agent_id = ? ORDER BY position"
        rows = await self._rows(sql, agent_id)
        # What was said in a conversation that is deleted leaves its place empty.
        if [row[0] for row in rows] != list(range(len(rows))) and number not in self._clients.thinned:
            self._breaks("histories have no gaps", f"agent-{number}: positions {[row[0] for row in rows]}")
        listed = list(dict.fromkeys(one["id"] for one in history))
        # A reply without text and calls has nothing to show.
        stored = [row[1] for row in rows if row[4] == "" and (row[1] in listed or row[3] != "assistant")]
        if listed != stored:
            self._breaks("list = get = search", f"agent-{number}: the list of messages is not what is stored")
        # What became of a call that nobody answered is of no run.
        runs = [run for run, _ in itertools.groupby(row[2] for row in rows[1:] if row[2] is not None)]
        if len(runs) != len(set(runs)):
            self._breaks("turns are serial", f"agent-{number}: messages of different runs are mixed")

    # ---- runs and tools

    async def _runs_ended(self) -> None:
        rows = await self._rows("SELECT id, status FROM run")
        for run_id, status in rows:
            if status not in ("completed", "failed"):
                self._breaks("runs reach an end", f"{run_id} is still {status}")
        stored = dict(rows)
        for seen in self._clients.sent:
            if seen.run_id is None or seen.agent in self._clients.dismissed:
                continue
            if seen.run_id not in stored:
                self._breaks("acknowledged messages stay", f"{seen.event.id}: {seen.run_id} is gone")
            elif seen.ended is not None and stored[seen.run_id] != seen.ended:
                text = f"{seen.event.id} was told that {seen.run_id} {seen.ended}; it is {stored[seen.run_id]}"
                self._breaks("what was told stays true", text)
        for run in await self._get("/v1/runs/?limit=1000"):
            if run["status"] != stored.get(run["id"]):
                self._breaks("list = get = search", f"{run['id']} is listed as {run['status']}")

    async def _tools_ran_once(self) -> None:
        """The bell rang once for a call at most, and for each that says so. The model may ask twice for the same: a
        message whose run failed is in view when the next one is handled."""
        sql = (
            "SELECT arguments, state = 'done' AND NOT is_error FROM call WHERE tool = 'ring' AND json_valid(arguments)"
            " AND state IN ('intent', 'done', 'interrupted')"
        )
        asked: Counter[str] = Counter()
        done: Counter[str] = Counter()
        for arguments, is_done in await self._rows(sql):
            what = json.loads(arguments)
            if isinstance(what, dict):
                asked[str(what.get("what"))] += 1
                done[str(what.get("what"))] += is_done
        dismissed = self._clients.dismissed
        # Also what several agents heard: one of them that is deleted takes its calls with it.
        gone = tuple(f"{seen.event.id}." for seen in self._clients.sent if seen.agent in dismissed)
        gone += tuple(f"{name}." for name in self._clients.heard_by_many) if dismissed else ()
        for what in sorted({*self._world.bell.rings, *done}):
            times = self._world.bell.rings[what]
            if times > asked[what] and not what.startswith(gone):
                self._breaks("no tool runs twice", f"the bell rang {times} times for {asked[what]} calls for {what}")
            if times < done[what]:
                self._breaks(
                    "no tool runs twice", f"{done[what]} calls say they rang for {what}; it rang {times} times"
                )

    async def _files_are_of_calls_that_succeeded(self) -> None:
        """A call that succeeded left its file, and no other call left one."""
        sql = (
            "SELECT agent_id, arguments FROM call WHERE tool = 'ring' AND state = 'done' AND NOT is_error"
            " AND json_valid(arguments)"
        )
        left = {
            (agent_id, file_of(str(json.loads(arguments)["what"]))) for agent_id, arguments in await self._rows(sql)
        }
        kept = set(await self._rows("SELECT agent_id, path FROM workspace_file"))
        for agent_id, path in sorted(left ^ kept):
            why = "is not there" if (agent_id, path) in left else "is of no call that succeeded"
            self._breaks("files are of calls that succeeded", f"{path} of {agent_id} {why}")

    async def _usage_adds_up(self) -> None:
        """A run's usage, as the API tells it, is that of its steps; looked at for the first few."""
        for (run_id,) in await self._rows("SELECT id FROM run WHERE status = 'completed' ORDER BY seq LIMIT 5"):
            usage = await self._get(f"/v1/runs/{run_id}/usage")
            steps = await self._get(f"/v1/runs/{run_id}/steps?limit=1000")
            for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
                total = sum(step[field] for step in steps)
                if usage[field] != total:
                    self._breaks("usage adds up", f"{run_id}: {field} {usage[field]} is not {total}")

    # ---- memory

    async def _edits_are_linearizable(self) -> None:
        history = self._clients.history
        await self._last_look("board", f"/v1/blocks/{self._clients.board}", "value")
        for number, agent_id in enumerate(self._clients.agents):
            if number not in self._clients.dismissed:
                await self._last_look(f"agent-{number}", f"/v1/agents/{agent_id}", "description")
        try:
            found = check(history.operations, _TEXT)
            if not found:
                self._prompts_show_memory()
        except UndecidedHistory as error:
            self._breaks("histories can be decided", str(error))
            return
        for violation in found:
            self._breaks("operations are linearizable", str(violation))

    def _prompts_show_memory(self) -> None:
        """A prompt is a reading of memory like any other: of the board as it was at some moment since the message was
        sent, or since the step before was asked. Each is judged alone: together they would overlap too much."""
        # Twice the numbers, so that there is room for a reading between any two events.
        board = [
            dataclasses.replace(one, invoked=2 * one.invoked, returned=2 * one.returned)
            for one in self._clients.history.operations
            if one.key == "board"
        ]
        for reading in self._prompts(board):
            if check([*board, reading], _TEXT):
                self._breaks(
                    "prompts show memory as it is", f"the model was shown what the board did not hold: {reading}"
                )

    def _prompts(self, board: list[Operation]) -> Iterator[Operation]:
        ahead_ms = self._world.host.clock.monotonic_ms() - self._world.loop.virtual_ms
        began_ms = {seen.text: seen.began_ms + ahead_ms for seen in self._clients.sent}
        first_asked_ms: dict[tuple[str, int], float] = {}
        for shown in self._world.shown:
            value, step = _BOARD.search(shown.request.messages[0].text), _replies_so_far(shown.request)
            if shown.text not in began_ms or value is None:
                continue
            first_asked_ms.setdefault((shown.text, step), shown.at_ms)
            since_ms = first_asked_ms.get((shown.text, step - 1), began_ms[shown.text])
            yield Operation(
                key="board",
                name="read",
                argument=None,
                client=f"the model, for {shown.text.partition(':')[0]}",
                invoked=1 + max((number for number, at_ms in _events(board) if at_ms < since_ms), default=0),
                invoked_ms=since_ms,
                returned=1 + max((number for number, at_ms in _events(board) if at_ms <= shown.at_ms), default=0),
                returned_ms=shown.at_ms,
                result=value[1],
            )

    async def _last_look(self, key: str, path: str, field: str) -> None:
        operation = self._clients.history.invoke(key, "read", client="the end")
        found = await self._get(path)
        self._clients.history.returned(operation, found[field] or "")

    async def _blocks_agree(self) -> None:
        """Lines that tools wrote are there, once each; lists show what a get shows."""
        wrote: Counter[tuple[str, str]] = Counter()
        made = (
            "SELECT agent_id, tool, arguments FROM call WHERE tool IN ('core_memory_append', 'core_memory_replace')"
            " AND state = 'done' AND NOT is_error ORDER BY rowid"
        )
        dismissed = {self._clients.agents[number] for number in self._clients.dismissed}
        for agent_id, tool, arguments in await self._rows(made):
            if agent_id in dismissed:
                continue
            call = json.loads(arguments)
            owner = call["label"] if call["label"] == "log" else agent_id
            if tool == "core_memory_replace":
                wrote[owner, call["old_content"]] -= 1
            wrote[owner, call["content" if tool == "core_memory_append" else "new_content"]] += 1
        found: Counter[tuple[str, str]] = Counter()
        listed = {block["id"]: block for block in await self._get("/v1/blocks/?limit=1000")}
        log = await self._get(f"/v1/blocks/{self._clients.log}")
        gone = {f"{seen.event.id}." for seen in self._clients.sent if seen.agent in self._clients.dismissed}
        lines = [line for line in log["value"].split("\n") if line]
        found.update(("log", line) for line in lines if not line.startswith(tuple(gone)))
        for number, agent_id in enumerate(self._clients.agents):
            if number in self._clients.dismissed:
                continue
            for block in await self._get(f"/v1/agents/{agent_id}/core-memory/blocks"):
                if listed.get(block["id"], {}).get("value") != block["value"]:
                    self._breaks("list = get = search", f"block {block['label']} of agent-{number} is listed otherwise")
                found.update((agent_id, line) for line in _written_by_tools(block))
        for who, line in _differences(wrote, found):
            text = f"{line!r}: written {wrote[who, line]} times, there {found[who, line]} times"
            self._breaks("block changes stay, once", text)

    async def _calls_see_each_other(self) -> None:
        """In one step a later call sees what an earlier one wrote: a line that was just added is there to be replaced
        (a store that fails may refuse the call for its own reasons)."""
        sql = (
            "SELECT later.arguments FROM call later JOIN call earlier ON earlier.step_id = later.step_id"
            " AND earlier.number < later.number AND earlier.tool = 'core_memory_append' AND NOT earlier.is_error"
            " AND earlier.state = 'done' JOIN message ON message.id = later.result_message_id"
            " WHERE later.tool = 'core_memory_replace' AND later.is_error AND later.state = 'done'"
            " AND instr(message.body, CAST('is not in block' AS BLOB))"
            " AND instr(earlier.arguments, json_extract(later.arguments, '$.old_content'))"
        )
        for (arguments,) in await self._rows(sql):
            self._breaks("a call sees the calls before it", f"replacing failed: {arguments}")

    async def _facts_are_there(self, number: int, agent_id: str) -> None:
        listed = Counter(one["text"] for one in await self._get(f"/v1/agents/{agent_id}/archival-memory?limit=1000"))
        wanted: dict[str, str] = {
            text: fact.outcome for text, fact in self._clients.facts.items() if fact.agent == number
        }
        made = (
            "SELECT arguments FROM call WHERE agent_id = ? AND tool = 'archival_memory_insert' AND state = 'done'"
            " AND NOT is_error"
        )
        for (arguments,) in await self._rows(made, agent_id):
            wanted[json.loads(arguments)["content"]] = "ok"
        for text, outcome in wanted.items():
            times = listed[text]
            if times > 1 or (outcome == "ok" and times != 1) or (outcome == "refused" and times):
                self._breaks("acknowledged facts stay", f"{text!r} was {_word(outcome)} and is there {times} times")
        query = f"/v1/agents/{agent_id}/archival-memory/search?query=fact&top_k=100"
        found = Counter(one["content"] for one in (await self._get(query))["results"])
        # Of what was remembered of messages, words other than these may be found or not.
        listed, found = (
            Counter({text: n for text, n in one.items() if text.startswith("fact ")}) for one in (listed, found)
        )
        if found != listed and sum(listed.values()) <= 100:
            text = f"agent-{number} lists {sum(listed.values())} facts, finds {sum(found.values())}"
            self._breaks("list = get = search", text)

    # ---- how to look

    async def _get(self, path: str) -> Any:
        reply = await self._asked(path)
        if reply is None or reply.status != 200:
            said = "nothing" if reply is None else f"{reply.status} {reply.body[:200]!r}"
            self._breaks("a healed house answers", f"GET {path} gave {said}")
            raise Unanswered
        return reply.json

    async def _asked(self, path: str) -> Reply | None:
        try:
            return await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)
        except Lost:
            return None

    async def _rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return await self._world.rows(sql, *params)

    def _breaks(self, promise: str, text: str) -> None:
        self._world.breaks(promise, text)


class Unanswered(Exception):
    """The house does not answer: there is nothing more to look at."""


def _differences(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key in sorted({*one, *other}):
        if one[key] != other[key]:
            yield key


def _written_by_tools(block: dict[str, Any]) -> list[str]:
    """The lines of a block that an agent's tools wrote. In one that memory made there are lines of its own as well."""
    lines = [line for line in block["value"].split("\n") if line]
    if block["label"] == "notes":
        return lines
    return [line for line in lines if line.startswith("op-")] if block["label"] not in ("log", "board", "facts") else []


def _replies_so_far(request: Request) -> int:
    """How many steps of its run came before this one."""
    after = itertools.takewhile(lambda one: one.role != "user", reversed(request.messages))
    return sum(1 for one in after if one.role == "assistant")


def _events(operations: list[Operation]) -> Iterator[tuple[int, float]]:
    """The numbers and moments at which they were invoked and returned."""
    for one in operations:
        yield one.invoked, one.invoked_ms
        if not one.is_unknown:
            yield int(one.returned), one.returned_ms


def _word(outcome: str) -> str:
    return "acknowledged" if outcome == "ok" else outcome
