"""When: the periods of a question, the time axis that dates its numbers, and the company's own year."""

import datetime as dt

import msgspec

from kelpie.analyst.catalog import CatalogMetric, CatalogPeriod, CatalogTime
from kelpie.analyst.formats import range_text
from kelpie.analyst.planner.dates.parts import PartReader
from kelpie.analyst.planner.dates.periods import PeriodReader, TimeMention
from kelpie.analyst.planner.dates.spans import MONTHS_OF, ONE_DAY, Days, months_from
from kelpie.analyst.planner.dates.years import YearKind
from kelpie.analyst.planner.english import dates as english
from kelpie.analyst.planner.english.asking import PERIOD
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.lexicon import Mention, Term
from kelpie.analyst.planner.reading.reading import Reading, refuse

_YEAR_TOPICS = ("year", "quarter", "half", "fiscal year")


class Clock(msgspec.Struct, frozen=True):
    """How time is read for a question: the days its numbers cover, its axis, and whose year counts."""

    covered: Days
    axis: CatalogTime | None = None
    year_kind: YearKind = "calendar"


def first_clock(reading: Reading) -> Clock | None:
    """Good enough to find periods by: which words say one does not depend on the axis. None: the data have no dates."""
    axis = next(iter(reading.catalog.times), None)
    return None if axis is None else Clock(_days(axis), axis)


def find_times(reading: Reading, clock: Clock | None) -> list[TimeMention]:
    """Periods in the question; what the catalog knows by other meanings is left to them."""
    if clock is None:
        return []
    periods = {period.name: period for period in reading.catalog.periods}
    named: dict[int, tuple[CatalogPeriod, int]] = {}
    taken: set[int] = {at for at, role in enumerate(reading.roles) if role not in ("", PERIOD)}
    for mention in reading.mentions:
        if mention.kinds == {"period"}:
            named[mention.start] = (periods[mention.terms[0].name], mention.end)
        elif not mention.kinds <= {"background", "period"}:
            taken.update(mention.places)
    parts = PartReader(reading.tokens, clock.covered, named, taken, reading.context.knowledge.spans, clock.year_kind)
    times = PeriodReader(parts).find()
    for time in times:
        reading.claim(time.start, time.end, PERIOD)
    return times


def read_now(reading: Reading) -> str:
    """The words that ask about now ("current", "at the moment"), or ""; they are claimed."""
    said = ""
    for _, start, end in list(reading.phrases(english.NOW)):
        reading.claim(start, end, PERIOD)
        said = " ".join(reading.words[start:end])
    return said


def read_all_time(reading: Reading) -> bool:
    found = list(reading.phrases(english.ALL_TIME))
    for _, start, end in found:
        reading.claim(start, end, PERIOD)
    return bool(found)


def settle_clock(
    reading: Reading, metrics: list[CatalogMetric], said: list[Mention], *, is_dated: bool, vague: str
) -> Clock | None:
    """The clock of these metrics. Asks which date counts, and whose year, if that is open and matters.

    said      time axes that the question names
    is_dated  whether the question asks for a period or a grain
    vague     the word that may mean the company's or the calendar's, or ""
    """
    if not reading.catalog.times:
        return None
    axis = _axis(reading, metrics, said, is_dated=is_dated)
    kind = settle_year(reading, vague) if vague else "calendar"
    return Clock(covered(reading, metrics, axis), axis, kind)


def covered(reading: Reading, metrics: list[CatalogMetric], axis: CatalogTime | None) -> Days:
    """The days that the data of these metrics cover, as far as the catalog says."""
    known: list[Days] = []
    for metric in metrics:
        if axis is not None and axis.name in metric.times:
            known.append(_days(axis))
        elif metric.first and metric.last:
            known.append((dt.date.fromisoformat(metric.first), dt.date.fromisoformat(metric.last)))
    if not known:
        known = [_days(axis or reading.catalog.times[0])]
    return min(days[0] for days in known), max(days[1] for days in known)


def _axis(reading: Reading, metrics: list[CatalogMetric], said: list[Mention], *, is_dated: bool) -> CatalogTime | None:
    catalog = reading.catalog
    offered = list(dict.fromkeys(name for metric in metrics for name in metric.times))
    if said:
        fitting = [
            mention.with_terms([term for term in mention.terms if term.name in offered] or mention.terms)
            for mention in said
        ]
        terms = {
            term.name: term for term in (reading.settle(mention, "Which date do you mean by") for mention in fitting)
        }
        if len(terms) > 1:
            raise refuse(f"I date numbers in one way at a time, not by {listed([t.label for t in terms.values()])}.")
        (term,) = terms.values()
        if term.name not in offered:
            what = listed([metric.label for metric in metrics])
            dates = listed([found.label for name in offered if (found := catalog.axis(name)) is not None], "or")
            raise refuse(f"The {what} can't be dated by the {term.label}" + (f", but by {dates}." if dates else "."))
        if not is_dated:
            raise refuse(f"“{reading.said(said[0])}” says which date counts; say for which period, or by month.")
        return catalog.axis(term.name)
    for metric in metrics:
        if not is_dated or len(metric.times) < 2:
            continue
        chosen = None if metric.time_default else _asked_axis(reading, metric)
        phrase = _phrase_of(reading, metric)
        taught = reading.context.taught.meaning(phrase) if metric.time_default else None
        if taught is not None and taught.value in [f"time:{name}" for name in metric.times]:
            chosen = catalog.axis(taught.value.removeprefix("time:"))
            reading.say_used(taught, f"by {chosen.label}" if chosen is not None else taught.value)
        usual = chosen or catalog.axis(metric.times[0])
        if usual is not None:
            reading.trace.append((phrase, Term("axis", usual.name, usual.label)))
        if chosen is not None:
            return chosen
    return None


def _phrase_of(reading: Reading, metric: CatalogMetric) -> str:
    """How the question called the metric: what it taught of the metric's date is kept under these words."""
    said = next((phrase for phrase, term in reading.trace if (term.kind, term.name) == ("metric", metric.name)), "")
    return said or metric.label


def _asked_axis(reading: Reading, metric: CatalogMetric) -> CatalogTime | None:
    axes = [axis for name in metric.times if (axis := reading.catalog.axis(name)) is not None]
    before = reading.previous.query.time if reading.previous is not None else None
    spoken = next((axis for axis in axes if axis.name == before), None)
    if spoken is not None:
        return spoken
    # With another word for it: "day of payment (paid)" is what people say.
    labels = [f"{axis.label} ({axis.synonyms[0]})" if axis.synonyms else axis.label for axis in axes]
    choices = [Choice(label, f"time:{axis.name}") for label, axis in zip(labels, axes, strict=True)]
    ask = f"Which date counts for the {metric.label}?"
    return axes[reading.choose(ask, _phrase_of(reading, metric), choices)]


def settle_year(reading: Reading, word: str) -> YearKind:
    """Whether quarters and years are the company's or the calendar's."""
    fiscal = reading.catalog.fiscal
    if fiscal is None:
        return "calendar"
    if fiscal.default != "ask":
        return fiscal.default
    for topic in _YEAR_TOPICS:
        convention = reading.context.taught.meaning(topic)
        if convention is not None and convention.value in ("year:fiscal", "year:calendar"):
            kind: YearKind = "fiscal" if convention.value == "year:fiscal" else "calendar"
            reading.say_used(convention, f"the {kind} one")
            return kind
    begins = list(english.MONTHS)[fiscal.year_begins - 1].capitalize()
    choices = [
        Choice(f"fiscal quarters and years (from {begins})", "year:fiscal"),
        Choice("calendar quarters and years (from January)", "year:calendar"),
    ]
    picked = reading.choose("Do you mean fiscal or calendar quarters and years?", word, choices)
    return "fiscal" if picked == 0 else "calendar"


def settle_rolling(reading: Reading, mention: TimeMention, last: dt.date) -> TimeMention:
    """ "The past year": the last whole one, or a year back from the end of the data."""
    unit = mention.unit.removeprefix("fiscal_")
    if unit not in MONTHS_OF or mention.last == last:
        return mention
    begin, end = last - dt.timedelta(days=29), last
    if unit != "month":
        ends_whole = (last + ONE_DAY).day == 1
        begin, end = months_from(last.year * 12 + last.month - MONTHS_OF[unit] - (not ends_whole), MONTHS_OF[unit])
    rolling = msgspec.structs.replace(
        mention, first=begin, last=end, label=range_text(begin, end), unit="", count=1, relative=""
    )
    word = reading.words[mention.start]
    picked = reading.choose(
        f"What do you mean by the “{word} {unit}”?", "", [Choice(mention.label), Choice(rolling.label)]
    )
    return (mention, rolling)[picked]


def _days(axis: CatalogTime) -> Days:
    return dt.date.fromisoformat(axis.first), dt.date.fromisoformat(axis.last)
