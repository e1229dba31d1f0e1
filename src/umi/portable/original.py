"""The Umi that came before: its entities as JSON, with the evolutions between them if they were saved.

    [{"id", "entity_type", "name", "content", "metadata", "created_at", "updated_at", "document_time"?, "event_time"?,
      "source_ref"?: {"uri", "mime_type"?, "size_bytes"?, "checksum"?}}, …]

or {"entities": […], "evolutions": [{"source_id", "target_id", "evolution_type", "reason", "confidence",
"created_at"}]}.
An entity of Umi is a fact here, and its name one that the fact mentions. What Umi called an update or a contradiction
is a supersession: the older fact was true until the newer one's event, and is believed to have ended from when Umi saw
it. Embeddings are left out: they are made anew.
"""

from typing import Any

import msgspec

from umi import limits
from umi.archival.facts import Why
from umi.archival.transfer import Bearing
from umi.dst.ids import named_uuid
from umi.entity import Fact
from umi.errors import InvalidInput
from umi.portable.gathered import Gathered, Held, fitted
from umi.portable.times import moment_ms

_TYPES = {"self_": "self", "org": "organization", "place": "location", "meeting": "event"}
_ENDS = frozenset(("update", "contradict"))
_SCOPE = "default"


class _Entity(msgspec.Struct, kw_only=True):
    id: str
    entity_type: str
    content: str
    name: str = ""
    metadata: dict[str, Any] | None = None
    importance: float | None = None
    created_at: Any = None
    updated_at: Any = None
    document_time: Any = None
    event_time: Any = None
    source_ref: dict[str, Any] | None = None


class _Evolution(msgspec.Struct, kw_only=True):
    """`source_id` is the older one, `target_id` the newer."""

    source_id: str
    target_id: str
    evolution_type: str
    reason: str = ""
    confidence: float = 1.0
    created_at: Any = None


def recognises(value: Any) -> bool:
    found = value.get("entities") if isinstance(value, dict) else value
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(one, dict) and {"id", "entity_type", "content"} <= one.keys() for one in found)
    )


def read(value: Any, now_ms: int) -> Gathered:
    """Raises InvalidInput, msgspec.ValidationError."""
    whole = value if isinstance(value, dict) else {"entities": value}
    gathered = Gathered()
    known: dict[str, Held] = {}
    for entity in msgspec.convert(whole["entities"], list[_Entity]):
        known[entity.id] = held = _held(entity, now_ms)
        if entity.name:
            kind = entity.entity_type.lower()
            entity_id = f"entity-{named_uuid(entity.name)}"
            gathered.entity(_SCOPE, entity.name, id=entity_id, type=_TYPES.get(kind, kind))
        gathered.fact(_SCOPE, held)
    for evolution in msgspec.convert(whole.get("evolutions") or [], list[_Evolution]):
        _evolve(known, evolution, now_ms)
    for held in known.values():
        gathered.fact(_SCOPE, held)  # numbered anew, with what ended
    return gathered


def _held(entity: _Entity, now_ms: int) -> Held:
    created_ms = moment_ms("created_at", entity.created_at)
    created_ms = now_ms if created_ms is None else created_ms
    changed_ms = moment_ms("updated_at", entity.updated_at)
    event_ms = moment_ms("event_time", entity.event_time)
    document_ms = moment_ms("document_time", entity.document_time)
    metadata = fitted(entity.metadata)
    told_ms = created_ms if document_ms is None else document_ms
    fact = Fact(
        tenant="",
        scope="",
        id=f"passage-{entity.id}",
        text=entity.content,
        importance=_importance(entity, metadata),
        metadata=metadata,
        source=fitted(entity.source_ref) or {"name": "umi", "id": entity.id},
        document_time_ms=document_ms,
        event_time_ms=event_ms,
        valid_from_ms=told_ms if event_ms is None else event_ms,
        # Umi overwrote: what it said before its last change, nobody knows.
        known_from_ms=created_ms if changed_ms is None else max(created_ms, changed_ms),
        created_at_ms=created_ms,
    )
    return Held(versions=[(fact, Why(reason="umi"))], mentions=[entity.name] if entity.name else [])


def _importance(entity: _Entity, metadata: dict[str, Any]) -> float:
    """The Python layer kept it; Rust's has it in metadata, as a text, if at all."""
    found = metadata.get("importance") if entity.importance is None else entity.importance
    try:
        importance = limits.MEMORY_IMPORTANCE_DEFAULT if found is None else float(found)
    except (TypeError, ValueError):
        raise InvalidInput(f"the importance of '{entity.id:.80}' is no number: {found!r:.60}") from None
    return importance


def _evolve(known: dict[str, Held], evolution: _Evolution, now_ms: int) -> None:
    old, new = known.get(evolution.source_id), known.get(evolution.target_id)
    if old is None or new is None:
        raise InvalidInput(f"an evolution from '{evolution.source_id:.80}' names an entity that isn't there")
    at_ms = moment_ms("created_at", evolution.created_at)
    old_fact, new_fact = old.versions[-1][0], new.versions[-1][0]
    at_ms = new_fact.known_from_ms if at_ms is None else at_ms
    at_ms = max(at_ms, old_fact.known_from_ms + 1)
    kind = evolution.evolution_type.lower()
    reason = evolution.reason.encode()[: limits.EVOLUTION_REASON_BYTES_MAX].decode(errors="ignore")
    bearing = Bearing(
        old_id=old_fact.id, kind=kind, reason=reason, confidence=evolution.confidence, at_ms=min(at_ms, now_ms)
    )
    new.evolutions = [*new.evolutions, bearing]
    if kind in _ENDS and old_fact.valid_to_ms is None:
        ended = msgspec.structs.replace(
            old_fact,
            valid_to_ms=max(new_fact.valid_from_ms, old_fact.valid_from_ms),
            known_from_ms=at_ms,
            known_to_ms=None,
        )
        old.versions[-1] = (msgspec.structs.replace(old_fact, known_to_ms=at_ms), old.versions[-1][1])
        old.versions.append((ended, Why(action="supersede", reason=reason or new_fact.id)))
