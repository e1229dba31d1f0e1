"""The parts of a question, before any of them is settled to one meaning."""

import msgspec

from kelpie.analyst.planner.asked import Show
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.reading.bounding import Bound
from kelpie.analyst.planner.reading.contrasting import Contrast
from kelpie.analyst.planner.reading.grouping import NamedGroup, Stepping
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.naming import NamedMetric
from kelpie.analyst.planner.reading.ranking import Ranking
from kelpie.analyst.planner.reading.sharing import Sharing
from kelpie.analyst.planner.reading.valuing import NamedValue


class Found(msgspec.Struct, kw_only=True):
    """`now` are the words that ask about now; `together`: several values or periods are one whole."""

    metrics: list[NamedMetric]
    groups: list[NamedGroup]
    values: list[NamedValue]
    times: list[TimeMention]
    axes: list[Mention]
    bounds: list[Bound]
    stepping: Stepping | None
    ranking: Ranking | None
    contrast: Contrast | None
    sharing: Sharing | None
    show: Show | None
    now: str
    all_time: bool
    together: bool

    @property
    def says_something(self) -> bool:
        """Whether it says anything beyond how to show it."""
        parts = (
            self.groups,
            self.values,
            self.times,
            self.bounds,
            self.stepping,
            self.ranking,
            self.contrast,
            self.sharing,
        )
        return any(parts) or bool(self.now) or self.all_time

    @property
    def vague(self) -> str:
        """The word that may mean the company's quarter or year, or the calendar's."""
        times = [*self.times, *([self.contrast.main, self.contrast.against] if self.contrast else [])]
        said = next(
            (time.vague for time in times if time is not None and time.vague and not self._is_a_year_before(time)), ""
        )
        if not said and self.stepping is not None and self.stepping.vague:
            said = self.stepping.unit
        stepped = self.contrast.base[1] if self.contrast is not None and self.contrast.base is not None else ""
        if not said and stepped == "quarter" and not any(time.unit.endswith("quarter") for time in self.times):
            said = stepped  # "quarter over quarter", of a longer time
        return said

    def _is_a_year_before(self, time: TimeMention) -> bool:
        """ "May compared with last year": a year before May, whatever a year is."""
        against = self.contrast.against if self.contrast is not None else None
        shorter = bool(self.times) and not any(one.unit.endswith("year") for one in self.times)
        return time is against and time.relative == "last" and time.unit.endswith("year") and shorter
