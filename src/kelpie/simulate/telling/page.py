"""The table of a run's page: a row for each moment, a column for each lane, bars for what lasts.

Rows are in the order of time and not to its scale: a run may hold ten moments in a millisecond and wait for half an
hour. A row that comes after a pause stands apart, and says how long it was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kelpie.simulate.telling.story import Moment
from kelpie.simulate.telling.timeline import Span, Timeline

PAUSE_SHOWN_MS = 1_000.0
TEXT_SHOWN_CHARS_MAX = 300
_LANE_PX, _SLOT_PX = 26, 12


@dataclass(frozen=True, slots=True)
class _Bar:
    """A span as the rows it covers, beside the others of its lane."""

    span: Span
    first: int
    last: int
    slot: int


def headers(line: Timeline) -> str:
    """One row: the lanes by name, each as wide as its bars need."""
    bars = _bars(line)
    lanes = "".join(
        f'<th class="lane" scope="col" style="min-width:{_width(bars[lane])}px"><span>{escape(lane)}</span></th>'
        for lane in line.lanes
    )
    return f'<tr><th scope="col" class="time">s</th>{lanes}<th scope="col">who</th><th scope="col">what</th></tr>'


def rows(line: Timeline) -> str:
    bars, seen, shown = _bars(line), set[str](), []
    before_ms = line.moments[0].at_ms if line.moments else 0.0
    for at, moment in enumerate(line.moments):
        anchor = f' id="{escape(moment.event)}"' if moment.event and moment.event not in seen else ""
        seen.add(moment.event)
        pause_ms = moment.at_ms - before_ms
        classes = _classes(moment, line) + (" pause" if pause_ms >= PAUSE_SHOWN_MS else "")
        event = f' data-event="{escape(moment.event)}"' if moment.event else ""
        lanes = "".join(_cell(lane, at, moment, bars[lane]) for lane in line.lanes)
        shown.append(f'<tr class="{classes}"{anchor}{event}>{_time(moment, pause_ms)}{lanes}{_said(moment)}</tr>')
        before_ms = moment.at_ms
    return "\n".join(shown)


def _bars(line: Timeline) -> dict[str, list[_Bar]]:
    """By lane. Faults stand side by side, each in the first slot that is free; the others are how the lane is drawn."""
    bars: dict[str, list[_Bar]] = {lane: [] for lane in line.lanes}
    for span in sorted(line.spans, key=lambda one: one.from_ms):
        first, last = _row(line, span, span.from_ms), _row(line, span, span.until_ms)
        others = bars[span.lane]
        taken = {bar.slot for bar in others if bar.span.what == "fault" and bar.last >= first}
        slot = next(number for number in range(len(others) + 1) if number not in taken)
        others.append(_Bar(span, first, last, slot if span.what == "fault" else 0))
    return bars


def _row(line: Timeline, span: Span, at_ms: float) -> int:
    """Where it begins or ends: of the moments then, the one that tells of it."""
    first = bisect_left(line.moments, at_ms, key=lambda moment: moment.at_ms)
    after = bisect_right(line.moments, at_ms, key=lambda moment: moment.at_ms)
    here = range(first, max(after, first + 1))
    return next((at for at in here if _tells_of(line.moments[at], span)), first)


def _tells_of(moment: Moment, span: Span) -> bool:
    return moment.lane == span.lane and moment.event == span.event


def _width(bars: Sequence[_Bar]) -> int:
    return _LANE_PX + _SLOT_PX * max((bar.slot for bar in bars), default=0)


def _classes(moment: Moment, line: Timeline) -> str:
    named = moment.event in line.named
    plain = moment.mark in ("answer", "log") and not named
    return " ".join([f"is-{moment.mark or 'told'}", *(["named"] if named else []), *(["plain"] if plain else [])])


def _cell(lane: str, at: int, moment: Moment, bars: Sequence[_Bar]) -> str:
    here = [bar for bar in bars if bar.first <= at <= bar.last]
    states = [bar for bar in here if bar.span.what != "fault"]
    begins, ends = all(bar.first == at for bar in states), all(bar.last == at for bar in states)
    drawn = "".join(_drawn(bar, at) for bar in here if bar.span.what == "fault")
    if moment.lane == lane:
        slot = next((bar.slot for bar in here if moment.event and bar.span.event == moment.event), 0)
        drawn += f'<i class="dot dot-{moment.mark or "told"}"{_shifted(slot)}></i>'
    classes = ["lane", *(["begins"] if begins else []), *(["ends"] if ends else []), *(bar.span.what for bar in states)]
    return f'<td class="{" ".join(dict.fromkeys(classes if states else classes[:1]))}">{drawn}</td>'


def _drawn(bar: _Bar, at: int) -> str:
    ends = (" first" if at == bar.first else "") + (" last" if at == bar.last else "")
    family = bar.span.kind.partition(".")[0]
    title = escape(f"{bar.span.kind}: {bar.span.text}")
    return f'<b class="bar of-{escape(family)}{ends}" title="{title}"{_shifted(bar.slot)}></b>'


def _shifted(slot: int) -> str:
    return f' style="--slot:{slot}"' if slot else ""


def _time(moment: Moment, pause_ms: float) -> str:
    pause = f"<small>{_lasting(pause_ms)} later</small>" if pause_ms >= PAUSE_SHOWN_MS else ""
    return f'<td class="time">{pause}{moment.at_ms / 1000:,.3f}</td>'


def _lasting(ms: float) -> str:
    minutes, seconds = divmod(ms / 1000, 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def _said(moment: Moment) -> str:
    text, kind = moment.text, ""
    if moment.mark == "fault" and moment.event:
        kind, _, text = text.partition(": ")
        kind = f'<b class="kind of-{escape(kind.partition(".")[0])}">{escape(kind)}</b> '
    event = f'<span class="event">{escape(moment.event)}</span> ' if moment.event else ""
    return f'<td class="who">{escape(moment.lane)}</td><td class="what">{event}{kind}{_shortened(text)}</td>'


def _shortened(text: str) -> str:
    """What a server logs may be a page long."""
    if len(text) <= TEXT_SHOWN_CHARS_MAX:
        return escape(text)
    start, rest = text[:TEXT_SHOWN_CHARS_MAX], text[TEXT_SHOWN_CHARS_MAX:]
    return f"<details><summary>{escape(start)}…</summary>{escape(rest)}</details>"
