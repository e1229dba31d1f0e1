"""The tables of tenants. Every read and write of them is in this package."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.tenants",
        1,
        """
        CREATE TABLE tenant (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, -- no row belongs to a tenant, but the tenant: what pages ask for is always ''
            id TEXT NOT NULL, quota TEXT NOT NULL, created_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE TABLE api_key (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL, hint TEXT NOT NULL,
            scope TEXT NOT NULL, people TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, revoked_at_ms INTEGER,
            UNIQUE (tenant, id), UNIQUE (digest)
        ) STRICT;
        """,
    )
]
