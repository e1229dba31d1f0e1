"""Stored messages taken apart, and a run's events put together: the same parts, whichever way they come."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie.agents.turn.pieces import told
from kelpie.agents.turn.stream import Committed, Provisional
from kelpie.api import limits
from kelpie.api.wire.messages import Fashion, shown
from kelpie.api.wire.partial import StringValue
from kelpie.api.wire.stream import Narrator
from kelpie.models.scripted import Script, pieces_of
from kelpie.trajectories.records import Call, Step, StoredMessage, Told
from umi.wire.types import ImagePart, Message, TextPart, ToolCall, Usage

ID = "message-123e4567-e89b-42d3-8456-4266141740ff"
UUID = ID.removeprefix("message-")


def stored(body, **fields):
    given = {"otid": None, "created_at_ms": 1_750_000_000_999} | fields
    return StoredMessage(
        tenant="t", id=ID, agent_id="agent-1", position=1, run_id="run-1", step_id="step-1", body=body, **given
    )


def call(name="look", arguments='{"x": 1}', call_id="call-1"):
    return ToolCall(id=call_id, name=name, arguments=arguments)


def kinds(parts):
    return [part["message_type"] for part in parts]


def test_a_reply_becomes_reasoning_text_and_calls_with_one_id_and_numbered_otids():
    body = Message(
        role="assistant",
        content="Let me look.",
        reasoning="Hm.",
        reasoning_signature="sig",
        tool_calls=[call(), call("peek", call_id="call-2")],
    )
    parts = shown([stored(body)], {}, Fashion())
    assert kinds(parts) == ["reasoning_message", "assistant_message", "tool_call_message"]
    assert {part["id"] for part in parts} == {ID}
    assert [part["otid"] for part in parts] == [UUID[:-2] + end for end in ("00", "01", "02")]
    assert {part["date"] for part in parts} == {"2025-06-15T15:06:40+00:00"}
    assert (parts[0]["reasoning"], parts[0]["signature"]) == ("Hm.", "sig")
    assert parts[2]["tool_call"] == {"name": "look", "arguments": '{"x": 1}', "tool_call_id": "call-1"}
    assert [one["name"] for one in parts[2]["tool_calls"]] == ["look", "peek"]
    assert {(part["run_id"], part["step_id"]) for part in parts} == {("run-1", "step-1")}


def test_speaking_stands_between_calls_in_its_place():
    body = Message(
        role="assistant",
        tool_calls=[call("a"), call("send_message", '{"message": "hello"}'), call("b"), call("c")],
    )
    parts = shown([stored(body)], {}, Fashion())
    assert kinds(parts) == ["tool_call_message", "assistant_message", "tool_call_message"]
    assert parts[1]["content"] == "hello"
    assert [one["name"] for one in parts[2]["tool_calls"]] == ["b", "c"]
    plain = shown([stored(body)], {}, Fashion(speaking=False))
    assert kinds(plain) == ["tool_call_message"]
    assert len(plain[0]["tool_calls"]) == 4


def test_speech_that_says_nothing_readable_stays_a_call():
    for arguments in ("{", "[]", "{}", '{"message": 7}', '"hello"', '{"message": ' + "[" * 5_000 + "]" * 5_000 + "}"):
        body = Message(role="assistant", tool_calls=[call("send_message", arguments)])
        assert kinds(shown([stored(body)], {}, Fashion())) == ["tool_call_message"]


def test_a_tools_return_carries_its_output_and_its_status():
    body = Message(role="tool", content="42", tool_call_id="call-1", name="look", is_error=True)
    answered = Call(
        tenant="t",
        step_id="step-1",
        run_id="run-1",
        agent_id="agent-1",
        number=0,
        tool_call_id="call-1",
        tool="look",
        arguments="{}",
        state="done",
        stdout=["printed"],
        stderr=["warned"],
    )
    part = shown([stored(body)], {ID: answered}, Fashion())[0]
    assert (part["tool_return"], part["status"], part["tool_call_id"]) == ("42", "error", "call-1")
    assert (part["stdout"], part["stderr"], part["is_err"]) == (["printed"], ["warned"], True)
    assert part["tool_returns"][0]["tool_return"] == "42"


def test_the_return_of_speaking_is_hidden_unless_it_failed():
    fine = stored(Message(role="tool", content="Sent.", tool_call_id="call-1", name="send_message"))
    failed = stored(Message(role="tool", content="no", tool_call_id="call-1", name="send_message", is_error=True))
    assert shown([fine], {}, Fashion()) == []
    assert kinds(shown([failed], {}, Fashion())) == ["tool_return_message"]
    assert kinds(shown([fine], {}, Fashion(speaking=False))) == ["tool_return_message"]


def test_a_senders_message_comes_back_as_it_was_sent():
    parts = [TextPart(text="look"), ImagePart(data="aGk=", media_type="image/png"), ImagePart(url="http://x/y.png")]
    part = shown([stored(Message(role="user", content=parts, name="sam"), otid="mine")], {}, Fashion())[0]
    assert (part["message_type"], part["otid"], part["name"]) == ("user_message", "mine", "sam")
    assert part["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}},
    ]


def test_only_the_wanted_types_are_shown():
    body = Message(role="assistant", content="text", reasoning="hm")
    assert kinds(shown([stored(body)], {}, Fashion(types=frozenset({"reasoning_message"})))) == ["reasoning_message"]


# ---- the same, streamed


STEP = Step(
    tenant="t",
    id="step-1",
    run_id="run-1",
    agent_id="agent-1",
    number=1,
    state="done",
    model="m",
    provider="p",
    provider_type="openai",
    model_name="m",
    model_version="",
    context_window_tokens=1,
)


def narrated(fashion, reply, deltas):
    """What a watcher gets: pieces, then what of the commit had not gone out."""
    narrator = Narrator("run-1", fashion)
    pieces = []
    for delta in deltas:
        pieces += narrator.pieces(Provisional(ID, "step-1", delta), 1_750_000_000_999)
    return pieces, narrator.committed(Committed(STEP, [stored(reply)]), {})


def joined(pieces):
    """Pieces put together, by otid, to what each says in all."""
    whole = {}
    for piece in pieces:
        said = whole.setdefault(piece["otid"], {"type": piece["message_type"], "text": "", "calls": {}})
        said["text"] += piece.get("content", "") + (piece.get("reasoning") or "")
        if "tool_call" in piece:
            delta = piece["tool_call"]
            one = said["calls"].setdefault(delta["tool_call_id"], {"name": "", "arguments": ""})
            one["name"] += delta.get("name", "")
            one["arguments"] += delta.get("arguments", "")
    return whole


names = st.sampled_from(["look", "peek", "send_message"])
texts = st.text(st.characters(codec="utf-8"), max_size=20)
calls = st.lists(st.tuples(names, texts), max_size=3)


@settings(max_examples=150, deadline=None)
@given(reasoning=texts, text=texts, made=calls, speaking=st.booleans())
def test_pieces_put_together_are_the_whole_message(reasoning, text, made, speaking):
    # The scripted model cuts texts into words, which loses white space in front: ours have none.
    reasoning, text = " ".join(reasoning.split()), " ".join(text.split())
    tool_calls = [
        ToolCall(id=f"call-{n}", name=name, arguments=json.dumps({"other": "a", "message": said, "z": [1, "}"]}))
        for n, (name, said) in enumerate(made)
    ]
    script = Script(text=text or None, tool_calls=tool_calls, finish="stop", usage=Usage(), reasoning=reasoning or None)
    reply = Message(role="assistant", content=script.text, tool_calls=tool_calls, reasoning=script.reasoning)
    fashion = Fashion(speaking=speaking)
    pieces, rest = narrated(fashion, reply, pieces_of(script))
    streamed = {otid: said for otid, said in joined(pieces).items() if said["text"] or said["calls"]}
    expected = {}
    for part in shown([stored(reply)], {}, fashion):
        said = part.get("content", "") + (part.get("reasoning") or "")
        in_part = {one["tool_call_id"]: one for one in part.get("tool_calls", [])}
        if said or in_part:
            expected[part["otid"]] = (part["message_type"], said, in_part)
    assert [(said["type"], said["text"]) for said in streamed.values()] == [one[:2] for one in expected.values()]
    for said, (_, _, in_part) in zip(streamed.values(), expected.values(), strict=True):
        assert {key: (one["name"], one["arguments"]) for key, one in said["calls"].items()} == {
            key: (one["name"], one["arguments"]) for key, one in in_part.items()
        }
    assert [part for part in rest if part.get("content")] == []


def untimed(parts):
    return [{key: value for key, value in part.items() if key != "date"} for part in parts]


@settings(max_examples=150, deadline=None)
@given(reasoning=texts, text=texts, made=calls, speaking=st.booleans(), attempt=st.integers(0, 3))
def test_what_was_streamed_is_told_again_in_the_same_pieces_with_the_same_numbers(
    reasoning, text, made, speaking, attempt
):
    tool_calls = [ToolCall(id=f"call-{n}", name=name, arguments=said) for n, (name, said) in enumerate(made)]
    script = Script(text=text or None, tool_calls=tool_calls, finish="stop", usage=Usage(), reasoning=reasoning or None)
    reply = Message(role="assistant", content=script.text, tool_calls=tool_calls, reasoning=script.reasoning)
    deltas, fashion = list(pieces_of(script)), Fashion(speaking=speaking)
    step = msgspec.structs.replace(STEP, told=told(attempt, deltas))
    live, late = Narrator("run-1", fashion), Narrator("run-1", fashion)
    heard = [
        one for delta in deltas for one in live.pieces(Provisional(ID, "step-1", delta, attempt), 1_750_000_000_999)
    ]
    heard += live.committed(Committed(step, [stored(reply)]), {})
    again = late.committed(Committed(step, [stored(reply)]), {})
    # The scripted model cuts texts into words and leaves out white space in front: the last piece has it then.
    if "".join(delta.text + delta.arguments for delta in deltas) == (reasoning + text + "".join(a for _, a in made)):
        assert untimed(again) == untimed(heard)
    first = attempt * limits.STREAM_EVENTS_PER_ATTEMPT + 1
    assert [one["seq_id"] for one in again] == [one["seq_id"] for one in heard]
    assert [one["seq_id"] for one in again] == list(range(first, first + len(again)))


@settings(max_examples=60, deadline=None)
@given(thoughts=st.lists(st.tuples(names, texts, texts), max_size=3), speaking=st.booleans())
def test_what_is_thought_in_calls_is_told_once_and_again_in_the_same_pieces(thoughts, speaking):
    made = [
        ToolCall(id=f"call-{n}", name=name, arguments=json.dumps({"thinking": thought, "message": said}))
        for n, (name, thought, said) in enumerate(thoughts)
    ]
    script = Script(text=None, tool_calls=made, finish="stop", usage=Usage())
    reply = Message(role="assistant", tool_calls=made, thinks_in_calls=True)
    deltas, fashion = list(pieces_of(script)), Fashion(speaking=speaking)
    step = msgspec.structs.replace(STEP, told=told(0, deltas))
    live, late = Narrator("run-1", fashion), Narrator("run-1", fashion)
    heard = [
        one for delta in deltas for one in live.pieces(Provisional(ID, "step-1", delta, 0, True), 1_750_000_000_999)
    ]
    heard += live.committed(Committed(step, [stored(reply)]), {})
    again = late.committed(Committed(step, [stored(reply)]), {})
    assert untimed(again) == untimed(heard)
    assert "".join(one.get("reasoning", "") for one in heard) == "".join(thought for _, thought, _ in thoughts)
    spoken = "".join(said for name, _, said in thoughts if speaking and name == "send_message")
    assert "".join(one.get("content", "") for one in heard) == spoken
    called = [call for one in heard for call in one.get("tool_calls", [])]
    assert [call["name"] for call in called] == [n for n, _, _ in thoughts if not (speaking and n == "send_message")]
    assert not any("thinking" in json.loads(call["arguments"]) for call in called)


def test_a_reply_that_was_not_streamed_follows_whole():
    reply = Message(role="assistant", content="all at once", reasoning="hm", tool_calls=[call()])
    pieces, rest = narrated(Fashion(), reply, [])
    assert pieces == []
    whole = shown([stored(reply)], {}, Fashion())
    assert rest == [part | {"seq_id": number} for number, part in enumerate(whole, 1)]


def test_what_has_no_pieces_has_numbers_of_its_attempt_as_well():
    """Those below may have been of pieces that an earlier attempt let go out."""
    narrator, step = Narrator("run-1", Fashion()), msgspec.structs.replace(STEP, told=Told(2, []))
    summary = narrator.committed(Committed(step, [stored(Message(role="user", content="So far."))]), {})
    assert [one["seq_id"] for one in summary] == [2 * limits.STREAM_EVENTS_PER_ATTEMPT + 1]


# ---- the text of a call that is still arriving


@settings(max_examples=300, deadline=None)
@given(
    fields=st.dictionaries(
        st.text(max_size=8), st.recursive(texts | st.integers() | st.none(), st.lists, max_leaves=5)
    ),
    said=texts,
    ascii_only=st.booleans(),
    cut=st.integers(1, 7),
)
def test_the_value_of_a_key_is_read_however_the_json_is_cut(fields, said, ascii_only, cut):
    fields = {key: value for key, value in fields.items() if key != "message"} | {"message": said}
    text = json.dumps(fields, ensure_ascii=ascii_only)
    value = StringValue("message")
    assert "".join(value.feed(text[at : at + cut]) for at in range(0, len(text), cut)) == said


def test_a_key_inside_another_value_is_not_the_one():
    value = StringValue("message")
    assert value.feed('{"a": {"message": "no"}, "b": ["message", "no"], "message": "yes"}') == "yes"


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_anything_that_is_no_json_gives_text_that_can_be_sent(text):
    assert StringValue("message").feed(text).encode() is not None
    StringValue("message").feed('{"message": "' + text).encode()
