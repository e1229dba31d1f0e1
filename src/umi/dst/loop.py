"""An asyncio event loop on virtual time: one seed, one trace.

No selector, no thread, no clock. Each step runs one callback, chosen by the seed, and costs up to 20 µs of virtual
time (without a cost, a timeout never races with the work it bounds). When nothing is ready the clock jumps onto the
next timer. What breaks this from outside is refused by umi.dst.guards.
"""

# ruff: noqa: SLF001 - a loop works on the insides of asyncio's handles, as asyncio's own loops do

import asyncio
import contextlib
import gc
import hashlib
import heapq
import weakref
from asyncio import base_events
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, NoReturn

from umi.dst.rng import Rng
from umi.dst.schedule import Ready, Schedule, ready_queue, task_of
from umi.dst.tasks import (
    INCARNATION,
    Deadlock,
    Leak,
    SimError,
    SimFuture,
    SimTask,
    StepLimit,
    TimeLimit,
)
from umi.dst.workers import Workers

STEP_COST_S_MAX = 20e-6
STEPS_MAX = 2_000_000
VIRTUAL_MS_MAX = 30 * 86_400_000.0
STEPS_BETWEEN_COLLECTIONS = 5_000
START_S = 1_000.0  # not zero, which `if deadline:` would take for none
_END_ROUNDS_MAX = 100
_PLACE_FRAMES_MAX = 3

Trace = list[str]


class SimLoop(base_events.BaseEventLoop):
    """One per run, made by `simulate`.

    steps     callbacks run so far
    problems  what asyncio would only have logged: exceptions of callbacks and of tasks nobody awaited
    unheard   those exceptions
    ambient   reads of clocks and chance around the Host by code that isn't ours, served from the seed
    """

    def __init__(
        self,
        seed: int | str,
        *,
        schedule: Schedule | None = None,
        steps_max: int = STEPS_MAX,
        virtual_ms_max: float = VIRTUAL_MS_MAX,
        trace: Trace | None = None,
    ) -> None:
        super().__init__()
        self.seed = str(seed)
        rng = Rng(f"{seed}/schedule")
        self.schedule: Schedule = schedule or ("uniform" if rng.random() < 0.5 else "sticky")
        self.steps = 0
        self.problems: list[str] = []
        self.unheard: list[BaseException] = []
        self.ambient: dict[str, int] = {}
        self.workers = Workers(self, Rng(f"{seed}/workers"))
        self._draw = rng.random
        self._now_s = START_S
        self._steps_max = steps_max
        self._end_s = START_S + virtual_ms_max / 1000
        self._trace = trace
        self._hash = hashlib.sha256()
        self._number = 0
        self._frozen: dict[str, list[SimTask]] = {}
        self._paused: dict[str, list[asyncio.Handle]] = {}
        # By id, in the order of creation, with the incarnation; asyncio's own WeakSet goes by addresses.
        self._generators: dict[int, tuple[weakref.ref[AsyncGenerator[Any, Any]], str]] = {}
        self._fatal: SimError | None = None
        self._ready: Ready = ready_queue(self.schedule, rng)
        self._scheduled: list[asyncio.TimerHandle] = []
        self.set_debug(False)  # whatever PYTHONASYNCIODEBUG says: its checks are steps of their own
        self.set_exception_handler(self._on_problem)

    # ---- time and steps

    def time(self) -> float:
        return self._now_s

    @property
    def virtual_ms(self) -> float:
        """Virtual time since the run began."""
        return (self._now_s - START_S) * 1000

    def _run_once(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        self._wake_timers()
        if not self._ready:
            self._jump()
        handle = self._ready.popleft()
        if not self._is_gone(handle) and not self._is_set_aside(handle):
            self._count_step(handle)
            handle._run()
            if self.steps > self._steps_max:
                self.fail(StepLimit(f"{self._steps_max:,} steps were not enough; waiting: {self._waiting()}"))

    def _wake_timers(self) -> None:
        timers = self._scheduled
        while timers and (timers[0].when() <= self._now_s or self._is_gone(timers[0])):
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined] # asyncio's own
            if not self._is_gone(timer):
                self._ready.append(timer)

    def _jump(self) -> None:
        """Nothing is ready: exactly onto the next timer, so that no rounding moves it before its time."""
        if not self._scheduled:
            self.fail(Deadlock(f"nothing can run and no timer is pending; waiting: {self._waiting()}"))
        self._now_s = self._scheduled[0].when()
        if self._now_s > self._end_s:
            self.fail(TimeLimit(f"{self.virtual_ms:,.0f} ms of virtual time are over; waiting: {self._waiting()}"))
        self._wake_timers()

    def _is_gone(self, handle: asyncio.Handle) -> bool:
        """Cancelled, or of an incarnation that died."""
        if handle._cancelled:
            return True
        context: Context = handle._context  # type: ignore[attr-defined] # asyncio's own
        return bool(self._frozen) and context.get(INCARNATION, "") in self._frozen

    def _is_set_aside(self, handle: asyncio.Handle) -> bool:
        """Kept for the end of a pause, if its incarnation is in one."""
        if not self._paused:
            return False
        context: Context = handle._context  # type: ignore[attr-defined] # asyncio's own
        waiting = self._paused.get(context.get(INCARNATION, ""))
        if waiting is not None:
            waiting.append(handle)
        return waiting is not None

    def _count_step(self, handle: asyncio.Handle) -> None:
        self.steps += 1
        self._now_s += STEP_COST_S_MAX * self._draw()
        self.note(_label(handle))
        if self.steps % STEPS_BETWEEN_COLLECTIONS == 0:
            gc.collect()  # the only collections there are: when they happen decides when finalisers run

    def note(self, text: str) -> None:
        """Put something into the trace, with the step and the virtual time."""
        line = f"{self.steps} {self._now_s:.9f} {text}\n"
        self._hash.update(line.encode())
        if self._trace is not None:
            self._trace.append(line)

    @property
    def digest(self) -> str:
        """A hash over every step so far: its number, virtual time, and what ran."""
        return self._hash.hexdigest()

    def fail(self, error: SimError) -> NoReturn:
        """Raise it here, and again at the next step: whoever is in between can't swallow it."""
        self._fatal = self._fatal or error
        raise error

    def _on_problem(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, SimError):
            self._fatal = self._fatal or error
        elif isinstance(error, BaseException):
            self.unheard.append(error)
        self.problems.append(f"{context['message']}: {error!r}")

    def _waiting(self) -> str:
        tasks = [f"{task.get_name()} in {_place(task)}" for task in self._pending()]
        return "; ".join(tasks[:10]) + (f"; and {len(tasks) - 10} more" if len(tasks) > 10 else "") or "nobody"

    # ---- tasks, futures, async generators

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def create_task(  # type: ignore[override] # a SimTask for every type of result
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> SimTask:
        self._check_closed()  # type: ignore[attr-defined] # asyncio's own
        task = SimTask(coro, self.next_number(), loop=self, name=name, context=context)
        if task.incarnation in self._frozen:  # made in the step in which its incarnation died, after it died
            self._frozen[task.incarnation].append(task)
        return task

    def set_task_factory(self, factory: Any) -> None:
        self.fail(Leak(f"the task factory {factory!r} would undo the order of tasks; leave it to the simulation"))

    def create_future(self) -> SimFuture:
        return SimFuture(self.next_number(), loop=self)

    def _pending(self) -> list[SimTask]:
        """The tasks that live and aren't done, oldest first."""
        tasks = [task for task in asyncio.all_tasks(self) if isinstance(task, SimTask)]
        return sorted((t for t in tasks if t.incarnation not in self._frozen), key=hash)

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        self._generators.pop(id(agen), None)  # of one that is gone
        self._generators[id(agen)] = (weakref.ref(agen), INCARNATION.get())

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        _, incarnation = self._generators.pop(id(agen))
        if not self.is_closed() and incarnation not in self._frozen:
            self.call_soon(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        for reference, incarnation in list(self._generators.values()):
            generator = reference()
            if generator is not None and incarnation not in self._frozen:
                with contextlib.suppress(RuntimeError):  # it is being iterated: its task ends it
                    await generator.aclose()

    # ---- threads

    def run_in_executor(  # type: ignore[override] # any object is an executor here
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """The function runs whole, later, on this thread; see umi.dst.workers."""
        self._check_closed()  # type: ignore[attr-defined] # asyncio's own
        return asyncio.wrap_future(self.workers.submit(executor, partial(func, *args)), loop=self)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - asyncio's signature
        self.workers.finish(None)

    def _write_to_self(self) -> None:
        """Nobody sleeps that call_soon_threadsafe would have to wake."""

    # ---- crashes

    def freeze(self, incarnation: str) -> None:
        """Kill an incarnation: none of its callbacks, timers and jobs runs again, and no `finally` either.

        A process that loses power runs no `finally`; a cancelled task would, and could still write and send. The
        name is used up: the successor needs another one.
        """
        assert incarnation, "the world outside the incarnations can't die"
        assert incarnation not in self._frozen, f"{incarnation} is dead already"
        self._paused.pop(incarnation, None)
        # Kept to the end: a coroutine that is collected runs its `finally`.
        self._frozen[incarnation] = [task for task in self._pending() if task.incarnation == incarnation]
        self.workers.die(incarnation)
        self.note(f"freeze {incarnation}")

    def pause(self, incarnation: str) -> None:
        """Stop an incarnation where it is, as a machine does that swaps or collects garbage: time passes, timers come
        due, and nothing of it runs until `resume`."""
        if incarnation not in self._frozen:
            self._paused.setdefault(incarnation, [])
            self.note(f"pause {incarnation}")

    def resume(self, incarnation: str) -> None:
        """All that came due meanwhile may run now, in any order."""
        waiting = self._paused.pop(incarnation, None)
        if waiting is not None:
            self.note(f"resume {incarnation}")
            for handle in waiting:
                self._ready.append(handle)

    # ---- the end

    def finish(self) -> None:
        """Cancel what still runs, oldest first, and let it end; then close what refuses or was frozen."""
        for incarnation in list(self._paused):
            self.resume(incarnation)
        if self._fatal is None:
            try:
                self._cancel_all()
                self.run_until_complete(self.shutdown_asyncgens())
            except SimError as error:
                self.problems.append(f"while tasks were cancelled at the end: {error!r}")
            self.problems += [f"{task.get_name()} refuses to end; it is in {_place(task)}" for task in self._pending()]
        gc.collect()
        self.note(f"end, {len(self.problems)} problems")
        self._bury()

    def _cancel_all(self) -> None:
        for _ in range(_END_ROUNDS_MAX):
            gc.collect()  # an async generator that nobody holds ends in a task
            left = self._pending()
            if not left and not self._ready:
                break
            for task in left:
                task.cancel()
            # Sleeping ends when nothing is ready any more.
            self.run_until_complete(asyncio.wait(left, timeout=1) if left else asyncio.sleep(0.001))

    def _bury(self) -> None:
        """After the digest is final. A `finally` of the dead runs now, where it can change nothing."""
        frozen = [task for tasks in self._frozen.values() for task in tasks]
        for task in [*self._pending(), *frozen]:
            task.bury()
        self._ready.clear()
        self.close()


def _label(handle: asyncio.Handle) -> str:
    task = task_of(handle)
    if task is not None:
        return f"{task.number} {task.get_name()}"
    callback: Any = handle._callback  # type: ignore[attr-defined] # asyncio's own
    while isinstance(callback, partial):
        callback = callback.func
    return getattr(callback, "__qualname__", None) or type(callback).__name__


def _place(task: SimTask) -> str:
    """Where a task waits: the innermost calls, as far as they are coroutines."""
    frames: list[str] = []
    inner: Any = task.get_coro()
    while (frame := getattr(inner, "cr_frame", None)) is not None:
        frames.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        inner = inner.cr_await
    return " > ".join(frames[-_PLACE_FRAMES_MAX:]) or "its end"


_REFUSED = (
    "_make_socket_transport _make_ssl_transport _make_datagram_transport _make_read_pipe_transport"
    " _make_write_pipe_transport _make_subprocess_transport add_reader remove_reader add_writer remove_writer"
    " create_connection create_server create_datagram_endpoint create_unix_connection create_unix_server"
    " connect_accepted_socket connect_read_pipe connect_write_pipe subprocess_exec subprocess_shell add_signal_handler"
    " getaddrinfo getnameinfo sendfile start_tls"
    " sock_recv sock_recv_into sock_recvfrom sock_sendall sock_sendto sock_connect sock_accept sock_sendfile"
)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(loop: SimLoop, *_args: Any, **_options: Any) -> NoReturn:
        loop.fail(Leak(f"loop.{name} reaches outside the simulation; hand in a transport or a tool that doesn't"))

    return refuse


for _name in _REFUSED.split():
    setattr(SimLoop, _name, _refusal(_name))
