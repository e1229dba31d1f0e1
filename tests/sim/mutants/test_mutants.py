"""Production's defences taken away one by one: the simulation sees each of them missing.

In the suite each mutant is played once, at the seed that found it. `make mutants` looks for these seeds anew, and
shrinks what it finds.
"""

import sys
from functools import cache

import pytest

from kelpie.simulate import play
from kelpie.simulate.plans.scenarios import SCENARIOS, plan_of
from kelpie.simulate.plans.shrink import shrink
from sim.mutants.planting import planted
from sim.mutants.registry import MUTANTS

SEEDS_MAX = 200
EVENTS_MAX = 10
CPU_S_MAX = 60.0
each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=str)


def broken_by(plants, plan):
    with planted(plants):
        return play(plan).promises_broken


@cache
def is_kept(scenario, seed):
    """Whether production keeps every promise there."""
    return not play(plan_of(scenario, seed)).violations


@each_mutant
def test_a_mutant_is_seen_at_its_recorded_seed_and_production_keeps_its_promises_there(mutant):
    plan = plan_of(*mutant.recorded)
    assert set(broken_by(mutant.plants, plan)) & set(mutant.breaks)
    assert is_kept(*mutant.recorded)
    for plants in mutant.harmless:
        assert not set(broken_by(plants, plan)) & set(mutant.breaks), f"{plants} is seen by itself: it hides nothing"


def test_what_is_planted_is_taken_out_again():
    plan = plan_of("hot-agent", 1)
    before = play(plan)
    for mutant in MUTANTS:
        with planted(mutant.plants):
            pass
    assert play(plan).digest == before.digest


def test_mutants_have_names_of_their_own_and_are_looked_for_where_they_were_found():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12
    for mutant in MUTANTS:
        assert mutant.recorded[0] in mutant.scenarios
        assert set(mutant.scenarios) <= set(SCENARIOS)


@pytest.mark.mutants_search
@each_mutant
def test_the_search_finds_a_mutant_within_a_few_seeds_and_shrinks_it_to_a_few_events(mutant, capsys):
    plans = [plan_of(scenario, seed) for seed in range(1, SEEDS_MAX + 1) for scenario in mutant.scenarios][:SEEDS_MAX]
    seen = next(
        (
            (at, broken)
            for at, plan in enumerate(plans)
            if (broken := _expected(mutant, broken_by(mutant.plants, plan)))
        ),
        None,
    )
    assert seen is not None, f"not seen in {SEEDS_MAX} plans"
    at, (promise, *_) = seen
    for plan in plans[: at + 1]:
        assert is_kept(plan.scenario, plan.seed), f"{plan.scenario} {plan.seed} is broken without the mutant"
        for plants in mutant.harmless:
            assert not _expected(mutant, broken_by(plants, plan)), f"{plants} is seen by itself at {plan.scenario}"
    found = plans[at]
    with planted(mutant.plants):
        shrunk = shrink(found, promise, cpu_s_max=CPU_S_MAX)
    with capsys.disabled():
        sys.stdout.write(_told(mutant, found, at + 1, promise, shrunk))
    assert shrunk.to_events <= EVENTS_MAX
    assert play(shrunk.plan).violations == []


def _expected(mutant, broken):
    return [promise for promise in broken if promise in mutant.breaks]


def _told(mutant, found, plays, promise, shrunk):
    """What a person wants to know of it: where it was, what it broke, and the shortest way to it."""
    size, effort = f"{shrunk.from_events} events -> {shrunk.to_events}", f"{shrunk.runs} runs, {shrunk.cpu_s:.1f} CPU s"
    moved = "" if mutant.recorded == (found.scenario, found.seed) else f"; recorded is {mutant.recorded}"
    lines = [
        "",
        f"{mutant.name}: {promise}",
        f"  seen at {found.scenario} {found.seed}, the {plays}. plan played{moved}",
        f"  {size}, {effort}{'' if shrunk.finished else ', not finished'}",
    ]
    story = [one for one in shrunk.verdict.story if one.mark != "log"]
    return "\n".join([*lines, *(f"    {one.at_ms:>12,.0f} ms  {one.lane}: {one.text[:140]}" for one in story), ""])
