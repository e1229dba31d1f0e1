"""`simulate`: run a coroutine on virtual time under one seed, and get its value with the digest of its trace."""

import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from umi.dst.clock import SystemClock
from umi.dst.guards import guarded
from umi.dst.host import Host
from umi.dst.loop import START_S, STEPS_MAX, VIRTUAL_MS_MAX, SimLoop, Trace
from umi.dst.rng import Rng
from umi.dst.schedule import Schedule
from umi.dst.tasks import Unhandled

T = TypeVar("T")


class SimClock(SystemClock):
    """The loop's time as a Host's clock. What records say can jump and drift, as a machine's clock does; durations
    and deadlines can't.

    on_fault  told "clock.jump_forward", "clock.jump_back", "clock.skew" or "clock.drift" each time one is injected, for
              whoever counts faults (Faults.fire)
    """

    EPOCH_MS = 1_750_000_000_000

    def __init__(self, loop: SimLoop, *, on_fault: Callable[[str], None] = lambda _: None) -> None:
        self.on_fault = on_fault
        self._loop = loop
        self._drift = 0.0
        self._wall_ms = float(self.EPOCH_MS)  # what the clock said at `_since_ms`
        self._since_ms = 0.0

    def now_ms(self) -> int:
        return int(self._wall())

    def _wall(self) -> float:
        return self._wall_ms + (self._loop.virtual_ms - self._since_ms) * (1 + self._drift)

    def monotonic_ms(self) -> float:
        return self._loop.time() * 1000 + self._MONOTONIC_OFFSET_MS

    def jump(self, by_ms: float) -> None:
        """Somebody set the machine's clock, forwards or backwards."""
        self._move(by_ms)
        self.on_fault("clock.jump_back" if by_ms < 0 else "clock.jump_forward")

    def skew(self, by_ms: float) -> None:
        """The machine's clock was wrong all along."""
        self._move(by_ms)
        self.on_fault("clock.skew")

    def _move(self, by_ms: float) -> None:
        self._wall_ms, self._since_ms = self._wall() + by_ms, self._loop.virtual_ms

    def drift(self, parts_per_million: float) -> None:
        """From now on the clock runs this much too fast, or too slow."""
        self._wall_ms, self._since_ms = self._wall(), self._loop.virtual_ms
        self._drift = parts_per_million / 1e6
        self.on_fault("clock.drift")


@dataclass(frozen=True, slots=True)
class SimResult(Generic[T]):
    """What a run came to.

    digest      equal for equal seeds: hash over every step, and over how the run ended
    steps       callbacks run until `main` returned
    virtual_ms  virtual time until `main` returned
    jobs        functions run for an executor
    ambient     {"time.time in logging": 3}: what code that isn't ours read around the Host
    """

    value: T
    digest: str
    steps: int
    virtual_ms: float
    schedule: Schedule
    jobs: int
    ambient: dict[str, int]


def simulate(
    main: Callable[[Host], Awaitable[T]],
    seed: int | str,
    *,
    host_seed: int | str | None = None,
    schedule: Schedule | None = None,
    steps_max: int = STEPS_MAX,
    virtual_ms_max: float = VIRTUAL_MS_MAX,
    trace: Trace | None = None,
) -> SimResult[T]:
    """Run `main` to its end on a loop of its own; the Host it gets draws everything from `seed`.

    host_seed what the Host draws from instead: the same story under another order of steps
    schedule  None draws it from the seed
    trace     is filled with a line per step; `first_difference` compares two
    Raises what `main` raises, noting the seed; Deadlock, StepLimit, TimeLimit, Leak; and Unhandled for exceptions that
    nobody awaited and for tasks that can't be cancelled.
    """
    with _fixed_collections():  # around all that holds the loop: what the run leaves behind is collected with it
        loop = partial(
            SimLoop, seed, schedule=schedule, steps_max=steps_max, virtual_ms_max=virtual_ms_max, trace=trace
        )
        return _simulated(main, seed, loop, Rng(f"{seed if host_seed is None else host_seed}/host"))


def _simulated(
    main: Callable[[Host], Awaitable[T]], seed: int | str, make_loop: Callable[[], SimLoop], rng: Rng
) -> SimResult[T]:
    loop = make_loop()
    host = Host(SimClock(loop), rng)
    try:
        with guarded(loop, SimClock.EPOCH_MS / 1000 - START_S):
            try:
                value = loop.run_until_complete(_awaited(main, host))
                steps, virtual_ms = loop.steps, loop.virtual_ms
            finally:
                loop.finish()
        _raise_unhandled(loop)
    except BaseException as error:
        if loop.problems and not isinstance(error, Unhandled):
            error.add_note(f"besides: {'; '.join(loop.problems)}")
        error.add_note(f"seed {seed!r}, schedule {loop.schedule}: step {loop.steps:,} at {loop.virtual_ms:,.3f} ms")
        raise
    return SimResult(value, loop.digest, steps, virtual_ms, loop.schedule, loop.workers.ran, loop.ambient)


def _raise_unhandled(loop: SimLoop) -> None:
    if loop.problems:
        raise Unhandled("; ".join(loop.problems)) from (loop.unheard[0] if loop.unheard else None)


async def _awaited(main: Callable[[Host], Awaitable[T]], host: Host) -> T:
    return await main(host)


@contextlib.contextmanager
def _fixed_collections() -> Iterator[None]:
    """No automatic collection of cycles. What was there before the run is set aside: its finalisers are not part of
    the run, and a collection costs only what the run itself made."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def first_difference(one: Trace, other: Trace, *, before: int = 5) -> str:
    """Where two traces part, with the steps that led there; "" if they don't."""
    for at in range(max(len(one), len(other))):
        here, there = ("".join(trace[at : at + 1]) or "(ended)\n" for trace in (one, other))
        if here != there:
            return "".join(one[max(0, at - before) : at]) + f"- {here}+ {there}"
    return ""
