"""What a long history costs, and what each mode of compaction: `python -m benchmarks.long_history`.

Two agents with an equally full window are sent the same messages in turn, one of 200 messages, one of 10,000, whose
older ones a summary stands for: CPU of this process per message, the store's thread included, and what the database
says it did for each (rows it returned, rows it stepped over, steps of its machine). The first message is looked for.

Then one agent per mode is told the same for a long while, in a small window: how often it compacts, what its models
read, and how much of that a provider's prompt cache does not have (what no earlier request began with).

The model answers at once and is another process.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from benchmarks.__main__ import yardstick_ms
from benchmarks.processes import start_backend
from kelpie.agents.agent import Agent
from kelpie.agents.context.compacting import Mode
from kelpie.agents.create import Draft, create
from kelpie.api import House
from kelpie.config import Config
from kelpie.server import build
from kelpie.trajectories import content, messages, steps
from kelpie.trajectories.records import Compacted, RunInput, RunOptions, StoredMessage
from umi.storage import Database, Page, View
from umi.wire.types import Message

MODEL, TENANT = "openai/scripted", "default"
SHORT, LONG, WINDOW = 200, 10_000, 199  # messages of the two agents, and in view of both
RATIO_MAX = 1.2
MODES: tuple[Mode, ...] = ("sliding_window", "all", "self_compact_sliding_window", "self_compact_all")
FIRST_WORDS = "the lighthouse of Alexandria"
_INSERTED_AT_ONCE = 500
_CACHED_PREFIXES = 4  # the newest requests whose beginnings a provider has at hand
_CACHED_PRICE = 0.1  # of a token that the cache has, beside one it has not


def said(tenant: str, agent_id: str, position: int, first: int) -> StoredMessage:
    """A message of an invented history: turn by turn a question and an answer, the first of them to be found again."""
    role = "user" if position % 2 else "assistant"
    text = f"in turn {position // 2} we spoke of one thing and another, and of what to do next"
    if position == first:
        text = f"{FIRST_WORDS}: {text}"
    return StoredMessage(
        tenant=tenant,
        id=f"message-{agent_id}-{position}",
        agent_id=agent_id,
        position=position,
        run_id=None,
        step_id=None,
        body=Message("system", "compiled once") if position == 0 else Message(role, text),  # type: ignore[arg-type]
    )


async def fill(database: Database, tenant: str, agent_id: str, count: int, window: int) -> None:
    """Give an agent that has its system message alone a history of `count` messages, of which the newest `window` are
    in view: a summary, in the place of the last, stands for the others."""
    told = [said(tenant, agent_id, position, 1) for position in range(1, count)]
    if count - 1 > window:
        record = Compacted(
            from_position=0,
            upto_position=count - 1 - window,
            mode="sliding_window",
            trigger="post_step_context_check",
            messages_summarised=count - 1 - window,
            messages_hidden=count - 1 - window,
            messages_before=count,
            messages_after=window + 1,
            tokens_before=0,
            tokens_after=0,
            context_window_tokens=0,
        )
        summary = msgspec.structs.replace(
            said(tenant, agent_id, count, 0), body=Message("user", "We spoke of this and that.")
        )
        told.append(msgspec.structs.replace(summary, compacted=record))
    for start in range(0, len(told), _INSERTED_AT_ONCE):
        await database.commit(messages.plan_add(told[start : start + _INSERTED_AT_ONCE]))


class Work:
    """What SQLite says it did for our statements. The text index has statements of its own within them, whose counters
    are never set back; what it does for a message is merging, now and then."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.rows = self.scanned = self.steps = 0
        self._ours: set[int] = set()
        events = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE | apsw.SQLITE_TRACE_ROW
        connection.trace_v2(events, self._note)

    def _note(self, event: dict[str, Any]) -> None:
        code, statement = event["code"], event["id"]
        if code == apsw.SQLITE_TRACE_STMT:
            (self._ours.discard if "'main'." in event["sql"] else self._ours.add)(statement)
        elif statement not in self._ours:
            return
        elif code == apsw.SQLITE_TRACE_ROW:
            self.rows += 1
        else:
            status = event["stmt_status"]
            self.scanned += status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
            self.steps += status["SQLITE_STMTSTATUS_VM_STEP"]

    def since(self, before: tuple[int, int, int]) -> tuple[int, int, int]:
        return self.rows - before[0], self.scanned - before[1], self.steps - before[2]

    @property
    def now(self) -> tuple[int, int, int]:
        return self.rows, self.scanned, self.steps


def work_of(database: Any) -> Work:
    """Of a database on SQLite."""
    return Work(database._engine._connection)  # noqa: SLF001 - nobody else can be asked what it does


class Bench:
    def __init__(self, house: House, database: Any) -> None:
        self.house, self.shop = house, house.workshop
        self.work = work_of(database)

    async def agent(self, **fields: Any) -> str:
        agent = Agent(tenant=TENANT, id=self.shop.host.ids.new("agent"), name="bench", model=MODEL, **fields)
        names = ["memory_insert", "memory_replace", "conversation_search"]
        await create(self.shop, Draft(agent=agent, tool_names=names))
        return agent.id

    async def send(self, agent_id: str, text: str) -> None:
        given = RunInput(id=self.shop.host.ids.new("message"), body=Message("user", text))
        ended, _ = await (await self.house.inbox.accept(TENANT, agent_id, [given], RunOptions())).wait()
        if ended.run.status != "completed":
            raise RuntimeError(f"a run {ended.run.status}: {ended.run.error}")

    async def cost(self, agent_id: str, count: int) -> tuple[float, tuple[int, int, int]]:
        """CPU ms, and the database's work, of one message on average."""
        before, began = self.work.now, time.process_time()
        for number in range(count):
            await self.send(agent_id, f"what next, {number}? [[say:this next]]")
        cpu_ms = (time.process_time() - began) * 1000 / count
        rows, scanned, stepped = (total / count for total in self.work.since(before))
        return cpu_ms, (round(rows), round(scanned), round(stepped))

    # ---- a long history

    async def compare(self, rounds: int, count: int) -> bool:
        agents = {}
        for size in (SHORT, LONG):
            agents[size] = await self.agent(context_window_tokens=120_000)
            await fill(self.shop.database, TENANT, agents[size], size, WINDOW)
            await self.send(agents[size], "hello")  # reads the window: once per activation
        found: dict[int, list[tuple[float, tuple[int, int, int]]]] = {SHORT: [], LONG: []}
        for turn in range(rounds):
            for size in (SHORT, LONG) if turn % 2 else (LONG, SHORT):
                found[size].append(await self.cost(agents[size], count))
        least = {size: min(cpu_ms for cpu_ms, _ in found[size]) for size in found}
        for size, costs in found.items():
            rows, scanned, stepped = (statistics.median(cost[1][at] for cost in costs) for at in range(3))
            print(
                f"{size:>6,} messages: {least[size]:.2f} CPU ms a message; the database returned {rows:.0f} rows,"
                f" scanned past {scanned:.0f}, made {stepped:,.0f} steps"
            )
        began = time.process_time()
        hits = await messages.search(View(self.shop.database), TENANT, agents[LONG], FIRST_WORDS)
        search_ms = (time.process_time() - began) * 1000
        ratio, is_found = least[LONG] / least[SHORT], bool(hits) and hits[0].position == 1
        print(
            f"ratio {ratio:.2f} (at most {RATIO_MAX}); the first message is {'' if is_found else 'not '}found", end=""
        )
        print(f" in {search_ms:.1f} CPU ms")
        return ratio <= RATIO_MAX and is_found

    # ---- modes

    async def mode(self, mode: Mode, count: int) -> None:
        settings = {"mode": mode, "prompt": None}
        agent_id = await self.agent(context_window_tokens=8_000, extras={"compaction_settings": settings})
        began = time.process_time()
        for number in range(count):
            await self.send(agent_id, f"in turn {number} {'we spoke of it ' * 20} [[n:60]]")
        cpu_ms = (time.process_time() - began) * 1000 / count
        read = fresh = 0.0
        view, recent, made, in_view = View(self.shop.database), list[list[bytes]](), 0, 0
        page = Page(limit=4 * count)
        for step in await steps.list_steps(view, TENANT, page, agent_id=agent_id):
            pieces = _pieces(await content.get(view, TENANT, step.request))
            known = max((_shared(pieces, one) for one in recent), default=0)
            read += sum(map(len, pieces)) / 4
            fresh += (sum(map(len, pieces)) - known) / 4
            recent = [pieces, *recent][:_CACHED_PREFIXES]
            made += step.kind == "compaction"
            in_view += len(pieces) if step.kind == "reply" else 0
        price = fresh + _CACHED_PRICE * (read - fresh)
        print(
            f"{mode:>27}: {made:>3} summaries, {read / count:>6,.0f} tokens read a message, {fresh / count:>5,.0f} of"
            f" them not cached, {price / count:>5,.0f} at a cache's price, {in_view / count:.0f} messages in view,"
            f" {cpu_ms:.1f} CPU ms"
        )


def _pieces(request: bytes) -> list[bytes]:
    """What a prompt cache goes by: tools, then messages one by one."""
    body = msgspec.json.decode(request)
    return [msgspec.json.encode(one) for one in [*(body.get("tools") or []), *body["messages"]]]


def _shared(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Bytes with which both begin."""
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += len(left)
    return shared


async def main(url: str, folder: str, rounds: int, count: int, turns: int) -> bool:
    server = build(Config(data_folder=folder, openai_base_url=url))
    async with server.app.router.lifespan_context(server.app):
        bench = Bench(server.app.state.house, server._database)  # noqa: SLF001
        print(f"yardstick {yardstick_ms():.0f} CPU ms")
        is_good = await bench.compare(rounds, count)
        for mode in MODES:
            await bench.mode(mode, turns)
    return is_good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=40, help="to each agent in each round")
    parser.add_argument("--turns", type=int, default=200, help="of each mode's agent")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kelpie-bench-") as name:
        backend = start_backend(Path(name))
        try:
            good = asyncio.run(main(f"{backend.url}/v1", f"{name}/data", asked.rounds, asked.messages, asked.turns))
        finally:
            backend.stop()
    raise SystemExit(0 if good else 1)
