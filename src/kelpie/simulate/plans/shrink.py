"""The smallest plan that still breaks the same promise.

First what is cheap and takes much away: all faults, whoever has nothing to do with it, a kind, a lane. Then delta
debugging: chunks of events, halved down to single ones. Then fewer machines, rounder numbers, plainer arguments. What
is left breaks the promise without any one of its events.

An event keeps its chance when others go (Event.id keys it), but the order of steps shifts. So what fails to break the
promise is tried under other schedules as well, and the schedule that broke it stays in the plan.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from kelpie.errors import InvalidInput
from kelpie.simulate.plans.plan import Event, Options, Plan
from kelpie.simulate.running import Verdict
from kelpie.simulate.running import play as play_plan
from kelpie.simulate.telling.timeline import named_events

SCHEDULES = 4
CPU_S_MAX = 60.0
Change = Callable[[Plan], Plan | None]  # a plainer plan, or None if it is as plain already
_ROUNDED_TO_MS = (1_000, 100, 10, 1)
_SPACED_MS = (0, 10, 1_000)
# Of the others, some make a promise weaker: without the backup, a rotten disk would break any.
_PLAINER_OPTIONS = ("wire", "routing", "idle_ms", "sector_bytes", "latency_ms", "client_patience_ms")
# Arguments that an operation does without, and those of a fault whose plainest value isn't their absence.
_OPTIONAL = ("text", "mode", "leaves_after", "max_steps")
_PLAINEST = {"rate": 1.0, "times": 1, "after": 0, "most": 0}
_DIRECTIVE = re.compile(r"\[\[.*?\]\](?=\s|$)")
_SILO = re.compile(r"\bsilo-(\d+)")
_AGENT = re.compile(r"\bagent-(\d+)")


class Progress(msgspec.Struct, frozen=True):
    """How far it is, told after each run."""

    stage: str
    runs: int
    events: int
    cpu_s: float


class Shrunk(msgspec.Struct, frozen=True):
    """finished  False: the CPU seconds ran out before everything had been tried"""

    plan: Plan
    verdict: Verdict
    runs: int
    cpu_s: float
    from_events: int
    to_events: int
    finished: bool


def cpu_seconds() -> float:
    """What this process has computed so far: bounds the search, and is no part of any run."""
    used = os.times()
    return used.user + used.system


def shrink(
    plan: Plan,
    promise: str,
    *,
    play: Callable[[Plan], Verdict] = play_plan,
    schedules: int = SCHEDULES,
    cpu_s_max: float = CPU_S_MAX,
    cpu_s: Callable[[], float] = cpu_seconds,
    on_progress: Callable[[Progress], None] | None = None,
) -> Shrunk:
    """The smallest plan found that breaks `promise` (Violation.promise), within `cpu_s_max` seconds of CPU.

    schedules  how many others each candidate is tried with
    Raises InvalidInput if the plan does not break the promise.
    """
    search = _Search(plan, promise, play, cpu_s, cpu_s_max, on_progress)
    if promise not in search.verdict.promises_broken:
        broken = ", ".join(f"'{one}'" for one in search.verdict.promises_broken) or "none"
        raise InvalidInput(f"the plan does not break '{promise}' (it breaks {broken}): there is nothing to shrink")
    finished = True
    try:
        _shrink(search, schedules)
    except _Spent:
        finished = False
    events = len(plan.events), len(search.plan.events)
    return Shrunk(search.plan, search.verdict, search.runs, search.cpu_s, *events, finished)


class _Spent(Exception):
    """The CPU seconds are used up."""


class _Search:
    """The smallest plan so far, with its verdict. `breaks` is the only way to a smaller one."""

    def __init__(
        self,
        plan: Plan,
        promise: str,
        play: Callable[[Plan], Verdict],
        cpu_s: Callable[[], float],
        cpu_s_max: float,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.promise, self.stage = promise, "the plan as it is"
        self.schedules: tuple[str, ...] = ()  # others to try each candidate with
        self._play, self._cpu_s, self._cpu_s_max, self._on_progress = play, cpu_s, cpu_s_max, on_progress
        self._began_s = cpu_s()
        self._tried = {msgspec.json.encode(plan)}
        self.plan, self.verdict, self.runs = plan, play(plan), 1

    @property
    def cpu_s(self) -> float:
        return self._cpu_s() - self._began_s

    def breaks(self, candidate: Plan) -> bool:
        """Whether it breaks the promise, under its own schedule or another one; it is the smallest plan then."""
        for schedule in (candidate.schedule, *self.schedules):
            one = msgspec.structs.replace(candidate, schedule=schedule)
            key = msgspec.json.encode(one)
            if key in self._tried:
                continue
            if self.cpu_s >= self._cpu_s_max:
                raise _Spent
            self._tried.add(key)
            verdict = self._play(one)
            self.runs += 1
            broken = self.promise in verdict.promises_broken
            if broken:
                self.plan, self.verdict = one, verdict
            if self._on_progress is not None:
                self._on_progress(Progress(self.stage, self.runs, len(self.plan.events), self.cpu_s))
            if broken:
                return True
        return False

    def take(self, stage: str, changes: Iterator[Change]) -> bool:
        """Make every change after which the promise is still broken, one on top of the other."""
        self.stage = stage
        changed = False
        for change in changes:
            plainer = change(self.plan)
            changed |= plainer is not None and self.breaks(plainer)
        return changed


def _shrink(search: _Search, schedules: int) -> None:
    # Other schedules cost most where least is gained: the first rounds go without them.
    _drop_groups(search)
    _drop_events(search)
    search.take("fewer machines", _smaller_worlds(search.plan))
    search.schedules = tuple(f"schedule-{number}" for number in range(1, schedules + 1))
    changed = True
    while changed:
        _drop_events(search)
        changed = search.take("fewer machines", _smaller_worlds(search.plan))
        changed |= search.take("rounder moments", _rounder_moments(search.plan))
        # For want of an argument a run may end with an error that only looks like the one we search.
        if not search.promise.startswith("the run ends"):
            changed |= search.take("plainer arguments", _plainer_arguments(search.plan))


# ---- fewer events


def _drop_groups(search: _Search) -> None:
    """What belongs together goes together: a dozen runs that may take most of the plan away."""
    search.stage = "who has nothing to do with it"
    for group in _groups(search.plan.events, search.verdict, search.promise):
        kept = [event for event in search.plan.events if event.id not in group]
        if len(kept) < len(search.plan.events):
            search.breaks(search.plan.with_events(kept))


def _groups(events: Sequence[Event], verdict: Verdict, promise: str) -> list[set[str]]:
    """Ids of events that are dropped together, the most promising first."""
    faults = {event.id for event in events if event.is_fault}
    named = _named(verdict, promise)
    agents = {event.args.get("agent") for event in events if event.id in named} - {None}
    others = {event.id for event in events if not event.is_fault and event.args.get("agent") not in agents}
    by_likeness: dict[tuple[str, str], set[str]] = {}
    for event in events:
        for likeness in (("kind", event.kind), ("lane", event.lane), ("agent", str(event.args.get("agent")))):
            by_likeness.setdefault(likeness, set()).add(event.id)
    alike = sorted(by_likeness.values(), key=len, reverse=True)
    # Without any hint, everybody would be somebody else.
    return [faults, *([others] if agents else []), *(group for group in alike if len(group) > 1)]


def _named(verdict: Verdict, promise: str) -> set[str]:
    """The events a violation names, by their ids, their runs or their agent."""
    text = " ".join(one.text for one in verdict.violations if one.promise == promise)
    agents = {int(number) for number in _AGENT.findall(text)}
    of_agents = {event.id for event in verdict.plan.events if event.args.get("agent") in agents}
    return named_events(verdict, promise) | of_agents


def _drop_events(search: _Search) -> None:
    """Delta debugging: drop chunks from the end (what comes late explains least), halve them, until no single one can
    go any more."""
    search.stage = "fewer events"
    size = max(1, len(search.plan.events) // 2)
    while True:
        before = len(search.plan.events)
        for end in range(before, 0, -size):
            events = search.plan.events
            search.breaks(search.plan.with_events(events[: max(0, end - size)] + events[end:]))
        if size == 1 and len(search.plan.events) == before:
            return
        size = max(1, size // 2)


# ---- plainer ones


def _smaller_worlds(plan: Plan) -> Iterator[Change]:
    """Fewer silos and agents, and whatever else an option's default makes plainer."""
    if plan.options.remote:
        yield partial(_with_silos, silos=1, remote=False)
    for silos in range(1, plan.options.silos):
        yield partial(_with_silos, silos=silos, remote=True)
    yield _with_agents_renumbered
    yield _with_agents_in_use
    for name in _PLAINER_OPTIONS:
        yield partial(_with_default, name=name)


def _with_options(plan: Plan, **options: object) -> Plan:
    return msgspec.structs.replace(plan, options=msgspec.structs.replace(plan.options, **options))


def _with_default(plan: Plan, name: str) -> Plan | None:
    default = getattr(Options(), name)
    return None if getattr(plan.options, name) == default else _with_options(plan, **{name: default})


def _with_silos(plan: Plan, silos: int, *, remote: bool) -> Plan | None:
    """What a silo that is gone did or suffered, the one does that has its agents now."""
    if silos > plan.options.silos or (silos == plan.options.silos and remote == plan.options.remote):
        return None
    lanes = _with_lanes(plan, lambda number: (number - 1) % silos + 1)
    return _with_options(lanes, silos=silos, remote=remote)


def _with_lanes(plan: Plan, silo: Callable[[int], int]) -> Plan:
    def renamed(lane: str) -> str:
        return _SILO.sub(lambda match: f"silo-{silo(int(match[1]))}", lane)

    return plan.with_events([msgspec.structs.replace(event, lane=renamed(event.lane)) for event in plan.events])


def _in_use(plan: Plan) -> tuple[list[int], list[int]]:
    """The numbers of the agents that somebody talks to, and of the guests: those may be deleted, the others may not."""
    used = sorted({event.args["agent"] for event in plan.events if "agent" in event.args})
    first_guest = plan.options.agents
    return [number for number in used if number < first_guest], [number for number in used if number >= first_guest]


def _with_agents_in_use(plan: Plan) -> Plan | None:
    """None above the highest number that somebody talks to."""
    agents, guests = _in_use(plan)
    count = max([*agents, 0]) + 1
    if guests or (count, 0) == (plan.options.agents, plan.options.guests):
        return None
    return _with_options(plan, agents=count, guests=0)


def _with_agents_renumbered(plan: Plan) -> Plan | None:
    """Those in use as 0, 1, …, guests after them, and their silos with them."""
    agents, guests = _in_use(plan)
    count, silos = max(len(agents), 1), plan.options.silos
    if (count, len(guests)) == (plan.options.agents, plan.options.guests):
        return None
    numbers = {old: new for new, old in enumerate(agents)} | {old: count + new for new, old in enumerate(guests)}
    homes = {old % silos + 1: new % silos + 1 for old, new in numbers.items()}
    moved = _with_lanes(plan, lambda number: homes.get(number, number))
    events = [
        msgspec.structs.replace(event, args=event.args | {"agent": numbers[event.args["agent"]]})
        if "agent" in event.args
        else event
        for event in moved.events
    ]
    return _with_options(moved.with_events(events), agents=count, guests=len(guests))


def _rounder_moments(plan: Plan) -> Iterator[Change]:
    """All at once first, then event by event."""
    for space in _SPACED_MS:
        yield partial(_spaced, space=space)
    for unit in _ROUNDED_TO_MS:
        yield partial(_rounded, unit=unit)
    for at in range(len(plan.events)):
        for unit in _ROUNDED_TO_MS:
            yield partial(_rounded, unit=unit, only=at)


def _spaced(plan: Plan, space: int) -> Plan | None:
    spaced = [msgspec.structs.replace(event, at_ms=float(at * space)) for at, event in enumerate(plan.events)]
    return _with_moments(plan, spaced)


def _rounded(plan: Plan, unit: int, only: int | None = None) -> Plan | None:
    """A window is never rounded to nothing: it would be no window."""
    events = list(plan.events)
    for at in range(len(events)) if only is None else [only]:
        event = events[at]
        for_ms = max(float(round(event.for_ms / unit) * unit), float(unit)) if event.for_ms else 0.0
        events[at] = msgspec.structs.replace(event, at_ms=float(round(event.at_ms / unit) * unit), for_ms=for_ms)
    return _with_moments(plan, events)


def _with_moments(plan: Plan, events: Sequence[Event]) -> Plan | None:
    """None if they are no plainer, or if one would change sides: before the backup, or after it."""
    backup_ms = plan.options.backup_at_ms
    if backup_ms is not None and any(
        (one.at_ms < backup_ms) != (other.at_ms < backup_ms) for one, other in zip(plan.events, events, strict=True)
    ):
        return None
    return plan.with_events(tuple(events)) if _digits(events) < _digits(plan.events) else None


def _digits(events: Sequence[Event]) -> int:
    """How much there is to read in their numbers: 1,000 is as plain as 1."""
    return sum(len(f"{number:.4f}".strip("0.")) for event in events for number in (event.at_ms, event.for_ms))


def _plainer_arguments(plan: Plan) -> Iterator[Change]:
    for at, event in enumerate(plan.events):
        for name in _OPTIONAL:
            if name in event.args:
                yield partial(_with_arg, at=at, name=name, value=None)
        for name, plainest in _PLAINEST.items():
            if name in event.args:
                yield partial(_with_arg, at=at, name=name, value=plainest)
        for number in reversed(range(len(_DIRECTIVE.findall(str(event.args.get("text", "")))))):
            yield partial(_without_directive, at=at, number=number)


def _with_arg(plan: Plan, at: int, name: str, value: object) -> Plan | None:
    """`value` None takes it away."""
    args = dict(plan.events[at].args)
    if args.get(name) == value:
        return None
    args[name] = value
    if value is None:
        del args[name]
    return _with_args(plan, at, args)


def _without_directive(plan: Plan, at: int, number: int) -> Plan | None:
    """A message that makes the model do less."""
    args = plan.events[at].args
    directives = _DIRECTIVE.findall(str(args.get("text", "")))
    if len(directives) < 2:
        return None
    return _with_args(plan, at, args | {"text": " ".join(directives[:number] + directives[number + 1 :])})


def _with_args(plan: Plan, at: int, args: dict[str, Any]) -> Plan:
    plainer = msgspec.structs.replace(plan.events[at], args=args)
    return plan.with_events((*plan.events[:at], plainer, *plan.events[at + 1 :]))
