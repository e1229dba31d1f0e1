"""From archival to core memory: what is important, recent and often named is kept in view, one line a fact.

mapping     which block an entity of a type goes to, and back
candidate   entities that may be promoted, as the store knows them
policy      who ranks, who is let in, who has to leave: classes that anybody can replace
statement   what is said of an entity, in one line, from facts that are true and known now
choose      which lines fit
lines       the lines of a block: what promotion changes, and what is a person's
promotion   plan, commit, take back
suggest     how blocks might be cut better, for people to decide
"""

from umi.promote.candidate import Candidate
from umi.promote.choose import Budget
from umi.promote.mapping import EntityToBlockMapping
from umi.promote.policy import (
    HybridEviction,
    HybridPromotion,
    HybridRanking,
    ImportanceEviction,
    ImportancePromotion,
    LeastRecentlyUsedEviction,
    Policy,
)
from umi.promote.promotion import Placed, Promotion, evict, in_core, plan_promote, plan_retract, plan_withdraw, promote
from umi.promote.suggest import Suggestion, block_usage, co_occurrence, suggest

__all__ = [
    "Budget",
    "Candidate",
    "EntityToBlockMapping",
    "HybridEviction",
    "HybridPromotion",
    "HybridRanking",
    "ImportanceEviction",
    "ImportancePromotion",
    "LeastRecentlyUsedEviction",
    "Placed",
    "Policy",
    "Promotion",
    "Suggestion",
    "block_usage",
    "co_occurrence",
    "evict",
    "in_core",
    "plan_promote",
    "plan_retract",
    "plan_withdraw",
    "promote",
    "suggest",
]
