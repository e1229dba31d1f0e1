"""Two clocks behind one protocol."""

import asyncio

import pytest

from umi.dst import ManualClock, SystemClock


def test_a_manual_clock_stands_still_until_it_is_told():
    clock = ManualClock(start_ms=1_000)
    assert (clock.now_ms(), clock.now_ms()) == (1_000, 1_000)
    clock.advance(250.5)
    clock.advance(0.5)
    assert clock.now_ms() == 1_251


def test_a_manual_clock_does_not_run_backwards():
    with pytest.raises(AssertionError, match="backwards"):
        ManualClock().advance(-1)


async def test_sleeping_on_a_manual_clock_lets_others_run_and_moves_time_on():
    clock = ManualClock(start_ms=0)
    seen = []

    async def other():
        seen.append(clock.now_ms())

    task = asyncio.create_task(other())
    await clock.sleep(60_000)
    await task
    assert seen == [60_000]


def test_the_system_clock_reads_the_machine_and_never_falls():
    clock = SystemClock()
    assert clock.now_ms() > 1_700_000_000_000
    reads = [clock.monotonic_ms() for _ in range(1_000)]
    assert reads == sorted(reads)


def test_a_mix_of_the_two_clocks_is_absurd_at_once():
    """Subtracting a monotonic reading from a wall clock reading gives nothing that could be taken for a duration."""
    clock = SystemClock()
    year_ms = 365 * 86_400_000
    assert abs(clock.now_ms() - clock.monotonic_ms()) > 10 * year_ms
    assert clock.monotonic_ms() > 7_000_000_000


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["system", "manual"])
async def test_a_deadline_interrupts_what_takes_too_long(clock):
    with pytest.raises(TimeoutError):
        async with clock.timeout(1):
            await asyncio.Event().wait()
