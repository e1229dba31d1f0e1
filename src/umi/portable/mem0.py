"""mem0: what `get_all` returns, or the list in it, with what `history` returned for its memories if there is any.

    {"results": [{"id", "memory", "user_id"?, "agent_id"?, "run_id"?, "metadata"?, "created_at", "updated_at"?}, …],
     "relations": [{"source", "relationship", "target"}, …],
     "history": [{"memory_id", "old_memory", "new_memory", "event", "created_at", "updated_at"?, "actor_id"?}, …]}

`history` may also be an object of such lists by memory. Each change of it is a version: an UPDATE begins one, a DELETE
forgets, so that what was believed at any time is what mem0 held then. A memory that was changed and brings no history
is known from its last change on. Scopes are named "user:ada", "agent:…", "run:…", several joined by "/".
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from umi.archival.facts import Why
from umi.dst.ids import named_uuid
from umi.entity import Fact
from umi.errors import InvalidInput
from umi.portable.gathered import Gathered, Held, claim, fitted
from umi.portable.times import moment_ms

_OWNERS = (("user", "user_id"), ("agent", "agent_id"), ("run", "run_id"), ("app", "app_id"))
_ACTIONS = {"ADD": "add", "UPDATE": "update", "DELETE": "forget"}


class _Memory(msgspec.Struct, kw_only=True):
    id: str
    memory: str
    metadata: dict[str, Any] | None = None
    created_at: Any = None
    updated_at: Any = None
    expiration_date: Any = None
    categories: list[str] | None = None
    actor_id: str | None = None
    role: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    app_id: str | None = None


class _Event(msgspec.Struct, kw_only=True):
    memory_id: str
    event: str
    old_memory: str | None = None
    new_memory: str | None = None
    created_at: Any = None
    updated_at: Any = None
    actor_id: str | None = None


class _Relation(msgspec.Struct, kw_only=True):
    source: str
    relationship: str
    target: str = ""
    destination: str = ""
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    app_id: str | None = None


def recognises(value: Any) -> bool:
    found = value.get("results") if isinstance(value, dict) else value
    return (
        isinstance(found, list)
        and all(isinstance(one, dict) and "memory" in one and "id" in one for one in found)
        and (bool(found) or isinstance(value, dict))
    )


def read(value: Any, now_ms: int) -> Gathered:
    """Raises InvalidInput, msgspec.ValidationError."""
    whole = value if isinstance(value, dict) else {"results": value}
    memories = msgspec.convert(whole["results"], list[_Memory])
    events: dict[str, list[_Event]] = {}
    for event in _events(whole.get("history") or []):
        events.setdefault(event.memory_id, []).append(event)
    gathered = Gathered()
    scopes = dict.fromkeys(_scope(memory) for memory in memories)
    for memory in memories:
        gathered.fact(_scope(memory), Held(versions=_versions(memory, events.pop(memory.id, []), now_ms)))
    for memory_id, ended in events.items():  # deleted: only their history is left
        if len(scopes) > 1:
            raise InvalidInput(f"history of '{memory_id:.80}', which is no longer there, doesn't say whose it was")
        gone = _Memory(id=memory_id, memory="")
        gathered.fact(next(iter(scopes), "default"), Held(versions=_versions(gone, ended, now_ms)))
    for relation in msgspec.convert(whole.get("relations") or [], list[_Relation]):
        _relate(gathered, _scope(relation) if len(scopes) != 1 else next(iter(scopes)), relation, now_ms)
    return gathered


def _events(history: Any) -> Iterable[_Event]:
    if isinstance(history, dict):
        for memory_id, events in history.items():
            for event in events:
                yield msgspec.convert({"memory_id": memory_id, **event}, _Event)
    else:
        yield from msgspec.convert(history, list[_Event])


def _scope(of: _Memory | _Relation) -> str:
    named = [f"{kind}:{getattr(of, field)}" for kind, field in _OWNERS if getattr(of, field)]
    return "/".join(named) or "default"


def _versions(memory: _Memory, events: list[_Event], now_ms: int) -> list[tuple[Fact, Why]]:
    created_ms = moment_ms("created_at", memory.created_at)
    changed_ms = moment_ms("updated_at", memory.updated_at)
    if not events:
        known_ms = changed_ms if changed_ms is not None else created_ms
        began_ms = created_ms if created_ms is not None else known_ms
        return [(_fact(memory, memory.memory, now_ms if began_ms is None else began_ms, known_ms or now_ms), Why())]
    times = [_at(event, now_ms) for event in events]
    order = sorted(range(len(events)), key=lambda place: (times[place], place))
    began_ms = times[order[0]] if created_ms is None else created_ms
    versions: list[tuple[Fact, Why]] = []
    text = ""
    for place in order:
        event, at_ms = events[place], times[place]
        if event.event not in _ACTIONS:
            continue  # NONE: mem0 looked and left it
        text = event.new_memory or text or event.old_memory or memory.memory
        at_ms = _put_away(versions, at_ms)
        fact = _fact(memory, text, began_ms, at_ms)
        if event.event == "DELETE":
            fact = msgspec.structs.replace(fact, known_to_ms=at_ms)
        versions.append((fact, Why(action=_ACTIONS[event.event], actor=event.actor_id, reason="mem0")))
    if memory.memory and (not versions or versions[-1][0].text != memory.memory):
        # The history stops before the last change.
        at_ms = _put_away(versions, changed_ms if changed_ms is not None else now_ms)
        versions.append((_fact(memory, memory.memory, began_ms, at_ms), Why(action="update", reason="mem0")))
    if not versions:
        raise InvalidInput(f"nothing is known of memory '{memory.id:.80}' but that something happened to it")
    return versions


def _put_away(versions: list[tuple[Fact, Why]], at_ms: int) -> int:
    """End the last version at `at_ms`, or a moment after it began; returns when that is."""
    if not versions:
        return at_ms
    fact, why = versions[-1]
    at_ms = max(at_ms, fact.known_from_ms + 1)
    if fact.known_to_ms is None:
        versions[-1] = (msgspec.structs.replace(fact, known_to_ms=at_ms), why)
    return at_ms


def _at(event: _Event, now_ms: int) -> int:
    # An event's created_at is the memory's own in some versions, and updated_at when it happened.
    at_ms = moment_ms("updated_at", event.updated_at) if event.event != "ADD" else None
    at_ms = moment_ms("created_at", event.created_at) if at_ms is None else at_ms
    return now_ms if at_ms is None else at_ms


def _fact(memory: _Memory, text: str, began_ms: int, known_ms: int) -> Fact:
    ends_ms = moment_ms("expiration_date", memory.expiration_date)
    return Fact(
        tenant="",
        scope="",
        id=f"passage-{memory.id}",
        text=text,
        tags=list(dict.fromkeys(memory.categories or [])),
        metadata=fitted(memory.metadata),
        source={"name": "mem0", "id": memory.id},
        speaker=memory.actor_id,
        valid_from_ms=began_ms,
        valid_to_ms=None if ends_ms is None else max(ends_ms, began_ms),
        known_from_ms=known_ms,
        created_at_ms=min(began_ms, known_ms),
    )


def _relate(gathered: Gathered, scope: str, relation: _Relation, now_ms: int) -> None:
    """A relation of mem0's graph has no date: it is known from now."""
    target = relation.target or relation.destination
    attribute = relation.relationship.strip().lower().replace(" ", "_")
    name = f"{relation.source}\x1f{attribute}\x1f{target}"
    fact = Fact(
        tenant="",
        scope="",
        id=f"passage-{named_uuid(name)}",
        text=f"{relation.source} {attribute.replace('_', ' ')} {target}",
        source={"name": "mem0", "relation": relation.relationship},
        claims=[claim(relation.source, attribute, target, many=True)],
        valid_from_ms=now_ms,
        known_from_ms=now_ms,
        created_at_ms=now_ms,
    )
    for one in (relation.source, target):
        gathered.entity(scope, one, id=f"entity-{named_uuid(one)}", type="topic")
    gathered.fact(scope, Held(versions=[(fact, Why(reason="mem0"))], mentions=[relation.source, target]))
