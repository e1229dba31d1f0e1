"""Firecracker: a template is booted once and its snapshot taken; every call gets a copy of it."""

import os
import shutil
from dataclasses import dataclass
from typing import Any

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.microvm.binary import Binary
from kelpie.sandbox.microvm.firecracker import vmm
from kelpie.sandbox.microvm.firecracker.api import Api
from kelpie.sandbox.microvm.frames import Frames, GuestLost
from kelpie.sandbox.microvm.image import Image, overlay
from kelpie.sandbox.microvm.image.build import KERNEL_FILE, SYSTEM_FILE
from umi.dst import Host
from umi.dst.threads import in_thread

_AGENT_PORT = 1024  # as in guest/agent.py
_GUEST_CID = 3
_STATE, _MEMORY = "state", "memory"
_APPEND = "console=ttyS0 quiet reboot=k panic=1 pci=off lsm=landlock audit=0 init_on_alloc=0"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine that has booted and waits for its call, as two files that belong to root and that nobody may write."""

    folder: str

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class FirecrackerMachine:
    """A copy of a snapshot. Its agent is reached once it runs: no connection lives through a snapshot."""

    vmm: vmm.JailedVmm
    _frames: Frames | None = None

    @property
    def frames(self) -> Frames:
        assert self._frames is not None, "resume() comes first"
        return self._frames

    @property
    def runs(self) -> bool:
        return self.vmm.runs

    async def resume(self) -> None:
        await self.vmm.api.patch("/vm", state="Resumed")
        self._frames = await self.vmm.connect(_AGENT_PORT)
        await self._frames.receive()

    async def end(self) -> None:
        if self._frames is not None:
            self._frames.close()
        await self.vmm.end()


class Firecracker:
    """Implements Monitor with the two binaries an operator named. What an earlier life of the server left is removed.

    Raises ToolUnavailable where none is named, one can't be read, or the server is not root, which the jailer needs;
    BinaryRefused if one is not the one that was named.
    """

    backend = "firecracker"

    def __init__(self, host: Host, folder: str, firecracker: Binary | None, jailer: Binary | None) -> None:
        if firecracker is None or jailer is None:
            raise ToolUnavailable("no binary is named: set KELPIE_FIRECRACKER and KELPIE_JAILER, with their SHA-256")
        if os.geteuid() != 0:
            raise ToolUnavailable("its jailer needs a server that is root")
        self._host = host
        self._folder = os.path.join(os.path.abspath(folder), self.backend)
        shutil.rmtree(os.path.join(self._folder, "jails"), ignore_errors=True)
        shutil.rmtree(os.path.join(self._folder, "snapshots"), ignore_errors=True)
        programs = os.path.join(self._folder, "programs")
        self.program = firecracker.copy(programs)
        self.programs = vmm.Programs(self.program, jailer.copy(programs), os.path.join(self._folder, "jails"))

    async def boot(self, image: Image, setup: dict[str, Any], layer: str, uid: int) -> Snapshot:
        """See Monitor."""
        folder = os.path.join(self._folder, "snapshots", self._host.ids.new("snapshot"))
        await in_thread(_write_inputs, folder, image, setup, layer)
        snapshot = Snapshot(folder)
        links = {name: os.path.join(folder, name) for name in (KERNEL_FILE, SYSTEM_FILE)}
        try:
            booted = vmm.start(self._host, self.programs, uid, links, file_bytes=limits.MICROVM_MEMORY_BYTES * 2)
            try:
                await self._boot(booted)
                # What the monitor wrote becomes ours, before it can be copied.
                for name in (_STATE, _MEMORY):
                    path = os.path.join(booted.root, name)
                    os.chown(path, 0, 0, follow_symlinks=False)
                    os.chmod(path, 0o444)
                    os.rename(path, os.path.join(folder, name))
            finally:
                await booted.end()
        except BaseException:
            snapshot.close()
            raise
        for path in links.values():
            os.unlink(path)
        return snapshot

    async def _boot(self, booted: vmm.JailedVmm) -> None:
        try:
            async with self._host.clock.timeout(limits.MICROVM_BOOT_KVM_MS_MAX):
                await booted.listening()
                api = booted.api
                await watched(api)
                await api.put("/machine-config", vcpu_count=1, mem_size_mib=limits.MICROVM_MEMORY_BYTES >> 20)
                await api.put(
                    "/boot-source",
                    kernel_image_path=f"/{KERNEL_FILE}",
                    initrd_path=f"/{SYSTEM_FILE}",
                    boot_args=_APPEND,
                )
                await api.put("/vsock", guest_cid=_GUEST_CID, uds_path=f"/{vmm.VSOCK}")
                await api.put("/actions", action_type="InstanceStart")
                frames = await booted.connect(_AGENT_PORT)
                await frames.receive()
                frames.close()
                await save(api)
        except TimeoutError:
            seconds = limits.MICROVM_BOOT_KVM_MS_MAX // 1000
            raise GuestLost(f"the guest did not boot within {seconds} s; it said: {booted.process.said()}") from None

    async def warm(self, machine: FirecrackerMachine) -> None:
        """See Monitor: its processor needs no more than to be started."""

    async def restore(self, template: Snapshot, uid: int) -> FirecrackerMachine:
        """See Monitor."""
        links = {name: os.path.join(template.folder, name) for name in (_STATE, _MEMORY)}
        copy = vmm.start(self._host, self.programs, uid, links, file_bytes=limits.MICROVM_STATE_BYTES_MAX)
        try:
            await copy.listening()
            await watched(copy.api)
            await load(copy.api)
        except BaseException:
            await copy.end()
            raise
        return FirecrackerMachine(copy)


async def watched(api: Api) -> None:
    """Its log and its counters go to files of its jail."""
    await api.put("/logger", log_path=f"/{vmm.LOG}", level="Warning")
    await api.put("/metrics", metrics_path=f"/{vmm.METRICS}")


async def save(api: Api) -> None:
    """Stop the machine and write its snapshot."""
    await api.patch("/vm", state="Paused")
    await api.put("/snapshot/create", snapshot_type="Full", snapshot_path=f"/{_STATE}", mem_file_path=f"/{_MEMORY}")


async def load(api: Api) -> None:
    """Take a snapshot's state, stopped. Its memory is mapped privately, from a file that can't be written."""
    await api.put(
        "/snapshot/load",
        snapshot_path=f"/{_STATE}",
        mem_backend={"backend_type": "File", "backend_path": f"/{_MEMORY}"},
        resume_vm=False,
    )


def _write_inputs(folder: str, image: Image, setup: dict[str, Any], layer: str) -> None:
    os.makedirs(folder, mode=0o755)
    for name, content in (
        (KERNEL_FILE, image.read(KERNEL_FILE)),
        (SYSTEM_FILE, image.read(SYSTEM_FILE) + overlay(setup, layer)),
    ):
        with open(os.path.join(folder, name), "xb") as file:
            file.write(content)
        os.chmod(os.path.join(folder, name), 0o444)
