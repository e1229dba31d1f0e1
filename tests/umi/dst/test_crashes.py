"""A killed node does nothing any more, not even tidy up; everybody else goes on."""

import asyncio
import gc

import pytest

from umi.dst.simulate import simulate
from umi.dst.tasks import incarnation_context


def value(main, seed=1, **options):
    return simulate(main, seed, **options).value


def values(main, seeds=60, **options):
    """What `main` came to, over many seeds."""
    return [value(main, seed, **options) for seed in range(seeds)]


def test_an_error_of_main_tells_what_else_went_wrong():
    async def main(host):
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        async with host.clock.timeout(5):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        value(main)
    assert any("division by zero" in note for note in caught.value.__notes__)


async def a_node(host, said, *, kill):
    """A node with a task, a timer, a generator, and a job; killed or cancelled after 5 ms."""
    loop = asyncio.get_running_loop()

    async def generate():
        try:
            yield
        finally:
            said.append("generator")

    async def work():
        generator = generate()
        await anext(generator)
        loop.call_later(0.02, said.append, "timer")
        try:
            await loop.run_in_executor(None, host.clock.now_ms)
            await host.clock.sleep(10_000)
        finally:
            said.append("finally")
            del generator

    task = loop.create_task(work(), name="node", context=incarnation_context("node#1"))
    outside = host.spawn(host.clock.sleep(100), "outside")
    await host.clock.sleep(5)
    if kill:
        loop.freeze("node#1")
        gc.collect()
    else:
        task.cancel()
    await outside
    return list(said), task


def test_a_killed_node_runs_no_finally_and_no_timer_and_the_others_go_on():
    for seed in range(20):
        said, task = value(lambda host: a_node(host, [], kill=True), seed)
        assert said == []
        assert not task.done()


def test_a_cancelled_node_would_have_run_them():
    said, task = value(lambda host: a_node(host, [], kill=False))
    assert set(said) == {"finally", "generator", "timer"}
    assert task.cancelled()


def test_a_killed_nodes_job_may_have_come_to_its_end_unheard():
    async def main(host):
        loop, wrote, heard = asyncio.get_running_loop(), [], []

        async def work():
            await loop.run_in_executor(None, wrote.append, "row")
            heard.append("ack")

        loop.create_task(work(), context=incarnation_context("node#1"))
        await asyncio.sleep(host.rng.random() / 1000)
        loop.freeze("node#1")
        await host.clock.sleep(1_000)
        return bool(wrote), bool(heard)

    assert set(values(main, 200)) == {(False, False), (True, False), (True, True)}


def test_a_successor_of_the_dead_lives():
    async def main(host):
        loop = asyncio.get_running_loop()

        async def answer():
            return await asyncio.to_thread(lambda: 42)

        dead = loop.create_task(answer(), context=incarnation_context("node#1"))
        loop.freeze("node#1")
        assert not dead.done()
        return await loop.create_task(answer(), context=incarnation_context("node#2"))

    assert value(main) == 42


def test_a_name_dies_once_and_the_world_outside_never():
    async def main(host):
        loop = asyncio.get_running_loop()
        loop.freeze("node#1")
        with pytest.raises(AssertionError, match="dead already"):
            loop.freeze("node#1")
        with pytest.raises(AssertionError, match="can't die"):
            loop.freeze("")

    value(main)
