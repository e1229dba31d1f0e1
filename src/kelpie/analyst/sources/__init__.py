"""Data sources: where a connection leads. Every engine is read behind one protocol, and can only be read.

    source.py        Source: what every engine offers; its tables, checks and cost hints
    engines.py       the registry: which engines there are, how each is configured and opened
    config.py        the shapes of a connection's `config`; which folders may be read; where passwords come from
    queries.py       queries on worker threads: deadline, stop, close
    duckdb_file.py   a DuckDB file
    sqlite_file.py   a SQLite file; sqlite_kinds.py says what its columns hold
    files.py         CSV, TSV, Parquet and XLSX files; files_reading.py reads them, files_typing.py gives text its types
    postgres.py      a PostgreSQL server; postgres_catalog.py asks it for tables and rights, postgres_types.py for types
    mysql.py         a MySQL or MariaDB server; mysql_session.py is one connection to it, mysql_catalog.py its tables,
                     rights and states, mysql_types.py its types

Two walls stand between a query and harm. The guard decides on the statement before it comes here. The sources are the
other: each engine is opened or asked in a way in which it refuses by itself to write. No driver is imported before a
source of its engine is opened.
"""
