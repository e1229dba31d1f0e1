"""A backend exists only after a guest has booted here, its probes found no way out, and a loop without end was stopped.

The findings are kept in the data folder, by kernel, monitor, image and our own code: a boot on an emulated processor
takes seconds, and a monitor that never boots takes as long as we let it.
"""

import hashlib
import inspect
import os
import platform
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec

from kelpie.sandbox import limits
from kelpie.sandbox.microvm import session
from kelpie.sandbox.microvm.guest import probes
from kelpie.sandbox.microvm.image import Image, overlay
from kelpie.sandbox.sandbox import SandboxCall, SandboxLimits, SandboxResult
from umi.dst import Host

Exec = Callable[[SandboxCall, SandboxLimits], Awaitable[SandboxResult]]

_FILE = "selftest.json"
_NO_CAPABILITY = "0" * 16
_CLOCK_MS_MAX = 30_000  # between the host's clock and the guest's, on a busy machine
_ADDED = {"LC_CTYPE", "PWD"}  # by Python
_ESCAPES = {
    "read": "files that are not the tool's can be read",
    "written": "folders outside /tmp can be written",
    "connected": "the host can be reached",
    "disks": "there are disks",
    "devices": "there are devices",
}


class Finding(msgspec.Struct, frozen=True):
    """What a self-test found: `reason` is empty if the backend may be used."""

    reason: str
    at_ms: int


class Findings:
    """Those of earlier lives of the server, by what they depend on."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._path = os.path.join(folder, _FILE)

    def get(self, key: str) -> Finding | None:
        """None if it was never tested, or failed so long ago that it deserves another try."""
        found = self._read().get(key)
        if found is None or (found.reason and self._host.clock.now_ms() - found.at_ms > limits.MICROVM_FAILED_AGAIN_MS):
            return None
        return found

    def put(self, key: str, reason: str) -> None:
        backend = key.partition(" ")[0]
        kept = {known: found for known, found in self._read().items() if known.partition(" ")[0] != backend}
        kept[key] = Finding(reason, self._host.clock.now_ms())
        temporary = f"{self._path}.new"
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(kept))
        os.replace(temporary, self._path)

    def _read(self) -> dict[str, Finding]:
        try:
            with open(self._path, "rb") as file:
                return msgspec.json.decode(file.read(), type=dict[str, Finding])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}


def key_of(backend: str, program: str, image: Image) -> str:
    """What a finding depends on: kernel, monitor, image, and what of our code runs in the guest or looks at it."""
    parts = [platform.release(), platform.version(), image.key, inspect.getsource(sys.modules[__name__])]
    digest = hashlib.sha256("\n".join(parts).encode() + overlay(session.setup()))
    with open(program, "rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{backend} {digest.hexdigest()}"


async def run(host: Host, execute: Exec) -> str:
    """Probe the machines behind `execute`. Returns why they may not be used, or "".

    Raises what `execute` raises.
    """
    with socket.socket() as listener:  # nobody may reach it: that is what it is for
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        call = SandboxCall(
            inspect.getsource(probes),
            "attempt",
            {
                "files": [__file__, f"/proc/{os.getpid()}/environ", "/etc/shadow", "/etc/hostname"],
                "port": listener.getsockname()[1],
            },
        )
        wanted = SandboxLimits(wall_ms=limits.MICROVM_SELFTEST_MS_MAX, processes=limits.SELFTEST_PROCESSES)
        probed = await execute(call, wanted)
    if probed.error is not None:
        return f"the self-test failed: {probed.error}"
    found = list(_escapes(probed.value, host.clock.now_ms()))
    if found:
        return "the self-test got out: " + "; ".join(found)
    endless = SandboxCall("def spin():\n    while True:\n        pass\n", "spin")
    spun = await execute(endless, SandboxLimits(wall_ms=limits.SELFTEST_DEADLINE_MS))
    if spun.killed_by != "wall time":
        return "the self-test got out: an endless loop was not stopped at its deadline"
    again = await execute(SandboxCall(inspect.getsource(probes), "drawn"), wanted)
    if again.error is not None or again.value == probed.value["drawn"]:
        return "the self-test got out: two machines draw the same"
    return ""


def _escapes(saw: dict[str, Any], now_ms: int) -> Iterator[str]:
    """One sentence for each thing that should have failed, from what the probes saw."""
    named = ("read", "written", "connected", "disks", "devices")
    for what in named:
        if saw[what]:
            yield f"{_ESCAPES[what]} ({', '.join(saw[what])})"
    if saw["boot"] == _host_boot():
        yield "the kernel is the host's"
    if more := set(saw["environment"]) - set(session.ENVIRONMENT) - _ADDED:
        yield f"the environment holds {', '.join(sorted(more))}"
    if saw["interfaces"] != ["lo"]:
        yield f"there is a network ({', '.join(saw['interfaces'])})"
    if saw["allocated"]:
        yield "memory is not limited"
    if saw["forked"] > limits.SELFTEST_PROCESSES:
        yield f"the number of processes is not limited ({saw['forked']} were started)"
    if abs(saw["now_ms"] - now_ms) > _CLOCK_MS_MAX:
        yield "the guest's clock is wrong"
    yield from _rights_left(saw)


def _rights_left(saw: dict[str, Any]) -> Iterator[str]:
    rights = saw["rights"]
    if any(rights[kind] != _NO_CAPABILITY for kind in ("CapEff", "CapPrm", "CapBnd")) or rights["NoNewPrivs"] != "1":
        yield "capabilities are left, or can be gained"
    if rights["Uid"].split()[0] == "0" or saw["root"] or saw["user_namespace"]:
        yield "tools run as root, or become root"
    if saw["sockets"] or rights["Seccomp"] != "2":
        yield f"the system call filter does not hold (socket families {saw['sockets']})"


def _host_boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
