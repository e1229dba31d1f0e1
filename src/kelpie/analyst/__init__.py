"""The analyst: questions in words about data people connect, answered with numbers that can be checked.

    connections.py      rows: which data sources a tenant has
    sources/            where connections lead: engines behind one protocol, each so that it can only be read
    workers.py          the threads that queries and chart renderings run on
    table.py            what a source answers, in values JSON can carry
    guard/              decides which SQL may run, on the parsed tree, in each engine's dialect
    access/             access rules: which rows and columns whom may see; the guard writes them into the query
    semantic/           the semantic model: words, metrics and dimensions over tables, as YAML
    metric_query.py     a question in the words of a semantic model
    compile/            metric query -> SQL, in each engine's dialect: parts, stocks, comparisons, shares
    sharing/            what of the data a language model may read
    catalog.py          what a model can answer; catalog_build.py fills in the data's values and coverage
    formats.py          how a number, a date or a period is written
    results.py          rows: queries with their results, charts
    provenance/         what a number stands on: its cell, its query, the data; asking again, another way, elsewhere
    charts/             a result as a Vega-Lite chart, of the kind that fits it; PNG and SVG
    questions.py        a question from outside, put to an agent
    leaving.py          a person or team is removed, with their conversations and conventions
    answers/            what is shown of it: a number without a source is not
    reports/            answers as a page, as Markdown, as CSV
    learned.py          questions with SQL that people vouched for; confirming.py makes them out of answers
    service.py          Analyst: sources and catalogs that stay open between calls
    asking.py           one query from words or SQL to a stored result: guard, run, keep
    tools.py            the tools an agent gets; tool_specs.py describes them to the model
    conventions/        what people, teams and the organisation hold to, and which of it holds for whom
    planner/            the model `kelpie/planner`: plans tool calls by rules, without a language model
    agent.py            what an analyst agent is made of
    migrations.py       the tables; limits.py the bounds

duckdb, sqlglot, vl_convert and yaml are imported where they are first used, never when a server starts.
"""
