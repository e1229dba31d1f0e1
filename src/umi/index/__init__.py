"""The index of a scope: words and vectors of its facts in memory, exact, and the same on every store.

    terms         words → stems → numbers; what a fact's row keeps for its search
    rows          rows of facts on their way into an index
    columns       an array that grows without copying what older versions of an index show
    scope_index   ScopeIndex: the facts of one scope as columns, postings and vectors
    bm25          how well the words of a query fit each fact and its neighbours
    cache         which indices are kept, and how they stay equal to the rows
    past          an index of what was believed at another time

There is no full-text table: an engine's idf counts other tenants' words, its neighbours' text would be written three
times, and what it forgets stays in its segments. Everything here follows from the rows of `fact` and `fact_vector`.
"""

from umi.index.cache import IndexCache
from umi.index.past import believed_at

__all__ = ["IndexCache", "believed_at"]
