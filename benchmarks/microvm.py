"""What a call in a virtual machine costs: from a restored template to its answer, and many callers at once.

    python -m benchmarks.microvm [--image FOLDER] [--rounds N] [--backend qemu-tcg] [--json FILE]

The first call boots the template, and is not counted. Wall is the caller's; CPU is the kernel's accounting of this
process and of all monitors that ended in the meantime, one for each call. A spare machine is restored while nobody
waits, so a call's wall time does not hold its own restore, but its CPU holds one. A missing image is built first.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import yardstick_ms
from kelpie.errors import SandboxBusy
from kelpie.sandbox import SandboxCall, SandboxResult
from kelpie.sandbox.microvm import MicroVmLevel, build_image, image_folder
from umi.dst import Host

ADD = SandboxCall("def add(a, b):\n    return a + b\n", "add", {"a": 20, "b": 22})
QUIET_YARDSTICK_MS = 34.0  # as in benchmarks/sandbox.py: a target is for a quiet machine, a busy one is scaled
TARGETS = {"microvm_first_answer_p50_ms": 100.0, "microvm_first_answer_p50_cpu_ms": 150.0}
CALLERS = 64
PAUSE_MS = 200  # for the spare machine, as on a server that is not busy


async def measure(level: MicroVmLevel, host: Host, rounds: int) -> dict[str, float]:
    """p50 of one caller, and how 64 at once fare. The level's self-test has passed already."""
    await level.exec(ADD)
    walls, cpus = [], []
    for _ in range(rounds):
        await host.clock.sleep(PAUSE_MS)
        cpu, started = _cpu_ms(), time.perf_counter()
        result = await level.exec(ADD)
        walls.append((time.perf_counter() - started) * 1000)
        assert result.value == 42, result
        await host.clock.sleep(PAUSE_MS)
        cpus.append(_cpu_ms() - cpu)
    started = time.perf_counter()
    outcomes = await asyncio.gather(*(level.exec(ADD) for _ in range(CALLERS)), return_exceptions=True)
    return {
        "microvm_first_answer_p50_ms": statistics.median(walls),
        "microvm_first_answer_p95_ms": sorted(walls)[int(len(walls) * 0.95)],
        "microvm_first_answer_p50_cpu_ms": statistics.median(cpus),
        f"microvm_answered_of_{CALLERS}": sum(isinstance(one, SandboxResult) and one.value == 42 for one in outcomes),
        f"microvm_refused_of_{CALLERS}": sum(isinstance(one, SandboxBusy) for one in outcomes),
        f"microvm_{CALLERS}_callers_s": time.perf_counter() - started,
    }


def _cpu_ms() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used) * 1000


async def run(folder: str, rounds: int, backend: str) -> dict[str, float]:
    host = Host()
    with tempfile.TemporaryDirectory(prefix="kelpie-microvm-") as temporary:
        os.symlink(await _image(folder, host), image_folder(temporary))
        level = MicroVmLevel(host, temporary, backends=[backend])
        try:
            started = time.perf_counter()
            report = await level.report()
            if not report.exists:
                raise SystemExit(report.reason)
            figures = {"microvm_selftest_s": time.perf_counter() - started}
            yardsticks = [yardstick_ms() for _ in range(3)]
            figures |= await measure(level, host, rounds)
            yardsticks += [yardstick_ms() for _ in range(3)]
            figures["yardstick_ms"] = statistics.median(yardsticks)
            scale = QUIET_YARDSTICK_MS / figures["yardstick_ms"]
            return figures | {f"{name}_scaled": figures[name] * scale for name in TARGETS}
        finally:
            await level.close()
            await host.close()


async def _image(folder: str, host: Host) -> str:
    await build_image(folder, host, print)
    return str(Path.cwd() / folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--image", default=os.path.expanduser("~/.cache/kelpie/tests/image"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--backend", default="qemu-tcg")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = asyncio.run(run(given.image, given.rounds, given.backend))
    for name, figure in figures.items():
        target = TARGETS.get(name.removesuffix("_scaled"))
        print(f"{name:42} {figure:10.1f}" + (f"   target {target:.0f}" if target else ""))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
