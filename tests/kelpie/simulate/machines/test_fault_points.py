"""A Database that fails by what a call touches."""

import pytest

from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.files import files
from kelpie.groups import records as groups
from kelpie.groups.records import Group
from kelpie.simulate.machines.fault_points import REFUSED, STORE_KINDS, UNHEARD, UNWRITTEN, FaultPoints
from kelpie.tools import workspace
from kelpie.trajectories import messages
from sim.lively import MIGRATIONS
from umi import archival, core
from umi.dst.faults import Faults
from umi.entity import Block, Fact
from umi.errors import CommitUnknown, Conflict, StoreError
from umi.storage import Changes, Page, SqliteDatabase, View

BLOCK = Block(tenant="t", id="block-1", label="human", value="", limit_chars=100)
FACT = Fact(tenant="t", id="passage-1", scope="ada", text="a cat", valid_from_ms=0, known_from_ms=0)
AGENT = Agent(tenant="t", id="agent-1", name="Ada", model="m")
GROUP = Group(tenant="t", id="group-1", kind="round_robin", description="", agents=["agent-1"])
READS = {
    "store.block_read": lambda view: core.of_scope(view, "t", "ada"),
    "store.archival_read": lambda view: archival.list_facts(view, "t", "ada", Page()),
    "store.message_read": lambda view: messages.search(view, "t", "ada", "cat"),
    "store.file_read": lambda view: files.list_files(view, "t", "source-1", Page()),
}
WRITES = {
    "store.block_write": lambda: core.plan_create(BLOCK),
    "store.archival_write": lambda: archival.plan_add([FACT], archival.Why()),
    "store.agent_write": lambda: agents.plan_create(AGENT),
    "store.group_write": lambda: groups.plan_create(GROUP),
    "store.file_write": lambda: Changes().write("INSERT INTO agent_folder VALUES (1, 't', 'agent-2', 'source-1')"),
    "store.workspace_write": lambda: workspace.plan_sync("t", "agent-2", {}, {"notes.txt": b"a cat"}, 0)[0],
}
COUNT = (
    "SELECT (SELECT count(*) FROM block) + (SELECT count(*) FROM fact) + (SELECT count(*) FROM agent)"
    " + (SELECT count(*) FROM workspace_file) + (SELECT count(*) FROM agent_folder)"
    " + (SELECT count(*) FROM agent_group)"
)


@pytest.fixture
async def inner():
    database = await SqliteDatabase.open(":memory:", MIGRATIONS)
    yield database
    await database.close()


@pytest.fixture
def faults(host):
    return Faults(host.rng.fork("faults"), STORE_KINDS)


@pytest.fixture
def store(inner, faults):
    return FaultPoints(inner, faults)


async def attempts(work):
    try:
        await work
    except (StoreError, Conflict) as error:
        return type(error)
    return None


def test_every_kind_is_tried_here():
    assert set(READS) | set(WRITES) == set(STORE_KINDS)


async def test_without_faults_it_is_the_database(store, inner):
    for plan in WRITES.values():
        await store.commit(plan())
    assert await View(inner).fetch(COUNT) == [(6,)]
    assert [fact.text for fact in await archival.list_facts(View(store), "t", "ada", Page())] == ["a cat"]
    with pytest.raises(Conflict):
        await store.commit(core.plan_create(BLOCK))


@pytest.mark.parametrize("kind", READS)
async def test_a_read_fails_by_the_tables_it_reads_also_over_what_is_planned(kind, store, faults):
    faults.rate(kind, 1.0)
    for view in (View(store), View(store, WRITES["store.agent_write"]())):
        for other, read in READS.items():
            assert await attempts(read(view)) is (StoreError if other == kind else None)
    assert faults.fired == {kind: 2}
    for plan in WRITES.values():
        await store.commit(plan())
    assert faults.fired == {kind: 2}
    faults.stop()
    await READS[kind](View(store))


@pytest.mark.parametrize("kind", WRITES)
async def test_a_write_fails_by_the_tables_it_writes(kind, store, faults):
    faults.rate(kind, 1.0)
    for other, plan in WRITES.items():
        await messages.list_messages(View(store, plan()), "t", Page(limit=9))  # over it is a read, and nothing else
        assert (await attempts(store.commit(plan())) is None) == (other != kind)
    assert faults.fired == {kind: 1}


@pytest.mark.parametrize("kind", WRITES)
async def test_a_write_that_fails_is_refused_or_unknown_and_then_there_or_not(kind, host, faults):
    seen = set()
    faults.rate(kind, 1.0)
    for _ in range(20):
        inner = await SqliteDatabase.open(":memory:", MIGRATIONS)
        store, ran = FaultPoints(inner, faults), []
        error = await attempts(store.commit(WRITES[kind]().after(lambda ran=ran: ran.append("hook"))))
        ((_, ending),) = store.endings
        ((there,),) = await View(inner).fetch(COUNT)
        assert ran == []
        seen.add((ending, error, there))
        await inner.close()
    assert seen == {(REFUSED, StoreError, 0), (UNHEARD, CommitUnknown, 1), (UNWRITTEN, CommitUnknown, 0)}
    assert faults.fired == {kind: 20}


async def test_a_refusal_is_an_answer_also_where_the_answer_would_be_lost(store, faults, inner):
    await inner.commit(core.plan_create(BLOCK))
    faults.rate("store.block_write", 1.0)
    seen = {await attempts(store.commit(core.plan_create(BLOCK))) for _ in range(20)}
    assert seen == {StoreError, CommitUnknown, Conflict}
    assert store.endings["store.block_write", UNHEARD] == 0  # it was refused: there was no answer to lose


async def test_a_guard_that_only_reads_an_agent_writes_none(store, faults, inner):
    await inner.commit(agents.plan_create(AGENT))
    faults.rate("store.agent_write", 1.0)
    await store.commit(Changes().extend(agents.exists(agents.actor_id("t", AGENT.id))))
    assert not faults.fired
    assert await attempts(store.commit(agents.plan_delete("t", AGENT.id))) is not None
    assert faults.fired == {"store.agent_write": 1}
