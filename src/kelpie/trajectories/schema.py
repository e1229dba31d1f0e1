"""The tables of trajectories. Every read and write of them is in this package."""

from kelpie.trajectories import content
from kelpie.trajectories.fulltext import create_text_table
from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.trajectories",
        1,
        f"""
        CREATE TABLE message (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, agent_id TEXT NOT NULL, position INTEGER NOT NULL,
            run_id TEXT, step_id TEXT, role TEXT NOT NULL, body BLOB NOT NULL, otid TEXT,
            created_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, agent_id, position)
        ) STRICT;
        CREATE INDEX message_run ON message (tenant, run_id) WHERE run_id IS NOT NULL;
        CREATE INDEX message_step ON message (tenant, step_id) WHERE step_id IS NOT NULL;
        {create_text_table("message_text")};

        CREATE TABLE run (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, agent_id TEXT NOT NULL, status TEXT NOT NULL, stop_reason TEXT,
            input BLOB NOT NULL, options BLOB NOT NULL, background INTEGER NOT NULL, error BLOB,
            created_at_ms INTEGER NOT NULL, completed_at_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX run_agent ON run (tenant, agent_id, seq);
        CREATE INDEX run_open ON run (seq) WHERE status IN ('created', 'running');

        CREATE TABLE step (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, run_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            number INTEGER NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL,
            provider TEXT NOT NULL, provider_type TEXT NOT NULL,
            model_name TEXT NOT NULL, model_version TEXT NOT NULL, context_window_tokens INTEGER NOT NULL,
            finish TEXT, stop_reason TEXT, error BLOB, usage BLOB NOT NULL, request BLOB NOT NULL, response BLOB,
            provider_request_id TEXT, started_at_ms INTEGER NOT NULL, model_duration_ms REAL NOT NULL,
            completed_at_ms INTEGER,
            UNIQUE (tenant, id), UNIQUE (tenant, run_id, number)
        ) STRICT;
        CREATE INDEX step_agent ON step (tenant, agent_id, seq);

        CREATE TABLE call (
            tenant TEXT NOT NULL, step_id TEXT NOT NULL, run_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            number INTEGER NOT NULL, tool_call_id TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL,
            state TEXT NOT NULL, result_message_id TEXT, is_error INTEGER NOT NULL, level TEXT NOT NULL,
            stdout BLOB NOT NULL, stderr BLOB NOT NULL, duration_ms REAL NOT NULL,
            PRIMARY KEY (tenant, step_id, number)
        ) STRICT;
        CREATE INDEX call_message ON call (tenant, result_message_id) WHERE result_message_id IS NOT NULL;

        CREATE TABLE content (
            tenant TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL,
            UNIQUE (tenant, hash)
        ) STRICT;
        """,
    ),
    # What an activation looks for: the few runs of one agent that have not ended, however many it has had.
    Migration(
        "kelpie.trajectories",
        2,
        "CREATE INDEX run_open_agent ON run (tenant, agent_id, seq) WHERE status IN ('created', 'running')",
    ),
    # What memory gave to a turn, and what it kept of it.
    Migration(
        "kelpie.trajectories",
        3,
        "ALTER TABLE step ADD COLUMN recalled BLOB; ALTER TABLE step ADD COLUMN remembered BLOB;",
    ),
    # By which name of its sender's a message was accepted, and in which run: sent again, it is not run twice.
    Migration(
        "kelpie.trajectories",
        4,
        """
        CREATE TABLE run_otid (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, otid TEXT NOT NULL, run_id TEXT NOT NULL,
            accepted_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, otid)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
    # The handle the agent names, where nobody serves it and the fallback answered.
    Migration("kelpie.trajectories", 5, "ALTER TABLE step ADD COLUMN instead_of TEXT"),
    # How often a run was taken up, and in which pieces a reply went out: what numbers its events (see records.Told).
    Migration(
        "kelpie.trajectories",
        6,
        "ALTER TABLE run ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0; ALTER TABLE step ADD COLUMN told BLOB;",
    ),
    # What a person says of a step afterwards.
    Migration(
        "kelpie.trajectories",
        7,
        "ALTER TABLE step ADD COLUMN feedback TEXT; ALTER TABLE step ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';",
    ),
    # Conversations of an agent beside its main one, which is ''. A stretch is a part of the agent's messages that a
    # conversation shows: those of one source within two positions, both included; several if it was forked.
    Migration(
        "kelpie.trajectories",
        8,
        """
        CREATE TABLE conversation (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, agent_id TEXT NOT NULL, summary TEXT, model TEXT,
            settings BLOB, context_window_tokens INTEGER, description TEXT, hidden INTEGER NOT NULL,
            archived_at_ms INTEGER, created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            last_message_at_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX conversation_agent ON conversation (tenant, agent_id, seq);
        CREATE TABLE stretch (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, conversation_id TEXT NOT NULL, since INTEGER NOT NULL,
            until INTEGER NOT NULL, source_id TEXT NOT NULL,
            PRIMARY KEY (tenant, agent_id, conversation_id, since)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX stretch_source ON stretch (tenant, agent_id, source_id);

        ALTER TABLE message ADD COLUMN conversation_id TEXT NOT NULL DEFAULT '';
        CREATE INDEX message_conversation ON message (tenant, agent_id, conversation_id, position);
        ALTER TABLE run ADD COLUMN conversation_id TEXT NOT NULL DEFAULT '';
        CREATE INDEX run_conversation ON run (tenant, conversation_id, seq) WHERE conversation_id <> '';

        CREATE TABLE run_otid_by_conversation (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, conversation_id TEXT NOT NULL, otid TEXT NOT NULL,
            run_id TEXT NOT NULL, accepted_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, conversation_id, otid)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO run_otid_by_conversation
            SELECT tenant, agent_id, '', otid, run_id, accepted_at_ms FROM run_otid;
        DROP TABLE run_otid;
        ALTER TABLE run_otid_by_conversation RENAME TO run_otid;
        """,
    ),
    # Summaries: what each stands for, and the way to a conversation's newest. A step may be the making of one.
    Migration(
        "kelpie.trajectories",
        9,
        """
        ALTER TABLE message ADD COLUMN compacted BLOB;
        CREATE INDEX message_summary ON message (tenant, agent_id, conversation_id, position)
            WHERE compacted IS NOT NULL;
        ALTER TABLE step ADD COLUMN kind TEXT NOT NULL DEFAULT 'reply';
        """,
    ),
    # The group whose turn a run is.
    Migration(
        "kelpie.trajectories",
        10,
        """
        ALTER TABLE run ADD COLUMN group_id TEXT;
        CREATE INDEX run_group ON run (tenant, group_id, seq) WHERE group_id IS NOT NULL;
        """,
    ),
    # What the backend said of the tokens of a reply, where its sender wanted that kept.
    Migration("kelpie.trajectories", 11, "ALTER TABLE step ADD COLUMN tokens BLOB"),
    content.MIGRATION,
]

# How much of the store a tenant's trajectories take, as far as it is theirs to make less.
STORED_BYTES = (
    "SELECT sum(octet_length(body)) FROM message WHERE tenant = ?",
    "SELECT sum(octet_length(input) + octet_length(options)) FROM run WHERE tenant = ?",
    "SELECT sum(octet_length(body)) FROM content WHERE tenant = ?",
)

RUNS_OF_AGENT = "SELECT id FROM run WHERE tenant = ?1 AND agent_id = ?2"


def of_agent_deleted(tenant: str, agent_id: str) -> list[tuple[str, tuple[str, str]]]:
    """The statements that remove an agent's trajectory, and the contents that no other agent holds."""
    text = "DELETE FROM message_text WHERE rowid IN (SELECT seq FROM message WHERE tenant = ? AND agent_id = ?)"
    tables = ("message", "call", "step", "run", "run_otid", "conversation", "stretch")
    return [
        (text, (tenant, agent_id)),
        *((f"DELETE FROM {table} WHERE tenant = ? AND agent_id = ?", (tenant, agent_id)) for table in tables),
        *content.of_agent_deleted(tenant, agent_id),
    ]
