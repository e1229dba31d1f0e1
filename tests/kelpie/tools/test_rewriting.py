"""Tools that rewrite whole blocks: what they change, what they refuse, and patches that are applied whole or not."""

import pytest

from kelpie.errors import CallerError, ToolFailed
from kelpie.tools import schema as tool_schema
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.tools.patches import applied, sections
from kelpie.tools.rewriting import REWRITING_TOOLS
from kelpie.tools.tool import ToolContext
from kelpie.trajectories import messages, schema
from kelpie.trajectories.records import StoredMessage
from umi import core, memory
from umi.entity import Block
from umi.storage import SqliteDatabase
from umi.wire.types import Message

TOOLS = {tool.name: tool for tool in (*MEMORY_TOOLS, *REWRITING_TOOLS)}


class Desk:
    def __init__(self, database, host):
        self.database, self.host, self.view = database, host, database.view()
        self.archive = memory.Archive(database, host)

    async def do(self, name, **arguments):
        context = ToolContext("t", "agent-1", "run-1", "step-1", "call-1", self.view, self.host, self.archive)
        outcome = await TOOLS[name].run(context, arguments)
        await self.database.commit(outcome.changes)
        return outcome

    async def block(self, label="human", value="", **fields):
        made = Block(tenant="t", id=self.host.ids.new("block"), label=label, value=value, limit_chars=100, **fields)
        await self.database.commit(core.plan_create(made).extend(core.plan_attach("t", "agent-1", made.id, label)))

    async def blocks(self):
        return {block.label: block.value for block in await core.of_scope(self.view, "t", "agent-1")}


@pytest.fixture
async def desk(tmp_path, host):
    migrations = [*memory.MIGRATIONS, *schema.MIGRATIONS, *tool_schema.MIGRATIONS]
    database = await SqliteDatabase.open(str(tmp_path / "d.db"), migrations, host=host)
    yield Desk(database, host)
    await database.close()


async def test_a_block_is_rewritten_or_made_and_the_end_of_edits_ends_the_turn(desk):
    await desk.block(value="old")
    await desk.do("memory_rethink", label="human", new_memory="new")
    await desk.do("memory_rethink", label="plans", new_memory="swim")
    assert await desk.blocks() == {"human": "new", "plans": "swim"}
    assert (await desk.do("memory_finish_edits")).ends_turn
    with pytest.raises(CallerError, match="100"):
        await desk.do("memory_rethink", label="human", new_memory="x" * 101)


async def test_one_tool_creates_replaces_inserts_renames_and_deletes(desk):
    await desk.do("memory", command="create", path="/memories/plans", description="what is next", file_text="swim\n")
    await desk.do("memory", command="str_replace", path="/memories/plans", old_string="swim", new_string="run")
    await desk.do("memory", command="insert", path="plans", insert_line=0, insert_text="today:")
    assert await desk.blocks() == {"plans": "today:\nrun\n"}
    await desk.do("memory", command="rename", old_path="plans", new_path="/memories/goals")
    await desk.do("memory", command="rename", path="goals", description="far away")
    (block,) = await core.of_scope(desk.view, "t", "agent-1")
    assert (block.label, block.description) == ("goals", "far away")
    await desk.do("memory", command="delete", path="goals")
    assert await desk.blocks() == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"command": "view", "path": "human"}, "command must be"),
        ({"command": "create", "path": "human"}, "labelled 'human' already"),
        ({"command": "create", "path": "a", "file_text": 5}, "must be texts"),
        ({"command": "str_replace", "path": "human", "old_string": "zebra"}, "occurs 0 times"),
        ({"command": "insert", "path": "human", "insert_line": 9, "insert_text": "x"}, "insert_line"),
        ({"command": "insert", "path": "human"}, "insert_text"),
        ({"command": "rename", "path": "human", "new_path": "fixed"}, "labelled 'fixed' already"),
        ({"command": "rename", "path": "human"}, "new_path"),
        ({"command": "delete", "path": "fixed"}, "read-only"),
        ({"command": "delete", "path": "nowhere"}, "no block labelled"),
        ({"command": "delete"}, "'path' must be a text"),
    ],
)
async def test_what_does_not_fit_is_told_to_the_model(desk, arguments, why):
    await desk.block(value="a\nb")
    await desk.block("fixed", read_only=True)
    with pytest.raises(CallerError, match=why):
        await desk.do("memory", **arguments)
    assert await desk.blocks() == {"human": "a\nb", "fixed": ""}


async def test_a_patch_changes_one_block_or_several_at_once(desk):
    await desk.block(value="name: Ada\ncity: Paris\nlikes: tea")
    await desk.do(
        "memory_apply_patch", label="human", patch="@@\n name: Ada\n-city: Paris\n+city: Rome\n@@\n-likes: tea"
    )
    assert await desk.blocks() == {"human": "name: Ada\ncity: Rome"}
    await desk.block("scratch", "x")
    patch = (
        "*** Begin Patch\n*** Update Block: human\n*** Move to: person\n-city: Rome\n+city: Oslo\n"
        "*** Add Block: plans\n+swim\n+run\n*** Delete Block: scratch\n*** End Patch"
    )
    await desk.do("memory_apply_patch", patch=patch)
    assert await desk.blocks() == {"person": "name: Ada\ncity: Oslo", "plans": "swim\nrun"}


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("+x", "no header"),
        ("*** Update Block: human\n-zebra", "occur 0 times"),
        ("*** Update Block: human\n-same", "occur 2 times"),
        ("*** Update Block: human\nodd", "begins with"),
        ("*** Update Block: nowhere\n+x", "no block labelled"),
        ("*** Add Block: human\n+x", "already"),
        ("*** Delete Block: human\n*** Delete Block: human", "twice"),
        ("\n".join(f"*** Add Block: b{n}\n+x" for n in range(51)), "at most 50"),
    ],
)
async def test_a_patch_that_does_not_fit_changes_nothing(desk, patch, why):
    await desk.block(value="same\nsame")
    with pytest.raises(CallerError, match=why):
        await desk.do("memory_apply_patch", patch="*** Add Block: first\n+x\n" + patch if "Block" in patch else patch)
    assert await desk.blocks() == {"human": "same\nsame"}


async def test_an_agent_makes_no_blocks_without_end(desk, monkeypatch):
    monkeypatch.setattr("kelpie.tools.limits.MEMORY_BLOCKS_MAX", 2)
    for label in ("a", "b"):
        await desk.do("memory_rethink", label=label, new_memory="x")
    for name, arguments in (
        ("memory_rethink", {"label": "c", "new_memory": "x"}),
        ("memory", {"command": "create", "path": "c"}),
        ("memory_apply_patch", {"patch": "*** Add Block: c"}),
    ):
        with pytest.raises(ToolFailed, match="delete one first"):
            await desk.do(name, **arguments)


def test_a_line_is_not_found_within_a_longer_one():
    (section,) = sections("-tea", "human")
    with pytest.raises(ToolFailed, match="occur 0 times"):
        applied("green tea", section)
    (section,) = sections("+more", "human")
    assert applied("all", section) == "all\nmore"


async def test_a_conversation_is_searched_within_a_span_page_by_page(desk):
    for n in range(13):
        said = StoredMessage(
            tenant="t",
            id=desk.host.ids.new("message"),
            agent_id="agent-1",
            position=n,
            run_id=None,
            step_id=None,
            body=Message(role="user", content=f"heliotrope {n}"),
            created_at_ms=n * 86_400_000,
        )
        await desk.database.commit(messages.plan_add([said]))
    span = {"query": "heliotrope", "start_date": "1970-01-02", "end_date": "1970-01-13"}
    first = (await desk.do("conversation_search_date", **span)).text
    second = (await desk.do("conversation_search_date", **span, page=1)).text
    assert (first.count("heliotrope"), second.count("heliotrope")) == (10, 2)
    assert not any(f'heliotrope {n}"' in first + second for n in (0,))
    with pytest.raises(CallerError, match="'page'"):
        await desk.do("conversation_search_date", **span, page=-1)
    with pytest.raises(CallerError, match="'start_date'"):
        await desk.do("conversation_search_date", query="heliotrope")


def test_every_tool_describes_its_arguments():
    for tool in REWRITING_TOOLS:
        assert tool.spec.description
        assert set(tool.spec.parameters["required"]) <= set(tool.spec.parameters["properties"])
