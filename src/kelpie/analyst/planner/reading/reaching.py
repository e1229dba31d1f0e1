"""By what a metric can be looked at, and across what it must never be added up."""

from kelpie.analyst.catalog import CatalogMetric
from kelpie.analyst.metric_query import Filter
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.english.words import is_or_are, listed
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.reading import Reading, refuse


def check_reach(reading: Reading, intent: Intent, metrics: list[CatalogMetric]) -> None:
    """Stop at a dimension that a metric can't be looked at by, and say by what it can."""
    named = [*intent.dimensions, *(rule.dimension for rule in intent.filters)]
    for metric in metrics:
        name = next((name for name in named if name in metric.not_by), None)
        if name is not None:
            dimensions = reading.catalog.dimensions
            open_ones = [other.label for other in dimensions if other.name not in metric.not_by]
            offer = f"; by {listed(open_ones, 'or')} it can" if open_ones else ""
            raise refuse(f"The {metric.label} can't be looked at by {label_of(reading, name)}{offer}.")


def separate(reading: Reading, intent: Intent, metrics: list[CatalogMetric]) -> None:
    """Amounts that don't add up across a dimension, such as currencies, are shown for each of its values."""
    for metric in metrics:
        for name in metric.separate_by:
            if not is_fixed(intent, name) and name not in intent.dimensions:
                intent.dimensions = [*intent.dimensions, name]
                reading.say(never_added(reading, metric, name))


def never_added(reading: Reading, metric: CatalogMetric, name: str) -> str:
    return f"Shown by {label_of(reading, name)}: {metric.label} {is_or_are(metric.label)} never added up across it."


def is_fixed(intent: Intent, name: str) -> bool:
    """Whether a filter leaves one value of the dimension."""
    return any(rule.dimension == name and rule.op == "in" and len(rule.values) == 1 for rule in intent.filters)


def label_of(reading: Reading, name: str) -> str:
    dimension = reading.catalog.dimension(name)
    return dimension.label if dimension else name


def fix_separate(reading: Reading, intent: Intent) -> None:
    """Amounts of several currencies can't be held against each other, or against one number: ask for one."""
    metric = reading.catalog.metric(intent.metrics[0])
    assert metric is not None, "named from this catalog"
    for name in metric.separate_by:
        dimension = reading.catalog.dimension(name)
        if is_fixed(intent, name) or dimension is None:
            continue
        ask = f"Different {dimension.plural} can't be held against each other. Which one do you want?"
        picked = reading.choose(ask, "", [Choice(str(known.value)) for known in dimension.values])
        intent.filters = [*intent.filters, Filter(dimension=name, values=[dimension.values[picked].value])]
        intent.dimensions = [other for other in intent.dimensions if other != name]
        reading.notes = [note for note in reading.notes if note != never_added(reading, metric, name)]
