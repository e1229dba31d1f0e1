"""One run of the simulation: which plan it is, what there is to see of it, whether it is the same everywhere."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kelpie.cli.checkout import commit
from kelpie.console.progress import Meter
from kelpie.console.show import Screen
from kelpie.errors import EnvironmentFault, InvalidInput
from umi.dst import Clock

if TYPE_CHECKING:
    from kelpie.simulate import Plan, Verdict
    from kelpie.simulate.plans.shrink import Progress, Shrunk

# Another order of everything that hashes by its text, and other addresses for everything.
_ELSEWHERE = {"PYTHONHASHSEED": "4242", "PYTHONMALLOC": "malloc"}


def the_plan(seed: int, scenario: str | None, file: Path | None) -> "Plan":
    """From its file, or drawn from the scenario and the seed. Raises InvalidInput, NotFound."""
    from kelpie.simulate.plans.scenarios import SCENARIOS, plan_of

    if file is None:
        if scenario is None:
            raise InvalidInput(f"say which plan: --plan FILE, or --scenario with one of {', '.join(SCENARIOS)}")
        return plan_of(scenario, seed)
    plan = plan_in(file)
    if plan.seed != seed or scenario not in (None, plan.scenario):
        which = f"{plan.scenario}, seed {plan.seed}"
        raise InvalidInput(f"{file} is a plan of {which}: give that seed, and no other scenario")
    return plan


def plan_in(file: Path) -> "Plan":
    """Raises InvalidInput if there is none."""
    from kelpie.simulate.plans.plan import plan_from_json

    how = "`kelpie sim shrink` and `kelpie sim run --out` write plans"
    try:
        return plan_from_json(file.read_bytes())
    except OSError as error:
        raise InvalidInput(f"can't read {file}: {error.strerror}; {how}") from None
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{file} holds no plan: {error}; {how}") from None


def show(screen: Screen, verdict: "Verdict", page: Path | None, plan_file: Path | None = None) -> None:
    """The story in the terminal, and as a page if one is wanted."""
    from kelpie.simulate.telling.report import as_page, as_text, replay_line

    screen.console.print(as_text(verdict))
    if page is not None:
        replay = replay_line(verdict, str(plan_file) if plan_file else None)
        write(page, as_page(verdict, commit=commit(), replay=replay).encode())
        screen.good(f"page written to {page}")


def can_be_written(path: Path) -> None:
    """Before long work, rather than after it. Raises InvalidInput."""
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}; make it first")
    is_new = not path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error.strerror}; name another file") from None
    if is_new:
        path.unlink()


def write(path: Path, content: bytes) -> None:
    """Raises InvalidInput if it can't be written there."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error.strerror}; name another file") from None


# ---- smaller


def smallest(plan: "Plan", promise: str | None, cpu_s_max: float, clock: Clock) -> "Shrunk":
    """With a meter of the seconds it may take. `promise` None is the first that the plan breaks."""
    from kelpie.simulate import play
    from kelpie.simulate.plans.shrink import shrink

    if promise is None:
        broken = play(plan).promises_broken
        if not broken:
            raise InvalidInput(f"{plan.scenario}, seed {plan.seed}, breaks no promise: there is nothing to shrink")
        promise = broken[0]
    with Meter("shrinking", cpu_s_max, clock) as meter:

        def told(progress: "Progress") -> None:
            meter.tell(progress.cpu_s, f"{progress.events} events after {progress.runs} runs: {progress.stage}")

        return shrink(plan, promise, play=play, cpu_s_max=cpu_s_max, on_progress=told)


# ---- the same everywhere


def difference(plan: "Plan", other: "Plan | None") -> str:
    """The first step in which two runs differ, "" if they are the same: the plan here and in another process, or two
    plans here."""
    from kelpie.simulate import play
    from umi.dst.simulate import first_difference

    here: list[str] = []
    there: list[str] = []
    play(plan, trace=here)
    if other is None:
        there = _elsewhere(plan)
    else:
        play(other, trace=there)
    return first_difference(here, there)


def _elsewhere(plan: "Plan") -> list[str]:
    """The plan's steps in a fresh process. Raises EnvironmentFault if it does not come to an end."""
    with tempfile.TemporaryDirectory() as folder:
        file, trace = Path(folder, "plan.json"), Path(folder, "trace")
        file.write_bytes(plan.to_json())
        command = [sys.executable, "-m", "kelpie", "sim", "replay", str(plan.seed)]
        command += ["--plan", str(file), "--trace", str(trace)]
        environment = {**os.environ, **_ELSEWHERE}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - ours
        if not trace.exists():
            raise EnvironmentFault(
                f"the other process failed with {ran.returncode}: {(ran.stderr or ran.stdout)[-2_000:]}"
            )
        return trace.read_text(encoding="utf-8").splitlines(keepends=True)
