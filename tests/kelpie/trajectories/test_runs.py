"""Runs end once; steps and calls come back as they were; exports say what the model saw."""

import json

import msgspec
import pytest

from kelpie.errors import Conflict, GuardFailed, NotFound
from kelpie.trajectories import content, runs, steps
from kelpie.trajectories.export import chat_lines
from kelpie.trajectories.records import Call
from umi.storage import Changes, Page


async def test_a_run_ends_once(shelf):
    run = await shelf.run(1)
    ended = await shelf.end(run, "failed", "llm_api_error", runs.error_record("timeout", "too slow"))
    assert await runs.get(shelf.view, "t", run.id) == ended
    with pytest.raises(GuardFailed, match="run"):
        await shelf.end(run)
    with pytest.raises(GuardFailed, match="run"):
        await shelf.database.commit(runs.plan_start(run))


async def test_open_runs_are_those_of_all_tenants_that_have_not_ended_begun_ones_first(shelf):
    one, two = await shelf.run(1), await shelf.run(2, tenant="other")
    await shelf.end(await shelf.run(3))
    await shelf.database.commit(runs.plan_start(two))
    assert [(r.id, r.status) for r in await runs.open_runs(shelf.view)] == [(two.id, "running"), (one.id, "created")]
    assert [run.id for run in await runs.open_runs_of(shelf.view, "t", one.agent_id)] == [one.id]


async def test_runs_are_listed_by_agent_status_and_kind(shelf):
    for number in range(4):
        await shelf.run(number, agent=f"agent-{number % 2}")
    await shelf.end(shelf.make_run(3))

    async def ids(page=None, **filters):
        return [run.id for run in await runs.list_runs(shelf.view, "t", page or Page(), **filters)]

    assert await ids(agent_ids=["agent-0"]) == ["run-0", "run-2"]
    assert await ids(statuses=["completed"]) == ["run-3"]
    assert await ids(stop_reason="end_turn") == ["run-3"]
    assert await ids(background=True) == []
    assert await ids(page=Page(limit=2, after="run-1")) == ["run-2", "run-3"]
    assert await runs.list_runs(shelf.view, "other", Page()) == []


async def test_a_long_error_is_bounded():
    assert len(runs.error_record("x", "y" * 10_000)["message"]) == 2_000


async def test_steps_come_back_as_they_were_and_a_number_is_taken_once(shelf):
    run = await shelf.run(1)
    first = await shelf.step(run, 1, error={"kind": "x", "message": "y"})
    second = await shelf.step(run, 2)
    assert await steps.of_run(shelf.view, "t", run.id) == [first, second]
    assert await steps.get(shelf.view, "t", first.id) == first
    assert await steps.list_steps(shelf.view, "t", Page(limit=1, after=first.id), run_id=run.id) == [second]
    with pytest.raises(Conflict):
        await shelf.step(run, 2, id="step-other")
    with pytest.raises(NotFound):
        await steps.get(shelf.view, "other", first.id)


async def test_a_call_is_an_intent_until_its_result_overwrites_it(shelf):
    run = await shelf.run(1)
    step = await shelf.step(run, state="intent")
    intent = Call(
        tenant="t",
        step_id=step.id,
        run_id=run.id,
        agent_id="agent-1",
        number=0,
        tool_call_id="call-1",
        tool="act",
        arguments="{}",
        state="intent",
    )
    await shelf.database.commit(steps.plan_put_calls([intent]))
    assert await steps.calls_of(shelf.view, "t", step_id=step.id) == [intent]
    done = msgspec.structs.replace(intent, state="done", result_message_id="message-9", stdout=["a"], level="process")
    await shelf.database.commit(steps.plan_put_calls([done]).extend(steps.plan_finish(step)))
    assert await steps.calls_of(shelf.view, "t", message_ids=["message-9", "message-8"]) == [done]
    with pytest.raises(GuardFailed, match="step"):
        await shelf.database.commit(
            steps.plan_finish(msgspec.structs.replace(step, state="done")).extend(steps.plan_finish(step))
        )


async def test_contents_are_stored_once_within_a_tenant(shelf):
    bodies = [b"a" * 1000, b"b", b"a" * 1000]
    for tenant in ("t", "t", "other"):
        hashes, changes = content.plan_put(tenant, "agent-1", bodies)
        await shelf.database.commit(changes)
        assert await content.get(shelf.view, tenant, hashes) == b"".join(bodies)
    assert (await shelf.view.fetch("SELECT count(*) FROM content"))[0][0] == 4
    hashes, changes = content.plan_put("t", "agent-1", [b"only mine"])
    await shelf.database.commit(changes)
    with pytest.raises(KeyError):
        await content.get(shelf.view, "other", hashes)


async def exported(shelf, **filters):
    return [json.loads(line) async for line in chat_lines(shelf.view, "t", **filters)]


async def complete(shelf, number, request):
    run = await shelf.run(number)
    step = await shelf.step(run, request=[json.dumps(request).encode()])
    await shelf.say(f"question {number}", run_id=run.id, step_id=step.id)
    await shelf.database.commit(Changes().write("UPDATE message SET id = ? WHERE run_id = ?", run.input[0].id, run.id))
    await shelf.say(f"answer {number}", role="assistant", run_id=run.id, step_id=step.id)
    await shelf.end(run)
    return run


async def test_an_export_has_what_the_model_saw_and_what_it_said(shelf):
    tools = [{"type": "function", "function": {"name": "act", "parameters": {}}}]
    sent = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "question 1"}]
    run = await complete(shelf, 1, {"model": "m", "messages": sent, "tools": tools})
    (line,) = await exported(shelf)
    assert line["messages"] == [*sent, {"role": "assistant", "content": "answer 1"}]
    assert line["tools"] == tools
    assert (line["metadata"]["run_id"], line["metadata"]["completion_tokens"]) == (run.id, 4)


async def test_the_other_wires_requests_are_exported_in_the_same_shape(shelf):
    request = {
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "go"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "act", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "did"}]},
        ],
        "tools": [{"name": "act", "description": "Acts.", "input_schema": {"type": "object"}}],
    }
    await complete(shelf, 1, request)
    (line,) = await exported(shelf)
    assert [message["role"] for message in line["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert line["messages"][2]["tool_calls"][0]["function"] == {"name": "act", "arguments": '{"a":1}'}
    assert line["messages"][3] == {"role": "tool", "tool_call_id": "1", "content": "did"}
    assert line["tools"][0]["function"]["parameters"] == {"type": "object"}


async def test_an_export_pages_through_all_completed_runs_of_its_tenant(shelf):
    for number in range(120):
        await complete(shelf, number, {"messages": []})
    await shelf.end(await shelf.run(1000), "failed", "error")
    await shelf.run(1001)
    await shelf.run(1002, tenant="other")
    assert [line["metadata"]["run_id"] for line in await exported(shelf)] == [f"run-{n}" for n in range(120)]
    assert await exported(shelf, agent_ids=["agent-9"]) == []
