"""The analyst's tables. Each is read and written by one module, named in its comment."""

from umi.storage import Migration

MIGRATIONS: list[Migration] = [
    Migration(
        room="kelpie.analyst",
        number=1,
        sql="""
        -- connections.py
        CREATE TABLE connection (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            engine TEXT NOT NULL,
            config TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE UNIQUE INDEX connection_by_name ON connection (tenant, name);

        -- semantic/records.py
        CREATE TABLE semantic_model (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            connection_id TEXT NOT NULL,
            yaml TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE UNIQUE INDEX semantic_model_by_name ON semantic_model (tenant, name);
        CREATE INDEX semantic_model_by_connection ON semantic_model (tenant, connection_id);

        -- results.py
        CREATE TABLE analyst_query (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            run_id TEXT NOT NULL,
            step_id TEXT NOT NULL,
            tool_call_id TEXT NOT NULL,
            connection_id TEXT NOT NULL,
            semantic_model_id TEXT NOT NULL,
            metric_query TEXT,
            sql TEXT NOT NULL,
            verdict TEXT NOT NULL,
            columns TEXT NOT NULL,
            rows TEXT NOT NULL,
            row_count INTEGER NOT NULL,
            truncated INTEGER NOT NULL,
            duration_ms REAL NOT NULL,
            snapshot TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE INDEX analyst_query_by_agent ON analyst_query (tenant, agent_id, created_at_ms);
        CREATE INDEX analyst_query_by_run ON analyst_query (tenant, run_id);

        -- results.py
        CREATE TABLE analyst_chart (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            query_id TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            spec TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE INDEX analyst_chart_by_query ON analyst_chart (tenant, query_id);
        """,
    )
]
