"""Agents that speak to agents: who is answered, who is refused and why, and what a stop or a cancel leaves."""

import asyncio
import itertools
import json

import pytest
from tests.kelpie.agents.together.conftest import Cast, ask, returned, run_of, wait_for

from kelpie.agents import agent as agents
from kelpie.agents.inbox import Inbox
from kelpie.people import Speaker
from kelpie.tools import limits
from kelpie.tools import others as tools
from kelpie.trajectories import runs, steps
from kelpie.trajectories.records import Caller
from umi.storage import Page


@pytest.fixture
def deadlines(clock, monkeypatch):
    """Every deadline that was set, by its length; `deadlines.pass_by(ms)` lets those of a length be over."""

    class Deadlines:
        def __init__(self):
            self.open = {}

        def set(self, duration_ms):
            one = asyncio.timeout(None)
            self.open.setdefault(duration_ms, []).append(one)
            return one

        def pass_by(self, duration_ms):
            for one in self.open.pop(duration_ms):
                one.reschedule(asyncio.get_running_loop().time())

    made = Deadlines()
    monkeypatch.setattr(clock, "timeout", made.set)
    return made


async def test_who_is_asked_answers_in_a_run_of_its_own_that_says_who_began_it(house, cast, ada, bob):
    cast.play(ada, wait_for(house, bob, "how many vans?"), house.say("Bob says four."))
    cast.play(bob, house.say("four"))
    run = await house.send(ada, "ask Bob")
    assert (run.status, await returned(house, ada)) == ("completed", ["four"])
    theirs = await run_of(house, bob)
    assert theirs.options.callers == (
        Caller(agent_id=ada.id, name="Ada", run_id=run.id, tool_call_id="call-0", waits=True),
    )
    (heard, said) = await house.history(bob)
    assert heard[1].endswith("how many vans?")
    assert ada.id in heard[1]
    assert said == ("assistant", "four")
    assert theirs.input[0].sender == ada.id


async def test_who_is_told_answers_later_and_nobody_waits(house, cast, ada, bob):
    told = (tools.ASYNC, json.dumps({"message": "the van is late", "other_agent_id": bob.id}))
    cast.play(ada, house.call(told), house.say("told"))
    cast.play(bob, house.say("I see"))
    assert (await house.send(ada, "tell Bob")).status == "completed"
    (text,) = await returned(house, ada)
    theirs = await run_of(house, bob)
    assert theirs.id in text
    assert not theirs.options.callers[0].waits
    if (stream := house.inbox.stream_of(theirs.id)) is not None:
        await stream.wait()
    assert await house.history(bob) == [("user", theirs.input[0].body.text), ("assistant", "I see")]


async def test_all_of_some_tags_are_asked_ten_at_a_time_and_each_answers_or_says_why_not(house, cast, ada, bob):
    others = [await ask(house, f"Van {n}", system=f"I am van {n}.", tags=["depot"]) for n in range(12)]
    busy, most = 0, 0

    async def slow(request, on_delta):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(20):
            await house.view.fetch("SELECT 1")
        busy -= 1
        return house.say("here")

    def fail(request, on_delta):
        return house.models.resolve("nobody/nothing")

    for one in others:
        cast.play(one, slow)
    cast.play(bob, house.say("never asked"))
    asked = {"message": "where?", "match_all": ["depot"], "match_some": []}
    cast.play(ada, house.call((tools.BY_TAGS, json.dumps(asked))), house.say("all here"))
    cast.play(bob, fail)
    await house.send(ada, "where are they?")
    answers = {one["name"]: one for one in json.loads((await returned(house, ada))[0])}
    assert {answers[one.name]["reply"] for one in others} == {"here"}
    assert "failed to answer" in answers["Bob"]["error"]
    assert "Ada" not in answers
    assert most == limits.CALLS_IN_FLIGHT_MAX


async def test_tags_that_nobody_has_are_said_to_be_nobody_s(house, cast, ada, bob):
    asked = [{"match_all": ["depot"], "match_some": ["day"]}, {"match_all": [], "match_some": []}]
    calls = [(tools.BY_TAGS, json.dumps({"message": "hello", **one})) for one in asked]
    cast.play(ada, house.call(*calls), house.say("nobody"))
    await house.send(ada, "go")
    nobody, nothing = await returned(house, ada)
    assert nobody == "no other agent has such tags"
    assert nothing == "give at least one tag in match_all or match_some"


async def test_a_circle_is_refused_by_the_names_of_those_in_it(house, cast, ada, bob):
    cast.play(ada, wait_for(house, bob), house.say("done"))
    cast.play(bob, wait_for(house, ada), house.say("I can't ask back"))
    await house.send(ada, "go")
    (refused,) = await returned(house, bob)
    assert "in a circle: Ada → Bob → Ada" in refused
    assert await returned(house, ada) == ["I can't ask back"]
    cast.play(ada, wait_for(house, ada), house.say("done"))
    await house.send(ada, "ask yourself")
    assert "Ada → Ada" in (await returned(house, ada))[-1]


async def test_two_that_began_apart_do_not_wait_for_each_other(house, cast, ada, bob):
    """No chain of runs shows this circle: each was spoken to by a person."""
    meet = asyncio.Barrier(2)

    def asks(other):
        async def answer(request, on_delta):
            await meet.wait()
            return wait_for(house, other)

        return answer

    cast.play(ada, asks(bob), house.say("Ada's done"), house.say("Ada answers"))
    cast.play(bob, asks(ada), house.say("Bob's done"), house.say("Bob answers"))
    streams = [await house.accept(ada, "go"), await house.accept(bob, "go")]
    for stream in streams:
        ended, _ = await asyncio.wait_for(stream.wait(), 10)
        assert ended.run.status == "completed"
    both = [*(await returned(house, ada)), *(await returned(house, bob))]
    assert sorted("in a circle" in text for text in both) == [False, True]


async def test_a_message_goes_through_five_agents_and_not_through_a_sixth(house, cast):
    chain = [await ask(house, f"No{n}", system=f"I am number {n}.") for n in range(limits.CALL_DEPTH_MAX + 2)]
    for one, following in itertools.pairwise(chain):
        told = (tools.ASYNC, json.dumps({"message": "on", "other_agent_id": following.id}))
        cast.play(one, house.call(told), house.say("passed on"))
    cast.play(chain[-1], house.say("never"))
    await house.send(chain[0], "pass it on")
    while house.inbox.open:
        await house.view.fetch("SELECT 1")
    (refused,) = await returned(house, chain[-2])
    assert f"through {limits.CALL_DEPTH_MAX} agents already (No0 → No1" in refused
    assert await house.history(chain[-1]) == []


async def test_who_does_not_answer_in_time_goes_on_and_the_asking_agent_too(house, cast, ada, bob, deadlines):
    asked, free = asyncio.Event(), asyncio.Event()

    async def late(request, on_delta):
        asked.set()
        await free.wait()
        return house.say("late")

    cast.play(ada, wait_for(house, bob, timeout_s=300), house.say("no answer"))
    cast.play(bob, late)
    stream = await house.accept(ada, "go")
    await asked.wait()
    assert await returned(house, ada) == []
    deadlines.pass_by(limits.CALL_DEADLINE_MS_MAX)
    await asyncio.wait_for(stream.wait(), 10)
    theirs = await run_of(house, bob)
    (text,) = await returned(house, ada)
    assert "did not answer within 300 s" in text
    assert theirs.id in text
    free.set()
    ended, _ = await asyncio.wait_for(house.inbox.stream_of(theirs.id).wait(), 10)
    assert ended.run.status == "completed", "it was not cancelled by that"


async def test_without_a_deadline_of_its_own_a_call_waits_half_a_minute(house, cast, ada, bob, deadlines):
    asked = asyncio.Event()

    async def never(request, on_delta):
        asked.set()
        await asyncio.Event().wait()

    cast.play(ada, wait_for(house, bob), house.say("no answer"))
    cast.play(bob, never)
    stream = await house.accept(ada, "go")
    await asked.wait()
    deadlines.pass_by(limits.CALL_DEADLINE_MS_DEFAULT)
    await asyncio.wait_for(stream.wait(), 10)
    assert "within 30 s" in (await returned(house, ada))[0]


@pytest.mark.parametrize("seconds", [0, -1, 300.5])
async def test_a_deadline_that_can_t_be_is_refused(house, cast, ada, bob, seconds):
    cast.play(ada, wait_for(house, bob, timeout_s=seconds), house.say("oh"))
    await house.send(ada, "go")
    assert "timeout_s is more than 0 and at most 300" in (await returned(house, ada))[0]


async def test_too_much_is_not_said_and_too_much_that_comes_back_is_cut(house, cast, ada, bob):
    for one in (ada, bob):
        await agents.edit(house.view, "t", one.id, 0, {"context_window_tokens": 10_000_000})
    long = "é" * (limits.CALL_TEXT_BYTES_MAX // 2)
    cast.play(ada, wait_for(house, bob, long + "."), wait_for(house, bob, long), house.say("done"))
    cast.play(bob, house.say("ö" * limits.CALL_REPLY_BYTES_MAX))
    await house.send(ada, "go")
    refused, cut = await returned(house, ada)
    assert "100,001 bytes; at most 100,000 go to another agent" in refused
    assert len(cut.encode()) <= limits.CALL_REPLY_BYTES_MAX
    assert cut.endswith("[cut: the answer has 2,000,000 bytes]")
    assert len(await house.history(bob)) == 2


async def test_an_agent_waits_for_ten_answers_at_a_time_and_no_more(house, ada, bob):
    board, me, other = house.workshop.switchboard, tools.Reached(ada.id, "Ada"), tools.Reached(bob.id, "Bob")
    waits = [board.waiting("t", me, other) for _ in range(limits.CALLS_IN_FLIGHT_MAX)]
    for one in waits:
        one.__enter__()
    with pytest.raises(tools.ToolFailed, match="waits for 10 answers already"), board.waiting("t", me, other):
        pass
    for one in waits:
        one.__exit__(None, None, None)
    with board.waiting("t", me, other):
        assert board.waiting_of("t", ada.id) == 1
    assert board.waiting_of("t", ada.id) == 0


async def test_agents_of_others_and_conversations_of_others_are_not_reached(house, cast, ada):
    theirs = await ask(house, "Eve", speaker=Speaker("person-1", "Eve", ()))
    stranger = await house.agent(name="Stranger")
    await house.database.commit(agents.plan_delete("t", stranger.id))
    cast.play(ada, wait_for(house, stranger), wait_for(house, theirs), house.say("nobody"))
    await house.send(ada, "go")
    first, second = await returned(house, ada)
    assert first == f"no agent has the id '{stranger.id}'"
    assert "is the conversation of somebody else" in second


async def test_a_cancelled_run_cancels_what_it_waits_for(house, cast, ada, bob):
    asked = asyncio.Event()

    async def never(request, on_delta):
        asked.set()
        await asyncio.Event().wait()

    cast.play(ada, wait_for(house, bob))
    cast.play(bob, never)
    stream = await house.accept(ada, "go")
    await asked.wait()
    theirs = house.inbox.stream_of((await run_of(house, bob)).id)
    run = await asyncio.wait_for(house.inbox.cancel("t", stream.run.id), 5)
    ended, _ = await asyncio.wait_for(theirs.wait(), 5)
    assert (run.status, ended.run.status) == ("cancelled", "cancelled")
    assert house.workshop.switchboard.waiting_of("t", ada.id) == 0


async def test_who_is_cancelled_while_its_message_is_accepted_ends_it_all_the_same(house, cast, ada, bob, monkeypatch):
    accepting, go_on = asyncio.Event(), asyncio.Event()
    accept = Inbox.accept

    async def slow(self, tenant, agent_id, incoming, options, **more):
        if agent_id == bob.id:
            accepting.set()
            await go_on.wait()
        return await accept(self, tenant, agent_id, incoming, options, **more)

    monkeypatch.setattr(Inbox, "accept", slow)
    cast.play(ada, wait_for(house, bob))
    cast.play(bob, house.say("nobody asked"))
    stream = await house.accept(ada, "go")
    await accepting.wait()
    assert (await asyncio.wait_for(house.inbox.cancel("t", stream.run.id), 5)).status == "cancelled"
    go_on.set()
    while house.inbox.open or not await house.view.fetch("SELECT 1 FROM run WHERE agent_id = ?", bob.id):
        await house.view.fetch("SELECT 1")
    assert (await run_of(house, bob)).status == "cancelled"


async def test_a_stop_between_the_two_leaves_the_call_interrupted_and_the_message_said_once(open_house, host):
    first = await open_house()
    cast = Cast(first)
    ada, bob = await ask(first, "Ada", system="I am Ada."), await ask(first, "Bob", system="I am Bob.")
    asked = asyncio.Event()

    async def never(request, on_delta):
        asked.set()
        await asyncio.Event().wait()

    cast.play(ada, wait_for(first, bob, "once"))
    cast.play(bob, never)
    await first.accept(ada, "go")
    await asked.wait()
    await host.close()
    await first.database.close()

    second = await open_house()
    cast = Cast(second)
    cast.play(ada, second.say("I don't know whether Bob heard"))
    cast.play(bob, second.say("I heard"))
    assert await second.inbox.recover() == 2
    while second.inbox.open:
        await second.view.fetch("SELECT 1")
    (told,) = await returned(second, ada)
    assert told.startswith("interrupted")
    found = await runs.list_runs(second.view, "t", Page(), agent_ids=[bob.id])
    assert [run.status for run in found] == ["completed"], "spoken to once, and it answered"
    (step, _) = await second.steps((await run_of(second, ada)).id)
    assert [call.state for call in await steps.calls_of(second.view, "t", step_id=step.id)] == ["interrupted"]


async def test_what_another_agent_says_is_not_remembered_as_a_person_s_word(house, cast, ada, bob):
    cast.play(ada, wait_for(house, bob, "Maria lives in Oslo."), house.say("ok"))
    cast.play(bob, house.say("noted"))
    memory = agents.AgentMemory(remember=True)
    for one in (ada, bob):
        await agents.edit(house.view, "t", one.id, 0, {"memory": memory})
    await house.send(ada, "Maria lives in Bergen.")
    errands = await house.view.fetch("SELECT owner FROM outbox WHERE topic = 'remember'")
    assert [row[0] for row in errands] in ([f"agent/{ada.id}"], [])
    theirs = await run_of(house, bob)
    assert await house.view.fetch("SELECT 1 FROM outbox WHERE id = ?", theirs.id) == []
