"""The pieces in which a reply goes out while it is made: how it was cut, and cut again in the same places.

A run's stream can be taken up again at any of its events, also after a restart. Pieces are not stored: a step keeps
where its reply was cut, and from the reply that was committed the same pieces come again, in the same order.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from kelpie.trajectories.records import Told
from umi.wire.types import Delta, Message


def told(attempt: int, deltas: Iterable[Delta]) -> Told | None:
    """What a step keeps of the pieces of its reply; None if there is nothing to keep."""
    cuts = [(delta.kind, delta.index, len(delta.text or delta.arguments)) for delta in deltas]
    return Told(attempt, cuts) if attempt or cuts else None


def cut_again(reply: Message, how: Told) -> Iterator[Delta]:
    """The pieces of a reply that was committed. As many as went out: what was mended in the reply after that (an id, a
    character no store takes) is in them as it was committed, and the last piece of each kind holds what is left."""
    last = {(kind, index): place for place, (kind, index, _) in enumerate(how.cuts)}
    at: Counter[tuple[str, int]] = Counter()
    for place, (kind, index, chars) in enumerate(how.cuts):
        key = kind, index
        whole = _whole(reply, kind, index)
        start, is_first = at[key], key not in at
        end = None if last[key] == place else start + chars
        at[key] += chars
        if kind != "tool_call":
            yield Delta(kind, text=whole[start:end])
        elif is_first and index < len(reply.tool_calls):
            call = reply.tool_calls[index]
            yield Delta(kind, index=index, tool_call_id=call.id, tool_name=call.name, arguments=whole[start:end])
        else:
            yield Delta(kind, index=index, arguments=whole[start:end])


def _whole(reply: Message, kind: str, index: int) -> str:
    if kind == "text":
        return reply.text
    if kind == "reasoning":
        return reply.reasoning or ""
    return reply.tool_calls[index].arguments if index < len(reply.tool_calls) else ""
