"""What callers hand in, checked and made into facts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umi import limits
from umi.archival.keys import name_key
from umi.dst import Host
from umi.entity import Claim, Fact, Mention, check_text
from umi.errors import InvalidInput, LimitExceeded
from umi.memory.moments import Moment, moment_ms

# Attributes of which a subject has several at once, where a caller states one and doesn't say.
_MANY = frozenset(
    """knows manages relates_to prefers part_of likes dislikes loves hates friend friends child children sibling
    parent colleague member_of owns visited speaks language languages hobby hobbies interest interests skill skills
    uses tag tags mentions""".split()
)
# Who speaks in a message that has no name. What a person says of "I" is said of the scope's own self.
_SILENT_ROLES = frozenset(("system", "developer", "tool", "function"))


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact as a caller states it: a text, a triple, or both.

    subject, attribute, value  what it says, if it says one thing; the text is made of them if there is none
    negated                    it says that it is not, or no longer, so; `value` may then be missing: whatever it was
    many                       a subject may have several values of this attribute at once
    entities                   what it mentions: names, or {"name": …, "type": …}
    document_time, event_time  when it was said; when what it tells of happened or began (see umi.memory.moments)
    valid_to                   when it stopped being true, if it did
    """

    text: str = ""
    subject: str | None = None
    attribute: str | None = None
    value: str | None = None
    negated: bool = False
    many: bool | None = None
    confidence: float = 1.0
    entities: list[Any] = []
    importance: float = limits.MEMORY_IMPORTANCE_DEFAULT
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    source: Any = None
    speaker: str | None = None
    session: str | None = None
    document_time: Any = None
    event_time: Any = None
    valid_to: Any = None


def draft_of(item: Any, place: int) -> Draft:
    """One entry of add_facts. Raises InvalidInput, naming its place."""
    if isinstance(item, Draft):
        return item
    if isinstance(item, str):
        return Draft(text=item)
    if isinstance(item, Mapping):
        try:
            return msgspec.convert(dict(item), Draft)
        except (msgspec.ValidationError, TypeError) as error:
            raise InvalidInput(f"fact {place}: {error}") from None
    raise InvalidInput(f"fact {place} is a {type(item).__name__}; give a text, a dict or a Draft")


def source_of(source: Any) -> dict[str, Any]:
    """What a fact stands on, as a dict; a text is its name."""
    if source is None:
        return {}
    if isinstance(source, str):
        check_text("the source", source)
        return {"name": source}
    if isinstance(source, Mapping):
        return dict(source)
    raise InvalidInput(f"a source is a text or a dict, not a {type(source).__name__}")


def fact_of(draft: Draft, host: Host, tenant: str, scope: str, *, claims: Sequence[Claim] = ()) -> Fact:
    """The fact a draft states, known from now. Raises InvalidInput."""
    now_ms = host.clock.now_ms()
    document_ms = None if draft.document_time is None else moment_ms("document_time", draft.document_time)
    event_ms = None if draft.event_time is None else moment_ms("event_time", draft.event_time)
    told_ms = now_ms if document_ms is None else document_ms
    stated = _claim(draft)
    return Fact(
        tenant=tenant,
        id=host.ids.new("passage"),
        scope=scope,
        text=draft.text or _sentence(draft),
        tags=list(dict.fromkeys(draft.tags)),
        importance=draft.importance,
        metadata=draft.metadata,
        source=source_of(draft.source),
        speaker=draft.speaker,
        session=draft.session,
        claims=[*stated, *claims],
        document_time_ms=document_ms,
        event_time_ms=event_ms,
        valid_from_ms=told_ms if event_ms is None else event_ms,
        valid_to_ms=None if draft.valid_to is None else moment_ms("valid_to", draft.valid_to),
        known_from_ms=now_ms,
        created_at_ms=now_ms,
    )


def _claim(draft: Draft) -> list[Claim]:
    if draft.subject is None and draft.attribute is None and draft.value is None:
        return []
    if draft.subject is None or draft.attribute is None or (draft.value is None and not draft.negated):
        raise InvalidInput("a claim needs subject, attribute and value (a negated one may leave the value out)")
    return [
        Claim(
            subject=draft.subject,
            attribute=draft.attribute,
            value=draft.value or "",
            negated=draft.negated,
            many=draft.attribute in _MANY if draft.many is None else draft.many,
            whole=True,
            confidence=draft.confidence,
            ended_ms=None if draft.valid_to is None else moment_ms("valid_to", draft.valid_to),
        )
    ]


def _sentence(draft: Draft) -> str:
    """A triple in words, for a caller that gave none."""
    attribute = (draft.attribute or "").replace("_", " ")
    denial = "not: " if draft.negated else ""
    return f"{denial}{draft.subject or ''} {attribute} {draft.value or ''}".strip()


def mentions_of(draft: Draft, claims: Sequence[Claim]) -> list[Mention]:
    """What a draft names: its entities, and the subjects of its claims. A value is a name only where it is listed, or
    a relation's."""
    found: dict[str, Mention] = {}
    for one in draft.entities:
        if isinstance(one, str):
            mention = Mention(name=one, type="topic")
        elif isinstance(one, Mention):
            mention = one
        else:
            try:
                mention = msgspec.convert({"type": "topic", **one}, Mention)
            except (msgspec.ValidationError, TypeError) as error:
                raise InvalidInput(f"an entity is a name or has name and type: {error}") from None
        found.setdefault(name_key(mention.name), mention)
    for claim in claims:
        found.setdefault(name_key(claim.subject), Mention(name=claim.subject, type="topic", content=draft.text))
    for mention in found.values():
        if not mention.name.strip():
            raise InvalidInput("an entity's name is blank")
        size = len(mention.name.encode())
        if size > limits.ENTITY_NAME_BYTES_MAX:
            raise LimitExceeded("an entity's name", size, limits.ENTITY_NAME_BYTES_MAX, "bytes")
    return list(found.values())


def drafts_of_messages(messages: Sequence[Any], session: str | None) -> list[Draft]:
    """The messages of a conversation that are worth remembering: not the instructions, nor what tools answered.

    Each message has "content" and "role", and may have "name" and "time".
    """
    if len(messages) > limits.MEMORY_MESSAGES_COUNT_MAX:
        raise LimitExceeded("the list of messages", len(messages), limits.MEMORY_MESSAGES_COUNT_MAX, "messages")
    drafts = []
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise InvalidInput(f"message {place} needs a text as its 'content'")
        role, name, time = message.get("role", "user"), message.get("name"), message.get("time")
        if not isinstance(role, str) or not (name is None or isinstance(name, str)):
            raise InvalidInput(f"the role and the name of message {place} are texts")
        if role in _SILENT_ROLES or not message["content"].strip():
            continue
        speaker = name or (role if role != "user" else None)
        drafts.append(Draft(text=message["content"], speaker=speaker, session=session, document_time=time))
    return drafts


__all__ = ["Draft", "Moment", "draft_of", "drafts_of_messages", "fact_of", "mentions_of", "source_of"]
