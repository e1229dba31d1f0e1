"""Memory whose methods block.

Made from umi.memory.memory by tests/tidy/faces.py: change that, not this.
"""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import umi.memory
from umi import limits, portable, retrieve
from umi.archival.history import Difference, Version
from umi.dst import Clock, Host, Rng
from umi.embed import Embedder
from umi.entity import Entity, Fact, Recalled
from umi.extract import LocalExtractor, Model
from umi.hygiene import Action, Audit
from umi.memory.archive import Archive
from umi.memory.drafts import Draft
from umi.memory.memory import DEFAULT_TENANT, Source
from umi.memory.moments import Moment
from umi.memory.remembering import Remembered
from umi.promote import Promotion
from umi.storage import Database, Page
from umi.sync.core import Core
from umi.sync.loop import Loop
from umi.sync.working import Working

if TYPE_CHECKING:
    from umi.dst.faults import Faults


class Memory:
    """As umi.Memory, for code without an event loop. See umi.sync."""

    def __init__(
        self,
        store: str | Database | Archive | None = None,
        host: Host | None = None,
        *,
        scope: str = "default",
        tenant: str = DEFAULT_TENANT,
        embedder: Embedder | str | None = "auto",
        model: Model | None = None,
        extractor: LocalExtractor | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
        policy: Mapping[str, Action] | None = None,
        shared: bool = False,
        seed: int | str | None = None,
    ) -> None:
        self._settle(
            umi.memory.Memory(
                store,
                host,
                scope=scope,
                tenant=tenant,
                embedder=embedder,
                model=model,
                extractor=extractor,
                clock=clock,
                rng=rng,
                policy=policy,
                shared=shared,
                seed=seed,
            ),
            Loop(),
            owns_loop=True,
        )

    def _settle(self, memory: umi.memory.Memory, loop: Loop, *, owns_loop: bool) -> None:
        self._memory, self._loop, self._owns_loop = memory, loop, owns_loop

    @classmethod
    def open(cls, store: str | Database | Archive, **settings: Any) -> Self:
        """The same, opened now: what is wrong with the file is raised here. Settings as in the class."""
        return cls(store, **settings).__enter__()

    @property
    def tenant(self) -> str:
        return self._memory.tenant

    @property
    def scope(self) -> str:
        return self._memory.scope

    def of(self, scope: str, *, tenant: str | None = None) -> "Memory":
        """The memory of another scope in the same database; it needs no closing of its own."""
        other = Memory.__new__(Memory)
        Memory._settle(other, self._memory.of(scope, tenant=tenant), self._loop, owns_loop=False)
        return other

    def __enter__(self) -> Self:
        self._loop.call(self._memory.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was begun and let go of the file, for the memories of every scope."""
        if self._owns_loop:
            self._loop.close(self._memory.close)

    @property
    def core(self) -> Core:
        """Core memory: the blocks that are always in view."""
        return Core(self._loop, self._memory.core)

    @property
    def working(self) -> Working:
        """Working memory: values by key, each with an end."""
        return Working(self._loop, self._memory.working)

    @property
    def faults(self) -> "Faults":
        """What goes wrong with the disk of a simulated memory, planned or by chance, and how often it did."""
        return self._memory.faults

    def crash(self) -> None:
        """Cut the power of a simulated memory. What was acknowledged is there when it is next used."""
        self._memory.crash()

    def remember(
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
        return self._loop.call(
            self._memory.remember,
            said,
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

    def add_facts(
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
        return self._loop.call(self._memory.add_facts, facts, source=source, extract=extract, actor=actor)

    def recall(
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
        return self._loop.call(
            self._memory.recall,
            query,
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

    def get(self, fact_id: str) -> Fact | None:
        """A fact that this scope knows, or None."""
        return self._loop.call(self._memory.get, fact_id)

    def list(self, page: Page | None = None, *, filters: Mapping[str, Any] | None = None) -> "Sequence[Fact]":
        """A page of what this scope knows, superseded facts too, oldest first unless the page says otherwise."""
        return self._loop.call(self._memory.list, page, filters=filters)

    def count(self) -> int:
        """How many facts this scope knows, superseded ones too."""
        return self._loop.call(self._memory.count)

    def embedded(self) -> None:
        """Return when every fact of the database has its vector. Raises ModelError if the embedder fails."""
        return self._loop.call(self._memory.embedded)

    def update(
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
        return self._loop.call(
            self._memory.update,
            fact_id,
            text=text,
            importance=importance,
            tags=tags,
            metadata=metadata,
            event_time=event_time,
            valid_to=valid_to,
            actor=actor,
            reason=reason,
        )

    def forget(self, fact_id: str, *, hard: bool = False, actor: str | None = None, reason: str | None = None) -> bool:
        """Stop knowing a fact; what it had ended holds again. False if this scope knows no such fact.

        hard  leaves no byte of it in the file, whatever its history was
        """
        return self._loop.call(self._memory.forget, fact_id, hard=hard, actor=actor, reason=reason)

    def forget_source(self, source: Source, *, hard: bool = False, actor: str | None = None) -> int:
        """Stop knowing what stands on a source alone; returns how many facts that were. Raises InvalidInput."""
        return self._loop.call(self._memory.forget_source, source, hard=hard, actor=actor)

    def clear(self) -> None:
        """Remove all that this scope holds for good: facts and their history, entities, blocks, working memory."""
        return self._loop.call(self._memory.clear)

    def history(self, fact_id: str | None = None) -> "Sequence[Version]":
        """Every version of a fact, or of all facts of the scope, oldest first. Raises NotFound."""
        return self._loop.call(self._memory.history, fact_id)

    def undo(self, change_or_fact_id: str, *, actor: str | None = None) -> "Sequence[Fact]":
        """Take back all that one call did, by its change_id, or the last change of one fact, by its id.

        A superseded fact holds again. Raises NotFound, Conflict where something changed since.
        """
        return self._loop.call(self._memory.undo, change_or_fact_id, actor=actor)

    def believed(self, *, valid: Moment | None = None, known: Moment | None = None) -> "Sequence[Fact]":
        """Everything this memory held at `known` (now) to be true at `valid` (at any time), oldest first."""
        return self._loop.call(self._memory.believed, valid=valid, known=known)

    def diff(self, before: Moment, after: Moment | None = None) -> "Sequence[Difference]":
        """How what is believed at `after` (now) differs from what was believed at `before`."""
        return self._loop.call(self._memory.diff, before, after)

    def entities(self, page: Page | None = None, *, types: Sequence[str] = ()) -> "Sequence[Entity]":
        """The named things that known facts mention, in the order they were first mentioned."""
        return self._loop.call(self._memory.entities, page, types=types)

    def entity(self, name: str) -> Entity:
        """A named thing. Raises NotFound."""
        return self._loop.call(self._memory.entity, name)

    def neighbours(
        self, name: str, *, relation: str | None = None, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Edge]":
        """What facts relate a named thing to, in either direction."""
        return self._loop.call(self._memory.neighbours, name, relation=relation, as_of=as_of)

    def paths(
        self, start: str, end: str, *, hops: int = 3, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Path]":
        """How two named things are related, over at most `hops` facts, shortest first."""
        return self._loop.call(self._memory.paths, start, end, hops=hops, as_of=as_of)

    def promote(self) -> Promotion:
        """Bring what matters most into core memory, and take out what no longer does."""
        return self._loop.call(self._memory.promote)

    def audit(self, *, stale_days: int = limits.AUDIT_STALE_DAYS_DEFAULT) -> Audit:
        """A report on what this scope holds: duplicates, junk, what is stale, secrets, orphans. Nothing is changed."""
        return self._loop.call(self._memory.audit, stale_days=stale_days)

    def export(self, path: str) -> "portable.Exported":
        """Write all that this scope holds into a file, as it is at this moment; returns what that is.

        Raises InvalidInput where the path can't be written, Conflict if facts are forgotten for good meanwhile.
        """
        return self._loop.call(self._memory.export, path)

    def import_(self, path: str, *, each_scope: bool = False) -> "portable.Imported":
        """Take in what a file holds: an export of umi, or of the first Umi, mem0 or Graphiti. Twice adds nothing.

        each_scope  keep the scopes that the file names, instead of taking all of it into this one
        Raises ImportRefused, naming line and reason, with nothing written; Conflict.
        """
        return self._loop.call(self._memory.import_, path, each_scope=each_scope)

    def import_lines(self, texts: AsyncIterable[bytes] | Iterable[bytes]) -> "portable.Imported":
        """Take in an export of umi as it arrives, in pieces of any size. As `import_`."""
        return self._loop.call(self._memory.import_lines, texts)
