"""The analyst: questions in words about data people connect, answered with numbers that can be checked.

    connections.py      rows: which data sources a tenant has
    duckdb_source.py    a DuckDB file opened so that it can only be read
    workers.py          the threads that queries and chart renderings run on
    table.py            what a source answers, in values JSON can carry
    guard.py            decides which SQL may run, on the parsed tree; guard_functions.py lists what it may call
    semantic/           the semantic model: words, metrics and dimensions over tables, as YAML
    metric_query.py     a question in the words of a semantic model; compile.py turns it into SQL
    catalog.py          what a model can answer; catalog_build.py fills in the data's values and coverage
    formats.py          how a number, a date or a period is written
    results.py          rows: queries with their results, charts
    provenance.py       what a number stands on: its cell, its query, the data; running it again
    charts.py           a result as a Vega-Lite chart, and as a PNG
    service.py          Analyst: sources and catalogs that stay open between calls
    asking.py           one query from words or SQL to a stored result: guard, run, keep
    tools.py            the tools an agent gets; tool_specs.py describes them to the model
    planner/            the model `kelpie/planner`: plans tool calls by rules, without a language model
    agent.py            what an analyst agent is made of
    migrations.py       the tables; limits.py the bounds

duckdb, sqlglot, vl_convert and yaml are imported where they are first used, never when a server starts.
"""
