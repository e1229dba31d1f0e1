"""The network between simulated nodes: what arrives, when, how often, and what never does."""

import asyncio

import pytest

from umi.dst import Host
from umi.dst.faults import Faults
from umi.dst.network import CAUSE, SimNetwork
from umi.dst.rng import Rng
from umi.dst.simulate import simulate
from umi.dst.tasks import incarnation_context

SEEDS = range(12)


def between(main, seed=1):
    """`main(host, network, received)` with nodes "one" and "two"; what "two" received, in order."""

    async def world(host):
        network = SimNetwork(host, Faults(Rng(f"{seed}/faults")))
        received = []
        network.join("one", host)
        network.join("two", host, lambda sender, message: received.append((sender, message, CAUSE.get())))
        await main(host, network, received)
        await host.clock.sleep(60_000)
        return received, network.faults.fired

    return simulate(world, seed).value


def send_ten(network, pause=None):
    for number in range(10):
        network.send("one", "two", "a message", b"%d" % number)


def test_a_message_arrives_once_with_its_sender_and_its_cause():
    async def main(host, network, received):
        CAUSE.set("op-7")
        network.send("one", "two", "greeting", b"hello")

    assert between(main)[0] == [("one", b"hello", "op-7")]


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [("network.loss", 0), ("network.duplicate", 20), ("network.delay", 10)],
)
def test_a_fault_that_is_certain_happens_to_every_message(kind, arrived):
    async def main(host, network, received):
        network.faults.rate(kind, 1.0)
        send_ten(network)

    received, fired = between(main)
    assert len(received) == arrived
    assert fired[kind] == 10


def test_a_message_that_is_overtaken_is_counted_as_reordered():
    async def main(host, network, received):
        network.faults.rate("network.reorder", 0.5)
        send_ten(network)

    orders = [[message for _, message, _ in between(main, seed)[0]] for seed in SEEDS]
    assert all(sorted(order) == [b"%d" % n for n in range(10)] for order in orders)
    assert any(order != sorted(order) for order in orders)
    assert any(between(main, seed)[1]["network.reorder"] for seed in SEEDS)


def test_nothing_passes_a_cut_link_and_the_way_back_stays_open():
    async def main(host, network, received):
        back = []
        network.join("one", host, lambda sender, message: back.append(message))
        network.cut("one", "two", "network.one_way")
        network.send("one", "two", "away", b"lost")
        network.send("two", "one", "back", b"there")
        await host.clock.sleep(10_000)
        assert back == [b"there"]
        network.mend("one", "two", "network.one_way")
        network.send("one", "two", "away", b"again")

    received, fired = between(main)
    assert [message for _, message, _ in received] == [b"again"]
    assert fired["network.one_way"] == 1


def test_a_link_that_two_faults_cut_is_open_when_both_are_mended():
    async def main(host, network, received):
        network.cut("one", "two", "network.one_way")
        network.cut("one", "two", "network.partition")
        network.mend("one", "two", "network.one_way")
        network.send("one", "two", "away", b"lost")
        await host.clock.sleep(10_000)
        network.mend_all()
        network.send("one", "two", "away", b"there")

    assert [message for _, message, _ in between(main)[0]] == [b"there"]


def test_what_a_dead_node_had_sent_arrives_and_what_it_is_sent_does_not():
    async def main(host, network, received):
        loop, dead = asyncio.get_running_loop(), []

        async def live():
            network.join("three", Host(rng=Rng("three")), lambda *message: dead.append(message))
            network.send("three", "two", "last words", b"goodbye")
            await host.clock.sleep(1e9)

        loop.create_task(live(), context=incarnation_context("three.1"))
        await host.clock.sleep(0)
        while network.node("three") is None:
            await host.clock.sleep(0.001)
        loop.freeze("three.1")
        network.leave("three")
        network.send("two", "three", "answer", b"who?")
        await host.clock.sleep(60_000)
        assert dead == []

    assert [(sender, message) for sender, message, _ in between(main)[0]] == [("three", b"goodbye")]


def test_the_fate_of_a_message_does_not_depend_on_other_messages():
    """Chance keyed by content: without one of the events, the others fare as before."""

    def fates(left_out):
        async def main(host, network, received):
            network.faults.rate("network.loss", 0.5)
            for number in range(40):
                if number != left_out:
                    CAUSE.set(f"op-{number}")
                    network.send("one", "two", "a message", b"%d" % number)

        return {message for _, message, _ in between(main)[0]}

    everything = fates(None)
    assert 5 < len(everything) < 35
    for left_out in (0, 7, 20):
        assert fates(left_out) == everything - {b"%d" % left_out}


def test_a_pipe_keeps_order_whatever_happens_to_its_pieces():
    for seed in SEEDS:
        out = []

        async def main(host, network, received, out=out):
            for kind in ("network.delay", "network.loss", "network.reorder"):
                network.faults.rate(kind, 0.4)
            pipe = network.pipe("one", "two", "pieces")
            for number in range(20):
                pipe.put(lambda number=number: out.append(number))
            network.cut("one", "two", "network.partition")
            await host.clock.sleep(500)
            network.mend("one", "two", "network.partition")

        _, fired = between(main, seed)
        assert out == list(range(20))
        assert fired["network.loss"] > 0 < fired["network.delay"]
