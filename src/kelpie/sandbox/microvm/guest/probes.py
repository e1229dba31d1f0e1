"""Attempts to get out of the guest, run inside it by the self-test. Each answers with what it could do.

Read as text and executed as a tool's source; only `attempt` and `drawn` are called.
"""

import ctypes
import os
import random
import signal
import socket
import time
from typing import Any

_CLONE_NEWUSER = 0x10000000
_TOO_MUCH_BYTES = 2 << 30
_FORKS_MAX = 64
_SEALED = ("/", "/usr/bin", "/etc", "/dev", "/run", "/sys")
_DEVICES = {"null", "zero", "random", "urandom", "fd", "shm"}
_GATEWAY = "10.0.2.2"  # where an emulated network would have the host


def attempt(files: list[str], port: int) -> dict[str, Any]:
    """What the server compares with what must be so (see selftest.py)."""
    return {
        "boot": _lines("/proc/sys/kernel/random/boot_id")[0].strip(),
        "now_ms": time.time_ns() // 1_000_000,
        "drawn": drawn(),
        "read": [path for path in files if _can(lambda path=path: open(path).close())],
        "written": [path for path in _SEALED if _can(lambda path=path: open(f"{path}/kelpie-probe", "w").close())],
        "environment": sorted(os.environ),
        "interfaces": sorted(line.partition(":")[0].strip() for line in _lines("/proc/net/dev")[2:]),
        "connected": [
            host
            for host in ("127.0.0.1", _GATEWAY)
            if _can(lambda host=host: socket.create_connection((host, port), 1))
        ],
        "sockets": [int(family) for family in _families() if _can(lambda family=family: socket.socket(family).close())],
        "disks": [line.split()[3] for line in _lines("/proc/partitions")[2:]],
        "devices": sorted(set(os.listdir("/dev")) - _DEVICES),
        "rights": _status(),
        "root": _can(lambda: os.setuid(0)),
        "allocated": _can(lambda: bytearray(_TOO_MUCH_BYTES)),
        "forked": _forks(),
        # Last: where it succeeds it changes who we are.
        "user_namespace": ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0,
    }


def drawn() -> list[Any]:
    """What no two machines may share: the kernel's chance, Python's, and the machine's name."""
    with open("/etc/machine-id") as file:
        return [os.urandom(8).hex(), random.random(), file.read().strip()]


def _can(act: Any) -> bool:
    try:
        act()
    except (OSError, MemoryError):
        return False
    return True


def _families() -> list[int]:
    return [socket.AF_INET, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK]


def _status() -> dict[str, str]:
    wanted = ("Uid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")
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
