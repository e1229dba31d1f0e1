"""The process around the server: a memory, a socket, signals."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from umi import limits
from umi.errors import EnvironmentFault
from umi.memory import Memory
from umi.serve.keys import Keys

# What else is served: a path, an ASGI application, and what must run around it.
Extra = tuple[str, Any, AbstractAsyncContextManager[None]]


class CannotListen(EnvironmentFault):
    pass


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
    listening = _bind(host, port)
    try:
        async with memory:
            beside = extras(memory)
            app = create_app(memory, keys, mounts=[(path, mounted) for path, mounted, _ in beside])
            async with _around([one for _, _, one in beside]):
                await _http(app, listening, say)
    finally:
        listening.close()


@asynccontextmanager
async def _around(managers: Sequence[AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for manager in managers:
            await stack.enter_async_context(manager)
        yield


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"can't listen on {host}:{port}: {error.strerror or error}; stop what listens there, or choose a --port"
        ) from None
    listening.set_inheritable(False)
    return listening


def address_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _http(app: Any, listening: socket.socket, say: Callable[[str], None]) -> None:
    import uvicorn

    class Listener(uvicorn.Server):
        """uvicorn's server, with our signals: its own would end the process before the store is closed."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.handle_exit, number, None)
            try:
                yield
            finally:
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.remove_signal_handler(number)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(address_of(listening))

    options: dict[str, Any] = {
        "http": "httptools",
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "backlog": limits.SERVE_BACKLOG,
        "limit_concurrency": limits.SERVE_CONNECTIONS_MAX,
        "timeout_graceful_shutdown": limits.SERVE_STOP_SECS,
    }
    await Listener(uvicorn.Config(app, **options)).serve(sockets=[listening])
