"""Qemu: a template is booted once, and every call gets a copy of it.

The template's memory is a file in memory, sealed once it is complete: a copy maps it privately, and not even a
monitor that was taken over can change what the next copy starts from.
"""

import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass
from typing import Any

from kelpie.sandbox import limits
from kelpie.sandbox.microvm import vmm
from kelpie.sandbox.microvm.frames import Frames, GuestLost
from kelpie.sandbox.microvm.image import Image, overlay
from kelpie.sandbox.microvm.image.build import KERNEL_FILE, SYSTEM_FILE
from kelpie.sandbox.microvm.jail import VmmJail, find_program, vmm_jail
from kelpie.sandbox.microvm.qemu import command
from kelpie.sandbox.microvm.qemu.qmp import Qmp
from umi.dst import Host
from umi.dst.threads import in_thread

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_POLL_MS = 2


@dataclass(slots=True)
class Template:
    """A machine that has booted and waits for its call: memory, and the state of everything else."""

    ram_fd: int
    state_fd: int

    def close(self) -> None:
        os.close(self.ram_fd)
        os.close(self.state_fd)


@dataclass(slots=True)
class Machine:
    """A guest that runs, with its monitor."""

    vmm: vmm.Vmm
    qmp: Qmp
    frames: Frames

    @property
    def runs(self) -> bool:
        return self.vmm.runs

    async def resume(self) -> None:
        await self.qmp.execute("cont")

    async def end(self) -> None:
        self.frames.close()
        self.qmp.close()
        await self.vmm.end()


class Qemu:
    """Boots and copies machines under one accelerator. Raises ToolUnavailable where there is no QEMU or no jail."""

    def __init__(self, host: Host, accelerator: command.Accelerator, *, program: str | None = None) -> None:
        self._host = host
        self._accelerator = accelerator
        self._boot_ms = limits.MICROVM_BOOT_KVM_MS_MAX if accelerator == "kvm" else limits.MICROVM_BOOT_MS_MAX
        self.backend = f"qemu-{accelerator}"
        self.program = program or find_program(command.PROGRAM)
        devices = ("/dev/kvm",) if accelerator == "kvm" else ()
        self._jail: VmmJail = vmm_jail(self.program, shares=command.SHARES, devices=devices)

    async def boot(self, image: Image, setup: dict[str, Any], layer: str, uid: int) -> Template:
        """See Monitor."""
        with contextlib.ExitStack() as ours:
            kernel_fd, system_fd = await in_thread(_in_memory, image, setup, layer)
            ours.callback(os.close, kernel_fd)
            ours.callback(os.close, system_fd)
            ram_fd = os.memfd_create("ram", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(ram_fd, limits.MICROVM_MEMORY_BYTES)
            state_fd = os.memfd_create("state", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            template = Template(ram_fd, state_fd)
            try:
                await self._boot(template, (kernel_fd, system_fd), uid)
            except BaseException:
                template.close()
                raise
        return template

    async def _boot(self, template: Template, kernel_fds: tuple[int, int], uid: int) -> None:
        machine = await self._start(template.ram_fd, kernel_fds, uid)
        try:
            async with self._host.clock.timeout(self._boot_ms):
                await machine.frames.receive()
                await machine.qmp.execute("stop")
                await self._save(machine.qmp, template.state_fd)
        except TimeoutError:
            raise GuestLost(
                f"the guest did not boot within {self._boot_ms // 1000} s; it said: {machine.vmm.said()}"
            ) from None
        except GuestLost as error:
            raise GuestLost(f"{error}; the monitor said: {machine.vmm.said()}") from None
        finally:
            await machine.end()
        for fd in (template.ram_fd, template.state_fd):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)

    async def _save(self, qmp: Qmp, state_fd: int) -> None:
        # The memory is in its file already.
        await qmp.execute("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        await qmp.execute("migrate-set-parameters", max_bandwidth=1 << 34)
        await qmp.hand_over("state", state_fd)
        await qmp.execute("migrate", uri="fd:state")
        while (status := (await qmp.execute("query-migrate")).get("status")) != "completed":
            if status == "failed":
                raise GuestLost("QEMU could not save the machine")
            await self._host.clock.sleep(_POLL_MS)

    async def restore(self, template: Template, uid: int) -> Machine:
        """See Monitor."""
        # Every copy reads from the beginning: an offset is shared by all that share the descriptor.
        state_fd = os.open(f"/proc/self/fd/{template.state_fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            machine = await self._start(template.ram_fd, None, uid)
        except BaseException:
            os.close(state_fd)
            raise
        try:
            async with self._host.clock.timeout(limits.MICROVM_RESTORE_MS_MAX):
                await machine.qmp.execute(
                    "migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}]
                )
                await machine.qmp.hand_over("state", state_fd)
                await machine.qmp.execute("migrate-incoming", uri="fd:state")
                while (await machine.qmp.execute("query-status"))["status"] == "inmigrate":
                    await self._host.clock.sleep(_POLL_MS)
        except BaseException as error:
            said = machine.vmm.said()
            await machine.end()
            if isinstance(error, GuestLost | TimeoutError):
                raise GuestLost(f"a copy of the machine did not start: {error}; the monitor said: {said}") from None
            raise
        finally:
            os.close(state_fd)
        return machine

    async def warm(self, machine: Machine) -> None:
        """See Monitor. An emulated guest goes through a call of its own: what it runs is then translated."""
        if self._accelerator != "tcg":
            return
        try:
            async with self._host.clock.timeout(limits.MICROVM_RESTORE_MS_MAX):
                await machine.resume()
                await machine.frames.send(b"")
                await machine.frames.receive()
                await machine.qmp.execute("stop")
        except TimeoutError:
            raise GuestLost("a copy of the machine did not rehearse in time") from None

    async def _start(self, ram_fd: int, kernel_fds: tuple[int, int] | None, uid: int) -> Machine:
        channel, channel_end = socket.socketpair()
        qmp, qmp_end = socket.socketpair()
        with channel_end, qmp_end:
            words = command.words(
                self._accelerator,
                ram_fd=ram_fd,
                channel_fd=channel_end.fileno(),
                qmp_fd=qmp_end.fileno(),
                kernel_fds=kernel_fds,
                khz=_tsc_khz(),
            )
            fds = [ram_fd, channel_end.fileno(), qmp_end.fileno(), *(kernel_fds or ())]
            memory_bytes = limits.MICROVM_MEMORY_BYTES + limits.MICROVM_VMM_MEMORY_BYTES
            try:
                started = vmm.start(self._host, self._jail, words, fds=fds, uid=uid, memory_bytes=memory_bytes)
            except BaseException:
                channel.close()
                qmp.close()
                raise
        machine = Machine(started, await Qmp.over(qmp), await Frames.over(channel))
        try:
            async with self._host.clock.timeout(limits.MICROVM_RESTORE_MS_MAX):
                await machine.qmp.greet()
        except BaseException as error:
            said = started.said()
            await machine.end()
            if isinstance(error, GuestLost | TimeoutError):
                raise GuestLost(f"QEMU did not start; it said: {said}") from None
            raise
        return machine


def _in_memory(image: Image, setup: dict[str, Any], layer: str) -> tuple[int, int]:
    """Kernel and initial file system as files of memory: the monitor needs no path to either."""
    kernel_fd = _memory_file("kernel", image.read(KERNEL_FILE))
    try:
        return kernel_fd, _memory_file("system", image.read(SYSTEM_FILE) + overlay(setup, layer))
    except BaseException:
        os.close(kernel_fd)
        raise


def _memory_file(name: str, content: bytes) -> int:
    fd = os.memfd_create(name)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _tsc_khz() -> int:
    """How fast this machine's processor counts: an emulated guest sees the same counter."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("cpu MHz"):
                return int(float(line.partition(":")[2]) * 1000)
    return 2_600_000
