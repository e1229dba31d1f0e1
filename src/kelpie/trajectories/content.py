"""Exact bytes, kept once: ask a hundred questions about a novel and the novel is stored once.

A request is a list of segments, one per message, whose concatenation is the body that was sent. Each segment is a
row under its hash; a step keeps the list of hashes. Contents belong to a tenant: a hash is never looked up in
another one.
"""

import hashlib
from collections.abc import Sequence

from umi.storage import Changes, View

HASH_BYTES = 20
_PUT = "INSERT INTO content VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_GET = "SELECT hash, body FROM content WHERE tenant = ? AND hash IN (SELECT unhex(value) FROM json_each(?))"


def content_hash(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=HASH_BYTES).digest()


def plan_put(tenant: str, bodies: Sequence[bytes]) -> tuple[list[bytes], Changes]:
    """Store what isn't there yet. Returns the hashes, in order, and the changes."""
    changes = Changes()
    hashes = [content_hash(body) for body in bodies]
    for digest, body in dict(zip(hashes, bodies, strict=True)).items():
        changes.write(_PUT, tenant, digest, body)
    return hashes, changes


async def get(view: View, tenant: str, hashes: Sequence[bytes]) -> bytes:
    """The bodies of `hashes`, joined in order. Every hash a step holds was committed with it."""
    wanted = "[" + ",".join(f'"{digest.hex()}"' for digest in dict.fromkeys(hashes)) + "]"
    found: dict[bytes, bytes] = {row[0]: row[1] for row in await view.fetch(_GET, tenant, wanted)}
    return b"".join(found[digest] for digest in hashes)
