"""Who runs next: what stands in the place of asyncio's queue of ready callbacks.

`uniform` finds races between neighbours soonest, and is blind to a task that must be starved for many steps; `sticky`
is the reverse. So a seed draws its schedule as well. `fifo` is asyncio's own order, for comparison.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from umi.dst.rng import Rng
from umi.dst.tasks import SimTask

Schedule = Literal["uniform", "sticky", "fifo"]
# After PCT (Burckhardt et al., ASPLOS 2010): priorities that rarely change. The share of steps after which one does is
# drawn between these, on a logarithmic scale: few changes starve a task for long, many begin to starve it sooner.
STICKY_CHANGE_MIN, STICKY_CHANGE_MAX = 0.02, 0.5


class Ready(Protocol):
    """The part of a deque that asyncio uses."""

    def append(self, handle: asyncio.Handle) -> None: ...
    def popleft(self) -> asyncio.Handle: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...


class Uniform:
    """Any callback that is ready, each as likely as the others."""

    def __init__(self, rng: Rng) -> None:
        self._draw = rng.random
        self._handles: list[asyncio.Handle] = []
        self.append: Callable[[asyncio.Handle], None] = self._handles.append
        self.clear = self._handles.clear

    def popleft(self) -> asyncio.Handle:
        handles = self._handles
        at = int(self._draw() * len(handles))
        handles[at], handles[-1] = handles[-1], handles[at]
        return handles.pop()

    def __len__(self) -> int:
        return len(self._handles)


class Sticky:
    """The task of the highest priority, until chance gives it another one. Callbacks that are no task's have their
    own priority each."""

    def __init__(self, rng: Rng) -> None:
        self._draw = rng.random
        self._change = STICKY_CHANGE_MIN * (STICKY_CHANGE_MAX / STICKY_CHANGE_MIN) ** self._draw()
        self._heap: list[tuple[float, int, asyncio.Handle]] = []
        self._priority: dict[int, float] = {}
        self._appended = 0
        self.clear = self._heap.clear

    def append(self, handle: asyncio.Handle) -> None:
        task = task_of(handle)
        if task is None:
            priority = self._draw()
        elif (known := self._priority.get(task.number)) is None:
            priority = self._priority[task.number] = self._draw()
        else:
            priority = known
        self._appended += 1
        heapq.heappush(self._heap, (priority, self._appended, handle))

    def popleft(self) -> asyncio.Handle:
        handle = heapq.heappop(self._heap)[2]
        if (task := task_of(handle)) is not None and self._draw() < self._change:
            self._priority[task.number] = self._draw()
        return handle

    def __len__(self) -> int:
        return len(self._heap)


def ready_queue(schedule: Schedule, rng: Rng) -> Ready:
    match schedule:
        case "uniform":
            return Uniform(rng)
        case "sticky":
            return Sticky(rng)
        case "fifo":
            return deque()


def task_of(handle: asyncio.Handle) -> SimTask | None:
    """The task whose next step a callback is, if it is one."""
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined] # noqa: SLF001 - asyncio shows it nowhere else
    return owner if isinstance(owner, SimTask) else None
