"""What the memories of all scopes in one database share, and every operation on them.

`Memory` is the face for one scope. An agent's turn plans with the same Archive and commits what it planned together
with its own changes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from umi import archival, embed, limits, promote, retrieve, working
from umi.archival import FACT_COLUMNS, Why, fact_from_row
from umi.archival.facts import plan_forget_mentions
from umi.core import Core
from umi.dst import Host
from umi.embed import Behind, Embedder
from umi.entity import Claim, Fact, Mention, Recalled, check_size, check_text
from umi.errors import Conflict, GuardFailed, InvalidInput
from umi.evolve import dependents, plan_evolution
from umi.extract import LocalExtractor, Model
from umi.filters import parse, predicate
from umi.hygiene import Action, Echoes, Finding, apply, check_policy, marks
from umi.index import IndexCache
from umi.memory.drafts import Draft, source_of
from umi.memory.reading import Before, Prepared, Reader, Reading, as_stated, said_before
from umi.memory.remembering import Remembered, plan_mentions, plan_remember
from umi.memory.undoing import Undone, plan_undo_change, plan_undo_last
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

    @property
    def embedder(self) -> Embedder | None:
        """What finds facts by meaning; None where words alone do."""
        return self._embedder

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
        own = self.without_secrets([one for one in own if one.text.strip()])
        done = await self._store(tenant, scope, own, actor, extract=extract, same_text_is_known=True)
        if not echoes:
            return done
        before = await said_before(self.view, tenant, scope, echoes)
        return msgspec.structs.replace(done, known=[*done.known, *(facts[0] for facts in before.facts.values())])

    async def add(
        self, tenant: str, scope: str, drafts: Sequence[Draft], *, extract: bool = False, actor: str | None = None
    ) -> Remembered:
        """Store facts as they are stated, all or none."""
        own = self.without_secrets(drafts)
        return await self._store(tenant, scope, own, actor, extract=extract, same_text_is_known=False)

    def without_secrets(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts as the policy lets them in; what they held is marked in their metadata."""
        own = []
        for draft in drafts:
            text, found = apply(draft.text, self.policy)
            value, more = apply(draft.value, self.policy) if draft.value else (draft.value, [])
            metadata, most = self._clean(draft.metadata)
            findings = [*found, *more, *most]
            if findings:
                draft = msgspec.structs.replace(  # noqa: PLW2901
                    draft, text=text, value=value, metadata={**metadata, **marks(findings)}
                )
            own.append(draft)
        return own

    def _fields_without_secrets(self, fact: Fact, fields: dict[str, Any]) -> dict[str, Any]:
        """The same for what an update changes."""
        text, found = apply(fields.get("text", ""), self.policy)
        metadata, more = self._clean(fields.get("metadata", fact.metadata))
        findings = [*found, *more]
        if not findings:
            return fields
        given = {"text": text} if "text" in fields else {}
        return {**fields, **given, "metadata": {**metadata, **marks(findings)}}

    def _clean(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
        """The texts in metadata, wherever they stand."""
        if not body:
            return body, []
        findings: list[Finding] = []

        def clean(value: Any, depth: int) -> Any:
            if isinstance(value, str):
                text, found = apply(value, self.policy)
                findings.extend(found)
                return text
            if depth and isinstance(value, dict):
                return {key: clean(one, depth - 1) for key, one in value.items()}
            return [clean(one, depth - 1) for one in value] if depth and isinstance(value, list) else value

        own: dict[str, Any] = clean(body, limits.JSON_DEPTH_MAX)  # what is deeper is refused where facts are checked
        return (own, findings) if findings else (body, [])

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
            prepared = (await self.read(self.view, tenant, scope, drafts)).prepared

        async def plan() -> tuple[Remembered, Changes]:
            nonlocal prepared
            before = None
            if prepared is None:
                reading = await self.read(self.view, tenant, scope, drafts)
                prepared, before = reading.prepared, reading.before
            how = (self.view, tenant, scope, prepared, why)
            return await self.plan_remember(*how, same_text_is_known=same_text_is_known, before=before)

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
        return await retrieve.recall(
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

    def heard(self, tenant: str, scope: str, found: Sequence[Recalled]) -> None:
        """Whoever asked was told these facts: `remember` does not take them for news. What is true no longer may be
        said anew, and is no echo then."""
        self.echoes.note(tenant, scope, [one.fact.text for one in found if one.fact.valid_to_ms is None])

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
        fact = await archival.get(self.view, tenant, fact_id, scope=scope)
        fields = self._fields_without_secrets(fact, fields)
        read = await self._read_anew(self.view, fact, fields["text"]) if "text" in fields else []

        async def plan() -> tuple[Fact, Changes]:
            old = await archival.get(self.view, tenant, fact_id, scope=scope)
            return await self.plan_update(self.view, old, fields, why, read)

        new = await self.commit(tenant, scope, plan)
        self.echoes.release(tenant, scope, [fact.text])  # what it said may be said again, by another fact
        return new

    async def _read_anew(self, view: View, fact: Fact, text: str, *, by_model: bool = True) -> list[Prepared]:
        """What a new text of a fact names and claims."""
        draft = Draft(text=text, speaker=fact.speaker, session=fact.session, document_time=fact.document_time_ms)
        reading = await self._reader.read(view, fact.tenant, fact.scope, [draft], whole=True, by_model=by_model)
        return reading.prepared

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
        found: list[Fact] = []
        ids = list(dict.fromkeys(fact_ids))
        for start in range(0, len(ids), _SCANNED_AT_ONCE):
            part = ids[start : start + _SCANNED_AT_ONCE]
            sql = (
                f"SELECT {FACT_COLUMNS} FROM fact WHERE tenant = ? AND id IN ({', '.join('?' * len(part))})"
                f" AND scope = ?{'' if even_forgotten else ' AND known_to_ms IS NULL'} ORDER BY seq"
            )
            found += [fact_from_row(row) for row in await self.view.fetch(sql, tenant, *part, scope)]
        return found

    async def forget_source(
        self, tenant: str, scope: str, source: str | Mapping[str, Any], *, hard: bool = False, actor: str | None = None
    ) -> int:
        """Stop knowing every fact that stands on exactly this source."""
        wanted = source_of(source)
        if not wanted:
            raise InvalidInput("name the source that is to be forgotten; facts without one aren't meant")
        known = "" if hard else " AND known_to_ms IS NULL"
        ids: list[str] = []
        after = -1
        while True:
            sql = (
                f"SELECT seq, id, source FROM fact WHERE tenant = ? AND scope = ? AND seq > ?{known}"
                " ORDER BY seq LIMIT ?"
            )
            part = await self.view.fetch(sql, tenant, scope, after, _SCANNED_AT_ONCE)
            ids += [row[1] for row in part if row[2] != "{}" and msgspec.json.decode(row[2]) == wanted]
            if len(part) < _SCANNED_AT_ONCE:
                break
            after = part[-1][0]
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
        now_ms, at = self.host.clock.now_ms(), (self.view, tenant, scope, change_or_fact_id, why)

        async def plan() -> tuple[Undone, Changes]:
            if change_or_fact_id.startswith("change-"):
                undone = await plan_undo_change(*at, now_ms)
            else:
                undone = await plan_undo_last(*at, now_ms)
            changes = undone.changes
            gone = [fact.id for fact in undone.after if fact.known_to_ms is not None]
            changes.extend(embed.plan_forget_vectors(tenant, scope, gone))
            for old, new in zip(undone.before, undone.after, strict=True):
                if new.text != old.text:
                    (read,) = await self._read_anew(self.view, new, new.text, by_model=False)
                    changes.extend(self._plan_told_anew(new, read.mentions))
            return undone, changes

        undone = await self.commit(tenant, scope, plan)
        self.echoes.release(tenant, scope, [fact.text for fact in (*undone.before, *undone.after)])
        return undone.after

    async def promote(self, tenant: str, scope: str) -> Promotion:
        """Bring what matters most into the scope's core memory."""
        return await promote.promote(self.view, tenant, scope, self.host)

    async def read(self, view: View, tenant: str, scope: str, drafts: Sequence[Draft]) -> Reading:
        """What to store of `drafts`, with what their texts name and claim, and what was known before."""
        return await self._reader.read(view, tenant, scope, drafts)

    def stated(self, tenant: str, scope: str, drafts: Sequence[Draft]) -> list[Prepared]:
        """What to store of `drafts` as they are."""
        return as_stated(drafts, self.host, tenant, scope)

    def why(self, action: str, actor: str | None = None, reason: str | None = None) -> Why:
        if reason is not None and len(reason.encode()) > limits.EVOLUTION_REASON_BYTES_MAX:
            raise InvalidInput(f"a reason has at most {limits.EVOLUTION_REASON_BYTES_MAX} bytes")
        return Why(action=action, actor=actor, reason=reason, change_id=self.host.ids.new("change"))

    async def plan_remember(
        self,
        view: View,
        tenant: str,
        scope: str,
        prepared: Sequence[Prepared],
        why: Why,
        *,
        same_text_is_known: bool,
        before: Before | None = None,
    ) -> tuple[Remembered, Changes]:
        """As umi.memory.remembering.plan_remember."""
        how = (view, self.host, tenant, scope, prepared, why)
        return await plan_remember(*how, same_text_is_known=same_text_is_known, before=before)

    async def plan_update(
        self, view: View, old: Fact, fields: dict[str, Any], why: Why, read: Sequence[Prepared]
    ) -> tuple[Fact, Changes]:
        """`old` with some fields changed as its next version; `read` is what a new text says."""
        new = msgspec.structs.replace(old, **fields)
        if new.text == old.text or not read:
            if "valid_to_ms" in fields:
                new = msgspec.structs.replace(new, claims=[_until(claim, new.valid_to_ms) for claim in new.claims])
            return await self.plan_rewrite(view, old, Prepared(new, []), why)
        found = read[0].fact
        if found.event_time_ms is not None and "event_time_ms" not in fields:
            new = msgspec.structs.replace(new, event_time_ms=found.event_time_ms, valid_from_ms=found.event_time_ms)
        # What was stated and is still in the words stays; an end that followed from claims follows anew.
        stays = [one for one in old.claims if one.value.casefold() in new.text.casefold()]
        follows = any(claim.whole for claim in old.claims)
        valid_to_ms = fields.get("valid_to_ms", None if follows else old.valid_to_ms)
        new = msgspec.structs.replace(new, claims=found.claims or stays, valid_to_ms=valid_to_ms)
        return await self.plan_rewrite(view, old, Prepared(new, read[0].mentions), why)

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
        changes.extend(plan_forget_mentions(version.tenant, version.scope, version.id))
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
