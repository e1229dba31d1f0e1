"""Who runs, who waits, who is refused."""

import asyncio

import pytest

from kelpie.errors import SandboxBusy
from kelpie.sandbox import limits
from kelpie.sandbox.microvm.places import Places
from umi.dst import Host, ManualClock


async def hold(places, until):
    async with places.take():
        await until.wait()


async def test_beyond_those_who_run_and_wait_everybody_is_refused_at_once_with_a_time_to_come_again():
    places, until = Places(Host(), "microvm", 2, 3), asyncio.Event()
    inside = [asyncio.ensure_future(hold(places, until)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(SandboxBusy, match="every place at level 'microvm' is taken") as busy:
        await hold(places, until)
    assert busy.value.retry_after_s >= 1
    until.set()
    await asyncio.gather(*inside)
    await hold(places, until)  # there is room again


async def test_who_waits_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_WAIT_MS_MAX", 20)
    places, until = Places(Host(), "microvm", 1, 1), asyncio.Event()
    first = asyncio.ensure_future(hold(places, until))
    await asyncio.sleep(0)
    with pytest.raises(SandboxBusy):
        await hold(places, until)
    until.set()
    await first


async def test_a_cancelled_call_gives_its_place_back():
    places, until = Places(Host(), "microvm", 1, 0), asyncio.Event()
    held = asyncio.ensure_future(hold(places, until))
    await asyncio.sleep(0)
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    until.set()
    await hold(places, until)


async def test_the_time_to_come_again_follows_how_long_calls_took():
    clock = ManualClock()
    places = Places(Host(clock=clock), "microvm", 1, 1)
    before = places.retry_after_s
    for _ in range(20):
        async with places.take():
            clock.advance(60_000)
    assert places.retry_after_s > 10 * before
