"""Which rows of a result are kept: the bounds of a question as conditions on its columns."""

from kelpie.analyst.catalog import CatalogMetric
from kelpie.analyst.metric_query import Condition
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.reading.bounding import conditions
from kelpie.analyst.planner.reading.follow_up import Carried
from kelpie.analyst.planner.reading.found import Found
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.naming import Named
from kelpie.analyst.planner.reading.reaching import fix_separate
from kelpie.analyst.planner.reading.reading import Reading, refuse


def settle_bounds(reading: Reading, found: Found, intent: Intent, named: Named, carried: Carried | None) -> None:
    for bound in found.bounds:
        if bound.mention is not None and bound.mention.kind == "dimension":
            continue  # it is a filter already
        if bound.on == "change" and intent.compare is None:
            raise refuse("Say from when to when it changed.")
        metric = _bounded(reading, intent, named, bound.mention)
        intent.having = [*intent.having, *conditions(reading, bound, metric, is_growth=bound.tests[0][1].percent)]
    contrast = found.contrast
    if contrast is not None and contrast.filtered and (intent.dimensions or intent.grain):
        column = f"{intent.metrics[0]}_change"
        up, down = Condition(metric=column, op="gt", value=0), Condition(metric=column, op="lt", value=0)
        intent.having = [*intent.having, up if contrast.change == "up" else down]
    if carried is not None and not intent.having and intent.metrics == carried.metrics():
        changes = [f"{name}_{part}" for name in intent.metrics for part in ("growth", "change") if intent.compare]
        intent.having = [one for one in carried.query.having if one.metric in (*intent.metrics, *changes)]
    if intent.having:
        fix_separate(reading, intent)
    if intent.having and not (intent.dimensions or intent.grain):
        raise refuse("A bound needs something that it holds for each of: say by what, or in which months.")


def _bounded(reading: Reading, intent: Intent, named: Named, mention: Mention | None) -> CatalogMetric:
    """The metric that is bounded: the one beside the bound, or the only one."""
    names = [term.name for one, term in named if mention is not None and one.mention == mention]
    if mention is None:
        if len(intent.metrics) > 1:
            raise refuse("Say which of the numbers is to be bounded.")
        names = intent.metrics
    metric = reading.catalog.metric(names[0]) if names else None
    if metric is None:
        raise refuse("I don't understand what is to be bounded.")
    return metric
