"""The process around the server: sockets, signals, limits, and the words on the way in and out."""

import asyncio
import contextlib
import logging
import resource
import sys
from collections.abc import Callable

from kelpie.config import Config
from kelpie.errors import InvalidInput, StoreError
from kelpie.server import limits, logs
from kelpie.server.build import Server, build
from umi.serve.listening import CannotListen, bind, listen

log = logging.getLogger("kelpie.server")


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
    remedy = "stop what listens there, or choose another port with KELPIE_PORT or --port"
    listening = bind(server.config.host, server.config.port, remedy=remedy)
    try:
        await server.start()
        try:
            await listen(
                server.app,
                listening,
                lambda address: say(f"kelpie listening on {address}"),
                backlog=limits.LISTEN_BACKLOG,
                timeout_keep_alive=limits.CONNECTIONS_IDLE_CLOSE_S,
                timeout_graceful_shutdown=limits.GRACEFUL_STOP_S,
            )
        finally:
            await server.stop()
    finally:
        listening.close()
