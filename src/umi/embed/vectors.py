"""The vectors of facts as rows: float16, little-endian, one for each fact, by the embedder that made it.

`embed_state` says up to which revision of a scope an embedder has seen its facts. A fact changed later if its own
revision is greater, so nobody has to tell this room of a new text, an undo or an import: the rows say it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umi import archival, limits
from umi.archival.schema import REVISION
from umi.storage import Changes, Migration, View

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np

MIGRATIONS = [
    Migration(
        "umi.embed",
        1,
        """
        CREATE TABLE fact_vector (
            fact_seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, scope TEXT NOT NULL, embedder TEXT NOT NULL, revision INTEGER NOT NULL,
            digest BLOB NOT NULL, -- of the text that was embedded
            vector BLOB NOT NULL
        ) STRICT;
        CREATE INDEX fact_vector_scope ON fact_vector (tenant, scope, revision);
        CREATE TABLE embed_state (
            embedder TEXT NOT NULL, tenant TEXT NOT NULL, scope TEXT NOT NULL, revision INTEGER NOT NULL,
            PRIMARY KEY (embedder, tenant, scope)
        ) STRICT, WITHOUT ROWID;
        """,
    )
]

_BEHIND = (
    "SELECT s.tenant, s.scope FROM fact_scope s"
    " LEFT JOIN embed_state e ON e.embedder = ?1 AND e.tenant = s.tenant AND e.scope = s.scope"
    " WHERE s.revision > coalesce(e.revision, 0) ORDER BY s.tenant, s.scope LIMIT ?2"
)
_STATE = "SELECT revision FROM embed_state WHERE embedder = ? AND tenant = ? AND scope = ?"
# Facts that changed after their vector was made, or have none of this embedder.
_WAITING = (
    "SELECT f.seq, f.id, f.revision, f.speaker, f.text, v.embedder, v.digest"
    " FROM fact f LEFT JOIN fact_vector v ON v.fact_seq = f.seq"
    " WHERE f.tenant = ?1 AND f.scope = ?2 AND f.known_to_ms IS NULL"
    " AND (f.revision > ?3 OR (f.revision = ?3 AND f.seq > ?4))"
    " AND (v.fact_seq IS NULL OR v.embedder <> ?5 OR v.revision < f.revision)"
    " ORDER BY f.revision, f.seq LIMIT ?6"
)
# Only if the fact is still the one that was read. Its seq alone may have been given to another since.
_INSERT = (
    "INSERT INTO fact_vector (fact_seq, tenant, scope, embedder, revision, digest, vector)"
    " SELECT f.seq, f.tenant, f.scope, ?5, s.revision, ?6, ?7"
    " FROM fact f JOIN fact_scope s ON s.tenant = f.tenant AND s.scope = f.scope"
    " WHERE f.tenant = ?1 AND f.scope = ?2 AND f.id = ?3 AND f.revision = ?4 AND f.known_to_ms IS NULL"
    " ON CONFLICT (fact_seq) DO UPDATE SET tenant = excluded.tenant, scope = excluded.scope,"
    " embedder = excluded.embedder, revision = excluded.revision, digest = excluded.digest, vector = excluded.vector"
)
# `?5` is what the scope's revision is if this commit is the only one since its facts were read.
_SEEN = (
    "INSERT INTO embed_state (embedder, tenant, scope, revision) SELECT ?1, ?2, ?3,"
    " CASE WHEN s.revision = ?5 THEN s.revision ELSE CAST(?4 AS INTEGER) END"
    " FROM fact_scope s WHERE s.tenant = ?2 AND s.scope = ?3"
    " ON CONFLICT (embedder, tenant, scope) DO UPDATE SET revision = excluded.revision"
)
_AFTER_ALL = 2**62  # a seq that no fact has


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fact without a vector that fits. `digest` is that of `text`, which is what to embed."""

    seq: int
    id: str
    revision: int
    text: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts of one scope to embed, in the order of `after`.

    seen      the revision up to which all is done once these are
    is_whole  nothing of the scope is left after these
    after     where the next batch begins
    """

    facts: list[Waiting]
    seen: int
    is_whole: bool
    after: tuple[int, int]


def text_to_embed(speaker: str | None, text: str) -> str:
    """What is embedded of a fact: who says it helps to find it."""
    spoken = f"{speaker}: {text}" if speaker else text
    return spoken[: limits.EMBED_TEXT_CHARS_MAX]


def packed(rows: "np.ndarray[Any, Any]") -> list[bytes]:
    """Vectors as they are stored."""
    return [row.tobytes() for row in rows.astype("<f2")]


async def scopes_behind(view: View, embedder: str, limit: int) -> list[tuple[str, str]]:
    """(tenant, scope) of scopes that `embedder` has not seen to their end. Reads one row for each scope there is."""
    return [(row[0], row[1]) for row in await view.fetch(_BEHIND, embedder, limit)]


async def next_batch(
    view: View, tenant: str, scope: str, embedder: str, *, after: tuple[int, int] | None, limit: int
) -> Batch:
    """What to embed next in a scope. `after` is the last batch's, or None to go on where the store says."""
    if after is None:
        row = await view.one(_STATE, embedder, tenant, scope)
        after = (row[0] if row else -1, _AFTER_ALL)
    revisions, rows = await view.all((REVISION, (tenant, scope)), (_WAITING, (tenant, scope, *after, embedder, limit)))
    revision = revisions[0][0] if revisions else 0
    facts = []
    for seq, fact_id, fact_revision, speaker, text, by, digest in rows:
        wanted = text_to_embed(speaker, text)
        sum_now = hashlib.blake2b(wanted.encode(), digest_size=16).digest()
        if by != embedder or digest != sum_now:  # else something else of the fact changed
            facts.append(Waiting(seq, fact_id, fact_revision, wanted, sum_now))
    if len(rows) < limit:
        return Batch(facts, revision, is_whole=True, after=(revision, _AFTER_ALL))
    last = rows[-1]
    return Batch(facts, last[2] - 1, is_whole=False, after=(last[2], last[0]))


def plan_vectors(tenant: str, scope: str, facts: Sequence[Waiting], vectors: Sequence[bytes], embedder: str) -> Changes:
    """Store the packed vectors of `facts`, in place of others they had. A fact that changed since it was read keeps
    what it has: it is still waiting."""
    changes = Changes()
    if not facts:
        return changes
    archival.revise(changes, tenant, scope)
    for fact, vector in zip(facts, vectors, strict=True):
        changes.write(_INSERT, tenant, scope, fact.id, fact.revision, embedder, fact.digest, vector)
    # What another embedder had made is gone.
    changes.write("DELETE FROM embed_state WHERE tenant = ? AND scope = ? AND embedder <> ?", tenant, scope, embedder)
    return changes


def plan_seen(changes: Changes, tenant: str, scope: str, batch: Batch, embedder: str) -> Changes:
    """Add to the changes of a batch that `embedder` has seen the scope's facts up to it."""
    after_ours = batch.seen + 1 if batch.is_whole and changes else -1
    return changes.write(_SEEN, embedder, tenant, scope, batch.seen, after_ours)


def plan_forget_vectors(tenant: str, scope: str, fact_ids: Iterable[str]) -> Changes:
    """Remove the vectors of facts: to be planned before the facts themselves go. What is still known gets a new one."""
    changes = Changes()
    for fact_id in fact_ids:
        changes.write(
            "DELETE FROM fact_vector WHERE fact_seq IN"
            " (SELECT seq FROM fact WHERE tenant = ? AND scope = ? AND id = ?)",
            *(tenant, scope, fact_id),
        )
    return changes


def plan_forget_session(tenant: str, scope: str, session: str) -> Changes:
    """The same for all facts of a scope that have this session."""
    return Changes().write(
        "DELETE FROM fact_vector WHERE fact_seq IN"
        " (SELECT seq FROM fact WHERE tenant = ? AND scope = ? AND session = ?)",
        *(tenant, scope, session),
    )


def plan_forget_scope(tenant: str, scope: str) -> Changes:
    """Remove every vector of a scope."""
    return (
        Changes()
        .write("DELETE FROM fact_vector WHERE tenant = ? AND scope = ?", tenant, scope)
        .write("DELETE FROM embed_state WHERE tenant = ? AND scope = ?", tenant, scope)
    )
