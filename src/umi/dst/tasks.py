"""What a simulation's loop is made of: tasks and futures with a stable order, incarnations, and its ways to stop.

Sets of tasks are everywhere below us (task groups, `asyncio.wait`, anyio), and a task's own hash is its address. So
tasks and futures of a simulation hash by the order in which they were made.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

# Which life of which node a piece of work belongs to; "" is the world outside, which never dies.
INCARNATION: ContextVar[str] = ContextVar("incarnation", default="")


class SimError(BaseException):
    """The simulation can't go on. Not an Exception: production's `except Exception` must not swallow it."""


class Deadlock(SimError):
    """Nothing can run and no timer is pending."""


class StepLimit(SimError):
    """The run took more steps than it was allowed."""


class TimeLimit(SimError):
    """The run took more virtual time than it was allowed: it waits for what never comes."""


class Leak(SimError):
    """Something reached around the simulation: the real clock, real chance, a thread, a socket."""


class Unhandled(SimError):
    """A callback or a task nobody awaits raised, or a task refused to end."""


def incarnation_context(name: str) -> Context:
    """A copy of this context in which everything belongs to the incarnation `name`: `loop.freeze(name)` ends it."""
    context = copy_context()
    context.run(INCARNATION.set, name)
    return context


class SimTask(asyncio.Task[Any]):
    """A task that hashes by its number and knows its incarnation."""

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        number: int,
        *,
        loop: asyncio.AbstractEventLoop,
        name: str | None,
        context: Context | None,
    ) -> None:
        self.number = number  # before super: it puts the task into a set
        self.incarnation = INCARNATION.get() if context is None else context.get(INCARNATION, "")
        # asyncio's own names come from a counter of the process, which depends on what ran before.
        super().__init__(work, loop=loop, name=name or f"task-{number}", context=context)

    def __hash__(self) -> int:
        return self.number

    def bury(self) -> None:
        """Close the coroutine, however its `finally` blocks object, and let go of it."""
        self._log_destroy_pending = False
        for _ in range(_CLOSE_ATTEMPTS_MAX):
            try:
                self.get_coro().close()
            except BaseException:  # noqa: BLE001, S112 - a dead node's last words: nobody is there to hear them
                continue
            return


_CLOSE_ATTEMPTS_MAX = 100  # each one ends at the next await in a `finally`


class SimFuture(asyncio.Future[Any]):
    """A future that hashes by its number."""

    def __init__(self, number: int, *, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number
