"""The child of the agent in which the one call of this machine happens: locked up as in every sandbox, then waiting.

Only the lock is here; what it runs is the runner's, the same as at every other level.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import os
import resource
import stat
import traceback

import frames
import kernel
import runner
from rehearsal import Rehearsal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

UID = 61_000
CGROUP = "/sys/fs/cgroup/call"
_WRITES = ["/tmp", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"]  # noqa: S108 - the guest's
_BOUNDING_DROP, _REMOUNT, _READ_ONLY = 24, 32, 1
_FAILED = 70  # exit status of a child that could not even start


def be(setup: dict[str, Any], outputs: list[int], channel_fd: int) -> NoReturn:
    """The child: locked up as in every sandbox, with nothing of the agent's open, and never back."""
    status = _FAILED
    try:
        write(f"{CGROUP}/cgroup.procs", 0)
        os.nice(5)
        os.setsid()
        _hide_devices()
        _keep_only(outputs, channel_fd)
        os.environ.clear()
        os.environ.update(setup["environment"])
        _lock(setup)
        rehearsal = Rehearsal(setup["limits"])
        rehearsal.perform()
        rehearsal.close()
        channel = frames.Channel(3)
        os.write(3, b"\n")
        status = runner.perform(channel.receive(), channel)
        # What the agent waits for: the end of a process takes an emulated processor longer.
        channel.send_text(bytes([status]))
        for fd in (1, 2, 3):
            os.close(fd)
    except BaseException:  # noqa: BLE001 - nobody else says why; stderr may be closed by now
        with contextlib.suppress(Exception):
            traceback.print_exc()
    finally:
        os._exit(status)


def _hide_devices() -> None:
    """In the tool's own view there are four devices, and nothing of what the kernel says of its machine."""
    kernel.unshare(kernel.NEWNS)
    flags = kernel.NOSUID | kernel.NOEXEC
    kernel.mount("tmpfs", "/dev", flags, "mode=0755,size=64k")
    for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        os.mknod(f"/dev/{name}", stat.S_IFCHR, os.makedev(1, minor))
        os.chmod(f"/dev/{name}", 0o666)  # noqa: S103 - they hold nothing
    os.symlink("/proc/self/fd", "/dev/fd")
    os.symlink("/tmp", "/dev/shm")  # noqa: S108 - the guest's
    kernel.mount("tmpfs", "/dev", flags | _REMOUNT | _READ_ONLY)
    kernel.mount("tmpfs", "/sys", flags | kernel.NODEV | _READ_ONLY, "size=4k")


def _keep_only(outputs: list[int], channel_fd: int) -> None:
    """Standard input is empty, the outputs are the agent's pipes, 3 is the channel, and nothing else is open."""
    channel_fd = fcntl.fcntl(channel_fd, fcntl.F_DUPFD, 64)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, end in enumerate(outputs, 1):
        os.dup2(end, number)
    os.dup2(channel_fd, 3, inheritable=False)
    os.closerange(4, 1024)


def _lock(setup: dict[str, Any]) -> None:
    """A user who is nobody, without anything to gain; bounds; and no system call that a tool has no use for."""
    libc = ctypes.CDLL(None)
    for kind, soft, hard in rlimits(setup["limits"]):
        resource.setrlimit(kind, (soft, hard))
    for capability in range(64):  # from what could ever be gained; root still has them
        libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    kernel.keep_capabilities()
    kernel.no_new_privileges()
    if kernel.landlock_version():
        kernel.landlock(["/"], _WRITES, tcp=False)
    if setup["filter"]:
        kernel.filter_calls(base64.b64decode(setup["filter"]))


def rlimits(limits: dict[str, int]) -> tuple[tuple[int, int, int], ...]:
    """(kind, soft, hard) of what each process may use."""
    cpu_s = -(-limits["cpu_ms"] // 1000)
    return (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_NPROC, limits["processes"], limits["processes"]),
        # SIGXCPU at the soft limit says why; a tool that ignores it is killed a second later.
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"] + limits["memory_reserve_bytes"]),
    )


def write(path: str, value: int) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, str(value).encode())
    os.close(fd)
