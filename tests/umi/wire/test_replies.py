"""What both wires understand: every scenario as raw bytes over a real socket, and again cut at arbitrary places."""

import asyncio
import contextlib
import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.umi.wire.scenarios import SCENARIOS

from umi.dst import Host, ManualClock, Rng
from umi.errors import ModelError
from umi.wire import AnthropicWire, MemoryTransport, OpenAIWire
from umi.wire.memory import canned


def assembled(deltas):
    """The reply as somebody would put it together who only saw the deltas."""
    calls = {}
    for piece in deltas:
        if piece.kind == "tool_call":
            if piece.tool_name is not None:
                assert piece.index not in calls
                assert piece.tool_call_id
                calls[piece.index] = [piece.tool_call_id, piece.tool_name, ""]
            calls[piece.index][2] += piece.arguments
    text = "".join(piece.text for piece in deltas if piece.kind == "text") or None
    reasoning = "".join(piece.text for piece in deltas if piece.kind == "reasoning") or None
    return text, reasoning, [(call_id, name, arguments or "{}") for call_id, name, arguments in calls.values()]


def check(scenario, reply, deltas):
    expects = dict(scenario.expects)
    for wanted, got in zip(expects.get("tool_calls", []), reply.tool_calls, strict=False):
        if wanted.id == "call-1":  # an id the wire made up: any will do
            assert got.id
            expects["tool_calls"] = [msgspec.structs.replace(wanted, id=got.id), *expects["tool_calls"][1:]]
    assert {name: getattr(reply, name) for name in expects} == expects
    if deltas is not None:
        told = [(call.id, call.name, call.arguments) for call in reply.tool_calls]
        assert assembled(deltas) == (reply.text, reply.reasoning, told)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_a_reply_over_a_socket(scenario, provider, call, wire_answers):
    async with provider(wire_answers(scenario)) as server:
        reply, deltas = await call(server, scenario.wire, scenario.request, streamed=scenario.streamed)
    check(scenario, reply, deltas if scenario.streamed else None)
    assert reply.raw_response == scenario.body
    assert b"".join(reply.raw_request) == server.received[0].raw_body
    assert server.received[0].body.get("stream", False) is scenario.streamed
    assert server.received[0].path == {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[scenario.wire]


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.streamed], ids=str)
async def test_a_server_that_does_not_stream_is_understood_all_the_same(scenario, provider, call, wire_answers):
    async with provider(wire_answers(scenario)) as server:
        reply, deltas = await call(server, scenario.wire, scenario.request, streamed=True)
    check(scenario, reply, deltas)


def replay(scenario, chunks):
    """The same answer in these chunks, without a socket."""
    deltas = []

    async def run():
        content_type = "text/event-stream" if scenario.streamed else "application/json"

        async def answer(_):
            return canned(chunks, content_type=content_type, x_request_id="r-9")

        host = Host(clock=ManualClock(), rng=Rng("replay"))
        wire_of = {"openai": OpenAIWire, "anthropic": AnthropicWire}[scenario.wire]
        wire = wire_of(MemoryTransport(answer), "http://provider.example/v1", "", host)
        return await wire.reply(scenario.request, deltas.append if scenario.streamed else None)

    return asyncio.run(run()), deltas


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_reply_does_not_depend_on_one_byte_chunks(scenario):
    bytewise, deltas = replay(scenario, [bytes([byte]) for byte in scenario.body])
    check(scenario, bytewise, deltas if scenario.streamed else None)
    assert bytewise == replay(scenario, [scenario.body])[0]


@given(scenario=st.sampled_from(SCENARIOS), data=st.data())
def test_a_reply_does_not_depend_on_its_chunks(scenario, data):
    body = scenario.body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert replay(scenario, chunks) == replay(scenario, [body])


WRONG = st.sampled_from([None, 7, -1.5, 10**30, True, "", "x", {}, [], [7], [None], {"x": 7}, {"text": 7}])


def places(value):
    """(container, key) of everything inside a JSON value."""
    inside = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, item in inside:
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


@settings(max_examples=500)
@given(scenario=st.sampled_from(SCENARIOS), data=st.data())
def test_a_mangled_answer_is_a_reply_or_a_model_error(scenario, data):
    """Whatever a server sends, nothing but ModelError comes out of a wire."""
    lines = re.split(rb"(?<=data: )(\{.*\})", scenario.body) if scenario.streamed else [b"", scenario.body, b""]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(range(1, len(lines), 2)))
        event = json.loads(lines[at])
        container, key = data.draw(st.sampled_from(list(places(event)) or [({"": 0}, "")]))
        container[key] = data.draw(WRONG)
        lines[at] = json.dumps(event).encode()
    with contextlib.suppress(ModelError):
        replay(scenario, [b"".join(lines)])


@settings(max_examples=200)
@given(scenario=st.sampled_from(SCENARIOS), data=st.data())
def test_a_damaged_answer_is_a_reply_or_a_model_error(scenario, data):
    body = bytearray(scenario.body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(ModelError):
        replay(scenario, [bytes(body)])
