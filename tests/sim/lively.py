"""A house full of life in one process, for simulations: store, silos, inboxes, turns and memory tools are the real
ones. Only the model and one tool that acts outside are the test's.

As a program it lives through one seed and prints what came of it, as JSON: `python lively.py SEED NOISE`.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

from kelpie import actors
from kelpie.actors import Outbox, Silo
from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents.agent import Agent
from kelpie.agents.inbox import Inbox
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import ModelError
from kelpie.events import ActivationChanged, Events
from kelpie.files import schema as files_schema
from kelpie.groups import schema as groups_schema
from kelpie.identities import schema as identities_schema
from kelpie.models.model import ModelCard
from kelpie.models.registry import Models
from kelpie.tools import custom
from kelpie.tools import schema as tool_schema
from kelpie.tools.catalog import Catalog
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import messages, runs, schema
from kelpie.trajectories.records import RunInput, RunOptions
from umi import core, memory
from umi.dst.history import History
from umi.dst.simulate import simulate
from umi.entity import Block
from umi.memory import Archive
from umi.storage import Page, SqliteDatabase, View
from umi.wire.transport import HttpTransport
from umi.wire.types import Message, Reply, ToolCall, ToolSpec, Usage

MIGRATIONS = [
    *memory.MIGRATIONS,
    *actors.MIGRATIONS,
    *schema.MIGRATIONS,
    *tool_schema.MIGRATIONS,
    *files_schema.MIGRATIONS,
    *identities_schema.MIGRATIONS,
    *groups_schema.MIGRATIONS,
    *agents.MIGRATIONS,
]
TENANT = "t"
AGENTS = 4
TALKERS, MESSAGES_EACH = 3, 2  # to each agent
WRITERS = 20
READERS, READS_EACH = 5, 3


class Model:
    """Thinks for a while, then calls tools or speaks, and sometimes fails, as its chance has it."""

    def __init__(self, host):
        self._clock = host.clock
        self._rng = host.rng.fork("model")
        self.replies = 0

    async def reply(self, request, on_delta=None):
        await self._clock.sleep(self._rng.random() * 40)
        self.replies += 1
        if self._rng.random() < 0.03:
            raise ModelError("rate_limit", "slow down", raw_request=[b"{}"], raw_response=b"{}")
        calls = [self._call(n) for n in range(self._rng.randint(0, 3))] if self._rng.random() < 0.6 else []
        return Reply(
            text=f"reply {self.replies}",
            tool_calls=calls,
            finish="tool_calls" if calls else "stop",
            usage=Usage(10, 5),
            model="model",
            raw_request=[message.text.encode() for message in request.messages],
            raw_response=f"reply {self.replies}".encode(),
        )

    def _call(self, number):
        text = f"line {self.replies}.{number}"
        name, arguments = (
            ("core_memory_append", {"label": "log", "content": text}),
            ("core_memory_append", {"label": "log", "content": text}),
            ("core_memory_append", {"label": "notes", "content": text}),
            ("memory_insert", {"label": "notes", "new_string": text}),
            ("archival_memory_insert", {"content": text}),
            ("archival_memory_search", {"query": "line"}),
            ("conversation_search", {"query": "reply"}),
            ("ring", {"what": text}),
            ("nothing", {}),
        )[self._rng.randint(0, 8)]
        return ToolCall(id=f"call-{self.replies}-{number}", name=name, arguments=json.dumps(arguments))


class Bell:
    """Something outside the store that a tool acts on. Ringing takes a while; each ring is counted by its call."""

    def __init__(self):
        self.rings = Counter()

    async def ring(self, context, arguments):
        self.rings[context.tool_call_id] += 1
        await context.host.clock.sleep(context.host.rng.fork(context.tool_call_id).random() * 30)
        return Outcome(f"rang for {arguments['what']}")

    @property
    def tool(self):
        return Tool(ToolSpec("ring", "Ring.", {"type": "object", "properties": {}}), self.ring, "outside")


class House:
    def __init__(self, database, host, silos, model=None):
        self.database, self.host = database, host
        self.bell, self.model = Bell(), model or Model(host)
        self.changes = Counter()
        events = Events()
        events.subscribe(self._count)
        models = Models(host, HttpTransport())
        card = ModelCard("test/model", "test", "model", "test", context_window_tokens=8_000)
        models.register(card, self.model)
        self.tools = {tool.name: tool for tool in (*MEMORY_TOOLS, self.bell.tool)}
        archive, outbox = Archive(database, host), Outbox(database, host)
        self.workshop = Workshop(database, host, events, models, Catalog(self.tools, None), archive, outbox)
        self.silos = [Silo(f"silo-{n}", database, host, events, idle_ms=20) for n in range(silos)]
        self.inboxes = [Inbox(self.workshop, silo) for silo in self.silos]
        self.accepted = []  # streams

    def _count(self, event):
        if isinstance(event, ActivationChanged):
            self.changes[event.change] += 1

    @property
    def view(self):
        return View(self.database)

    async def people_move_in(self, count):
        """Agents that share two blocks: `log` for their tools, `board` for people."""
        await self.database.commit(await custom.plan_builtins(self.view, TENANT, 0, self.tools.values()))
        shared = [self._block("log"), self._block("board")]
        for block in shared:
            await self.database.commit(core.plan_create(block))
        self.log, self.board = shared
        made = []
        for number in range(count):
            agent = Agent(
                tenant=TENANT,
                id=self.host.ids.new("agent"),
                name=f"Ada {number}",
                model="test/model",
                system="Be kind.",
            )
            draft = creation.Draft(
                agent=agent,
                blocks=[self._block("notes")],
                block_ids=[self.log.id, self.board.id],
                tool_names=list(self.tools),
            )
            made.append(await creation.create(self.workshop, draft))
        return made

    def _block(self, label):
        return Block(tenant=TENANT, id=self.host.ids.new("block"), label=label, value="", limit_chars=10_000)

    async def accept(self, agent, text, inbox=0, max_steps=6):
        body = Message(role="user", content=text)
        incoming = [RunInput(id=self.host.ids.new("message"), body=body)]
        stream = await self.inboxes[inbox].accept(TENANT, agent.id, incoming, RunOptions(max_steps=max_steps))
        self.accepted.append(stream)
        return stream

    async def deactivate_now_and_then(self):
        """What the silo's own sweep does, at a pace that a short life notices."""
        while True:
            await self.host.clock.sleep(30)
            for silo in self.silos:
                silo.deactivate_idle()

    async def close(self):
        await self.host.close()
        await self.database.close()


@dataclass
class Life:
    """What came of it. `stored` is the history of each agent by position; `acknowledged` the same as clients saw it."""

    rows: str
    histories: History
    stored: dict = field(default_factory=dict)
    statuses: Counter = field(default_factory=Counter)
    open: int = 0
    log_lines: list = field(default_factory=list)
    logged: Counter = field(default_factory=Counter)
    rings: Counter = field(default_factory=Counter)
    changes: Counter = field(default_factory=Counter)
    runs: int = 0


async def live(host, *, silo_count=1, path=":memory:"):
    """Several people talk to every agent at once, others write on the shared board. Returns when all is quiet."""
    database = await SqliteDatabase.open(path, MIGRATIONS, host=host)
    house = House(database, host, silo_count)
    people = await house.people_move_in(AGENTS)
    seen = History(host.clock)
    rng = host.rng.fork("people")
    spread_ms = (0, 5, 50, 300)[rng.randint(0, 3)]  # all at once, or a while apart
    host.spawn(house.deactivate_now_and_then(), "sweep")
    work = [_talk(house, seen, agent, n, spread_ms) for agent in people for n in range(TALKERS)]
    work += [_write(house, seen, people[n % len(people)], n, spread_ms) for n in range(WRITERS)]
    work += [_read(house, seen, n, spread_ms) for n in range(READERS)]
    work.append(_leave(house, people[0], spread_ms))
    await asyncio.gather(*(host.spawn(one, f"person {n}") for n, one in enumerate(work)))
    await asyncio.gather(*(stream.wait() for stream in house.accepted))
    while any(inbox.open for inbox in house.inboxes):
        await host.clock.sleep(1)
    life = await _look_around(house, seen, people)
    await house.close()
    return life


async def _talk(house, seen, agent, number, spread_ms):
    """Messages one after the other: the second is sent when the first is acknowledged, not when it is answered."""
    rng = house.host.rng.fork(f"{agent.name} {number}")
    for turn in range(MESSAGES_EACH):
        await house.host.clock.sleep(rng.random() * spread_ms)
        text = f"{number}.{turn}"
        inbox = rng.randint(0, len(house.inboxes) - 1)
        await seen.call(agent.id, "append", text, _nothing(house.accept(agent, text, inbox)), client=f"person {number}")


async def _leave(house, agent, spread_ms):
    """Somebody who hangs up while the message is being accepted."""
    await house.host.clock.sleep(house.host.rng.fork("leave").random() * spread_ms)
    with contextlib.suppress(TimeoutError):
        async with house.host.clock.timeout(house.host.rng.fork("hang up").random() * 5):
            await house.accept(agent, "hung up")


async def _write(house, seen, agent, number, spread_ms):
    await house.host.clock.sleep(house.host.rng.fork(f"write {number}").random() * spread_ms)
    text = f"note {number}"
    appended = core.append(
        house.view,
        TENANT,
        agent.id,
        "board",
        text,
        block_id=house.host.ids.new("block"),
        now_ms=house.host.clock.now_ms(),
    )
    await seen.call("board", "append", text, appended, client=f"writer {number}")


async def _read(house, seen, number, spread_ms):
    for turn in range(READS_EACH):
        await house.host.clock.sleep(house.host.rng.fork(f"read {number}.{turn}").random() * spread_ms)
        await seen.call("board", "read", None, _lines(house, house.board), client=f"reader {number}")


async def _nothing(work):
    await work


async def _lines(house, block):
    value = (await core.get(house.view, TENANT, block.id)).value
    return value.split("\n") if value else []


async def _look_around(house, seen, people):
    await seen.call("board", "read", None, _lines(house, house.board))
    life = Life(rows=await rows_hash(house.view), histories=seen)
    for agent in people:
        page = Page(limit=1000)
        stored = await messages.list_messages(house.view, TENANT, page, agent_id=agent.id)
        life.stored[agent.id] = stored
    for stream in house.accepted:
        life.statuses[(await runs.get(house.view, TENANT, stream.run.id)).status] += 1
    life.open = len(await runs.open_runs(house.view))
    ((life.runs,),) = await house.view.fetch("SELECT count(*) FROM run")
    life.log_lines = await _lines(house, house.log)
    calls = "SELECT arguments FROM call WHERE tool = 'core_memory_append' AND state = 'done' AND NOT is_error"
    made = [json.loads(arguments) for (arguments,) in await house.view.fetch(calls)]
    life.logged = Counter(one["content"] for one in made if one["label"] == "log")
    life.rings, life.changes = house.bell.rings, house.changes
    return life


async def rows_hash(view):
    """One hash over every row of every table."""
    found = hashlib.sha256()
    tables = await view.fetch("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    for (table,) in tables:
        rows = sorted(map(repr, await view.fetch(f"SELECT * FROM {table}")))
        found.update("\n".join([table, *rows, ""]).encode())
    return found.hexdigest()


def summary(result):
    """What two lives of one seed have in common."""
    life = result.value
    return {
        "digest": result.digest,
        "rows": life.rows,
        "steps": result.steps,
        "virtual_ms": result.virtual_ms,
        "ambient": result.ambient,
        "statuses": dict(sorted(life.statuses.items())),
        "open": life.open,
    }


def main(seed, noise):
    """`noise` objects are made before, and every other one let go: addresses and collections differ from run to run."""
    junk = [[n] for n in range(int(noise))]
    del junk[::2]
    sys.stdout.write(json.dumps(summary(simulate(live, int(seed)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
