"""All periods of a question: single ones, and ranges made of two ("from March to May", "since 2024")."""

import datetime as dt

import msgspec

from kelpie.analyst.formats import range_text
from kelpie.analyst.planner.dates.parts import PartReader
from kelpie.analyst.planner.dates.spans import ONE_DAY, Days, Part, Relative
from kelpie.analyst.planner.english import dates as english

_YEARS = ("year", "fiscal_year")
_LIST_GAP = 2  # "May and July", "May, and in July 2013": so many words stand between what shares a year


class TimeMention(msgspec.Struct, frozen=True, kw_only=True):
    """Days, both included, and how to call them. The tokens `start` to before `end` say it.

    unit, relative, count, rolling, vague   as of dates.spans.Part
    ends      the two periods that a range was made of
    part      how a single period was said
    open      a range with one end said: "since March"
    at_end    said of the moment it ends: "at the end of May", "as of 3 June"
    """

    first: dt.date
    last: dt.date
    label: str
    start: int
    end: int
    unit: str = ""
    relative: Relative = ""
    count: int = 1
    rolling: bool = False
    vague: str = ""
    ends: tuple["TimeMention", "TimeMention"] | None = None
    open: bool = False
    at_end: bool = False
    part: Part | None = None

    @property
    def days(self) -> Days:
        return self.first, self.last


class PeriodReader:
    """Finds periods from left to right; each token belongs to at most one."""

    def __init__(self, parts: PartReader) -> None:
        self._parts = parts
        self._words = parts.words

    def find(self) -> list[TimeMention]:
        mentions: list[TimeMention] = []
        at = 0
        while at < len(self._words):
            found = self._at_end(at) or self._range(at) or self._single(at)
            if found is not None:
                self._share_year(mentions, found)
                mentions.append(found)
            at = found.end if found is not None else at + 1
        return self._within_year(mentions)

    def _within_year(self, mentions: list[TimeMention]) -> list[TimeMention]:
        """ "In 2024, how many … in May": the one year that is said holds for what lacks its own."""
        years = {mention.part.year for mention in mentions if mention.part is not None and mention.unit == "year"}
        if len(years) != 1 or not (year := years.pop()):
            return mentions
        return [self._in_year(mention, year) for mention in mentions]

    def _in_year(self, mention: TimeMention, year: int) -> TimeMention:
        if mention.ends is not None and all(end.part is not None and end.part.year is None for end in mention.ends):
            first, second = (self._in_year(end, year) for end in mention.ends)
            if second.first > first.last:
                days = {"first": first.first, "last": second.last, "label": range_text(first.first, second.last)}
                return msgspec.structs.replace(mention, ends=(first, second), **days)
        if mention.part is None or mention.part.year is not None or mention.ends is not None or mention.open:
            return mention
        placed = msgspec.structs.replace(mention.part, year=year)
        moved = self._of(placed, placed.days(year), mention.start)
        return msgspec.structs.replace(moved, end=mention.end, at_end=mention.at_end)

    def _share_year(self, mentions: list[TimeMention], found: TimeMention) -> None:
        """ "May and July 2013": the year said at the end holds for what is listed before it."""
        year = found.part.year if found.part else None
        if not year or found.unit in _YEARS:
            return
        listed_before = found.start
        for place in range(len(mentions) - 1, -1, -1):
            part = mentions[place].part
            if part is None or part.year is not None or listed_before - mentions[place].end > _LIST_GAP:
                return
            listed_before = mentions[place].start
            mentions[place] = self._of(msgspec.structs.replace(part, year=year), part.days(year), listed_before)

    def _at_end(self, at: int) -> TimeMention | None:
        """ "at the end of May", "as of 2025-06-30"."""
        found = english.AT_END.at(self._words, at)
        if found is None:
            return None
        part = self._parts.part(self._after_article(found[1]))
        if part is None or (self._words[at : found[1]] == ["as", "of"] and part.unit != "day"):
            return None
        return msgspec.structs.replace(self._mention(part, at), at_end=True)

    def _single(self, at: int) -> TimeMention | None:
        part = self._parts.part(at)
        if part is None:
            return None
        onwards = english.ONWARDS.at(self._words, part.end)
        if onwards is not None and self._words[at - 1 : at] in (["from"], ["in"]) and at > 0:
            return self._open_ended("since", part, at - 1, onwards[1])
        if onwards is not None and self._words[part.end] != "on":
            return self._open_ended("since", part, at, onwards[1])
        return self._mention(part, at)

    def _range(self, at: int) -> TimeMention | None:
        """ "from X to Y", "between X and Y", "X to Y", "X – Y", "since X", "until X", "before X", "after X"."""
        opener = self._words[at] if self._words[at] in english.OPENING else ""
        begin = self._after_article(at + 1) if opener else at
        left = self._parts.part(begin)
        joined = self._joined(begin + 1 if left is None else left.end, opener)
        right = self._parts.part(self._after_article(joined)) if joined else None
        if right is not None and left is None and (opener or self._parts.word(at - 1) in english.BEFORE_MONTH):
            left = self._parts.day_before(begin, right)
        if left is not None and right is not None:
            return self._both(left, right, at)
        found = english.OPEN_ENDED.at(self._words, at)
        if found is not None and found[0] != "from":
            part = self._parts.part(self._after_article(found[1]))
            if part is not None:
                return self._open_ended(found[0], part, at, part.end)
        return None

    def _joined(self, at: int, opener: str) -> int:
        """Where the second period of a range may begin; 0 if nothing joins."""
        if at >= len(self._words):
            return 0
        word = self._words[at]
        if (word == "and" and opener == "between") or (word in english.JOINING and opener != "between"):
            return at + 1
        return at if "-" in self._parts.tokens[at].before and not opener else 0

    def _after_article(self, at: int) -> int:
        return at + 1 if self._parts.word(at) == "the" else at

    def _mention(self, part: Part, start: int) -> TimeMention:
        return self._of(part, self._parts.resolved(part), start)

    def _of(self, part: Part, days: Days, start: int) -> TimeMention:
        return TimeMention(
            first=days[0],
            last=days[1],
            label=self._parts.label(part, days),
            start=start,
            end=part.end,
            unit=part.unit,
            relative=part.relative,
            count=part.count,
            rolling=part.rolling,
            vague=part.vague,
            part=part,
        )

    def _open_ended(self, how: str, part: Part, start: int, end: int) -> TimeMention:
        first, last = self._parts.resolved(part)
        begin, finish = self._parts.first, self._parts.last
        days = {
            "since": (first, max(finish, first)),
            "until": (min(begin, last), last),
            "before": (min(begin, first - ONE_DAY), first - ONE_DAY),
            "after": (last + ONE_DAY, max(finish, last + ONE_DAY)),
        }[how]
        return TimeMention(
            first=days[0], last=days[1], label=range_text(*days), start=start, end=end, open=True, vague=part.vague
        )

    def _both(self, left: Part, right: Part, start: int) -> TimeMention:
        """A year said once holds for both ends; the end comes after the beginning."""
        begin, end = self._ends(left, right)
        if end[1] < begin[0]:
            left, right, begin, end = right, left, end, begin
        days = (begin[0], max(begin[1], end[1]))
        return TimeMention(
            first=days[0],
            last=days[1],
            label=range_text(*days),
            start=start,
            end=max(left.end, right.end),
            ends=(self._of(left, begin, start), self._of(right, end, min(left.end, right.end))),
            vague=left.vague or right.vague,
        )

    def _ends(self, left: Part, right: Part) -> tuple[Days, Days]:
        resolved, latest = self._parts.resolved, self._parts.last
        if left.year is None and right.year is not None:
            end = resolved(right)
            years = range(end[0].year + 1, end[0].year - 3, -1)
            return next((days for days in map(left.days, years) if days[0] <= end[0]), resolved(left)), end
        if left.year is not None:
            begin = resolved(left)
            return begin, resolved(right) if right.year is not None else _first_after(right, begin)
        for year in range(latest.year + 1, self._parts.first.year - 2, -1):
            begin = left.days(year)
            end = _first_after(right, begin)
            if end[0] <= latest:
                return begin, end
        return resolved(left), _first_after(right, resolved(left))


def _first_after(part: Part, begin: Days) -> Days:
    years = range(begin[0].year - 1, begin[0].year + 3)
    return next(days for days in map(part.days, years) if days[1] >= begin[1])
