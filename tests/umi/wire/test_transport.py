"""The seam to the network: one client, many open calls, connections used again, secrets kept."""

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys

import msgspec
import pytest

from umi import limits
from umi.errors import InvalidInput, ModelError
from umi.wire import AnthropicWire, HttpTransport, MemoryTransport, OpenAIWire, Timeouts
from umi.wire.memory import canned
from umi.wire.transport import DEFAULT_TIMEOUTS, origin_of
from umi.wire.types import Message, Request

KEY = "sk-secret-0123456789"
REQUEST = Request("m", [Message("user", "hi")])
REPLY = json.dumps({"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}).encode()
STREAM = b'data: {"choices":[{"delta":{"content":"fine"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def test_httpx2_is_not_imported_before_the_first_call():
    code = "import sys, umi.wire, kelpie.models; umi.wire.HttpTransport(); sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_more_calls_are_open_at_once_than_a_pool_would_allow(provider, raw, host):
    """httpx2's default pool stops at 100 connections: the 101st agent would wait for another's model."""
    together = 150
    transport = HttpTransport(raw.TLS)
    async with provider([raw.HANG]) as server:
        wire = OpenAIWire(transport, server.url, KEY, host)
        tasks = [host.spawn(wire.reply(REQUEST), "call") for _ in range(together)]
        async with asyncio.timeout(20):
            while len(server.received) < together:
                server.arrived.clear()
                await server.arrived.wait()
        await host.close()
    assert all(task.cancelled() for task in tasks)
    await transport.aclose()


async def test_a_connection_is_used_again(provider, raw, host):
    transport = HttpTransport(raw.TLS)
    async with provider(raw.http(200, REPLY), raw.stream(STREAM), raw.http(500, b"{}"), raw.http(200, REPLY)) as server:
        wire = OpenAIWire(transport, server.url, KEY, host)
        await wire.reply(REQUEST)
        await wire.reply(REQUEST, lambda _: None)
        with pytest.raises(ModelError):
            await wire.reply(REQUEST)
        await wire.reply(REQUEST)
        assert (len(server.received), server.connections) == (4, 1)
        await transport.aclose()


async def test_addresses_that_were_called_are_not_kept_without_end(provider, raw, host, monkeypatch):
    monkeypatch.setattr(limits, "WIRE_URLS_KEPT_MAX", 3)
    transport = HttpTransport(raw.TLS)
    async with provider(raw.http(200, REPLY)) as server:
        wire = OpenAIWire(transport, server.url, KEY, host, chat_path="/{model}/chat")
        for number in range(8):
            await wire.reply(msgspec.structs.replace(REQUEST, model=f"m{number}"))
            assert len(transport._urls) <= 3
        assert [one.path.removeprefix("/v1") for one in server.received] == [f"/m{number}/chat" for number in range(8)]
        await transport.aclose()


async def test_an_encoded_body_is_decoded(provider, call, raw):
    async with provider(raw.http(200, gzip.compress(REPLY), content_encoding="gzip")) as server:
        reply, _ = await call(server, "openai", streamed=False)
    assert reply.text == "fine"
    assert reply.raw_response == REPLY


async def test_a_broken_encoding_is_an_invalid_response(provider, call, raw):
    async with provider(raw.http(200, b"\x1f\x8b no gzip", content_encoding="gzip")) as server:
        with pytest.raises(ModelError, match="content encoding") as caught:
            await call(server, "openai", streamed=False)
    assert caught.value.model_error_kind == "invalid_response"


async def test_a_redirect_is_not_followed_with_the_key_in_hand(provider, call, raw):
    async with provider(raw.http(307, b"", location="http://127.0.0.1:9/elsewhere")) as server:
        with pytest.raises(ModelError, match="set the provider's base URL to where it leads"):
            await call(server, "openai")
    assert len(server.received) == 1


async def test_a_closed_transport_says_so(host):
    transport = HttpTransport()
    await transport.aclose()
    with pytest.raises(ModelError, match="the transport is closed"):
        await transport.send("GET", "http://127.0.0.1:9/", {}, b"", DEFAULT_TIMEOUTS)


@pytest.mark.parametrize(
    ("wire_of", "options", "header", "value"),
    [
        (OpenAIWire, {}, "authorization", f"Bearer {KEY}"),
        (OpenAIWire, {"auth_header": "api-key"}, "api-key", KEY),
        (AnthropicWire, {}, "x-api-key", KEY),
        (AnthropicWire, {"auth_header": "Authorization"}, "authorization", f"Bearer {KEY}"),
    ],
)
async def test_the_key_goes_into_the_header_the_provider_wants(host, wire_of, options, header, value):
    transport = MemoryTransport(answering(REPLY))
    wire = wire_of(transport, "http://provider.example/v1", KEY, host, timeouts=Timeouts(1, 2), **options)
    with contextlib.suppress(ModelError):  # the answer is the other wire's; what was sent is what counts
        await wire.reply(REQUEST)
    sent = transport.sent[0]
    assert sent.headers[header] == value
    assert sent.timeouts == (1, 2)
    assert sent.headers.get("anthropic-version") == ("2023-06-01" if wire_of is AnthropicWire else None)
    assert KEY.encode() not in sent.body
    assert KEY not in repr(wire) + repr(wire._endpoint) + str(wire.__dict__)


async def test_without_a_key_no_header_is_sent(host):
    transport = MemoryTransport(answering(REPLY))
    await OpenAIWire(transport, "http://provider.example/v1", "", host).reply(REQUEST)
    assert not transport.sent[0].headers.keys() & {"authorization", "x-api-key", "api-key"}


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("provider.example/v1", "k"),
        ("ftp://provider.example", "k"),
        ("", "k"),
        ("http://", "k"),
        ("http://ada:hidden-word@provider.example", "k"),
        ("http://provider.example", "hidden-word\n"),
        ("http://provider.example", " hidden-word"),
        ("http://provider.example", "hidden-w\u00f6rd"),
    ],
)
@pytest.mark.parametrize("wire_of", [OpenAIWire, AnthropicWire])
def test_an_address_or_key_that_can_not_work_is_refused_at_once(host, wire_of, base_url, key):
    with pytest.raises(InvalidInput) as caught:
        wire_of(HttpTransport(), base_url, key, host)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [("https://api.openai.com/v1", "api.openai.com"), ("http://[::1]:8000/v1", "::1:8000"), ("http://u:p@h/x", "h")],
)
def test_errors_name_the_host_and_nothing_else(url, origin):
    assert origin_of(url) == origin


@pytest.mark.parametrize("wire_of", [OpenAIWire, AnthropicWire])
async def test_models_are_listed_with_their_sizes(host, wire_of):
    entries = [
        {"id": "plain"},
        {"id": "vllm", "max_model_len": 4096},
        {"id": "router", "context_length": 9, "top_provider": {}, "max_completion_tokens": 3},
        {"id": "claude", "max_input_tokens": 200_000, "max_tokens": 64_000},
        {"id": "llama.cpp", "meta": {"n_ctx_train": 8192}},
        {"id": "odd", "context_length": "many", "max_tokens": None},
        {"name": "nameless"},
    ]
    transport = MemoryTransport(answering(json.dumps({"object": "list", "data": entries}).encode()))
    listed = await wire_of(transport, "http://provider.example/v1", KEY, host).models()
    assert [(model.name, model.context_window_tokens, model.output_tokens_max) for model in listed] == [
        ("plain", None, None),
        ("vllm", 4096, None),
        ("router", 9, 3),
        ("claude", 200_000, 64_000),
        ("llama.cpp", 8192, None),
        ("odd", None, None),
    ]
    assert transport.sent[0].method == "GET"
    assert transport.sent[0].url.startswith("http://provider.example/v1/models")


@pytest.mark.parametrize(("status", "body", "kind"), [(200, b"[]", "invalid_response"), (401, b"", "authentication")])
async def test_a_listing_that_fails_is_a_model_error(host, status, body, kind):
    async def answer(_):
        return canned([body], status=status)

    with pytest.raises(ModelError) as caught:
        await OpenAIWire(MemoryTransport(answer), "http://provider.example/v1", KEY, host).models()
    assert caught.value.model_error_kind == kind


def answering(body):
    async def answer(_):
        return canned([body])

    return answer
