"""Thread pools without threads: a job runs whole, on the loop's thread, at a later moment drawn from the seed.

What a real pool allows stays possible: the loop goes on meanwhile, a job may or may not have begun when its caller is
cancelled, jobs of a pool with one worker run in the order of submission, others overtake one another.
"""

# ruff: noqa: SLF001 - asyncio gives no other way to say that no loop runs here

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from umi.dst.rng import Rng
from umi.dst.tasks import INCARNATION

DEFAULT_POOL_WORKERS = 8  # asyncio's own number depends on the machine
# A run draws its mean duration of a job from here, on a logarithmic scale: disks are fast in one seed, slow in another.
_MEAN_MS_MIN, _MEAN_MS_MAX = 0.05, 20.0


@dataclass(slots=True)
class _Job:
    work: Callable[[], Any]
    done: Future[Any]


@dataclass(slots=True)
class _Pool:
    workers: int
    jobs: deque[_Job] = field(default_factory=deque)
    busy_until_s: float = 0.0  # of a pool whose only worker is held up


class Workers:
    def __init__(self, loop: asyncio.AbstractEventLoop, rng: Rng) -> None:
        self._loop = loop
        self._draw = rng.random
        self._mean_s = _MEAN_MS_MIN * (_MEAN_MS_MAX / _MEAN_MS_MIN) ** self._draw() / 1000
        # By incarnation as well: the pool of a node that died does nothing for its successor.
        self._pools: dict[tuple[Any, str], _Pool] = {}
        self.ran = 0
        self._held_up_ms = 0.0

    def hold_up(self, duration_ms: float) -> None:
        """Called by a job: what it waits for takes so long. Its caller hears of it that much later."""
        self._held_up_ms += duration_ms

    def submit(self, executor: Any, work: Callable[[], Any]) -> Future[Any]:
        """`executor` is any object, or None for the loop's own pool."""
        if getattr(executor, "_shutdown", False):
            raise RuntimeError("cannot schedule new futures after shutdown")
        pool = self._pool(executor)
        job = _Job(work, Future())
        if len(pool.jobs) < pool.workers and self._draw() < 0.5:
            job.done.set_running_or_notify_cancel()  # a worker took it up at once: too late to cancel
        pool.jobs.append(job)
        self._loop.call_later(-math.log(1 - self._draw()) * self._mean_s, self._work, pool)
        return job.done

    def finish(self, executor: Any, *, cancel: bool = False) -> None:
        """Run what waits, now: a shutdown that waits blocks the loop for as long in production. `cancel` what can
        still be cancelled instead."""
        pool = self._pool(executor)
        while pool.jobs:
            job = pool.jobs.popleft()
            if not (cancel and job.done.cancel()):
                self._run(job)

    def die(self, incarnation: str) -> None:
        """The node's threads stop. A job that had begun may have come to its end before, unheard."""
        for (_, owner), pool in self._pools.items():
            if owner != incarnation:
                continue
            begun = [job for job in pool.jobs if job.done.running()]
            pool.jobs.clear()
            for job in begun:
                if self._draw() < 0.5:
                    self._run(job)

    def _pool(self, executor: Any) -> _Pool:
        key = (executor, INCARNATION.get())
        if key not in self._pools:
            workers = DEFAULT_POOL_WORKERS if executor is None else getattr(executor, "_max_workers", 1)
            self._pools[key] = _Pool(workers)
        return self._pools[key]

    def _work(self, pool: _Pool) -> None:
        wait_s = pool.busy_until_s - self._loop.time()
        if pool.jobs and pool.workers == 1 and wait_s > 0:
            self._loop.call_later(wait_s, self._work, pool)
        elif pool.jobs:  # `finish` may have been first
            at = int(self._draw() * min(pool.workers, len(pool.jobs)))
            job = pool.jobs[at]
            del pool.jobs[at]
            pool.busy_until_s = self._loop.time() + self._run(job) / 1000

    def _run(self, job: _Job) -> float:
        """Returns for how many ms the job was held up."""
        if not job.done.running() and not job.done.set_running_or_notify_cancel():
            return 0.0
        self.ran += 1
        self._held_up_ms = 0.0
        # As in a thread of its own: no loop runs here, and a function that touches it must fail as it would there.
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            result = job.work()
        except BaseException as error:  # noqa: BLE001 - as a real pool does: it belongs to whoever waits for the job
            answer = partial(job.done.set_exception, error)
        else:
            answer = partial(job.done.set_result, result)
        finally:
            asyncio._set_running_loop(running)
        if self._held_up_ms and running is not None:
            self._loop.call_later(self._held_up_ms / 1000, answer)
        else:
            answer()
        return self._held_up_ms
