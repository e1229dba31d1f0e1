"""The tables of folders and files. folders.py writes folder, files.py the three of files, attached.py those of agents;
who deletes a folder or a file takes from all of them."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.files",
        1,
        """
        CREATE TABLE folder (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, version INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, name)
        ) STRICT;
        CREATE TABLE file (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, folder_id TEXT NOT NULL, name TEXT NOT NULL,
            original_name TEXT NOT NULL, media_type TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL,
            state TEXT NOT NULL, error TEXT,
            chars INTEGER NOT NULL, chunks INTEGER NOT NULL, chunks_done INTEGER NOT NULL,
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, folder_id, name)
        ) STRICT;
        CREATE INDEX file_folder ON file (tenant, folder_id, seq);
        -- As it was uploaded, until its text is read.
        CREATE TABLE file_content (
            tenant TEXT NOT NULL, file_id TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (tenant, file_id)
        ) STRICT;
        CREATE TABLE file_text (
            tenant TEXT NOT NULL, file_id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (tenant, file_id)
        ) STRICT;
        CREATE TABLE agent_folder (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, folder_id TEXT NOT NULL,
            UNIQUE (tenant, agent_id, folder_id)
        ) STRICT;
        CREATE INDEX agent_folder_folder ON agent_folder (tenant, folder_id, seq);
        -- A file that an agent opened once. `shown` is what it sees of it, empty while it is closed; `turn` tells which
        -- of its open files was not looked at for the longest time.
        CREATE TABLE agent_file (
            tenant TEXT NOT NULL, agent_id TEXT NOT NULL, file_id TEXT NOT NULL, folder_id TEXT NOT NULL,
            is_open INTEGER NOT NULL, first_line INTEGER, last_line INTEGER, shown TEXT NOT NULL,
            turn INTEGER NOT NULL, opened_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent_id, file_id)
        ) STRICT;
        CREATE INDEX agent_file_file ON agent_file (tenant, file_id);
        CREATE INDEX agent_file_folder ON agent_file (tenant, folder_id);
        """,
    )
]
# How much of the store a tenant's files take.
STORED_BYTES = (
    "SELECT sum(bytes) FROM file WHERE tenant = ?",
    "SELECT sum(octet_length(text)) FROM file_text WHERE tenant = ?",
)
