"""Every promise under every scenario: some three hundred whole worlds, each from its seed.

A failure names scenario and seed; `kelpie sim replay SEED --scenario NAME` tells its story.
"""

import importlib.util
from collections import Counter

import pytest

from kelpie.simulate import play
from kelpie.simulate.kinds import KINDS
from kelpie.simulate.plans.scenarios import MISSING, SCENARIOS, plan_of
from tidy.tree import ROOT

SEEDS = range(1, 13)
STEPS_MIN = 300
# Worlds beyond these seeds in which something rare comes about.
RARE = {
    "disk.short_read": ("rotten-disk", 15),
    "disk.misdirected_write": ("rotten-disk", 15),
    "network.connection_limit": ("vanishing-readers", 13),
    "model.unknown_tool": ("bad-provider", 19),
    "store.file_read": ("files-under-crash", 20),
}


@pytest.fixture(scope="module")
def verdicts():
    return {name: [play(plan_of(name, seed)) for seed in SEEDS] for name in SCENARIOS}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_promise_is_broken(verdicts, name):
    broken = {verdict.plan.seed: verdict.violations for verdict in verdicts[name] if verdict.violations}
    assert broken == {}
    assert len(verdicts[name]) == len(SEEDS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_runs_were_full_ones(verdicts, name):
    """Work was done in each, and in most of them something went wrong."""
    runs = verdicts[name]
    assert min(verdict.steps for verdict in runs) >= STEPS_MIN
    outcomes = sum((Counter(verdict.outcomes) for verdict in runs), Counter())
    assert outcomes["send ok"] + outcomes["question ok"] >= len(runs) / 2
    assert sum(bool(verdict.fired) for verdict in runs) > len(runs) / 2


def test_every_kind_of_fault_happened(verdicts):
    rare = {kind: play(plan_of(*where)) for kind, where in RARE.items()}
    assert [kind for kind, verdict in rare.items() if not verdict.fired.get(kind) or verdict.violations] == []
    worlds = [*rare.values(), *(verdict for runs in verdicts.values() for verdict in runs)]
    fired = sum((Counter(verdict.fired) for verdict in worlds), Counter())
    assert [kind for kind in KINDS if not fired[kind]] == []
    assert len(KINDS) >= 40
    assert set(fired) <= set(KINDS)


def test_clients_were_refused_and_left_in_doubt_as_well(verdicts):
    outcomes = sum((Counter(verdict.outcomes) for runs in verdicts.values() for verdict in runs), Counter())
    assert min(outcomes["claims"], outcomes["fenced commits"]) > 1_000  # what the inner checks stand on was there
    assert min(outcomes[f"send {outcome}"] for outcome in ("ok", "refused", "unknown")) > 20
    silos = Counter(verdict.plan.options.silos for runs in verdicts.values() for verdict in runs)
    assert set(silos) == {1, 2, 3, 4, 5}


def test_questions_were_cut_off_slowed_down_and_answered_all_the_same(verdicts):
    outcomes = sum((Counter(verdict.outcomes) for verdict in verdicts["questions-under-crash"]), Counter())
    assert min(outcomes["query cut"], outcomes["query lost"], outcomes["answers without numbers"]) >= 5
    assert outcomes["query stopped"] >= 1
    assert outcomes["answers right"] >= len(SEEDS)


def test_a_plan_is_the_same_whenever_it_is_drawn():
    assert all(plan_of(name, 7) == plan_of(name, 7) != plan_of(name, 8) for name in SCENARIOS)


def test_the_page_names_every_scenario_with_its_promise_and_the_changes_count_the_faults():
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    assert [name for name, one in SCENARIOS.items() if f"| {name} | {one.promise} |" not in page] == []
    assert f"with {len(KINDS)} kinds of faults" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_a_room_that_is_built_has_its_scenario():
    for scenario, module in MISSING.items():
        room, _, _ = module.rpartition(".")
        assert importlib.util.find_spec(room) is not None, f"{scenario}: no module {room} for {module} to be built in"
        built = importlib.util.find_spec(module) is not None
        assert not built, f"{module} is built: give it its scenario '{scenario}' in kelpie.simulate.plans.scenarios"
