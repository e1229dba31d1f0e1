"""The guard: decides on the parsed statement, before a data source sees it, and fails closed.

What runs is not the text that came in but the tree that was checked, written out again. A node the guard does not
know is refused. It is the first of two walls; the second is the engine's own (kelpie.analyst.sources).

passing.py     guard: a text in, a query that may run out, or QueryRefused
reading.py     text -> one query as a tree, and back, with nothing lost
parts.py       which parts a query may have, node by node
tables.py      the tables a query reads, told apart from names of its own
rewriting.py   access rules: every restricted table replaced by what may be seen of it
naming.py      access rules: whether a query names a column that is masked
conditions.py  access rules: a row filter, one harmless condition over one table
dialects       names, functions and types of each engine
"""

from kelpie.analyst.guard.passing import Guarded, guard

__all__ = ["Guarded", "guard"]
