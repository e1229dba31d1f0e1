"""One warm process from start to end, as the server sees it, with one call at a time. The adapter to the machine's
processes.

It is a fresh exec of bubblewrap and Python with an empty environment and one open file, never a fork of the server:
a fork would carry our keys and sockets in its memory. Whatever happens, its whole tree is killed with the task that
owns it, which ends with the event loop at the latest; and it ends by itself when our end of its socket is gone.

Not asyncio's subprocesses: they start in several awaits, and a cancellation between two of them kills bubblewrap
before it has tied its child to itself; the child stays, and the loop waits for its pipes for ever.
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.process.cgroups import Cgroups, Group
from umi.dst import Host

_MESSAGE_BYTES_MAX = 64 << 10
_COMPLAINT_BYTES_MAX = 64 << 10


class Hello(msgspec.Struct, frozen=True):
    """What a template says of itself before its first call.

    namespaces  its own, as /proc/self/ns shows them
    landlock    the version it will use, 0 for none
    user        whether each call gets a user namespace of its own
    """

    namespaces: dict[str, str]
    landlock: int
    user: bool


class _Message(msgspec.Struct):
    hello: Hello | None = None
    started: bool = False
    ended: bool = False
    status: int = 0
    cpu_ms: float = 0.0


_decode = msgspec.json.Decoder(_Message).decode


class NotStarted(Exception):
    """The template ended before it was ready. `complaint` is what it wrote, `exit` its status."""

    def __init__(self, complaint: str, status: int | None) -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.exit = status


class Gone(msgspec.Struct, frozen=True):
    """How a call's processes ended: the tool's exit status, 128 + n for signal n, and the CPU time of all of them.

    lost  they ended without the template's word: it was killed, or died
    """

    status: int
    cpu_ms: float
    lost: bool = False


@dataclass(slots=True, eq=False)
class Running:
    """A call in a template. `ended` has its result as soon as the last of its processes is buried."""

    ended: asyncio.Future[Gone]
    pidfd: int = -1
    condemned: bool = False

    def kill(self) -> None:
        """SIGKILL to pid 1 of the call, and with it to all of it; as soon as we are told who that is."""
        self.condemned = True
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def bury(self) -> None:
        """Hold the event loop until it is dead, for a moment at most: nobody is left who could await it."""
        if self.pidfd >= 0:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            poll.poll(limits.SANDBOX_BURIAL_MS_MAX)

    def forget(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


@dataclass(slots=True, eq=False)
class Template:
    """A warm process.

    process    bubblewrap
    control    our end of the socket to the process inside
    ready      its hello; fails with NotStarted
    group      the cgroup it is in; None on a machine without
    calls      how many it was given in all
    rested_ms  since when it has nothing to do
    spent      whether it should get no more calls
    running    the one call that it has now
    """

    host: Host
    process: "subprocess.Popen[bytes]"
    control: socket.socket
    ready: asyncio.Future[Hello]
    cgroups: Cgroups
    group: Group | None
    calls: int = 0
    rested_ms: float = 0.0
    spent: bool = False
    running: Running | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _owner: "asyncio.Task[None] | None" = None

    @property
    def alive(self) -> bool:
        return not self._over.is_set()

    async def wait_ready(self) -> Hello:
        """Raises NotStarted, ToolUnavailable."""
        try:
            async with self.host.clock.timeout(limits.SANDBOX_TEMPLATE_START_MS_MAX):
                return await asyncio.shield(self.ready)
        except TimeoutError:
            self.close()
            most = limits.SANDBOX_TEMPLATE_START_MS_MAX
            raise ToolUnavailable(f"a sandbox did not start within {most:,} ms") from None

    def begin(self, message: Mapping[str, object], fds: Mapping[str, int]) -> Running:
        """Hand it a call. Raises OSError if it can't take one: then it is closed."""
        assert self.running is None, "one call at a time"
        text = msgspec.json.encode({**message, "fds": list(fds)})
        try:
            socket.send_fds(self.control, [text], list(fds.values()))
        except OSError:
            self.close()
            raise
        self.calls += 1
        self.spent = self.spent or self.calls >= limits.SANDBOX_TEMPLATE_CALLS_MAX
        self.running = Running(asyncio.get_running_loop().create_future())
        return self.running

    def retire(self) -> None:
        """No more calls; it ends with the one that it has."""
        self.spent = True
        if self.running is None:
            self.close()

    def close(self) -> None:
        """Kill it, and all that runs in it. Its owner buries it."""
        self.spent = True
        self._over.set()

    async def buried(self) -> None:
        """After `close`: nothing of it is left."""
        if self._owner is not None:
            await asyncio.wait([self._owner])

    def live(self) -> None:
        """From now on it has an owner."""
        self._owner = self.host.spawn(self._own(), "sandbox template")

    async def _own(self) -> None:
        asyncio.get_running_loop().add_reader(self.control, self._listen)
        try:
            await self._over.wait()
        finally:
            self._end()

    def _listen(self) -> None:
        try:
            text, fds, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES_MAX, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            text, fds = b"", []
        if not text:
            self.close()
            return
        message = _decode(text)
        if message.hello is not None:
            self.ready.set_result(message.hello)
        elif message.started:
            self._started(fds)
        elif message.ended and self.running is not None:
            running, self.running = self.running, None
            if not running.ended.done():
                running.ended.set_result(Gone(message.status, message.cpu_ms))
            self.rested_ms = self.host.clock.monotonic_ms()
            if self.spent:
                self.close()

    def _started(self, fds: list[int]) -> None:
        if self.running is None or self.running.pidfd >= 0:
            for fd in fds:
                os.close(fd)
            return
        (self.running.pidfd,) = fds
        if self.running.condemned:
            self.running.kill()

    def _end(self) -> None:
        self._over.set()
        asyncio.get_running_loop().remove_reader(self.control)
        self.control.close()
        kill(self.process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(limits.SANDBOX_BURIAL_MS_MAX / 1000)
        complaint = self._complaint()
        if not self.ready.done():
            self.ready.set_exception(NotStarted(complaint, self.process.returncode))
            self.ready.exception()  # whoever waited may be gone
        if self.running is not None and not self.running.ended.done():
            self.running.ended.set_result(Gone(128 + signal.SIGKILL, 0.0, lost=True))
        self.running = None
        if self.group is not None:
            self.cgroups.discard(self.group)

    def _complaint(self) -> str:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            os.set_blocking(stderr.fileno(), False)
            return (stderr.read(_COMPLAINT_BYTES_MAX) or b"").decode("utf-8", "replace")


def start(host: Host, cgroups: Cgroups, command: Callable[[int, Sequence[int]], list[str]]) -> Template:
    """Start `command(descriptor of its socket, descriptors of its cgroup)`.

    Raises ToolUnavailable if there is no such program, or no cgroup where there should be one.
    """
    try:
        group = cgroups.make()
    except OSError as error:
        raise ToolUnavailable(f"no cgroup can be made for a tool ({error.strerror}), so it was not run") from error
    join_fds = group.join_fds if group is not None else []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, contextlib.ExitStack() as joined:
        if group is not None:
            joined.callback(group.close)
        words = command(theirs.fileno(), join_fds)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line; no call's source or secret is in it
                words,
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno(), *join_fds],
                env={},  # bubblewrap itself gets nothing of the server's environment either
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            if group is not None:
                cgroups.discard(group)
            raise ToolUnavailable(f"{words[0]} can't be started: {error.strerror}") from error
    ours.setblocking(False)
    ready: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
    template = Template(host, process, ours, ready, cgroups, group, rested_ms=host.clock.monotonic_ms())
    template.live()
    return template


def check_kernel() -> None:
    """Raises ToolUnavailable where the kernel can't tell us of a process's end."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        raise ToolUnavailable(
            f"the kernel has no pidfd_open ({error.strerror}): Linux 5.3 or newer is needed"
        ) from error


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to pid 1 of the sandbox, and with it to all in it; bubblewrap, its parent, buries it and ends.

    Where there is no such child yet, or none we can see, the whole process group goes.
    """
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        children = _children(process.pid)
        for child in children:
            os.kill(child, signal.SIGKILL)
        if not children:
            os.killpg(process.pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []
