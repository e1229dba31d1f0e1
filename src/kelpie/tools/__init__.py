"""What an agent can call: a description for the model, a function, and how far it reaches.

tool.py         Tool, ToolContext, Outcome: what the turn works with
memory.py       the built-in tools with which an agent writes and reads its own memory
blocks.py       which blocks of core memory a call sees: its conversation may have some for itself
rewriting.py    those that make, rewrite and remove whole blocks; patches.py: a patch as the changes it asks for
collections.py  facts that several agents share
source.py       a custom tool's name, description and schema, parsed from its Python source
annotations.py  type hints as JSON schemas
custom.py       the rows of a tenant's tools
settings.py     how far a custom tool is trusted, and what it is handed
arguments.py    a call's arguments against the schema, before anything runs
catalog.py      Catalog: from a row to a Tool
bench.py        Bench: where source runs that isn't ours, and what is kept of it
run_code.py     the built-in tool that runs what a model wrote
others.py       the tools with which agents speak to other agents
asks.py         what a running tool may ask of the server
workspace.py    an agent's files
secrets.py      an agent's secrets; surroundings.py: what all custom tools of a tenant are handed
audit.py        who ran what, for whom, and where it really ran
web             pages and a search
mcp             tools of other programs, over the Model Context Protocol
schema.py       the tables
limits.py       every bound
"""
