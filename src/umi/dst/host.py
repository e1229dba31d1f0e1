"""What our code stands on: a clock, a source of chance, names, and tasks that somebody owns."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from umi.dst.clock import Clock, SystemClock
from umi.dst.ids import Ids
from umi.dst.rng import Rng, SystemRng

T = TypeVar("T")


class Host:
    """The seams, handed to every part at construction.

    `spawn` is the only way to start a background task: the task is named, kept alive (a bare create_task may be
    collected while it runs) and cancelled by `close`.
    """

    def __init__(self, clock: Clock | None = None, rng: Rng | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.rng = rng or SystemRng()
        self.ids = Ids(self.rng.fork("ids"))
        # A dict keeps the order of creation: cancelling in the order of a set would depend on addresses.
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait for it to end, together with what it starts while it ends.

        Called from a task of this host, it leaves that one task running.
        """
        caller = asyncio.current_task()
        while tasks := [task for task in self._tasks if task is not caller and not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
