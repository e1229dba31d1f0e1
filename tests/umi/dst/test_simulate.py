"""The clock of a simulation, as a Host has it: what records say can be wrong, durations can't."""

import asyncio

import pytest

from umi.dst.faults import Faults
from umi.dst.rng import Rng
from umi.dst.simulate import SimClock, simulate


def value(main, seed=1, **options):
    return simulate(main, seed, **options).value


def test_the_wall_clock_jumps_and_drifts_and_durations_do_not():
    async def main(host):
        clock, faults = host.clock, Faults(Rng("clock"))
        assert isinstance(clock, SimClock)
        clock.on_fault = faults.fire
        wall, steady = clock.now_ms(), clock.monotonic_ms()
        clock.jump(-7_200_000)
        clock.jump(3_600_000)
        await clock.sleep(1_000)
        jumped = clock.now_ms() - wall
        clock.drift(200_000)
        await clock.sleep(1_000)
        return jumped, clock.now_ms() - wall - jumped, clock.monotonic_ms() - steady, dict(faults.fired)

    jumped, drifted, steady, fired = value(main)
    assert jumped == pytest.approx(-3_599_000, abs=2)
    assert drifted == pytest.approx(1_200, abs=2)
    assert steady == pytest.approx(2_000, abs=1)
    assert fired == {"clock.jump_back": 1, "clock.jump_forward": 1, "clock.drift": 1}


@pytest.mark.parametrize("skew_ms", [-300_000.0, 45_000.5])
def test_a_machine_may_start_with_a_clock_that_is_wrong_and_stays_so(skew_ms):
    async def main(host):
        faults = Faults(Rng("clock"))
        clock = SimClock(asyncio.get_running_loop(), on_fault=faults.fire)
        clock.skew(skew_ms)
        wrong_by = []
        for _ in range(2):
            wrong_by.append(clock.now_ms() - host.clock.now_ms())
            await host.clock.sleep(1_000)
        return wrong_by, clock.monotonic_ms() - host.clock.monotonic_ms(), dict(faults.fired)

    wrong_by, steady, fired = value(main)
    assert wrong_by == [pytest.approx(skew_ms, abs=1)] * 2
    assert steady == 0
    assert fired == {"clock.skew": 1}


def test_its_two_clocks_differ_by_years():
    async def main(host):
        return host.clock.now_ms() - host.clock.monotonic_ms()

    assert abs(value(main)) > 20 * 365 * 86_400_000
