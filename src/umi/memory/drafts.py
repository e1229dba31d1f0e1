"""What callers hand in, checked and made into facts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umi import limits
from umi.archival.keys import name_key
from umi.dst import Host
from umi.entity import (
    Claim,
    Fact,
    Mention,
    check_json,
    check_number,
    check_size,
    check_texts,
    shown,
)
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
    """One entry of add_facts. Raises InvalidInput, naming its place, or LimitExceeded."""
    if isinstance(item, str):
        draft = Draft(text=item)
    elif isinstance(item, Draft):
        draft = item
    elif isinstance(item, Mapping):
        draft = _converted(item, place)
    else:
        raise InvalidInput(f"fact {place} is {shown(item)}; give a text, a dict or a Draft")
    try:
        check_draft(draft)
    except InvalidInput as error:
        raise InvalidInput(f"fact {place}: {error}") from None
    return draft


def _converted(item: Mapping[Any, Any], place: int) -> Draft:
    try:
        return msgspec.convert(dict(item), Draft)
    except RecursionError:
        raise InvalidInput(f"fact {place} is nested too deep") from None
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"fact {place}: {_said(error)}") from None


def _said(error: Exception) -> str:
    """What an error says: it may quote what was given, which may be long, or half of a surrogate pair."""
    return f"{error!s:.300}".encode(errors="backslashreplace").decode()


def check_draft(draft: Draft) -> None:
    """Raise InvalidInput or LimitExceeded for what can't become a fact, whatever its type, before it is looked at.

    What only the fact shows (a text of its claim, the order of its times) is checked when it is stored.
    """
    check_size("the text", draft.text, limits.ENTITY_CONTENT_BYTES_MAX)
    if draft.speaker is not None:
        check_size("the speaker", draft.speaker, limits.ENTITY_NAME_BYTES_MAX)
    if draft.session is not None:
        check_size("the session", draft.session, limits.SCOPE_BYTES_MAX)
    for what, text, bytes_max in (
        ("the subject", draft.subject, limits.ENTITY_NAME_BYTES_MAX),
        ("the attribute", draft.attribute, limits.ENTITY_NAME_BYTES_MAX),
        ("the value", draft.value, limits.CLAIM_VALUE_BYTES_MAX),
    ):
        if text is not None:
            check_size(what, text, bytes_max)
    check_number("importance", draft.importance, limits.MEMORY_IMPORTANCE_MIN, limits.MEMORY_IMPORTANCE_MAX)
    check_number("confidence", draft.confidence, 0, 1)
    if not (isinstance(draft.negated, bool) and (draft.many is None or isinstance(draft.many, bool))):
        raise InvalidInput("'negated' and 'many' are true or false")
    if draft.tags or type(draft.tags) is not list:
        check_texts("tags", draft.tags, limits.ENTITY_TAGS_COUNT_MAX, limits.ENTITY_TAG_BYTES_MAX)
    if draft.metadata or type(draft.metadata) is not dict:
        check_json("the metadata", draft.metadata, limits.FACT_METADATA_BYTES_MAX)
    if draft.source is not None:
        source_of(draft.source)
    if draft.entities or type(draft.entities) is not list:
        _mentions_stated(draft.entities)


def source_of(source: Any) -> dict[str, Any]:
    """What a fact stands on, as a dict; a text is its name. Raises InvalidInput, LimitExceeded."""
    if source is None:
        return {}
    if isinstance(source, str):
        check_size("the source", source, limits.FACT_METADATA_BYTES_MAX)
        if not source.strip():
            raise InvalidInput("the source is blank; leave it out, or say what it is")
        return {"name": source}
    if isinstance(source, Mapping):
        found = dict(source)
        check_json("the source", found, limits.FACT_METADATA_BYTES_MAX)
        return found
    raise InvalidInput(f"a source is a text or a dict, not {shown(source)}")


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
    a relation's. Raises InvalidInput, LimitExceeded."""
    found: dict[str, Mention] = {}
    for mention in _mentions_stated(draft.entities):
        found.setdefault(name_key(mention.name), mention)
    for claim in claims:
        if name_key(claim.subject) not in found:
            check_size("an entity's name", claim.subject, limits.ENTITY_NAME_BYTES_MAX)
            if not claim.subject.strip():
                raise InvalidInput("an entity's name is blank")
            found[name_key(claim.subject)] = Mention(name=claim.subject, type="topic", content=draft.text)
    return list(found.values())


def _mentions_stated(entities: Sequence[Any]) -> list[Mention]:
    """The entities of a draft as a caller states them, each within its bounds."""
    if not isinstance(entities, list | tuple):
        raise InvalidInput(f"the entities are a list of names or dicts, not {shown(entities)}")
    if len(entities) > limits.EXTRACTION_ENTITIES_COUNT_MAX:
        raise LimitExceeded("the list of entities", len(entities), limits.EXTRACTION_ENTITIES_COUNT_MAX, "entities")
    mentions = [_mention(one) for one in entities]
    for one in mentions:
        check_size("an entity's name", one.name, limits.ENTITY_NAME_BYTES_MAX)
        check_size("an entity's type", one.type, limits.ENTITY_NAME_BYTES_MAX)
        if not one.name.strip() or not one.type.strip():
            raise InvalidInput("an entity's name or type is blank")
        if one.content != "":
            check_size("an entity's content", one.content, limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX)
        if one.attributes or type(one.attributes) is not dict:
            check_json("an entity's attributes", one.attributes, limits.FACT_METADATA_BYTES_MAX)
        check_number("an entity's confidence", one.confidence, 0, 1)
    return mentions


def _mention(stated: Any) -> Mention:
    if isinstance(stated, str):
        return Mention(name=stated, type="topic")
    if isinstance(stated, Mention):
        return stated
    if not isinstance(stated, Mapping):
        raise InvalidInput(f"an entity is a name or a dict with name and type, not {shown(stated)}")
    try:
        return msgspec.convert({"type": "topic", **stated}, Mention)
    except RecursionError:
        raise InvalidInput("an entity is nested too deep") from None
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"an entity is a name or has name and type: {_said(error)}") from None


def drafts_of_messages(messages: Sequence[Any], session: str | None) -> list[Draft]:
    """The messages of a conversation that are worth remembering: not the instructions, nor what tools answered.

    Each message has "content" and "role", and may have "name" and "time".
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise InvalidInput(f"what to remember is a text or a list of messages, not {shown(messages)}")
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


__all__ = ["Draft", "Moment", "check_draft", "draft_of", "drafts_of_messages", "fact_of", "mentions_of", "source_of"]
