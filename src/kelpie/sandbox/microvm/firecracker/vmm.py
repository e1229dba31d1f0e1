"""One Firecracker in its jail: a folder that is all it sees, a reserved user, namespaces and a cgroup of its own."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.microvm import vmm
from kelpie.sandbox.microvm.firecracker.api import Api
from kelpie.sandbox.microvm.frames import Frames, GuestLost
from umi.dst import Host

_UNSHARE = "/usr/bin/unshare"
_POLL_MS = 2
API, VSOCK, LOG, METRICS = "api.sock", "v.sock", "log", "metrics"
_CGROUPS = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Programs:
    """Checked copies of the two binaries, and where the jails are made."""

    firecracker: str
    jailer: str
    jails: str


@dataclass(slots=True)
class JailedVmm:
    """A monitor that was started. Paths it is told are those of its own root.

    root  its root, as we see it
    """

    host: Host
    jail: str
    root: str
    process: vmm.Vmm
    api: Api
    cgroups: list[str]
    _root_fd: int = field(default=-1)

    @property
    def runs(self) -> bool:
        return self.process.runs

    async def listening(self) -> None:
        """Raises GuestLost with what it said if it does not come up."""
        try:
            async with self.host.clock.timeout(limits.MICROVM_API_MS_MAX):
                while not await self.api.answers():
                    if not self.runs:
                        raise GuestLost(f"Firecracker did not start; it said: {self.process.said()}")
                    await self.host.clock.sleep(_POLL_MS)
        except TimeoutError:
            raise GuestLost(f"Firecracker did not start in time; it said: {self.process.said()}") from None

    async def connect(self, port: int) -> Frames:
        """A vsock connection to a program of the guest that listens. Waits for it: the caller sets the deadline.

        Raises GuestLost if the monitor ends meanwhile.
        """
        while True:
            if not self.runs:
                raise GuestLost(f"Firecracker ended; it said: {self.process.said()}")
            with contextlib.suppress(OSError, GuestLost):
                return await Frames.through(f"/proc/self/fd/{self._root_fd}/{VSOCK}", port)
            await self.host.clock.sleep(_POLL_MS)

    def metrics(self) -> dict[str, object]:
        """What it counted between its last two writings; empty if it wrote nothing.

        The file is the monitor's: it may be anything by now.
        """
        try:
            fd = os.open(os.path.join(self.root, METRICS), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(fd, "rb") as file:
                lines = file.read(limits.MICROVM_STATE_BYTES_MAX).splitlines()
            return msgspec.json.decode(lines[-1], type=dict[str, object]) if lines else {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}

    async def end(self) -> None:
        """Kill it, bury it, and remove its jail."""
        try:
            await self.process.end()
            await self.api.close()
        finally:
            if self._root_fd >= 0:
                os.close(self._root_fd)
                self._root_fd = -1
            shutil.rmtree(self.jail, ignore_errors=True)
            # Its own, and the one of all monitors if it was the last.
            for folder in [*self.cgroups, *map(os.path.dirname, self.cgroups)]:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def start(
    host: Host,
    programs: Programs,
    uid: int,
    links: dict[str, str],
    *,
    file_bytes: int,
    writable: Sequence[str] = (),
    stdin_fd: int | None = None,
) -> JailedVmm:
    """Start a monitor. Listening and everything else comes after.

    links       files it finds in its root, by name there: path here, on the same file system as the jails
    file_bytes  how large a file it may make
    writable    names of empty files it finds and may write
    stdin_fd    the guest's serial line; empty if None
    Raises ToolUnavailable if it can't be started.
    """
    name = host.ids.new("vm")
    jail = os.path.join(programs.jails, os.path.basename(programs.firecracker), name)
    root = os.path.join(jail, "root")
    cgroups = _cgroups(os.path.basename(programs.firecracker), name)
    try:
        os.makedirs(root, mode=0o755)
        for inside, path in links.items():
            os.link(path, os.path.join(root, inside))
        for inside in (LOG, METRICS, *writable):
            with open(os.path.join(root, inside), "xb") as file:
                os.fchown(file.fileno(), uid, uid)
        root_fd = os.open(root, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        shutil.rmtree(jail, ignore_errors=True)
        raise ToolUnavailable(f"no jail can be made in {programs.jails}: {error.strerror}") from None
    command = [
        *(_UNSHARE, "--net", "--ipc", "--uts", "--", programs.jailer, "--id", name),
        *("--exec-file", programs.firecracker, "--uid", str(uid), "--gid", str(uid)),
        *("--chroot-base-dir", programs.jails, "--resource-limit", f"fsize={file_bytes}"),
        *("--resource-limit", f"no-file={limits.MICROVM_OPEN_FILES_MAX}"),
        *_cgroup_words(),
        *("--", "--api-sock", f"/{API}", "--level", "Warning"),
    ]
    try:
        process = vmm.launch(host, command, stdin_fd=stdin_fd)
    except ToolUnavailable:
        os.close(root_fd)
        shutil.rmtree(jail, ignore_errors=True)
        raise
    return JailedVmm(host, jail, root, process, Api(f"/proc/self/fd/{root_fd}/{API}"), cgroups, root_fd)


def _cgroup_words() -> list[str]:
    """Memory and processes of a monitor, where this machine counts them; else the jailer is not asked to."""
    memory = limits.MICROVM_MEMORY_BYTES + limits.MICROVM_VMM_MEMORY_BYTES
    if os.path.exists(f"{_CGROUPS}/cgroup.controllers"):
        return ["--cgroup-version", "2", *_settings({"memory.max": memory, "pids.max": limits.MICROVM_THREADS_MAX})]
    if all(os.path.isdir(f"{_CGROUPS}/{kind}") for kind in ("memory", "pids")):
        return _settings({"memory.limit_in_bytes": memory, "pids.max": limits.MICROVM_THREADS_MAX})
    return []


def _settings(values: dict[str, int]) -> list[str]:
    return [word for name, value in values.items() for word in ("--cgroup", f"{name}={value}")]


def _cgroups(program: str, name: str) -> list[str]:
    """The folders the jailer makes, which it leaves behind."""
    kinds = ("",) if os.path.exists(f"{_CGROUPS}/cgroup.controllers") else ("memory", "pids")
    return [os.path.join(_CGROUPS, kind, program, name) for kind in kinds]
