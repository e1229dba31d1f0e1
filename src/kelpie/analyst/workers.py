"""The analyst's threads: DuckDB and the chart renderer block, so they run beside the event loop, a few at once.

This is the one place of the room that touches threads. What runs here is handed plain data and returns plain data.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from umi.dst import Host

T = TypeVar("T")
_INTERRUPT_AGAIN_MS = 20


class Job(Generic[T]):
    """A piece of work on a thread. `stop` waits until it really ended, so that nothing runs on unseen."""

    def __init__(self, submitted: Future[T], host: Host) -> None:
        self._submitted = submitted
        self._host = host
        self._done = asyncio.wrap_future(submitted)
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def wait(self) -> T:
        """The result. Cancelling the wait leaves the work running: call `stop`."""
        return await asyncio.shield(self._done)

    async def stop(self, interrupt: Callable[[], None]) -> None:
        """Keep it from starting, or interrupt it until it ends.

        Once is not enough: an interrupt that comes between two statements hits nothing.
        """
        if self._submitted.cancel():
            return
        while not self._submitted.done():
            interrupt()
            await self._host.clock.sleep(_INTERRUPT_AGAIN_MS)


class Workers:
    def __init__(self, host: Host, threads: int) -> None:
        self._host = host
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="analyst")

    def start(self, work: Callable[[], T]) -> Job[T]:
        return Job(self._threads.submit(work), self._host)

    async def run(self, work: Callable[[], T]) -> T:
        return await self.start(work).wait()

    def close(self) -> None:
        """Threads end when their present work does; stop the jobs first."""
        self._threads.shutdown(wait=False, cancel_futures=True)
