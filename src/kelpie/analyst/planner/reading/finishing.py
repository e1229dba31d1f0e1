"""The parts of a question settled, one after the other, into what is asked.

Where there is a real choice it is asked back, one question at a time.
"""

from typing import cast

from kelpie.analyst import limits
from kelpie.analyst.catalog import CatalogMetric
from kelpie.analyst.metric_query import Filter
from kelpie.analyst.planner.asked import Asked, Intent, Refused, Unclear
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.english.comparing import COMPARE
from kelpie.analyst.planner.english.ranking import COMPARATIVES
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.reading.bounding import members_within
from kelpie.analyst.planner.reading.contrasting import Contrast
from kelpie.analyst.planner.reading.follow_up import Carried, leans_on_previous
from kelpie.analyst.planner.reading.found import Found
from kelpie.analyst.planner.reading.grouping import grain_of, offered_grains, settle_groups
from kelpie.analyst.planner.reading.holding import settle_bounds
from kelpie.analyst.planner.reading.measuring import settle_contrast
from kelpie.analyst.planner.reading.moments import check_moments, is_mixed, is_stock
from kelpie.analyst.planner.reading.naming import Named, check_aggregations, check_nouns, settle_metrics
from kelpie.analyst.planner.reading.ordering import settle_order
from kelpie.analyst.planner.reading.reaching import check_reach, separate
from kelpie.analyst.planner.reading.reading import Reading, refuse
from kelpie.analyst.planner.reading.sharing import shared_dimensions
from kelpie.analyst.planner.reading.spanning import ask_when, checked, one_span, read_again, trend_grain
from kelpie.analyst.planner.reading.timing import Clock, settle_clock, settle_year
from kelpie.analyst.planner.reading.valuing import settle_values
from kelpie.analyst.semantic.model import Grain


def finished(reading: Reading, found: Found) -> Asked:
    """Raises Stop with the question to ask back, or with why it is refused."""
    return _Finishing(reading, found).asked()


class _Finishing:
    def __init__(self, reading: Reading, found: Found) -> None:
        self._reading, self._found, self._catalog = reading, found, reading.catalog
        self._named: Named = settle_metrics(reading, found.metrics)
        self._carried = self._leaning()
        self._metrics: list[CatalogMetric] = []
        self._intent = Intent(metrics=[], show=found.show)

    def asked(self) -> Asked:
        reading, found, intent = self._reading, self._found, self._intent
        unanswered = self._settle_metrics()
        if unanswered is not None:
            return unanswered
        check_aggregations(reading, self._metrics)
        check_nouns(reading, self._metrics)
        closed = {name for metric in self._metrics for name in metric.not_by}
        placed = settle_values(reading, found.values, closed)
        own = [rule for _, rule in placed] + self._bounded_dimensions()
        apart = [rule for rule in own if not self._is_whole(rule)]
        grouped = settle_groups(reading, found.groups, apart, intent.metrics)
        self._settle_time(grouped)
        intent.filters, intent.dimensions = own, grouped
        if self._carried is not None:
            is_series = intent.grain is not None
            intent.filters = self._carried.filters(own, is_series=is_series, has_groups=bool(found.groups))
            intent.dimensions = self._carried.dimensions(grouped, intent.filters)
        self._settle_share(placed)
        check_reach(reading, intent, self._metrics)
        separate(reading, intent, self._metrics)
        settle_order(reading, found, intent, self._named, self._carried)
        settle_bounds(reading, found, intent, self._named, self._carried)
        self._settle_count()
        intent.notes, intent.used, intent.learned = reading.notes, reading.used, reading.learned
        return intent

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _leaning(self) -> Carried | None:
        previous = self._reading.previous
        has_metric = bool(self._found.metrics)
        if previous is None or not leans_on_previous(
            self._reading.words, has_metric=has_metric, says_something=self._found.says_something
        ):
            return None
        return Carried(previous, self._catalog, self._reading.context.knowledge.spans)

    def _settle_metrics(self) -> Refused | Unclear | None:
        names = list(dict.fromkeys(term.name for _, term in self._named))
        if not names and self._carried is not None:
            names = self._carried.metrics()
        if not names:
            metrics = self._catalog.metrics
            chosen = self._reading.chosen([metric.label for metric in metrics])
            if chosen is None:
                return self._no_metric()
            names = [metrics[chosen].name]
        if len(names) > limits.METRICS_PER_QUERY_MAX:
            raise refuse(f"I show at most {limits.METRICS_PER_QUERY_MAX} numbers side by side.")
        self._metrics = [metric for name in names if (metric := self._catalog.metric(name)) is not None]
        self._intent.metrics = names
        check_moments(self._reading, self._found, self._metrics)
        return None

    def _no_metric(self) -> Refused | Unclear:
        if not self._found.says_something:
            return Refused("I don't understand that question.")
        if any(group.counted for group in self._found.groups) and not self._found.bounds:
            counted = self._reading.said(next(group.mention for group in self._found.groups if group.counted))
            return Refused(f"I can't count “{counted}”: it is something to group by, no number of its own.")
        labels = [metric.label for metric in self._catalog.metrics]
        return Unclear("Which figure do you want?", labels[: limits.QUESTION_OPTIONS_MAX])

    @property
    def _all_stock(self) -> bool:
        return all(is_stock(self._catalog, metric) for metric in self._metrics)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _settle_time(self, grouped: list[str]) -> None:
        reading, found, intent = self._reading, self._found, self._intent
        dated = bool(found.times or found.stepping or found.contrast or (self._carried and self._carried.when()))
        clock = settle_clock(reading, self._metrics, found.axes, is_dated=dated, vague=found.vague)
        if clock is None:
            if dated:
                raise refuse("These data have no dates, so nothing can be said about times or a development.")
            return
        if clock.axis is not None and clock.axis.name in {name for metric in self._metrics for name in metric.times}:
            intent.time, intent.axis = clock.axis.name, clock.axis.label
        before = self._carried.when() if self._carried is not None else None
        times, contrast = read_again(reading, clock, found.times, found.contrast, before)
        stepped = found.stepping is not None and not found.stepping.is_open
        span = one_span(reading, times, clock, is_stock=self._all_stock, together=found.together, stepped=stepped)
        when, grain = span.when, self._grain(span.each, clock)
        if contrast is not None and contrast.main is not None and when is not None:
            _check_inside(contrast, when)
        if span.pair is not None:
            contrast = contrast or Contrast(main=span.pair[0], against=span.pair[1])
        if self._carried is not None:
            when, grain, contrast = self._carry_time(when, grain, contrast, grouped)
        grain = grain or self._open_grain(when, clock)
        if contrast is not None:
            measured = settle_contrast(reading, contrast, when, grain, clock, is_stock=self._all_stock)
            when, grain = measured.main, measured.grain
            intent.compare, intent.against = measured.compare, measured.against
            found.contrast = contrast
        if when is None and grain is None and any(is_mixed(self._catalog, metric) for metric in self._metrics):
            when = ask_when(reading, clock)
        if when is not None:
            checked(when, clock)
            intent.first, intent.last, intent.period = when.first, when.last, when.label
        intent.grain = grain

    def _grain(self, each: str, clock: Clock) -> Grain | None:
        stepping, offered = self._found.stepping, offered_grains(clock.axis, self._catalog.times)
        if stepping is not None and not stepping.is_open:
            return grain_of(stepping, clock.year_kind, offered)
        return cast("Grain", each) if each in offered else None

    def _open_grain(self, when: TimeMention | None, clock: Clock) -> Grain | None:
        """The step of a development that names none: as the asker prefers it, or by how long it is."""
        stepping = self._found.stepping
        is_open = stepping is not None and stepping.is_open
        ranged = self._all_stock and when is not None and (when.open or when.ends is not None)
        if not is_open and not (ranged and self._found.contrast is None and self._found.ranking is None):
            return None
        offered = offered_grains(clock.axis, self._catalog.times)
        preferred = self._reading.context.taught.preference("grain")
        wanted: str = preferred.value if preferred is not None else ""
        if wanted in ("quarter", "year") and settle_year(self._reading, wanted) == "fiscal":
            wanted = f"fiscal_{wanted}"
        if preferred is not None and wanted in offered:
            self._reading.prefer(preferred, f"by {wanted.replace('_', ' ')}")
            return cast("Grain", wanted)
        return trend_grain(offered, when, clock)

    def _carry_time(
        self, when: TimeMention | None, grain: Grain | None, contrast: Contrast | None, grouped: list[str]
    ) -> tuple[TimeMention | None, Grain | None, Contrast | None]:
        carried, found = self._carried, self._found
        assert carried is not None, "asked only of a follow-up"
        kept = when is None
        when = when or carried.when()
        self._intent.time = self._intent.time or carried.query.time
        if contrast is None and carried.query.compare is not None and not found.sharing:
            contrast = carried.contrast()
            if contrast is None and kept:
                contrast = Contrast(against=carried.against())
        is_series = grain is not None or found.stepping is not None
        if (not is_series and not grouped and found.ranking is None and carried.query.grain is not None) or (
            not is_series and not found.groups and carried.query.grain is not None and not grouped
        ):
            grain = carried.query.grain
        return when, grain, contrast

    # --- members ------------------------------------------------------------------------------------------------------

    def _is_whole(self, rule: Filter) -> bool:
        """Whether several values are one whole rather than members side by side: "A or B", "A and B together"."""
        default = any(default.dimension == rule.dimension for default in self._catalog.defaults)
        values = [value for value in self._found.values if any(term.name == rule.dimension for term in value.terms)]
        if self._found.together or (default and any(value.mode == "all" for value in values)):
            return True
        starts = sorted(value.start for value in values)
        words = self._reading.words[starts[0] : starts[-1]] if starts else []
        compares = COMPARATIVES | COMPARE | {"either"}
        return "or" in words and self._found.ranking is None and not compares & set(self._reading.words)

    def _bounded_dimensions(self) -> list[Filter]:
        """Bounds on dimensions of numbers: the values within."""
        found = []
        for bound in self._found.bounds:
            if bound.mention is not None and bound.mention.kind == "dimension":
                term = self._reading.settle(bound.mention, "Which one do you mean by")
                dimension = self._catalog.dimension(term.name)
                assert dimension is not None, "the term was made from this catalog"
                found.append(members_within(bound, dimension))
        return found

    def _settle_share(self, placed: list[tuple[int, Filter]]) -> None:
        intent, sharing = self._intent, self._found.sharing
        shared_bound = any(bound.on == "share" for bound in self._found.bounds)
        if sharing is None and not shared_bound:
            if self._carried is not None:
                intent.share = self._carried.share(intent.dimensions, intent.filters)
            return
        own = sharing is not None and not sharing.of_total and not (placed and sharing.part is not None)
        if own and self._is_share_itself():
            return  # "the percentage of late orders" is the metric, no share of it
        for metric in self._metrics:
            if metric.kind in ("ratio", "formula") and metric.aggregation in ("average", "share"):
                raise refuse(f"The {metric.label} has no shares: it does not add up to a whole.")
        if sharing is None:
            intent.share = intent.dimensions
        else:
            intent.share = shared_dimensions(self._reading, sharing, intent.dimensions, placed)
        if self._found.bounds and not shared_bound:
            raise refuse("I don't combine a share with a bound on something else.")

    def _is_share_itself(self) -> bool:
        return all(metric.aggregation == "share" for metric in self._metrics)

    def _settle_count(self) -> None:
        counted = [group for group in self._found.groups if group.counted]
        if counted and not self._intent.having:
            said = self._reading.said(counted[0].mention)
            raise refuse(f"I can't count “{said}”: it is something to group by, no number of its own.")


def _check_inside(contrast: Contrast, when: TimeMention) -> None:
    """Stop at a period beside a comparison of two others, unless it is one of them or both lie in it."""
    compared = [time for time in (contrast.main, contrast.against) if time is not None]
    if (
        not all(when.first <= time.first and time.last <= when.last for time in compared)
        and when.days != compared[0].days
    ):
        raise refuse(f"I don't understand what {when.label} is to say beside {listed([t.label for t in compared])}.")
