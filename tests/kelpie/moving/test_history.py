"""Whatever a history from elsewhere holds, what is made of it can be repeated to a provider."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import InvalidInput
from kelpie.moving.history import Mender, mended
from kelpie.moving.parcel import Told
from umi.wire.types import Message, ToolCall

_ids = st.sampled_from(["a", "b", "c"])
_calls = st.lists(st.builds(ToolCall, _ids, st.sampled_from(["look", "a b/c", "x" * 80]), st.just("{}")), max_size=3)
_bodies = st.one_of(
    st.builds(Message, role=st.sampled_from(["user", "system"]), content=st.sampled_from(["", "hello", None])),
    st.builds(Message, role=st.just("assistant"), content=st.sampled_from([None, "yes"]), tool_calls=_calls),
    st.builds(Message, role=st.just("tool"), content=st.just("42"), tool_call_id=_ids),
)


def told(body, number):
    return Told(ref=f"message-{number}", body=body, created_at_ms=number)


@given(st.lists(_bodies, max_size=12))
def test_every_call_is_answered_at_once_and_every_answer_has_its_call(bodies):
    found, dropped = mended([told(body, number) for number, body in enumerate(bodies)])
    waiting = {}
    for one in found:
        if one.body.role == "tool":
            assert waiting.pop(one.body.tool_call_id) == one.body.name
            continue
        assert not waiting, "a call is left behind"
        assert one.body.content or one.body.reasoning or one.body.tool_calls
        waiting = {call.id: call.name for call in one.body.tool_calls}
        assert all(call.name.replace("_", "").replace("-", "").isalnum() for call in one.body.tool_calls)
    assert not waiting
    assert len({one.ref for one in found}) == len(found)
    known = {one.ref for one in found} | {one.ref for one in dropped}
    assert {f"message-{number}" for number in range(len(bodies))} <= known


@given(st.lists(_bodies, max_size=8))
def test_what_was_mended_is_mended(bodies):
    once, _ = mended([told(body, number) for number, body in enumerate(bodies)])
    assert mended(once) == (once, [])


def test_message_by_message_is_the_same_as_all_at_once():
    history = [
        told(Message(role="assistant", tool_calls=[ToolCall("a", "look", "{}")]), 0),
        told(Message("user", "x"), 1),
    ]
    mender = Mender()
    found = [one for message in history for one in mender.feed(message)] + mender.close()
    assert found == mended(history)[0]


@pytest.mark.parametrize("body", [Message("user", "a\0b"), Message("assistant", "x", reasoning="\0")])
def test_a_text_that_no_store_takes_is_refused_by_its_message(body):
    with pytest.raises(InvalidInput, match="message-7"):
        Mender().feed(told(body, 7))
