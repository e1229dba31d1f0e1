"""The tables of tools. One module reads and writes each: tool custom.py, the others those they are named for."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.tools",
        1,
        """
        CREATE TABLE tool (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, tool_type TEXT NOT NULL,
            description TEXT NOT NULL, source_type TEXT NOT NULL, source_code TEXT NOT NULL, json_schema TEXT NOT NULL,
            tags TEXT NOT NULL, return_chars_max INTEGER NOT NULL, metadata TEXT NOT NULL, version INTEGER NOT NULL,
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, name)
        ) STRICT;
        """,
    ),
    # How far a tool is trusted and what it is handed (settings.py), as JSON.
    Migration("kelpie.tools", 2, "ALTER TABLE tool ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'"),
    Migration(
        "kelpie.tools",
        3,
        """
        CREATE TABLE workspace_file (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, path TEXT NOT NULL, content BLOB NOT NULL,
            bytes INTEGER NOT NULL, version INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, path)
        ) STRICT;
        CREATE TABLE agent_secret (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL,
            updated_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, name)
        ) STRICT;
        CREATE TABLE tool_audit (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL, state TEXT NOT NULL,
            tool TEXT NOT NULL, tool_id TEXT NOT NULL, tool_version INTEGER NOT NULL,
            trust TEXT NOT NULL, needs TEXT NOT NULL,
            agent_id TEXT NOT NULL, run_id TEXT NOT NULL, step_id TEXT NOT NULL, tool_call_id TEXT NOT NULL,
            speaker TEXT NOT NULL, model TEXT NOT NULL,
            level TEXT NOT NULL, backend TEXT NOT NULL, killed_by TEXT, exit_status INTEGER, is_error INTEGER NOT NULL,
            duration_ms REAL, cpu_ms REAL, memory_bytes INTEGER, network TEXT NOT NULL, asks TEXT NOT NULL,
            refusal TEXT NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX tool_audit_agent ON tool_audit (tenant, agent_id, seq);
        CREATE INDEX tool_audit_step ON tool_audit (tenant, step_id) WHERE state = 'begun';
        """,
    ),
    Migration(
        "kelpie.tools",
        4,
        """
        CREATE TABLE collection (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, version INTEGER NOT NULL,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE TABLE agent_collection (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, collection_id TEXT NOT NULL,
            UNIQUE (tenant, agent_id, collection_id)
        ) STRICT;
        CREATE INDEX agent_collection_collection ON agent_collection (tenant, collection_id);
        """,
    ),
    # Calls of MCP servers are audited too; "" for what ran in a sandbox.
    Migration("kelpie.tools", 5, "ALTER TABLE tool_audit ADD COLUMN server TEXT NOT NULL DEFAULT ''"),
    # surroundings.py: what all custom tools of a tenant are handed.
    Migration(
        "kelpie.tools",
        6,
        """
        CREATE TABLE sandbox_config (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, settings TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant) -- of one kind there is one
        ) STRICT;
        CREATE TABLE sandbox_variable (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, config_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
            description TEXT, created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, name)
        ) STRICT;
        """,
    ),
]
# How much of the store a tenant's own tools and its agents' workspaces take.
STORED_BYTES = (
    "SELECT sum(bytes) FROM workspace_file WHERE tenant = ?",
    "SELECT sum(octet_length(source_code)) FROM tool WHERE tenant = ?",
)
