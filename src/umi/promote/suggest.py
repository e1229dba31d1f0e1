"""How blocks might be cut better: suggestions for people, from what is named together and how much is used.

Nothing acts on them. They are worked out of the facts and entities that are there: no list of events grows beside them.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from umi import limits
from umi.promote.candidate import candidates
from umi.promote.mapping import EntityToBlockMapping
from umi.promote.policy import Mapping
from umi.storage import View

_TOGETHER = (
    "SELECT a.entity_seq, b.entity_seq, count(*) FROM mention a JOIN mention b"
    " ON b.fact_seq = a.fact_seq AND b.entity_seq > a.entity_seq JOIN fact f ON f.seq = a.fact_seq"
    " WHERE f.known_to_ms IS NULL AND a.entity_seq IN ({marks}) AND b.entity_seq IN ({marks})"
    " GROUP BY a.entity_seq, b.entity_seq ORDER BY a.entity_seq, b.entity_seq"
)


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """
    kind   "create": a block for two entities that are hardly named apart; "merge": two types of block that are hardly
           used; "split": one that most of the use goes to
    about  names of entities, or types of blocks
    share  what it rests on: how often they are named together, or the greatest share of the use
    """

    kind: Literal["create", "merge", "split"]
    about: tuple[str, ...]
    share: float


async def block_usage(view: View, tenant: str, scope: str, *, mapping: Mapping | None = None) -> dict[str, int]:
    """How often the candidates of each type of block were named or recalled."""
    mapping = mapping or EntityToBlockMapping()
    used: dict[str, int] = {}
    for one in await candidates(view, tenant, scope, ()):
        block = mapping.map(one.type)
        used[block] = used.get(block, 0) + one.uses
    return used


async def co_occurrence(view: View, tenant: str, scope: str) -> dict[tuple[str, str], float]:
    """For pairs of names that facts mention together: how often, of the times the rarer one is mentioned."""
    found = {one.seq: one for one in await candidates(view, tenant, scope, ())}
    if not found:
        return {}
    sql = _TOGETHER.format(marks=", ".join("?" * len(found)))
    rows = await view.fetch(sql, *found, *found)
    return {
        (found[a].name, found[b].name): min(1.0, count / max(1, min(found[a].mentions, found[b].mentions)))
        for a, b, count in rows
    }


async def suggest(view: View, tenant: str, scope: str, *, mapping: Mapping | None = None) -> Sequence[Suggestion]:
    """What might be cut better; nothing before there is enough to judge by."""
    used = await block_usage(view, tenant, scope, mapping=mapping)
    total = sum(used.values())
    if total < limits.CATEGORY_EVOLUTION_MIN_SAMPLES:
        return []
    shares = {block: count / total for block, count in used.items()}
    found = [
        Suggestion(kind="create", about=pair, share=share)
        for pair, share in (await co_occurrence(view, tenant, scope)).items()
        if share >= limits.CATEGORY_EVOLUTION_CO_OCCURRENCE_THRESHOLD
    ]
    seldom = sorted(one for one in shares if shares[one] < limits.CATEGORY_EVOLUTION_BLOCK_USAGE_THRESHOLD_MIN)
    found += [
        Suggestion(kind="merge", about=(one, other), share=max(shares[one], shares[other]))
        for number, one in enumerate(seldom)
        for other in seldom[number + 1 :]
    ]
    most = limits.CATEGORY_EVOLUTION_BLOCK_USAGE_THRESHOLD_MAX
    found += [Suggestion(kind="split", about=(one,), share=share) for one, share in shares.items() if share > most]
    return sorted(found, key=lambda one: (one.kind, -one.share, one.about))
