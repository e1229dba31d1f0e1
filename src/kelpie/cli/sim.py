"""`kelpie sim`: the real server under seeds, with everything going wrong. Each run is a scenario and a seed."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kelpie.cli import campaign, case
from kelpie.cli.checkout import commit
from kelpie.console.progress import Meter
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput
from umi.dst import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

sim_app = typer.Typer(help="Simulate the server under seeds, with everything going wrong.", no_args_is_help=True)

Scenarios = Annotated[str, typer.Option("--scenario", help="Which one, or 'all'; `kelpie sim scenarios` lists them.")]
Scenario = Annotated[str | None, typer.Option("--scenario", help="Which one; `kelpie sim scenarios` lists them.")]
Seed = Annotated[int, typer.Argument(min=0, help="The seed of the run.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="From the first to the last, for example 1-25.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="Play the plan in this file instead of the scenario's.")]
Page = Annotated[Path | None, typer.Option("--page", help="Write the story as a page to this HTML file.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=256, help="In how many processes.")]


@sim_app.command()
def run(
    scenario: Scenarios = campaign.ALL,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="One seed.")] = None,
    seeds: Seeds = None,
    trace_hash: Annotated[
        bool, typer.Option("--trace-hash", help="Print a hash over every step of every run, as the last line.")
    ] = False,
    jobs: Jobs = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for a line per run, and the plan and page of each that broke a promise."),
    ] = None,
) -> None:
    """Play scenarios under seeds. Exit 1 if a promise was broken."""
    campaign.needs_the_server()
    scenarios, wanted = campaign.scenarios_of(scenario), campaign.seeds_of(seed, seeds)
    screen, clock = Screen(), Host().clock
    began_ms = clock.monotonic_ms()
    total = _play_all(screen, scenarios, wanted, jobs, out)
    seconds = max((clock.monotonic_ms() - began_ms) / 1000, 0.001)
    broken = f"{total.broken:,} broke a promise" if total.broken else "no promise was broken"
    (screen.bad if total.broken else screen.good)(f"{total.runs:,} runs, {broken}")
    screen.line(
        f"{total.virtual_ms / 1000 / seconds:,.0f} virtual seconds per second,"
        f" {total.steps / max(total.cpu_s, 0.001):,.0f} steps per CPU second,"
        f" {total.runs * 60 / seconds:,.0f} runs per minute ({len(wanted) * 60 / seconds:,.0f} seeds)"
    )
    if trace_hash:
        screen.line(total.digest)
    raise typer.Exit(1 if total.broken else 0)


def _play_all(screen: Screen, scenarios: list[str], seeds: range, jobs: int, out: Path | None) -> campaign.Total:
    """With a meter; what breaks a promise is printed at once."""
    total, count, code = campaign.Total(), len(scenarios) * len(seeds), commit()
    with ExitStack() as stack:
        lines = None
        if out is not None:
            try:
                out.mkdir(parents=True, exist_ok=True)
                lines = stack.enter_context((out / "runs.jsonl").open("wb"))
            except OSError as error:
                raise InvalidInput(
                    f"can't write to the folder {out}: {error.strerror}; name another with --out"
                ) from None
        meter = stack.enter_context(Meter("playing", count, Host().clock))
        for ran in _played(scenarios, seeds, jobs, out, code):
            total.add(ran)
            if lines is not None:
                lines.write(msgspec.json.encode(ran) + b"\n")
            if ran.violations:
                with meter.out_of_the_way():
                    _show_broken(screen, ran, code)
            meter.tell(total.runs, f"{total.runs:,} of {count:,} runs, {total.broken:,} broken")
    return total


def _played(scenarios: list[str], seeds: range, jobs: int, out: Path | None, code: str) -> "Iterator[campaign.Ran]":
    jobs = min(jobs, len(scenarios) * len(seeds))
    return campaign.played(campaign.cases_of(scenarios, seeds), jobs, out, code)


def _show_broken(screen: Screen, ran: campaign.Ran, code: str) -> None:
    for violation in ran.violations:
        screen.bad(f"{violation.promise}: {violation.text}")
    screen.line(f"  scenario {ran.scenario}, seed {ran.seed}, commit {code}")
    screen.line(f"  kelpie sim replay {ran.seed} --scenario {ran.scenario}")
    for file in ran.files:
        screen.line(f"  {file}")


@sim_app.command()
def replay(
    seed: Seed,
    scenario: Scenario = None,
    plan: PlanFile = None,
    page: Page = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write every step to this file, a line each.")] = None,
) -> None:
    """Tell one run as a story. Exit 1 if a promise breaks."""
    campaign.needs_the_server()
    from kelpie.simulate import play

    steps: list[str] | None = None if trace is None else []
    verdict = play(case.the_plan(seed, scenario, plan), trace=steps)
    if trace is not None:
        case.write(trace, "".join(steps or []).encode())
    case.show(Screen(), verdict, page, plan)
    raise typer.Exit(1 if verdict.violations else 0)


@sim_app.command()
def shrink(
    seed: Seed,
    scenario: Scenario = None,
    plan: PlanFile = None,
    promise: Annotated[str | None, typer.Option(help="Which one to break; else the first that breaks.")] = None,
    cpu_s: Annotated[float, typer.Option("--cpu-s", min=1, help="At most so many seconds of CPU.")] = 60.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the plan to this file, SCENARIO-SEED.json if not given.")
    ] = None,
    page: Page = None,
) -> None:
    """Find the smallest plan that breaks the same promise."""
    campaign.needs_the_server()
    from kelpie.simulate.telling.report import replay_line

    screen, whole = Screen(), case.the_plan(seed, scenario, plan)
    out = out or Path(f"{whole.scenario}-{seed}.json")
    for file in (out, *([page] if page else [])):
        case.can_be_written(file)
    shrunk = case.smallest(whole, promise, cpu_s, Host().clock)
    case.write(out, shrunk.plan.to_json())
    case.show(screen, shrunk.verdict, page, out)
    events = f"{shrunk.from_events} events became {shrunk.to_events}"
    screen.line(f"{events}, in {shrunk.runs:,} runs and {shrunk.cpu_s:,.1f} CPU seconds")
    if not shrunk.finished:
        screen.note("the time ran out before everything was tried; more with --cpu-s, and with --plan from here")
    screen.line(replay_line(shrunk.verdict, str(out)))


@sim_app.command()
def diff(
    seed: Seed,
    scenario: Scenario = None,
    plan: PlanFile = None,
    against: Annotated[Path | None, typer.Option("--against", help="Compare with the plan in this file.")] = None,
) -> None:
    """Play one run here and in another process, and show the first step that differs. Exit 1 if one does."""
    campaign.needs_the_server()
    screen, one = Screen(), case.the_plan(seed, scenario, plan)
    other = case.plan_in(against) if against is not None else None
    found = case.difference(one, other)
    if found:
        screen.bad("the runs part here:")
        screen.line(found.rstrip())
        raise typer.Exit(1)
    screen.good("the same, step by step" + ("" if other else ": here and in another process, with another hash seed"))


@sim_app.command()
def faults(scenario: Scenarios = campaign.ALL, seeds: Seeds = "1-10", jobs: Jobs = 1) -> None:
    """Count which faults really happen, and where. Exit 1 if a kind never does."""
    campaign.needs_the_server()
    from kelpie.simulate.kinds import KINDS

    screen = Screen()
    total = _play_all(screen, campaign.scenarios_of(scenario), campaign.seeds_of(None, seeds), jobs, None)
    rows = [[kind, total.fired[kind], ", ".join(sorted(total.fired_in.get(kind, ())))] for kind in KINDS]
    screen.table(["fault", "happened", "in"], rows, f"{total.runs:,} runs", rows_max=len(rows))
    never = [kind for kind in KINDS if not total.fired[kind]]
    for kind in never:
        screen.bad(f"{kind} ({KINDS[kind]}) never happened: play more seeds, or draw it in a scenario")
    raise typer.Exit(1 if never else 0)


@sim_app.command()
def scenarios() -> None:
    """List the scenarios with what they promise, and those that wait for their room."""
    campaign.needs_the_server()
    from kelpie.simulate.plans.scenarios import MISSING, SCENARIOS

    screen = Screen()
    rows = [[one.name, one.promise] for one in SCENARIOS.values()]
    screen.table(["scenario", "promise"], rows, rows_max=len(rows))
    if MISSING:
        missing = [[name, room] for name, room in MISSING.items()]
        screen.table(["not yet: its room isn't built", "room"], missing, rows_max=len(missing))
