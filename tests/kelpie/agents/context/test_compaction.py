"""Conversations that no longer fit: summarised once, whatever happens meanwhile, and nothing of them is lost."""

import asyncio
import itertools

import msgspec
import pytest

from kelpie.agents import agent as agents
from kelpie.agents import limits
from kelpie.agents.context import compacting
from kelpie.errors import ModelError, StoreError
from kelpie.models.model import ModelCard
from kelpie.trajectories import messages, summaries
from kelpie.trajectories.records import RunOptions, Told
from umi.storage import Page
from umi.wire.types import Delta

LONG = "x" * 1_200  # about 300 tokens
WINDOW = 2_000


def is_summary(request):
    return compacting.PROMPT in request.messages[0].text or request.messages[-1].text == compacting.SELF_PROMPT


def model_of(house, summary="They talked."):
    """Answers everything, and writes summaries."""

    def answer(request, _on_delta):
        return house.say(summary if is_summary(request) else "Well.")

    house.model.will(*[answer] * 200)


def settings(**given):
    return {"extras": {"compaction_settings": given}}


async def talk(house, agent, count, **options):
    return [await house.send(agent, f"message {number} {LONG}", **options) for number in range(count)]


async def stored(house, agent):
    return await messages.list_messages(house.view, "t", Page(limit=1000), agent_id=agent.id)


async def all_linked_once(house, agent):
    """Every message is in the window or one summary stands for it; returns the summaries, oldest first."""
    found = await stored(house, agent)
    made = [one for one in found if one.compacted is not None]
    after = made[-1].compacted.upto_position if made else 0
    for one in found:
        if one.compacted is None and one.position > 0:
            covers = [s for s in made if s.compacted.from_position <= one.position <= s.compacted.upto_position]
            assert len(covers) == (one.position <= after), one.position
    for earlier, later in zip([None, *made], made, strict=False):
        assert later.compacted.previous == (earlier.id if earlier else None)
    return made


async def test_a_conversation_that_is_full_is_summarised_and_goes_on(house):
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW, **settings(mode="sliding_window"))
    runs = await talk(house, agent, 12)
    assert {run.status for run in runs} == {"completed"}
    made = await all_linked_once(house, agent)
    assert len(made) >= 2
    record, last = made[-1].compacted, house.model.requests[-1]
    assert record.trigger == "post_step_context_check"
    assert record.mode == "sliding_window"
    assert record.messages_hidden == sum(one.compacted.messages_summarised for one in made)
    assert record.messages_after < record.messages_before
    assert last.messages[1] == compacting.shown("They talked.", record)
    assert last.messages[-1].text.startswith("message 11")
    asked = [request for request in house.model.requests if is_summary(request)]
    assert len(asked) == len(made)
    assert "[earlier summary]\nThey talked." in asked[-1].messages[-1].text
    found = await messages.search(house.view, "t", agent.id, "message 0")
    assert any(one.position == 1 for one in found)
    assert all(one.compacted is None for one in found)


async def test_its_making_is_a_step_of_its_own_kind_that_its_sender_does_not_count(house):
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW)
    run = (await talk(house, agent, 6, max_steps=1))[-1]
    for _ in range(5):
        steps = await house.steps(run.id)
        if steps[0].kind == "compaction":
            break
        run = (await talk(house, agent, 1, max_steps=1))[-1]
    assert [(step.kind, step.state, step.number) for step in steps] == [("compaction", "done", 1), ("reply", "done", 2)]
    assert steps[0].usage.prompt_tokens == 10
    assert run.stop_reason == "end_turn"
    found = await stored(house, agent)
    assert [one.body.role for one in found if one.run_id == run.id] == ["user", "user", "assistant"]
    assert [one.step_id for one in found if one.run_id == run.id] == [steps[0].id, steps[0].id, steps[1].id]


async def test_the_prefix_is_the_same_bytes_from_message_to_message_between_two_compactions(house):
    model_of(house)
    agent = await house.agent("core_memory_append", context_window_tokens=WINDOW, blocks=[("human", "Ada")])
    await talk(house, agent, 14)
    replies = [request for request in house.model.requests if not is_summary(request)]
    encoded = [[msgspec.json.encode(one) for one in [*request.tools, *request.messages]] for request in replies]
    grown = 0
    for before, after in itertools.pairwise(encoded):
        same = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), len(before))
        if same == len(before):
            grown += 1
        else:
            assert b"<summary>" in after[same], "only a new summary changes what was sent before"
        assert same >= 2, "tools and system message stay"
    assert grown >= 8


@pytest.mark.parametrize("mode", ["sliding_window", "all", "self_compact_sliding_window", "self_compact_all"])
async def test_modes_keep_what_they_say(house, mode):
    model_of(house)
    agent = await house.agent("core_memory_append", context_window_tokens=WINDOW, **settings(mode=mode))
    await talk(house, agent, 9)
    made = await all_linked_once(house, agent)
    assert made
    assert {one.compacted.mode for one in made} == {mode}
    kept = made[0].compacted.messages_after - 1
    assert (kept == 1) == mode.endswith("all")
    asked = [request for request in house.model.requests if is_summary(request)]
    assert all(bool(request.tools) == mode.startswith("self") for request in asked)
    if mode.startswith("self"):
        before = house.model.requests[house.model.requests.index(asked[0]) - 1]
        known = min(len(before.messages), len(asked[0].messages) - 1)
        assert asked[0].messages[:known] == before.messages[:known], "it is asked at the end of what it was sent before"
        assert known >= len(asked[0].messages) - 2, "but for its latest reply"


async def test_a_window_that_is_smaller_than_we_thought_is_met_with_a_summary(house):
    full = ModelError("context_overflow", "too long")
    agent = await house.agent()
    await talk(house, agent, 3)
    house.model.will(full, house.say("So far."), house.say("Here."))
    run = await house.send(agent, "and now?")
    assert run.status == "completed"
    assert [step.kind for step in await house.steps(run.id)] == ["compaction", "reply"]
    [summary] = await all_linked_once(house, agent)
    assert summary.compacted.trigger == "context_window_exceeded"
    assert house.model.requests[-1].messages[1].text.endswith("So far.\n</summary>")


async def test_a_summary_is_told_in_the_attempt_that_made_it(house):
    """An earlier attempt let pieces of a reply go out, which have the numbers that would be the summary's else."""

    def cut(_request, on_delta):
        on_delta(Delta("text", text="He"))
        raise StoreError("the disk is away")

    agent = await house.agent()
    await talk(house, agent, 3)
    house.model.will(cut, ModelError("context_overflow", "too long"), house.say("So far."), house.say("Here."))
    run = await house.send(agent, "and now?", stream_tokens=True)
    made, reply = await house.steps(run.id)
    assert (made.kind, reply.kind) == ("compaction", "reply")
    assert made.told == reply.told == Told(1, [])


async def test_a_window_that_is_smaller_still_gets_less_of_the_history(house):
    agent = await house.agent()
    await talk(house, agent, 4)
    full = ModelError("context_overflow", "too long")
    house.model.will(full, house.say("So far."), full, house.say("Here."))
    run = await house.send(agent, "and now?")
    assert run.status == "completed"
    assert [step.kind for step in await house.steps(run.id)] == ["compaction", "reply"]
    assert len(house.model.requests[-1].messages) < len(house.model.requests[-2].messages)


async def test_without_a_summary_the_run_goes_on_with_what_fits_and_says_so(house):
    def answer(request, _on_delta):
        if is_summary(request):
            raise ModelError("server_error", "the summariser is down")
        return house.say("Well.")

    house.model.will(*[answer] * 100)
    agent = await house.agent(context_window_tokens=WINDOW)
    run = (await talk(house, agent, 8))[-1]
    first, second = await house.steps(run.id)
    assert (first.kind, first.state, first.error["kind"]) == ("compaction", "failed", "server_error")
    assert (second.kind, second.state, run.status) == ("reply", "done", "completed")
    assert await all_linked_once(house, agent) == []
    shown = house.model.requests[-1].messages
    assert shown[-1].text.startswith("message 7")
    assert len(shown) < 16


async def test_an_agent_that_answers_with_a_call_is_summarised_instead(house):
    def answer(request, _on_delta):
        if request.messages[-1].text == compacting.SELF_PROMPT:
            return house.call(("core_memory_append", "{}"))
        return house.say("In short." if is_summary(request) else "Well.")

    house.model.will(*[answer] * 100)
    agent = await house.agent(context_window_tokens=WINDOW, **settings(mode="self_compact_all"))
    await talk(house, agent, 7)
    [summary, *_] = await all_linked_once(house, agent)
    assert summary.compacted.mode == "all"
    assert (await house.steps(summary.run_id))[0].usage.prompt_tokens == 20, "what the call took is counted as well"


async def test_a_provider_that_is_down_is_not_asked_twice_for_one_summary(house):
    asked = []

    def answer(request, _on_delta):
        if is_summary(request):
            asked.append(request)
            raise ModelError("timeout", "too slow")
        return house.say("Well.")

    house.model.will(*[answer] * 100)
    agent = await house.agent(context_window_tokens=WINDOW)
    runs = await talk(house, agent, 8)
    failed = [step for run in runs for step in await house.steps(run.id) if step.kind == "compaction"]
    assert len(asked) == len(failed) >= 1


async def test_a_summariser_with_a_small_window_is_asked_again_with_less(house):
    asked = []

    def small(request, _on_delta):
        asked.append(request)
        if len(asked) < 3:
            raise ModelError("context_overflow", "too long")
        return house.say("In short.")

    other = type(house.model)()
    other.will(small, small, small, small)
    house.models.register(ModelCard("test/small", "test", "small", "test", context_window_tokens=3_000), other)
    agent = await house.agent(context_window_tokens=4_000, **settings(model="test/small"))
    await talk(house, agent, 13)
    summary = (await all_linked_once(house, agent))[0]
    assert [len(request.messages[-1].text) for request in asked[:3]] == sorted(
        (len(request.messages[-1].text) for request in asked[:3]), reverse=True
    )
    assert summary.compacted.unseen > 0
    assert (await house.steps(summary.run_id))[0].model == "test/small"


async def test_a_model_that_nobody_serves_is_replaced_by_the_agents_own(house):
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW, **settings(model="openai/gpt-5-mini"))
    await talk(house, agent, 7)
    assert await all_linked_once(house, agent)


async def test_a_run_can_ask_for_it(house):
    agent = await house.agent()
    await talk(house, agent, 3)
    house.model.will(house.say("In short: they talked."))
    stream = await house.inbox.accept("t", agent.id, [], RunOptions(compact={"mode": "all"}))
    ended, committed = await stream.wait()
    assert ended.run.status == "completed"
    assert [step.kind for step in ended.steps] == ["compaction"]
    [summary] = committed[-1].messages
    assert (summary.compacted.trigger, summary.compacted.messages_after) == ("manual", 1)
    house.model.will(house.say("never"))
    again = await house.inbox.accept("t", agent.id, [], RunOptions(compact={}))
    ended, committed = await again.wait()
    assert (ended.run.status, ended.steps, committed) == ("completed", [], [])
    house.model.script.clear()
    await house.send(agent, "go on")
    assert [message.text[:9] for message in house.model.requests[-1].messages[1:]] == ["<summary>", "go on"]


async def test_a_run_that_asked_for_it_fails_if_no_model_writes_one(house):
    agent = await house.agent()
    await talk(house, agent, 2)
    house.model.will(ModelError("timeout", "too slow"))
    stream = await house.inbox.accept("t", agent.id, [], RunOptions(compact={"mode": "all"}))
    ended, _ = await stream.wait()
    assert (ended.run.status, ended.run.error["kind"]) == ("failed", "timeout")
    assert [(step.kind, step.state) for step in ended.steps] == [("compaction", "failed")]


async def test_it_can_be_cancelled(house):
    agent = await house.agent()
    await talk(house, agent, 2)
    waits = asyncio.Event()

    async def never(_request, _on_delta):
        waits.set()
        await asyncio.Event().wait()

    house.model.will(never)
    stream = await house.inbox.accept("t", agent.id, [], RunOptions(compact={"mode": "all"}))
    await waits.wait()
    run = await house.inbox.cancel("t", stream.run.id)
    assert run.status == "cancelled"
    assert await all_linked_once(house, agent) == []


async def test_a_process_that_stops_between_the_summary_and_its_commit_has_changed_nothing(open_house):
    house = await open_house()
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW)
    await talk(house, agent, 2)
    fired, commit = asyncio.Event(), house.database.commit

    async def stops_at_the_summary(changes):
        if "They talked." in repr([write.params for write in changes.writes]):
            fired.set()
            await asyncio.Event().wait()
        return await commit(changes)

    house.database.commit = stops_at_the_summary
    stopped = asyncio.ensure_future(fired.wait())
    for number in range(10):
        stream = await house.accept(agent, f"question {number} {LONG}")
        ended = asyncio.ensure_future(stream.wait())
        await asyncio.wait([ended, stopped], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            ended.cancel()
            break
    assert fired.is_set()
    assert await all_linked_once(house, agent) == []
    await house.host.close()
    await house.database.close()
    again = await open_house()
    model_of(again, "They talked, again.")
    assert await again.inbox.recover() == 1
    ended, _ = await asyncio.wait_for((await again.inbox.resume("t", stream.run.id)).wait(), 10)
    assert ended.run.status == "completed"
    [summary] = await all_linked_once(again, agent)
    assert summary.body.text == "They talked, again."
    assert [step.kind for step in ended.steps] == ["compaction", "reply"]
    said = [one.body.text for one in await stored(again, agent) if one.body.role == "user"]
    assert len(said) == len(set(said))


async def test_an_activation_begins_with_the_summary_and_reads_no_more_than_the_window(open_house):
    house = await open_house()
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW)
    await talk(house, agent, 12)
    before = house.model.requests[-1].messages
    await house.database.close()
    again = await open_house()
    await again.send(agent, "still there?")
    now = again.model.requests[-1].messages
    assert now[1] == before[1]
    assert now[2].text == before[2].text
    newest = await summaries.newest(again.view, "t", agent.id)
    assert now[1] == compacting.shown(newest.body.text, newest.compacted)


async def test_more_messages_than_an_activation_keeps_are_summarised_before_any_goes(house, monkeypatch):
    monkeypatch.setattr(limits, "HISTORY_MESSAGES_MAX", 12)
    model_of(house)
    agent = await house.agent()
    for number in range(20):
        await house.send(agent, f"short {number}")
    assert await all_linked_once(house, agent)


async def test_an_agent_of_before_that_is_too_long_to_be_loaded_is_linked_whole(open_house, monkeypatch):
    house = await open_house()
    agent = await house.agent()
    for number in range(10):
        await house.send(agent, f"short {number}")
    monkeypatch.setattr(limits, "HISTORY_MESSAGES_MAX", 8)
    await house.database.close()
    again = await open_house()
    model_of(again)
    await again.send(agent, "hello again")
    [summary] = await all_linked_once(again, agent)
    assert summary.compacted.unseen == 12
    assert summary.compacted.from_position == 0


async def test_what_belongs_to_it_is_deleted_with_the_agent(house):
    model_of(house)
    agent = await house.agent(context_window_tokens=WINDOW)
    await talk(house, agent, 6)
    await house.database.commit(agents.plan_delete("t", agent.id))
    assert await summaries.newest(house.view, "t", agent.id) is None
