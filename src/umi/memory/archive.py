"""What the memories of all scopes in one database share, and every operation on them.

`Memory` is the face for one scope. An agent's turn plans with the same Archive and commits what it planned together
with its own changes.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from umi import archival, embed, limits, promote, retrieve, working
from umi.archival import Why, entities, history
from umi.archival.history import Version
from umi.core import Core
from umi.dst import Host
from umi.embed import Behind, Embedder
from umi.entity import Claim, Fact, Mention, Recalled, check_size, check_text
from umi.errors import Conflict, GuardFailed, InvalidInput, NotFound
from umi.evolve import dependents, plan_evolution
from umi.extract import LocalExtractor, Model
from umi.filters import parse, predicate
from umi.hygiene import Action, Echoes, apply, check_policy, marks
from umi.index import IndexCache
from umi.memory.drafts import Draft, source_of
from umi.memory.reading import Prepared, Reader, as_stated, said_before
from umi.memory.remembering import Remembered, plan_mentions, plan_remember
from umi.promote import Promotion
from umi.storage import Changes, Database, Page, View

T = TypeVar("T")
Planned = Callable[[], Awaitable[tuple[T, Changes]]]
_SCANNED_AT_ONCE = 500  # facts that are read to find those that match


class Archive:
    """Plans and commits for any scope of a database. Every `plan_…` reads through the view it is given.

    embedder  as in Memory
    model     for extraction and rewriting, or None
    policy    what happens to secrets and personal data, by kind: see umi.hygiene
    """

    def __init__(
        self,
        database: Database,
        host: Host,
        *,
        extractor: LocalExtractor | None = None,
        embedder: Embedder | str | None = None,
        model: Model | None = None,
        policy: Mapping[str, Action] | None = None,
    ) -> None:
        check_policy(policy or {})
        self.database = database
        self.host = host
        self.view = View(database)
        self.model = model
        self.policy = policy
        self.echoes = Echoes()
        self._reader = Reader(host, extractor or LocalExtractor(), model)
        self._index = IndexCache()
        self._embedder = _embedder(embedder)
        self.behind = Behind(database, self._embedder, host) if self._embedder is not None else None
        # Writers of one scope in this process take turns: planning anew because of a neighbour would be waste.
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Stop what runs in the background. What it had not done yet is done when the database is next used."""
        if self.behind is not None:
            await self.behind.close()

    async def commit(self, tenant: str, scope: str, plan: "Planned[T]") -> T:
        """Plan and commit, anew for as long as another process or an agent's turn is faster. Raises Conflict."""
        turn = self._turns.setdefault((tenant, scope), asyncio.Lock())
        async with turn:
            for _ in range(limits.MEMORY_PLAN_ATTEMPTS_MAX):
                result, changes = await plan()
                try:
                    await self.database.commit(changes)
                except GuardFailed:
                    continue
                self.wake(tenant, scope)
                return result
        raise Conflict(f"scope '{scope}' is being changed by too many writers at once; try again")

    async def remember(
        self, tenant: str, scope: str, drafts: Sequence[Draft], *, extract: bool = True, actor: str | None = None
    ) -> Remembered:
        """Read, compare and store. What came from recall is left out, and what was said before is known."""
        for draft in drafts:
            check_size("the text", draft.text, limits.MEMORY_TEXT_BYTES_MAX)
        if drafts and not any(one.text.strip() for one in drafts):
            raise InvalidInput("there is nothing to remember: the text is blank")
        own = [msgspec.structs.replace(one, text=self.echoes.strip(tenant, scope, one.text)) for one in drafts]
        echoes = [draft.text for draft, left in zip(drafts, own, strict=True) if not left.text.strip()]
        own = self._without_secrets([one for one in own if one.text.strip()])
        done = await self._store(tenant, scope, own, actor, extract=extract, same_text_is_known=True)
        if not echoes:
            return done
        before = await said_before(self.view, tenant, scope, echoes)
        return msgspec.structs.replace(done, known=[*done.known, *(facts[0] for facts in before.values())])

    async def add(
        self, tenant: str, scope: str, drafts: Sequence[Draft], *, extract: bool = False, actor: str | None = None
    ) -> Remembered:
        """Store facts as they are stated, all or none."""
        own = self._without_secrets(drafts)
        return await self._store(tenant, scope, own, actor, extract=extract, same_text_is_known=False)

    def _without_secrets(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts as the policy lets them in; what they held is marked in their metadata."""
        own = []
        for draft in drafts:
            text, findings = apply(draft.text, self.policy)
            metadata = {**draft.metadata, **marks(findings)}
            own.append(msgspec.structs.replace(draft, text=text, metadata=metadata) if findings else draft)
        return own

    async def _store(
        self,
        tenant: str,
        scope: str,
        drafts: Sequence[Draft],
        actor: str | None,
        *,
        extract: bool,
        same_text_is_known: bool,
    ) -> Remembered:
        why = self.why("add", actor)
        prepared: list[Prepared] | None = None
        if not extract:
            prepared = self.stated(tenant, scope, drafts)
        elif self.model is not None:  # before the scope's turn: nobody waits for a model
            prepared = await self.read(self.view, tenant, scope, drafts)

        async def plan() -> tuple[Remembered, Changes]:
            nonlocal prepared
            before = None
            if prepared is None:
                reading = await self._reader.read(self.view, tenant, scope, drafts)
                prepared, before = reading.prepared, reading.before
            how = (self.view, self.host, tenant, scope, prepared, why)
            return await plan_remember(*how, same_text_is_known=same_text_is_known, before=before)

        done = await self.commit(tenant, scope, plan)
        self.echoes.release(tenant, scope, [fact.text for fact in done.superseded])
        return done

    def wake(self, tenant: str, scope: str) -> None:
        """Facts of a scope were committed: give them their vectors, behind the write. Whoever commits a plan of this
        archive calls it; what is missed is found when the store is next opened."""
        if self.behind is not None:
            self.behind.wake(tenant, scope)

    async def recall(self, view: View, tenant: str, scope: str, query: str, **wanted: Any) -> list[Recalled]:
        """As Memory.recall, with bounds in ms; `view` may show what isn't committed. See umi.retrieve.recall."""
        check_text("the query", query)
        found = await retrieve.recall(
            view,
            self._index,
            tenant,
            scope,
            query,
            embedder=self._embedder,
            model=self.model,
            host=self.host,
            **wanted,
        )
        # What is true no longer may be said anew, and is no echo then.
        self.echoes.note(tenant, scope, [one.fact.text for one in found if one.fact.valid_to_ms is None])
        return found

    async def facts(self, tenant: str, scope: str, page: Page, filters: Mapping[str, Any] | None) -> list[Fact]:
        """A page of facts; with filters, of those that match."""
        if filters is None:
            return await archival.list_facts(self.view, tenant, scope, page)
        accepts = predicate(parse(filters))
        found: list[Fact] = []
        while len(found) < page.limit:
            part = await archival.list_facts(self.view, tenant, scope, replace(page, limit=_SCANNED_AT_ONCE))
            found += [fact for fact in part if accepts(fact)]
            if len(part) < _SCANNED_AT_ONCE:
                break
            page = replace(page, after=part[-1].id)
        return found[: page.limit]

    async def update(
        self,
        tenant: str,
        scope: str,
        fact_id: str,
        fields: dict[str, Any],
        *,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Fact:
        """Write the next version of a fact; a new text is read for what it names and claims."""
        why = self.why("update", actor, reason)

        async def plan() -> tuple[Fact, Changes]:
            old = await archival.get(self.view, tenant, fact_id, scope=scope)
            self.echoes.release(tenant, scope, [old.text])  # what it said may be said again, by another fact
            return await self.plan_update(self.view, old, fields, why)

        return await self.commit(tenant, scope, plan)

    async def forget(
        self,
        tenant: str,
        scope: str,
        fact_ids: Sequence[str],
        *,
        hard: bool = False,
        actor: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Stop knowing facts; returns how many of them were there."""
        why = self.why("forget", actor, reason)

        async def plan() -> tuple[int, Changes]:
            facts = await self._present(tenant, scope, fact_ids, even_forgotten=hard)
            changes = await self.plan_forget(self.view, tenant, scope, facts, why, hard=hard) if facts else Changes()
            self.echoes.release(tenant, scope, [fact.text for fact in facts])
            return len(facts), changes

        return await self.commit(tenant, scope, plan)

    async def _present(self, tenant: str, scope: str, fact_ids: Sequence[str], *, even_forgotten: bool) -> list[Fact]:
        found = []
        for fact_id in dict.fromkeys(fact_ids):
            with contextlib.suppress(NotFound):
                latest = (await history.of_fact(self.view, tenant, scope, fact_id))[-1].fact
                if even_forgotten or latest.known_to_ms is None:
                    found.append(latest)
        return found

    async def forget_source(
        self, tenant: str, scope: str, source: str | Mapping[str, Any], *, hard: bool = False, actor: str | None = None
    ) -> int:
        """Stop knowing every fact that stands on exactly this source."""
        wanted, page, ids = source_of(source), Page(limit=_SCANNED_AT_ONCE), []
        while True:
            part = await archival.list_facts(self.view, tenant, scope, page)
            ids += [fact.id for fact in part if fact.source == wanted]
            if len(part) < _SCANNED_AT_ONCE:
                break
            page = replace(page, after=part[-1].id)
        return await self.forget(tenant, scope, ids, hard=hard, actor=actor, reason="its source was forgotten")

    async def clear(self, tenant: str, scope: str) -> None:
        """Remove everything of a scope for good."""
        changes = archival.plan_forget_scope(tenant, scope).extend(embed.plan_forget_scope(tenant, scope))
        changes.extend(working.plan_forget_scope(tenant, scope))
        changes.extend(Core(self.database, self.host, tenant, scope).plan_clear())
        changes.scrub = True
        await self.database.commit(changes)
        self.echoes.forget(tenant, scope)

    async def undo(self, tenant: str, scope: str, change_or_fact_id: str, *, actor: str | None) -> list[Fact]:
        """Take back a change, or the last change of a fact."""
        why = self.why("undo", actor, f"undo of {change_or_fact_id[: limits.ENTITY_ID_BYTES_MAX]}")
        plan = self.plan_undo_change if change_or_fact_id.startswith("change-") else self.plan_undo_last
        back = await self.commit(tenant, scope, lambda: plan(self.view, tenant, scope, change_or_fact_id, why))
        self.echoes.release(tenant, scope, [fact.text for fact in back])
        return back

    async def promote(self, tenant: str, scope: str) -> Promotion:
        """Bring what matters most into the scope's core memory."""
        return await promote.promote(self.view, tenant, scope, self.host)

    async def read(self, view: View, tenant: str, scope: str, drafts: Sequence[Draft]) -> list[Prepared]:
        """What to store of `drafts`, with what their texts name and claim."""
        return (await self._reader.read(view, tenant, scope, drafts)).prepared

    def stated(self, tenant: str, scope: str, drafts: Sequence[Draft]) -> list[Prepared]:
        """What to store of `drafts` as they are."""
        return as_stated(drafts, self.host, tenant, scope)

    def why(self, action: str, actor: str | None = None, reason: str | None = None) -> Why:
        if reason is not None and len(reason.encode()) > limits.EVOLUTION_REASON_BYTES_MAX:
            raise InvalidInput(f"a reason has at most {limits.EVOLUTION_REASON_BYTES_MAX} bytes")
        return Why(action=action, actor=actor, reason=reason, change_id=self.host.ids.new("change"))

    async def plan_remember(
        self, view: View, tenant: str, scope: str, prepared: Sequence[Prepared], why: Why, *, same_text_is_known: bool
    ) -> tuple[Remembered, Changes]:
        return await plan_remember(view, self.host, tenant, scope, prepared, why, same_text_is_known=same_text_is_known)

    async def plan_update(self, view: View, old: Fact, fields: dict[str, Any], why: Why) -> tuple[Fact, Changes]:
        """`old` with some fields changed as its next version. Guards "claims" and "fact"."""
        new = msgspec.structs.replace(old, **fields)
        if "text" not in fields or new.text == old.text:
            if "valid_to_ms" in fields:
                new = msgspec.structs.replace(new, claims=[_until(claim, new.valid_to_ms) for claim in new.claims])
            return await self.plan_rewrite(view, old, Prepared(new, []), why)
        draft = Draft(text=new.text, speaker=new.speaker, session=new.session, document_time=new.document_time_ms)
        (read,) = await self.read(view, old.tenant, old.scope, [draft])
        found = read.fact
        if found.event_time_ms is not None and "event_time_ms" not in fields:
            new = msgspec.structs.replace(new, event_time_ms=found.event_time_ms, valid_from_ms=found.event_time_ms)
        new = msgspec.structs.replace(new, claims=found.claims, valid_to_ms=fields.get("valid_to_ms"))
        return await self.plan_rewrite(view, old, Prepared(new, read.mentions), why)

    async def plan_rewrite(self, view: View, old: Fact, prepared: Prepared, why: Why) -> tuple[Fact, Changes]:
        """Make the prepared fact the next version of `old`, and evolve what either says."""
        now_ms = self.host.clock.now_ms()
        new = msgspec.structs.replace(prepared.fact, id=old.id, created_at_ms=old.created_at_ms)
        changes = archival.revise(Changes(), old.tenant, old.scope)
        if old.claims or new.claims:
            evolved = await plan_evolution(view, old.tenant, old.scope, [new], [old], why, now_ms)
            changes.extend(evolved.changes)
            new = evolved.added[0]
        version, written = archival.plan_change(old, new, why, now_ms)
        changes.extend(written)
        if new.text != old.text:
            changes.extend(self._plan_told_anew(version, prepared.mentions))
        return version, changes

    def _plan_told_anew(self, version: Fact, mentions: Sequence[Mention]) -> Changes:
        """What was taken from a text goes with it."""
        changes = embed.plan_forget_vectors(version.tenant, version.scope, [version.id])
        changes.extend(entities.plan_forget_mentions(version.tenant, version.scope, version.id))
        return plan_mentions(changes, version, mentions)

    async def plan_forget(
        self, view: View, tenant: str, scope: str, facts: Sequence[Fact], why: Why, *, hard: bool
    ) -> Changes:
        """Stop knowing `facts` and what stands on them alone; what they had ended holds again. `hard` leaves nothing of
        them. Guard "fact"."""
        now_ms = self.host.clock.now_ms()
        facts = [*facts, *await dependents(view, tenant, scope, facts)]
        changes = archival.revise(Changes(), tenant, scope)
        if any(fact.claims for fact in facts):
            changes.extend((await plan_evolution(view, tenant, scope, [], facts, why, now_ms)).changes)
        ids = [fact.id for fact in facts]
        changes.extend(embed.plan_forget_vectors(tenant, scope, ids))
        if hard:
            changes.scrub = True
            changes.extend(await promote.plan_retract(view, tenant, scope, ids, now_ms))
        for fact in facts:
            if hard:
                changes.extend(archival.plan_purge(tenant, scope, fact.id))
            else:
                changes.extend(archival.plan_change(fact, _gone(fact, now_ms), why, now_ms)[1])
        return changes

    async def plan_undo_change(
        self, view: View, tenant: str, scope: str, change_id: str, why: Why
    ) -> tuple[list[Fact], Changes]:
        """Take back all that one change did. Raises NotFound, Conflict where something changed since."""
        back: list[Fact] = []
        changes = archival.revise(Changes(), tenant, scope)
        for fact_id in await history.of_change(view, tenant, scope, change_id):
            versions = await history.of_fact(view, tenant, scope, fact_id)
            fact, undone = await self._plan_back(view, versions, why)
            back.append(fact)
            changes.extend(undone)
        return back, changes

    async def plan_undo_last(
        self, view: View, tenant: str, scope: str, fact_id: str, why: Why
    ) -> tuple[list[Fact], Changes]:
        """Take back the last change of one fact. One that was superseded holds again, and what had ended it is told
        not to end it any more; both facts hold from then on."""
        versions = await history.of_fact(view, tenant, scope, fact_id)
        latest, last = versions[-1].fact, versions[-1].why.action
        now_ms = self.host.clock.now_ms()
        if last == "supersede":
            kept = _kept(versions[-2].fact, latest)
            version, changes = archival.plan_change(latest, kept, why, now_ms)
            return [version], changes
        if last == "add":  # what it had ended comes back with its going
            return [_gone(latest, now_ms)], await self.plan_forget(view, tenant, scope, [latest], why, hard=False)
        fact, changes = await self._plan_back(view, versions, why)
        return [fact], changes

    async def _plan_back(self, view: View, versions: Sequence[Version], why: Why) -> tuple[Fact, Changes]:
        fact, changes = history.plan_undo(versions, why, self.host.clock.now_ms())
        if fact.text != versions[-1].fact.text:
            draft = Draft(text=fact.text, speaker=fact.speaker, document_time=fact.document_time_ms)
            (read,) = await self.read(view, fact.tenant, fact.scope, [draft])
            changes.extend(self._plan_told_anew(fact, read.mentions))
        return fact, changes


def _kept(before: Fact, superseded: Fact) -> Fact:
    """The fact as it was before, with its claims kept from what had ended them."""
    claims = [
        msgspec.structs.replace(was, kept=[*was.kept, now.ended_by])
        if now.ended_by is not None and now.ended_by != was.ended_by
        else was
        for was, now in zip(before.claims, superseded.claims, strict=True)
    ]
    return msgspec.structs.replace(before, claims=claims, known_to_ms=None)


def _embedder(given: Embedder | str | None) -> Embedder | None:
    if isinstance(given, str):
        if given != "auto":
            raise InvalidInput(f"an embedder is 'auto', None or an Embedder, not {given!r:.100}")
        return embed.default()
    return given


def _gone(fact: Fact, now_ms: int) -> Fact:
    return msgspec.structs.replace(fact, known_to_ms=now_ms)


def _until(claim: Claim, ended_ms: int | None) -> Claim:
    return msgspec.structs.replace(claim, ended_ms=ended_ms, ended_by=None)
