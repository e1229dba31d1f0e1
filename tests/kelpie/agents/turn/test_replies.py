"""Odd replies: whatever a model answers, the turn goes on and the next request is one that providers take."""

import json

import msgspec
import pytest

from kelpie.agents import limits
from kelpie.agents.turn.replies import mended
from kelpie.errors import ModelError
from kelpie.tools.tool import Outcome, Tool
from umi.wire.types import ToolCall, ToolSpec


async def huge(context, arguments):
    raise ValueError("x" * 1_000_000)


async def half(context, arguments):
    return Outcome("half a pair: \ud83d", says="said \ud83d", stdout=["out \ud83d"])


@pytest.fixture
def extra_tools():
    spec = {"type": "object", "properties": {}}
    return [
        Tool(ToolSpec("huge", "huge", spec), huge, "outside", return_chars_max=100),
        Tool(ToolSpec("half", "half", spec), half, "store"),
    ]


def append(text):
    return ("core_memory_append", json.dumps({"label": "notes", "content": text}))


def calling(house, *calls):
    made = [ToolCall(*one) for one in calls]
    return msgspec.structs.replace(house.call(), tool_calls=made)


async def test_a_thousand_calls_in_a_reply_fail_the_run_and_cost_nothing(house):
    agent = await house.agent("core_memory_append")
    house.model.will(house.call(*[append(str(n)) for n in range(1000)]), house.say("Sorry."))
    run = await house.send(agent, "go")
    assert (run.status, run.stop_reason) == ("failed", "invalid_llm_response")
    assert "1,000 tool calls" in run.error["message"]
    assert await house.history(agent) == [("user", "go")]
    assert (await house.send(agent, "again")).status == "completed"


async def test_as_many_calls_as_a_step_may_have_are_made_in_order(house):
    agent = await house.agent("core_memory_append")
    words = [str(n) for n in range(limits.TURN_CALLS_PER_STEP_MAX)]
    house.model.will(house.call(*map(append, words)), house.say("done"))
    assert (await house.send(agent, "go")).status == "completed"
    assert "\n".join(words) in house.model.requests[1].messages[0].text


async def test_ids_that_come_again_in_a_later_step_get_their_own(house):
    agent = await house.agent("core_memory_append")
    house.model.will(*[calling(house, ("call_0", *append(str(n)))) for n in range(3)], house.say("done"))
    await house.send(agent, "go")
    shown = house.model.requests[-1].messages
    asked = [call.id for message in shown for call in message.tool_calls]
    assert len(set(asked)) == 3
    assert asked == [message.tool_call_id for message in shown if message.role == "tool"]
    assert asked[0] == "call_0"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("functions.search", "functions_search"), ("", "unnamed"), ("x" * 100, "x" * 64), ("a b", "a_b")],
)
async def test_a_name_no_provider_takes_back_is_made_plain(house, name, shown):
    """An invented name stays in the history: sent back as it is, every later request would be refused."""
    agent = await house.agent("core_memory_append")
    house.model.will(calling(house, ("1", name, "{}")), house.say("I see."))
    assert (await house.send(agent, "go")).status == "completed"
    (call,) = house.model.requests[1].messages[-2].tool_calls
    assert call.name == house.model.requests[1].messages[-1].name == shown
    assert house.model.requests[1].messages[-1].is_error


async def test_a_reply_without_fault_is_left_as_it_is(house):
    reply = calling(house, ("a", "core_memory_append", "{}"), ("b", "odd name", '{"x": "é"}'))
    assert mended(reply, {"odd name"}, set(), lambda: "new") == reply


async def test_halves_of_surrogate_pairs_leave_no_reply_that_can_not_be_stored(house):
    reply = msgspec.structs.replace(calling(house, ("\ud800", "x", '"\ud800"')), text="a \udfff", reasoning="\ud800")
    whole = mended(reply, set(), set(), lambda: "new")
    assert msgspec.json.encode(whole)
    assert whole.text == "a ?"


async def test_calls_are_answered_where_no_tool_was_offered(house):
    agent = await house.agent()
    house.model.will(house.call(append("x"), text="I will note it."), house.say("I can't."))
    assert (await house.send(agent, "go")).status == "completed"
    assert "attached tools: none" in house.model.requests[1].messages[-1].text
    assert house.model.requests[1].messages[-2].text == "I will note it."


async def test_an_empty_reply_ends_the_turn_and_the_next_message_is_answered(house):
    agent = await house.agent()
    house.model.will(msgspec.structs.replace(house.say(""), text=None), house.say("Here."))
    assert (await house.send(agent, "Hi")).stop_reason == "end_turn"
    assert (await house.send(agent, "Hello?")).status == "completed"


async def test_ten_megabytes_of_arguments_are_refused_and_the_agent_can_go_on(house):
    agent = await house.agent("core_memory_append")
    house.model.will(house.call(append("x" * 10_000_000)))
    run = await house.send(agent, "go")
    assert run.status == "completed"  # the call alone is more than a history holds: a summary stands for it
    assert (await house.send(agent, "still there?")).status == "completed"
    summary, *shown = house.model.requests[-1].messages[1:]
    assert "out of view" in summary.text
    assert [m.text for m in shown] == ["ok", "still there?"]


async def test_an_error_text_is_cut_like_any_result(house):
    agent = await house.agent("huge")
    house.model.will(house.call(("huge", "{}")), house.say("I see."))
    assert (await house.send(agent, "go")).status == "completed"
    text = house.model.requests[1].messages[-1].text
    assert text.startswith("Error executing function huge: ValueError: xxx")
    assert len(text) < 300


async def test_a_result_that_is_no_text_is_stored_with_a_mark_for_what_is_missing(house):
    agent = await house.agent("half")
    house.model.will(house.call(("half", "{}")), house.say("I see."))
    assert (await house.send(agent, "go")).status == "completed"
    assert ("tool", "half a pair: ?") in await house.history(agent)


async def test_a_message_of_a_megabyte_is_kept_and_said_to_be_too_long(house):
    agent = await house.agent()
    run = await house.send(agent, "x" * 1_000_000)
    assert run.error["kind"] == "context_overflow"
    assert "the newest message is too long" in run.error["message"]
    assert house.model.requests == []
    assert (await house.send(agent, "short")).status == "completed"


class Window:
    """A provider whose window is smaller than we think: it counts a token for every character."""

    def __init__(self, house, tokens):
        self.house, self.tokens, self.refused = house, tokens, 0

    def __call__(self, request, _on_delta):
        if sum(len(message.text) for message in request.messages[1:]) > self.tokens:
            self.refused += 1
            raise ModelError("context_overflow", "maximum context length exceeded", raw_request=[b"big"])
        return self.house.say("y" * 100)


async def test_an_agent_is_not_lost_to_a_window_that_is_smaller_than_we_thought(house):
    agent = await house.agent()
    window = Window(house, 1000)
    house.model.script = [window] * 100
    for number in range(20):
        assert (await house.send(agent, f"{number:03} " + "x" * 100)).status == "completed"
    assert window.refused
    shown = [message.text[:3] for message in house.model.requests[-1].messages[1:]]
    assert shown[-1] == "019"
    assert len(shown) > 1


async def test_what_no_less_history_can_help_fails_with_the_providers_own_words(house):
    agent = await house.agent()
    house.model.script = [Window(house, 50)] * 20
    await house.send(agent, "short")
    run = await house.send(agent, "x" * 100)
    assert (run.status, run.error["message"]) == ("failed", "maximum context length exceeded")
    summaries = 2 + limits.COMPACTION_SHRINKS_MAX  # are tried before: of itself, then with less and less
    assert len(house.model.requests) <= 2 + summaries + limits.CONTEXT_SHRINKS_MAX
