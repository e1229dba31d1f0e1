"""The tables of groups. Every read and write of them is in this package."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.groups",
        1,
        """
        CREATE TABLE agent_group (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, manager_id TEXT, body BLOB NOT NULL,
            version INTEGER NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX agent_group_manager ON agent_group (tenant, manager_id) WHERE manager_id IS NOT NULL;
        -- Whose every so many turns are looked at is looked at by one group.
        CREATE UNIQUE INDEX agent_group_sleeptime ON agent_group (tenant, manager_id) WHERE kind = 'sleeptime';
        CREATE TABLE group_member (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, group_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            UNIQUE (tenant, group_id, agent_id)
        ) STRICT;
        CREATE INDEX group_member_agent ON group_member (tenant, agent_id);
        CREATE TABLE group_run (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, group_id TEXT NOT NULL, status TEXT NOT NULL,
            input BLOB NOT NULL, options BLOB NOT NULL, stop_reason TEXT, error BLOB,
            created_at_ms INTEGER NOT NULL, completed_at_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX group_run_group ON group_run (tenant, group_id, seq);
        CREATE TABLE group_turn (
            tenant TEXT NOT NULL, group_run_id TEXT NOT NULL, number INTEGER NOT NULL, group_id TEXT NOT NULL,
            agent_id TEXT NOT NULL, part TEXT NOT NULL, run_id TEXT NOT NULL,
            PRIMARY KEY (tenant, group_run_id, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX group_turn_group ON group_turn (tenant, group_id);
        """,
    )
]
# What counts as stored by a tenant: each is a sum.
STORED_BYTES = ("SELECT sum(octet_length(input) + octet_length(options)) FROM group_run WHERE tenant = ?",)
