"""Several conversations of one agent: its memory is theirs together, what is said in each is its own."""

import asyncio

import msgspec
import pytest

from kelpie.agents import agent as agents
from kelpie.agents import conversing
from kelpie.errors import InvalidInput, ModelError, NotFound
from kelpie.models.model import ModelCard
from kelpie.tools import audit
from kelpie.tools.blocks import scope_of
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import conversations, messages, runs, steps
from kelpie.trajectories.records import MAIN, Conversation, ConversationSettings, RunInput, RunOptions
from umi import core
from umi.storage import Page
from umi.wire.types import Message, ToolSpec


@pytest.fixture
def gate():
    return asyncio.Event()


@pytest.fixture
def extra_tools(gate):
    async def wait(context, arguments):
        gate.set()
        await asyncio.Event().wait()

    async def look(context, arguments):
        return Outcome(context.conversation_id)

    anything = {"type": "object", "properties": {}}
    return [
        Tool(ToolSpec("wait", "wait", anything), wait, "outside"),
        Tool(ToolSpec("look", "look", anything), look, "store"),
    ]


class Talks:
    def __init__(self, house, agent):
        self.house, self.agent = house, agent

    def named(self, **fields):
        return Conversation(
            **{"tenant": "t", "id": self.house.host.ids.new("conv"), "agent_id": self.agent.id} | fields
        )

    async def begin(self, *isolated, **fields):
        return (await conversing.begin(self.house.workshop, self.named(**fields), isolated)).id

    async def fork(self, source, upto=None):
        return (await conversing.fork(self.house.workshop, source, self.named(), upto)).id

    async def shows(self, name):
        return await messages.list_messages(
            self.house.view, "t", Page(limit=1000), agent_id=self.agent.id, conversation_id=name
        )

    async def texts(self, name):
        return [one.body.text for one in await self.shows(name) if one.body.role != "system"]

    def asked(self, number=-1):
        """What the model was shown in one of its requests, without the system message."""
        return [one.text for one in self.house.model.requests[number].messages[1:]]

    async def blocks(self, name):
        """The values of a conversation's blocks by label, as its model is shown them."""
        await self.house.send(self.agent, "look", within=name)
        prompt = self.house.model.requests[-1].messages[0].text
        return {label: prompt.split(f"<{label}>")[1].split("<value>\n")[1].split("\n</value>")[0] for label in "ab"}


@pytest.fixture
async def talks(house):
    return Talks(house, await house.agent("core_memory_append", "wait", "look", blocks=[("a", "A"), ("b", "B")]))


async def test_each_conversation_has_a_window_of_its_own(house, talks):
    one, two = await talks.begin(), await talks.begin()
    for number, name in enumerate((MAIN, one, two, one, MAIN)):
        await house.send(talks.agent, f"said {number}", within=name)
    assert talks.asked() == ["said 0", "ok", "said 4"]
    assert talks.asked(3) == ["said 1", "ok", "said 3"]
    assert talks.asked(2) == ["said 2"]
    assert await talks.texts(one) == ["said 1", "ok", "said 3", "ok"]
    found = await runs.list_runs(house.view, "t", Page(), agent_ids=[talks.agent.id], conversation_id=one)
    assert [run.input[0].body.text for run in found] == ["said 1", "said 3"]
    positions = [one.position for one in await messages.list_messages(house.view, "t", Page(), agent_id=talks.agent.id)]
    assert positions == list(range(11))
    house.model.will(house.call(("look", "{}")))
    await house.send(talks.agent, "where?", within=two)
    assert two in talks.asked()  # what a tool is told


async def test_runs_of_an_agents_conversations_are_taken_in_turn(house, talks):
    one, most = await talks.begin(), []

    async def slow(request, on_delta):
        most.append(house.model.open)
        await asyncio.sleep(0)
        return house.say("slow")

    house.model.will(slow, slow, slow)
    streams = [await house.accept(talks.agent, name, within=name) for name in (MAIN, one, MAIN)]
    for stream in streams:
        await asyncio.wait_for(stream.wait(), 10)
    assert most == [1, 1, 1]
    assert [request.messages[-1].text for request in house.model.requests] == [MAIN, one, MAIN]


async def test_a_block_of_ones_own_is_written_beside_the_agents(house, talks):
    one, other = await talks.begin("a"), await talks.begin()
    append = [house.call(("core_memory_append", f'{{"label": "{label}", "content": "new"}}')) for label in "ab"]
    for reply in append:
        house.model.will(reply)
        await house.send(talks.agent, "note it", within=one)
    assert await talks.blocks(one) == {"a": "A\nnew", "b": "B\nnew"}
    assert await talks.blocks(other) == await talks.blocks(MAIN) == {"a": "A", "b": "B\nnew"}
    fork = await talks.fork(one)
    house.model.will(append[0])
    await house.send(talks.agent, "note it", within=fork)
    assert await talks.blocks(fork) == {"a": "A\nnew\nnew", "b": "B\nnew"}
    assert await talks.blocks(one) == {"a": "A\nnew", "b": "B\nnew"}
    with pytest.raises(InvalidInput, match="labelled 'c'; it has a, b"):
        await talks.begin("c")
    await house.inbox.drop("t", one)
    assert await core.of_scope(house.view, "t", scope_of(talks.agent.id, one)) == []
    assert len(await core.list_blocks(house.view, "t", Page())) == 3


async def test_a_model_and_settings_of_ones_own(house, talks):
    card = ModelCard("test/other", "test", "other", "test", context_window_tokens=8_000)
    house.models.register(card, house.model)
    settings = ConversationSettings({"temperature": 0.25})
    one = await talks.begin(model="test/other", settings=settings)
    await house.send(talks.agent, "hi", within=one)
    await house.send(talks.agent, "hi")
    await house.send(talks.agent, "hi", within=one, model="test/model")
    asked = [(request.model, request.temperature) for request in house.model.requests]
    assert asked == [("other", 0.25), ("model", None), ("model", 0.25)]
    with pytest.raises(ModelError):
        await talks.begin(model="nobody/serves")


async def test_a_fork_of_a_fork_goes_on_from_the_first_message(house, talks):
    await house.send(talks.agent, "first")
    fork = await talks.fork(MAIN)
    await house.send(talks.agent, "main goes on")
    await house.send(talks.agent, "second", within=fork)
    of_fork = await talks.fork(fork)
    await house.send(talks.agent, "third", within=of_fork)
    assert talks.asked() == ["first", "ok", "second", "ok", "third"]
    shown = await talks.shows(fork)
    early = await talks.fork(fork, upto=shown[1])
    await house.send(talks.agent, "instead", within=early)
    assert talks.asked() == ["first", "instead"]
    await house.inbox.drop("t", fork)
    await house.send(talks.agent, "fourth", within=of_fork)
    assert talks.asked()[:4] == ["first", "ok", "second", "ok"]
    with pytest.raises(NotFound):
        await talks.fork(fork)
    with pytest.raises(NotFound, match="shows no message"):
        await talks.fork(early, upto=shown[-1])


async def test_a_message_to_a_conversation_of_another_agent_is_refused(house, talks):
    other = await house.agent()
    one = await talks.begin()
    for name in (one, "conv-nobodys"):
        with pytest.raises(NotFound, match=name):
            await house.accept(other, "hi", within=name)
    assert await runs.list_runs(house.view, "t", Page()) == []


@pytest.mark.parametrize("at_work", ["model", "tool"])
async def test_a_conversation_that_is_deleted_ends_its_run_at_work(house, talks, gate, at_work):
    one = await talks.begin()

    async def never(request, on_delta):
        gate.set()
        await asyncio.Event().wait()

    await house.send(talks.agent, "before")
    house.model.will(never if at_work == "model" else house.call(("wait", "{}")))
    watched = await house.accept(talks.agent, "at work", within=one)
    behind = await house.accept(talks.agent, "behind", within=one)
    after = await house.accept(talks.agent, "after")
    await asyncio.wait_for(gate.wait(), 10)
    await house.inbox.drop("t", one)
    for stream in (watched, behind):
        ended, _ = await asyncio.wait_for(stream.wait(), 10)
        assert (ended.run.status, ended.run.error["kind"]) == ("failed", "not_found")
    assert (await asyncio.wait_for(after.wait(), 10))[0].run.status == "completed"
    assert await talks.texts(one) == []
    assert await talks.texts(MAIN) == ["before", "ok", "after", "ok"]
    assert talks.asked() == ["before", "ok", "after"]
    assert {run.conversation_id for run in await runs.list_runs(house.view, "t", Page())} == {MAIN}
    assert await steps.calls_of(house.view, "t", run_id=watched.run.id) == []


@pytest.mark.parametrize("gone", ["conversation", "agent"])
async def test_the_audit_says_that_calls_of_what_is_deleted_were_cut_off(house, talks, gate, gone):
    one = await talks.begin()
    house.model.will(house.call(("wait", "{}")))
    stream = await house.accept(talks.agent, "at work", within=one)
    await asyncio.wait_for(gate.wait(), 10)
    begun = audit.AuditRow(
        tenant="t",
        id="audit-1",
        at_ms=1,
        tool="wait",
        sandboxed=audit.Sandboxed(trust="reviewed", needs="process"),
        agent_id=talks.agent.id,
        run_id=stream.run.id,
        step_id="step-1",
        tool_call_id="call-0",
        speaker="",
        model="test/model",
    )
    other = msgspec.structs.replace(begun, id="audit-2", run_id="run-of-another")
    await house.database.commit(audit.plan_begin(begun).extend(audit.plan_begin(other)))
    if gone == "agent":
        await house.database.commit(agents.plan_delete("t", talks.agent.id))
    else:
        await house.inbox.drop("t", one)
    assert [(await audit.get(house.view, "t", row.id)).state for row in (begun, other)] == ["interrupted", "begun"]


async def test_a_stop_in_between_is_gone_on_from_in_the_same_conversation(open_house, gate):
    first = await open_house()
    talks = Talks(first, await first.agent("wait"))
    one, gone = await talks.begin(), await talks.begin()
    first.model.will(first.call(("wait", "{}")))
    await first.accept(talks.agent, "first", within=one)
    await first.accept(talks.agent, "deleted meanwhile", within=gone)
    await asyncio.wait_for(gate.wait(), 10)
    await first.host.close()
    await first.database.close()

    second = await open_house()
    talks = Talks(second, talks.agent)
    await second.inbox.drop("t", gone)
    assert (await second.send(talks.agent, "main")).status == "completed"
    assert talks.asked() == ["main"]
    shown = await talks.shows(one)
    assert [shown[0].body.text, shown[-1].body.text] == ["first", "ok"]
    assert [message.body.role for message in shown] == ["user", "assistant", "tool", "assistant"]
    assert await runs.open_runs(second.view) == []


async def test_what_was_left_open_and_deleted_holds_up_nobody(open_house, gate):
    """The activation had found it before it was deleted."""
    first = await open_house()
    talks = Talks(first, await first.agent("wait"))
    one = await talks.begin()
    first.model.will(first.call(("wait", "{}")))
    await first.accept(talks.agent, "first")
    await first.accept(talks.agent, "second", within=one)
    await asyncio.wait_for(gate.wait(), 10)
    await first.host.close()
    await first.database.close()

    second = await open_house()

    async def meanwhile(request, on_delta):
        await second.inbox.drop("t", one)
        return second.say("ok")

    second.model.will(meanwhile)
    assert (await second.send(talks.agent, "third")).status == "completed"
    assert [request.messages[-1].text for request in second.model.requests][1:] == ["third"]


async def test_the_same_otid_is_another_message_in_another_conversation(house, talks):
    one = await talks.begin()

    async def accept(name):
        said = RunInput(id=house.host.ids.new("message"), body=Message(role="user", content="hi"), otid="otid-1")
        return (await house.inbox.accept("t", talks.agent.id, [said], RunOptions(), conversation_id=name)).run.id

    main, beside = await accept(MAIN), await accept(one)
    assert main != beside
    assert [await accept(MAIN), await accept(one)] == [main, beside]


async def test_cancelling_is_for_one_conversation(house, talks, gate):
    one = await talks.begin()
    house.model.will(house.call(("wait", "{}")))
    stream = await house.accept(talks.agent, "at work", within=one)
    after = await house.accept(talks.agent, "main")
    await asyncio.wait_for(gate.wait(), 10)
    ended = await house.inbox.cancel_of("t", talks.agent.id, conversation_id=one)
    assert {name: run.status for name, run in ended.items()} == {stream.run.id: "cancelled"}
    assert (await asyncio.wait_for(after.wait(), 10))[0].run.status == "completed"


async def test_an_agent_takes_its_conversations_along(house, talks):
    one = await talks.begin("a", summary="of a")
    await house.send(talks.agent, "hi", within=one)
    await house.database.commit(agents.plan_delete("t", talks.agent.id))
    assert await conversations.list_conversations(house.view, "t", Page()) == []
    assert await messages.list_messages(house.view, "t", Page()) == []
    assert {block.label for block in await core.list_blocks(house.view, "t", Page())} == {"a", "b"}
    assert len(await core.list_blocks(house.view, "t", Page())) == 2
    with pytest.raises(NotFound):
        await talks.begin()
