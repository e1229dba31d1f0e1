"""HTTP between simulated nodes: bodies, endless streams, clients that leave, connections that break."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from umi.dst import http
from umi.dst.faults import Faults
from umi.dst.network import SimNetwork
from umi.dst.rng import Rng
from umi.dst.simulate import simulate


class Site:
    """A server with a page, and a stream without an end that notes when its reader is gone."""

    def __init__(self, host):
        self.host, self.sent, self.ended = host, 0, 0
        self.app = Starlette(routes=[Route("/echo", self.echo, methods=["POST"]), Route("/stream", self.stream)])

    async def echo(self, request):
        body = await request.body()
        return PlainTextResponse(body, headers={"x-query": str(request.url.query)})

    async def stream(self, request):
        async def forever():
            try:
                while True:
                    self.sent += 1
                    yield b"x" * 10_000
                    await self.host.clock.sleep(1)
            finally:
                self.ended += 1

        return StreamingResponse(forever())


def at(main, seed=1):
    async def world(host):
        network = SimNetwork(host, Faults(Rng(f"{seed}/faults")))
        site = Site(host)
        network.join("client", host)
        network.join("server", host, serve=site.app)
        return await main(host, network, site), network.faults.fired

    return simulate(world, seed).value


def test_a_request_comes_with_its_body_and_goes_back_with_its_answer():
    async def main(host, network, site):
        answer = await http.request(network, "client", "server", "POST", "/echo?a=1", body=b"hello")
        return answer.status, answer.headers["x-query"], await answer.read()

    assert at(main)[0] == (200, "a=1", b"hello")


def test_an_endless_stream_arrives_while_it_is_sent_and_ends_when_its_reader_leaves():
    async def main(host, network, site):
        answer = await http.request(network, "client", "server", "GET", "/stream")
        async for _ in answer.chunks:
            if site.sent > 5:
                break
        answer.hang_up()
        await host.clock.sleep(1_000)
        return site.ended, network.node("server").connections

    assert at(main)[0] == (1, 0)


def test_a_reader_that_does_not_read_makes_the_sender_wait():
    async def main(host, network, site):
        answer = await http.request(network, "client", "server", "GET", "/stream")
        await host.clock.sleep(10_000)
        waiting = site.sent
        await host.clock.sleep(10_000)
        answer.hang_up()
        return waiting, site.sent

    before, after = at(main)[0]
    assert before == after < 20


def test_nobody_there_is_a_refusal():
    async def main(host, network, site):
        with pytest.raises(ConnectionRefusedError, match="nobody refuses"):
            await http.request(network, "client", "nobody", "GET", "/")

    at(main)


def test_a_node_that_takes_no_more_connections_refuses_and_is_counted():
    async def main(host, network, site):
        network.node("server").connections_max = 1
        first = await http.request(network, "client", "server", "GET", "/stream")
        with pytest.raises(ConnectionRefusedError):
            await http.request(network, "client", "server", "POST", "/echo")
        first.hang_up()
        await host.clock.sleep(1_000)
        return (await http.request(network, "client", "server", "POST", "/echo")).status

    status, fired = at(main)
    assert status == 200
    assert fired["network.connection_limit"] == 1


def test_a_connection_that_breaks_is_heard_at_both_ends():
    async def main(host, network, site):
        answer = await http.request(network, "client", "server", "GET", "/stream")
        network.faults.plan("network.disconnect", after=3)
        with pytest.raises(ConnectionResetError):
            await answer.read()
        await host.clock.sleep(1_000)
        return site.ended

    ended, fired = at(main)
    assert ended == 1
    assert fired["network.disconnect"] == 1


def test_a_server_that_dies_breaks_its_connections():
    async def main(host, network, site):
        answer = await http.request(network, "client", "server", "GET", "/stream")
        network.leave("server")
        with pytest.raises(ConnectionResetError):
            await answer.read()

    at(main)


def test_a_slow_reader_takes_its_time():
    async def main(host, network, site):
        network.faults.rate("network.slow_reader", 1.0)
        answer = await http.request(network, "client", "server", "GET", "/stream")
        before_ms, taken = host.clock.monotonic_ms(), 0
        async for _ in answer.chunks:
            taken += 1
            if taken == 5:
                break
        answer.hang_up()
        return host.clock.monotonic_ms() - before_ms

    lasted_ms, fired = at(main)
    assert lasted_ms > 100
    assert fired["network.slow_reader"] == 5


def test_a_partition_holds_an_answer_back_until_it_is_over():
    async def main(host, network, site):
        network.cut("server", "client", "network.partition")
        asked = host.spawn(http.request(network, "client", "server", "POST", "/echo"), "ask")
        await host.clock.sleep(30_000)
        assert not asked.done()
        network.mend("server", "client", "network.partition")
        return (await asked).status

    status, fired = at(main)
    assert status == 200
    assert fired["network.partition"] >= 1


def test_a_client_that_gives_up_leaves_no_connection():
    async def main(host, network, site):
        network.cut("server", "client", "network.partition")
        with pytest.raises(TimeoutError):
            async with host.clock.timeout(1_000):
                await http.request(network, "client", "server", "GET", "/stream")
        await host.clock.sleep(1_000)
        return site.ended, network.node("server").connections

    assert at(main)[0] == (1, 0)


def test_an_application_that_raises_breaks_the_connection():
    async def main(host, network, site):
        async def broken(scope, receive, send):
            raise asyncio.CancelledError

        network.join("broken", host, serve=broken)
        with pytest.raises(ConnectionResetError):
            await http.request(network, "client", "broken", "GET", "/")

    at(main)
