"""Moments and periods: what holds at a moment is asked for differently from what happens in a period."""

import re

from kelpie.analyst.catalog import Catalog, CatalogMetric
from kelpie.analyst.planner.reading.found import Found
from kelpie.analyst.planner.reading.reading import Reading, refuse


def is_stock(catalog: Catalog, metric: CatalogMetric) -> bool:
    """Whether the metric holds at a moment; a formula does if all that it is made of does."""
    if metric.kind != "formula":
        return metric.kind == "stock"
    parts = [catalog.metric(name) for name in re.findall(r"\w+", metric.definition)]
    known = [part for part in parts if part is not None and part.name != metric.name]
    return bool(known) and all(is_stock(catalog, part) for part in known)


def is_mixed(catalog: Catalog, metric: CatalogMetric) -> bool:
    """Whether a formula sets what happens against what holds, so that its value depends on how long one looks."""
    if metric.kind != "formula":
        return False
    parts = [part for name in re.findall(r"\w+", metric.definition) if (part := catalog.metric(name)) is not None]
    return len({is_stock(catalog, part) for part in parts}) > 1


def check_moments(reading: Reading, found: Found, metrics: list[CatalogMetric]) -> None:
    """Stop at "current" and "at the end of May" for what happens, and at "ever" for what holds."""
    stocks = [metric for metric in metrics if is_stock(reading.catalog, metric)]
    flows = [metric for metric in metrics if metric not in stocks]
    at_end = [time for time in found.times if time.at_end]
    if flows and (found.now or at_end):
        last = flows[0].last
        ends = f" The data end on {last}." if last else ""
        moment = f"“{found.now}”" if found.now else "a moment"
        raise refuse(f"The {flows[0].label} is of a period, not of {moment}: say of which period.{ends}")
    if stocks and found.all_time:
        raise refuse(f"I know the {stocks[0].label} at a moment, not over all time: say when, or ask for its trend.")
