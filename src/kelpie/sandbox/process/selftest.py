"""The level exists only after its own attempts to get out have failed: real calls, in the real sandbox.

What is believed to hold is compared with what the probes saw, so that a bubblewrap that runs but isolates less (no
filter, no limit on processes, a namespace that is shared) is found here and not by a tool.
"""

import inspect
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from kelpie.sandbox import limits
from kelpie.sandbox.inside import probes
from kelpie.sandbox.process import bwrap
from kelpie.sandbox.process.template import Hello
from kelpie.sandbox.sandbox import LevelReport, SandboxCall, SandboxLimits, SandboxResult

Exec = Callable[[SandboxCall, SandboxLimits], Awaitable[SandboxResult]]

_LEVEL = "process"
_BACKEND = "bwrap"
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
_SEALED = ("/", "/usr/bin", "/etc", "/dev", "/run")
_PIDS_MAX = 2  # the runner and its child
_ADDED = {"LC_CTYPE", "PWD"}  # by Python and bubblewrap
_NO_CAPABILITY = "0" * 16
_HINTS = (  # (what the kernel lets us read, the value that explains a failure, what to do)
    ("/proc/sys/user/max_user_namespaces", "0", "user namespaces are disabled: raise user.max_user_namespaces"),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are for root only here: set kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor restricts user namespaces: allow them, or set kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


async def run(execute: Exec, hello: Callable[[], Awaitable[Hello]], jail: bwrap.Jail) -> LevelReport:
    """Probe the sandbox behind `execute`.

    hello  what the warm process says of itself
    jail   what it is believed to be jailed with
    Raises what `execute` raises.
    """
    facts = await hello()
    filtered = bool(jail.filters["closed"])
    namespaces = (*_NAMESPACES, "user") if facts.user else _NAMESPACES
    with socket.socket() as listener:  # nobody may reach it: that is what it is for
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.setblocking(False)
        arguments = {
            "files": _host_files(),
            "folders": list(_SEALED),
            "port": listener.getsockname()[1],
            "namespaces": list(namespaces),
        }
        call = SandboxCall(inspect.getsource(probes), "attempt", arguments)
        probed = await execute(
            call, SandboxLimits(wall_ms=limits.SELFTEST_WALL_MS, processes=limits.SELFTEST_PROCESSES)
        )
    if probed.error is not None:
        return _missing(_why(probed))
    shared = _shared({name: facts.namespaces.get(name, "") for name in _NAMESPACES})
    found = [f"the warm process's namespaces are the host's ({', '.join(shared)})"] if shared else []
    found += _escapes(probed.value, namespaces, filtered=filtered)
    if found:  # what can't be contained is not started a second time
        return _missing("the self-test got out: " + "; ".join(found))
    endless = SandboxCall("def spin():\n    while True:\n        pass\n", "spin")
    spun = await execute(endless, SandboxLimits(wall_ms=limits.SELFTEST_DEADLINE_MS))
    if spun.killed_by != "wall time":
        return _missing("the self-test got out: an endless loop was not stopped at its deadline")
    return LevelReport(level=_LEVEL, exists=True, backend=_BACKEND, holds=_holds(jail, facts), gaps=_gaps(jail, facts))


def _missing(reason: str) -> LevelReport:
    return LevelReport(level=_LEVEL, exists=False, reason=reason)


def _host_files() -> list[str]:
    """Files that are there for us and must not be there for a tool: this one among them."""
    candidates = (os.path.abspath(__file__), "/etc/passwd", "/etc/hostname", f"/proc/{os.getpid()}/environ")
    return [path for path in candidates if os.path.exists(path)]


def _escapes(saw: dict[str, Any], namespaces: tuple[str, ...], *, filtered: bool) -> Iterator[str]:
    """One sentence for each thing that should have failed, from what the probes saw."""
    if saw["read"]:
        yield f"files of the host can be seen ({', '.join(saw['read'])})"
    if saw["written"]:
        yield f"folders outside /tmp can be written ({', '.join(saw['written'])})"
    if more := set(saw["environment"]) - set(bwrap.ENVIRONMENT) - _ADDED:
        yield f"the environment holds {', '.join(sorted(more))}"
    if shared := _shared({name: saw["namespaces"][name] for name in namespaces}):
        yield f"namespaces are the host's ({', '.join(shared)})"
    if len(saw["pids"]) > _PIDS_MAX:
        yield f"{len(saw['pids'])} processes can be seen"
    if saw["connected"]:
        yield "a port of the host can be reached"
    if saw["allocated"]:
        yield "memory is not limited"
    if saw["forked"] > limits.SELFTEST_PROCESSES:
        yield f"the number of processes is not limited ({saw['forked']} were started)"
    if len(saw["descriptors"]) > 1:  # the result's own
        yield f"files of the server are open inside ({saw['descriptors']})"
    yield from _rights_left(saw, filtered=filtered)


def _shared(namespaces: dict[str, str]) -> list[str]:
    return [name for name, seen in namespaces.items() if seen == os.readlink(f"/proc/self/ns/{name}")]


def _rights_left(saw: dict[str, Any], *, filtered: bool) -> Iterator[str]:
    rights = saw["rights"]
    uid = int(rights["Uid"].split()[0])
    if outside_uid(uid, saw["uid_map"]) == 0:
        yield "tools run as root"
    if any(rights[kind] != _NO_CAPABILITY for kind in ("CapEff", "CapPrm", "CapAmb")) or rights["NoNewPrivs"] != "1":
        yield "capabilities are left, or can be gained"
    if saw["user_namespace"]:
        yield "a user namespace can be made inside"
    if filtered and (rights["Seccomp"] != "2" or saw["sockets"]):
        yield f"the system call filter does not hold (socket families {saw['sockets']})"


def outside_uid(uid: int, uid_map: list[list[str]]) -> int:
    """The uid the kernel counts and checks for `uid` inside, by /proc/self/uid_map; 0 if nothing maps it."""
    for inside, outside, count in ((int(word) for word in line) for line in uid_map):
        if inside <= uid < inside + count:
            return outside + uid - inside
    return 0


def _why(probed: SandboxResult) -> str:
    """Why the probes gave no answer: what the process said before it ended, or what stopped it."""
    if probed.exit and probed.stderr.strip():
        return explained(probed.stderr, probed.exit)
    return f"the self-test failed: {probed.error}"


def explained(complaint: str, status: int | None) -> str:
    """What bubblewrap or Python said, with what the kernel's settings say about it."""
    lines = complaint.strip().splitlines()
    silent = f"the sandbox ended before it was ready (exit status {status})"
    said = next((line for line in lines if line.startswith("bwrap: ")), lines[-1] if lines else silent)
    return ". ".join([said, *(hint for path, value, hint in _HINTS if _reads(path) == value)])


def _reads(path: str) -> str:
    try:
        with open(path, encoding="ascii") as setting:
            return setting.read().strip()
    except OSError:
        return ""


def _holds(jail: bwrap.Jail, facts: Hello) -> list[str]:
    who = "a reserved uid that is not the server's" if jail.as_root else "no user of the machine but the server's"
    user = "a user namespace of its own; " if facts.user else ""
    whole = "memory and processes are bounded for the whole call by a cgroup (v{})"
    return [
        f"own pid, network, mount, ipc, uts and cgroup namespaces; {user}{who}; no capabilities",
        "no file of the host but the Python it runs on, read-only; /tmp is private and bounded, in bytes and in names",
        "no network unless hosts are listed, and then through the server's proxy alone",
        "nothing of the server's environment or open files",
        "wall time, CPU time, memory, processes, file sizes, output and result are bounded",
        *([whole.format(jail.cgroups.version)] if jail.cgroups.version else []),
        *(["system calls are filtered"] if jail.filters["closed"] else []),
        *([f"Landlock, version {facts.landlock}, forbids again what is not there"] if facts.landlock else []),
    ]


def _gaps(jail: bwrap.Jail, facts: Hello) -> list[str]:
    counts = (
        "CPU time is bounded per process: a call may use it once for each of its processes"
        if jail.cgroups.version
        else "memory and CPU time are bounded per process: a call may use them once for each of its processes, and "
        f"files of memory and shared memory beside that (no cgroups: {jail.cgroups.reason})"
    )
    return [
        counts,
        "the kernel is shared with the host",
        *(
            []
            if facts.user
            else ["no user namespace: this kernel allows none, and calls run as a reserved uid instead"]
        ),
        *([] if jail.filters["closed"] else ["system calls are not filtered: unknown machine type"]),
        *([] if facts.landlock else ["no Landlock: this kernel has none, or it is switched off"]),
        *(
            ["signals and abstract sockets are kept apart by namespaces alone: Landlock is older than version 6"]
            if 0 < facts.landlock < 6
            else []
        ),
    ]
