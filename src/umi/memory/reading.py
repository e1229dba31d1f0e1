"""What texts name, claim and date, ready to be stored: locally, or by a model with the local reading below it."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import msgspec

from umi import limits
from umi.archival import FACT_COLUMNS, entities, fact_from_row
from umi.archival.keys import digest
from umi.archival.schema import REVISION
from umi.dst import Host
from umi.entity import Entity, Extraction, Fact, Mention
from umi.extract import LocalExtractor, Model, ModelExtractor, chunks, note_of
from umi.extract.chunk import fitting
from umi.extract.gazetteer import gazetteer
from umi.memory.drafts import Draft, fact_of, mentions_of
from umi.memory.moments import moment_ms
from umi.storage import Row, View

# What separates the clauses of a text: a fact that says no more than its claims has no more clauses than they.
_CLAUSES = re.compile(
    r"[.!?;:\n]+\s+|,?\s+(?:and|but|while|because|so|though|although|who|which)\s+|,\s+", re.IGNORECASE
)
_DIGESTS_PER_QUERY = 500
_GIVEN_NAMES_MAX = 20  # of a text that are looked up before it is read
_NOBODY = "assistant"  # its "I" is nobody the memory is about


class Prepared(msgspec.Struct, frozen=True):
    """A fact that is ready to be stored, and what it mentions."""

    fact: Fact
    mentions: list[Mention]


class Before(msgspec.Struct, frozen=True):
    """The known facts that say what is about to be said, by the digest of their text, at a revision of the scope."""

    facts: dict[bytes, list[Fact]]
    revision: int


class Reading(msgspec.Struct, frozen=True):
    """What was read of texts, and what was known before."""

    prepared: list[Prepared]
    before: Before


class Reader:
    """Finds in texts what they name and claim, with a model if there is one."""

    def __init__(self, host: Host, local: LocalExtractor, model: Model | None) -> None:
        self._host = host
        self._local = local
        self._model = ModelExtractor(model, host, local=local) if model is not None else None

    async def read(
        self,
        view: View,
        tenant: str,
        scope: str,
        drafts: Sequence[Draft],
        *,
        whole: bool = False,
        by_model: bool = True,
    ) -> Reading:
        """What to store of `drafts`, long texts in pieces unless `whole`. Raises InvalidInput, LimitExceeded."""
        pieces = list(drafts) if whole else [piece for draft in drafts for piece in self._pieces(draft)]
        known, called, before = await _glance(view, tenant, scope, [piece.text for piece in pieces])
        spoken = [piece for piece in pieces if piece.speaker != _NOBODY]
        found = iter(await self._extractions(spoken, known, before.facts.values() if by_model else None))
        read = [
            self._prepared(piece, tenant, scope, next(found) if piece.speaker != _NOBODY else Extraction())
            for piece in pieces
        ]
        exact = {one.name for one in known}  # somebody is called just that
        people = dict.fromkeys(one.name for each in read for one in each.mentions if one.type == "person")
        words = [name for name in people if name not in exact and " " not in name.strip()]
        called |= await _called(view, tenant, scope, [word for word in words if word not in called])
        names = {word: name for word in words if (name := entities.full_name(word, called[word])) != word}
        return Reading([_renamed(one, names) for one in read] if names else read, before)

    def _pieces(self, draft: Draft) -> list[Draft]:
        size = len(draft.text.encode())
        if size <= limits.MEMORY_CHUNK_BYTES_MAX:
            return [draft]
        session = draft.session or self._host.ids.new("session")  # so that the pieces are each other's neighbours
        return [
            msgspec.structs.replace(draft, text=draft.text[start:end], session=session)
            for start, end in chunks(draft.text, limits.MEMORY_CHUNK_BYTES_MAX)
            if draft.text[start:end].strip()
        ]

    async def _extractions(
        self, drafts: Sequence[Draft], known: Sequence[Entity], before: Iterable[Sequence[Fact]] | None
    ) -> Sequence[Extraction]:
        now_ms = self._host.clock.now_ms()
        told_ms = [
            now_ms if one.document_time is None else moment_ms("document_time", one.document_time) for one in drafts
        ]
        if self._model is None or before is None:
            return [
                self._local.extract(_read_of(one.text), document_time_ms=at_ms, speaker=one.speaker, known=known)
                for one, at_ms in zip(drafts, told_ms, strict=True)
            ]
        return await self._model.extract(
            [_read_of(one.text) for one in drafts],
            document_time_ms=told_ms,
            speakers=[one.speaker for one in drafts],
            known=known,
            known_facts={fact.text for facts in before for fact in facts},
        )

    def _prepared(self, draft: Draft, tenant: str, scope: str, found: Extraction) -> Prepared:
        if draft.event_time is None and found.event_time_ms is not None:
            draft = msgspec.structs.replace(draft, event_time=found.event_time_ms)
        claims = found.claims
        if claims and len([one for one in _CLAUSES.split(draft.text) if one.strip()]) <= len(claims):
            claims = [msgspec.structs.replace(claim, whole=True) for claim in claims]
        fact = fact_of(draft, self._host, tenant, scope, claims=claims)
        if draft.speaker == _NOBODY:
            return Prepared(fact, [])
        return Prepared(fact, found.mentions or [note_of(draft.text)])


def _read_of(text: str) -> str:
    """What is read of one fact's text: of a very long one its beginning, so that nobody waits for the rest."""
    return text[: fitting(text, limits.MEMORY_READ_BYTES_MAX)]


def as_stated(drafts: Sequence[Draft], host: Host, tenant: str, scope: str) -> list[Prepared]:
    """What to store of `drafts` without reading their texts."""
    prepared = []
    for draft in drafts:
        fact = fact_of(draft, host, tenant, scope)
        mentions = mentions_of(draft, fact.claims) if draft.entities or fact.claims else []
        prepared.append(Prepared(fact, mentions))
    return prepared


def _renamed(prepared: Prepared, names: dict[str, str]) -> Prepared:
    """The same with first names made whole: "Bob" is the one Bob Smith who is known."""
    mentions = [
        msgspec.structs.replace(one, name=names[one.name]) if one.name in names else one for one in prepared.mentions
    ]
    claims = [
        msgspec.structs.replace(
            claim, subject=names.get(claim.subject, claim.subject), value=names.get(claim.value, claim.value)
        )
        for claim in prepared.fact.claims
    ]
    return Prepared(msgspec.structs.replace(prepared.fact, claims=claims), mentions)


async def said_before(view: View, tenant: str, scope: str, texts: Sequence[str]) -> Before:
    """The facts of this scope that are known and say one of these texts."""
    revision, *rows = await view.all((REVISION, (tenant, scope)), *_saying(tenant, scope, texts))
    return Before(_by_digest(tenant, scope, rows), revision[0][0] if revision else 0)


async def _glance(
    view: View, tenant: str, scope: str, texts: Sequence[str]
) -> tuple[list[Entity], dict[str, list[Row]], Before]:
    """In one read: the things that a pronoun may mean, who has a given name of the texts, and the facts that say one of
    the texts."""
    given = dict.fromkeys(islice(chain.from_iterable(map(gazetteer().given_names, texts)), _GIVEN_NAMES_MAX))
    revision, recent, *rows = await view.all(
        (REVISION, (tenant, scope)),
        entities.recent(tenant, scope, limits.EVOLUTION_EXISTING_ENTITIES_COUNT_MAX),
        *(entities.people_called(tenant, scope, name) for name in given),
        *_saying(tenant, scope, texts),
    )
    before = Before(_by_digest(tenant, scope, rows[len(given) :]), revision[0][0] if revision else 0)
    known = [entities.recent_from_row(tenant, scope, row) for row in recent]
    return known, dict(zip(given, rows, strict=False)), before


async def _called(view: View, tenant: str, scope: str, words: Sequence[str]) -> dict[str, list[Row]]:
    """Who has one of these words as a first name: those that no list knows for a given name."""
    if not words:
        return {}
    found = await view.all(*(entities.people_called(tenant, scope, word) for word in words))
    return dict(zip(words, found, strict=True))


def _saying(tenant: str, scope: str, texts: Sequence[str]) -> list[tuple[str, tuple[bytes, ...]]]:
    digests = list(dict.fromkeys(digest(tenant, scope, text) for text in texts))
    queries = []
    for start in range(0, len(digests), _DIGESTS_PER_QUERY):
        part = digests[start : start + _DIGESTS_PER_QUERY]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT digest, {FACT_COLUMNS} FROM fact WHERE digest IN ({marks}) AND known_to_ms IS NULL"
        queries.append((sql, tuple(part)))
    return queries


def _by_digest(tenant: str, scope: str, answers: Iterable[Sequence[Row]]) -> dict[bytes, list[Fact]]:
    found: dict[bytes, list[Fact]] = {}
    for rows in answers:
        for row in rows:
            # A digest is salted with tenant and scope. Named in the query, they would tempt SQLite to another index.
            fact = fact_from_row(row[1:])
            assert (fact.tenant, fact.scope) == (tenant, scope), "a digest of one scope in another"
            found.setdefault(bytes(row[0]), []).append(fact)
    return found
