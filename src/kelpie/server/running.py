"""The process around the server: sockets, signals, limits, and the words on the way in and out."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from kelpie.config import Config
from kelpie.errors import InvalidInput, StoreError, UmiError
from kelpie.server import limits, logs
from kelpie.server.build import Server, build

log = logging.getLogger("kelpie.server")


class CannotListen(UmiError):
    pass


def run(config: Config, say: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code.

    say  where the one line goes that says where the server listens; standard error if not given
    """
    say = say or _to_stderr
    try:
        server = build(config)
    except InvalidInput as error:
        say(f"kelpie can't start: {error}")
        return 1
    logs.configure(config, server.redact)
    _raise_open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_serve(server, say))
        except (StoreError, CannotListen) as error:
            say(f"kelpie can't start: {error}")
            return 1
    return 0


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


def _raise_open_files() -> None:
    """Each connection and each sandbox takes file descriptors; the usual soft limit of 1,024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses "unlimited"; then it stays as it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(server: Server, say: Callable[[str], None]) -> None:
    # The socket first: a second server on this port should fail before it looks at the store.
    listening = _bind(server.config)
    try:
        await server.start()
        try:
            await _http(server, listening, say)
        finally:
            await server.stop()
    finally:
        listening.close()


def _bind(config: Config) -> socket.socket:
    """Raises CannotListen."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"can't listen on {config.host}:{config.port}: {error.strerror or error};"
            " stop what listens there, or choose another port with KELPIE_PORT or --port"
        ) from error
    listening.set_inheritable(False)
    return listening


def address_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _http(server: Server, listening: socket.socket, say: Callable[[str], None]) -> None:
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
                say(f"kelpie listening on {address_of(listening)}")

    options: dict[str, Any] = {
        "http": "httptools",
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "backlog": limits.LISTEN_BACKLOG,
        "timeout_keep_alive": limits.CONNECTIONS_IDLE_CLOSE_S,
        "timeout_graceful_shutdown": limits.GRACEFUL_STOP_S,
    }
    await Listener(uvicorn.Config(server.app, **options)).serve(sockets=[listening])
