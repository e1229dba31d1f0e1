"""Edits from outside that race: with each other, with a turn, and with a deletion."""

import asyncio

import pytest

from kelpie.agents import agent as agents
from kelpie.agents import modify
from kelpie.errors import NotFound
from umi import core
from umi.entity import Block

TABLES = (
    *("agent", "agent_tag", "agent_tool", "block_scope", "placement"),
    *("message", "message_text", "run", "step", "call", "fact", "claim", "entity", "outbox"),
)


async def block(house, label, value=""):
    made = Block(tenant="t", id=house.host.ids.new("block"), label=label, value=value, limit_chars=1000)
    await house.database.commit(core.plan_create(made))
    return made


def before_commit(house, matches, interfere):
    """Run `interfere` once, right before the first commit whose SQL contains `matches`."""
    real, fired = house.database.commit, []

    async def commit(changes):
        if not fired and any(matches in write.sql for write in changes.writes):
            fired.append(True)
            await interfere()
        return await real(changes)

    house.database.commit = commit
    return fired


async def test_what_an_agent_has_is_exactly_what_was_asked_also_beside_an_attach(house):
    agent = await house.agent("send_message", blocks=[("human", "Ada")])
    wanted, late = await block(house, "wanted"), await block(house, "late")
    tool_id = (await agents.tool_ids(house.view, "t", agent.id))[0]

    async def attach():
        await modify.attach_block(house.workshop, "t", agent.id, late.id)

    fired = before_commit(house, "UPDATE agent SET", attach)
    await modify.modify(house.workshop, "t", agent.id, lambda _: {}, block_ids=[wanted.id], tool_ids=[tool_id])
    assert fired
    assert [one.id for one in await core.of_scope(house.view, "t", agent.id)] == [wanted.id]
    assert await agents.tool_ids(house.view, "t", agent.id) == [tool_id]


async def test_fields_changed_at_once_are_all_kept(house):
    agent = await house.agent()
    edits = [{"description": "d"}, {"timezone": "Asia/Tokyo"}, {"tags": ["x"]}, {"temperature": 0.5}]
    await asyncio.gather(*(modify.modify(house.workshop, "t", agent.id, lambda _, e=edit: e) for edit in edits))
    stored = await agents.get(house.view, "t", agent.id)
    assert (stored.description, stored.timezone, stored.tags, stored.temperature) == ("d", "Asia/Tokyo", ["x"], 0.5)


@pytest.mark.parametrize("interfering", ["attach_block", "attach_tool", "modify"])
async def test_an_edit_that_meets_a_deletion_leaves_no_row_behind(house, interfering):
    agent = await house.agent("send_message", blocks=[("human", "Ada")], tags=["pets"])
    other = await block(house, "other")
    tool_id = (await agents.tool_ids(house.view, "t", agent.id))[0]
    edits = {
        "attach_block": lambda: modify.attach_block(house.workshop, "t", agent.id, other.id),
        "attach_tool": lambda: modify.attach_tool(house.workshop, "t", agent.id, tool_id),
        "modify": lambda: modify.modify(house.workshop, "t", agent.id, lambda _: {"tags": ["y"]}, block_ids=[other.id]),
    }
    real = house.database.commit
    fired = before_commit(house, "agent", lambda: real(agents.plan_delete("t", agent.id)))
    with pytest.raises(NotFound):
        await edits[interfering]()
    assert fired
    for table in TABLES:
        assert await house.view.fetch(f"SELECT count(*) FROM {table}") == [(0,)], table


async def test_blocks_and_tools_taken_away_while_a_turn_is_at_work_leave_it_whole(house):
    """The turn goes on with what the next step finds; nothing points at what is gone."""
    agent = await house.agent("core_memory_append", blocks=[("human", "Ada")])
    (human,) = await core.of_scope(house.view, "t", agent.id)
    tool_id = (await agents.tool_ids(house.view, "t", agent.id))[0]

    async def take_away(request, on_delta):
        await house.database.commit(core.plan_delete("t", human.id))
        await house.database.commit(agents.plan_detach_tool("t", agent.id, tool_id))
        return house.call(("core_memory_append", '{"label": "human", "content": "likes tea"}'))

    house.model.will(take_away, house.say("done"))
    assert (await house.send(agent, "go")).status == "completed"
    second = house.model.requests[1]
    assert second.tools == []
    assert "likes tea" in second.messages[0].text  # the append made the block anew
    assert "Ada" not in second.messages[0].text
    assert await house.view.fetch("SELECT count(*) FROM block_scope") == [(1,)]


async def test_an_agent_deleted_between_any_two_commits_of_its_turn_leaves_no_row(house):
    for number in range(1, 6):
        agent = await house.agent("core_memory_append", "archival_memory_insert")
        house.model.script = [
            house.call(("core_memory_append", '{"label": "notes", "content": "x"}')),
            house.call(("archival_memory_insert", '{"content": "x"}')),
            house.say("done"),
        ]
        real, count = house.database.commit, 0

        async def commit(changes, real=real, agent=agent, number=number):
            nonlocal count
            count += 1
            if count == number:
                await real(agents.plan_delete("t", agent.id))
            return await real(changes)

        house.database.commit = commit
        try:
            stream = await house.accept(agent, "go")
            ended, _ = await asyncio.wait_for(stream.wait(), 10)
            assert ended.run.status == "failed"
        except NotFound:
            assert number == 1
        house.database.commit = real
        assert count >= number, "the deletion did not happen"
        for table in TABLES:
            assert await house.view.fetch(f"SELECT count(*) FROM {table}") == [(0,)], (table, number)
        assert house.inbox.open == 0
