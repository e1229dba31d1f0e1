"""The one span of time a question is about, out of the periods it names."""

import itertools
from typing import cast

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.formats import range_text
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.dates.spans import ONE_DAY
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.contrasting import Contrast
from kelpie.analyst.planner.reading.reading import Reading, refuse
from kelpie.analyst.planner.reading.timing import Clock, find_times, settle_rolling
from kelpie.analyst.semantic.model import Grain

_DAILY_RANGE_DAYS = 31
_SHORT_RANGE_DAYS = 62


class Span(msgspec.Struct, frozen=True):
    """`each`: the unit to show a row for each of, as several were listed. `pair`: two that don't follow each other."""

    when: TimeMention | None = None
    each: str = ""
    pair: tuple[TimeMention, TimeMention] | None = None


def read_again(
    reading: Reading, clock: Clock, times: list[TimeMention], contrast: Contrast | None, before: TimeMention | None
) -> tuple[list[TimeMention], Contrast | None]:
    """The same periods by the clock that counts: "last month" depends on what dates the numbers.

    before  the period that a follow-up leans on: "and in June?" is of the same year
    """
    again: dict[tuple[int, int], TimeMention] = {}
    for mention in find_times(reading, clock):
        for one in (mention, *(mention.ends or ())):
            again.setdefault((one.start, one.end), one)

    def renewed(mention: TimeMention | None) -> TimeMention | None:
        return None if mention is None else again.get((mention.start, mention.end), mention)

    if contrast is not None:
        contrast = msgspec.structs.replace(contrast, main=renewed(contrast.main), against=renewed(contrast.against))
    found = [again.get((time.start, time.end), time) for time in times]
    return [_in_the_year_of(reading, time, before, clock) for time in found], contrast


def _in_the_year_of(reading: Reading, time: TimeMention, before: TimeMention | None, clock: Clock) -> TimeMention:
    """A period without a year, in that of the period spoken of before, if the data have it."""
    part, spans = time.part, reading.context.knowledge.spans
    if part is None or part.year is not None or before is None or time.open:
        return time
    unit = "fiscal_year" if time.unit.startswith("fiscal_") else "year"
    for year in range(before.first.year + 1, before.first.year - 2, -1):
        days = part.days(year)
        if spans.unit_of(unit, days[0]) == spans.unit_of(unit, before.first) and days[0] <= clock.covered[1]:
            named = f"{part.name} {days[0].year} ({range_text(*days)})"
            label = named if part.name else spans.name(time.unit, days)
            return msgspec.structs.replace(time, first=days[0], last=days[1], label=label)
    return time


def one_span(
    reading: Reading, times: list[TimeMention], clock: Clock, *, is_stock: bool, together: bool, stepped: bool
) -> Span:
    """Stops if the periods do not make one, or if the data have nothing of it.

    together  the question says that several are one whole; stepped: it says what to show a row for each of
    """
    times = [settle_rolling(reading, time, clock.covered[1]) if time.rolling else time for time in times]
    times = [_whole_one(reading, time, clock) for time in times]
    distinct = list({time.days: time for time in times}.values())
    if not distinct:
        return Span()
    if len(distinct) == 1:
        return Span(checked(distinct[0], clock))
    inner = _inner(distinct)
    if inner is not None:
        return Span(checked(inner, clock))
    distinct.sort(key=lambda time: time.first)
    follow = all(one.last + ONE_DAY == other.first for one, other in itertools.pairwise(distinct))
    unit = distinct[0].unit if len({time.unit for time in distinct}) == 1 and distinct[0].count == 1 else ""
    if follow and unit not in ("", "named", "half", "fiscal_half"):
        whole = _joined(distinct)
        if stepped or (together and not is_stock):
            return Span(checked(whole, clock))
        choices = [Choice("each by itself"), Choice("all together")]
        ask = f"{listed([time.label for time in distinct])}: each by itself, or all together?"
        if is_stock or reading.choose(ask, "", choices) == 0:
            return Span(checked(whole, clock), each=unit)
        return Span(checked(whole, clock))
    if unit and len(distinct) == 2 and not together:
        return Span(pair=(distinct[1], distinct[0]))
    labels = [Choice(time.label) for time in distinct][: limits.QUESTION_OPTIONS_MAX]
    chosen = reading.choose("I look at one period at a time. Which one do you mean?", "", labels)
    return Span(checked(distinct[chosen], clock))


def _whole_one(reading: Reading, time: TimeMention, clock: Clock) -> TimeMention:
    """A season without a year of which the data hold no whole one, but parts of two: ask which."""
    part = time.part
    if time.unit != "named" or part is None or part.year is not None:
        return time
    first, last = clock.covered
    years = range(last.year, first.year - 2, -1)
    known = [days for days in map(part.days, years) if days[0] <= last and days[1] >= first]
    if len(known) < 2 or any(first <= days[0] and days[1] <= last for days in known):
        return time
    options = [
        msgspec.structs.replace(
            time, first=days[0], last=days[1], label=f"{part.name} {days[0].year} ({range_text(*days)})"
        )
        for days in known
    ]
    ask = f"The data hold no whole {part.name}. Which one do you mean?"
    return options[reading.choose(ask, "", [Choice(option.label) for option in options])]


def _inner(times: list[TimeMention]) -> TimeMention | None:
    """The period that lies in all the others: "in 2013, how many … in July 2013"."""
    for time in times:
        if all(other.first <= time.first and time.last <= other.last for other in times):
            return time
    return None


def _joined(times: list[TimeMention]) -> TimeMention:
    first, last = times[0].first, times[-1].last
    return TimeMention(first=first, last=last, label=range_text(first, last), start=times[0].start, end=times[0].end)


def checked(when: TimeMention, clock: Clock) -> TimeMention:
    """Stops if the data hold nothing of the period."""
    first, last = clock.covered
    if when.first > last or when.last < first:
        raise refuse(f"The data cover {first} to {last}: they hold nothing for {when.label}.")
    return when


def ask_when(reading: Reading, clock: Clock) -> TimeMention:
    """The time that a number depends on and the question does not say."""
    spans, last = reading.context.knowledge.spans, clock.covered[1]
    options = []
    for unit in ("month", "fiscal_quarter" if clock.year_kind == "fiscal" else "quarter", "year"):
        days = spans.unit_of(unit, last)
        if days[1] > last:
            days = spans.moved(unit, days, -1)
        options.append(
            TimeMention(first=days[0], last=days[1], label=spans.name(unit, days), start=0, end=0, unit=unit)
        )
    return options[reading.choose("Over which time?", "", [Choice(option.label) for option in options])]


def trend_grain(offered: list[str], when: TimeMention | None, clock: Clock) -> Grain:
    """Fine for a short range, coarse for a long one."""
    first, last = clock.covered
    days = (min(when.last, last) - max(when.first, first)).days if when is not None else (last - first).days
    wanted = ["month", "quarter", "year"]
    if days <= _SHORT_RANGE_DAYS:
        wanted = ["day", "week", *wanted] if days <= _DAILY_RANGE_DAYS else ["week", *wanted]
    return cast("Grain", next((grain for grain in wanted if grain in offered), offered[0]))
