"""Messages as Letta stores them become ours, part by part; what has no place here is counted."""

from collections import Counter

import pytest

from kelpie.api.wire.agent_files.messages import record, told_of
from kelpie.errors import InvalidInput
from kelpie.trajectories.records import StoredMessage
from umi.wire.types import ImagePart, Message, TextPart, ToolCall


def bodies(lost=None, **fields):
    found = told_of({"id": "message-1", **fields}, Counter() if lost is None else lost, 7)
    return [one.body for one in found]


def test_a_text_and_images_of_a_person():
    content = [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "letta", "file_id": "file-1"}},
    ]
    lost = Counter()
    (found,) = bodies(lost, role="user", content=content, name="ada")
    images = [ImagePart(url="https://x/y.png"), ImagePart(data="aGk=", media_type="image/png")]
    assert found == Message(role="user", content=[TextPart("Look"), *images], name="ada")
    assert lost == {"parts of the kind image": 1}


def test_older_messages_hold_their_text_beside_their_parts():
    assert bodies(role="user", text="Hello", content=None) == [Message(role="user", content="Hello")]


def test_what_a_model_thought_and_asked_for():
    content = [
        {"type": "reasoning", "reasoning": "Hm.", "is_native": True, "signature": "s"},
        {"type": "summarized_reasoning", "summary": [{"index": 0, "text": "So."}]},
        {"type": "redacted_reasoning", "data": "x"},
        {"type": "tool_call", "id": "c2", "name": "see", "input": {"a": 1}},
        {"type": "text", "text": "One moment."},
    ]
    lost = Counter()
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    (found,) = bodies(lost, role="assistant", content=content, tool_calls=[call])
    assert (found.reasoning, found.reasoning_signature, found.content) == ("Hm.\nSo.", "s", "One moment.")
    assert found.tool_calls == [ToolCall("c1", "look", "{}"), ToolCall("c2", "see", '{"a":1}')]
    assert lost == {"parts of the kind redacted_reasoning": 1}


def test_one_return_of_several_tools_is_a_message_for_each():
    returns = [
        {"tool_call_id": "a", "status": "success", "func_response": [{"type": "text", "text": "1"}, {"type": "image"}]},
        {"tool_call_id": "b", "status": "error", "func_response": "no"},
    ]
    lost = Counter()
    told = told_of({"id": "message-1", "role": "tool", "content": [], "tool_returns": returns}, lost, 7)
    assert [(one.body.tool_call_id, one.body.content, one.body.is_error) for one in told] == [
        ("a", "1", False),
        ("b", "no", True),
    ]
    assert told[0].ref == "message-1"
    assert told[1].ref.startswith("message-")
    assert told[1].ref != told[0].ref
    assert lost == {"images that tools gave": 1}


def test_what_its_model_was_shown_of_a_return_goes_before_what_the_tool_gave():
    returns = [{"tool_call_id": "a", "status": "success", "func_response": "raw"}]
    shown = [{"type": "text", "text": '{"status": "OK", "message": "raw"}'}]
    (found,) = bodies(role="tool", content=shown, tool_call_id="a", tool_returns=returns)
    assert found.content == '{"status": "OK", "message": "raw"}'


def test_a_request_for_approval_is_the_call_and_its_answer_what_the_client_gave():
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    (asked,) = bodies(role="approval", content=[], tool_calls=[call])
    assert asked.role == "assistant"
    given = [{"type": "tool", "tool_call_id": "c1", "status": "success", "tool_return": "done"}]
    assert bodies(role="approval", approvals=given) == [Message(role="tool", content="done", tool_call_id="c1")]
    lost = Counter()
    assert bodies(lost, role="approval", approve=True) == []
    assert lost == {"answers to requests for approval": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "user", "content": [7]},
        {"role": "user", "content": [{"type": "text", "text": 7}]},
        {"role": "user", "content": [{"type": "image"}]},
        {"role": "assistant", "tool_calls": [{"id": "x"}]},
        {"role": "assistant", "tool_calls": ["x"]},
        {"role": "assistant", "content": [{"type": "tool_call"}]},
        {"role": "tool", "tool_returns": [1, 2]},
        {"role": "approval", "approvals": [1]},
        {"content": "x"},
        {"role": "user", "content": "x", "name": 7},
        {"role": ["user"], "content": "x"},
        {"role": "user", "content": "x", "created_at": "never"},
        {"role": "user", "content": "x", "created_at": 7},
    ],
)
def test_what_is_no_message_is_refused_by_its_id(fields):
    with pytest.raises(InvalidInput, match="message-1"):
        bodies(**fields)


@pytest.mark.parametrize(
    "body",
    [
        Message("user", "Hello", name="ada"),
        Message("user", [TextPart("a"), ImagePart(url="u"), ImagePart(data="d", media_type="image/png")]),
        Message(
            "assistant",
            "x",
            tool_calls=[ToolCall("c", "look", "{", {"sig": 1})],
            reasoning="r",
            reasoning_signature="s",
        ),
        Message("tool", "42", tool_call_id="c", name="look", is_error=True),
        Message("system", "Be kind."),
    ],
)
def test_ours_written_and_read_is_ours(body):
    where = {"tenant": "t", "id": "i", "agent_id": "a", "position": 1, "run_id": None, "step_id": None}
    one = StoredMessage(body=body, otid="o", created_at_ms=1_234, **where)
    (told,) = told_of(record(one, "message-0", "agent-0"), Counter(), 7)
    name = None if body.role == "tool" else body.name  # a tool's is that of its call
    assert (told.created_at_ms, told.otid) == (1_234, "o")
    assert told.body == (body if name == body.name else Message("tool", "42", tool_call_id="c", is_error=True))
