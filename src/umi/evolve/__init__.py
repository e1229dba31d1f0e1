"""How facts evolve: what a new fact ends, extends or contradicts, decided by when things happened.

    timeline  when each claim about one subject and attribute ends: a function of the claims alone, in any order
    plan      the versions that follow when facts come and go

A claim ends another only if both speak of the same subject and attribute and the attribute has one value at a time, or
if it says so ("no longer"). Nothing is overwritten: what ended has a new version, and holds again when
what ended it goes.
"""

from umi.evolve.plan import Evolution, Evolved, dependents, derivations, plan_evolution, plan_noted, plan_unchanged
from umi.evolve.timeline import Statement, ends

__all__ = [
    "Evolution",
    "Evolved",
    "Statement",
    "dependents",
    "derivations",
    "ends",
    "plan_evolution",
    "plan_noted",
    "plan_unchanged",
]
