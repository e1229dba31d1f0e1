"""Exact bytes, kept once: ask a hundred questions about a novel and the novel is stored once.

A request is a list of segments, one per message, whose concatenation is the body that was sent. Each segment is a
row under its hash; a step keeps the list of hashes. Contents belong to a tenant: a hash is never looked up in
another one. Which agents hold a content is kept beside it: what nobody holds any more is removed, with the last agent
that held it or, when some of an agent's steps were removed, by whoever looks through those that are left.
"""

import hashlib
from collections.abc import Iterable, Sequence

from umi.storage import Changes, Migration, View

HASH_BYTES = 20
MIGRATION = Migration(
    "kelpie.trajectories",
    12,
    f"""
    CREATE TABLE content_held (
        tenant TEXT NOT NULL, agent_id TEXT NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (tenant, agent_id, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX content_held_hash ON content_held (tenant, hash);
    INSERT INTO content_held
        WITH RECURSIVE piece (tenant, agent_id, hash, rest) AS (
            SELECT tenant, agent_id, substr(request, 1, {HASH_BYTES}), substr(request, {HASH_BYTES + 1}) FROM step
            UNION ALL
            SELECT tenant, agent_id, substr(rest, 1, {HASH_BYTES}), substr(rest, {HASH_BYTES + 1}) FROM piece
            WHERE length(rest) > 0
        )
        SELECT tenant, agent_id, hash FROM piece WHERE length(hash) > 0
        UNION
        SELECT tenant, agent_id, response FROM step WHERE response IS NOT NULL;
    DELETE FROM content WHERE NOT EXISTS (
        SELECT 1 FROM content_held h WHERE h.tenant = content.tenant AND h.hash = content.hash
    );
    """,
)
_PUT = "INSERT INTO content VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_HOLD = "INSERT INTO content_held SELECT ?, ?, unhex(value) FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
_GET = "SELECT hash, body FROM content WHERE tenant = ? AND hash IN (SELECT unhex(value) FROM json_each(?))"
_HELD = "SELECT hash FROM content_held WHERE tenant = ? AND agent_id = ?"
_THEIRS_ALONE = (
    "DELETE FROM content WHERE tenant = ?1 AND hash IN ({hashes}) AND NOT EXISTS (SELECT 1 FROM content_held h"
    " WHERE h.tenant = ?1 AND h.hash = content.hash AND h.agent_id <> ?2)"
)
_OF_AGENT = (
    _THEIRS_ALONE.format(hashes="SELECT hash FROM content_held WHERE tenant = ?1 AND agent_id = ?2"),
    "DELETE FROM content_held WHERE tenant = ?1 AND agent_id = ?2",
)
_OF_HASHES = (
    _THEIRS_ALONE.format(hashes="SELECT unhex(value) FROM json_each(?3)"),
    "DELETE FROM content_held WHERE tenant = ?1 AND agent_id = ?2 AND hash IN (SELECT unhex(value) FROM json_each(?3))",
)
_STEPS = "SELECT seq, request, response FROM step WHERE tenant = ? AND agent_id = ? AND seq > ? ORDER BY seq LIMIT ?"
# By its id: a number is given again once its row is gone.
_NEWEST = "SELECT coalesce((SELECT id FROM step WHERE tenant = ? AND agent_id = ? ORDER BY seq DESC LIMIT 1), '')"
_STEPS_AT_ONCE = 500


def content_hash(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=HASH_BYTES).digest()


def plan_put(tenant: str, agent_id: str, bodies: Sequence[bytes]) -> tuple[list[bytes], Changes]:
    """Store what isn't there yet, for a step of this agent. Returns the hashes, in order, and the changes."""
    changes = Changes()
    hashes = [content_hash(body) for body in bodies]
    for digest, body in dict(zip(hashes, bodies, strict=True)).items():
        changes.write(_PUT, tenant, digest, body)
    return hashes, changes.write(_HOLD, tenant, agent_id, _as_json(hashes))


async def get(view: View, tenant: str, hashes: Sequence[bytes]) -> bytes:
    """The bodies of `hashes`, joined in order. Every hash a step holds was committed with it."""
    found: dict[bytes, bytes] = {row[0]: row[1] for row in await view.fetch(_GET, tenant, _as_json(hashes))}
    return b"".join(found[digest] for digest in hashes)


def of_agent_deleted(tenant: str, agent_id: str) -> list[tuple[str, tuple[str, str]]]:
    """The statements that remove what no other agent holds."""
    return [(sql, (tenant, agent_id)) for sql in _OF_AGENT]


async def plan_sweep(view: View, tenant: str, agent_id: str) -> Changes:
    """Remove what none of the agent's steps holds any more: some were removed. Reads all that are left, some at a
    time. Guard "steps": none was written meanwhile."""
    held = {row[0] for row in await view.fetch(_HELD, tenant, agent_id)}
    newest, seen = (await view.fetch(_NEWEST, tenant, agent_id))[0][0], 0
    while held and (rows := await view.fetch(_STEPS, tenant, agent_id, seen, _STEPS_AT_ONCE)):
        for seq, request, response in rows:
            held.difference_update(request[at : at + HASH_BYTES] for at in range(0, len(request), HASH_BYTES))
            held.discard(response)
            seen = seq
    changes = Changes().guard("steps", f"SELECT 1 WHERE ({_NEWEST}) = ?", tenant, agent_id, newest)
    if held:
        for sql in _OF_HASHES:
            changes.write(sql, tenant, agent_id, _as_json(held))
    return changes


def _as_json(hashes: Iterable[bytes]) -> str:
    return "[" + ",".join(f'"{digest.hex()}"' for digest in sorted(set(hashes))) + "]"
