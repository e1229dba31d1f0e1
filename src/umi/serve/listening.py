"""A socket and uvicorn on it, with signals that let a store close: for every server of ours."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from umi.errors import EnvironmentFault


class CannotListen(EnvironmentFault):
    pass


def bind(host: str, port: int, *, remedy: str) -> socket.socket:
    """A socket at host and port, not listening yet; port 0 takes a free one. Raises CannotListen, naming `remedy`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(f"can't listen on {host}:{port}: {error.strerror or error}; {remedy}") from error
    listening.set_inheritable(False)
    return listening


def address_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def listen(app: Any, listening: socket.socket, say: Callable[[str], None], **bounds: int) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT.

    say     is told the address, once it is served
    bounds  uvicorn's: backlog, limit_concurrency, timeout_keep_alive and timeout_graceful_shutdown (seconds)
    """
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
        **bounds,
    }
    await Listener(uvicorn.Config(app, **options)).serve(sockets=[listening])
