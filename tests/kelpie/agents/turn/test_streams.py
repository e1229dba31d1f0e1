"""A run's stream over several attempts at it: how pieces that will never be committed are told from those that will."""

import asyncio

import pytest

from kelpie.agents.context import preview
from kelpie.agents.turn import committing, pieces
from kelpie.agents.turn.recording import Recording
from kelpie.agents.turn.stream import Committed, Ended
from kelpie.errors import Conflict, NotFound, StoreError
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import runs
from kelpie.trajectories.records import RunOptions, Told
from umi.wire.types import Delta, Message, ToolCall, ToolSpec

REPLY = Message(
    role="assistant",
    content="one two",
    reasoning="hm",
    tool_calls=[ToolCall("c-1", "act", '{"a": 1}'), ToolCall("c-2", "b", "{}")],
)


def test_a_reply_is_cut_again_where_it_was_cut():
    deltas = [
        Delta("reasoning", text="hm"),
        Delta("text", text="one "),
        Delta("tool_call", index=0, tool_call_id="c-1", tool_name="act"),
        Delta("text", text="two"),
        Delta("tool_call", index=0, arguments='{"a"'),
        Delta("tool_call", index=1, tool_call_id="c-2", tool_name="b", arguments="{}"),
        Delta("tool_call", index=0, arguments=": 1}"),
    ]
    assert list(pieces.cut_again(REPLY, pieces.told(2, deltas))) == deltas
    assert pieces.told(0, []) is None
    assert pieces.told(1, []) == Told(1, [])


def test_what_was_mended_after_it_went_out_comes_in_as_many_pieces():
    cuts = [("text", 0, 2), ("text", 0, 2), ("text", 0, 9), ("tool_call", 5, 0), ("tool_call", 5, 3)]
    again = list(pieces.cut_again(REPLY, Told(0, cuts)))
    assert [one.text for one in again[:3]] == ["on", "e ", "two"]
    assert again[3:] == [Delta("tool_call", index=5)] * 2, "of a call that was left out"


@pytest.fixture
def extra_tools():
    async def act(_context, _arguments):
        return Outcome("acted")

    return [Tool(ToolSpec("act", "act", {"type": "object", "properties": {}}), act, "outside")]


def streaming(*texts, then=None):
    async def reply(_request, on_delta):
        for text in texts:
            on_delta(Delta("text", text=text))
        if then is not None:
            raise then

    return reply


async def pieces_of(stream):
    events = [event async for event in stream.watch()]
    return [(event.delta.text, event.attempt) for event in events if hasattr(event, "delta")]


@pytest.fixture
def said(house):
    def reply(*texts):
        def made(_request, on_delta):
            for text in texts:
                on_delta(Delta("text", text=text))
            return house.say("".join(texts))

        return made

    return reply


async def test_a_run_that_is_new_is_in_its_first_attempt_and_its_step_keeps_the_cuts(house, said):
    agent = await house.agent()
    house.model.will(said("Hel", "lo"))
    stream = await house.accept(agent, "Hi", stream_tokens=True)
    assert await pieces_of(stream) == [("Hel", 0), ("lo", 0)]
    (step,) = await house.steps(stream.run.id)
    assert step.told == Told(0, [("text", 0, 3), ("text", 0, 2)])


async def test_a_reply_that_is_cut_by_a_fault_is_asked_anew_in_another_attempt(house, said):
    agent = await house.agent()
    house.model.will(streaming("Go", then=StoreError("the disk is away")), said("Hel", "lo"))
    stream = await house.accept(agent, "Hi", stream_tokens=True)
    assert await pieces_of(stream) == [("Go", 0), ("Hel", 1), ("lo", 1)]
    (step,) = await house.steps(stream.run.id)
    assert step.told.attempt == 1
    assert (await runs.get(house.view, "t", stream.run.id)).attempt == 1


async def test_a_run_that_waits_here_and_is_taken_up_elsewhere_is_in_another_attempt_when_its_turn_comes(house, said):
    """Somebody read it through another process, and heard pieces of the attempt which that one noted."""
    agent, earlier = await house.agent(), asyncio.Event()

    async def held(_request, _on_delta):
        await earlier.wait()
        return house.say("first")

    house.model.will(held, said("Hel", "lo"))
    await house.accept(agent, "one")
    stream = await house.accept(agent, "two", stream_tokens=True)
    _, changes = runs.plan_again(stream.run)
    await house.database.commit(changes)
    earlier.set()
    assert await pieces_of(stream) == [("Hel", 2), ("lo", 2)]
    (step,) = await house.steps(stream.run.id)
    assert step.told.attempt == 2


async def test_who_reads_a_run_that_is_closed_over_a_bug_hears_what_became_of_its_calls(house, monkeypatch):
    async def bug(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(committing, "commit_results", bug)
    monkeypatch.setattr(Recording, "interrupt", bug)
    agent = await house.agent("act")
    house.model.will(house.call(("act", "{}")))
    stream = await house.accept(agent, "Hi")
    heard = [event async for event in stream.watch()]
    told = [message.id for event in heard if isinstance(event, Committed) for message in event.messages]
    again = await house.inbox.resume("t", stream.run.id)
    assert told == [message.id for event in (await again.wait())[1] for message in event.messages]
    assert len(told) == 2
    assert isinstance(heard[-1], Ended)
    assert heard[-1].run.status == "failed"


async def test_a_run_without_pieces_counts_no_attempts(house):
    agent = await house.agent()
    house.model.will(streaming(then=StoreError("the disk is away")), house.say("Hello"))
    stream = await house.accept(agent, "Hi")
    await stream.wait()
    assert (await runs.get(house.view, "t", stream.run.id)).attempt == 0
    (step,) = await house.steps(stream.run.id)
    assert step.told is None


async def test_a_preview_takes_no_turn(house):
    agent = await house.agent()
    await house.send(agent, "before")
    asked = len(house.model.requests)
    _, request = await preview.preview(house.workshop, "t", agent.id, [], RunOptions())
    assert [one.text for one in request.messages[1:]][:1] == ["before"]
    assert len(house.model.requests) == asked
    with pytest.raises(NotFound):
        await preview.preview(house.workshop, "other", agent.id, [], RunOptions())


async def test_runs_of_an_agent_are_cancelled_together_and_only_its_own(house):
    held = asyncio.Event()

    async def for_ever(_request, _on_delta):
        held.set()
        await asyncio.Event().wait()

    agent, other = await house.agent(), await house.agent()
    house.model.will(for_ever)
    first = await house.accept(agent, "one")
    await held.wait()
    second = await house.accept(agent, "two")
    with pytest.raises(NotFound):
        await house.inbox.cancel_of("t", other.id, [first.run.id])
    with pytest.raises(NotFound):
        await house.inbox.cancel_of("other", agent.id, [first.run.id])
    with pytest.raises(Conflict):
        await house.inbox.cancel_of("t", other.id)
    ended = await asyncio.wait_for(house.inbox.cancel_of("t", agent.id), 5)
    assert {run_id: run.status for run_id, run in ended.items()} == {
        first.run.id: "cancelled",
        second.run.id: "cancelled",
    }
    assert len(house.model.requests) == 1, "the second never began"
