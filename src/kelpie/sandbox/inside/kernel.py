"""The system calls that lock a process up and that Python has no names for: namespaces, mounts, capabilities, Landlock,
the system call filter. By ctypes, without a library that would have to be there.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct

NEWNS, NEWCGROUP, NEWIPC, NEWUSER = 0x20000, 0x2000000, 0x8000000, 0x10000000
NEWPID, NEWNET = 0x20000000, 0x40000000
NOSUID, NODEV, NOEXEC = 2, 4, 8
_BIND, _RECURSIVE = 0x1000, 0x4000

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_SECCOMP, _BOUNDING_DROP, _NO_NEW_PRIVS, _AMBIENT = 1, 4, 22, 24, 38, 47
_AMBIENT_CLEAR_ALL, _SECCOMP_FILTER = 4, 2
_CAPABILITY_VERSION = 0x20080522
_CAPABILITIES_MAX = 64
SETGID, SETUID, SYS_ADMIN, NET_ADMIN, SETPCAP = 6, 7, 21, 12, 8

# Landlock: what its versions know (include/uapi/linux/landlock.h). Rights that this kernel does not know are left out.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FIRST_RIGHTS = (1 << 13) - 1
_LATER_RIGHTS = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))  # (version, right): refer, truncate, ioctl of devices
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_TCP_SINCE, _TCP = 4, 3  # bind and connect
_SCOPE_SINCE, _SCOPES = 6, 3  # abstract unix sockets and signals of others

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

_CLONE_PIDFD = 0x1000
_CLONE_NUMBERS, _CLONE_ELSEWHERE = {"x86_64": 56}, 220  # elsewhere: asm-generic/unistd.h

_libc = ctypes.CDLL(None, use_errno=True)
# The child of a clone is Python's only thread, and must hold its lock as the parent did.
_held, _python = ctypes.PyDLL(None, use_errno=True), ctypes.pythonapi


def _done(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def clone(flags: int) -> tuple[int, int]:
    """Like os.fork, into new namespaces: (0, -1) in the child, (its pid, a pidfd of it) in the parent.

    Forking first and leaving the old namespaces afterwards would cost one more process a call.
    """
    number = _CLONE_NUMBERS.get(platform.machine(), _CLONE_ELSEWHERE)
    pidfd = ctypes.c_int(-1)
    words = (ctypes.c_long(number), ctypes.c_ulong(flags | _CLONE_PIDFD | signal.SIGCHLD), None, ctypes.byref(pidfd))
    _python.PyOS_BeforeFork()
    pid = _held.syscall(*words, None, None)
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0, -1
    code = ctypes.get_errno()
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, f"clone: {os.strerror(code)}")
    return pid, pidfd.value


def unshare(flags: int) -> None:
    _done(_libc.unshare(flags), "unshare")


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    words = (kind.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _done(_libc.mount(*words), f"mount {target}")


def bind(source: str, target: str) -> None:
    flags = ctypes.c_ulong(_BIND | _RECURSIVE)
    _done(_libc.mount(source.encode(), target.encode(), None, flags, None), f"bind {target}")


def die_with_parent() -> None:
    _done(_libc.prctl(_SET_PDEATHSIG, 9, 0, 0, 0), "PR_SET_PDEATHSIG")


def set_dumpable(dumpable: bool) -> None:
    """Whether others of the same user may look into this process, by /proc or as its debugger."""
    _done(_libc.prctl(_SET_DUMPABLE, int(dumpable), 0, 0, 0), "PR_SET_DUMPABLE")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def bound_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Let no program give back any capability but these. It takes one itself, which a change of user gives up."""
    for number in range(_CAPABILITIES_MAX):
        if number not in kept and _libc.prctl(_BOUNDING_DROP, number, 0, 0, 0) < 0:
            break  # the first number that this kernel does not know, or nothing may be dropped any more


def keep_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Give up every capability but these, for good."""
    bound_capabilities(kept)
    _libc.prctl(_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    bits = sum(1 << number for number in kept)
    sets = (_Sets * 2)(_Sets(bits, bits, 0), _Sets(0, 0, 0))
    _done(_libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), sets), "capset")


def no_new_privileges() -> None:
    _done(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def landlock_version() -> int:
    """0 where the kernel has no Landlock, or it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def landlock(reads: list[str], writes: list[str], *, tcp: bool) -> None:
    """From now on only `reads` may be read and run, only `writes` be changed, and no process outside be signalled.

    tcp  whether TCP may be used; other protocols are the network namespace's and the filter's
    """
    version = landlock_version()
    every = _FIRST_RIGHTS + sum(right for since, right in _LATER_RIGHTS if version >= since)
    words = [every]
    if version >= _TCP_SINCE:
        words.append(0 if tcp else _TCP)
    if version >= _SCOPE_SINCE:
        words.append(_SCOPES)
    rules = struct.pack(f"={len(words)}Q", *words)
    what = "Landlock"
    ruleset = _done(_libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0)), what)
    for paths, rights in ((reads, _EXECUTE | _READ_FILE | _READ_DIR), (writes, every)):
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            allowed = rights & every if os.path.isdir(path) else rights & every & _FILE_RIGHTS
            rule = struct.pack("=Qi", allowed, fd)
            _done(_libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"{what} for {path}")
            os.close(fd)
    _done(_libc.syscall(_RESTRICT_SELF, ruleset, 0), what)
    os.close(ruleset)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def filter_calls(program: bytes) -> None:
    """Load a system call filter: struct sock_filter after struct sock_filter."""
    steps = ctypes.create_string_buffer(program, len(program))
    loaded = _Program(len(program) // 8, ctypes.cast(steps, ctypes.c_void_p))
    _done(_libc.prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(loaded), 0, 0), "seccomp")


def raise_loopback() -> None:
    """A new network namespace has a loopback device, and it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
