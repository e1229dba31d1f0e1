"""Memory: one file that remembers, recalls and forgets, by scope, with nothing else to install or start."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from umi import archival, limits, portable, retrieve
from umi.archival import entities as named
from umi.archival import history as past
from umi.archival.history import Difference, Version
from umi.core import Core
from umi.dst import Clock, Host, ManualClock, Rng
from umi.embed import Embedder
from umi.entity import Entity, Fact, Recalled, check_size, check_texts, shown
from umi.errors import InvalidInput, LimitExceeded, NotFound
from umi.extract import LocalExtractor, Model
from umi.hygiene import Action, Audit, audit
from umi.memory.archive import Archive
from umi.memory.drafts import Draft, check_draft, draft_of, drafts_of_messages, source_of
from umi.memory.moments import Moment, moment_ms, span_ms
from umi.memory.opening import MIGRATIONS, LazyDatabase
from umi.memory.remembering import Remembered
from umi.promote import Promotion
from umi.storage import Database, Page
from umi.working import Working

if TYPE_CHECKING:  # imported when a test gives a seed
    from umi.dst.faults import Faults
    from umi.storage.simulated import SimulatedDatabase

DEFAULT_TENANT = "default"
Source = str | Mapping[str, Any]


class Memory:
    """The memory of one scope (a person, an agent, a project) in a database that many scopes share.

    store     a file's path, a "postgresql://…" URL, a Database that is open already, or an Archive
    scope     whose memory; `tenant` keeps customers apart who must never meet
    embedder  "auto" uses MiniLM where it was fetched (`umi embedder get minilm`) and finds by words alone elsewhere;
              None finds by words alone; or an Embedder
    model     a language model for extraction and rewriting, or None: everything local
    policy    what happens to secrets and personal data in what is remembered: see umi.hygiene
    shared    several processes use the file at once, instead of one
    seed      for tests: in memory, with ids, clock, chance and faults that follow the seed

        async with Memory("memory.db", scope="ada") as memory:
            await memory.remember("Ada's cat is called Miso.")
            found = await memory.recall("cat")
    """

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
        for what, name in (("scope", scope), ("tenant", tenant)):
            check_size(f"the {what}", name, limits.SCOPE_BYTES_MAX)
            if not name:
                raise InvalidInput(f"the {what} is blank; it is 1 to {limits.SCOPE_BYTES_MAX} bytes long")
        if (store is None) == (seed is None):
            raise InvalidInput("a Memory needs a path, a URL or a database, or else a seed: Memory('memory.db')")
        if not (store is None or isinstance(store, str | Archive) or hasattr(store, "commit")):
            raise InvalidInput(f"a Memory needs a path as a text, a URL or a database, not {shown(store)}")
        self.tenant, self.scope = tenant, scope
        self._is_ours = seed is not None or isinstance(store, str)  # to be closed with this memory
        if isinstance(store, Archive):
            self._shared = store
            return
        if host is None and (seed is not None or clock is not None or rng is not None):
            host = Host(ManualClock(), Rng(seed)) if seed is not None else Host(clock, rng)
        host = host or Host()
        if seed is not None and embedder == "auto":
            embedder = None  # a seed means the same on every machine
        database = _simulated(seed, host) if seed is not None else store
        if isinstance(database, str):
            database = LazyDatabase(database, host, shared=shared)
        assert database is not None, "either a store or a seed was given"
        self._shared = Archive(database, host, extractor=extractor, embedder=embedder, model=model, policy=policy)

    @classmethod
    async def open(cls, store: str | Database | Archive, **settings: Any) -> Self:
        """The same, opened now: what is wrong with the file is raised here. Settings as in the class."""
        memory = cls(store, **settings)
        return await memory.__aenter__()

    def of(self, scope: str, *, tenant: str | None = None) -> "Memory":
        """The memory of another scope in the same database; it needs no closing of its own."""
        return Memory(self._shared, scope=scope, tenant=self.tenant if tenant is None else tenant)

    @property
    def _archive(self) -> Archive:
        """What all scopes share. Raises CalledFromElsewhere in another event loop than the first that asked."""
        if isinstance(self._shared.database, LazyDatabase):
            self._shared.database.enter()
        return self._shared

    async def __aenter__(self) -> Self:
        await self._archive.database.read([])  # opens it now, and not at its first use
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what was begun and let go of the file, for the memories of every scope."""
        await self._shared.close()
        if self._is_ours:
            await self._shared.database.close()

    # Remembering

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
        _check_actor(actor)
        check_texts("tags", tags, limits.ENTITY_TAGS_COUNT_MAX, limits.ENTITY_TAG_BYTES_MAX)
        common: dict[str, Any] = {"importance": importance, "tags": list(tags)}
        common |= {"metadata": {} if metadata is None else metadata, "source": source, "event_time": event_time}
        check_draft(Draft(**common, speaker=speaker, session=session))
        if isinstance(said, str):
            drafts = [Draft(text=said, speaker=speaker, session=session)]
        else:
            drafts = drafts_of_messages(said, session or self._archive.host.ids.new("session"))
        for one in drafts:
            check_draft(one)
        drafts = [
            msgspec.structs.replace(
                one, **common, document_time=document_time if one.document_time is None else one.document_time
            )
            for one in drafts
        ]
        return await self._archive.remember(self.tenant, self.scope, drafts, extract=extract, actor=actor)

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
        if isinstance(facts, str | bytes | Mapping) or not isinstance(facts, Sequence):
            raise InvalidInput("facts come as a list of texts, dicts or Drafts")
        _check_actor(actor)
        if len(facts) > limits.MEMORY_FACTS_COUNT_MAX:
            raise LimitExceeded("the list of facts", len(facts), limits.MEMORY_FACTS_COUNT_MAX, "facts")
        drafts = [draft_of(item, place) for place, item in enumerate(facts)]
        if source is not None:
            source_of(source)
            drafts = [msgspec.structs.replace(one, source=one.source or source) for one in drafts]
        return await self._archive.add(self.tenant, self.scope, drafts, extract=extract, actor=actor)

    # Recalling

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
        check_texts("tags", tags, limits.ENTITY_TAGS_COUNT_MAX, limits.ENTITY_TAG_BYTES_MAX)
        found = await self._archive.recall(
            self._archive.view,
            self.tenant,
            self.scope,
            query,
            limit=limit,
            time_range=span_ms("time_range", time_range) if time_range is not None else None,
            include_undated=include_undated,
            as_of=_as_of(as_of),
            filters=filters,
            tags=tags,
            deep=deep,
            explain=explain,
            superseded=superseded,
        )
        self._archive.heard(self.tenant, self.scope, found)
        return found

    async def get(self, fact_id: str) -> Fact | None:
        """A fact that this scope knows, or None."""
        _check_id(fact_id)
        try:
            return await archival.get(self._archive.view, self.tenant, fact_id, scope=self.scope)
        except NotFound:
            return None

    async def list(self, page: Page | None = None, *, filters: Mapping[str, Any] | None = None) -> "Sequence[Fact]":
        """A page of what this scope knows, superseded facts too, oldest first unless the page says otherwise."""
        return await self._archive.facts(self.tenant, self.scope, _page(page), filters)

    async def count(self) -> int:
        """How many facts this scope knows, superseded ones too."""
        return await archival.count(self._archive.view, self.tenant, self.scope)

    async def embedded(self) -> None:
        """Return when every fact of the database has its vector. Raises ModelError if the embedder fails."""
        if self._archive.behind is not None:
            await self._archive.behind.drain()

    # Changing

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
        _check_id(fact_id)
        _check_actor(actor, reason)
        stated: dict[str, Any] = {"text": text, "importance": importance, "metadata": metadata, "tags": tags}
        fields = {name: value for name, value in stated.items() if value is not None}
        check_draft(Draft(**fields))
        if tags is not None:
            fields["tags"] = [*dict.fromkeys(tags)]
        if event_time is not None:
            fields["event_time_ms"] = fields["valid_from_ms"] = moment_ms("event_time", event_time)
        if valid_to is not None:
            fields["valid_to_ms"] = moment_ms("valid_to", valid_to)
        return await self._archive.update(self.tenant, self.scope, fact_id, fields, actor=actor, reason=reason)

    async def forget(
        self, fact_id: str, *, hard: bool = False, actor: str | None = None, reason: str | None = None
    ) -> bool:
        """Stop knowing a fact; what it had ended holds again. False if this scope knows no such fact.

        hard  leaves no byte of it in the file, whatever its history was
        """
        _check_id(fact_id)
        _check_actor(actor, reason)
        gone = await self._archive.forget(self.tenant, self.scope, [fact_id], hard=hard, actor=actor, reason=reason)
        return gone == 1

    async def forget_source(self, source: Source, *, hard: bool = False, actor: str | None = None) -> int:
        """Stop knowing what stands on a source alone; returns how many facts that were. Raises InvalidInput."""
        _check_actor(actor)
        if not source_of(source):  # what names no source would be every fact that has none
            raise InvalidInput("forget_source needs a source: the text or dict that its facts were remembered with")
        return await self._archive.forget_source(self.tenant, self.scope, source, hard=hard, actor=actor)

    async def clear(self) -> None:
        """Remove all that this scope holds for good: facts and their history, entities, blocks, working memory."""
        await self._archive.clear(self.tenant, self.scope)

    # History

    async def history(self, fact_id: str | None = None) -> "Sequence[Version]":
        """Every version of a fact, or of all facts of the scope, oldest first. Raises NotFound."""
        if fact_id is None:
            return await past.of_scope(self._archive.view, self.tenant, self.scope)
        _check_id(fact_id)
        return await past.of_fact(self._archive.view, self.tenant, self.scope, fact_id)

    async def undo(self, change_or_fact_id: str, *, actor: str | None = None) -> "Sequence[Fact]":
        """Take back all that one call did, by its change_id, or the last change of one fact, by its id.

        A superseded fact holds again. Raises NotFound, Conflict where something changed since.
        """
        _check_id(change_or_fact_id)
        _check_actor(actor)
        return await self._archive.undo(self.tenant, self.scope, change_or_fact_id, actor=actor)

    async def believed(self, *, valid: Moment | None = None, known: Moment | None = None) -> "Sequence[Fact]":
        """Everything this memory held at `known` (now) to be true at `valid` (at any time), oldest first."""
        known_ms = None if known is None else moment_ms("known", known)
        valid_ms = None if valid is None else moment_ms("valid", valid)
        return await past.believed(self._archive.view, self.tenant, self.scope, valid_ms=valid_ms, known_ms=known_ms)

    async def diff(self, before: Moment, after: Moment | None = None) -> "Sequence[Difference]":
        """How what is believed at `after` (now) differs from what was believed at `before`."""
        before_ms = moment_ms("before", before)
        after_ms = None if after is None else moment_ms("after", after)
        return await past.diff(self._archive.view, self.tenant, self.scope, before_ms=before_ms, after_ms=after_ms)

    # Entities

    async def entities(self, page: Page | None = None, *, types: Sequence[str] = ()) -> "Sequence[Entity]":
        """The named things that known facts mention, in the order they were first mentioned."""
        check_texts("types", types, limits.ENTITY_TYPES_COUNT_MAX, limits.ENTITY_NAME_BYTES_MAX)
        return await named.list_entities(self._archive.view, self.tenant, self.scope, _page(page), types=[*types])

    async def entity(self, name: str) -> Entity:
        """A named thing. Raises NotFound."""
        check_size("the name", name, limits.ENTITY_NAME_BYTES_MAX)
        return await named.by_name(self._archive.view, self.tenant, self.scope, name)

    async def neighbours(
        self, name: str, *, relation: str | None = None, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Edge]":
        """What facts relate a named thing to, in either direction."""
        if relation is not None:
            check_size("the relation", relation, limits.ENTITY_NAME_BYTES_MAX)
        return await retrieve.neighbours(
            self._archive.view, self.tenant, self.scope, name, relation=relation, as_of=_as_of(as_of)
        )

    async def paths(
        self, start: str, end: str, *, hops: int = 3, as_of: tuple[Moment | None, Moment | None] | None = None
    ) -> "Sequence[retrieve.Path]":
        """How two named things are related, over at most `hops` facts, shortest first."""
        return await retrieve.paths(
            self._archive.view, self.tenant, self.scope, start, end, hops_max=hops, as_of=_as_of(as_of)
        )

    # Tiers

    @property
    def core(self) -> Core:
        """Core memory: the blocks that are always in view."""
        return Core(self._shared.database, self._shared.host, self.tenant, self.scope)

    @property
    def working(self) -> Working:
        """Working memory: values by key, each with an end."""
        return Working(self._shared.database, self._shared.host, self.tenant, self.scope)

    async def promote(self) -> Promotion:
        """Bring what matters most into core memory, and take out what no longer does."""
        return await self._archive.promote(self.tenant, self.scope)

    async def audit(self, *, stale_days: int = limits.AUDIT_STALE_DAYS_DEFAULT) -> Audit:
        """A report on what this scope holds: duplicates, junk, what is stale, secrets, orphans. Nothing is changed."""
        archive = self._archive
        now_ms = archive.host.clock.now_ms()
        return await audit(archive.view, self.tenant, self.scope, now_ms=now_ms, stale_days=stale_days)

    # Moving

    async def export(self, path: str) -> "portable.Exported":
        """Write all that this scope holds into a file, as it is at this moment; returns what that is.

        Raises InvalidInput where the path can't be written, Conflict if facts are forgotten for good meanwhile.
        """
        check_size("the path", path, limits.PATH_BYTES_MAX)
        archive = self._archive
        return await portable.dump_to_file(archive.database, archive.host, self.tenant, self.scope, path)

    async def import_(self, path: str, *, each_scope: bool = False) -> "portable.Imported":
        """Take in what a file holds: an export of umi, or of the first Umi, mem0 or Graphiti. Twice adds nothing.

        each_scope  keep the scopes that the file names, instead of taking all of it into this one
        Raises ImportRefused, naming line and reason, with nothing written; Conflict.
        """
        check_size("the path", path, limits.PATH_BYTES_MAX)
        archive = self._archive
        imported = await portable.restore(
            archive.database, archive.host, self.tenant, self.scope, path, each_scope=each_scope
        )
        for scope in imported.scopes:
            archive.wake(self.tenant, scope)
        return imported

    def export_lines(self) -> AsyncIterator[bytes]:
        """The lines that `export` writes. Raises Conflict as it does, when they were read to the end."""
        return portable.dump(self._shared.database, self._shared.host, self.tenant, self.scope)

    async def import_lines(self, texts: AsyncIterable[bytes] | Iterable[bytes]) -> "portable.Imported":
        """Take in an export of umi as it arrives, in pieces of any size. As `import_`."""
        archive = self._archive
        imported = await portable.restore_lines(archive.database, archive.host, self.tenant, self.scope, texts)
        archive.wake(self.tenant, self.scope)
        return imported

    # Tests

    @property
    def faults(self) -> "Faults":
        """What goes wrong with the disk of a simulated memory, planned or by chance, and how often it did:
        `memory.faults.plan("disk.sync_error")`, `memory.faults.fired["disk.sync_error"]`."""
        return self._simulation().faults

    def crash(self) -> None:
        """Cut the power of a simulated memory. What was acknowledged is there when it is next used."""
        self._simulation().crash()

    def _simulation(self) -> "SimulatedDatabase":
        from umi.storage.simulated import SimulatedDatabase

        if not isinstance(self._shared.database, SimulatedDatabase):
            raise InvalidInput("only a simulated memory has faults and crashes: make it with Memory(seed=…)")
        return self._shared.database


def _check_id(fact_id: str) -> None:
    check_size("the id", fact_id, limits.ENTITY_ID_BYTES_MAX)


def _check_actor(actor: str | None, reason: str | None = None) -> None:
    if actor is not None:
        check_size("the actor", actor, limits.ENTITY_NAME_BYTES_MAX)
    if reason is not None:
        check_size("the reason", reason, limits.EVOLUTION_REASON_BYTES_MAX)


def _page(page: Page | None) -> Page:
    if page is not None and not isinstance(page, Page):
        raise InvalidInput(f"a page is a Page, not {shown(page)}")
    return page or Page()


def _as_of(as_of: tuple[Moment | None, Moment | None] | None) -> tuple[int | None, int | None] | None:
    if as_of is None:
        return None
    if not isinstance(as_of, tuple | list) or len(as_of) != 2:
        raise InvalidInput(f"as_of is a pair (valid, known), not {shown(as_of)}")
    valid, known = (None if one is None else moment_ms("as_of", one) for one in as_of)
    return valid, known


def _simulated(seed: int | str, host: Host) -> Database:
    from umi.storage.simulated import SimulatedDatabase

    return SimulatedDatabase(seed, MIGRATIONS, host=host)
