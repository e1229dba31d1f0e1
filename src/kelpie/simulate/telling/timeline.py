"""A verdict's story laid out in time: who is in it, what they did, how long each fault and each outage lasted.

A story holds what was told. Added here: when a window of faults ends, and that it was there if nobody told of it.
"""

import re
from dataclasses import dataclass
from typing import Literal

from kelpie.simulate.machines.provider import PROVIDER
from kelpie.simulate.machines.store import STORE
from kelpie.simulate.plans.plan import Event, Plan
from kelpie.simulate.running import Verdict
from kelpie.simulate.telling.story import Moment

WORLD, DISK, NETWORK, TOOLS = "world", "disk", "network", "tools"
# In what a world tells of its processes (kelpie.simulate.machines.world).
_DIED, _IS_UP, _STANDS_STILL, _GOES_ON, _HEALED = "died;", "is up", "stands still", "goes on", "healed"
# What becomes of a process is told when it happens, which may be long after the fault was laid: no windows.
_OUTAGES = (
    "crash.silo",
    "crash.store",
    "crash.before_commit",
    "crash.after_commit",
    "crash.paused",
    "disk.crash_in_recovery",
)
_ID_CHARS_MIN = 30  # of a run or message: "run-" and a UUID
_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts: a window of faults (with its event's kind and id), an operation that waits for its answer,
    a process that is down or stands still."""

    lane: str
    from_ms: float
    until_ms: float
    what: Literal["fault", "busy", "down", "paused"]
    kind: str = ""
    text: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """lanes  those of a kind together: world, clients, links, silos, store, disk, model, tools
    named  ids of the events that the violations name, by themselves or by a run or message of theirs
    """

    lanes: list[str]
    moments: list[Moment]
    spans: list[Span]
    named: set[str]


def timeline_of(verdict: Verdict) -> Timeline:
    plan = verdict.plan
    events = {event.id: event for event in plan.events}
    told = [_on_its_lane(moment, events) for moment in verdict.story]
    end_ms = told[-1].at_ms if told else 0.0
    faults = _windows(plan, told, end_ms)
    heard = {moment.event for moment in told}
    added = [
        Moment(span.from_ms, span.lane, f"{span.kind}: {span.text}", "fault", span.event)
        for span in faults
        if span.event not in heard
    ]
    added += [
        Moment(span.until_ms, span.lane, f"{span.kind} ends", "", span.event)
        for span in faults
        if span.until_ms < end_ms
    ]
    spans = [*faults, *_outages(told, end_ms), *_operations(told, events)]
    # sorted() is stable: what was told keeps its order.
    moments = sorted([*told, *added], key=lambda moment: moment.at_ms)
    return Timeline(_lanes(plan, moments, spans), moments, spans, named_events(verdict))


def named_events(verdict: Verdict, promise: str | None = None) -> set[str]:
    """The events that the violations name (of one promise, or all), by their id, or by an id that their story tells."""
    texts = [one.text for one in verdict.violations if promise in (None, one.promise)]
    words = {word for text in texts for word in _WORD.findall(text)}
    ids = {word for word in words if len(word) >= _ID_CHARS_MIN}
    told = {one.event for one in verdict.story if one.event and ids & set(_WORD.findall(one.text))}
    return (words & {event.id for event in verdict.plan.events}) | told


def lane_of(event: Event) -> str:
    """Where a fault is shown. A disk's faults name files, and those without a lane befall everything of their kind."""
    family = event.kind.partition(".")[0]
    if family == "disk":
        return DISK
    if event.lane:
        one, _, other = event.lane.partition(">")
        # A link is one lane, whichever way a fault closes.
        return ">".join(sorted((one, other), key=_order)) if other else one
    return {"network": NETWORK, "model": PROVIDER, "tool": TOOLS}.get(family, WORLD)


def _on_its_lane(moment: Moment, events: dict[str, Event]) -> Moment:
    event = events.get(moment.event)
    if event is None or not event.is_fault:
        return moment
    return Moment(moment.at_ms, lane_of(event), moment.text, moment.mark, moment.event)


def _windows(plan: Plan, told: list[Moment], end_ms: float) -> list[Span]:
    """Each fault that lasts. A plan counts from when the house was set up, a story from its beginning."""
    planned = {event.id: event.at_ms for event in plan.events}
    set_up_ms = min((one.at_ms - planned[one.event] for one in told if one.event in planned), default=0.0)
    told_ms: dict[str, float] = {}
    for moment in told:
        told_ms.setdefault(moment.event, moment.at_ms)
    healed_ms = next((moment.at_ms for moment in told if moment.text.startswith(_HEALED)), end_ms)
    spans = []
    for event in plan.events:
        if event.is_fault and event.for_ms and event.kind not in _OUTAGES:
            begins_ms = told_ms.get(event.id, round(event.at_ms + set_up_ms, 3))
            ends_ms = min(round(begins_ms + event.for_ms, 3), max(healed_ms, begins_ms))
            spans.append(Span(lane_of(event), begins_ms, ends_ms, "fault", event.kind, arguments(event), event.id))
    return spans


def arguments(event: Event) -> str:
    """What a fault is about, for people: "rate 0.2, on client-0>silo-1"."""
    said = [f"{name} {value}" for name, value in event.args.items()]
    return ", ".join([*said, *([f"on {event.lane}"] if event.lane else []), f"for {event.for_ms:,.0f} ms"])


def _outages(told: list[Moment], end_ms: float) -> list[Span]:
    spans = []
    begun: dict[tuple[str, str], float] = {}
    for moment in told:
        for what, begins, ends in (("down", _DIED, _IS_UP), ("paused", _STANDS_STILL, _GOES_ON)):
            key = (moment.lane, what)
            if moment.text.startswith(begins):
                begun.setdefault(key, moment.at_ms)
            elif key in begun and moment.text.startswith((ends, _DIED)):
                spans.append(_outage(*key, begun.pop(key), moment.at_ms))
    return spans + [_outage(*key, from_ms, end_ms) for key, from_ms in begun.items()]


def _outage(lane: str, what: str, from_ms: float, until_ms: float) -> Span:
    return Span(lane, from_ms, until_ms, "down" if what == "down" else "paused")


def _operations(told: list[Moment], events: dict[str, Event]) -> list[Span]:
    """From the call to its answer, where both were told."""
    known: dict[str, list[Moment]] = {}
    for moment in told:
        if moment.event in events and not events[moment.event].is_fault:
            known.setdefault(moment.event, []).append(moment)
    return [Span(some[0].lane, some[0].at_ms, some[-1].at_ms, "busy", event=event) for event, some in known.items()]


def _lanes(plan: Plan, moments: list[Moment], spans: list[Span]) -> list[str]:
    """Every machine, and whoever else does or suffers something."""
    machines = [f"silo-{number}" for number in range(1, plan.options.silos + 1)]
    machines += [*([STORE] if plan.options.remote else []), DISK, PROVIDER]
    return sorted({*machines, *(one.lane for one in moments), *(one.lane for one in spans)}, key=_order)


def _order(lane: str) -> tuple[int, str]:
    """From the clients on the left to what is furthest from them."""
    if ">" in lane:
        return 3, lane
    kinds = ["world", "client", NETWORK, ">", "silo", STORE, DISK, PROVIDER, TOOLS]
    kind = lane.partition("-")[0]
    return kinds.index(kind) if kind in kinds else len(kinds), lane
