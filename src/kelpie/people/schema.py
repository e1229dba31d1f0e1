"""The tables of people and teams. Every read and write of them is in this package."""

from umi.storage import Migration

MIGRATIONS = [
    Migration(
        "kelpie.people",
        1,
        """
        CREATE TABLE person (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, handle TEXT NOT NULL, name TEXT NOT NULL,
            key TEXT NOT NULL, -- the name, however it is written
            created_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, handle)
        ) STRICT;
        CREATE INDEX person_key ON person (tenant, key);
        CREATE TABLE team (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, key)
        ) STRICT;
        CREATE TABLE membership (
            tenant TEXT NOT NULL, person_id TEXT NOT NULL, team_id TEXT NOT NULL,
            PRIMARY KEY (tenant, person_id, team_id),
            FOREIGN KEY (tenant, person_id) REFERENCES person (tenant, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant, team_id) REFERENCES team (tenant, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX membership_team ON membership (tenant, team_id);
        """,
    )
]
