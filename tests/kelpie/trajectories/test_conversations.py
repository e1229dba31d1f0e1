"""Conversations of one agent: each shows its own messages and nothing else, forks show a part of another's."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kelpie.errors import GuardFailed, LimitExceeded, NotFound
from kelpie.trajectories import conversations, limits, messages, runs, schema, stretches
from kelpie.trajectories.records import Conversation, ConversationSettings, StoredMessage
from umi.storage import Page, SqliteDatabase
from umi.wire.types import Message, ToolCall


class Talk:
    """The conversations of agent-1 on a shelf."""

    def __init__(self, shelf):
        self.shelf, self.view = shelf, shelf.view

    def named(self, name, **fields):
        return Conversation(tenant="t", id=name, agent_id="agent-1", **fields)

    async def begin(self, name, **fields):
        one = self.named(name, **fields)
        await self.shelf.database.commit(conversations.plan_create(one))
        return one

    async def fork(self, source, name, upto=None):
        one = self.named(name)
        await self.shelf.database.commit(await conversations.plan_fork(self.view, source, one, upto))
        return one

    async def delete(self, name):
        one = await conversations.get(self.view, "t", name)
        await self.shelf.database.commit(await conversations.plan_delete(self.view, one))

    async def shows(self, name):
        return await messages.list_messages(self.view, "t", Page(limit=1000), agent_id="agent-1", conversation_id=name)

    async def texts(self, name):
        return [one.body.text for one in await self.shows(name)]


@pytest.fixture
def talk(shelf):
    return Talk(shelf)


async def test_a_conversation_comes_back_as_it_was_stored(talk):
    settings = ConversationSettings({"temperature": 0.5}, {"provider_type": "openai"})
    one = await talk.begin("conv-1", summary="of cats", model="m/x", settings=settings)
    assert await conversations.get(talk.view, "t", "conv-1", agent_id="agent-1") == one
    new = msgspec.structs.replace(one, summary=None, settings=None, updated_at_ms=7, last_message_at_ms=8)
    await talk.shelf.database.commit(conversations.plan_update(one, new))
    assert await conversations.get(talk.view, "t", "conv-1") == new
    for tenant, name, agent in (("t", "conv-2", None), ("other", "conv-1", None), ("t", "conv-1", "agent-2")):
        with pytest.raises(NotFound):
            await conversations.get(talk.view, tenant, name, agent_id=agent)


async def test_conversations_never_see_each_others_messages(talk, shelf):
    await talk.begin("conv-1")
    await talk.begin("conv-2")
    told = {name: [await shelf.say(f"teapot {name}", within=name)] for name in ("", "conv-1", "conv-2")}
    for name, said in told.items():
        said.append(await shelf.say("the second teapot", within=name))
    for name, said in told.items():
        assert await talk.shows(name) == said
        assert await messages.latest(talk.view, "t", "agent-1", 9, conversation_id=name) == said
        assert await messages.count(talk.view, "t", "agent-1", name) == 2
        found = await messages.search(talk.view, "t", "agent-1", "teapot", conversation_id=name)
        assert sorted(one.id for one in found) == sorted(one.id for one in said)
    assert len(await messages.search(talk.view, "t", "agent-1", "teapot")) == 6  # the agent's memory of all of them
    assert await messages.count(talk.view, "t", "agent-1") == 6
    assert await messages.next_position(talk.view, "t", "agent-1") == 6
    assert await talk.shows("conv-nobodys") == []


async def test_a_fork_of_a_fork_shows_all_from_the_first_message_on(talk, shelf):
    first = await shelf.say("the first teapot")
    await talk.begin("conv-other")
    await shelf.say("beside", within="conv-other")
    await shelf.say("two")
    await talk.fork("", "conv-1")
    await shelf.say("three")
    await shelf.say("three of the fork", within="conv-1")
    await talk.fork("conv-1", "conv-2")
    await shelf.say("four of the fork", within="conv-1")
    await shelf.say("four of the fork's", within="conv-2")
    assert await talk.texts("") == ["the first teapot", "two", "three"]
    assert await talk.texts("conv-1") == ["the first teapot", "two", "three of the fork", "four of the fork"]
    assert await talk.texts("conv-2") == ["the first teapot", "two", "three of the fork", "four of the fork's"]
    assert await messages.search(talk.view, "t", "agent-1", "teapot", conversation_id="conv-2") == [first]
    newest = await messages.latest(talk.view, "t", "agent-1", 3, conversation_id="conv-2")
    assert newest == (await talk.shows("conv-2"))[1:]
    by_size = await messages.latest(talk.view, "t", "agent-1", 9, conversation_id="conv-2", bytes_max=1)
    assert by_size == (await talk.shows("conv-2"))[3:]


async def test_deleting_one_leaves_what_the_others_show(talk, shelf):
    await shelf.say("main teapot")
    await talk.fork("", "conv-1")
    await shelf.say("teapot of one", within="conv-1")
    await talk.fork("conv-1", "conv-2")
    await shelf.say("teapot of one alone", within="conv-1")
    await talk.delete("conv-1")
    with pytest.raises(NotFound):
        await conversations.get(talk.view, "t", "conv-1")
    assert await talk.texts("conv-1") == []
    assert await talk.texts("conv-2") == ["main teapot", "teapot of one"]
    assert len(await messages.search(talk.view, "t", "agent-1", "teapot")) == 2
    await talk.delete("conv-2")
    assert await talk.texts("") == ["main teapot"]
    assert len(await messages.search(talk.view, "t", "agent-1", "teapot")) == 1


async def test_a_main_conversation_begun_anew_leaves_its_forks(talk, shelf):
    old = await shelf.say("old")
    await talk.fork("", "conv-1")
    await shelf.say("newer")
    first = msgspec.structs.replace(old, id="message-first", position=2)
    await shelf.database.commit(messages.plan_begin_anew(first))
    assert await talk.shows("") == [first]
    assert await talk.shows("conv-1") == [old]
    await talk.fork("", "conv-2")
    assert await talk.shows("conv-2") == [first]
    await talk.delete("conv-1")
    assert [one.id for one in await messages.list_messages(talk.view, "t", Page())] == [first.id]


def calling(*ids):
    return {"role": "assistant", "tool_calls": [ToolCall(one, "act", "{}") for one in ids]}


async def test_a_fork_leaves_no_call_unanswered(talk, shelf):
    asked = await shelf.say("please")
    called = await shelf.say(None, **calling("1", "2"))
    await talk.fork("", "conv-open")
    first = await shelf.say("one", role="tool", tool_call_id="1")
    await talk.fork("", "conv-half")
    await shelf.say("two", role="tool", tool_call_id="2")
    await shelf.say(None, **calling("3"))
    await talk.fork("", "conv-whole")
    assert await talk.shows("conv-open") == await talk.shows("conv-half") == [asked]
    assert await talk.texts("conv-whole") == ["please", "", "one", "two"]
    for number, upto in enumerate((called, first)):
        await talk.fork("", f"conv-upto-{number}", upto)
        assert await talk.texts(f"conv-upto-{number}") == ["please", "", "one", "two"]
    await talk.fork("", "conv-upto", asked)
    assert await talk.shows("conv-upto") == [asked]


async def test_a_fork_is_refused_that_goes_back_too_far_or_to_what_is_not_shown(talk, shelf, monkeypatch):
    await talk.begin("conv-1")
    theirs = await shelf.say("main")
    with pytest.raises(NotFound, match=theirs.id):
        await talk.fork("conv-1", "conv-2", theirs)
    monkeypatch.setattr(limits, "CONVERSATION_STRETCHES_MAX", 2)
    await talk.fork("", "conv-2")
    await shelf.say("a", within="conv-2")
    await talk.fork("conv-2", "conv-3")
    await talk.fork("conv-3", "conv-4")  # nothing was said between: it goes back no further
    await shelf.say("b", within="conv-4")
    with pytest.raises(LimitExceeded, match="forks"):
        await talk.fork("conv-4", "conv-5")
    with pytest.raises(GuardFailed):
        await talk.fork("conv-gone", "conv-6")


async def test_pages_of_a_fork_meet_every_message_once(talk, shelf):
    for number in range(3):
        await shelf.say(f"main {number}")
        await talk.fork("" if number == 0 else f"conv-{number - 1}", f"conv-{number}")
        await shelf.say(f"own {number}", within=f"conv-{number}")
    await shelf.say("elsewhere", agent="agent-2")
    shown = await talk.shows("conv-2")
    assert [one.body.text for one in shown] == ["main 0", "own 0", "own 1", "own 2"]
    for ascending in (True, False):
        order = shown if ascending else shown[::-1]
        for size in (1, 2, 3):
            met, after = [], None
            while page := await messages.list_messages(
                talk.view,
                "t",
                Page(limit=size, after=after, ascending=ascending),
                agent_id="agent-1",
                conversation_id="conv-2",
            ):
                met += page
                after = page[-1].id
            assert met == order
        page = Page(after=order[0].id, before=order[3].id, ascending=ascending)
        between = await messages.list_messages(talk.view, "t", page, agent_id="agent-1", conversation_id="conv-2")
        assert between == order[1:3]
    (foreign,) = await messages.list_messages(talk.view, "t", Page(), agent_id="agent-2")
    page = Page(after=foreign.id)
    assert await messages.list_messages(talk.view, "t", page, agent_id="agent-1", conversation_id="") == []


async def test_runs_and_names_are_of_one_conversation(talk, shelf):
    await talk.begin("conv-1")
    given = shelf.make_run(1).input
    named = [msgspec.structs.replace(given[0], otid="otid-1")]
    main = await shelf.run(1, input=named)
    beside = shelf.make_run(2, input=named, conversation_id="conv-1")
    assert await runs.accepted_as(talk.view, beside) is None
    await shelf.database.commit(conversations.plan_said(beside).extend(runs.plan_accept(beside)))
    assert await runs.accepted_as(talk.view, beside) == "run-2"
    assert await runs.get(talk.view, "t", "run-2") == beside
    assert (await conversations.get(talk.view, "t", "conv-1")).last_message_at_ms == beside.created_at_ms
    for name, expected in (("", main), ("conv-1", beside)):
        found = await runs.list_runs(talk.view, "t", Page(), agent_ids=["agent-1"], conversation_id=name)
        assert found == [expected]
    elsewhere = msgspec.structs.replace(beside, agent_id="agent-2")
    with pytest.raises(GuardFailed):
        await shelf.database.commit(conversations.plan_said(elsewhere))


async def test_deleting_takes_the_runs_along_and_ends_those_at_work(talk, shelf):
    await talk.begin("conv-1")
    run = await shelf.run(1, conversation_id="conv-1")
    step = await shelf.step(run)
    shared = await shelf.say("shared", within="conv-1", run_id=run.id, step_id=step.id)
    await talk.fork("conv-1", "conv-2")
    kept = await shelf.run(2)
    await talk.delete("conv-1")
    assert await runs.open_runs(talk.view) == [kept]
    with pytest.raises(GuardFailed):
        await shelf.database.commit(runs.plan_start(run))
    assert await talk.shows("conv-2") == [msgspec.structs.replace(shared, run_id=None, step_id=None)]
    with pytest.raises(GuardFailed):
        await shelf.database.commit(await conversations.plan_delete(talk.view, talk.named("conv-1")))


async def test_lists_are_paged_in_every_order(talk, shelf):
    moments = {"conv-1": (1, None), "conv-2": (2, 9), "conv-3": (3, None), "conv-4": (4, 5)}
    for name, (made, said) in moments.items():
        await talk.begin(name, created_at_ms=made, last_message_at_ms=said, summary=f"of {name} Cats")
    for number, name in enumerate(("conv-3", "conv-1")):
        await shelf.end(await shelf.run(number, conversation_id=name))
        await shelf.database.commit(conversations.plan_create(Conversation(tenant="t", id=f"x{number}", agent_id="b")))

    async def listed(**wanted):
        met, after, ascending = [], None, wanted.pop("ascending")
        while page := await conversations.list_conversations(
            talk.view, "t", Page(limit=2, after=after, ascending=ascending), agent_id="agent-1", **wanted
        ):
            met += [one.id for one in page]
            after = page[-1].id
        return [int(name[-1]) for name in met]

    assert await listed(ascending=True) == [1, 2, 3, 4]
    assert await listed(ascending=False) == [4, 3, 2, 1]
    assert await listed(ascending=False, order="last_message") == [2, 4, 3, 1]
    assert await listed(ascending=True, order="last_message") == [4, 2, 1, 3]
    assert await listed(ascending=False, order="last_completion") == [3, 1, 4, 2]
    assert await listed(ascending=True, text="CONV-2") == [2]
    assert len(await conversations.list_conversations(talk.view, "t", Page())) == 6
    assert await conversations.list_conversations(talk.view, "other", Page()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_forked_and_deleted_each_shows_exactly_its_own(data, tmp_path_factory, host):
    """Against lists in memory: what a conversation shows, in which order, and that nothing else is stored."""

    async def life():
        path = tmp_path_factory.mktemp("talk") / "t.db"
        database = await SqliteDatabase.open(str(path), schema.MIGRATIONS, host=host)
        try:
            await _live(data, database)
        finally:
            await database.close()

    asyncio.run(life())


async def _live(data, database):
    view, model, position, made = database.view(), {"": []}, 0, 0
    for _ in range(data.draw(st.integers(1, 14))):
        name = data.draw(st.sampled_from(sorted(model)))
        action = data.draw(st.sampled_from(("say", "say", "say", "fork", "begin", "delete", "anew")))
        if action in ("say", "anew"):
            one = StoredMessage(
                tenant="t",
                id=f"message-{position}",
                agent_id="agent-1",
                position=position,
                run_id=None,
                step_id=None,
                body=Message(role="user", content=f"teapot {position}"),
                conversation_id=name if action == "say" else "",
            )
            position += 1
            plan = messages.plan_add([one]) if action == "say" else messages.plan_begin_anew(one)
            await database.commit(plan)
            model[one.conversation_id] = [*(model[name] if action == "say" else []), one]
        elif action == "delete":
            if name:
                one = await conversations.get(view, "t", name)
                await database.commit(await conversations.plan_delete(view, one))
                del model[name]
        else:
            made += 1
            new = Conversation(tenant="t", id=f"conv-{made}", agent_id="agent-1")
            upto = data.draw(st.sampled_from([None, *model[name]]))
            await database.commit(
                conversations.plan_create(new)
                if action == "begin"
                else await conversations.plan_fork(view, name, new, upto)
            )
            shown = model[name] if upto is None else model[name][: model[name].index(upto) + 1]
            model[new.id] = list(shown) if action == "fork" else []
    for name, shown in model.items():
        where = {"agent_id": "agent-1", "conversation_id": name}
        assert await messages.list_messages(view, "t", Page(limit=100), **where) == shown
        assert await messages.latest(view, "t", "agent-1", 3, conversation_id=name) == shown[-3:]
        found = await messages.search(view, "t", "agent-1", "teapot", conversation_id=name, limit=100)
        assert sorted(one.position for one in found) == [one.position for one in shown]
    stored = await messages.list_messages(view, "t", Page(limit=100), agent_id="agent-1")
    assert {one.id for one in stored} == {one.id for shown in model.values() for one in shown}
    assert len(await messages.search(view, "t", "agent-1", "teapot", limit=100)) == len(stored)
    assert stretches.within([stretches.Stretch("", 0, 5)], 6, 9) == []
