"""The analyst's threads: most drivers and the chart renderer block, so they run beside the event loop, a few at once.

This is the one place of the room that touches threads. What runs here is handed plain data and returns plain data.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from umi.dst import Host

T = TypeVar("T")
_INTERRUPT_AGAIN_MS = 20


class Stopped(Exception):
    """The work was stopped before a thread took it up."""


class Job(Generic[T]):
    """A piece of work on a thread. `stop` waits until it really ended, so that nothing runs on unseen."""

    def __init__(self, work: Callable[[], T], threads: ThreadPoolExecutor, host: Host) -> None:
        self._work = work
        self._host = host
        self._begun = False
        self._stopped = False
        self._done: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(threads, self._run)
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _run(self) -> T:
        # On the thread. It says that it begins and then looks whether it may; `stop` does the two in the other order,
        # so at least one of them sees the other.
        self._begun = True
        if self._stopped:
            raise Stopped
        return self._work()

    async def wait(self) -> T:
        """The result. Cancelling the wait leaves the work running: call `stop`. Raises Stopped if it never began."""
        return await asyncio.shield(self._done)

    def call_off(self) -> None:
        """Keep it from beginning, if it has not begun."""
        self._stopped = True

    async def stop(self, interrupt: Callable[[], Awaitable[None]]) -> None:
        """Keep it from beginning, or interrupt it until it ends.

        Once is not enough: an interrupt that comes between two statements hits nothing.
        """
        self.call_off()
        while self._begun and not self._done.done():
            await interrupt()
            await self._host.clock.sleep(_INTERRUPT_AGAIN_MS)


class Workers:
    def __init__(self, host: Host, threads: int) -> None:
        self._host = host
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="analyst")

    def start(self, work: Callable[[], T]) -> Job[T]:
        return Job(work, self._threads, self._host)

    async def run(self, work: Callable[[], T]) -> T:
        return await self.start(work).wait()

    def close(self) -> None:
        """Threads end when their present work does; stop the jobs first."""
        self._threads.shutdown(wait=False)
