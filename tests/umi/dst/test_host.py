"""Tasks that somebody owns."""

import asyncio
import gc

import pytest

from umi.dst import Host, ManualClock, Rng


async def test_a_spawned_task_lives_although_nobody_holds_it():
    host = Host()
    done = asyncio.Event()

    async def work():
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)
        done.set()

    host.spawn(work(), "work")
    await asyncio.wait_for(done.wait(), 5)
    await host.close()


async def test_a_spawned_task_has_its_name_and_gives_its_result():
    host = Host()

    async def answer():
        return 42

    task = host.spawn(answer(), "answer")
    assert task.get_name() == "answer"
    assert await task == 42


async def test_close_cancels_what_runs_and_waits_until_it_has_ended():
    host = Host()
    ended = []

    async def work(name):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    tasks = [host.spawn(work(name), name) for name in ("a", "b")]
    await asyncio.sleep(0)
    await host.close()
    assert ended == ["a", "b"]
    assert all(task.cancelled() for task in tasks)


async def test_close_also_ends_what_a_task_starts_while_it_ends():
    host = Host()
    ended = []

    async def late():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("late")

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            host.spawn(late(), "late")
            await asyncio.sleep(0)  # late has begun

    host.spawn(work(), "work")
    await asyncio.sleep(0)
    await host.close()
    assert ended == ["late"]


async def test_a_task_of_the_host_may_close_it():
    host = Host()

    async def other():
        await asyncio.Event().wait()

    running = host.spawn(other(), "other")
    await asyncio.sleep(0)
    await asyncio.wait_for(host.spawn(host.close(), "closer"), 5)
    assert running.cancelled()


async def test_an_error_in_a_spawned_task_reaches_who_awaits_it():
    host = Host()

    async def broken():
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await host.spawn(broken(), "broken")
    await host.close()


def test_hosts_with_one_seed_name_things_alike():
    one, other = (Host(ManualClock(), Rng(7)) for _ in range(2))
    assert one.ids.new("agent") == other.ids.new("agent")
    assert Host().ids.new("agent") != Host().ids.new("agent")
