"""The methods of a client of `umi serve`.

Made from umi.memory.memory, umi.core.tier and umi.working by tests/tidy/faces.py: change that, not this.
"""
# ruff: noqa: A002 - parameters are named as there

from collections.abc import Mapping, Sequence
from typing import Any

from umi import limits, retrieve
from umi.archival.history import Difference, Version
from umi.core.render import Format, Rendered
from umi.entity import Block, Entity, Fact, Recalled
from umi.hygiene import Audit
from umi.memory.drafts import Draft
from umi.memory.memory import Source
from umi.memory.moments import Moment
from umi.memory.remembering import Remembered
from umi.promote import Promotion
from umi.serve.operations import Entry, Value
from umi.serve.remote import Remote
from umi.storage import Page


class Memory(Remote):
    """What umi.Memory offers, of a server: the methods that its scope's memory there has."""

    async def remember(
        self,
        said: str | Sequence[Mapping[str, Any]],
        *,
        importance: float = limits.MEMORY_IMPORTANCE_DEFAULT,
        document_time: Moment | None = None,
        event_time: Moment | None = None,
        metadata: dict[str, Any] | None = None,
        source: Source | None = None,
        tags: Sequence[str] = (),
        session: str | None = None,
        speaker: str | None = None,
        extract: bool = True,
        actor: str | None = None,
    ) -> Remembered:
        """Keep what was said; when this returns it is on disk. What was known already is not stored again.

        said           a text, or messages with "role" and "content" (and perhaps "name" and "time")
        document_time  when it was said, now unless given: relative dates in it count from there
        event_time     when what it tells of happened or began, if the text doesn't say
        session        the conversation it belongs to: its neighbours are found with it
        extract        find names, claims and dates in it; without, it is kept as it is
        Raises InvalidInput, LimitExceeded.
        """
        answer: Remembered = await self._ask(
            "remember",
            Remembered,
            said=said,
            importance=importance,
            document_time=document_time,
            event_time=event_time,
            metadata=metadata,
            source=source,
            tags=tags,
            session=session,
            speaker=speaker,
            extract=extract,
            actor=actor,
        )
        return answer

    async def add_facts(
        self,
        facts: Sequence[str | Mapping[str, Any] | Draft],
        *,
        source: Source | None = None,
        extract: bool = False,
        actor: str | None = None,
    ) -> Remembered:
        """Keep facts as they are stated, all of them or none; see Draft for what one may say.

        A fact that is known word for word, with the same times, speaker, source and metadata, is not stored again.
        Raises InvalidInput, LimitExceeded.
        """
        answer: Remembered = await self._ask(
            "add_facts", Remembered, facts=facts, source=source, extract=extract, actor=actor
        )
        return answer

    async def recall(
        self,
        query: str,
        *,
        limit: int = limits.MEMORY_RECALL_LIMIT_DEFAULT,
        time_range: tuple[Moment | None, Moment | None] | None = None,
        include_undated: bool = False,
        as_of: tuple[Moment | None, Moment | None] | None = None,
        filters: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        deep: bool | None = None,
        explain: bool = False,
        superseded: bool = False,
    ) -> list[Recalled]:
        """Facts of this scope that answer `query`, best first, each with its score; none where nothing is known of it.

        time_range  when it happened (start, end), both included, either None; undated facts only if asked for
        as_of       (valid, known): what was held at `known` to be true at `valid`; either None for now, or any time
        filters     see umi.filters
        deep        True asks the model for other wordings, False never does; None does where the answer is weak
        explain     say what each channel contributed to the score
        superseded  also what is no longer true
        Raises InvalidInput, LimitExceeded.
        """
        answer: list[Recalled] = await self._ask(
            "recall",
            list[Recalled],
            query=query,
            limit=limit,
            time_range=time_range,
            include_undated=include_undated,
            as_of=as_of,
            filters=filters,
            tags=tags,
            deep=deep,
            explain=explain,
            superseded=superseded,
        )
        return answer

    async def get(self, fact_id: str) -> Fact | None:
        """A fact that this scope knows, or None."""
        answer: Fact | None = await self._ask("get", Fact | None, fact_id=fact_id)
        return answer

    async def list(self, page: Page | None = None, *, filters: Mapping[str, Any] | None = None) -> "Sequence[Fact]":
        """A page of what this scope knows, superseded facts too, oldest first unless the page says otherwise."""
        answer: Sequence[Fact] = await self._ask("list", Sequence[Fact], page=page, filters=filters)
        return answer

    async def count(self) -> int:
        """How many facts this scope knows, superseded ones too."""
        answer: int = await self._ask("count", int)
        return answer

    async def update(
        self,
        fact_id: str,
        *,
        text: str | None = None,
        importance: float | None = None,
        tags: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
        event_time: Moment | None = None,
        valid_to: Moment | None = None,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Fact:
        """Change what is said of a fact; what it said before stays in its history. A new text is read anew.

        Raises NotFound, InvalidInput, LimitExceeded.
        """
        answer: Fact = await self._ask(
            "update",
            Fact,
            fact_id=fact_id,
            text=text,
            importance=importance,
            tags=tags,
            metadata=metadata,
            event_time=event_time,
            valid_to=valid_to,
            actor=actor,
            reason=reason,
        )
        return answer

    async def forget(
        self, fact_id: str, *, hard: bool = False, actor: str | None = None, reason: str | None = None
    ) -> bool:
        """Stop knowing a fact; what it had ended holds again. False if this scope knows no such fact.

        hard  leaves no byte of it in the file, whatever its history was
        """
        answer: bool = await self._ask("forget", bool, fact_id=fact_id, hard=hard, actor=actor, reason=reason)
        return answer

    async def forget_source(self, source: Source, *, hard: bool = False, actor: str | None = None) -> int:
        """Stop knowing what stands on a source alone; returns how many facts that were. Raises InvalidInput."""
        answer: int = await self._ask("forget_source", int, source=source, hard=hard, actor=actor)
        return answer

    async def clear(self) -> None:
        """Remove all that this scope holds for good: facts and their history, entities, blocks, working memory."""
        await self._ask("clear", None)

    async def history(self, fact_id: str | None = None) -> "Sequence[Version]":
        """Every version of a fact, or of all facts of the scope, oldest first. Raises NotFound."""
        answer: Sequence[Version] = await self._ask("history", Sequence[Version], fact_id=fact_id)
        return answer

    async def undo(self, change_or_fact_id: str, *, actor: str | None = None) -> "Sequence[Fact]":
        """Take back all that one call did, by its change_id, or the last change of one fact, by its id.

        A superseded fact holds again. Raises NotFound, Conflict where something changed since.
        """
        answer: Sequence[Fact] = await self._ask(
            "undo", Sequence[Fact], change_or_fact_id=change_or_fact_id, actor=actor
        )
        return answer

    async def believed(self, *, valid: Moment | None = None, known: Moment | None = None) -> "Sequence[Fact]":
        """Everything this memory held at `known` (now) to be true at `valid` (at any time), oldest first."""
        answer: Sequence[Fact] = await self._ask("believed", Sequence[Fact], valid=valid, known=known)
        return answer

    async def diff(self, before: Moment, after: Moment | None = None) -> "Sequence[Difference]":
        """How what is believed at `after` (now) differs from what was believed at `before`."""
        answer: Sequence[Difference] = await self._ask("diff", Sequence[Difference], before=before, after=after)
        return answer

    async def entities(self, page: Page | None = None, *, types: Sequence[str] = ()) -> "Sequence[Entity]":
        """The named things that known facts mention, in the order they were first mentioned."""
        answer: Sequence[Entity] = await self._ask("entities", Sequence[Entity], page=page, types=types)
        return answer

    async def entity(self, name: str) -> Entity:
        """A named thing. Raises NotFound."""
        answer: Entity = await self._ask("entity", Entity, name=name)
        return answer

    async def neighbours(
        self, name: str, *, relation: str | None = None, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Edge]":
        """What facts relate a named thing to, in either direction."""
        answer: Sequence[retrieve.Edge] = await self._ask(
            "neighbours", Sequence[retrieve.Edge], name=name, relation=relation, as_of=as_of
        )
        return answer

    async def paths(
        self, start: str, end: str, *, hops: int = 3, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Path]":
        """How two named things are related, over at most `hops` facts, shortest first."""
        answer: Sequence[retrieve.Path] = await self._ask(
            "paths", Sequence[retrieve.Path], start=start, end=end, hops=hops, as_of=as_of
        )
        return answer

    async def promote(self) -> Promotion:
        """Bring what matters most into core memory, and take out what no longer does."""
        answer: Promotion = await self._ask("promote", Promotion)
        return answer

    async def audit(self, *, stale_days: int = limits.AUDIT_STALE_DAYS_DEFAULT) -> Audit:
        """A report on what this scope holds: duplicates, junk, what is stale, secrets, orphans. Nothing is changed."""
        answer: Audit = await self._ask("audit", Audit, stale_days=stale_days)
        return answer


class Core(Remote):
    """Core memory of a server: the blocks that are always in view."""

    async def blocks(self) -> list[Block]:
        """In the order they are shown in: by type, then those without one."""
        answer: list[Block] = await self._ask("core_blocks", list[Block])
        return answer

    async def get_block(self, type: str | None = None, *, label: str | None = None) -> Block | None:
        answer: Block | None = await self._ask("core_get_block", Block | None, type=type, label=label)
        return answer

    async def has_block(self, type: str | None = None, *, label: str | None = None) -> bool:
        answer: bool = await self._ask("core_has_block", bool, type=type, label=label)
        return answer

    async def block_count(self) -> int:
        answer: int = await self._ask("core_block_count", int)
        return answer

    async def is_empty(self) -> bool:
        answer: bool = await self._ask("core_is_empty", bool)
        return answer

    async def used_bytes(self) -> int:
        """What the values of the blocks take."""
        answer: int = await self._ask("core_used_bytes", int)
        return answer

    async def available_bytes(self) -> int:
        answer: int = await self._ask("core_available_bytes", int)
        return answer

    async def utilization(self) -> float:
        """Used of what may be used; above 1 where an agent's own blocks, which have other bounds, are in this scope."""
        answer: float = await self._ask("core_utilization", float)
        return answer

    async def render(self, format: Format = "xml", *, tokens_max: int | None = None) -> Rendered:
        """All blocks as one text for a model, see umi.core.render. `left_out` says what a budget took away."""
        answer: Rendered = await self._ask("core_render", Rendered, format=format, tokens_max=tokens_max)
        return answer

    async def set_block(
        self, type: str | None, content: str, *, label: str | None = None, importance: float | None = None
    ) -> Block:
        """Make a block, or replace what it says. Without `importance` it keeps its own (0.5 when it is new)."""
        answer: Block = await self._ask(
            "core_set_block", Block, type=type, content=content, label=label, importance=importance
        )
        return answer

    async def append(self, label: str, text: str) -> Block:
        """Add a line to a block, and make it if there is none: with a type if its label is the word of one."""
        answer: Block = await self._ask("core_append", Block, label=label, text=text)
        return answer

    async def set_importance(self, importance: float, type: str | None = None, *, label: str | None = None) -> Block:
        """Raises NotFound, naming the labels there are."""
        answer: Block = await self._ask("core_set_importance", Block, importance=importance, type=type, label=label)
        return answer

    async def remove_block(self, type: str | None = None, *, label: str | None = None) -> None:
        """Take a block from this scope; it is deleted unless another scope has it too. Raises NotFound."""
        await self._ask("core_remove_block", None, type=type, label=label)

    async def clear(self) -> None:
        """plan_clear, committed."""
        await self._ask("core_clear", None)


class Working(Remote):
    """Working memory of a server: values by key, each with an end."""

    async def get(self, key: str) -> bytes | str | None:
        """What was last written under `key`, or None. Raises InvalidInput, LimitExceeded for what can't be a key."""
        found: Value = await self._ask("working_get", Value, key=key)
        return found.text if found.data is None else found.data

    async def exists(self, key: str) -> bool:
        answer: bool = await self._ask("working_exists", bool, key=key)
        return answer

    async def keys(self) -> list[str]:
        """Every key, sorted by code points."""
        answer: list[str] = await self._ask("working_keys", list[str])
        return answer

    async def entries(self) -> list[tuple[str, bytes | str, int]]:
        """Every key with its value and the moment (ms since 1970) at which it expires, sorted as `keys` is."""
        found: list[Entry] = await self._ask("working_entries", list[Entry])
        return [one.told() for one in found]

    async def used_bytes(self) -> int:
        """UTF-8 bytes of all keys and values together."""
        answer: int = await self._ask("working_used_bytes", int)
        return answer

    async def available_bytes(self) -> int:
        """Bytes left of `bytes_max`; 0 where somebody else was allowed more than this."""
        answer: int = await self._ask("working_available_bytes", int)
        return answer

    async def entry_count(self) -> int:
        answer: int = await self._ask("working_entry_count", int)
        return answer

    async def is_empty(self) -> bool:
        answer: bool = await self._ask("working_is_empty", bool)
        return answer

    async def set(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Write `value` under `key`, over whatever was there; its time to live begins anew.

        Raises LimitExceeded (key, value, TTL, working memory in bytes or entries) and InvalidInput.
        """
        await self._ask("working_set", None, key=key, value=value, ttl_ms=ttl_ms)

    async def delete(self, key: str) -> bool:
        """Whether there was such an entry; one that has expired counts as gone already."""
        answer: bool = await self._ask("working_delete", bool, key=key)
        return answer

    async def incr(self, key: str, delta: int = 1, ttl_ms: int | None = None) -> int:
        """Add `delta` to the number under `key` (0 if absent) and return the sum; its time to live begins anew.

        Raises TypeMismatch unless the value is the plain decimal form of a number, Overflow beyond 64 bits signed,
        LimitExceeded and InvalidInput as `set`.
        """
        answer: int = await self._ask("working_incr", int, key=key, delta=delta, ttl_ms=ttl_ms)
        return answer

    async def append(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Add `value` to the end of the one under `key`, or begin it; its time to live begins anew.

        Raises TypeMismatch for text to bytes or bytes to text, LimitExceeded and InvalidInput as `set`.
        """
        await self._ask("working_append", None, key=key, value=value, ttl_ms=ttl_ms)

    async def touch(self, key: str, ttl_ms: int | None = None) -> None:
        """Begin the time to live of `key` anew. Raises NotFound if it is absent or has expired."""
        await self._ask("working_touch", None, key=key, ttl_ms=ttl_ms)

    async def compare_and_set(
        self, key: str, expected: bytes | str | None, value: bytes | str, ttl_ms: int | None = None
    ) -> bool:
        """Write `value` if what is there equals `expected` (None: if nothing is there); whether it was written.

        Text never equals bytes. Raises LimitExceeded and InvalidInput as `set`.
        """
        answer: bool = await self._ask(
            "working_compare_and_set", bool, key=key, expected=expected, value=value, ttl_ms=ttl_ms
        )
        return answer

    async def clear(self) -> int:
        """Remove every entry; how many there were."""
        answer: int = await self._ask("working_clear", int)
        return answer

    async def cleanup_expired(self) -> int:
        """Remove this scope's expired entries, which no call shows; how many there were. Writers do it on their way."""
        answer: int = await self._ask("working_cleanup_expired", int)
        return answer
