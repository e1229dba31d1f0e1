"""One seed, one trace: the real house in process, whatever else the process did and whichever process it is."""

import json
import os
import subprocess
import sys

import pytest

from sim import lively
from umi.dst.simulate import first_difference, simulate

STEPS_MIN = 1_000


def lived(seed, **options):
    """The summary of one life, which has to have been a full one: two runs that die at the same step agree as well."""
    found = lively.summary(simulate(lambda host: lively.live(host, **options), seed))
    assert found["steps"] >= STEPS_MIN
    assert found["open"] == 0
    assert found["statuses"]["completed"] >= lively.AGENTS
    assert found["ambient"] == {}  # nothing drew around the Host
    return found


def test_ten_runs_of_one_seed_in_one_process_are_the_same_to_the_last_row():
    first, junk = lived(7), []
    for number in range(9):
        junk.append([[n] for n in range(7_919 * number)])  # tracked by the garbage collector, which it brings into step
        del junk[:-2]
        lived(1_000 + number)  # and another life in between
        assert lived(7) == first


def test_three_processes_with_other_hashes_and_heaps_live_the_same_life(tmp_path):
    outcomes = []
    for number, noise in enumerate((0, 10_000, 123_457)):
        environment = {**os.environ, "PYTHONHASHSEED": str(number + 1)}
        command = [sys.executable, lively.__file__, "7", str(noise)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        outcomes.append(json.loads(ran.stdout))
    assert outcomes == [lived(7)] * 3


def test_another_seed_lives_another_life():
    digests = {lived(seed)["digest"] for seed in range(5)}
    assert len(digests) == 5


def test_a_file_is_as_good_as_memory(tmp_path):
    assert lived(7, path=str(tmp_path / "house.db")) == lived(7)


@pytest.mark.parametrize("schedule", ["uniform", "sticky", "fifo"])
def test_the_check_sees_a_set_in_the_order_of_addresses(schedule):
    """What it is there to find: the work is started in the order of a set of plain objects."""

    class Plain:
        def __init__(self, number):
            self.number = number

    async def main(host):
        async def work(number):
            await host.clock.sleep(1)

        for one in {Plain(number) for number in range(50)}:
            await host.spawn(work(one.number), f"work {one.number}")

    traces = [[] for _ in range(5)]
    digests = set()
    for number, trace in enumerate(traces):
        junk = [Plain(n) for n in range(1_000 * number)]
        del junk[:: number + 2]
        digests.add(simulate(main, 7, schedule=schedule, trace=trace).digest)
    assert len(digests) > 1
    assert any("work" in first_difference(traces[0], trace) for trace in traces)
