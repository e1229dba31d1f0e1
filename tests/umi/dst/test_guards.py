"""What reaches around a simulation: refused to everybody, refused to us, served from the seed, or not seen."""

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import random
import socket
import sys
import threading
import time
import types
import uuid

import pytest

from umi.dst import Host, Rng
from umi.dst.simulate import simulate
from umi.dst.tasks import Leak

OURS, THEIRS = "kelpie.planted", "elsewhere"

# Raises in anybody's code: what is planted, and what the message says to use instead.
REFUSED = {
    "import time\nasync def f(): time.sleep(0)": r"host\.clock\.sleep",
    "import threading\nasync def f(): threading.Thread(target=int).start()": r"host\.spawn",
    "import concurrent.futures as c\nasync def f(): c.ThreadPoolExecutor(1).submit(int).result()": "wait for ever",
    "import queue\nasync def f(): queue.Queue().get()": "wait for ever",
    "import socket\nasync def f(): socket.socket()": "transport",
    "from socket import socket\nasync def f(): socket()": "transport",
    "import socket\nasync def f(): socket.getaddrinfo('localhost', 1)": "transport",
    "import asyncio\nasync def f(): await asyncio.open_connection('127.0.0.1', 1)": "transport",
    "import os\nasync def f(): os.execv('/bin/true', ['true'])": "sandbox",
    "import subprocess\nasync def f(): subprocess.run(['true'])": "sandbox",
    "from subprocess import run\nasync def f(): run(['true'])": "sandbox",
    "import asyncio\nasync def f(): await asyncio.create_subprocess_exec('true')": "subprocess_exec",
    "import os\nasync def f(): os.system('true')": "sandbox",
    "import os\nasync def f(): os.fork()": "sandbox",
    "import sqlite3\nasync def f(): sqlite3.connect(':memory:')": r"umi\.storage",
    "from sqlite3 import connect\nasync def f(): connect(':memory:')": r"umi\.storage",
    "import asyncio\nasync def f(): asyncio.new_event_loop()": "the loop that runs",
    "import asyncio\nasync def f():\n await asyncio.to_thread(asyncio.Runner().get_loop)": "loop that runs",
    "import uuid\nasync def f(): uuid.uuid1()": r"host\.ids",
    "from uuid import uuid1\nasync def f(): uuid1()": r"host\.ids",
    "from umi.dst import Host\nasync def f(): Host().clock.now_ms()": r"host\.clock",
    "from umi.dst import Host\nasync def f(): Host().ids.new('x')": r"host\.ids",
}
# Raises in our code, and follows the seed in everybody else's.
SERVED = {
    "import time\nasync def f(): return time.time()": r"host\.clock\.now_ms",
    "import time\nasync def f(): return time.time_ns()": r"host\.clock\.now_ms",
    "import time\nasync def f(): return time.monotonic()": r"host\.clock\.monotonic_ms",
    "import time\nasync def f(): return time.perf_counter_ns()": r"host\.clock\.monotonic_ms",
    "import os\nasync def f(): return os.urandom(8)": "host.rng",
    "import secrets\nasync def f(): return secrets.token_hex(8)": "host.rng",
    "from secrets import token_hex\nasync def f(): return token_hex(8)": "host.rng",
    "import uuid\nasync def f(): return str(uuid.uuid4())": "host.ids",
    "from uuid import uuid4\nasync def f(): return str(uuid4())": "host.ids",
    "import random\nasync def f(): return random.random()": "host.rng",
    "import random\nasync def f(): return random.choice(range(1000))": "host.rng",
    "import random\nasync def f(): return random.Random().random()": "host.rng",
    "import random\nasync def f(): return random.SystemRandom().random()": "host.rng",
}
# Not refused, but follows the seed all the same.
CAPTURED = [
    "from random import random\nasync def f(): return random()",
    "from random import shuffle\nasync def f():\n  x = list(range(50))\n  shuffle(x)\n  return x",
]


def planted(source, module):
    made = types.ModuleType(module)
    exec(source, made.__dict__)

    async def main(host):
        return await made.f()

    return main


def name(source):
    return source.replace("\n", "; ")


@pytest.mark.parametrize("module", [OURS, THEIRS])
@pytest.mark.parametrize("source", REFUSED, ids=name)
def test_what_cannot_be_simulated_raises_at_once_and_says_what_to_use(source, module):
    with pytest.raises(Leak, match=REFUSED[source]):
        simulate(planted(source, module), 1)


@pytest.mark.parametrize("source", SERVED, ids=name)
def test_our_own_code_may_not_draw_around_the_host(source):
    with pytest.raises(Leak, match=SERVED[source]) as caught:
        simulate(planted(source, OURS), 1)
    assert "(from kelpie.planted)" in str(caught.value)


@pytest.mark.parametrize("source", [*SERVED, *CAPTURED], ids=name)
def test_code_of_others_follows_the_seed(source):
    first = simulate(planted(source, THEIRS), 1)
    again = simulate(planted(source, THEIRS), 1)
    other = simulate(planted(source, THEIRS), 2)
    assert first.value == again.value != other.value
    if source in SERVED:
        assert sum(first.ambient.values()) >= 1
        assert all(key.endswith(" in elsewhere") for key in first.ambient)


def test_a_captured_clock_is_not_seen():
    """The reason for the lint: nothing at run time can tell."""
    source = "from time import monotonic\nasync def f(): return monotonic()"
    result = simulate(planted(source, OURS), 1)
    assert result.value != simulate(planted(source, OURS), 1).value
    assert result.ambient == {}


def test_a_leak_in_a_task_that_nobody_awaits_ends_the_run():
    async def main(host):
        async def leak():
            with contextlib.suppress(BaseException):  # what must not help
                time.sleep(0)  # noqa: ASYNC251 - the leak

        host.spawn(leak(), "leak")
        await host.clock.sleep(1_000)

    with pytest.raises(Leak, match=r"time\.sleep"):
        simulate(main, 1)


def test_a_clock_of_others_agrees_with_the_hosts():
    async def main(host):
        await host.clock.sleep(1_234)
        return time.time() * 1000 - host.clock.now_ms()

    assert abs(simulate(main, 1).value) < 2


def test_everything_is_as_before_after_a_run_that_ended_well_or_badly():
    import anyio._backends._asyncio as backend

    def state():
        return (
            *(getattr(time, one) for one in ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
            *(os.urandom, random.random, random.Random.seed, random.getstate(), uuid.uuid1, threading.Thread.start),
            *(threading.Condition.wait, concurrent.futures.ThreadPoolExecutor.submit, asyncio.BaseEventLoop.__init__),
            *(asyncio.tasks._GatheringFuture.__hash__, backend.CancelScope),
            backend.AsyncIOBackend.__dict__["run_sync_in_worker_thread"],
            *(gc.isenabled(), sys.get_asyncgen_hooks()),
        )

    before = state()
    simulate(planted(CAPTURED[0], THEIRS), 1)
    with pytest.raises(Leak):
        simulate(planted("import time\nasync def f(): time.sleep(0)", THEIRS), 1)
    assert state() == before
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: 5).result() == 5
    socket.socket().close()
    asyncio.run(asyncio.sleep(0))


def test_other_threads_live_in_the_real_world():
    go, ended, seen = threading.Event(), threading.Event(), []

    def outside():
        go.wait()
        started = time.monotonic()
        time.sleep(0.001)
        seen.append(time.monotonic() - started)
        socket.socket().close()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(lambda: 5).result())
        ended.set()

    async def main(host):
        go.set()
        while not ended.is_set():
            await host.clock.sleep(1_000)

    thread = threading.Thread(target=outside)
    thread.start()
    simulate(main, 1, steps_max=10**9, virtual_ms_max=1e15)
    thread.join()
    assert seen[0] >= 0.001
    assert seen[1] == 5


def test_anyio_is_numbered_and_its_threads_are_ours():
    import anyio

    async def main(host):
        order, scopes = [], [anyio.CancelScope() for _ in range(50)]
        numbers = sorted(hash(scope) for scope in scopes)
        assert 0 < numbers[0] < numbers[-1] < 1_000
        assert len(set(numbers)) == 50

        async def victim(number):
            try:
                await anyio.sleep(100)
            finally:
                order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(victim, number)
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        with anyio.move_on_after(3) as scope:
            await anyio.to_thread.run_sync(lambda: order.append("thread"))
            await anyio.sleep(10)
        return order, scope.cancelled_caught

    first = simulate(main, 1)
    assert simulate(main, 1) == first
    order, caught = first.value
    assert caught
    assert set(order) == {"thread", *range(12)}


def test_one_simulation_at_a_time():
    async def main(host):
        simulate(main, 2)

    with pytest.raises(Leak, match="the loop that runs"):
        simulate(main, 1)


def test_the_real_world_is_not_guarded():
    assert Host(rng=Rng(1)).clock.now_ms() > 1_700_000_000_000
