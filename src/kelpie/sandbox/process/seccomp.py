"""The system calls a tool has no use for, as a BPF program that answers them with an error.

Namespaces leave some doors open: AF_VSOCK and AF_NETLINK sockets, io_uring, a user namespace inside the namespace.
The program is a list of refusals: everything it does not name is allowed, except calls newer than this list.
"""

import platform
import socket
import struct

# name: (x86-64, aarch64 or None where that machine has no such call); from the kernel's unistd headers
_REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes' memory
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # keys, programs in the kernel, io_uring
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
}
# What a program has no use for, besides, that starts no other and stays who it is: a monitor of virtual machines.
_REFUSED_ALONE: dict[str, tuple[int, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execveat": (322, 281),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
}
# machine: (column above, AUDIT_ARCH, socket, socketpair, clone, ioctl)
_MACHINES = {
    "x86_64": (0, 0xC000003E, 41, 53, 56, 16),
    "aarch64": (1, 0xC00000B7, 198, 199, 220, 29),
}
_CLONE3 = 435
_FIRST_UNKNOWN = 463  # mseal, 462, is the newest call this list was made with
_X32 = 0x40000000
_THREAD = 0x10000  # CLONE_THREAD
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x50000 | 1, 0x50000 | 38
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24  # offsets in struct seccomp_data, low halves

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def program(machine: str | None = None, *, network: bool = False, alone: bool = False) -> bytes | None:
    """The program for `machine` (default: this one), or None where we don't know its system calls.

    network  whether TCP and UDP sockets may be made, for calls whose network namespace leads to our proxy alone
    alone    threads may be made and no processes, and nobody becomes another user
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    column, arch, *special = known
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6) if network else (socket.AF_UNIX,)
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
        # A library that tries a new call must be able to fall back to the old one: "no such call", not "forbidden".
        (_AT_LEAST, 0, 1, _FIRST_UNKNOWN),
        (_RETURN, 0, 0, _ENOSYS),
        # clone3 keeps its flags in memory, where a filter can't look; libraries then use clone.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ENOSYS),
    ]
    for numbers in (*_REFUSED.values(), *(_REFUSED_ALONE.values() if alone else ())):
        number = numbers[column]
        if number is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps + _special_cases(families, alone, *special))


def _special_cases(
    families: tuple[int, ...], alone: bool, socket_: int, socketpair: int, clone: int, ioctl: int
) -> list[Instruction]:
    """Calls of which only some arguments are refused; the last instruction allows everything else."""
    listed = [step for family in families for step in ((_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW))]
    only_families: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENT_0), *listed, (_RETURN, 0, 0, _EPERM)]
    no_process: list[Instruction] = [(_ANY_BIT, 1, 0, _THREAD), (_RETURN, 0, 0, _EPERM)]
    no_namespace: list[Instruction] = [
        (_LOAD, 0, 0, _ARGUMENT_0),
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _EPERM),
        *(no_process if alone else ()),
        (_RETURN, 0, 0, _ALLOW),
    ]
    no_typing: list[Instruction] = [  # TIOCSTI puts keystrokes into a terminal, TIOCLINUX pastes into a console
        (_LOAD, 0, 0, _ARGUMENT_1),
        (_EQUAL, 1, 0, _TIOCSTI),
        (_EQUAL, 0, 1, _TIOCLINUX),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    steps: list[Instruction] = []
    for number, body in (
        (socket_, only_families),
        (socketpair, only_families),
        (clone, no_namespace),
        (ioctl, no_typing),
    ):
        steps += [(_EQUAL, 0, len(body), number), *body]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]
