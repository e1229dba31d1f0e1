"""Many runs of the simulation: which ones, in how many processes, and what they came to.

kelpie.simulate is imported where it is used: it needs the extra 'server', and `kelpie --help` needs none.
"""

import hashlib
import re
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kelpie.errors import EnvironmentFault, InvalidInput, MissingExtra, NotFound

if TYPE_CHECKING:
    from kelpie.simulate import Verdict
    from kelpie.simulate.machines.world import Violation

ALL = "all"
SEEDS_MAX = 10_000_000
_AHEAD = 4  # runs that a worker has waiting: none is idle, and a million seeds aren't a million futures
# Some of what a killed process of a run held is not given back (half a megabyte a run): a fresh worker begins small.
_RUNS_PER_WORKER = 200
_SEEDS = re.compile(r"(\d+)(?:-(\d+))?")

Case = tuple[str, int]  # a scenario and a seed


class Ran(msgspec.Struct, frozen=True):
    """What is kept of a run: its verdict without the story.

    files  what was written about it, if it broke a promise
    """

    scenario: str
    seed: int
    digest: str
    steps: int
    virtual_ms: float
    cpu_s: float
    fired: dict[str, int]
    violations: "list[Violation]"
    files: list[str]


class Total:
    """What a campaign came to, run by run."""

    def __init__(self) -> None:
        self.runs = self.steps = self.broken = 0
        self.virtual_ms = self.cpu_s = 0.0
        self.fired: Counter[str] = Counter()
        self.fired_in: dict[str, set[str]] = {}  # kind -> scenarios
        self._digests: list[str] = []

    def add(self, ran: Ran) -> None:
        self.runs += 1
        self.broken += bool(ran.violations)
        self.steps += ran.steps
        self.virtual_ms += ran.virtual_ms
        self.cpu_s += ran.cpu_s
        self.fired.update(ran.fired)
        for kind in ran.fired:
            self.fired_in.setdefault(kind, set()).add(ran.scenario)
        self._digests.append(ran.digest)

    @property
    def digest(self) -> str:
        """Of one run its own, of several one over all of theirs in order."""
        if len(self._digests) == 1:
            return self._digests[0]
        return hashlib.sha256("\n".join(self._digests).encode()).hexdigest()


def needs_the_server() -> None:
    """The simulation runs the real one. Raises MissingExtra."""
    try:
        import kelpie.simulate.plans.scenarios  # noqa: F401 - whether it can be
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("kelpie", "umi"):
            raise
        raise MissingExtra("a simulation", "server") from error


# ---- which


def seeds_of(seed: int | None, seeds: str | None) -> range:
    """Raises InvalidInput, saying the form."""
    if (seed is None) == (seeds is None):
        raise InvalidInput("say which seeds: either --seed 7 or --seeds 1-25")
    if seed is not None:
        return range(seed, seed + 1)
    match = _SEEDS.fullmatch((seeds or "").strip())
    if match is None:
        raise InvalidInput(f"'{seeds}' is no range of seeds; write --seeds 1-25, or --seeds 7 for one")
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last < first + SEEDS_MAX:
        raise InvalidInput(f"'{seeds}' holds no seeds, or more than {SEEDS_MAX:,}; write --seeds 1-25")
    return range(first, last + 1)


def scenarios_of(name: str) -> list[str]:
    """One, or all of them. Raises NotFound, naming them."""
    from kelpie.simulate.plans.scenarios import SCENARIOS

    if name == ALL:
        return list(SCENARIOS)
    if name not in SCENARIOS:
        raise NotFound(f"there is no scenario '{name}'; there are {', '.join(SCENARIOS)}, and '{ALL}'")
    return [name]


def cases_of(scenarios: Sequence[str], seeds: range) -> Iterator[Case]:
    """Seed by seed, so that a long campaign soon has seen every scenario."""
    return ((scenario, seed) for seed in seeds for scenario in scenarios)


# ---- playing


def played(cases: Iterable[Case], jobs: int, out: Path | None, commit: str) -> Iterator[Ran]:
    """Each case's run, in the order of the cases, however many processes play them."""
    if jobs == 1:
        yield from (play_case(case, out, commit) for case in cases)
        return
    # Spawned: a fork would copy the threads that draw a progress bar, without the threads.
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_leave_signals_to_the_parent, max_tasks_per_child=_RUNS_PER_WORKER
    ) as workers:
        rest, waiting = iter(cases), deque[tuple[Case, Any]]()
        while True:
            wanted = jobs * _AHEAD - len(waiting)
            waiting.extend((case, workers.submit(play_case, case, out, commit)) for case in islice(rest, wanted))
            if not waiting:
                return
            case, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenExecutor as error:
                text = f"a process died that played {case[0]}, seed {case[1]}, or one soon after; --jobs 1 shows where"
                raise EnvironmentFault(text) from error
            except BaseException:  # somebody has enough: what is queued is not played any more
                workers.shutdown(cancel_futures=True)
                raise


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def play_case(case: Case, out: Path | None, commit: str) -> Ran:
    """Play it; if it breaks a promise and there is a folder, write its plan and its page there."""
    from kelpie.simulate import play
    from kelpie.simulate.plans.scenarios import plan_of
    from kelpie.simulate.plans.shrink import cpu_seconds

    began_s = cpu_seconds()
    verdict = play(plan_of(*case))
    return Ran(
        scenario=case[0],
        seed=case[1],
        digest=verdict.digest,
        steps=verdict.steps,
        virtual_ms=verdict.virtual_ms,
        cpu_s=cpu_seconds() - began_s,
        fired=verdict.fired,
        violations=verdict.violations,
        files=_kept(verdict, out, commit) if out is not None and verdict.violations else [],
    )


def _kept(verdict: "Verdict", out: Path, commit: str) -> list[str]:
    from kelpie.simulate.telling.report import as_page

    plan, page = (out / f"{verdict.plan.scenario}-{verdict.plan.seed}.{suffix}" for suffix in ("json", "html"))
    plan.write_bytes(verdict.plan.to_json())
    page.write_text(as_page(verdict, commit=commit), encoding="utf-8")
    return [str(plan), str(page)]
