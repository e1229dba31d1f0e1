"""The level "microvm": a machine of its own, with its own kernel, for every call."""

import asyncio
import os
import platform
from collections.abc import Callable, Sequence

from kelpie.errors import EnvironmentFault, InvalidInput, LimitExceeded, ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox import order as orders
from kelpie.sandbox.microvm import selftest, session
from kelpie.sandbox.microvm.binary import Binary
from kelpie.sandbox.microvm.firecracker import Firecracker
from kelpie.sandbox.microvm.frames import GuestLost
from kelpie.sandbox.microvm.image import BUILD_COMMAND, Image, find_image
from kelpie.sandbox.microvm.machines import Machines
from kelpie.sandbox.microvm.monitor import Monitor
from kelpie.sandbox.microvm.places import Places
from kelpie.sandbox.microvm.qemu import Qemu
from kelpie.sandbox.sandbox import LevelName, LevelReport, SandboxCall, SandboxLimits, SandboxResult
from kelpie.sandbox.verdict import verdict
from umi.dst import Host
from umi.dst.threads import in_thread

LEVEL: LevelName = "microvm"
IMAGE_FOLDER = "image"
BACKENDS = ("firecracker", "qemu-kvm", "qemu-tcg")  # strongest first
_MACHINES = ("x86_64",)


class MicroVmLevel:
    """Implements Level. The first call or report finds the strongest backend that passes its self-test here.

    folder       where the guest image lies (in `image/`, see image_folder), and what the self-tests found
    firecracker  the binary an operator named; none is looked for
    jailer       its companion, without which it is not used
    backends     those that may be used, strongest first
    """

    name = LEVEL

    def __init__(
        self,
        host: Host,
        folder: str,
        *,
        firecracker: Binary | None = None,
        jailer: Binary | None = None,
        backends: Sequence[str] = BACKENDS,
    ) -> None:
        self._host = host
        self._folder = folder
        self._binaries = (firecracker, jailer)
        self._backends = backends
        self._at_once = min(max(2, os.cpu_count() or 1), limits.MICROVM_AT_ONCE_MAX)
        self._places = Places(host, LEVEL, self._at_once, limits.MICROVM_WAITING_MAX)
        self._findings = selftest.Findings(host, folder)
        self._machines: Machines | None = None
        self._report: LevelReport | None = None
        self._reported_ms = 0.0
        self._testing = asyncio.Lock()  # two first calls, one self-test

    async def exec(self, call: SandboxCall, wanted: SandboxLimits | None = None) -> SandboxResult:
        report = await self.report()
        machines = self._machines
        if not report.exists or machines is None:
            raise ToolUnavailable(f"there is no virtual machine here, so this tool was not run: {report.reason}")
        bounds = wanted or SandboxLimits()
        _check(call, bounds)
        order = orders.encode(call, bounds)
        async with self._places.take():
            return await self._exec(machines, call, order, bounds)

    async def report(self) -> LevelReport:
        async with self._testing:
            known, now_ms = self._report, self._host.clock.monotonic_ms()
            if known is None or (not known.exists and now_ms - self._reported_ms > limits.SELFTEST_AGAIN_MS):
                self._report, self._reported_ms = await self._found(), now_ms
            assert self._report is not None
            return self._report

    async def close(self) -> None:
        """End what waits for calls."""
        if self._machines is not None:
            await self._machines.close()
            self._machines = None
            self._report = None

    async def _exec(self, machines: Machines, call: SandboxCall, order: bytes, wanted: SandboxLimits) -> SandboxResult:
        try:
            async with machines.take(call.layer) as machine:
                ended = await session.run(self._host, machine, call, order, wanted)
        except (GuestLost, EnvironmentFault) as error:
            raise ToolUnavailable(f"a virtual machine did not start, so this tool was not run: {error}") from error
        return verdict(ended, wanted, LEVEL, machines.monitor.backend)

    async def _found(self) -> LevelReport:
        if platform.machine() not in _MACHINES:
            return _missing(f"the guest image is for x86-64; this is {platform.machine()}", [])
        folder = image_folder(self._folder)
        image = await in_thread(find_image, folder)
        if image is None:
            return _missing(f"there is no guest image in {folder}: {BUILD_COMMAND} builds it", [])
        tried: list[str] = []
        for backend in self._backends:
            reason = await self._try(backend, image)
            if not reason:
                return LevelReport(
                    level=LEVEL, exists=True, backend=backend, holds=_HOLDS, gaps=_gaps(backend), tried=tried
                )
            tried.append(f"{backend}: {reason}")
        return _missing("; ".join(tried), tried)

    async def _try(self, backend: str, image: Image) -> str:
        """Why a backend is not used, or "": then it is."""
        try:
            monitor = await in_thread(self._monitor, backend)
            key = await in_thread(selftest.key_of, backend, monitor.program, image)
        except (ToolUnavailable, OSError) as error:
            return str(error)
        machines = Machines(self._host, monitor, image, self._at_once)
        found = self._findings.get(key)
        reason = found.reason if found is not None else await self._test(machines, key)
        if reason:
            await machines.close()
        else:
            self._machines = machines
        return reason

    async def _test(self, machines: Machines, key: str) -> str:
        async def execute(call: SandboxCall, wanted: SandboxLimits) -> SandboxResult:
            return await self._exec(machines, call, orders.encode(call, wanted), wanted)

        try:
            reason = await selftest.run(self._host, execute)
        except (ToolUnavailable, GuestLost) as error:
            reason = str(error.__cause__ or error)
        except BaseException:
            await machines.close()
            raise
        await in_thread(self._findings.put, key, reason)
        return reason

    def _monitor(self, backend: str) -> Monitor:
        """Raises ToolUnavailable if it is not there, or not what the operator named."""
        builders: dict[str, Callable[[], Monitor]] = {
            "firecracker": lambda: Firecracker(self._host, self._folder, *self._binaries),
            "qemu-kvm": lambda: Qemu(self._host, "kvm"),
            "qemu-tcg": lambda: Qemu(self._host, "tcg"),
        }
        if backend != "qemu-tcg" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise ToolUnavailable("/dev/kvm is missing, or closed to the server's user")
        return builders[backend]()


def microvm_folder(data_folder: str) -> str:
    """The folder of the level in a server's data folder."""
    return os.path.join(data_folder, "microvm")


def image_folder(folder: str) -> str:
    """Where a level with this folder looks for the guest image."""
    return os.path.join(folder, IMAGE_FOLDER)


def _missing(reason: str, tried: list[str]) -> LevelReport:
    return LevelReport(level=LEVEL, exists=False, reason=reason, tried=tried)


def _check(call: SandboxCall, wanted: SandboxLimits) -> None:
    """Raises ToolUnavailable for what a guest has not, LimitExceeded, InvalidInput."""
    if call.language in orders.NODE_LANGUAGES:
        raise ToolUnavailable(f"{call.language} does not run at level '{LEVEL}': its guest has Python and a shell")
    if call.egress is not None:
        raise ToolUnavailable(f"there is no way to the network at level '{LEVEL}': its guest has none")
    if call.layer and not (os.path.isabs(call.layer) and os.path.isdir(call.layer)):
        raise InvalidInput(f"there is no folder of packages at '{call.layer}'")
    most = limits.MICROVM_CALL_MEMORY_BYTES_MAX
    for what, asked in (("the memory", wanted.memory_bytes), ("/tmp", wanted.tmp_bytes)):  # noqa: S108 - the guest's
        if asked > most:
            raise LimitExceeded(f"{what} of a call in a virtual machine", asked, most, "bytes")


_HOLDS = [
    "own kernel, on a machine of its own that serves one call and is thrown away",
    "the monitor runs in a jail: no file that can be written, no network, a reserved user if the server is root",
    "no network and no disk in the guest; nothing of the server's environment or files",
    "wall time from outside; memory, CPU time, processes, file sizes, output and result are bounded inside",
    "every machine has its own random numbers, clock and name",
]


_EMULATED = (
    "emulated CPU, VMM jailed; upstream gives no security promise for TCG alone, and code runs several times slower"
)
_MEMORY = limits.MICROVM_MEMORY_BYTES >> 20


def _gaps(backend: str) -> list[str]:
    return [
        *([_EMULATED] if backend == "qemu-tcg" else []),
        "calls in JavaScript, and calls that need the network, do not run at this level",
        f"a machine may take {_MEMORY} MiB of the host's memory, and its template as much, whatever the call asked for",
        "side channels of a processor that is shared are not closed",
    ]
