"""What a call in the sandbox costs, beside a fresh bubblewrap with a fresh Python and a bare fork and exec.

    python -m benchmarks.sandbox

CPU is the kernel's accounting of everybody: this process (the server's part) and all children that were waited for,
the warm process with its calls among them. Then a thousand calls, and what they leave: processes, mounts, cgroups,
descriptors, files. Exit 1 if they leave anything.

A level is measured by `measure`; a further one needs a line in `main`.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.__main__ import yardstick_ms
from kelpie.sandbox import Level, ProcessLevel, SandboxCall, SandboxLimits
from kelpie.sandbox.process import bwrap
from umi.dst import Host

ADD = SandboxCall("def add(a, b):\n    return a + b\n", "add", {"a": 20, "b": 22})
SHELL = SandboxCall(":", "", language="shell")
LIMITS = SandboxLimits(wall_ms=120_000)
QUIET_YARDSTICK_MS = 34.0
TARGETS = {"process_python_p50_ms": 10.0, "process_python_p50_cpu_ms": 5.0}
ROUND = 10  # calls of one kind before the next has its turn: what disturbs the machine disturbs all of them

Figures = dict[str, float]


def cpu_ms() -> float:
    """Of this process alone: children count when they were waited for, which the warm one's calls are not, for us."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


def children_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


class Taken:
    """Wall and CPU ms of each of a number of calls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def figures(self) -> Figures:
        return {
            f"{self.name}_p50_ms": statistics.median(self.wall),
            f"{self.name}_p95_ms": sorted(self.wall)[int(len(self.wall) * 0.95)],
            f"{self.name}_p50_cpu_ms": statistics.median(self.cpu),
        }


async def in_sandbox(level: Level, call: SandboxCall, taken: Taken) -> None:
    for _ in range(ROUND):
        started, cpu = time.perf_counter(), cpu_ms()
        result = await level.exec(call, LIMITS)
        taken.wall.append((time.perf_counter() - started) * 1000)
        taken.cpu.append(cpu_ms() - cpu + (result.usage.cpu_ms or 0.0))
        if result.error is not None:
            raise RuntimeError(f"{taken.name}: {result.error}\n{result.stderr}")


async def bare(command: list[str], taken: Taken) -> None:
    for _ in range(ROUND):
        started, cpu = time.perf_counter(), cpu_ms() + children_ms()
        _ran(command)
        taken.wall.append((time.perf_counter() - started) * 1000)
        taken.cpu.append(cpu_ms() + children_ms() - cpu)


def _ran(command: list[str]) -> None:
    subprocess.run(command, check=True, env={}, stdin=subprocess.DEVNULL)


async def measure(level: Level, n: int) -> Figures:
    """One kind after the other, in rounds, with the yardstick between them."""
    # As pid 1, or bubblewrap does not wait for all of it, and the kernel counts less.
    fresh = [
        bwrap.find_bwrap(),
        "--unshare-all",
        "--as-pid-1",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--tmpfs",
        "/tmp",
    ]
    fresh += [bwrap.find_python(), "-I", "-S", "-c", "pass"]
    works: list[tuple[Taken, Callable[[Taken], Awaitable[None]]]] = [
        (Taken(f"{level.name}_python"), lambda taken: in_sandbox(level, ADD, taken)),
        (Taken(f"{level.name}_shell"), lambda taken: in_sandbox(level, SHELL, taken)),
        (Taken("fresh_bwrap_python"), lambda taken: bare(fresh, taken)),
        (Taken("fork_exec_true"), lambda taken: bare(["/bin/true"], taken)),
    ]
    yardsticks = []
    await level.exec(ADD, LIMITS)  # warm
    for _ in range(max(1, n // ROUND)):
        yardsticks.append(yardstick_ms())
        for taken, work in works:
            await work(taken)
    figures = {"yardstick_cpu_ms": statistics.median(yardsticks)}
    for taken, _ in works:
        figures |= taken.figures()
    return figures


def standing() -> dict[str, int]:
    """How much there is of what a call could leave behind."""
    groups = (path for path in Path("/sys/fs/cgroup").rglob("kelpie-*") if path.is_dir())
    return {
        "processes": len(_descendants(os.getpid())),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "cgroups": sum(1 for _ in groups),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "temporary_files": sum(name.startswith(("kelpie", "order")) for name in os.listdir("/tmp")),
    }


def _descendants(pid: int) -> list[int]:
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


async def settled(before: dict[str, int]) -> dict[str, int]:
    """What stands once it equals `before`, or after ten seconds: the kernel removes some of it a moment later."""
    for _ in range(100):
        if standing() == before:
            break
        await asyncio.sleep(0.1)
    return standing()


async def leftovers(level: Level, calls: int) -> dict[str, tuple[int, int]]:
    """What stands before and after so many calls: good ones, failing ones, and some that are stopped."""
    spin = SandboxCall("def spin():\n    while True: pass\n", "spin")
    behind = SandboxCall("import subprocess\ndef leave(): subprocess.Popen(['/bin/sleep', '60'])\n", "leave")
    await level.exec(ADD, LIMITS)
    before = standing()
    for number in range(calls):
        if number % 100 == 50:
            await level.exec(spin, SandboxLimits(wall_ms=50))
        elif number % 100 == 75:
            await level.exec(behind, LIMITS)
        else:
            await level.exec(ADD, LIMITS)
    after = await settled(before)
    return {name: (count, after[name]) for name, count in before.items()}


def report(figures: Figures) -> str:
    lines = [
        f"{'':32} {'here':>9} {'target':>8}   (idle; the yardstick is {QUIET_YARDSTICK_MS:.0f} on a quiet machine)"
    ]
    for name, value in figures.items():
        target = TARGETS.get(name)
        lines.append(f"{name:32} {value:9.2f} {'' if target is None else f'{target:8.1f}'}")
    return "\n".join(lines)


async def main() -> int:
    parser = argparse.ArgumentParser(description="Measure calls in the sandbox.")
    parser.add_argument("--n", type=int, default=200, help="calls of each kind (default 200)")
    parser.add_argument("--calls", type=int, default=1000, help="calls before their leftovers are counted")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    host = Host()
    level = ProcessLevel(host)
    found = await level.report()
    if not found.exists:
        print(f"the level 'process' does not exist here: {found.reason}")
        return 1
    figures = await measure(level, given.n)
    print(report(figures))
    left: dict[str, Any] = await leftovers(level, given.calls)
    print(f"\nafter {given.calls:,} calls: " + ", ".join(f"{name} {was}→{now}" for name, (was, now) in left.items()))
    await level.close()
    await host.close()
    if given.out:
        content = {**figures, "left": left, "report": msgspec.to_builtins(found)}
        given.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0 if all(was == now for was, now in left.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
