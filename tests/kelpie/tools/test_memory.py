"""Memory tools: what they change, what they refuse, and that they only plan."""

import datetime as dt

import pytest

from kelpie.errors import CallerError, InvalidInput, LimitExceeded
from kelpie.tools import schema as tool_schema
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.tools.tool import ToolContext
from kelpie.trajectories import messages, schema
from kelpie.trajectories.records import StoredMessage
from umi import core, memory
from umi.entity import Block
from umi.storage import SqliteDatabase
from umi.wire.types import Message

TOOLS = {tool.name: tool for tool in MEMORY_TOOLS}
DAY_MS = 86_400_000


class Desk:
    def __init__(self, database, host):
        self.database = database
        self.view = database.view()
        self.host = host
        self.archive = memory.Archive(database, host)

    def context(self, agent="agent-1", tenant="t"):
        return ToolContext(
            tenant=tenant,
            agent_id=agent,
            run_id="run-1",
            step_id="step-1",
            tool_call_id="call-1",
            view=self.view,
            host=self.host,
            archive=self.archive,
        )

    async def plan(self, name, agent="agent-1", tenant="t", **arguments):
        return await TOOLS[name].run(self.context(agent, tenant), arguments)

    async def do(self, name, agent="agent-1", tenant="t", **arguments):
        outcome = await self.plan(name, agent, tenant, **arguments)
        await self.database.commit(outcome.changes)
        return outcome.text

    async def block(self, label="human", value="", **fields):
        made = Block(tenant="t", id=self.host.ids.new("block"), label=label, value=value, limit_chars=100, **fields)
        await self.database.commit(core.plan_create(made).extend(core.plan_attach("t", "agent-1", made.id, label)))

    async def value(self, label="human"):
        return (await core.by_label(self.view, "t", "agent-1", label)).value


@pytest.fixture
async def desk(tmp_path, host):
    migrations = [*memory.MIGRATIONS, *schema.MIGRATIONS, *tool_schema.MIGRATIONS]
    database = await SqliteDatabase.open(str(tmp_path / "d.db"), migrations, host=host)
    yield Desk(database, host)
    await database.close()


async def test_a_memory_tool_plans_and_writes_nothing_itself(desk):
    await desk.block(value="one")
    outcome = await desk.plan("core_memory_append", label="human", content="two")
    assert await desk.value() == "one"
    await desk.database.commit(outcome.changes)
    assert await desk.value() == "one\ntwo"


async def test_appending_to_a_missing_label_makes_the_block(desk):
    await desk.do("core_memory_append", label="new", content="first")
    assert await desk.value("new") == "first"


@pytest.mark.parametrize(
    ("tool", "before", "arguments", "after"),
    [
        ("core_memory_replace", "tea, tea", {"old_content": "tea", "new_content": "coffee"}, "coffee, coffee"),
        ("core_memory_replace", "a b", {"old_content": "a ", "new_content": ""}, "b"),
        ("memory_replace", "likes tea", {"old_string": "tea", "new_string": "coffee"}, "likes coffee"),
        ("memory_insert", "a\nc", {"new_string": "b", "insert_line": 1}, "a\nb\nc"),
        ("memory_insert", "a", {"new_string": "b"}, "a\nb"),
        ("memory_insert", "a", {"new_string": "b", "insert_line": 0}, "b\na"),
        ("memory_insert", "", {"new_string": "a\nb"}, "a\nb"),
    ],
)
async def test_a_block_is_edited(desk, tool, before, arguments, after):
    await desk.block(value=before)
    await desk.do(tool, label="human", **arguments)
    assert await desk.value() == after


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("core_memory_append", {"label": "human", "content": "x" * 101}, "at most 100"),
        ("core_memory_append", {"label": "rules", "content": "x"}, "read-only"),
        ("core_memory_append", {"label": "human"}, "'content' must be a text"),
        ("core_memory_append", {"label": 3, "content": "x"}, "'label' must be a text"),
        ("core_memory_replace", {"label": "human", "old_content": "zzz", "new_content": ""}, "must match exactly"),
        ("core_memory_replace", {"label": "nope", "old_content": "a", "new_content": ""}, "attached labels: human"),
        ("core_memory_replace", {"label": "rules", "old_content": "Be", "new_content": ""}, "read-only"),
        ("memory_replace", {"label": "human", "old_string": "a", "new_string": "b"}, "occurs 2 times"),
        ("memory_replace", {"label": "human", "old_string": "", "new_string": "b"}, "occurs 0 times"),
        ("memory_insert", {"label": "human", "new_string": "b", "insert_line": 9}, "insert_line must be from 0 to 1"),
        ("archival_memory_insert", {"content": " "}, "blank"),
        ("archival_memory_insert", {"content": "x", "tags": "pets"}, "list of texts"),
        ("archival_memory_search", {"query": "x", "top_k": 0}, "from 1 to 100"),
        ("archival_memory_search", {"query": "x", "start_datetime": "yesterday"}, "ISO 8601"),
        ("archival_memory_search", {"query": "x", "tag_match_mode": "some"}, "any or all"),
        ("conversation_search", {"query": 3}, "'query' must be a text"),
        ("send_message", {}, "'message' must be a text"),
    ],
)
async def test_a_wrong_call_is_refused_with_what_is_wrong(desk, tool, arguments, complaint):
    await desk.block(value="abca")
    await desk.block(label="rules", value="Be kind.", read_only=True)
    with pytest.raises(CallerError, match=complaint):
        await desk.plan(tool, **arguments)
    assert await desk.value() == "abca"


async def test_what_one_agent_remembers_another_does_not_find(desk):
    await desk.do("archival_memory_insert", content="Ada's cat is called Miso.", tags=["pets"])
    assert "Miso" in await desk.do("archival_memory_search", query="cat")
    assert await desk.do("archival_memory_search", agent="agent-2", query="cat") == "No results found."
    assert await desk.do("archival_memory_search", tenant="other", query="cat") == "No results found."


async def test_facts_are_filtered_by_tag_and_date(desk, clock):
    await desk.do("archival_memory_insert", content="cat one", tags=["pets", "old"])
    today = dt.datetime.fromtimestamp(clock.now_ms() / 1000, dt.UTC).strftime("%Y-%m-%d")
    clock.advance(3 * DAY_MS)
    await desk.do("archival_memory_insert", content="cat two", tags=["pets"])
    tomorrow = dt.datetime.fromtimestamp(clock.now_ms() / 1000 - 86_400, dt.UTC).strftime("%Y-%m-%d")

    async def found(**filters):
        text = await desk.do("archival_memory_search", query="cat", **filters)
        return [word for word in ("one", "two") if f"cat {word}" in text]

    assert await found(tags=["pets"]) == ["one", "two"]
    assert await found(tags=["pets", "old"], tag_match_mode="all") == ["one"]
    assert await found(start_datetime=tomorrow) == ["two"]
    assert await found(start_datetime=today, end_datetime=tomorrow) == ["one"]
    assert await found(tags=["none"]) == []


async def test_the_conversation_is_searched_by_words_and_role(desk):
    for position, (role, text) in enumerate([("user", "The code is heliotrope."), ("assistant", "Noted the code.")]):
        body = Message(role=role, content=text)
        message = StoredMessage(
            tenant="t",
            id=f"message-{position}",
            agent_id="agent-1",
            position=position,
            run_id=None,
            step_id=None,
            body=body,
        )
        await desk.database.commit(messages.plan_add([message]))
    assert "heliotrope" in await desk.do("conversation_search", query="what code?", roles=["user"])
    assert "heliotrope" not in await desk.do("conversation_search", query="code", roles=["assistant"])


def test_every_tool_describes_its_arguments():
    for tool in MEMORY_TOOLS:
        schema_of = tool.spec.parameters
        assert tool.spec.description
        assert set(schema_of["required"]) <= set(schema_of["properties"])


async def test_a_replacement_that_would_fill_the_machines_memory_is_refused_before_it_is_made(desk):
    """A long text in the place of every letter: built first and measured after, this one takes a hundred gigabytes."""
    made = Block(tenant="t", id="block-big", label="big", value="a" * 100_000, limit_chars=100_000)
    await desk.database.commit(core.plan_create(made).extend(core.plan_attach("t", "agent-1", made.id, "big")))
    with pytest.raises(LimitExceeded, match="100,000,000,000 characters"):
        await desk.plan("core_memory_replace", label="big", old_content="a", new_content="b" * 1_000_000)


async def test_a_replacement_may_use_the_block_to_its_last_character(desk):
    await desk.block(value="ab" * 25)
    await desk.do("core_memory_replace", label="human", old_content="b", new_content="ccc")
    assert len(await desk.value()) == 100


@pytest.mark.parametrize("tool", ["conversation_search", "archival_memory_search"])
async def test_a_query_without_end_is_refused(desk, tool):
    with pytest.raises(LimitExceeded, match="the query"):
        await desk.plan(tool, query="word " * 100_000)


@pytest.mark.parametrize("bad", ["nul \0", "half \ud800"])
async def test_what_is_no_text_is_refused_for_memory(desk, bad):
    await desk.block(value="abc")
    for tool, arguments in (
        ("core_memory_append", {"label": "human", "content": bad}),
        ("core_memory_replace", {"label": "human", "old_content": "a", "new_content": bad}),
        ("memory_insert", {"label": "human", "new_string": bad}),
        ("archival_memory_insert", {"content": bad}),
    ):
        with pytest.raises(InvalidInput):
            await desk.plan(tool, **arguments)
    assert await desk.value() == "abc"
