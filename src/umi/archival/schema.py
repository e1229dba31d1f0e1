"""The tables of archival memory. SQLite and PostgreSQL run the same statements."""

from umi.storage import Migration

_FACTS = """
        CREATE TABLE fact (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL,
            importance REAL NOT NULL, metadata TEXT NOT NULL, source TEXT NOT NULL,
            valid_from_ms INTEGER NOT NULL, valid_to_ms INTEGER, known_from_ms INTEGER NOT NULL, known_to_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX fact_scope ON fact (tenant, scope, seq);
        """

MIGRATIONS = [
    Migration(
        "umi.archival",
        1,
        f"""{_FACTS}
        CREATE VIRTUAL TABLE fact_text USING fts5(own, scope, content='', contentless_delete=1,
         tokenize='porter unicode61 remove_diacritics 2');
        """,
        postgres=_FACTS,  # the full-text table was SQLite's own; the next step drops it
    ),
    Migration(
        "umi.archival",
        2,
        """
        DROP TABLE IF EXISTS fact_text;
        DROP INDEX fact_scope;
        CREATE TABLE fact_scope (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, revision INTEGER NOT NULL,
            purged_at INTEGER NOT NULL, -- the revision at which rows last disappeared: older caches start anew
            PRIMARY KEY (tenant, scope)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE fact ADD COLUMN speaker TEXT;
        ALTER TABLE fact ADD COLUMN session TEXT;
        ALTER TABLE fact ADD COLUMN claims TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE fact ADD COLUMN document_time_ms INTEGER;
        ALTER TABLE fact ADD COLUMN event_time_ms INTEGER;
        ALTER TABLE fact ADD COLUMN created_at_ms INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE fact ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE fact ADD COLUMN action TEXT NOT NULL DEFAULT 'add';
        ALTER TABLE fact ADD COLUMN actor TEXT;
        ALTER TABLE fact ADD COLUMN reason TEXT;
        ALTER TABLE fact ADD COLUMN change_id TEXT;
        ALTER TABLE fact ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
        ALTER TABLE fact ADD COLUMN terms BLOB NOT NULL DEFAULT x'';
        ALTER TABLE fact ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
        UPDATE fact SET created_at_ms = known_from_ms, revision = 1;
        INSERT INTO fact_scope (tenant, scope, revision, purged_at) SELECT DISTINCT tenant, scope, 1, 0 FROM fact;
        CREATE INDEX fact_age ON fact (tenant, scope, seq);
        CREATE INDEX fact_revision ON fact (tenant, scope, revision);
        CREATE INDEX fact_digest ON fact (digest);
        CREATE INDEX fact_change ON fact (tenant, change_id);
        CREATE TABLE fact_past (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, fact_id TEXT NOT NULL, scope TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL,
            importance REAL NOT NULL, metadata TEXT NOT NULL, source TEXT NOT NULL, speaker TEXT, session TEXT,
            claims TEXT NOT NULL, document_time_ms INTEGER, event_time_ms INTEGER,
            valid_from_ms INTEGER NOT NULL, valid_to_ms INTEGER,
            known_from_ms INTEGER NOT NULL, known_to_ms INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,
            version INTEGER NOT NULL, action TEXT NOT NULL, actor TEXT, reason TEXT, change_id TEXT,
            UNIQUE (tenant, fact_id, version)
        ) STRICT;
        CREATE INDEX fact_past_scope ON fact_past (tenant, scope, seq);
        CREATE TABLE claim (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, subject TEXT NOT NULL, attribute TEXT NOT NULL,
            value TEXT NOT NULL, fact_seq INTEGER NOT NULL,
            PRIMARY KEY (tenant, scope, subject, attribute, value, fact_seq)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX claim_value ON claim (tenant, scope, value);
        CREATE INDEX claim_fact ON claim (fact_seq);
        CREATE TABLE entity (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,
            key TEXT NOT NULL, aliases TEXT NOT NULL, attributes TEXT NOT NULL, summary TEXT NOT NULL,
            summary_fact TEXT, -- the id of the fact that the summary is taken from
            importance REAL NOT NULL, mentions INTEGER NOT NULL, accesses INTEGER NOT NULL,
            first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, last_access_ms INTEGER,
            UNIQUE (tenant, scope, key), UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX entity_seen ON entity (tenant, scope, last_seen_ms);
        CREATE TABLE mention (
            entity_seq INTEGER NOT NULL, fact_seq INTEGER NOT NULL, PRIMARY KEY (entity_seq, fact_seq)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX mention_fact ON mention (fact_seq);
        CREATE TABLE evolution (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, old_id TEXT NOT NULL, new_id TEXT NOT NULL, kind TEXT NOT NULL,
            reason TEXT NOT NULL, confidence REAL NOT NULL, at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, old_id, new_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX evolution_new ON evolution (tenant, new_id);
        """,
    ),
]

# What `facts.fact_from_row` reads, in its order.
FACT_COLUMNS = (
    "tenant, id, scope, text, tags, importance, metadata, source, speaker, session, claims, document_time_ms,"
    " event_time_ms, valid_from_ms, valid_to_ms, known_from_ms, known_to_ms, created_at_ms, version"
)
# The same of a version that ended.
PAST_COLUMNS = FACT_COLUMNS.replace(" id,", " fact_id,", 1)
WHY_COLUMNS = "action, actor, reason, change_id"
# How far a scope has come: what a plan that rests on it is guarded by.
REVISION = "SELECT revision FROM fact_scope WHERE tenant = ? AND scope = ?"

# How many bytes of text a tenant's facts have.
STORED_BYTES = ("SELECT sum(octet_length(text)) FROM fact WHERE tenant = ?",)


def columns_of(alias: str, columns: str = FACT_COLUMNS) -> str:
    """The same columns of a table under another name, for a join."""
    return ", ".join(f"{alias}.{name.strip()}" for name in columns.split(","))
