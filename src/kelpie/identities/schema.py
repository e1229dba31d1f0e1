"""The tables of identities. Every read and write of them is in records.py."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.identities",
        1,
        """
        CREATE TABLE identity (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
            body BLOB NOT NULL, version INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, key)
        ) STRICT;
        CREATE TABLE identity_agent (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, identity_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            UNIQUE (tenant, identity_id, agent_id)
        ) STRICT;
        CREATE INDEX identity_agent_agent ON identity_agent (tenant, agent_id);
        CREATE TABLE identity_block (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, identity_id TEXT NOT NULL, block_id TEXT NOT NULL,
            UNIQUE (tenant, identity_id, block_id),
            FOREIGN KEY (tenant, block_id) REFERENCES block (tenant, id) ON DELETE CASCADE
        ) STRICT;
        CREATE INDEX identity_block_block ON identity_block (tenant, block_id);
        """,
    )
]
