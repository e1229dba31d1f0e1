"""The history of an agent: in order, paged, searched, and nobody else's."""

import msgspec
import pytest

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.trajectories import messages, runs
from umi.storage import Page
from umi.wire.types import ImagePart, Message, TextPart, ToolCall


async def test_a_message_comes_back_as_it_was_stored(shelf):
    parts = [TextPart("look"), ImagePart(url="https://example.org/x.png")]
    first = await shelf.say(parts, at_ms=5)
    second = await shelf.say(
        None, role="assistant", tool_calls=[ToolCall("1", "act", '{"a": 1}', {"sig": "x"})], reasoning="hm"
    )
    third = await shelf.say("done", role="tool", tool_call_id="1", name="act", is_error=True)
    assert await messages.list_messages(shelf.view, "t", Page(), agent_id="agent-1") == [first, second, third]
    assert await messages.get(shelf.view, "t", second.id) == second


async def test_a_position_can_be_taken_once(shelf):
    await shelf.say("one")
    shelf.positions["t", "agent-1"] = 0
    with pytest.raises(Conflict):
        await shelf.say("another at the same place")


async def test_paging_forward_and_back_meets_every_message_once(shelf):
    said = [await shelf.say(str(number)) for number in range(7)]
    ascending = await messages.list_messages(shelf.view, "t", Page(limit=3), agent_id="agent-1")
    ascending += await messages.list_messages(
        shelf.view, "t", Page(limit=9, after=ascending[-1].id), agent_id="agent-1"
    )
    assert ascending == said
    newest = await messages.list_messages(shelf.view, "t", Page(limit=3, ascending=False), agent_id="agent-1")
    older = Page(limit=9, after=newest[-1].id, ascending=False)
    assert newest + await messages.list_messages(shelf.view, "t", older, agent_id="agent-1") == said[::-1]
    between = Page(after=said[1].id, before=said[5].id)
    assert await messages.list_messages(shelf.view, "t", between, agent_id="agent-1") == said[2:5]


async def test_an_unknown_cursor_gives_an_empty_page(shelf):
    await shelf.say("one")
    assert await messages.list_messages(shelf.view, "t", Page(after="message-unknown")) == []


async def test_latest_gives_the_newest_oldest_first(shelf):
    said = [await shelf.say(str(number)) for number in range(5)]
    assert await messages.latest(shelf.view, "t", "agent-1", 2) == said[3:]


async def test_search_finds_the_first_of_a_thousand_messages(shelf):
    first = await shelf.say("The launch code is heliotrope.")
    for number in range(1000):
        await shelf.say(f"small talk number {number}")
    assert await messages.search(shelf.view, "t", "agent-1", "what was the launch code?") == [first]


async def test_search_keeps_to_agent_tenant_role_and_time(shelf):
    mine = await shelf.say("secret tea", at_ms=10)
    await shelf.say("secret tea", agent="agent-2")
    await shelf.say("secret tea", tenant="other")
    reply = await shelf.say("secret reply", role="assistant", at_ms=20)
    await shelf.say("secret prompt", role="system")
    await shelf.say("secret result", role="tool", tool_call_id="1")
    search = messages.search
    assert {m.id for m in await search(shelf.view, "t", "agent-1", "secret")} == {mine.id, reply.id}
    assert await search(shelf.view, "t", "agent-1", "secret", roles=("user",)) == [mine]
    assert await search(shelf.view, "t", "agent-1", "secret", since_ms=11) == [reply]
    assert await search(shelf.view, "t", "agent-1", "secret", until_ms=19) == [mine]
    with pytest.raises(InvalidInput, match="limit"):
        await search(shelf.view, "t", "agent-1", "secret", limit=0)


async def test_another_tenants_message_does_not_exist(shelf):
    said = await shelf.say("mine")
    with pytest.raises(NotFound):
        await messages.get(shelf.view, "other", said.id)
    assert await messages.list_messages(shelf.view, "other", Page()) == []


async def test_the_latest_messages_are_bounded_by_their_bytes_too(shelf):
    said = [await shelf.say("x" * 1000) for _ in range(10)]
    assert await messages.latest(shelf.view, "t", "agent-1", 100) == said
    assert await messages.latest(shelf.view, "t", "agent-1", 3) == said[-3:]
    assert await messages.latest(shelf.view, "t", "agent-1", 100, bytes_max=3500) == said[-4:]
    assert await messages.latest(shelf.view, "t", "agent-1", 100, bytes_max=1) == said[-1:]
    assert await messages.latest(shelf.view, "t", "nobody", 100) == []


async def test_the_messages_of_a_run_come_in_order_and_are_its_tenants(shelf):
    mine = [await shelf.say(str(n), run_id="run-1") for n in range(3)]
    await shelf.say("another", run_id="run-2")
    await shelf.say("theirs", run_id="run-1", tenant="other")
    assert await messages.of_run(shelf.view, "t", "run-1") == mine


async def test_a_search_takes_no_query_without_end_and_no_half_characters(shelf):
    with pytest.raises(LimitExceeded, match="query"):
        await messages.search(shelf.view, "t", "agent-1", "word " * 5000)
    with pytest.raises(InvalidInput):
        await messages.search(shelf.view, "t", "agent-1", "\ud800")


@pytest.mark.parametrize("query", ['" OR scope:"x', "secret) OR own:(x", "NEAR(secret)", "secret*", '"secret"'])
async def test_no_query_reaches_another_agents_messages(shelf, query):
    await shelf.say("secret", agent="agent-2")
    await shelf.say("secret", tenant="other")
    assert await messages.search(shelf.view, "t", "agent-1", query) == []


async def test_messages_of_one_moment_are_paged_without_loss_and_also_when_time_falls_back(shelf):
    said = [await shelf.say(str(n), at_ms=1000 - n // 3) for n in range(10)]
    for ascending in (True, False):
        paged, after = [], None
        while page := await messages.list_messages(
            shelf.view, "t", Page(limit=3, after=after, ascending=ascending), agent_id="agent-1"
        ):
            paged += page
            after = page[-1].id
        assert paged == (said if ascending else said[::-1])


async def test_search_goes_through_several_histories_and_no_others(shelf, monkeypatch):
    agents = [f"agent-{number}" for number in range(450)]
    said = [await shelf.say("a heliotrope", agent=agents[number]) for number in (0, 210, 449)]
    await shelf.say("a heliotrope", agent="agent-of-nobody-asked")
    await shelf.say("a heliotrope", agent=agents[0], tenant="other")
    found = await messages.search(shelf.view, "t", agents, "heliotrope")
    assert sorted(one.id for one in found) == sorted(one.id for one in said)
    assert await messages.search(shelf.view, "t", [], "heliotrope") == []
    monkeypatch.setattr("kelpie.trajectories.limits.MESSAGE_SEARCH_AGENTS_MAX", 449)
    with pytest.raises(LimitExceeded):
        await messages.search(shelf.view, "t", agents, "heliotrope")


async def test_messages_are_listed_by_role_and_time(shelf):
    asked = await shelf.say("one", at_ms=10)
    answered = await shelf.say("two", role="assistant", at_ms=20)

    async def found(**wanted):
        return await messages.list_messages(shelf.view, "t", Page(), **wanted)

    assert await found(roles=["assistant", "tool"]) == [answered]
    assert await found(until_ms=10) == [asked]
    assert await found(since_ms=11) == [answered]
    assert await messages.count(shelf.view, "t", "agent-1") == 2


async def test_a_history_begins_anew_whole_unless_a_run_is_open(shelf):
    kept = await shelf.say("heliotrope", agent="agent-2")
    old = await shelf.say("heliotrope")
    run = await shelf.run(1)
    first = msgspec.structs.replace(old, id="message-first", position=1, body=Message(role="user", content="anew"))
    with pytest.raises(GuardFailed):
        await shelf.database.commit(messages.plan_begin_anew(first))
    await shelf.database.commit(runs.plan_end(run, "completed", "end_turn", 2))
    await shelf.database.commit(messages.plan_begin_anew(first))
    assert await messages.list_messages(shelf.view, "t", Page()) == [kept, first]
    assert await messages.latest(shelf.view, "t", "agent-1", 9) == [first]
    assert await messages.search(shelf.view, "t", ["agent-1", "agent-2"], "heliotrope") == [kept]
