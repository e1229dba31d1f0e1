"""The jail of a virtual machine monitor: bubblewrap around a program that needs libraries, and descriptors it is given.

Inside is no file that can be written, no network, nothing of the server's environment, and no program but the
monitor's own. What it works on (memory, state, kernel, channels) it gets as open descriptors.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.process.bwrap import find_bwrap

_PRLIMIT = "/usr/bin/prlimit"
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")


@dataclass(frozen=True, slots=True)
class VmmJail:
    """How monitors are jailed in this process.

    bwrap     path of bubblewrap
    program   path of the monitor
    shares    folders with data of the program
    devices   devices it may open
    as_root   the server is root: the monitor runs as a reserved user, in a user namespace of its own either way
    """

    bwrap: str
    program: str
    shares: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    as_root: bool = False

    def command(self, words: Sequence[str], *, bwrap_fd: int, seccomp_fd: int | None, memory_bytes: int) -> list[str]:
        """The whole command line. `bwrap_fd` is bubblewrap, open: the reserved user may not reach its path."""
        return [
            *(_PRLIMIT, "--core=0", f"--nofile={limits.MICROVM_OPEN_FILES_MAX}", f"--as={memory_bytes}"),
            *(f"--fsize={limits.MICROVM_STATE_BYTES_MAX}", "--memlock=0", "--", f"/proc/self/fd/{bwrap_fd}"),
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
            *("--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--clearenv", "--cap-drop", "ALL"),
            *self._mounts(),
            *(("--seccomp", str(seccomp_fd)) if seccomp_fd is not None else ()),
            *("--", self.program, *words),
        ]

    def _mounts(self) -> list[str]:
        words = []
        for folder in _LIBRARIES:
            if os.path.islink(folder):
                words += ["--symlink", os.readlink(folder), folder]
            elif os.path.isdir(folder):
                words += ["--ro-bind", folder, folder]
        for path in (self.program, *(share for share in self.shares if os.path.isdir(share))):
            words += ["--ro-bind", path, path]
        words += ["--proc", "/proc", "--dir", "/dev"]
        for device in ("/dev/null", "/dev/urandom", *self.devices):
            words += ["--dev-bind", device, device]
        return [*words, "--remount-ro", "/", "--chdir", "/"]


def find_program(name: str) -> str:
    """Where the system has a program. Raises ToolUnavailable."""
    found = shutil.which(name, path=_SYSTEM_PATH)
    if found is None:
        raise ToolUnavailable(f"{name} was not found: install your system's package of it")
    return os.path.realpath(found)


def vmm_jail(program: str, *, shares: tuple[str, ...] = (), devices: tuple[str, ...] = ()) -> VmmJail:
    """The jail on this machine. Raises ToolUnavailable where there is no bubblewrap or no prlimit."""
    if not os.path.exists(_PRLIMIT):
        raise ToolUnavailable(f"{_PRLIMIT} was not found: it comes with util-linux")
    return VmmJail(find_bwrap(), program, shares, devices, os.geteuid() == 0)
