"""The warm process of a sandbox: waits for calls, and forks a locked-up process tree for each, one after another.

It is pid 1 of bubblewrap's namespaces, started afresh with an empty environment and one open file: the socket to the
server. It runs no tool itself. A call is two processes, and whatever the tool starts:

    first    pid 1 of the call's own namespaces: mounts, then buries whatever dies below it until the tool is done
    tool     gives up what is left, and performs the order

Messages (one packet each, with descriptors):
    out   {"hello": {…}}               once, when calls can come
    in    {"uid", "tmp_bytes", "tmp_files", "network", "fds"}
                                       a call; `fds` names the descriptors that come along
    out   {"started": true}            with a pidfd of `first`: killing it ends the whole call
    out   {"ended": true, "status", "cpu_ms"}
                                       all of its processes are gone and buried
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback

import kernel
import relay
import runner
from frames import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

_MESSAGE_BYTES_MAX = 64 << 10
_FDS_MAX = 16
_CHANNEL, _FIRST_CLOSED, _FDS_END = 3, 4, 1 << 20
SETUP_FAILED = 97
_TMP = "/tmp"  # noqa: S108 - the call's own
_WRITES = (_TMP, "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_FLAGS = {
    "mnt": kernel.NEWNS,
    "pid": kernel.NEWPID,
    "ipc": kernel.NEWIPC,
    "net": kernel.NEWNET,
    "cgroup": kernel.NEWCGROUP,
}
_KEPT = (kernel.SETUID, kernel.SETGID)
_OUTER = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def main() -> None:
    """Arguments: the socket's descriptor, and the settings as JSON (see kelpie.sandbox.process.bwrap)."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    for fd in settings["cgroups"]:
        os.write(fd, b"0")  # from here on, and so for every call, memory and processes count there
        os.close(fd)
    settings["user"] = _own_user_namespaces(settings)
    if os.path.isdir(runner.PACKAGES):
        _warm(runner.PACKAGES)
    hello = {
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in _OUTER},
        "landlock": kernel.landlock_version() if settings["landlock"] else 0,
        "user": settings["user"],
    }
    settings["landlock"] = bool(hello["landlock"])
    settings["flags"] = sum(_FLAGS[name] for name in settings["namespaces"])
    if settings["user"]:
        settings["flags"] |= kernel.NEWUSER
    gc.collect()
    gc.freeze()  # what is here stays: a child's collector must not touch, and so copy, its pages
    _send(control, {"hello": hello})
    while True:
        _call(control, settings)


def _own_user_namespaces(settings: Message) -> bool:
    """Whether each call gets a user namespace. A server that is not root can't do without; under root the kernel may
    forbid them to all but itself, and then this process keeps the right to mount."""
    if not settings["root"]:
        return True
    os.setgroups([])
    kernel.mount("proc", "/proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    if settings["user_namespaces"]:
        child = os.fork()
        if child == 0:
            try:
                kernel.keep_capabilities(_KEPT)
                kernel.unshare(kernel.NEWUSER)
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1] == 0:
            kernel.keep_capabilities(_KEPT)
            return True
    return False


def _warm(folder: str) -> None:
    """Import once what calls of this template need: their forks find it there."""
    sys.path.append(folder)
    with contextlib.suppress(ImportError):  # a tool that imports it is told so itself
        import pydantic  # noqa: F401
    sys.path.remove(folder)


def _call(control: socket.socket, settings: Message) -> None:
    """Wait for a call, and see it through."""
    text, passed, _, _ = socket.recv_fds(control, _MESSAGE_BYTES_MAX, _FDS_MAX, socket.MSG_CMSG_CLOEXEC)
    if not text:
        os._exit(0)  # the server is gone, or has no further use for us; the rest dies with pid 1
    message = json.loads(text)
    fds = dict(zip(message["fds"], passed, strict=True))
    mapped, mapper = os.pipe()
    first, pidfd = kernel.clone(settings["flags"])
    if first == 0:
        control.close()
        os.close(mapper)
        _be_first(message, fds, settings, mapped)
    for fd in (*passed, mapped):
        os.close(fd)
    try:
        if settings["user"]:
            _map(first, message["uid"], settings)
    except OSError:
        os.kill(first, signal.SIGKILL)
        raise
    os.write(mapper, b"1")
    os.close(mapper)
    _send(control, {"started": True}, (pidfd,))
    poll = select.poll()
    poll.register(control, select.POLLHUP)
    poll.register(pidfd, select.POLLIN)
    if any(fd != pidfd for fd, _ in poll.poll()):
        os._exit(0)
    os.close(pidfd)
    _, status, used = os.wait4(first, 0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # nobody should be left, and nobody is
    cpu_ms = (used.ru_utime + used.ru_stime) * 1000
    _send(control, {"ended": True, "status": _as_status(status), "cpu_ms": cpu_ms})


def _map(pid: int, uid: int, settings: Message) -> None:
    """Make `uid` the one user that exists for that process: itself under root, else the server's by another number."""
    user, group = (uid, uid) if settings["root"] else (os.geteuid(), os.getegid())
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {user} 1"), ("gid_map", f"{uid} {group} 1")):
        _write(f"/proc/{pid}/{name}", text)


def _send(control: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    try:
        socket.send_fds(control, [json.dumps(message).encode()], list(fds))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, text.encode())
    os.close(fd)


# --- pid 1 of the call


def _be_first(message: Message, fds: dict[str, int], settings: Message, mapped: int) -> None:
    status = SETUP_FAILED
    try:
        if not os.read(mapped, 1):
            os._exit(status)
        os.close(mapped)
        with contextlib.suppress(OSError):  # some containers fix the score: the limits hold without it
            _write("/proc/self/oom_score_adj", "1000")
        if settings["user"]:
            if settings["root"]:
                _become(message["uid"])
            # The filter refuses user namespaces inside. Where it is not known the kernel's own count does.
            _write("/proc/sys/user/max_user_namespaces", "0")
        kernel.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setsid()
        _mount_tmp(message, settings)
        kernel.mount("proc", "/proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
        os.chdir(_TMP)
        listener = None
        if message["network"]:
            kernel.raise_loopback()
            listener = relay.listen()
        kernel.keep_capabilities(() if settings["user"] else (*_KEPT, kernel.SETPCAP))
        kernel.set_dumpable(False)
        if listener is not None and os.fork() == 0:
            _be_relay(listener, message, fds, settings)
        tool = os.fork()
        if tool == 0:
            _be_tool(message, fds, settings)
        os.closerange(0, _FDS_END)
        status = _outlive(tool)
    except BaseException:  # noqa: BLE001 - whatever it is, no call may come back into the template's loop
        _complain(fds)
    os._exit(status)


def _mount_tmp(message: Message, settings: Message) -> None:
    """A /tmp of the call's own. What the server lends from below its own /tmp stays where it is."""
    lent = {path: os.open(path, os.O_PATH) for path in settings["reads"] if path.startswith(f"{_TMP}/")}
    options = f"size={message['tmp_bytes']},nr_inodes={message['tmp_files']},mode=1777"
    kernel.mount("tmpfs", _TMP, kernel.NOSUID | kernel.NODEV, options)
    for path, fd in lent.items():
        source = f"/proc/self/fd/{fd}"
        if os.path.isdir(source):
            os.makedirs(path)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT, 0o600))
        kernel.bind(source, path)  # as read-only as what it is a copy of
        os.close(fd)


def _become(uid: int) -> None:
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _outlive(tool: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == tool:
            return _as_status(status)


def _as_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _be_relay(listener: socket.socket, message: Message, fds: dict[str, int], settings: Message) -> None:
    """As weak as the tool, and with nothing of it in its hands."""
    try:
        for name in ("order", "channel", "stdin", "stdout"):
            os.close(fds.pop(name)) if name in fds else None
        if not settings["user"]:
            kernel.bound_capabilities()
            _become(message["uid"])
            kernel.keep_capabilities()
        _lock(message, settings)
        os.close(fds.pop("stderr"))
        relay.serve(listener, relay.to_socket(fds["door"]))
    finally:
        os._exit(SETUP_FAILED)


def _lock(message: Message, settings: Message) -> None:
    kernel.no_new_privileges()
    if settings["landlock"]:
        kernel.landlock([*settings["reads"], "/proc", "/dev"], list(_WRITES), tcp=message["network"])
    program = settings["filters"]["network" if message["network"] else "closed"]
    if program:
        kernel.filter_calls(bytes.fromhex(program))


# --- the tool


def _be_tool(message: Message, fds: dict[str, int], settings: Message) -> None:
    status = SETUP_FAILED
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not settings["user"]:
            kernel.bound_capabilities()
            _become(message["uid"])
            kernel.keep_capabilities()
        with os.fdopen(fds.pop("order"), "rb") as written:
            order = json.load(written)
        if message["network"]:
            order["environment"] = relay.variables() | order["environment"]
        _settle_streams(fds)
        _limit(order["limits"], order.get("node"), watchers=_watchers(message, settings))
        _lock(message, settings)
        if order.get("command"):
            _replace(order)
        sys.argv[:] = ["tool", str(_CHANNEL)]
        gc.enable()
        status = runner.perform(order, Channel(_CHANNEL))
    except BaseException:  # noqa: BLE001 - as above
        _complain(fds)
    # No exit handlers, and no waiting for threads the tool left behind: the call has its result.
    os._exit(status)


def _settle_streams(fds: dict[str, int]) -> None:
    """0, 1 and 2 are the tool's, 3 the channel; nothing else is open."""
    null = os.open(os.devnull, os.O_RDONLY)
    wanted = [fds.get("stdin", null), fds["stdout"], fds["stderr"]]
    if "channel" in fds:
        wanted.append(fds["channel"])
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, len(wanted)) for fd in wanted]  # clear of the numbers they move to
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=number < _CHANNEL)
    os.closerange(len(high), _FDS_END)


def _watchers(message: Message, settings: Message) -> int:
    """How many processes beside the tool's own the kernel counts for its user."""
    return (1 if settings["user"] else 0) + (1 if message["network"] else 0)


def _limit(limits: Message, node: Message | None, watchers: int) -> None:
    cpu_s = -(-limits["cpu_ms"] // 1000)
    counted = limits["processes"] + watchers
    bounds = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_NPROC, counted, counted),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        # SIGXCPU at the soft limit says why; a tool that ignores it is killed a second later.
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
    ]
    memory, reserve = limits["memory_bytes"], limits["memory_reserve_bytes"]
    if node is None:
        bounds.append((resource.RLIMIT_AS, memory, memory + reserve))
    else:  # which reserves far more addresses than it uses: what is writable counts
        bounds += [(resource.RLIMIT_AS, node["address_space_bytes"], node["address_space_bytes"])]
        bounds += [(resource.RLIMIT_DATA, memory, memory)]
    for kind, soft, hard in bounds:
        resource.setrlimit(kind, (soft, hard))


def _replace(order: Message) -> None:
    """Become another program: nothing of ours is left but the limits."""
    runner.prepare(order)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = order["command"]
    try:
        os.execvp(command[0], command)  # noqa: S606 - what this call is for
    except OSError as error:
        os.write(2, f"{command[0]} can't be started: {error.strerror}\n".encode())
        os._exit(127)


def _complain(fds: dict[str, int]) -> None:
    """What went wrong before the tool began, where the tool's complaints go."""
    text = traceback.format_exc()
    for fd in (fds.get("stderr", 2), 2):
        try:
            os.write(fd, text.encode())
        except OSError:
            continue
        return
