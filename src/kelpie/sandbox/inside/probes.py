"""Attempts to get out of the sandbox, run inside it by the self-test. Each answers with what it could do.

Read as text and executed as a tool's source; only `attempt` is called.
"""

import ctypes
import os
import signal
import socket
from typing import Any

_CLONE_NEWUSER = 0x10000000
_TOO_MUCH_BYTES = 2 << 30
_FORKS_MAX = 64


def attempt(files: list[str], folders: list[str], port: int, namespaces: list[str]) -> dict[str, Any]:
    """What the server compares with what must be so (see selftest.py, where the keys are explained)."""
    return {
        "read": [path for path in files if os.path.lexists(path)],
        "written": [path for path in folders if _can(lambda path=path: open(f"{path}/kelpie-probe", "w").close())],
        "environment": sorted(os.environ),
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in namespaces},
        "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "connected": _can(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close()),
        "sockets": [int(family) for family in _families() if _can(lambda family=family: socket.socket(family).close())],
        "rights": _status(),
        "uid_map": [line.split() for line in _lines("/proc/self/uid_map")],
        "allocated": _can(lambda: bytearray(_TOO_MUCH_BYTES)),
        "forked": _forks(),
        "descriptors": _descriptors(),
        # Last: where it succeeds it changes who we are.
        "user_namespace": ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0,
    }


def _can(act: Any) -> bool:
    try:
        act()
    except (OSError, MemoryError):
        return False
    return True


def _families() -> list[int]:
    return [socket.AF_INET, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK]


def _status() -> dict[str, str]:
    wanted = ("Uid", "CapEff", "CapPrm", "CapAmb", "NoNewPrivs", "Seccomp")
    lines = (line.partition(":") for line in _lines("/proc/self/status"))
    return {name: value.strip() for name, _, value in lines if name in wanted}


def _lines(path: str) -> list[str]:
    with open(path) as file:
        return file.readlines()


def _forks() -> int:
    """How many children the limit lets live at once."""
    children: list[int] = []
    try:
        while len(children) < _FORKS_MAX:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


def _descriptors() -> list[int]:
    """What is open beside the three standard streams."""
    return [fd for fd in range(3, 64) if _can(lambda fd=fd: os.fstat(fd))]
