"""The acknowledgement: what it stands for, when it is refused, and what keeps an acknowledged run moving to its end."""

import asyncio
import json
import logging

import pytest

from kelpie.actors import limits as actor_limits
from kelpie.agents import limits
from kelpie.agents.agent import plan_delete
from kelpie.agents.turn.stream import Committed, Ended, Provisional
from kelpie.errors import InvalidInput, MissingExtra, NotFound, QueueFull, StoreError
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import messages, runs, steps
from kelpie.trajectories.records import RunInput, RunOptions
from umi.errors import StoreClosed
from umi.storage import Changes, Page
from umi.wire.types import Delta, Message, ToolSpec


class Outside:
    """A tool that reaches outside, and what it is told to do there."""

    def __init__(self):
        self.effects = []
        self.outcome = lambda: Outcome("acted")

    async def act(self, context, arguments):
        self.effects.append(arguments.get("what"))
        return self.outcome()


@pytest.fixture
def outside():
    return Outside()


@pytest.fixture
def extra_tools(outside):
    return [Tool(ToolSpec("act", "act", {"type": "object", "properties": {}}), outside.act, "outside")]


def act(what="one"):
    return ("act", json.dumps({"what": what}))


async def end_of(stream):
    return (await asyncio.wait_for(stream.wait(), 10))[0]


async def well_formed(house, agent):
    """Positions without a gap, and every call answered before anybody else speaks."""
    stored = await messages.list_messages(house.view, "t", Page(limit=1000), agent_id=agent.id)
    assert [one.position for one in stored] == list(range(len(stored)))
    waiting = []
    for one in stored:
        if one.body.role == "tool":
            waiting.remove(one.body.tool_call_id)
        else:
            assert waiting == [], f"{one.body.role} speaks while calls wait"
        waiting += [call.id for call in one.body.tool_calls]
    assert waiting == []
    return stored


def break_commits(house, matches, error, times=1):
    """Commits whose SQL contains `matches` raise, `times` times; the list grows with each."""
    real, broken = house.database.commit, []

    async def commit(changes):
        if len(broken) < times and any(matches in write.sql for write in changes.writes):
            broken.append(True)
            raise error
        return await real(changes)

    house.database.commit = commit
    return broken


async def test_a_run_that_meets_a_fault_goes_on_before_any_later_one(house):
    """The later message waits: two runs that interleave would leave calls unanswered and messages out of order."""
    agent = await house.agent("act")
    broken = break_commits(house, "UPDATE step SET", StoreError("the disk had a moment"))
    house.model.will(house.call(act()), house.say("one done"), house.say("two done"))
    streams = [await house.accept(agent, "one"), await house.accept(agent, "two")]
    for stream in streams:
        assert (await end_of(stream)).run.status == "completed"
    assert broken
    texts = [(m.body.role, m.body.text) for m in await well_formed(house, agent) if m.body.role == "user"]
    assert texts == [("user", "one"), ("user", "two")]


async def test_a_fault_is_waited_out_however_long_it_lasts(house, clock):
    agent = await house.agent()
    before_ms = clock.now_ms()
    broken = break_commits(house, "INSERT INTO step", StoreError("no"), times=20)
    assert (await house.send(agent, "Hi")).status == "completed"
    assert len(broken) == 20
    assert clock.now_ms() - before_ms > 10 * limits.RUN_RETRY_DELAY_MS_MAX


async def test_a_bug_is_tried_three_times_and_then_closes_the_run(house, caplog):
    agent = await house.agent()
    house.model.will(*[ZeroDivisionError("oops")] * 3, house.say("Better."))
    with caplog.at_level(logging.ERROR):
        run = await house.send(agent, "Hi")
    assert (run.status, run.stop_reason) == ("failed", "error")
    assert run.error == {"kind": "internal_error", "message": "ZeroDivisionError: oops"}
    assert len(house.model.requests) == limits.RUN_BUG_ATTEMPTS_MAX
    assert len([r for r in caplog.records if "failed unexpectedly" in r.message]) == 3
    assert (await house.run(run.id)).status == "failed"
    assert await house.history(agent) == [("user", "Hi")]
    assert (await house.send(agent, "Again?")).status == "completed"
    await house.settled()
    assert house.inbox.open == 0


async def test_a_run_closed_over_a_bug_leaves_no_call_unanswered(house, outside):
    """The results can't be written, every time: without an answer to its calls the agent could never be asked again."""
    agent = await house.agent("act")
    outside.outcome = lambda: Outcome("acted", changes=Changes().write("INSERT INTO nowhere VALUES (1)"))
    house.model.will(*[house.call(act(str(n))) for n in range(3)])
    run = await house.send(agent, "go")
    assert (run.status, run.stop_reason) == ("failed", "error")
    assert outside.effects == ["0", "1", "2"]
    stored = await well_formed(house, agent)
    assert [m.body.text.split(":")[0] for m in stored if m.body.role == "tool"] == ["interrupted"] * 3
    calls = [c for step in await house.steps(run.id) for c in await steps.calls_of(house.view, "t", step_id=step.id)]
    assert {call.state for call in calls} == {"interrupted"}
    assert {step.state for step in await house.steps(run.id)} == {"done"}
    assert (await house.send(agent, "and now?")).status == "completed"


async def test_when_even_closing_fails_the_run_ends_and_its_sender_is_told(house):
    agent = await house.agent()
    house.model.will(*[ZeroDivisionError("oops")] * 3)
    broken = break_commits(house, "INSERT INTO message ", ZeroDivisionError("again"), times=100)
    run = await house.send(agent, "Hi")
    assert broken
    assert run.status == (await house.run(run.id)).status == "failed"


async def test_what_a_call_wants_to_record_and_never_can_does_not_stop_the_run(house, outside):
    agent = await house.agent("act")
    await house.database.commit(
        Changes().write("CREATE TABLE taken (name TEXT UNIQUE)").write("INSERT INTO taken VALUES ('x')")
    )
    outside.outcome = lambda: Outcome("acted", changes=Changes().write("INSERT INTO taken VALUES ('x')"))
    house.model.will(house.call(act()), house.say("I see."))
    run = await house.send(agent, "go")
    assert run.status == "completed"
    assert outside.effects == ["one"]
    shown = house.model.requests[1].messages[-1]
    assert shown.is_error
    assert shown.text.startswith("acted\n(what this call wanted to record")


async def test_something_cancelled_under_a_model_call_does_not_stop_the_agent(house):
    agent = await house.agent()

    async def cancelled(request, on_delta):
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    house.model.will(cancelled, house.say("Here again."))
    assert (await house.send(agent, "Hi")).status == "completed"
    assert (await house.send(agent, "still there?")).status == "completed"


async def test_something_cancelled_under_a_tool_is_an_answer_to_the_model(house, outside):
    agent = await house.agent("act")

    def cancelled():
        raise asyncio.CancelledError

    outside.outcome = cancelled
    house.model.will(house.call(act()), house.say("I see."))
    assert (await house.send(agent, "go")).status == "completed"
    assert "was cancelled" in house.model.requests[1].messages[-1].text
    assert outside.effects == ["one"]


@pytest.mark.parametrize(
    "error", [MissingExtra("a model in this process", "local"), NotFound("no such file"), InvalidInput("no")]
)
async def test_a_model_that_cannot_answer_here_fails_the_run_at_once(house, error):
    """Such an error was once retried for ever, or taken for the agent's deletion with the run left open."""
    agent = await house.agent()
    house.model.will(error)
    run = await house.send(agent, "Hi")
    assert (run.status, run.stop_reason) == ("failed", "llm_api_error")
    assert run.error["message"] == str(error)
    assert len(house.model.requests) == 1
    assert (await house.run(run.id)).status == "failed"


async def test_a_sender_that_goes_away_while_its_message_is_committed_leaves_no_run_behind(house):
    agent = await house.agent()
    given = [RunInput(id=house.host.ids.new("message"), body=Message(role="user", content="Hi"))]
    accepting = asyncio.ensure_future(house.inbox.accept("t", agent.id, given, RunOptions()))
    await asyncio.sleep(0)  # the commit is on its way to the writer
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    while not (found := await runs.list_runs(house.view, "t", Page())) or found[0].status != "completed":
        assert not found or house.inbox.open == 1, "the run is open and nobody works on it"
        await asyncio.sleep(0.001)
    assert await house.history(agent) == [("user", "Hi"), ("assistant", "ok")]
    for _ in range(actor_limits.MAILBOX_MESSAGES_MAX):  # its place in the mailbox was given back, once
        house.silo.reserve(house.silo.ref("agent", agent.id, "t").actor_id)


async def test_a_full_mailbox_refuses_whoever_comes_at_once_and_stores_nothing_of_them(house):
    house.silo.mailbox_messages_max = 5
    agent = await house.agent()
    gate, called = asyncio.Event(), asyncio.Event()

    async def hold(request, on_delta):
        called.set()
        await gate.wait()
        return house.say("ok")

    house.model.will(hold)
    working = await house.accept(agent, "at work")
    await called.wait()
    answers = await asyncio.gather(*(house.accept(agent, f"m{n}") for n in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, QueueFull)]
    waiting = [answer for answer in answers if not isinstance(answer, Exception)]
    assert (len(waiting), len(refused)) == (5, 15)
    with pytest.raises(QueueFull):
        await house.accept(agent, "one more")
    assert len(await runs.list_runs(house.view, "t", Page(limit=100))) == 6
    gate.set()
    for stream in (working, *waiting):
        assert (await end_of(stream)).run.status == "completed"
    assert (await house.send(agent, "room again")).status == "completed"


async def test_refusals_leak_no_place_and_leave_no_slot(house):
    for _ in range(3):
        with pytest.raises(NotFound):
            await house.inbox.accept(
                "t", "agent-nobody", [RunInput(id="message-1", body=Message(role="user", content="Hi"))], RunOptions()
            )
    agent = await house.agent()
    broken = break_commits(house, "INSERT INTO run", StoreError("no"), times=3)
    for _ in range(3):
        with pytest.raises(StoreError):
            await house.accept(agent, "Hi")
    assert len(broken) == 3
    assert house.silo.slots == 0
    assert (await house.send(agent, "Hi")).status == "completed"


async def test_a_message_that_is_no_text_is_refused_and_nothing_is_stored(house):
    agent = await house.agent()
    with pytest.raises(InvalidInput, match="no character"):
        await house.accept(agent, "half a pair: \ud800")
    assert await runs.list_runs(house.view, "t", Page()) == []
    assert house.silo.slots == 0
    assert (await house.send(agent, "a NUL \0 is one")).status == "completed"
    assert (await house.history(agent))[0] == ("user", "a NUL \0 is one")


async def test_recovering_beside_new_messages_tells_no_run_twice(house):
    """Recovery that reads a run which is durable, and whose sender has not heard of it yet."""
    agent = await house.agent()
    real, recovered = house.database.commit, []

    async def commit(changes):
        rows = await real(changes)
        if any("INSERT INTO run" in write.sql for write in changes.writes):
            recovered.append(await house.inbox.recover())
        return rows

    house.database.commit = commit
    ends = [await house.send(agent, f"m{n}") for n in range(3)]
    assert recovered == [0, 0, 0]
    assert {run.status for run in ends} == {"completed"}
    assert len(house.model.requests) == 3
    assert [role for role, _ in await house.history(agent)] == ["user", "assistant"] * 3


async def test_a_store_that_was_closed_under_a_run_ends_the_waiting_not_the_run(open_house):
    first = await open_house()
    agent = await first.agent()
    gate, called = asyncio.Event(), asyncio.Event()

    async def hold(request, on_delta):
        called.set()
        await gate.wait()
        return first.say("too late")

    first.model.will(hold)
    stream = await first.accept(agent, "Hi")
    await called.wait()
    await first.database.close()
    gate.set()
    ended = await end_of(stream)
    assert ended.run.error["kind"] == StoreClosed("").kind
    await asyncio.sleep(0.01)
    assert first.inbox.open == 0

    second = await open_house()
    assert await second.inbox.recover() == 1
    assert (await end_of(second.inbox.stream_of(stream.run.id))).run.status == "completed"
    assert await second.history(agent) == [("user", "Hi"), ("assistant", "ok")]


async def test_an_agent_made_again_under_its_id_is_not_shown_what_was_deleted(house):
    agent = await house.agent(id="agent-again")
    await house.send(agent, "my secret")
    await house.database.commit(plan_delete("t", agent.id))
    again = await house.agent(id="agent-again")
    assert (await house.send(again, "Hi")).status == "completed"
    assert [m.text for request in house.model.requests[1:] for m in request.messages[1:]] == ["Hi"]


async def test_who_comes_in_the_middle_of_a_reply_still_sees_all_of_it(house):
    agent = await house.agent()
    begun, go = asyncio.Event(), asyncio.Event()

    async def streaming(request, on_delta):
        on_delta(Delta("text", "Hel"))
        begun.set()
        await go.wait()
        on_delta(Delta("text", "lo"))
        return house.say("Hello")

    house.model.will(streaming)
    stream = await house.accept(agent, "Hi", stream_tokens=True)
    await begun.wait()  # nobody watches yet
    go_on = asyncio.get_running_loop().call_later(0.01, go.set)
    events = [event async for event in stream.watch()]
    go_on.cancel()
    assert [type(event) for event in events] == [Provisional, Provisional, Committed, Ended]
    assert "".join(event.delta.text for event in events[:2]) == "Hello"
