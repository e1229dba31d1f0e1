"""The published rule: which convention holds where several speak of the same.

    said in the question itself > the person's > their teams' > the organisation's;
    of equally close ones the higher weight, then the newest, then the team whose name comes first

What a question says itself is the reader's of the question; this orders what is kept.
"""

from collections.abc import Sequence

import msgspec

from kelpie.analyst.conventions.convention import SCOPES, Convention, attribute_of
from kelpie.analyst.conventions.holding import held
from kelpie.people import Speaker
from umi.archival.keys import name_key
from umi.storage import View


async def published(view: View, tenant: str, speaker: Speaker) -> list[Convention]:
    """What holds for a speaker, one for each topic, sorted; each names those it beat. Read from the store every time:
    what was deleted has no effect on the next answer."""
    return publish(await held(view, tenant, speaker))


def publish(conventions: Sequence[Convention]) -> list[Convention]:
    """`conventions` of one speaker; of one holder the later ones are the newer ones."""
    topics: dict[tuple[str, str], list[Convention]] = {}
    for one in reversed(conventions):  # sorting is stable: of the same moment the newer stays first
        topics.setdefault((attribute_of(one.kind), name_key(one.topic)), []).append(one)
    winners = [_winner(sorted(rivals, key=_rank)) for rivals in topics.values()]
    return sorted(winners, key=lambda one: (attribute_of(one.kind), name_key(one.topic)))


def _rank(one: Convention) -> tuple[int, float, int, str]:
    return SCOPES.index(one.scope), -one.weight, -one.said_at_ms, name_key(one.whose)


def _winner(ranked: Sequence[Convention]) -> Convention:
    best, *others = ranked
    beaten = [one for one in others if name_key(one.value) != name_key(best.value)]
    return msgspec.structs.replace(
        best,
        overrides=[one.id for one in beaten],
        disagrees=[one.id for one in beaten if one.scope == best.scope],
    )
