"""Which production code simulated runs go through, line by line. As a program: `python tests/sim/touched.py SEEDS`.

A process of its own, because lines that run while a module is imported count as well.
"""

import json
import sys

import coverage

SOURCES = ["umi", "kelpie"]


def main(seeds):
    measured = coverage.Coverage(source_pkgs=SOURCES, data_file=None, messages=False)
    measured.start()
    live(seeds)
    measured.stop()
    found = {}
    for path in sorted(measured.get_data().measured_files()):
        _, lines, _, missed, _ = measured.analysis2(path)
        found[path.partition("/src/")[2]] = [len(lines), len(missed)]
    json.dump(found, sys.stdout)


def live(seeds):
    """Worlds of every scenario, and a memory that somebody embeds."""
    from kelpie.simulate import play
    from kelpie.simulate.plans.scenarios import SCENARIOS, plan_of
    from umi.dst.simulate import simulate
    from umi.errors import StoreError
    from umi.memory import Memory

    for name in SCENARIOS:
        for seed in range(1, seeds + 1):
            assert play(plan_of(name, seed)).violations == []

    async def remember(host):
        async with Memory(seed=7, host=host) as memory:
            await memory.remember("Ada's cat is called Miso.")
            memory.crash()
            memory.faults.plan("disk.write_error")
            try:
                await memory.remember("Ada's dog is called Natto.")
            except StoreError:
                await memory.core.append("human", "likes cats")
            return [one.fact.text for one in await memory.recall("cat")], await memory.count()

    assert simulate(remember, 1).value[0] == ["Ada's cat is called Miso."]


if __name__ == "__main__":
    main(int(sys.argv[1]))
