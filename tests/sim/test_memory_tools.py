"""The fault points of the memory tools: while reading or writing blocks, facts, messages or agents fails, always or
sometimes, nothing acknowledged is lost and nothing is done twice; afterwards everything reaches its end.

The house is the real one: inbox, silo, turn, memory tools, store, on a simulated disk. Its model calls every memory
tool in every run, and calls again what was answered with an error. People write the same tables beside it.

A failure names its case; `simulate(lambda host: live(host, KIND, RATE), SEED)` lives it again.
"""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest

from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents.agent import Agent
from kelpie.simulate.machines.fault_points import REFUSED, STORE_KINDS, UNHEARD, UNWRITTEN, FaultPoints
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.trajectories import messages, runs
from sim.lively import MIGRATIONS, TENANT, House
from umi import Memory, core
from umi.dst import Rng
from umi.dst.disk import SimDisk
from umi.dst.faults import Faults
from umi.dst.simulate import simulate
from umi.entity import Block
from umi.errors import CommitUnknown, Conflict, GuardFailed, NotFound, StoreError
from umi.storage import Page, SqliteDatabase, View
from umi.wire.types import Reply, ToolCall, Usage

SEEDS = 5
AGENTS, RUNS_EACH = 2, 3
FAULTS_LAST_MS = 6_000
READS_TRIED_MAX = 3  # by the model: a search that keeps failing is no reason never to answer
READING = ("archival_memory_search", "conversation_search", "conversation_search_date")
EVER = {"start_date": "1970-01-01", "end_date": "2100-01-01"}


def script(text):
    """What the model does for one message, in order: every memory tool, each leaving a trace of its own."""
    return [
        ("core_memory_append", {"label": "log", "content": f"{text} append"}),
        ("core_memory_append", {"label": "diary", "content": f"{text} diary"}),  # a block that isn't there at first
        ("memory_insert", {"label": "notes", "new_string": f"{text} draft"}),
        ("memory_replace", {"label": "notes", "old_string": f"{text} draft", "new_string": f"{text} insert"}),
        ("core_memory_replace", {"label": "log", "old_content": f"{text} append", "new_content": f"{text} replaced"}),
        ("archival_memory_insert", {"content": f"the fact of {text}"}),
        ("archival_memory_search", {"query": f"fact of {text}"}),
        ("conversation_search", {"query": text}),
        ("conversation_search_date", {"query": text, **EVER}),
        ("send_message", {"message": f"{text} is done"}),
    ]


class Scripted:
    """Calls one to three tools per step, and again what was answered with an error. It knows what it was told alone."""

    def __init__(self, host):
        self._clock = host.clock
        self._rng = host.rng.fork("scripted")
        self.replies = 0

    async def reply(self, request, on_delta=None):
        await self._clock.sleep(self._rng.random() * 40)
        self.replies += 1
        at = max(n for n, message in enumerate(request.messages) if message.role == "user")
        left = self._left(request.messages[at].text, request.messages[at + 1 :])
        several = 1 if len(left) == 1 else self._rng.randint(1, min(3, len(left) - 1))  # the farewell stands alone
        calls = [
            ToolCall(id=f"call-{self.replies}-{n}", name=name, arguments=json.dumps(arguments))
            for n, (name, arguments) in enumerate(left[:several])
        ]
        usage = Usage(10, 5)
        raw = [f"request {self.replies}".encode()]
        return Reply("", tool_calls=calls, finish="tool_calls", usage=usage, model="model", raw_request=raw)

    def _left(self, text, since):
        asked = {call.id: call for message in since for call in message.tool_calls}
        done, tried = set(), Counter()
        for message in since:
            if message.role == "tool":
                call = asked[message.tool_call_id]
                tried[call.name] += 1
                if not message.is_error or (call.name in READING and tried[call.name] >= READS_TRIED_MAX):
                    done.add((call.name, call.arguments))
        return [(name, arguments) for name, arguments in script(text) if (name, json.dumps(arguments)) not in done]


@dataclass
class Written:
    """What one kind of writer was told: the texts that are there, may be there, and are not."""

    acknowledged: set = field(default_factory=set)
    unknown: set = field(default_factory=set)
    refused: set = field(default_factory=set)

    async def attempt(self, text, work):
        try:
            await work
        except CommitUnknown:
            self.unknown.add(text)
        except StoreError:
            self.refused.add(text)
        else:
            self.acknowledged.add(text)

    def explains(self, found):
        """Whether these are the texts, each once."""
        return len(found) == len(set(found)) and self.acknowledged <= set(found) <= self.acknowledged | self.unknown


@dataclass
class Life:
    """What came of it."""

    fired: Counter = field(default_factory=Counter)
    endings: Counter = field(default_factory=Counter)
    dropped: int = 0  # activations, each after a fault in the middle of a turn
    ended_early: int = 0  # runs that ended while the faults lasted, or before
    failed_calls: Counter = field(default_factory=Counter)
    told: Counter = field(default_factory=Counter)


class Village:
    """A house whose store fails at one point, and the people who talk and write meanwhile."""

    def __init__(self, host, inner):
        self.host, self.inner = host, inner
        self.faults = Faults(host.rng.fork("faults"), STORE_KINDS)
        self.store = FaultPoints(inner, self.faults)
        self.house = House(self.store, host, 1, Scripted(host))
        self.notes, self.facts, self.edits, self.newcomers = Written(), Written(), Written(), Written()

    async def move_in(self):
        self.people = await self.house.people_move_in(AGENTS)
        self.host.spawn(self.house.deactivate_now_and_then(), "sweep")

    async def talk(self, agent, name):
        for turn in range(RUNS_EACH):
            await self.host.clock.sleep(self.host.rng.fork(f"{name} {turn}").random() * 300)
            await self.house.accept(agent, f"{name}{turn}", max_steps=500)

    async def write(self, number):
        """A person who appends to the shared board, remembers, edits an agent, makes one, and looks."""
        agent, clock, ids = self.people[number % AGENTS], self.host.clock, self.host.ids
        view, rng = View(self.store), self.host.rng.fork(f"person {number}")
        memory = Memory(self.store, self.host, scope="people", tenant=TENANT)
        for turn in range(4):
            await clock.sleep(rng.random() * 400)
            text = f"{number}.{turn}"
            append = core.append(view, TENANT, agent.id, "board", text, block_id=ids.new("block"), now_ms=0)
            await self.notes.attempt(text, append)
            await self.facts.attempt(text, memory.remember(text))
            await self.edits.attempt(text, self.tag(agent, text))
        await self.newcomers.attempt(f"Newcomer {number}", self.arrive(f"Newcomer {number}"))
        for look in (memory.recall("0"), core.of_scope(view, TENANT, agent.id), self.history(agent)):
            with contextlib.suppress(StoreError):
                await look

    async def tag(self, agent, text):
        """Add to a field of an agent, whoever else does."""
        while True:
            old = await agents.get(View(self.store), TENANT, agent.id)
            new = msgspec.structs.replace(old, metadata={**old.metadata, text: 1})
            try:
                await self.store.commit(agents.plan_update(old, new, 0)[1])
            except GuardFailed:
                continue
            return

    async def arrive(self, name):
        agent = Agent(tenant=TENANT, id=f"agent-{name}", name=name, model="test/model")
        block = Block(tenant=TENANT, id=f"block-{name}", label="own", value=name, limit_chars=1_000)
        await creation.create(self.house.workshop, creation.Draft(agent=agent, blocks=[block]))

    async def history(self, agent):
        return await messages.list_messages(View(self.store), TENANT, Page(limit=1000), agent_id=agent.id)

    async def quiet(self):
        """Every acknowledged run has ended, and so has the work behind it."""
        await asyncio.gather(*(stream.wait() for stream in self.house.accepted))
        while any(inbox.open for inbox in self.house.inboxes):
            await self.host.clock.sleep(1)

    # --- what is there, read past the faults

    async def lines(self, label):
        """Of every block with this label, in one list."""
        rows = await View(self.inner).fetch("SELECT value FROM block WHERE label = ? ORDER BY seq", label)
        return [line for (value,) in rows for line in value.split("\n") if line]

    async def found_facts(self, scope):
        """The texts of a scope, as listed and as found by a search."""
        memory = Memory(self.inner, self.host, scope=scope, tenant=TENANT)
        listed = [fact.text for fact in await memory.list(Page(limit=1000))]
        found = [one.fact.text for one in await memory.recall("fact " + " ".join(listed)[:3_000], limit=100)]
        assert sorted(found) == sorted(listed)
        return listed

    async def check_people(self):
        assert self.notes.explains(await self.lines("board"))
        assert self.facts.explains(await self.found_facts("people"))
        tags = []
        for agent in self.people:
            tags += (await agents.get(View(self.inner), TENANT, agent.id)).metadata
        assert self.edits.explains(tags)
        await self.check_newcomers()

    async def check_newcomers(self):
        view = View(self.inner)
        arrived = []
        for name in sorted(self.newcomers.acknowledged | self.newcomers.unknown | self.newcomers.refused):
            blocks = [block.value for block in await core.of_scope(view, TENANT, f"agent-{name}")]
            first = await messages.list_messages(view, TENANT, Page(limit=9), agent_id=f"agent-{name}")
            try:
                await agents.get(view, TENANT, f"agent-{name}")
            except NotFound:
                assert (blocks, first) == ([], [])
            else:
                arrived.append(name)
                assert (blocks, len(first)) == ([name], 1)
        assert self.newcomers.explains(arrived)

    async def check_runs_so_far(self):
        """While the faults last: who was acknowledged is in the store, and who was told of the end has what it made."""
        ended = 0
        for stream in self.house.accepted:
            stored = await runs.get(View(self.inner), TENANT, stream.run.id)
            if stream.ended is not None:
                ended += 1
                assert stored.status == stream.ended.run.status == "completed"
                await self.check_traces(stream.run)
        return ended

    async def check_traces(self, run):
        """What the script of a run leaves, each once, and nothing of what it replaced."""
        text = run.input[0].body.text
        traces = (("log", "replaced", "append"), ("diary", "diary", None), ("notes", "insert", "draft"))
        for label, line, replaced in traces:
            found = Counter(await self.lines(label))
            assert found[f"{text} {line}"] == 1, (label, text)
            assert found[f"{text} {replaced}"] == 0, (label, text)
        assert (await self.found_facts(run.agent_id)).count(f"the fact of {text}") == 1

    async def check_end(self):
        """After the recovery: every acknowledged run with all it had to do, and nothing else."""
        view, said = View(self.inner), Counter()
        for stream in self.house.accepted:
            run = await runs.get(view, TENANT, stream.run.id)
            assert (run.status, run.stop_reason) == ("completed", "end_turn")
            await self.check_traces(run)
            said[run.agent_id] += 1
        assert await runs.open_runs(view) == []
        for label in ("log", "diary", "notes"):
            assert len(await self.lines(label)) == len(self.house.accepted)
        for agent in self.people:
            assert len(await self.found_facts(agent.id)) == said[agent.id]
            stored = await messages.list_messages(view, TENANT, Page(limit=1000), agent_id=agent.id)
            assert [one.position for one in stored] == list(range(len(stored)))
            assert sum(one.body.role == "user" for one in stored) == said[agent.id]
            mine = [one for one in self.house.accepted if one.run.agent_id == agent.id]
            told = [call for one in stored for call in one.body.tool_calls if call.name == "send_message"]
            assert len(told) == len(mine)


async def live(host, kind, rate):
    disk = SimDisk(Rng(f"{host.rng.fork('disk').randint(0, 10**9)}"), clock=host.clock)
    inner = await SqliteDatabase.open(f"{disk.mount()}/store.db", MIGRATIONS, host=host, vfs=disk.vfs)
    village = Village(host, inner)
    await village.move_in()
    work = [village.talk(agent, f"{name}") for agent, name in zip(village.people, "ab", strict=True)]
    work += [village.write(number) for number in range(3)]
    tasks = [host.spawn(one, f"person {n}") for n, one in enumerate(work)]
    begin_rng = host.rng.fork("begin")
    await host.clock.sleep(begin_rng.randint(0, 1) * begin_rng.random() * 400)  # before anybody talks, or amidst
    village.faults.rate(kind, rate)
    await host.clock.sleep(FAULTS_LAST_MS)
    await asyncio.gather(*tasks)
    assert village.faults.fired[kind] > 0
    life = Life(ended_early=await village.check_runs_so_far())
    await village.check_people()
    village.faults.stop()
    await village.quiet()
    await village.check_end()
    await village.check_people()
    life.fired, life.endings = village.faults.fired, village.store.endings
    life.dropped = village.house.changes["dropped"]
    failed = "SELECT tool, count(*) FROM call WHERE is_error GROUP BY tool"
    life.failed_calls = Counter(dict(await View(inner).fetch(failed)))
    written = (village.notes, village.facts, village.edits, village.newcomers)
    for word in ("acknowledged", "unknown", "refused"):
        life.told[word] = sum(len(getattr(one, word)) for one in written)
    await village.house.close()
    return life


def lives_of(kind, rate):
    return [simulate(lambda host: live(host, kind, rate), f"{kind} {rate} {n}").value for n in range(SEEDS)]


def test_the_script_calls_every_memory_tool():
    assert {name for name, _ in script("x")} == {tool.name for tool in MEMORY_TOOLS}


@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize(
    "kind", [kind for kind in STORE_KINDS if not kind.startswith(("store.workspace_", "store.file_", "store.group_"))]
)  # no memory tool has to do with files or groups
def test_a_store_that_fails_at_one_point_loses_nothing_doubles_nothing_and_recovers(kind, rate):
    """What is lost or doubled fails the life itself. Here: that the fault was felt, and where."""
    lives = lives_of(kind, rate)
    assert all(life.fired.keys() == {kind} for life in lives)
    fired, failed, endings, told = (
        sum((getattr(life, name) for life in lives), Counter()) for name in ("fired", "failed_calls", "endings", "told")
    )
    assert fired[kind] >= 20
    runs_made, ended_early = SEEDS * AGENTS * RUNS_EACH, sum(life.ended_early for life in lives)
    if kind == "store.archival_read":
        assert ended_early == runs_made  # the model was told, and went on
    else:
        assert ended_early < runs_made
    if kind.endswith("_write"):
        assert {ending for _, ending in endings} == {REFUSED, UNHEARD, UNWRITTEN}
        assert min(endings.values()) >= 5
        assert min(told["acknowledged"], told["unknown"], told["refused"]) > 0
        if kind != "store.agent_write":  # there, most attempts end before they begin: nobody may claim the agent
            assert sum(life.dropped for life in lives) > 0
        assert not failed
    else:
        tools = {
            "store.archival_read": {"archival_memory_search"},
            "store.message_read": {"conversation_search", "conversation_search_date"},
            "store.block_read": {"core_memory_append", "core_memory_replace", "memory_insert", "memory_replace"},
        }[kind]
        assert set(failed) == tools or (kind, rate) == ("store.block_read", 1.0)  # then no step begins
        assert told["unknown"] == 0


@pytest.mark.parametrize("what", ["is taken for success", "is tried again"])
def test_a_house_whose_unknown_commit_is_careless_would_be_found(what, monkeypatch):
    """The control: what a caller may not do with CommitUnknown, and what comes of it."""
    fails = FaultPoints.commit

    async def careless(store, changes):
        while True:
            try:
                return await fails(store, changes)
            except CommitUnknown:
                if what == "is taken for success":
                    return []

    monkeypatch.setattr(FaultPoints, "commit", careless)
    found = set()
    for kind in ("store.block_write", "store.agent_write", "store.archival_write"):
        for number in range(4):
            try:
                simulate(lambda host, kind=kind: live(host, kind, 0.3), f"careless {kind} {number}")
            except (AssertionError, Conflict):
                found.add(kind)
                break
    assert len(found) >= 2
