"""The scripted model: directives, and that it behaves the same in this process and behind both wires."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import ModelError
from kelpie.models import ScriptedModel
from kelpie.models.scripted import script_of, scripted_card
from kelpie.models.scripted_wire import ScriptedProvider
from umi.wire import AnthropicWire, MemoryTransport, OpenAIWire
from umi.wire.types import Message, Request, ToolSpec

TOOLS = [
    ToolSpec("look", "Looks.", {"type": "object", "properties": {"q": {}}}),
    ToolSpec("send_message", "Talks.", {"type": "object", "properties": {"message": {}, "thinking": {}}}),
]


def ask(text, *rest, tools=TOOLS, **options):
    return Request("scripted", [Message("system", "You are kind."), Message("user", text), *rest], tools, **options)


def calls_of(script):
    return [(call.name, json.loads(call.arguments)) for call in script.tool_calls]


def test_without_directives_it_says_ok():
    script = script_of(ask("hello there"))
    assert (script.text, script.finish, script.tool_calls, script.reasoning) == ("ok", "stop", [], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[say:hi there]]", "hi there"),
        ("before [[say: two\nlines ]] after", "two\nlines"),
        ("[[say:a [b] c]]", "a [b] c"),
        ("[[say:[a]]]", "[a]"),
        ("[[say:]]", ""),
        ("[[n:3]]", "word0 word1 word2"),
        ("[[unknown:x]] [[say:x", "ok"),
        ('{"type": "user_message", "message": "[[say:wrapped]]", "time": "now"}', "wrapped"),
        ('{"odd json": 1} [[say:x]]', "x"),
    ],
)
def test_what_it_says(text, said):
    assert script_of(ask(text)).text == said


def test_tools_are_called_one_per_step_and_then_it_talks():
    request = ask('[[tool:look {"q": 1}]] [[tool:look {"q": 2}]] [[say:done]]')
    seen = []
    while (script := script_of(request)).tool_calls:
        seen.append(calls_of(script))
        assert (script.text, script.finish) == (None, "tool_calls")
        call = script.tool_calls[0]
        more = [Message("assistant", tool_calls=[call]), Message("tool", "found", tool_call_id=call.id)]
        request = ask(request.messages[1].text, *request.messages[2:], *more)
    assert seen == [[("look", {"q": 1})], [("look", {"q": 2})]]
    assert script.text == "done"


def test_parallel_calls_share_one_step_before_the_others():
    script = script_of(ask('[[tool:look {"q": 0}]][[par:look {"q": 1}]][[par:look {"q": [[2]]}]]'))
    assert calls_of(script) == [("look", {"q": 1}), ("look", {"q": [[2]]})]
    assert len({call.id for call in script.tool_calls}) == 2


def test_arguments_may_be_missing_or_broken():
    script = script_of(ask("[[par:look]][[par:look {broken]]"))
    assert [call.arguments for call in script.tool_calls] == ["{}", "{broken"]


def test_without_tools_nothing_is_called():
    assert script_of(ask("[[tool:look {}]]", tools=[])).text == "ok"


def test_only_the_last_user_message_counts():
    script = script_of(ask("[[say:old]]", Message("assistant", "x"), Message("user", "[[say:new]]")))
    assert script.text == "new"
    beat = Message("user", '{"type": "heartbeat", "reason": "go on"}')
    assert script_of(ask("[[say:kept]]", beat)).text == "kept"


def test_a_forced_tool_is_called():
    assert calls_of(script_of(ask("[[say:hi]]", tool_choice="required"))) == [
        ("send_message", {"message": "hi", "thinking": "thinking"})
    ]
    assert calls_of(script_of(ask("x", tool_choice="look"))) == [("look", {})]


def test_a_summary_is_written_whatever_the_text_holds():
    request = Request("m", [Message("system", "Summarise this."), Message("user", "[[err:500]] [[tool:look {}]]")])
    script = script_of(request)
    assert (script.text, script.error_status) == ("SUMMARY: the user and the agent talked.", None)
    assert script_of(ask("[[say:x]]", tools=[])).text == "x"


def test_numbers_in_directives_are_bounded():
    script = script_of(ask("[[delay:99999999999]][[n:99999999]]"))
    assert script.delay_ms <= 600_000
    assert len(script.text.split()) == 100_000
    assert script_of(ask("[[delay_ms:-5]][[err:x]][[cut:]]")).delay_ms == 0


def test_ids_differ_between_steps_and_not_between_runs():
    first, again = script_of(ask("[[tool:look {}]]")), script_of(ask("[[tool:look {}]]"))
    other = script_of(ask("[[tool:look {}]] please"))
    assert first == again
    assert first.tool_calls[0].id != other.tool_calls[0].id


@given(st.text(alphabet='[]:{}" abtoolsaypn\n\\', max_size=60))
def test_any_text_is_survived(text):
    script_of(ask(text))
    script_of(ask(f"[[tool:{text}]] [[say:{text}]]"))


def test_its_card_says_what_it_is():
    card = scripted_card()
    assert (card.handle, card.provider, card.name, card.version) == ("kelpie/scripted", "kelpie", "scripted", "1")


# The same behaviour in this process and as a provider


@pytest.fixture(params=["process", "openai", "anthropic"])
def model(request, host):
    if request.param == "process":
        return ScriptedModel(host)
    wire_of = {"openai": OpenAIWire, "anthropic": AnthropicWire}[request.param]
    return wire_of(MemoryTransport(ScriptedProvider(host).answer), "http://scripted.example/v1", "", host)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def listen(request):
    return (lambda _: None) if request.param else None


@pytest.mark.parametrize(
    ("text", "said", "reasoning", "finish"),
    [
        ("hello", "ok", None, "stop"),
        ("[[think:so it is]][[say:h\u00e9 there]]", "h\u00e9 there", "so it is", "stop"),
        ("[[finish:length]]", "ok", None, "length"),
        ("[[finish:content_filter]]", "ok", None, "content_filter"),
        ("[[usage:1234]][[n:2]]", "word0 word1", None, "stop"),
    ],
)
async def test_replies_are_the_same_everywhere(model, listen, text, said, reasoning, finish):
    reply = await model.reply(ask(text), listen)
    assert (reply.text, reply.reasoning, reply.finish) == (said, reasoning, finish)
    script = script_of(ask(text))
    assert reply.usage.prompt_tokens == script.usage.prompt_tokens
    assert reply.usage.completion_tokens == script.usage.completion_tokens


async def test_a_whole_conversation_is_the_same_everywhere(model, listen):
    messages = [
        Message("system", "You are kind."),
        Message("user", '[[par:look {"q": 1}]][[par:look {"q": 2}]][[tool:look {"q": 3}]][[say:done]]'),
    ]
    asked = []
    for _ in range(5):
        reply = await model.reply(Request("scripted", messages, TOOLS), listen)
        asked.append(calls_of(reply))
        messages.append(reply.as_message())
        messages += [Message("tool", "found", tool_call_id=call.id, name=call.name) for call in reply.tool_calls]
        if not reply.tool_calls:
            break
    assert asked == [[("look", {"q": 1}), ("look", {"q": 2})], [("look", {"q": 3})], []]
    assert reply.text == "done"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[[err:429]]", "rate_limit"),
        ("[[err:503]]", "overloaded"),
        ("[[err:401]]", "authentication"),
        ("[[err:500]]", "server_error"),
        ("[[window:3]] a prompt of more than three tokens", "context_overflow"),
        ("[[garbage]]", "invalid_response"),
        ("[[cut:2]][[n:9]]", "connection"),
        ("[[cut:0]]", "connection"),
    ],
)
async def test_failures_are_the_same_everywhere(model, listen, text, kind):
    with pytest.raises(ModelError) as caught:
        await model.reply(ask(text), listen)
    assert caught.value.model_error_kind == kind


async def test_a_window_that_is_large_enough_is_no_failure(model):
    assert (await model.reply(ask("[[window:3000]]"))).text == "ok"


async def test_the_beginning_of_a_cut_stream_goes_out(model):
    deltas = []
    with pytest.raises(ModelError):
        await model.reply(ask("[[cut:5]][[n:9]]"), deltas.append)
    assert deltas
    assert len(deltas) < 9


@pytest.mark.parametrize("directive", ["delay_ms:250", "delay:250"])
async def test_delays_are_slept_on_the_clock(model, clock, directive):
    before = clock.monotonic_ms()
    await model.reply(ask(f"[[{directive}]]"))
    assert clock.monotonic_ms() - before == 250


async def test_a_paced_stream_waits_between_its_pieces(model, clock):
    before = clock.monotonic_ms()
    moments = []
    await model.reply(ask("[[pace_ms:10]][[n:3]]"), lambda _: moments.append(clock.monotonic_ms() - before))
    assert len(moments) == 3
    assert moments[2] - moments[1] == moments[1] - moments[0] == 10
