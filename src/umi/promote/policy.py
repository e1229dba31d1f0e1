"""Who ranks, who is let in, who has to leave: plain classes, each of which can be replaced alone.

A ranking gives each candidate a score; where there isn't room for all, the higher score has it. A promotion says which
candidates may enter, an eviction which must leave although there is room; who must leave is not let in. Self is beyond
all three: it is always in. Policies read nothing but their arguments, so that the same memory gives the same core.
"""

from dataclasses import dataclass, field
from typing import Protocol

from umi import limits
from umi.promote.candidate import Candidate

_PRIORITIES = {
    "self": limits.ENTITY_TYPE_PRIORITY_SELF,
    "project": limits.ENTITY_TYPE_PRIORITY_PROJECT,
    "task": limits.ENTITY_TYPE_PRIORITY_TASK,
    "organization": limits.ENTITY_TYPE_PRIORITY_ORGANIZATION,
    "event": limits.ENTITY_TYPE_PRIORITY_EVENT,
    "preference": limits.ENTITY_TYPE_PRIORITY_PREFERENCE,
    "person": limits.ENTITY_TYPE_PRIORITY_PERSON,
    "location": limits.ENTITY_TYPE_PRIORITY_LOCATION,
    "topic": limits.ENTITY_TYPE_PRIORITY_TOPIC,
    "note": limits.ENTITY_TYPE_PRIORITY_NOTE,
}


class Ranking(Protocol):
    def score(self, candidate: Candidate, now_ms: int) -> float:
        """From 0 to 1. Higher is kept in view sooner."""
        ...


class PromotionPolicy(Protocol):
    def admits(self, candidate: Candidate, score: float, now_ms: int) -> bool:
        """Whether it may enter. `score` is the ranking's."""
        ...


class EvictionPolicy(Protocol):
    def evicts(self, candidate: Candidate, score: float, now_ms: int) -> bool:
        """Whether it must leave. `score` is the ranking's."""
        ...


class Mapping(Protocol):
    def map(self, entity_type: str) -> str:
        """The type of block, one of umi.core.TYPES."""
        ...


def recency(candidate: Candidate, now_ms: int) -> float:
    """1 when it was just named or recalled, half of that after each half-life."""
    age_ms = max(0, now_ms - candidate.touched_ms)
    return float(0.5 ** (age_ms / limits.ACCESS_TRACKER_DECAY_HALFLIFE_MS))


def frequency(candidate: Candidate) -> float:
    """0.5 for what was seen once, and half of what is missing to 1 for every further time. It only grows: the
    original's fell from 0.5 to 0.1 in the instant after the first access."""
    return float(1 - 0.5 ** max(0, candidate.uses))


def priority(candidate: Candidate) -> float:
    return _PRIORITIES.get(candidate.type, limits.ENTITY_TYPE_PRIORITY_TOPIC)


class HybridRanking:
    """0.4 importance + 0.3 recency + 0.2 frequency + 0.1 priority of the type."""

    def score(self, candidate: Candidate, now_ms: int) -> float:
        return (
            limits.PROMOTION_WEIGHT_IMPORTANCE * candidate.importance
            + limits.PROMOTION_WEIGHT_RECENCY * recency(candidate, now_ms)
            + limits.PROMOTION_WEIGHT_FREQUENCY * frequency(candidate)
            + limits.PROMOTION_WEIGHT_TYPE_PRIORITY * priority(candidate)
        )


@dataclass(frozen=True, slots=True)
class HybridPromotion:
    """A score that is high enough, and an importance that isn't low.

    At the default threshold a thing just seen once needs an importance of 0.5 (a note 0.53); seen once a week ago a
    person needs 0.83.
    """

    score_min: float = limits.PROMOTION_SCORE_THRESHOLD_DEFAULT
    importance_min: float = limits.UNIFIED_MEMORY_PROMOTION_MIN_IMPORTANCE

    def admits(self, candidate: Candidate, score: float, now_ms: int) -> bool:  # noqa: ARG002 - others look at the time
        return score >= self.score_min and candidate.importance >= self.importance_min


@dataclass(frozen=True, slots=True)
class ImportancePromotion:
    """Importance alone, whenever it was seen."""

    importance_min: float = limits.PROMOTION_IMPORTANCE_THRESHOLD_DEFAULT

    def admits(self, candidate: Candidate, score: float, now_ms: int) -> bool:  # noqa: ARG002 - others look at them
        return candidate.importance >= self.importance_min


@dataclass(frozen=True, slots=True)
class HybridEviction:
    """0.6 importance + 0.4 recency below a threshold: at the default one, what has an importance of 0.5 leaves 14 days
    after it was last named or recalled; what has one of 0.67 never does."""

    score_min: float = limits.EVICTION_SCORE_THRESHOLD

    def evicts(self, candidate: Candidate, score: float, now_ms: int) -> bool:  # noqa: ARG002 - others look at it
        kept = limits.EVICTION_WEIGHT_IMPORTANCE * candidate.importance
        return kept + limits.EVICTION_WEIGHT_RECENCY * recency(candidate, now_ms) < self.score_min


@dataclass(frozen=True, slots=True)
class LeastRecentlyUsedEviction:
    """What was neither named nor recalled for so long."""

    age_max_ms: int = limits.EVICTION_LAST_ACCESS_THRESHOLD_MS

    def evicts(self, candidate: Candidate, score: float, now_ms: int) -> bool:  # noqa: ARG002 - others look at it
        return now_ms - candidate.touched_ms > self.age_max_ms


@dataclass(frozen=True, slots=True)
class ImportanceEviction:
    importance_min: float = limits.EVICTION_IMPORTANCE_THRESHOLD_MIN

    def evicts(self, candidate: Candidate, score: float, now_ms: int) -> bool:  # noqa: ARG002 - others look at them
        return candidate.importance < self.importance_min


@dataclass(frozen=True, slots=True)
class Policy:
    """The three together."""

    ranking: Ranking = field(default_factory=HybridRanking)
    promotion: PromotionPolicy = field(default_factory=HybridPromotion)
    eviction: EvictionPolicy = field(default_factory=HybridEviction)
