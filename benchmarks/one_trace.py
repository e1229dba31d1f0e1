"""One seed, one trace, in any process: the digests of whole worlds, under other hash seeds, heaps and orders.

    python -m benchmarks.one_trace --processes 20 --seeds 50

The suite does the same with fewer of both (tests/sim/test_one_trace.py).
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelpie.simulate import Plan, play
from kelpie.simulate.plans.scenarios import SCENARIOS, plan_of

Found = dict[str, dict[str, Any]]
ROOT = Path(__file__).parent.parent
STEPS_MIN = 300  # a run that dies early agrees with itself as well


def plan_number(number: int) -> Plan:
    """Every scenario in its turn."""
    names = list(SCENARIOS)
    return plan_of(names[number % len(names)], number)


def digests(numbers: Sequence[int], noise: int) -> Found:
    """{number: what two runs of one seed have in common}. `noise` objects are made before each run, tracked by the
    collector, and every other one let go."""
    found: dict[int, dict[str, Any]] = {}
    for number in numbers:
        junk = [[n] for n in range(noise + 17 * number)]
        del junk[::2]
        verdict = play(plan_number(number))
        assert verdict.violations == [], verdict.violations
        assert verdict.steps >= STEPS_MIN
        found[number] = {"digest": verdict.digest, "steps": verdict.steps, "fired": verdict.fired}
        del junk
    return {str(number): found[number] for number in sorted(found)}


def order_of(seeds: list[int], process: int) -> list[int]:
    """Each process plays the same seeds in an order of its own."""
    turned = process * 7 % max(len(seeds), 1)
    order = [*seeds[turned:], *seeds[:turned]]
    return order[::-1] if process % 2 else order


def in_a_process(seeds: list[int], process: int) -> Found:
    """The digests as another process finds them."""
    environment = {**os.environ, "PYTHONHASHSEED": str(process + 1)}
    numbers = ",".join(map(str, order_of(seeds, process)))
    command = [sys.executable, "-m", "benchmarks.one_trace", "--numbers", numbers, "--noise", str(7_919 * process)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    found: Found = json.loads(ran.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--numbers", help="play these and print their digests, as JSON")
    parser.add_argument("--noise", type=int, default=0)
    given = parser.parse_args()
    if given.numbers is not None:
        json.dump(digests([int(number) for number in given.numbers.split(",")], given.noise), sys.stdout)
        return
    seeds = list(range(1, given.seeds + 1))
    first: Found = {}
    for process in range(given.processes):
        found = in_a_process(seeds, process)
        first = first or found
        same = sum(found[number] == first[number] for number in first)
        fired = sum(sum(one["fired"].values()) for one in found.values())
        print(f"process {process + 1}: {same} of {len(first)} digests as in the first, {fired:,} faults", flush=True)
        if same != len(first):
            sys.exit(1)
    distinct = len({one["digest"] for one in first.values()})
    print(f"{distinct} different digests for {len(first)} seeds")


if __name__ == "__main__":
    main()
