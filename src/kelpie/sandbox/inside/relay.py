"""Carries TCP connections to the loopback address on to the server's proxy, which listens on a unix socket.

A process of its own beside the tool, as weak as the tool: it decides nothing, so a tool that ends it has cut itself
off. Programs find it by the usual variables (HTTP_PROXY and its like).
"""

from __future__ import annotations

import selectors
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HOST, PORT = "127.0.0.1", 3128
_BACKLOG = 64
_CHUNK_BYTES = 64 << 10
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def variables() -> dict[str, str]:
    return dict.fromkeys(_VARIABLES, f"http://{HOST}:{PORT}")


def listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, PORT))
    listener.listen(_BACKLOG)
    return listener


def to_socket(fd: int) -> Callable[[], socket.socket]:
    """How to reach a listening unix socket whose file is open as `fd` (O_PATH): its path may lie outside."""

    def connect() -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.connect(f"/proc/self/fd/{fd}")
        return connected

    return connect


def serve(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Until this process is killed. Writing blocks: whoever does not read holds up its own call's connections only."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    peers: dict[socket.socket, socket.socket] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                _accept(listener, connect, selector, peers)
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in peers:
                _carry(key.fileobj, selector, peers)


def _accept(
    listener: socket.socket,
    connect: Callable[[], socket.socket],
    selector: selectors.BaseSelector,
    peers: dict[socket.socket, socket.socket],
) -> None:
    try:
        inner, _ = listener.accept()
    except OSError:
        return
    try:
        outer = connect()
    except OSError:
        inner.close()
        return
    for end, other in ((inner, outer), (outer, inner)):
        peers[end] = other
        selector.register(end, selectors.EVENT_READ)


def _carry(end: socket.socket, selector: selectors.BaseSelector, peers: dict[socket.socket, socket.socket]) -> None:
    """Pass on what came; at an end say so to the other side, and forget both once both have ended."""
    other = peers[end]
    try:
        chunk = end.recv(_CHUNK_BYTES)
        other.sendall(chunk)
        if chunk:
            return
        other.shutdown(socket.SHUT_WR)
    except OSError:
        chunk = b""
        _forget(other, selector, peers)
        _forget(end, selector, peers)
        return
    selector.unregister(end)
    if other not in selector.get_map():
        _close(end, peers)
        _close(other, peers)


def _forget(end: socket.socket, selector: selectors.BaseSelector, peers: dict[socket.socket, socket.socket]) -> None:
    if end.fileno() >= 0 and end in selector.get_map():
        selector.unregister(end)
    _close(end, peers)


def _close(end: socket.socket, peers: dict[socket.socket, socket.socket]) -> None:
    peers.pop(end, None)
    end.close()
