"""The simulation's loop: asyncio works on it, one seed gives one trace, and what can't go on says so."""

import asyncio
import contextlib
import contextvars
import gc
import weakref

import pytest

from umi.dst import Host
from umi.dst.loop import STEPS_BETWEEN_COLLECTIONS, SimLoop
from umi.dst.rng import Rng
from umi.dst.simulate import SimClock, first_difference, simulate
from umi.dst.tasks import (
    Deadlock,
    Leak,
    StepLimit,
    TimeLimit,
    Unhandled,
    incarnation_context,
)

SCHEDULES = ["uniform", "sticky", "fifo"]


def value(main, seed=1, **options):
    return simulate(main, seed, **options).value


def values(main, seeds=60, **options):
    """What `main` came to, over many seeds."""
    return [value(main, seed, **options) for seed in range(seeds)]


# ---- asyncio on it


async def primitives(host):
    """A bit of everything; returns what must be the same under every schedule."""
    shared, queue, lock, word = [], asyncio.Queue(2), asyncio.Lock(), contextvars.ContextVar("word")

    async def put(number):
        word.set(number)
        async with lock:
            await host.clock.sleep(host.rng.random())
        await queue.put(word.get())

    async def take():
        shared.extend([await queue.get() for _ in range(6)])

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(put(number))
        group.create_task(take())
    with pytest.raises(TimeoutError):
        async with host.clock.timeout(5):
            await host.clock.sleep(9)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1)
    done, _ = await asyncio.wait({host.spawn(host.clock.sleep(1), "sleeper") for _ in range(5)})
    return sorted(shared), len(done), await asyncio.gather(asyncio.sleep(0, 1), asyncio.to_thread(lambda: 2))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_asyncio_works_under_every_schedule(schedule):
    for seed in range(10):
        assert value(primitives, seed, schedule=schedule) == ([0, 1, 2, 3, 4, 5], 5, [1, 2])


@pytest.mark.parametrize("schedule", [None, *SCHEDULES])
def test_one_seed_gives_one_trace(schedule):
    one, other = [], []
    first = simulate(primitives, 7, schedule=schedule, trace=one)
    assert simulate(primitives, 7, schedule=schedule, trace=other) == first
    assert first_difference(one, other) == ""
    assert len(one) > first.steps > 50
    assert simulate(primitives, 8, schedule=schedule).digest != first.digest


def test_the_first_difference_of_two_traces_is_shown_with_what_led_there():
    one, other = [], []
    simulate(primitives, 7, trace=one, schedule="fifo")
    simulate(primitives, 8, trace=other, schedule="fifo")
    shown = first_difference(one, other)
    assert [line[0] for line in shown.splitlines()[-2:]] == ["-", "+"]
    assert first_difference(one, one[:-1]).endswith("+ (ended)\n")


def test_half_of_the_seeds_are_sticky():
    async def main(host):
        return asyncio.get_running_loop().schedule

    found = values(main, 100)
    assert 30 < found.count("sticky") == 100 - found.count("uniform") < 70


# ---- the schedule


def starved(depth):
    async def main(host):
        """Whether the victim lost its turn to the other task `depth` times in a row."""
        seen = {"steps": 0, "most": 0}

        async def victim():
            before = seen["steps"]
            await asyncio.sleep(0)
            seen["most"] = seen["steps"] - before

        async def other():
            for _ in range(30):
                seen["steps"] += 1
                await asyncio.sleep(0)

        await asyncio.gather(victim(), other())
        return seen["most"] >= depth

    return main


def test_neighbours_race_under_uniform_and_a_task_is_starved_under_sticky():
    assert sum(values(starved(2), schedule="uniform")) > sum(values(starved(2), schedule="sticky")) > 0
    assert sum(values(starved(12), 200, schedule="sticky")) > sum(values(starved(12), 200, schedule="uniform"))
    assert not any(values(starved(2), schedule="fifo"))


def test_work_and_its_deadline_race_because_steps_cost_time():
    async def main(host):
        try:
            async with host.clock.timeout(0.1):
                for _ in range(10):
                    await asyncio.sleep(0)
        except TimeoutError:
            return "late"
        return "in time"

    assert set(values(main)) == {"late", "in time"}


def test_the_clock_jumps_onto_the_next_timer_and_never_before_it():
    async def main(host):
        loop, late = asyncio.get_running_loop(), []
        started = loop.time()
        for days in (3, 1, 2):
            loop.call_later(days * 86_400, lambda days=days: late.append(loop.time() - started - days * 86_400))
        await host.clock.sleep(4 * 86_400_000)
        return late

    result = simulate(main, 1)
    assert all(0 <= seconds < 1e-3 for seconds in result.value)
    assert len(result.value) == 3
    assert result.steps < 20
    assert 345_600_000 <= result.virtual_ms < 345_600_001


# ---- order that doesn't depend on addresses


def test_sets_of_tasks_futures_and_gatherings_are_in_the_order_of_creation():
    async def main(host):
        loop = asyncio.get_running_loop()
        tasks = [host.spawn(host.clock.sleep(1), f"number {n}") for n in range(50)]
        futures = [loop.create_future() for _ in range(50)]
        gatherings = [asyncio.gather(task) for task in tasks]
        for waiters in (tasks, futures):
            assert sorted(waiters, key=hash) == waiters
        for waiters in (tasks, futures, gatherings):
            numbers = sorted(hash(waiter) for waiter in waiters)
            assert 0 < numbers[0] < numbers[-1] < 1_000  # no addresses
            assert len(set(numbers)) == 50
        await asyncio.gather(*gatherings)
        for future in futures:
            future.cancel()
        return [task.get_name() for task in (asyncio.create_task(asyncio.sleep(0)) for _ in range(2))]

    first = value(main)
    assert value(main) == first  # names come from the loop's counter, not from the process's
    assert len(set(first)) == 2


def test_cycles_are_collected_at_fixed_steps_and_never_in_between():
    class Cycle:
        def __init__(self):
            self.me = self

    async def main(host):
        loop, steps = asyncio.get_running_loop(), []
        for _ in range(3):
            weakref.finalize(Cycle(), lambda: steps.append(loop.steps))
            junk = [[n] for n in range(3_000)]  # what would make an automatic collection due
            for _ in range(2_000):
                await asyncio.sleep(0)
            del junk
        assert not gc.isenabled()
        return steps

    assert gc.isenabled()
    assert value(main) == [STEPS_BETWEEN_COLLECTIONS] * 3
    assert gc.isenabled()


def test_async_generators_that_nobody_finished_are_closed_in_their_order():
    async def main(host):
        order = []

        async def numbered(number):
            try:
                yield number
                yield number
            finally:
                await asyncio.sleep(0)
                order.append(number)

        kept = [numbered(number) for number in range(20)]
        for generator in kept:
            await anext(generator)
        dropped = numbered(99)
        await anext(dropped)
        del dropped
        await host.clock.sleep(1)
        assert order == [99]  # in a task of its own, as asyncio does it
        return order, kept

    assert value(main)[0] == [99, *range(20)]


# ---- ends


def test_a_deadlock_is_named_with_who_waits_and_where():
    async def main(host):
        async def waits_for_ever():
            await asyncio.Event().wait()

        await host.spawn(waits_for_ever(), "the one that waits")

    with pytest.raises(Deadlock, match=r"the one that waits in .*waits_for_ever:\d+") as caught:
        value(main, 42)
    assert "seed 42, schedule" in caught.value.__notes__[0]


def test_a_run_that_spins_or_waits_for_ever_is_ended():
    async def spin(host):
        while True:  # noqa: ASYNC110 - it spins
            await asyncio.sleep(0)

    async def wait(host):
        host.spawn(tick(host), "a timer that is always pending")
        await asyncio.Event().wait()

    async def tick(host):
        while True:
            await host.clock.sleep(60_000)

    with pytest.raises(StepLimit, match="1,000 steps"):
        value(spin, steps_max=1_000)
    with pytest.raises(TimeLimit, match=r"wait:\d+ > Event.wait"):
        value(wait, virtual_ms_max=86_400_000)


def test_production_code_that_swallows_everything_does_not_swallow_the_end():
    async def main(host):
        loop = asyncio.get_running_loop()
        for _ in range(3):
            with contextlib.suppress(BaseException):  # what must not help
                loop.fail(Leak("a leak"))
            await asyncio.sleep(0)
        return "went on"

    with pytest.raises(Leak, match="a leak"):
        value(main)


def test_what_main_raises_is_raised_with_the_seed():
    async def main(host):
        await host.clock.sleep(5)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong") as caught:
        value(main, 9)
    assert "seed 9" in caught.value.__notes__[0]
    assert "5.0" in caught.value.__notes__[0]


def test_an_error_that_nobody_awaits_fails_the_run():
    async def raises():
        raise ValueError("unheard")

    async def in_a_task(host):
        host.spawn(raises(), "a task nobody awaits")
        await host.clock.sleep(1)

    async def in_a_callback(host):
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await host.clock.sleep(1)

    with pytest.raises(Unhandled, match="unheard") as caught:
        value(in_a_task)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(Unhandled, match="division by zero"):
        value(in_a_callback)


def test_what_still_runs_at_the_end_is_cancelled_in_order_and_may_clean_up():
    ended = []

    async def main(host):
        async def tidy(number):
            try:
                await host.clock.sleep(10_000_000)
            finally:
                await host.clock.sleep(1)
                ended.append(number)

        for number in range(5):
            host.spawn(tidy(number), f"tidy {number}")
        await host.clock.sleep(1)

    result = simulate(main, 1, schedule="fifo")
    assert ended == [0, 1, 2, 3, 4]
    assert result.virtual_ms < 2  # the end is not part of it


def test_a_task_that_refuses_to_end_fails_the_run():
    async def main(host):
        async def stubborn():
            while True:
                try:
                    await host.clock.sleep(1_000)
                except asyncio.CancelledError:
                    continue

        host.spawn(stubborn(), "the stubborn one")
        await host.clock.sleep(1)

    with pytest.raises(Unhandled, match="the stubborn one refuses to end"):
        value(main)


# ---- no way out


@pytest.mark.parametrize(
    "reach",
    [
        lambda loop: loop.create_connection(asyncio.Protocol, "localhost", 1),
        lambda loop: loop.create_server(asyncio.Protocol, "localhost", 1),
        lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_signal_handler(2, print),
        lambda loop: loop.getaddrinfo("localhost", 1),
        lambda loop: loop.set_task_factory(asyncio.Task),
    ],
)
def test_the_loop_reaches_nothing_outside(reach):
    async def main(host):
        await reach(asyncio.get_running_loop())

    with pytest.raises(Leak):
        value(main)


def test_a_loop_of_its_own_needs_no_simulate():
    """For a debugger: the loop alone, without guards."""
    loop = SimLoop("alone")
    host = Host(SimClock(loop), Rng("alone"))
    loop.run_until_complete(host.clock.sleep(1_000))
    assert loop.virtual_ms >= 1_000
    loop.close()


def test_a_paused_incarnation_stands_still_while_time_goes_on_and_then_catches_up():
    async def main(host):
        loop, ticks = asyncio.get_running_loop(), []

        async def tick():
            while True:
                await host.clock.sleep(10)
                ticks.append(host.clock.monotonic_ms())

        loop.create_task(tick(), context=incarnation_context("node.1"))
        await host.clock.sleep(105)
        before = len(ticks)
        loop.pause("node.1")
        await host.clock.sleep(1_000)
        during = len(ticks)
        loop.resume("node.1")
        await host.clock.sleep(105)
        after = len(ticks)
        loop.pause("node.1")
        loop.freeze("node.1")  # a process may die while it stands still
        loop.resume("node.1")
        await host.clock.sleep(1_000)
        return before, during, after, len(ticks)

    before, during, after, dead = simulate(main, 1).value
    assert before == during == 10
    assert 19 <= after <= 21
    assert dead == after


def test_a_task_made_in_the_step_in_which_its_incarnation_died_is_dead_and_nobody_misses_it():
    async def main(host):
        loop, ran = asyncio.get_running_loop(), []

        async def dies():
            loop.freeze("node.1")
            Host(host.clock, host.rng.fork("late")).spawn(late(), "late")

        async def late():
            ran.append("late")

        loop.create_task(dies(), context=incarnation_context("node.1"))
        await host.clock.sleep(100)
        gc.collect()
        await host.clock.sleep(100)
        return ran

    assert simulate(main, 1).value == []
