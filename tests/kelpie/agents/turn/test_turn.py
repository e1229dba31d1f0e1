"""The turn: what is committed when, what the model is shown, and how a run ends."""

import asyncio
import json

import pytest

from kelpie.errors import ModelError, StoreError, ToolFailed
from kelpie.events import RunEnded, StepEnded, ToolEnded
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import content, steps
from umi import core
from umi.storage import Changes
from umi.wire.types import Delta, ToolSpec


class World:
    """Something outside our store that a tool acts on: it remembers every effect, and can stop the process at it."""

    def __init__(self):
        self.effects = []
        self.at_call = None

    async def act(self, context, arguments):
        self.effects.append(arguments["what"])
        if self.at_call is not None:
            await self.at_call(context)
        return Outcome(f"did {arguments['what']}", level="process", stdout=["printed"])


async def refuse(context, arguments):
    raise ToolFailed("the moon is not full")


async def crash(context, arguments):
    raise ZeroDivisionError("division by zero")


async def long(context, arguments):
    return Outcome("x" * 5000)


def tool(name, function, reach="outside", **fields):
    return Tool(ToolSpec(name, name, {"type": "object", "properties": {}}), function, reach, **fields)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def extra_tools(world):
    return [
        tool("act", world.act),
        tool("refuse", refuse),
        tool("crash", crash, reach="store"),
        tool("long", long, reach="store", return_chars_max=100),
    ]


def act(what):
    return ("act", json.dumps({"what": what}))


def append(text, label="notes"):
    return ("core_memory_append", json.dumps({"label": label, "content": text}))


async def test_a_plain_message_is_one_commit_with_input_reply_and_step(house):
    agent = await house.agent()
    house.model.will(house.say("Hello Ada."))
    run = await house.send(agent, "Hi.")
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    assert await house.history(agent) == [("user", "Hi."), ("assistant", "Hello Ada.")]
    (step,) = await house.steps(run.id)
    assert (step.state, step.number, step.usage.prompt_tokens, step.model) == ("done", 1, 10, "test/model")
    assert await content.get(house.view, "t", [step.response]) == b"Hello Ada."
    assert await house.run(run.id) == run


async def test_the_model_sees_system_prompt_all_blocks_and_the_whole_history_in_order(house):
    agent = await house.agent("core_memory_append", blocks=[("human", "Name: Ada"), ("persona", "A helper.")])
    await house.send(agent, "one")
    await house.send(agent, "two")
    shown = house.model.requests[-1]
    system = shown.messages[0].text
    assert system.startswith("Be kind.")
    assert system.index("<human>") < system.index("Name: Ada") < system.index("<persona>") < system.index("A helper.")
    assert [(m.role, m.text) for m in shown.messages[1:]] == [("user", "one"), ("assistant", "ok"), ("user", "two")]
    assert [spec.name for spec in shown.tools] == ["core_memory_append"]
    assert shown.model == "model"


async def test_the_prefix_is_the_same_text_from_message_to_message(house):
    agent = await house.agent(blocks=[("human", "Name: Ada")])
    await house.send(agent, "one")
    await house.send(agent, "two")
    first, second = house.model.requests
    assert first.messages[0] == second.messages[0]
    assert second.messages[: len(first.messages)] == first.messages


async def test_a_repeated_prompt_is_stored_once(house):
    agent = await house.agent()

    def answer(request, on_delta):
        reply = house.say("ok")
        segments = [message.text.encode() for message in request.messages]
        return type(reply)(**{f: getattr(reply, f) for f in reply.__struct_fields__} | {"raw_request": segments})

    house.model.will(*[answer] * 20)
    ends = [await house.send(agent, "the same question") for _ in range(20)]
    bodies = [row[0] for row in await house.view.fetch("SELECT body FROM content")]
    assert len(bodies) == len(set(bodies)) == 3  # system prompt, question, answer
    last = (await house.steps(ends[-1].id))[0]
    assert (await content.get(house.view, "t", last.request)).count(b"the same question") == 20


async def test_a_memory_tool_changes_the_block_in_the_same_commit_and_the_next_step_sees_it(house):
    agent = await house.agent("core_memory_append")
    house.model.will(house.call(append("Ada likes tea.")), house.say("Noted."))
    run = await house.send(agent, "I like tea.")
    assert (await core.by_label(house.view, "t", agent.id, "notes")).value == "Ada likes tea."
    assert "Ada likes tea." in house.model.requests[1].messages[0].text
    first, second = await house.steps(run.id)
    (made,) = await steps.calls_of(house.view, "t", step_id=first.id)
    assert (made.state, made.tool, made.is_error, second.number) == ("done", "core_memory_append", False, 2)


async def test_later_calls_of_a_step_see_what_earlier_ones_planned(house):
    agent = await house.agent("core_memory_append", "core_memory_replace")
    replace = ("core_memory_replace", '{"label": "notes", "old_content": "tea", "new_content": "coffee"}')
    house.model.will(house.call(append("likes tea"), append("and cake"), replace), house.say("done"))
    await house.send(agent, "go")
    assert (await core.by_label(house.view, "t", agent.id, "notes")).value == "likes coffee\nand cake"


async def test_ten_steps_keep_every_result_in_view(house):
    agent = await house.agent("act", "core_memory_append")
    house.model.will(*(house.call(act(f"thing {n}")) for n in range(9)), house.say("all done"))
    run = await house.send(agent, "do ten things")
    shown = [m.text for m in house.model.requests[9].messages if m.role == "tool"]
    assert shown == [f"did thing {n}" for n in range(9)]
    assert run.stop_reason == "end_turn"


async def test_an_outside_call_is_written_as_an_intent_before_it_is_made(house, world):
    agent = await house.agent("act")
    seen = []

    async def look(context):
        (made,) = await steps.calls_of(house.view, "t", step_id=context.step_id)
        seen.append((made.state, (await house.run(context.run_id)).status, await house.history(agent)))

    world.at_call = look
    house.model.will(house.call(act("one"), text="I will act."), house.say("done"))
    await house.send(agent, "go")
    assert seen == [("intent", "running", [("user", "go"), ("assistant", "I will act.")])]


async def test_after_a_stop_an_outside_call_is_reported_interrupted_and_never_run_again(house, open_house, world):
    agent = await house.agent("act")
    stopped = asyncio.Event()

    async def hang(context):
        stopped.set()
        await asyncio.Event().wait()

    world.at_call = hang
    house.model.will(house.call(act("launch")))
    stream = await house.accept(agent, "go")
    await stopped.wait()
    await house.host.close()  # the process stops in the middle of the call
    await house.database.close()

    second = await open_house()
    second.model.will(second.say("It may have launched."))
    assert await second.inbox.recover() == 1
    ended, _ = await second.inbox.stream_of(stream.run.id).wait()
    assert (ended.run.status, ended.run.stop_reason) == ("completed", "end_turn")
    assert world.effects == ["launch"]
    assert "interrupted" in second.model.requests[0].messages[-1].text
    first_step = (await second.steps(stream.run.id))[0]
    (made,) = await steps.calls_of(second.view, "t", step_id=first_step.id)
    assert (made.state, made.is_error) == ("interrupted", True)
    assert [role for role, _ in await second.history(agent)] == ["user", "assistant", "tool", "assistant"]


async def test_a_run_acknowledged_before_a_stop_is_finished_after_it(house, open_house):
    agent = await house.agent()
    called = asyncio.Event()

    async def hang(request, on_delta):
        called.set()
        await asyncio.Event().wait()

    house.model.will(hang)
    streams = [await house.accept(agent, text) for text in ("one", "two", "three")]
    await called.wait()
    await house.host.close()
    await house.database.close()

    second = await open_house()
    assert await second.inbox.recover() == 3
    for stream in streams:
        ended, _ = await second.inbox.stream_of(stream.run.id).wait()
        assert ended.run.status == "completed"
    users = [text for role, text in await second.history(agent) if role == "user"]
    assert users == ["one", "two", "three"]


async def test_messages_at_once_to_one_agent_give_a_serial_history(house):
    agent = await house.agent()
    streams = await asyncio.gather(*(house.accept(agent, f"m{n}") for n in range(10)))
    await asyncio.gather(*(stream.wait() for stream in streams))
    assert [role for role, _ in await house.history(agent)] == ["user", "assistant"] * 10


async def test_a_thousand_agents_have_their_model_calls_open_at_once(house):
    agents = [await house.agent() for _ in range(200)]
    gate = asyncio.Event()

    async def hold(request, on_delta):
        if house.model.open == 200:
            gate.set()
        await gate.wait()
        return house.say("ok")

    house.model.will(*[hold] * 200)
    streams = [await house.accept(agent, "hi") for agent in agents]
    ends = await asyncio.wait_for(asyncio.gather(*(stream.wait() for stream in streams)), 30)
    assert {ended.run.status for ended, _ in ends} == {"completed"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("nothing", "{}"), "no tool named 'nothing' is attached; attached tools: act, crash, long, refuse"),
        (("act", "{not json"), "not a JSON object"),
        (("act", '["a list"]'), "not a JSON object"),
        (("refuse", "{}"), "the moon is not full"),
        (("crash", "{}"), "Error executing function crash: ZeroDivisionError: division by zero"),
    ],
)
async def test_a_call_that_fails_is_answered_and_the_turn_goes_on(house, call, expected):
    agent = await house.agent("act", "refuse", "crash", "long")
    house.model.will(house.call(call), house.say("I see."))
    run = await house.send(agent, "go")
    shown = house.model.requests[1].messages[-1]
    assert expected in shown.text
    assert shown.is_error
    assert run.status == "completed"
    assert [event.outcome for event in house.seen if isinstance(event, ToolEnded)] == ["error"]


async def test_arguments_that_are_nested_without_end_are_answered_once(house):
    agent = await house.agent("act")
    house.model.will(house.call(("act", '{"what": ' + "[" * 5_000 + "]" * 5_000 + "}")))
    run = await house.send(agent, "hello")
    assert run.stop_reason == "end_turn"
    (text,) = [text for role, text in await house.history(agent) if role == "tool"]
    assert "not a JSON object" in text


async def test_a_long_result_is_cut_with_a_note(house):
    agent = await house.agent("long")
    house.model.will(house.call(("long", "{}")), house.say("ok"))
    await house.send(agent, "go")
    text = house.model.requests[1].messages[-1].text
    assert text.startswith("x" * 100 + "\n…")
    assert "5,000 characters" in text


async def test_calls_without_ids_get_their_own(house):
    agent = await house.agent("core_memory_append")
    reply = house.call(append("a"), append("b"))
    nameless = [type(c)(id="", name=c.name, arguments=c.arguments) for c in reply.tool_calls]
    fields = {f: getattr(reply, f) for f in reply.__struct_fields__}
    house.model.will(type(reply)(**fields | {"tool_calls": nameless}), house.say("ok"))
    await house.send(agent, "go")
    results = [m.tool_call_id for m in house.model.requests[1].messages if m.role == "tool"]
    assert len(set(results)) == 2
    assert all(results)


async def test_the_turn_stops_at_max_steps(house):
    agent = await house.agent("act")
    house.model.will(*(house.call(act(str(n))) for n in range(10)))
    run = await house.send(agent, "go", max_steps=3)
    assert (run.status, run.stop_reason) == ("completed", "max_steps")
    assert len(house.model.requests) == 3


async def test_send_message_ends_the_turn(house):
    agent = await house.agent("send_message")
    house.model.will(house.call(("send_message", '{"message": "Hello."}')))
    run = await house.send(agent, "Hi")
    assert run.stop_reason == "end_turn"
    assert len(house.model.requests) == 1


async def test_a_reply_cut_by_its_length_says_so(house):
    agent = await house.agent()
    house.model.will(house.say("and then", finish="length"))
    assert (await house.send(agent, "tell")).stop_reason == "max_tokens_exceeded"


@pytest.mark.parametrize(
    ("kind", "stop"),
    [("timeout", "llm_api_error"), ("rate_limit", "llm_api_error"), ("invalid_response", "invalid_llm_response")],
)
async def test_a_model_error_ends_the_run_and_keeps_the_input_and_what_came_back(house, kind, stop):
    agent = await house.agent()
    house.model.will(ModelError(kind, "the provider said no", raw_request=[b"sent"], raw_response=b"<html>"))
    run = await house.send(agent, "Hi.")
    assert (run.status, run.stop_reason) == ("failed", stop)
    assert run.error == {"kind": kind, "message": "the provider said no"}
    assert await house.history(agent) == [("user", "Hi.")]
    (step,) = await house.steps(run.id)
    assert step.state == "failed"
    assert await content.get(house.view, "t", step.request) == b"sent"
    assert await content.get(house.view, "t", [step.response]) == b"<html>"
    house.model.will(house.say("Better now."))
    assert (await house.send(agent, "Again?")).status == "completed"


async def test_an_edit_by_another_writer_between_read_and_commit_is_not_lost(house):
    """The store tool is planned anew on the newer block; the outside call beside it is not made twice."""
    agent = await house.agent("memory_insert", "act", blocks=[("human", "one")])
    block = (await core.of_scope(house.view, "t", agent.id))[0]
    real, interfered = house.database.commit, []

    async def interfere(changes):
        if not interfered and any("UPDATE block SET label" in write.sql for write in changes.writes):
            interfered.append(True)
            await core.edit(house.view, "t", block.id, 1, {"value": "one\nby another"})
        return await real(changes)

    house.database.commit = interfere
    insert = ("memory_insert", '{"label": "human", "new_string": "by me"}')
    house.model.will(house.call(act("once"), insert), house.say("ok"))
    await house.send(agent, "go")
    assert interfered
    assert (await core.get(house.view, "t", block.id)).value == "one\nby another\nby me"
    assert [e.tool for e in house.seen if isinstance(e, ToolEnded)].count("act") == 1


async def test_a_commit_of_unknown_outcome_is_settled_by_loading_again(house):
    """COMMIT raised but the rows are there: the run goes on from what is stored and is not done twice."""
    agent = await house.agent("act")
    real, raised = house.database.commit, []

    async def unknown(changes):
        rows = await real(changes)
        if not raised and any("INSERT INTO step" in write.sql for write in changes.writes):
            raised.append(True)
            raise StoreError("COMMIT failed; the outcome is unknown")
        return rows

    house.database.commit = unknown
    house.model.will(house.call(act("one")), house.say("done"))
    run = await house.send(agent, "go")
    assert raised
    assert run.status == "completed"
    assert [role for role, _ in await house.history(agent)] == ["user", "assistant", "tool", "assistant"]


async def test_a_deleted_agents_turn_is_fenced_and_its_caller_told(house):
    from kelpie.agents.agent import plan_delete

    agent = await house.agent()
    called, go = asyncio.Event(), asyncio.Event()

    async def hold(request, on_delta):
        called.set()
        await go.wait()
        return house.say("too late")

    house.model.will(hold)
    stream = await house.accept(agent, "Hi")
    await called.wait()
    await house.database.commit(plan_delete("t", agent.id))
    go.set()
    ended, _ = await asyncio.wait_for(stream.wait(), 10)
    assert ended.run.status == "failed"
    assert "does not exist" in ended.run.error["message"]
    for table in ("agent", "message", "run", "step", "call", "agent_tool", "block_scope", "placement"):
        assert await house.view.fetch(f"SELECT * FROM {table}") == [], table


async def test_pieces_are_provisional_and_only_the_commit_is_final(house):
    from kelpie.agents.turn.stream import Committed, Ended, Provisional

    agent = await house.agent()

    def streaming(request, on_delta):
        for piece in ("Hel", "lo"):
            on_delta(Delta("text", piece))
        return house.say("Hello")

    house.model.will(streaming)
    stream = await house.accept(agent, "Hi", stream_tokens=True)
    events = [event async for event in stream.watch()]
    assert [type(event) for event in events] == [Provisional, Provisional, Committed, Ended]
    assert events[2].step.told.cuts == [("text", 0, 3), ("text", 0, 2)]
    assert events[2].messages[0].id == events[0].message_id
    late = [event async for event in stream.watch()]
    assert [type(event) for event in late] == [Committed, Ended]


async def test_a_watcher_that_leaves_changes_nothing_for_the_run(house):
    agent = await house.agent("act")
    house.model.will(house.call(act("one")), house.say("done"))
    stream = await house.accept(agent, "go")
    async for _ in stream.watch():
        break
    ended, _ = await stream.wait()
    assert ended.run.status == "completed"


async def test_what_happened_is_said_once_through_the_event_seam(house):
    agent = await house.agent("act")
    house.model.will(house.call(act("one")), house.say("done"))
    run = await house.send(agent, "go")
    assert [e.outcome for e in house.seen if isinstance(e, StepEnded)] == ["ok", "ok"]
    (ended,) = [e for e in house.seen if isinstance(e, RunEnded)]
    assert (ended.run_id, ended.stop_reason) == (run.id, "end_turn")
    (done,) = [e for e in house.seen if isinstance(e, ToolEnded)]
    assert (done.tool, done.level, done.agent_id) == ("act", "process", agent.id)


async def test_a_tool_may_write_rows_that_commit_with_its_step(house, world, extra_tools):
    agent = await house.agent("act")
    await house.database.commit(Changes().write("CREATE TABLE effect (what TEXT)"))
    inner = world.act

    async def recording(context, arguments):
        outcome = await inner(context, arguments)
        outcome.changes.write("INSERT INTO effect VALUES (?)", arguments["what"])
        return outcome

    house.workshop.catalog.builtins["act"] = tool("act", recording)
    house.model.will(house.call(act("one")), house.say("done"))
    await house.send(agent, "go")
    assert await house.view.fetch("SELECT what FROM effect") == [("one",)]
