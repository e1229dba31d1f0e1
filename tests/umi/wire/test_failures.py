"""How calls fail, on both wires and over a real socket: cut, stalled, refused, garbled, retried, cancelled."""

import asyncio
import contextlib
import json

import pytest

from umi import limits
from umi.errors import ModelError
from umi.wire import AnthropicWire, HttpTransport, MemoryTransport, OpenAIWire, Response
from umi.wire.memory import canned
from umi.wire.types import Message, Request

WIRES = {"openai": OpenAIWire, "anthropic": AnthropicWire}
KEY = "sk-secret-0123456789"
REQUEST = Request("m", [Message("user", "hi")])

OPENAI_PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"he"}}]}\n\n'
OPENAI_END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ANTHROPIC_BEGIN = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"x","usage":{"input_tokens":1}}}\n\n'
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
ANTHROPIC_PIECE = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"he"}}\n\n'
)
ANTHROPIC_END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
BEGIN = {"openai": OPENAI_PIECE, "anthropic": ANTHROPIC_BEGIN + ANTHROPIC_PIECE}
END = {"openai": OPENAI_END, "anthropic": ANTHROPIC_END}
GOOD = {
    "openai": {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]},
    "anthropic": {"type": "message", "content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn"},
}


@pytest.fixture(params=WIRES)
def wire(request):
    return request.param


async def failing(call, server, wire, **options):
    with pytest.raises(ModelError) as caught:
        await call(server, wire, **options)
    assert server.received, "the provider was never asked: this test tests nothing"
    assert KEY not in str(caught.value)
    assert KEY.encode() not in caught.value.raw_response
    return caught.value


# Streams that go wrong after their first piece


async def test_a_cut_stream_is_an_error_not_a_stop(provider, call, raw, wire):
    async with provider(raw.stream(BEGIN[wire])) as server:
        fault = await failing(call, server, wire)
    assert fault.model_error_kind == "connection"
    assert "in the middle of the reply" in str(fault)
    assert fault.raw_response == BEGIN[wire]


async def test_a_cut_inside_an_event_is_a_cut_not_garbage(provider, call, raw, wire):
    async with provider(raw.stream(BEGIN[wire], END[wire][:30])) as server:
        assert (await failing(call, server, wire)).model_error_kind == "connection"


async def test_a_connection_that_dies_in_mid_stream(provider, call, raw, wire):
    async with provider(raw.stream(BEGIN[wire], end=[raw.DIE])) as server:
        fault = await failing(call, server, wire)
    assert fault.model_error_kind == "connection"
    assert server.origin in str(fault)
    assert len(server.received) == 1, "a call whose first piece went out was made again"


async def test_a_stall_in_mid_stream_is_a_timeout(provider, call, raw, wire):
    async with provider(raw.stream(BEGIN[wire], end=[raw.HANG])) as server:
        fault = await failing(call, server, wire, read_ms=60)
        await server.left.wait()
    assert fault.model_error_kind == "timeout"
    assert len(server.received) == 1


async def test_no_answer_at_all_is_a_timeout(provider, call, raw, wire):
    async with provider([raw.HANG]) as server:
        fault = await failing(call, server, wire, streamed=False, read_ms=60)
        await server.left.wait()
    assert fault.model_error_kind == "timeout"


async def test_a_whole_body_that_is_cut_is_a_connection_error(provider, call, raw, wire):
    answer = raw.http(200, GOOD[wire])[0]
    async with provider([answer[:-5], raw.DIE]) as server:
        fault = await failing(call, server, wire, streamed=False)
    assert fault.model_error_kind == "connection"
    assert len(server.received) == 1 + limits.WIRE_RETRIES_MAX


async def test_a_connection_that_breaks_after_the_finish_costs_nothing(provider, call, raw, wire):
    finish = END[wire].partition(b"data: [DONE]")[0].partition(b"event: message_stop")[0]
    async with provider(raw.stream(BEGIN[wire], finish, end=[raw.DIE])) as server:
        reply, _ = await call(server, wire)
    assert (reply.text, reply.finish) == ("he", "stop")


async def test_a_server_that_keeps_a_finished_stream_open_is_left(provider, call, raw, wire):
    async with provider(raw.stream(BEGIN[wire], END[wire], end=[raw.HANG])) as server:
        reply, _ = await call(server, wire)
        await server.left.wait()
    assert reply.text == "he"


MID_STREAM = [
    ("openai", {"error": {"message": "boom", "code": 502}}, "server_error", 502),
    ("openai", {"error": {"message": "boom", "type": "server_error"}}, "server_error", None),
    ("openai", {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "rate_limit", None),
    ("openai", {"error": "just words"}, "server_error", None),
    ("openai", {"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, "bad_request", 400),
    ("openai", {"error": {"message": "maximum context length is 5", "code": 400}}, "context_overflow", 400),
    ("openai", {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, "server_error", None),
    ("anthropic", {"type": "error", "error": {"type": "overloaded_error", "message": "boom"}}, "overloaded", 529),
    ("anthropic", {"type": "error", "error": {"type": "api_error", "message": "boom"}}, "server_error", 500),
    ("anthropic", {"type": "error", "error": {"type": "rate_limit_error", "message": "boom"}}, "rate_limit", 429),
]


@pytest.mark.parametrize(("wire", "event", "kind", "status"), MID_STREAM)
async def test_an_error_in_mid_stream_is_mapped(provider, call, raw, wire, event, kind, status):
    async with provider(raw.stream(BEGIN[wire], b"data: " + json.dumps(event).encode() + b"\n\n")) as server:
        fault = await failing(call, server, wire)
    assert (fault.model_error_kind, fault.provider_status) == (kind, status)
    assert "failed while it answered" in str(fault)
    assert len(server.received) == 1


# Garbage

GARBAGE = {
    "a web page": ("text/html", b"<html><head><title>Sign in</title></head><body>Sign in</body></html>"),
    "broken JSON": ("application/json", b'{"choices": ['),
    "not JSON": ("application/json", b"hello"),
    "not UTF-8": ("application/json", b'{"choices": [], "id": "\xff"}'),
    "half a surrogate pair": ("application/json", b'{"choices": [], "id": "\\ud83d"}'),
    "nothing": ("application/json", b""),
    "another shape": ("application/json", b'{"choices": "many", "content": 7}'),
    "a list": ("application/json", b"[]"),
    "an empty object": ("application/json", b"{}"),
    "no choices": ("application/json", b'{"choices": [], "content": null}'),
    "no message": ("application/json", b'{"choices": [{"index": 0}], "content": []}'),
    "no finish": (
        "application/json",
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": null}], "content": [], "stop_reason": null}',
    ),
    "a nameless call": (
        "application/json",
        (
            b'{"choices": [{"message": {"tool_calls": [{"id": "a", "function": {}}]}, "finish_reason": "stop"}],'
            b' "content": [{"type": "tool_use", "id": "a"}], "stop_reason": "tool_use"}'
        ),
    ),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_an_invalid_response(provider, call, raw, wire, name, streamed):
    content_type, body = GARBAGE[name]
    async with provider(raw.http(200, body, content_type)) as server:
        fault = await failing(call, server, wire, streamed=streamed)
    assert fault.model_error_kind == "invalid_response"
    assert server.origin in str(fault)
    assert fault.raw_response == body
    assert len(server.received) == 1, "garbage does not get better by asking again"


@pytest.mark.parametrize(
    "events",
    [
        b"data: {this is no JSON\n\n",
        b'data: {"choices": 7, "type": 7}\n\n',
        b'data: {"choices": [{"delta": {"content": 7}}], "type": "message_start"}\n\n',
        b'data: {"choices": [], "id": "\xff", "type": "\xff"}\n\n',
        b"<html>a proxy speaks</html>",
        b"data: [DONE]\n\n",
    ],
)
async def test_a_garbled_stream_is_an_invalid_response(provider, call, raw, wire, events):
    async with provider(raw.stream(events)) as server:
        fault = await failing(call, server, wire)
    assert fault.model_error_kind == "invalid_response"


async def test_an_answer_without_end_is_refused(provider, call, raw, wire, monkeypatch):
    monkeypatch.setattr(limits, "WIRE_RESPONSE_BYTES_MAX", 1_000)
    async with provider(raw.stream(*[b": nothing new\n\n"] * 100), raw.http(200, b"x" * 2_000)) as server:
        for streamed in (True, False):
            fault = await failing(call, server, wire, streamed=streamed)
            assert (fault.model_error_kind, "more than 1,000 bytes" in str(fault)) == ("invalid_response", True)


# Statuses

OPENAI_ERROR = {"error": {"message": "because", "type": "some_error", "code": None}}
STATUSES = [
    (400, OPENAI_ERROR, "bad_request"),
    (401, OPENAI_ERROR, "authentication"),
    (402, OPENAI_ERROR, "insufficient_credits"),
    (403, OPENAI_ERROR, "authentication"),
    (404, OPENAI_ERROR, "bad_request"),
    (408, OPENAI_ERROR, "timeout"),
    (413, OPENAI_ERROR, "context_overflow"),
    (422, {"detail": [{"loc": ["body"], "msg": "because"}]}, "bad_request"),
    (429, OPENAI_ERROR, "rate_limit"),
    (429, {"error": {"message": "because", "code": "insufficient_quota"}}, "insufficient_credits"),
    (500, OPENAI_ERROR, "server_error"),
    (502, b"<html><style>p{}</style><p>because</p></html>", "server_error"),
    (503, {"detail": "because"}, "overloaded"),
    (504, b"because", "server_error"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "because"}}, "overloaded"),
    (302, b"because", "invalid_response"),
    (400, {"error": {"message": "because", "code": "context_length_exceeded"}}, "context_overflow"),
    (400, {"error": {"message": "because", "type": "exceed_context_size_error"}}, "context_overflow"),
    (400, [{"error": {"message": "because", "status": "INVALID_ARGUMENT"}}], "bad_request"),
    (400, {"object": "error", "message": "because", "code": 400}, "bad_request"),
    (400, {"error": "because"}, "bad_request"),
]
OVERFLOWS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "the request exceeds the available context size. try increasing the context size",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Your request exceeded model token limit: 8192",
    "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    "Input is too long for requested model.",
    "Please reduce the length of the messages or completion.",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
]


@pytest.mark.parametrize(("status", "body", "kind"), STATUSES)
async def test_a_status_is_told_in_common_words(provider, call, raw, wire, status, body, kind):
    async with provider(raw.http(status, body)) as server:
        fault = await failing(call, server, wire)
    assert (fault.model_error_kind, fault.provider_status) == (kind, status)
    assert f"{server.origin} answered {status}: " in str(fault)
    assert "because" in str(fault) or status == 302
    assert "<" not in str(fault)


@pytest.mark.parametrize("words", OVERFLOWS)
async def test_a_full_context_is_told_from_a_bad_request_by_its_words(provider, call, raw, wire, words):
    async with provider(raw.http(400, {"error": {"message": words, "type": "invalid_request_error"}})) as server:
        assert (await failing(call, server, wire)).model_error_kind == "context_overflow"


async def test_an_empty_account_is_told_from_a_bad_request(provider, call, raw, wire):
    words = "Your credit balance is too low to access the API."
    async with provider(raw.http(400, {"error": {"message": words, "type": "invalid_request_error"}})) as server:
        assert (await failing(call, server, wire)).model_error_kind == "insufficient_credits"


async def test_a_providers_message_is_cut_and_never_holds_the_key(provider, call, raw, wire):
    body = {"error": {"message": f"Incorrect API key provided: {KEY}. " + "x" * 5_000}}
    async with provider(raw.http(401, body)) as server:
        fault = await failing(call, server, wire)
    assert "Incorrect API key provided: [key]." in str(fault)
    assert len(str(fault)) < 600


async def test_an_error_without_words_says_so(provider, call, raw, wire):
    async with provider(raw.http(500, b"")) as server:
        assert "answered 500 without saying why" in str(await failing(call, server, wire))


# Retries


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_busy_provider_is_asked_again(provider, call, raw, wire, streamed, clock):
    good = raw.stream(BEGIN[wire], END[wire]) if streamed else raw.http(200, GOOD[wire])
    before = clock.monotonic_ms()
    async with provider(raw.http(503, b"{}"), raw.http(429, b"{}"), good) as server:
        reply, _ = await call(server, wire, streamed=streamed)
    assert reply.text in ("he", "fine")
    assert len(server.received) == 3
    assert len({received.raw_body for received in server.received}) == 1
    assert 750 <= clock.monotonic_ms() - before <= 1_500


async def test_retries_end(provider, call, raw, wire):
    async with provider(raw.http(503, b"{}")) as server:
        assert (await failing(call, server, wire)).model_error_kind == "overloaded"
    assert len(server.received) == 1 + limits.WIRE_RETRIES_MAX


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_other_failures_are_not_retried(provider, call, raw, wire, status):
    async with provider(raw.http(status, b"{}")) as server:
        await failing(call, server, wire)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"retry_after": "7"}, 7_000),
        ({"retry_after_ms": "1200", "retry_after": "7"}, 1_200),
        ({"retry_after": "Sun, 15 Jun 2025 15:06:50 GMT"}, 10_000),
        ({"retry_after": "Sun, 15 Jun 2025 15:06:00 GMT"}, 0),
    ],
)
async def test_retry_after_is_honoured(provider, call, raw, wire, headers, wait_ms, clock):
    assert clock.now_ms() == 1_750_000_000_000, "the date above is ten seconds after the clock's start"
    async with provider(raw.http(429, b"{}", **headers), raw.http(200, GOOD[wire])) as server:
        before = clock.monotonic_ms()
        await call(server, wire, streamed=False)
    assert wait_ms <= clock.monotonic_ms() - before <= wait_ms * 1.1


async def test_a_provider_that_asks_for_too_long_is_not_waited_for(provider, call, raw, wire, clock):
    before = clock.monotonic_ms()
    async with provider(raw.http(429, b"{}", retry_after="3600")) as server:
        fault = await failing(call, server, wire)
    assert fault.retry_after_ms == 3_600_000
    assert len(server.received) == 1
    assert clock.monotonic_ms() == before


@pytest.mark.parametrize("nonsense", ["soon", "nan", "inf", "-5", "1e400"])
async def test_a_senseless_retry_after_is_survived(provider, call, raw, wire, nonsense):
    async with provider(raw.http(429, b"{}", retry_after=nonsense), raw.http(200, GOOD[wire])) as server:
        reply, _ = await call(server, wire, streamed=False)
    assert (reply.text, len(server.received)) == ("fine", 2)


async def test_a_provider_that_does_not_listen_is_asked_again_and_named(host, wire, clock):
    tries = []

    async def answer(sent):
        tries.append(sent)
        raise ModelError("connection", "provider.example could not be reached")

    wired = WIRES[wire](MemoryTransport(answer), "http://provider.example", KEY, host)
    with pytest.raises(ModelError, match=r"provider\.example"):
        await wired.reply(REQUEST)
    assert len(tries) == 1 + limits.WIRE_RETRIES_MAX
    assert clock.monotonic_ms() > 1_750_000_000_000


async def test_a_closed_port_is_a_connection_error(call, raw, wire, provider):
    async with provider([raw.DIE]) as server:
        pass
    with pytest.raises(ModelError, match="could not be reached") as caught:
        await call(server, wire)
    assert caught.value.model_error_kind == "connection"


async def test_a_call_is_not_repeated_once_a_piece_went_out(provider, call, raw, wire):
    overloaded = b'data: {"type":"error","error":{"type":"overloaded_error","message":"x","code":503}}\n\n'
    async with provider(raw.stream(BEGIN[wire], overloaded)) as server:
        assert (await failing(call, server, wire)).model_error_kind == "overloaded"
    assert len(server.received) == 1


async def test_a_stream_that_fails_before_its_first_piece_is_asked_for_again(provider, call, raw, wire):
    overloaded = b'data: {"type":"error","error":{"type":"overloaded_error","message":"x","code":503}}\n\n'
    async with provider(raw.stream(overloaded), raw.stream(BEGIN[wire], END[wire])) as server:
        reply, deltas = await call(server, wire)
    assert len(server.received) == 2
    assert reply.text == "".join(delta.text for delta in deltas) == "he"


# Cancelling


@pytest.mark.parametrize("when", ["before the head", "in mid-stream"])
async def test_cancelling_closes_the_connection(provider, raw, wire, host, when):
    script = [raw.HANG] if when == "before the head" else raw.stream(BEGIN[wire], end=[raw.HANG])
    transport = HttpTransport(raw.TLS)
    arrived = asyncio.Event()
    async with provider(script) as server:
        wired = WIRES[wire](transport, server.url, KEY, host)
        task = host.spawn(wired.reply(REQUEST, lambda _: arrived.set()), "call")
        if when == "in mid-stream":
            await arrived.wait()
        else:
            await server.arrived.wait()
        assert not server.left.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nothing else is closed or collected before this: the server sees the end of its client now.
        async with asyncio.timeout(5):
            await server.left.wait()
    await transport.aclose()


async def test_a_listener_that_raises_ends_the_call_and_closes_the_connection(provider, raw, wire, host):
    transport = HttpTransport(raw.TLS)

    def refuse(_):
        raise ZeroDivisionError

    async with provider(raw.stream(BEGIN[wire], end=[raw.HANG])) as server:
        with pytest.raises(ZeroDivisionError):
            await WIRES[wire](transport, server.url, KEY, host).reply(REQUEST, refuse)
        async with asyncio.timeout(5):
            await server.left.wait()
    await transport.aclose()


@pytest.mark.parametrize(
    "how", ["a reply", "a refusal", "garbage", "a cut", "a listener that raises", "a cancellation"]
)
async def test_every_call_lets_go_of_its_response(wire, host, how):
    """Not when the response happens to be collected, but before the call returns."""
    let_go, reached = [], asyncio.Event()
    cut = {"a cut": BEGIN[wire], "a cancellation": BEGIN[wire]}
    body = {"a refusal": b"{}", "garbage": b"data: {\n\n", **cut}.get(how, BEGIN[wire] + END[wire])

    async def chunks():
        yield body
        if how == "a cancellation":
            reached.set()
            await asyncio.Event().wait()

    async def close():
        let_go.append(how)

    async def answer(_):
        status = 400 if how == "a refusal" else 200
        return Response(status, {"content-type": "text/event-stream"}, chunks(), close)

    def listen(_):
        if how == "a listener that raises":
            raise ZeroDivisionError

    wired = WIRES[wire](MemoryTransport(answer), "http://provider.example", KEY, host)
    task = host.spawn(wired.reply(REQUEST, listen), "call")
    if how == "a cancellation":
        await reached.wait()
        assert let_go == []
        task.cancel()
    with contextlib.suppress(ModelError, ZeroDivisionError, asyncio.CancelledError):
        await task
    assert let_go == [how]


async def test_cancelling_while_waiting_to_retry_makes_no_further_call(host, wire):
    tries = []
    waiting = asyncio.Event()

    class Patient:
        def __getattr__(self, name):
            return getattr(host_clock, name)

        async def sleep(self, _):
            waiting.set()
            await asyncio.Event().wait()

    async def answer(sent):
        tries.append(sent)
        return canned([b"{}"], status=503)

    host_clock, host.clock = host.clock, Patient()
    wired = WIRES[wire](MemoryTransport(answer), "http://provider.example", KEY, host)
    task = host.spawn(wired.reply(REQUEST), "call")
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(tries) == 1
