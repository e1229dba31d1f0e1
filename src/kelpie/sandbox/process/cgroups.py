"""A cgroup for each call, where this machine lets us make one: memory and processes then count for the whole tree.

It is the warm process's, which is in it from its start and has one call at a time: moving a process into a cgroup waits
for the kernel's whole list of readers (6 ms, measured), and forking inside one does not.

Three machines: cgroup v2, where our own group is delegated to us (or is the root); the hierarchies of v1; and none,
where the limits of each process have to do, and the level's report says so.
"""

import contextlib
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from kelpie.sandbox import limits

_PREFIX = "kelpie-"
_LEAF = f"{_PREFIX}server"
_NEEDED = ("memory", "pids")
_KINDS = {"memory": "memory", "pids": "pids", "cpu": "cpu"}  # v1 controller: the hierarchy it is looked for in
_V1_SHARES_PER_WEIGHT = 1024 // 100
_numbers = itertools.count()


@dataclass(slots=True)
class Group:
    """A cgroup with one call at a time. `folders` holds a folder for each hierarchy of v1, or the one of v2."""

    version: int
    folders: dict[str, str]
    join_fds: list[int] = field(default_factory=list)
    memory_bytes: int = 0
    processes: int = 0
    _killed: str = "0"

    def close(self) -> None:
        """What the warm process needed to get in; it is in, or never will be."""
        while self.join_fds:
            os.close(self.join_fds.pop())

    def renew(self, memory_bytes: int, processes: int) -> None:
        """For the next call. Raises OSError if its limits can't be set."""
        if (memory_bytes, processes) != (self.memory_bytes, self.processes):
            for path, text, needed in _settings(self, memory_bytes, processes):
                _write(path, text, needed=needed)
            self.memory_bytes, self.processes = memory_bytes, processes
        self._killed = self._kills()
        if self.version == 1:
            _write(f"{self.folders['memory']}/memory.max_usage_in_bytes", "0", needed=False)

    def peak_bytes(self) -> int | None:
        """The most that the call held at once, with its warm process. v2 can't forget an earlier call's."""
        if self.version == 2:
            return None
        return int(_read(f"{self.folders['memory']}/memory.max_usage_in_bytes") or 0) or None

    def killed_by_memory(self) -> bool:
        """Whether the kernel killed a process since `renew` because all of them together took too much."""
        return self._kills() != self._killed

    def _kills(self) -> str:
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = (line.split() for line in _read(f"{self.folders['memory']}/{name}").splitlines())
        return next((words[1] for words in lines if words[0] == "oom_kill"), "0")

    def remove(self) -> bool:
        """False while the kernel still counts somebody in it."""
        self.close()
        for folder in set(self.folders.values()):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


class Cgroups:
    """Makes and removes them.

    version  2, 1, or 0 where there are none; `reason` says why not
    """

    def __init__(self, version: int, parents: Mapping[str, str], reason: str = "") -> None:
        self.version = version
        self.reason = reason
        self._parents = dict(parents)
        self._left: list[Group] = []

    def make(self) -> Group | None:
        """A group, or None on a machine without. Raises OSError where one should be and can't."""
        self.sweep()
        if not self.version:
            return None
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        group = Group(self.version, {kind: f"{parent}/{name}" for kind, parent in self._parents.items()})
        try:
            for folder in dict.fromkeys(group.folders.values()):
                os.mkdir(folder)
            group.renew(limits.SANDBOX_MEMORY_BYTES_DEFAULT, limits.SANDBOX_PROCESSES_DEFAULT)
            for folder in dict.fromkeys(group.folders.values()):
                group.join_fds.append(os.open(f"{folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
        except OSError:
            group.remove()
            raise
        return group

    def discard(self, group: Group) -> None:
        if not group.remove():
            self._left.append(group)

    def sweep(self) -> None:
        """Try again to remove what was still in use."""
        self._left = [group for group in self._left if not group.remove()]


def _settings(group: Group, memory_bytes: int, processes: int) -> list[tuple[str, str, bool]]:
    """(file, text, whether it is a limit that we promise): without swap, which would only move the end."""
    memory, weight = group.folders["memory"], limits.SANDBOX_CPU_WEIGHT
    if group.version == 2:
        return [
            (f"{memory}/memory.max", str(memory_bytes), True),
            (f"{memory}/memory.swap.max", "0", False),
            (f"{memory}/pids.max", str(processes), True),
            (f"{memory}/cpu.weight", str(weight), False),
        ]
    cpu = [(f"{group.folders['cpu']}/cpu.shares", str(weight * _V1_SHARES_PER_WEIGHT), False)]
    return [
        # The first may never exceed the second, so a limit that rises is set from the top.
        (f"{memory}/memory.memsw.limit_in_bytes", str(max(memory_bytes, group.memory_bytes)), False),
        (f"{memory}/memory.limit_in_bytes", str(memory_bytes), True),
        (f"{memory}/memory.memsw.limit_in_bytes", str(memory_bytes), False),
        (f"{group.folders['pids']}/pids.max", str(processes), True),
        *(cpu if "cpu" in group.folders else []),
    ]


def find(proc: str = "/proc/self", pid: int | None = None) -> Cgroups:
    """What this machine has, tried out. Groups that a killed server left behind are removed.

    proc, pid  for tests: a folder like /proc/self, and who we are in it
    """
    pid = os.getpid() if pid is None else pid
    tried = []
    for version, parents in ((2, _unified(proc)), (1, _hierarchies(proc))):
        if not all(kind in parents for kind in _NEEDED):
            tried.append(f"v{version} has no {' and '.join(kind for kind in _NEEDED if kind not in parents)} here")
            continue
        try:
            if version == 2:
                _enable(parents["memory"], pid)
            _remove_abandoned(parents)
            found = Cgroups(version, parents)
            group = found.make()
            assert group is not None
            found.discard(group)
        except OSError as error:
            tried.append(f"v{version}: {error.strerror or error}")
            continue
        return found
    return Cgroups(0, {}, "; ".join(tried))


def _unified(proc: str) -> dict[str, str]:
    """Our own group of v2, for each controller it may hand on."""
    for root, mounted, _ in _mounts(proc, "cgroup2"):
        own = next((path for _, kinds, path in _memberships(proc) if not kinds), "/")
        folder = _inside(mounted, root, own)
        return dict.fromkeys(_read(f"{folder}/cgroup.controllers").split(), folder)
    return {}


def _hierarchies(proc: str) -> dict[str, str]:
    """Our own groups of v1 by controller."""
    found = {}
    for root, mounted, options in _mounts(proc, "cgroup"):
        for kind, wanted in _KINDS.items():
            if wanted in options:
                own = next((path for _, kinds, path in _memberships(proc) if wanted in kinds), "/")
                found[kind] = _inside(mounted, root, own)
    return found


def _enable(folder: str, pid: int) -> None:
    """Have v2 count in the groups below ours. A group with processes of its own may not do that, so ours moves into a
    leaf, if it is alone: others are not ours to move."""
    wanted = [kind for kind in (*_NEEDED, "cpu") if kind in _read(f"{folder}/cgroup.controllers").split()]
    if set(wanted) <= set(_read(f"{folder}/cgroup.subtree_control").split()):
        return
    text = " ".join(f"+{kind}" for kind in wanted)
    try:
        _write(f"{folder}/cgroup.subtree_control", text)
    except OSError:
        if _read(f"{folder}/cgroup.procs").split() != [str(pid)]:
            raise
        os.makedirs(f"{folder}/{_LEAF}", exist_ok=True)
        _write(f"{folder}/{_LEAF}/cgroup.procs", str(pid))
        _write(f"{folder}/cgroup.subtree_control", text)


def _remove_abandoned(parents: Mapping[str, str]) -> None:
    for folder in set(parents.values()):
        for name in os.listdir(folder):
            owner = name.removeprefix(_PREFIX).partition("-")[0]
            if name.startswith(_PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                with contextlib.suppress(OSError):  # somebody is in it, or was faster
                    os.rmdir(f"{folder}/{name}")


def _mounts(proc: str, kind: str) -> list[tuple[str, str, list[str]]]:
    """(root within the hierarchy, where it is mounted, options) of each mount of this kind."""
    found = []
    for line in _read(f"{proc}/mountinfo").splitlines():
        words = line.split()
        after = words[words.index("-") + 1 :]
        if after[0] == kind:
            found.append((words[3], words[4], after[2].split(",")))
    return found


def _memberships(proc: str) -> list[tuple[str, list[str], str]]:
    """(number, controllers, path) of each line of /proc/self/cgroup; v2 has no controllers there."""
    lines = (line.split(":", 2) for line in _read(f"{proc}/cgroup").splitlines())
    return [(number, [kind for kind in kinds.split(",") if kind], path) for number, kinds, path in lines]


def _inside(mounted: str, root: str, own: str) -> str:
    """The folder of the group `own` where the hierarchy is mounted from its group `root` on."""
    path = own if root == "/" else "/" + os.path.relpath(own, root) if own.startswith(root) else ""
    folder = os.path.normpath(f"{mounted}/{path}")
    return folder if os.path.isdir(folder) else mounted


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _write(path: str, text: str, *, needed: bool = True) -> None:
    """A limit is written into a file that is there; one that is not needed may be missing."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError:
        if needed:
            raise
