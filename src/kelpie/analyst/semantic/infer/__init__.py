"""infer: a first draft of a semantic model from what a source says of itself; a person then corrects it.

profiling.py  what each column holds, in numbers
naming.py     names and words out of the names of tables and columns
relations.py  entities and joins: from foreign keys, or from names and contained values where none are declared
parts.py      dimensions, time axes and metrics of one entity
draft.py      pieces and their YAML text
drafting.py   infer itself: what the data do not bear out is left out, with its reason
"""

from kelpie.analyst.semantic.infer.drafting import infer

__all__ = ["infer"]
