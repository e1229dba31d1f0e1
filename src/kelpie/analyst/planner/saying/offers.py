"""What the data can answer, and what a metric means: no results, and so no numbers to prove."""

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.english.words import listed

_EXAMPLES = 4


def offer(catalog: Catalog) -> str:
    """What can be asked."""
    metrics = listed([metric.label for metric in catalog.metrics])
    parts = [f"I know {catalog.label}: {metrics}"]
    if catalog.dimensions:
        parts.append(f"by {listed([dimension.label for dimension in catalog.dimensions], 'or')}")
    days = [(metric.first, metric.last) for metric in catalog.metrics if metric.first]
    if catalog.times and days:
        first, last = min(first for first, _ in days), max(last for _, last in days)
        grains = list(dict.fromkeys(grain.replace("_", " ") for axis in catalog.times for grain in axis.grains))
        parts.append(f"by {listed(grains, 'or')}, from {first} to {last}")
    text = ", ".join(parts) + "."
    if catalog.examples:
        text += "\n\nFor example:" + "".join(f"\n- {example}" for example in catalog.examples[:_EXAMPLES])
    return text


def definitions(catalog: Catalog, names: list[str]) -> str:
    """What the metrics mean, as the semantic model says."""
    lines = []
    for metric in catalog.metrics:
        if metric.name in names:
            unit = f" In {metric.unit}." if metric.unit else ""
            means = metric.description or f"Counts {metric.counts}."
            lines.append(f"**{metric.label}**: {means}{unit}\n\nDefinition: `{metric.definition}`")
    return "\n\n".join(lines)
