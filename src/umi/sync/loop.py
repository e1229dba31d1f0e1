"""An event loop on a thread of its own, for callers that have none."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from umi.errors import CalledInsideLoop, StoreClosed

P = ParamSpec("P")
T = TypeVar("T")


class Loop:
    """Runs coroutines for any number of threads. Its thread begins at the first call and ends with `close`, or when
    nobody holds the Loop any more; it keeps no program from ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def call(self, method: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What awaiting the method would give or raise. Interrupted (Ctrl-C), it cancels what it waited for.

        Raises CalledInsideLoop where an event loop runs, StoreClosed after `close`.
        """
        _refuse_inside(method.__qualname__)
        future = self._begin(method, *args, **kwargs)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _begin(self, method: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with self._lock:  # what is begun before `close` is begun before the loop's last task
            if self._closed:
                raise StoreClosed("this memory was closed; make a new one")
            return asyncio.run_coroutine_threadsafe(method(*args, **kwargs), self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(loop,), name="umi-sync", daemon=True)
            self._thread.start()
            ending = weakref.finalize(self, _end, loop)
            ending.atexit = False  # by then there are no executors any more: the operating system lets go of the file
        return self._loop

    def close(self, method: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `method` as the last thing on the loop, and end the thread. Again it does nothing."""
        _refuse_inside(method.__qualname__)
        with self._lock:
            was_closed, self._closed = self._closed, True
            loop = self._loop
        if was_closed or loop is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(method(), loop).result()
        finally:
            _end(loop)
            assert self._thread is not None, "a loop has a thread"
            self._thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(_finish(), loop)


async def _finish() -> None:
    """Cancel what still runs, let it end, and stop."""
    loop = asyncio.get_running_loop()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_asyncgens()
    loop.stop()


def _refuse_inside(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    owner, _, method = name.partition(".")
    awaited = f"memory.{method}" if owner == "Memory" else f"memory.{owner.lower()}.{method}"
    raise CalledInsideLoop(
        f"umi.sync's {name} would stop the event loop that runs here; use umi.Memory, and `await {awaited}(…)`"
    )
