"""`kelpie sim` as a person types it: on a made-up simulation, and each command once on the real one."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from kelpie.cli import app, campaign, checkout
from kelpie.simulate import Event, Options, Plan, Verdict
from kelpie.simulate.kinds import KINDS
from kelpie.simulate.machines.world import Violation
from kelpie.simulate.plans.plan import plan_from_json
from kelpie.simulate.plans.scenarios import SCENARIOS, Scenario, plan_of
from tidy.tree import ROOT
from umi import core

APPEND = '[[tool:core_memory_append {"label": "notes", "content": "WHAT"}]] [[say:done]]'


@pytest.fixture
def kelpie(monkeypatch, capsys, tmp_path):
    """Run the command line in this process and an empty folder. Returns exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kelpie", *map(str, arguments)])
        code = app.run()
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def made_up(monkeypatch):
    """Two scenarios, of which `weak` breaks a promise at seed 3 as long as op-2 is there. Returns all plans played."""
    played = []

    def draw(scenario, seed):
        events = [Event(id=f"op-{n}", at_ms=float(n), kind="read", lane="client-0") for n in range(4)]
        return Plan(scenario=scenario, seed=seed, options=Options(), events=tuple(events))

    def play(plan, trace=None):
        played.append(plan)
        if trace is not None:
            trace.extend(f"step {event.id}\n" for event in plan.events)
        breaks = (plan.scenario, plan.seed) == ("weak", 3) and any(event.id == "op-2" for event in plan.events)
        return Verdict(
            plan=plan,
            violations=[Violation("messages stay", "op-2 is gone", 5.0)] if breaks else [],
            digest=f"{plan.scenario}{plan.seed}",
            steps=100,
            virtual_ms=60_000.0,
            fired={"crash.silo": 2} if plan.scenario == "weak" else {"network.loss": 1},
            outcomes={},
            story=[],
        )

    monkeypatch.setattr("kelpie.simulate.play", play)
    monkeypatch.setattr("kelpie.simulate.plans.scenarios.plan_of", draw)
    known = {name: Scenario(name, f"{name} promise", lambda _: None) for name in ("weak", "strong")}
    monkeypatch.setattr("kelpie.simulate.plans.scenarios.SCENARIOS", known)
    return played


# ---- run


def test_a_run_is_a_scenario_and_a_seed(kelpie, made_up):
    code, shown = kelpie("sim", "run", "--scenario", "all", "--seeds", "1-2")
    assert code == 0
    assert [(plan.scenario, plan.seed) for plan in made_up] == [("weak", 1), ("strong", 1), ("weak", 2), ("strong", 2)]
    assert "✓ 4 runs, no promise was broken" in shown
    assert re.search(
        r"virtual seconds per second, [\d,]+ steps per CPU second, [\d,]+ runs per minute \([\d,]+ seeds\)", shown
    )


def test_a_broken_promise_comes_with_all_that_it_takes_to_see_it_again(kelpie, made_up, monkeypatch):
    monkeypatch.setattr("kelpie.cli.sim.commit", lambda: "0123456789ab")
    code, shown = kelpie("sim", "run", "--scenario", "weak", "--seeds", "1-4")
    assert code == 1
    assert "✗ messages stay: op-2 is gone" in shown
    assert "scenario weak, seed 3, commit 0123456789ab" in shown
    assert "  kelpie sim replay 3 --scenario weak\n" in shown
    assert "✗ 4 runs, 1 broke a promise" in shown


def test_the_line_to_replay_is_one_line_on_any_terminal(kelpie, made_up, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert "  kelpie sim replay 3 --scenario weak\n" in kelpie("sim", "run", "--scenario", "weak", "--seed", "3")[1]


def test_the_trace_hash_is_the_last_line(kelpie, made_up):
    _, one = kelpie("sim", "run", "--scenario", "weak", "--seed", "7", "--trace-hash")
    assert one.splitlines()[-1] == "weak7"
    _, several = kelpie("sim", "run", "--scenario", "weak", "--seeds", "1-3", "--trace-hash")
    assert several.splitlines()[-1] == hashlib.sha256(b"weak1\nweak2\nweak3").hexdigest()


def test_a_folder_keeps_a_line_per_run_and_what_broke_a_promise(kelpie, made_up, tmp_path):
    code, shown = kelpie("sim", "run", "--seeds", "2-3", "--out", "kept/here")
    kept = tmp_path / "kept" / "here"
    assert code == 1
    assert sorted(file.name for file in kept.iterdir()) == ["runs.jsonl", "weak-3.html", "weak-3.json"]
    lines = [json.loads(line) for line in (kept / "runs.jsonl").read_text().splitlines()]
    assert [(line["scenario"], line["seed"], len(line["violations"])) for line in lines] == [
        ("weak", 2, 0),
        ("strong", 2, 0),
        ("weak", 3, 1),
        ("strong", 3, 0),
    ]
    assert plan_from_json((kept / "weak-3.json").read_bytes()) == made_up[2]
    assert "messages stay" in (kept / "weak-3.html").read_text()
    assert os.path.join("kept", "here", "weak-3.html") in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("run", "--scenario", "nonsense", "--seed", "1"),
            "there is no scenario 'nonsense'; there are weak, strong, and 'all'",
        ),
        (("run", "--seeds", "1..5"), "'1..5' is no range of seeds; write --seeds 1-25"),
        (("run", "--seeds", "5-1"), "'5-1' holds no seeds"),
        (("run", "--seeds", "1-99999999999"), "more than 10,000,000"),
        (("run",), "either --seed 7 or --seeds 1-25"),
        (("run", "--seed", "1", "--seeds", "1-2"), "either --seed 7 or --seeds 1-25"),
        (("run", "--seed", "1", "--out", "file/in"), "can't write to the folder"),
        (("faults", "--seeds", "all"), "'all' is no range of seeds"),
        (("replay", "1"), "say which plan: --plan FILE, or --scenario with one of weak, strong"),
        (
            ("replay", "1", "--plan", "nowhere.json"),
            "can't read nowhere.json: No such file or directory; `kelpie sim shrink`",
        ),
        (("replay", "1", "--plan", "file"), "file holds no plan"),
        (
            ("replay", "2", "--plan", "plan.json"),
            "plan.json is a plan of weak, seed 1: give that seed, and no other scenario",
        ),
        (("replay", "1", "--plan", "plan.json", "--scenario", "strong"), "is a plan of weak, seed 1"),
        (("replay", "1", "--scenario", "weak", "--page", "no/page.html"), "can't write no/page.html"),
        (("shrink", "3", "--scenario", "weak", "--out", "no/plan.json"), "there is no folder no; make it first"),
        (("shrink", "1", "--scenario", "weak"), "weak, seed 1, breaks no promise: there is nothing to shrink"),
        (("shrink", "3", "--scenario", "weak", "--promise", "x"), "does not break 'x' (it breaks 'messages stay')"),
        (("diff", "3", "--scenario", "weak", "--against", "nowhere.json"), "can't read nowhere.json"),
    ],
)
def test_wrong_use_says_what_to_do(kelpie, made_up, tmp_path, arguments, complaint):
    (tmp_path / "file").write_text("not a plan")
    (tmp_path / "plan.json").write_bytes(Plan(scenario="weak", seed=1, options=Options(), events=()).to_json())
    code, shown = kelpie("sim", *arguments)
    assert code == 1
    assert complaint in shown
    assert not (tmp_path / "weak-1.json").exists()


@pytest.mark.parametrize(("text", "first", "last"), [("7", 7, 7), ("0-0", 0, 0), (" 3-5 ", 3, 5)])
def test_seeds_may_be_one_or_a_range(text, first, last):
    assert campaign.seeds_of(None, text) == range(first, last + 1)


# ---- replay, shrink, diff


def test_a_replay_tells_the_story_and_writes_a_page_and_the_steps(kelpie, made_up, tmp_path):
    code, shown = kelpie("sim", "replay", 3, "--scenario", "weak", "--page", "page.html", "--trace", "steps")
    assert code == 1
    assert shown.splitlines()[0] == "weak, seed 3  weak promise"
    assert "✗ messages stay: op-2 is gone" in shown
    assert "page written to page.html" in shown
    assert "kelpie sim replay 3 --scenario weak" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "steps").read_text().splitlines()[0] == "step op-0"
    assert kelpie("sim", "replay", 4, "--scenario", "weak")[0] == 0


def test_a_shrunk_plan_is_written_told_and_replayed(kelpie, made_up, tmp_path):
    code, shown = kelpie("sim", "shrink", 3, "--scenario", "weak", "--page", "page.html")
    assert code == 0
    plan = plan_from_json((tmp_path / "weak-3.json").read_bytes())
    assert [event.id for event in plan.events] == ["op-2"]
    assert "4 events became 1" in shown
    assert shown.splitlines()[-1] == "kelpie sim replay 3 --plan weak-3.json"
    assert "kelpie sim replay 3 --plan weak-3.json" in (tmp_path / "page.html").read_text()
    assert kelpie("sim", "replay", 3, "--plan", "weak-3.json")[0] == 1
    assert made_up[-1] == plan


def test_two_plans_can_be_compared(kelpie, made_up, tmp_path):
    kelpie("sim", "shrink", 3, "--scenario", "weak")
    code, shown = kelpie("sim", "diff", 3, "--scenario", "weak", "--against", "weak-3.json")
    assert code == 1
    assert "- step op-0\n+ step op-2\n" in shown
    assert kelpie("sim", "diff", 3, "--plan", "weak-3.json", "--against", "weak-3.json")[0] == 0


def test_another_process_that_fails_is_an_error_and_no_difference(kelpie, made_up, monkeypatch):
    monkeypatch.setattr("kelpie.cli.case._ELSEWHERE", {"PYTHONHASHSEED": "nonsense"})
    code, shown = kelpie("sim", "diff", 3, "--scenario", "weak")
    assert code == 1
    assert "the other process failed with 1: Fatal Python error" in shown


# ---- faults, scenarios


def test_faults_are_counted_by_kind_and_scenario(kelpie, made_up):
    code, shown = kelpie("sim", "faults", "--seeds", "1-2")
    assert code == 1  # most kinds never happened
    assert re.search(r"crash\.silo .*4 .*weak", shown)
    assert re.search(r"network\.loss .*2 .*strong", shown)
    assert f"disk.full ({KINDS['disk.full']}) never happened: play more seeds" in shown
    assert all(kind in shown for kind in KINDS)


def test_when_every_fault_happened_all_is_well(kelpie, made_up, monkeypatch):
    monkeypatch.setattr("kelpie.simulate.kinds.KINDS", {"crash.silo": "a server process is killed"})
    code, shown = kelpie("sim", "faults", "--scenario", "weak", "--seeds", "1")
    assert (code, "never" in shown) == (0, False)


def test_scenarios_are_listed_with_their_promises_and_what_they_wait_for(kelpie):
    code, shown = kelpie("sim", "scenarios")
    assert code == 0
    for scenario in SCENARIOS.values():
        assert scenario.name in shown
        assert scenario.promise in shown
    assert "its room isn't built" in shown


# ---- which code it is


def test_the_commit_is_that_of_the_checkout():
    ran = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        assert checkout.commit().removesuffix("-dirty") == ran.stdout[:12]
    else:
        assert checkout.commit().startswith("version ")


def test_without_a_checkout_the_version_is_told(monkeypatch):
    monkeypatch.setattr("kelpie.cli.checkout._git", lambda *_: None)
    assert checkout.commit() == "version 0.1.0"


# ---- on the real one


def real(*arguments, **environment):
    """The command in a process of its own. Returns exit code and standard output."""
    env = {**os.environ, "COLUMNS": "200", **environment}
    command = [sys.executable, "-m", "kelpie", "sim", *map(str, arguments)]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in ran.stderr + ran.stdout
    return ran.returncode, ran.stdout


def test_two_processes_with_other_hash_seeds_print_the_same_hash():
    asked = ("run", "--scenario", "turn-under-crash", "--seeds", "1-3", "--trace-hash")
    one, other = (real(*asked, PYTHONHASHSEED=seed)[1].splitlines()[-1] for seed in ("1", "2"))
    assert one == other
    assert re.fullmatch("[0-9a-f]{64}", one)


def test_several_processes_play_the_same_runs_in_the_same_order(kelpie, tmp_path):
    asked = ("sim", "run", "--scenario", "hot-agent", "--seeds", "1-3", "--trace-hash")
    _, alone = kelpie(*asked, "--jobs", 1)
    _, together = kelpie(*asked, "--jobs", 2, "--out", "kept")
    assert alone.splitlines()[-1] == together.splitlines()[-1]
    assert [json.loads(line)["seed"] for line in (tmp_path / "kept" / "runs.jsonl").read_text().splitlines()] == [
        1,
        2,
        3,
    ]


def test_a_process_that_dies_ends_the_campaign_and_says_where_to_look(kelpie, monkeypatch):
    monkeypatch.setattr(campaign, "_leave_signals_to_the_parent", os.abort)  # what each of them does first
    code, shown = kelpie("sim", "run", "--scenario", "hot-agent", "--seeds", "1-3", "--jobs", 2)
    assert code == 1
    assert "a process died that played hot-agent, seed 1, or one soon after; --jobs 1 shows where" in shown


def test_a_real_run_is_replayed_with_a_page(kelpie, tmp_path):
    code, shown = kelpie("sim", "replay", 1, "--scenario", "turn-under-crash", "--page", "page.html")
    assert code == 0
    assert "every promise was kept" in shown
    assert "is up (life 1)" in (tmp_path / "page.html").read_text()


def test_a_real_run_is_the_same_here_and_elsewhere(kelpie):
    code, shown = kelpie("sim", "diff", 1, "--scenario", "turn-under-crash")
    assert (code, "the same, step by step" in shown) == (0, True), shown


def test_two_real_seeds_differ_from_some_step_on(kelpie, tmp_path):
    (tmp_path / "two.json").write_bytes(plan_of("turn-under-crash", 2).to_json())
    code, shown = kelpie("sim", "diff", 1, "--scenario", "turn-under-crash", "--against", "two.json")
    assert code == 1
    assert re.search(r"^- .*\n\+ ", shown, re.MULTILINE)


def test_a_real_bug_is_shrunk(kelpie, tmp_path, monkeypatch):
    """A block that forgets what was there when something is added."""
    _, _, where = core.blocks._APPEND.partition(" version = version + 1")
    monkeypatch.setattr(core.blocks, "_APPEND", f"UPDATE block SET value = ?4, version = version + 1{where}")
    said = [{"agent": 0, "text": APPEND.replace("WHAT", what)} for what in ("tea", "coffee")]
    events = [
        Event(id=f"op-{n}", at_ms=n * 500.0, kind="send", lane="client-0", args=args) for n, args in enumerate(said)
    ]
    events.append(Event(id="op-9", at_ms=40.0, kind="read", lane="client-1"))
    plan = Plan(scenario="shared-block", seed=1, options=Options(agents=1), events=tuple(events))
    (tmp_path / "plan.json").write_bytes(plan.to_json())
    code, shown = kelpie("sim", "shrink", 1, "--plan", "plan.json", "--cpu-s", 10)
    assert code == 0
    assert "✗ block changes stay, once" in shown
    assert [event.id for event in plan_from_json((tmp_path / "shared-block-1.json").read_bytes()).events] == [
        "op-0",
        "op-1",
    ]


def test_real_faults_happen(kelpie):
    _, shown = kelpie("sim", "faults", "--scenario", "partition", "--seeds", "1")
    assert re.search(r"network\.(partition|one_way) .*\d+ .*partition", shown)
