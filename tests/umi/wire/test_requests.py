"""What both wires send: the fields, and the segments that repeat from call to call."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.errors import InvalidInput, ModelError
from umi.wire.anthropic_request import anthropic_segments
from umi.wire.openai_request import openai_segments
from umi.wire.quirks import NO_QUIRKS, Quirks
from umi.wire.types import ImagePart, Message, Request, TextPart, ToolCall, ToolSpec

TOOL = ToolSpec("look", "Looks.", {"type": "object", "properties": {"q": {"type": "string"}}})
CALL = ToolCall("call_1", "look", '{"q": "é"}')
SEGMENTS = {"openai": openai_segments, "anthropic": anthropic_segments}


def openai(request, quirks=NO_QUIRKS, *, streamed=False):
    return json.loads(b"".join(openai_segments(request, quirks, streamed=streamed)))


def anthropic(request, quirks=NO_QUIRKS, *, streamed=False):
    return json.loads(b"".join(anthropic_segments(request, quirks, streamed=streamed)))


def test_a_plain_openai_request_says_nothing_it_need_not():
    assert openai(Request("m", [Message("user", "hi")])) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_a_full_openai_request():
    messages = [
        Message("system", "be kind"),
        Message("user", [TextPart("what is this?"), ImagePart(data="AAAA", media_type="image/jpeg")], name="Ada"),
        Message("assistant", tool_calls=[CALL, ToolCall("call_2", "look", "not json", {"extra_content": {"g": 1}})]),
        Message("tool", "found", tool_call_id="call_1", name="look"),
        Message("tool", [TextPart("seen"), ImagePart(url="http://x/y.png")], tool_call_id="call_2", is_error=True),
        Message("assistant", "done", reasoning="because", reasoning_signature="sig"),
        Message("assistant"),
        Message("user", [ImagePart(url="http://x/y.png")], name="Ada Lovelace"),
    ]
    request = Request(
        "m",
        messages,
        [TOOL],
        tool_choice="look",
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        response_format={"type": "json_object"},
        logprobs=True,
        token_ids=True,
        extra={"seed": 3, "temperature": 0.25},
    )
    body = openai(request, Quirks(token_ids=True, reasoning_field="reasoning_content"), streamed=True)
    function = {"name": "look", "description": "Looks.", "parameters": TOOL.parameters}
    assert body == {
        "model": "m",
        "tools": [{"type": "function", "function": function}],
        "messages": [
            {"role": "system", "content": "be kind"},
            {
                "role": "user",
                "name": "Ada",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": "é"}'}},
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "look", "arguments": "not json"},
                        "extra_content": {"g": 1},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "found"},
            {"role": "tool", "tool_call_id": "call_2", "content": "seen\n[an image]"},
            {"role": "assistant", "content": "done", "reasoning_content": "because"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "temperature": 0.25,
        "response_format": {"type": "json_object"},
        "logprobs": True,
        "return_token_ids": True,
        "seed": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_quirks_decide_what_a_provider_is_not_asked():
    request = Request("m", [Message("user", "hi")], max_output_tokens=9, token_ids=True)
    body = openai(request, Quirks(max_tokens_field="max_completion_tokens", stream_usage=False), streamed=True)
    assert body["max_completion_tokens"] == 9
    assert body["stream"] is True
    assert not body.keys() & {"max_tokens", "stream_options", "return_token_ids"}


@pytest.mark.parametrize("choice", ["none", "required"])
def test_openai_tool_choices(choice):
    assert openai(Request("m", [], [TOOL], tool_choice=choice))["tool_choice"] == choice
    assert "tool_choice" not in openai(Request("m", [], tool_choice=choice))


def test_a_full_anthropic_request():
    messages = [
        Message("system", "be kind"),
        Message("system", "be brief"),
        Message("user", [TextPart("what is this?"), ImagePart(data="AAAA", media_type="image/jpeg")]),
        Message(
            "assistant",
            "looking",
            tool_calls=[CALL, ToolCall("functions.look:2", "look", "not json")],
            reasoning="because",
            reasoning_signature="c2ln",
        ),
        Message("tool", "found", tool_call_id="call_1"),
        Message("tool", [ImagePart(url="http://x/y.png")], tool_call_id="functions.look:2", is_error=True),
        Message("system", "a late instruction"),
        Message("user", "so?"),
        Message("user", "and?"),
        Message("assistant", "done", reasoning="another provider's"),
        Message("assistant"),
        Message("user", " "),
    ]
    request = Request(
        "m",
        messages,
        [ToolSpec("other", "", {"type": "object"}), TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        logprobs=True,
        extra={"thinking": {"type": "adaptive"}},
    )
    mark = {"cache_control": {"type": "ephemeral"}}
    assert anthropic(request, streamed=True) == {
        "model": "m",
        "tools": [
            {"name": "other", "description": "", "input_schema": {"type": "object"}},
            {"name": "look", "description": "Looks.", "input_schema": TOOL.parameters, **mark},
        ],
        "system": [
            {"type": "text", "text": "be kind"},
            {"type": "text", "text": "be brief", **mark},
            {"type": "text", "text": "a late instruction"},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "because", "signature": "c2ln"},
                    {"type": "text", "text": "looking"},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"q": "é"}},
                    {
                        "type": "tool_use",
                        "id": "functions_look_2",
                        "name": "look",
                        "input": {"malformed_arguments": "not json"},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "found"}]},
                    {
                        "type": "tool_result",
                        "tool_use_id": "functions_look_2",
                        "content": [{"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "so?"},
                    {"type": "text", "text": "and?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
            {"role": "user", "content": [{"type": "text", "text": "(an empty message)"}]},
        ],
        "max_tokens": 9,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "thinking": {"type": "adaptive"},
        "stream": True,
    }


def test_all_system_messages_reach_anthropic():
    """Sending only the last one is a known mistake elsewhere: the persona is lost as soon as a summary joins it."""
    request = Request("m", [Message("system", "persona"), Message("user", "hi"), Message("system", "summary")])
    assert [block["text"] for block in anthropic(request)["system"]] == ["persona", "summary"]


def test_anthropic_always_gets_max_tokens_and_a_user_first():
    body = anthropic(Request("m", [Message("assistant", "hello")]))
    assert body["max_tokens"] > 0
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert anthropic(Request("m", []))["messages"] == []


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("auto", None), ("none", {"type": "none"}), ("look", {"type": "tool", "name": "look"})],
)
def test_anthropic_tool_choices(choice, sent):
    assert anthropic(Request("m", [], [TOOL], tool_choice=choice)).get("tool_choice") == sent


def test_anthropic_has_no_plain_json_mode():
    assert "output_config" not in anthropic(Request("m", [], response_format={"type": "text"}))
    with pytest.raises(ModelError, match="'json_object'; give a json_schema") as caught:
        anthropic(Request("m", [], response_format={"type": "json_object"}))
    assert caught.value.model_error_kind == "bad_request"


def test_without_caching_there_are_no_marks():
    request = Request("m", [Message("system", "s")], [TOOL])
    assert "cache_control" not in json.dumps(anthropic(request, Quirks(cache_prompt=False)))


def test_thinking_blocks_go_back_to_where_they_stood():
    order = [
        {"type": "thinking", "thinking": "a", "signature": "s1"},
        "text",
        {"type": "redacted_thinking", "data": "x"},
        "tool_use",
    ]
    message = Message("assistant", "hm", tool_calls=[CALL], reasoning="a", reasoning_signature=json.dumps(order))
    body = anthropic(Request("m", [Message("user", "hi"), message]))
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "redacted_thinking", "tool_use"]


@pytest.mark.parametrize("wire", SEGMENTS)
@pytest.mark.parametrize("field", ["model", "messages", "stream", "tools"])
def test_extra_fields_may_not_overwrite_ours(wire, field):
    with pytest.raises(InvalidInput, match=field):
        SEGMENTS[wire](Request("m", [], extra={field: 1}), NO_QUIRKS, streamed=False)


@pytest.mark.parametrize("wire", SEGMENTS)
@pytest.mark.parametrize(
    "message",
    [
        Message("user", "\ud83d"),
        Message("system", "a\udc00"),
        Message("assistant", tool_calls=[ToolCall("a", "look", '{"q": "\ud83d"}')]),
    ],
)
def test_what_is_no_text_is_refused_by_name(wire, message):
    with pytest.raises(InvalidInput, match=r"which is no character"):
        SEGMENTS[wire](Request("m", [message]), NO_QUIRKS, streamed=False)


TEXT = st.text(max_size=5)
CALLS = st.lists(
    st.builds(ToolCall, id=TEXT, name=TEXT, arguments=st.sampled_from(["{}", '{"a": 1}', "oops", ""])), max_size=2
)
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, role=st.sampled_from(["system", "user"]), content=TEXT),
        st.builds(Message, role=st.just("assistant"), content=st.none() | TEXT, tool_calls=CALLS),
        st.builds(Message, role=st.just("tool"), content=TEXT, tool_call_id=TEXT),
    ),
    max_size=8,
)


@pytest.mark.parametrize("wire", SEGMENTS)
@given(messages=MESSAGES, tools=st.sampled_from([[], [TOOL]]))
def test_segments_joined_are_one_json_body(wire, messages, tools):
    segments = SEGMENTS[wire](Request("m", messages, tools), NO_QUIRKS, streamed=True)
    body = json.loads(b"".join(segments))
    assert body["model"] == "m"
    if wire == "openai":
        assert len(body["messages"]) == len(messages) == len(segments) - 2
    else:
        roles = [message["role"] for message in body["messages"]]
        assert all(a != b for a, b in itertools.pairwise(roles))
        assert roles[:1] in ([], ["user"])
        assert all(message["content"] for message in body["messages"])


@pytest.mark.parametrize("wire", SEGMENTS)
@given(messages=MESSAGES, more=MESSAGES, streamed=st.booleans())
def test_a_growing_conversation_repeats_its_segments(wire, messages, more, streamed):
    """What was sent in one call is sent byte for byte in the next: that is what provider caches and our store need."""
    if wire == "anthropic":  # system messages go to the front there: a new one rightly changes that segment
        more = [message for message in more if message.role != "system"]
    first = SEGMENTS[wire](Request("m", messages, [TOOL]), NO_QUIRKS, streamed=False)
    second = SEGMENTS[wire](Request("m", messages + more, [TOOL], temperature=1.0), NO_QUIRKS, streamed=streamed)
    assert second[: len(first) - 1] == first[:-1]
    assert SEGMENTS[wire](Request("m", messages, [TOOL]), NO_QUIRKS, streamed=False) == first
