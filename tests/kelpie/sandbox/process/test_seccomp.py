"""The filter as a program, run by a small interpreter of ours: both machines, without either kernel."""

import platform
import socket
import struct

import pytest

from kelpie.sandbox.process import seccomp

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50001, 0x50026
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From the kernel's headers: asm/unistd_64.h and asm-generic/unistd.h.
CALLS = {
    "x86_64": {"read": 0, "socket": 41, "socketpair": 53, "clone": 56, "ioctl": 16, "ptrace": 101, "unshare": 272},
    "aarch64": {"read": 63, "socket": 198, "socketpair": 199, "clone": 220, "ioctl": 29, "ptrace": 117, "unshare": 97},
}
MACHINES = sorted(ARCH)


def verdict(machine, number, *arguments, arch=None, **options):
    """What the kernel would answer: classic BPF over struct seccomp_data."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *padded)
    code = seccomp.program(machine, **options)
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at, accumulator = 0, 0
    while True:
        kind, true, false, constant = steps[at]
        at += 1
        match kind:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, constant)[0]
            case 0x15:
                at += true if accumulator == constant else false
            case 0x35:
                at += true if accumulator >= constant else false
            case 0x45:
                at += true if accumulator & constant else false
            case 0x06:
                return constant


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_calls_pass(machine):
    calls = CALLS[machine]
    assert verdict(machine, calls["read"]) == ALLOW
    assert verdict(machine, calls["ioctl"], 0, 0x5401) == ALLOW
    assert verdict(machine, calls["clone"], 0x01200011) == ALLOW  # fork
    assert verdict(machine, calls["clone"], 0x003D0F00) == ALLOW  # a thread
    assert verdict(machine, 462) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_only_unix_sockets_pass(machine, name):
    number = CALLS[machine][name]
    families = range(46)
    assert [family for family in families if verdict(machine, number, family) == ALLOW] == [socket.AF_UNIX]
    assert verdict(machine, number, socket.AF_VSOCK) == EPERM
    passed = [family for family in families if verdict(machine, number, family, network=True) == ALLOW]
    assert passed == [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize("machine", MACHINES)
def test_new_namespaces_and_typing_into_a_terminal_are_refused(machine):
    calls = CALLS[machine]
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, calls["clone"], bit | 17) == EPERM
    assert verdict(machine, calls["ioctl"], 0, 0x5412) == EPERM
    assert verdict(machine, calls["ioctl"], 0, 0x541C) == EPERM
    assert verdict(machine, calls["unshare"], 0x10000000) == EPERM
    assert verdict(machine, 435) == ENOSYS  # clone3


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused(machine):
    column = MACHINES[::-1].index(machine)
    numbers = [numbers[column] for numbers in seccomp._REFUSED.values() if numbers[column] is not None]
    assert CALLS[machine]["ptrace"] in numbers
    assert len(set(numbers)) == len(numbers) > 45
    assert {verdict(machine, number) for number in numbers} == {EPERM}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_monitor_makes_threads_and_no_processes(machine):
    calls, column = CALLS[machine], MACHINES[::-1].index(machine)
    assert verdict(machine, calls["clone"], 0x003D0F00, alone=True) == ALLOW
    assert verdict(machine, calls["clone"], 0x01200011, alone=True) == EPERM
    assert verdict(machine, calls["clone"], 0x10010011, alone=True) == EPERM  # a thread in a new user namespace
    assert verdict(machine, calls["read"], alone=True) == ALLOW
    only = [numbers[column] for numbers in seccomp._REFUSED_ALONE.values() if numbers[column] is not None]
    assert len(set(only)) == len(only) > 15
    assert {verdict(machine, number, alone=True) for number in only} == {EPERM}
    assert {verdict(machine, number) for number in only} == {ALLOW}
    assert verdict(machine, calls["ptrace"], alone=True) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_newer_than_the_list_do_not_exist(machine):
    assert verdict(machine, 463) == verdict(machine, 999) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architectures_calls_kill(machine):
    assert verdict(machine, CALLS[machine]["read"], arch=0x40000003) == KILL  # 32-bit x86
    assert verdict("x86_64", 0x40000000) == KILL  # x32


def test_an_unknown_machine_has_no_filter():
    assert seccomp.program("riscv64") is None
    assert seccomp.program() == seccomp.program(platform.machine())
    assert len(seccomp.program("x86_64")) < 4096  # it is written to a pipe whole before anybody reads
