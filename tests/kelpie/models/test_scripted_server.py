"""The scripted server on real sockets: both wires, holding, figures, clients that hang up."""

import asyncio
import signal
import ssl
import subprocess
import sys

import msgspec
import pytest

from kelpie.errors import ModelError
from kelpie.models.scripted_server import ScriptedServer, Stats
from umi.dst import Host
from umi.wire import AnthropicWire, HttpTransport, OpenAIWire
from umi.wire.transport import DEFAULT_TIMEOUTS
from umi.wire.types import Message, Request

TLS = ssl.create_default_context()
WIRES = {"openai": OpenAIWire, "anthropic": AnthropicWire}


class Running:
    """A server on the machine's clock and a transport to it, closed together."""

    def __init__(self, **options):
        self.host = Host()
        self.server = ScriptedServer(self.host, **options)
        self.transport = HttpTransport(TLS)

    async def __aenter__(self):
        self.url = await self.server.start()
        return self

    async def __aexit__(self, *_):
        await self.host.close()
        await self.transport.aclose()
        await self.server.close()

    def call(self, text="hi", wire="openai", on_delta=None):
        wired = WIRES[wire](self.transport, self.url, "", self.host)
        return self.host.spawn(wired.reply(Request("m", [Message("user", text)]), on_delta), "call")

    async def get(self, path, method="GET"):
        url = self.url.removesuffix("/v1") + path
        response = await self.transport.send(method, url, {}, b"", DEFAULT_TIMEOUTS)
        body = b"".join([chunk async for chunk in response.chunks])
        await response.aclose()
        return response.status, msgspec.json.decode(body)

    async def stats(self):
        return msgspec.convert((await self.get("/stats"))[1], Stats)

    async def has_open(self, calls):
        """The server tells no one when a call begins, so ask until it has this many."""
        async with asyncio.timeout(20):
            while (await self.stats()).open != calls:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("wire", WIRES)
async def test_both_wires_are_served_whole_and_streamed(wire):
    async with Running() as running:
        assert (await running.call("[[say:one]]", wire)).text == "one"
        deltas = []
        assert (await running.call("[[n:3]]", wire, deltas.append)).text == "word0 word1 word2"
        assert len(deltas) == 3
        with pytest.raises(ModelError):
            await running.call("[[cut:5]][[n:9]]", wire, lambda _: None)
        stats = await running.stats()
        assert (stats.streamed, stats.open, stats.max_open, stats.aborted) == (2, 0, 1, 0)


async def test_models_are_listed_with_their_windows():
    async with Running() as running:
        listed = await OpenAIWire(running.transport, running.url, "", running.host).models()
        assert {"scripted", "gpt-4o-mini"} <= {model.name for model in listed}
        assert all(model.context_window_tokens for model in listed)


async def test_replies_are_held_until_enough_calls_are_open():
    async with Running(hold_until=20, hold_ms=60_000) as running:
        tasks = [running.call() for _ in range(19)]
        await running.has_open(19)
        assert not any(task.done() for task in tasks)
        assert not (await running.stats()).released
        replies = await asyncio.gather(*tasks, running.call())
        assert [reply.text for reply in replies] == ["ok"] * 20
        stats = await running.stats()
        assert (stats.max_open, stats.open, stats.released) == (20, 0, True)
        await running.call()  # open for good: a single call isn't held any more


async def test_a_hold_ends_after_its_time():
    async with Running(hold_until=1_000, hold_ms=20) as running:
        replies = await asyncio.gather(running.call(), running.call())
        assert len(replies) == 2
        stats = await running.stats()
        assert (stats.released, stats.max_open) == (True, 2)


async def test_a_reset_forgets_and_holds_again():
    async with Running(hold_until=2, hold_ms=60_000) as running:
        await asyncio.gather(running.call(), running.call())
        assert (await running.get("/reset", "POST")) == (200, {"ok": True})
        assert (await running.stats()) == Stats()
        single = running.call()
        await running.has_open(1)
        assert not single.done()


async def test_a_client_that_hangs_up_is_noticed_while_it_is_held():
    async with Running(hold_until=1_000, hold_ms=60_000) as running:
        task = running.call()
        await running.has_open(1)
        task.cancel()
        await running.has_open(0)
        assert (await running.stats()).aborted == 1


async def test_what_is_no_request_is_refused():
    async with Running() as running:
        assert (await running.get("/elsewhere"))[0] == 404
        status, body = await running.get("/v1/chat/completions", "POST")
        assert (status, "no such request" in body["error"]["message"]) == (400, True)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.split(":")[2].removesuffix("/v1")))
        writer.write(b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 411 ")
        writer.close()


async def test_requests_on_one_connection_are_answered_in_order():
    async with Running() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.split(":")[2].removesuffix("/v1")))
        for text in ("[[delay_ms:20]][[say:first]]", "[[say:second]]"):
            body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": text}]})
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answer = b""
        while b"second" not in answer:
            answer += await reader.read(1_000)
        assert answer.index(b"first") < answer.index(b"second")
        writer.close()


def test_the_command_prints_its_url_and_ends_on_a_signal():
    command = [sys.executable, "-m", "kelpie.models.scripted_server", "--port", "0", "--hold-until", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("http://127.0.0.1:")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
