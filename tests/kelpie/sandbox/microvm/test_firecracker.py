"""The real Firecracker in its real jailer, with a guest of a hundred bytes: what the driver asks of it, and what it
does when things go wrong. Whether a Linux guest starts depends on the machine's KVM, so that is a test of its own."""

import contextlib
import os
import shutil
import signal

import pytest
from tests.kelpie.sandbox.microvm import tiny_guest

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import SandboxCall, limits
from kelpie.sandbox.microvm import Binary, BinaryRefused, MicroVmLevel
from kelpie.sandbox.microvm.firecracker import Firecracker, vmm
from kelpie.sandbox.microvm.firecracker.api import ApiRefused
from kelpie.sandbox.microvm.firecracker.driver import load, save, watched
from kelpie.sandbox.microvm.frames import GuestLost
from umi.dst import Host

UID = 61_150
MEMORY_MIB = 32


class Line:
    """The guest's serial line: we write to its start, and read what the monitor prints."""

    def __init__(self):
        self.guests, self._ours = os.pipe()

    def send(self, text):
        os.write(self._ours, text)

    def close(self):
        for fd in (self.guests, self._ours):
            os.close(fd)


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


@pytest.fixture
def start(firecracker, line, tmp_path):
    """`async with start() as jailed`: a monitor that listens, with the tiny guest or a snapshot in its jail."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(tiny_guest.elf())
    kernel.chmod(0o444)

    @contextlib.asynccontextmanager
    async def started(links=None):
        links = links or {"kernel": str(kernel)}
        jailed = vmm.start(Host(), firecracker.programs, UID, links, file_bytes=MEMORY_MIB << 21, stdin_fd=line.guests)
        try:
            await jailed.listening()
            await watched(jailed.api)
            yield jailed
        finally:
            await jailed.end()

    return started


async def configure(jailed):
    await jailed.api.put("/machine-config", vcpu_count=1, mem_size_mib=MEMORY_MIB)
    await jailed.api.put("/boot-source", kernel_image_path="/kernel", boot_args="console=ttyS0")


async def boot(jailed):
    await configure(jailed)
    await jailed.api.put("/actions", action_type="InstanceStart")
    await said(jailed, "READY")


async def said(jailed, word):
    """Wait until the guest has printed it."""
    host = Host()
    async with host.clock.timeout(limits.MICROVM_API_MS_MAX):
        while word not in jailed.process.said():
            await host.clock.sleep(1)


async def ended(jailed):
    host = Host()
    async with host.clock.timeout(limits.MICROVM_API_MS_MAX):
        while jailed.runs:
            await host.clock.sleep(1)


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


async def test_a_guest_starts_and_answers(start, line):
    async with start() as jailed:
        await boot(jailed)
        line.send(b"hello\n")
        await said(jailed, "ok1")
        assert (await jailed.api.get("/"))["state"] == "Running"


async def test_every_copy_of_a_snapshot_goes_on_where_it_was_taken_with_memory_of_its_own(start, line, tmp_path):
    async with start() as jailed:
        await boot(jailed)
        line.send(b"one\n")
        await said(jailed, "ok1")
        await save(jailed.api)
        assert (await jailed.api.get("/"))["state"] == "Paused"
        links = {}
        for name in ("state", "memory"):
            links[name] = shutil.copy(os.path.join(jailed.root, name), tmp_path / name)
            os.chmod(links[name], 0o444)
    for _ in range(2):  # the second sees nothing of the first
        async with start(links) as copy:
            await load(copy.api)
            assert (await copy.api.get("/"))["state"] == "Paused"
            await copy.api.patch("/vm", state="Resumed")
            line.send(b"two\n")
            await said(copy, "ok2")
            assert "ok3" not in copy.process.said()


async def test_the_monitor_is_nobody_with_nothing_to_gain_in_a_root_and_network_of_its_own(start):
    async with start() as jailed:
        await boot(jailed)
        seen = jail_of(jailed.process.pid)
        assert seen["users"] == {str(UID)}
        assert seen["rights"] == ("0" * 16, "0" * 16, "1")
        assert seen["threads"] > 1
        assert seen["filters"] == {"2"}
        assert {"kernel", "firecracker", "api.sock"} <= seen["root"]
        assert not {"etc", "usr", "proc", "home"} & seen["root"]
        assert seen["shared"] == []
        assert seen["environment"] == ""
        assert all(str(jailed.process.pid) in members for members in seen_in(jailed.cgroups))
        jail, cgroups = jailed.jail, jailed.cgroups
    assert left_of([jail, *cgroups]) == []


def jail_of(pid):
    """What /proc says of a monitor."""
    status = status_of(pid)
    threads = os.listdir(f"/proc/{pid}/task")
    with open(f"/proc/{pid}/environ") as file:
        environment = file.read()
    return {
        "users": {*status["Uid"].split(), *status["Gid"].split()},
        "rights": (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]),
        "threads": len(threads),
        "filters": {status_of(f"{pid}/task/{thread}")["Seccomp"] for thread in threads},
        "root": set(os.listdir(f"/proc/{pid}/root")),
        "shared": [
            name
            for name in ("net", "ipc", "uts", "mnt")
            if os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")
        ],
        "environment": environment,
    }


def seen_in(cgroups):
    for folder in cgroups:
        if os.path.isdir(folder):
            with open(f"{folder}/cgroup.procs") as file:
                yield file.read().split()


def left_of(paths):
    return [path for path in paths if os.path.exists(path)]


async def test_its_counters_and_log_are_files_of_the_jail(start, line):
    async with start() as jailed:
        await boot(jailed)
        line.send(b"hello\n")
        await said(jailed, "ok1")
        await jailed.api.put("/actions", action_type="FlushMetrics")
        metrics = jailed.metrics()
        assert metrics["uart"]["write_count"] >= len("ok1\n")
        assert left_of([os.path.join(jailed.root, vmm.LOG)])


async def test_what_a_monitor_makes_of_its_counters_can_not_hold_the_server_up(start):
    async with start() as jailed:
        path = os.path.join(jailed.root, vmm.METRICS)
        os.unlink(path)
        os.symlink("/etc/passwd", path)
        assert jailed.metrics() == {}
        os.unlink(path)
        os.mkfifo(path)
        assert jailed.metrics() == {}


async def test_drives_and_vsock_are_configured_before_the_start(start, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    disk.chmod(0o444)
    kernel = tmp_path / "kernel"
    async with start({"kernel": str(kernel), "disk": str(disk)}) as jailed:
        await configure(jailed)
        await jailed.api.put(
            "/drives/layer", drive_id="layer", path_on_host="/disk", is_root_device=False, is_read_only=True
        )
        await jailed.api.put("/vsock", guest_cid=3, uds_path=f"/{vmm.VSOCK}")
        config = await jailed.api.get("/vm/config")
        assert [drive["path_on_host"] for drive in config["drives"]] == ["/disk"]
        assert config["vsock"]["uds_path"] == f"/{vmm.VSOCK}"
        await jailed.api.put("/actions", action_type="InstanceStart")
        await said(jailed, "READY")


async def test_what_the_api_refuses_is_an_error_with_its_words(start):
    async with start() as jailed:
        with pytest.raises(ApiRefused, match="vCPUs") as refused:
            await jailed.api.put("/machine-config", vcpu_count=0, mem_size_mib=MEMORY_MIB)
        assert refused.value.status == 400
        with pytest.raises(ApiRefused, match="kernel"):
            await jailed.api.put("/boot-source", kernel_image_path="/nowhere", boot_args="")
        with pytest.raises(ApiRefused):
            await jailed.api.put("/nothing-like-that", a=1)
        with pytest.raises(ApiRefused):  # there is nothing to resume
            await jailed.api.patch("/vm", state="Resumed")
        await boot(jailed)  # none of it did harm
        with pytest.raises(ApiRefused):
            await jailed.api.put("/actions", action_type="InstanceStart")


async def test_a_snapshot_that_is_none_is_refused(start, tmp_path):
    for name in ("state", "memory"):
        (tmp_path / name).write_bytes(b"nonsense" * 1000)
        (tmp_path / name).chmod(0o444)
    async with start({name: str(tmp_path / name) for name in ("state", "memory")}) as jailed:
        with pytest.raises((ApiRefused, GuestLost)):
            await load(jailed.api)


async def test_a_guest_that_resets_ends_the_monitor_and_its_exit_status_means_nothing(start, line):
    async with start() as jailed:
        await boot(jailed)
        line.send(b"q")
        await ended(jailed)
        with pytest.raises(GuestLost):
            await jailed.api.get("/")
        with pytest.raises(GuestLost):
            await jailed.connect(1024)


async def test_a_guest_that_fails_beyond_repair_is_lost(start, line):
    async with start() as jailed:
        await boot(jailed)
        line.send(b"x")
        await ended(jailed)
        with pytest.raises(GuestLost):
            await jailed.api.patch("/vm", state="Paused")


async def test_a_monitor_that_is_killed_is_lost_and_leaves_nothing(start):
    async with start() as jailed:
        await boot(jailed)
        os.kill(jailed.process.pid, signal.SIGKILL)
        await ended(jailed)
        with pytest.raises(GuestLost):
            await jailed.api.get("/")
        jail = jailed.jail
    assert left_of([jail]) == []


async def test_a_guest_nobody_can_talk_to_is_given_up_at_the_deadline(start):
    """The tiny guest has no agent: a deadline from outside ends the wait, and the monitor with it."""
    async with start() as jailed:
        await configure(jailed)
        await jailed.api.put("/vsock", guest_cid=3, uds_path=f"/{vmm.VSOCK}")
        await jailed.api.put("/actions", action_type="InstanceStart")
        await said(jailed, "READY")
        with pytest.raises(TimeoutError):
            async with Host().clock.timeout(50):
                await jailed.connect(1024)
        assert jailed.runs
    assert not jailed.runs


async def test_a_monitor_that_does_not_start_says_why(firecracker, tmp_path):
    script = tmp_path / "jailer"
    script.write_text("#!/bin/sh\necho the reason >&2; exit 1\n")
    script.chmod(0o755)
    programs = vmm.Programs(firecracker.program, str(script), firecracker.programs.jails)
    jailed = vmm.start(Host(), programs, UID, {}, file_bytes=1 << 20)
    with pytest.raises(GuestLost, match="the reason"):
        await jailed.listening()
    await jailed.end()


def test_another_binary_than_the_one_that_was_named_is_refused(binaries, tmp_path):
    other = tmp_path / "firecracker"
    other.write_bytes(b"#!/bin/sh\n")
    named = Binary(str(other), binaries["firecracker"].sha256)
    with pytest.raises(BinaryRefused, match="is refused: its SHA-256 is"):
        named.copy(str(tmp_path / "programs"))
    assert not (tmp_path / "programs").exists()


def test_no_binary_is_looked_for(tmp_path):
    with pytest.raises(ToolUnavailable, match="KELPIE_FIRECRACKER"):
        Firecracker(Host(), str(tmp_path), None, None)


@pytest.mark.linux_in_firecracker
async def test_a_linux_guest_answers_in_firecracker(firecracker, binaries, image_folder, tmp_path):
    """For a machine whose KVM starts ordinary kernels; it is not run unless asked for:

    KELPIE_REQUIRE=kvm,firecracker,qemu .venv/bin/python -m pytest -m linux_in_firecracker \\
        tests/kelpie/sandbox/microvm/test_firecracker.py
    """
    del firecracker
    (tmp_path / "image").symlink_to(image_folder)
    level = MicroVmLevel(Host(), str(tmp_path), **binaries, backends=["firecracker"])
    report = await level.report()
    assert (report.exists, report.backend) == (True, "firecracker"), report
    result = await level.exec(SandboxCall("def add(a, b):\n    return a + b", "add", {"a": 20, "b": 22}))
    assert (result.value, result.backend) == (42, "firecracker")
    await level.close()
