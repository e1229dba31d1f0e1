"""From a name to a connection, and every way this could lead inside."""

from collections import deque

import pytest

from kelpie.sandbox.egress import AllowList, Gate, Refused, Target, Unreachable
from kelpie.sandbox.egress.gate import system_connect

from .conftest import ALLOWED, PUBLIC

WEB = Target(ALLOWED, 80)


@pytest.fixture
def gate(host, internet):
    return Gate(host, AllowList([ALLOWED, "8.8.8.8", "127.0.0.1"]), resolve=internet.resolve, connect=internet.connect)


async def test_a_name_is_resolved_once_and_that_address_is_connected_to(gate, internet):
    """DNS rebinding: the second answer would be this machine, and nobody asks for it."""
    internet.names[ALLOWED] = deque([[PUBLIC], ["127.0.0.1"]])
    async with internet.server(internet.says(b"")):
        _, writer = await gate.connect(WEB)
        writer.close()
    assert internet.asked == [ALLOWED]
    assert internet.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("hidden", ["127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"])
async def test_one_bad_address_among_good_ones_refuses_them_all(gate, internet, hidden):
    internet.names[ALLOWED] = deque([[PUBLIC, hidden]])
    with pytest.raises(Refused, match=hidden):
        await gate.connect(WEB)
    assert internet.connected == []


async def test_a_name_that_is_not_listed_is_not_even_asked_for(gate, internet):
    with pytest.raises(Refused, match="not listed"):
        await gate.connect(Target("secret-in-a-label.evil.example", 443))
    assert internet.asked == []


async def test_an_address_is_listed_itself_and_public_or_refused(gate, internet):
    internet.places["8.8.8.8", 443] = 1
    assert await gate.addresses(Target("8.8.8.8", 443, literal=True)) == ["8.8.8.8"]
    with pytest.raises(Refused, match="loopback"):
        await gate.addresses(Target("127.0.0.1", 443, literal=True))
    with pytest.raises(Refused, match="listed itself"):
        await gate.addresses(Target(PUBLIC, 443, literal=True))


async def test_the_next_address_is_tried_and_none_is_said(gate, internet):
    internet.names[ALLOWED] = deque([["93.184.216.35", PUBLIC]])
    async with internet.server(internet.says(b"")):
        _, writer = await gate.connect(WEB)
        writer.close()
    assert internet.connected == [("93.184.216.35", 80), (PUBLIC, 80)]
    internet.places.clear()
    with pytest.raises(Unreachable, match="no answer"):
        await gate.connect(WEB)


async def test_a_name_without_addresses_is_unreachable(gate, internet):
    internet.names[ALLOWED] = deque([[]])
    with pytest.raises(Unreachable, match="no address"):
        await gate.connect(WEB)
    del internet.names[ALLOWED]
    with pytest.raises(Unreachable, match="not known"):
        await gate.connect(WEB)


async def test_with_the_systems_resolver_this_machine_is_not_reached_either(host):
    """Whether a resolver knows "localhost." differs between machines; it leads nowhere on all of them."""
    gate = Gate(host, AllowList(["localhost"]))
    with pytest.raises((Refused, Unreachable), match=r"loopback|not known"):
        await gate.connect(Target("localhost", 80))


async def test_the_systems_connector_turns_back_where_it_meets_itself(internet):
    """A public address may be this machine's own: both ends of the connection are the same address then."""
    async with internet.server(internet.says(b"")):
        with pytest.raises(Refused, match="this machine itself"):
            await system_connect("127.0.0.1", internet.places[PUBLIC, 80])
