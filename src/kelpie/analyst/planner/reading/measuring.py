"""A contrast as days: which period is measured, and against which.

Where "last year" could mean two things, or a period that has not ended yet would be held against a whole one, the
question is asked back: the numbers would differ.
"""

import datetime as dt
from typing import Literal, cast

import msgspec

from kelpie.analyst.metric_query import Comparison
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.dates.spans import MONTHS_OF, YEARS, Days, a_year_before, just_before
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.contrasting import Contrast
from kelpie.analyst.planner.reading.reading import Reading, refuse
from kelpie.analyst.planner.reading.timing import Clock
from kelpie.analyst.semantic.model import Grain

_BEFORE_IT = frozenset({"previous", "prior", "preceding"})


class Measured(msgspec.Struct, frozen=True):
    """`main` is measured; `against` is how to call what it is measured against."""

    main: TimeMention | None
    compare: Comparison
    against: str
    grain: Grain | None = None


def settle_contrast(
    reading: Reading, contrast: Contrast, when: TimeMention | None, grain: Grain | None, clock: Clock, *, is_stock: bool
) -> Measured:
    measuring = _Measuring(reading, contrast, clock, is_stock=is_stock)
    main = contrast.main or when
    grain = grain or measuring.own_grain(main)
    if grain is not None:
        return measuring.by_grain(main, grain)
    if main is None:
        return measuring.of_what()
    return measuring.of(main)


class _Measuring:
    def __init__(self, reading: Reading, contrast: Contrast, clock: Clock, *, is_stock: bool) -> None:
        self._reading, self._contrast, self._clock, self._is_stock = reading, contrast, clock, is_stock
        self._spans = reading.context.knowledge.spans

    def own_grain(self, main: TimeMention | None) -> Grain | None:
        """ "Month over month" of a longer time is said of each month."""
        unit = self._contrast.base[1] if self._contrast.base else ""
        if not unit or (main is not None and main.unit.removeprefix("fiscal_") == unit and main.count == 1):
            return None
        if self._contrast.base and self._contrast.base[0] == "previous_year":
            return None
        longer = main is None or (main.last - main.first).days >= 2 * MONTHS_OF.get(unit, 0) * 28
        return cast("Grain", self._unit(unit)) if longer else None

    def _unit(self, unit: str) -> str:
        return f"fiscal_{unit}" if unit in ("quarter", "year") and self._clock.year_kind == "fiscal" else unit

    def by_grain(self, main: TimeMention | None, grain: Grain) -> Measured:
        """Each row beside the one before it, or beside that of a year earlier."""
        contrast = self._contrast
        if contrast.against is not None:
            against = self._given(main, contrast.against) if main is not None else contrast.against
            if main is not None and against.days == a_year_before(main.days):
                return Measured(main, Comparison(with_="previous_year"), "a year before", grain)
            raise refuse("By month or another grain I compare with the row before, or with a year before.")
        last = self._clock.covered[1]
        if main is not None and main.first <= last < main.last:
            main = msgspec.structs.replace(main, last=last)  # no rows of months to come
        how, unit = contrast.base or ("previous_period", "")
        if unit and unit != grain.removeprefix("fiscal_"):
            raise refuse(f"By {grain.replace('_', ' ')} I can't compare with the {unit} before.")
        said = "a year before" if how == "previous_year" else f"the {grain.replace('_', ' ')} before"
        return Measured(main, Comparison(with_=how), said, grain)

    def of(self, main: TimeMention) -> Measured:
        given = self._contrast.against
        base = self._found(main) if given is None else self._given(main, given)
        main, base = self._like_for_like(main, base)
        compare = Comparison(with_="period", time_from=base.first.isoformat(), time_to=base.last.isoformat())
        return Measured(main, compare, base.label)

    def of_what(self) -> Measured:
        """No period is said: ask which is meant."""
        last = self._clock.covered[1]
        pairs = []
        if self._is_stock and self._contrast.base is not None and self._contrast.base[0] == "previous_year":
            now = _mention((last, last), str(last), "day")
            pairs.append((now, self._base("previous_year", now)))
        for unit in ("month", self._unit("quarter"), self._unit("year")):
            days = self._spans.unit_of(unit, self._clock.covered[1])
            if days[1] > self._clock.covered[1]:
                days = self._spans.moved(unit, days, -1)
            if days[0] < self._clock.covered[0]:
                continue
            main = _mention(days, self._spans.name(unit, days), unit)
            pairs += [(main, base) for base in self._likely(main)]
        if not pairs:
            raise refuse("Say for which period, and compared with what.")
        choices = [Choice(f"{main.label} compared with {base.label}") for main, base in pairs]
        main, base = pairs[self._reading.choose("Which periods shall I compare?", "", choices)]
        compare = Comparison(with_="period", time_from=base.first.isoformat(), time_to=base.last.isoformat())
        return Measured(main, compare, base.label)

    def _likely(self, main: TimeMention) -> list[TimeMention]:
        before = self._base("previous_period", main)
        year = self._base("previous_year", main)
        wanted = self._contrast.base[0] if self._contrast.base else ""
        if main.unit.endswith("year") or wanted == "previous_period":
            return [before]
        return [year] if wanted == "previous_year" else [before, year]

    def _found(self, main: TimeMention) -> TimeMention:
        """What the words leave to be found: the time just before, or a year earlier."""
        if self._contrast.base is not None:
            how, unit = self._contrast.base
            own = main.unit.removeprefix("fiscal_")
            if how == "previous_period" and unit and unit != own:
                raise refuse(f"I can't compare {main.label} with the {unit} before.")
            return self._base(how, main)
        if main.open:
            raise refuse("Say from when to when it changed, for example from one month to another.")
        if main.unit.endswith("year") and main.count == 1:
            return self._base("previous_period", main)
        if main.unit == "named":
            return self._base("previous_year", main)
        if self._is_stock and main.unit != "day":
            return self._base("previous_period", main)
        options = [self._base("previous_period", main), self._base("previous_year", main)]
        ask = f"Compared with what did it change in {main.label}?"
        return options[self._reading.choose(ask, "", [Choice(option.label) for option in options])]

    def _base(self, how: Literal["previous_period", "previous_year"], main: TimeMention) -> TimeMention:
        whole = main.unit not in ("", "named") and main.count == 1
        if how == "previous_year":
            days = a_year_before(main.days)
            if main.unit == "week":
                days = (main.first - dt.timedelta(days=364), main.last - dt.timedelta(days=364))
        else:
            days = self._spans.moved(main.unit, main.days, -1) if whole else just_before(main.days)
        label = self._spans.name(main.unit if whole else "", days)
        if main.unit == "named" and main.part is not None:
            label = f"{main.part.name} {days[0].year} ({self._spans.name('', days)})"
        return _mention(days, label, main.unit)

    # --- a period that was said ---------------------------------------------------------------------------------------

    def _given(self, main: TimeMention, against: TimeMention) -> TimeMention:
        is_year = against.unit in ("year", "fiscal_year") and against.count == 1
        shorter = is_year and main.unit not in ("year", "fiscal_year") and not main.open and main.ends is None
        if against.relative == "last" and against.count == 1 and not against.rolling:
            return self._relative(main, against, shorter=shorter)
        if shorter and main.unit:
            return self._same_part(main, against)
        if main.unit and against.unit and main.unit != against.unit and not (main.open or against.open):
            raise refuse(f"I don't compare {main.label} with {against.label}: they are not of one kind.")
        return against

    def _relative(self, main: TimeMention, against: TimeMention, *, shorter: bool) -> TimeMention:
        """ "Last month" may be the last of the data, "the previous month" is the one before the month spoken of."""
        if shorter:
            own = self._base("previous_year", main)
        elif main.unit == against.unit and main.count == 1:
            own = self._base("previous_period", main)
        else:
            raise refuse(f"I don't compare {main.label} with {against.label}: they are not of one kind.")
        if self._reading.words[against.start] in _BEFORE_IT or shorter or own.days == against.days:
            return own
        options = [own, against]
        said = " ".join(self._reading.words[against.start : against.end])
        return options[
            self._reading.choose(f"Which do you mean by “{said}”?", "", [Choice(one.label) for one in options])
        ]

    def _same_part(self, main: TimeMention, against: TimeMention) -> TimeMention:
        """ "July 2025 against 2024" is July against July."""
        if main.part is not None and main.part.year and against.part is not None and against.part.year:
            days = main.part.days(against.part.year)
            return _mention(days, self._spans.name(main.unit, days), main.unit)
        days = main.days
        while days[0].year > against.first.year and days[0].year > YEARS.start:
            days = a_year_before(days)
        if days[0].year != against.first.year:
            raise refuse(f"I don't compare {main.label} with {against.label}: they are not of one kind.")
        return _mention(days, self._spans.name(main.unit, days), main.unit)

    # --- what has not ended yet ---------------------------------------------------------------------------------------

    def _like_for_like(self, main: TimeMention, base: TimeMention) -> tuple[TimeMention, TimeMention]:
        """A period that the data cover in part, against a whole one or against as much of it."""
        last = self._clock.covered[1]
        is_year_earlier = a_year_before(main.days) == base.days
        if main.last <= last or main.first > last or (self._is_stock and not is_year_earlier):
            return main, base
        clipped: Days = (main.first, last)
        days = (
            a_year_before(clipped)
            if is_year_earlier
            else (base.first, min(base.last, base.first + (last - main.first)))
        )
        short = _mention(days, _range(days), "")
        choices = [Choice(f"all of {base.label}"), Choice(short.label)]
        ask = f"The data end on {last}, within {main.label}. Compare with all of {base.label}, or as many days of it?"
        if self._reading.choose(ask, "", choices) == 0:
            return main, base
        return _mention(clipped, _range(clipped), ""), short


def _range(days: Days) -> str:
    return f"{days[0]} to {days[1]}"


def _mention(days: Days, label: str, unit: str) -> TimeMention:
    return TimeMention(first=days[0], last=days[1], label=label, start=0, end=0, unit=unit)
