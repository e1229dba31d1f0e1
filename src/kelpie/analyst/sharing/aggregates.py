"""Which columns of somebody's SQL are aggregates of rows: what a model may read where rows are kept from it."""

import sqlglot
from sqlglot import exp

# Numbers about rows. What picks or collects values (min of a text, any_value, string_agg, a list) is none of these.
_AGGREGATES = (
    exp.Avg,
    exp.Count,
    exp.CountIf,
    exp.Max,
    exp.Median,
    exp.Min,
    exp.Stddev,
    exp.StddevPop,
    exp.StddevSamp,
    exp.Sum,
    exp.Variance,
    exp.VariancePop,
)


def aggregates_of(sql: str, dialect: str) -> list[bool]:
    """For each column of a guarded query whether it is made of aggregates and constants; empty for no plain SELECT."""
    tree = sqlglot.parse_one(sql, dialect=dialect)
    if not isinstance(tree, exp.Select):
        return []
    return [_is_aggregate(column) for column in tree.selects]


def _is_aggregate(tree: exp.Expr) -> bool:
    # A window gives each row its own number; a subquery may pick one cell.
    if tree.find(exp.Window, exp.Query) or not tree.find(exp.AggFunc):
        return False
    if any(not isinstance(node, _AGGREGATES) for node in tree.find_all(exp.AggFunc)):
        return False
    return all(column.find_ancestor(exp.AggFunc, exp.Filter) is not None for column in tree.find_all(exp.Column))
