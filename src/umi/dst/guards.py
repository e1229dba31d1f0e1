"""While a simulation runs, nothing reaches around it: what can't be simulated raises, the rest follows the seed.

Refused to everybody: sockets, processes, threads, a second loop, sqlite3, sleeping and waiting for another thread.
Refused to our own packages, and served from the seed to everybody else's: clocks, random, uuid4, os.urandom, secrets.

Not caught: names captured by `from time import monotonic`, `datetime.now` and its relatives, `hash` of texts, `id`,
the order of sets of texts, default `repr`, `os.getpid`, numpy.random. For our code a lint forbids most of these;
`simulate` in two processes with different hash seeds shows the rest (`first_difference` names the step).
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import random
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol

from umi.dst.rng import Rng
from umi.dst.tasks import Leak, SimError
from umi.dst.workers import Workers

OUR_PACKAGES = ("umi", "kelpie")
# Modules that only pass a draw on: whoever called them is meant.
_PASSING = {"random", "secrets", "uuid", __name__}
_NETWORK = "a transport that is handed in (umi.wire.Transport)"
_PROCESS = "a sandbox or tool that is handed in"
_THREAD = "async code, or host.spawn"
# Raised by the interpreter itself, whoever captured the function.
_REFUSED_EVENTS = {
    "socket.__new__": _NETWORK,
    "socket.connect": _NETWORK,  # one that was made before
    "socket.bind": _NETWORK,
    "socket.getaddrinfo": _NETWORK,
    "socket.gethostbyname": _NETWORK,
    "subprocess.Popen": _PROCESS,
    "os.system": _PROCESS,
    "os.exec": _PROCESS,
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
    "os.posix_spawn": _PROCESS,
    "_thread.start_new_thread": _THREAD,
    "_thread.start_joinable_thread": _THREAD,
    "sqlite3.connect": "umi.storage",
    "time.sleep": "host.clock.sleep",
}


class Simulation(Protocol):
    """What the guards need of the loop."""

    seed: str
    ambient: dict[str, int]
    workers: Workers

    def time(self) -> float: ...
    def next_number(self) -> int: ...
    def fail(self, error: SimError) -> NoReturn: ...


@contextlib.contextmanager
def guarded(loop: Simulation, wall_offset_s: float) -> Iterator[None]:
    """Guard this thread for as long as `loop` runs. `wall_offset_s` is what the loop's time is since 1970."""
    global _current  # noqa: PLW0603 - an audit hook belongs to the process, and can't be removed
    assert _current is None, "one simulation at a time"
    if not _hooked:
        sys.addaudithook(_on_audit_event)
        _hooked.append(True)
    guards = _Guards(loop, wall_offset_s)
    random_state = random.getstate()
    try:
        guards.install()
        _current = guards
        yield
    finally:
        _current = None
        guards.remove()
        random.setstate(random_state)


class _Guards:
    def __init__(self, loop: Simulation, wall_offset_s: float) -> None:
        self._loop = loop
        self._wall_offset_s = wall_offset_s
        self._thread = threading.get_ident()
        self._rng = Rng(f"{loop.seed}/ambient")
        self._replaced: list[tuple[Any, str, Any]] = []

    def install(self) -> None:
        self._guard_clocks()
        self._guard_chance()
        self._refuse_threads_and_loops()
        self._replace_pools()
        self._number_futures_of_gather()
        with contextlib.suppress(ImportError):  # the server's dependency, not umi's
            self._guard_anyio()

    def remove(self) -> None:
        for owner, name, original in reversed(self._replaced):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    def on_this_thread(self) -> bool:
        """Other threads, a test runner's for example, live in the real world."""
        return threading.get_ident() == self._thread

    def refuse(self, what: str, instead: str) -> NoReturn:
        self._loop.fail(Leak(f"{what} reaches outside the simulation (from {_caller()}); use {instead}"))

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self._replaced.append((owner, name, owner.__dict__.get(name, _INHERITED)))
        setattr(owner, name, new)

    def _refuse(self, owner: Any, name: str, instead: str) -> None:
        original = getattr(owner, name)

        def refuse(*args: Any, **options: Any) -> Any:
            if not self.on_this_thread():
                return original(*args, **options)
            return self.refuse(f"{owner.__name__}.{name}", instead)

        self._replace(owner, name, refuse)

    def _serve(self, owner: Any, name: str, ours: Callable[..., Any], instead: str) -> None:
        """`ours` for other people's code, a refusal for our own."""
        original, what = getattr(owner, name), f"{owner.__name__}.{name}"

        def serve(*args: Any, **options: Any) -> Any:
            if not self.on_this_thread():
                return original(*args, **options)
            caller = _caller()
            if caller.partition(".")[0] in OUR_PACKAGES:
                self.refuse(what, instead)
            key = f"{what} in {caller}"
            self._loop.ambient[key] = self._loop.ambient.get(key, 0) + 1
            return ours(*args, **options)

        self._replace(owner, name, serve)

    # ---- time and chance

    def _guard_clocks(self) -> None:
        def wall_s() -> float:
            return self._loop.time() + self._wall_offset_s

        self._serve(time, "time", wall_s, "host.clock.now_ms")
        self._serve(time, "time_ns", lambda: int(wall_s() * 1e9), "host.clock.now_ms")
        for name in ("monotonic", "perf_counter"):
            self._serve(time, name, self._loop.time, "host.clock.monotonic_ms")
            self._serve(time, f"{name}_ns", lambda: int(self._loop.time() * 1e9), "host.clock.monotonic_ms")
        self._refuse(time, "sleep", "host.clock.sleep")

    def _guard_chance(self) -> None:
        instead = "host.rng or host.ids"
        for name in ("urandom", "getrandom"):
            if hasattr(os, name):  # a Mac has no getrandom
                self._serve(os, name, lambda size, *_flags: self._rng.bytes(size), instead)
        self._replace(random, "_urandom", os.urandom)  # captured there: SystemRandom and secrets draw from it
        # The module's functions belong to one hidden generator: seeded, they follow the seed for who captured them too.
        random.seed(f"{self._loop.seed}/random")
        for name in random.__all__:
            drawn = getattr(random, name)
            if hasattr(drawn, "__self__") and name not in ("seed", "getstate", "setstate"):
                self._serve(random, name, drawn, instead)
        seed_of = random.Random.seed

        def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            seed_of(generator, int.from_bytes(os.urandom(16)) if a is None else a, version)

        self._replace(random.Random, "seed", seed)
        # uuid4 draws from os.urandom. uuid1 asks a C library for this machine's address and time.
        for name in ("uuid1", "_generate_time_safe"):
            if getattr(uuid, name) is not None:
                self._refuse(uuid, name, "host.ids")

    # ---- threads, loops, pools

    def _refuse_threads_and_loops(self) -> None:
        self._refuse(threading.Thread, "start", _THREAD)
        # Whoever waits for another thread here waits for ever: there is none. Events, queues and futures all end there.
        self._refuse(threading.Condition, "wait", "await: this would wait for ever")
        make_loop = asyncio.BaseEventLoop.__init__

        def refuse_loop(loop: Any, *args: Any, **options: Any) -> None:
            if self.on_this_thread():
                loop._closed = True  # noqa: SLF001 - its __del__ asks
                self.refuse("a second event loop", "the loop that runs")
            make_loop(loop, *args, **options)

        self._replace(asyncio.BaseEventLoop, "__init__", refuse_loop)

    def _replace_pools(self) -> None:
        """A pool that is used by itself, not through the loop."""
        pool, workers = concurrent.futures.ThreadPoolExecutor, self._loop.workers
        submit_to, shut_down = pool.submit, pool.shutdown

        def submit(executor: Any, work: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
            if not self.on_this_thread():
                return submit_to(executor, work, *args, **options)
            return workers.submit(executor, lambda: work(*args, **options))

        def shutdown(executor: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
            if self.on_this_thread() and (wait or cancel_futures):
                workers.finish(executor, cancel=cancel_futures)
            shut_down(executor, wait and not self.on_this_thread(), cancel_futures=cancel_futures)

        self._replace(pool, "submit", submit)
        self._replace(pool, "shutdown", shutdown)

    # ---- addresses

    def _number_futures_of_gather(self) -> None:
        """The one future that asyncio doesn't ask the loop for."""

        def number(future: Any) -> int:
            if not hasattr(future, "_number"):
                future._number = self._loop.next_number()  # noqa: SLF001 - ours, on their object
            return int(future._number)  # noqa: SLF001 - same

        gathering: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined] # noqa: SLF001 - it has no public name
        self._replace(gathering, "__hash__", number)

    def _guard_anyio(self) -> None:
        """Cancel scopes stand in sets and hash by address; worker threads are started around the loop's executor."""
        from anyio._backends import _asyncio as backend

        next_number = self._loop.next_number

        class NumberedScope(backend.CancelScope):
            __slots__ = ("_number",)

            def __init__(self, *args: Any, **options: Any) -> None:
                self._number = next_number()
                super().__init__(*args, **options)

            def __hash__(self) -> int:
                return self._number

        async def run_sync(
            cls: Any, func: Callable[..., Any], args: Any, abandon_on_cancel: bool = False, limiter: Any = None
        ) -> Any:
            await cls.checkpoint()
            async with limiter or cls.current_default_thread_limiter():
                with NumberedScope(shield=not abandon_on_cancel):
                    context = contextvars.copy_context()
                    return await asyncio.get_running_loop().run_in_executor(None, context.run, func, *args)

        self._replace(backend, "CancelScope", NumberedScope)
        # One of its own for each run: a dead incarnation's tasks never leave it, and each is held by its own entry.
        self._replace(backend, "_task_states", weakref.WeakKeyDictionary())
        self._replace(backend.AsyncIOBackend, "run_sync_in_worker_thread", classmethod(run_sync))


def _caller() -> str:
    """The module that asked, past those that only pass on."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack would read source files
    while frame.f_back is not None and frame.f_globals.get("__name__") in _PASSING:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def _on_audit_event(event: str, _args: object) -> None:
    if _current is not None and event in _REFUSED_EVENTS and _current.on_this_thread():
        _current.refuse(event, _REFUSED_EVENTS[event])


_INHERITED = object()
_current: _Guards | None = None
_hooked: list[bool] = []
