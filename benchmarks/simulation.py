"""How fast the real server lives under simulation: `python -m benchmarks.simulation [--seeds 10]`.

One process. A run is a whole world: its servers are built, everything goes wrong that its plan has, it heals, and
every promise is checked.
"""

import argparse
import time

from kelpie.simulate import play
from kelpie.simulate.plans.scenarios import SCENARIOS, plan_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=10, help="of every scenario")
    given = parser.parse_args()
    runs = steps = faults = broken = 0
    virtual_s, cpu, wall = 0.0, time.process_time(), time.perf_counter()
    for name in SCENARIOS:
        before = time.process_time()
        for seed in range(1, given.seeds + 1):
            verdict = play(plan_of(name, seed))
            runs, steps, virtual_s = runs + 1, steps + verdict.steps, virtual_s + verdict.virtual_ms / 1000
            faults, broken = faults + sum(verdict.fired.values()), broken + bool(verdict.violations)
        print(f"{name:24} {(time.process_time() - before) / given.seeds * 1000:6.0f} CPU ms a run")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{runs} runs, {broken} with a broken promise, {faults:,} faults, {cpu:.1f} CPU s, {wall:.1f} s")
    print(f"{runs / cpu * 60:,.0f} runs per CPU minute, {steps / cpu:,.0f} steps per CPU second")
    print(f"{virtual_s / wall:,.0f} virtual seconds per second")


if __name__ == "__main__":
    main()
