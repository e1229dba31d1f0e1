"""Attempts to get out of a sandbox, as data: the same list for every level, and for a plain subprocess, where most of
them succeed; so they work.

    outcomes = await run_probes(level.exec, world)     {name: Outcome}; `out` says that it got out

A probe is the body of a function `probe(w)`, with the world as its one argument. It returns something true if it got
out. Whatever it raises is being kept in, and so is being killed, or getting no answer at all.

`machine` probes reach for the server's machine: they must fail at every level. The others take rights that a virtual
machine's own kernel may well grant, because there they end at its walls.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kelpie.sandbox import SandboxCall, SandboxLimits, SandboxResult

SECRET = "a-secret-of-the-server"
VARIABLE = "PLANTED_API_KEY"
X86 = platform.machine() == "x86_64"

HEADER = """
import ctypes, errno, json, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWNET = 0x20000, 0x10000000, 0x40000000

def calls(number, *words):
    '''A system call by its number on this machine: (result, errno).'''
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    return libc.syscall(ctypes.c_long(number), *words), ctypes.get_errno()

def opens(*words):
    result, _ = calls(*words)
    return result >= 0

def in_child(act):
    '''Whether a child that does this ends well: what it changes is gone with it.'''
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0

def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return line.split(":")[1].strip()
"""


@dataclass(frozen=True)
class Probe:
    """One attempt.

    before  the body of a call that runs before it, in the domain `before_domain`
    after   what the server looks at once it is over: true if it got out all the same
    needs   "x86-64" or "cgroup", where it means something only there
    """

    name: str
    body: str
    machine: bool = True
    limits: SandboxLimits = field(default_factory=lambda: SandboxLimits(wall_ms=30_000))
    before: str = ""
    before_domain: str = ""
    after: Callable[[dict], bool] | None = None
    needs: str = ""


@dataclass(frozen=True)
class Outcome:
    out: bool
    why: str


def own(name, body, **rest):
    return Probe(name, body, machine=False, **rest)


def number(name, x86, arm, *rest, machine=False):
    """A system call that answers with something that is not negative where it is allowed."""
    words = ", ".join(map(str, rest))
    return Probe(name, f"return opens({x86 if X86 else arm}, {words})", machine=machine)


def refused(name, x86, arm, *rest):
    """A system call with nonsense for arguments: the kernel says so to whoever may make it, and EPERM to others."""
    words = ", ".join(map(str, rest))
    body = f"result, code = calls({x86 if X86 else arm}, {words})\nreturn result >= 0 or code != errno.EPERM"
    return own(name, body)


def marked_alive(world):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as line:
            if world["left"].encode() in line.read().split(b"\0"):
                return True
    return False


FILES = [
    Probe("read the shadow file", "return open('/etc/shadow').read()"),
    Probe("read the list of users", "return open('/etc/passwd').read()"),
    Probe("read a file of the server", "return w['secret'] in open(w['file']).read()"),
    Probe("read the server's code", "return open(w['code']).read()"),
    Probe("follow a link out", "os.symlink(w['file'], w['tmp'] + '/l')\nreturn open(w['tmp'] + '/l').read()"),
    Probe("link a file of the server here", "os.link(w['file'], w['tmp'] + '/h')\nreturn True"),
    Probe("list the home of root", "return [n for n in os.listdir('/root') if f'/root{os.sep}{n}' not in w['python']]"),
    Probe("list other programs' sockets", "return set(os.listdir('/run')) - {'kelpie', 'packages', 'layer'}"),
    Probe("write into /usr", "open('/usr/kelpie-probe', 'w').close()\nos.remove('/usr/kelpie-probe')\nreturn True"),
    Probe("write into the server's folder", "open(w['folder'] + '/made', 'w').close()\nreturn True"),
    Probe("write over Python's library", "open(os.__file__, 'r+').close()\nreturn True"),
    Probe(
        "find what an earlier call left",
        "return [p for p in ('/tmp/left-here', '/dev/shm/left-here') if os.path.exists(p)]",
        before="open('/tmp/left-here', 'w').close()\nopen('/dev/shm/left-here', 'w').close()",
    ),
    Probe(
        "find what another domain left",
        "return [p for p in ('/tmp/left-there', '/dev/shm/left-there') if os.path.exists(p)]",
        before="open('/tmp/left-there', 'w').close()\nopen('/dev/shm/left-there', 'w').close()",
        before_domain="another",
    ),
    Probe(
        "find shared memory of an earlier call",
        "return libc.shmget(w['key'], 64, 0) >= 0",
        before="libc.shmget(w['key'], 64, 0o1666)",
    ),
]

DEVICES = [
    Probe(
        "find devices",
        "names = 'kvm mem kmsg fuse net/tun ptmx sda vda mapper loop0 vsock vhost-vsock tty'.split()\n"
        "return [n for n in names if os.path.exists('/dev/' + n)]",
    ),
    Probe("make a device", "os.mknod(w['tmp'] + '/d', stat.S_IFBLK | 0o600, os.makedev(8, 0))\nreturn True"),
    Probe("read kernel messages", "return os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK) >= 0"),
    Probe("read the kernel's memory", "return os.open('/proc/kcore', os.O_RDONLY) >= 0"),
    Probe(
        "type into a terminal",
        "import pty\nm, s = pty.openpty()\nimport fcntl\nfcntl.ioctl(s, 0x5412, b'x')\nreturn True",
    ),
    Probe("list sysfs", "return os.listdir('/sys/class')"),
    Probe("list cgroups", "return os.listdir('/sys/fs/cgroup')"),
    Probe("set a setting of the kernel", "return os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY) >= 0"),
    Probe("press the kernel's keys", "return os.open('/proc/sysrq-trigger', os.O_WRONLY) >= 0"),
    Probe(
        "see kernel addresses",
        "return any(line[:16] != '0' * 16 for line in open('/proc/kallsyms').read(100_000).splitlines())",
    ),
]

PROCESSES = [
    Probe("read the environment", "return os.environ.get(w['variable'])"),
    Probe(
        "read everybody's environment",
        "seen = b''\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: seen += open(f'/proc/{pid}/environ', 'rb').read()\n"
        "    except OSError: pass\n"
        "return w['secret'].encode() in seen",
    ),
    Probe(
        "see processes of the machine",
        "seen = b''\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: seen += open(f'/proc/{pid}/cmdline', 'rb').read()\n"
        "    except OSError: pass\n"
        "return w['mark'].encode() in seen",
    ),
    Probe("signal a process of the machine", "os.kill(w['victim'], 0)\nreturn True"),
    Probe("signal its watcher", "os.kill(os.getppid(), 0)\nreturn True"),
    Probe("signal everybody", "os.kill(-1, 0)\nreturn True"),
    Probe("read pid 1's memory", "return os.open('/proc/1/mem', os.O_RDONLY) >= 0"),
    Probe("read pid 1's environment", "open('/proc/1/environ').read()\nreturn True"),
    Probe("enter pid 1's root", "return os.listdir(os.path.join('/proc/1/root', 'etc'))"),
    own("be traced", "return in_child(lambda: libc.ptrace(0, 0, 0, 0) == 0)"),
    own(
        "trace its child",
        "pid = os.fork()\nif pid == 0: signal.pause()\n"
        "try: return libc.ptrace(16, pid, 0, 0) == 0\nfinally: os.kill(pid, 9)",
    ),
    own(
        "read another process's memory",
        "b = ctypes.create_string_buffer(8)\n"
        "v = (ctypes.c_size_t * 2)(ctypes.addressof(b), 8)\n"
        f"return calls({310 if X86 else 270}, os.getpid(), v, 1, v, 1, 0)[0] == 8",
    ),
    Probe(
        "find open files of the server",
        "fds = map(int, os.listdir('/proc/self/fd'))\n"
        "return [fd for fd in fds if fd > 3 and os.path.exists(f'/proc/self/fd/{fd}')]",
    ),
    Probe(
        "outlive the call",
        "quiet = subprocess.DEVNULL\n"
        "subprocess.Popen(['/bin/sleep', w['left']], start_new_session=True, stdout=quiet, stderr=quiet)",
        after=marked_alive,
    ),
]

NETWORK = [
    Probe("reach a port of the machine", "socket.create_connection(('127.0.0.1', w['port']), timeout=2)\nreturn True"),
    Probe("send a datagram", "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', w['port']))\nreturn True"),
    Probe("listen on a port", "s = socket.socket()\ns.bind(('0.0.0.0', 0))\ns.listen()\nreturn True"),
    Probe("open an IPv6 socket", "socket.socket(socket.AF_INET6)\nreturn True"),
    Probe("open a raw socket", "socket.socket(2, 3, 1)\nreturn True"),
    Probe("open a packet socket", "socket.socket(17, 3, 0)\nreturn True"),
    Probe("open a netlink socket", "socket.socket(16, 3, 0)\nreturn True"),
    Probe("open a vsock socket", "socket.socket(40, 1)\nreturn True"),
    own("open a crypto socket", "socket.socket(38, 5)\nreturn True"),
    Probe("reach an abstract socket", "socket.socket(1).connect('\\0' + w['abstract'])\nreturn True"),
    Probe("reach a socket by its path", "socket.socket(1).connect(w['socket'])\nreturn True"),
]

PRIVILEGES = [
    own("become root", "os.setuid(0)\nreturn os.getuid() == 0"),
    own("become a group", "os.setgroups([0])\nreturn True"),
    own("have capabilities", "return any(int(status(n), 16) for n in ('CapEff', 'CapPrm', 'CapBnd', 'CapAmb'))"),
    own("gain rights by a program", "return status('NoNewPrivs') == '0'"),
    own("make a user namespace", "return in_child(lambda: libc.unshare(NEWUSER) == 0)"),
    own("make a mount namespace", "return in_child(lambda: libc.unshare(NEWNS) == 0)"),
    own("make a network namespace", "return in_child(lambda: libc.unshare(NEWNET) == 0)"),
    own(
        "be born in a user namespace",
        f"pid, _ = calls({56 if X86 else 220}, NEWUSER | 17, 0, 0, 0, 0)\n"
        "if pid == 0: os._exit(0)\n"
        "return pid > 0 and os.waitpid(pid, 0)",
    ),
    own(
        "be born in one by clone3",
        "words = (ctypes.c_uint64 * 8)(NEWUSER, 0, 0, 0, 17, 0, 0, 0)\n"
        "pid, _ = calls(435, words, 64)\n"
        "if pid == 0: os._exit(0)\n"
        "return pid > 0 and os.waitpid(pid, 0)",
    ),
    own("enter a namespace", "return libc.setns(os.open('/proc/self/ns/uts', os.O_RDONLY), 0) == 0"),
    own(
        "mount",
        "def act():\n    libc.unshare(NEWNS)\n    libc.mount(b'none', b'/', None, 0x44000, None)\n"
        "    return libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0\nreturn in_child(act)",
    ),
    own(
        "make the root writable",
        "def act():\n    libc.unshare(NEWNS)\n    libc.mount(b'none', b'/', None, 0x44000, None)\n"
        "    return libc.mount(None, b'/', None, 0x1020, None) == 0\nreturn in_child(act)",
    ),
    own(
        "unmount",
        "def act():\n    libc.unshare(NEWNS)\n    libc.mount(b'none', b'/', None, 0x44000, None)\n"
        "    return libc.umount2(b'/proc', 2) == 0\nreturn in_child(act)",
    ),
    own("open a file system", "return opens(430, ctypes.c_char_p(b'tmpfs'), 0)"),
    own("clone a tree of mounts", "return opens(428, -100, ctypes.c_char_p(b'/'), 1)"),
    own("change its root", "return in_child(lambda: os.chroot('/tmp') is None)"),
    own("name the machine", "socket.sethostname(socket.gethostname())\nreturn True"),
    own("run before others", "os.nice(-5)\nreturn True"),
    own(
        "run in real time",
        "return in_child(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None)",
    ),
    own("raise its limits", "resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16, 1 << 16))\nreturn True"),
    own("be spared by the memory's end", "open('/proc/self/oom_score_adj', 'w').write('-1000')\nreturn True"),
]

KERNEL = [
    number("make an io_uring", 425, 425, 4, "ctypes.create_string_buffer(256)"),
    number("use the keyring", 250, 219, 0, -3, 1),
    number("add a key", 248, 217, "b'user'", "b'k'", "b'v'", 1, -2),
    number("make a map for bpf", 321, 280, 0, "struct.pack('=5I', 2, 4, 4, 1, 0) + bytes(52)", 72),
    number("catch page faults", 323, 282, 0),
    number("count what the processor does", 298, 241, "struct.pack('=IIQ', 1, 112, 0) + bytes(96)", 0, -1, -1, 0),
    number("hide memory", 447, 447, 0),
    number("read kernel messages by a call", 103, 116, 10, 0, 0),
    number("change its personality", 135, 92, 0xFFFFFFFF),
    number(
        "name a file by its handle", 303, 264, -100, "b'/tmp'", "struct.pack('=Ii', 128, 0) + bytes(128)", "bytes(8)", 0
    ),
    number("watch every file", 300, 262, 0, 0),
    number("compare processes", 312, 272, "os.getpid()", "os.getpid()", 0, 0, 0),
    number("take a file of another process", 438, 438, "os.pidfd_open(os.getpid())", 0, 0),
    number("account for processes", 163, 89, 0),
    refused("load a module", 175, 105, 0, 0, "b''"),
    refused("restart the machine", 169, 142, 0, 0, 0, 0),
    refused("set the clock", 227, 112, 0, "struct.pack('=qq', 0, 2_000_000_000)"),
    refused("add swap", 167, 224, 0, 0),
    refused("start another kernel", 246, 104, 0, 99, 0, 0),
    own("talk to ports of the hardware", "return in_child(lambda: opens(172, 3))", needs="x86-64"),
    own("change its segments", "return opens(154, 0, ctypes.create_string_buffer(64), 64)", needs="x86-64"),
    own(
        "make a call of 32 bits",
        "code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])\n"
        "page = mmap.mmap(-1, 4096, prot=7)\npage.write(code)\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "return in_child(lambda: ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0)",
        needs="x86-64",
    ),
]

AMOUNTS = [
    own("take two gigabytes", "return len(bytearray(2 << 30))"),
    own(
        "take memory in many processes",
        "def act():\n"
        "    b = bytearray(60 << 20)\n"
        "    for at in range(0, len(b), 4096): b[at] = 1\n"
        "    time.sleep(0.5)\n"
        "    os._exit(0)\n"
        "pids = [os.fork() or act() for _ in range(6)]\n"
        "return all(os.waitpid(pid, 0)[1] == 0 for pid in pids)",
        limits=SandboxLimits(wall_ms=60_000, memory_bytes=128 << 20),
        needs="cgroup",
    ),
    own(
        "start many processes",
        "pids = []\n"
        "try:\n"
        "    for _ in range(200):\n"
        "        pid = os.fork()\n"
        "        if pid == 0: signal.pause()\n"
        "        pids.append(pid)\n"
        "except OSError: pass\n"
        "for pid in pids: os.kill(pid, 9)\n"
        "return len(pids) == 200",
    ),
    own(
        "start many threads",
        "for _ in range(200): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\nreturn True",
    ),
    own("open many files", "kept = [open('/dev/null') for _ in range(600)]\nreturn len(kept) == 600"),
    own(
        "write a large file",
        "open(w['tmp'] + '/large', 'wb').write(bytes(40 << 20))\nos.remove(w['tmp'] + '/large')\nreturn True",
    ),
    own(
        "fill /tmp",
        "for n in range(4): open(w['tmp'] + f'/fill{n}', 'wb').write(bytes(30 << 20))\n"
        "for n in range(4): os.remove(w['tmp'] + f'/fill{n}')\nreturn True",
    ),
    own(
        "make many names",
        "os.mkdir(w['tmp'] + '/names')\n"
        "for n in range(20_100): os.close(os.open(w['tmp'] + f'/names/{n}', os.O_CREAT))\nreturn True",
    ),
    own("print without end", "for _ in range(80): sys.stdout.write('x' * (1 << 20))\nreturn True"),
    own(
        "run on past its end",
        "end = time.monotonic() + 4\nwhile time.monotonic() < end: pass\nreturn True",
        limits=SandboxLimits(wall_ms=500),
    ),
]

PROBES = [*FILES, *DEVICES, *PROCESSES, *NETWORK, *PRIVILEGES, *KERNEL, *AMOUNTS]


@contextlib.contextmanager
def world():
    """What there is on this machine to reach for, as JSON."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kelpie-probes-"))
        path = os.path.join(folder, "kelpie.db")
        with open(path, "w") as file:
            file.write(SECRET)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0kelpie-probes-{os.getpid()}")
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind(os.path.join(folder, "socket"))
        for each in (abstract, named):
            each.listen()
        mark = f"9876.{os.getpid()}"
        victim = subprocess.Popen(["/bin/sleep", mark])
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        key = 0x6B650000 + os.getpid() % 0xFFFF
        stack.callback(_tidy, key)
        had = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = SECRET
        stack.callback(lambda: os.environ.pop(VARIABLE) if had is None else os.environ.__setitem__(VARIABLE, had))
        yield {
            "secret": SECRET,
            "variable": VARIABLE,
            "file": path,
            "folder": folder,
            "code": os.path.abspath(__file__),
            "python": sys.base_prefix,
            "port": listener.getsockname()[1],
            "abstract": f"kelpie-probes-{os.getpid()}",
            "socket": os.path.join(folder, "socket"),
            "victim": victim.pid,
            "mark": mark,
            "left": f"5.{os.getpid()}",
            "key": key,
            "tmp": "/tmp",
        }


def _tidy(key):
    """What plain subprocesses left on this machine."""
    for folder in ("/tmp", "/dev/shm"):
        for name in ("left-here", "left-there"):
            with contextlib.suppress(OSError):
                os.remove(f"{folder}/{name}")
    libc = ctypes.CDLL(None)
    if (shared := libc.shmget(key, 64, 0)) >= 0:
        libc.shmctl(shared, 0, None)


def source_of(body):
    return f"{HEADER}\ndef probe(w):\n{textwrap.indent(body, '    ')}\n"


def applies(probe, *, cgroup):
    return {"x86-64": X86, "cgroup": cgroup}.get(probe.needs, True)


Exec = Callable[[SandboxCall, SandboxLimits], Awaitable[SandboxResult]]


async def run_probes(execute: Exec, around: dict, probes: list[Probe] = PROBES) -> dict[str, Outcome]:
    """Every probe through `execute`, one after another."""
    outcomes = {}
    for probe in probes:
        if probe.before:
            before = source_of(f"{probe.before}\nreturn True")
            laid = await execute(SandboxCall(before, "probe", {"w": around}, domain=probe.before_domain), probe.limits)
            assert laid.value is True, f"{probe.name}: what is to be found could not be left: {laid.error}"
        result = await execute(SandboxCall(source_of(probe.body), "probe", {"w": around}), probe.limits)
        out = result.error is None and bool(result.value)
        if probe.after is not None and not out:
            out = probe.after(around)
        outcomes[probe.name] = Outcome(out, str(result.error or result.killed_by or result.value)[:200])
    return outcomes


async def plainly(call: SandboxCall, wanted: SandboxLimits) -> SandboxResult:
    """The same in a subprocess of no sandbox at all: what a level is measured against."""
    code = (
        f"{call.source}\nvalue = probe(json.loads(sys.argv[1])['w'])\nprint()\nprint(json.dumps(value, default=repr))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, json.dumps(call.arguments)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(wanted.wall_ms / 1000 + 30):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return SandboxResult(value=True)
    if process.returncode != 0:
        return SandboxResult(error=(err.decode("utf-8", "replace").strip().splitlines() or ["?"])[-1])
    return SandboxResult(value=json.loads(out.rsplit(b"\n", 2)[-2]))


async def _against_the_process_level():
    """What got out of the level "process" as this very user, as JSON: for a test that runs this file as another."""
    from kelpie.sandbox import ProcessLevel
    from umi.dst import Host

    level = ProcessLevel(Host())
    report = await level.report()
    if not report.exists:
        return {"reason": report.reason}
    cgroup = any("by a cgroup" in line for line in report.holds)
    with world() as around:
        chosen = [probe for probe in PROBES if applies(probe, cgroup=cgroup)]
        outcomes = await run_probes(level.exec, around, chosen)
    await level.close()
    out = {name: outcome.why for name, outcome in outcomes.items() if outcome.out}
    return {"reason": "", "out": out, "count": len(outcomes), "gaps": report.gaps}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_against_the_process_level())) + "\n")
