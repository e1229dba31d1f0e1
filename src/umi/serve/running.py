"""The process around the server: a memory, and what is served of it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from umi import limits
from umi.memory import Memory
from umi.serve.keys import Keys
from umi.serve.listening import bind, listen

# What else is served: a path, an ASGI application, and what must run around it.
Extra = tuple[str, Any, AbstractAsyncContextManager[None]]


async def serve(
    memory: Memory,
    *,
    host: str,
    port: int,
    keys: Keys,
    say: Callable[[str], None],
    extras: Callable[[Memory], Sequence[Extra]] = lambda _: (),
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is under way and let go of the file.

    port  0 takes a free one
    say   is told where it listens, once it does
    Raises InvalidInput for a host that would let others in without a key, CannotListen, StoreError.
    """
    from umi.serve.app import create_app

    keys.check_host(host)
    listening = bind(host, port, remedy="stop what listens there, or choose a --port")
    try:
        async with memory:
            beside = extras(memory)
            app = create_app(memory, keys, mounts=[(path, mounted) for path, mounted, _ in beside])
            async with _around([one for _, _, one in beside]):
                await listen(
                    app,
                    listening,
                    say,
                    backlog=limits.SERVE_BACKLOG,
                    limit_concurrency=limits.SERVE_CONNECTIONS_MAX,
                    timeout_graceful_shutdown=limits.SERVE_STOP_SECS,
                )
    finally:
        listening.close()


@asynccontextmanager
async def _around(managers: Sequence[AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for manager in managers:
            await stack.enter_async_context(manager)
        yield
