"""A tenant's tools as rows: made, changed, listed and deleted, on a real database."""

import asyncio
import re

import msgspec
import pytest

from kelpie.errors import Conflict, GuardFailed, InvalidInput, InvalidSource, LimitExceeded, NotFound
from kelpie.tools import custom, limits
from kelpie.tools import schema as tool_schema
from kelpie.tools.custom import ToolDraft
from kelpie.tools.tool import Outcome, Tool
from umi.storage import Changes, Page, SqliteDatabase, View
from umi.wire.types import ToolSpec

ROLL = 'def roll(sides: int) -> int:\n    """Roll a die."""\n    return 4\n'
FLIP = 'def flip() -> str:\n    """Flip a coin."""\n    return "heads"\n'
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture
async def database(tmp_path, host):
    opened = await SqliteDatabase.open(str(tmp_path / "tools.db"), tool_schema.MIGRATIONS, host=host)
    yield opened
    await opened.close()


@pytest.fixture
def view(database):
    return database.view()


@pytest.fixture
def create(view, host):
    """`await create(source, …)`: planned, committed, the record."""

    async def call(source, tenant="t", **fields):
        record, changes = await custom.plan_create(view, host, tenant, ToolDraft(source_code=source, **fields))
        await view.database.commit(changes)
        return record

    return call


async def run_nothing(context, arguments):
    return Outcome("")


def builtin(name, description="Does it.", **fields):
    spec = ToolSpec(name, description, {"type": "object", "properties": {}, "required": ()})
    return Tool(spec, run_nothing, "store", **fields)


async def names(view, page=None, **filters):
    return [record.name for record in await custom.list_tools(view, "t", page or Page(), **filters)]


async def test_a_created_tool_is_read_back_as_it_was_planned(view, host, create):
    record = await create(ROLL, tags=["dice"], return_chars_max=100, metadata={"by": ["ada"]})
    assert re.fullmatch(f"tool-{UUID4}", record.id)
    assert (record.name, record.description, record.tool_type) == ("roll", "Roll a die.", "custom")
    assert (record.created_at_ms, record.updated_at_ms) == (host.clock.now_ms(), host.clock.now_ms())
    assert record.json_schema == {
        "name": "roll",
        "description": "Roll a die.",
        "parameters": {"type": "object", "properties": {"sides": {"type": "integer"}}, "required": ["sides"]},
    }
    assert await custom.get(view, "t", record.id) == record
    assert await custom.get_by_name(view, "t", "roll") == record


async def test_a_plan_sees_what_an_earlier_plan_of_the_same_commit_wrote(database, host):
    changes = Changes()
    view = View(database, changes)
    record, planned = await custom.plan_create(view, host, "t", ToolDraft(source_code=ROLL))
    changes.extend(planned)
    assert await custom.get(view, "t", record.id) == record
    with pytest.raises(NotFound):
        await custom.get(database.view(), "t", record.id)
    with pytest.raises(Conflict):
        await custom.plan_create(view, host, "t", ToolDraft(source_code=ROLL))


async def test_a_taken_name_is_a_conflict_within_one_tenant_only(view, create):
    first = await create(ROLL)
    with pytest.raises(Conflict, match=f"a tool named 'roll' exists already \\({first.id}\\)"):
        await create(ROLL)
    assert (await create(ROLL, tenant="other")).id != first.id
    with pytest.raises(NotFound):
        await custom.get(view, "other", first.id)


async def test_two_who_create_one_name_at_once_make_one_tool(view, host):
    plans = [await custom.plan_create(view, host, "t", ToolDraft(source_code=ROLL)) for _ in range(2)]
    done = await asyncio.gather(*(view.database.commit(plan[1]) for plan in plans), return_exceptions=True)
    assert sorted(isinstance(one, Conflict) for one in done) == [False, True]
    assert await names(view) == ["roll"]


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"source_code": "def f(x): pass"}, InvalidSource, "no type hint"),
        ({"source_type": "ruby"}, InvalidSource, "'ruby' are not supported"),
        ({"settings": {"trust": "operator"}}, InvalidInput, "a tool's settings"),
        ({"settings": {"timeout_ms": 1}}, InvalidInput, "timeout_ms"),
        ({"return_chars_max": 0}, InvalidInput, "1 to 1,000,000 characters; 0"),
        ({"return_chars_max": 1_000_001}, InvalidInput, "1 to 1,000,000 characters; 1,000,001"),
        ({"tags": ["x"] * 101}, LimitExceeded, "101 tags"),
        ({"tags": ["x" * 257]}, LimitExceeded, "257 characters"),
        ({"description": "x" * 50_001}, LimitExceeded, "50,001 characters"),
        ({"description": ""}, InvalidSource, "needs a description"),
        ({"metadata": {"x": "y" * 100_000}}, LimitExceeded, "a tool's metadata"),
        ({"source_code": f'def f(x: str = "{"y" * 200_000}"): pass'}, LimitExceeded, "a tool's schema"),
        ({"json_schema": {}}, InvalidInput, "json_schema needs a name"),
        ({"json_schema": {"name": "roll"}}, InvalidInput, "json_schema needs parameters"),
        ({"json_schema": {"name": "roll", "parameters": {"properties": []}}}, InvalidInput, "json_schema needs para"),
        (
            {"json_schema": {"name": "x", "parameters": {"properties": {}}}},
            InvalidSource,
            "no function 'x'; it has roll",
        ),
        (
            {"json_schema": {"name": "roll", "description": 3, "parameters": {"properties": {}}}},
            InvalidInput,
            "description must be a text",
        ),
    ],
)
async def test_what_can_not_be_stored_is_refused(view, host, fields, error, text):
    draft = ToolDraft(**{"source_code": ROLL, **fields})
    for plan in (custom.plan_create, custom.plan_upsert):
        with pytest.raises(error, match=re.escape(text)):
            await plan(view, host, "t", draft)
    assert await names(view) == []


async def test_a_given_schema_stands_for_the_derived_one(create):
    source = "def helper(x): pass\ndef roll(sides, *more):\n    '''Roll.'''\ndef last(): pass"
    given = {"name": "roll", "parameters": {"properties": {"sides": {"type": "integer"}}}}
    record = await create(source, json_schema=given)
    assert (record.name, record.description) == ("roll", "Roll.")
    assert record.json_schema["parameters"] == {
        "required": [],
        "properties": {"sides": {"type": "integer"}},
        "type": "object",
    }


async def test_upsert_makes_then_changes_and_keeps_what_is_not_given(view, host, clock):
    made = await custom.upsert(view, host, "t", ToolDraft(source_code=ROLL, tags=["dice"], metadata={"a": 1}))
    clock.advance(1000)
    source = 'def roll(sides: int, count: int = 1) -> int:\n    """Roll dice."""\n'
    changed = await custom.upsert(view, host, "t", ToolDraft(source_code=source))
    assert (changed.id, changed.tags, changed.metadata) == (made.id, ["dice"], {"a": 1})
    assert (changed.description, list(changed.json_schema["parameters"]["properties"])) == (
        "Roll dice.",
        ["sides", "count"],
    )
    assert (changed.created_at_ms, changed.updated_at_ms) == (made.created_at_ms, made.created_at_ms + 1000)
    assert await custom.get(view, "t", made.id) == changed
    assert await names(view) == ["roll"]


async def test_settings_stay_unless_they_are_given(view, host):
    given = {"timeout_ms": 5_000, "egress": {"hosts": ["example.com"]}, "workspace": True}
    made = await custom.upsert(view, host, "t", ToolDraft(source_code=ROLL, settings=given))
    assert await custom.get(view, "t", made.id) == made
    again = await custom.upsert(view, host, "t", ToolDraft(source_code=ROLL, settings={"trust": "untrusted"}))
    assert (again.settings.trust, again.settings.timeout_ms, again.settings.workspace) == ("untrusted", 5_000, True)
    assert again.settings.egress.hosts == ("example.com",)
    last = await custom.edit(view, "t", made.id, 0, {"settings": {"egress": None}})
    assert (last.settings.egress, last.settings.trust) == (None, "untrusted")
    assert (await custom.upsert(view, host, "t", ToolDraft(source_code=ROLL))).settings == last.settings


async def test_a_tool_of_before_there_were_settings_is_a_reviewed_one(database, view, host):
    await database.commit(
        Changes().write(
            "INSERT INTO tool VALUES (NULL, 't', 'tool-1', 'f', 'custom', 'F.', 'python', 'def f(): pass',"
            """ '{"name":"f","description":"F.","parameters":{"type":"object","properties":{}}}', '[]', 7, '{}',"""
            " 1, 0, 0, '{}')"
        )
    )
    old = await custom.get(view, "t", "tool-1")
    assert (old.settings.trust, old.settings.granted, old.settings.egress) == ("reviewed", {"agent_state"}, None)


async def test_many_upserts_of_one_tool_at_once_all_succeed_and_leave_one(view, host):
    sources = [f'def roll(sides: int) -> int:\n    """Roll {n}."""\n' for n in range(5)]
    records = await asyncio.gather(*(custom.upsert(view, host, "t", ToolDraft(source_code=s)) for s in sources))
    assert len({record.id for record in records}) == 1
    stored = await custom.get_by_name(view, "t", "roll")
    assert stored.version == 5
    assert stored in records


async def test_update_changes_only_what_is_named(view, create, clock):
    old = await create(ROLL, tags=["dice"])
    clock.advance(5)
    new = await custom.edit(view, "t", old.id, clock.now_ms(), {"tags": [], "description": "Rolls."})
    assert new == msgspec.structs.replace(
        old,
        tags=[],
        description="Rolls.",
        json_schema={**old.json_schema, "description": "Rolls."},
        version=2,
        updated_at_ms=old.updated_at_ms + 5,
    )
    assert await custom.get(view, "t", old.id) == new


async def test_new_source_may_rename_a_tool_but_not_to_a_taken_name(view, create):
    roll, _ = await create(ROLL), await create(FLIP)
    with pytest.raises(Conflict, match="a tool named 'flip' exists already"):
        await custom.plan_update(view, "t", roll.id, 0, {"source_code": FLIP})
    renamed = await custom.edit(view, "t", roll.id, 0, {"source_code": ROLL.replace("roll", "throw")})
    assert (renamed.id, renamed.name) == (roll.id, "throw")
    assert await names(view) == ["throw", "flip"]


async def test_two_changes_planned_from_one_version_do_not_both_commit(view, create):
    record = await create(ROLL)
    plans = [(await custom.plan_update(view, "t", record.id, 0, {"tags": [tag]}))[1] for tag in "ab"]
    plans.append(await custom.plan_delete(view, "t", record.id))
    await view.database.commit(plans[0])
    for late in plans[1:]:
        with pytest.raises(GuardFailed):
            await view.database.commit(late)
    assert (await custom.get(view, "t", record.id)).tags == ["a"]


async def test_unknown_fields_and_tools_are_named(view, create):
    record = await create(ROLL)
    with pytest.raises(InvalidInput, match="no changeable field id, name; changeable are description"):
        await custom.plan_update(view, "t", record.id, 0, {"name": "x", "id": "y"})
    for call in (custom.get(view, "t", "tool-x"), custom.plan_delete(view, "t", "tool-x")):
        with pytest.raises(NotFound, match="no tool has the id 'tool-x'"):
            await call
    with pytest.raises(NotFound, match="no tool is named 'x'"):
        await custom.get_by_name(view, "t", "x")


async def test_a_deleted_tool_is_gone_and_its_name_is_free(view, create):
    record = await create(ROLL)
    await view.database.commit(await custom.plan_delete(view, "t", record.id))
    assert await names(view) == []
    assert (await create(ROLL)).id != record.id


async def test_listing_filters(view, create):
    await create(ROLL, tags=["dice", "game"])
    await create(FLIP, tags=["coin", "game"])
    await create('def other():\n    """Says 100% ROLL."""\n', tenant="t")
    await create(ROLL, tenant="other")
    assert await names(view) == ["roll", "flip", "other"]
    assert await names(view, name="flip") == ["flip"]
    assert await names(view, names=["roll", "other", "none"]) == ["roll", "other"]
    assert await names(view, names=[]) == []
    assert await names(view, ids=[(await custom.get_by_name(view, "t", "flip")).id]) == ["flip"]
    assert await names(view, tags=["dice", "coin"]) == ["roll", "flip"]
    assert await names(view, tags=["gam"]) == []
    assert await names(view, text="roLL") == ["roll", "other"]
    assert await names(view, text="100%") == ["other"]
    assert await names(view, text="_") == []
    assert await names(view, tool_types=["builtin"]) == []
    assert await names(view, name="roll", tags=["coin"]) == []


async def test_listing_pages_by_age_both_ways(view, create):
    made = [await create(f"def f{n}(): pass") for n in range(5)]
    assert await names(view, Page(limit=2)) == ["f0", "f1"]
    assert await names(view, Page(limit=2, after=made[1].id)) == ["f2", "f3"]
    assert await names(view, Page(limit=9, before=made[1].id)) == ["f0"]
    assert await names(view, Page(limit=2, ascending=False)) == ["f4", "f3"]
    assert await names(view, Page(limit=2, after=made[3].id, ascending=False)) == ["f2", "f1"]
    assert await names(view, Page(limit=2, after=made[0].id), text="f3") == ["f3"]


async def test_built_in_tools_list_with_the_others_and_planning_twice_changes_nothing(view, create, clock):
    await create(ROLL)
    tools = [builtin("remember", return_chars_max=7), builtin("recall", tool_type="analyst")]
    await view.database.commit(await custom.plan_builtins(view, "t", clock.now_ms(), tools))
    assert await names(view) == ["roll", "remember", "recall"]
    assert await names(view, tool_types=["builtin"]) == ["remember"]
    record = await custom.get_by_name(view, "t", "remember")
    assert (record.return_chars_max, record.source_code, record.description) == (7, "", "Does it.")
    assert record.id == custom.builtin_id("remember")
    clock.advance(1)
    assert not await custom.plan_builtins(view, "t", clock.now_ms(), tools)


async def test_a_built_in_tool_has_one_id_in_every_tenant_and_run(view):
    ids = {name: custom.builtin_id(name) for name in ("remember", "recall")}
    # Written down: a change of this derivation would detach the tool from every agent that has it.
    assert ids["remember"] == "tool-8e2ed337-9e0c-4c63-b9b3-d2deb0390f2c"
    assert re.fullmatch(f"tool-{UUID4}", ids["recall"])
    for tenant in ("t", "other"):
        await view.database.commit(await custom.plan_builtins(view, tenant, 0, [builtin("recall")]))
        assert (await custom.get_by_name(view, tenant, "recall")).id == ids["recall"]


async def test_a_newer_version_of_a_built_in_tool_replaces_its_row(view, clock):
    await view.database.commit(await custom.plan_builtins(view, "t", clock.now_ms(), [builtin("recall")]))
    old = await custom.get_by_name(view, "t", "recall")
    clock.advance(9)
    plans = [await custom.plan_builtins(view, "t", clock.now_ms(), [builtin("recall", "Better.")]) for _ in range(2)]
    for plan in plans:  # two servers' first requests
        await view.database.commit(plan)
    new = await custom.get_by_name(view, "t", "recall")
    assert (new.id, new.description, new.version) == (old.id, "Better.", 2)
    assert (new.created_at_ms, new.updated_at_ms) == (old.created_at_ms, clock.now_ms())


async def test_two_first_requests_both_plan_the_built_in_tools_and_both_commit(view):
    plans = [await custom.plan_builtins(view, "t", 0, [builtin("recall")]) for _ in range(2)]
    assert all(plans)
    for plan in plans:
        await view.database.commit(plan)
    assert await names(view) == ["recall"]


async def test_a_custom_tool_keeps_a_name_that_a_later_version_builds_in(view, create):
    mine = await create(ROLL)
    await view.database.commit(await custom.plan_builtins(view, "t", 0, [builtin("roll"), builtin("recall")]))
    assert await custom.get_by_name(view, "t", "roll") == mine
    assert await names(view) == ["roll", "recall"]


async def test_built_in_tools_can_not_be_changed_or_deleted(view, host):
    await view.database.commit(await custom.plan_builtins(view, "t", 0, [builtin("roll")]))
    tool_id = custom.builtin_id("roll")
    for refused in (
        custom.plan_update(view, "t", tool_id, 0, {"tags": []}),
        custom.plan_delete(view, "t", tool_id),
        custom.plan_upsert(view, host, "t", ToolDraft(source_code=ROLL)),
        custom.plan_create(view, host, "t", ToolDraft(source_code=ROLL)),
    ):
        with pytest.raises(Conflict):
            await refused


def test_the_columns_are_the_records_fields():
    assert custom.ToolRecord.__struct_fields__ == custom.COLUMNS
    assert limits.TOOL_RETURN_CHARS_DEFAULT <= limits.TOOL_RETURN_CHARS_MAX
