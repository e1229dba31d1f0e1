"""Computing and reading large files off the event loop. A listed adapter; under simulation its loop runs the jobs."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Cancelled, the caller goes on at once; what a thread has begun runs to its end unheard."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)
