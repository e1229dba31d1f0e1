"""Thread pools without threads: what may happen in a real pool may happen here, and nothing else."""

import asyncio
import concurrent.futures

import pytest

from umi.dst.simulate import simulate


def values(main, seeds=60):
    """What `main` came to, over many seeds."""
    return [simulate(main, seed).value for seed in range(seeds)]


def test_a_function_for_a_thread_runs_later_while_the_loop_goes_on():
    async def main(host):
        ran = []
        waiting = asyncio.get_running_loop().run_in_executor(None, ran.append, 1)
        steps_before = 0
        while not ran:
            await host.clock.sleep(0.01)
            steps_before += 1
        await waiting
        return steps_before

    assert min(values(main)) >= 1
    assert max(values(main)) > 50


def submitted(pool, number):
    async def main(host):
        order, loop = [], asyncio.get_running_loop()
        jobs = [loop.run_in_executor(pool, order.append, n) for n in range(number)]
        await asyncio.gather(*jobs)
        return order

    return main


def test_one_worker_keeps_the_order_of_its_jobs_and_several_overtake_one_another():
    class Plain:
        """An executor that the loop knows nothing of."""

    with concurrent.futures.ThreadPoolExecutor(1) as one, concurrent.futures.ThreadPoolExecutor(4) as four:
        for pool in (one, Plain()):
            assert all(order == list(range(8)) for order in values(submitted(pool, 8), 20))
        orders = values(submitted(four, 8), 20)
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert any(order != list(range(8)) for order in orders)


def test_a_pool_used_by_itself_works_as_through_the_loop():
    async def main(host):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            later = pool.submit(sorted, [3, 1, 2], reverse=True)
            assert not later.done()
            answer = await asyncio.wrap_future(later)
            unheard = pool.submit(lambda: 8)
        assert unheard.result() == 8  # leaving the block waits for it
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(int)
        failing = asyncio.get_running_loop().run_in_executor(None, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await failing
        return answer

    assert simulate(main, 1).value == [3, 2, 1]


def test_a_job_whose_caller_is_cancelled_may_have_begun_or_not():
    async def main(host):
        ran = []
        waiting = asyncio.get_running_loop().run_in_executor(None, ran.append, 1)
        waiting.cancel()
        await host.clock.sleep(10_000)
        return ran

    found = values(main)
    assert [] in found
    assert [1] in found


def test_a_function_in_a_thread_finds_no_running_loop():
    async def main(host):
        def look():
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            return True

        return await asyncio.to_thread(look), asyncio.get_running_loop() is not None

    assert simulate(main, 1).value == (True, True)


def test_a_job_that_is_held_up_answers_late_and_so_do_those_behind_it():
    async def main(host):
        loop = asyncio.get_running_loop()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        started_ms = host.clock.monotonic_ms()
        slow = loop.run_in_executor(pool, lambda: loop.workers.hold_up(5_000))
        behind = loop.run_in_executor(pool, lambda: "done")
        await slow
        slow_ms = host.clock.monotonic_ms() - started_ms
        assert await behind == "done"
        return slow_ms, host.clock.monotonic_ms() - started_ms

    slow_ms, behind_ms = simulate(main, 1).value
    assert 5_000 <= slow_ms < 6_000
    assert behind_ms >= 5_000
