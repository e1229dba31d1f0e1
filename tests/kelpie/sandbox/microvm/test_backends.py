"""Which backend is used, and what is said where none is: no image, no QEMU, a KVM that starts nothing, another binary.
No guest boots here."""

import hashlib
import os

import msgspec
import pytest

from kelpie.errors import IsolationMissing, ToolUnavailable
from kelpie.sandbox import Levels, SandboxCall, limits
from kelpie.sandbox.microvm import Binary, MicroVmLevel, jail, selftest
from kelpie.sandbox.microvm import level as level_module
from kelpie.sandbox.microvm.image.build import CURRENT_FILE, KERNEL_FILE, MANIFEST_FILE, SYSTEM_FILE, Image
from umi.dst import Host

CALL = SandboxCall("def tool(): pass", "tool")


def image_in(folder):
    """An image that is whole, and that no monitor could start."""
    at = folder / "image" / "key"
    at.mkdir(parents=True)
    sums = {}
    for name in (KERNEL_FILE, SYSTEM_FILE):
        (at / name).write_bytes(b"nothing to start")
        sums[name] = hashlib.sha256(b"nothing to start").hexdigest()
    (at / MANIFEST_FILE).write_bytes(msgspec.json.encode(Image("key", "3.11", [], sums)))
    (folder / "image" / CURRENT_FILE).write_text("key")


def program(folder, body):
    path = folder / "qemu-system-x86_64"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


async def refused(level):
    report = await level.report()
    assert (report.level, report.exists, report.backend, report.holds) == ("microvm", False, "", [])
    with pytest.raises(ToolUnavailable) as refusal:
        await level.exec(CALL)
    assert report.reason in str(refusal.value)
    with pytest.raises(IsolationMissing) as missing:
        await Levels([level]).exec(CALL, "untrusted")
    assert report.reason in str(missing.value)
    await level.close()
    return report


async def test_without_an_image_the_report_names_the_command_that_builds_it(tmp_path):
    report = await refused(MicroVmLevel(Host(), str(tmp_path)))
    assert report.reason == f"there is no guest image in {tmp_path}/image: kelpie sandbox build-image builds it"
    assert list(tmp_path.iterdir()) == []  # nothing was fetched


async def test_without_qemu_every_backend_says_why(tmp_path, monkeypatch):
    image_in(tmp_path)
    monkeypatch.setattr(jail, "_SYSTEM_PATH", str(tmp_path))
    report = await refused(MicroVmLevel(Host(), str(tmp_path)))
    assert [line.partition(":")[0] for line in report.tried] == ["firecracker", "qemu-kvm", "qemu-tcg"]
    assert report.tried[2] == "qemu-tcg: qemu-system-x86_64 was not found: install your system's package of it"


async def test_another_machine_type_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(level_module.platform, "machine", lambda: "riscv64")
    assert "this is riscv64" in (await refused(MicroVmLevel(Host(), str(tmp_path)))).reason


async def test_a_firecracker_of_another_hash_is_refused_and_said(tmp_path, monkeypatch):
    image_in(tmp_path)
    monkeypatch.setattr(level_module.os, "access", lambda *_: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    other = Binary(program(tmp_path, "exit 0"), "0" * 64)
    level = MicroVmLevel(Host(), str(tmp_path), firecracker=other, jailer=other, backends=["firecracker"])
    report = await refused(level)
    assert "is refused: its SHA-256 is" in report.tried[0]


async def test_a_device_of_kvm_proves_nothing(tmp_path, monkeypatch):
    """A monitor that starts and says nothing is given up, and the finding is kept: the next start does not wait."""
    image_in(tmp_path)
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "exec sleep 100")
    monkeypatch.setattr(level_module.os, "access", lambda *_: True)
    monkeypatch.setattr(jail, "_SYSTEM_PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(limits, "MICROVM_RESTORE_MS_MAX", 200)
    report = await refused(MicroVmLevel(Host(), str(tmp_path), backends=["qemu-tcg"]))
    assert report.tried[0].startswith("qemu-tcg: QEMU did not start")

    async def never(*_):
        raise AssertionError("the self-test ran again")

    monkeypatch.setattr(selftest, "run", never)
    again = await refused(MicroVmLevel(Host(), str(tmp_path), backends=["qemu-tcg"]))
    assert again.tried == report.tried


def test_findings_belong_to_what_was_tested_and_failures_are_tried_again(tmp_path, host, clock):
    findings = selftest.Findings(host, str(tmp_path))
    assert findings.get("qemu-tcg a") is None
    findings.put("qemu-tcg a", "")
    findings.put("firecracker b", "it did not boot")
    assert findings.get("qemu-tcg a").reason == ""
    assert findings.get("firecracker b").reason == "it did not boot"
    assert findings.get("qemu-tcg c") is None  # another kernel, monitor, image or code
    clock.advance(limits.MICROVM_FAILED_AGAIN_MS + 1)
    assert findings.get("firecracker b") is None
    assert findings.get("qemu-tcg a") is not None
    (tmp_path / "selftest.json").write_text("nonsense")
    assert findings.get("qemu-tcg a") is None


GOOD = {
    "boot": "another",
    "now_ms": 1_000,
    "drawn": [],
    "read": [],
    "written": [],
    "environment": ["PATH", "HOME"],
    "interfaces": ["lo"],
    "connected": [],
    "sockets": [],
    "disks": [],
    "devices": [],
    "rights": {"Uid": "61000\t1", "CapEff": "0" * 16, "CapPrm": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1",
               "Seccomp": "2"},
    "root": False,
    "allocated": False,
    "forked": 3,
    "user_namespace": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("saw", "says"),
    [
        ({}, None),
        ({"read": ["/etc/shadow"]}, "files that are not the tool's can be read (/etc/shadow)"),
        ({"written": ["/usr"]}, "folders outside /tmp"),
        ({"connected": ["127.0.0.1"]}, "the host can be reached"),
        ({"interfaces": ["eth0", "lo"]}, "there is a network"),
        ({"disks": ["vda"]}, "there are disks (vda)"),
        ({"devices": ["kvm"]}, "there are devices (kvm)"),
        ({"environment": ["KELPIE_KEYS"]}, "the environment holds KELPIE_KEYS"),
        ({"sockets": [40]}, "the system call filter does not hold"),
        ({"root": True}, "tools run as root"),
        ({"allocated": True}, "memory is not limited"),
        ({"forked": 64}, "the number of processes is not limited"),
        ({"now_ms": 10_000_000}, "the guest's clock is wrong"),
        ({"rights": {**GOOD["rights"], "CapBnd": "0" * 15 + "1"}}, "capabilities are left"),
        ({"rights": {**GOOD["rights"], "Seccomp": "0"}}, "the system call filter does not hold"),
    ],
)
def test_each_thing_that_should_have_failed_is_a_sentence(saw, says):
    found = list(selftest._escapes({**GOOD, **saw}, now_ms=1_000))
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_a_guest_on_the_hosts_kernel_is_found_out():
    assert list(selftest._escapes({**GOOD, "boot": selftest._host_boot()}, now_ms=1_000)) == [
        "the kernel is the host's"
    ]
