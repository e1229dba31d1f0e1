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
    ),
    Migration(
        room="kelpie.analyst",
        number=2,
        sql="""
        -- access/records.py
        CREATE TABLE access_rule (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            semantic_model TEXT NOT NULL,
            source_table TEXT NOT NULL,
            who TEXT NOT NULL,
            unless TEXT NOT NULL,
            row_filter TEXT,
            mask TEXT NOT NULL,
            deny INTEGER NOT NULL,
            says TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE UNIQUE INDEX access_rule_by_name ON access_rule (tenant, semantic_model, name);
        """,
    ),
    Migration(
        room="kelpie.analyst",
        number=3,
        sql="""
        -- results.py: what a query stood on beside its SQL and its data
        ALTER TABLE analyst_query ADD COLUMN basis TEXT NOT NULL DEFAULT '{}';

        -- provenance/checking.py: what came of re-deriving the numbers of a query another way; the newest counts
        CREATE TABLE analyst_check (
            tenant TEXT NOT NULL,
            query_id TEXT NOT NULL,
            outcome TEXT NOT NULL,
            checks TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, query_id)
        ) STRICT;

        -- answers/keeping.py: what was shown of a run's last words, its numbers' links, and what people said of it
        CREATE TABLE analyst_answer (
            tenant TEXT NOT NULL,
            run_id TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            text TEXT NOT NULL,
            numbers TEXT NOT NULL,
            unsourced TEXT,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, run_id)
        ) STRICT;
        CREATE INDEX analyst_answer_by_agent ON analyst_answer (tenant, agent_id);
        CREATE TABLE analyst_feedback (
            tenant TEXT NOT NULL,
            run_id TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            verdict TEXT NOT NULL,
            person TEXT,
            reason TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX analyst_feedback_by_run ON analyst_feedback (tenant, run_id);
        CREATE INDEX analyst_feedback_by_agent ON analyst_feedback (tenant, agent_id);

        -- learned.py: questions with the SQL that somebody confirmed or corrected
        CREATE TABLE verified_query (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            semantic_model_id TEXT NOT NULL,
            asked TEXT NOT NULL,
            question TEXT NOT NULL,
            sql TEXT NOT NULL,
            metric_query TEXT,
            kind TEXT NOT NULL,
            holds_for TEXT NOT NULL,
            verified_by TEXT NOT NULL,
            data_last TEXT NOT NULL,
            run_id TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, id)
        ) STRICT;
        CREATE INDEX verified_query_by_question ON verified_query (tenant, semantic_model_id, asked);
        """,
    ),
    Migration(
        room="kelpie.analyst",
        number=4,
        sql="""
        -- connections.py: how much of the data may leave the source for a model
        ALTER TABLE connection ADD COLUMN sharing TEXT NOT NULL DEFAULT 'rows';
        """,
    ),
]
