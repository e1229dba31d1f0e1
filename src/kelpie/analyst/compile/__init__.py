"""MetricQuery -> SQL, in the source's dialect. The same query gives the same text, every time: it is built as a tree.

query.py        compile_query
windows.py      days and periods: what lies a year or a step before
fitting.py      what goes with what: metrics with axes, dimensions, shares
planning.py     the parts of a query: one aggregation each, of one entity's rows in one window
expressions.py  the model's SQL texts as trees
joins.py        from the entity that is counted to those that expressions name
dialects.py     what engines say differently
parts.py        one part as a SELECT
stacking.py     several parts as one query: formulas, comparisons, shares
"""

from kelpie.analyst.compile.query import Compiled, compile_query
from kelpie.analyst.compile.windows import Coverage, Days, coverage_of

__all__ = ["Compiled", "Coverage", "Days", "compile_query", "coverage_of"]
