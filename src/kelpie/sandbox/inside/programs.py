"""What is not Python: a shell, or node with its driver, as a child of the process that reports.

node's driver (see kelpie.sandbox.languages) is started with one argument, the number of a file descriptor on which it
speaks the frames of frames.py, and finds the order, without files, as JSON on its standard input. Its asks and their
answers are passed on as they are; of its report `value`, `error` and `out_of_memory` are taken.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess

from frames import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DRIVER = "/tmp/.driver"  # noqa: S108 - the call's own /tmp
# How node ends where it gets no more memory: its heap is full, or it can't reserve addresses. A program that aborts
# itself looks the same; what it wrote on stderr tells them apart.
_NODE_OUT_OF_MEMORY = tuple(128 + number for number in (signal.SIGABRT, signal.SIGTRAP, signal.SIGSEGV))

Outcome = tuple[str, "str | None", bool, int]  # the value as JSON text, an error, out of memory, exit status


def run(order: dict[str, Any], channel: Channel) -> Outcome:
    return _shell(order) if order["language"] == "shell" else _node(order, channel)


def _shell(order: dict[str, Any]) -> Outcome:
    source = _in_memory("source", order["source"].encode())
    status = _status(subprocess.run(["/bin/sh", f"/proc/self/fd/{source}"], pass_fds=[source], check=False).returncode)  # noqa: S603
    return "null", _failed(status), False, status


def _node(order: dict[str, Any], channel: Channel) -> Outcome:
    node = order["node"]
    driver = f"{_DRIVER}/{node['name']}"
    os.makedirs(_DRIVER, exist_ok=True)
    with open(driver, "w") as file:
        file.write(node["driver"])
    told = {name: value for name, value in order.items() if name not in ("files", "node")}
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - the command is the server's
                [*node["command"], driver, str(theirs.fileno())],
                stdin=_in_memory("order", json.dumps(told).encode()),
                pass_fds=[theirs.fileno()],
            )
        report = _relayed(Channel(ours.fileno()), channel)
    status = _status(process.wait())
    if report is None and status in _NODE_OUT_OF_MEMORY:
        text = f"MemoryError: the tool needs more than {order['limits']['memory_bytes'] >> 20} MiB"
        return "null", text, True, status
    if report is None:
        return "null", _failed(status) or "NoResult: the program ended without a report", False, status
    value = json.dumps(report.get("value"), ensure_ascii=False)
    if len(value) > order["limits"]["result_chars"]:
        value, report["error"] = "null", f"ValueError: the tool returned {len(value):,} characters of JSON, too many"
    return value, report.get("error"), bool(report.get("out_of_memory")), status


def _relayed(theirs: Channel, channel: Channel) -> dict[str, Any] | None:
    """Pass frames both ways until the report, which is returned; None if the program ended without one."""
    poll = select.poll()
    for end in (theirs, channel):
        poll.register(end.read_fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == channel.read_fd:
                theirs.send_text(channel.receive_text())
                continue
            try:
                frame = theirs.receive()
            except (EOFError, OSError):
                return None
            if "report" in frame:
                report: dict[str, Any] = frame["report"]
                return report
            channel.send(frame)


def _in_memory(name: str, content: bytes) -> int:
    """A file of memory with this content, to be read from its start."""
    fd = os.memfd_create(name, 0)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


def _failed(status: int) -> str | None:
    return f"ExitStatus: the program ended with exit status {status}" if status else None
